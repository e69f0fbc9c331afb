"""One test, lived through: the production turn, minute by minute, with the market and the broker of the test.

What the engine asks to be woken for it is woken for; in between a minute passes at once. Nothing reads a clock.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.backtest.load_session_data import needed_bars, read_today
from rulebot.backtest.simulated_broker import FillPolicy, SimulatedBroker, WorkingOrder, expired, natural_fill
from rulebot.compile.plan import Plan, Rule
from rulebot.compile.spec_tests import PlannedTest
from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.program import BUILT_IN, CompiledBot, Program, compile_bot
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.core.state.state import Bots, BotState, MarketData, Positions, Schedule, State
from rulebot.core.state.turn import Turn
from rulebot.fill.exit_level import profit
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.listings import expiry_on
from rulebot.measure.series import Series
from rulebot.measures.bars import last_end
from rulebot.measures.options import SESSIONS
from rulebot.model.cause import BrokerMessage, EndedBy, MessageMeaning
from rulebot.model.commission import fill_commission
from rulebot.model.contract import Option, Underlying
from rulebot.model.errors import InvariantError
from rulebot.model.event import (
    AccountReport,
    BarsReport,
    ClosesReport,
    Disconnected,
    Event,
    ImpliedReport,
    ListingReport,
    MarketDataUpdated,
    OpeningMoveReport,
    OrderMessage,
    WebhookReceived,
)
from rulebot.model.facts import Account, EventCalendar, Facts, Hook, Listing
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderType, Purpose, Submit, Subscribe
from rulebot.model.position import Position
from rulebot.model.session import Session, session_from
from rulebot.model.values import dataclass
from rulebot.order.price import net_price, order_parts, ticks_of
from rulebot.record.record import Record
from rulebot.spec.spec_test_nouns import BrokerAction, BrokerEvent, Opening, SpecTest
from rulebot.spec_tests.market import Market, PastBars
from rulebot.spec_tests.opening import day_after_opening, open_position

# --- The broker of a test

REJECTED = BrokerMessage(
    201, "Order rejected - reason: the test says so", frozenset((MessageMeaning.REFUSES,)), EndedBy.BROKER
)


@mutable_dataclass
class WrittenFills(FillPolicy):
    """Fills at limits that are better than the mid and a tick, unless the test changes the broker."""

    session: Session
    mishaps: tuple[BrokerEvent, ...]
    begins: datetime

    def does(self, kind: BrokerAction, at: datetime) -> tuple[BrokerEvent, ...]:
        """Return everything of a kind that it does at an instant."""
        spans = ((each, *self.span(each)) for each in self.mishaps if each.does is kind)
        return tuple(each for each, start, end in spans if start <= at < end)

    def span(self, mishap: BrokerEvent) -> tuple[datetime, datetime]:
        start = self.begins if mishap.at is None else mishap.at.on(self.session)
        end = self.session.close + timedelta(hours=1)
        return start, end if mishap.lasts is None else start + timedelta(seconds=mishap.lasts)

    def instants(self) -> Iterator[datetime]:
        """Yield when what it does begins and ends."""
        for mishap in self.mishaps:
            yield from self.span(mishap)

    def refusal(self, order: Order, at: datetime) -> OrderMessage | None:
        """Return the refusal that the test asks for."""
        kind = "entry" if order.purpose is Purpose.ENTRY else "exit"
        if any(each.what in ("all", kind) for each in self.does(BrokerAction.REJECTS, at)):
            return OrderMessage(at, order.order_id, REJECTED)
        return None

    def margins(self, at: datetime) -> list[Decimal | None] | None:
        """Return the margins that the test gives."""
        return [each.margin for each in self.does(BrokerAction.MARGIN, at)] or None

    def commissions(self, parts: Sequence[tuple[Option, int, Decimal]], before: Decimal) -> list[Decimal]:
        """Return what each execution costs; a test knows no least of an order."""
        return [fill_commission(option, count, float(price)) for option, count, price in parts]

    def count(self, broker: SimulatedBroker, found: WorkingOrder, at: datetime) -> int:
        """Return the whole, or the part that the test lets fill."""
        part = min((each.part for each in self.does(BrokerAction.FILLS, at)), default=Decimal(1))
        return int(found.order.quantity * part) - found.filled

    def net(self, broker: SimulatedBroker, found: WorkingOrder, at: datetime) -> Decimal | None:
        """Return the limit of an order, or what it fills at without one."""
        order = found.order
        parts = order_parts(order.legs, order.side)
        quote = broker.quote_of(order, at)
        if quote.mid is None or quote.natural is None:
            return None
        if order.kind in (OrderType.MARKET, OrderType.STOP):
            return natural_fill(order, parts, quote)
        assert order.limit_price is not None
        net = net_price(order.limit_price, order.side)
        tick = ticks_of(parts).tick(net)
        return net if float(net) < quote.mid + float(tick) else None


# --- What the engine of a test receives before anything moves

EQUITY = Decimal(1_000_000)
"""Dollars of the account: no test fails for want of them."""
ACCOUNT = Account("DU0000001", net_liquidation=EQUITY, cash=EQUITY, buying_power=EQUITY, available_funds=EQUITY)


@dataclass(frozen=True, slots=True)
class FirstFacts:
    """Facts of the session. opening_moves: for a test that begins after the open, by symbol and expiry."""

    listings: tuple[Listing, ...]
    closes: tuple[tuple[str, tuple[float, ...]], ...]
    opening_moves: tuple[tuple[str, date, float], ...]
    implied: tuple[tuple[str, tuple[float, ...]], ...]

    @property
    def known(self) -> Facts:
        """The listings and the account as rules see them."""
        return Facts(listings={(each.symbol, each.trading_class): each for each in self.listings}, account=ACCOUNT)

    def events(self, at: datetime) -> Iterator[Event]:
        """Yield them as the engine receives them."""
        yield AccountReport(at, ACCOUNT)
        for listing in self.listings:
            yield ListingReport(at, listing)
        for symbol, closes in self.closes:
            yield ClosesReport(at, symbol, closes)
        for symbol, values in self.implied:
            yield ImpliedReport(at, symbol, values)
        for symbol, expiry, points in self.opening_moves:
            yield OpeningMoveReport(at, symbol, expiry, points)


def first_facts(plan: Plan, market: Market, opening: Opening | None) -> FirstFacts:
    """Return the facts of a test's session."""
    today = market.session.date
    besides = () if opening is None or opening.dte is None else (today + timedelta(days=opening.dte),)
    listings = tuple(market.listings(plan, besides))
    closes = tuple((symbol, market.closes(symbol, count)) for symbol, count in plan.needs.daily.items())
    implied = tuple((symbol, market.implied(symbol, SESSIONS)) for symbol in plan.needs.implied)
    moves = () if opening is None else tuple(_opening_moves(plan, market, listings))
    return FirstFacts(listings, closes, moves, implied)


def _opening_moves(plan: Plan, market: Market, listings: tuple[Listing, ...]) -> Iterator[tuple[str, date, float]]:
    rules = dict.fromkeys((plan.expiry, *(each.expiry for each in plan.structures_of_all())))
    for listing, rule in ((listing, rule) for listing in listings for rule in rules):
        if listing.symbol in plan.needs.opening_move:
            expiry = expiry_on(rule, listing.expiries, market.session.date)
            points = None if expiry is None else market.opening_move(listing, expiry)
            if expiry is not None and points is not None:
                yield listing.symbol, expiry, points


# --- One test, lived through

BEFORE_OPEN = timedelta(minutes=1)
QUOTE_EVERY = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SETTLES = timedelta(minutes=5)
"""After the close, when the account no longer has what has expired."""
ENDS = SETTLES + MINUTE
SOON = timedelta(seconds=1)
"""When to call an engine again that is due at once, and when it gets newly streamed data."""
LOOKS_AGAIN = timedelta(seconds=10)
"""A wake that is nearer than this has another reason."""
WAKES_AT_MOST = 30_000
"""Turns of one test; more means that the engine asks to be woken again and again."""


class Observed(NamedTuple):
    """What an entry condition said from an instant on."""

    at: datetime
    rule: Rule
    evaluation: Evaluation


@mutable_dataclass(frozen=True)
class SimulatedTest:
    """The result of one test: its records, the orders that were sent, when each quote changed, and the last state.

    began_open: the position it began with. observed: results of the entry conditions that the test asks about, whether
    the engine judged them or not (a halt that cannot be judged keeps it from asking), whenever one changed.
    """

    session: Session
    begins: datetime
    ends: datetime
    records: tuple[Record, ...]
    sent: tuple[tuple[datetime, Order], ...]
    quotes: tuple[datetime, ...]
    state: State
    began_open: Position | None
    observed: tuple[Observed, ...]


def begins_at(trial: SpecTest, session: Session) -> datetime:
    """Return when a test begins: shortly before the open, or with its open position."""
    return session.open - BEFORE_OPEN if trial.opening is None else trial.opening.at.on(session)


def run_day(planned: PlannedTest, calendar: EventCalendar, until: datetime) -> SimulatedTest:
    """Live through a test up to an instant (at most to the settlement). Raises: SpecError, InvariantError."""
    day = Day(planned.trial, compile_bot(planned.plan), calendar)
    day.begin()
    day.run(min(until, day.session.close + ENDS))
    return SimulatedTest(
        session=day.session,
        begins=day.begins,
        ends=day.now,
        records=tuple(day.records),
        sent=tuple(day.sent),
        quotes=tuple(day.quote_times),
        state=day.state,
        began_open=day.position,
        observed=tuple(day.observed),
    )


@mutable_dataclass
class Day:
    """The loop of one test: events go into the turn, its commands to the market and the broker, until idle."""

    trial: SpecTest
    bot: CompiledBot
    calendar: EventCalendar
    records: list[Record] = field(default_factory=list)
    reported_until: dict[Series, float] = field(default_factory=dict)
    sent: list[tuple[datetime, Order]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = session_from(self.trial.date)
        self.begins = self.now = begins_at(self.trial, self.session)
        self.board = Board()
        self.market = Market(self.trial.market, self.session, self.board)
        self.market.minute = self.market.minute_of(self.now)
        self.past = PastBars(self.market, self.bot.plan.needs.realised)
        self.fills = WrittenFills(self.session, self.trial.broker, self.begins)
        self.broker = SimulatedBroker(self.board, ACCOUNT.id, self.fills, self.session)
        self.program = Program(
            bots={self.bot.plan.name: self.bot}, pinned={}, limits=BUILT_IN, install="test", line_limit=1000
        )
        self.queue: deque[Event] = deque()
        self.missed: list[Event] = []
        self.fresh_at: datetime | None = None
        asked = {name for each in self.trial.expect for name in each.because}
        self.asked = [compiled for compiled in self.bot.when if compiled.rule.name in asked]
        self.observed: list[Observed] = []
        self.position: Position | None = None
        sent = enumerate(self.trial.hooks or (), start=1)
        self.hooks = deque(
            sorted(((hook.at.on(self.session), at, hook) for at, hook in sent), key=lambda each: each[:2])
        )
        self.quote_times = [self.begins + QUOTE_EVERY * place for place in range(len(self.trial.market.quotes))]

    # ------------------------------------------------------------ the beginning

    def begin(self) -> None:
        """Start the engine with what the test begins with."""
        facts = first_facts(self.bot.plan, self.market, self.trial.opening)
        hooks: Mapping[str, Hook] | None = None if self.trial.hooks is None else {}
        market = MarketData(self.board, Facts(events=self.calendar, hooks=hooks))
        state = State(Schedule(self.session), market)
        for symbol, count in self.trial.shares.items():
            held = Underlying(symbol)
            self.broker.holdings[held] = count
            self.broker.costs[held] = self.trial.costs.get(symbol, self.market.previous_close(symbol))
        if self.trial.opening is not None:
            state = self._with_position(state, self.trial.opening, facts)
        self._took(start_run(self.program, state, self.now))
        self.queue.extend(facts.events(self.now))
        self.queue.append(self.broker.link(self.now, 1))
        self._settle()
        self._send_hooks()
        self._send_bars()

    def _with_position(self, state: State, opening: Opening, facts: FirstFacts) -> State:
        position = open_position(opening, self.bot, self.market, facts.known, self.trial.shares, self.now)
        self.position = position
        for leg in position.legs:
            held = Underlying(leg.option.symbol) if leg.option.is_share else leg.option
            self.broker.holdings[held] = self.broker.holdings.get(held, 0) + leg.signed_held
        self.market.stream((leg.option for leg in position.legs), self.now)
        self.market.breathe(self.now)
        made = profit(position, self.board, self.now.timestamp())
        is_old = position.session != self.session.date
        return state._replace(
            positions=Positions(
                by_id={position.id: position},
                active=(position.id,),
                pnl_at_open={position.id: made} if is_old and made is not None else {},
            ),
            bots=Bots({position.bot: BotState(day=day_after_opening(position, self.session))}),
        )

    # ------------------------------------------------------------ the loop

    def run(self, until: datetime) -> None:
        """Let time pass up to an instant."""
        agenda = self._agenda()
        for _ in range(WAKES_AT_MOST):
            coming = self._next(agenda)
            if coming > until:
                self.now = until
                return
            while agenda and agenda[0] <= coming:
                agenda.popleft()
            self.now = coming
            self._step()
        raise InvariantError(f"the engine asks to be woken again and again, now at {self.state.schedule.wake_at}")

    def _agenda(self) -> deque[datetime]:
        """Return when the market or the broker next acts."""
        found = {*self.quote_times, *self.fills.instants(), *self.bot.instants(self.session)}
        found.update(at for at, _, _ in self.hooks)
        minute = self.session.open + MINUTE * max(self.market.minute, -1)
        while (minute := minute + MINUTE) <= self.session.close + ENDS:
            found.add(minute)
        return deque(sorted(at for at in found if at >= self.begins))

    def _next(self, agenda: deque[datetime]) -> datetime:
        found = [agenda[0]] if agenda else [self.session.close + ENDS + MINUTE]
        if self.state.connection.is_linked and not self._only_looks_again():
            found.append(self.state.schedule.step_at if self.state.schedule.step_at > self.now else self.now + SOON)
        if self.fresh_at is not None:
            found.append(self.fresh_at)
        if (filled := self.broker.next_at(self.now)) is not None:
            found.append(filled)
        return min(found)

    def _only_looks_again(self) -> bool:
        """Return whether the engine wakes only to check the same market again, as it does every 15 seconds."""
        entry, state = self.bot.plan.entry, self.state.bots.by_name[self.bot.plan.name]
        if self.state.schedule.step_at < self.now + LOOKS_AGAIN:
            return False
        if (
            self.state.subscriptions.board_version != self.board.version
            or self.state.orders.live
            or entry.every is not None
            or entry.again
        ):
            return False
        moving = any(self.state.positions.by_id[name].state != "open" for name in self.state.positions.active)
        return not moving and not state.unknown_since and not any(each.count for each in state.confirming.values())

    def _step(self) -> None:
        self._send_hooks()
        rows = self._moved()
        if self.fresh_at is not None and self.now >= self.fresh_at:
            rows, self.fresh_at = tuple(self.board.rows.values()), None
        if self._is_away():
            return
        self._send_bars()
        self._receive(MarketDataUpdated(self.now, rows))
        self.queue.extend(self.broker.fill(self.now))
        if self.now >= self.session.close + SETTLES:
            gone = expired(self.broker.holdings, self.session.date)
            self.queue.extend(self.broker.expire(gone, self.now))
        self._settle()
        self._observe()

    def _observe(self) -> None:
        """Judge the entry conditions that the test asks about, while a window is open."""
        start, end = self.bot.window(self.session, self.now)
        if not self.asked or not start <= self.now < end:
            return
        view = view_of(StateBuilder(self.program, self.state, self.now))
        said = {each.rule.name: each.evaluation.truth for each in self.observed}
        for compiled in self.asked:
            evaluation = compiled.judge(view)
            if compiled.rule.name not in said or said[compiled.rule.name] is not evaluation.truth:
                self.observed.append(Observed(self.now, compiled.rule, evaluation))

    def _moved(self) -> tuple[int, ...]:
        """Write what the market does now; return the rows that changed."""
        rows: tuple[int, ...] = ()
        if self.market.minute_of(self.now) != self.market.minute or self.now <= self.begins:
            rows = self.market.move(self.now)
        elif self.now < self.session.close:
            self.market.breathe(self.now)
        if self.position is not None and self.now in self.quote_times:
            mark = self.trial.market.quotes[self.quote_times.index(self.now)]
            rows = tuple(dict.fromkeys((*rows, *self.market.mark_at(mark, self.position.legs, self.now))))
        return rows

    def _send_bars(self) -> None:
        """Send the engine the bars that have ended since the last call; daily ones once."""
        of_today = read_today((self.bot,))
        for (symbol, seconds), count in needed_bars((self.bot,)).items():
            now = self.now.timestamp()
            ended = last_end(self.session, seconds, now) if (symbol, seconds) in of_today else 0.0
            if self.reported_until.get((symbol, seconds)) != ended:
                self.reported_until[symbol, seconds] = ended
                self._receive(BarsReport(self.now, symbol, seconds, self.past.of(symbol, seconds, count, now)))

    def _send_hooks(self) -> None:
        """Send the engine the web hooks that have arrived."""
        while self.hooks and self.hooks[0][0] <= self.now:
            came, number, hook = self.hooks.popleft()
            self._receive(WebhookReceived(at=self.now, id=f"hook-{number}", name=hook.name, says=hook.says, came=came))

    def _is_away(self) -> bool:
        """Return whether the connection is lost, and notify the engine when that changes."""
        is_away = bool(self.fills.does(BrokerAction.DISCONNECTS, self.now))
        if is_away:
            if self.state.connection.is_linked:
                self._receive(Disconnected(self.now, "the test says so"))
            self.missed.extend(self.broker.fill(self.now))
        elif not self.state.connection.is_linked:
            self.queue.extend(replace(event, at=self.now) for event in self.missed)
            self.missed.clear()
            self._receive(self.broker.link(self.now, self.state.orders.next_order_id))
        return is_away

    # ------------------------------------------------------------ one turn

    def _receive(self, event: Event) -> None:
        self.queue.append(event)
        self._settle()

    def _settle(self) -> None:
        """Pass all pending events to the engine, and the world's answers, until none are pending."""
        while self.queue:
            self._took(handle_event(self.program, self.state, self.queue.popleft()))

    def _took(self, result: Turn) -> None:
        self.state = result.state
        self.records += result.records
        for command in result.commands:
            if isinstance(command, Subscribe):
                self.market.stream(command.contracts, self.now)
                self.fresh_at = self.now + SOON
            elif isinstance(command, Submit):
                self.sent.append((self.now, command.order))
            self.queue.extend(self.broker.take(command, self.now))
