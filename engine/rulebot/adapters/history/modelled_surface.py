"""Which options were listed on a day: monthly ones of SPX that settle at the open, weekly ones as they were introduced.

Source: Cboe product histories. SPX: third Fridays, settled at the opening prints, last traded the day before. SPXW
settled at the close: Fridays from December 2010, Wednesdays from 2016-02-23, Mondays from 2016-08-15, Tuesdays from
2022-04-18, Thursdays from 2022-05-11; here Fridays five weeks ahead, others ten days. Third Fridays that settle at the
close, as many months ahead as those that settle at the open, from 2011-10-04: as SPXPM until 2017-05-01, here under
the name that they have since. A day on which the exchange is closed gives way to the session before it (a Monday to
the one after).

XSP is a tenth of SPX: options on it that settle at the close are listed from 2013-11-05, on third Fridays, and on the
days of SPXW, Tuesdays and Thursdays from 2022-09-21 (SEC release in 87 FR 57745); when the other weekly ones began
could not be read.

SPY is a fund on the index: monthly options from 2005-01-10, Fridays with those of SPX, Mondays from 2018-02-16 (press
release of Cboe); Wednesdays from 2016-08-30, Tuesdays and Thursdays from 2022-11-14, of which no source could be read.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from math import ceil, exp, floor, log
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.daily import Daily
from rulebot.adapters.history.lazy_chain import strike_of
from rulebot.adapters.history.session import Columns
from rulebot.model.black import YEAR_SECONDS, d1_of, sensitivities_of, vega_of, worth_of, years_until
from rulebot.model.black_columns import black, normal
from rulebot.model.contract import OPENING_CLASSES, Option, Right, listed, product
from rulebot.model.session import Session, is_session, session_after, session_before, session_on, sessions_after
from rulebot.model.values import dataclass

SYMBOL = "SPX"
"""The index that daily bars are of, and the class of its monthly options."""
_MONDAY, _WEDNESDAY, _FRIDAY = 0, 2, 4
_WEEKLIES = (
    (_FRIDAY, date(2010, 12, 1)),
    (_WEDNESDAY, date(2016, 2, 23)),
    (_MONDAY, date(2016, 8, 15)),
    (1, date(2022, 4, 18)),
    (3, date(2022, 5, 11)),
)
_OF_SPY = (
    _WEEKLIES[0],
    (_WEDNESDAY, date(2016, 8, 30)),
    (_MONDAY, date(2018, 2, 16)),
    (1, date(2022, 11, 14)),
    (3, date(2022, 11, 14)),
)


class ListingSpan(NamedTuple):
    """How far around the levels that the market has had strikes stay listed, in logarithms."""

    down: float
    up: float


_STAY = ListingSpan(0.30, 0.14)
_STAY_LONG = ListingSpan(0.35, 0.35)
"""Of options that are held to be assigned, whatever has come of the market."""


@dataclass(frozen=True, slots=True)
class Modelled:
    """An underlying whose options are modelled. unit: points between its nearest strikes.

    part: one of its points is so much of one of SPX; None of a fund, which has daily bars of its own. closing: since
    when third Fridays that settle at the close are listed beside those that settle at the open.
    """

    symbol: str
    part: float | None
    unit: float
    since: date
    weeklies: tuple[tuple[int, date], ...]
    stays: ListingSpan = _STAY
    closing: date | None = None


MODELLED = {
    each.symbol: each
    for each in (
        Modelled(SYMBOL, 1.0, 5.0, date.min, _WEEKLIES, closing=date(2011, 10, 4)),
        Modelled("XSP", 0.1, 1.0, date(2013, 11, 5), (*_WEEKLIES[:3], (1, date(2022, 9, 21)), (3, date(2022, 9, 21)))),
        Modelled("SPY", None, 1.0, date(2005, 1, 10), _OF_SPY, _STAY_LONG),
    )
}


@dataclass(frozen=True, slots=True)
class Expiry:
    """One listed expiry. `last` is the last day it trades, `settles` the day in its name."""

    trading_class: str
    last: date
    settles: date


def third_friday(year: int, month: int) -> date:
    """Return the day monthly options settle: the third Friday, or the session before when that is closed."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
    return friday if is_session(friday) else session_before(friday).date


@lru_cache(maxsize=512)
def expiries(day: date, shortest: int, longest: int, symbol: str = SYMBOL) -> tuple[Expiry, ...]:
    """Return the expiries of an underlying that trade on a day with that many days to their last one."""
    of = MODELLED[symbol]
    if day < of.since:
        return ()
    found = dict.fromkeys([*_monthlies(day, symbol), *_weeklies(day, longest, of)])
    return tuple(each for each in found if shortest <= (each.last - day).days <= longest)


def _monthlies(day: date, symbol: str) -> Iterator[Expiry]:
    facts, since = product(symbol), MODELLED[symbol].closing
    for ahead in range(_MONTHS_LISTED):
        year, month = divmod(day.year * 12 + day.month - 1 + ahead, 12)
        try:
            settles = third_friday(year, month + 1)
        except ValueError:
            return
        last = session_before(settles).date if facts.opening_class else settles
        if last >= day:
            yield Expiry(facts.classes[0], last, settles)
        if since is not None and day >= since and settles >= day:
            yield Expiry(facts.same_day_class, settles, settles)


_MONTHS_LISTED = 12


def _weeklies(day: date, longest: int, of: Modelled) -> Iterator[Expiry]:
    seen, trading_class = set(), product(of.symbol).same_day_class
    for ahead in range(-_MOVES, min(longest, _WEEKS_LISTED * 7) + _MOVES + 1):
        named = day + timedelta(days=ahead)
        if ahead > _OTHERS_LISTED and named.weekday() != _FRIDAY:
            continue
        if not any(named.weekday() == weekday and day >= since for weekday, since in of.weeklies):
            continue
        try:
            last = _moved(named)
        except ValueError:  # beyond the calendar
            continue
        if last >= day and last not in seen:
            seen.add(last)
            yield Expiry(trading_class, last, last)


_MOVES = 4
"""Days at most by which an expiry gives way."""
_WEEKS_LISTED = 5
_OTHERS_LISTED = 10


def _moved(named: date) -> date:
    if is_session(named):
        return named
    return session_after(named).date if named.weekday() == _MONDAY else session_before(named).date


def strikes(
    level: float,
    deviation: float,
    unit: float = 5.0,
    stays: ListingSpan = _STAY,
    seen: tuple[float, float] | None = None,
) -> list[float]:
    """Return the strikes listed around a level: a unit apart near it, five units far away.

    They reach seven deviations down and five up, and at least as far as strikes stay. seen: the lowest and the highest
    level since the expiry is listed, around which they were listed too: no strike goes while somebody may hold it.
    """
    low, high = (level, level) if seen is None else (min(level, seen[0]), max(level, seen[1]))
    near_low, near_high = low * exp(-stays.down), high * exp(stays.up)
    lowest = min(near_low, level * exp(-min(7.0 * deviation, 1.0)))
    highest = max(near_high, level * exp(min(5.0 * deviation, 0.5)))
    far = 5.0 * unit
    fine = range(ceil(near_low / unit), floor(near_high / unit) + 1)
    coarse = range(ceil(lowest / far), floor(highest / far) + 1)
    below = [far * step for step in coarse if 5 * step < fine.start]
    above = [far * step for step in coarse if 5 * step >= fine.stop]
    return [*below, *(unit * step for step in fine), *above]


def days_listed(expiry: Expiry) -> int:
    """Return how many days before its last one an expiry is listed, or some more."""
    named = expiry.settles
    return 366 if named == third_friday(named.year, named.month) else _WEEKS_LISTED * 7 + _MOVES


# --- Implied variance over time to expiry, from the volatility indices of a day

NODES: Mapping[str, float] = {"VIX1D": 1.0, "VIX9D": 9.0, "VIX": 30.0, "VIX3M": 93.0}
"""Calendar days of each index."""

_TERM_MOVES = {"VIX1D": 2.06, "VIX9D": 1.50, "VIX3M": 0.60}
"""Change of an index for one of the VIX, both of logarithms."""

_USUAL = {"VIX1D": (-0.1545, 0.3596), "VIX9D": (-0.0380, 0.1437), "VIX3M": (0.0920, -0.1750)}
"""log(index / VIX) where the VIX is 20, and its change by log(VIX / 20)."""


class Term(NamedTuple):
    """Volatility indices at each instant of a session, annual fractions by name."""

    indices: Mapping[str, Columns]

    def total(self, days: float, instant: slice = slice(None)) -> Columns:
        """Return total variance of an index of so many calendar days at each instant, for a year of 365 days."""
        nodes = list(NODES.items())
        totals = [self.indices[name][instant] ** 2 * span / 365.0 for name, span in nodes]
        if days <= nodes[0][1]:
            return totals[0] * (days / nodes[0][1])
        for (_, left), (_, right), near, far in zip(nodes, nodes[1:], totals, totals[1:], strict=False):
            if days <= right:
                part = (days - left) / (right - left)
                found: Columns = near + (far - near) * part
                return found
        forward = (totals[-1] - totals[-2]) / (nodes[-1][1] - nodes[-2][1])
        last: Columns = totals[-1] + forward * (days - nodes[-1][1])
        return last


def term_of(daily: Daily, day: date, vix: Columns) -> Term | None:
    """Return the term structure of a session, with the VIX at each instant; None without a VIX of the day before."""
    before = daily.daily("VIX", day, 1)
    if not before:
        return None
    moved = vix / before[-1].close
    indices: dict[str, Columns] = {}
    for name in NODES:
        closes = daily.daily(name, day, 1) if name != "VIX" else ()
        if name == "VIX":
            indices[name] = vix / 100.0
        elif closes and (day - closes[-1].date).days <= _FRESH:
            indices[name] = closes[-1].close / 100.0 * moved ** _TERM_MOVES[name]
        else:
            at_twenty, slope = _USUAL[name]
            indices[name] = vix / 100.0 * np.exp(at_twenty + slope * np.log(vix / 20.0))
    return Term(_rising(indices))


_FRESH = 7


def _rising(indices: dict[str, Columns]) -> dict[str, Columns]:
    """Let no longer index have less total variance than a shorter one: time does not bring certainty."""
    least = np.zeros(len(indices["VIX"]))
    for name in reversed(list(NODES)):
        span = NODES[name]
        total = indices[name] ** 2 * span
        if name != "VIX3M":
            total = np.minimum(total, least * _LESS)
        indices[name] = np.sqrt(total / span)
        least = total
    return indices


_LESS = 0.98


# --- The shape of implied volatility over strikes, and what a volatility index makes of it

_SLOPE, _TURN, _LOWEST_AT, _WIDTH = 0.26556, 0.06060, 1.30727, 0.17938
_SHARE_AT_ONE, _SHARE_A_LOG, _MOST = 0.70, 0.085, 1.08
_GRID = np.linspace(-9.0, 6.0, 601)


def _hyperbola(z: Columns) -> Columns:
    off = z - _LOWEST_AT
    return _SLOPE * (_TURN * off + np.sqrt(off * off + _WIDTH * _WIDTH))


_AT_ZERO = float(_hyperbola(np.zeros(1))[0])


def share(days: float) -> float:
    """Return how much of the full skew options of so many calendar days have."""
    return min(max(_SHARE_AT_ONE + _SHARE_A_LOG * log(max(days, 1e-6)), _SHARE_AT_ONE), _MOST)


def ratio(z: Columns, days: float) -> Columns:
    """Return volatility over that at the money at z deviations."""
    return 1.0 + share(days) * (_hyperbola(np.clip(z, -9.0, 6.0)) - _AT_ZERO)


@lru_cache(maxsize=4096)
def _index_over_money(deviation: float, of_skew: float) -> float:
    z = _GRID
    shape = 1.0 + of_skew * (_hyperbola(z) - _AT_ZERO)
    strike = np.exp(z * deviation)
    one = np.ones_like(z)
    price, _ = black(one, strike, deviation * shape, one, np.where(z < 0, -1.0, 1.0))
    variance = 2.0 * float(np.trapezoid(price / strike**2, strike))
    return float(np.sqrt(variance) / deviation)


def index_over_money(deviation: float, days: float) -> float:
    """Return what a volatility index by the formula of the VIX is, over the volatility at the money.

    Units: `deviation` is volatility at the money x sqrt(years), rounded to two digits of itself.
    """
    return _index_over_money(float(f"{min(max(deviation, 1e-3), 0.6):.2g}"), round(share(days), 3))


# --- What options of one expiry are quoted at


class Widths(NamedTuple):
    """How wide options are usually quoted, bid to ask, by their price: straight between these."""

    prices: tuple[float, ...]
    widths: tuple[float, ...]


_OF_SPX = Widths(
    (0.1, 0.35, 0.75, 1.5, 2.5, 4.0, 7.5, 15.0, 30.0, 60.0, 115.0, 225.0, 500.0),
    (0.05, 0.05, 0.10, 0.10, 0.15, 0.20, 0.30, 0.30, 0.40, 0.60, 1.9, 2.4, 4.0),
)
_QUOTES_OF_SPY = Widths(
    (0.75, 1.5, 2.5, 4.0, 7.5, 15.0, 35.0, 100.0), (0.003, 0.007, 0.015, 0.017, 0.03, 0.07, 0.19, 1.0)
)
WIDTHS: Mapping[str, Widths] = {
    "SPX": _OF_SPX,
    "XSP": Widths(*(tuple(each / 10.0 for each in column) for column in _OF_SPX)),
    "SPY": _QUOTES_OF_SPY,
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
    d1, root = d1_of(np.log(f / strike), own), np.sqrt(t)
    iv = own / root
    gamma, theta, vega = sensitivities_of(vega_of(f, np.exp(-d1 * d1 / 2.0), root), f, t, iv)
    found, ticks = {}, QUOTED_ON[symbol]
    for right, sign in ((Right.CALL, np.ones(1)), (Right.PUT, -np.ones(1))):
        chance = normal(sign * d1)
        price = discount * worth_of(f, strike, sign, chance, normal(sign * (d1 - own)))
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


# --- One expiry of a modelled session

DIVIDENDS = 0.018
"""Continuous yield of the index, about what it was from 1999 to 2026."""
RIGHTS = (Right.PUT, Right.CALL)
_DONE = (0.0, 1 / 13, 5 / 13, 9 / 13, 1.0)
_LEFT = (0.60, 0.49, 0.27, 0.143, 0.0)
"""The part of a day's variance that is left when that part of its session is over; the rest passes before the open.

Fitted to straddles of SPX options on their last day at 10:00, 12:00 and 14:00, November 2023 to June 2025.
"""
OVERNIGHT = 1.0 - _LEFT[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryInputs:
    """What options of a session are priced from. opened: their underlying at the opening prints.

    of: the underlying; `opened` and `level` are in its own points. left: see `variance_left`.
    rate: of interest, an annual fraction. width: of quotes, volatility: of options, as factors of the usual ones.
    """

    session: Session
    of: Modelled
    opened: float
    times: Columns
    level: Columns
    left: Columns
    term: Term
    rate: float
    width: float
    volatility: float


def variance_left(session: Session, times: Columns) -> Columns:
    """Return the part of a session's variance that is still to come at each instant."""
    opened, closed = session.open.timestamp(), session.close.timestamp()
    found: Columns = np.interp((times - opened) / (closed - opened), _DONE, _LEFT)
    return found


class ModelledExpiry:
    """The puts and calls of one expiry. `ends`: the epoch second at which they settle.

    seen: the lowest and the highest level of sessions since it is listed, before this one.
    """

    def __init__(
        self, expiry: Expiry, ends: float, conditions: ExpiryInputs, seen: tuple[float, float] | None = None
    ) -> None:
        self.name = (expiry.trading_class, expiry.last)
        self.trading_class, self.last = self.name
        self._conditions = conditions
        at = conditions
        self._days = max((ends - at.times[0]) / 86400.0, 0.0)
        self._calendar = (ends - at.times) / (365.0 * 86400.0)
        spread = _passing(self._variance_years(), self._calendar)
        total = at.term.total(max(self._days, 1.0)) / max(self._days, 1.0) * 365.0 * spread
        usual = np.maximum(at_the_money(total, self._days), 1e-5)
        self.strikes = strikes(at.opened, float(usual[0]), at.of.unit, at.of.stays, seen)
        self._deviation: Columns = usual * at.volatility

    def _variance_years(self) -> Columns:
        """Return the years of variance to the settlement: sessions and the nights before them, of 252 a year."""
        nights = sessions_after(self._conditions.session.date, self.last)
        whole = nights + (OVERNIGHT if self.trading_class in OPENING_CLASSES else 0.0)
        return (self._conditions.left + whole) / 252.0

    # ------------------------------------------------------------ its options

    @property
    def symbol(self) -> str:
        """The underlying."""
        return self._conditions.of.symbol

    def is_of(self, symbol: str, trading_class: str) -> bool:
        """Say whether its options are on an underlying and of a class."""
        return symbol == self._conditions.of.symbol and trading_class == self.trading_class

    def exact_strikes(self) -> Sequence[Decimal]:
        """Return the strikes, lowest first."""
        return [strike_of(each) for each in self.strikes]

    def options(self) -> Iterator[Option]:
        """Yield its puts and then its calls, each lowest strike first."""
        for right in RIGHTS:
            for strike in self.exact_strikes():
                yield self._option(strike, right)

    def _option(self, strike: Decimal, right: Right) -> Option:
        return listed(self._conditions.of.symbol, self.trading_class, self.last, strike, right is Right.CALL)

    def place_of(self, option: Option) -> int | None:
        """Return where an option stands among its options; None when it is none of them."""
        number = bisect_left(self.strikes, float(option.strike))
        if number == len(self.strikes) or option != self._option(strike_of(self.strikes[number]), option.right):
            return None
        return RIGHTS.index(option.right) * len(self.strikes) + number

    # ------------------------------------------------------------ their quotes

    def quotes(self, of: slice) -> Mapping[Right, Quotes]:
        """Return the quotes of the calls and of the puts at some of the strikes."""
        at = self._conditions
        return quotes(
            self._forward,
            np.array(self.strikes[of]),
            self._deviation,
            days=self._days,
            years=self._traded,
            discount=float(np.exp(-at.rate * self._calendar[0])),
            width=at.width,
            symbol=at.of.symbol,
            spot=at.level if at.of.part is None else None,
        )

    @cached_property
    def _forward(self) -> Columns:
        at = self._conditions
        found: Columns = at.level * np.exp((at.rate - DIVIDENDS) * self._calendar)
        return found

    @cached_property
    def _traded(self) -> Columns:
        """The years of trading that are left, a minute at least."""
        traded = np.array([years_until(self.last, at) or 0.0 for at in self._conditions.times.tolist()])
        found: Columns = np.maximum(traded, 60.0 / YEAR_SECONDS)
        return found


def settles_at(expiry: Expiry) -> float | None:
    """Return the epoch second at which an expiry settles: the close of its last day, or the open after it."""
    session = session_on(expiry.last)
    if session is None:
        return None
    if expiry.trading_class not in OPENING_CLASSES:
        return session.close.timestamp()
    return session_after(expiry.last).open.timestamp()


def _passing(traded: Columns, calendar: Columns) -> Columns:
    """Return the years over which variance is spread: sessions count when few are left, the calendar from 9 days on.

    The indices count the calendar; within the last days it matters that nothing happens at night and on Sundays.
    """
    days = calendar * 365.0
    weight = np.clip((_CALENDAR_FROM - days) / (_CALENDAR_FROM - 1.0), 0.0, 1.0)
    found: Columns = traded**weight * np.maximum(calendar, 1e-9) ** (1.0 - weight)
    return found


_CALENDAR_FROM = 9.0
