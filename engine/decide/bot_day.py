"""What a bot has used up of one trading day: its caps and its opportunities."""

from datetime import date, datetime
from decimal import Decimal

from engine.model.money import ZERO
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDay:
    """One bot on one trading day (an entity of the journal).

    entries: entry orders sent. opened: positions opened (filled at least in part). last_end: how the last entry or
    position ended ("unfilled", "filled", or the name of an exit) and when; `again` counts from there. agains: entries
    beyond the first. decided: the opportunity was decided once and for all (`try: once`), with the reason. halted: why
    no more entries today, "" while free. realized: dollars of positions closed today, after commissions. skipped: why
    the day is over without an entry, in words. window: which of the session's windows `tried`, `agains`, `last_end`
    and `decided` are of; before: entries sent in earlier ones. week: positions opened earlier in this week.
    """

    bot: str
    date: date
    entries: int = 0
    opened: int = 0
    agains: int = 0
    last_end: str = ""
    last_end_at: datetime | None = None
    decided: str = ""
    halted: str = ""
    realized: Decimal = ZERO
    skipped: str = ""
    window: int = 0
    before: int = 0
    week: int = 0

    @property
    def tried(self) -> int:
        """Entries sent in the present window."""
        return self.entries - self.before
