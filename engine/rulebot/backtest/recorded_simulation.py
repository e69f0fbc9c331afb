"""A walk through recorded sessions at the instants of the recording, with its market, its facts and its answers.

All recorded events of the world are repeated in order, on a board with the same values. Acts of people, lost
connections and exchanged specs are not: they are no part of the market. Between two instants time passes as live: the
engine is woken when it asks for it, unless the recording continues within a second.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from rulebot.adapters.history.session import Finding, HistoryDay, finding_text
from rulebot.adapters.recorded.file import file_at, instant, span
from rulebot.adapters.recorded.recording import EventReceived, QuotesMoved, Step, play
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import ACCOUNT
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.recorded_broker import RecordedBroker
from rulebot.backtest.recorded_replies import LATE, BoardMirror, RecordedReply, cuts, fact_of
from rulebot.backtest.scheduler import ENDS, SOON, wake_times
from rulebot.backtest.simulated_broker import SimulatedBroker
from rulebot.backtest.simulation import BEFORE_OPEN, WAKES_AT_MOST, BacktestSimulation, SimulatedDay
from rulebot.core.state.state import NEVER
from rulebot.model.errors import InvariantError
from rulebot.model.event import AccountReport, BarsReport, MarketDataUpdated
from rulebot.model.session import Session
from rulebot.model.text import clock


@dataclass
class RecordedSimulation(BacktestSimulation):
    """A walk whose `source` is recordings and whose `fills` are RECORDED."""

    source: RecordingSource
    shows_others = False
    reported_there: RecordedReply = field(default_factory=RecordedReply)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mirror = BoardMirror(self.board)
        self.clock: deque[datetime] = deque()
        self.moved: set[int] = set()
        self.is_reported = False
        self.wakes = 0

    # ------------------------------------------------------------ sessions

    def renew(self, number: int) -> None:
        super().renew(number)
        self.reported_there = RecordedReply()

    def broker_of(self, session: Session, cash: Decimal) -> SimulatedBroker:
        """Return a broker that answers as the recording does."""
        return RecordedBroker(self.board, ACCOUNT, self.fills, session, cash=cash, reported_there=self.reported_there)

    def live_through(self, day: HistoryDay, session: Session, findings: Sequence[Finding] = ()) -> SimulatedDay:
        """Run one session, and report which bots deviated from the recording, and what is not repeated."""
        done = super().live_through(day, session, findings)
        return replace(done, findings=(*done.findings, *self._closed_elsewhere(session), *self._departures(session)))

    def _closed_elsewhere(self, session: Session) -> Iterator[Finding]:
        """Yield which positions others closed then: people and the broker, who are no part of the market."""
        for bot, at in self.reported_there.closed_elsewhere.values():
            if bot in self.program.bots:
                text = f"a position of {bot} was closed by others, as was noted at {clock(at)}: that is not repeated"
                yield finding_text(str(file_at(self.source.files(session.date), at)), 0, text)

    def _departures(self, session: Session) -> Iterator[Finding]:
        for bot, (at, why) in self._broker.left.items():
            if at >= session.open - BEFORE_OPEN and self.source.files(session.date):
                text = f"from {clock(at)} on orders of {bot} are filled by the model: {why}"
                yield finding_text(str(file_at(self.source.files(session.date), at)), 0, text)

    @property
    def left(self) -> Mapping[str, tuple[datetime, str]]:
        """The bots that do otherwise than the recording: since when, and what they did."""
        return {} if self.broker is None else dict(self._broker.left)

    @property
    def _broker(self) -> RecordedBroker:
        assert isinstance(self.broker, RecordedBroker)
        return self.broker

    def _open(self, session: Session, market: DayMarket) -> None:
        begins = session.open - BEFORE_OPEN
        self.now = begins if self.state is None else max(begins, self.now)
        files = self.source.files(session.date)
        self.reported_until.clear()
        market.forget()
        if self.state is None:
            self._start(session)
        else:
            self._receive(MarketDataUpdated(self.now))
        broker = self._broker
        broker.begin(session)
        self._come_back()
        self.reported_there.read(files)
        self.reported_series = frozenset(
            (fact[1], fact[2]) for fact in self.reported_there.facts if fact[0] is BarsReport
        )
        if broker.has_left or not files:
            self._receive(AccountReport(self.now, broker.reported(self.marks)))
        for event in self._prepared(session):
            if fact_of(event) not in self.reported_there.facts:
                self._receive(event)
        self._report_bars(session)

    def _come_back(self) -> None:
        """Compare bots without positions with the recording of this session again."""
        assert self.state is not None
        busy = {self.state.positions.by_id[name].bot for name in self.state.positions.active}
        busy |= {each.order.bot for each in self._broker.working.values()}
        for bot in self._broker.left.keys() - busy:
            del self._broker.left[bot]
        self._broker.forget()

    # ------------------------------------------------------------ one session

    def _run(self, session: Session, market: DayMarket) -> None:
        ends = session.close + ENDS
        self.clock = deque(at for at, _ in wake_times(self.program, session, np.empty(0), self.now))
        self.wakes = 0
        self.mirror = BoardMirror(
            self.board
        )  # a session without a recording shows nothing, not even the last one's values
        for file, until in cuts(self.source.files(session.date)):
            self.mirror = BoardMirror(self.board)
            begins = instant(span(file)[0])
            for step in play((file,), self.mirror.recorded):
                at = max(step.at, self.now)
                if at >= until or at > ends:
                    break
                if at > self.now:
                    self._pass_to(at, session, market)
                    self.now = at
                if step.at <= begins:
                    self._recall(begins, market.day)
                self._take(step, session, market)
        self.queue.extend(self._broker.ends(self.now))
        self._settle_queue()
        self._pass_to(ends + 2 * LATE, session, market)

    def _recall(self, begins: datetime, day: HistoryDay) -> None:
        """Report what the recorded run knew of the open when it began in mid-session, where it is not known yet."""
        assert self.state is not None
        for each in day.moves:
            if each.at < begins and (each.symbol, each.expiry) not in self.state.market.facts.opening_moves:
                self._receive(replace(each, at=self.now))

    def _take(self, step: Step, session: Session, market: DayMarket) -> None:
        """Take one step of the recording; before the session only what lasts counts."""
        is_early = step.at < session.open - BEFORE_OPEN
        if isinstance(step, QuotesMoved):
            moved = self.mirror.show(step.rows)
            self.moved |= moved if not is_early else set()
        elif isinstance(step, EventReceived):
            if isinstance(step.event, MarketDataUpdated):
                if not is_early:
                    self.moved |= self.mirror.show(())
                    self._notify(tuple(sorted(self.mirror.ours(step.event.rows))), session, market)
            elif fact_of(step.event) is not None:
                self._receive(replace(step.event, at=self.now))
            elif not is_early:
                self.queue.extend(self._broker.answers(step.event, self.now))
                self._settle_queue()

    def _pass_to(self, until: datetime, session: Session, market: DayMarket) -> None:
        """Let time pass to the next instant of the recording, with everything that the engine or the clock has due."""
        self._finish(session, market)
        while (due := self._due(until)) is not None and due <= session.close + ENDS:
            self.wakes += 1
            if self.wakes > WAKES_AT_MOST:
                raise InvariantError(f"the engine asks to be woken again and again, now at {self.now}")
            self.now = due
            self._drop_clock(due)
            self.moved |= self.mirror.show(())
            self._notify(tuple(sorted(self.moved)), session, market)
            self._finish(session, market)
        self._drop_clock(until)

    def _drop_clock(self, at: datetime) -> None:
        while self.clock and self.clock[0] <= at:
            self.clock.popleft()

    def _due(self, until: datetime) -> datetime | None:
        """Return the next instant before `until` that is not one of the recording, None when there is none."""
        assert self.state is not None
        wakes = [self.state.schedule.wake_at, self._broker.next_at(self.now) or NEVER]
        if self.fresh_at is not None and self.mirror.is_behind:
            wakes.append(self.fresh_at)
        due = max(min(wakes), self.now + timedelta.resolution)
        if due <= self.now + timedelta.resolution:
            due = self.now + SOON
        clock = self.clock[0] if self.clock else NEVER
        found = [at for at, latest in ((due, until - LATE), (clock, until)) if at < latest]
        return min(found, default=None)

    def _notify(self, rows: tuple[int, ...], session: Session, market: DayMarket) -> None:
        """Report a market move to the engine, after its orders at the model."""
        self.is_reported = True
        self.moved.difference_update(rows)
        if self.noted != session.date:
            place = int(np.searchsorted(market.day.times, self.now.timestamp(), "right")) - 1
            if place >= 0:
                self._note_regime(session, market, place)
        self._fill()
        self._report_bars(session)
        self._receive(MarketDataUpdated(self.now, rows))

    def _report_account(self, broker: SimulatedBroker) -> None:
        """Report the account's value, unless the recording does."""
        if self._broker.has_left:
            super()._report_account(broker)

    def _finish(self, session: Session, market: DayMarket) -> None:
        """End an instant: what moved and led to nothing then may lead to something now."""
        if self.moved and not self.is_reported:
            self._notify(tuple(sorted(self.moved)), session, market)
        self.is_reported = False
        self.queue.extend(self._broker.overdue(self.now))
        self._settle_queue()
        self._end(session, market.day)
