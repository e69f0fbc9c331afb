"""What a day of a long run goes on from: the engine's whole state between two turns, as exact JSON and back."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from rulebot.core.state import State
from rulebot.model.market import Board
from rulebot.record.codec import CodecError, decode_as, encode_as
from rulebot.record.record import Json

HINTS = {name: hint for name, hint in get_type_hints(State).items() if name != "board"}


def told_state(state: State) -> dict[str, Json]:
    """Return a state without its board, which the recording has itself. Raises: CodecError where it has no JSON."""
    return {name: encode_as(hint, getattr(state, name)) for name, hint in HINTS.items()}


def state_of(told: Mapping[str, Any], board: Board) -> State:
    """Return the state that `told_state` tells of, on a board. Raises: CodecError."""
    if told.keys() != HINTS.keys():
        raise CodecError("another version's state")
    return State(board=board, **{name: decode_as(hint, told[name]) for name, hint in HINTS.items()})
