"""What is said of past data for eyes: where it is from, and what was wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.model.counted import counted

SHOWN_FINDINGS = 20
_GRAVE = ("refused", "left out", "told")


def named(source: str, is_modelled: bool) -> str:
    """Return the name of a source, which says when nobody ever quoted its prices."""
    return f"{source}; its option prices are MODELLED, nobody ever quoted them" if is_modelled else source


def finding_lines(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was wrong with the data, by file and row."""
    found = gravest_first(findings)
    yield f" the data: {counted(len(found), 'finding')}"
    for each in found[:SHOWN_FINDINGS]:
        where = f"{each['file']}:{each['row']}" if each["row"] else str(each["file"])
        is_counted = each["count"] == 1 or f"({each['count']} rows: " in each["text"]
        count = "" if is_counted else f" ({each['count']} times)"
        yield f"  {each['severity']}: {where}: {each['text']}{count}"
    if len(found) > SHOWN_FINDINGS:
        yield f"  and {len(found) - SHOWN_FINDINGS} more; --format json has them all"


def gravest_first(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return findings with days that were refused before all else; what a file has again and again is one, counted."""
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for each in findings:
        key = (each["severity"], each["file"], each["text"])
        count = found[key]["count"] if key in found else 0
        found[key] = {**found.get(key, each), "count": count + each["count"]}
    return sorted(found.values(), key=lambda each: _GRAVE.index(each["severity"]))
