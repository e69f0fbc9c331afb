"""This computer's clock held against the broker's, and the hours in which the broker is not there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta

from rulebot.adapters.clock import Clock
from rulebot.adapters.ib.timekeeping import APART
from rulebot.doctor.dates import A_WEEK
from rulebot.doctor.finding import Finding, Group, fine, unchecked, warning
from rulebot.model.exchange_days import LAST_YEAR
from rulebot.model.session import EXCHANGE_ZONE, restarts_over, sessions
from rulebot.preview.read_only_session import ReadOnlySession, coming_session

LIMIT_SECONDS = 5.0
LOOK_EVERY = 0.02
SOON = timedelta(minutes=30)


async def skew(visit: ReadOnlySession, clock: Clock) -> Finding:
    """Ask the broker for the time and say how far ours is from it. It tells whole seconds."""
    if visit.link.is_simulated:
        return unchecked(Group.CLOCK, "broker's time", "a simulated gateway has a time of its own")
    wire = visit.link.wire
    wire.fence.take()
    asked, began = clock.now(), clock.elapsed()
    wire.client.reqCurrentTime()
    while (told := wire.fence.take()) is None:
        if clock.elapsed() - began > LIMIT_SECONDS:
            text = f"the broker does not answer what time it is within {LIMIT_SECONDS:g} s"
            return warning(Group.CLOCK, "broker's time", text, "look whether the gateway is connected to the broker")
        await asyncio.sleep(LOOK_EVERY)
    return judged(asked, told, clock.elapsed() - began)


def judged(asked: datetime, told: datetime, took: float) -> Finding:
    """Say how far the clock is from the broker's: it was asked then, told that, and the answer took so many seconds."""
    middle = asked + timedelta(seconds=took / 2)
    ahead = (middle - told).total_seconds() - 0.5
    unsure = 0.5 + took / 2
    words = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the broker's, give or take {unsure:.1f} s"
    if abs(ahead) - unsure > APART:
        text = f"this computer's clock is {words}: an engine goes by the broker's"
        return warning(Group.CLOCK, "broker's time", text, "set the clock (NTP)")
    return fine(Group.CLOCK, "broker's time", words)


def hours(at: datetime, *, simulated: bool) -> Iterator[Finding]:
    """Yield which session is on or comes, and whether the broker's restarts are near."""
    session = coming_session(at)
    if session.open <= at:
        yield fine(Group.CLOCK, "session", f"open until {_clock(session.close)} New York time")
    else:
        length = ", a half day" if session.is_half else ""
        yield fine(
            Group.CLOCK, "session", f"closed; the next opens on {session.date} at {_clock(session.open)}{length}"
        )
    if simulated:
        yield unchecked(Group.CLOCK, "restarts", "a simulated gateway has none")
        return
    mend = "connect after it; after Sunday's reset (01:00) somebody must log in"
    if (over := restarts_over(at)) is not None:
        text = f"the broker and TWS restart in these hours, until {_clock(over)} New York time"
        yield warning(Group.CLOCK, "restarts", text, mend)
    elif restarts_over(at + SOON) is not None:
        yield warning(Group.CLOCK, "restarts", "the broker and TWS restart from 23:00 New York time on, soon", mend)
    else:
        yield fine(Group.CLOCK, "restarts", "none until 23:00 New York time; those are over by 03:00")


async def shorter(visit: ReadOnlySession) -> AsyncIterator[Finding]:
    """Yield which underlyings trade less than the calendar has it, by the broker's hours of today and the coming week.

    Raises: BrokerError.
    """
    first = coming_session(visit.at).date
    last = min(first + A_WEEK, date(LAST_YEAR, 12, 31))
    for symbol in sorted({symbol for symbol, _ in visit.state.facts.listings}):
        for session in sessions(first, last):
            told = await visit.feed.hours(symbol, session)
            if told is not None and told.is_less(session):
                ends = "does not trade" if told.close is None else f"trades until {_clock(told.close)} alone"
                text = f"by the broker's hours it {ends} on {session.date}; bots keep to it, not to the calendar"
                yield warning(Group.CLOCK, f"hours of {symbol}", text, "a newer rulebot knows such days")


def _clock(at: datetime) -> str:
    return at.astimezone(EXCHANGE_ZONE).strftime("%H:%M")
