"""A day that the broker knows to be shorter than the calendar: what was decided after the calendar was written.

An underlying that does not trade is not entered. One that closes early makes the day a half day for all bots, as those
that the calendar knows: options trade as long as stocks do. Source: NYSE Rule 7.2 and Cboe Rule 5.1, by which the
exchanges close for a day of mourning or an emergency, days or hours before.
"""

from rulebot.core.session.session_start import resize_session
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts
from rulebot.core.state.turn import alarm
from rulebot.model.event import HoursReport
from rulebot.model.session import as_reported, session_from
from rulebot.model.text import minute
from rulebot.model.values import replace
from rulebot.record.record import HOURS, Kind


def hours_reported(work: StateBuilder, event: HoursReport) -> None:
    """Take the broker's hours of an underlying."""
    hours, session, known = event.hours, work.schedule.session, work.market.facts.hours
    if hours.date != session.date or known.get(event.symbol) == hours:
        return
    work.record(Kind.FACTS, symbol=event.symbol, what=HOURS, value=hours.words)
    facts = replace(work.market.facts, hours={**known, event.symbol: hours})
    if hours.is_closed:
        alarm(work, "", f"by the broker's hours there is no trading today in {event.symbol}: nothing on it is entered")
    reported = as_reported(session_from(session.date), facts.hours.values())
    if reported == session:
        put_facts(work, facts)
        return
    close = minute(reported.close)
    if reported.close < session.close:
        alarm(work, "", f"the broker closes at {close} today, earlier than the calendar has it: this is a half day")
    else:
        alarm(work, "", f"the broker closes at {close} today, later than it reported before")
    resize_session(work, reported)
    put_facts(work, facts)
