"""The only loop: what the world says goes in, records are written, then commands leave.

Nothing else holds a variable that changes. One task runs it, so nothing needs a lock.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from rulebot.backtest.load_session_data import prepare
from rulebot.core.exits.self_crossing import is_withdrawn_for_other
from rulebot.core.handle_event import emergency_withdraw, handle_event, start_run
from rulebot.core.program import Program
from rulebot.core.reconciliation.connection import UNWATCHED, unwatched_text
from rulebot.core.state.state import State
from rulebot.core.state.turn import Turn
from rulebot.decide.limits import UNRECORDED
from rulebot.live.bars import BarWatch
from rulebot.measure.listings import forget_listings
from rulebot.model.errors import (
    BrokerError,
    RulebotError,
    UnansweredError,
    UnavailableError,
    UnkeptError,
    UnwrittenError,
)
from rulebot.model.event import Connected, Disconnected, Event, OrderUnsent, StoreReport
from rulebot.model.facts import Facts
from rulebot.model.order import AskMargin, Cancel, Command, Replace, RequestOpenOrders, Submit, Subscribe
from rulebot.model.session import exchange_date
from rulebot.model.text import counted
from rulebot.narrate.notices import unwatched_for
from rulebot.operator_requests.requests import Asked
from rulebot.ports import Batch, Broker, Feed, Journal, Link, NoTape, Tape
from rulebot.process.connection_state import waits
from rulebot.process.service import Heartbeat
from rulebot.record.record import DURABLE, Json, Kind, Record

STOPPED = "stopped by the operator"

log = logging.getLogger("rulebot.run")

INBOX_EVERY = timedelta(seconds=0.25)
"""How often requests of people are looked for while nothing moves, in real time."""
RESTS = timedelta(seconds=15)
"""How long we do without the simulated gateway's clock at most, in its time: then people's requests are looked for."""
PREPARE_AHEAD, PREPARE_AGAIN = timedelta(hours=1), timedelta(minutes=1)
LACKING_AGAIN = timedelta(minutes=10)
"""How long after it is asked again for what the broker does not have, when all else is known."""
STOP_PATIENCE = timedelta(seconds=30)
"""How long after a requested stop cancels of entries may be answered, and crossing orders placed again."""


@dataclass(slots=True)
class LoopTimes:
    """Real seconds spent, for `benchmarks/` and the curious."""

    turns: float = 0.0
    journal: float = 0.0
    events: int = 0


class _Lost(NamedTuple):
    """When the connection was lost: by the event loop's clock, and the instant of the last batch."""

    since: float
    at: datetime | None


async def _nothing(_: datetime) -> None:
    """Nothing waits to be done between two batches."""


@dataclass(slots=True)
class Loop:
    """The running engine: the newest state and the four ports around it.

    inbox: returns operator requests and web hooks that arrived. watcher: gets every batch's end (state, at). recorded:
    each gets what was written, before the state follows. guard: called at every batch, raises when the run may not
    continue. between: gets the time between two batches, and may `exchange` the program. is_patient: failed requests of
    the first session are repeated, where an interactive run ends. tape: records all input. unwritten: actions at the
    end before they were recorded. A Loop is used once.
    """

    program: Program
    state: State
    link: Link
    feed: Feed
    broker: Broker
    journal: Journal
    inbox: Callable[[datetime], Sequence[Asked]]
    watcher: Callable[["Loop", datetime], None]
    recorded: list[Callable[[Sequence[Record]], None]] = field(default_factory=list)
    guard: Callable[[], None] = lambda: None
    between: Callable[[datetime], Awaitable[None]] = _nothing
    inbox_every: timedelta = INBOX_EVERY
    rests: timedelta = RESTS
    is_patient: bool = False
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    tape: Tape = field(default_factory=NoTape)
    spent: LoopTimes = field(default_factory=LoopTimes)
    at: datetime | None = None
    reason: str = ""
    unwritten: tuple[Record, ...] = ()
    _prepared: date | None = None
    _prepared_on: date | None = None
    _prepare_again: datetime | None = None
    _asking: "asyncio.Task[list[Event]] | None" = None
    _asked_for: date | None = None
    _connection: int = 0
    _asked_on: int = 0
    _lacking: list[UnavailableError] = field(default_factory=list)
    _lacking_on: date | None = None
    _missing_reported: set[tuple[date | None, str]] = field(default_factory=set)
    _is_lateness_reported: bool = False
    _unsent: list[OrderUnsent] = field(default_factory=list)
    _bars: BarWatch = field(init=False)

    def __post_init__(self) -> None:
        self._bars = BarWatch(self.feed)
        self.state.market.board.allow_delayed(self.program.may_be_delayed())

    async def run(self, first: Batch, ends: Callable[[datetime], str]) -> None:
        """Take the first batch (of `link.connect`), then run until `ends` gives a reason or an operator stops.

        Raises: BrokerError when the link is lost for good, StoreError when nothing more can be recorded.
        """
        try:
            self._begin(first.at)
            self._take(first)
            self.at = first.at
            await self._prepare(first.at)
            await self._go_on(ends)
        except UnwrittenError as error:
            reported = self._take_back_openings(self.at or first.at)
            raise UnwrittenError(f"{error.message}{reported}", error.help) from error
        finally:
            if self._asking is not None:
                self._asking.cancel()
            self._bars.close()

    async def _go_on(self, ends: Callable[[datetime], str]) -> None:
        stops_by: datetime | None = None
        while True:
            batch = await self._next()
            if batch is None:
                self.reason = STOPPED
                return
            self.at = batch.at
            self._take(batch)
            self._take_requests(batch.at)
            await self.between(batch.at)
            if self._is_prepare_due(batch.at):
                await self._prepare(batch.at)
            self._take_facts(batch.at)
            await self._take_bars(batch.at)
            self.watcher(self, batch.at)
            self.heartbeat.beat()
            if reason := ends(batch.at):
                self.reason = reason
                return
            if self.state.requests.is_stopping:
                stops_by = stops_by or batch.at + STOP_PATIENCE
                if batch.at >= stops_by or not (
                    self._works_on_entries() or is_withdrawn_for_other(self.state, batch.at)
                ):
                    self.reason = STOPPED
                    return

    def _take_back_openings(self, at: datetime) -> str:
        """Cancel working entries, because their fills could not be recorded; return the notices.

        These cancels wait for no record: it is written with the end of the run, if the store accepts it. Exits stay.
        """
        result = emergency_withdraw(self.program, self.state, at)
        if not result.commands:
            return ""
        what = f"{counted(len(result.commands), 'order')} to open something"
        if not self.link.is_up:
            return f"; {what} may still be working: check TWS"
        for command in result.commands:
            self._do(command)
        self.unwritten = result.records
        return f"; cancels without an answer from the broker: {what}: check TWS"

    async def _next(self) -> Batch | None:
        """Return the next batch; after a lost connection, the first one of the new one, None when stopped before.

        In lockstep the gateway's clock waits for us, so the run ends.
        """
        if self.link.is_up and self.link.is_lockstep:
            return await self.link.next(self._rests_until())
        if self.link.is_up and self.at is not None:
            return await self.link.next(min(self.state.schedule.wake_at, self.at + self.inbox_every))
        if self.link.is_lockstep:
            raise LostError("the connection to the gateway was lost", "start again: the next run continues from here")
        return await self._reconnect()

    def _rests_until(self) -> datetime | None:
        """Return until when nothing of ours is due in lockstep without a market move, None for the next instant."""
        state = self.state
        if (
            self.at is None
            or state.requests.is_stopping
            or state.subscriptions.board_version != state.market.board.version
        ):
            return None
        return min(state.schedule.wake_at, self.at + self.rests)

    async def _reconnect(self) -> Batch | None:
        clock = asyncio.get_running_loop().time
        reported = self.state.schedule.session.date if self.state.connection.is_unwatched_reported else None
        lost = _Lost(clock(), self.at)
        self.journal.flush()  # nothing may follow for hours
        self.heartbeat.waits("")
        for wait in waits(self.program.install):
            try:
                found = await self.link.connect()
                self.heartbeat.runs()
                return found
            except BrokerError as error:
                log.warning("%s; tried again in %.0f s", error.message, wait)
                self.heartbeat.waits(error.message)
                reported = self._alarm_of_unwatched(clock() - lost.since, lost, reported)
                if await self._is_stopped_within(wait, lost):
                    return None
        raise AssertionError("waits never end")

    def _alarm_of_unwatched(self, away: float, lost: _Lost, reported: date | None) -> date | None:
        """Record, once a session, that no engine watches open positions; return the day of the last report."""
        if lost.at is None:
            return reported
        now = lost.at + timedelta(seconds=away)
        seconds, today = unwatched_for(lost.at, now), exchange_date(now)
        if seconds < UNWATCHED.total_seconds() or reported == today:
            return reported
        if count := sum(not self.state.positions.by_id[name].is_flat for name in self.state.positions.active):
            self.note(Record(now, Kind.ALARM, data={"text": unwatched_text(seconds, count)}))
        return today

    async def _is_stopped_within(self, seconds: float, lost: _Lost) -> bool:
        """Let time pass while there is no broker; say whether a person ends the run meanwhile."""
        clock = asyncio.get_running_loop().time
        for _ in range(int(seconds)):
            await asyncio.sleep(1.0)
            if lost.at is not None:
                self.at = lost.at + timedelta(seconds=clock() - lost.since)
                self._take_requests(self.at)
            if self.state.requests.is_stopping:
                log.warning("stopped while the broker could not be reached: the next run continues from here")
                return True
        return False

    def _take_requests(self, at: datetime) -> None:
        self.guard()
        self.journal.catch_up(at)
        self._report_store(at)
        for request in self.inbox(at):
            self._handle(request)

    def _report_store(self, at: datetime) -> None:
        """Report that the store started or stopped refusing, and which orders were not sent for it."""
        unsent, self._unsent = self._unsent, []
        for event in unsent:
            self._handle(replace(event, at=at))
        takes_records = not self.journal.problem
        if takes_records is not self.state.connection.takes_records:
            if self.journal.is_full:
                self.tape.stop()
            help = f": {self.journal.help}" if self.journal.help else ""
            self._handle(StoreReport(at, takes_records, f"{self.journal.problem}{help}"))

    def _works_on_entries(self) -> bool:
        return any(o.status.is_live and o.can_increase_risk for o in self.state.orders.by_ref.values())

    def _begin(self, at: datetime) -> None:
        result = start_run(self.program, self.state, at)
        self._write(result.records, ())
        self.tape.begins(at, result.records)
        self.state = result.state

    def _take(self, batch: Batch) -> None:
        """Take everything of one instant."""
        for event in batch.events:
            self._handle(event)
        if any(isinstance(event, Disconnected | Connected) for event in batch.events):
            self._connection += 1
            self._ask_again()

    def _ask_again(self) -> None:
        """Let what was asked on another connection, and not answered there, be asked at once on this one."""
        if self._lacking_on is None:
            self._prepare_again = None
        self._bars.ask_again()

    async def _prepare(self, at: datetime) -> None:
        """Request the slow facts of the session, concurrently: open positions do not wait for the answers.

        In lockstep the run waits for them, since time waits for us.
        """
        self._asking = asyncio.ensure_future(self._facts(at))
        self._asked_for, self._asked_on = self.state.schedule.session.date, self._connection
        if self.link.is_lockstep:
            await asyncio.wait((self._asking,))
            self._take_facts(at)

    async def _facts(self, at: datetime) -> list[Event]:
        state = self.state
        held = tuple(state.positions.by_id.values())
        known = self._known(at)
        self._lacking = []
        lacks = None if self._ends_without() else self._lacking.append
        return [
            event async for event in prepare(self.program, self.feed, state.schedule.session, at, known, held, lacks)
        ]

    def _known(self, at: datetime) -> Facts:
        """Return what need not be asked for: little on a new day, all but what was lacking where it is asked again."""
        facts = self.state.market.facts
        if self._lacking_on != exchange_date(at):
            return Facts(opening_moves=facts.opening_moves, hours=facts.hours)
        lacking = {error.symbol for error in self._lacking}
        listings = {key: each for key, each in facts.listings.items() if key[0] not in lacking}
        bars = {key: each for key, each in facts.bars.items() if key[0] not in lacking}
        return replace(facts, listings=listings, bars=bars)

    def _ends_without(self) -> bool:
        """Say whether the run ends where the broker does not have what it reads: never while a position is open."""
        if self.link.is_lockstep:
            return True
        if self._prepared is not None or self.is_patient:
            return False
        return all(self.state.positions.by_id[name].is_flat for name in self.state.positions.active)

    def _take_facts(self, at: datetime) -> None:
        """Take the answers that have arrived. A gateway that cannot answer now is asked again.

        So is one with a missing part, such as a stock renamed today: the rest counts.

        Raises: BrokerError when the broker lacks something that a run needs at its start.
        """
        if self._asking is None or not self._asking.done():
            return
        asked, self._asking = self._asking, None
        try:
            facts = asked.result()
        except UnansweredError as error:
            if self.link.is_lockstep:
                raise
            self._unanswered(error, at)
            return
        except BrokerError as error:
            if self._ends_without():
                raise
            self._asked_in_vain(error, at)
            return
        forget_listings()
        for event in facts:
            self._handle(replace(event, at=at))
        self._prepared, self._prepared_on, self._prepare_again = self._asked_for, exchange_date(at), None
        self._is_lateness_reported = False
        self._lacking_on = None
        if self._lacking:
            self._prepared_on, self._prepare_again = None, at + LACKING_AGAIN
            self._lacking_on = exchange_date(at)
            self._alarm_of_missing(at)

    def _unanswered(self, error: UnansweredError, at: datetime) -> None:
        """Ask again for facts without an answer: at once on another connection, else in a minute."""
        if self._asked_on != self._connection or not (self.link.is_up and self.state.connection.is_linked):
            log.warning("%s; asked again on the next connection", error.message)
            self._prepare_again = None
        else:
            self._asked_in_vain(error, at)

    def _asked_in_vain(self, error: BrokerError, at: datetime) -> None:
        """Ask again in a minute; report it once."""
        log.warning("%s; asked again in a minute", error.message)
        is_late = self._prepared is not None and at >= self.state.schedule.session.open
        if (self._prepared is None or is_late) and self.link.is_up and not self._is_lateness_reported:
            then = "what applies today is unknown" if is_late else "no bot enters"
            text = f"{error.message}; the request is repeated every minute, and {then} before the answer"
            self.note(Record(at, Kind.ALARM, data={"text": text}))
            self._is_lateness_reported = True
        self._prepare_again = at + PREPARE_AGAIN

    def _alarm_of_missing(self, at: datetime) -> None:
        """Say once a session what the broker does not have, while bots that do not read it trade."""
        reported = {each for each in self._missing_reported if each[0] == self._asked_for}
        for words in dict.fromkeys(error.whole for error in self._lacking):
            if (self._asked_for, words) not in reported:
                reported.add((self._asked_for, words))
                text = f"{words}; rules that read it are unknown, and the request is repeated every ten minutes"
                self.note(Record(at, Kind.ALARM, data={"text": text}))
        self._missing_reported = reported

    async def _take_bars(self, at: datetime) -> None:
        """Take bars that have ended, and ask for those that are due while there is a broker to ask."""
        if self.state.connection.is_linked:
            waits = self.link.is_lockstep
            for event in await self._bars.step(
                self.program, self.state.market.facts, self.state.schedule.session, at, waits=waits
            ):
                self._handle(replace(event, at=at))

    def _is_prepare_due(self, at: datetime) -> bool:
        """Say whether a new session's facts are to be requested: from an hour before its open, not at midnight.

        Facts from an earlier day are requested again: hours may have changed since.
        """
        session = self.state.schedule.session
        if self._asking is not None:
            return False
        if (
            session.date == self._prepared == self._prepared_on
            or at < session.open - PREPARE_AHEAD
            or not self.state.connection.is_linked
        ):
            return False
        return self._prepare_again is None or at >= self._prepare_again

    def receive(self, event: Event) -> None:
        """Take an event that came of what was done between two batches. Raises: StoreError."""
        self._handle(event)

    def note(self, *records: Record) -> None:
        """Record what happened outside of a turn. Raises: StoreError."""
        self._write(records, ())

    def exchange(
        self, program: Program, result: Turn, facts: Iterable[Event], applied: Record, reported: Mapping[str, Json]
    ) -> None:
        """Continue with another program from the state of `result`; `applied` is written with that turn's records.

        facts: requests of the new program's bots. reported: the program, for a replay. Raises: StoreError; then nothing
        has changed.
        """
        self._write((applied, *result.records), result.commands)
        self.tape.exchanged(applied.at, reported, result.records)
        extras = self.program.extras()
        self.program, self.state = program, result.state
        self.state.market.board.allow_delayed(program.may_be_delayed())
        if program.extras() != extras:
            self.feed.watch(self.state.subscriptions.streamed, program.extras())
        for event in facts:
            self._handle(event)

    def _handle(self, event: Event) -> None:
        """One turn: new state, records written, then commands out. A failure to write leaves the old state."""
        started = time.perf_counter()
        result = handle_event(self.program, self.state, event)
        turned = time.perf_counter()
        self.spent.turns += turned - started
        self.spent.events += 1
        if result.records or result.commands:
            try:
                self._write(result.records, result.commands)
            except UnkeptError:  # it is decided again, knowing that nothing may be opened
                self._report_store(event.at)
                self._handle(event)
                return
            self.spent.journal += time.perf_counter() - turned
        self.tape.took(event, result.records, changed=result.state is not self.state)
        self.state = result.state
        for command in result.commands:
            if not self._is_refused(command, event.at):
                self._do(command)

    def _is_refused(self, command: Command, at: datetime) -> bool:
        """Say whether a command would open something while the store is down; it is then reported as not sent."""
        if not isinstance(command, Submit | Replace) or not _opens(command) or not self.journal.problem:
            return False
        is_change = isinstance(command, Replace)
        self._unsent.append(OrderUnsent(at, command.order.order_id, UNRECORDED, is_change))
        return True

    def _write(self, records: tuple[Record, ...], commands: tuple[Command, ...]) -> None:
        leaves = any(not isinstance(command, Subscribe | RequestOpenOrders | AskMargin) for command in commands)
        durable = leaves or any(record.kind in DURABLE for record in records)
        opens = self.state.connection.takes_records and any(_opens(command) for command in commands)
        self.journal.append(records, durable=durable, opens=opens)
        for reported in self.recorded:
            reported(records)

    def _do(self, command: Command) -> None:
        if isinstance(command, Submit):
            self.broker.submit(command.order)
        elif isinstance(command, Replace):
            self.broker.replace(command.order)
        elif isinstance(command, Cancel):
            self.broker.cancel(command.order)
        elif isinstance(command, AskMargin):
            self.broker.ask_margin(command.order)
        elif isinstance(command, RequestOpenOrders):
            self.broker.inquire()
        else:
            self.feed.watch(command.contracts, self.program.extras())


def _opens(command: Command) -> bool:
    """Say whether a command may open something."""
    return isinstance(command, Submit | Replace) and command.order.can_increase_risk


class LostError(RulebotError):
    """The link went down and this run cannot continue without it."""
