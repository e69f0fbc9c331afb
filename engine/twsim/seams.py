"""The seams inside the simulator: what gateway asks of exchange, and exchange of market.

market    what exists and what it is quoted at, at one instant; knows no orders
exchange  orders, matching, fills, accounts, settlement; knows no bytes
gateway   the TWS protocol and the virtual clock; knows no prices of its own
"""

from collections.abc import Sequence
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twsim.nouns import Instrument, dataclass

Floats = NDArray[np.float64]


# ---------------------------------------------------------------- market


class TickValues(NamedTuple):
    """Columns of quotes for the contracts asked for, in their order. Missing is nan; sizes 0 with a missing price.

    Units: prices per share, iv annual fraction, vega per volatility point, theta per calendar day.
    Greek columns are nan for what is not an option. Rounded to what the wire prints.
    """

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    last: Floats
    iv: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    model: Floats
    spot: Floats


class DayStats(NamedTuple):
    """Statistics of the session so far for one contract; None before its first print."""

    open: float | None
    high: float | None
    low: float | None
    last: float | None
    previous_close: float | None
    volume: int


class Bar(NamedTuple):
    """One historical bar. `at` is a date for daily bars, else the UTC start of the bar."""

    at: date | datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    trades: int


class OptionParams(NamedTuple):
    """One row of the option parameters of an underlying: strikes are the union over all expiries."""

    exchange: str
    underlying_id: int
    trading_class: str
    multiplier: int
    expiries: tuple[date, ...]
    strikes: tuple[float, ...]


class OptionTotals(NamedTuple):
    """Sums over the listed options of one underlying: today's volume so far, and open interest."""

    call_volume: int
    put_volume: int
    call_open_interest: int
    put_open_interest: int


class ContractSearch(NamedTuple):
    """Which contracts are looked for; a blank matches everything. last_trade: YYYYMMDD or YYYYMM."""

    symbol: str = ""
    sec_type: str = ""
    last_trade: str = ""
    strike: float = 0.0
    right: str = ""
    trading_class: str = ""
    local_symbol: str = ""
    include_expired: bool = False

    @property
    def side(self) -> str:
        """The right as contracts have it: C, P or blank."""
        return self.right.upper()[:1]

    def fits(self, found: Instrument) -> bool:
        """Say whether a contract is one of them."""
        last = found.last_trade_date
        return (
            self.symbol in ("", found.symbol)
            and self.sec_type in ("", found.sec_type.value)
            and self.trading_class in ("", found.trading_class)
            and self.local_symbol in ("", found.local_symbol)
            and self.side in ("", found.right)
            and self.strike in (0.0, found.strike)
            and (not self.last_trade or (last is not None and f"{last:%Y%m%d}".startswith(self.last_trade)))
        )


class Catalogue(Protocol):
    """What is listed today. Ids are stable for a given contract for ever and over seeds."""

    def by_id(self, con_id: int) -> Instrument | None:
        """Return the contract of this id (also one that expired during this run)."""

    def underlying(self, symbol: str) -> Instrument | None:
        """Return the stock, ETF or index of this symbol."""

    def search(self, asked: ContractSearch) -> list[Instrument]:
        """Return all matches, in id order."""

    def option_params(self, underlying_id: int) -> list[OptionParams]:
        """Return a row for each trading class."""

    def symbols(self) -> tuple[str, ...]:
        """Return every underlying symbol listed."""


class Market(Protocol):
    """The price of everything at one instant. A function of (seed, sequence of instants) alone."""

    @property
    def catalogue(self) -> Catalogue:
        """What is listed today."""

    @property
    def now(self) -> datetime:
        """The instant of the last `advance`, UTC."""

    @property
    def is_open(self) -> bool:
        """True in the regular session."""

    @property
    def is_still(self) -> bool:
        """True of a market in which nothing ever moves."""

    def advance(self, at: datetime) -> None:
        """Move every price to `at`; across nights it makes the overnight move and lists new expiries."""

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return the present quotes, vectorised."""

    def stats(self, con_id: int) -> DayStats:
        """Return the session's statistics of an underlying or option."""

    def halted(self, symbol: str) -> bool:
        """True while the scenario halts trading in this underlying or market-wide."""

    def bars(
        self,
        con_id: int,
        *,
        what: str,
        bar_seconds: int,
        first: datetime,
        last: datetime,
    ) -> list[Bar]:
        """Return bars that start in [first, last], none of the future; 86400 seconds means daily.

        `what` is TRADES, MIDPOINT, BID, ASK, BID_ASK, OPTION_IMPLIED_VOLATILITY or HISTORICAL_VOLATILITY.
        """

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the official settlement level of an underlying for options that settle on `day`, once known.

        Ask with the id of the option: an AM-settled one takes the day's opening print. The id of an underlying gives
        its close.
        """

    def earnings(self, symbol: str) -> tuple[date, ...]:
        """Return the earnings dates of a stock around today."""

    def volume(self, con_id: int) -> int:
        """Return how many contracts of an option were traded in the session so far; 0 for what is not one."""

    def open_interest(self, con_id: int) -> int:
        """Return the open interest of an option."""

    def option_totals(self, underlying_id: int) -> OptionTotals:
        """Return volume and open interest summed over all options of an underlying; quick."""


# ---------------------------------------------------------------- exchange


@dataclass(frozen=True, slots=True)
class TicketLeg:
    """One leg of a combo order."""

    con_id: int
    ratio: int
    action: str
    exchange: str = "SMART"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCondition:
    """One condition of an order. kind: as the wire numbers them. is_or: how it is joined with the next one.

    is_more: met at or above `value`, or from `at` on; else at or below, or until then.
    """

    kind: int
    is_or: bool
    is_more: bool = True
    value: Decimal | None = None
    at: datetime | None = None
    con_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as a client placed it; `echo` keeps every raw field that the simulator does not act on.

    `order_id` and `client_id` name it for the client (`told_id`); a ticket for an existing pair is a modification.
    Prices are None when the field was empty or unset.
    """

    client_id: int
    order_id: int
    con_id: int
    symbol: str
    sec_type: str
    legs: tuple[TicketLeg, ...] = ()
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    tif: str
    oca_group: str
    oca_type: int
    account: str
    order_ref: str
    transmit: bool = True
    parent_id: int = 0
    outside_rth: bool = False
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    what_if: bool = False
    non_guaranteed: bool = False
    good_till: datetime | None = None
    good_after: datetime | None = None
    conditions: tuple[OrderCondition, ...] = ()
    cancelled_by_conditions: bool = False
    echo: dict[str, str] = field(default_factory=dict)


def second_id(order_id: int) -> int:
    """Return the id of a second order under one id of a client, below that of no order (-1)."""
    return -order_id - 2


def reported_id(order_id: int) -> int:
    """Return the id under which clients know an order: that of a second one is below -1 in here."""
    return second_id(order_id) if order_id < -1 else order_id


class Status(Enum):
    """Order statuses of the TWS API."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order of the simulated broker in its present state."""

    ticket: Ticket
    perm_id: int
    status: Status
    filled: Decimal
    remaining: Decimal
    average_price: float
    last_price: float
    why_held: str = ""
    commission: Decimal | None = None
    completed_at: datetime | None = None
    completed_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The what-if of an order, in dollars: before, change, after for initial, maintenance and equity with loan."""

    initial_before: Decimal
    maintenance_before: Decimal
    equity_before: Decimal
    initial_after: Decimal
    maintenance_after: Decimal
    equity_after: Decimal
    commission: Decimal
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. A combo gives one for itself (`sec_type` BAG, con_id 0) and one for each leg."""

    exec_id: str
    client_id: int
    order_id: int
    perm_id: int
    con_id: int
    symbol: str
    sec_type: str
    at: datetime
    account: str
    side: str
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    average_price: float
    order_ref: str
    liquidity: int = 2
    liquidation: bool = False


# Reports, in the order the broker sends them.


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """openOrder and orderStatus are due; `echo_open` False sends the status alone."""

    order: OrderView
    echo_open: bool = True


@dataclass(frozen=True, slots=True)
class Executed:
    """execDetails is due."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Commissioned:
    """commissionReport is due, after its execution. `realized` is None on an opening trade."""

    exec_id: str
    client_id: int
    commission: Decimal
    realized: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderError:
    """errMsg on an order id."""

    client_id: int
    order_id: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position row is due (quantity 0 when it is gone)."""

    con_id: int


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """openOrder with margins is due for a what-if ticket."""

    ticket: Ticket
    margin: Margin


Report = OrderChanged | Executed | Commissioned | OrderError | PositionChanged | WhatIfAnswer


class PositionView(NamedTuple):
    """One net position of the account. `average_cost` includes multiplier and commission, dollars per contract.

    `realized` is today's, `daily` what it has made since the last close.
    """

    con_id: int
    quantity: Decimal
    average_cost: Decimal
    market_price: float | None
    market_value: Decimal | None
    unrealized: Decimal | None
    realized: Decimal
    daily: Decimal | None = None


class Exchange(Protocol):
    """The simulated broker and its one account."""

    @property
    def account(self) -> str:
        """The account id, DU and seven digits."""

    def what_if(self, ticket: Ticket) -> list[Report]:
        """Answer a margin question at once."""

    def place(self, ticket: Ticket) -> list[Report]:
        """Take a new order or a modification (the gateway calls in (client id, sequence) order at the barrier)."""

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Cancel; unknown is 10147, finished is 10148."""

    def cancel_all(self) -> list[Report]:
        """reqGlobalCancel."""

    def advance(self, at: datetime) -> list[Report]:
        """Match working orders with the present market; expire, settle and assign when due.

        Called after each Market.advance, and at every fence (so times of day pass between data instants).
        """

    def open_orders(self) -> list[OrderView]:
        """Return the orders that work or are held, by perm id."""

    def completed_orders(self) -> list[OrderView]:
        """Return today's finished orders."""

    def executions(self) -> list[Execution]:
        """Return today's executions, in order."""

    def commission_of(self, exec_id: str) -> Commissioned | None:
        """Return the commission report of an execution, if it has one."""

    def positions(self) -> list[PositionView]:
        """Return the net positions by contract id."""

    def position(self, con_id: int) -> PositionView:
        """Return one net position, also when it is flat."""

    def daily_profit(self) -> Decimal:
        """Return what the account has made since the last close."""

    def account_values(self) -> dict[str, str]:
        """Return the account keys of tws_protocol (NetLiquidation, BuyingPower, ...) as the wire prints them."""
