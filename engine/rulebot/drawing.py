"""SVG as text: strokes, letters, panels with scales and axes, frames. What has which colour says `drawing.css`."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from html import escape
from math import ceil, floor, isfinite, log10
from pathlib import Path
from typing import NamedTuple

Place = tuple[float, float]
FOLDER = Path(__file__).parent / "templates"
"""Style sheets and templates that several folders share."""


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _tag(name: str, kind: str, title: str = "", more: str = "", **places: float) -> str:
    """Return an element; title: what it says when it is pointed at; more: attributes that are no places."""
    at = "".join(f' {each}="{_number(value)}"' for each, value in places.items())
    head = f'<{name} class="{kind}"{at}{more}'
    return f"{head}><title>{escape(title)}</title></{name}>" if title else f"{head}/>"


def _outline(places: Iterable[Place]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in places)


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Return letters at y; anchor: start, middle or end of them is at x."""
    classed = f' class="{kind}"' if kind else ""
    return f'<text{classed} x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def across(kind: str, left: float, right: float, y: float) -> str:
    """Return a line from left to right."""
    return _tag("line", kind, x1=left, x2=right, y1=y, y2=y)


def down(kind: str, x: float, top: float, bottom: float) -> str:
    """Return a line from above to below."""
    return _tag("line", kind, x1=x, x2=x, y1=top, y2=bottom)


def polyline(kind: str, places: Iterable[Place]) -> str:
    """Return a line through places."""
    return f'<polyline class="{kind}" points="{_outline(places)}"/>'


def polygon(kind: str, places: Iterable[Place]) -> str:
    """Return an area."""
    return f'<polygon class="{kind}" points="{_outline(places)}"/>'


def path(kind: str, strokes: str) -> str:
    """Return a path; strokes: as SVG has them."""
    return f'<path class="{kind}" d="{strokes}"/>'


def circle(kind: str, x: float, y: float, radius: float, title: str = "") -> str:
    """Return a dot; title: what it says when it is pointed at."""
    return _tag("circle", kind, title, cx=x, cy=y, r=radius)


def rect(
    kind: str, left: float, top: float, size: Place, title: str = "", *, round_by: int = 0, opacity: float = 1.0
) -> str:
    """Return a box. size: width and height; title: what it says when it is pointed at."""
    more = (f' rx="{round_by}"' if round_by else "") + (f' opacity="{opacity:.2f}"' if opacity < 1.0 else "")
    return _tag("rect", kind, title, more, x=left, y=top, width=size[0], height=size[1])


def steps(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about this many round values from `low` to `high`: 1, 2 or 5 times a power of ten apart."""
    room = high - low
    if not isfinite(room) or room <= 0.0:
        return [low]
    rough = room / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * each for each in (1.0, 2.0, 5.0, 10.0) if power * each >= rough)
    first = ceil(low / step)
    return [step * (first + number) for number in range(floor(high / step) - first + 1)]


def padded(values: Iterable[float], part: float, least: float) -> Place:
    """Return the least and the greatest value with room beyond them: a part of their distance, or `least` of one."""
    found = list(values)
    low, high = min(found, default=0.0), max(found, default=0.0)
    room = (high - low) * part or max(abs(high) * 0.01, least)
    return low - room, high + room


class Panel(NamedTuple):
    """A part of a drawing by its edges in points, with their values: (left, right) and (low, high)."""

    left: float
    right: float
    top: float
    bottom: float
    x_range: Place
    y_range: Place

    def x(self, value: float) -> float:
        """Return a value's place from left to right."""
        first, last = self.x_range
        return self.left + (self.right - self.left) * (value - first) / ((last - first) or 1.0)

    def y(self, value: float) -> float:
        """Return a value's place from top to bottom."""
        low, high = self.y_range
        return self.top + (self.bottom - self.top) * (high - value) / ((high - low) or 1.0)

    def place(self, x: float, y: float) -> Place:
        """Return the place of two values."""
        return self.x(x), self.y(y)

    def line(self, kind: str, points: Iterable[Place]) -> str:
        """Return a line through values."""
        return polyline(kind, (self.place(*each) for each in points))

    def level(self, kind: str, value: float) -> str:
        """Return a line across at a value."""
        return across(kind, self.left, self.right, self.y(value))

    def amounts(self, words: Callable[[float], str]) -> Iterator[str]:
        """Yield a line at every round value, its words at the left."""
        for value in steps(*self.y_range):
            yield self.level("grid", value)
            yield text(self.left - 6, self.y(value) + 4, words(value), "end", "soft")

    def names(self, ticks: Iterable[tuple[float, str]], *, has_lines: bool = False) -> Iterator[str]:
        """Yield words below the panel at values, within its edges, with lines up from them where asked."""
        for value, words in ticks:
            x = self.x(value)
            if has_lines:
                yield down("grid", x, self.top, self.bottom)
            side = "start" if x - self.left < 1.0 else "end" if self.right - x < 1.0 else "middle"
            yield text(x, self.bottom + 18, words, side, "soft")


@cache
def style() -> str:
    """Return the style sheet of all drawings."""
    return (FOLDER / "drawing.css").read_text(encoding="utf-8")


def frame(kind: str, box: str, words: str, body: Iterable[str], *, is_alone: bool = False, role: str = "img") -> str:
    """Return a drawing.

    box: its view box; words: its text alternative, "" where a number beside it says the same; is_alone: on no page, so
    it brings its style.
    """
    sheet = f"<style>{style()}</style>" if is_alone else ""
    said = f'role="{role}" aria-label="{escape(words)}"' if words else 'aria-hidden="true"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" {said} viewBox="{box}">'
    return f"{head}{sheet}{''.join(body)}</svg>"
