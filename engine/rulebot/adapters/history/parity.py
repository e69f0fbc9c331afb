"""Whether quotes and level of a state are of the same time: put-call parity says where the forward is."""

from datetime import date
from decimal import Decimal
from math import exp, log
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import HistoryDay
from rulebot.adapters.history.finding import File, finding_text
from rulebot.model.contract import Right, Settlement, product

_APART = 0.001
_NEAR_MONEY = 0.06
_PAIRS = 8
_DIVIDENDS, _HIGHEST_RATE = 0.03, 0.06


class ForwardLine(NamedTuple):
    """The line of call - put over strikes of one expiry: its forward and rate, and how many years it is away."""

    forward: float
    rate: float
    years: float


def with_parity(day: HistoryDay, line: ForwardLine | None, file: File, level: float) -> HistoryDay:
    """Tell of quotes that are of another time than the level: by put-call parity the forward lies where it cannot."""
    if line is None:
        return day
    forward, rate, years = line
    low, high = level * exp((rate - _DIVIDENDS) * years), level * exp(rate * years)
    if low * (1 - _APART) <= forward <= high * (1 + _APART):
        return day
    text = f"by put-call parity the forward is {forward:.2f}, {low:.2f} to {high:.2f} by the level {level:g}: "
    finding = finding_text(file, 0, f"{text}quotes and level are of other times")
    return replaced(day, findings=(*day.findings, finding))


def parity(day: HistoryDay) -> ForwardLine | None:
    """Return that of the nearest expiry after this day with enough pairs of calls and puts.

    The right of early exercise bends the line: for options on shares the rate is the highest there may be.
    """
    found = forwards(day)
    if not found:
        return None
    forward, discount, years = found[min(found)]
    if product(day.options[0].symbol).settlement is Settlement.SHARES:
        return ForwardLine(forward, _HIGHEST_RATE, years)
    return ForwardLine(forward, min(-log(discount) / years, _HIGHEST_RATE), years)


def forwards(day: HistoryDay) -> dict[tuple[date, str], tuple[float, float, float]]:
    """Return forward, discount factor and years of each expiry after this day, at its last instant.

    The line of call - put over strikes falls by the discount factor; it crosses 0 at the forward.
    """
    if not day.options:
        return {}
    level = float(day.levels[day.options[0].symbol][-1])
    pairs: dict[tuple[date, str], dict[Decimal, dict[Right, float]]] = {}
    mid = (day.bid[-1] + day.ask[-1]) / 2.0
    strike = np.array([float(option.strike) for option in day.options])
    near = np.flatnonzero(~np.isnan(mid) & (np.abs(strike / level - 1.0) < _NEAR_MONEY))
    for place, value in zip(near.tolist(), mid[near].tolist(), strict=True):
        option = day.options[place]
        if option.expiry > day.date:
            of = pairs.setdefault((option.expiry, option.trading_class), {})
            of.setdefault(option.strike, {})[option.right] = value
    found = {}
    for (expiry, trading_class), strikes in pairs.items():
        full = {strike: both for strike, both in strikes.items() if len(both) == 2}
        if len(full) >= _PAIRS:
            x = np.array([float(strike) for strike in full])
            y = np.array([both[Right.CALL] - both[Right.PUT] for both in full.values()])
            slope, rest = np.polyfit(x, y, 1)
            discount = min(max(-float(slope), 1e-9), 1.0)
            found[expiry, trading_class] = (float(-rest / slope), discount, (expiry - day.date).days / 365.0)
    return found


def replaced(day: HistoryDay, **changes: object) -> HistoryDay:
    """Return a session with some fields changed."""
    names = HistoryDay.__dataclass_fields__
    return HistoryDay(**{name: changes.get(name, getattr(day, name)) for name in names})  # type: ignore[arg-type]
