"""Calendars: until when the exchange's sessions and the events that bots ask about are known."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from rulebot.calendars.calendars import load_calendar
from rulebot.doctor.finding import Finding, Group, fault, fine, outage, unchecked, warning
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import RulebotError
from rulebot.model.events import calendars_of, earnings_of, expiry_warnings
from rulebot.model.exchange_days import LAST_YEAR
from rulebot.model.facts import EventCalendar
from rulebot.model.session import CalendarError, half_days, session_from

RUNS_OUT = timedelta(days=180)
"""So long before the exchange's calendar ends a person is told: options are traded months ahead."""
A_WEEK = timedelta(days=7)
_EARNINGS = earnings_of("")


def found_calendar(data: Path) -> tuple[EventCalendar, list[Finding]]:
    """Return the events that are known here; an empty calendar when a file of them cannot be used."""
    try:
        return load_calendar(data), []
    except RulebotError as error:
        mend = error.help or "bring a sound one with 'rulebot events import FILE', or delete it"
        if error.exit_code == 3:
            return EventCalendar(), [outage(Group.CALENDARS, "events", error)]
        return EventCalendar(), [fault(Group.CALENDARS, "events", error.message.splitlines()[0], mend)]


def sessions_ahead(today: date) -> Iterator[Finding]:
    """Yield whether the exchange's calendar covers today, and when it runs out."""
    last = date(LAST_YEAR, 12, 31)
    mend = "update rulebot: its table of holidays and half days has to reach further"
    try:
        coming = session_from(today)
    except CalendarError as error:
        yield fault(Group.CALENDARS, "exchange", str(error), mend)
        return
    if last - today <= RUNS_OUT:
        text = f"sessions are known until {last}, in {(last - today).days} days; later ones stop every bot"
        yield warning(Group.CALENDARS, "exchange", text, mend)
    else:
        yield fine(Group.CALENDARS, "exchange", f"sessions are known until {last}; the next is {coming.date}")
    for half in half_days(today, today + A_WEEK):
        text = f"the session of {half.date} ends at 13:00: exits by the clock keep their distance from the close"
        yield fine(Group.CALENDARS, "half day", text)


def events_ahead(calendar: EventCalendar, desk: LoadedBots, today: date) -> Iterator[Finding]:
    """Yield whether the events that these bots ask about are known, and for how long."""
    wanted = {
        name
        for bot in desk.bots.values()
        for each in bot.structures()
        for name in calendars_of(bot.plan.needs.events, each.plan.underlyings)
    }
    if not wanted:
        yield unchecked(Group.CALENDARS, "events", "no bot asks about events")
        return
    ending = {words.partition(":")[0]: words for words in expiry_warnings(calendar, today, wanted)}
    for name in sorted(wanted):
        if name not in calendar.known_until:
            said = warning if name.startswith(_EARNINGS) else fault
            text = "there is no such calendar: conditions on it are unknown, and unknown never enters"
            yield said(Group.CALENDARS, name, text, "rulebot events import FILE (docs/events.md)")
        elif name in ending:
            text, _, mend = ending[name].partition(" Bring new ones: ")
            yield warning(Group.CALENDARS, name, text.removeprefix(f"{name}: ").rstrip("."), mend)
        else:
            yield fine(Group.CALENDARS, name, f"published until {calendar.published_until[name]}")
