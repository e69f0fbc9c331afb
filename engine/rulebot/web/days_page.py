"""The recorded days of a store, and the page of one: what the engine saw and decided at any instant of it."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time
from rulebot.narrate.drift_summary import compared_words, last_compared
from rulebot.replay.recordings import RecordingFile, tapes_of
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.web.pages import TEMPLATES, day_of
from rulebot.web.timeline import Days, NothingRecordedError, Timeline, TimelineEvent, TimelineInProgress

PATIENCE = 3.0
"""Seconds in which a day that is not at hand may come, before the page says how far it is."""
MOST_DAYS = 300
MOST_HAPPENED = 200
MINUTES = 24 * 60
NO_STORE = {"Cache-Control": "no-store"}
Minute = Annotated[int | None, Query(ge=0, lt=MINUTES)]


def router(store: Place, days: Days | None = None) -> APIRouter:
    """Return the routes."""
    days = days or Days(tapes_of(store))
    found = APIRouter(include_in_schema=False)

    @found.get("/days", response_class=HTMLResponse)
    def all_days() -> HTMLResponse:
        listed = days.listed()
        rows = [_day_row(day, tapes) for day, tapes in list(listed.items())[:MOST_DAYS]]
        return HTMLResponse(TEMPLATES.get_template("days.html").render(rows=rows, count=len(listed)))

    @found.get("/days/{name}", response_class=HTMLResponse)
    def one_day(name: str, at: str = "", minute: Minute = None) -> HTMLResponse:
        day = day_of(name)
        clock = _clock_of(at) if minute is None else time(*divmod(minute, 60))
        assert day is not None
        try:
            seen = days.timeline(day, PATIENCE)
        except NothingRecordedError as error:
            raise HTTPException(404, f"{error.message}: {error.help}") from error
        if isinstance(seen, TimelineInProgress):
            reached = "" if seen.reached is None else _clock(seen.reached)
            shown = {"day": day, "reached": reached, "part": _part_of(day, seen.reached)}
            return HTMLResponse(TEMPLATES.get_template("day_underway.html").render(**shown), headers=NO_STORE)
        if not seen.instants:
            raise HTTPException(404, f"what is recorded of {day} ends before anything stood")
        with StoreReader(store) as reader:
            known = frozenset(reader.bots())
            drift = last_compared(reader, day)
        beside = "" if drift is None else compared_words(drift)
        shown = _shown(seen, day, clock) | {"known": known, "beside": beside} | _neighbours(list(days.listed()), day)
        return HTMLResponse(TEMPLATES.get_template("day.html").render(**shown), headers=NO_STORE)

    return found


def _day_row(day: date, tapes: Sequence[RecordingFile]) -> dict[str, Any]:
    good = [tape for tape in tapes if tape.first is not None and tape.last is not None]
    return {
        "day": day,
        "spans": [f"{_clock(tape.first)} to {_clock(tape.last)}" for tape in good if tape.first and tape.last],
        "entries": sum(tape.entries for tape in good),
        "megabytes": sum(tape.size for tape in tapes) / (1 << 20),
        "bots": list(dict.fromkeys(bot for tape in good for bot in tape.bots)),
        "goes_on": any(tape.goes_on for tape in good),
        "problems": [tape.problem for tape in tapes if tape.problem],
        "is_open": bool(good),
    }


def _clock_of(text: str) -> time | None:
    """Return a time of day as it is written, None for none. Raises: HTTPException 400."""
    if not text:
        return None
    if found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", text):
        return time(int(found[1]), int(found[2]), int(found[3] or 0))
    raise HTTPException(400, f"a time is written 11:20 or 11:20:30, is '{text[:20]}'")


def _shown(seen: Timeline, day: date, clock: time | None) -> dict[str, Any]:
    """Return what the template shows of an instant; without one the first thing that a bot did, else the first."""
    if clock is None:
        wanted = next((each.at for each in seen.happened if each.bot), seen.instants[0])
    else:
        wanted = at_exchange_time(day, clock)
    moment = seen.at(wanted)
    at = max(wanted, moment.at) if wanted <= seen.instants[-1] else moment.at
    told = [each for each in seen.happened if each.at <= at]
    return {
        "day": day,
        "moment": moment,
        "clock": _clock(moment.at, seconds=True),
        "minute": _minute(at),
        "first": _minute(seen.instants[0]),
        "last": _minute(seen.instants[-1]),
        "bounds": (_clock(seen.instants[0]), _clock(seen.instants[-1])),
        "before": _link(day, seen.before(moment.at)),
        "after": _link(day, seen.after(at)),
        "told": [(_clock(each.at, seconds=True), each) for each in reversed(told[-MOST_HAPPENED:])],
        "left_out": max(len(told) - MOST_HAPPENED, 0),
        "problem": seen.problem if seen.problem and moment.at == seen.instants[-1] else _not_recorded(seen, wanted, at),
        "unread": seen.unread,
        "conditions": {bot: [each for each in moment.conditions if each.bot == bot] for bot in moment.ran},
    }


def _not_recorded(seen: Timeline, wanted: datetime, at: datetime) -> str:
    """Return that an instant lies outside of what is recorded, or in a gap of it; "" where it does not."""
    first, last = seen.instants[0], seen.instants[-1]
    if wanted > last:
        return f"nothing is recorded after {_clock(last, seconds=True)}: this is what stood then"
    if _minute(wanted) < _minute(first):
        return f"nothing is recorded before {_clock(first, seconds=True)}: this is what stood then"
    return _gap_words(seen, at)


def _gap_words(seen: Timeline, at: datetime) -> str:
    """Return from when to when nothing is recorded, as when the engine was down, or known; "" where something is."""
    gap = seen.gap(at)
    if gap is None:
        return ""
    since, until = (_clock(each, seconds=True) for each in (gap.since, gap.until))
    what = "shown" if gap.problem else "recorded"
    words = f"nothing is {what} from {since} to {until}: this is what stood before"
    return f"{words}; {gap.problem}" if gap.problem else words


def _link(day: date, what: TimelineEvent | None) -> dict[str, str] | None:
    if what is None:
        return None
    clock = _clock(what.at, seconds=True)
    return {"path": f"/days/{day}?at={clock}", "clock": clock, "text": f"{what.bot} {what.text}".strip()}


def _neighbours(known: Sequence[date], day: date) -> dict[str, date | None]:
    earlier, later = [each for each in known if each < day], [each for each in known if each > day]
    return {"earlier": max(earlier, default=None), "later": min(later, default=None)}


def _part_of(day: date, reached: datetime | None) -> float | None:
    """Return how much of the day's session is lived through, None while that is an earlier day's."""
    if reached is None or reached.astimezone(EXCHANGE_ZONE).date() != day:
        return None
    opened, closed = at_exchange_time(day, time(9, 30)), at_exchange_time(day, time(16, 0))
    return min(max((reached - opened) / (closed - opened), 0.0), 1.0)


def _clock(at: datetime, *, seconds: bool = False) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):{'%H:%M:%S' if seconds else '%H:%M'}}"


def _minute(at: datetime) -> int:
    local = at.astimezone(EXCHANGE_ZONE)
    return local.hour * 60 + local.minute
