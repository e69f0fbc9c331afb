"""The entry module: every check in its order, each with its lines. Nothing is written, and only a probe sends orders.

Checks without a gateway come first, then a connection is made as a run makes it, as another client.
"""

import importlib.metadata as installed
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.ib.handshake import Greeting
from rulebot.adapters.ib.settings import LINES
from rulebot.checks.journal.audit import audit_store
from rulebot.core.state.state import OperatorState, TradingMode
from rulebot.doctor.account_checks import account, admission, found_desk, found_for_exits, found_settings, with_set
from rulebot.doctor.market_checks import (
    Finding,
    Group,
    Level,
    chosen_legs,
    codec,
    delayed_data,
    events_ahead,
    fault,
    fine,
    found_calendar,
    greeted,
    hours,
    outage,
    own_id,
    reported_streams,
    sessions_ahead,
    shorter,
    skew,
    unchecked,
    warning,
)
from rulebot.doctor.probe import USUAL, probed
from rulebot.documents.load_bots import LoadedBots, is_named
from rulebot.live.environments import SimSettings, WantedWorld, World, attached, simulated
from rulebot.model.errors import BrokerError, RulebotError, StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.session import exchange_date
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.preview.candidate import facts_of, look
from rulebot.preview.connection import FEW_LINES, ReadOnlySession, into_the_day, is_held
from rulebot.process.connection_state import first_batch
from rulebot.process.settings import Settings, folder_of
from rulebot.promotion.promotion import refuse_live_store
from rulebot.record.record import Kind
from rulebot.recovery.resume import standing_of
from rulebot.replay.recordings import tapes_of
from rulebot.spec.files import find_files
from rulebot.store.place import Place, Server, hook_secret, is_open_to_others
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_there

# --- Python and the packages it finds

OLDEST = (3, 11)
NAME = "rulebot"
OF_WORK = frozenset(("gates", "test"))
"""Extras for who works on rulebot; the others are for who trades with it."""
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*(?P<versions>[^;\[]*)(;(?P<marker>.*))?$")
_LEAST, _BELOW = (re.compile(rf"(?:^|,)\s*{sign}\s*([0-9][0-9.]*)") for sign in (">=", "<"))
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class Requirement(NamedTuple):
    """A package that is asked for. least: its oldest version, below: the first that is too new; "" for any.

    extra: which extra asks for it.
    """

    name: str
    least: str
    extra: str
    below: str = ""


def python_and_packages(store: Place | None) -> Iterator[Finding]:
    """Yield what is installed; a `store` on a server needs its extra."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST:
        yield fault(Group.PYTHON, "python", f"Python {version}, 3.11 is needed", "install Python 3.11 or newer")
    else:
        yield fine(Group.PYTHON, "python", f"Python {version}")
    try:
        asked = requirements(installed.requires(NAME) or [], sys.platform)
        own = installed.version(NAME)
    except installed.PackageNotFoundError:
        yield unchecked(Group.PYTHON, NAME, "not installed: it runs from a checkout", "pip install -e .")
        return
    yield fine(Group.PYTHON, NAME, f"rulebot {own}")
    yield from _core([each for each in asked if not each.extra])
    for extra in sorted({each.extra for each in asked} - OF_WORK - {""}):
        parts = [each for each in asked if each.extra == extra]
        yield _extra(extra, parts, is_needed=extra == "postgres" and isinstance(store, Server))


def requirements(lines: list[str], platform: str) -> list[Requirement]:
    """Return what the metadata of a package asks for on this platform."""
    found = []
    for line in (each.replace('"', "'") for each in lines):
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        marker = match["marker"] or ""
        if ("== 'win32'" in marker) if platform != "win32" else ("!= 'win32'" in marker):
            continue
        extra, versions = _EXTRA.search(marker), match["versions"]
        least, below = (bound[1] if (bound := sign.search(versions)) else "" for sign in (_LEAST, _BELOW))
        found.append(Requirement(match["name"], least, extra[1] if extra else "", below))
    return found


def problem_with(asked: Requirement) -> str:
    """Return what is wrong with a package, "" when it is there and neither too old nor too new."""
    try:
        found = installed.version(asked.name)
    except installed.PackageNotFoundError:
        return f"{asked.name} is not installed"
    if asked.least and _numbers(found) < _numbers(asked.least):
        return f"{asked.name} {found} is too old, {asked.least} is needed"
    if asked.below and _numbers(found) >= _numbers(asked.below):
        return f"{asked.name} {found} is too new, one below {asked.below} is needed"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at its end, so that 8.2 is not below 8.2.0."""
    head = re.match(r"[0-9.]*", version.partition("+")[0])
    numbers = [int(part) for part in (head[0] if head else "").split(".") if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _core(asked: list[Requirement]) -> Iterator[Finding]:
    problems = [problem for each in asked if (problem := problem_with(each))]
    for problem in problems:
        yield fault(Group.PYTHON, "packages", problem, "pip install rulebot, in the same venv")
    if not problems:
        listed = ", ".join(f"{each.name} {installed.version(each.name)}" for each in sorted(asked))
        yield fine(Group.PYTHON, "packages", listed)


def _extra(extra: str, asked: list[Requirement], *, is_needed: bool) -> Finding:
    name, mend = f"extra {extra}", f'pip install "rulebot[{extra}]"'
    problems = [problem for each in asked if (problem := problem_with(each))]
    if not problems:
        return fine(Group.PYTHON, name, "installed")
    text = f"missing: {'; '.join(problems)}"
    if is_needed:
        return fault(Group.PYTHON, name, f"{text}; the store of the settings needs it", mend)
    return fine(Group.PYTHON, name, f"{text}; nothing that is asked for here needs it: {mend}")


# --- The store

_BROKEN = "stop trading on it; 'rulebot store audit' shows more, 'rulebot store restore' puts a backup back"


def integrity(store: Place, *, live: bool, audits: bool = True) -> Iterator[Finding]:
    """Yield a store's open positions, and unless skipped the findings of its audit. Nothing is written."""
    try:
        if not is_there(store):
            yield fine(Group.STORE, "store", f"{store} is not there yet: the first run makes it")
            return
        if not live:
            refuse_live_store(store)
        yield from _present(store)
        if audits:
            yield from _audited(store)
        else:
            yield unchecked(Group.STORE, "audit", "left out: 'rulebot store audit' reads all of it")
    except StoreError as error:
        yield outage(Group.STORE, "store", error)


def _present(store: Place) -> Iterator[Finding]:
    with StoreReader(store) as reader:
        run, asked = reader.run(), reader.records((Kind.OPERATOR,))
        held, working = len(reader.view("open_positions")), len(reader.view("pending_orders"))
    if run.is_alive:
        yield fine(Group.STORE, "engine", f"an engine runs on {store}")
    elif run.started is not None and run.ended is None:
        text = "the last engine ended without a word: it was killed, or the machine went down"
        mend = "the next start continues from there; 'rulebot status' shows what is open"
        yield warning(Group.STORE, "engine", text, mend)
    else:
        yield fine(Group.STORE, "engine", "none runs, and the last one ended as it should")
    text = f"{counted(held, 'position')} open and {counted(working, 'order')} working, by {store}"
    yield fine(Group.STORE, "open", text)
    yield _standing(standing_of(asked))


def _standing(standing: OperatorState) -> Finding:
    mend = "'rulebot resume' lets bots enter again"
    if standing.trading is not TradingMode.ACTIVE:
        why = standing.reason or "a person has killed trading"
        return warning(Group.STORE, "trading", f"{why}: nothing is entered, also after a start", mend)
    if standing.paused:
        named = sorted(standing.paused)
        done = "paused all bots" if "" in named else f"paused or killed {', '.join(named)}"
        who = "it enters" if named[0] and len(named) == 1 else "they enter"
        return warning(Group.STORE, "trading", f"a person has {done}: {who} nothing, also after a start", mend)
    return fine(Group.STORE, "trading", "not paused and not killed")


def _audited(store: Place) -> Iterator[Finding]:
    results = audit_store(store)
    for each in (each for each in results if each.unjudged):
        yield unchecked(Group.STORE, f"invariant {each.number}", f"not judged ({each.says}): {each.unjudged}")
    broken = [each for each in results if not each.holds]
    for each in broken:
        first = each.first[0].text if each.first else ""
        text = f"invariant {each.number} does not hold ({each.says}), {counted(each.count, 'time')}; first: {first}"
        yield fault(Group.STORE, "audit", text, _BROKEN)
    if not broken:
        judged = sum(each.is_judged for each in results)
        held = f"all {judged}" if judged == len(results) else f"all {judged} that were judged of {len(results)}"
        yield fine(Group.STORE, "audit", f"the hash chain is whole, {held} invariants hold")


def not_kept() -> Finding:
    """Say that a simulated day has a new store each time."""
    return unchecked(Group.STORE, "store", "each simulated day makes its own store")


# --- Writable places

LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000
"""Bytes free below which a person is warned, and below which a day of records may not fit."""


def room(store: Place, logs: Path) -> Iterator[Finding]:
    """Yield of the folders of a store and of the logs whether they can be written, and the room on their disk."""
    if isinstance(store, Server):
        yield unchecked(Group.DISK, "store", "the store is on a server: its disk is looked after there")
    else:
        yield _folder("store", store.absolute().parent, store)
    yield _folder("logs", logs.absolute(), None)


def privacy(data: Path) -> Iterator[Finding]:
    """Yield whether other users of this machine can read rulebot's data folder, where the system knows them.

    One that rulebot makes is its owner's alone (`store.place.make_folder`); an existing one is left unchanged.
    """
    if not data.is_dir() or not is_open_to_others(data):
        return
    text = f"others of this machine can look into {data}: who reads a journal there can lock it, and so end an engine"
    yield warning(Group.DISK, "data folder", text, f"chmod 700 {data}")


def readable(store: Place, logs: Path, tapes: Path | None = None) -> Iterator[Finding]:
    """Yield which files of a store, its logs and its recordings others of this machine can read."""
    if isinstance(store, Server) or os.name != "posix":
        return
    beside = [Path(f"{store}{each}") for each in ("", "-wal", "-shm", ".lock", ".owner", ".emergency", ".reserve")]
    kept = [file for folder in (logs, tapes) if folder is not None and folder.is_dir() for file in folder.rglob("*")]
    wide = [file for file in (*beside, *kept) if file.is_file() and is_open_to_others(file)]
    if wide:
        more = f" and {len(wide) - 1} more" if len(wide) > 1 else ""
        folders = " ".join(dict.fromkeys(str(file.parent) for file in wide))
        text = f"others of this machine can read {wide[0]}{more}"
        yield warning(Group.DISK, "files", text, f"chmod -R go= {folders}")


def _folder(name: str, folder: Path, file: Path | None) -> Finding:
    """Say of a folder, or of the nearest one above it that is there, what can be written."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        return fault(Group.DISK, name, f"{there} is a file, and the folder {folder} is needed", "name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        return fault(Group.DISK, name, f"{there} cannot be written by this user", "change its owner, or name another")
    if file is not None and file.exists() and not os.access(file, os.W_OK):
        return fault(Group.DISK, name, f"{file} cannot be written by this user", "change its owner")
    free = shutil.disk_usage(there).free
    if free < TOO_LITTLE:
        return fault(
            Group.DISK, name, f"{free / 1e6:.0f} MB free for {folder}: an engine ends when it is full", "make room"
        )
    if free < LITTLE:
        text = f"{free / 1e6:.0f} MB free for {folder}"
        return warning(Group.DISK, name, text, "make room: a bot writes some MB a day")
    return fine(Group.DISK, name, f"room enough for {folder}")


# --- Web hooks

HOOK_NAME = "web hooks"


def hooks_received(desk: LoadedBots, data: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether hooks that these bots ask for can come. data: the folder of what rulebot keeps."""
    asked = {name: sorted(bot.plan.needs.hook_names) for name, bot in desk.bots.items()}
    if not any(asked.values()):
        return
    try:
        _, where = hook_secret(data, environ)
    except RulebotError as error:
        if error.exit_code == 3:
            yield outage(Group.SETTINGS, HOOK_NAME, error)
        else:
            yield fault(Group.SETTINGS, HOOK_NAME, error.message, error.help or "docs/hooks.md")
        return
    names = ", ".join(dict.fromkeys(each for found in asked.values() for each in found))
    if where:
        yield fine(Group.SETTINGS, HOOK_NAME, f"{names}: they must bring the secret in {where}")
        return
    bots = ", ".join(name for name, found in asked.items() if found)
    text = f"none is received, and {bots} asks for {names}: conditions on them are unknown, and unknown never enters"
    yield warning(Group.SETTINGS, HOOK_NAME, text, "rulebot hooks secret (docs/hooks.md)")


# --- The front door

CLIENT_ID = 72
"""Which client looks: not the one that an engine trades as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions(WantedWorld):
    """What is to be looked at.

    environ: as in `read_settings`.
    probe: the file for the raw bytes of a probe, which sends orders; None sends none. audits: reads the whole store.
    delayed: chooses legs on Cboe's delayed quotes too. exits_only: nothing of the specs is entered.
    """

    specs: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    account: Path | None = None
    probe: Path | None = None
    audits: bool = True
    delayed: bool = False
    exits_only: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def store(self, settings: Settings) -> Place:
        """Return the store of such a run."""
        return settings.live_store if self.live else settings.store


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
    store = None if settings is None else wanted.store(settings)
    if store is not None and (not wanted.sim or wanted.flags.get("store") is not None):
        desk, of_operators = with_set(desk, store)
        said = (*said, *of_operators)
    of_hooks = hooks_received(desk, wanted.data, wanted.environ)
    for finding in (*python_and_packages(store), *of_settings, *of_hooks, *said):
        yield finding
    today = SimSettings().first_day if wanted.is_embedded else exchange_date(clock.now())
    calendar, of_calendar = found_calendar(wanted.data)
    of_sessions = list(sessions_ahead(today))
    on_disk = () if settings is None else _on_disk(wanted, settings)
    for finding in chain(of_sessions, of_calendar, events_ahead(calendar, desk, today), on_disk):
        yield finding
    if settings is None or any(each.level is Level.FAULT for each in of_sessions):
        why = "its place is unknown" if settings is None else "no session is known that it could be asked about"
        for finding in (unchecked(Group.GATEWAY, "connection", why), *_unasked(set())):
            yield finding
        return
    yield await codec()
    async for finding in _at_the_gateway(wanted, desk, settings, calendar, clock):
        yield finding


def _settings(wanted: DoctorOptions, desk: LoadedBots) -> tuple[Settings | None, list[Finding]]:
    """Return the settings of a run of these specs: their file is beside the folders of the specs."""
    flags = dict(wanted.flags)
    if desk.account is not None and not wanted.live and flags.get("account") is None:
        flags["account"] = desk.account.account or None
    there = [each for each in wanted.specs if is_named(each)] if wanted.exits_only else wanted.specs
    folder = folder_of(wanted.settings, desk.files or find_files(there) or wanted.specs)
    return found_settings(wanted.settings, folder, wanted.data, flags, wanted.environ)


def _on_disk(wanted: DoctorOptions, settings: Settings) -> list[Finding]:
    store = wanted.store(settings)
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
    has_neighbour = not wanted.sim and is_held(wanted.store(settings))
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
    reported: set[Group] = set()
    try:
        async with world as entered:
            looks = connected(entered, desk, calendar, clock, wanted, has_neighbour=has_neighbour, lines=settings.lines)
            async for finding in looks:
                reported.add(finding.group)
                yield finding
    except BrokerError as error:
        yield outage(Group.GATEWAY, "connection", error)
        for finding in _unasked(reported):
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


def _unasked(reported: set[Group]) -> list[Finding]:
    """Return what could not be asked: the groups of a connection without answers."""
    groups = (Group.CLOCK, Group.ACCOUNT, Group.DATA, Group.LEGS)
    return [unchecked(each, each.value, "there is no connection to ask by") for each in groups if each not in reported]


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
        for finding in (*troubles, *reported_streams(visit, desk, looked.seen), *chosen_legs(visit, looked)):
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
