"""A calendar file to its published dates, with every problem at its place in the file.

The format is that of the files in `engine/rulebot/calendars/`, described in docs/events.md. Codes RB601 to RB607.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal

from rulebot.model.economic_calendar import PROJECTIONS, Published, earnings_of
from rulebot.model.facts import EventDay, Moment
from rulebot.model.session import at_exchange_time
from rulebot.spec.diagnostic import Diagnostic, Span, did_you_mean, in_file_order
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source
from rulebot.spec.yaml import read_source

EARNINGS = "earnings"
_KEYS = (
    "rulebot_calendar",
    "name",
    "about",
    "time",
    "zone",
    "source",
    "verified",
    "published_from",
    "published_until",
    "notes",
    "dates",
    "by_symbol",
)
_REQUIRED = ("rulebot_calendar", "name", "verified", "published_until")
_ENTRY_KEYS = ("day", "time", "when", "note")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9. ]{0,11}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_AS_DAY = 'write it as "2027-01-13"'

Placed = tuple[Path, EventDay]
"""A date and where it stands in the file."""


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """What one file says; `published` is empty when anything is wrong. Earnings give one calendar a symbol."""

    published: tuple[Published, ...]
    problems: tuple[Diagnostic, ...]


def read_calendar(content: bytes, file: str) -> CalendarFile:
    """Return the dates of a calendar file, or all of its problems."""
    if (problem := _not_json(content, file)) is not None:
        return CalendarFile((), (problem,))
    source = read_source(content, file)
    if source.problems:
        return CalendarFile((), in_file_order(source.problems))
    reader = _Reader(source)
    published = reader.calendars()
    return CalendarFile(() if reader.problems else published, in_file_order(reader.problems))


def _not_json(content: bytes, file: str) -> Diagnostic | None:
    """Return the first breach of JSON's grammar: the located reader behind this would also take YAML."""
    try:
        json.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except json.JSONDecodeError as error:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        span = Span(error.lineno, error.colno, error.colno + 1)
        return Source(file=file, text=text).diagnostic_at("RB601", span, f"this is not JSON: {error.msg}")
    except (ValueError, RecursionError):  # no UTF-8, a number of thousands of digits: the located reader says where
        return None
    return None


@dataclass(slots=True)
class _Reader:
    source: Source
    problems: list[Diagnostic] = field(default_factory=list)

    def calendars(self) -> tuple[Published, ...]:
        tree = self.source.tree
        if not isinstance(tree, dict):
            self.report("RB602", (), "a calendar is a mapping of keys", 'it begins with {"rulebot_calendar": 1, ...')
            return ()
        self._check_keys(tree)
        name = self._name(tree)
        clock = self._clock(tree.get("time"), ("time",))
        verified, first, last = (self._day_of(tree, key) for key in ("verified", "published_from", "published_until"))
        lists = self._lists(tree, name, clock)
        if last is not None:
            self._check_spans([days for _, days in lists], first, last)
        if self.problems or verified is None or last is None:
            return ()
        return tuple(self._published(*found, verified, first, last) for found in lists)

    def _check_keys(self, tree: dict[str, Plain]) -> None:
        for key in tree:
            if key not in _KEYS:
                self.report("RB603", (key,), f"unknown key '{key}'", did_you_mean(key, _KEYS), at_key=True)
        for key in _REQUIRED:
            if key not in tree:
                self.report("RB604", (), f"the key '{key}' is missing", "docs/events.md shows a whole file")
        if tree.get("rulebot_calendar", 1) != 1:
            self.report("RB605", ("rulebot_calendar",), "this version of rulebot reads calendars of version 1")
        if tree.get("zone", "America/New_York") != "America/New_York":
            self.report("RB605", ("zone",), "times of a calendar are those of America/New_York")

    def _name(self, tree: dict[str, Plain]) -> str:
        name = tree.get("name", "")
        if not isinstance(name, str) or ("name" in tree and not _NAME.fullmatch(name)):
            self.report("RB605", ("name",), "a name is a letter, then letters, digits and _", "CPI, OPEC, my_event")
            return ""
        known = next((usual for usual in (*PROJECTIONS, EARNINGS) if usual.lower() == name.lower()), name)
        if known != name:
            self.report("RB605", ("name",), f"the name of this event is '{known}', is '{name}'")
        return name

    def _lists(self, tree: dict[str, Plain], name: str, clock: time | None) -> list[tuple[str, tuple[Placed, ...]]]:
        wanted, other = ("by_symbol", "dates") if name == EARNINGS else ("dates", "by_symbol")
        if other in tree:
            self.report("RB605", (other,), f"'{name}' is given under '{wanted}', not '{other}'", at_key=True)
        if wanted not in tree:
            self.report("RB604", (), f"the key '{wanted}' is missing", "docs/events.md shows a whole file")
            return []
        if wanted == "dates":
            return [(name, self._days(name, tree["dates"], ("dates",), clock))]
        return self._by_symbol(tree["by_symbol"], clock)

    def _by_symbol(self, value: Plain, clock: time | None) -> list[tuple[str, tuple[Placed, ...]]]:
        if not isinstance(value, dict) or not value:
            self.report("RB605", ("by_symbol",), 'is a mapping of symbols to dates: {"AAPL": ["2027-01-28"]}')
            return []
        found = []
        for symbol, days in value.items():
            path: Path = ("by_symbol", symbol)
            if not _SYMBOL.fullmatch(symbol):
                self.report("RB605", path, f"a symbol is upper case, is '{symbol}'", at_key=True)
            name = earnings_of(symbol.replace(" ", "."))
            found.append((name, self._days(name, days, path, clock)))
        return found

    def _days(self, name: str, value: Plain, path: Path, clock: time | None) -> tuple[Placed, ...]:
        if not isinstance(value, list):
            self.report("RB605", path, "is a list of dates", '["2027-01-13", "2027-02-10"]')
            return ()
        found: list[Placed] = []
        for number, entry in enumerate(value):
            place = (*path, number)
            event = self._event(name, entry, place, clock)
            if event is not None and found and event.day <= found[-1][1].day:
                self.report("RB606", place, f"{event.day} does not come after {found[-1][1].day}")
            if event is not None:
                found.append((place, event))
        return tuple(found)

    def _event(self, name: str, entry: Plain, path: Path, clock: time | None) -> EventDay | None:
        moment: Moment | None = None
        if isinstance(entry, dict):
            for key in entry:
                if key not in _ENTRY_KEYS:
                    help = did_you_mean(key, _ENTRY_KEYS)
                    self.report("RB603", (*path, key), f"unknown key '{key}'", help, at_key=True)
            moment = self._moment(name, entry, path)
            clock = self._clock(entry["time"], (*path, "time")) if "time" in entry else None if moment else clock
            day = self._day(entry.get("day"), (*path, "day"))
        else:
            day = self._day(entry, path)
        if day is None:
            return None
        return EventDay(name, day, None if clock is None else at_exchange_time(day, clock), moment=moment)

    def _moment(self, name: str, entry: dict[str, Plain], path: Path) -> Moment | None:
        """Return when on its day a company reports, None where that is not written."""
        if "when" not in entry:
            return None
        place, words = (*path, "when"), entry["when"]
        if not name.startswith(earnings_of("")):
            self.report("RB605", place, "'when' is for earnings; other events have a 'time'", at_key=True)
        elif "time" in entry:
            self.report("RB605", place, "'when' and 'time' both say when: write one of them", at_key=True)
        elif words not in {each.value for each in Moment}:
            self.report("RB605", place, f"'when' is bmo or amc, is {self.source.written(place)}", _MOMENTS_HELP)
        else:
            return Moment(words)
        return None

    def _published(
        self, name: str, placed: tuple[Placed, ...], verified: date, first: date | None, last: date
    ) -> Published:
        begins, days = first or _begin(placed, last), tuple(event for _, event in placed)
        return Published(name=name, first=begins, last=last, days=days, verified=verified, source=self.source.file)

    def _check_spans(self, lists: Sequence[tuple[Placed, ...]], first: date | None, last: date) -> None:
        """Report each date that lies outside of its list's span, and a span that ends before it begins."""
        if first is not None and last < first:
            self.report("RB607", ("published_until",), _backward(first, last))
            return
        for placed in lists:
            begins = first or _begin(placed, last)
            if last < begins:
                self.report("RB607", ("published_until",), _backward(begins, last))
                continue
            for place, event in placed:
                if not begins <= event.day <= last:
                    self.report("RB607", place, f"{event.day} is outside {begins} to {last}", _SPAN_HELP)

    def _day_of(self, tree: dict[str, Plain], key: str) -> date | None:
        return self._day(tree[key], (key,)) if key in tree else None

    def _day(self, value: Plain, path: Path) -> date | None:
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self.report("RB605", path, f"there is no day '{value}'")
                return None
        self.report("RB605", path, f"a day is owed, is {self.source.written(path) or 'nothing'}", _AS_DAY)
        return None

    def _clock(self, value: Plain, path: Path) -> time | None:
        if value is None:
            return None
        if isinstance(value, str) and _CLOCK.fullmatch(value):
            return time.fromisoformat(value)
        help = 'write it as "08:30", New York time, or null when it lasts the whole day'
        self.report("RB605", path, f"a time is owed, is {self.source.written(path)}", help)
        return None

    def report(self, code: str, path: Path, message: str, help: str | None = None, at_key: bool = False) -> None:
        self.problems.append(self.source.diagnostic(code, path, message, help, at_key=at_key))


_MOMENTS_HELP = 'bmo: before the open, amc: after the close; or "time": "16:05"'
_SPAN_HELP = "'published_from' and 'published_until' are the first and last day that the dates are complete for"


def _begin(placed: Sequence[Placed], last: date) -> date:
    """Return since when a list without `published_from` is complete: since the month of its earliest date."""
    return min((event.day.replace(day=1) for _, event in placed), default=last)


def _backward(first: date, last: date) -> str:
    return f"the dates end on {last}, before they begin on {first}"
