"""How a value is written: times in quotes, words and amounts without, sentences as their author has them."""

import json
import re

from rulebot.spec.scalar import amount, day_time, parameter_name
from rulebot.spec.walk import number_problem, plain_scalar

_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINNING = re.compile(r"-?[A-Za-z0-9$(]")
_ENDS_TEXT = (": ", " #")


def rewritten(text: str, style: str | None) -> str:
    """Return how a value that was read is written on one line. style: its quotes, None without any."""
    if _CLOCK.fullmatch(text):
        return f'"{text}"'
    if style is None:
        return quoted(text) if "\n" in text else text
    return text if _is_bare(text) else quoted(text)


def written(value: object, *, in_braces: bool = True) -> str:
    """Return how a value of a tree is written on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return str(value)
    is_plain = _is_plain(value) and (not in_braces or is_plain_in_braces(value))
    return value if is_plain and not _CLOCK.fullmatch(value) else quoted(value)


def key_text(key: str) -> str:
    """Return how a key is written."""
    return key if _KEY.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Return a text in quotes, double ones unless that would need escapes."""
    needs_escapes = '"' in text or "\\" in text
    if needs_escapes and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def is_plain_in_braces(text: str) -> bool:
    """Say whether a value as written can stand in braces: a bare text there holds none of their signs."""
    return text[:1] in ('"', "'") or not any(sign in text for sign in ",[]{}")


def _is_bare(text: str) -> bool:
    """Say whether quotes around this mean nothing: a word, an amount with its unit, a time by the open or close."""
    if plain_scalar(text) != text or number_problem(text) is not None:
        return False
    if _WORD.fullmatch(text) or parameter_name(text) is not None:
        return True
    return amount(text) is not None or day_time(text) is not None


def _is_plain(text: str) -> bool:
    """Say whether a text needs no quotes where nothing but its line ends it."""
    if plain_scalar(text) != text or number_problem(text) is not None:
        return False
    is_whole = text.isprintable() and not text.endswith((":", " ")) and not any(end in text for end in _ENDS_TEXT)
    return is_whole and _BEGINNING.match(text) is not None
