"""Black's model of an option on a forward, for one option at a time, and its formulas.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), without discounting: a
same-day option has nothing to discount, and a forward taken from put-call parity carries the rest. Units: prices,
forward and strike in points; volatility an annual fraction; time in years of 252 sessions, of which only trading time
counts.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import erfc, exp, isfinite, log, pi, sqrt
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rulebot.model.session import LAST_YEAR, CalendarError, Session, exchange_date, session_from, sessions, trades_on

if TYPE_CHECKING:  # turns do without numpy
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", float, "NDArray[np.float64]")
_SESSION_SECONDS = 6.5 * 3600.0
DAYS_A_YEAR = 365.0
"""Calendar days over which a year's theta is spread."""
YEAR_SECONDS = 252.0 * _SESSION_SECONDS
_FARTHEST = 3_700
"""Days ahead, ten years, up to which anything ends: options are listed for three, and shares have no end."""
MEAN_MOVE = sqrt(pi / 2.0)
"""A straddle is worth the mean absolute move; of a normal move that is the deviation / sqrt(pi / 2) (Brenner and
Subrahmanyam 1988)."""
OPENING_LAG = 0.5
"""Part of the straddle by which spot may lie away from the forward for a move that is kept for the whole day: an index
follows its options only as its members open, and at a strike so far from the forward the straddle is worth a tenth more
than at the money. Carry to expiries of two years is less."""
LEAST_TIME_VALUE = 0.01
"""Points of time value below which a volatility has no meaning."""

LOWEST, HIGHEST = 1e-4, 20.0
"""Annual fractions between which a volatility is looked for."""
_ROOT_TWO_PI = sqrt(2.0 * pi)
_STEPS = 100


def norm_cdf(x: float) -> float:
    """Return the standard normal distribution function at `x`."""
    return 0.5 * erfc(-x / sqrt(2.0))


# --- The formulas, of numbers and of columns (`model/black_columns.py`)


def d1_of(log_moneyness: Number, deviation: Number) -> Number:
    """Return d1. Units: log(forward / strike), and volatility x sqrt(years)."""
    return log_moneyness / deviation + deviation / 2.0


def worth_of(forward: Number, strike: Number, sign: Number, likely: Number, likely_paid: Number) -> Number:
    """Return the undiscounted value; sign: +1 of a call. likely: N(sign x d1), likely_paid: N(sign x d2)."""
    return sign * (forward * likely - strike * likely_paid)


def vega_of(forward: Number, bell: Number, root: Number) -> Number:
    """Return vega for a volatility of 1. bell: exp(-d1^2 / 2); root: that of the years."""
    return forward * bell / _ROOT_TWO_PI * root


class Sensitivities(NamedTuple, Generic[Number]):
    """Gamma a point, theta a calendar day, vega a point of volatility: the same of a call and a put, per share."""

    gamma: Number
    theta: Number
    vega: Number


def sensitivities_of(vega: Number, forward: Number, years: Number, volatility: Number) -> Sensitivities[Number]:
    """Return the sensitivities that belong to a vega.

    Source: Hull, "Options, Futures, and Other Derivatives", chapter on the greeks, without rates: gamma = n(d1) / (F s
    sqrt(T)), theta = -F n(d1) s / (2 sqrt(T)) a year, vega = F n(d1) sqrt(T) for a volatility of 1. A calendar day has
    1 / 365 of a year's theta, as in the broker's model.
    """
    gamma = vega / (forward * forward * volatility * years)
    return Sensitivities(gamma, -vega * volatility / (2.0 * years) / DAYS_A_YEAR, vega / 100.0)


# --- One option


def price(forward: float, strike: float, years: float, volatility: float, is_call: bool) -> float:
    """Return the undiscounted value; the intrinsic value when time or volatility is 0."""
    sign = 1.0 if is_call else -1.0
    deviation = volatility * sqrt(max(years, 0.0))
    if deviation <= 0.0:
        return max(sign * (forward - strike), 0.0)
    d1 = d1_of(log(forward / strike), deviation)
    return worth_of(forward, strike, sign, norm_cdf(sign * d1), norm_cdf(sign * (d1 - deviation)))


def delta(forward: float, strike: float, years: float, volatility: float, is_call: bool) -> float:
    """Return the change of the value for one point of the forward: 0 to 1 of a call, -1 to 0 of a put."""
    return valued(forward, strike, years, volatility, is_call)[1]


def sensitivities(forward: float, strike: float, years: float, volatility: float) -> Sensitivities[float]:
    """Return the derivatives of the value; all 0 when time or volatility is 0."""
    return valued(forward, strike, years, volatility, is_call=True)[2]


_INSENSITIVE = Sensitivities(0.0, 0.0, 0.0)


def valued(
    forward: float, strike: float, years: float, volatility: float, is_call: bool
) -> tuple[float, float, Sensitivities[float]]:
    """Return `price`, `delta` and `sensitivities`."""
    sign = 1.0 if is_call else -1.0
    root = sqrt(max(years, 0.0))
    deviation = volatility * root
    if deviation <= 0.0:
        gain = sign * (forward - strike)
        return max(gain, 0.0), sign if gain > 0.0 else 0.0, _INSENSITIVE
    d1 = d1_of(log(forward / strike), deviation)
    likely = norm_cdf(sign * d1)
    worth = worth_of(forward, strike, sign, likely, norm_cdf(sign * (d1 - deviation)))
    vega = vega_of(forward, exp(-d1 * d1 / 2.0), root)
    return worth, sign * likely, sensitivities_of(vega, forward, years, volatility)


def probability_below(forward: float, level: float, years: float, volatility: float) -> float:
    """Return the probability that the price ends below a level: that a put at this strike ends in the money.

    Source: J. Hull, "Options, Futures, and Other Derivatives", chapter on the Black-Scholes-Merton model: N(-d2), d2 =
    (ln(F / K) - s^2 T / 2) / (s sqrt(T)). It is the risk-neutral probability, not a forecast.
    """
    deviation = volatility * sqrt(max(years, 0.0))
    if level <= 0.0:
        return 0.0
    if deviation <= 0.0:
        return 1.0 if forward < level else 0.0
    return norm_cdf((log(level / forward) + deviation * deviation / 2.0) / deviation)


def implied_volatility(value: float, forward: float, strike: float, years: float, is_call: bool) -> float | None:
    """Return the volatility at which the model gives `value`; None where there is (nearly) no time value.

    Newton's steps are kept inside a bracket that is halved when a step would leave it.
    """
    if not all(isfinite(number) for number in (value, forward, strike, years)) or min(forward, strike, years) <= 0.0:
        return None
    intrinsic = max(forward - strike if is_call else strike - forward, 0.0)
    if value - intrinsic < LEAST_TIME_VALUE or value >= (forward if is_call else strike):
        return None
    low, high, root = LOWEST, HIGHEST, sqrt(years)
    volatility = min(max(value / (0.4 * forward * root), low), high)
    for _ in range(_STEPS):
        error = price(forward, strike, years, volatility, is_call) - value
        low, high = (low, volatility) if error > 0.0 else (volatility, high)
        slope = _vega(forward, strike, root, volatility)
        new = volatility - error / slope if slope > 0.0 else low
        new = new if low < new < high else (low + high) / 2.0
        if abs(new - volatility) < 1e-12 * volatility:
            break
        volatility = new
    return volatility if LOWEST * 1.01 < volatility < HIGHEST * 0.99 else None


def _vega(forward: float, strike: float, root: float, volatility: float) -> float:
    d1 = d1_of(log(forward / strike), volatility * root)
    return vega_of(forward, exp(-d1 * d1 / 2.0), root)


@lru_cache(maxsize=256)
def years_until(expiry: date, now: float, at_hand: Session | None = None) -> float | None:
    """Return the years of trading time from `now` (epoch seconds) to the close of the expiry's session.

    None when that is past, or the expiry is no session. Units: a year is 252 full sessions; nights and weekends count
    nothing, so that the volatility of a same-day option compares with a realised one, which is annualised by sessions
    too (at 10:30 with 12 % and an index at 6000 one standard deviation to the close is 6000 x 0.12 x sqrt(5.5 / 6.5 /
    252) = 41.7 points). at_hand: the session that is on, which may be shorter than the calendar has it.
    """
    try:
        today = session_from(exchange_date(datetime.fromtimestamp(now, UTC)))
    except CalendarError:
        return None
    if not 0 <= (expiry - today.date).days <= _FARTHEST or not trades_on(expiry):
        return None
    if at_hand is not None and at_hand.date == today.date:
        today = at_hand
    opened, close = today.open.timestamp(), today.close.timestamp()
    seconds = max(close - max(now, opened), 0.0) + _seconds_between(today.date, expiry)
    return seconds / YEAR_SECONDS if seconds > 0.0 else None


@lru_cache(maxsize=512)
def _seconds_between(first: date, last: date) -> float:
    """Return the seconds of the sessions after `first` up to and including `last`.

    Past the table every weekday is one: some nine of a year too many, a volatility that is too low by 2 % at most.
    """
    known = min(last, date(LAST_YEAR, 12, 31))
    beyond = (known + timedelta(days=ahead) for ahead in range(1, (last - known).days + 1))
    listed = 60.0 * sum(session.minutes for session in sessions(first + timedelta(days=1), known))
    return listed + _SESSION_SECONDS * sum(map(trades_on, beyond))


def quotes_follow_spot(spot: float, strike: float, call: float, put: float) -> bool:
    """Say whether spot is where its options see it, by put-call parity at a strike next to it."""
    return abs(strike + call - put - spot) <= OPENING_LAG * (call + put)
