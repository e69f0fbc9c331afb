"""The drawings of a report, as SVG without a script: curves, a calendar of days, bars, a histogram."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

from rulebot.backtest.report.scale import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axis,
    scale_of,
    svg,
    words,
)
from rulebot.model.money import dollars, signed_dollars

TIPS = 400
"""Sessions up to which each point of a curve says what it is."""
COLOURS, ROUNDS = 6, 3
CELL = 14
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def curves(name: str, days: Sequence[str], series: Mapping[str, Sequence[float | None]], height: int = 260) -> str:
    """Return one line for each series over the sessions; where it has None it is not drawn."""
    scale = scale_of(list(series.values()), height)
    body = axis(scale, days)
    for number, (label, values) in enumerate(series.items()):
        known = [(place, value) for place, value in enumerate(values) if value is not None]
        points = " ".join(f"{scale.x(place):.1f},{scale.y(value):.1f}" for place, value in known)
        body += f'<polyline class="curve {_kind(number)}" points="{points}"/>'
        if len(known) == 1:
            place, value = known[0]
            body += (
                f'<circle class="dot c{number % COLOURS}" cx="{scale.x(place):.1f}" cy="{scale.y(value):.1f}" r="1.5"/>'
            )
        body += _tips(scale, days, values, label if len(series) > 1 else "")
    return svg(name, height, body)


def _kind(number: int) -> str:
    """Return the colour of a line, and how it is dashed where all colours were there before."""
    return f"c{number % COLOURS} r{number // COLOURS % ROUNDS}"


def key(number: int, name: str) -> str:
    """Return what stands for a line of `curves`: a piece of it, and its name."""
    kinds = f"k{number % COLOURS} r{number // COLOURS % ROUNDS}"
    return f'<span class="key {kinds}"></span>{escape(name)} &nbsp; '


def _tips(scale: Scale, days: Sequence[str], values: Sequence[float | None], label: str) -> str:
    if len(values) > TIPS:
        return ""
    return "".join(
        f'<circle class="tip" cx="{scale.x(place):.1f}" cy="{scale.y(value):.1f}" r="5">'
        f"<title>{escape(' '.join(filter(None, (label, days[place], dollars(value)))))}</title></circle>"
        for place, value in enumerate(values)
        if value is not None
    )


def falls(days: Sequence[str], values: Sequence[float], height: int = 150) -> str:
    """Return how far the account stood below its best so far, an area that hangs from zero; words if it never did."""
    if not any(values):
        return '<p class="soft">The account was never below its best at the end of a session.</p>'
    below = [-value for value in values]
    scale = scale_of([below], height, zero=True)
    points = " ".join(f"{scale.x(place):.1f},{scale.y(value):.1f}" for place, value in enumerate(below))
    top = scale.y(0.0)
    ends = f"{scale.x(0):.1f},{top:.1f} {points} {scale.x(len(below) - 1):.1f},{top:.1f}"
    body = axis(scale, days) + f'<polygon class="loss soft-fill" points="{ends}"/>'
    if len(below) == 1:
        body += f'<circle class="loss" cx="{scale.x(0):.1f}" cy="{scale.y(below[0]):.1f}" r="3"/>'
    return svg("drawdown", height, body + _tips(scale, days, below, ""))


def calendar(days: Sequence[Mapping[str, Any]]) -> str:
    """Return each year as weeks from left to right and week days from top to bottom, coloured by what a day made."""
    by_year: dict[int, list[Mapping[str, Any]]] = {}
    for day in days:
        by_year.setdefault(int(day["date"][:4]), []).append(day)
    most = max((abs(day["profit"]) for day in days), default=0.0) or 1.0
    return "".join(_year(year, found, most) for year, found in by_year.items())


def _year(year: int, days: Sequence[Mapping[str, Any]], most: float) -> str:
    monday = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    body = words(0, 12, str(year), kind="strong")
    for month in range(1, 13):
        week = (date(year, month, 1) - monday).days // 7
        body += words(36 + week * (CELL + 1), 12, _MONTHS[month - 1])
    for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri")):
        body += words(0, 20 + number * (CELL + 1) + 11, name)
    for day in days:
        found = date.fromisoformat(day["date"])
        week, weekday = (found - monday).days // 7, found.weekday()
        made = float(day["profit"])
        kind = "gain" if made > 0 else "loss" if made < 0 else "none"
        depth = 0.25 + 0.75 * abs(made) / most if made else 1.0
        place = f'x="{36 + week * (CELL + 1)}" y="{20 + weekday * (CELL + 1)}" width="{CELL}" height="{CELL}"'
        tip = f"{day['date']} {signed_dollars(made)}, {day['opened']} opened, {day['closed']} closed"
        body += f'<rect class="{kind}" {place} rx="2" opacity="{depth:.2f}"><title>{escape(tip)}</title></rect>'
    return svg(f"profit and loss of each day of {year}", 20 + 5 * (CELL + 1) + 4, body)


def bar(value: float, most: float, width: int = 120) -> str:
    """Return a bar from the middle, to the right for a gain."""
    half = width / 2
    length = half * min(abs(value) / most, 1.0) if most else 0.0
    left = half if value >= 0 else half - length
    kind = "gain" if value >= 0 else "loss"
    body = (
        f'<line class="grid" x1="{half}" x2="{half}" y1="0" y2="12"/>'
        f'<rect class="{kind}" x="{left:.1f}" y="2" width="{length:.1f}" height="8"/>'
    )
    return f'<svg class="bar" aria-hidden="true" viewBox="0 0 {width} 12">{body}</svg>'


def share(value: float, most: float, width: int = 160) -> str:
    """Return a bar from the left: so much of the most."""
    length = width * min(value / most, 1.0) if most else 0.0
    body = f'<rect class="plain" x="0" y="2" width="{length:.1f}" height="8"/>'
    return f'<svg class="bar" aria-hidden="true" viewBox="0 0 {width} 12">{body}</svg>'


def histogram(values: Sequence[float], name: str, height: int = 150, columns: int = 25) -> str:
    """Return how often values fall into each of equal columns, with zero marked."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    width = (high - low) / columns or 0.01
    counts = [0] * columns
    for value in values:
        counts[min(int((value - low) / width), columns - 1)] += 1
    room = (WIDTH - LEFT - RIGHT) / columns
    bottom, most = height - BOTTOM, max(counts)
    body = ""
    for place, count in enumerate(counts):
        tall = (bottom - TOP) * count / most
        box = f'x="{LEFT + place * room:.1f}" y="{bottom - tall:.1f}" width="{room - 1:.1f}" height="{tall:.1f}"'
        tip = f"{low + place * width:.3f} to {low + (place + 1) * width:.3f}: {count}"
        body += f'<rect class="plain" {box}><title>{tip}</title></rect>'
    zero = LEFT + (0.0 - low) / (width * columns) * (WIDTH - LEFT - RIGHT)
    body += f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{bottom}"/>'
    end = low + width * columns
    body += words(LEFT, height - 6, f"{low:.3f}") + words(WIDTH - RIGHT, height - 6, f"{end:.3f}", "end")
    return svg(name, height, body + words(LEFT - 6, TOP + 10, str(most), "end"))
