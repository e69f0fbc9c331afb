"""The states of a position as SVG: states in a row, moves forward above them, moves back below."""

from collections.abc import Iterator, Sequence
from html import escape

from engine.compile.plan import Lifecycle
from engine.review.diagram import Labels, arrows

_BOX_WIDTH, _BOX_HEIGHT = 108, 40
_STEP = 236
"""Points from one state to the next."""
_LINE = 14
_LOWEST, _RISE = 34, 62
"""How high the flattest arc between neighbours is, and what each state further adds."""
_MARGIN = 24
_LETTER = 6.2
"""Points of a letter, nearly: what room a label takes."""

STYLE = """
.states .state{fill:var(--box,#fff);stroke:var(--ink,#222)} .states .ends{stroke-width:3}
.states .move{fill:none;stroke:var(--soft,#777)} .states .tip{fill:var(--soft,#777)}
.states text{font:13px system-ui,sans-serif;fill:var(--ink,#222)}
.states .label{font-size:11px;fill:var(--soft,#666);paint-order:stroke;stroke:var(--paper,#fff);stroke-width:4px}
"""


def state_svg(table: Lifecycle, labels: Labels) -> str:
    """Return the drawing; it stands by itself, and takes the colours of a page that names them."""
    shapes = list(_arcs(table, labels))
    top = max((shape.above for shape in shapes), default=0.0) + _MARGIN
    below = max((shape.below for shape in shapes), default=0.0) + _MARGIN
    width = _STEP * (len(table.states) - 1) + _BOX_WIDTH + 2 * _MARGIN + _STEP // 2
    height = top + _BOX_HEIGHT + below
    body = [shape.line for shape in shapes] + [shape.label for shape in shapes]
    body += [_box(at, state, table) for at, state in enumerate(table.states)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="states" role="img" '
        f'viewBox="{-_MARGIN - _STEP // 4} {-top:.0f} {width:.0f} {height:.0f}" '
        f'aria-label="states of a position"><style>{STYLE}</style>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>{"".join(body)}</svg>'
    )


class _Shape:
    """One arrow, its label that is drawn over all arrows, and how far both reach above and below the states."""

    def __init__(self, line: str, label: str, above: float = 0.0, below: float = 0.0) -> None:
        self.line, self.label, self.above, self.below = line, label, above, below


def _box(at: int, state: str, table: Lifecycle) -> str:
    ends = " ends" if state in table.final else ""
    left = at * _STEP
    return (
        f'<rect class="state{ends}" x="{left}" y="0" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="8"/>'
        f'<text x="{left + _BOX_WIDTH / 2:.0f}" y="{_BOX_HEIGHT / 2 + 5:.0f}" text-anchor="middle">'
        f"{escape(state)}</text>"
    )


def _arcs(table: Lifecycle, labels: Labels) -> Iterator[_Shape]:
    for (state, following), said in arrows(table, labels):
        start, end = table.states.index(state), table.states.index(following)
        if end - start == 1:
            yield _straight(start, said)
        elif start == end:
            yield _loop(start, said)
        else:
            yield _arc(start, end, said)


def _label(x: float, y: float, said: Sequence[str], anchor: str = "middle") -> str:
    spans = "".join(
        f'<tspan x="{x:.0f}" dy="{_LINE if at else 0}">{escape(each)}</tspan>' for at, each in enumerate(said)
    )
    return f'<text class="label" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{spans}</text>'


def _wrapped(said: Sequence[str], room: float) -> list[str]:
    """Return labels cut at spaces so that each fits the room."""
    letters = max(int(room / _LETTER), 8)
    lines: list[str] = []
    for text in said:
        line = ""
        for word in text.split(" "):
            if line and len(line) + 1 + len(word) > letters:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines


def _straight(start: int, said: Sequence[str]) -> _Shape:
    """Between neighbours a straight arrow, its label above it."""
    left, right, y = start * _STEP + _BOX_WIDTH, (start + 1) * _STEP, _BOX_HEIGHT / 2
    lines = _wrapped(said, right - left - 12)
    label = _label((left + right) / 2, y - 6 - _LINE * (len(lines) - 1), lines)
    line = f'<path class="move" d="M{left} {y:.0f}L{right - 2} {y:.0f}" marker-end="url(#tip)"/>'
    return _Shape(line, label, above=max(_LINE * len(lines) + 6 - y, 0.0))


def _loop(at: int, said: Sequence[str]) -> _Shape:
    """A move that stays is a loop below its state."""
    x, y = at * _STEP + _BOX_WIDTH / 2, _BOX_HEIGHT
    loop = f"M{x - 22:.0f} {y}C{x - 40:.0f} {y + 40},{x + 40:.0f} {y + 40},{x + 22:.0f} {y + 2}"
    line = f'<path class="move" d="{loop}" marker-end="url(#tip)"/>'
    return _Shape(line, _label(x, y + 44, said), below=44 + _LINE * len(said))


def _arc(start: int, end: int, said: Sequence[str]) -> _Shape:
    """Further on above the states, back below them; the longer, the higher."""
    forward, span = end > start, abs(end - start)
    side = 12 if forward else -12
    left, right = start * _STEP + _BOX_WIDTH / 2 + side, end * _STEP + _BOX_WIDTH / 2 - side
    height = _LOWEST + _RISE * (span if forward else span + 1)
    y = 0 if forward else _BOX_HEIGHT
    peak = y - height if forward else y + height
    curve = f"M{left:.0f} {y}C{left:.0f} {peak:.0f},{right:.0f} {peak:.0f},{right:.0f} {y + (-2 if forward else 2)}"
    lines = _wrapped([", ".join(said)], span * _STEP * 0.6)
    middle = y + (peak - y) * 0.75
    at = middle - 5 - _LINE * (len(lines) - 1) if forward else middle + 13
    line = f'<path class="move" d="{curve}" marker-end="url(#tip)"/>'
    label = _label((left + right) / 2, at, lines)
    reach = height * 0.75 + _LINE * len(lines)
    return _Shape(line, label, above=reach) if forward else _Shape(line, label, below=reach)
