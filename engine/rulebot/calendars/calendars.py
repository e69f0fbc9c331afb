"""The event calendars on disk: how their files are read, those shipped, and those a person imported."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any
from zlib import crc32

from rulebot.model.economic_calendar import (
    PROJECTIONS,
    SAME_REPORT,
    Published,
    calendar_ends,
    covered_until,
    earnings_of,
    event_calendar,
    months_without,
    without_time,
)
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.model.facts import EventCalendar, EventDay, Moment
from rulebot.model.session import at_exchange_time
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic, Span, did_you_mean, in_file_order, render
from rulebot.spec.files import write_whole
from rulebot.spec.nouns import Path as SpecPath
from rulebot.spec.source import Plain, Source, read_bytes
from rulebot.spec.yaml import read_source
from rulebot.store.place import data_folder, make_folder

# --- A calendar file to its published dates, with every problem at its place in the file

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

Placed = tuple[SpecPath, EventDay]
"""A date and its place in the file."""


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


@mutable_dataclass(slots=True)
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
            path: SpecPath = ("by_symbol", symbol)
            if not _SYMBOL.fullmatch(symbol):
                self.report("RB605", path, f"a symbol is upper case, is '{symbol}'", at_key=True)
            name = earnings_of(symbol.replace(" ", "."))
            found.append((name, self._days(name, days, path, clock)))
        return found

    def _days(self, name: str, value: Plain, path: SpecPath, clock: time | None) -> tuple[Placed, ...]:
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

    def _event(self, name: str, entry: Plain, path: SpecPath, clock: time | None) -> EventDay | None:
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

    def _moment(self, name: str, entry: dict[str, Plain], path: SpecPath) -> Moment | None:
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
        """Report each date outside of its list's span, and a span that ends before it begins."""
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

    def _day(self, value: Plain, path: SpecPath) -> date | None:
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self.report("RB605", path, f"there is no day '{value}'")
                return None
        self.report("RB605", path, f"a day is expected, is {self.source.written(path) or 'nothing'}", _AS_DAY)
        return None

    def _clock(self, value: Plain, path: SpecPath) -> time | None:
        if value is None:
            return None
        if isinstance(value, str) and _CLOCK.fullmatch(value):
            return time.fromisoformat(value)
        help = 'write it as "08:30", New York time, or null when it lasts the whole day'
        self.report("RB605", path, f"a time is expected, is {self.source.written(path)}", help)
        return None

    def report(self, code: str, path: SpecPath, message: str, help: str | None = None, at_key: bool = False) -> None:
        self.problems.append(self.source.diagnostic(code, path, message, help, at_key=at_key))


_MOMENTS_HELP = 'bmo: before the open, amc: after the close; or "time": "16:05"'
_SPAN_HELP = "'published_from' and 'published_until' are the first and last day that the dates are complete for"


def _begin(placed: Sequence[Placed], last: date) -> date:
    """Return since when a list without `published_from` is complete: since the month of its earliest date."""
    return min((event.day.replace(day=1) for _, event in placed), default=last)


def _backward(first: date, last: date) -> str:
    return f"the dates end on {last}, before they begin on {first}"


# --- The event calendars on disk

SHIPPED = ("cpi", "fomc", "nfp", "opec")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.json")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: where the file now is, and the change in words, a line each."""

    path: Path
    changes: tuple[str, ...]


def calendar_folder(data: Path) -> Path:
    """Return where imported calendars are kept."""
    return data / "calendars"


@cache
def shipped_dates() -> tuple[Published, ...]:
    """Return the dates that came with this version."""
    folder = files("rulebot") / "calendars"
    return tuple(
        dates
        for name in SHIPPED
        for dates in _all_of(read_calendar((folder / f"{name}.json").read_bytes(), f"{name}.json"))
    )


def imported_dates(data: Path) -> tuple[Published, ...]:
    """Return the dates of all imported files. Raises: SpecError at a file that is broken, StoreError at the disk."""
    return tuple(dates for path in _imported_files(data) for dates in _all_of(_read(path)))


def imported_states(data: Path) -> dict[str, list[int]]:
    """Return by path a digest that shows whether an imported file changed. Raises: StoreError at the disk."""
    known = {path: _bytes_of(path) for path in _imported_files(data)}
    return {str(path): [len(content), crc32(content)] for path, content in known.items()}


def event_digests(calendar: EventCalendar, names: Iterable[str]) -> dict[str, str]:
    """Return by name a digest that shows whether dates, or times, of an event changed, projected ones too."""
    return {name: _event_digest(calendar, name) for name in sorted(set(names))}


def _event_digest(calendar: EventCalendar, name: str) -> str:
    days = calendar.days.get(name, {})
    known = [f"{day} {days[day].at} {days[day].projected} {days[day].moment}" for day in sorted(days)]
    ends = [f"{until.get(name)}" for until in (calendar.published_until, calendar.known_until)]
    return sha256("\n".join([*ends, *known]).encode()).hexdigest()


def load_calendar(data: Path | None = None) -> EventCalendar:
    """Return every event known here: what was imported over what is shipped over what is projected.

    Raises: SpecError, StoreError.
    """
    return _laid_out((*shipped_dates(), *imported_dates(data_folder() if data is None else data)))


def load_ends() -> EventCalendar:
    """Return which events are known here and how long, without their days. Raises: SpecError, StoreError."""
    return calendar_ends((*shipped_dates(), *imported_dates(data_folder())))


@lru_cache(maxsize=2)
def _laid_out(published: tuple[Published, ...]) -> EventCalendar:
    return event_calendar(published)


def import_calendar(path: Path, data: Path) -> Imported:
    """Check a calendar file and copy it into the data folder under its name.

    Raises: SpecError when the file is not fit, StoreError at the disk.
    """
    if not _PLAIN_NAME.fullmatch(path.name):
        help = "letters, digits, '.', '_' and '-', ending in .json"
        raise MisuseError(f"the file's name cannot be kept as it is: {path.name}", help)
    content = _bytes_of(path)
    return _keep(content, _all_of(read_calendar(content, str(path))), path.name, data)


def import_feed(content: bytes, data: Path) -> Imported:
    """Check a calendar from a feed and keep it in place of the feed's earlier one.

    When earnings move at the last moment, the old date is kept with the new one.

    Raises: SpecError when it is not fit, StoreError at the disk.
    """

    fresh = _all_of(read_calendar(content, "-"))
    name = f"{fresh[0].name.partition('.')[0].lower()}.json"
    target = calendar_folder(data) / name
    if fresh[0].name.startswith(f"{EARNINGS}.") and target.exists() and _read(target).published:
        content = with_moved(content, _bytes_of(target))
        fresh = _all_of(read_calendar(content, "-"))
    return _keep(content, fresh, name, data)


def _keep(content: bytes, fresh: tuple[Published, ...], name: str, data: Path) -> Imported:
    """Write an imported file atomically and return what it changes. Raises: StoreError."""
    target = calendar_folder(data) / name
    kept = [dates for other in _imported_files(data) if other.name != name for dates in _all_of(_read(other))]
    replaced = _read(target).published if target.exists() else ()
    before = event_calendar((*shipped_dates(), *kept, *replaced))
    after = event_calendar((*shipped_dates(), *kept, *fresh))
    try:
        make_folder(target.parent)
        write_whole(target, content)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    return Imported(target, tuple(_changes(before, after, fresh)))


def _imported_files(data: Path) -> list[Path]:
    folder = calendar_folder(data)
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json") if folder.is_dir() else []
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be read: {error.strerror}") from error


def _read(path: Path) -> CalendarFile:
    return read_calendar(_bytes_of(path), str(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _all_of(found: CalendarFile) -> tuple[Published, ...]:
    if found.problems:
        raise SpecError("\n".join(render(problem) for problem in found.problems))
    return found.published


_FEW = 3
_LACKING = "'event' with 'before' or 'after' is unknown around them, and unknown never enters"


def _changes(before: EventCalendar, after: EventCalendar, fresh: tuple[Published, ...]) -> Iterator[str]:
    for name in sorted({*before.days, *after.days}):
        old, new = before.days.get(name, {}), after.days.get(name, {})
        yield from _change(name, old, new)
        until = after.published_until.get(name)
        was = before.published_until.get(name)
        if until is not None and until != was:
            yield f"{name}: published until {until}" + (f", was {was}" if was else "")
    if lacking := without_time(fresh, min(each.first for each in fresh)):
        named = ", ".join(f"{each.name} {each.day}" for each in lacking[:_FEW])
        more = f" and {len(lacking) - _FEW} more" if len(lacking) > _FEW else ""
        yield f"{counted(len(lacking), 'date')} without a time, bmo or amc: {named}{more}. {_LACKING}"
    for dates in fresh:
        if empty := months_without(dates):
            yield f"{dates.name}: no date in {', '.join(empty)}: is the list complete to {dates.last}?"
        until = after.published_until[dates.name]
        if until < dates.last and covered_until([dates]) == dates.last:
            yield f"{dates.name}: nothing is published between {until} and {dates.first}: bring those dates too"


def _change(name: str, old: Mapping[date, EventDay], new: Mapping[date, EventDay]) -> Iterator[str]:
    published = [day for day, event in new.items() if not event.projected and event != old.get(day)]
    withdrawn = [day for day, event in old.items() if not event.projected and (day not in new or new[day].projected)]
    freed = sum(1 for day, event in old.items() if event.projected and day not in new)
    if published:
        yield f"{name}: {counted(len(published), 'date')} new or changed: {_listed(published)}"
    if withdrawn:
        yield f"{name}: {counted(len(withdrawn), 'date')} no longer: {_listed(withdrawn)}"
    if freed:
        yield f"{name}: {freed} projected days are free now"


def _listed(days: list[date]) -> str:
    shown = ", ".join(str(day) for day in days[:12])
    return shown if len(days) <= 12 else f"{shown} and {len(days) - 12} more"


# --- Reports that a feed moves at the last moment

_SINCE, _UNTIL = timedelta(days=10), timedelta(days=1)
"""A date counts as moved at the last moment from so long before the day on which the feed was verified to so long
after it."""


def with_moved(content: bytes, before: bytes) -> bytes:
    """Return a feed of earnings together with former dates that it has moved at the last moment.

    Both are sound calendars of earnings by symbol. A feed that has moved none is returned as it is.
    """
    feed, old = json.loads(content.decode("utf-8-sig")), json.loads(before.decode("utf-8-sig"))
    verified = date.fromisoformat(feed["verified"])
    moved = False
    for symbol, entries in feed.get("by_symbol", {}).items():
        kept = [each for each in old.get("by_symbol", {}).get(symbol, ()) if _is_moved(_day(each), entries, verified)]
        moved = moved or bool(kept)
        entries.extend(_marked(each) for each in kept)
        entries.sort(key=_day)
    return json.dumps(feed, indent=1).encode() if moved else content


def _is_moved(day: date, entries: list[Any], verified: date) -> bool:
    days = [_day(each) for each in entries]
    is_near = verified - _SINCE <= day <= verified + _UNTIL
    return is_near and day not in days and any(abs((day - other).days) <= SAME_REPORT for other in days)


def _day(entry: Any) -> date:
    return date.fromisoformat(entry if isinstance(entry, str) else entry["day"])


def _marked(entry: Any) -> dict[str, Any]:
    """Return a date with a note that the feed has it no more."""
    found = {"day": entry} if isinstance(entry, str) else dict(entry)
    return found | {"note": "moved by the feed"}


# --- Every code that calendar and settings files can give, in one line each

CODES = {
    "RB601": "A calendar file that is not JSON.",
    "RB602": "A calendar file that is not one mapping.",
    "RB603": "A key that a calendar does not have.",
    "RB604": "A key that a calendar must have and does not.",
    "RB605": "A name, day, time or list of a calendar that is not written as it must be.",
    "RB606": "Dates of a calendar that are not in order, or are listed twice.",
    "RB607": "A date outside the days that the calendar says it is complete for.",
    "RB611": "A settings file that is not TOML.",
    "RB612": "A setting that rulebot does not have.",
    "RB613": "A setting whose value cannot be used.",
}
