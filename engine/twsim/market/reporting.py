"""When companies report: once a quarter after the close, on a day that only the company's name decides."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from twsim.market import listing
from twsim.market.chance import stable_number
from twsim.market.universe import ASSETS

EARNINGS_MOVE = 0.18
"""Standard deviation of the move on a report, as a fraction of the stock's annual volatility."""

_QUARTERS_AROUND = range(-4, 6)


@lru_cache(maxsize=2048)
def _report(symbol: str, year: int, month: int) -> date:
    """Return a session from the 18th of the quarter's first month to some three weeks later."""
    earliest = date(year, month, 18) + timedelta(days=stable_number(symbol, "report") % 21)
    return listing.on_or_before(earliest + timedelta(days=(stable_number(symbol, year, month) % 3)))


def _quarter(day: date) -> int:
    return day.year * 4 + (day.month - 1) // 3


def _reports(symbol: str, quarters: Iterable[int]) -> tuple[date, ...]:
    asset = ASSETS.get(symbol)
    if asset is None or not asset.has_earnings:
        return ()
    dates = (divmod(each, 4) for each in quarters)
    return tuple(_report(symbol, year, 3 * number + 1) for year, number in dates)


@lru_cache(maxsize=1024)
def earnings_around(symbol: str, today: date) -> tuple[date, ...]:
    """Return the reports from a year before to a year after `today`, in order; none for indices and ETFs."""
    return _reports(symbol, (_quarter(today) + step for step in _QUARTERS_AROUND))


def reports_before(symbol: str, today: date, until: date) -> int:
    """Count the reports that are to come from the evening of `today` on, up to the one before `until`."""
    return sum(today <= day < until for day in _reports(symbol, range(_quarter(today), _quarter(until) + 1)))
