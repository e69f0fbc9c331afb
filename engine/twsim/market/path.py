"""The levels of every underlying through one session, second by second.

A whole day is drawn when it is first needed, from generators keyed by (seed, day, symbol). So a level depends on the
seed and the second alone, whoever asks and however the clock gets there. One day passes closing levels to the next,
rounded as printed.

SPX moves by a diffusion over a U-shaped variance clock, scaled by the day's character; VIX moves against it; stocks
follow by beta and add their own noise; SPY keeps to SPX within a fraction of a basis point. XSP is a tenth of SPX, NDX
a multiple of QQQ and IWM a part of RUT, to the cent.
"""

import hashlib
import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from twsim.market import listings as listing
from twsim.market.scenario import Scenario
from twsim.market.universe import ASSETS, FOLLOWERS, VOLATILITY_INDICES, Asset
from twsim.nouns import dataclass
from twsim.sessions import Session, session_before

# --- Chance that is the same on every machine

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_ONE = np.uint64(0xBF58476D1CE4E5B9)
_MIX_TWO = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_LOW64 = (1 << 64) - 1
_LOW16 = np.uint64(0xFFFF)
_LANES = np.array([[0], [16], [32], [48]], dtype=np.uint64)


def stable_number(*names: object) -> int:
    """Return 64 bits that depend on the names alone, in every process (`hash` is salted)."""
    text = "|".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def stable_fraction(*names: object) -> float:
    """Return a number in [0, 1) that depends on the names alone."""
    return (stable_number(*names) >> 11) / float(1 << 53)


def generator(seed: int, day: date, name: str) -> np.random.Generator:
    """Return the generator of one quantity on one day; no two share draws."""
    return np.random.Generator(np.random.PCG64(stable_number(seed, day.isoformat(), name)))


def scramble(words: Words) -> Words:
    """Return well-mixed words. Source: Steele, Lea, Flood (2014), SplitMix64."""
    mixed = words + _GOLDEN
    mixed = (mixed ^ (mixed >> _S30)) * _MIX_ONE
    mixed = (mixed ^ (mixed >> _S27)) * _MIX_TWO
    result: Words = mixed ^ (mixed >> _S31)
    return result


def seeded(ids: NDArray[np.int64], seed: int, spread: int) -> Words:
    """Return well-mixed words, one for each id, that are others for another seed. Units: `spread` is odd."""
    return scramble(ids.astype(np.uint64) + np.uint64(seed * spread & _LOW64))


def fractions(words: Words, lane: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1) from 16 of the 64 bits; `lane` is 0 to 3."""
    picked: NDArray[np.float64] = ((words >> np.uint64(16 * lane)) & _LOW16).astype(np.float64)
    return picked * (1.0 / 65536.0)


def all_fractions(words: Words) -> NDArray[np.float64]:
    """Return the `fractions` of all four lanes, one matrix row for each."""
    picked: NDArray[np.float64] = ((words >> _LANES) & _LOW16).astype(np.float64)
    picked *= 1.0 / 65536.0
    return picked


# --- When companies report

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


# --- The levels of every underlying through one session, second by second

Floats = NDArray[np.float64]

IMPLIED_DAY = 0.00647
"""Standard deviation from open to close that options imply at VIX 16, as a fraction of spot."""
SPX_SPY_RATIO = 10.02
LEAST_VIX, MOST_VIX = 8.0, 500.0
"""Bounds of VIX, whatever SPX does: by its usual response half of SPX gone would be a VIX of 1000."""

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
        """Draws the same tape again."""
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
