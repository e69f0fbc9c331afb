"""What was done on a recorded day beside what the texts would have done on its market, and why they differ.

The second is a backtest of the same texts, under the same limits, on the recorded market, with every order filled at
natural: so neither the broker's moods, nor people, nor a lost connection are in it. What was recorded meanwhile is the
cause. Positions of earlier days are left out, since the backtest begins with none.

A difference is explained when its cause is known: prices alone, an order that waited to be filled, what an operator,
the broker or the bot itself said, what the recording lacks, or a trade before it that already differs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from engine.adapters.recorded.recording import Recording
from engine.adapters.recorded.source import RecordingSource
from engine.model.facts import EventCalendar
from engine.model.money import ZERO
from engine.model.position import Position
from engine.model.session import session_on
from engine.model.values import dataclass
from engine.record.codec import utc_time
from engine.record.record import Kind
from engine.run.backtest.fills import NATURAL
from engine.run.backtest.walk import CASH, Walk
from engine.run.glance import today_of
from engine.run.position_text import entry_text, exit_text, structure
from engine.run.replay.causes import MOST, Told, Tries
from engine.run.replay.replay import Replayed, replay
from engine.run.why_text import clock
from engine.turn.program import Program
from engine.turn.state import State

SOON = timedelta(minutes=1)
"""What differs by less is the same instant."""
_NONE = "no trade"


class What(Enum):
    """How a trade was done beside what the text says."""

    SAME = "as the spec says"
    PRICE = "at another price"
    ENTRY = "entered at another time"
    LEGS = "other legs"
    EXIT = "left otherwise"
    MISSED = "not done"
    BESIDES = "done besides"


_HARMLESS = (What.SAME, What.PRICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One trade: what was done and what the text would have done, in words; dollars of each, None where there is none.

    causes: what was recorded around the instant at which they part. is_explained: one of them is known to be the cause.
    """

    bot: str
    what: What
    at: datetime
    done: str
    would: str
    made: Decimal | None
    would_make: Decimal | None
    causes: tuple[str, ...] = ()
    is_explained: bool = True

    @property
    def differs(self) -> bool:
        """Say whether it differs by more than prices."""
        return self.what not in _HARMLESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A day: its trades, by bot and time. since: when its recording began, if the session was open by then."""

    day: date
    since: datetime | None
    trades: tuple[Drift, ...]


class _Watcher:
    """Sees a replay: what happened in it, and the program that ran when the last day began."""

    def __init__(self, opens: datetime) -> None:
        self.told, self.opens = Told(), opens
        self.program: Program | None = None

    def see(self, found: Replayed, at: datetime) -> bool:
        """Take what is new."""
        if self.program is None or at < self.opens:
            self.program = found.program
        return self.told.see(found, at)


def compared(recording: Recording) -> Compared:
    """Return what a recording's last day comes to beside its texts. Raises: StoreError, CodecError."""
    session = session_on(recording.day)
    if session is None:
        return Compared(day=recording.day, since=None, trades=())
    watcher = _Watcher(session.open)
    found = replay(recording, watcher=watcher.see)
    began = utc_time(recording.head["at"])
    since = began if began - session.open > SOON else None
    walked = _walked(recording, watcher.program or found.program, found.state.facts.events)
    done, would = _of_day(found.state, session.date), _of_day(walked.state, session.date)
    states = found.state, found.state if walked.state is None else walked.state
    trades: list[Drift] = []
    for ours, other in _pairs(done, would):
        trade = _drift(ours, other, states, session.close, watcher.told)
        if trade.differs:
            reasons = tuple(_reasons(trade, ours, other, watcher.told, walked, trades, since))
            causes = tuple(dict.fromkeys((*reasons, *trade.causes)))[:MOST]
            trade = replace(trade, causes=causes, is_explained=bool(reasons))
        trades.append(trade)
    return Compared(day=recording.day, since=since, trades=tuple(trades))


def drifts(recording: Recording) -> tuple[Drift, ...]:
    """Return each trade of a recording's last day, by bot and time. Raises: StoreError, CodecError."""
    return compared(recording).trades


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """A walk through the day: its last state, its tries, and by bot why and when it came to no trade first."""

    state: State | None
    tries: Tries
    unfilled: Mapping[str, tuple[datetime, str]]


def _walked(recording: Recording, program: Program, events: EventCalendar) -> _Walked:
    source = RecordingSource(recording.files[-1])
    walk = Walk(program, source, events, NATURAL, CASH)
    unfilled: dict[str, tuple[datetime, str]] = {}
    tries = Tries()
    for day in walk.through(recording.day, recording.day):
        for record in day.records:
            tries.take(record)
            if record.kind is Kind.ALARM:
                text = f"the recording lacks what it would have traded: {record.data['text']}"
                unfilled.setdefault(record.bot, (record.at, text))
            elif record.kind is Kind.DECISION and record.data.get("what") == "unfilled":
                text = f"at natural prices its entry does not fill: {record.data['reason']}"
                unfilled.setdefault(record.bot, (record.at, text))
    return _Walked(state=walk.state, tries=tries, unfilled=unfilled)


def _reasons(
    trade: Drift,
    done: Position | None,
    would: Position | None,
    told: Told,
    walked: _Walked,
    before: Sequence[Drift],
    since: datetime | None,
) -> Iterator[str]:
    """Yield what is known to make the two trades differ."""
    if since is not None:
        yield f"only what came after {clock(since)} is recorded"
    if any(each.bot == trade.bot and each.differs for each in before):
        yield "a trade of this bot before it differs"
    yield from (f"{clock(each.at)} {each.text}" for each in told.around(trade.bot, trade.at) if each.says_why)
    if trade.what in (What.MISSED, What.ENTRY) and (why := told.kept_out(trade.bot, trade.at)):
        yield why
    if trade.what is What.MISSED:
        yield from (f"{clock(each.at)} {each.text}" for each in told.refusals(trade.bot, trade.at))
    if trade.what in (What.BESIDES, What.ENTRY) and trade.bot in walked.unfilled:
        yield walked.unfilled[trade.bot][1]
    if done is None or would is None:
        return
    if trade.what is What.ENTRY and _set_out_alike(
        told.tries.entries, walked.tries.entries, trade.bot, done.opened_at, would.opened_at
    ):
        yield "its order waited longer in one of them to be filled"
    if trade.what is What.EXIT and done.entry_price != would.entry_price:
        yield f"entered at {_price(done)}, at natural {_price(would)}: its exits stand elsewhere"
    if (
        trade.what is What.EXIT
        and done.exit_reason == would.exit_reason
        and _set_out_alike(told.tries.exits, walked.tries.exits, trade.bot, done.closed_at, would.closed_at)
    ):
        yield "its closing order waited longer in one of them to be filled"


def _set_out_alike(
    ours: Mapping[str, Sequence[datetime]],
    others: Mapping[str, Sequence[datetime]],
    bot: str,
    done: datetime | None,
    would: datetime | None,
) -> bool:
    """Say whether both set out at the same time for what was done at different ones."""
    begun = [each for each in ours.get(bot, ()) if done is not None and each <= done]
    other = [each for each in others.get(bot, ()) if would is not None and each <= would]
    return any(abs(one - two) <= SOON for one in begun for two in other)


def _price(position: Position) -> str:
    return "-" if position.entry_price is None else f"{abs(position.entry_price):.2f}"


def _of_day(state: State | None, day: date) -> dict[str, list[Position]]:
    found: dict[str, list[Position]] = {}
    for position in () if state is None else state.positions.values():
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
    done: Position | None, would: Position | None, states: tuple[State, State], close: datetime, told: Told
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
    entered = f"{clock(position.opened_at)} {entry_text(position)}"
    if position.state != "closed" or position.closed_at is None:
        return f"{entered}; open"
    return f"{entered}; {clock(position.closed_at)} {exit_text(position)}: {position.exit_reason}"


def _causes(told: Told, bot: str, at: datetime) -> tuple[str, ...]:
    near = [f"{clock(each.at)} {each.text}" for each in told.around(bot, at)]
    return tuple(dict.fromkeys(near))[:MOST]


def total(found: Iterable[Drift]) -> Decimal:
    """Return by how many dollars what was done differs from what the texts would have made."""
    return sum(((each.made or ZERO) - (each.would_make or ZERO) for each in found), ZERO)
