"""When a trade settles: some settlement days after it, days of the exchange on which banks are open too.

Sources: FINRA Notice 99-83: Columbus Day and Veterans Day are sessions of the exchange and no settlement days. The
Federal Reserve keeps a holiday of a Sunday on the Monday after it, and one of a Saturday not at all.
"""

from datetime import date

from rulebot.model.session import session_after

_MONDAY, _SUNDAY = 0, 6
_OCTOBER, _NOVEMBER = 10, 11
_VETERANS = 11
_SHARES_IN_ONE_DAY = date(2024, 5, 28)
_SHARES_IN_TWO_DAYS = date(2017, 9, 5)


def is_bank_holiday(day: date) -> bool:
    """Say whether banks are closed on a day on which the exchange trades."""
    if day.month == _OCTOBER:
        return day.weekday() == _MONDAY and (day.day - 1) // 7 == 1
    if day.month != _NOVEMBER:
        return False
    kept = _VETERANS + (day.replace(day=_VETERANS).weekday() == _SUNDAY)
    return day.day == kept


def settlement_date(traded: date, *, is_share: bool) -> date:
    """Return the day on which a trade of that day settles.

    Options: the next one (T+1), always. Shares: T+1, T+2 before 28 May 2024 and T+3 before 5 September 2017.
    Raises: CalendarError past the table of sessions.
    Source: OCC (premiums of options); SEC Rule 15c6-1 for shares, in force since 1995 with T+3, as amended by 82 FR
    15564 (T+2, trades from 5 September 2017) and 88 FR 13872 (T+1, trades from 28 May 2024).
    """
    day = traded
    for _ in range(_days_of_shares(traded) if is_share else 1):
        day = _settlement_day_after(day)
    return day


def _days_of_shares(traded: date) -> int:
    if traded >= _SHARES_IN_ONE_DAY:
        return 1
    return 2 if traded >= _SHARES_IN_TWO_DAYS else 3


def _settlement_day_after(day: date) -> date:
    day = session_after(day).date
    while is_bank_holiday(day):
        day = session_after(day).date
    return day
