"""The front door: every check in its order, each with its lines. Nothing is written, and but for a probe no order sent.

What is known without a gateway is told first, then a connection is made as a run makes it, as another client.
"""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from pathlib import Path

from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.ib.greeting import Greeting
from rulebot.adapters.ib.settings import LINES
from rulebot.doctor.account import account
from rulebot.doctor.admitted import admission
from rulebot.doctor.clocks import hours, shorter, skew
from rulebot.doctor.configured import found_settings
from rulebot.doctor.dates import events_ahead, found_calendar, sessions_ahead
from rulebot.doctor.delayed import delayed_data
from rulebot.doctor.disk import privacy, readable, room
from rulebot.doctor.finding import Finding, Group, Level, fault, outage, unchecked
from rulebot.doctor.gateway import codec, greeted, own_id
from rulebot.doctor.hooks import hooks_received
from rulebot.doctor.legs import chosen_legs
from rulebot.doctor.packages import python_and_packages
from rulebot.doctor.probe.probing import USUAL, probed
from rulebot.doctor.records import integrity, not_kept
from rulebot.doctor.streams import told_streams
from rulebot.doctor.texts import found_desk, found_for_exits, with_set
from rulebot.documents.load_bots import LoadedBots
from rulebot.documents.reload_specs import is_named
from rulebot.live.environments import SimSettings, World, attached, simulated
from rulebot.model.errors import BrokerError
from rulebot.model.facts import EventCalendar
from rulebot.model.session import exchange_date
from rulebot.model.values import dataclass
from rulebot.preview.choose_structure import facts_of, look
from rulebot.preview.read_only_session import FEW_LINES, ReadOnlySession, into_the_day
from rulebot.preview.running_engine import is_held
from rulebot.process.reconnect_backoff import first_batch
from rulebot.process.settings import Settings, folder_of
from rulebot.replay.recordings import tapes_of
from rulebot.spec.files import find_files

CLIENT_ID = 72
"""Which client looks: not the one that an engine trades as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What is to be looked at.

    flags: settings that were given with the command; their `host` and `port` name a gateway. sim: a simulated one, of
    its own when the flags name none. data: the folder of what rulebot keeps. environ: as in `read_settings`.
    probe: the file for the raw bytes of a probe, which sends orders; None sends none. audits: reads the whole store.
    delayed: chooses legs on Cboe's delayed quotes too. exits_only: nothing of the specs is entered.
    """

    specs: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    account: Path | None = None
    settings: Path | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    sim: bool = False
    probe: Path | None = None
    audits: bool = True
    delayed: bool = False
    exits_only: bool = False
    data: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def is_embedded(self) -> bool:
        """True when the market is one of our own, made for this check-up."""
        return self.sim and self.flags.get("host") is None


async def examine(wanted: DoctorOptions, clock: Clock | None = None) -> AsyncIterator[Finding]:
    """Yield what is found, group by group, as it is found. Raises: MisuseError."""
    clock = clock or WallClock()
    if wanted.exits_only:
        desk, said = found_for_exits(wanted.specs, wanted.account)
    else:
        desk, said = found_desk(wanted.specs, wanted.overrides, wanted.account)
    async for finding in _examined(wanted, clock, desk, said):
        yield finding
    if wanted.delayed:
        async for finding in delayed_data(desk, found_calendar(wanted.data)[0], clock):
            yield finding


async def _examined(
    wanted: DoctorOptions, clock: Clock, desk: LoadedBots, said: Iterable[Finding]
) -> AsyncIterator[Finding]:
    settings, of_settings = _settings(wanted, desk)
    store = None if settings is None else settings.live_store if wanted.live else settings.store
    if store is not None and (not wanted.sim or wanted.flags.get("store") is not None):
        desk, of_operators = with_set(desk, store)
        said = (*said, *of_operators)
    of_hooks = hooks_received(desk, wanted.data, wanted.environ)
    for finding in (*python_and_packages(store), *of_settings, *of_hooks, *said):
        yield finding
    today = SimSettings().first_day if wanted.is_embedded else exchange_date(clock.now())
    calendar, of_calendar = found_calendar(wanted.data)
    of_sessions = list(sessions_ahead(today))
    for finding in (*of_sessions, *of_calendar, *events_ahead(calendar, desk, today)):
        yield finding
    for finding in () if settings is None else _on_disk(wanted, settings):
        yield finding
    if settings is None or any(each.level is Level.FAULT for each in of_sessions):
        why = "nobody knows where it is" if settings is None else "no session is known that it could be asked about"
        for finding in (unchecked(Group.GATEWAY, "connection", why), *_unasked(set())):
            yield finding
        return
    yield await codec()
    async for finding in _at_the_gateway(wanted, desk, settings, calendar, clock):
        yield finding


def _settings(wanted: DoctorOptions, desk: LoadedBots) -> tuple[Settings | None, list[Finding]]:
    """Return the settings of a run of these specs: their file lies beside the folders that these are in."""
    flags = dict(wanted.flags)
    if desk.account is not None and not wanted.live and flags.get("account") is None:
        flags["account"] = desk.account.account or None
    there = [each for each in wanted.specs if is_named(each)] if wanted.exits_only else wanted.specs
    folder = folder_of(wanted.settings, desk.files or find_files(there) or wanted.specs)
    return found_settings(wanted.settings, folder, wanted.data, flags, wanted.environ)


def _on_disk(wanted: DoctorOptions, settings: Settings) -> list[Finding]:
    store = settings.live_store if wanted.live else settings.store
    found = list(room(store, settings.logs))
    if wanted.sim:
        return [*found, not_kept()]
    return [
        *found,
        *privacy(wanted.data),
        *readable(store, settings.logs, tapes_of(store)),
        *integrity(store, live=wanted.live, audits=wanted.audits),
    ]


async def _at_the_gateway(
    wanted: DoctorOptions, desk: LoadedBots, settings: Settings, calendar: EventCalendar, clock: Clock
) -> AsyncIterator[Finding]:
    world: AbstractAsyncContextManager[World]
    has_neighbour = not wanted.sim and is_held(settings.live_store if wanted.live else settings.store)
    if wanted.is_embedded:
        world = simulated(SimSettings(), CLIENT_ID)
    else:
        port, offered, said = await greeted(settings, live=wanted.live, sim=wanted.sim)
        for finding in said:
            yield finding
        if wanted.live:
            for finding in admission(desk, settings, f"{settings.host}:{port}", offered, clock.now()):
                yield finding
        if offered is None or port is None:
            for finding in (*hours(clock.now(), simulated=False), *_unasked(set())):
                yield finding
            return
        world = _attached(wanted, desk, settings, port, offered)
        yield await own_id(settings, port, has_engine=has_neighbour, sim=wanted.sim)
    told: set[Group] = set()
    try:
        async with world as entered:
            looks = connected(entered, desk, calendar, clock, wanted, has_neighbour=has_neighbour, lines=settings.lines)
            async for finding in looks:
                told.add(finding.group)
                yield finding
    except BrokerError as error:
        yield outage(Group.GATEWAY, "connection", error)
        for finding in _unasked(told):
            yield finding


def _attached(
    wanted: DoctorOptions, desk: LoadedBots, settings: Settings, port: int, offered: Greeting
) -> AbstractAsyncContextManager[World]:
    rules = None if desk.account is None else desk.account.live
    name = settings.account if not wanted.live else "" if rules is None else rules.account
    return attached(
        settings.host,
        port,
        CLIENT_ID,
        "" if wanted.sim else name,
        lockstep=wanted.sim or offered.is_simulated,
        among=name,
        live=wanted.live,
        share=settings.share,
    )


def _unasked(told: set[Group]) -> list[Finding]:
    """Return what nobody could be asked about: the groups of a connection of which nothing was told."""
    groups = (Group.CLOCK, Group.ACCOUNT, Group.DATA, Group.LEGS)
    return [unchecked(each, each.value, "there is no connection to ask by") for each in groups if each not in told]


async def connected(
    world: World,
    desk: LoadedBots,
    calendar: EventCalendar,
    clock: Clock,
    wanted: DoctorOptions,
    *,
    has_neighbour: bool,
    lines: int = LINES,
) -> AsyncIterator[Finding]:
    """Yield what a gateway lets be known. Raises: BrokerError when it refuses us, or the connection is lost."""
    first = await first_batch(world.ib.link, "doctor")
    visit = ReadOnlySession(world, desk, calendar, first, min(FEW_LINES, lines) if has_neighbour else lines)
    try:
        async for finding in _seen(visit, world, desk, clock, wanted, has_neighbour=has_neighbour):
            yield finding
    finally:
        visit.close()


async def _seen(
    visit: ReadOnlySession, world: World, desk: LoadedBots, clock: Clock, wanted: DoctorOptions, *, has_neighbour: bool
) -> AsyncIterator[Finding]:
    if wanted.is_embedded:
        await into_the_day(visit)
    yield await skew(visit, clock)
    for finding in hours(visit.at, simulated=visit.link.is_simulated):
        yield finding
    lacking = await facts_of(visit, desk)
    async for finding in shorter(visit):
        yield finding
    troubles = [fault(Group.DATA, f"facts of {name}", each.message, each.help or "") for name, each in lacking.items()]
    for finding in account(visit, desk, live=wanted.live):
        yield finding
    if desk.bots:
        looked = await look(visit, desk, chooses=not has_neighbour)
        for finding in (*troubles, *told_streams(visit, desk, looked.seen), *chosen_legs(visit, looked)):
            yield finding
    else:
        yield unchecked(Group.DATA, "market data", "no bot needs any")
    if has_neighbour:
        text = "an engine runs on this store, and a user has 100 market data lines: none were taken for options"
        yield unchecked(Group.LEGS, "legs", text)
    if wanted.probe is not None and has_neighbour:
        text = "an engine runs on this store: its orders and these would meet"
        yield unchecked(Group.PROBE, "probe", text, "stop it")
    elif wanted.probe is not None:
        async for finding in probed(visit, world, _probed_symbol(desk), wanted.probe):
            yield finding


def _probed_symbol(desk: LoadedBots) -> str:
    """Return the underlying of the first bot, whose options are what will be traded."""
    return next((bot.plan.legs[0].symbol for bot in desk.bots.values()), USUAL)
