"""The day in an option's name, and the last one on which it trades: of what settles at the open they differ."""

from datetime import date
from functools import lru_cache

from rulebot.model.contract import Settlement, product
from rulebot.model.session import CalendarError, is_session, session_before


def is_morning_settled(symbol: str, trading_class: str) -> bool:
    """Say whether options of a class stop trading the session before the day in their name."""
    facts = product(symbol)
    return facts.settlement is Settlement.PM_CASH and trading_class != facts.same_day_class


@lru_cache(maxsize=4096)
def last_day(symbol: str, trading_class: str, expires: date) -> date:
    """Return the last day an option trades whose name has the day `expires`.

    That is the session before a Saturday or holiday (names had the Saturday until 2015), and one more before it for
    classes that settle at the open.
    """
    try:
        day = expires if is_session(expires) else session_before(expires).date
        return session_before(day).date if is_morning_settled(symbol, trading_class) else day
    except CalendarError:
        return date.fromordinal(expires.toordinal() - is_morning_settled(symbol, trading_class))
