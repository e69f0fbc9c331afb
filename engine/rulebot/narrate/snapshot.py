"""A run or a store at one instant: rows of raw values. Pages, screens and metrics format them where they are shown."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from rulebot.model.session import EXCHANGE_ZONE, Session
from rulebot.model.text import price
from rulebot.model.values import dataclass
from rulebot.narrate.notices import DelayedSymbol, GrowingQuantity
from rulebot.narrate.trades import closing

# --- Greeks of what is open, by underlying and in dollars

GREEKS = ("delta", "gamma", "theta", "vega")
UNKNOWN: dict[str, float | None] = dict.fromkeys(GREEKS)
"""The greeks of what has none that are known."""
INDEX = "SPX"
DIGITS = 4


class SymbolGreeks(NamedTuple):
    """Greeks of what is held on one underlying: greek x contracts x multiplier, a share has a delta of 1 and no other.

    price: of the underlying. beta: to SPX. None where it is not known.
    """

    symbol: str
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    price: float | None
    beta: float | None = None

    @property
    def dollar_delta(self) -> float | None:
        """What is held, in dollars of the underlying: delta x price."""
        return None if self.delta is None or self.price is None else self.delta * self.price

    @property
    def weighted_delta(self) -> float | None:
        """The same, times the beta of the underlying to SPX."""
        return None if self.beta is None or self.dollar_delta is None else self.beta * self.dollar_delta

    @property
    def dollar_gamma(self) -> float | None:
        """How `dollar_delta` changes when the underlying moves 1 %: gamma x price^2 / 100."""
        return None if self.gamma is None or self.price is None else self.gamma * self.price**2 / 100


def added(found: Iterable[SymbolGreeks]) -> tuple[SymbolGreeks, ...]:
    """Return the sums by underlying, in order of their symbols."""
    by_symbol: dict[str, list[SymbolGreeks]] = {}
    for each in found:
        by_symbol.setdefault(each.symbol, []).append(each)
    return tuple(
        SymbolGreeks(
            symbol=symbol,
            price=next((part.price for part in parts if part.price is not None), None),
            beta=parts[0].beta,
            **{name: total(getattr(part, name) for part in parts) for name in GREEKS},
        )
        for symbol, parts in sorted(by_symbol.items())
    )


def totals(found: Sequence[SymbolGreeks]) -> dict[str, float | None]:
    """Return the sums over underlyings: delta and gamma of several are None, since they have no common unit."""
    sums = {name: total(getattr(each, name) for each in found) for name in GREEKS}
    return sums if len(found) < 2 else sums | {"delta": None, "gamma": None}


def in_dollars(found: Sequence[SymbolGreeks]) -> dict[str, float | None]:
    """Return the sums over underlyings in dollars: delta x price, gamma for 1 %, theta a day, vega a point."""
    return {
        "delta": total(each.dollar_delta for each in found),
        "gamma": total(each.dollar_gamma for each in found),
        "theta": total(each.theta for each in found),
        "vega": total(each.vega for each in found),
    }


def spx_delta(found: Sequence[SymbolGreeks], index: float | None) -> float | None:
    """Return all deltas in SPX units: beta x delta x price / price of SPX; None where one is unknown."""
    if not found:
        return 0.0
    summed = total(each.weighted_delta for each in found)
    index = index or next((each.price for each in found if each.symbol == INDEX), None)
    return None if summed is None or not index else round(summed / index, DIGITS)


def total(amounts: Iterable[float | None]) -> float | None:
    """Return a sum, None where one of them is not known."""
    found = list(amounts)
    known = [each for each in found if each is not None]
    return round(sum(known, 0.0), DIGITS) if len(known) == len(found) else None


# --- The rows


class BotActivity(StrEnum):
    """What a bot, or one of its positions, is doing. The last three are those of an engine with entries stopped."""

    FLAT = "flat"
    WATCHING = "watching"
    ENTERING = "entering"
    OPEN = "open"
    EXITING = "exiting"
    HALTED = "halted"
    PAUSED = "paused"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"


AT_REST = (BotActivity.FLAT, BotActivity.WATCHING)
"""What a bot does when a person may have it enter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """One order that may still fill. Prices per share; limit: None for a market order."""

    bot: str
    ref: str = ""
    order_id: int | None = None
    position: str = ""
    purpose: str = ""
    reason: str = ""
    side: str = ""
    state: str = ""
    quantity: int = 0
    filled: int = 0
    limit: float | None = None
    stop: float | None = None
    attempt: int = 0
    message: str = ""

    @property
    def words(self) -> str:
        """Return `target`, or `exit flattened`."""
        return self.reason if self.reason == self.purpose else f"{self.purpose} {self.reason}"

    @property
    def price(self) -> str:
        """Return what it asks for: `at 0.25`, `at market`, `stop 14.16`."""
        if self.stop is not None:
            return f"stop {price(self.stop)}"
        return "at market" if self.limit is None else f"at {price(self.limit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSnapshot:
    """The activity of a bot, or of one of its positions.

    structure: what is held or entered, entry its price per share. order: the entering one, at try `attempt` of `tries`,
    0 where unknown. ended: how today's last position ended. more: positions without their own row. profit: today's in
    dollars, None where there is nothing to count or it is unknown. is_paused: by its name; all may be paused besides.
    has_universe: it chooses among symbols, so it cannot be entered by hand. grown: the present quantity, None where it
    does not grow with compliant sessions.
    """

    bot: str
    doing: BotActivity
    since: datetime | None = None
    structure: str = ""
    entry: float | None = None
    order: OrderSnapshot | None = None
    attempt: int = 0
    tries: int = 0
    ended: str = ""
    more: int = 0
    profit: float | None = None
    entries_today: int = 0
    waits: str = ""
    is_paused: bool = False
    has_universe: bool = False
    grown: GrowingQuantity | None = None

    @property
    def position(self) -> str:
        """Return `5920/5930p  0.85`, `5950/5955p  try 2 of 5 at 0.25`, `closed: target` or `+2 more`."""
        if self.more:
            return f"+{self.more} more"
        if self.ended:
            return f"closed: {self.ended}"
        if self.order is not None:
            tried = f"try {self.attempt} of {self.tries} " if self.tries > 1 else ""
            return f"{self.structure}  {tried}{self.order.price}"
        if self.tries:
            return f"{self.structure}  try {self.attempt} of {self.tries}"
        return self.structure if self.entry is None else f"{self.structure}  {price(self.entry)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSnapshot:
    """One open position. Money in dollars, prices net per share.

    quantity: structures opened, count: structures open. mid: cost of closing, negative when it brings money. priced_at:
    time of mid, profit and greeks, None before any price. profit: since it was opened, open_today: of what is open
    since the session began. max_loss: at expiry, None when unbounded or unknown. at_target, at_stop: profit when these
    act, before commissions, None without a price. underlyings: its greeks on each underlying, () where unknown. dte:
    calendar days to the nearest expiry. exits: each exit with its level. on_hold: why nothing is sent for it, or only
    for a part. unprotected: which short legs lack required protection, and why. is_flattening: all of it is being
    closed, as requested; waits_to_close: that was requested and has not started.
    """

    id: str
    bot: str
    structure: str
    state: str
    opened_at: datetime | None = None
    dte: int | None = None
    quantity: int = 0
    count: int = 0
    entry: float | None = None
    mid: float | None = None
    priced_at: datetime | None = None
    profit: float | None = None
    open_today: float | None = None
    max_loss: float | None = None
    at_target: float | None = None
    at_stop: float | None = None
    underlyings: tuple[SymbolGreeks, ...] = ()
    exits: str = ""
    on_hold: str = ""
    unprotected: str = ""
    unprotected_since: datetime | None = None
    is_flattening: bool = False
    waits_to_close: bool = False

    @property
    def mark(self) -> float | None:
        """What closing costs of what was sold, or brings of what was bought, per share."""
        return None if self.mid is None else closing(self.mid, self.entry or 0.0) + 0.0

    @property
    def greeks(self) -> dict[str, float | None]:
        """The greeks of the whole position. Delta and gamma are None on several underlyings."""
        return totals(self.underlyings) if self.underlyings else UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStat:
    """One underlying. expected: the move that the open expected, day_range: what there was of it, both in its points.

    iv_rank and crowding go from 0 to 100.
    """

    symbol: str
    expected: float | None
    day_range: float | None
    iv_rank: float | None
    crowding: float | None

    @property
    def used(self) -> float | None:
        """The part of the expected move that the day has covered."""
        if self.expected is None or self.day_range is None or not self.expected:
            return None
        return self.day_range / self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """An account as the broker last reported it, in dollars."""

    id: str = ""
    net_liquidation: float | None = None
    cash: float | None = None
    available_funds: float | None = None
    buying_power: float | None = None
    maintenance_margin: float | None = None

    @property
    def buying_power_used(self) -> float | None:
        """The part of net liquidation that is not available funds any more, 0 to 1, by the broker's own figures."""
        if self.available_funds is None or not self.net_liquidation:
            return None
        return 1 - self.available_funds / self.net_liquidation


def account_figures(id: str, figure: Callable[[str], object]) -> AccountFigures:
    """Return an account from its figures by name."""
    return AccountFigures(
        id=id,
        net_liquidation=number(figure("net_liquidation")),
        cash=number(figure("cash")),
        available_funds=number(figure("available_funds")),
        buying_power=number(figure("buying_power")),
        maintenance_margin=number(figure("maintenance_margin")),
    )


def number(amount: object) -> float | None:
    """Return an amount as a float, None for None."""
    return None if amount is None else float(str(amount))


# --- The whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run or a store at one instant. Money in dollars.

    at: None before anything was recorded. engine: stopped, waiting, starting, running or stopping. trading: active,
    reducing or stopped. mark: what must be shown beside all of it. is_linked: None when no engine reports it. progress:
    the elapsed part of the run, or of its session where the run has no end (has_end). shares: None when no engine
    reports them. realized: since the session began, by bot in realized_by; open_profit: of priced open positions;
    is_priced: whether each has a price. pending_commissions: fills without a commission report; while there are some,
    profits are provisional. figures: that another version made the tables, "" where this one did. late: symbols with
    data delayed by 10 to 15 minutes.
    """

    at: datetime | None
    engine: str
    trading: str
    mode: str = ""
    mark: str = ""
    is_linked: bool | None = None
    is_simulated: bool = False
    session: Session | None = None
    progress: float | None = None
    has_end: bool = False
    notice: str = ""
    figures: str = ""
    account: AccountFigures = AccountFigures()
    shares: tuple[tuple[str, float], ...] | None = None
    realized: float | None = 0.0
    realized_by: tuple[tuple[str, float], ...] = ()
    open_profit: float = 0.0
    is_priced: bool = True
    pending_commissions: int = 0
    levels: tuple[tuple[str, float | None], ...] = ()
    stats: tuple[MarketStat, ...] = ()
    bots: tuple[BotSnapshot, ...] = ()
    positions: tuple[PositionSnapshot, ...] = ()
    orders: tuple[OrderSnapshot, ...] = ()
    late: tuple[DelayedSymbol, ...] = ()

    @property
    def unrealized(self) -> float | None:
        """What is open has made since the session began; None before each position has a price."""
        return self.open_profit if self.is_priced else None

    @property
    def today(self) -> float | None:
        """Realised and open profit since the session began; None when one is not known."""
        return sum_of_all([self.realized, self.unrealized])

    @property
    def priced_at(self) -> datetime | None:
        """The time of the oldest prices of what is open; of the snapshot where nothing has one."""
        return min((each.priced_at for each in self.positions if each.priced_at), default=self.at)

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
        """All deltas in SPX units, None where a beta, a price or a delta is missing."""
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
        return sum_of_all([each.profit for each in self.positions])

    @property
    def max_loss(self) -> float | None:
        """The sum of all positions' possible losses at expiry; None when one is unbounded."""
        return sum_of_all([each.max_loss for each in self.positions])

    @property
    def at_targets(self) -> float | None:
        """The profit when each position with a target reaches it; None when none has one."""
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


def sum_of_all(found: Sequence[float | None]) -> float | None:
    """Return a sum, None where one of them is not known."""
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None


def sum_of_known(found: Sequence[float | None]) -> float | None:
    """Return the sum of the known ones; None when there are some and none is known."""
    known = [each for each in found if each is not None]
    return sum(known) if known or not found else None


# --- Times as they are shown


def instant_text(at: datetime | None) -> str:
    """Return New York date and time as the views of the store write them, "" of none."""
    return "" if at is None else f"{at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"


def clock_text(at: datetime | None, today: datetime | None) -> str:
    """Return New York time, with the date when it is another day than `today`."""
    if at is None:
        return ""
    local = at.astimezone(EXCHANGE_ZONE)
    is_today = today is not None and today.astimezone(EXCHANGE_ZONE).date() == local.date()
    return f"{local:%H:%M}" if is_today else f"{local:%b %d %H:%M}"


def session_text(session: Session | None, at: datetime | None) -> str:
    """Return `closes 16:00`, `opens 09:30` or `closed 13:00, a half day`, "" without a session."""
    if session is None or at is None:
        return ""
    if at < session.open:
        return f"opens {clock_text(session.open, at)}"
    half = ", a half day" if session.is_half else ""
    return f"{'closes' if at < session.close else 'closed'} {clock_text(session.close, at)}{half}"
