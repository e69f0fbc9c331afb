"""The life of a position as a table, and what makes a table wrong.

`decide/machine.py` hands the table to transitions, which accepts a misspelt source, finds a misspelt destination only
when it fires and silently drops a second row for the same state and trigger: so it is checked here, as data.
"""

from collections.abc import Iterable
from functools import lru_cache

from rulebot.compile.plan import Lifecycle, Row
from rulebot.model.errors import InvariantError

STATES = ("flat", "entering", "open", "exiting", "closed")

ROWS = (
    Row("flat", "enter", "entering"),
    Row("entering", "partly_filled", "entering"),
    Row("entering", "filled", "open"),
    Row("entering", "ended_empty", "closed"),
    Row("entering", "ended_partly", "open"),
    Row("entering", "refused", "closed"),
    Row("entering", "exit", "exiting"),
    Row("entering", "unwind", "exiting"),
    Row("entering", "settled", "closed"),
    Row("open", "exit", "exiting"),
    Row("open", "late_fill", "open"),
    Row("open", "rest_partly_filled", "open"),
    Row("open", "closed_out", "closed"),
    Row("open", "settled", "closed"),
    Row("open", "vanished", "closed"),
    Row("exiting", "partly_filled", "exiting"),
    Row("exiting", "late_fill", "exiting"),
    Row("exiting", "filled", "closed"),
    Row("exiting", "ended", "open"),
    Row("exiting", "refused", "open"),
    Row("exiting", "settled", "closed"),
    Row("exiting", "vanished", "closed"),
    Row("exiting", "closed_out", "closed"),
    Row("closed", "late_fill", "open"),
)
"""What each trigger means: `ended_*` an order that is over, `unwind` legs without their partners, `vanished` a position
the broker no longer has, `closed_out` one that a resting order or the operator closed, `late_fill` a fill that arrives
after the order was thought to be over (also in `closed`: the position is open again)."""

LIFECYCLE = Lifecycle(states=STATES, initial="flat", final=("closed",), rows=ROWS)


@lru_cache(maxsize=4)
def sound(lifecycle: Lifecycle) -> Lifecycle:
    """Return a table that nothing is wrong with. Raises: InvariantError that says what is."""
    if faults := faults_of(lifecycle):
        raise InvariantError(f"the life of a position is told wrongly: {'; '.join(faults)}")
    return lifecycle


def faults_of(lifecycle: Lifecycle) -> list[str]:
    """Return what is wrong with a table, in words; nothing when it is sound."""
    return [
        *_misspelt(lifecycle),
        *_repeated(lifecycle.rows),
        *_unreachable(lifecycle),
        *_stuck(lifecycle),
        *_without_exit(lifecycle),
    ]


def _misspelt(lifecycle: Lifecycle) -> Iterable[str]:
    for name in (lifecycle.initial, *lifecycle.final):
        if name not in lifecycle.states:
            yield f"'{name}' is not a state"
    for row in lifecycle.rows:
        for name in (row.state, row.next):
            if name not in lifecycle.states:
                yield f"'{name}' in the row of '{row.trigger}' is not a state"


def _repeated(rows: tuple[Row, ...]) -> Iterable[str]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.state, row.trigger) in seen:
            yield f"'{row.trigger}' stands twice in state '{row.state}'"
        seen.add((row.state, row.trigger))


def _reached(rows: tuple[Row, ...], start: str) -> set[str]:
    reached, pending = {start}, [start]
    while pending:
        state = pending.pop()
        new = {row.next for row in rows if row.state == state} - reached
        reached |= new
        pending += new
    return reached


def _unreachable(lifecycle: Lifecycle) -> Iterable[str]:
    reached = _reached(lifecycle.rows, lifecycle.initial)
    return (f"state '{state}' is never reached" for state in lifecycle.states if state not in reached)


def _stuck(lifecycle: Lifecycle) -> Iterable[str]:
    for state in lifecycle.states:
        if state not in lifecycle.final and not _reached(lifecycle.rows, state) & set(lifecycle.final):
            yield f"no way leads from state '{state}' to an end"


def _without_exit(lifecycle: Lifecycle) -> Iterable[str]:
    for state in lifecycle.states:
        if state in lifecycle.final or state == lifecycle.initial:
            continue
        triggers = {row.trigger for row in lifecycle.rows if row.state == state}
        if not triggers & {"exit", "filled"}:
            yield f"state '{state}' has neither an exit nor a fill that ends it"
