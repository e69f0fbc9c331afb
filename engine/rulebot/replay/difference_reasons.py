"""Why two trades differ, as far as it follows from what was recorded, and from two walks through the day."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.model.values import dataclass
from rulebot.narrate.position_text import opened_count
from rulebot.narrate.text_table import clock
from rulebot.replay.recorded_causes import Line, RecordedCause
from rulebot.replay.reruns import Rerun

SOON = timedelta(minutes=1)
"""What differs by less is the same instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDay:
    """What is known of a day. told: what was recorded of it. walked: what the texts would have done.

    since, until: when its recording began and ended, if the session was open then.
    """

    told: RecordedCause
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


# ---------------------------------------------------------------- what was done beside what the text would have done


def reasons(bot: str, at: datetime, done: Position | None, would: Position | None, known: RecordedDay) -> Iterator[str]:
    """Yield what is known to make them differ from an instant on."""
    told, walked = known.told, known.walked
    if known.since is not None and at <= known.since + SOON:
        yield f"only what came after {clock(known.since)} is recorded"
    if known.until is not None and at >= known.until:
        yield f"only what came before {clock(known.until)} is recorded"
    yield from filter(None, (told.still(at),))
    yield from _words(known.of_its_own(told.around(bot, at)))
    is_late = done is not None and would is not None and apart(done.opened_at, would.opened_at)
    if done is None or is_late:
        yield from filter(None, (told.kept_out(bot, at),))
    else:
        yield from filter(None, (told.unlinked(bot, at),))
    if done is None:
        yield from _words(known.of_its_own(told.refusals(bot, at)))
    elif done.hold:
        yield from _since_it_is_held(done, at, known)
    if (would is None or is_late) and bot in walked.lacks:
        yield f"the recording lacks what it would have traded: {walked.lacks[bot][0].text}"
    yield from _words(told.reloads(bot, at))
    yield from _since_it_left(bot, at, known)


def _since_it_is_held(done: Position, at: datetime, known: RecordedDay) -> Iterator[str]:
    """Yield why the engine sent nothing more for a position, long before its text would have: it was said once."""
    alarms = [
        each
        for each in known.of_its_own(known.told.lines)
        if each.bot == done.bot and done.on_hold in each.text and each.at <= at + SOON
    ]
    yield from _words(alarms[-1:])


def _since_it_left(bot: str, at: datetime, known: RecordedDay) -> Iterator[str]:
    """Yield what made a bot do otherwise than the recording before: from then on its orders are filled by a model."""
    left = known.walked.left
    if bot not in left or left[bot][0] > at - SOON:
        return
    since = left[bot][0]
    before = [*_words(known.of_its_own(known.told.around(bot, since)))]
    before += filter(None, (known.told.kept_out(bot, since),))
    before += (
        f"{clock(other_at)} {other} did otherwise before it, and they share the account and its market data"
        for other, (other_at, _) in left.items()
        if other_at < since
    )
    yield from (f"{each}; since {clock(since)} its orders are others" for each in before)


def _words(lines: Iterable[Line]) -> Iterator[str]:
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
    """Return that a bot which set out to enter never does so at natural, "" where it does: then no fill is the reason.

    What kept it out there is told where it was recorded. Else its conditions never held: such a walk has an instant
    every five seconds, and bars, volumes and volatilities of what was streamed alone.
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
        yield f"entered at {_price(would)}, at natural {_price(could)}: its exits stand elsewhere"
    ours, others = walked.tries.exits, natural.tries.exits
    waits = would.exit_reason == could.exit_reason and apart(would.closed_at, could.closed_at)
    if waits and _set_out_alike(ours, others, bot, would.closed_at, could.closed_at):
        yield "its closing order waited longer in one of them to be filled"


def came_to_nothing(bot: str, told: RecordedCause, since: datetime) -> Iterator[str]:
    """Yield why entries that a bot sent from an instant on were not filled: what was said when each of them ended."""
    for each in told.lines:
        if each.said is not None and each.said[:2] == (bot, "unfilled") and each.at >= since:
            yield from _words(line for line in told.around(bot, each.at) if line.says_why)


def unseen_at_natural(bot: str, told: RecordedCause, natural: Rerun) -> str:
    """Return until when the legs of an entry were streamed that a walk at natural still waits for; "" for all of it.

    The bot that ran gave them up when its own entry had ended.
    """
    for order in () if natural.state is None else natural.state.orders.values():
        if order.bot == bot and order.purpose is Purpose.ENTRY and order.sent_at is not None:
            gone = (at for leg in order.legs for at in told.given_up.get(leg.option, ()))
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
    begun = [each for each in ours.get(bot, ()) if one is not None and each <= one]
    also = [each for each in others.get(bot, ()) if other is not None and each <= other]
    return any(abs(each - its) <= SOON for each in begun for its in also)


def _price(position: Position) -> str:
    return "-" if position.entry_price is None else f"{abs(position.entry_price):.2f}"
