"""A scalar as it is written elsewhere, by hand, by a chat program or in another country, to how it is written here.

Each habit offers other spellings. Only one that fits its place is ever told, so a habit need not know the places.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal

from rulebot.spec.source import Plain

_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u0060\u00b4\u2032\u2033"
DASHES = "\u2022\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_AS_TYPED = re.compile(f"[{_QUOTES}{DASHES}{_BLANKS}]")
_ODD_BLANK = re.compile(f"[{_BLANKS}]")
ODD_BEGIN = re.compile(rf" *(?:- *)?([{DASHES}](?=[ \u00a0])|[{_BLANKS}])")
"""A line that begins with a dash or a blank that YAML does not know."""
_N = r"(-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,8})?)"
_PLAIN = re.compile(_N)
_WORDS_OF_UNITS = (
    (re.compile(rf"{_N} ?(?:%|pct|per ?cent)", re.IGNORECASE), r"\1%"),
    (re.compile(rf"(?:\$|USD|US\$) ?{_N}|{_N} ?(?:\$|USD|dollars?)", re.IGNORECASE), r"$\1\2"),
    (re.compile(rf"{_N} ?(?:pts?|points?)\.?", re.IGNORECASE), r"\1 pts"),
    (re.compile(rf"{_N} ?(?:s|secs?|seconds?)", re.IGNORECASE), r"\1s"),
    (re.compile(rf"{_N} ?(?:m|mins?|minutes?)", re.IGNORECASE), r"\1m"),
    (re.compile(rf"{_N} ?(?:h|hrs?|hours?)", re.IGNORECASE), r"\1h"),
    (re.compile(rf"{_N} ?[x*\u00d7] ?([a-z][a-z0-9_]*)", re.IGNORECASE), r"\1x \2"),
)
_ZONE = r"(?: ?(?:ET|EST|EDT|NY))?"
_CLOCK = re.compile(rf"([0-9]{{1,2}})(?:[:.]([0-5][0-9]))?(?: ?([ap])\.?m\.?)?{_ZONE}", re.IGNORECASE)
_LENGTH = re.compile(r"([0-9]{1,3})m ?([0-9]{1,2})s|([0-9]{1,3})h ?([0-9]{1,2})m")
_ENDS = re.compile(rf"(-?[$0-9.]+[^ ]*) ?(?:-|[{DASHES}]|\.\.|to) ?([$0-9.]+[^ ]*)")
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9])")
_THOUSANDS = re.compile(r"(?<![0-9])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])")
_POINTS_AND_COMMA = re.compile(r"([1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,([0-9]{1,2}))?(?![0-9])")


def normalised_scalar(value: Plain, fits: Callable[[Plain], bool]) -> str | None:
    """Return what to write in the place of a text that `fits` refuses, or None where nobody can say."""
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
    """Return what to do about a key that begins with a dash or blank which only looks like the one of YAML."""
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


def _time(text: str) -> Iterator[str]:
    """Yield a time of day, or a duration, as it is written here."""
    if (clock := _CLOCK.fullmatch(text)) is not None and (clock[2] or clock[3]):
        hours, half = int(clock[1]), (clock[3] or "").lower()
        if half and 1 <= hours <= 12:
            yield f"{hours % 12 + (12 if half == 'p' else 0):02}:{clock[2] or '00'}"
        elif not half and hours < 24:
            yield f"{hours + 12 if 1 <= hours <= 5 else hours:02}:{clock[2]}"  # 3:30 is of the afternoon
    if (length := _LENGTH.fullmatch(text)) is not None:
        minutes, seconds, hours_, rest = (int(each or 0) for each in length.groups())
        yield f"{hours_ * 60 + rest}m" if hours_ else f"{minutes * 60 + seconds}s"
