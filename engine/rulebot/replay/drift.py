"""Drift: what was done on a recorded day, against what the specs would have done on its market, and why they differ.

The second is a walk of the same specs, under the same limits and from the engine's state, through the recorded market
(`reruns.py`), in which an order that the recording knows gets its recorded answers. So fills and rejects make no
difference; acts of people, lost connections, and deviations of the engine from its specs do. What was recorded
meanwhile is the cause.

A third one is the same walk with every order filled at natural, as most backtests do. It differs from the second only
in fills: what those brought, and where they led a bot elsewhere.

A difference is explained when its cause is known: prices alone, an operator or the broker, a record of the bot itself
that the walk lacks, gaps of the recording, or an earlier trade that already differs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from rulebot.adapters.recorded.recording import Recording
from rulebot.backtest.simulation import BEFORE_OPEN
from rulebot.core.program import Program
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.state.state import State
from rulebot.model.money import ZERO
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.model.session import Session, exchange_date, session_on
from rulebot.model.text import clock
from rulebot.model.values import dataclass
from rulebot.narrate.day_report import left_at
from rulebot.narrate.positions import (
    closed_parts,
    ending_text,
    entry_text,
    live_orders,
    opened_count,
    part_text,
    structure,
)
from rulebot.narrate.snapshot_of_state import today_of
from rulebot.record.codec import utc_time
from rulebot.replay.replay import Replayed, replay
from rulebot.replay.reruns import MOST, Line, RecordedCause, Rerun, StateAt, TradeMatch, answered, at_natural, together

# --- Why two trades differ, as far as it follows from what was recorded, and from two walks through the day

SOON = timedelta(minutes=1)
"""What differs by less is the same instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDay:
    """The data of a day. reported: its records. walked: what the specs would have done.

    since, until: begin and end of its recording, if within the session.
    """

    reported: RecordedCause
    walked: Rerun
    since: datetime | None
    until: datetime | None

    def of_its_own(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the reasons among these that the walk had not as well."""
        yield from (
            each for each in lines if each.says_why and (each.said is None or each.said not in self.walked.said)
        )


def apart(one: datetime | None, other: datetime | None) -> bool:
    """Say whether these are two instants, or one of them never came."""
    if one is None or other is None:
        return one is not other
    return abs(one - other) > SOON


# ---------------------------------------------------------------- what was done, against the spec


def reasons(bot: str, at: datetime, done: Position | None, would: Position | None, known: RecordedDay) -> Iterator[str]:
    """Yield what is known to make them differ from an instant on."""
    reported, walked = known.reported, known.walked
    if known.since is not None and at <= known.since + SOON:
        yield f"only what came after {clock(known.since)} is recorded"
    if known.until is not None and at >= known.until:
        yield f"only what came before {clock(known.until)} is recorded"
    yield from filter(None, (reported.still(at),))
    yield from _reason_words(known.of_its_own(reported.around(bot, at)))
    is_late = done is not None and would is not None and apart(done.opened_at, would.opened_at)
    if done is None or is_late:
        yield from filter(None, (reported.kept_out(bot, at),))
    else:
        yield from filter(None, (reported.unlinked(bot, at),))
    if done is None:
        yield from _reason_words(known.of_its_own(reported.refusals(bot, at)))
    elif done.hold:
        yield from _since_it_is_held(done, at, known)
    if (would is None or is_late) and bot in walked.lacks:
        yield f"the recording lacks what it would have traded: {walked.lacks[bot][0].text}"
    yield from _reason_words(reported.reloads(bot, at))
    yield from _since_it_left(bot, at, known)


def _since_it_is_held(done: Position, at: datetime, known: RecordedDay) -> Iterator[str]:
    """Yield why the engine sent nothing more for a position, long before its text would have: it was said once."""
    alarms = [
        each
        for each in known.of_its_own(known.reported.lines)
        if each.bot == done.bot and done.on_hold in each.text and each.at <= at + SOON
    ]
    yield from _reason_words(alarms[-1:])


def _since_it_left(bot: str, at: datetime, known: RecordedDay) -> Iterator[str]:
    """Yield what made a bot do otherwise than the recording before: from then on its orders are filled by a model."""
    left = known.walked.left
    if bot not in left or left[bot][0] > at - SOON:
        return
    since = left[bot][0]
    before = [*_reason_words(known.of_its_own(known.reported.around(bot, since)))]
    before += filter(None, (known.reported.kept_out(bot, since),))
    before += (
        f"{clock(other_at)} {other} did otherwise before it, and they share the account and its market data"
        for other, (other_at, _) in left.items()
        if other_at < since
    )
    yield from (f"{each}; since {clock(since)} its orders are others" for each in before)


def _reason_words(lines: Iterable[Line]) -> Iterator[str]:
    yield from (f"{clock(each.at)} {each.text}" for each in lines)


# ---------------------------------------------------------------- the same text with other fills


def lacking(position: Position, walked: Rerun) -> str:
    """Return since when the recording lacks what a position of a walk held, "" when it has all of it.

    Lines of what a bot held are given up when it has left: another walk that holds it longer sees nothing of it.
    """
    opened, closed = position.opened_at, position.closed_at
    for each in walked.lacks.get(position.bot, ()):
        is_its = each.position in ("", position.id)
        if is_its and opened is not None and opened <= each.at and (closed is None or each.at <= closed):
            return f"{clock(each.at)} the recording lacks what it would have held: {each.text}"
    return ""


def never_tried(bot: str, walked: Rerun, natural: Rerun) -> str:
    """Return that a bot which started an entry never does so at natural; "" where it does, so fills are no reason.

    A recorded obstacle is reported. Otherwise its conditions were never true: such a walk has an instant every five
    seconds, and bars, volumes and volatilities of streamed symbols only.
    """
    if bot in natural.tries.entries or bot not in walked.tries.entries:
        return ""
    then, last = {why for _, why in walked.kept_out.get(bot, ())}, walked.tries.entries[bot][-1]
    known = (f"{clock(at)} {why}" for at, why in natural.kept_out.get(bot, ()) if why not in then and at <= last)
    why = next(known, "looked at every five seconds, what it reads never let it, or was not there")
    return f"at natural it never sets out to enter: {why}"


def of_fills(bot: str, would: Position | None, could: Position | None, walked: Rerun, natural: Rerun) -> Iterator[str]:
    """Yield where fills alone led a text elsewhere: `would` as they were recorded, `could` at natural."""
    if would is None and bot in walked.unfilled:
        yield f"{clock(walked.unfilled[bot][0])} not filled: {walked.unfilled[bot][1]}"
    if could is None and bot in natural.unfilled:
        yield f"{clock(natural.unfilled[bot][0])} not filled at natural: {natural.unfilled[bot][1]}"
    if would is None or could is None:
        return
    if apart(would.opened_at, could.opened_at):
        ours, others = walked.tries.entries, natural.tries.entries
        if _set_out_alike(ours, others, bot, would.opened_at, could.opened_at):
            yield "its order waited longer in one of them to be filled"
        return
    if opened_count(would) != opened_count(could):
        yield f"{opened_count(would)} filled, at natural {opened_count(could)}"
    if would.entry_price != could.entry_price:
        yield f"entered at {_price(would)}, at natural {_price(could)}: its exits have other levels"
    ours, others = walked.tries.exits, natural.tries.exits
    waits = would.exit_reason == could.exit_reason and apart(would.closed_at, could.closed_at)
    if waits and _set_out_alike(ours, others, bot, would.closed_at, could.closed_at):
        yield "its closing order waited longer in one of them to be filled"


def without_result(bot: str, reported: RecordedCause, since: datetime) -> Iterator[str]:
    """Yield why entries that a bot sent from an instant on were not filled: what was said when each of them ended."""
    for each in reported.lines:
        if each.said is not None and each.said[:2] == (bot, "unfilled") and each.at >= since:
            yield from _reason_words(line for line in reported.around(bot, each.at) if line.says_why)


def unseen_at_natural(bot: str, reported: RecordedCause, natural: Rerun) -> str:
    """Return until when the legs of an entry were streamed that a walk at natural still waits for; "" for all of it.

    The bot that ran gave them up when its own entry had ended.
    """
    for order in () if natural.state is None else natural.state.orders.by_ref.values():
        if order.bot == bot and order.purpose is Purpose.ENTRY and order.sent_at is not None:
            gone = (at for leg in order.legs for at in reported.given_up.get(leg.option, ()))
            if ends := [at for at in gone if order.sent_at <= at <= order.changed_at]:
                return f"its legs were streamed until {clock(min(ends))}"
    return ""


def _set_out_alike(
    ours: Mapping[str, Sequence[datetime]],
    others: Mapping[str, Sequence[datetime]],
    bot: str,
    one: datetime | None,
    other: datetime | None,
) -> bool:
    """Say whether both set out at the same time for what was done at different ones."""
    started = [each for each in ours.get(bot, ()) if one is not None and each <= one]
    also = [each for each in others.get(bot, ()) if other is not None and each <= other]
    return any(abs(each - its) <= SOON for each in started for its in also)


def _price(position: Position) -> str:
    return "-" if position.entry_price is None else f"{abs(position.entry_price):.2f}"


# --- What was done on a recorded day, against the specs on its market, and why they differ

_NONE = "no trade"
_UNKNOWN = "not known"


class DriftKind(Enum):
    """How a trade was done, against the spec."""

    SAME = "as the spec says"
    PRICE = "at another price"
    ENTRY = "entered at another time"
    LEGS = "other legs"
    QUANTITY = "another quantity"
    EXIT = "left otherwise"
    MISSED = "not done"
    BESIDES = "done besides"
    UNFILLED = "not filled"
    CUT = "after the end of the recording"


_HARMLESS = (DriftKind.SAME, DriftKind.PRICE, DriftKind.UNFILLED, DriftKind.CUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtNatural:
    """The same trade with all orders filled at natural, in words, and its dollars. causes: reasons of its difference.

    differs: by more than prices. is_known: the recording has all that it held; otherwise its profit, or end, is
    unknown.
    """

    would: str
    would_make: Decimal | None
    differs: bool
    is_known: bool = True
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecDrift:
    """One trade: what was done and what the spec would have done, in words; dollars of each, None where there is none.

    causes: records around the instant at which they part. is_explained: one of them is known to be the cause. is_known:
    the recording has all that the spec would have held. position: as it was done, "" where it was not. natural: None
    where unknown: for a part of a day, and for bots that wait for web hooks.
    """

    bot: str
    what: DriftKind
    at: datetime
    done: str
    would: str
    made: Decimal | None
    would_make: Decimal | None
    position: str = ""
    natural: AtNatural | None = None
    causes: tuple[str, ...] = ()
    is_explained: bool = True
    is_known: bool = True

    @property
    def differs(self) -> bool:
        """Say whether what was done differs from what the text says, by more than prices."""
        return self.what not in _HARMLESS

    @property
    def is_whole(self) -> bool:
        """Say whether the recording has all that either walk held."""
        return self.is_known and (self.natural is None or self.natural.is_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayComparison:
    """A day: its trades, by bot and time, and bots whose entries never filled.

    since, until: begin and end of its recording, if within the session. is_other: at `until` this engine decided
    differently from the recording one, and was followed no further.
    """

    day: date
    since: datetime | None
    until: datetime | None
    trades: tuple[SpecDrift, ...]
    is_other: bool = False


class _Watcher:
    """Observes a replay: its events, and the engine's state when the last day began."""

    def __init__(self, begins: datetime) -> None:
        self.reported, self.begins = RecordedCause(), begins
        self.stood: tuple[datetime, State, Program, int] | None = None

    def see(self, found: Replayed, at: datetime) -> bool:
        """Take what is new."""
        if self.stood is None or self.stood[0] < self.begins:
            self.stood = at, found.state, found.program, len(found.records)
        return self.reported.see(found, at)


def compared(recording: Recording, reported: Callable[[str], None] = lambda words: None) -> DayComparison:
    """Return a recording's last day against its specs; `reported` gets each step, which takes a while.

    Raises: StoreError, CodecError.
    """
    session = session_on(recording.day)
    if session is None:
        return DayComparison(day=recording.day, since=None, until=None, trades=())
    watcher = _Watcher(session.open - BEFORE_OPEN)
    reported("living through it again")
    found = replay(recording, watcher=watcher.see)
    began = utc_time(recording.head["at"])
    since = began if began - session.open > SOON else None
    until = found.at if found.at < session.close else None
    is_other = found.difference is not None
    if watcher.stood is None:
        return DayComparison(day=recording.day, since=since, until=until, trades=(), is_other=is_other)
    at, state, program, count = watcher.stood
    stood = StateAt(at=at, state=state, program=program, records=found.records[count:])
    reported("walking through it with the answers of then")
    walked = answered(recording, stood)
    natural = None
    if since is None and until is None:
        reported("walking through it at natural")
        natural = at_natural(recording, stood)
    known = RecordedDay(reported=watcher.reported, walked=walked, since=since, until=until)
    trades = list(_trades(session, found.state, stood, known, natural))
    trades += _not_entered(session.date, found.state, program, known, natural, {each.bot for each in trades})
    trades.sort(key=lambda each: each.bot)
    return DayComparison(day=recording.day, since=since, until=until, trades=tuple(trades), is_other=is_other)


def drifts(recording: Recording) -> tuple[SpecDrift, ...]:
    """Return each trade of a recording's last day, by bot and time. Raises: StoreError, CodecError."""
    return compared(recording).trades


def total(found: Iterable[SpecDrift]) -> Decimal:
    """Return by how many dollars what was done differs from what the texts would have made, as far as it is known."""
    known = [each for each in found if each.is_known]
    return sum(((each.made or ZERO) - (each.would_make or ZERO) for each in known), ZERO)


def by_fills(found: Iterable[SpecDrift]) -> Decimal:
    """Return by how many dollars the fills of then were better than natural ones, as far as anybody can say."""
    known = [(each.would_make, each.natural.would_make) for each in found if each.natural and each.is_whole]
    return sum(((then or ZERO) - (natural or ZERO) for then, natural in known), ZERO)


# ---------------------------------------------------------------- trade by trade


def _trades(
    session: Session, done: State, stood: StateAt, known: RecordedDay, natural: Rerun | None
) -> Iterator[SpecDrift]:
    close, would = session.close, known.walked.state or done
    over = {name for name, each in stood.state.positions.by_id.items() if each.closed_at is not None}
    states = done, would, None if natural is None else natural.state
    differing: set[str] = set()
    held_on: set[str] = set()
    for found in together(session.date, *states):
        trio = _as_left(states, found)
        beside = None
        if natural is not None and not _receives_hooks(stood.program, trio.bot):
            beside = _known_beside(trio, _at_natural(trio, close, known.walked, natural), held_on)
        if trio.done is None and trio.would is None and beside is None:
            continue
        if trio.done is not None and trio.done.id in over:
            continue  # it was another run's: nothing of it is in this recording
        trade = _trade(trio, done, would, known, close, beside)
        if trade.what is not DriftKind.SAME:
            trade = _with_causes(trade, trio, known, is_after=trio.bot in differing)
        if trade.differs:
            differing.add(trio.bot)
        yield trade


def _trade(
    trio: TradeMatch, done: State, would: State, known: RecordedDay, close: datetime, beside: AtNatural | None
) -> SpecDrift:
    """Return one trade as it was done, against the specs, without causes."""
    what, at = _judged(trio.done, trio.would, close, trio.could, known.until)
    seen = known.until or close
    made = _made(done, trio.done, seen)
    lacks = "" if trio.would is None or what is DriftKind.SAME else lacking(trio.would, known.walked)
    is_known = not lacks and what is not DriftKind.CUT
    return SpecDrift(
        bot=trio.bot,
        what=what,
        at=at,
        done=_words(done, trio.done),
        would=_words(would, trio.would, lacks),
        made=made,
        would_make=made if what is DriftKind.SAME else _made(would, trio.would, seen) if is_known else None,
        position="" if trio.done is None else trio.done.id,
        natural=beside,
        is_known=is_known,
    )


def _not_entered(
    day: date, done: State, program: Program, known: RecordedDay, natural: Rerun | None, traded: Set[str]
) -> Iterator[SpecDrift]:
    """Yield of each bot that set out to enter, and is not among those that traded, what came of it."""
    for bot, tries in known.reported.tries.entries.items():
        since = next((at for at in tries if exchange_date(at) == day), None)
        if since is None or bot in traded:
            continue
        entries = (each for each in done.orders.by_ref.values() if each.bot == bot and each.purpose is Purpose.ENTRY)
        beside = None
        if natural is not None and not _receives_hooks(program, bot):
            never, unseen = never_tried(bot, known.walked, natural), unseen_at_natural(bot, known.reported, natural)
            beside = AtNatural(
                would=_UNKNOWN if unseen else _NONE,
                would_make=None,
                differs=False,
                is_known=not (never or unseen),
                causes=_few(filter(None, (never, unseen))),
            )
        yield SpecDrift(
            bot=bot,
            what=DriftKind.CUT if any(each.status.is_live for each in entries) else DriftKind.UNFILLED,
            at=since,
            done=_NONE,
            would=_NONE,
            made=None,
            would_make=None,
            natural=beside,
            causes=_few(without_result(bot, known.reported, since)),
        )


def _as_left(states: Sequence[State | None], found: TradeMatch) -> TradeMatch:
    """Return closed positions as of their last closing order: what that left over may have expired hours later.

    One whose wings are still held counts as closed, too, where the same exit left it as done and in the walk.
    """
    by_one = len({each.exit_reason for each in (found.done, found.would) if each is not None}) == 1

    def left(state: State | None, position: Position | None) -> Position | None:
        if state is None or position is None:
            return position
        if position.state == "closed" or (by_one and _has_left_wings(state, position)):
            return replace(position, closed_at=left_at(state, position))
        return position

    return TradeMatch(found.bot, *map(left, states, found[1:]))


def _has_left_wings(state: State, position: Position) -> bool:
    """Say whether an exit has closed all sold legs, and works no more: bought ones beside them may expire."""
    signs = {leg.sign for leg in position.legs}
    held = {leg.sign for leg in position.legs if leg.held}
    return position.state == "exiting" and held == {1} < signs and not live_orders(state, position, *CLOSING)


def _receives_hooks(program: Program, bot: str) -> bool:
    """Say whether a bot waits for other programs: a walk at natural prices gets no web hooks."""
    found = program.bots.get(bot)
    return found is not None and bool(found.plan.needs.hooks)


def _with_causes(trade: SpecDrift, trio: TradeMatch, known: RecordedDay, *, is_after: bool) -> SpecDrift:
    near = [f"{clock(each.at)} {each.text}" for each in known.reported.around(trade.bot, trade.at)]
    if not trade.differs:
        return replace(trade, causes=_few(near))
    why = ["a trade of this bot before it differs"] if is_after else []
    why += reasons(trade.bot, trade.at, trio.done, trio.would, known)
    left = known.walked.left.get(trade.bot)
    parts = [] if left is None else [f"{clock(left[0])} here they part: {left[1]}"]
    return replace(trade, causes=_few([*why, *parts, *near]), is_explained=bool(why))


def _few(causes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(causes))[:MOST]


def _at_natural(trio: TradeMatch, close: datetime, walked: Rerun, natural: Rerun) -> AtNatural | None:
    """Return a trade at natural against the same spec's with the recorded fills; None where neither makes one."""
    bot, _, would, could = trio
    if would is None and could is None:
        return None
    what = _judged(would, could, close)[0]
    lacks = never_tried(bot, walked, natural) if could is None else lacking(could, natural)
    differs = what not in _HARMLESS and not (lacks and (could is None or what is DriftKind.EXIT))
    causes = of_fills(bot, would, could, walked, natural) if what not in _HARMLESS else ()
    return AtNatural(
        would=_words(natural.state, could, lacks),
        would_make=None if lacks else _made(natural.state, could, close),
        differs=differs,
        is_known=not lacks,
        causes=_few(filter(None, (lacks, *causes))),
    )


def _known_beside(trio: TradeMatch, beside: AtNatural | None, held_on: set[str]) -> AtNatural | None:
    """Return a trade at natural, unknown where it would have been rolled from one that is: that was held on, unseen.

    held_on: those that are unknown so far, by name; this one is put to them.
    """
    sides = [each for each in trio[1:] if each is not None]
    if beside is not None and beside.is_known and any(each.rolled_from in held_on for each in sides):
        beside = replace(beside, would_make=None, is_known=False)
    if beside is not None and not beside.is_known:
        held_on |= {each.id for each in sides}
    return beside


def _judged(
    done: Position | None,
    would: Position | None,
    close: datetime,
    could: Position | None = None,
    until: datetime | None = None,
) -> tuple[DriftKind, datetime]:
    """Return how two trades differ first, and when. Without either, only fills prevented a third.

    Two that are both held to the end, one of them exiting, differ there. until: end of the recording, if within the
    session: later acts of one are unknown of the other.
    """
    if done is None or would is None:
        return _judged_alone(done, would, could, until)
    first = min(_opened(done), _opened(would))
    if apart(_opened(done), _opened(would)):
        return DriftKind.ENTRY, first
    if structure(done) != structure(would):
        return DriftKind.LEGS, first
    is_filling = until is not None and done.state == "entering"
    if opened_count(done) != opened_count(would) and not is_filling:
        return DriftKind.QUANTITY, first
    at = _ended_apart(done, would, close)
    if at is not None and (until is None or at < until):
        return DriftKind.EXIT, at
    is_same = done.net == would.net if at is None else done.entry_price == would.entry_price
    return (DriftKind.SAME if is_same else DriftKind.PRICE), first


def _judged_alone(
    done: Position | None, would: Position | None, could: Position | None, until: datetime | None
) -> tuple[DriftKind, datetime]:
    """Return the same where one of both is missing."""
    alone = done or would or could
    assert alone is not None
    at = _opened(alone)
    if done is not None:
        return DriftKind.BESIDES, at
    if would is None:
        return DriftKind.UNFILLED, at
    return (DriftKind.CUT if until is not None and at >= until else DriftKind.MISSED), at


def _opened(position: Position) -> datetime:
    assert position.opened_at is not None
    return position.opened_at


def _ended_apart(done: Position, would: Position, close: datetime) -> datetime | None:
    """Return when the first of two trades ended that ended otherwise than the other, None where both ended alike."""
    if done.exit_reason == would.exit_reason and not apart(*(_ended_by(each, close) for each in (done, would))):
        return None
    return min((at for at in (done.closed_at, would.closed_at) if at is not None), default=close)


def _ended_by(position: Position, close: datetime) -> datetime | None:
    """Return when a position ended, at the latest with the session: it has expired then, whenever that is reported."""
    return None if position.closed_at is None else min(position.closed_at, close)


def _made(state: State | None, position: Position | None, at: datetime) -> Decimal | None:
    """Return what a trade has made; `at`: while it was still seen, for afterwards its last mark alone is known."""
    return None if state is None or position is None else today_of(state, position, at)


def _words(state: State | None, position: Position | None, lacks: str = "") -> str:
    if state is None or position is None:
        return _NONE
    assert position.opened_at is not None
    parts = [
        f"{clock(part.changed_at)} {part_text(part, position)}: {part.reason}" for part in closed_parts(state, position)
    ]
    entered = "; ".join([f"{clock(position.opened_at)} {entry_text(position)}", *parts])
    if lacks:
        return f"{entered}; held on"
    if position.state != "closed" or position.closed_at is None:
        return f"{entered}; open"
    return f"{entered}; {clock(position.closed_at)} {ending_text(state, position)}: {position.exit_reason}"
