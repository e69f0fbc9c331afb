"""What a chart shows: prices of underlyings, what was decided when and why, and what each position cost to close."""

from datetime import date, datetime
from enum import Enum

from rulebot.model.values import dataclass

Point = tuple[datetime, float]


class MarkKind(Enum):
    """What a mark says was decided."""

    ENTRY = "entry"
    EXIT = "exit"
    REFUSED = "refused"
    UNFILLED = "not filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One decision. words: all of it; price: of the underlying then, None while it is not known.

    trade: its number in the store, None for one that came to none; gain: dollars of an exit after commissions.
    """

    at: datetime
    kind: MarkKind
    symbol: str
    words: str
    price: float | None = None
    trade: int | None = None
    gain: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSpan:
    """One position. points: what one structure cost to close, per share (what it would have brought, if `is_debit`).

    entry, exit: in the same terms; exit, exit_at: None while it is held beyond the chart. levels: of its exits that
    have a price; strikes: (symbol, strike, sold).
    """

    trade: int
    structure: str
    is_debit: bool
    entry: float | None
    entry_at: datetime | None
    exit: float | None
    exit_at: datetime | None
    points: tuple[Point, ...]
    levels: tuple[tuple[str, float], ...]
    strikes: tuple[tuple[str, float, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One bot over some sessions. lines: by symbol, oldest first; marks in order of time."""

    bot: str
    first: date
    last: date
    lines: tuple[tuple[str, tuple[Point, ...]], ...]
    marks: tuple[Mark, ...]
    held: tuple[HeldSpan, ...]

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to draw."""
        return not self.marks and not any(points for _, points in self.lines)
