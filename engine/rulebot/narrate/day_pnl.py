"""What was made since the session began: realised, by what was closed, and open."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rulebot.core.state import State
from rulebot.fill.pnl import profit
from rulebot.fill.today import realized_since
from rulebot.model.money import ZERO
from rulebot.model.position import Position


def today_of(state: State, position: Position, at: datetime) -> Decimal | None:
    """Return what a position has made since the session began, by the last known prices; None before any."""
    made = profit(position, state.board, at.timestamp())
    return since_the_open(state, position.id, state.marks.get(position.id) if made is None else made)


def since_the_open(state: State, position: str, made: Decimal | None) -> Decimal | None:
    """Return what a position has made since the session began of all that it has made since it was opened."""
    return None if made is None else made - state.bases.get(position, ZERO)


def realized_of(state: State, position: Position) -> Decimal:
    """Return what closing a position, or a part of it, has made since the session began."""
    base = state.bases.get(position.id, ZERO)
    return realized_since(position, state.booked.values(), base, state.session.date)


def realized_by(state: State, positions: Iterable[Position]) -> Decimal:
    """Return what closing these, or parts of them, has made since the session began."""
    return sum((realized_of(state, position) for position in positions), ZERO)


def realized_today(state: State) -> Decimal:
    """Return the same of all positions."""
    return realized_by(state, state.positions.values())


def owed_today(state: State) -> int:
    """Return of how many fills the broker has not told the commission: until then what was made is provisional."""
    return sum(max(position.owed, 0) for position in state.positions.values())


def open_of(state: State, position: Position, today: Decimal | None) -> Decimal:
    """Return what is open of a position has made, of all that it has made since the session began; 0 if unknown."""
    return ZERO if today is None else today - realized_of(state, position)


def open_today(state: State, at: datetime) -> Decimal:
    """Return what is open has made since the session began; 0 for one of which that is unknown."""
    return sum((open_of(state, position, today_of(state, position, at)) for position in _alive(state)), ZERO)


def is_known_today(state: State, at: datetime) -> bool:
    """Say whether each that is open has a sound price, or had one, by which it counts."""
    return all(today_of(state, position, at) is not None for position in _alive(state))


def _alive(state: State) -> Iterator[Position]:
    return (position for position in state.positions.values() if position.state != "closed")


def open_as_marked(state: State, rows: Iterable[Mapping[str, Any]]) -> Decimal:
    """Return the same by rows of `open_positions`, whose profit is of the last mark; 0 for one without."""
    found = ((state.positions.get(row["position"]), row["unrealized_pnl"]) for row in rows)
    marked = ((each, Decimal(str(made))) for each, made in found if each is not None and made is not None)
    return sum((open_of(state, each, since_the_open(state, each.id, made)) for each, made in marked), ZERO)
