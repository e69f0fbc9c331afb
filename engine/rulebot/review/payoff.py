"""What a position makes at expiry by the price of its underlying: the corners of a line, where it is 0, its best and
worst.

Commissions of opening are taken off. With two underlyings the second is taken to move with the first, in the ratio of
their levels in the example.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from rulebot.model.contract import Right
from rulebot.model.money import ZERO
from rulebot.model.payoff import intrinsic
from rulebot.model.position import PositionLeg
from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Corners (price of the first underlying, dollars), lowest price first, with the ends of the drawing.

    These lie beyond spot and all break_evens: prices at which it makes nothing. best, worst: dollars at expiry wherever
    the price goes, None without a bound. covered: shares of the account stand behind the calls that are drawn, and are
    not drawn. assumed: what is taken for granted beside, "" for one underlying; best and worst have no bound then,
    since nothing holds the two together.
    """

    symbol: str
    spot: Decimal
    points: tuple[tuple[Decimal, Decimal], ...]
    break_evens: tuple[Decimal, ...]
    best: Decimal | None
    worst: Decimal | None
    assumed: str = ""
    covered: bool = False


def payoff_of(legs: Sequence[PositionLeg], levels: Sequence[tuple[str, int | Decimal]], net: Decimal) -> Payoff:
    """Return the payoff of a position whose dollars so far are `net`: what came in less what went out."""
    symbol, spot = levels[0]
    ratios = {name: Decimal(level) / spot for name, level in levels}
    corners = sorted({leg.option.strike / ratios[leg.option.symbol] for leg in legs if not leg.option.is_share})

    def made(price: Decimal) -> Decimal:
        return net + sum((_worth(leg, price * ratios[leg.option.symbol]) for leg in legs), ZERO)

    slope = _slope_above(legs, ratios)
    beyond = abs(made(corners[-1]) / slope) * 2 if slope else ZERO
    even = break_evens([(price, made(price)) for price in (ZERO, *corners, corners[-1] + beyond)])
    away = min(abs(spot - corner) for corner in corners)
    margin = max((corners[-1] - corners[0]) * 2 / 3, corners[-1] / 100, away)
    edge = margin / 4
    ends = (
        max(min(corners[0] - margin, *(price - edge for price in (spot, *even))), ZERO),
        max(corners[-1] + margin, *(price + edge for price in (spot, *even))),
    )
    points = tuple((price, made(price)) for price in (ends[0], *corners, ends[1]))
    others = [f"{name} at {symbol} x {ratios[name].normalize():f}" for name, _ in levels[1:]]
    extremes = [made(price) for price in (ZERO, *corners)]
    return Payoff(
        symbol=symbol,
        spot=Decimal(spot),
        points=points,
        break_evens=even,
        best=None if slope > 0 or others else max(extremes),
        worst=None if slope < 0 or others else min(extremes),
        assumed=", ".join(others),
    )


def _worth(leg: PositionLeg, price: Decimal) -> Decimal:
    return intrinsic(leg.option, price) * leg.signed_held * leg.option.multiplier


def _slope_above(legs: Sequence[PositionLeg], ratios: dict[str, Decimal]) -> Decimal:
    """Return the dollars that one more point of the first underlying makes above all strikes."""
    calls = (leg for leg in legs if leg.option.right is Right.CALL)
    return sum((leg.signed_held * leg.option.multiplier * ratios[leg.option.symbol] for leg in calls), ZERO)


def break_evens(points: Sequence[tuple[Decimal, Decimal]]) -> tuple[Decimal, ...]:
    """Return where a line through these points is 0, to the cent of the price; its ends do not count."""
    crossed = [
        left + (right - left) * -low / (high - low) for (left, low), (right, high) in pairwise(points) if low * high < 0
    ]
    touched = [price for price, made in points[1:-1] if made == 0]
    return tuple(sorted({round(price, 2) for price in (*crossed, *touched)}))
