"""What the page shows at one instant: plain words and numbers, made from a running engine or from a store alone."""

from collections.abc import Sequence
from datetime import datetime

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.narrate.delayed_data import DelayedSymbol
from rulebot.narrate.growth_text import GrowingQuantity
from rulebot.web.gauges import MarketStat
from rulebot.web.greek_totals import UNKNOWN, SymbolGreeks, added, in_dollars, spx_delta, totals


@dataclass(frozen=True, slots=True, kw_only=True)
class BotLine:
    """What one bot, or one of its positions, does. `profit` is today's, dollars.

    is_paused: whether this bot was paused by its name, which a resume of it ends; all may be paused besides.
    has_universe: it chooses among symbols, so nobody can have it enter by hand. grown: what its quantity stands at,
    None where it does not grow by compliant sessions.
    """

    bot: str
    doing: str
    since: str = ""
    position: str = ""
    profit: float | None = None
    waits: str = ""
    is_paused: bool = False
    has_universe: bool = False
    grown: GrowingQuantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLine:
    """One open position. Prices are net per share.

    underlyings: its greeks on each of its underlyings, greek x contracts x 100; () where no greeks are known.

    dte: calendar days to the nearest expiry. exits: each exit with its level and the present value. profit: dollars
    since it was opened. mark: what closing costs of what was sold, or brings of what was bought. max_loss: dollars at
    expiry, None when it is not bounded or not known. at_target, at_stop: dollars that the position makes when these
    act, before commissions, None without a price. count: structures that are open; is_flattening: all of it is
    being closed, as somebody has asked; waits_to_close: it was asked, and is not begun; as_of: New York time of its
    prices, "" before any, and of an engine that has no sound ones now.
    """

    id: str
    bot: str
    structure: str
    state: str
    since: str
    dte: int | None
    entry: float | None
    mark: float | None
    profit: float | None
    exits: str = ""
    max_loss: float | None = None
    at_target: float | None = None
    at_stop: float | None = None
    count: int = 0
    is_flattening: bool = False
    waits_to_close: bool = False
    as_of: str = ""
    underlyings: tuple[SymbolGreeks, ...] = ()

    @property
    def greeks(self) -> dict[str, float | None]:
        """The greeks of the whole position. Delta and gamma are None on several underlyings."""
        return totals(self.underlyings) if self.underlyings else UNKNOWN

    @property
    def delta(self) -> float | None:
        """The delta of the whole position."""
        return self.greeks["delta"]

    @property
    def gamma(self) -> float | None:
        """The gamma of the whole position."""
        return self.greeks["gamma"]

    @property
    def theta(self) -> float | None:
        """The theta of the whole position."""
        return self.greeks["theta"]

    @property
    def vega(self) -> float | None:
        """The vega of the whole position."""
        return self.greeks["vega"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order that may still fill."""

    bot: str
    words: str
    state: str
    filled: str
    price: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLine:
    """One thing that happened. tone: plain, good, bad or alarm."""

    clock: str
    bot: str
    text: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSnapshot:
    """Everything that stands on the first page besides what is over.

    engine: stopped, starting, running or stopping. trading: active, reducing or stopped. mark: what must stand beside
    all of it. is_linked: None when nobody knows, for want of an engine. progress: the part of the run that is over,
    None when it has no end. shares: None when nobody knows them, as of a store alone. realized, unrealized: None
    before anything was recorded, or before all that is open has a price. commissions_owed: fills whose
    commission is not told yet, so that these are provisional. figures: that another version made the tables, "" where
    they are of this one. late: symbols whose market data comes 10 to 15 minutes late. Money in dollars.
    """

    at: datetime | None
    engine: str
    trading: str
    mode: str = ""
    mark: str = ""
    is_linked: bool | None = None
    is_simulated: bool = False
    session: str = ""
    progress: float | None = None
    notice: str = ""
    figures: str = ""
    account: str = ""
    net_liquidation: float | None = None
    cash: float | None = None
    available_funds: float | None = None
    buying_power: float | None = None
    maintenance_margin: float | None = None
    shares: tuple[tuple[str, float], ...] | None = None
    realized: float | None = 0.0
    unrealized: float | None = 0.0
    commissions_owed: int = 0
    levels: tuple[tuple[str, float | None], ...] = ()
    gauges: tuple[MarketStat, ...] = ()
    bots: tuple[BotLine, ...] = ()
    positions: tuple[PositionLine, ...] = ()
    orders: tuple[OrderLine, ...] = ()
    late: tuple[DelayedSymbol, ...] = ()

    @property
    def today(self) -> float | None:
        """Realised and open profit since the session began; None when one is not known."""
        return _sum([self.realized, self.unrealized])

    @property
    def as_of(self) -> str | None:
        """New York time of the oldest prices of what is open; of the picture where nothing has one."""
        return min((each.as_of for each in self.positions if each.as_of), default=self.clock) or None

    @property
    def ratio(self) -> float | None:
        """SPX over SPY, None unless both are known."""
        levels = dict(self.levels)
        spx, spy = levels.get("SPX"), levels.get("SPY")
        return spx / spy if spx and spy else None

    @property
    def underlyings(self) -> tuple[SymbolGreeks, ...]:
        """The greeks of all positions, by underlying."""
        return added(part for each in self.positions for part in each.underlyings)

    @property
    def greeks(self) -> dict[str, float | None]:
        """The sums over all positions; None when that of one is not known, or has no unit in common."""
        return totals(self.underlyings) if self._has_greeks else UNKNOWN

    @property
    def dollar_greeks(self) -> dict[str, float | None]:
        """The sums over all underlyings in dollars: see `in_dollars`."""
        return in_dollars(self.underlyings) if self._has_greeks else UNKNOWN

    @property
    def spx_delta(self) -> float | None:
        """All deltas as so many of SPX, None where a beta, a price or a delta is missing."""
        if not self._has_greeks:
            return None
        return spx_delta(self.underlyings, dict(self.levels).get("SPX"))

    @property
    def _has_greeks(self) -> bool:
        """False while a position is open whose greeks are not known: a sum without it would be wrong."""
        return all(each.underlyings for each in self.positions)

    @property
    def without_beta(self) -> tuple[str, ...]:
        """The underlyings for which no bars give a beta to SPX."""
        return tuple(each.symbol for each in self.underlyings if each.beta is None)

    @property
    def profit(self) -> float | None:
        """What all positions have made since they were opened; None when that of one is not known."""
        return _sum([each.profit for each in self.positions])

    @property
    def max_loss(self) -> float | None:
        """What all positions can lose at expiry together, each by itself; None when one is not bounded."""
        return _sum([each.max_loss for each in self.positions])

    @property
    def at_targets(self) -> float | None:
        """What the positions that have a target make when each reaches it; None when none of them has one."""
        return sum_of_known([each.at_target for each in self.positions])

    @property
    def at_stops(self) -> float | None:
        """The same at their stops."""
        return sum_of_known([each.at_stop for each in self.positions])

    @property
    def without_target(self) -> int:
        """How many positions are not in `at_targets`."""
        return sum(each.at_target is None for each in self.positions)

    @property
    def without_stop(self) -> int:
        """How many positions are not in `at_stops`."""
        return sum(each.at_stop is None for each in self.positions)

    @property
    def buying_power_used(self) -> float | None:
        """The part of net liquidation that is not available funds any more, 0 to 1, by the broker's own figures."""
        if self.available_funds is None or not self.net_liquidation:
            return None
        return 1 - self.available_funds / self.net_liquidation

    @property
    def clock(self) -> str:
        """New York date and time, "" before anything was recorded."""
        return "" if self.at is None else instant_text(self.at)


def _sum(found: Sequence[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None


def sum_of_known(found: Sequence[float | None]) -> float | None:
    """Return the sum of those that are known; None when there are some and none of them is."""
    known = [each for each in found if each is not None]
    return sum(known) if known or not found else None


def instant_text(at: datetime) -> str:
    """Return New York date and time as the views of the store write them."""
    return f"{at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"


def clock_text(at: datetime | None, today: datetime | None) -> str:
    """Return New York time, with the date when it is another day than `today`."""
    if at is None:
        return ""
    local = at.astimezone(EXCHANGE_ZONE)
    is_today = today is not None and today.astimezone(EXCHANGE_ZONE).date() == local.date()
    return f"{local:%H:%M}" if is_today else f"{local:%b %d %H:%M}"
