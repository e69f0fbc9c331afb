"""What a bot has used up of one trading day: its caps and its opportunities."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rulebot.model.halt import Halt, Shut
from rulebot.model.money import ZERO
from rulebot.model.texts import Name, Text
from rulebot.model.values import dataclass, replace

OVER = "its window is over"
"""What people are told once the window's time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDay:
    """What a bot has used up of its present window in one symbol of its universe: the same words as of a day.

    symbol "": of each that has nothing of its own, since an edit of the text has given the bot a universe meanwhile.
    """

    symbol: Name
    entries: int = 0
    agains: int = 0
    last_end: Name = ""
    last_end_at: datetime | None = None
    decided: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDay:
    """One bot on one trading day (an entity of the journal).

    entries: entry orders sent. opened: positions opened (filled at least in part). last_end: how the last entry or
    position ended ("unfilled", "filled", the name of an exit, or that another strike is tried) and when; `again` counts
    from there. agains: entries beyond the first. decided: the opportunity was decided once and for all (`try: once`),
    with the reason. halt: why no more entries today, None while free; halt_rule: the condition that is the cause, ""
    of any other; halted: the same in words. realized: dollars that closing has made today,
    after commissions. skip: why the day is over without an entry; skipped: the same in words. closing: the exit that a
    halt which closes what is open comes to (`close: all` of a condition or of `at_daily_loss`), from that halt on:
    what still fills is closed by it, too; closing_text: the digest of the text whose condition it was, since what was
    opened under another one is closed by the conditions of that alone; "" for all texts.
    window: which of the session's windows `tried`, `agains`, `last_end` and `decided` are of; before: entries sent in
    earlier ones. week: positions opened earlier in this week. members: with a universe each of its symbols has
    opportunities of its own, and keeps here what is of the present window.
    window_from, window_to: when that window begins and ends, kept from its first use on: by these it is known again
    once an edit of the text has given it another number, or moved it. None while nothing of it is used.
    compliant: sessions before this one that were compliant, in a row; row_of: the digest of the text that they are of,
    "" for a bot whose quantity does not grow; breach: an alarm of the
    bot was raised in this session.
    """

    bot: Name
    date: date
    entries: int = 0
    opened: int = 0
    agains: int = 0
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
        """Say whether the window that is used lies, in part, between these instants."""
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

    def passed_over(self, why: Shut, reason: Text, came_of: Text) -> "BotDay":
        """Return the day, over without an entry: why, and what came of the watch that ended so, "" of nothing."""
        return replace(self, skip=why, skipped="; ".join(filter(None, (reason, came_of))))

    def halted_for(self, why: Halt, words: Text, rule: Name = "") -> "BotDay":
        """Return the day on which the bot enters nothing more for this cause; rule: the condition that is the cause."""
        return replace(self, halt=why, halted=words, halt_rule=rule)

    def closing_of(self, digest: str) -> str:
        """Return the exit that a halt has come to for what was opened under this text, "" for none."""
        return self.closing if self.closing_text in ("", digest) else ""

    def of_member(self, symbol: str) -> "BotDay":
        """Return the day as it is for one symbol: the bot's caps, and the symbol's own opportunity; "" is the bot's."""
        if not symbol:
            return self
        own = self._member(symbol)
        return replace(
            self,
            before=self.entries - own.entries,
            agains=own.agains,
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
        """Return the day with so many entries more, of the bot and of the symbol."""
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
            agains=self.agains,
            last_end=self.last_end,
            last_end_at=self.last_end_at,
        )
        return replace(self, members=(own,))

    def in_one(self, symbol: str) -> "BotDay":
        """Return the day of a bot on one symbol; what it had decided of it while it had a universe is decided."""
        if not self.members:
            return self
        return replace(self.of_member(symbol), before=self.before, members=())
