"""The implied volatility of every expiry: the remaining movement until it settles, and the smile around it.

Movement is counted in variance. Today's share runs down on a clock fitted to real same-day SPX straddles (0.51, 0.48,
0.43, 0.40, 0.36, 0.32, 0.26, 0.20, 0.16 % of spot at 09:35, 10:00, 10:30, 11:00, 12:00, 13:00, 14:00, 15:00, 15:30);
each later session adds its own, a half day less. The at-the-money level follows VIX. A straddle at the money is worth
sqrt(2 / pi) standard deviations, which converts one into the other.

The smile is a hyperbola in x = ln(strike / forward) / deviation: variance(x) / variance(0) = 1 + b (rho x + sqrt(x^2 +
c^2) - c). Source: J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization" (2004). Its wings
are linear in variance and gentle enough that no butterfly has a negative price.
"""

import math
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twsim.market import listings as listing
from twsim.market.path import EARNINGS_MOVE, IMPLIED_DAY, SessionLevels, reports_before, stable_fraction
from twsim.market.universe import ASSETS, Asset
from twsim.nouns import Instrument, Settle, dataclass
from twsim.sessions import (
    FULL_CLOSE,
    HALF_CLOSE,
    OPEN_TIME,
    Session,
    at_exchange_time,
    is_tabled,
    session_on,
    trading_day_before,
)

Floats = NDArray[np.float64]

RATE = 0.04
YEAR_SECONDS = 365.0 * 86400.0
_STRADDLE_MINUTES = (0.0, 5.0, 30.0, 60.0, 90.0, 150.0, 210.0, 270.0, 330.0, 360.0, 390.0)
_STRADDLE_PERCENT = (0.516, 0.51, 0.48, 0.43, 0.40, 0.36, 0.32, 0.26, 0.20, 0.16, 0.0)
_TERM_LOG_SESSIONS = tuple(math.log(n) for n in (1, 5, 21, 63, 252, 600))
_TERM_RATIO = (0.0070, 0.0078, 0.00856, 0.0097, 0.0109, 0.0114)
_TERM_DAMPING = (0.0, 0.0, 0.0, 0.15, 0.35, 0.42)
_NIGHT = 0.16
_MISSING_OF_HALF_DAY = (1.0 - _NIGHT) * 180.0 / 390.0
"""Of a session's variance, night included: a half day ends three hours early."""
_SPX_VOL = 0.137
_STOCK_DAY = 0.78
_LEAST_DEVIATION = 2e-5


class Expiry(NamedTuple):
    """What one point of the surface is about."""

    symbol: str
    settles: date
    is_am: bool


class ExpiryTerms(NamedTuple):
    """The state of one expiry at one second; a row of the columns that pricing reads."""

    spot: float
    forward: float
    discount: float
    deviation: float
    years: float
    slope: float
    tilt: float
    bend: float
    busy: float
    second: float


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What does not change about an expiry during a day."""

    asset: Asset
    growth: float
    discount: float
    later_sessions: float
    ratio: float
    damping: float
    settles_at: float
    earnings: float
    slope: float
    tilt: float
    bend: float


def expiry_of(option: Instrument) -> Expiry:
    """Return the surface point of an option."""
    assert option.settle_date is not None
    return Expiry(option.symbol, option.settle_date, option.settle is Settle.AM)


def smile(x: Floats, slope: Floats, tilt: Floats, bend: Floats) -> Floats:
    """Return volatility over at-the-money volatility."""
    variance = 1.0 + slope * (tilt * x + np.sqrt(x * x + bend * bend) - bend)
    return np.sqrt(np.maximum(variance, 0.05))


def variance_left(session: Session) -> Floats:
    """Return the remaining part of today's implied variance at each second of a session."""
    part = np.arange(session.minutes * 60 + 1) / (session.minutes * 60)
    knots = np.array(_STRADDLE_MINUTES) / 390.0
    left = np.array(_STRADDLE_PERCENT) ** 2 / _STRADDLE_PERCENT[0] ** 2
    return np.interp(part, knots, left)


def busyness(session: Session) -> Floats:
    """Return how many times wider quotes are at each second than in quiet trading."""
    minute = np.arange(session.minutes * 60 + 1) / 60.0
    return 1.0 + 1.2 * np.exp(-minute / 3.0) + 0.5 * np.exp((minute - session.minutes) / 6.0)


def settlement_instant(expiry: Expiry) -> datetime:
    """Return when an expiry's settlement level is taken, UTC."""
    if expiry.is_am:
        return at_exchange_time(expiry.settles, OPEN_TIME)
    known = session_on(expiry.settles) if is_tabled(expiry.settles) else None
    return at_exchange_time(expiry.settles, HALF_CLOSE if known and known.is_half else FULL_CLOSE)


class Surface:
    """The surface of one day, read at any second of it."""

    def __init__(self, seed: int, tape: SessionLevels, implied: float) -> None:
        self._tape = tape
        self._today = tape.session.date
        self._open = tape.session.open.timestamp()
        self._left = variance_left(tape.session)
        self._busy = busyness(tape.session)
        mood = 0.88 + 0.24 * stable_fraction(seed, self._today, "mood")
        self._day_level = IMPLIED_DAY / 16.0 * mood * implied * math.sqrt(tape.session.minutes / 390.0)
        self._implied = implied
        self._fixed: dict[Expiry, _Fixed] = {}

    def terms(self, expiry: Expiry, second: int) -> ExpiryTerms:
        """Return the state of an expiry at a second of the session."""
        return self._at(
            expiry, second, float(self._tape.levels(expiry.symbol)[second]), float(self._tape.vix_smooth[second])
        )

    def closing_terms(self, expiry: Expiry) -> ExpiryTerms:
        """Return the state of an expiry at the close before this session: no part of today has passed."""
        return self._at(expiry, 0, self._tape.previous[expiry.symbol], self._tape.previous["VIX"])

    def _at(self, expiry: Expiry, second: int, spot: float, vix: float) -> ExpiryTerms:
        fixed = self._fixed.get(expiry) or self._fix(expiry)
        variance = self._variance(fixed, second, vix) + fixed.earnings
        deviation = max(math.sqrt(variance), _LEAST_DEVIATION)
        years = max(fixed.settles_at - self._open - second, 1.0) / YEAR_SECONDS
        busy = float(self._busy[second]) * (0.4 + 0.6 * vix / 16.0)
        return ExpiryTerms(
            spot,
            spot * fixed.growth,
            fixed.discount,
            deviation,
            years,
            fixed.slope,
            fixed.tilt,
            fixed.bend,
            busy,
            float(second),
        )

    def _variance(self, fixed: _Fixed, second: int, vix: float) -> float:
        asset, left, later = fixed.asset, float(self._left[second]), fixed.later_sessions
        if asset.has_earnings:
            level = asset.vol * self._implied * math.pow(vix / 16.0, 0.6)
            return level * level / 252.0 * (_STOCK_DAY * left + later)
        scale = asset.vol / _SPX_VOL
        today = self._day_level * vix * scale
        ahead = fixed.ratio * vix * math.pow(vix / 16.0, -fixed.damping) * self._implied * scale
        return today * today * left + ahead * ahead * later / 252.0

    def _fix(self, expiry: Expiry) -> _Fixed:
        asset = ASSETS[expiry.symbol]
        days = (expiry.settles - self._today).days
        last_day = trading_day_before(expiry.settles) if expiry.is_am else expiry.settles
        later = listing.sessions_between(self._today, last_day) + (_NIGHT if expiry.is_am else 0.0)
        if not asset.has_earnings:
            later -= _MISSING_OF_HALF_DAY * listing.half_days_between(self._today, last_day)
        events = reports_before(expiry.symbol, self._today, expiry.settles)
        ripe = min(1.0, math.log1p(later) / math.log(22.0))
        is_index = not asset.has_earnings
        ratio, damping = term(later)
        self._fixed[expiry] = _Fixed(
            asset=asset,
            growth=math.exp((RATE - asset.dividend) * days / 365.0),
            discount=math.exp(-RATE * days / 365.0),
            later_sessions=later,
            ratio=ratio,
            damping=damping,
            settles_at=settlement_instant(expiry).timestamp(),
            earnings=events * (EARNINGS_MOVE * asset.vol) ** 2,
            slope=0.40 + 0.02 * ripe if is_index else 0.35,
            tilt=-0.45 - 0.40 * ripe if is_index else -0.35,
            bend=1.0,
        )
        return self._fixed[expiry]


def term(sessions: float) -> tuple[float, float]:
    """Return ratio r and damping p of a number of sessions: volatility is r x VIX x (VIX / 16)^-p."""
    at = math.log(max(sessions, 1.0))
    ratio = float(np.interp(at, _TERM_LOG_SESSIONS, _TERM_RATIO))
    return ratio, float(np.interp(at, _TERM_LOG_SESSIONS, _TERM_DAMPING))


def at_the_money(sessions: float, vix: float) -> float:
    """Return the SPX at-the-money volatility over the next sessions, an annual fraction (252 sessions)."""
    ratio, damping = term(sessions)
    return ratio * vix * math.pow(vix / 16.0, -damping)
