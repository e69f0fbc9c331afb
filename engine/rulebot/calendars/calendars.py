"""The event calendars on disk: those shipped, and those a person imported into the data folder."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any
from zlib import crc32

from rulebot.calendars.calendar_file import EARNINGS, CalendarFile, read_calendar
from rulebot.model.economic_calendar import (
    SAME_REPORT,
    Published,
    calendar_ends,
    event_calendar,
    months_without,
    unbroken_until,
    without_time,
)
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import render
from rulebot.spec.files import write_whole
from rulebot.spec.source import read_bytes
from rulebot.store.place import data_folder, make_folder

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
    """Return by path what tells whether an imported file says something else now. Raises: StoreError at the disk."""
    known = {path: _bytes_of(path) for path in _imported_files(data)}
    return {str(path): [len(content), crc32(content)] for path, content in known.items()}


def event_digests(calendar: EventCalendar, names: Iterable[str]) -> dict[str, str]:
    """Return by name what tells whether other dates, or times, of an event are known, projected ones too."""
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
    """Check a calendar that a feed gave and keep it, in the place of the one that it gave before.

    Of earnings that it has moved at the last moment the old date stays beside the new one.

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
    """Write an imported file, whole or not at all, and say what it changes. Raises: StoreError."""
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
        if until < dates.last and unbroken_until([dates]) == dates.last:
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
    """Return a feed of earnings with the dates of the one before that it has moved at the last moment.

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
    "RB606": "Dates of a calendar that are not in order, or stand twice.",
    "RB607": "A date outside the days that the calendar says it is complete for.",
    "RB611": "A settings file that is not TOML.",
    "RB612": "A setting that rulebot does not have.",
    "RB613": "A setting whose value cannot be used.",
}
