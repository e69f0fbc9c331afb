"""The market maker: lays contracts out as columns, prices them off the surface, and quotes as the scenario lets it."""

import math
from copy import copy
from datetime import date

import numpy as np
from numpy.typing import NDArray

from rulebot.model.session import Session
from twsim.instrument import Instrument, Settle
from twsim.market.american import put_premium
from twsim.market.catalogue import expiry_code
from twsim.market.quotes import Prices, Quotes, Screen, columns, prices, quotes, screen
from twsim.market.scenario import Distortion, Scenario
from twsim.market.surface import RATE, Expiry, ExpiryTerms, Surface, expiry_of, smile
from twsim.market.universe import ASSETS

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_EXERCISE_DAYS = 5
_GRID_START, _GRID_STEP, _GRID_LAST = -0.30, 0.0025, 319.999
_GRID: Floats = _GRID_START + _GRID_STEP * np.arange(321.0)
_DEVIATION_STEP = 0.004
_LAST_STEP = 4094.0
"""Where a put is worth all of its strike, and more deviation adds nothing."""
_NOTHING = 1e-6
"""Of spot: what the tables of premiums leave of nothing between their points."""


class Layout:
    """Options in rows: which expiry each belongs to, and which are puts worth exercising early."""

    def __init__(self, options: list[Instrument], seed: int, today: date) -> None:
        keys = [expiry_of(each) for each in options]
        groups = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.options = options
        self.expiries: list[Expiry] = list(groups)
        self.group: Rows = np.array([groups[key] for key in keys], dtype=np.intp)
        self.screen: Screen = screen(options, seed)
        self.symbols = np.array([each.symbol for each in options])
        self.shares: Rows = np.flatnonzero([each.settle is Settle.SHARES for each in options])
        self.puts: Rows = np.flatnonzero([_may_exercise(each, today) for each in options])
        self.put_codes = np.array([expiry_code(options[row].con_id) for row in self.puts], dtype=np.int64)
        self.put_expiries = {expiry_code(options[row].con_id): keys[row] for row in self.puts}

    def repeated(self, count: int) -> "Layout":
        """Return these rows so many times on end; the expiries of each time follow those of the one before."""
        found = copy(self)
        found.options = self.options * count
        found.group = _shifted(self.group, len(self.expiries), count)
        found.screen = Screen._make(np.tile(each, count) for each in self.screen)
        found.symbols = np.tile(self.symbols, count)
        found.shares = _shifted(self.shares, len(self.options), count)
        found.puts = _shifted(self.puts, len(self.options), count)
        found.put_codes = np.tile(self.put_codes, count)
        return found


def _shifted(rows: Rows, by: int, count: int) -> Rows:
    return np.concatenate([rows + by * number for number in range(count)])


def _may_exercise(option: Instrument, today: date) -> bool:
    """Say whether early exercise may be worth something: puts on shares with days to live."""
    assert option.settle_date is not None
    is_put = option.right == "P" and option.settle is Settle.SHARES
    return is_put and (option.settle_date - today).days >= _EXERCISE_DAYS


class QuoteEngine:
    """Quotes of one session."""

    def __init__(self, surface: Surface, scenario: Scenario, session: Session, ordinal: int) -> None:
        self._surface = surface
        self._today = session.date
        self._numbers: dict[int, int] = {}
        self._tables = np.zeros((0, _GRID.size))
        self._distortions: list[tuple[Distortion, int, int]] = [
            (each, *each.span.seconds(session)) for each in scenario.distortions if each.span.on(ordinal)
        ]

    def price(self, layout: Layout, rows: list[ExpiryTerms], group: Rows) -> tuple[Prices, Quotes, Floats]:
        """Price and quote each option of a layout in the state `rows[group]`; the third is that state as columns."""
        state = columns(rows)[:, group]
        priced = prices(layout.screen, state)
        self._add_exercise(layout, state, priced)
        active = self._active(state[9])
        for each in active:
            self._disturb(each, layout, state, priced)
        quoted = quotes(layout.screen, state, priced)
        for each in active:
            self._overwrite(each, layout, state, quoted)
        return priced, quoted, state

    def _active(self, second: Floats) -> list[tuple[Distortion, int, int]]:
        if not self._distortions:
            return []
        first, last = float(second.min()), float(second.max())
        return [each for each in self._distortions if each[1] <= last and first < each[2]]

    @staticmethod
    def _affected(each: tuple[Distortion, int, int], layout: Layout, state: Floats) -> Rows:
        what, first, last = each
        of, spot, second = layout.screen, state[0], state[9]
        mask = (layout.symbols == what.symbol) & (second >= first) & (second < last)
        if what.right:
            mask &= of.sign == (1.0 if what.right == "C" else -1.0)
        if what.otm is not None:
            points = of.sign * (of.strike - spot)
            mask &= (points >= what.otm[0]) & (points <= what.otm[1])
        return np.flatnonzero(mask)

    def _disturb(self, each: tuple[Distortion, int, int], layout: Layout, state: Floats, priced: Prices) -> None:
        """Add richness, which dwindles with the distance from the money, and widen."""
        rows = self._affected(each, layout, state)
        if each[0].richer:
            x = np.log(layout.screen.strike[rows] / state[1, rows]) / np.maximum(state[3, rows], 0.004)
            priced.value[rows] += each[0].richer * np.exp(-0.5 * x * x)
            priced.value[rows] = np.maximum(priced.value[rows], priced.intrinsic[rows])
        state[8, rows] *= each[0].widen

    def _overwrite(self, each: tuple[Distortion, int, int], layout: Layout, state: Floats, quoted: Quotes) -> None:
        what = each[0]
        rows = self._affected(each, layout, state) if what.bid is not None or what.ask is not None else None
        if rows is None:
            return
        if what.bid is not None:
            quoted.bid[rows] = what.bid if what.bid > 0.0 else np.nan
            quoted.bid_size[rows] = 1.0 if what.bid > 0.0 else 0.0
        if what.ask is not None:
            quoted.ask[rows] = what.ask
            quoted.ask_size[rows] = 1.0

    def _add_exercise(self, layout: Layout, state: Floats, priced: Prices) -> None:
        """Add what early exercise is worth: to puts with days to live, and never less than to exercise now.

        What is worth no more than that moves as the share does, and neither time nor volatility changes it.
        """
        of, spot = layout.screen, state[0]
        if layout.puts.size:
            self._add_premium(layout, state, priced)
        if layout.shares.size:
            rows = layout.shares
            now = of.sign[rows] * (spot[rows] - of.strike[rows])
            held = priced.value[rows]
            priced.value[rows] = np.maximum(held, now)
            delta, *others = priced.greeks
            is_exercised = held <= now + _NOTHING * spot[rows]
            delta[rows] = np.where(is_exercised, of.sign[rows], np.maximum(delta[rows], -1.0))
            for each in others:
                each[rows[is_exercised]] = 0.0

    def _add_premium(self, layout: Layout, state: Floats, priced: Prices) -> None:
        """Add the premium, interpolated between moneyness and deviations of the tables, and its slope to delta."""
        rows, spot = layout.puts, state[0, layout.puts]
        deviation = np.minimum(state[3, rows] / _DEVIATION_STEP, _LAST_STEP)
        step = deviation.astype(np.int64)
        high = deviation - step
        at = (np.log(layout.screen.strike[rows] / spot) - _GRID_START) / _GRID_STEP
        np.clip(at, 0.0, _GRID_LAST, out=at)
        left = at.astype(np.int64)
        part = at - left
        pair = np.array(self._pairs(layout, step), dtype=np.intp) * 2
        tables = self._tables
        first, second = tables[pair, left], tables[pair, left + 1]
        near = first + high * (tables[pair + 1, left] - first)
        far = second + high * (tables[pair + 1, left + 1] - second)
        extra = near + part * (far - near)
        priced.value[rows] += extra * spot
        priced.greeks.delta[rows] += extra - (far - near) / _GRID_STEP

    def _pairs(self, layout: Layout, step: NDArray[np.int64]) -> list[int]:
        """Return for each put which pair of tables, of its step and the next, it lies between."""
        keys = ((layout.put_codes << 12) | step).tolist()
        for key in keys:
            if key not in self._numbers:
                expiry, number = layout.put_expiries[key >> 12], key & 0xFFF
                both = (self._premium(expiry, each) for each in (number, number + 1))
                self._tables = np.vstack((self._tables, *both))
                self._numbers[key] = len(self._numbers)
        return [self._numbers[key] for key in keys]

    def _premium(self, expiry: Expiry, step: int) -> Floats:
        """Return the premium as a fraction of spot over the grid of log moneyness."""
        terms = self._surface.terms(expiry, 0)
        deviation = max(step, 1) * _DEVIATION_STEP
        years = (expiry.settles - self._today).days / 365.0
        drift = math.log(terms.forward / terms.spot)
        fixed = (np.full_like(_GRID, each) for each in (terms.slope, terms.tilt, terms.bend))
        x: Floats = (_GRID - drift) / deviation
        volatility = deviation * smile(x, *fixed) / math.sqrt(years)
        dividend = ASSETS[expiry.symbol].dividend
        return np.round(put_premium(np.exp(_GRID), volatility, years=years, rate=RATE, dividend=dividend), 9)
