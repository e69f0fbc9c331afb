"""`rulebot run --shadow`: new versions of specs beside the trading ones, in one process and on one connection."""

import asyncio
import logging
import secrets
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.output import print_text
from rulebot.cli.report import days_lines
from rulebot.model.errors import BrokerError, MisuseError, RulebotError, StoreError
from rulebot.model.session import exchange_date, session_from

if TYPE_CHECKING:
    from rulebot.adapters.ib.handshake import Greeting
    from rulebot.cli.terminal.screen import Screen
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.live.environments import World
    from rulebot.live.start import Run, RunOptions
    from rulebot.narrate.day_report import RunLog
    from rulebot.narrate.happenings import EventLine
    from rulebot.process.service import Heartbeat
    from rulebot.process.settings import Settings
    from rulebot.store.place import Place

# --- `rulebot run --live`: what is missing is said at once, and then a person confirms the account

SIMULATED = "(a simulated gateway plays this account: no real money)"


def live_world(
    desk: "LoadedBots", settings: "Settings", sessions: int | None, options: Mapping[str, Any], heartbeat: "Heartbeat"
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return the world of real money once nothing is missing and a person has confirmed it. Raises: RulebotError.

    options: `yes_i_mean`, `exits_only`, `logs` and `wait_for_gateway` of the command.
    """
    from rulebot.live.environments import attached
    from rulebot.live.start import RunOptions
    from rulebot.store.place import accounts_folder

    patient = heartbeat if options["wait_for_gateway"] else None
    account, port, offered = admitted(desk, settings, options["yes_i_mean"], patient)
    said: dict[str, Any] = {
        "mode": "live",
        "gateway": f"{settings.host}:{port}",
        "sim": offered.is_simulated,
        "client_id": settings.client_id,
        "exits_only": options["exits_only"],
    }
    who = settings.client_id, account
    where = attached(settings.host, port, *who, lockstep=offered.is_simulated, live=True, share=settings.share)
    logs = options["logs"] or settings.logs.with_name(f"{settings.logs.name}-live")
    return where, RunOptions(
        store=settings.live_store,
        logs=logs,
        sessions=sessions,
        line_limit=settings.lines,
        accounts=None if offered.is_simulated else accounts_folder(),
        settings=said,
        log=settings.log_limits,
        patience=settings.patience,
    )


def admitted(
    desk: "LoadedBots", settings: "Settings", yes_i_mean: str | None, patient: "Heartbeat | None" = None
) -> "tuple[str, int, Greeting]":
    """Return the live account, its port, and the gateway's greeting, once a person has confirmed it.

    patient: gets the waiting messages of a service, for as long as no gateway answers; None does not wait. Raises:
    NotAdmittedError that names everything that is missing.
    """
    from rulebot.promotion.promotion import AdmissionRequest, LiveStore, missing, read_live_store, refusal

    port, offered, unreachable = asyncio.run(_offered(settings) if patient is None else _awaited(settings, patient))
    rules = None if desk.account is None else desk.account.live
    account = "" if rules is None else rules.account
    is_simulated = offered is not None and offered.is_simulated
    try:
        store = read_live_store(settings.live_store, account, simulated=is_simulated)
    except StoreError as error:
        store = LiveStore(promotions={}, problem=error.message)
    asked = AdmissionRequest(
        digests={text.name: text.digest for text in desk.texts},
        document=desk.account,
        where=f"{settings.host}:{port or settings.live_port or '4001 or 7496'}",
        offered=offered,
        unreachable=unreachable,
        store=store,
        today=_first_session(offered),
        confirmed=yes_i_mean if yes_i_mean is not None else None if _is_terminal() else "",
    )
    if found := missing(asked):
        raise refusal(found, settings.live_store, store.held)
    assert offered is not None
    assert port is not None
    if yes_i_mean is None:
        _confirm(account, desk, settings.live_store, is_simulated=is_simulated)
    return account, port, offered


async def _awaited(settings: "Settings", heartbeat: "Heartbeat") -> "tuple[int, Greeting, str]":
    """Return the same once a gateway answers."""
    from rulebot.adapters.ib.handshake import read_greeting
    from rulebot.live.environments import LIVE_PORTS, listening_port
    from rulebot.narrate.notices import alarmed_when_unwatched
    from rulebot.process.connection_state import patiently

    async def ask() -> "tuple[int, Greeting, str]":
        port = settings.live_port or await listening_port(settings.host, LIVE_PORTS)
        return port, await read_greeting(settings.host, port), ""

    heartbeat.waits("")
    async with heartbeat.attended(), alarmed_when_unwatched(settings.live_store):
        return await patiently(ask, settings.host, heartbeat.waits)


async def _offered(settings: "Settings") -> "tuple[int | None, Greeting | None, str]":
    """Return the port, what the gateway says there, and why nothing does."""
    from rulebot.adapters.ib.handshake import read_greeting
    from rulebot.live.environments import LIVE_PORTS, listening_port

    port = settings.live_port
    try:
        port = await listening_port(settings.host, LIVE_PORTS) if port is None else port
        return port, await read_greeting(settings.host, port), ""
    except BrokerError as error:
        return port, None, error.message


def _first_session(offered: "Greeting | None") -> date:
    at = datetime.now(UTC) if offered is None or offered.reported_at is None else offered.reported_at
    return session_from(exchange_date(at)).date


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(account: str, desk: "LoadedBots", store: "Place", *, is_simulated: bool) -> None:
    from rulebot.promotion.promotion import NotAdmittedError

    money = SIMULATED if is_simulated else "with real money"
    if desk.bots:
        print_text(f"{', '.join(sorted(desk.bots))} will trade account {account} {money}, kept in {store}")
    else:
        print_text(f"nothing will be entered; exits of what is open in {store} will trade account {account} {money}")
    typed = click.prompt("type the account's id to confirm", default="", show_default=False).strip()
    if typed != account:
        raise NotAdmittedError(f"not confirmed: typed '{typed}', the account is {account}", "nothing was sent")


# --- `rulebot run --observe`: a run's world and options, turned into those of an engine that sends nothing

DEFAULT_FILLS = "natural"


def check_store(store: "Place", *, observes: bool) -> None:
    """Refuse a store of the other sort of runs. Raises: StoreError."""
    from rulebot.promotion.promotion import refuse_live_store, refuse_traded_store

    (refuse_traded_store if observes else refuse_live_store)(store)


def observed_world(
    world: "AbstractAsyncContextManager[World]", options: "RunOptions", fills: str | None
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return a world in which nothing is sent, and the options that say so. Raises: MisuseError."""
    from rulebot.backtest.fill_model import fill_model
    from rulebot.live.environments import observing
    from rulebot.store.queries import OBSERVE

    model = fill_model(fills or DEFAULT_FILLS)
    reported = {**options.settings, "mode": OBSERVE, "fills": model.name}
    install = f"obs-{options.install or secrets.token_hex(3)}"
    return observing(world, model), replace(options, settings=reported, install=install, accounts=None)


# --- `rulebot run --shadow`: new versions of specs beside the trading ones, in one process and on one connection

ENDING = "~shadow"
"""Behind the name of a bot that is a shadow, wherever both are shown."""
PATIENCE = 20.0
"""Real seconds that a shadow has to end after the engine that trades."""

_HINT = f" {'how they compare':30}  rulebot summary --compare"

log = logging.getLogger("rulebot.run")


def shadow_store(store: "Place") -> Path:
    """Return the store of the shadows of a store."""
    from rulebot.store.place import beside, data_folder

    return beside(store, data_folder(), "-shadow.db")


class Shadow:
    """The shadows of a run: a separate engine in the same process, which sends nothing.

    desk: their specs; beside: the trading ones. Trading continues whatever happens to the shadows. Raises: MisuseError
    for a shadow without its bot, StoreError.
    """

    def __init__(self, desk: "LoadedBots", beside: "LoadedBots", options: "RunOptions", fills: str | None) -> None:
        from rulebot.backtest.fill_model import fill_model
        from rulebot.live.shadow_connection import Relay
        from rulebot.promotion.promotion import refuse_traded_store
        from rulebot.replay.recordings import tapes_of
        from rulebot.store.queries import OBSERVE

        if alone := sorted(set(desk.bots) - set(beside.bots)):
            raise MisuseError(
                f"no bot '{alone[0]}' trades that it could be a shadow of",
                "a shadow has the name of the bot it is a version of; --observe runs specs by themselves",
            )
        self._desk, self._fills = desk, fill_model(fills or DEFAULT_FILLS)
        store = shadow_store(options.store)
        refuse_traded_store(store)
        kept = ("gateway", "sim", "seed", "date", "market")
        said = {name: options.settings[name] for name in kept if name in options.settings}
        said |= {"mode": OBSERVE, "fills": self._fills.name, "shadow_of": str(options.store)}
        self._options = replace(
            options,
            store=store,
            logs=None,
            install=f"sh-{options.install or secrets.token_hex(3)}",
            accounts=None,
            tapes=None if options.tapes is None else tapes_of(store),
            compares=(),
            settings=said,
            heartbeat=_own_heartbeat(),
            waits_for_gateway=False,
        )
        self._relay: Relay = Relay()
        self._task: asyncio.Task[Run] | None = None
        self._run: Run | None = None
        self._diary: RunLog | None = None
        self._screen: Screen | None = None

    def beside(self, world: "AbstractAsyncContextManager[World]") -> "AbstractAsyncContextManager[World]":
        """Return the world of the trading engine, whose data the shadows get as well."""
        return self._relay.trading(world)

    def start(self, run: "Run", screen: "Screen") -> None:
        """Begin, once the engine that trades is connected."""
        from rulebot.adapters.recorded.recorder import Recorder
        from rulebot.live.start import execute, note_alarm

        self._screen = screen
        tape = run.loop.tape
        options = replace(self._options, taped_first=tape if isinstance(tape, Recorder) else None)
        world = self._relay.shadowing(self._fills)
        self._task = asyncio.ensure_future(execute(self._desk, options, world, self._started, self._show))

        def ended(task: "asyncio.Task[Run]") -> None:
            was_over = self._relay.is_over
            self._relay.end()
            if task.cancelled() or (problem := task.exception()) is None:
                return
            words = problem.message if isinstance(problem, RulebotError) else repr(problem)
            log.error("the shadows have ended: %s", words, exc_info=None if was_over else problem)
            if not was_over:
                note_alarm(run, f"the shadows have ended, trading continues: {words}")

        self._task.add_done_callback(ended)

    def _started(self, run: "Run") -> None:
        from rulebot.narrate.day_report import RunLog
        from rulebot.shadow.broker import observed, title

        self._run, self._diary = run, RunLog(run.first, observed)
        run.loop.recorded.append(self._diary.write)
        assert self._screen is not None
        names = ", ".join(f"{name}{ENDING}" for name in sorted(self._desk.bots))
        self._screen.say(f" beside them {names}: {title(run.options.settings)}")
        self._screen.say(f" their store {self._options.store}")

    def _show(self, run: "Run", at: datetime) -> None:
        assert self._diary is not None
        assert self._screen is not None
        found = self._diary.note(run.loop.state, at)
        self._screen.show_beside([named(each) for each in found if each.bot])

    async def end(self) -> None:
        """End them after the engine that trades; what that one left behind is not waited for long."""
        from rulebot.model.event import Request

        if self._task is None:
            return
        if not self._task.done():
            if self._run is not None:
                self._run.inbox.ask(Request.STOP)
            self._relay.end()
            await asyncio.wait((self._task,), timeout=PATIENCE)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))

    def report(self, width: int) -> list[str]:
        """Return the result of each of them, and how to compare."""
        if self._diary is None or not (days := self._diary.days()):
            return []
        bots = [tuple(replace(bot, bot=f"{bot.bot}{ENDING}") for bot in day.bots) for day in days]
        shown = [replace(day, bots=own) for day, own in zip(days, bots, strict=True)]
        return ["", " the shadows, which sent nothing", *days_lines(shown, width), _HINT]


def named(reported: "EventLine") -> "EventLine":
    """Return a line under the name of the shadow."""
    return replace(reported, bot=f"{reported.bot}{ENDING}")


def _own_heartbeat() -> Any:
    from rulebot.process.service import Heartbeat

    return Heartbeat()
