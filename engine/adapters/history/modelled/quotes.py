"""What options of one expiry are quoted at: Black's formula on the surface, a width around it, on ticks."""

from typing import NamedTuple

import numpy as np

from engine.adapters.history.blackscholes import black, normal
from engine.adapters.history.day import Columns
from engine.adapters.history.modelled.skew import index_over_money, ratio

_PRICES = (0.1, 0.35, 0.75, 1.5, 2.5, 4.0, 7.5, 15.0, 30.0, 60.0, 115.0, 225.0, 500.0)
_WIDTHS = (0.05, 0.05, 0.10, 0.10, 0.15, 0.20, 0.30, 0.30, 0.40, 0.60, 1.9, 2.4, 4.0)
"""Usual widths of SPX quotes by price, medians of 13 days of 2019."""

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
    found = wanted
    for _ in range(_ROUNDS):
        middle = float(np.median(found))
        found = wanted / index_over_money(middle, days)
    return found


def quotes(
    forward: Columns,
    strike: Columns,
    deviation: Columns,
    *,
    sign: float,
    days: float,
    years: Columns,
    discount: float,
    width: float,
) -> Quotes:
    """Return the quotes of calls (sign 1) or puts (-1).

    Shape: forward, deviation, years (T,); strike (C,). Units: `years` of trading time, as the greeks of the engine.
    """
    f, dev, t = forward[:, None], deviation[:, None], np.maximum(years, 1e-9)[:, None]
    own = dev * ratio(np.log(strike / f) / dev, days)
    price, d1 = black(f, np.broadcast_to(strike, own.shape), own, np.full((1, 1), discount), np.full((1, 1), sign))
    half = width / 2.0 * np.interp(price, _PRICES, _WIDTHS)
    bid, ask = on_ticks(price - half, up=False), on_ticks(price + half, up=True)
    iv = own / np.sqrt(t)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    return Quotes(
        bid=np.where(bid > 0, bid, np.nan),
        ask=ask,
        iv=iv,
        delta=sign * normal(sign * d1),
        gamma=density / (f * own),
        vega=f * density * np.sqrt(t) / 100.0,
        theta=-f * density * own / (2.0 * t) / 252.0,
    )


def on_ticks(price: Columns, *, up: bool) -> Columns:
    """Return prices on 0.05 below 3 and on 0.10 from there, away from the middle."""
    tick = np.where(price < 3.0, 0.05, 0.10)
    steps = price / tick
    rounded = np.ceil(steps - 1e-9) if up else np.floor(steps + 1e-9)
    return np.maximum(np.round(rounded * tick, 2), 0.05 if up else 0.0)
