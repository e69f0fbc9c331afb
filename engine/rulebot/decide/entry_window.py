"""May this bot enter now? Windows, caps and what was already sent, as one pure answer.

Each window of a session is one opportunity, and one opportunity sends one entry, filled or not; only `again:` makes
more of it (language.md, Entry).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.compile.plan import EntryPlan
from rulebot.model.cause import Halt, Name, Shut, Text
from rulebot.model.money import ZERO
from rulebot.model.session import Session
from rulebot.model.text import counted
from rulebot.model.values import dataclass, replace

# --- What a bot has used up of one trading day

OVER = "its window is over"
"""Text once the window's time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDay:
    """What a bot has used of its present window in one symbol of its universe, in the words of a day.

    symbol "": applies to each without its own, since an edit of the spec added the universe.
    """

    symbol: Name
    entries: int = 0
    reentries: int = 0
    last_end: Name = ""
    last_end_at: datetime | None = None
    decided: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDay:
    """One bot on one trading day (an entity of the journal).

    entries: entry orders sent. opened: positions opened (filled at least in part). last_end: how the last entry or
    position ended ("unfilled", "filled", the name of an exit, or that another strike is tried) and when; `again` counts
    from there. reentries: entries beyond the first. decided: the opportunity was decided for good (`try: once`), with
    the reason. halt: why no more entries today, None otherwise; halt_rule: the condition that caused it, "" for any
    other cause; halted: the same in words. realized: dollars of closed trades today, after commissions. skip: why the
    day ended without an entry; skipped: the same in words. closing: the exit of a halt that closes what is open
    (`close: all` of a condition or of `at_daily_loss`), which also closes later fills; closing_text: the digest of the
    spec with that condition, "" for all specs: other specs close by their own conditions. window: the session window of
    `tried`, `reentries`, `last_end` and `decided`; before: entries sent in earlier ones. week: positions opened earlier
    in this week. members: with a universe, the present window's state by symbol. window_from, window_to: begin and end
    of that window from its first use on, by which it is recognised after an edit; None before. compliant: consecutive
    compliant sessions before this one; row_of: the digest of the spec that they are of, "" for a bot whose quantity
    does not grow; breach: an alarm of the bot was raised in this session.
    """

    bot: Name
    date: date
    entries: int = 0
    opened: int = 0
    reentries: int = 0
    last_end: Name = ""
    last_end_at: datetime | None = None
    decided: Text = ""
    halt: Halt | None = None
    halt_rule: Name = ""
    halted: Text = ""
    realized: Decimal = ZERO
    skip: Shut | None = None
    skipped: Text = ""
    closing: Name = ""
    closing_text: Name = ""
    window: int = 0
    before: int = 0
    week: int = 0
    members: tuple[MemberDay, ...] = ()
    window_from: datetime | None = None
    window_to: datetime | None = None
    compliant: int = 0
    row_of: Name = ""
    breach: bool = False

    @property
    def is_used(self) -> bool:
        """True when something of the present window's opportunity is used up."""
        return bool(self.tried or self.decided or self.members)

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Say whether the used window overlaps the time between these instants."""
        if self.window_from is None or self.window_to is None:
            return False
        return self.window_from < end and start < self.window_to

    @property
    def tried(self) -> int:
        """Entries sent in the present window."""
        return self.entries - self.before

    @property
    def was_over(self) -> bool:
        """True when its window was over without an entry: a halt that came after it is not what kept the bot out."""
        return self.skip is Shut.WINDOW_OVER

    def passed_over(self, why: Shut, reason: Text, result_of: Text) -> "BotDay":
        """Return the day, over without an entry: why, and what came of the watch that ended so, "" of nothing."""
        return replace(self, skip=why, skipped="; ".join(filter(None, (reason, result_of))))

    def halted_for(self, why: Halt, words: Text, rule: Name = "") -> "BotDay":
        """Return the day on which the bot enters nothing more for this cause; rule: the condition that is the cause."""
        return replace(self, halt=why, halted=words, halt_rule=rule)

    def closing_of(self, digest: str) -> str:
        """Return the exit of a halt for positions opened under this spec, "" for none."""
        return self.closing if self.closing_text in ("", digest) else ""

    def of_member(self, symbol: str) -> "BotDay":
        """Return the day as it is for one symbol: the bot's caps, and the symbol's own opportunity; "" is the bot's."""
        if not symbol:
            return self
        own = self._member(symbol)
        return replace(
            self,
            before=self.entries - own.entries,
            reentries=own.reentries,
            last_end=own.last_end,
            last_end_at=own.last_end_at,
            decided=own.decided,
        )

    def note(self, symbol: str, **changes: Any) -> "BotDay":
        """Return the day with these words of the present window changed, of one symbol where it is not ""."""
        if not symbol:
            return replace(self, **changes)
        own = replace(self._member(symbol), symbol=symbol, **changes)
        return replace(self, members=(*(each for each in self.members if each.symbol != symbol), own))

    def count(self, symbol: str, entries: int) -> "BotDay":
        """Return the day with this many more entries, of the bot and of the symbol."""
        day = replace(self, entries=max(self.entries + entries, 0))
        return day.note(symbol, entries=max(self._member(symbol).entries + entries, 0)) if symbol else day

    def _member(self, symbol: str) -> MemberDay:
        own = {each.symbol: each for each in self.members}
        return own.get(symbol) or own.get("") or MemberDay(symbol=symbol)

    def in_symbols(self) -> "BotDay":
        """Return the day of a bot with a universe; a window that it had used up without one is used in each symbol."""
        if self.members or not self.tried:
            return self
        own = MemberDay(
            symbol="",
            entries=self.tried,
            reentries=self.reentries,
            last_end=self.last_end,
            last_end_at=self.last_end_at,
        )
        return replace(self, members=(own,))

    def in_one(self, symbol: str) -> "BotDay":
        """Return the day of a bot on one symbol; what it had decided of it while it had a universe is decided."""
        if not self.members:
            return self
        return replace(self.of_member(symbol), before=self.before, members=())


# --- May this bot enter now? Windows, caps and what was already sent, as one pure answer

ANY_END = "any"
"""`again: {after: [any]}`: after any end of the previous one."""
ANOTHER_STRIKE = "another strike"
"""End of an entry whose contracts the broker refused: nothing was sent, another one is tried."""
AHEAD = "its window, from"
"""What a bot waits for whose window is still to come, and what the time of its begin follows."""


class Opportunity(NamedTuple):
    """Whether entries are possible now, and if not, why, and when to check again (None: not today).

    shut: None while it is open, and before its window begins.
    """

    is_open: bool
    reason: Text = ""
    look_again: datetime | None = None
    is_over: bool = False
    shut: Shut | None = None


def _over(shut: Shut, reason: Text) -> Opportunity:
    return Opportunity(False, reason, None, True, shut)


Span = tuple[datetime, datetime]


def is_day_of(entry: EntryPlan, session: Session) -> bool:
    """Say whether the bot enters on such a day of the week."""
    return not entry.days or session.date.weekday() in entry.days


def spans(entry: EntryPlan, session: Session, latest: datetime) -> tuple[Span, ...]:
    """Return start and end of today's windows in UTC; they end at `latest` (where time exits end all) or the close.

    None begins before the open, as one counted from an early close might. On a weekday without entries each is empty.
    """
    if not is_day_of(entry, session):
        return tuple((session.close, session.close) for _ in entry.windows)
    return tuple((each.starts(session), min(each.ends(session), latest, session.close)) for each in entry.windows)


def shut(entry: EntryPlan, session: Session, found: Sequence[Span]) -> str:
    """Return why none of these windows of a session allows entries, "" when one does."""
    if not is_day_of(entry, session):
        return f"it does not enter on a {session.date:%A}"
    return "" if any(start < end for start, end in found) else "its window is empty today (early close)"


def at_hand(found: Sequence[Span], now: datetime) -> int:
    """Return which window is on or comes next; the last one when none does.

    On a half day one that is counted from the close may come before one at a clock time that is written above it.
    """
    coming = ((start, at) for at, (start, end) in enumerate(found) if now < end and start < end)
    return min(coming, default=(now, len(found) - 1))[1]


def in_window(day: BotDay, number: int, span: Span, tried: int = 0) -> BotDay:
    """Return the day with a fresh opportunity when another window than before is at hand.

    tried: entries sent since that window began. Where there are some, or the one that was used overlaps it, it is the
    window of before, which an edit of the text has given another number or moved, and what was used up of it stays so.
    """
    if tried or day.overlaps(*span):
        return replace(day, window=number, before=max(day.entries - max(day.tried, tried), 0))
    return replace(
        day,
        window=number,
        before=day.entries,
        reentries=0,
        decided="",
        last_end="",
        last_end_at=None,
        members=(),
        window_from=None,
        window_to=None,
    )


def is_spent(entry: EntryPlan, day: BotDay) -> bool:
    """Say whether nothing more can be entered in the day's present window, whatever happens."""
    if day.halt or day.decided or _cap_on_opened(entry, day):
        return True
    return day.tried > 0 and entry.again is None


def cap(entry: EntryPlan, day: BotDay, open_now: int) -> str:
    """Return the cap that forbids further entries while this many positions are open, "" when none."""
    return _cap_on_opened(entry, day) or _cap_on_open(entry, open_now)


def _cap_on_open(entry: EntryPlan, open_now: int) -> str:
    return f"{open_now} of {entry.max_open} open at once" if open_now >= entry.max_open else ""


def _cap_on_opened(entry: EntryPlan, day: BotDay) -> str:
    return f"{day.opened} of {entry.per_day} a day" if day.opened >= entry.per_day else _weeks_cap(entry, day)


def _weeks_cap(entry: EntryPlan, day: BotDay) -> str:
    opened = day.week + day.opened
    return f"{opened} of {entry.per_week} a week" if entry.per_week is not None and opened >= entry.per_week else ""


def opportunity(
    entry: EntryPlan, session: Session, times: Span, day: BotDay, open_now: int, now: datetime
) -> Opportunity:
    """Return whether a new entry may be judged.

    open_now: counts positions open or working. times: the window at hand, which `day` is in.
    """
    start, end = times
    if reason := shut(entry, session, (times,)):
        return _over(Shut.NO_WINDOW, reason)
    if now < start:
        return Opportunity(False, "", start)
    if day.halt:
        return _over(Shut.HALTED, f"halted: {day.halted}")
    if now >= end:
        return _over(Shut.WINDOW_OVER, OVER)
    if day.decided:
        return _over(Shut.DECIDED, f"decided once: {day.decided}")
    if reason := _cap_on_opened(entry, day):
        return _over(Shut.CAP, reason)
    if reason := _cap_on_open(entry, open_now):
        return Opportunity(False, reason, end, shut=Shut.CAP)
    return _again(entry, session, day, now)


def _again(entry: EntryPlan, session: Session, day: BotDay, now: datetime) -> Opportunity:
    if not day.tried:
        return Opportunity(True)
    again = entry.again
    if again is None:
        return _over(Shut.ENTRY_SENT, "its one entry was sent")
    if again.at_most is not None and day.reentries >= again.at_most:
        return _over(Shut.NOT_AGAIN, f"entered again {counted(day.reentries, 'time')}, at most {again.at_most}")
    if not day.last_end or day.last_end_at is None:
        return Opportunity(False, "its entry is working", shut=Shut.ENTRY_WORKS)
    is_sent = day.last_end != ANOTHER_STRIKE
    if is_sent and day.last_end not in again.after and ANY_END not in again.after:
        return _over(Shut.NOT_AGAIN, f"not again after {day.last_end}")
    if again.until is not None and now >= again.until.on(session):
        return _over(Shut.NOT_AGAIN, f"not again from {again.until} on")
    due = day.last_end_at + timedelta(seconds=again.wait)
    if is_sent and now < due:
        return Opportunity(False, f"again after {day.last_end}, after a wait", due, shut=Shut.WAITS_AGAIN)
    return Opportunity(True)
