"""What was wrong with the data of many days, for eyes: the gravest first, and what comes again day by day told once."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

SINGLY = 3
"""So many findings alike are shown one by one."""
_GRAVE = ("refused", "left out", "told")
_NUMBER = re.compile(r"\d[\d.,:-]*")
_ROWS = re.compile(r" \(\d+ rows: [^)]*\)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class FindingGroup(NamedTuple):
    """The first of some findings that differ in numbers and days alone, how many more there are, and the last's place.

    `last` is "" where it is the only one.
    """

    first: Mapping[str, Any]
    more: int
    last: str

    @property
    def more_like_it(self) -> str:
        """Words for the others, "" without any."""
        return f"; {self.more:,} more like it, the last {self.last}" if self.more else ""

    @property
    def line(self) -> str:
        """Words for all of it: how grave, where, what, and how often, unless its text says that."""
        each = self.first
        is_counted = each["count"] == 1 or f"({each['count']} rows: " in each["text"]
        count = "" if is_counted else f" ({each['count']:,} times)"
        return f"{each['severity']}: {where(each)}: {each['text']}{count}{self.more_like_it}"


def gravest_first(findings: Iterable[Mapping[str, Any]]) -> list[FindingGroup]:
    """Return findings with days that were refused before all else; what a file has again and again is one, counted."""
    same: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for each in findings:
        key = (each["severity"], each["file"], each["text"])
        count = same[key]["count"] if key in same else 0
        same[key] = {**same.get(key, each), "count": count + each["count"]}
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for each in same.values():
        words = (_NUMBER.sub("#", _ROWS.sub("", each[name])) for name in ("file", "text"))
        groups.setdefault((each["severity"], *words), []).append(each)
    found: list[FindingGroup] = []
    for group in sorted(groups.values(), key=lambda group: _GRAVE.index(group[0]["severity"])):
        if len(group) <= SINGLY:
            found += [FindingGroup(each, 0, "") for each in group]
        else:
            found.append(FindingGroup(group[0], len(group) - 1, _last(group[0], group[-1])))
    return found


def where(finding: Mapping[str, Any]) -> str:
    """Return file and row."""
    return f"{finding['file']}:{finding['row']}" if finding["row"] else str(finding["file"])


def _last(first: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """Return where the last one stands: its file and row, of the same file its day, else what differs in its text."""
    if last["file"] == first["file"] and (day := _DAY.search(last["text"])) is not None:
        return day[0]
    differs = "" if last["row"] else _of_its_own(*(_ROWS.sub("", each["text"]).split() for each in (first, last)))
    parts = [] if differs and last["file"] == first["file"] else [where(last)]
    return ": ".join(filter(None, (*parts, differs)))


def _of_its_own(first: list[str], last: list[str]) -> str:
    """Return the words of the last text from the first to the last one that is another in the first text."""
    others = [place for place, (one, other) in enumerate(zip(first, last, strict=True)) if one != other]
    return " ".join(last[others[0] : others[-1] + 1]).rstrip(":") if others else ""
