"""From values to places on a drawing: round steps for an axis, and the text of SVG."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, isfinite, log10

from rulebot.model.values import dataclass

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 12, 26


@dataclass(frozen=True, slots=True)
class Scale:
    """A drawing of `height`: `count` places from left to right, values from `low` to `high`."""

    count: int
    low: float
    high: float
    height: int

    def x(self, place: float) -> float:
        """Return where a place stands."""
        return LEFT + (WIDTH - LEFT - RIGHT) * place / max(self.count - 1, 1)

    def y(self, value: float) -> float:
        """Return where a value stands."""
        part = (self.high - value) / ((self.high - self.low) or 1.0)
        return TOP + part * (self.height - TOP - BOTTOM)


def steps(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round values from `low` to `high`, about so many: 1, 2 or 5 times a power of ten apart."""
    room = high - low
    if not isfinite(room) or room <= 0.0:
        return [low]
    rough = room / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * each for each in (1.0, 2.0, 5.0, 10.0) if power * each >= rough)
    first = ceil(low / step)
    return [step * (first + number) for number in range(floor(high / step) - first + 1)]


def scale_of(series: Sequence[Sequence[float | None]], height: int, *, zero: bool = False) -> Scale:
    """Return the scale that holds all series, with a little room, and zero if asked."""
    values = [value for each in series for value in each if value is not None] + ([0.0] if zero else [])
    low, high = min(values, default=0.0), max(values, default=0.0)
    room = (high - low) * 0.05 or max(abs(high) * 0.01, 1.0)
    top = high if zero and high == 0.0 else high + room
    return Scale(max(map(len, series), default=1), low - room, top, height)


def plain_money(amount: float) -> str:
    """Return `$1,000,250` or `-$12`, or with cents below a hundred dollars where there are any."""
    digits = 2 if abs(amount) < 100 and round(amount, 2) % 1 else 0
    return f"{'-' if round(amount, digits) < 0 else ''}${abs(amount):,.{digits}f}"


def svg(name: str, height: int, body: str, width: int = WIDTH) -> str:
    """Return a drawing with a name for those who hear it; on a narrow screen it stays as large as can be read."""
    said = f'role="img" aria-label="{escape(name)}" viewBox="0 0 {width} {height}"'
    return f'<div class="wide" tabindex="0"><svg {said}>{body}</svg></div>'


def words(x: float, y: float, text: str, anchor: str = "start", kind: str = "soft") -> str:
    """Return text on a drawing."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def axis(scale: Scale, days: Sequence[str]) -> str:
    """Return lines at round values with their dollars, and some dates below."""
    found = []
    for value in steps(scale.low, scale.high):
        y = scale.y(value)
        found.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(words(LEFT - 6, y + 4, plain_money(value), "end"))
    shown = min(6, len(days))
    for number in range(shown):
        place = round(number * (len(days) - 1) / max(shown - 1, 1))
        anchor = "start" if number == 0 and shown > 1 else "end" if number == shown - 1 and shown > 1 else "middle"
        found.append(words(scale.x(place), scale.height - 6, days[place], anchor))
    return "".join(found)
