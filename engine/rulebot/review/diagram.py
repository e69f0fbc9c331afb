"""The states of a position drawn from the compiled table: as text, and as Mermaid for pages that render it."""

from collections.abc import Iterator, Mapping

from rulebot.compile.plan import Lifecycle, Row
from rulebot.review.states import TRIGGERS

Labels = Mapping[tuple[str, str], str]
"""What a bot's own rules make of a move, by (state, trigger)."""


def text_diagram(name: str, table: Lifecycle, labels: Labels) -> str:
    """Return every state with the moves that leave it, and what each means."""
    width = max(len(_arrow(row)) for row in table.rows) + 3
    lines = [f"{name}: the states of a position"]
    for state in table.states:
        rows = [row for row in table.rows if row.state == state]
        mark = " (begins here)" if state == table.initial else " (ends here)" if state in table.final else ""
        lines += ["", f"  {state}{mark}"]
        lines += [f"    {_arrow(row).ljust(width)}{meaning(row, labels)}" for row in rows]
    return "\n".join(lines)


def _arrow(row: Row) -> str:
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
