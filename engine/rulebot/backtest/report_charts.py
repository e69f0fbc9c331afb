"""The drawings of a report, as SVG without a script: curves, a calendar of days, bars, a histogram."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from rulebot.drawing import Panel, circle, down, frame, padded, polygon, rect, text
from rulebot.model.money import dollars, short_dollars, signed_dollars

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 12, 26


def panel_of(series: Sequence[Sequence[float | None]], height: int, *, zero: bool = False) -> Panel:
    """Return the panel that holds all series, with a little room, and zero if asked: x is the place in a series."""
    values = [value for each in series for value in each if value is not None] + ([0.0] if zero else [])
    low, high = padded(values, 0.05, 1.0)
    top = 0.0 if zero and max(values) == 0.0 else high
    places = (0.0, float(max(map(len, series), default=1) - 1))
    return Panel(LEFT, WIDTH - RIGHT, TOP, height - BOTTOM, places, (low, top))


def _framed(name: str, height: int, body: str) -> str:
    return frame("report", f"0 0 {WIDTH} {height}", name, body)


def axis(panel: Panel, days: Sequence[str]) -> str:
    """Return lines at round values with their dollars, and some dates below."""
    shown = min(6, len(days))
    places = [round(number * (len(days) - 1) / max(shown - 1, 1)) for number in range(shown)]
    return "".join([*panel.amounts(short_dollars), *panel.names((float(place), days[place]) for place in places)])


# --- The drawings of a report, as SVG without a script

TIPS = 400
"""Sessions up to which each point of a curve says what it is."""
COLOURS, ROUNDS = 6, 3
CELL = 14
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def curves(name: str, days: Sequence[str], series: Mapping[str, Sequence[float | None]], height: int = 260) -> str:
    """Return one line for each series over the sessions; where it has None it is not drawn."""
    panel = panel_of(list(series.values()), height)
    body = axis(panel, days)
    for number, (label, values) in enumerate(series.items()):
        known = [(float(place), value) for place, value in enumerate(values) if value is not None]
        body += panel.line(f"curve {_kind(number)}", known)
        if len(known) == 1:
            body += circle(f"dot c{number % COLOURS}", *panel.place(*known[0]), 1.5)
        body += _tips(panel, days, known, label if len(series) > 1 else "")
    return _framed(name, height, body)


def _kind(number: int) -> str:
    """Return the colour of a line, and how it is dashed where all colours were there before."""
    return f"c{number % COLOURS} r{number // COLOURS % ROUNDS}"


def keyed(name: str, days: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Mapping[str, Any]:
    """Return the drawing of `curves`, and the legend of its lines."""
    lines = [
        {"name": label, "kind": f"k{number % COLOURS} r{number // COLOURS % ROUNDS}"}
        for number, label in enumerate(series)
    ]
    return {"drawing": curves(name, days, series), "lines": lines}


def _tips(panel: Panel, days: Sequence[str], known: Sequence[tuple[float, float]], label: str = "") -> str:
    """Return what says each value when it is pointed at. known: (place, dollars)."""
    reported = ((at, value, (label, days[int(at)], dollars(value))) for at, value in known[: TIPS + 1])
    tips = [circle("tip", *panel.place(at, value), 5, " ".join(filter(None, words))) for at, value, words in reported]
    return "" if len(tips) > TIPS else "".join(tips)


def falls(days: Sequence[str], values: Sequence[float], height: int = 150) -> str:
    """Return the drawdown of the account as an area below zero; "" if there was none."""
    if not any(values):
        return ""
    below = [(float(place), -value) for place, value in enumerate(values)]
    panel = panel_of([[value for _, value in below]], height, zero=True)
    edge = [(0.0, 0.0), *below, (below[-1][0], 0.0)]
    body = axis(panel, days) + polygon("loss half", (panel.place(*each) for each in edge))
    if len(below) == 1:
        body += circle("loss", *panel.place(*below[0]), 3)
    return _framed("drawdown", height, body + _tips(panel, days, below))


def calendar(days: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each year as weeks from left to right and week days from top to bottom, coloured by what a day made."""
    by_year: dict[int, list[Mapping[str, Any]]] = {}
    for day in days:
        by_year.setdefault(int(day["date"][:4]), []).append(day)
    most = max((abs(day["profit"]) for day in days), default=0.0) or 1.0
    return [_year(year, found, most) for year, found in by_year.items()]


def _year(year: int, days: Sequence[Mapping[str, Any]], most: float) -> str:
    monday = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    body = text(0, 12, str(year), "start", "strong")
    for month in range(1, 13):
        week = (date(year, month, 1) - monday).days // 7
        body += text(36 + week * (CELL + 1), 12, _MONTHS[month - 1], "start", "soft")
    for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri")):
        body += text(0, 20 + number * (CELL + 1) + 11, name, "start", "soft")
    for day in days:
        found = date.fromisoformat(day["date"])
        week, weekday = (found - monday).days // 7, found.weekday()
        made = float(day["profit"])
        kind = "gain" if made > 0 else "loss" if made < 0 else "none"
        depth = 0.25 + 0.75 * abs(made) / most if made else 1.0
        tip = f"{day['date']} {signed_dollars(made)}, {day['opened']} opened, {day['closed']} closed"
        left, top = 36 + week * (CELL + 1), 20 + weekday * (CELL + 1)
        body += rect(kind, left, top, (CELL, CELL), tip, round_by=2, opacity=depth)
    return _framed(f"profit and loss of each day of {year}", 20 + 5 * (CELL + 1) + 4, body)


def bar(value: float, most: float) -> str:
    """Return a bar from the middle, to the right for a gain."""
    panel = Panel(0, 120, 0, 12, (-most, most), (0, 1))
    zero, end = panel.x(0.0), panel.x(max(-most, min(value, most)))
    body = down("grid", 60, 0, 12) + rect("gain" if value >= 0 else "loss", min(zero, end), 2, (abs(end - zero), 8))
    return frame("bar", "0 0 120 12", "", body)


def share(value: float, most: float) -> str:
    """Return a bar from the left: so much of the most."""
    return frame("bar", "0 0 160 12", "", rect("plain", 0, 2, (160 * min(value / most, 1.0) if most else 0.0, 8)))


def histogram(values: Sequence[float], name: str, height: int = 150, columns: int = 25) -> str:
    """Return how often values fall into each of equal columns, with zero marked."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    width = (high - low) / columns or 0.01
    counts = [0] * columns
    for value in values:
        counts[min(int((value - low) / width), columns - 1)] += 1
    end = low + width * columns
    panel = Panel(LEFT, WIDTH - RIGHT, TOP, height - BOTTOM, (low, end), (0.0, float(max(counts))))
    body = "".join(panel.names((value, f"{value:.3f}") for value in (low, end)))
    for place, count in enumerate(counts):
        first, last = low + place * width, low + (place + 1) * width
        left, top = panel.place(first, count)
        size = (panel.x(last) - left - 1, panel.bottom - top)
        body += rect("plain", left, top, size, f"{first:.3f} to {last:.3f}: {count}")
    body += down("axis", panel.x(0.0), TOP, panel.bottom)
    return _framed(name, height, body + text(LEFT - 6, TOP + 10, str(max(counts)), "end", "soft"))


# --- What was wrong with the data of many days, for eyes

SINGLY = 3
"""Number of equal findings that are listed one by one."""
_GRAVE = ("refused", "left out", "reported")
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
    """Return the place of the last one:

    its file and row, for the same file its day, else the part of its text that differs.
    """
    if last["file"] == first["file"] and (day := _DAY.search(last["text"])) is not None:
        return day[0]
    differs = "" if last["row"] else _of_its_own(*(_ROWS.sub("", each["text"]).split() for each in (first, last)))
    parts = [] if differs and last["file"] == first["file"] else [where(last)]
    return ": ".join(filter(None, (*parts, differs)))


def _of_its_own(first: list[str], last: list[str]) -> str:
    """Return the words of the last text from the first to the last one that is another in the first text."""
    others = [place for place, (one, other) in enumerate(zip(first, last, strict=True)) if one != other]
    return " ".join(last[others[0] : others[-1] + 1]).rstrip(":") if others else ""


FINDINGS = 200
"""Groups of findings that a page has."""


def shown_findings(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the rows of a page about what was wrong with the data, and how many findings are in none."""
    every = gravest_first(found)
    rows = [
        (each.first["severity"], where(each.first), f"{each.first['count']:,}", each.first["text"] + each.more_like_it)
        for each in every[:FINDINGS]
    ]
    return {"rows": rows, "more": sum(1 + each.more for each in every[FINDINGS:])}
