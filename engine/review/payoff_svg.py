"""The payoff at expiry as SVG: gain and loss filled, strikes and break-evens named, most and least written."""

from collections.abc import Iterator
from decimal import Decimal
from html import escape

from engine.review import amounts
from engine.review.payoff import Payoff

_WIDTH, _HEIGHT = 760, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 20, 30, 70
_NEAR = 36.0
"""Points between two strikes that their numbers need to stand below them side by side."""

STYLE = """
.payoff .gain{fill:var(--gain,#2a7d4f);opacity:.18} .payoff .loss{fill:var(--loss,#b3382c);opacity:.18}
.payoff .line{fill:none;stroke:var(--ink,#222);stroke-width:2} .payoff .axis{stroke:var(--soft,#777)}
.payoff .thin{stroke:var(--soft,#bbb);stroke-dasharray:3 3} .payoff .dot{fill:var(--ink,#222)}
.payoff text{font:12px system-ui,sans-serif;fill:var(--ink,#222)} .payoff .soft{fill:var(--soft,#666)}
"""


class _Scale:
    """Where a price and dollars stand on the drawing."""

    def __init__(self, payoff: Payoff) -> None:
        self.first, self.last = payoff.points[0][0], payoff.points[-1][0]
        made = [Decimal(0), *(dollars for _, dollars in payoff.points)]
        self.low, self.high = min(made), max(made)
        room = (self.high - self.low) / 12 or Decimal(1)
        self.low, self.high = self.low - room, self.high + room

    def x(self, price: Decimal) -> float:
        part = (price - self.first) / ((self.last - self.first) or Decimal(1))
        return _LEFT + float(part) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, dollars: Decimal) -> float:
        part = (self.high - dollars) / (self.high - self.low)
        return _TOP + float(part) * (_HEIGHT - _TOP - _BOTTOM)


def payoff_svg(payoff: Payoff) -> str:
    """Return the drawing; it stands by itself, and takes the colours of a page that names them."""
    scale = _Scale(payoff)
    body = [*_areas(payoff, scale), *_axes(payoff, scale), *_strikes(payoff, scale), _line(payoff, scale)]
    body += [*_break_evens(payoff, scale), *_extremes(payoff, scale)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="payoff" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-label="profit and loss at expiry"><style>{STYLE}</style>{"".join(body)}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(payoff: Payoff, scale: _Scale) -> str:
    points = " ".join(f"{scale.x(price):.1f},{scale.y(dollars):.1f}" for price, dollars in payoff.points)
    return f'<polyline class="line" points="{points}"/>'


def _areas(payoff: Payoff, scale: _Scale) -> Iterator[str]:
    """Yield what lies between the line and zero, gains and losses apart."""
    corners = sorted({*payoff.points, *((price, Decimal(0)) for price in payoff.break_evens)})
    zero = scale.y(Decimal(0))
    for kind, sign in (("gain", 1), ("loss", -1)):
        kept = [(scale.x(price), scale.y(made) if made * sign > 0 else zero) for price, made in corners]
        outline = [(kept[0][0], zero), *kept, (kept[-1][0], zero)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
        yield f'<polygon class="{kind}" points="{points}"/>'


def _axes(payoff: Payoff, scale: _Scale) -> Iterator[str]:
    zero = scale.y(Decimal(0))
    yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
    yield _text(_LEFT - 8, zero + 4, "$0", "end", "soft")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, _axis_words(payoff), kind="soft")


def _axis_words(payoff: Payoff) -> str:
    return f"{payoff.symbol} at expiry" + (f", {payoff.assumed}" if payoff.assumed else "")


def _strikes(payoff: Payoff, scale: _Scale) -> Iterator[str]:
    """Yield a mark and a number for every strike; numbers of near strikes lean away from each other."""
    prices = list(dict.fromkeys(price for price, _ in payoff.points[1:-1]))
    places = [scale.x(price) for price in prices]
    for at, (price, x) in enumerate(zip(prices, places, strict=True)):
        yield f'<line class="thin" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        anchor, shift = _leaning(places, at)
        yield _text(x + shift, _HEIGHT - _BOTTOM + 16, amounts.plain(price), anchor, "soft")


def _leaning(places: list[float], at: int) -> tuple[str, float]:
    """Return how the number of one strike is anchored, and by how much it is shifted."""
    if at + 1 < len(places) and places[at + 1] - places[at] < _NEAR:
        return "end", 8.0
    if at and places[at] - places[at - 1] < _NEAR:
        return "start", -8.0
    return "middle", 0.0


def _break_evens(payoff: Payoff, scale: _Scale) -> Iterator[str]:
    """Yield a dot on the axis for each, and its price in a row of its own below the strikes."""
    zero, row = scale.y(Decimal(0)), _HEIGHT - _BOTTOM + 34
    for price in payoff.break_evens:
        x = scale.x(price)
        yield f'<circle class="dot" cx="{x:.1f}" cy="{zero:.1f}" r="4"/>'
        yield _text(x, row, amounts.plain(price))
    if payoff.break_evens:
        yield _text(_LEFT - 8, row, "break-even", "end", "soft")


def _extremes(payoff: Payoff, scale: _Scale) -> Iterator[str]:
    yield _text(_LEFT, scale.y(scale.high) - 6, profit_words(payoff), "start")
    yield _text(_LEFT, scale.y(scale.low) - 4, loss_words(payoff), "start")


def profit_words(payoff: Payoff) -> str:
    """Return `max profit $45`."""
    return "max profit without a bound" if payoff.best is None else f"max profit {amounts.money(round(payoff.best))}"


def loss_words(payoff: Payoff) -> str:
    """Return `max loss $955`."""
    if payoff.worst is None:
        return "max loss without a bound"
    return f"max loss {amounts.money(round(-payoff.worst))}" if payoff.worst < 0 else "no loss"
