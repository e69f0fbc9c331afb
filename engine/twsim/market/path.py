"""The levels of every underlying through one session, second by second.

A whole day is drawn when it is first needed, from generators keyed by (seed, day, symbol). So a level depends on the
seed and the second alone, whoever asks and however the clock gets there. What one day hands to the next are closing
levels, rounded as printed.

SPX moves by a diffusion over a U-shaped variance clock, scaled by the day's character; VIX moves against it; stocks
follow by beta and add their own noise; SPY keeps to SPX within a fraction of a basis point. XSP is a tenth of SPX, NDX
a multiple of QQQ and IWM a part of RUT, to the cent.
"""

import math
from datetime import date, datetime
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from rulebot.model.session import Session, session_before
from rulebot.model.values import dataclass
from twsim.market.chance import generator, stable_fraction
from twsim.market.reporting import EARNINGS_MOVE, earnings_around
from twsim.market.scenario import Scenario
from twsim.market.universe import ASSETS, FOLLOWERS, VOLATILITY_INDICES, Asset

Floats = NDArray[np.float64]

IMPLIED_DAY = 0.00647
"""Standard deviation from open to close that options imply at VIX 16, as a fraction of spot."""
SPX_SPY_RATIO = 10.02
LEAST_VIX, MOST_VIX = 8.0, 500.0
"""VIX stays between them, whatever SPX does: by its usual answer half of SPX gone would be a VIX of 1000."""

_VIX_MEAN = 16.3
_VIX_BETA = 6.0
_VIX_OWN_DAY = 0.016
_VIX_PRINT_SECONDS = 15
_GAP_SHARE = 0.42
_TRACKING = 0.00004
_TRACKING_SECONDS = 8.0
_STOCK_DAY_SHARE = 0.78


@dataclass(frozen=True, slots=True)
class Character:
    """What kind of day it is. Units: of the day's implied standard deviation; `turn` is a part of the session."""

    name: str
    activity: float
    drift: float = 0.0
    turn: float = 1.0


_KINDS = (("calm", 0.42), ("trend", 0.64), ("volatile", 0.80), ("reversal", 1.01))


def character(seed: int, session: Session, kind: str = "") -> Character:
    """Draw the day's character; `kind` fixes which, not how strong."""
    chance = generator(seed, session.date, "character")
    pick, strength, sign, moment = chance.random(4)
    name = kind or next(each for each, upto in _KINDS if pick < upto)
    side = 1.0 if sign < 0.53 else -1.0
    if name == "calm":
        return Character(name, 0.36 + 0.22 * strength)
    if name == "trend":
        return Character(name, 0.42 + 0.18 * moment, side * (0.5 + 0.6 * strength))
    if name == "volatile":
        return Character(name, 0.80 + 0.45 * strength)
    return Character(name, 0.42 + 0.18 * strength, side * (0.5 + 0.4 * strength), 0.3 + 0.3 * moment)


@lru_cache(maxsize=4)
def variance_shares(minutes: int) -> Floats:
    """Return each second's share of a session's variance: high at the open, a little higher into the close."""
    at = (np.arange(minutes * 60) + 0.5) / 60.0
    busy = 0.55 + 2.2 * np.exp(-at / 20.0) + 0.55 * np.exp((at - minutes) / 25.0)
    shares: Floats = np.round(busy / busy.sum(), 12)
    return shares


@lru_cache(maxsize=4)
def usually_done_by(minutes: int) -> Floats:
    """Return the part of a day's business that is usually done by each second of its session, from 0 to 1."""
    done = np.concatenate(([0.0], np.cumsum(variance_shares(minutes))))
    found: Floats = done / done[-1]
    return found


def _walk(chance: np.random.Generator, minutes: int) -> Floats:
    """Return a diffusion that starts at 0 and has unit variance at the close, one value a second."""
    steps = chance.standard_normal(minutes * 60) * np.sqrt(variance_shares(minutes))
    path: Floats = np.zeros(steps.size + 1)
    np.cumsum(steps, out=path[1:])
    return path


def _drift(day: Character, seconds: int) -> Floats:
    part = np.arange(seconds + 1) / seconds
    shape: Floats = np.where(part <= day.turn, part, 2.0 * day.turn - part)
    return day.drift * shape


def _rounded(levels: Floats, places: int = 2) -> Floats:
    found: Floats = np.maximum(levels, 0.01).round(places)
    return found


class SessionLevels:
    """One session's levels, one a second from the open to the close, both included."""

    def __init__(
        self, seed: int, session: Session, ordinal: int, previous: dict[str, float], scenario: Scenario
    ) -> None:
        self.again = partial(SessionLevels, seed, session, ordinal, previous, scenario)
        """Draws the same tape once more."""
        self.session = session
        self.seconds = session.minutes * 60
        self.previous = previous
        self._seed = seed
        self._scenario = scenario
        self._ordinal = ordinal
        self._levels: dict[str, Floats] = {}
        self._extremes: dict[str, tuple[Floats, Floats]] = {}
        self.character = character(seed, session, scenario.character if ordinal == 1 else "")
        self._chance_of_gap = generator(seed, session.date, "gap").standard_normal(4)
        self._spx = self._follow("SPX", self._spx_path())
        self._levels["SPX"] = self._spx
        self.vix_smooth = _rounded(np.clip(self._vix_path(), LEAST_VIX, MOST_VIX), 4)

    def second(self, at: datetime) -> int:
        """Return the whole seconds since the open, within the session."""
        return min(max(int((at - self.session.open).total_seconds()), 0), self.seconds)

    def levels(self, symbol: str) -> Floats:
        """Return the level at each second since the open, rounded as printed."""
        found = self._levels.get(symbol)
        if found is None:
            found = self._levels[symbol] = self._draw(symbol)
        return found

    def extremes(self, symbol: str) -> tuple[Floats, Floats]:
        """Return the highest and the lowest level up to each second."""
        if symbol not in self._extremes:
            levels = self.levels(symbol)
            self._extremes[symbol] = np.maximum.accumulate(levels), np.minimum.accumulate(levels)
        return self._extremes[symbol]

    def _draw(self, symbol: str) -> Floats:
        if symbol == "VIX" and symbol not in self._scenario.tapes:
            return _rounded(self._printed_vix())
        if symbol in VOLATILITY_INDICES:
            return self._follow(symbol, self._volatility_index(symbol))
        if symbol in FOLLOWERS:
            leader, times = FOLLOWERS[symbol]
            return self._follow(symbol, self.levels(leader) * times)
        asset = ASSETS[symbol]
        path = self._spy_path() if symbol == "SPY" else self._stock_path(asset)
        return self._follow(symbol, path)

    def _follow(self, symbol: str, drawn: Floats) -> Floats:
        """Apply what the scenario says about a symbol to what chance drew."""
        given = self._scenario.levels(symbol, self.session, self._ordinal)
        if given is not None:
            return _rounded(given)
        return _rounded(drawn + self._scenario.shift(symbol, self.session, self._ordinal))

    def _spx_path(self) -> Floats:
        day = self.character
        implied = IMPLIED_DAY * self.previous["VIX"] / 16.0 * self._scenario.realised
        implied *= math.sqrt(self.session.minutes / 390.0)
        walk = _walk(generator(self._seed, self.session.date, "SPX"), self.session.minutes)
        returns = implied * (day.activity * walk + _drift(day, self.seconds))
        points = self._scenario.gap(self._ordinal)
        if points is None:
            gap = float(self._chance_of_gap[0]) * _GAP_SHARE * IMPLIED_DAY * self.previous["VIX"] / 16.0 * 0.8
            gap *= self._scenario.realised
        else:
            gap = math.log1p(points / self.previous["SPX"])
        return self.previous["SPX"] * np.exp(gap + returns)

    def _vix_path(self) -> Floats:
        start = self.previous["VIX"]
        returns = np.log(self._spx / self.previous["SPX"])
        walk = _walk(generator(self._seed, self.session.date, "VIX"), self.session.minutes)
        pull = 0.05 * (_VIX_MEAN - start) / start
        is_drawn = self._scenario.gap(self._ordinal) is None
        night = pull + 0.012 * float(self._chance_of_gap[1]) if is_drawn else 0.0
        own = night + _VIX_OWN_DAY * self._scenario.realised * walk
        path = start * np.exp(own - _VIX_BETA * returns) + self._scenario.shift("VIX", self.session, self._ordinal)
        given = self._scenario.levels("VIX", self.session, self._ordinal)
        return path if given is None else given

    def _printed_vix(self) -> Floats:
        """Return VIX as it is published: a new value every 15 seconds."""
        held: Floats = self.vix_smooth[np.arange(self.seconds + 1) // _VIX_PRINT_SECONDS * _VIX_PRINT_SECONDS]
        held[-1] = self.vix_smooth[-1]
        return held

    def _volatility_index(self, symbol: str) -> Floats:
        return self._printed_vix() if symbol == "VIX" else vix_relative(symbol, self._printed_vix())

    def _spy_path(self) -> Floats:
        ratio = spx_spy_ratio(self._seed)
        noise = generator(self._seed, self.session.date, "SPY").standard_normal(self.seconds + 1)
        kernel = np.exp(-np.arange(48) / _TRACKING_SECONDS)
        kernel /= math.sqrt(float((kernel * kernel).sum()))
        return self._spx / ratio * (1.0 + _TRACKING * np.convolve(noise, kernel)[: self.seconds + 1])

    def _stock_path(self, asset: Asset) -> Floats:
        chance = generator(self._seed, self.session.date, asset.symbol)
        night = float(chance.standard_normal()) * math.sqrt(1.0 - _STOCK_DAY_SHARE)
        report = float(chance.standard_normal()) * EARNINGS_MOVE * asset.vol if self._reported(asset.symbol) else 0.0
        own = asset.own_vol * math.sqrt(self.previous["VIX"] / 16.0 / 252.0) * self._scenario.realised
        walk = _walk(chance, self.session.minutes) * math.sqrt(_STOCK_DAY_SHARE)
        returns = asset.beta * np.log(self._spx / self.previous["SPX"]) + own * (night + walk) + report
        return self.previous[asset.symbol] * np.exp(returns)

    def _reported(self, symbol: str) -> bool:
        """Say whether the company reported after the last session's close."""
        before = session_before(self.session.date).date
        return any(before <= day < self.session.date for day in earnings_around(symbol, before))

    def closes(self) -> dict[str, float]:
        """Return every underlying's closing level."""
        return {symbol: float(self.levels(symbol)[-1]) for symbol in (*ASSETS, *VOLATILITY_INDICES)}


def vix_relative(symbol: str, vix: Floats) -> Floats:
    """Return VIX9D, VIX1D or VIX3M from VIX: short tenors swing more, long ones less."""
    base, power = {"VIX9D": (0.93, 1.15), "VIX1D": (0.75, 1.30), "VIX3M": (1.13, 0.70)}[symbol]
    found: Floats = 16.0 * base * np.power(vix / 16.0, power)
    return found


def spx_spy_ratio(seed: int) -> float:
    """Return the run's ratio of SPX to SPY, near 10.02."""
    return round(SPX_SPY_RATIO * (1.0 + 0.0006 * (stable_fraction(seed, "ratio") - 0.5)), 4)


def starting_levels(seed: int, first_day: date, scenario: Scenario) -> dict[str, float]:
    """Return the closing levels of the day before the run starts."""
    chance = generator(seed, first_day, "start")
    spread, vix_draw, *own = chance.standard_normal(2 + len(ASSETS)).tolist()
    spx = scenario.previous("SPX") or round(6000.0 * math.exp(0.012 * min(max(spread, -2.0), 2.0)), 2)
    vix = scenario.previous("VIX") or round(min(max(16.2 + 1.5 * vix_draw, 13.6), 21.0), 2)
    found = {"SPX": spx}
    for (symbol, asset), draw in zip(ASSETS.items(), own, strict=True):
        if symbol not in found:
            found[symbol] = scenario.previous(symbol) or round(asset.price * math.exp(0.03 * draw), 2)
    found["SPY"] = scenario.previous("SPY") or round(spx / spx_spy_ratio(seed), 2)
    for symbol, (leader, times) in FOLLOWERS.items():
        found[symbol] = scenario.previous(symbol) or round(found[leader] * times, 2)
    found["VIX"] = vix
    for symbol in ("VIX9D", "VIX1D", "VIX3M"):
        drawn = round(float(vix_relative(symbol, np.array([vix], dtype=np.float64))[0]), 2)
        found[symbol] = scenario.previous(symbol) or drawn
    return found
