"""The drawings of a report, as SVG without a script: curves, a calendar of days, bars, a histogram."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Any, NamedTuple

from rulebot.drawing import across, circle, down, polygon, polyline, text
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.text import counted, figure, whole_percent
from rulebot.model.values import dataclass

# --- From values to places on a drawing

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 12, 26


@dataclass(frozen=True, slots=True)
class Scale:
    """A drawing of `height`: `count` places from left to right, values from `low` to `high`."""

    count: int
    low: float
    high: float
    height: int

    def x(self, place: float) -> float:
        """Return where a place stands."""
        return LEFT + (WIDTH - LEFT - RIGHT) * place / max(self.count - 1, 1)

    def y(self, value: float) -> float:
        """Return where a value stands."""
        part = (self.high - value) / ((self.high - self.low) or 1.0)
        return TOP + part * (self.height - TOP - BOTTOM)


def steps(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round values from `low` to `high`, about so many: 1, 2 or 5 times a power of ten apart."""
    room = high - low
    if not isfinite(room) or room <= 0.0:
        return [low]
    rough = room / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * each for each in (1.0, 2.0, 5.0, 10.0) if power * each >= rough)
    first = ceil(low / step)
    return [step * (first + number) for number in range(floor(high / step) - first + 1)]


def scale_of(series: Sequence[Sequence[float | None]], height: int, *, zero: bool = False) -> Scale:
    """Return the scale that holds all series, with a little room, and zero if asked."""
    values = [value for each in series for value in each if value is not None] + ([0.0] if zero else [])
    low, high = min(values, default=0.0), max(values, default=0.0)
    room = (high - low) * 0.05 or max(abs(high) * 0.01, 1.0)
    top = high if zero and high == 0.0 else high + room
    return Scale(max(map(len, series), default=1), low - room, top, height)


def plain_money(amount: float) -> str:
    """Return `$1,000,250` or `-$12`, or with cents below a hundred dollars where there are any."""
    digits = 2 if abs(amount) < 100 and round(amount, 2) % 1 else 0
    return f"{'-' if round(amount, digits) < 0 else ''}${abs(amount):,.{digits}f}"


def svg(name: str, height: int, body: str, width: int = WIDTH) -> str:
    """Return a drawing with a name for those who hear it; on a narrow screen it stays as large as can be read."""
    said = f'role="img" aria-label="{escape(name)}" viewBox="0 0 {width} {height}"'
    return f'<div class="wide" tabindex="0"><svg {said}>{body}</svg></div>'


def words(x: float, y: float, told: str, anchor: str = "start", kind: str = "soft") -> str:
    """Return text on a drawing."""
    return text(x, y, told, anchor, kind)


def axis(scale: Scale, days: Sequence[str]) -> str:
    """Return lines at round values with their dollars, and some dates below."""
    found = []
    for value in steps(scale.low, scale.high):
        y = scale.y(value)
        found.append(across("grid", LEFT, WIDTH - RIGHT, y))
        found.append(words(LEFT - 6, y + 4, plain_money(value), "end"))
    shown = min(6, len(days))
    for number in range(shown):
        place = round(number * (len(days) - 1) / max(shown - 1, 1))
        anchor = "start" if number == 0 and shown > 1 else "end" if number == shown - 1 and shown > 1 else "middle"
        found.append(words(scale.x(place), scale.height - 6, days[place], anchor))
    return "".join(found)


# --- The drawings of a report, as SVG without a script

TIPS = 400
"""Sessions up to which each point of a curve says what it is."""
COLOURS, ROUNDS = 6, 3
CELL = 14
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def curves(name: str, days: Sequence[str], series: Mapping[str, Sequence[float | None]], height: int = 260) -> str:
    """Return one line for each series over the sessions; where it has None it is not drawn."""
    scale = scale_of(list(series.values()), height)
    body = axis(scale, days)
    for number, (label, values) in enumerate(series.items()):
        known = [(place, value) for place, value in enumerate(values) if value is not None]
        body += polyline(f"curve {_kind(number)}", ((scale.x(place), scale.y(value)) for place, value in known))
        if len(known) == 1:
            place, value = known[0]
            body += circle(f"dot c{number % COLOURS}", scale.x(place), scale.y(value), 1.5)
        body += _tips(scale, days, values, label if len(series) > 1 else "")
    return svg(name, height, body)


def _kind(number: int) -> str:
    """Return the colour of a line, and how it is dashed where all colours were there before."""
    return f"c{number % COLOURS} r{number // COLOURS % ROUNDS}"


def key(number: int, name: str) -> str:
    """Return what stands for a line of `curves`: a piece of it, and its name."""
    kinds = f"k{number % COLOURS} r{number // COLOURS % ROUNDS}"
    return f'<span class="key {kinds}"></span>{escape(name)} &nbsp; '


def _tips(scale: Scale, days: Sequence[str], values: Sequence[float | None], label: str) -> str:
    if len(values) > TIPS:
        return ""
    return "".join(
        circle("tip", scale.x(place), scale.y(value), 5, " ".join(filter(None, (label, days[place], dollars(value)))))
        for place, value in enumerate(values)
        if value is not None
    )


def falls(days: Sequence[str], values: Sequence[float], height: int = 150) -> str:
    """Return how far the account stood below its best so far, an area that hangs from zero; words if it never did."""
    if not any(values):
        return '<p class="soft">The account was never below its best at the end of a session.</p>'
    below = [-value for value in values]
    scale = scale_of([below], height, zero=True)
    top, last = scale.y(0.0), scale.x(len(below) - 1)
    edge = ((scale.x(place), scale.y(value)) for place, value in enumerate(below))
    body = axis(scale, days) + polygon("loss soft-fill", [(scale.x(0), top), *edge, (last, top)])
    if len(below) == 1:
        body += circle("loss", scale.x(0), scale.y(below[0]), 3)
    return svg("drawdown", height, body + _tips(scale, days, below, ""))


def calendar(days: Sequence[Mapping[str, Any]]) -> str:
    """Return each year as weeks from left to right and week days from top to bottom, coloured by what a day made."""
    by_year: dict[int, list[Mapping[str, Any]]] = {}
    for day in days:
        by_year.setdefault(int(day["date"][:4]), []).append(day)
    most = max((abs(day["profit"]) for day in days), default=0.0) or 1.0
    return "".join(_year(year, found, most) for year, found in by_year.items())


def _year(year: int, days: Sequence[Mapping[str, Any]], most: float) -> str:
    monday = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    body = words(0, 12, str(year), kind="strong")
    for month in range(1, 13):
        week = (date(year, month, 1) - monday).days // 7
        body += words(36 + week * (CELL + 1), 12, _MONTHS[month - 1])
    for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri")):
        body += words(0, 20 + number * (CELL + 1) + 11, name)
    for day in days:
        found = date.fromisoformat(day["date"])
        week, weekday = (found - monday).days // 7, found.weekday()
        made = float(day["profit"])
        kind = "gain" if made > 0 else "loss" if made < 0 else "none"
        depth = 0.25 + 0.75 * abs(made) / most if made else 1.0
        place = f'x="{36 + week * (CELL + 1)}" y="{20 + weekday * (CELL + 1)}" width="{CELL}" height="{CELL}"'
        tip = f"{day['date']} {signed_dollars(made)}, {day['opened']} opened, {day['closed']} closed"
        body += f'<rect class="{kind}" {place} rx="2" opacity="{depth:.2f}"><title>{escape(tip)}</title></rect>'
    return svg(f"profit and loss of each day of {year}", 20 + 5 * (CELL + 1) + 4, body)


def bar(value: float, most: float, width: int = 120) -> str:
    """Return a bar from the middle, to the right for a gain."""
    half = width / 2
    length = half * min(abs(value) / most, 1.0) if most else 0.0
    left = half if value >= 0 else half - length
    kind = "gain" if value >= 0 else "loss"
    body = (
        f'<line class="grid" x1="{half}" x2="{half}" y1="0" y2="12"/>'
        f'<rect class="{kind}" x="{left:.1f}" y="2" width="{length:.1f}" height="8"/>'
    )
    return f'<svg class="bar" aria-hidden="true" viewBox="0 0 {width} 12">{body}</svg>'


def share(value: float, most: float, width: int = 160) -> str:
    """Return a bar from the left: so much of the most."""
    length = width * min(value / most, 1.0) if most else 0.0
    body = f'<rect class="plain" x="0" y="2" width="{length:.1f}" height="8"/>'
    return f'<svg class="bar" aria-hidden="true" viewBox="0 0 {width} 12">{body}</svg>'


def histogram(values: Sequence[float], name: str, height: int = 150, columns: int = 25) -> str:
    """Return how often values fall into each of equal columns, with zero marked."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    width = (high - low) / columns or 0.01
    counts = [0] * columns
    for value in values:
        counts[min(int((value - low) / width), columns - 1)] += 1
    room = (WIDTH - LEFT - RIGHT) / columns
    bottom, most = height - BOTTOM, max(counts)
    body = ""
    for place, count in enumerate(counts):
        tall = (bottom - TOP) * count / most
        box = f'x="{LEFT + place * room:.1f}" y="{bottom - tall:.1f}" width="{room - 1:.1f}" height="{tall:.1f}"'
        tip = f"{low + place * width:.3f} to {low + (place + 1) * width:.3f}: {count}"
        body += f'<rect class="plain" {box}><title>{tip}</title></rect>'
    zero = LEFT + (0.0 - low) / (width * columns) * (WIDTH - LEFT - RIGHT)
    body += down("axis", zero, TOP, bottom)
    end = low + width * columns
    body += words(LEFT, height - 6, f"{low:.3f}") + words(WIDTH - RIGHT, height - 6, f"{end:.3f}", "end")
    return svg(name, height, body + words(LEFT - 6, TOP + 10, str(most), "end"))


# --- What was wrong with the data of many days, for eyes

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


# --- The tables of a report

FINDINGS = 200


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: frozenset[int] = frozenset(),
    words: frozenset[int] = frozenset(),
) -> str:
    """Return a table; cells are HTML already. `left`: columns of a word or two; `words`: of sentences, which wrap."""

    def cell(tag: str, place: int, content: str) -> str:
        kind = ' class="words"' if place in words else ' class="left"' if place in left else ""
        return f"<{tag}{kind}>{content}</{tag}>"

    top = "".join(cell("th", place, escape(name)) for place, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", place, each) for place, each in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def coloured(amount: float | None) -> str:
    """Return dollars in the colour of a gain or a loss."""
    if amount is None:
        return "-"
    kind = "g" if amount > 0 else "l" if amount < 0 else ""
    return f'<span class="{kind}">{signed_dollars(amount)}</span>'


_SUMS = ("trades", "won", "net", "", "average", "best", "worst", "profit factor")


def groups(title: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the trades of each group add up to."""
    most = max((abs(each["net"]) for each in found.values()), default=0.0)
    rows = [(escape(name), *_sums(each, most)) for name, each in found.items()]
    return table((title, *_SUMS), rows, frozenset((0, 4)))


def _sums(each: Mapping[str, Any], most: float) -> tuple[str, ...]:
    money_of = tuple(coloured(each[name]) for name in ("expectancy", "best", "worst"))
    head = (str(each["trades"]), whole_percent(each["win_rate"]), coloured(each["net"]), bar(each["net"], most))
    return (*head, *money_of, figure(each["profit_factor"]))


def funnel(found: Mapping[str, Any]) -> str:
    """Return what kept one bot out."""
    most = max((each["sessions"] for each in found["stopped"]), default=0)
    rows = [
        (
            escape(each["rule"]),
            str(each["sessions"]),
            share(each["sessions"], most),
            f"{each['false']:,.0f}",
            f"{each['unknown']:,.0f}",
        )
        for each in found["stopped"]
    ]
    sessions = counted(found["sessions"], "session")
    words = (
        f"<p><b>{escape(found['bot'])}</b>: of {sessions} it watched in {found['watched']:,}, sent an "
        f"entry in {found['tried']:,} and held a position from {found['entered']:,} of them.</p>"
    )
    head = ("kept out by", "sessions", "", "minutes false", "minutes unknown")
    return words + (table(head, rows, frozenset((0, 2))) if rows else "")


def months(found: Sequence[Mapping[str, Any]]) -> str:
    """Return each month, beside what it falls short of where one does."""
    is_short = any(each["short"] for each in found)
    rows = [
        (
            each["name"],
            str(each["sessions"]),
            str(each["idle"]),
            str(each["trades"]),
            whole_percent(each["win_rate"]),
            coloured(each["average"]),
            coloured(each["net"]),
            dollars(each["drawdown"]),
            *([escape("; ".join(each["short"]))] if is_short else []),
        )
        for each in found
    ]
    head = ("month", "sessions", "idle", "trades", "won", "average", "net", "drawdown")
    return table((*head, "short of") if is_short else head, rows, frozenset((8,)))


def findings(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what was wrong with the data, by file and row."""
    every = gravest_first(found)
    rows = [
        (
            escape(each.first["severity"]),
            escape(where(each.first)),
            f"{each.first['count']:,}",
            escape(f"{each.first['text']}{each.more_like_it}"),
        )
        for each in every[:FINDINGS]
    ]
    left = sum(1 + each.more for each in every[FINDINGS:])
    more = f"<p>and {left:,} more</p>" if left else ""
    return table(("", "file and row", "times", "what"), rows, frozenset((1,)), frozenset((3,))) + more
