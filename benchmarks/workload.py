"""One seeded trading day for the turn: SPX, VIX and a same-day chain of 240 options, as a stream of single quotes.

Every minute each option is quoted once, SPX and VIX four times, in shuffled order: 248 events a minute, 96,720 a day.
Prices lie on the grid of 0.05 and 0.10; the chain is Black-Scholes without rates, with a smile.
"""

import math
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from rulebot.model.session import Session, session_on

DAY = date(2026, 10, 21)
MINUTES, STRIKES, STEP = 390, 120, 5
LEVELS_A_MINUTE = 4
OPTION, SPX, VIX = range(3)
SPX_ROW, VIX_ROW = 2 * STRIKES, 2 * STRIKES + 1


class Tick(NamedTuple):
    """One quote: `row` is 0..119 for calls, 120..239 for puts (strikes rising), then SPX and VIX."""

    kind: int
    row: int
    bid: float
    ask: float
    delta: float
    at: datetime
    seconds: float


@dataclass(frozen=True)
class Day:
    """The quotes of a day by minute, and the strikes of its chain."""

    session: Session
    strikes: tuple[Decimal, ...]
    minutes: tuple[tuple[Tick, ...], ...]

    @property
    def events(self) -> int:
        """How many quotes there are."""
        return sum(map(len, self.minutes))


def make_day(seed: int = 11, options: int = 2 * STRIKES, changed: float = 1.0) -> Day:
    """Return a day. `options` are quoted at all, nearest the money; of them `changed` in a minute, chosen anew."""
    session = session_on(DAY)
    assert session is not None
    chance = np.random.default_rng(seed)
    vix = np.round(_wander(chance, 18.0, 0.04, 0.0008), 2)
    spot = np.round(
        5900.0 * np.exp(np.cumsum(chance.normal(0, 1, MINUTES) * vix / 100 * 0.8 / math.sqrt(252 * 390))), 2
    )
    strikes = round(float(spot[0]) / STEP) * STEP + STEP * (np.arange(STRIKES) - STRIKES // 2)
    bid, ask, delta = _chain(chance, spot, vix, strikes)
    shuffler = random.Random(seed)
    rows = _rows_near_the_money(options)
    minutes = tuple(
        _minute(session.open, minute, _quotes(minute, shuffler, rows, changed, bid, ask, delta, spot, vix), shuffler)
        for minute in range(MINUTES)
    )
    return Day(session, tuple(Decimal(int(strike)) for strike in strikes), minutes)


def _rows_near_the_money(options: int) -> list[int]:
    first = STRIKES // 2 - options // 4
    return [side * STRIKES + first + each for side in (0, 1) for each in range(options // 2)]


def _wander(chance: np.random.Generator, mean: float, size: float, pull: float) -> np.ndarray:
    values = np.empty(MINUTES)
    value = mean
    for minute in range(MINUTES):
        value += pull * (mean - value) + chance.normal(0, size)
        values[minute] = value
    return values


def _chain(
    chance: np.random.Generator, spot: np.ndarray, vix: np.ndarray, strikes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return bid, ask and delta. Shape: minutes x 240, calls first."""
    years = np.maximum(MINUTES - np.arange(MINUTES), 0.5)[:, None] / (390 * 252)
    deviation = vix[:, None] / 100 * 0.9 * np.sqrt(years)
    distance = np.clip(np.log(strikes[None, :] / spot[:, None]) / np.maximum(deviation, 0.0005), -6, 6)
    deviation = deviation * (1 - 0.045 * distance + 0.018 * distance**2)
    first = np.log(spot[:, None] / strikes[None, :]) / deviation + deviation / 2
    normal = np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))))
    call_delta, second = normal(first), normal(first - deviation)
    call = np.maximum(spot[:, None] * call_delta - strikes[None, :] * second, 0.0)
    put = np.maximum(call - spot[:, None] + strikes[None, :], 0.0)
    worth = np.concatenate((call, put), axis=1)
    half = np.maximum(0.02, 0.012 * worth) * chance.uniform(0.7, 1.3, worth.shape)
    bid = _on_grid(np.maximum(worth - half, 0.0), np.floor)
    ask = np.maximum(_on_grid(worth + half, np.ceil), bid + 0.05)
    return np.round(bid, 2), np.round(ask, 2), np.round(np.concatenate((call_delta, call_delta - 1), axis=1), 6)


def _on_grid(price: np.ndarray, rounding: np.ufunc) -> np.ndarray:
    tick = np.where(price < 3.0, 0.05, 0.10)
    steps: np.ndarray = rounding(np.round(price / tick, 6))
    return steps * tick


Quote = tuple[int, int, float, float, float]


def _quotes(
    minute: int,
    shuffler: random.Random,
    rows: list[int],
    changed: float,
    bid: np.ndarray,
    ask: np.ndarray,
    delta: np.ndarray,
    spot: np.ndarray,
    vix: np.ndarray,
) -> list[Quote]:
    chosen = rows if minute == 0 or changed >= 1.0 else shuffler.sample(rows, round(changed * len(rows)))
    found: list[Quote] = [
        (OPTION, row, float(bid[minute, row]), float(ask[minute, row]), float(delta[minute, row])) for row in chosen
    ]
    spx, level = float(spot[minute]), float(vix[minute])
    found += [(SPX, SPX_ROW, spx, spx, 0.0)] * LEVELS_A_MINUTE + [(VIX, VIX_ROW, level, level, 0.0)] * LEVELS_A_MINUTE
    return found


def _minute(opened: datetime, minute: int, quotes: list[Quote], shuffler: random.Random) -> tuple[Tick, ...]:
    """Stamp a minute's quotes evenly; levels keep their quarters, or SPX would be too old between two of them."""
    options = [quote for quote in quotes if quote[0] == OPTION]
    levels = [quote for quote in quotes if quote[0] != OPTION]
    shuffler.shuffle(options)
    quarter = math.ceil(len(options) / LEVELS_A_MINUTE)
    ordered: list[Quote] = []
    for each in range(LEVELS_A_MINUTE):
        part = [*options[each * quarter : (each + 1) * quarter], levels[each], levels[each + LEVELS_A_MINUTE]]
        shuffler.shuffle(part)
        ordered += part
    begin = opened + timedelta(minutes=minute)
    gap = 60.0 / len(ordered)
    stamps = (begin + timedelta(seconds=gap * each) for each in range(len(ordered)))
    return tuple(Tick(*quote, at, at.timestamp()) for quote, at in zip(ordered, stamps, strict=True))
