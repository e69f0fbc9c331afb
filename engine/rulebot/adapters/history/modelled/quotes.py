"""What options of one expiry are quoted at: Black's formula on the surface, a width around it, on ticks."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.blackscholes import d1_of, normal
from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.modelled.skew import index_over_money, ratio
from rulebot.model.black import DAYS_A_YEAR
from rulebot.model.contract import Right, product


class Widths(NamedTuple):
    """How wide options are usually quoted, bid to ask, by their price: straight between these."""

    prices: tuple[float, ...]
    widths: tuple[float, ...]


_OF_SPX = Widths(
    (0.1, 0.35, 0.75, 1.5, 2.5, 4.0, 7.5, 15.0, 30.0, 60.0, 115.0, 225.0, 500.0),
    (0.05, 0.05, 0.10, 0.10, 0.15, 0.20, 0.30, 0.30, 0.40, 0.60, 1.9, 2.4, 4.0),
)
_OF_SPY = Widths((0.75, 1.5, 2.5, 4.0, 7.5, 15.0, 35.0, 100.0), (0.003, 0.007, 0.015, 0.017, 0.03, 0.07, 0.19, 1.0))
WIDTHS: Mapping[str, Widths] = {
    "SPX": _OF_SPX,
    "XSP": Widths(*(tuple(each / 10.0 for each in column) for column in _OF_SPX)),
    "SPY": _OF_SPY,
}
"""Of SPX medians of 13 days of 2019; of XSP those to scale. Of SPY medians at the close of 2021 and of January 2025,
less the cent that rounding outwards adds.
"""

Ticks = tuple[float, float]
"""The price step below 3.00, and from there."""
QUOTED_ON: Mapping[str, Ticks] = {
    symbol: (float(each.option_ticks.tick(0.0)), float(each.option_ticks.tick(3.0)))
    for symbol, each in ((name, product(name)) for name in WIDTHS)
}

_ROUNDS = 3


class Quotes(NamedTuple):
    """Columns (instants x strikes) of the calls or the puts of an expiry, in the units of the board."""

    bid: Columns
    ask: Columns
    iv: Columns
    delta: Columns
    gamma: Columns
    vega: Columns
    theta: Columns


def at_the_money(total: Columns, days: float) -> Columns:
    """Return the deviation at the money of an expiry whose index has that total variance, at each instant."""
    wanted = np.sqrt(total)
    ordered = np.sort(wanted)
    low, high = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    over = 1.0
    for _ in range(_ROUNDS):
        over = index_over_money((low / over + high / over) / 2.0, days)
    found: Columns = wanted / over
    return found


def quotes(
    forward: Columns,
    strike: Columns,
    deviation: Columns,
    *,
    days: float,
    years: Columns,
    discount: float,
    width: float,
    symbol: str = "SPX",
    spot: Columns | None = None,
) -> dict[Right, Quotes]:
    """Return the quotes of calls and of puts; what does not depend on the right they have in common.

    spot: of options that may be exercised on any day: none is worth less than that brings. None of others.
    Shape: forward, deviation, years, spot (T,); strike (C,). Units: `years` of trading time, as the engine's greeks.
    """
    f, dev, t = forward[:, None], deviation[:, None], np.maximum(years, 1e-9)[:, None]
    own = dev * ratio(np.log(strike / f) / dev, days)
    d1 = d1_of(f, strike, own)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    iv = own / np.sqrt(t)
    gamma = density / (f * own)
    vega = f * density * np.sqrt(t) / 100.0
    theta = -f * density * own / (2.0 * t) / DAYS_A_YEAR
    found, ticks = {}, QUOTED_ON[symbol]
    for right, sign in ((Right.CALL, 1.0), (Right.PUT, -1.0)):
        chance = normal(sign * d1)
        price = discount * sign * (f * chance - strike * normal(sign * (d1 - own)))
        if spot is not None:
            price = np.maximum(price, sign * (spot[:, None] - strike))
        half = width / 2.0 * np.interp(price, *WIDTHS[symbol])
        bid, ask = on_ticks(price - half, ticks, up=False), on_ticks(price + half, ticks, up=True)
        bid = np.where(bid > 0, bid, np.nan)
        found[right] = Quotes(bid=bid, ask=ask, iv=iv, delta=sign * chance, gamma=gamma, vega=vega, theta=theta)
    return found


def on_ticks(price: Columns, ticks: Ticks = QUOTED_ON["SPX"], *, up: bool) -> Columns:
    """Return prices on the steps below 3 and from there, away from the middle."""
    tick = np.where(price < 3.0, *ticks)
    steps = price / tick
    rounded = np.ceil(steps - 1e-9) if up else np.floor(steps + 1e-9)
    return np.maximum(np.round(rounded * tick, 2), ticks[0] if up else 0.0)
