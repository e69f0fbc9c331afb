"""`rulebot run --shadow`: new versions of specs beside those that trade, in one process and on one connection."""

import asyncio
import logging
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulebot.cli.observe import DEFAULT_FILLS
from rulebot.cli.report import days_lines
from rulebot.model.errors import MisuseError, RulebotError

if TYPE_CHECKING:
    from rulebot.cli.screen import Screen
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.live.environments import World
    from rulebot.live.start import Run, RunOptions
    from rulebot.narrate.event_text import EventLine
    from rulebot.narrate.run_log import RunLog
    from rulebot.store.place import Place

ENDING = "~shadow"
"""Behind the name of a bot that is a shadow, wherever both are shown."""
PATIENCE = 20.0
"""Real seconds that a shadow has to end after the engine that trades."""

_HINT = f" {'how they compare':30}  rulebot summary --compare"

log = logging.getLogger("rulebot.run")


def shadow_store(store: "Place") -> Path:
    """Return the store of the shadows beside a store."""
    from rulebot.store.folders import data_folder
    from rulebot.store.place import beside

    return beside(store, data_folder(), "-shadow.db")


class Shadow:
    """The shadows of a run: an engine of their own in the same process, which sends nothing.

    desk: their specs; beside: those that trade. Whatever becomes of the shadows, what trades goes on.
    Raises: MisuseError for one that is beside no bot, StoreError.
    """

    def __init__(self, desk: "LoadedBots", beside: "LoadedBots", options: "RunOptions", fills: str | None) -> None:
        from rulebot.backtest.fills import fill_model
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
        """Return the world of the engine that trades, which the shadows hear as well."""
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
                note_alarm(run, f"the shadows have ended, what trades goes on: {words}")

        self._task.add_done_callback(ended)

    def _started(self, run: "Run") -> None:
        from rulebot.narrate.run_log import RunLog
        from rulebot.shadow.shadow_text import observed, title

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
        """Return what each of them came to, and how to compare."""
        if self._diary is None or not (days := self._diary.days()):
            return []
        bots = [tuple(replace(bot, bot=f"{bot.bot}{ENDING}") for bot in day.bots) for day in days]
        shown = [replace(day, bots=own) for day, own in zip(days, bots, strict=True)]
        return ["", " the shadows, of which nothing was sent", *days_lines(shown, width), _HINT]


def named(told: "EventLine") -> "EventLine":
    """Return a line under the name of the shadow."""
    return replace(told, bot=f"{told.bot}{ENDING}")


def _own_heartbeat() -> Any:
    from rulebot.process.heartbeat import Heartbeat

    return Heartbeat()
