"""What the page shows at one instant: plain words and numbers, made from a running engine or from a store alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from statistics import fmean
from typing import Any, NamedTuple

from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot, Program, compile_bot
from rulebot.measure.series import DAY
from rulebot.measure.view import View
from rulebot.model.facts import Bars
from rulebot.model.market import Board, level_of
from rulebot.model.position import Position
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.model.values import dataclass
from rulebot.narrate.notices import DelayedSymbol, GrowingQuantity
from rulebot.spec.load import load_text

# --- Greeks of what is open, by underlying and in dollars

GREEKS = ("delta", "gamma", "theta", "vega")
UNKNOWN: dict[str, float | None] = dict.fromkeys(GREEKS)
"""The greeks of what has none that are known."""
INDEX = "SPX"
SAME_INDEX = frozenset((INDEX, "XSP", "SPY"))
"""Underlyings that follow the S&P 500 themselves: their beta to it is 1."""
LEAST_RETURNS = 20
"""Sessions in common with SPX that a beta needs."""
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


def greeks_of(position: Position, board: Board, now: float) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of a position on each of its underlyings, of the legs that are held."""
    symbols = dict.fromkeys(leg.option.symbol for leg in position.legs if leg.held)
    return tuple(
        SymbolGreeks(
            symbol=symbol,
            price=level_of(board, symbol, now),
            **{name: _sum_of_legs(position, symbol, board, name) for name in GREEKS},
        )
        for symbol in symbols
    )


def _sum_of_legs(position: Position, symbol: str, board: Board, name: str) -> float | None:
    total = 0.0
    for leg in position.legs:
        if not leg.held or leg.option.symbol != symbol:
            continue
        if leg.option.is_share:
            total += leg.signed_held * leg.option.multiplier if name == "delta" else 0.0
            continue
        row = board.rows.get(leg.option, -1)
        value = float("nan") if row < 0 else getattr(board, name)[row]
        if value != value:
            return None
        total += leg.signed_held * value * leg.option.multiplier
    return round(total, DIGITS)


def greeks_of_mark(mark: Mapping[str, Any], symbol: str, structures: int) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of so many structures by the last mark of a position, which has them of one, per share.

    symbol: of the position, where all of it is on one underlying.
    """
    parts = mark.get("by_symbol") or [{**mark, "symbol": symbol}]
    return tuple(
        SymbolGreeks(
            symbol=str(part["symbol"]),
            price=None if part.get("spot") is None else float(part["spot"]),
            **{name: None if part.get(name) is None else float(part[name]) * structures * 100 for name in GREEKS},
        )
        for part in parts
    )


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
    """Return the sums over underlyings: delta and gamma are None of several, which have no unit in common."""
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
    """Return all deltas as so many of SPX: beta x delta x price, by the price of SPX; None where one is not known."""
    if not found:
        return 0.0
    summed = total(each.weighted_delta for each in found)
    index = index or next((each.price for each in found if each.symbol == INDEX), None)
    return None if summed is None or not index else round(summed / index, DIGITS)


def with_beta(found: SymbolGreeks, bars: Mapping[tuple[str, int], Bars]) -> SymbolGreeks:
    """Return it with the beta of its underlying to SPX, where the daily bars at hand give one."""
    if found.symbol in SAME_INDEX:
        return found._replace(beta=1.0)
    own, index = (_closes(bars.get((symbol, DAY))) for symbol in (found.symbol, INDEX))
    return found._replace(beta=beta(own, index))


def beta(own: Mapping[object, float], index: Mapping[object, float]) -> float | None:
    """Return covariance over variance of daily returns on the days that both have; None of fewer than LEAST_RETURNS.

    own, index: closes by day, in order. Source: Hull, Options, Futures and Other Derivatives, on index futures.
    """
    days = [day for day in own if day in index]
    pairs = [(own[day] / own[last] - 1, index[day] / index[last] - 1) for last, day in pairwise(days)]
    if len(pairs) < LEAST_RETURNS:
        return None
    means = fmean(one for one, _ in pairs), fmean(other for _, other in pairs)
    spread = sum((other - means[1]) ** 2 for _, other in pairs)
    together = sum((one - means[0]) * (other - means[1]) for one, other in pairs)
    return round(together / spread, DIGITS) if spread else None


def _closes(bars: Bars | None) -> dict[object, float]:
    known = () if bars is None else bars.bars
    return {exchange_date(datetime.fromtimestamp(bar.at, UTC)): bar.close for bar in known if bar.close > 0.0}


def total(amounts: Iterable[float | None]) -> float | None:
    """Return a sum, None where one of them is not known."""
    found = list(amounts)
    known = [each for each in found if each is not None]
    return round(sum(known, 0.0), DIGITS) if len(known) == len(found) else None


# --- What the market does today beside what it was expected to do

MOST = 3
"""Underlyings that are shown: those of bots on one of their own, in order of the specs."""
_TEXT = """rulebot: 1
name: gauge
about: Reads the market for the page; nothing ever runs it.
underlying: "{symbol}"
entry:
  window: {{from: open, to: close}}
  when:
    - name: expected
      expected_move: {{asof: open, at_least: 0 pts}}
    - name: range
      day_range: {{at_least: 0 pts}}
    - name: rank
      iv_rank: {{at_least: 0}}
    - name: crowd
      crowding: {{at_least: 0}}
legs:
  expiry: {{dte: 0}}
  at_money: {{buy: put, strike: {{at: spot}}}}
order: {{start: mid, wait: 10s, tries: 1, then: cancel}}
exits: [{{time: close - 5m}}]
risk: {{max_loss_per_trade: $1}}
"""


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


def market_stats(program: Program, view: View) -> tuple[MarketStat, ...]:
    """Return what is known of the underlyings of the bots; those of which nothing is known are left out."""
    symbols = dict.fromkeys(bot.plan.underlyings[0] for bot in program.bots.values() if not bot.members)
    found = (_read(symbol, view) for symbol in list(symbols)[:MOST])
    return tuple(each for each in found if (each.expected, each.day_range, each.iv_rank) != (None, None, None))


def _read(symbol: str, view: View) -> MarketStat:
    values = {each.rule.name: each.judge(view).value for each in _compiled(symbol).when}
    return MarketStat(
        symbol=symbol,
        expected=values["expected"],
        day_range=values["range"],
        iv_rank=values["rank"],
        crowding=values["crowd"],
    )


@lru_cache(maxsize=16)
def _compiled(symbol: str) -> CompiledBot:
    loaded = load_text(_TEXT.format(symbol=symbol))
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return compile_bot(plan)


# --- What the page shows at one instant


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
