"""One scalar of the language to its value: amounts with their unit, durations, times of day.

All functions return None for a text of another shape: the schema says which shape is expected where.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from rulebot.model.session import Anchor, DayTime
from rulebot.spec.nouns import Amount, Operand, Unit, Word
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
_NEGATIVE_DOLLARS = re.compile(r"-\$(?P<n>(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,8})?)")
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
    if value.startswith("-$") and (found := _NEGATIVE_DOLLARS.fullmatch(value)) is not None:
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


# --- A scalar as it is written elsewhere, by hand, by a chat program or in another country, to how it is written
#     here

_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u0060\u00b4\u2032\u2033"
DASHES = "\u2022\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_AS_TYPED = re.compile(f"[{_QUOTES}{DASHES}{_BLANKS}]")
_ODD_BLANK = re.compile(f"[{_BLANKS}]")
ODD_BEGIN = re.compile(rf" *(?:- *)?([{DASHES}](?=[ \u00a0])|[{_BLANKS}])")
"""A line that begins with a dash or a blank that YAML does not know."""
_HABITS_N = r"(-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,8})?)"
_PLAIN = re.compile(_HABITS_N)
_WORDS_OF_UNITS = (
    (re.compile(rf"{_HABITS_N} ?(?:%|pct|per ?cent)", re.IGNORECASE), r"\1%"),
    (re.compile(rf"(?:\$|USD|US\$) ?{_HABITS_N}|{_HABITS_N} ?(?:\$|USD|dollars?)", re.IGNORECASE), r"$\1\2"),
    (re.compile(rf"{_HABITS_N} ?(?:pts?|points?)\.?", re.IGNORECASE), r"\1 pts"),
    (re.compile(rf"{_HABITS_N} ?(?:s|secs?|seconds?)", re.IGNORECASE), r"\1s"),
    (re.compile(rf"{_HABITS_N} ?(?:m|mins?|minutes?)", re.IGNORECASE), r"\1m"),
    (re.compile(rf"{_HABITS_N} ?(?:h|hrs?|hours?)", re.IGNORECASE), r"\1h"),
    (re.compile(rf"{_HABITS_N} ?[x*\u00d7] ?([a-z][a-z0-9_]*)", re.IGNORECASE), r"\1x \2"),
)
_HABITS_ZONE = r"(?: ?(?:ET|EST|EDT|NY))?"
_HABITS_CLOCK = re.compile(rf"([0-9]{{1,2}})(?:[:.]([0-5][0-9]))?(?: ?([ap])\.?m\.?)?{_HABITS_ZONE}", re.IGNORECASE)
_HABITS_LENGTH = re.compile(r"([0-9]{1,3})m ?([0-9]{1,2})s|([0-9]{1,3})h ?([0-9]{1,2})m")
_ENDS = re.compile(rf"(-?[$0-9.]+[^ ]*) ?(?:-|[{DASHES}]|\.\.|to) ?([$0-9.]+[^ ]*)")
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9])")
_THOUSANDS = re.compile(r"(?<![0-9])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])")
_POINTS_AND_COMMA = re.compile(r"([1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,([0-9]{1,2}))?(?![0-9])")


def normalised_scalar(value: Plain, fits: Callable[[Plain], bool]) -> str | None:
    """Return what to write in place of a text that `fits` refuses, or None where it is unknown."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    for text in _spellings(value):
        number = _number(text)
        if text != value and fits(text if number is None else number):
            return f"write '{text}'" if number is None else f"write {text}"
    return None


def _number(text: str) -> int | Decimal | None:
    if _PLAIN.fullmatch(text) is None:
        return None
    return Decimal(text) if "." in text else int(text)


def ends(text: str) -> tuple[str, str] | None:
    """Return both ends of what was written as a range, None where it is none."""
    return (found[1], found[2]) if (found := _ENDS.fullmatch(text)) is not None else None


def odd_beginning(key: str) -> str | None:
    """Return help for a key that begins with a dash or blank which only looks like YAML's."""
    if key[:1] in tuple(DASHES):
        return f"'{key[0]}' is another dash: an item of a list begins with the hyphen, '- '"
    return "it begins with a no-break space: write a space in its place" if _ODD_BLANK.match(key) else None


def as_typed(text: str) -> str:
    """Return a text with the quotes, dashes and blanks that a keyboard has."""
    plain = re.sub(f"[{_QUOTES}]", "", text)
    plain = re.sub(f"[{_BLANKS}]", " ", re.sub(f"[{DASHES}]", "-", plain))
    return plain.strip()


def _spellings(value: str) -> Iterator[str]:
    text = as_typed(value) if _AS_TYPED.search(value) else value
    point = "" if _THOUSANDS.search(text) else "."
    for each in (text, _COMMA.sub(point, text), _POINTS_AND_COMMA.sub(_in_plain_digits, text)):
        yield each
        for written, here in _WORDS_OF_UNITS:
            if (found := written.fullmatch(each)) is not None:
                yield found.expand(here)
    yield from _time(text)
    if text.isascii():
        yield text.upper()


def _in_plain_digits(found: re.Match[str]) -> str:
    whole = found[1].replace(".", "")
    return whole if not found[2] or not int(found[2]) else f"{whole}.{found[2]}"


def _time_of_day(hours: int, minutes: str | None, half: str) -> Iterator[str]:
    if half and 1 <= hours <= 12:
        yield f"{hours % 12 + (12 if half == 'p' else 0):02}:{minutes or '00'}"
    elif not half and hours < 24:
        yield f"{hours + 12 if 1 <= hours <= 5 else hours:02}:{minutes}"  # 3:30 is in the afternoon


def _time(text: str) -> Iterator[str]:
    """Yield a time of day, or a duration, as it is written here."""
    if (clock := _HABITS_CLOCK.fullmatch(text)) is not None and (clock[2] or clock[3]):
        yield from _time_of_day(int(clock[1]), clock[2], (clock[3] or "").lower())
    if (length := _HABITS_LENGTH.fullmatch(text)) is not None:
        minutes, seconds, hours_, rest = (int(each or 0) for each in length.groups())
        yield f"{hours_ * 60 + rest}m" if hours_ else f"{minutes * 60 + seconds}s"


# --- How a number with the wrong unit, or a hundred times off, was probably meant

_HUNDRED = Decimal(100)
_BARE = ("number", "integer")
_OTHERS = (Unit.PERCENT, Unit.DOLLARS, Unit.POINTS, Unit.SESSIONS, Unit.MULTIPLE, Unit.NUMBER)


def probable_meanings(value: Plain, schema: Mapping[str, Any]) -> str | None:
    """Return help with the likely readings of a scalar at its place; None where there is none."""
    found = amount(value)
    if found is None or found.of is not None:
        return None
    units = schema.get("x-units")
    if units and found.unit is Unit.NUMBER:
        return _with_unit(found.value, units, schema)
    if units and "x" in units and found.unit is Unit.PERCENT:
        return _said([_written(found.value / _HUNDRED, "x")])
    types = schema.get("type", ())
    if found.unit in _OTHERS and any(each in _BARE for each in ([types] if isinstance(types, str) else types)):
        return _bare(found, schema)
    return None


def _with_unit(number: Decimal, units: Sequence[str], schema: Mapping[str, Any]) -> str | None:
    """Return the readings of a number without its unit, None where none is usual."""
    usual: Mapping[str, Sequence[float]] = schema.get("x-usual", {})

    def lies_in(value: Decimal, unit: str) -> bool:
        return unit in units and _lies_in(value, usual.get(unit))

    as_is = [unit for unit in units if lies_in(number, unit)]
    times = _is_part(number, "%" in as_is) and lies_in(number * _HUNDRED, "%")
    found = [_written(number, unit) for unit in as_is]
    if times:
        found.append(_written(number * 100, "%"))
    if not as_is and lies_in(number / _HUNDRED, "x"):
        found.append(_written(number / 100, "x"))
    if not found and lies_in(number / _HUNDRED, "%"):
        found.append(_written(number / _HUNDRED, "%"))
    if not found:
        return None
    if times and not as_is:
        return f"{_said(found)}; '{_plain(number)}%' would be a hundred times less"
    return _said(found)


def _is_part(number: Decimal, is_usual: bool) -> bool:
    """Return whether a percentage may be meant by a fraction: by 0.7, and by 2 where 2% is unusual."""
    return not _is_whole(number) or not is_usual


def _bare(found: Amount, schema: Mapping[str, Any]) -> str | None:
    """Return the readings of a number whose place takes one without a unit."""
    usual = schema.get("x-usual", {}).get("$" if found.unit is Unit.DOLLARS else "")
    is_integer, is_part = "integer" in schema.get("type", ()), schema.get("maximum") == 1
    if usual is None and found.unit is Unit.PERCENT:
        return None
    tried = [] if found.unit is Unit.NUMBER else [found.value]
    if found.unit is not Unit.NUMBER or is_part:
        tried += [] if is_integer else [found.value / _HUNDRED]
    if found.unit is Unit.PERCENT and found.value < 1:
        tried.append(found.value * _HUNDRED)
    likely = [each for each in tried if _lies_in(each, usual) and (not is_integer or _is_whole(each))]
    return f"write {_plain(likely[0])}" if likely else None


def _lies_in(number: Decimal, usual: Sequence[float] | None) -> bool:
    """Return whether a number is usual; of a place that says nothing every number is."""
    return usual is None or usual[0] <= abs(number) <= usual[1]


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _said(readings: Sequence[str]) -> str:
    return f"write {' or '.join(dict.fromkeys(readings))}"


def _written(number: Decimal, unit: str) -> str:
    plain = _plain(number)
    return f"'${plain}'" if unit == "$" else f"'{plain}{' ' if unit == 'pts' else ''}{unit}'"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
