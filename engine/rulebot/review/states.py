"""The states of a position as SVG: states one below the other, moves on at their right, moves back at their left.

Labels are in columns beside the states and lanes run outside of these, so that nothing is written over a line. The
drawing is narrow: its letters can be read on a telephone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from rulebot.compile.plan import ExitPlan, Lifecycle, Plan, Row
from rulebot.drawing import frame, path, polygon, rect, text
from rulebot.measure.words import listed
from rulebot.model.text import short_clock
from rulebot.model.values import dataclass
from rulebot.review.example import Subject
from rulebot.spec.spec import Window
from rulebot.wording.number import FULL_DAY

# --- The life of a position in words

TRIGGERS: Mapping[str, str] = {
    "enter": "an entry order is sent",
    "partly_filled": "a part has filled, the order works on",
    "filled": "the order has filled",
    "ended_empty": "the entry ended without a fill",
    "ended_partly": "the entry ended, whole structures filled",
    "ended": "the closing order ended, something remains",
    "rejected": "the broker rejected the order",
    "exit": "an exit acts",
    "unwind": "a leg is open without its partner",
    "late_fill": "a fill came after the order was over",
    "rest_partly_filled": "a resting order filled in part",
    "closed_out": "a resting order, or a person, closed it",
    "settled": "it expired",
    "vanished": "the account no longer has it",
}
"""What every trigger of the table means; a test asks for each."""


def paths(subject: Subject) -> tuple[str, ...]:
    """Return the usual path of a position, and the moves that this bot's exits add."""
    table = subject.plan.lifecycle
    found = [_chain(_forward(table))]
    if any(planned.resting for planned in subject.exits):
        found += _aside(table, "closed_out")
    if any(planned.rule is None for planned in subject.exits):
        found += _aside(table, "settled")
    return tuple(found)


def _forward(table: Lifecycle) -> tuple[Row, ...]:
    """Return the first row from every state to the next one, in the order of the table's states."""
    rows = (next((row for row in table.rows if (row.state, row.next) == pair), None) for pair in pairwise(table.states))
    return tuple(row for row in rows if row is not None)


def _chain(rows: tuple[Row, ...]) -> str:
    if not rows:
        return ""
    return rows[0].state + "".join(f" ──{row.trigger}──▶ {row.next}" for row in rows)


def _aside(table: Lifecycle, trigger: str) -> Iterator[str]:
    """Yield the row of an open position for a trigger, as a line with its meaning."""
    for row in table.rows:
        if row.trigger == trigger and row.state == "open":
            yield f"{_chain((row,))}   {TRIGGERS[trigger]}"


def window_text(window: Window) -> str:
    """Return `10:30 to 13:30`, or the time at which it opens."""
    return str(window.start) if window.end is None else f"{window.start} to {window.end}"


def _clocks(window: Window, latest: datetime) -> str:
    """Return a window by the clock of a full session, on which nothing is entered after `latest`: `10:00 to 15:00`."""
    start = short_clock(window.start.on(FULL_DAY))
    return start if window.end is None else f"{start} to {short_clock(min(window.end.on(FULL_DAY), latest))}"


def labels(subject: Subject) -> dict[tuple[str, str], str]:
    """Return what this bot's own rules make of a move, by (state, trigger): its window, its exits."""
    plan = subject.plan
    acting = tuple(each.name for each in plan.exits if each.rule is not None and not each.resting)
    resting = tuple(each.name for each in plan.exits if each.resting)
    latest = subject.bot.latest_entry(FULL_DAY)
    windows = tuple(_clocks(each, latest) for each in plan.entry.windows)
    found = {("flat", "enter"): listed(windows, "or")}
    if acting:
        found["open", "exit"] = listed(acting, "or")
    if resting:
        found["open", "closed_out"] = listed(resting, "or")
    if partial := tuple(words for each in plan.exits if (words := _part_closed(each, plan))):
        found["exiting", "ended"] = "; ".join(partial)
    return found


def _part_closed(planned: ExitPlan, plan: Plan) -> str:
    """Return which legs, or which part, an exit closes while the others stay open; "" of one that closes everything."""
    if planned.rule is None or planned.resting:
        return ""
    legs = tuple(name for name in planned.legs if name in {leg.name for leg in plan.legs})
    if legs and len(legs) < len(plan.legs):
        return f"{planned.name} closes {listed(legs, 'and')} alone"
    is_part = planned.part is not None and planned.part < 1
    return f"{planned.name} closes {planned.part:.0%}" if is_part else ""


# --- The states of a position drawn from the compiled table

Labels = Mapping[tuple[str, str], str]
"""What a bot's own rules make of a move, by (state, trigger)."""


def text_diagram(name: str, table: Lifecycle, labels: Labels) -> str:
    """Return every state with the moves that leave it, and what each means."""
    width = max(len(_text_arrow(row)) for row in table.rows) + 3
    lines = [f"{name}: the states of a position"]
    for state in table.states:
        rows = [row for row in table.rows if row.state == state]
        mark = " (begins here)" if state == table.initial else " (ends here)" if state in table.final else ""
        lines += ["", f"  {state}{mark}"]
        lines += [f"    {_text_arrow(row).ljust(width)}{meaning(row, labels)}" for row in rows]
    return "\n".join(lines)


def _text_arrow(row: Row) -> str:
    return f"──{row.trigger}──▶ {row.next}"


def meaning(row: Row, labels: Labels) -> str:
    """Return what a move means, and which of the bot's own rules make it."""
    own = labels.get((row.state, row.trigger))
    words = TRIGGERS.get(row.trigger, "")
    return f"{words}: {own}" if own else words


def mermaid(table: Lifecycle, labels: Labels) -> str:
    """Return a `stateDiagram-v2`; moves between the same two states share an arrow."""
    lines = ["stateDiagram-v2", "  direction LR", f"  [*] --> {table.initial}"]
    lines += [f"  {state} --> {following}: {'<br/>'.join(said)}" for (state, following), said in arrows(table, labels)]
    lines += [f"  {state} --> [*]" for state in table.final]
    return "\n".join(lines)


def arrows(table: Lifecycle, labels: Labels) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Yield every pair of states between which moves lead, with what the moves are called, in the table's order."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        own = labels.get((row.state, row.trigger))
        found.setdefault((row.state, row.next), []).append(f"{row.trigger} ({own})" if own else row.trigger)
    yield from found.items()


# --- The states of a position as SVG: states one below the other, moves on at their right, moves back at their left

_BOX_WIDTH, _BOX_HEIGHT = 112, 40
_LINE, _LETTER = 15, 7.0
"""Points of a line of a label, and of a letter, nearly."""
_ROOM = 100.0
"""Points that a label may be wide before it is cut."""
_BEHIND_DOTS = re.compile(r"(?<=\.)(?=.)")
_LANE, _CORNER = 16, 8
_GAP, _MARGIN = 44, 12
_INCOMING, _LOOP = 16, 30
"""How high the place is at which a move arrives, and the least for one that stays."""


@dataclass(frozen=True, slots=True)
class _Move:
    """Moves between the same two states, by their places in the table, with what they are called cut into lines."""

    start: int
    end: int
    lines: tuple[str, ...]

    @property
    def span(self) -> int:
        return abs(self.end - self.start)

    @property
    def is_back(self) -> bool:
        """Say whether it is drawn at the left: back, or to where it is."""
        return self.end <= self.start

    @property
    def width(self) -> float:
        return max(map(len, self.lines)) * _LETTER

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE


Ports = Mapping[tuple[_Move, int], float]
"""Where a move leaves or reaches a state, in points below the state's upper edge."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Upper edges and heights of the states, ports, and how far from the states' edge the first lanes lie."""

    tops: tuple[float, ...]
    heights: tuple[float, ...]
    ports: Ports
    left: float
    right: float

    def port(self, move: _Move, state: int) -> float:
        return self.tops[state] + self.ports[move, state]


def state_svg(table: Lifecycle, labels: Labels, *, lit: frozenset[str] = frozenset(), is_alone: bool = False) -> str:
    """Return the drawing. lit: states that are shown as present ones; is_alone: on no page, so it brings its style."""
    moves = _moves(table, labels)
    layout = _laid_out(len(table.states), moves)
    lanes = _lanes(moves)
    least = -(layout.left + _LANE * sum(move.is_back for move in lanes) + _MARGIN)
    most = _BOX_WIDTH + layout.right + _LANE * sum(not move.is_back for move in lanes) + _MARGIN
    height = layout.tops[-1] + layout.heights[-1] + 2 * _MARGIN
    body = [_drawn(move, layout, lanes) for move in moves]
    body += [_box(at, state, table, layout, is_lit=state in lit) for at, state in enumerate(table.states)]
    box = f"{least:.0f} {-_MARGIN} {most - least:.0f} {height:.0f}"
    return frame("states", box, "states of a position", body, is_alone=is_alone)


# ---------------------------------------------------------------- places


def _moves(table: Lifecycle, labels: Labels) -> tuple[_Move, ...]:
    at = {state: place for place, state in enumerate(table.states)}
    found = arrows(table, labels)
    return tuple(_Move(at[state], at[following], _wrapped(", ".join(said))) for (state, following), said in found)


def _wrapped(label: str) -> tuple[str, ...]:
    """Return a label cut at spaces, and in long names behind their dots, so that its lines fit the room."""
    lines: list[str] = []
    for word in label.split(" "):
        if lines and (len(lines[-1]) + 1 + len(word)) * _LETTER <= _ROOM:
            lines[-1] += f" {word}"
        else:
            lines += _BEHIND_DOTS.split(word) if len(word) * _LETTER > _ROOM else [word]
    return tuple(lines)


def _laid_out(count: int, moves: Sequence[_Move]) -> _Layout:
    ports: dict[tuple[_Move, int], float] = {}
    heights, tops, below = [], [], 0.0
    for state in range(count):
        tall = max(_stack(_at_left(state, moves), state, ports), _stack(_at_right(state, moves), state, ports))
        heights.append(max(tall + 8, _BOX_HEIGHT))
        tops.append(below)
        below += heights[-1] + max(_GAP, *(move.height + 16 for move in moves if _is_next(move, state)), 0)
    left = max((move.width + 40 for move in moves if move.is_back), default=0.0)
    beside = (move.width + (12 - _BOX_WIDTH / 2 if move.span == 1 else 16) for move in moves if not move.is_back)
    return _Layout(tuple(tops), tuple(heights), ports, left, max(beside, default=0.0) + 16)


def _is_next(move: _Move, state: int) -> bool:
    return move.start == state and move.end == state + 1


def _at_left(state: int, moves: Sequence[_Move]) -> list[_Move]:
    """Return the moves at the left of a state from above: that stay, that leave upward, that arrive from below."""
    found = [move for move in moves if move.is_back]
    stays = [move for move in found if move.start == move.end == state]
    leaves = sorted((move for move in found if move.start == state != move.end), key=lambda move: move.span)
    arrives = sorted((move for move in found if move.end == state != move.start), key=lambda move: -move.span)
    return [*stays, *leaves, *arrives]


def _at_right(state: int, moves: Sequence[_Move]) -> list[_Move]:
    """Return the moves at the right of a state from above: those that arrive from above, those that leave downward."""
    found = [move for move in moves if not move.is_back and move.span > 1]
    arrives = sorted((move for move in found if move.end == state), key=lambda move: move.span)
    return [*arrives, *sorted((move for move in found if move.start == state), key=lambda move: -move.span)]


def _stack(moves: Iterable[_Move], state: int, ports: dict[tuple[_Move, int], float]) -> float:
    """Give the moves of one side their ports below each other; return how high they are together."""
    below = 4.0
    for move in moves:
        if move.start == move.end:
            room = max(move.height + 4, _LOOP)
            ports[move, state] = below + room / 2
        else:
            room = move.height + 6 if move.start == state else _INCOMING
            ports[move, state] = below + room - 4
        below += room
    return below


def _lanes(moves: Sequence[_Move]) -> dict[_Move, int]:
    """Return the lane of every move that passes a state or goes back, the longest outermost, by side."""
    found: dict[_Move, int] = {}
    for is_back in (False, True):
        side = [move for move in moves if move.is_back is is_back and move.span >= (1 if is_back else 2)]
        found |= {move: lane for lane, move in enumerate(sorted(side, key=lambda move: move.span))}
    return found


# ---------------------------------------------------------------- what is drawn


def _drawn(move: _Move, layout: _Layout, lanes: Mapping[_Move, int]) -> str:
    if move.start == move.end:
        return _loop(move, layout)
    if move in lanes:
        return _around(move, layout, lanes[move])
    return _down(move, layout)


def _box(at: int, state: str, table: Lifecycle, layout: _Layout, *, is_lit: bool) -> str:
    ends = (" ends" if state in table.final else "") + (" lit" if is_lit else "")
    top, height = layout.tops[at], layout.heights[at]
    box = rect(f"state{ends}", 0, top, (_BOX_WIDTH, height), round_by=8)
    return box + text(_BOX_WIDTH / 2, top + height / 2 + 5, state)


def _label(x: float, y: float, lines: Sequence[str], anchor: str) -> str:
    """Return lines of text, the last at y."""
    first = y - _LINE * (len(lines) - 1)
    return "".join(text(x, first + _LINE * at, line, anchor, "label") for at, line in enumerate(lines))


def _arrow(strokes: str, x: float, y: float, toward: tuple[int, int]) -> str:
    """Return a line with its tip at (x, y), which points `toward` right (1, 0), left (-1, 0) or down (0, 1)."""
    along, across = toward
    back_x, back_y = x - 7 * along, y - 7 * across
    sides = ((back_x - 4 * across, back_y - 4 * along), (back_x + 4 * across, back_y + 4 * along))
    return path("move", strokes) + polygon("tip", [(x, y), *sides])


def _down(move: _Move, layout: _Layout) -> str:
    """To the next state a straight arrow, its label at its right."""
    x, start = _BOX_WIDTH / 2, layout.tops[move.start] + layout.heights[move.start]
    end = layout.tops[move.end]
    middle = (start + end) / 2 + move.height / 2 - 4
    return _arrow(f"M{x:.0f} {start:.0f}V{end - 6:.0f}", x, end, (0, 1)) + _label(x + 12, middle, move.lines, "start")


def _loop(move: _Move, layout: _Layout) -> str:
    """A move that stays is a loop at the left of its state."""
    y = layout.port(move, move.start)
    strokes = f"M0 {y - 8:.0f}C-34 {y - 16:.0f},-34 {y + 16:.0f},-6 {y + 8:.0f}"
    return _arrow(strokes, 0, y + 7, (1, 0)) + _label(-32, y + move.height / 2 - 4, move.lines, "end")


def _around(move: _Move, layout: _Layout, lane: int) -> str:
    """Past other states along a lane: on at the right, back at the left; the label is on the outgoing line."""
    side, edge = (-1, 0) if move.is_back else (1, _BOX_WIDTH)
    x = edge + side * ((layout.left if move.is_back else layout.right) + _LANE * lane)
    start, end = layout.port(move, move.start), layout.port(move, move.end)
    turn, way = side * _CORNER, _CORNER if end > start else -_CORNER
    strokes = (
        f"M{edge} {start:.0f}H{x - turn:.0f}Q{x:.0f} {start:.0f} {x:.0f} {start + way:.0f}"
        f"V{end - way:.0f}Q{x:.0f} {end:.0f} {x - turn:.0f} {end:.0f}H{edge + side * 6}"
    )
    label = _label(edge + side * 10, start - 4, move.lines, "end" if move.is_back else "start")
    return _arrow(strokes, edge, end, (-side, 0)) + label
