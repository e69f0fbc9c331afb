"""A walk through past sessions: the production core, instant by instant, with the past market and a simulated broker.

The engine is woken when it asks for it, as live; in between, time passes at once. At each instant the board is written
first, then resting orders fill, then the engine gets the market move. A session without data is skipped, unless
something is held: then it is run without quotes, so that expiries settle.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isnan
from typing import ClassVar

from rulebot.adapters.history.session import Finding, HistoryDay, Severity, Source, finding_text
from rulebot.backtest.fast_forward import FastForward
from rulebot.backtest.fill_model import ACCOUNT, FillModel
from rulebot.backtest.historical_feed import (
    HistoryFeed,
    empty_day,
    keep_marks,
    marks_now,
    no_data,
    reported_at,
    settlement,
    share_cost,
    was_split,
)
from rulebot.backtest.historical_market import (
    DayMarket,
    missing_bars,
    missing_measures,
    unquoted_holdings,
    unseen_windows,
)
from rulebot.backtest.load_session_data import needed_bars, prepare, read_today
from rulebot.backtest.sampling import HELD, REGIME, SPLIT, Sampler
from rulebot.backtest.scheduler import (
    AM_SETTLES,
    BARS_LAG,
    ENDS,
    LOOKS_AGAIN,
    SETTLES,
    SOON,
    Agenda,
    EventPump,
    drain_events,
    idle_spans,
    next_wake,
    only_looks_again,
    wake_times,
)
from rulebot.backtest.simulated_broker import SimulatedBroker, expired
from rulebot.core.handle_event import start_run
from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.schedule import ASK_EVERY, ask_at
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import NEVER, MarketData, Orders, Schedule, State
from rulebot.measure.series import DAY, Series
from rulebot.measures.bars import last_end
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import InvariantError, StoreError
from rulebot.model.event import AccountReport, BarsReport, Event, HoursReport, MarketDataUpdated, OpeningMoveReport
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.market import Board
from rulebot.model.money import ZERO, cents
from rulebot.model.session import Session, session_before, sessions
from rulebot.record.record import Json, Kind, Record

BEFORE_OPEN = timedelta(minutes=1)
WAKES_AT_MOST = 200_000
"""Turns of one session; more means that the engine asks to be woken again and again."""

CASH = Decimal(1_000_000)
"""Default dollars of the account of past sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDay:
    """One session's result: its records, faults of its data, and the account at its end."""

    date: date
    records: tuple[Record, ...]
    findings: tuple[Finding, ...]


@dataclass
class BacktestSimulation(EventPump):
    """An engine in the past. `state` None has not begun; `begin` starts it, from a state if one is kept.

    number: of its first order. skips: skip instants that are not read. sampler: notes the features of entries. brought:
    shares of each symbol in the account at the start, paid for out of `cash`.
    """

    program: Program
    source: Source
    calendar: EventCalendar
    fills: FillModel
    cash: Decimal
    number: int = 1
    skips: bool = True
    state: State | None = None
    board: Board = field(default_factory=Board)
    sampler: Sampler | None = None
    brought: Mapping[str, int] = field(default_factory=dict)
    shows_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.feed = HistoryFeed(self.source, self.board, shows_others=self.shows_others)
        self.broker: SimulatedBroker | None = None
        self.queue: deque[Event] = deque()
        self.records: list[Record] = []
        self.marks: dict[Contract, float] = {}
        self.fresh_at: datetime | None = None
        self.reported_until: dict[Series, float] = {}
        self.to_report: deque[OpeningMoveReport | HoursReport] = deque()
        self.reported_series: frozenset[Series] = frozenset()
        self.noted: date | None = None
        self.shares: dict[str, tuple[int, Decimal]] = {}
        self.is_taken_up = False
        self.over_night: frozenset[str] = frozenset()
        self.far: dict[tuple[str, date], bool] = {}
        self.splits: dict[str, tuple[date, ...]] = {}

    # ------------------------------------------------------------ sessions

    def renew(self, number: int) -> None:
        """Begin as if nothing had been before; orders are counted from `number`."""
        self.board = Board()
        self.feed.board = self.board
        self.state, self.broker, self.number = None, None, number
        self.marks.clear()
        self.shares, self.splits = {}, {}

    def restarted(self) -> "BacktestSimulation":
        """Return the same walk before its first step: nothing of any session is kept."""
        return replace(self, state=None, board=Board())

    def _needed(self) -> Mapping[Series, int]:
        """Return how many bars of what its texts read, those too under which something is still open."""
        return needed_bars(self.program.texts)

    def go_on_with(self, pinned: Mapping[str, CompiledBot]) -> None:
        """Let earlier texts govern what they opened."""
        self.program = replace(self.program, pinned=pinned)

    def through(self, first: date, last: date) -> Iterator[SimulatedDay]:
        """Yield the sessions from `first` to `last`, each once it is over. Raises: InvariantError."""
        there = frozenset(self.source.dates(first, last))
        for session in sessions(first, last):
            found, findings = (None, ()) if session.date not in there else self._read(session.date)
            if found is not None:
                yield self.live_through(found, session, findings)
            elif self.holds_something():
                done = self.live_through(empty_day(session), session, findings)
                yield replace(done, records=(no_data(session.open - BEFORE_OPEN), *done.records))
            elif findings:
                yield SimulatedDay(date=session.date, records=(), findings=findings)

    def _read(self, day: date) -> tuple[HistoryDay | None, tuple[Finding, ...]]:
        try:
            found = self.source.day(day)
        except StoreError as error:
            refused = Finding(file=self.source.name, row=0, severity=Severity.REFUSED, text=f"{day}: {error.whole}")
            return None, (refused,)
        return found, found.findings

    def holds_something(self) -> bool:
        """Say whether the account or a position holds anything: then a session without data is run too."""
        return self.broker is not None and any(self._held().values())

    def _symbols_held(self) -> frozenset[str]:
        """Return the underlyings of all that is held."""
        if not self.holds_something():
            return frozenset()
        return frozenset(contract.symbol for contract, count in self._held().items() if count)

    def _held(self) -> Mapping[Contract, int]:
        """Return how many of each contract the account or the positions hold, whichever is more.

        Of what one position holds long and another short the account holds nothing, and yet both hold it.
        """
        assert self.state is not None
        assert self.broker is not None
        found = {contract: abs(count) for contract, count in self.broker.holdings.items()}
        for name in self.state.positions.active:
            for leg in self.state.positions.by_id[name].legs:
                if not leg.option.is_share:
                    found[leg.option] = max(found.get(leg.option, 0), leg.held)
        return found

    def live_through(self, day: HistoryDay, session: Session, findings: Sequence[Finding] = ()) -> SimulatedDay:
        """Live through one session, from a minute before the open to the settlement after the close."""
        market = self.feed.begin(day, session)
        self.series = tuple((series, count) for series, count in self._needed().items() if series[1] != DAY)
        self.of_today = read_today(self.program.texts)
        self.over_night = self._symbols_held()
        self._open(session, market)
        self._run(session, market)
        records, self.records = tuple(self.records), []
        return SimulatedDay(date=session.date, records=records, findings=(*findings, *self._lacking(day, session)))

    def _lacking(self, day: HistoryDay, session: Session) -> Iterator[Finding]:
        """Yield missing data that bots read, positions without data, and unanswered requests to a recorded broker."""
        assert self.feed.market is not None
        assert self.state is not None
        bars = () if day.bars is None else missing_bars(day, session, self._needed(), self.of_today, self.source)
        absent = missing_measures(self.program.bots.values(), day, is_modelled=self.source.is_modelled)
        unseen = unseen_windows(self.program.bots.values(), self.feed.market)
        held = unquoted_holdings(self.state.positions.by_id.values(), self.feed.market)
        for text in (*absent, *unseen, *held, *self.feed.lacks, *bars):
            yield finding_text(self.source.name, 0, f"{session.date}: {text}")

    def _open(self, session: Session, market: DayMarket) -> None:
        self.now = session.open - BEFORE_OPEN
        self.reported_until.clear()
        self.to_report = deque(market.day.facts())
        self.quiet = FastForward(self.program, market)
        self.fresh_at = None
        market.forget()
        if self.state is None:
            self._start(session)
        assert self.broker is not None
        self.broker.begin(session)
        self._receive(MarketDataUpdated(self.now))
        self._receive(AccountReport(self.now, self.broker.reported(self.marks)))
        for event in self._prepared(session):
            self._receive(event)
        self._report_bars(session)
        self._report_facts()
        if self.is_taken_up:  # which rows wake whom is known once what was held is streamed again: before the open
            self.is_taken_up = False
            self.now += SOON
            self._receive(MarketDataUpdated(self.now))

    def _prepared(self, session: Session) -> Iterable[Event]:
        """Return the messages before a session about present holdings."""
        held = tuple(self.state.positions.by_id.values()) if self.state is not None else ()
        return drain_events(prepare(self.program, self.feed, session, self.now, positions=held))

    def _start(self, session: Session) -> None:
        """Start the engine: the first session begins, and the broker is connected."""
        market = MarketData(self.board, Facts(events=self.calendar))
        orders = Orders(next_number=self.number, next_order_id=self.number)
        state = State(Schedule(session), market, orders=orders)
        broker = self.broker_of(session, self.cash)
        for symbol, count in self.brought.items():
            self._bring(broker, symbol, count, session)
        self.begin(state, broker, self.now)

    def _bring(self, broker: SimulatedBroker, symbol: str, count: int, session: Session) -> None:
        """Have the account hold shares, bought at the close before the session. Raises: StoreError, MisuseError."""
        price = share_cost(self.source, self.feed, symbol, count, session.date, broker.cash)
        held = Underlying(symbol)
        broker.holdings[held], broker.costs[held] = count, price
        broker.cash -= cents(price * count)
        self.marks[held] = float(price)

    def broker_of(self, session: Session, cash: Decimal) -> SimulatedBroker:
        """Return a broker for this walk that holds nothing yet."""
        return SimulatedBroker(self.board, ACCOUNT, self.fills, session, cash=cash)

    def begin(self, state: State, broker: SimulatedBroker, at: datetime, first: Iterable[Event] = ()) -> None:
        """Continue from a state, with a broker that knows its holdings. first: its messages before the connect."""
        self.now, self.state, self.broker = at, state, broker
        self._took(start_run(self.program, state, at))
        for event in first:
            self._receive(event)
        self._receive(broker.link(at, state.orders.next_order_id))

    # ------------------------------------------------------------ one session

    def _run(self, session: Session, market: DayMarket) -> None:
        settles = bool(self._settling(session, at_open=True))
        agenda = wake_times(
            self.program, session, market.day.times, self.now, settles=settles, reported=self.feed.reported_at()
        )
        for _ in range(WAKES_AT_MOST):
            coming = self._next(agenda, market)
            if coming > session.close + ENDS:
                return
            place = market.place
            while agenda and agenda[0][0] <= coming:
                place = max(place, agenda.popleft()[1])
            self.now = coming
            self._step(session, market, place)
        raise InvariantError(f"the engine asks to be woken again and again, now at {self.now}")

    def _next(self, agenda: Agenda, market: DayMarket) -> datetime:
        """Return the next instant: of the data or the clock, or one that the engine or the broker waits for."""
        assert self.state is not None
        assert self.broker is not None
        idle = self._pass_by(agenda, market)
        coming = agenda[0][0] if agenda else NEVER
        found = [at for at in (self.fresh_at, self.broker.next_at(self.now)) if at is not None]
        found += idle_spans(self.program, self.state, self.now)
        at, step_at = (self.now, self.state.schedule.step_at) if idle is None else idle
        if not only_looks_again(self.program, self.state, at, step_at):
            found.append(step_at if step_at > at else at + SOON)
        soonest = min(found, default=coming)
        if soonest >= coming:
            return coming
        return soonest if market.is_dense or market.stands(soonest.timestamp()) else coming

    def _pass_by(self, agenda: Agenda, market: DayMarket) -> tuple[datetime, datetime] | None:
        """Skip the instants of the data that are not read; return the last one, now without any.

        With it the time when the engine is due next. None where it is no such time.
        """
        assert self.state is not None
        assert self.broker is not None
        if not self._may_pass(self.broker, market):
            return None
        until = next_wake(self.state, market.session, self.now)
        if until is None:
            self.state, passed = self.quiet.pass_by(agenda, self.state, self.now)
            self.records += passed
            return None
        at, last = self.now, -1
        asked_at, ask = self.state.inquiries.asked_at, ask_at(StateBuilder(self.program, self.state, at))
        while agenda:
            coming, place = agenda[0]
            if place < 0 or coming >= until or (ask is not None and ask < coming and ask < at + LOOKS_AGAIN):
                break
            at, last = agenda.popleft()
            if ask is not None and at >= ask:
                ask, asked_at = at + ASK_EVERY, at
        if last >= 0:
            market.skip(last)
            self.state = self.state._replace(inquiries=replace(self.state.inquiries, asked_at=asked_at))
        return at, min([ask or NEVER, *self.state.bots.next_wakes.values()])

    def _may_pass(self, broker: SimulatedBroker, market: DayMarket) -> bool:
        """Say whether instants of this session may be skipped at all now."""
        if not self.skips or market.is_dense or market.day.halts or self.fresh_at is not None:
            return False
        if self.noted != market.session.date and REGIME in market.day.levels:
            return False
        return all(order.is_resting for order in broker.working.values())

    def _step(self, session: Session, market: DayMarket, place: int) -> None:
        assert self.broker is not None
        now = self.now.timestamp()
        rows: tuple[int, ...] = ()
        if place > market.place:
            self._note_regime(session, market, place)
            rows = market.write(place)
        elif market.is_behind or (self.fresh_at is not None and self.now >= self.fresh_at):
            rows = market.refresh()
        if self.fresh_at is not None and self.now >= self.fresh_at:
            self.fresh_at = None
        market.breathe(now)
        self._fill()
        self._report_bars(session)
        self._report_facts()
        self._receive(MarketDataUpdated(self.now, rows))
        self._end(session, market.day)

    def _fill(self) -> None:
        """Fill what fills at this instant, and report the account's value, which the next entry reads."""
        assert self.broker is not None
        assert self.state is not None
        before, self.broker.grids = self.broker.executions, self.state.market.facts.ticks
        self.queue.extend(self.broker.fill(self.now))
        self._settle_queue()
        if self.broker.executions > before:
            self._report_account(self.broker)

    def _report_account(self, broker: SimulatedBroker) -> None:
        marks = marks_now(self.marks, broker.holdings, self.board)
        self._receive(AccountReport(self.now, broker.reported(marks)))

    def _note_regime(self, session: Session, market: DayMarket, place: int) -> None:
        """Record the first VIX of the session, by which results are grouped."""
        level = market.day.levels.get(REGIME)
        if level is None or self.now < session.open or self.noted == session.date:
            return
        if not isnan(value := float(level[place])):
            self._note_open(session, value)

    def _note_open(self, session: Session, value: float) -> None:
        self.noted = session.date
        self.records.append(Record(self.now, Kind.FACTS, data={"symbol": REGIME, "what": "open", "value": value}))

    def _note_regime_at_last(self, session: Session) -> None:
        """Record the open of VIX in its daily bar, where the session has no level; it is not reported before."""
        if self.noted == session.date:
            return
        bars = self.source.daily(REGIME, session.date + timedelta(days=1), 1)
        opened = bars[-1].settles_at(at_open=True) if bars and bars[-1].date == session.date else None
        if opened is not None:
            self._note_open(session, float(opened))

    # ------------------------------------------------------------ the end of a session

    def _end(self, session: Session, day: HistoryDay) -> None:
        """Do the broker's clock work: end DAY orders, settle expiries, report the account."""
        assert self.broker is not None
        if self.now == session.open + AM_SETTLES and self._settling(session, at_open=True):
            self._settle(session, day, at_open=True)
            self._report_account(self.broker)
        if self.now == session.close:
            self.queue.extend(self.broker.end_of_day(self.now))
            self._settle_queue()
        if self.now == session.close + SETTLES:
            self._report_splits(session)
            self._settle(session, day, at_open=False)
            keep_marks(self.marks, self._held(), session, day, self.source, self.far)
            self._receive(AccountReport(self.now, self.broker.reported(self.marks)))
            self._note_shares()
            self._note_regime_at_last(session)

    def _note_shares(self) -> None:
        """Record how many shares the account holds, and what one has cost, whenever either has changed.

        No position may say so.
        """
        assert self.broker is not None
        costs = self.broker.costs
        held = {
            each.symbol: (count, costs.get(each, ZERO) if count else ZERO)
            for each, count in self.broker.holdings.items()
            if isinstance(each, Underlying)
        }
        for symbol, (count, cost) in held.items():
            if self.shares.get(symbol, (0, ZERO)) != (count, cost):
                data: dict[str, Json] = {"symbol": symbol, "what": HELD, "value": count, "cost": f"{cost:f}"}
                self.records.append(Record(self.now, Kind.FACTS, data=data))
        self.shares = held

    def _was_split(self, symbol: str, since: date, session: Session) -> bool:
        """Say whether shares were split after a day: an option on them is another contract now."""
        by_levels = any(since < day <= session.date for day in self.splits.get(symbol, ()))
        return by_levels or was_split(symbol, since, session.date, self.source)

    def _report_splits(self, session: Session) -> None:
        """Report shares that were split while they, or options on them, were held: they are not converted.

        It is reported after the close: its daily bar may be what shows it.
        """
        before = session_before(session.date).date
        for symbol in sorted(self.over_night):
            if self.feed.is_split(symbol):
                self.splits[symbol] = (*self.splits.get(symbol, ()), session.date)
                data: dict[str, Json] = {"symbol": symbol, "what": SPLIT, "value": session.date.isoformat()}
                self.records.append(Record(self.now, Kind.FACTS, data=data))
            if self._was_split(symbol, before, session):
                text = f"{symbol} was split, by its prices: what was held of it over the night counts as before it"
                text += ", also for exits, at quotes of after it: those trades"
                text += ", and the account's worth, drawdown and Sharpe ratio are wrong from here on"
                self.records.append(Record(self.now, Kind.ALARM, data={"text": text}))

    def _settle(self, session: Session, day: HistoryDay, *, at_open: bool) -> None:
        """Let account and positions lose what has expired, at the level its class settles at; without one it stays."""
        assert self.broker is not None
        for option in sorted(self._settling(session, at_open=at_open), key=str):
            level = settlement(option, session, day, self.source, self.far)
            was_other = self._was_split(option.symbol, self._entered(option, session), session)
            if level is None or was_other:
                text = f"{option} has expired and its settlement level is not known"
                text += f": {option.symbol} was split while it was held" if was_other else ""
                self.records.append(Record(self.now, Kind.ALARM, data={"text": text}))
                continue
            with reported_at(self.board, option, level, is_today=option.expiry == session.date):
                self.queue.extend(self.broker.settle(option, Decimal(f"{level:.4f}"), self.now))
                self._settle_queue()

    def _settling(self, session: Session, *, at_open: bool) -> list[Option]:
        """Return the options held that settle in this session, at its opening prints or after its close."""
        until = session.date - timedelta(days=1) if at_open else session.date
        return [each for each in expired(self._held(), until) if each.settles_at_open is at_open]

    def _entered(self, option: Option, session: Session) -> date:
        """Return the session in which the first position that holds an option was opened."""
        assert self.state is not None
        positions = [self.state.positions.by_id[name] for name in self.state.positions.active]
        return min((p.session for p in positions for leg in p.legs if leg.option == option), default=session.date)

    # ------------------------------------------------------------ one turn

    def _report_bars(self, session: Session) -> None:
        """Report bars that have ended since the last report, not earlier than live."""
        assert self.state is not None
        for (symbol, seconds), count in self.series:
            if (symbol, seconds) in self.reported_series:
                continue
            if self.feed.is_reported((symbol, seconds)):
                self._report_again((symbol, seconds))
                continue
            now = (self.now - BARS_LAG).timestamp()
            is_read = (
                symbol,
                seconds,
            ) in self.of_today  # otherwise those of earlier sessions are all, and reported once
            ended = last_end(session, seconds, now) if is_read else session.open.timestamp()
            if self.reported_until.get((symbol, seconds)) != ended:
                self.reported_until[symbol, seconds] = ended
                bars = self.feed.bars_until(symbol, seconds, count, max(now, ended))
                self._receive(BarsReport(self.now, symbol, seconds, bars))

    def _report_facts(self) -> None:
        """Report recorded expected moves of the open (the first known one counts) and hours, at their times."""
        if not self.to_report:
            return
        read = {symbol for bot in self.program.texts for symbol in bot.plan.needs.opening_move}
        while self.to_report and self.to_report[0].at <= self.now:
            found = self.to_report.popleft()
            if isinstance(found, HoursReport) or found.symbol in read:
                self._receive(replace(found, at=self.now))

    def _report_again(self, series: Series) -> None:
        """Report the broker's bars at their times."""
        found = self.feed.reported_by(series, self.now.timestamp())
        if found is not None and self.reported_until.get(series) != found[0]:
            self.reported_until[series] = found[0]
            self._receive(BarsReport(self.now, *series, found[1]))
