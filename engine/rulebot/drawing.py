"""SVG as text: strokes, letters and the frame of a drawing. What has which colour says a style sheet, by class."""

from collections.abc import Iterable
from html import escape

Place = tuple[float, float]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _classed(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _outline(places: Iterable[Place]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Return letters that stand on y; anchor: start, middle or end of them lies at x."""
    return f'<text{_classed(kind)} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def across(kind: str, left: float, right: float, y: float) -> str:
    """Return a line from left to right."""
    return f'<line class="{kind}" x1="{_number(left)}" x2="{_number(right)}" y1="{y:.1f}" y2="{y:.1f}"/>'


def down(kind: str, x: float, top: float, bottom: float) -> str:
    """Return a line from above to below."""
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_number(top)}" y2="{_number(bottom)}"/>'


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
    head = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
    return f"{head}><title>{escape(title)}</title></circle>" if title else f"{head}/>"


def frame(kind: str, box: str, words: str, body: Iterable[str], style: str = "", role: str = "img") -> str:
    """Return a drawing that stands by itself. box: its view box; words: for those who hear it; style: "" for none."""
    sheet = f"<style>{style}</style>" if style else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" role="{role}" viewBox="{box}" '
        f'aria-label="{escape(words)}">{sheet}{"".join(body)}</svg>'
    )
