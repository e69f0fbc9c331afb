"""The position lifecycle, enforced by `transitions`.

The table is checked when the plan is built (`compile/plan.py`); here a move that it does not list is our own error
and stops everything. No guards and no callbacks: whether to move is decided before, by pure functions.
"""

from functools import lru_cache
from typing import Any

from transitions import Machine

from rulebot.compile.plan import Lifecycle
from rulebot.model.errors import InvariantError


class _Held:
    """The model object that `transitions` moves."""

    state: str
    trigger: Any


@lru_cache(maxsize=16)
def _machine(lifecycle: Lifecycle) -> tuple[Machine, _Held]:
    held = _Held()
    machine = Machine(
        model=held,
        states=list(lifecycle.states),
        transitions=[[row.trigger, row.state, row.next] for row in lifecycle.rows],
        initial=lifecycle.initial,
        auto_transitions=False,
        send_event=False,
    )
    return machine, held


@lru_cache(maxsize=1024)
def next_state(lifecycle: Lifecycle, state: str, trigger: str) -> str:
    """Return the state that `trigger` leads to. Raises: InvariantError when the table has no such row."""
    machine, held = _machine(lifecycle)
    if trigger not in machine.get_triggers(state):
        raise InvariantError(f"a position in state '{state}' cannot take '{trigger}'")
    machine.set_state(state, held)
    held.trigger(trigger)
    return held.state


def can(lifecycle: Lifecycle, state: str, trigger: str) -> bool:
    """Say whether the table has a row for `trigger` in `state`."""
    return any(row.state == state and row.trigger == trigger for row in lifecycle.rows)
