"""Digests of texts: what is kept of each part of a net, and where two of the same part differ first."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

Parts = dict[str, list[str]]
"""What a net found, by part: lines of text in their order."""
SHORT = 2
"""Characters of base64 that are kept of each line, to find the first one that differs."""
NUMBER = re.compile(
    r"[-+]?\$?[\d,]*\.?\d+%?|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?|\d\d:\d\d(:\d\d)?"
)
INSIDE = re.compile(r"\d+(?:,\d{3})*(?:[.:]\d+)*")


def digest_of(lines: Iterable[str]) -> str:
    """Return what is kept of a part: a digest of all of it, then a few letters for each line."""
    text = list(lines)
    whole = hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]
    return f"{whole} {''.join(map(_short, text))}"


def _short(line: str) -> str:
    return b64encode(hashlib.sha256(line.encode()).digest())[:SHORT].decode()


def first_difference(kept: str, lines: Sequence[str]) -> str | None:
    """Return where lines differ from those of a kept digest, in words; None where they are equal."""
    if digest_of(lines) == kept:
        return None
    marks = kept.partition(" ")[2]
    count = len(marks) // SHORT
    for place, line in enumerate(lines[:count]):
        if _short(line) != marks[place * SHORT : (place + 1) * SHORT]:
            return f"line {place + 1} of {count} is now: {line}"
    if len(lines) > count:
        return f"line {count + 1} is new: {lines[count]}"
    return f"line {len(lines) + 1} of {count} is gone" if len(lines) < count else "a line that was not found"


def numbers_in(document: object) -> list[str]:
    """Return the numbers of a JSON document in lines; names of keys and texts for people have no part in them.

    A line has the places in lists that lead to a number, then the number. Those of one place are sorted, so that a key
    may be renamed. Texts that are a number, a date or a time count as numbers.
    """
    return [f"{'.'.join(map(str, place))} {value}".strip() for place, value in sorted(_leaves(document, ()))]


def _leaves(value: object, place: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item, place)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, (*place, number))
    elif isinstance(value, bool):
        yield place, str(value).lower()
    elif isinstance(value, int | float):
        yield place, f"{value:.10g}"
    elif isinstance(value, str) and NUMBER.fullmatch(value):
        yield place, value


def numbers_said(document: object) -> list[str]:
    """Return each number that stands in any text of a JSON document, sorted, once."""
    return sorted(set(INSIDE.findall(json.dumps(document, ensure_ascii=False))))


def without_keys(document: object, names: frozenset[str]) -> object:
    """Return a JSON document without what stands under these keys."""
    if isinstance(document, Mapping):
        return {key: without_keys(item, names) for key, item in document.items() if key not in names}
    return [without_keys(item, names) for item in document] if isinstance(document, list) else document


def read_digests(file: Path) -> dict[str, dict[str, str]]:
    """Return kept digests by net and part; none where there is no file."""
    if not file.exists():
        return {}
    found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def write_digests(file: Path, digests: Mapping[str, Mapping[str, str]]) -> None:
    """Write digests, one part a line."""
    file.write_text(json.dumps(dict(sorted(digests.items())), indent=1) + "\n", encoding="utf-8")
