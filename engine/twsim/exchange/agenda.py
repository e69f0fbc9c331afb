"""The times of day at which the broker acts by itself."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from rulebot.model.session import FULL_CLOSE, OPEN_TIME, at_exchange_time, exchange_date, is_tabled, session_from

LATER = timedelta(minutes=15)
"""How long after the close orders of the day live in options that trade so long."""


class BrokerHours(NamedTuple):
    """Open and close of a session, UTC."""

    open: datetime
    close: datetime


def hours_of(day: date) -> BrokerHours:
    """Return the hours of a listed date; past the calendar's last year they are those of a full day."""
    if not is_tabled(day):
        return BrokerHours(at_exchange_time(day, OPEN_TIME), at_exchange_time(day, FULL_CLOSE))
    session = session_from(day)
    return BrokerHours(session.open, session.close)


def next_time(after: datetime, delivery_delay: timedelta) -> datetime:
    """Return the next open, close, delivery, late close or midnight of the exchange strictly after an instant."""
    today = exchange_date(after)
    session = session_from(today)
    times = (
        session.open,
        session.close,
        session.close + delivery_delay,
        session.close + LATER,
        at_exchange_time(today + timedelta(days=1), time(0)),
    )
    return min(moment for moment in times if moment > after)


def is_midnight(at: datetime) -> bool:
    """Say whether this is where a calendar date of the exchange begins."""
    return at == at_exchange_time(exchange_date(at), time(0))
