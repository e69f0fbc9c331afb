"""Whether quotes and level of a state are of the same time: put-call parity says where the forward is."""

from datetime import date
from decimal import Decimal
from math import exp, log

import numpy as np

from engine.adapters.history.day import HistoryDay
from engine.adapters.history.finding import told
from engine.model.contract import Right, Settlement, product

_APART = 0.001
_NEAR_MONEY = 0.06
_PAIRS = 8
_DIVIDENDS, _HIGHEST_RATE = 0.03, 0.06


def with_parity(day: HistoryDay, file: str, level: float) -> HistoryDay:
    """Tell of quotes that are of another time than the level: by put-call parity the forward lies where it cannot."""
    found = parity(day)
    if found is None:
        return day
    forward, rate, years = found
    low, high = level * exp((rate - _DIVIDENDS) * years), level * exp(rate * years)
    if low * (1 - _APART) <= forward <= high * (1 + _APART):
        return day
    text = f"by put-call parity the forward is {forward:.2f}, {low:.2f} to {high:.2f} by the level {level:g}: "
    finding = told(file, 0, f"{text}quotes and level are of other times")
    return replaced(day, findings=(*day.findings, finding))


def parity(day: HistoryDay) -> tuple[float, float, float] | None:
    """Return forward, rate and years of the nearest expiry after this day with enough pairs of calls and puts.

    The line of call - put over strikes falls by the discount factor; it crosses 0 at the forward. The right of early
    exercise bends it: for options on shares the rate is the highest there may be.
    """
    if not day.options:
        return None
    symbol = day.options[0].symbol
    level, is_american = float(day.levels[symbol][-1]), product(symbol).settlement is Settlement.SHARES
    pairs: dict[tuple[date, str], dict[Decimal, dict[Right, float]]] = {}
    mid = (day.bid[-1] + day.ask[-1]) / 2.0
    for option, value in zip(day.options, mid.tolist(), strict=True):
        if option.expiry > day.date and value == value and abs(float(option.strike) / level - 1.0) < _NEAR_MONEY:
            of = pairs.setdefault((option.expiry, option.trading_class), {})
            of.setdefault(option.strike, {})[option.right] = value
    for (expiry, _), strikes in sorted(pairs.items()):
        full = {strike: both for strike, both in strikes.items() if len(both) == 2}
        if len(full) >= _PAIRS:
            x = np.array([float(strike) for strike in full])
            y = np.array([both[Right.CALL] - both[Right.PUT] for both in full.values()])
            slope, rest = np.polyfit(x, y, 1)
            years = (expiry - day.date).days / 365.0
            rate = min(-log(min(max(-slope, 1e-9), 1.0)) / years, _HIGHEST_RATE)
            return float(-rest / slope), _HIGHEST_RATE if is_american else rate, years
    return None


def replaced(day: HistoryDay, **changes: object) -> HistoryDay:
    """Return a session with some fields changed."""
    names = HistoryDay.__dataclass_fields__
    return HistoryDay(**{name: changes.get(name, getattr(day, name)) for name in names})  # type: ignore[arg-type]
