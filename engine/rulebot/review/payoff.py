"""The payoff at expiry as SVG: gain and loss filled, strikes, break-evens and spot named, dollars at its corners.

It is as narrow as its words allow: a telephone shows the whole, with letters that can be read.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from rulebot.drawing import Panel, circle, down, frame, padded, path, polygon, text
from rulebot.model.contract import Right
from rulebot.model.money import ZERO, short_dollars
from rulebot.model.payoff import intrinsic
from rulebot.model.position import PositionLeg
from rulebot.model.text import plain
from rulebot.model.values import dataclass

# --- What a position makes at expiry by the price of its underlying


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Corners (price of the first underlying, dollars), lowest price first, with the ends of the drawing.

    The ends are beyond spot and all break_evens: prices at which it makes nothing. best, worst: dollars at expiry at
    any price, None without a bound. covered: shares of the account cover the drawn calls, and are not drawn. assumed:
    an assumption beside, "" for one underlying; with several, best and worst have no bound, since nothing holds them
    together.
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
    ends = _ends(corners, Decimal(spot), even)
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


def _ends(corners: Sequence[Decimal], spot: Decimal, even: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Return the prices at which the drawing begins and ends."""
    margin = max((corners[-1] - corners[0]) * 2 / 3, corners[-1] / 100, min(abs(spot - corner) for corner in corners))
    shown = [spot, *even]
    first, last = min(shown) - margin / 4, max(shown) + margin / 4
    return max(min(corners[0] - margin, first), ZERO), max(corners[-1] + margin, last)


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


# --- The payoff at expiry as SVG: gain and loss filled, strikes, break-evens and spot named, dollars at its corners

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 20, 44, 76
_LETTER = 8.3
"""Points of a digit in a wide face."""
_APART = 16.0
"""Points between two amounts beside the axis of dollars."""


def _panel(payoff: Payoff) -> Panel:
    """Return the places of prices and dollars on the drawing."""
    prices = (float(payoff.points[0][0]), float(payoff.points[-1][0]))
    made = padded([0.0, *(float(dollars) for _, dollars in payoff.points)], 1 / 12, 1.0)
    return Panel(_LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM, prices, made)


def payoff_svg(payoff: Payoff, words: str = "profit and loss at expiry") -> str:
    """Return the drawing. words: say what is drawn."""
    panel = _panel(payoff)
    line = panel.line("curve", ((float(price), float(dollars)) for price, dollars in payoff.points))
    body = [*_areas(payoff, panel), *_axes(payoff, panel), *_strikes(payoff, panel), line]
    body += [*_break_evens(payoff, panel), *_dollars(payoff, panel), *_spot(payoff, panel)]
    return frame("payoff", f"0 0 {_WIDTH} {_HEIGHT}", words, body)


def _areas(payoff: Payoff, panel: Panel) -> Iterator[str]:
    """Yield the area between the line and zero, gains and losses separately."""
    corners = sorted({*payoff.points, *((price, Decimal(0)) for price in payoff.break_evens)})
    zero = panel.y(0.0)
    for kind, sign in (("gain", 1), ("loss", -1)):
        kept = [(panel.x(float(price)), panel.y(max(float(made) * sign, 0.0) * sign)) for price, made in corners]
        yield polygon(f"{kind} faint", [(kept[0][0], zero), *kept, (kept[-1][0], zero)])


def _axes(payoff: Payoff, panel: Panel) -> Iterator[str]:
    yield panel.level("axis", 0.0)
    yield text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, _axis_words(payoff), kind="soft")
    yield text(4, 16, "dollars made at expiry", "start", "soft")


def _axis_words(payoff: Payoff) -> str:
    return f"{payoff.symbol} at expiry, points" + (f", with {payoff.assumed}" if payoff.assumed else "")


def _dollars(payoff: Payoff, panel: Panel) -> Iterator[str]:
    """Yield the largest and the smallest amount beside the axis, at a distance from zero."""
    zero = panel.y(0.0)
    yield text(_LEFT - 8, zero + 4, "$0", "end", "soft")
    best, worst = (choose(made for _, made in payoff.points) for choose in (max, min))
    if best > 0:
        yield text(_LEFT - 8, min(panel.y(float(best)), zero - _APART) + 4, f"+{short_dollars(round(best))}", "end")
    if worst < 0:
        yield text(_LEFT - 8, max(panel.y(float(worst)), zero + _APART) + 4, short_dollars(round(worst)), "end")


def _spot(payoff: Payoff, panel: Panel) -> Iterator[str]:
    """Yield the underlying's price in the example, where the drawing includes it."""
    if payoff.points[0][0] <= payoff.spot <= payoff.points[-1][0]:
        x = panel.x(float(payoff.spot))
        yield path("mark", f"M{x:.1f} {_TOP}l-5 -8h10z")
        words = f"{payoff.symbol} {plain(payoff.spot)} at entry"
        half = len(words) * _LETTER / 2
        yield text(min(max(x, half), _WIDTH - half), _TOP - 14, words, kind="soft")


def _strikes(payoff: Payoff, panel: Panel) -> Iterator[str]:
    """Yield a mark and a number for every strike."""
    prices = list(dict.fromkeys(price for price, _ in payoff.points[1:-1]))
    places = [panel.x(float(price)) for price in prices]
    for x in places:
        yield down("strike", x, _TOP, _HEIGHT - _BOTTOM)
    yield from _numbers(prices, places, _HEIGHT - _BOTTOM + 18, "soft")
    yield text(_LEFT - 8, _HEIGHT - _BOTTOM + 18, "strike", "end", "soft")


def _numbers(prices: Sequence[Decimal], places: Sequence[float], y: float, kind: str) -> Iterator[str]:
    """Yield prices below their places: near ones are spread, and one without room is omitted."""
    right = -1.0
    for at, (price, place) in enumerate(zip(prices, places, strict=True)):
        words = plain(price)
        width = len(words) * _LETTER
        follows = at + 1 < len(places) and places[at + 1] - place < width + 8
        x = place - width / 2 + 4 if follows else place
        x = max(x, right + width / 2)
        if x - place > width:
            continue
        right = x + width / 2 + 8
        yield text(x, y, words, kind=kind)


def _break_evens(payoff: Payoff, panel: Panel) -> Iterator[str]:
    """Yield a dot on the axis for each, and its price in a separate row below the strikes."""
    row = _HEIGHT - _BOTTOM + 38
    places = [panel.x(float(price)) for price in payoff.break_evens]
    for x in places:
        yield circle("mark", x, panel.y(0.0), 4)
    yield from _numbers(payoff.break_evens, places, row, "")
    if payoff.break_evens:
        yield text(_LEFT - 8, row, "break-even", "end", "soft")


def profit_words(payoff: Payoff) -> str:
    """Return `max profit $45`."""
    if payoff.best is None:
        return "max profit without a bound"
    return f"max profit {short_dollars(round(payoff.best))}{_undrawn(payoff, payoff.best)}"


def loss_words(payoff: Payoff) -> str:
    """Return `max loss $955`."""
    if payoff.covered:
        return "drawn without the shares that cover it, which gain what it loses"
    if payoff.worst is None:
        return "max loss without a bound"
    if payoff.worst >= 0:
        return "no loss"
    return f"max loss {short_dollars(round(-payoff.worst))}{_undrawn(payoff, payoff.worst)}"


def _undrawn(payoff: Payoff, made: Decimal) -> str:
    """Return the place of an extreme outside of the drawing: with the underlying at 0."""
    return "" if made in [drawn for _, drawn in payoff.points] else f" with {payoff.symbol} at 0, which is not drawn"
