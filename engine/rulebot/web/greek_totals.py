"""Greeks of what is open, by underlying and in dollars: a share of one underlying is none of another."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean
from typing import Any, NamedTuple

from rulebot.compile.series import DAY
from rulebot.model.facts import Bars
from rulebot.model.market import Board
from rulebot.model.position import Position
from rulebot.model.quotes import level_of
from rulebot.model.session import exchange_date

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
