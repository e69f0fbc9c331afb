"""The volatilities by strike of a minute, as the smile of a test: what options were quoted at, or their deltas say.

Each strike that was streamed has a volatility of its own at which the model gives what was told of its option; of a put
and a call at one strike the one out of the money counts, unless the bot traded the other.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import date
from enum import Enum
from math import isfinite, log, sqrt

from rulebot.model.black import delta, implied_volatility, years_until
from rulebot.model.contract import Option, Right
from rulebot.model.values import dataclass
from rulebot.replay.as_test_volatility import OptionSeen, Quotes
from rulebot.spec.smile import Smile, smile

LEAST = 3
"""Strikes below which nothing is known of how volatility differs between them."""
APART = 0.01
"""Points of volatility by which a strike may lie off the line between its neighbours and be left out."""
LOWEST, HIGHEST = 0.02, 5.0
DEEPEST = 0.4
"""Deltas up to which a volatility follows from one: nearer to the level any does, or none."""
_STEPS = 60


class By(Enum):
    """What of an option its volatility is made of."""

    MID = "mid"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmileSeen:
    """The smile of a minute; iv: the volatility at the level then, percent, above which its points lie."""

    minute: int
    iv: float
    smile: Smile


def seen_smile(
    quotes: Quotes, symbol: str, expiry: date, traded: Collection[Option], level: float, now: float, minute: int, by: By
) -> SmileSeen | None:
    """Return the smile of the options of an expiry, None where too few of them are known."""
    years = years_until(expiry, now)
    options = [each for each in quotes if (each.symbol, each.expiry) == (symbol, expiry)]
    if not years or not isfinite(level):
        return None
    found: dict[float, float] = {}
    for option in sorted(options, key=lambda each: (each in traded, _is_out(each, level))):
        known = _volatility(option, quotes[option], level, years, by)
        if known is not None:
            found[(float(option.strike) / level - 1.0) * 100.0] = known * 100.0
    if len(found) < LEAST:
        return None
    own = Smile(tuple(sorted(found)), tuple(found[each] for each in sorted(found)))
    iv = round(own.at(0.0), 2)
    points = {round(each, 4): round(found[each] - iv, 3) for each in sorted(found)}
    return SmileSeen(minute=minute, iv=iv, smile=smile(dict(_thinned(list(points.items())))))


def _is_out(option: Option, level: float) -> bool:
    strike = float(option.strike)
    return strike >= level if option.right is Right.CALL else strike <= level


def _volatility(option: Option, seen: OptionSeen, level: float, years: float, by: By) -> float | None:
    strike, is_call = float(option.strike), option.right is Right.CALL
    if by is By.MID:
        found = implied_volatility(seen.mid, level, strike, years, is_call)
    else:
        away = log(strike / level) if is_call else log(level / strike)
        most = HIGHEST if is_call else min(HIGHEST, sqrt(max(2.0 * away, 0.0) / years))
        found = _of_delta(abs(seen.delta), lambda each: abs(delta(level, strike, years, each, is_call)), most)
    return found if found is not None and LOWEST <= found <= HIGHEST else None


def _of_delta(wanted: float, given: Callable[[float], float], most: float) -> float | None:
    """Return the volatility at which an option out of the money has a delta, None where none gives it.

    most: up to which its delta rises with volatility: that of a put falls again beyond sqrt(2 ln(level / strike) / T).
    """
    low, high = LOWEST / 2.0, most
    if not 0.0 < wanted < DEEPEST or high <= low or not given(low) <= wanted <= given(high):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if given(middle) < wanted else (low, middle)
    return (low + high) / 2.0


def _thinned(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the points of which the others lie on lines between two (Ramer, Douglas and Peucker)."""
    if len(points) < 3:
        yield from points
        return
    (first, from_), (last, to) = points[0], points[-1]
    slope = (to - from_) / (last - first)
    off = [abs(value - from_ - slope * (each - first)) for each, value in points]
    far = max(range(len(points)), key=lambda place: off[place])
    if off[far] <= APART:
        yield from (points[0], points[-1])
        return
    yield from list(_thinned(points[: far + 1]))[:-1]
    yield from _thinned(points[far:])
