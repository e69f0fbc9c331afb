"""Daily facts that rules read in addition to live quotes: listings, history, events, the account."""

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from rulebot.model.money import TickRule
from rulebot.model.session import Hours
from rulebot.model.values import dataclass

Grids = Mapping[str, TickRule]
"""Price grids of options by trading class."""
LATE_CASH = timedelta(minutes=5)
"""How much later than the holdings the account's cash may be reported: TWS sends it every three minutes."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Expiries and strikes of one trading class of one underlying, as the broker lists them today.

    `strikes` is known only for requested expiries (a class lists the union over its expiries, so a listed strike may
    not exist for a given date). `ticks` is the price grid of its options, None until reported.
    """

    symbol: str
    trading_class: str
    expiries: tuple[date, ...]
    strikes: Mapping[date, tuple[Decimal, ...]] = field(default_factory=dict)
    ticks: TickRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownContract:
    """One index, stock or fund that the broker has under a symbol, and the exchange it is listed at."""

    con_id: int
    is_index: bool
    exchange: str
    name: str


@dataclass(frozen=True, slots=True)
class SymbolFacts:
    """What the broker has under a symbol.

    expiries: of the options on it, by trading class; none where it is not exactly one contract.
    """

    symbol: str
    contracts: tuple[KnownContract, ...]
    expiries: Mapping[str, tuple[date, ...]] = field(default_factory=dict)


class Moment(Enum):
    """When a company reports on its day: before the open of the regular session, or after its close."""

    BEFORE_OPEN = "bmo"
    AFTER_CLOSE = "amc"


@dataclass(frozen=True, slots=True)
class EventDay:
    """One scheduled event. `projected` days are those it may fall on by its usual rule, before dates are published.

    at: its time, None where it has none. moment: what is known instead of earnings.
    """

    name: str
    day: date
    at: datetime | None
    projected: bool = False
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class EventCalendar:
    """Scheduled events by name (CPI, FOMC, NFP and imported ones).

    `known_until` is each calendar's last day, projection included; beyond it events are unknown. `published_until` is
    the last day with published dates.
    """

    days: Mapping[str, Mapping[date, EventDay]] = field(default_factory=dict)
    published_until: Mapping[str, date] = field(default_factory=dict)
    known_until: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """The account as the broker last reported it, in dollars; None until then.

    day_trades_left: how many more the broker allows in these five sessions, None when it sets no limit.
    """

    id: str = ""
    net_liquidation: Decimal | None = None
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    available_funds: Decimal | None = None
    maintenance_margin: Decimal | None = None
    currency: str = "USD"
    day_trades_left: int | None = None


@dataclass(frozen=True, slots=True)
class Dividend:
    """The next dividend of an underlying: the first day without it, and dollars a share."""

    ex_date: date
    amount: Decimal


class Bar(NamedTuple):
    """One finished bar. `at` is its start, epoch seconds; a daily one starts with its session.

    Units: prices in points or dollars; volume in shares, 0 for an index; average is weighted by volume, 0 when there is
    none.
    """

    at: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    average: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Finished bars, oldest first, and up to which instant (epoch seconds) they are all there is."""

    known_until: float
    bars: tuple[Bar, ...]


class Hook(NamedTuple):
    """The last web hook of a name: when it came (epoch seconds), and the word it brought, "" without one."""

    came: float
    says: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All slow facts that rules read.

    closes: daily closes of finished sessions by symbol, oldest first. opening_moves: expected move in points at the
    session's first sound minute, by (symbol, expiry). listings: by (symbol, trading class). dividends: by symbol. bars:
    by (symbol, seconds of one bar), 86400 are daily ones. implied: 30-day implied volatility at the close of finished
    sessions by symbol, annual fractions, oldest first. hooks: web hooks by name, None while none can arrive. hours: of
    this session by underlying, where the broker reports fewer than the calendar. ticks: price grids by trading class,
    as the broker reported them; for other classes the table of products counts.
    """

    closes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    opening_moves: Mapping[tuple[str, date], float] = field(default_factory=dict)
    listings: Mapping[tuple[str, str], Listing] = field(default_factory=dict)
    events: EventCalendar = field(default_factory=EventCalendar)
    account: Account = field(default_factory=Account)
    dividends: Mapping[str, Dividend] = field(default_factory=dict)
    bars: Mapping[tuple[str, int], Bars] = field(default_factory=dict)
    implied: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    hooks: Mapping[str, Hook] | None = None
    hours: Mapping[str, Hours] = field(default_factory=dict)
    ticks: Grids = field(default_factory=dict)
