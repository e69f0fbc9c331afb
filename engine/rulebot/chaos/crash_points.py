"""Crash points: a journal and a broker that count, and crash the engine where its trial says."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from rulebot.chaos.scenario import Crash, OperatorActions, ScenarioMoment
from rulebot.live.start import Run, RunOptions
from rulebot.model.errors import MisuseError
from rulebot.model.order import Order
from rulebot.model.values import dataclass, replace
from rulebot.ports import Broker
from rulebot.record.record import Record, scrambled
from rulebot.store.journal import SqlJournal
from rulebot.store.recall import StartupRecords
from rulebot.store.registry import open_store

NEVER = timedelta(days=1)
"""The lag of a journal before a power cut: what is not durable is as good as not written."""


class CrashedError(BaseException):
    """The engine is dead from here on. No engine code catches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoints:
    """Where an engine could have died: steps of its loop, durable writes, and writes to its connection."""

    steps: int
    writes: int
    sends: int


class CrashPlan:
    """Counts the acts of one trial's engines, and crashes them at the drawn points.

    In its own work an engine ends by a CrashedError. Where none can be raised, in a step of the loop or below ib_async,
    `kill` is called. falls: called before each crash, so that nothing of the engine gets out any more. passes: called
    at each possible crash point, with its number.
    """

    def __init__(self, crashes: Sequence[Crash]) -> None:
        self.died: Crash | None = None
        self.deaths: list[Crash] = []
        self.falls: Callable[[Crash], None] = _no_engine
        self.kill: Callable[[], object] = _nothing
        self.passes: Callable[[ScenarioMoment, int], object] = _unseen
        self._left = list(crashes)
        self._writes = 0
        self._commands = 0
        self._sends = 0
        self._start_writes = 0
        self._steps = 0
        self._lives = 0
        self._is_alive = False
        self._calm: CrashPoints | None = None

    def begin_life(self) -> None:
        """Start an engine."""
        self._lives += 1
        self._start_writes = self._steps = 0
        self._is_alive = True
        self.died = None

    def end_life(self) -> None:
        """Know that the engine has ended, however it did."""
        self._is_alive = False

    def calm(self) -> None:
        """Let no engine die any more."""
        self._calm = self._calm or self._counted()
        self._left.clear()

    @property
    def points(self) -> CrashPoints:
        """What was counted until the calm; the steps are those of the life that saw it come."""
        return self._calm or self._counted()

    def _counted(self) -> CrashPoints:
        return CrashPoints(steps=self._steps, writes=self._writes, sends=self._sends)

    @property
    def loses_what_waits(self) -> bool:
        """True while a power cut may come."""
        return any(crash.power for crash in self._left)

    def before_step(self) -> None:
        """Count a step of the loop."""
        if not self._is_alive or self.died is not None:
            return
        self._steps += 1
        self.passes(ScenarioMoment.AT_STEP, self._steps)
        if not self._left:
            return
        self._look(ScenarioMoment.AT_STEP, lambda crash: self._steps >= crash.number, raises=False)
        if self._lives > 1:
            self._look(ScenarioMoment.START_STEP, lambda crash: self._steps >= crash.number, raises=False)

    def before_send(self) -> None:
        """Count a write to the connection."""
        if self.died is None:
            self._sends += 1
            self.passes(ScenarioMoment.BEFORE_SEND, self._sends)
            self._look(ScenarioMoment.BEFORE_SEND, lambda crash: self._sends >= crash.number, raises=False)

    def after_send(self) -> None:
        """Know that it is done."""
        self.passes(ScenarioMoment.AFTER_SEND, self._sends)
        self._look(ScenarioMoment.AFTER_SEND, lambda crash: self._sends >= crash.number, raises=False)

    def before_write(self) -> None:
        """Count a durable write. Raises: CrashedError."""
        self._writes += 1
        self._start_writes += 1
        self.passes(ScenarioMoment.BEFORE_WRITE, self._writes)
        self._look(ScenarioMoment.BEFORE_WRITE, lambda crash: self._writes >= crash.number)

    def after_write(self) -> None:
        """Know that it is done. Raises: CrashedError."""
        self.passes(ScenarioMoment.AFTER_WRITE, self._writes)
        self._look(ScenarioMoment.AFTER_WRITE, lambda crash: self._writes >= crash.number)
        if self._lives > 1:
            self._look(ScenarioMoment.AT_START, lambda crash: self._start_writes >= crash.number)

    def after_command(self) -> None:
        """Count an order, change or cancel that was given to the connection. Raises: CrashedError."""
        self._commands += 1
        self._look(ScenarioMoment.AFTER_COMMAND, lambda crash: self._commands >= crash.number)

    def after_instant(self, at: datetime) -> None:
        """Know that everything of an instant is done. Raises: CrashedError."""
        self._look(ScenarioMoment.AT_TIME, lambda crash: crash.at is not None and at >= crash.at)

    def _look(self, moment: ScenarioMoment, is_due: Callable[[Crash], bool], *, raises: bool = True) -> None:
        if self.died is not None:
            return
        for crash in self._left:
            if crash.moment is moment and is_due(crash):
                self._left.remove(crash)
                self.died = crash
                self.deaths.append(crash)
                self.falls(crash)
                if raises:
                    raise CrashedError(str(crash))
                self.kill()
                return


def _no_engine(crash: Crash) -> None:
    """Placeholder callback of a crash."""


def _unseen(moment: ScenarioMoment, number: int) -> None:
    """Placeholder watcher."""


def _nothing() -> None:
    """Placeholder for what ends an engine."""


class CrashingJournal(SqlJournal):
    """A journal whose engine may die at a write. Of a dead engine it takes nothing more."""

    def __init__(
        self, options: RunOptions, fate: CrashPlan, acts: OperatorActions | None = None, *, scrambles: bool = False
    ) -> None:
        store = open_store(options.store)
        if fate.loses_what_waits:
            super().__init__(store, logs=options.logs, lag=NEVER)
        else:
            super().__init__(store, logs=options.logs)
        self._fate = fate
        self._acts = acts or OperatorActions(())
        self._scrambles = scrambles

    def recall(self, at: datetime) -> StartupRecords:
        """Return what a start continues from, with all texts for people scrambled where requested."""
        found = super().recall(at)
        return replace(found, records=tuple(map(scrambled, found.records))) if self._scrambles else found

    def append(self, records: Sequence[Record], *, durable: bool) -> None:
        """Write, and die before or after it if that is due. Raises: CrashedError, StoreError."""
        if self._fate.died is not None:
            return
        if durable:
            self._fate.before_write()
        if durable and records:
            driver, at = self._connection.connection.driver_connection, records[-1].at
            self._acts.write(self._store.path, driver, at, partial(super().append, records, durable=True))
        else:
            super().append(records, durable=durable)
        if durable:
            self._fate.after_write()

    def catch_up(self, at: datetime) -> None:
        """Write what has waited long, unless the engine is dead. Raises: StoreError."""
        if self._fate.died is None:
            super().catch_up(at)

    def flush(self) -> None:
        """Write what waits, unless the engine is dead. Raises: StoreError."""
        if self._fate.died is None:
            super().flush()

    def close(self) -> None:
        """Close; what waits of a dead engine is lost."""
        if self._fate.died is not None:
            self.abandon()
        else:
            super().close()


class CrashingBroker:
    """The Broker port of an engine that may die right after a command."""

    def __init__(self, broker: Broker, fate: CrashPlan) -> None:
        self._broker = broker
        self._fate = fate

    def submit(self, order: Order) -> None:
        self._broker.submit(order)
        self._fate.after_command()

    def replace(self, order: Order) -> None:
        self._broker.replace(order)
        self._fate.after_command()

    def cancel(self, order: Order) -> None:
        self._broker.cancel(order)
        self._fate.after_command()

    def ask_margin(self, order: Order) -> None:
        self._broker.ask_margin(order)

    def inquire(self) -> None:
        """Ask what is true, which changes nothing."""
        self._broker.inquire()


# --- A crash point of a real process

VARIABLE = "RULEBOT_CRASH"
KILLED = 137
"""The exit code of a process that SIGKILL has ended, as shells have it."""
POINTS = (
    ScenarioMoment.BEFORE_WRITE,
    ScenarioMoment.AFTER_WRITE,
    ScenarioMoment.AFTER_COMMAND,
    ScenarioMoment.BEFORE_SEND,
    ScenarioMoment.AFTER_SEND,
)
"""Where a process can be struck: at a durable write, after an order, change or cancel, at a write to the connection."""


class CrashPoint:
    """What ends a process at one point. Raises: MisuseError for words that name none."""

    def __init__(self, words: str) -> None:
        self._fate = CrashPlan((_crash(words),))
        self._fate.falls = _end
        self._fate.begin_life()

    def journal(self, options: RunOptions) -> SqlJournal:
        """Return the run's journal, at whose writes it may end."""
        return CrashingJournal(options, self._fate)

    def attend(self, run: Run) -> None:
        """Let the run end at its commands and at what it sends."""
        run.loop.broker = CrashingBroker(run.loop.broker, self._fate)
        connection = run.world.ib.link.wire.client.conn
        send = connection.sendMsg

        def counted(message: Any) -> None:
            self._fate.before_send()
            send(message)
            self._fate.after_send()

        connection.sendMsg = counted


def _crash(words: str) -> Crash:
    named = {point.value: point for point in POINTS}
    point, _, number = words.strip().rpartition(" ")
    if point not in named or not number.isdigit() or int(number) < 1:
        raise MisuseError(
            f"{VARIABLE} names a point and which time it is reached, is '{words}'",
            f"for example '{POINTS[1].value} 12'; the points are {', '.join(named)}",
        )
    return Crash(moment=named[point], number=int(number))


def _end(crash: Crash) -> NoReturn:
    os._exit(KILLED)
