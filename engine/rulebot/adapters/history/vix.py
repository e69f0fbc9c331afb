"""The volatility index of a chain by the published formula.

Source: Cboe, "Volatility Index Methodology: Cboe Volatility Index" (VIX): out-of-the-money options of two expiries
around 30 days weighted by strike, until two strikes in a row have no bid; variance interpolated to 30 days of minutes.
Expiries have 23 to 37 days; those that settle at the open count to 09:30 of the day in their name.
"""

from collections.abc import Callable
from datetime import date, timedelta
from math import exp, sqrt

import numpy as np

from rulebot.adapters.history.session import HistoryDay
from rulebot.model.contract import Right, is_morning_settled
from rulebot.model.session import session_after, session_on

_MINUTES = 525_600.0
_TARGET = 30 * 1440.0
_NEAREST, _FARTHEST = 23 * 1440.0, 37 * 1440.0
_DAYS = (16, 38)
"""Last days that may settle so soon: the open that some settle at may come some days later, over holidays."""
Strikes = dict[float, dict[Right, tuple[float, float]]]


def vix_of(day: HistoryDay, rate: float | Callable[[float], float]) -> float | None:
    """Return the index at the last instant, in points; None when no two expiries are around 30 days.

    rate: the risk-free rate, an annual fraction, or a function of years.
    """
    now = float(day.times[-1])
    chains = _chains(day)
    found: list[tuple[float, float]] = []
    for (trading_class, expiry), strikes in chains.items():
        minutes = (_settles(day, trading_class, expiry) - now) / 60.0
        if not _NEAREST <= minutes <= _FARTHEST:
            continue
        years = minutes / _MINUTES
        variance = expiry_variance(strikes, years, rate(years) if callable(rate) else rate)
        if variance is not None and variance > 0.0:  # of strikes far apart, less than nothing may come out
            found.append((minutes, variance))
    return _between(sorted(found))


def _between(found: list[tuple[float, float]]) -> float | None:
    near = max((each for each in found if each[0] <= _TARGET), default=None)
    far = min((each for each in found if each[0] > _TARGET), default=None)
    if near is None or far is None:
        return None
    weight = (far[0] - _TARGET) / (far[0] - near[0])
    total = near[0] * near[1] * weight + far[0] * far[1] * (1.0 - weight)
    return 100.0 * sqrt(total / _TARGET)


def _chains(day: HistoryDay) -> dict[tuple[str, date], Strikes]:
    """Return the quotes at the last instant of the expiries that may count, by class and expiry."""
    found: dict[tuple[str, date], Strikes] = {}
    nearest, farthest = (day.date + timedelta(days=days) for days in _DAYS)
    rows = zip(day.options, day.bid[-1].tolist(), day.ask[-1].tolist(), strict=True)
    for option, bid, ask in rows:
        if nearest <= option.expiry <= farthest and ask == ask:
            of = found.setdefault((option.trading_class, option.expiry), {})
            of.setdefault(float(option.strike), {})[option.right] = (0.0 if bid != bid else bid, ask)
    return found


def _settles(day: HistoryDay, trading_class: str, expiry: date) -> float:
    symbol = next(option.symbol for option in day.options if option.trading_class == trading_class)
    if is_morning_settled(symbol, trading_class):
        return session_after(expiry).open.timestamp()
    session = session_on(expiry)
    return session.close.timestamp() if session is not None else 0.0


def expiry_variance(strikes: Strikes, years: float, rate: float) -> float | None:
    """Return the annual variance of one expiry by the formula; None without options out of the money on both sides."""
    both = {strike: sides for strike, sides in strikes.items() if len(sides) == 2}
    if len(both) < 2:
        return None
    calls, puts = ({strike: sum(sides[right]) / 2.0 for strike, sides in both.items()} for right in Right)
    grown = exp(rate * years)
    closest = min(both, key=lambda strike: abs(calls[strike] - puts[strike]))
    forward = closest + grown * (calls[closest] - puts[closest])
    base = max((strike for strike in both if strike <= forward), default=None)
    if base is None:
        return None
    below = _side(strikes, sorted((each for each in strikes if each < base), reverse=True), Right.PUT)
    above = _side(strikes, sorted(each for each in strikes if each > base), Right.CALL)
    if not below or not above:
        return None
    chosen = {base: (calls[base] + puts[base]) / 2.0, **below, **above}
    k, price = np.array(sorted(chosen.items())).T
    gap = np.gradient(k)
    gap[1:-1] = (k[2:] - k[:-2]) / 2.0
    total = 2.0 / years * grown * float((gap / k**2 * price).sum())
    return total - (forward / base - 1.0) ** 2 / years


def _side(strikes: Strikes, order: list[float], right: Right) -> dict[float, float]:
    """Return mid prices going away from the money until two strikes in a row have no bid."""
    found: dict[float, float] = {}
    missing = 0
    for strike in order:
        sides = strikes[strike].get(right)
        if sides is None or not sides[0] > 0:
            missing += 1
            if missing == 2:
                break
            continue
        missing = 0
        found[strike] = (sides[0] + sides[1]) / 2.0
    return found
