"""Which sessions a folder of days lacks, and which of its days are no sessions."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from os.path import commonpath
from pathlib import Path

from rulebot.adapters.history.day import Finding
from rulebot.adapters.history.finding import finding_text, no_session, refusal, refused
from rulebot.model.errors import StoreError
from rulebot.model.session import session_on, sessions

APART = "another underlying goes into a folder of its own"
"""What helps who has put chains of several into one: a source is of one underlying."""
_DAY = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


def day_of_name(name: str) -> date | None:
    """Return the day in a file's name, of several the first: `2019-05-24.parquet`, `20190524_quote_20240101.zip`."""
    found = _DAY.search(name)
    if found is None:
        return None
    try:
        day = date(*map(int, found.groups()))
        session_on(day)
    except ValueError:  # no date, or one of which the calendar knows nothing
        return None
    return day


def has_several_days(name: str) -> bool:
    """Say whether a file is named after several days, as `SPX_20190501_20190531.csv`."""
    return len({*_DAY.findall(name)}) > 1


def parse_day(text: str) -> date:
    """Return the date of `2019-05-24`, `05/24/2019` or `20190524`. Raises: ValueError."""
    if text[2:3] == "/":
        month, day, year = text[:10].split("/")
        if len(year) < 4:
            raise ValueError(f"the year {year} has no century")
        return date(int(year), int(month), int(day))
    return date.fromisoformat(text[:10])


def is_day_first(text: str) -> bool:
    """Say whether a day is like `24/05/2019`: then nobody knows what `05/06/2019` beside it is."""
    return text[2:3] == "/" and text[:2].isdigit() and int(text[:2]) > _MONTHS


DAY_FIRST = "has the day first, where 05/24/2019 has the month: write 2019-05-24"
_MONTHS = 12


def parse_known_day(text: str) -> date:
    """Return the same, of a year that the calendar knows. Raises: ValueError."""
    day = parse_day(text)
    session_on(day)
    return day


def in_two_files(day: date, one: Path, other: Path) -> StoreError:
    """Return the error with which a day is refused that two files have."""
    own, first = (each.relative_to(commonpath((one.parent, other.parent))) for each in (other, one))
    return refusal(refused(str(own), 0, f"{day} stands in {first} as well: which one counts? {APART}"))


def missing_sessions(where: str, have: Iterable[date], first: date, last: date) -> Iterator[Finding]:
    """Yield a finding for each day that is no session, and for each run of sessions that is missing in between.

    Before the first day that there is and after the last one nothing is missing: the source does not reach there.
    """
    days = sorted(have)
    for day in days:
        if session_on(day) is None:
            yield no_session(where, day)
    if not days:
        return
    known = set(days)
    span = [(found.date, found.date in known) for found in sessions(max(first, days[0]), min(last, days[-1]))]
    for is_there, run in groupby(span, key=lambda each: each[1]):
        if not is_there:
            lost = [day for day, _ in run]
            which = str(lost[0]) if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"
            yield finding_text(where, 0, f"no data of {which}", len(lost))
