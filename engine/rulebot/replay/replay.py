"""A recording through the engine's turns once more: what they lead to now, beside what they led to then.

Nothing is sent and nothing is written: commands are dropped, since what came of them is in the recording.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rulebot.adapters.recorded.recording import (
    EventHeard,
    InstantPassed,
    QuotesMoved,
    Recording,
    RecordsWritten,
    RequestsExchanged,
    SessionBegan,
    play,
)
from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.program import Program
from rulebot.core.reloading import changes_between, have_other_limits, reload
from rulebot.core.state import State
from rulebot.core.state_builder import Turn
from rulebot.model.errors import InvariantError
from rulebot.model.market import Board
from rulebot.record.codec import CodecError, line, record_of
from rulebot.record.record import ACCOUNT_SEEN, CLOSING, NEAREST, Kind, Record
from rulebot.replay.recording_header import begun, desk_of

_ENTITIES = frozenset({Kind.ORDER, Kind.POSITION, Kind.BOT_DAY})
"""The kinds of records that tell the whole of something."""
_KEPT = frozenset({ACCOUNT_SEEN, CLOSING, NEAREST})
"""What records of facts tell that only a start goes by: they decide nothing in the run that keeps them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A turn that leads elsewhere now: canonical lines of what it recorded then, and of what it records now of that."""

    at: datetime
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(slots=True)
class Replayed:
    """A replay under way, or at its end.

    turns, decisions: how many were made again, and how many records they led to. difference: the first one, after which
    nothing is compared, since what follows it answers orders that are others now.
    """

    program: Program
    state: State
    at: datetime
    turns: int = 0
    decisions: int = 0
    difference: Difference | None = None
    records: list[Record] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


def replay(
    recording: Recording,
    until: datetime | None = None,
    watcher: Callable[[Replayed, datetime], bool] = lambda _, __: False,
    marks: deque[datetime] | None = None,
    glimpse: Callable[[Replayed, datetime], None] = lambda _, __: None,
) -> Replayed:
    """Live through a recording, up to an instant if one is given, or until `watcher` says that this is enough.

    watcher: is shown every turn after it was made, and once more when its records are there. marks: instants, rising;
    `glimpse` is shown what stands at the end of each, as far as the recording goes on after it.
    Raises: StoreError, CodecError.
    """
    marks = deque() if marks is None else marks
    if until is not None:
        marks.append(until)
    board = Board()
    recording, (state, program, digests) = begun(recording, board)
    found = Replayed(program, state, state.session.open, digests=dict(digests))
    pending: Turn | None = None
    for step in play(recording.files, board, marks):
        if type(step) is InstantPassed:
            if until is not None and step.at >= until:
                break
            glimpse(found, step.at)
        if type(step) in (QuotesMoved, InstantPassed):
            continue
        if type(step) is RecordsWritten:
            _compare(found, step.at, step.lines, pending)
            pending = None
        else:
            _compare(found, found.at, (), pending)
            pending = None
            if found.difference is not None:
                break
            assert isinstance(step, SessionBegan | EventHeard | RequestsExchanged)
            pending = _turn(found, step)
            found.state, found.at = pending.state, step.at
            found.turns += 1
        if found.difference is not None or watcher(found, step.at):
            break
    else:
        _compare(found, found.at, (), pending)
    return found


def _turn(found: Replayed, step: SessionBegan | EventHeard | RequestsExchanged) -> Turn:
    if isinstance(step, EventHeard):
        return handle_event(found.program, found.state, step.event)
    if isinstance(step, SessionBegan):
        return start_run(found.program, found.state, step.at)
    desk = desk_of(step.data)
    changed = changes_between(found.digests, desk.digests)
    before, found.program = found.program, desk.succeeding(found.program, {each.bot for each in changed})
    found.digests = dict(desk.digests)
    is_other = have_other_limits(before, found.program)
    return reload(found.program, found.state, step.at, changed, has_other_limits=is_other)


def _compare(found: Replayed, at: datetime, then: tuple[str, ...], made: Turn | None) -> None:
    """Compare what a turn led to with what it led to then; a recording tells nothing of a turn without records."""
    if made is None:
        if then:
            raise InvariantError(f"a recording tells at {at} what came of no turn")
        return
    now = tuple(line(record) for record in made.records)
    found.decisions += len(now)
    found.records += made.records
    if now != then and (comparable := as_told_then(without_kept(made.records, then), then)) != then:
        found.difference = Difference(at, then, comparable)


def without_kept(records: Iterable[Record], then: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of a turn without what is kept for a start alone, where a version before did not keep it."""
    added = {what for what in _KEPT if not any(f'"what":"{what}"' in each for each in then)}
    return tuple(line(each) for each in records if each.kind is not Kind.FACTS or each.data["what"] not in added)


def as_told_then(now: tuple[str, ...], then: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of a turn without what the version of `then` did not tell yet of an order, a position or a day.

    What it had no word for cannot be compared; what is decided by that can. A version tells all there is of such a
    thing each time, so that its own lines stay whole.
    """
    if len(now) != len(then):
        return now
    return tuple(told if told == before else _as_told(told, before) for told, before in zip(now, then, strict=True))


def _as_told(now: str, then: str) -> str:
    try:
        record, before = record_of(now), record_of(then)
    except CodecError:
        return now
    if record.kind not in _ENTITIES or before.kind is not record.kind:
        return now
    data = _only_what_was_told(record.data, before.data)
    assert isinstance(data, dict)
    return line(replace(record, data=data))


def _only_what_was_told(now: object, then: object) -> Any:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        return {name: _only_what_was_told(value, then[name]) for name, value in now.items() if name in then}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [_only_what_was_told(*pair) for pair in zip(now, then, strict=True)]
    return now
