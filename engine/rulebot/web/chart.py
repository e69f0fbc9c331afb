"""Profit by day as SVG: a bar for each day, and a line of their sum. Colours and letters come from the style sheet."""

from collections.abc import Sequence
from html import escape
from itertools import accumulate

from rulebot.model.money import dollars

WIDTH, HEIGHT, MARGIN, SCALE = 640, 180, 18, 84
"""Points: SCALE is what the amounts at the left take."""
LETTERS = 20
"""How high a letter is on a telephone, in points of the drawing."""
WIDEST = 40
"""Points that a bar is wide at most: one day alone is no wall."""
_ROOM = HEIGHT - 2 * MARGIN


def days_svg(days: Sequence[tuple[str, float]]) -> str:
    """Return the drawing of (name, dollars), oldest first; "" without any."""
    if not days:
        return ""
    sums = list(accumulate(amount for _, amount in days))
    found = [amount for _, amount in days]
    most, least = max(0.0, *found, *sums), min(0.0, *found, *sums)
    scale = _ROOM / ((most - least) or 1.0)
    step = (WIDTH - SCALE - MARGIN) / len(days)
    zero = MARGIN + most * scale

    def y(amount: float) -> float:
        return zero - amount * scale

    bars = "".join(
        _bar(name, amount, SCALE + at * step, step, zero, y(amount)) for at, (name, amount) in enumerate(days)
    )
    points = " ".join(f"{SCALE + (at + 0.5) * step:.1f},{y(total):.1f}" for at, total in enumerate(sums))
    scale_marks = [each for each in (most, least) if each and abs(zero - y(each)) > LETTERS]
    labels = "".join(_label(amount, y(amount)) for amount in (0.0, *scale_marks))
    words = f"net profit by day, {days[0][0]} to {days[-1][0]}, {sums[-1]:+,.2f} dollars in all"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="days" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-label="{escape(words)}"><line class="zero" x1="{SCALE}" x2="{WIDTH - MARGIN}" '
        f'y1="{zero:.1f}" y2="{zero:.1f}"/>{bars}<polyline class="sum" points="{points}"/>{labels}</svg>'
    )


def _label(amount: float, y: float) -> str:
    """Return whole dollars at their height."""
    return f'<text x="0" y="{y + 5:.1f}">{escape(dollars(round(amount)).removesuffix(".00"))}</text>'


def _bar(name: str, amount: float, left: float, step: float, zero: float, end: float) -> str:
    top, tall = min(zero, end), max(abs(zero - end), 0.5)
    wide = min(max(step * 0.7, 0.5), WIDEST)
    tone = "good" if amount >= 0 else "bad"
    return (
        f'<rect class="{tone}" x="{left + (step - wide) / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
        f"<title>{escape(name)}: {amount:+,.2f}</title></rect>"
    )
