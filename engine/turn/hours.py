"""A day that the broker knows to be shorter than the calendar: what was decided after the calendar was written.

An underlying that does not trade is not entered. One that closes early makes the day a half day for all bots, as those
that the calendar knows: options trade as long as stocks do. Source: NYSE Rule 7.2 and Cboe Rule 5.1, by which the
exchanges close for a day of mourning or an emergency, days or hours before.
"""

from typing import Any

from engine.model.event import HoursReport
from engine.model.session import EXCHANGE_ZONE, Session
from engine.model.values import replace
from engine.record.record import Kind
from engine.turn.daily import open_day
from engine.turn.work import Work


def hours_told(work: Work, event: HoursReport) -> dict[str, Any]:
    """Take the broker's hours of an underlying; return the changed fields of the state."""
    state, hours = work.state, event.hours
    session, known = state.session, state.facts.hours
    if hours.date != session.date or known.get(event.symbol) == hours:
        return {}
    work.record(Kind.FACTS, symbol=event.symbol, what="hours", value=_shown(event))
    facts = replace(state.facts, hours={**known, event.symbol: hours})
    if hours.is_closed:
        work.alarm("", f"by the broker's hours there is no trading today in {event.symbol}: nothing on it is entered")
        return {"facts": facts}
    if hours.close is None or not hours.ends_early(session):
        return {"facts": facts}
    return {"facts": facts, **_shorten(work, replace(session, close=hours.close, is_half=True), facts)}


def _shorten(work: Work, session: Session, facts: Any) -> dict[str, Any]:
    """Go on with a half day; return the changed fields of the state."""
    close = f"{session.close.astimezone(EXCHANGE_ZONE):%H:%M}"
    work.alarm("", f"the broker closes at {close} today, earlier than the calendar has it: this is a half day")
    work.state = work.state._replace(facts=facts, session=session)
    return open_day(work, session, resumed=True)


def _shown(event: HoursReport) -> str:
    if event.hours.open is None or event.hours.close is None:
        return "closed"
    opens, closes = (at.astimezone(EXCHANGE_ZONE) for at in (event.hours.open, event.hours.close))
    return f"{opens:%H:%M} to {closes:%H:%M}"
