"""Volatility and greeks of a past session's options where its source brings none, made column by column when asked for.

The forward of an expiry comes from put-call parity at the strike whose call and put are nearest to each other; the
volatility of a strike from whichever of its two options is out of the money, since the other has little time value.
Greeks are those of the source's own volatility, where it brings one.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, HistoryDay
from rulebot.model.black import YEAR_SECONDS, years_until
from rulebot.model.black_columns import greeks, volatilities
from rulebot.model.contract import Option, Right
from rulebot.model.session import Session

GREEKS = ("iv", "delta", "gamma", "theta", "vega")


class Surface:
    """What the model says of one session's options: `columns` (instants x options), each in the units of the board.

    An option's are made when they are first asked for, each instant from itself alone.
    """

    def __init__(self, day: HistoryDay, session: Session) -> None:
        self.columns: dict[str, Columns] = {}
        self._day = day
        self._session = session
        self._places = day.places()
        self._made: set[int] = set()
        self._forwards: dict[tuple[str, date], Columns] = {}

    def is_of(self, day: HistoryDay) -> bool:
        """Say whether it is the surface of this very session."""
        return self._day is day

    def make(self, places: Iterable[int]) -> None:
        """Make the columns of the options at these places, as far as they are not there."""
        fresh = [place for place in places if place not in self._made]
        if not fresh:
            return
        if not self.columns:
            self.columns = {name: np.full(self._day.bid.shape, np.nan) for name in GREEKS}
        self._made.update(fresh)
        groups: dict[tuple[str, date], list[int]] = {}
        for place in fresh:
            option = self._day.options[place]
            groups.setdefault((option.trading_class, option.expiry), []).append(place)
        for (_, expiry), group in groups.items():
            self._fill(group, expiry)

    def _fill(self, places: list[int], expiry: date) -> None:
        years = self._years(expiry)
        if years is None:
            return
        options = [self._day.options[place] for place in places]
        forward = self._forward(options[0])[:, None]
        strikes = np.array([float(option.strike) for option in options])[None, :]
        signs = np.array([1.0 if option.right is Right.CALL else -1.0 for option in options])[None, :]
        shape = (len(self._day.times), len(places))
        iv = np.full(shape, np.nan) if self._day.iv is None else self._day.iv[:, places]
        if (unknown := np.isnan(iv)).any():
            iv = np.where(unknown, self._volatility(options, unknown, forward, strikes, years[:, None]), iv)
        delta, gamma, theta, vega = greeks(forward, strikes, years[:, None], iv, signs)
        for name, column in zip(GREEKS, (iv, delta, gamma, theta, vega), strict=True):
            self.columns[name][:, places] = column

    def _volatility(
        self, options: list[Option], wanted: NDArray[np.bool_], forward: Columns, strikes: Columns, years: Columns
    ) -> Columns:
        """Return the implied volatilities of quotes where they are requested, nan elsewhere."""
        calls, puts = self._middle(options, Right.CALL), self._middle(options, Right.PUT)
        is_call = strikes >= forward
        value = np.where(is_call, calls, puts)
        other = np.isnan(value)
        signs = np.where(is_call ^ other, 1.0, -1.0)
        value = np.where(wanted, np.where(other, np.where(is_call, puts, calls), value), np.nan)
        return volatilities(value, forward, strikes, years, signs)

    def _middle(self, options: list[Option], right: Right) -> Columns:
        """Return the mids of calls, or puts, at these strikes; no bid counts as a bid of 0."""
        places = np.array([self._places.get(_as(option, right), -1) for option in options], dtype=np.intp)
        bid, ask = (column.take(places, axis=1) for column in (self._day.bid, self._day.ask))
        found: Columns = np.where(places < 0, np.nan, (np.where(np.isnan(bid), 0.0, bid) + ask) / 2.0)
        return found

    def _forward(self, option: Option) -> Columns:
        key = (option.trading_class, option.expiry)
        if key not in self._forwards:
            self._forwards[key] = self._parity(*key, option.symbol)
        return self._forwards[key]

    def _parity(self, trading_class: str, expiry: date, symbol: str) -> Columns:
        """Return the forward at each instant; the level of the underlying where no strike has both quotes."""
        spot = self._day.levels.get(symbol)
        spot = np.full(len(self._day.times), np.nan) if spot is None else spot
        calls, puts = (self._sides.get((trading_class, expiry, right), {}) for right in (Right.CALL, Right.PUT))
        both = [each for each in calls if each in puts]
        if not both:
            return spot
        call, put = (self._both([side[each] for each in both]) for side in (calls, puts))
        apart = np.abs(call - put)
        apart = np.where(np.isnan(apart), np.inf, apart)
        nearest = apart.argmin(axis=1)
        rows = np.arange(len(nearest))
        strikes = np.array([float(strike) for strike, _ in both])
        found: Columns = strikes[nearest] + (call - put)[rows, nearest]
        return np.where(np.isinf(apart[rows, nearest]), spot, found)

    @cached_property
    def _sides(self) -> dict[tuple[str, date, Right], dict[tuple[Decimal, int], int]]:
        """Places of calls, and puts, of each class and expiry, by strike and multiplier."""
        found: dict[tuple[str, date, Right], dict[tuple[Decimal, int], int]] = {}
        for place, each in enumerate(self._day.options):
            of = found.setdefault((each.trading_class, each.expiry, each.right), {})
            of[each.strike, each.multiplier] = place
        return found

    def _both(self, places: list[int]) -> Columns:
        """Return the middle of bid and ask where there are both."""
        bid, ask = (column.take(places, axis=1) for column in (self._day.bid, self._day.ask))
        found: Columns = (bid + ask) / 2.0
        return found

    def _years(self, expiry: date) -> Columns | None:
        opened, close = self._session.open.timestamp(), self._session.close.timestamp()
        whole = years_until(expiry, opened)
        if whole is None:
            return None
        gone = np.clip(self._day.times, opened, close) - opened
        return np.maximum(whole - gone / YEAR_SECONDS, 0.0)


def _as(option: Option, right: Right) -> Option:
    """Return the option of the same strike and expiry with this right."""
    if option.right is right:
        return option
    return Option(option.symbol, option.trading_class, option.expiry, option.strike, right, option.multiplier)


_LAST: list[Surface] = []


def surface_of(day: HistoryDay, session: Session) -> Surface:
    """Return the surface of a session; that of the last one asked for is kept, for other bots that read it too."""
    if not _LAST or not _LAST[0].is_of(day):
        _LAST[:] = [Surface(day, session)]
    return _LAST[0]
