"""Aligned text: columns as wide as their content, numbers to the right; how amounts and times read in it."""

import re
from collections.abc import Sequence
from datetime import datetime

from rulebot.model.money import signed_dollars
from rulebot.model.session import EXCHANGE_ZONE

GAP = "  "


def aligned(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), indent: str = " ") -> list[str]:
    """Return rows as lines with equal columns; those numbered in `right` end flush. The last one is not padded."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(len(row) for row in rows))]
    return [(indent + GAP.join(_cells(row, widths, right))).rstrip() for row in rows]


def _cells(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> list[str]:
    return [cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) for at, cell in enumerate(row)]


def signed(amount: float | None) -> str:
    """Return `+$36.80`, `-$1,234.50`, or a dash for what is not known."""
    return "-" if amount is None else signed_dollars(amount)


def price(amount: float | None) -> str:
    """Return a price with at least cents, or a dash."""
    if amount is None:
        return "-"
    text = f"{amount:.4f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


def one_line(text: str) -> str:
    """Return words of a verdict with their columns closed up: `day_range 29.8 pts, below 27.7: 2.1 too much`."""
    return re.sub(r"\s{2,}", ", ", text).replace(", (", " (")


def clock(at: datetime, *, seconds: bool = True) -> str:
    """Return New York clock time."""
    local = at.astimezone(EXCHANGE_ZONE)
    return local.strftime("%H:%M:%S" if seconds or local.second else "%H:%M")
