"""One expiry of a modelled session: its variance, the strikes that are listed, and what its options are quoted at."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.keys import strike_of
from rulebot.adapters.history.modelled.listing import Expiry, Modelled, strikes
from rulebot.adapters.history.modelled.quotes import Quotes, at_the_money, quotes
from rulebot.adapters.history.modelled.term import Term
from rulebot.model.black import YEAR_SECONDS, years_until
from rulebot.model.contract import OPENING_CLASSES, Option, Right, listed
from rulebot.model.session import Session, session_after, session_on, sessions_after
from rulebot.model.values import dataclass

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
