"""How numbers, prices and times are written in a sentence; amounts of money are in `money`.

A number that a plan gives a unit, and what is said of rules, is in `rulebot.wording`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rulebot.model.money import CENT
from rulebot.model.session import EXCHANGE_ZONE

INSTEAD = "\N{REPLACEMENT CHARACTER}"
GAP = "  "


def printable(text: str, *, kept: str = "", instead: str = INSTEAD) -> str:
    """Return `text` with `instead` for each sign that is not printable (`str.isprintable`), but those that are kept."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else instead for sign in text)


def one_line(text: str) -> str:
    """Return the words of an evaluation on one line: `day_range 29.8 pts, below 27.7: 2.1 too much`."""
    return re.sub(r"\s{2,}", ", ", text).replace(", (", " (")


def aligned(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), indent: str = " ") -> list[str]:
    """Return rows as lines with equal columns; those numbered in `right` end flush. The last one is not padded."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(len(row) for row in rows))]
    return [(indent + GAP.join(_cells(row, widths, right))).rstrip() for row in rows]


def _cells(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> list[str]:
    return [cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) for at, cell in enumerate(row)]


# ---------------------------------------------------------------- numbers


def counted(number: float | Decimal, word: str, several: str = "") -> str:
    """Return `1 point`, `2.5 points`, `1,200 positions`. several: the plural, if not with an s."""
    said = f"{number:,}" if isinstance(number, int) else plain(number)
    return f"{said} {word if number == 1 else several or word + 's'}"


def plain(number: float | Decimal) -> str:
    """Return a number without digits that say nothing: `6000`, `0.1`, `2.5`."""
    text = f"{Decimal(str(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(part: float | Decimal) -> str:
    """Return a fraction as `50%`."""
    return f"{plain(round(Decimal(str(part)) * 100, 6))}%"


def whole_percent(part: float | Decimal | None) -> str:
    """Return a measured fraction as `57 %`, a dash for None."""
    return figure(None if part is None else part * 100, ".0f", " %")


def figure(value: float | Decimal | None, form: str = ".2f", unit: str = "") -> str:
    """Return a number of a table, with two digits unless `form` says otherwise; a dash for None."""
    return "-" if value is None else f"{value:{form}}{unit}"


def times(count: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


# ---------------------------------------------------------------- prices per share


def price(amount: Decimal | float | None) -> str:
    """Return a price without its sign, in cents at least; half a cent stays. A dash for None."""
    return signed_price(amount).removeprefix("-") if amount is not None else "-"


def signed_price(amount: Decimal | float | None) -> str:
    """Return a price that is negative where it was paid, as `price` writes it."""
    if amount is None:
        return "-"
    exact = Decimal(f"{amount:.4f}")
    return f"{exact:,.2f}" if exact == exact.quantize(CENT) else f"{exact.normalize():,f}"


# ---------------------------------------------------------------- times


def clock(at: datetime) -> str:
    """Return New York clock time with its seconds."""
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"


def minute(at: datetime) -> str:
    """Return New York clock time without seconds."""
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M}"


def short_clock(at: datetime) -> str:
    """Return New York clock time, with seconds only where there are some."""
    return clock(at) if at.second else minute(at)


def duration(seconds: float) -> str:
    """Return `45 s`, `5 minutes`, `2 hours`: whole units only."""
    for size, word in ((3600, "hour"), (60, "minute")):
        if seconds and not seconds % size:
            return counted(int(seconds // size), word)
    return f"{plain(seconds)} s"


def elapsed(seconds: float) -> str:
    """Return measured time, rounded to seconds, or to minutes from an hour on: `45 s`, `5m 30s`, `1h 02m`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m {rest:02d}s"
