"""A day that the broker knows to be shorter than the calendar: what was decided after the calendar was written.

An underlying that does not trade is not entered. One that closes early makes the day a half day for all bots, as those
that the calendar knows: options trade as long as stocks do. Source: NYSE Rule 7.2 and Cboe Rule 5.1, by which the
exchanges close for a day of mourning or an emergency, days or hours before.
"""

from typing import Any

from engine.model.event import HoursReport
from engine.model.session import EXCHANGE_ZONE
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
    span = [f"{at.astimezone(EXCHANGE_ZONE):%H:%M}" for at in (hours.open, hours.close) if at is not None]
    work.record(Kind.FACTS, symbol=event.symbol, what="hours", value=" to ".join(span) or "closed")
    facts = replace(state.facts, hours={**known, event.symbol: hours})
    if hours.is_closed:
        work.alarm("", f"by the broker's hours there is no trading today in {event.symbol}: nothing on it is entered")
    if (close := hours.early_close(session)) is None:
        return {"facts": facts}
    work.alarm("", f"the broker closes at {span[-1]} today, earlier than the calendar has it: this is a half day")
    work.state = state._replace(facts=facts)
    return open_day(work, replace(session, close=close, is_half=True), resumed=True)
