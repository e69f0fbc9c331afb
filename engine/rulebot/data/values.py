"""What texts in data files mean: days, times of day, symbols, rights, names of contracts, numbers.

A text with two meanings has none here: `05/06/2019` is a day once the file, or a layout, says which part is the month.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rulebot.model.contract import CLASSES_OF_INDICES
from rulebot.model.session import EXCHANGE_ZONE

DAY_MICROS = 86_400_000_000
_NAMES_OF_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS = {name: number for number, each in enumerate(_NAMES_OF_MONTHS, start=1) for name in (each, each[:3])}
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_PARTS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_NAMED_MONTH = (
    re.compile(r"(?P<day>\d{1,2})[- ]?(?P<month>[a-z]+)\.?[- ,]*(?P<year>\d{4}|\d{2})", re.IGNORECASE),
    re.compile(r"(?P<month>[a-z]+)\.?[- ]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[- ]+(?P<year>\d{4})", re.IGNORECASE),
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap]m)?", re.IGNORECASE)
_CLOCK_DIGITS = re.compile(r"(\d{1,2})(\d{2})(\d{2})?")
_OFFSET = re.compile(r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})$", re.IGNORECASE)
_EPOCH = re.compile(r"\d{10}(?:\.\d+)?|\d{13}|\d{16}|\d{19}")
_CENTURY = 80
"""Years of two digits below this are of this century, others of the one before."""


class DateOrder(Enum):
    """Which part of `05/06/2019` is the month."""

    MONTH_FIRST = "month first"
    DAY_FIRST = "day first"


# --- Days


def date_order(texts: Iterable[str]) -> set[DateOrder]:
    """Return which orders the days of a file show: none when no part is above 12, both where they contradict."""
    found: set[DateOrder] = set()
    for text in texts:
        parts = _PARTS.match(text.strip())
        if parts is not None:
            first, second = int(parts[1]), int(parts[3])
            if first > 12 or (parts[2] == "." and second <= 12):
                found.add(DateOrder.DAY_FIRST)
            elif second > 12:
                found.add(DateOrder.MONTH_FIRST)
    return found


def needs_order(text: str) -> bool:
    """Say whether a text is a day like 05/06/2024: which part is the month must be known."""
    return _PARTS.match(text.strip()) is not None


def parse_date(text: str, order: DateOrder | None) -> date | None:
    """Return the day that begins a text, None where it is none, or has two meanings and no order is given."""
    return _date_in(text.strip(), order)[0]


def _date_in(text: str, order: DateOrder | None) -> tuple[date | None, str]:
    """Return the day at the beginning of a text, and what follows it."""
    for pattern in (_ISO, _COMPACT):
        if (found := pattern.match(text)) is not None and not text[found.end() : found.end() + 1].isdigit():
            return _date(*map(int, found.groups())), text[found.end() :]
    if (found := _PARTS.match(text)) is not None:
        if order is None:
            return None, ""
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        month, day = (first, second) if order is DateOrder.MONTH_FIRST else (second, first)
        return _date(year, month, day), text[found.end() :]
    for pattern in _NAMED_MONTH:
        if (found := pattern.match(text)) is not None and (named := _MONTHS.get(found["month"].lower())) is not None:
            return _date(_year(found["year"]), named, int(found["day"])), text[found.end() :]
    return None, ""


def _year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (2000 if year < _CENTURY else 1900)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


# --- Instants, by the clock of New York


class Moment(NamedTuple):
    """A day and the time of that day in New York, in microseconds since midnight; None where a text has no time."""

    day: date
    micros: int | None


def parse_moment(text: str, order: DateOrder | None, zone: ZoneInfo = EXCHANGE_ZONE) -> Moment | None:
    """Return a day with the time behind it, or an instant in seconds to nanoseconds since 1970 (UTC).

    zone: that of times without one. None where the text is no such moment.
    """
    text = text.strip()
    if _EPOCH.fullmatch(text):
        return _of_epoch(text)
    day, rest = _date_in(text, order)
    if day is None:
        return None
    rest = rest.lstrip("T ,").strip()
    if not rest:
        return Moment(day, None)
    offset = _OFFSET.search(rest)
    micros = parse_clock(rest[: offset.start()] if offset else rest)
    if micros is None:
        return None
    if offset is None and zone is EXCHANGE_ZONE:
        return Moment(day, micros)
    of_zone = zone if offset is None else _zone(offset[1])
    return _in_new_york(datetime.combine(day, time(), of_zone) + timedelta(microseconds=micros))


def _of_epoch(text: str) -> Moment:
    whole, _, fraction = text.partition(".")
    value = int(whole) * 1_000_000 // 10 ** (len(whole) - 10)
    value += int((fraction + "000000")[:6]) if fraction else 0
    return _in_new_york(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value))


def _zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-away if text[0] == "-" else away)


def _in_new_york(at: datetime) -> Moment:
    local = at.astimezone(EXCHANGE_ZONE)
    micros = (local.hour * 3600 + local.minute * 60 + local.second) * 1_000_000 + local.microsecond
    return Moment(local.date(), micros)


class ClockUnit(Enum):
    """In what a column tells the time of day."""

    CLOCK = "clock"
    HOURS = "hours"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


_MICROS_OF = {ClockUnit.HOURS: 3_600_000_000, ClockUnit.SECONDS: 1_000_000, ClockUnit.MILLISECONDS: 1_000}


def parse_clock(text: str, unit: ClockUnit = ClockUnit.CLOCK) -> int | None:
    """Return a time of day in microseconds since midnight: `9:31`, `09:31:00.5`, `3:45 PM`, `0931`, `093100`."""
    text = text.strip()
    if unit is not ClockUnit.CLOCK:
        try:
            value = round(float(text.replace(",", ".")) * _MICROS_OF[unit])
        except ValueError:
            return None
        return value if 0 <= value < DAY_MICROS else None
    found = _CLOCK.fullmatch(text)
    if found is None:
        digits = _CLOCK_DIGITS.fullmatch(text)
        return None if digits is None else _micros(int(digits[1]), int(digits[2]), int(digits[3] or 0), 0)
    hour, half = int(found[1]), (found[5] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    fraction = int((found[4] or "0").ljust(6, "0")[:6])
    return _micros(hour, int(found[2]), int(found[3] or 0), fraction)


def _micros(hour: int, minute: int, second: int, fraction: int) -> int | None:
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (hour * 3600 + minute * 60 + second) * 1_000_000 + fraction


# --- Symbols, rights, contracts

_PREFIX = re.compile(r"^(?:[A-Z]:|[$^.])")
_SUFFIX = re.compile(r"(?:\.X|\.IND|\.US| US| INDEX| EQUITY)$")
_TICKER = re.compile(r"[A-Z][A-Z0-9.]{0,11}")
_SHARE_CLASS = re.compile(r"^([A-Z]{1,5})[/\-. ]([A-Z])$")
_SAME = {"GSPC": "SPX", "INX": "SPX", "SP500": "SPX", "SPXQ": "SPX", "SPXPM": "SPX", "VIXCLS": "VIX"}
_CONTRACT = re.compile(r"(?:O:|\.)?([A-Z]{1,6}[0-9]?)[\s_]*(\d{2})(\d{2})(\d{2})([CP])(\d{8})")
_SHORT_CONTRACT = re.compile(r"\.?([A-Z]{1,6}[0-9]?)(\d{2})(\d{2})(\d{2})([CP])(\d+(?:\.\d+)?)")
_ADJUSTED = re.compile(r"[0-9]$")
_RIGHTS = {"c": "C", "call": "C", "calls": "C", "p": "P", "put": "P", "puts": "P"}


def parse_class(text: str) -> str:
    """Return the trading class that a cell names: SPXW of `$SPXW` or of a contract; "" of none."""
    name = _SUFFIX.sub("", _PREFIX.sub("", text.strip().upper()))
    if (contract := _CONTRACT.fullmatch(name)) is not None:
        return contract[1]
    if (shares := _SHARE_CLASS.match(name)) is not None:
        return f"{shares[1]}.{shares[2]}"
    return _SAME.get(name, name) if _TICKER.fullmatch(name) else ""


def parse_symbol(text: str) -> str:
    """Return the underlying that a cell names: SPX of `^GSPC`, `I:SPX`, `$SPX` or `SPXW`."""
    name = parse_class(text)
    return CLASSES_OF_INDICES.get(name, name)


def parse_right(text: str) -> str | None:
    """Return `C` or `P`, None of a text that is no right."""
    return _RIGHTS.get(text.strip().lower())


class ContractName(NamedTuple):
    """What the name of a contract says; `strike` in dollars or points."""

    trading_class: str
    expiry: date
    right: str
    strike: float


def parse_contract(text: str) -> ContractName | None:
    """Return what `SPXW  240102C04700000`, `O:SPXW240102C04700000` or `.SPXW240102C4700` says, None of any other text.

    Source: OCC option symbology: class, day, right, strike times 1000 in eight digits.
    """
    text = text.strip().upper()
    scale = 1000.0
    if (found := _CONTRACT.fullmatch(text)) is None:
        if (found := _SHORT_CONTRACT.fullmatch(text)) is None:
            return None
        scale = 1.0
    expiry = _date(2000 + int(found[2]), int(found[3]), int(found[4]))
    return None if expiry is None else ContractName(found[1], expiry, found[5], float(found[6]) / scale)


def is_adjusted(trading_class: str) -> bool:
    """Say whether a class is one of adjusted contracts, whose deliverable is not 100 shares. Source: OCC symbology."""
    return _ADJUSTED.search(trading_class) is not None


# --- Numbers

NOTHING = frozenset(("", "nan", "null", "none", "n/a", "na", "-", "--", "#n/a", "nat", "\\n"))
"""Texts, in small letters, that stand for no number."""
