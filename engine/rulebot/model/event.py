"""Events: everything that enters the engine, stamped at the edge (UTC)."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from rulebot.model.cause import BrokerMessage
from rulebot.model.contract import Contract, Option
from rulebot.model.facts import Account, Bars, Dividend, Listing
from rulebot.model.order import ExecutionId, Side
from rulebot.model.session import Hours
from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True)
class MarketDataUpdated:
    """The board has new values in these rows; also time has come this far (an empty tuple is time alone)."""

    at: datetime
    rows: tuple[int, ...] = ()


class BrokerStatus(Enum):
    """The broker's status of an order. PENDING: in transit, or being cancelled. INACTIVE: rejected, or held."""

    PENDING = "pending"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order status report. `ref` is "" when the broker's message does not carry it.

    Prices are signed as on the wire; None when the message has none. quantity and side likewise. kind, time_in_force:
    words of OrderType and TimeInForce, the broker's own word for any other, "" when missing. con_id: the broker's id of
    the contract, or of the combo as a whole; 0 when missing.
    """

    at: datetime
    ref: str
    order_id: int
    perm_id: int
    client_id: int
    status: BrokerStatus | None
    filled: Decimal | None = None
    remaining: Decimal | None = None
    average_price: Decimal | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    side: Side | None = None
    kind: str = ""
    time_in_force: str = ""
    con_id: int = 0


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """An error or warning of the broker on one of our order ids."""

    at: datetime
    order_id: int
    message: BrokerMessage


@dataclass(frozen=True, slots=True)
class OrderUnsent:
    """rulebot could not send an order, or a change of one (`is_change`: the order works on as it was). `text`: why."""

    at: datetime
    order_id: int
    text: str
    is_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """One fill of one contract. Executions of a combo as a whole are marked `is_combo` and move no position.

    A correction repeats the execution with a higher revision. `quantity` is positive, `is_buy` the side. `executed_at`
    is the broker's time, None where its time zone is unknown. is_liquidation: the broker closed it for lack of margin.
    """

    at: datetime
    exec_id: ExecutionId
    ref: str
    order_id: int
    perm_id: int
    client_id: int
    option: Option | None
    is_combo: bool
    is_buy: bool
    quantity: Decimal
    price: Decimal
    executed_at: datetime | None
    symbol: str = ""
    is_liquidation: bool = False


@dataclass(frozen=True, slots=True)
class CommissionReport:
    """Dollars of one execution (positive is paid)."""

    at: datetime
    exec_id: ExecutionId
    commission: Decimal


@dataclass(frozen=True, slots=True)
class PositionReport:
    """What the account holds of one contract, over all bots and by hand; negative is short."""

    at: datetime
    contract: Contract
    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True)
class AccountReport:
    """New account values."""

    at: datetime
    account: Account


@dataclass(frozen=True, slots=True)
class ListingReport:
    """Expiries and strikes that are listed today."""

    at: datetime
    listing: Listing


@dataclass(frozen=True, slots=True)
class ClosesReport:
    """Daily closes of finished sessions, oldest first."""

    at: datetime
    symbol: str
    closes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BarsReport:
    """Finished bars of one size, in seconds: 86400 are daily ones."""

    at: datetime
    symbol: str
    seconds: int
    bars: Bars


@dataclass(frozen=True, slots=True)
class ImpliedReport:
    """30-day implied volatility at the close of finished sessions, annual fractions, oldest first."""

    at: datetime
    symbol: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HoursReport:
    """When an underlying trades in this session, where the broker says that it is less than the calendar has."""

    at: datetime
    symbol: str
    hours: Hours


@dataclass(frozen=True, slots=True)
class OpeningMoveReport:
    """Expected move in points at the session's first sound minute, from history."""

    at: datetime
    symbol: str
    expiry: date
    points: float


@dataclass(frozen=True, slots=True)
class DividendReport:
    """The next dividend of an underlying."""

    at: datetime
    symbol: str
    dividend: Dividend


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """Connected and reconciled: every complete snapshot has been read in one connection.

    The reports of open orders, executions and positions precede this event. `order_refs` are the refs of all orders
    open at the broker, `positions` all holdings, `costs` the account's average costs, dollars a contract with
    multiplier and commissions. `next_valid_id` is the gateway's next order id, as reported on a new connection; 0 when
    it was not reported.
    """

    at: datetime
    account: str
    client_id: int
    next_order_id: int
    order_refs: tuple[str, ...]
    positions: tuple[tuple[Contract, Decimal], ...]
    costs: tuple[tuple[Contract, Decimal], ...] = ()
    lockstep: bool = False
    next_valid_id: int = 0


@dataclass(frozen=True, slots=True)
class OrdersListed:
    """The answer to a request for lists is complete: these refs are open at the broker; its reports came before."""

    at: datetime
    order_refs: frozenset[str]


@dataclass(frozen=True, slots=True)
class MarginReport:
    """The answer to a question of margin: dollars of initial margin with the order filled, and how many more."""

    at: datetime
    order_id: int
    initial: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; nothing more arrives until Connected.

    since: from when on nothing was seen any more, where that is before `at`, as while the computer slept.
    """

    at: datetime
    reason: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """This computer's clock is this many seconds ahead of the broker's (negative: behind), 0.0 once they agree.

    is_known: False while the broker has not reported its time; then `seconds` is the last known difference.
    """

    at: datetime
    seconds: float
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class AccountWarning:
    """The broker's own warning about the account, for example that it may liquidate."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class DataTrouble:
    """Why market data of a symbol stopped, in words; "" means all symbols. Each reason once a connection.

    is_late: it is delayed by 10 to 15 minutes, and bots that allow it trade on it.
    """

    at: datetime
    symbol: str
    text: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Whether the store takes records. `text`: why it does not, and what to do, for people."""

    at: datetime
    takes_records: bool
    text: str = ""


class Request(Enum):
    """What an operator can ask for."""

    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    KILL = "kill"
    FLATTEN = "flatten"
    RELOAD = "reload"
    CLOSE = "close"
    KEEP = "keep"
    ENTER = "enter"
    SET = "set"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A request of a person, or of the end of a run. `bot` "" means all; `id` makes it act once.

    position: the one to close, or to keep, of that bot. values: parameters to set, as a spec writes them. reason: why,
    where the program itself asks. legs: the contract of each leg to enter, by its name, none where the bot chooses;
    alternative: which of the bot's it is. edits: changes of the bot's file, by path, before the reload; by: who made
    them.
    """

    at: datetime
    id: str
    request: Request
    bot: str = ""
    position: str = ""
    values: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    legs: tuple[tuple[str, Option], ...] = ()
    alternative: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceived:
    """Another program has sent us a web hook. `id` names the message, so that it counts once.

    came: when it reached us, which may be before anybody read it. says: the word it brought, "" without one.
    """

    at: datetime
    id: str
    name: str
    says: str = ""
    came: datetime


@dataclass(frozen=True, slots=True)
class ReloadPending:
    """Other texts wait to be taken up: until then these bots enter nothing, "" being all; none when nothing waits."""

    at: datetime
    bots: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementCorrected:
    """A person reports that contracts booked as expired were traded before.

    leg: of the position. fill: as in the account's statement, under an id made by rulebot (`model/order.py`);
    its `ref` is rulebot's order, "" for external trades. price, how: of the replaced settlement.
    left_at: time of the last trade that closed something of the position, this one included.
    """

    at: datetime
    position: str
    leg: str
    fill: ExecutionReport
    price: Decimal
    how: str
    left_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalClosePriced:
    """A person reports the price, a share, at which others closed missing contracts of a leg on hold.

    exec_id: made by rulebot (`model/order.py`).
    """

    at: datetime
    position: str
    leg: str
    price: Decimal
    exec_id: ExecutionId


Event = (
    MarketDataUpdated
    | OrderReport
    | OrderMessage
    | OrderUnsent
    | ExecutionReport
    | CommissionReport
    | PositionReport
    | AccountReport
    | ListingReport
    | ClosesReport
    | BarsReport
    | ImpliedReport
    | OpeningMoveReport
    | HoursReport
    | OrdersListed
    | MarginReport
    | DividendReport
    | Connected
    | Disconnected
    | ClockSkew
    | AccountWarning
    | DataTrouble
    | StoreReport
    | OperatorRequest
    | SettlementCorrected
    | ExternalClosePriced
    | WebhookReceived
    | ReloadPending
)
