"""When a trade settles: one settlement day after it, which banks must keep open too.

Sources: SEC Rule 15c6-1 (T+1 since 28 May 2024) and OCC (options: T+1); FINRA Notice 99-83: Columbus Day and Veterans
Day are sessions of the exchange and no settlement days. The Federal Reserve keeps a holiday of a Sunday on the Monday
after it, and one of a Saturday not at all.
"""

from datetime import date

from engine.model.session import session_after

_MONDAY, _SUNDAY = 0, 6
_OCTOBER, _NOVEMBER = 10, 11
_VETERANS = 11


def is_bank_holiday(day: date) -> bool:
    """Say whether banks are closed on a day on which the exchange trades."""
    if day.month == _OCTOBER:
        return day.weekday() == _MONDAY and (day.day - 1) // 7 == 1
    if day.month != _NOVEMBER:
        return False
    kept = _VETERANS + (day.replace(day=_VETERANS).weekday() == _SUNDAY)
    return day.day == kept


def settlement_date(traded: date) -> date:
    """Return the day on which a trade of that day settles. Raises: CalendarError past the table of sessions."""
    day = session_after(traded).date
    while is_bank_holiday(day):
        day = session_after(day).date
    return day
