"""One scalar of the language to its value: amounts with their unit, durations, times of day.

All functions return None for a text of another shape: the schema says which shape is owed where.
"""

import re
from datetime import timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import available_timezones

from rulebot.model.session import Anchor, DayTime
from rulebot.spec.nouns.condition import Amount, Operand, Unit, Word
from rulebot.spec.source import Plain

_N = r"(?P<n>-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,8})?)"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_UNITS = (
    (re.compile(rf"{_N} ?pts"), Unit.POINTS),
    (re.compile(r"\$(?P<n>-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,8})?)"), Unit.DOLLARS),  # as those of an account
    (re.compile(rf"{_N}%"), Unit.PERCENT),
    (re.compile(rf"{_N}d"), Unit.SESSIONS),
    (re.compile(rf"{_N}R"), Unit.R),
)
_OWED = re.compile(r"-\$(?P<n>(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,8})?)")
_MULTIPLE = re.compile(rf"{_N}x(?: (?P<of>[a-z][a-z0-9_]*))?")
_LENGTH = r"(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,8})?"
_DURATION = re.compile(rf"(?P<n>-?{_LENGTH})(?P<unit>[smh])")
_ZONE = r"(?: (?P<zone>[A-Z][A-Za-z_]+/[A-Za-z_/+-]+|UTC))?"  # ET, GMT and the like are other clocks in summer
_CLOCK = re.compile(rf"(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9])(?::(?P<seconds>[0-5][0-9]))?{_ZONE}")
_ANCHORED = re.compile(rf"(?P<anchor>open|close)(?: (?P<sign>[+-]) (?P<rest>{_LENGTH}[smh]))?")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_PARAMETER = re.compile(r"\$(?P<name>[a-z][a-z0-9_]*)")


def amount(value: Plain) -> Amount | None:
    """Return a number with its unit."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, int | Decimal):
        return Amount(Decimal(value), Unit.NUMBER)
    if value.startswith("-$") and (found := _OWED.fullmatch(value)) is not None:
        return Amount(-Decimal(found["n"]), Unit.DOLLARS)
    for pattern, unit in _UNITS:
        if (found := pattern.fullmatch(value)) is not None:
            return Amount(Decimal(found["n"]), unit)
    if (found := _MULTIPLE.fullmatch(value)) is not None:
        return Amount(Decimal(found["n"]), Unit.MULTIPLE, found["of"])
    if (found := _DURATION.fullmatch(value)) is not None:
        return Amount(Decimal(found["n"]) * _SECONDS[found["unit"]], Unit.SECONDS)
    return None


def seconds(value: Plain) -> float | None:
    """Return a duration such as `15s`, `5m`, `2h` in seconds."""
    found = amount(value)
    return float(found.value) if found is not None and found.unit is Unit.SECONDS else None


def day_time(value: Plain) -> DayTime | None:
    """Return a time of day: `10:30`, `15:30 Europe/Berlin`, `open + 15m`, `close`."""
    if not isinstance(value, str):
        return None
    if (clock := _CLOCK.fullmatch(value)) is not None:
        offset = timedelta(hours=int(clock["hours"]), minutes=int(clock["minutes"]), seconds=int(clock["seconds"] or 0))
        zone = clock["zone"] or ""
        return DayTime(Anchor.CLOCK, offset, zone) if not zone or zone in zones() else None
    if (anchored := _ANCHORED.fullmatch(value)) is None:
        return None
    anchor = Anchor(anchored["anchor"])
    if anchored["rest"] is None:
        return DayTime(anchor, timedelta(0))
    length = seconds(anchored["rest"])
    if length is None:
        return None
    return DayTime(anchor, timedelta(seconds=length if anchored["sign"] == "+" else -length))


def zone_of(value: str) -> str:
    """Return the time zone that a time of day names, there or not; "" of any other text."""
    clock = _CLOCK.fullmatch(value)
    return "" if clock is None else clock["zone"] or ""


@cache
def zones() -> frozenset[str]:
    """Return the names of time zones. Source: the IANA database as Python has it."""
    return frozenset(available_timezones())


def operand(value: Plain) -> Operand | None:
    """Return the other side of a comparison: an amount, a time, or a word."""
    found = amount(value)
    if found is not None:
        return found
    if (time := day_time(value)) is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
        return time
    return Word(value) if isinstance(value, str) and _WORD.fullmatch(value) else None


def parameter_name(value: Plain) -> str | None:
    """Return the name in `$name`, when that is the whole scalar."""
    found = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    return found["name"] if found else None
