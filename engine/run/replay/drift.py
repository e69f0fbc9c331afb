"""What was done on a recorded day beside what the texts would have done on its market, and why they differ.

The second is a backtest of the same texts, under the same limits, on the recorded market, with every order filled at
natural: so neither the broker's moods, nor people, nor a lost connection are in it. What was recorded meanwhile is the
cause. Positions of earlier days are left out, since the backtest begins with none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from engine.adapters.recorded.recording import Recording
from engine.adapters.recorded.source import RecordingSource
from engine.model.market import Board
from engine.model.money import ZERO
from engine.model.position import Position
from engine.model.session import EXCHANGE_ZONE, session_on
from engine.model.values import dataclass
from engine.record.record import Kind, Record
from engine.run.backtest.fills import NATURAL
from engine.run.backtest.walk import CASH, Walk
from engine.run.glance import today_of
from engine.run.happening import happening
from engine.run.position_text import entry_text, exit_text, structure
from engine.run.replay.head import beginning, readable
from engine.run.replay.replay import Replayed, replay
from engine.turn.state import State

SOON = timedelta(minutes=1)
"""What differs by less is the same instant."""
AROUND = timedelta(seconds=30)
"""How long before and after a difference its cause is looked for."""
MOST = 4
"""Causes of one difference that are told."""
_NONE = "no trade"
_NO_CAUSE = ("watching: ", "its window")


class What(Enum):
    """How a trade was done beside what the text says."""

    SAME = "as the spec says"
    PRICE = "at another price"
    ENTRY = "entered at another time"
    LEGS = "other legs"
    EXIT = "left otherwise"
    MISSED = "not done"
    BESIDES = "done besides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One trade: what was done and what the text would have done, in words; dollars of each, None where there is none.

    causes: what was recorded around the instant at which they part.
    """

    bot: str
    what: What
    at: datetime
    done: str
    would: str
    made: Decimal | None
    would_make: Decimal | None
    causes: tuple[str, ...] = ()


class _Told:
    """What happened in a replay, for people, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[datetime, str, str]] = []
        self.seen = 0

    def see(self, found: Replayed, _: datetime) -> bool:
        """Take what is new."""
        for record in found.records[self.seen :]:
            if (told := happening(record, found.state)) is not None:
                self.lines.append((told.at, told.bot, told.text))
            elif reason := _skipped(record):
                self.lines.append((record.at, record.bot, reason))
        self.seen = len(found.records)
        return False


def _skipped(record: Record) -> str:
    is_skip = record.kind is Kind.DECISION and record.data.get("what") == "skip"
    return f"no entry: {record.data.get('reason')}" if is_skip else ""


def drifts(recording: Recording) -> tuple[Drift, ...]:
    """Return each trade of a recording's last day, by bot and time. Raises: StoreError, CodecError."""
    told = _Told()
    found = replay(recording, watcher=told.see)
    session = session_on(recording.day)
    if session is None:
        return ()
    would, unpriced = _walked(recording)
    pairs = _pairs(_of_day(found.state, session.date), {} if would is None else _of_day(would, session.date))
    states = found.state, found.state if would is None else would
    drifts = [_drift(done, other, states, session.close, told) for done, other in pairs]
    return tuple(each if each.would != _NONE else replace(each, causes=_with(each, unpriced)) for each in drifts)


def _with(drift: Drift, unpriced: Mapping[str, str]) -> tuple[str, ...]:
    """Return the causes of what the texts would not have done, first why not."""
    lacked = unpriced.get(drift.bot)
    return drift.causes if lacked is None else (lacked, *drift.causes)[:MOST]


def _walked(recording: Recording) -> tuple[State | None, dict[str, str]]:
    """Return the state after a walk through the day, and by bot why it came to no trade there."""
    began = beginning(readable(recording).head, Board())
    source = RecordingSource(recording.files[-1])
    walk = Walk(began.program, source, began.state.facts.events, NATURAL, CASH)
    unpriced: dict[str, str] = {}
    for day in walk.through(recording.day, recording.day):
        for record in day.records:
            if record.kind is Kind.ALARM:
                text = f"the recording lacks what it would have traded: {record.data['text']}"
                unpriced.setdefault(record.bot, text)
            elif record.kind is Kind.DECISION and record.data.get("what") == "unfilled":
                unpriced.setdefault(record.bot, f"at natural prices its entry does not fill: {record.data['reason']}")
    return walk.state, unpriced


def _of_day(state: State, day: object) -> dict[str, list[Position]]:
    found: dict[str, list[Position]] = {}
    for position in state.positions.values():
        if position.session == day and position.opened_at is not None:
            found.setdefault(position.bot, []).append(position)
    return found


def _pairs(
    done: Mapping[str, list[Position]], would: Mapping[str, list[Position]]
) -> Iterator[tuple[Position | None, Position | None]]:
    """Yield the trades of each bot, the first with the first; what has no partner stands alone."""
    for bot in sorted(done.keys() | would.keys()):
        ours, others = done.get(bot, []), would.get(bot, [])
        for place in range(max(len(ours), len(others))):
            yield (
                ours[place] if place < len(ours) else None,
                others[place] if place < len(others) else None,
            )


def _drift(
    done: Position | None, would: Position | None, states: tuple[State, State], close: datetime, told: _Told
) -> Drift:
    what, at = _judged(done, would)
    either = done or would
    assert either is not None
    return Drift(
        bot=either.bot,
        what=what,
        at=at,
        done=_words(done),
        would=_words(would),
        made=None if done is None else today_of(states[0], done, close),
        would_make=None if would is None else today_of(states[1], would, close),
        causes=() if what is What.SAME else _causes(told, either.bot, at),
    )


def _judged(done: Position | None, would: Position | None) -> tuple[What, datetime]:
    """Return how two trades differ first, and when."""
    if done is None or would is None:
        alone = done or would
        assert alone is not None
        assert alone.opened_at is not None
        return (What.MISSED if done is None else What.BESIDES), alone.opened_at
    assert done.opened_at is not None
    assert would.opened_at is not None
    first = min(done.opened_at, would.opened_at)
    if abs(done.opened_at - would.opened_at) > SOON:
        return What.ENTRY, first
    if structure(done) != structure(would):
        return What.LEGS, first
    if done.exit_reason != would.exit_reason or _apart(done.closed_at, would.closed_at):
        return What.EXIT, min(at for at in (done.closed_at, would.closed_at, done.opened_at) if at is not None)
    return (What.SAME if done.net == would.net else What.PRICE), first


def _apart(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > SOON


def _words(position: Position | None) -> str:
    if position is None:
        return _NONE
    assert position.opened_at is not None
    entered = f"{_clock(position.opened_at)} {entry_text(position)}"
    if position.state != "closed" or position.closed_at is None:
        return f"{entered}; open"
    return f"{entered}; {_clock(position.closed_at)} {exit_text(position)}: {position.exit_reason}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"


def _causes(told: _Told, bot: str, at: datetime) -> tuple[str, ...]:
    """Return what was recorded of a bot, and of the whole run, around an instant."""
    near = [
        f"{_clock(when)} {text}"
        for when, who, text in told.lines
        if who in ("", bot) and at - AROUND <= when <= at + AROUND and not text.startswith(_NO_CAUSE)
    ]
    return tuple(dict.fromkeys(near))[:MOST]


def total(found: Iterable[Drift]) -> Decimal:
    """Return by how many dollars what was done differs from what the texts would have made."""
    return sum(((each.made or ZERO) - (each.would_make or ZERO) for each in found), ZERO)
