"""A recording through the engine's turns again: their results now, against the recorded ones.

Nothing is sent and nothing is written: commands are dropped, since their results are in the recording.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from math import isnan
from pathlib import Path
from typing import Any

from rulebot.adapters.recorded.file import instant, span
from rulebot.adapters.recorded.recording import (
    EventReceived,
    InstantPassed,
    QuotesMoved,
    Recording,
    RecordsWritten,
    RequestsExchanged,
    SessionBegan,
    open_recording,
    play,
)
from rulebot.core.handle_event import handle_event, reload, start_run
from rulebot.core.program import CompiledBot, CompiledRule, Program
from rulebot.core.session.reloading import changes_between, have_other_limits
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.core.state.state import State
from rulebot.core.state.turn import Turn
from rulebot.measure.evaluation import Evaluation
from rulebot.model.contract import Underlying
from rulebot.model.errors import InvariantError, MisuseError, RulebotError
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time, session_on
from rulebot.record.codec import line
from rulebot.record.record import Record
from rulebot.replay.recordings import desk_of, started
from rulebot.wording.condition import describe


@dataclass(frozen=True, slots=True)
class Difference:
    """A turn that leads elsewhere now: canonical lines of what it recorded then, and of what it records now."""

    at: datetime
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(slots=True)
class Replayed:
    """A replay in progress, or at its end.

    turns, decisions: how many were repeated, and how many records they led to. difference: the first one, after which
    nothing is compared, since what follows answers other orders.
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
    """Run a recording, up to an instant if given, or until `watcher` says that this is enough.

    watcher: gets every turn after it was made, and again with its records. marks: instants, rising; `glimpse` gets the
    state at the end of each, as far as the recording continues after it. Raises: StoreError, CodecError.
    """
    marks = deque() if marks is None else marks
    if until is not None:
        marks.append(until)
    board = Board()
    recording, (state, program, digests) = started(recording, board)
    found = Replayed(program, state, state.schedule.session.open, digests=dict(digests))
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
            assert isinstance(step, SessionBegan | EventReceived | RequestsExchanged)
            pending = _turn(found, step)
            found.state, found.at = pending.state, step.at
            found.turns += 1
        if found.difference is not None or watcher(found, step.at):
            break
    else:
        _compare(found, found.at, (), pending)
    return found


def _turn(found: Replayed, step: SessionBegan | EventReceived | RequestsExchanged) -> Turn:
    if isinstance(step, EventReceived):
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
    """Compare a turn's results with the recorded ones; a recording has nothing of a turn without records."""
    if made is None:
        if then:
            raise InvariantError(f"the recording has at {at} an event of no turn")
        return
    now = tuple(line(record) for record in made.records)
    found.decisions += len(now)
    found.records += made.records
    if now != then:
        found.difference = Difference(at, then, now)


# --- What a bot saw at an instant of a replay

_TRUTHS = {True: "yes", False: "no", None: "unknown"}
_QUOTED = ("bid", "ask", "last", "iv", "delta")


def view_lines(found: Replayed, at: datetime) -> Iterator[str]:
    """Yield, for each bot that ran, what its entry conditions say; then the levels and quotes that are streamed."""
    for name, bot in found.program.bots.items():
        results = list(conditions(found, bot, at))
        if not results:
            continue
        yield ""
        yield f" {name}, if it were to enter now:"
        width = max(len(called) for called, _, _ in results)
        for called, rule, evaluation in results:
            words = describe(rule.rule, evaluation).removeprefix("unknown").lstrip()
            yield f"   {called:<{width}}  {_TRUTHS[evaluation.truth]:<7}  {words}"
    yield ""
    yield " what was streamed:"
    for name, row in sorted((str(contract), row) for contract, row in found.state.market.board.rows.items()):
        yield f"   {_quote(found.state.market.board, row, name)}"


def view_document(found: Replayed, asked: datetime, at: datetime) -> dict[str, Any]:
    """Return the same for machines. asked: which instant was, beyond the end of the recording where that is later."""
    board = found.state.market.board
    return {
        "at": asked.isoformat(),
        "until": found.at.isoformat(),
        "bots": {
            name: [
                {"rule": called, "truth": evaluation.truth, "why": describe(rule.rule, evaluation)}
                for called, rule, evaluation in conditions(found, bot, at)
            ]
            for name, bot in found.program.bots.items()
        },
        "quotes": {
            str(contract): {name: known_number(board, name, row) for name in _QUOTED}
            for contract, row in board.rows.items()
        },
        "positions": sorted(found.state.positions.active),
    }


def conditions(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[tuple[str, CompiledRule, Evaluation]]:
    """Yield what each entry condition of a bot is called, and says.

    Those of a universe for each of its symbols, those of an alternative of `choose` behind its name.
    """
    for each in [member.bot for member in bot.members] or [bot]:
        for rule, evaluation in entry_evaluations(found, each, at):
            yield f"{each.symbol} {rule.rule.name}".strip(), rule, evaluation
        view = view_of(StateBuilder(found.program, found.state, at))
        for choice in each.choices:
            for rule in choice.when:
                yield f"{each.symbol} {choice.name}: {rule.rule.name}".strip(), rule, rule.judge(view)


def entry_evaluations(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[tuple[CompiledRule, Evaluation]]:
    """Yield each entry condition of a bot on one underlying with what it says at that instant."""
    view = view_of(StateBuilder(found.program, found.state, at))
    for rule in bot.when:
        yield rule, rule.judge(view)


def known_number(board: Board, name: str, row: int) -> float | None:
    """Return a column of a row, None when it is missing."""
    value: float = getattr(board, name)[row]
    return None if isnan(value) else round(value, 6)


def _quote(board: Board, row: int, name: str) -> str:
    bid, ask, last, iv, delta = (known_number(board, each, row) for each in _QUOTED)
    if bid is None and ask is None:
        return f"{name}  {'-' if last is None else f'{last:.2f}'}"
    sides = " / ".join("-" if side is None else f"{side:.2f}" for side in (bid, ask))
    if isinstance(board.contracts[row], Underlying):
        return f"{name}  {sides}"
    greeks = [f"{word} {value:.3f}" for word, value in (("iv", iv), ("delta", delta)) if value is not None]
    return "  ".join((name, sides, *greeks))


# --- An instant of a recorded day


class OtherwiseError(RulebotError):
    """This version decides otherwise before an instant of a recording: what the engine knew then is not known."""

    exit_code = 1


def instant_of(files: Sequence[Path], clock: time | None) -> datetime:
    """Return this time of the day of these recordings, without one the last recorded instant of its session.

    Raises: StoreError.
    """
    recording = open_recording(files[-1])
    if clock is not None:
        return at_exchange_time(recording.day, clock)
    last, session = instant(span(files[-1])[1]), session_on(recording.day)
    return last if session is None else min(last, session.close - timedelta(seconds=1))


def recording_at(files: Sequence[Path], at: datetime) -> Recording:
    """Return the recording of the last run that had begun by then, else the first one. Raises: StoreError."""
    recordings = [open_recording(file) for file in files]
    started = [each for each in recordings if datetime.fromisoformat(each.head["at"]) <= at]
    return (started or recordings)[-1 if started else 0]


def known_until(files: Sequence[Path], at: datetime) -> datetime:
    """Return when the recording of these that has an instant ends. Raises: StoreError."""
    return instant(span(recording_at(files, at).files[-1])[1])


def replayed_until(files: Sequence[Path], at: datetime) -> Replayed:
    """Live through the recording of these that has an instant, up to it.

    Raises: MisuseError when nothing was recorded by then; OtherwiseError, StoreError, CodecError.
    """
    recording = recording_at(files, at)
    found = replay(recording, until=at)
    began, asked = (each.astimezone(EXCHANGE_ZONE) for each in (datetime.fromisoformat(recording.head["at"]), at))
    if found.difference is not None:
        since = found.difference.at.astimezone(EXCHANGE_ZONE)
        raise OtherwiseError(
            f"this version of rulebot decides otherwise at {since:%H:%M:%S} of {recording.day}: the state at "
            f"{asked:%H:%M:%S} is unknown",
            "'rulebot replay' without --at shows the difference",
        )
    if not found.turns:
        raise MisuseError(
            f"nothing was recorded of {recording.day} by {asked:%H:%M:%S}", f"its recording begins at {began:%H:%M:%S}"
        )
    return found
