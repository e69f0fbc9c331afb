"""Everything the engine knows between two events. Values are immutable; the loop holds the newest State.

Orders, positions and bot days survive a restart: they are recorded whole whenever they change. The rest (readings,
confirmations, subscriptions) is rebuilt from the market.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from rulebot.compile.plan import Rule
from rulebot.core.state.entry_obstacles import Blocked
from rulebot.decide.entry_window import BotDay
from rulebot.evaluate.strikes import StructureSelection
from rulebot.evaluate.watch import StrikeTarget, SubscriptionRequest
from rulebot.fill.exit_level import HeldLeg
from rulebot.fill.ledger import BookedExecution
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.view import Held, LegView
from rulebot.model.cause import Name, Shut, Text
from rulebot.model.contract import Contract, Option
from rulebot.model.event import Request
from rulebot.model.facts import Facts
from rulebot.model.market import Board
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.session import Session
from rulebot.model.values import dataclass

T = TypeVar("T")
NOTHING: Mapping[Any, Any] = MappingProxyType({})
NEVER = datetime.max.replace(tzinfo=UTC)


class TradingMode(Enum):
    """What the engine as a whole may do: everything, or only reduce."""

    ACTIVE = "active"
    REDUCING = "reducing"


class OperatorState(NamedTuple):
    """Requests of the operator that are in force; the bot name "" means all bots.

    paused: bots that enter nothing. flattening: bots whose positions are being closed, except `kept`. closing:
    positions that are being closed. reason: why trading is reduce-only when no person has killed it.
    """

    trading: TradingMode = TradingMode.ACTIVE
    paused: frozenset[str] = frozenset()
    flattening: frozenset[str] = frozenset()
    closing: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def is_active(self) -> bool:
        """Say whether bots may open something, those aside that were paused, killed or closed by name."""
        return self.may_enter("")

    def may_enter(self, bot: str) -> bool:
        """Say whether the bot may open anything."""
        return self.trading is TradingMode.ACTIVE and "" not in self.paused and bot not in self.paused

    def is_flattening(self, bot: str) -> bool:
        """Say whether all that the bot holds is to be closed."""
        return "" in self.flattening or bot in self.flattening

    def must_close(self, bot: str, position: str) -> bool:
        """Say whether this position is to be closed, alone or with all that its bot holds."""
        return position in self.closing or (self.is_flattening(bot) and position not in self.kept)


def after_request(
    standing: OperatorState,
    request: Request,
    bot: str,
    position: str = "",
    reason: str = "",
    closes: Iterable[str] = (),
) -> OperatorState:
    """Return the requests in force after one more; a restart folds the recorded ones in the same way.

    Killing one bot pauses it; killing all leaves only orders that reduce. Flattening is killing and closing. Closing
    one position changes nothing else; keeping it withdraws the close, also one that came from flattening its bot.
    reason: for a kill that no person asked for. closes: positions to close when bots are resumed or when kept positions
    are closed too.
    """
    if request is Request.CLOSE:
        return _to_close(standing, {position})
    if request is Request.KEEP:
        kept = standing.kept | ({position} if standing.flattening else frozenset())
        return standing._replace(closing=standing.closing - {position}, kept=kept)
    if request is Request.FLATTEN:
        standing = _to_close(standing, closes)._replace(flattening=standing.flattening | {bot})
    if request is Request.PAUSE or (request in (Request.KILL, Request.FLATTEN) and bot):
        return standing._replace(paused=standing.paused | {bot})
    if request in (Request.KILL, Request.FLATTEN):
        return standing._replace(trading=TradingMode.REDUCING, reason=standing.reason or reason)
    if request is Request.RESUME:
        if not bot:
            return OperatorState(closing=frozenset(closes))
        standing = standing._replace(paused=standing.paused - {bot}, flattening=standing.flattening - {bot})
        return _to_close(standing, closes)
    return standing


def _to_close(standing: OperatorState, positions: Iterable[str]) -> OperatorState:
    """Return the requests once these positions are to be closed, including kept ones."""
    found = frozenset(positions)
    return standing._replace(closing=standing.closing | found, kept=standing.kept - found)


def exits_of(position: str) -> str:
    """Return the place in which the exits of a position are judged."""
    return f"exit:{position}"


def position_of(place: str) -> str:
    """Return the position whose rules have this key (`exits_of`, "activate_when NAME:ID"); "" for an entry."""
    return place.rpartition(":")[2] if ":" in place else ""


class Shortfall(NamedTuple):
    """Contracts that the account lacks against our books: since when, and whether long (1) or short (-1).

    An account nets positions on both sides of a contract; this side says which one is missing. has_fallen: the account
    has reported fewer contracts; otherwise our books grew and the account may follow. fills, filled_at: change from our
    fills since the account last reported its count (+ bought), and when.
    """

    since: datetime
    side: int
    has_fallen: bool = False
    fills: int = 0
    filled_at: datetime | None = None


class Excess(NamedTuple):
    """Contracts the account holds beyond our books (- short), since when, and how many were reported to a person."""

    contracts: int
    since: datetime
    reported: int

    @property
    def is_unreported(self) -> bool:
        """Say whether there are more than were reported, or on the other side."""
        return abs(self.contracts) > abs(self.reported) or self.contracts * self.reported < 0


class DuplicateOrder(NamedTuple):
    """A second working order under one of our references: since when, and when it was last reported.

    is_missed: the last list of open orders does not contain it.
    """

    since: datetime
    reported_at: datetime
    is_missed: bool = False


Cashes = tuple[tuple[datetime, Decimal], ...]
"""When the account's cash was reported, and how many dollars, oldest first."""


class ShareChange(NamedTuple):
    """Shares of a symbol before their last change, when they changed, and their average cost then.

    since: when the account was last seen before; equal to `at` when the change was observed. cash: the account's
    dollars before the change, adjusted for other assignments booked since.
    """

    before: Decimal
    at: datetime
    cost: Decimal
    since: datetime
    cash: Decimal | None = None


class AccountSeen(NamedTuple):
    """What the account holds of the symbols of our positions, and what is being confirmed of it, as a state has it."""

    holdings: Mapping[Contract, Decimal] = NOTHING
    costs: Mapping[Name, Decimal] = NOTHING
    holdings_at_expiry: Mapping[Option, Decimal] = NOTHING
    shortfalls: Mapping[Option, Shortfall] = NOTHING
    share_changes: Mapping[Name, ShareChange] = NOTHING
    adjusted: Mapping[Name, datetime] = NOTHING


HALTS = "halts"
"""The place in which what halts a bot is judged."""


def of_positions(learned: Mapping[tuple[str, str], T]) -> dict[tuple[str, str], T]:
    """Return the learned values of rules of positions, by (place, rule name). Other rules start fresh."""
    return {key: found for key, found in learned.items() if position_of(key[0])}


@dataclass(frozen=True, slots=True)
class ConfirmationProgress:
    """How far a rule with `confirm` has come: readings in a row, since when, and when it last counted.

    lost_at: since when it has been unknown, 0 while it is known. Units: epoch seconds.
    """

    count: int = 0
    since: float = 0.0
    counted_at: float = 0.0
    lost_at: float = 0.0


class SeenHolding(NamedTuple):
    """A profit as it was last read for a trailing exit, and when (epoch seconds)."""

    amount: Decimal
    at: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The last evaluation of one rule, and the board rows that it read."""

    rule: Rule
    evaluation: Evaluation
    at: datetime


LIMITS = "limits"
"""The rule of a nearest miss in which all conditions held, and a limit did not."""


@dataclass(frozen=True, slots=True)
class NearestMiss:
    """The nearest miss today: rules that did not hold, and the relative distance of the first.

    digest: of the bot's spec. readings: as in a record. symbol: of a universe, "" without one; `rule` begins with it.
    """

    digest: Name
    at: datetime
    failed: int
    shortfall: float
    rule: Name
    text: Text
    readings: tuple[Mapping[Name, bool | int | float | Text | None], ...]
    symbol: Name = ""

    @property
    def words(self) -> str:
        """What was missing, with its rule. A limit without a rule stands for itself."""
        is_limit = self.rule.removeprefix(self.symbol).strip() == LIMITS
        return " ".join(filter(None, (self.symbol if is_limit else self.rule, self.text)))


class MarginAnswer(NamedTuple):
    """What the broker says an entry would need: dollars of initial margin with it, and how many of them are its own.

    legs: what was asked for, with contracts. `initial` is None until it answers, and when it does not; then `problem`
    says why. order_id: of the question.
    """

    legs: tuple[tuple[Option, int], ...]
    order_id: int
    asked_at: datetime
    initial: Decimal | None = None
    change: Decimal | None = None
    problem: str = ""

    @property
    def is_pending(self) -> bool:
        """True while the broker has still to answer."""
        return self.initial is None and not self.problem


class Named(NamedTuple):
    """A structure that an operator asked for: the contract of each leg by name, and its alternative."""

    legs: tuple[tuple[str, Option], ...]
    alternative: str = ""

    @property
    def symbol(self) -> str:
        """The underlying of its first leg."""
        return self.legs[0][1].symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class BotState:
    """One bot between events.

    judge_at: the next point of its `every` grid; grid_since: start of the grid. readings: by (place, rule name).
    status_text: one line for people. shut: why it does not watch; None while it may enter. blocked_by: what kept it
    from entering in this watch. agenda: clock times of the session still ahead. blocked: contracts in which the broker
    refused our side today. is_waiting_to_enter: it waits only for a cancel of crossing orders or a margin answer.
    margins: the last margin question of each structure. trailing: the last best profit, by position and measure.
    reported_unknown: when an exit was last reported as undecidable, by position and exit. last_ranking: symbols of a
    universe that were last selected and passed over. rank_values: last rank value and its time, by symbol.
    subscribed_symbols: symbols whose strikes get market data lines, best first. manual_entry_until: end of an
    operator's entry request; manual_position: the position it opened. named: the contracts an operator chose, None
    where the bot chooses; is_named: that position came from such a request. is_gone: the bot is no longer loaded and
    has nothing from today; its entries of this week count if it is added again.
    """

    day: BotDay
    is_watching: bool = False
    judge_at: datetime | None = None
    grid_since: datetime | None = None
    readings: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    confirming: Mapping[tuple[str, str], ConfirmationProgress] = field(default_factory=dict)
    unknown_since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    reported_unknown: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    trailing: Mapping[tuple[str, str], SeenHolding] = field(default_factory=dict)
    alarmed: frozenset[Name] = frozenset()
    nearest: NearestMiss | None = None
    selection: StructureSelection | None = None
    agenda: tuple[datetime, ...] = ()
    status_text: Text = ""
    shut: Shut | None = None
    blocked_by: Blocked = Blocked()
    since: datetime | None = None
    blocked: frozenset[Option] = frozenset()
    is_waiting_to_enter: bool = False
    margins: tuple[MarginAnswer, ...] = ()
    last_ranking: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    rank_values: Mapping[str, tuple[float, datetime]] = field(default_factory=dict)
    manual_entry_until: datetime | None = None
    manual_position: str = ""
    named: Named | None = None
    is_named: bool = False
    subscribed_symbols: tuple[str, ...] = ()
    is_gone: bool = False


class Structure(NamedTuple):
    """An open position as rules and snapshots see it: all that stays as it is from one quote to the next.

    legs, held: as rules see it; parts: as its value is read; net: cash less commissions so far; quantity: structures of
    what is still open, at least one; expiry: the first of its legs'.
    """

    legs: tuple[LegView, ...]
    held: Held | None
    parts: tuple[HeldLeg, ...]
    net: Decimal
    quantity: int
    expiry: date


def nothing() -> Mapping[Any, Any]:
    """Return the empty table, in which nothing is known."""
    return NOTHING


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due although no quote moves.

    step_at: orders, positions or bots; wake_at: the same, with marks and subscriptions. watch_at: when subscriptions
    and the comparison with the account are due, None when nothing waits. mark_at: when positions are marked next.
    """

    session: Session
    step_at: datetime = NEVER
    wake_at: datetime = NEVER
    watch_at: datetime | None = None
    mark_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MarketData:
    """Quotes and slow facts. closing: the last prints of the session of shares that options were held on, by symbol."""

    board: Board
    facts: Facts = Facts()
    closing: Mapping[str, float] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What is streamed since `streamed_at`, and for whom.

    strike_targets: the bots' target strikes when `streamed` was chosen; None when it must be chosen again.
    subscription_requests: what each bot requested then. dependents: bots by board row. board_version: version of the
    board for which `dependents` and `structures` (of all positions) were built; -1 when stale. is_shortage_reported: a
    person was informed this session that market data lines do not suffice.
    """

    streamed: tuple[Contract, ...] = ()
    streamed_at: datetime | None = None
    strike_targets: Mapping[str, tuple[StrikeTarget | None, ...]] | None = None
    subscription_requests: Mapping[tuple[str, tuple[StrikeTarget | None, ...]], SubscriptionRequest] = field(
        default_factory=nothing
    )
    dependents: Mapping[int, tuple[str, ...]] = field(default_factory=nothing)
    board_version: int = -1
    is_shortage_reported: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """The connections to the broker and to the store.

    linked_at: time of the last connect; down_at: time of the disconnect, None while connected. is_ready: the broker has
    listed account and orders. clock_skew: seconds by which our clock is ahead of the broker's. is_time_known: the
    broker reported its time, or was not asked. takes_records: False while the store accepts no records.
    is_unwatched_reported: a person was informed that nothing watches the positions.
    """

    is_linked: bool = False
    is_ready: bool = False
    linked_at: datetime | None = None
    down_at: datetime | None = None
    account_id: str = ""
    client_id: int = 0
    clock_skew: float = 0.0
    is_time_known: bool = True
    takes_records: bool = True
    is_unwatched_reported: bool = False


@dataclass(frozen=True, slots=True)
class Requests:
    """What people and hooks have asked for.

    ids: requests that were taken. acknowledged_foreign_orders: those that a person lets be. reloading: bots that enter
    nothing before other texts are taken up, "" being all. hook_ids: of today's web hooks.
    """

    operator: OperatorState = OperatorState()
    is_stopping: bool = False
    ids: frozenset[str] = frozenset()
    acknowledged_foreign_orders: frozenset[str] = frozenset()
    reloading: frozenset[str] = frozenset()
    hook_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """What the account holds over all bots, and its differences from our books.

    holdings: by contract; the last seen ones, of `seen_at`, while not ready. costs: average dollars a share, by symbol.
    shortfalls, excess: options of which it holds fewer or more than our books. uncovered: symbols with fewer shares
    than their short calls need, and since when. share_changes: last change of shares, by symbol. cashes: recent cash
    and the amount before, adjusted for booked assignments. adjusted: last change of holdings that no trade or
    assignment explains, by symbol. holdings_at_expiry: holdings in expired options that await a settlement level.
    """

    holdings: Mapping[Contract, Decimal] = field(default_factory=nothing)
    costs: Mapping[str, Decimal] = field(default_factory=nothing)
    seen_at: datetime | None = None
    shortfalls: Mapping[Option, Shortfall] = field(default_factory=nothing)
    excess: Mapping[Option, Excess] = field(default_factory=nothing)
    uncovered: Mapping[str, datetime] = field(default_factory=nothing)
    share_changes: Mapping[str, ShareChange] = field(default_factory=nothing)
    cashes: Cashes = ()
    adjusted: Mapping[str, datetime] = field(default_factory=nothing)
    holdings_at_expiry: Mapping[Option, Decimal] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Orders:
    """Live orders and today's, by ref, oldest first.

    ref_of_id: by our order ids of this connection. live: refs of the orders that may still fill. sent: times of orders
    sent in the last minute. order_number_floor: orders and positions bear numbers above it, since the store was put
    back.
    """

    by_ref: Mapping[str, Order] = field(default_factory=nothing)
    ref_of_id: Mapping[int, str] = field(default_factory=nothing)
    live: tuple[str, ...] = ()
    next_number: int = 1
    next_order_id: int = 1
    sent: tuple[datetime, ...] = ()
    order_number_floor: int = 0


@dataclass(frozen=True, slots=True)
class Inquiries:
    """Open questions to the broker about orders, and differences in its answers.

    asked_at: time of the last request for lists. missing_from_open_orders: refs of live orders absent from the last
    list. revived_refs: refs of ended orders that the broker has since reported as working. duplicate_orders: second
    working orders under our refs. undelivered: refs of live orders that never reached the broker by the gateway's own
    count. foreign_orders: installs of others that trade this account, and our refs without a record.
    unanswered_cancels: cancels without an answer, by ref, that were sent while their order may have been in transit.
    """

    asked_at: datetime | None = None
    missing_from_open_orders: frozenset[str] = frozenset()
    revived_refs: frozenset[str] = frozenset()
    duplicate_orders: Mapping[str, DuplicateOrder] = field(default_factory=nothing)
    undelivered: frozenset[str] = frozenset()
    foreign_orders: frozenset[str] = frozenset()
    unanswered_cancels: Mapping[str, int] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions that hold something, work, or were closed today, by id, oldest first.

    active: ids of those that are not closed. stirring: those of them that may need something although nothing moved
    that they read, None when it is not known. expires: the first day on which something that is held trades last, None
    when it is not known. structures: what rules see of positions, by id, without those that have changed since. bases:
    each position's profit when the session began; marks: the last one known; snapshots: the last one on record.
    booked: executions, each at its newest revision.
    """

    by_id: Mapping[str, Position] = field(default_factory=nothing)
    active: tuple[str, ...] = ()
    needs_attention: tuple[str, ...] | None = None
    expires: date | None = None
    structures: Mapping[str, Structure] = field(default_factory=nothing)
    pnl_at_open: Mapping[str, Decimal] = field(default_factory=nothing)
    marks: Mapping[str, Decimal] = field(default_factory=nothing)
    snapshots: Mapping[str, Decimal] = field(default_factory=nothing)
    executions: Mapping[str, BookedExecution] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Bots:
    """Every bot's state by name. next_next_wakes: when each must be judged even if nothing it reads moves."""

    by_name: Mapping[str, BotState] = field(default_factory=nothing)
    next_wakes: Mapping[str, datetime] = field(default_factory=nothing)

    @property
    def present(self) -> dict[str, BotState]:
        """The bots that run, and those that have something of today though they run no more."""
        return {name: bot for name, bot in self.by_name.items() if not bot.is_gone}


class State(NamedTuple):
    """The whole engine between two events, in ten parts. A part that no turn changes is the same object after it."""

    schedule: Schedule
    market: MarketData
    subscriptions: Subscriptions = Subscriptions()
    connection: Connection = Connection()
    requests: Requests = Requests()
    account: Account = Account()
    orders: Orders = Orders()
    inquiries: Inquiries = Inquiries()
    positions: Positions = Positions()
    bots: Bots = Bots()

    def waits_to_close(self, position: Position) -> bool:
        """Say whether a close was requested for a position and has not started."""
        return not position.is_flattening and self.requests.operator.must_close(position.bot, position.id)
