"""The market maker: lays contracts out as columns, prices them off the surface, and quotes as the scenario lets it."""

import math
from copy import copy
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twsim.market.listings import expiry_code
from twsim.market.path import Words, all_fractions, scramble, seeded
from twsim.market.scenario import Distortion, Scenario
from twsim.market.surface import RATE, Expiry, ExpiryTerms, Surface, expiry_of, smile
from twsim.market.universe import ASSETS
from twsim.nouns import Instrument, SecType, Settle
from twsim.sessions import Session

Floats = NDArray[np.float64]

# --- Black's formula for options on a forward, and its greeks, by columns

_ROOT_HALF = math.sqrt(0.5)
_DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)


class Greeks(NamedTuple):
    """Columns per option. Units: per point of spot; vega per volatility point; theta per calendar day."""

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats


def probability(x: Floats) -> Floats:
    """Return the standard normal distribution function."""
    upper = np.fromiter(map(math.erfc, (x * -_ROOT_HALF).tolist()), np.float64, x.size)
    return upper * 0.5


def black_price(
    forward: Floats, strike: Floats, deviation: Floats, discount: Floats, sign: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return price, d1 and N(sign x d1).

    Units: `deviation` is sigma x sqrt(years), positive; `sign` is +1 for a call, -1 for a put.
    """
    d1 = np.log(forward / strike) / deviation
    d1 += 0.5 * deviation
    both = probability(np.concatenate((sign * d1, sign * (d1 - deviation))))
    near, far = both[: d1.size], both[d1.size :]
    price = discount * sign * (forward * near - strike * far)
    return price, d1, near


def greeks(
    spot: Floats, d1: Floats, near: Floats, deviation: Floats, carry: Floats, years: Floats, sign: Floats
) -> Greeks:
    """Return the greeks that belong to `black_price`; `carry` is discount x forward / spot.

    Theta is the decay of the diffusion alone, as brokers show it: interest is excluded.
    """
    density = np.exp(-0.5 * d1 * d1)
    density *= _DENSITY_AT_ZERO * carry
    root = np.sqrt(years)
    vega = spot * density * root
    return Greeks(
        sign * carry * near,
        density / (spot * deviation),
        vega * 0.01,
        vega * (deviation / root) / (-730.0 * years),
    )


# --- From a state of the surface to bid and ask

_SLOT_SECONDS = 20
_SPREADS = {
    "SPX": (0.04, 0.012, 0.003),
    "SPY": (0.008, 0.0042, 0.002),
    "QQQ": (0.01, 0.005, 0.002),
    "XSP": (0.012, 0.012, 0.003),
    "NDX": (0.25, 0.018, 0.003),
    "RUT": (0.08, 0.018, 0.003),
}
_STOCK_SPREAD = (0.02, 0.014, 0.003)
_DEPTHS = {"SPX": 25.0, "XSP": 25.0, "NDX": 5.0, "RUT": 12.0}
_USUAL_DEPTH = 120.0
_NOISE = 0.18
_SIDES = np.array([[-0.5], [0.5]])


class Screen(NamedTuple):
    """What is fixed about the options in the rows: terms of the contract and how it is quoted."""

    strike: Floats
    sign: Floats
    key: Words
    phase: NDArray[np.int64]
    low_tick: Floats
    high_tick: Floats
    base_width: Floats
    value_width: Floats
    intrinsic_width: Floats
    depth: Floats


class Prices(NamedTuple):
    """What the model says of each row. Units as `black`; `volatility` is an annual fraction."""

    value: Floats
    volatility: Floats
    greeks: Greeks
    intrinsic: Floats


class Quotes(NamedTuple):
    """Bid and ask per row, on the tick; nan with size 0 where there is none."""

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    last: Floats


def ticks_of(symbol: str) -> tuple[float, float]:
    """Return the price step below 3.00 and from there. Source: Cboe, NYSE Arca and penny programme rules."""
    asset = ASSETS[symbol]
    if asset.fine_tick:
        return 0.01, 0.01
    is_coarse = asset.instrument.sec_type is SecType.INDEX or not asset.in_penny_program
    return (0.05, 0.10) if is_coarse else (0.01, 0.05)


def screen(options: list[Instrument], seed: int) -> Screen:
    """Lay out options as columns."""
    spreads = np.array([_SPREADS.get(each.symbol, _STOCK_SPREAD) for each in options]).reshape(-1, 3)
    steps = np.array([ticks_of(each.symbol) for each in options]).reshape(-1, 2)
    ids = np.array([each.con_id for each in options], dtype=np.int64)
    return Screen(
        strike=np.array([each.strike for each in options]),
        sign=np.array([1.0 if each.right == "C" else -1.0 for each in options]),
        key=seeded(ids, seed, 0x1000003),
        phase=ids % _SLOT_SECONDS,
        low_tick=steps[:, 0].copy(),
        high_tick=steps[:, 1].copy(),
        base_width=spreads[:, 0].copy(),
        value_width=spreads[:, 1].copy(),
        intrinsic_width=spreads[:, 2].copy(),
        depth=np.array([_DEPTHS.get(each.symbol, _USUAL_DEPTH) for each in options]),
    )


def columns(rows: list[ExpiryTerms]) -> NDArray[np.float64]:
    """Return the terms as columns, one matrix row for each field."""
    return np.array(rows).T


def prices(of: Screen, state: NDArray[np.float64]) -> Prices:
    """Price each row as if it could only be exercised at the end."""
    spot, forward, discount, at_money, years, slope, tilt, bend = state[:8]
    x = np.log(of.strike / forward) / at_money
    deviation = at_money * smile(x, slope, tilt, bend)
    value, d1, near = black_price(forward, of.strike, deviation, discount, of.sign)
    intrinsic = np.maximum(of.sign * discount * (forward - of.strike), 0.0)
    np.maximum(value, intrinsic, out=value)
    carry = discount * forward / spot
    found = greeks(spot, d1, near, deviation, carry, years, of.sign)
    return Prices(value, deviation / np.sqrt(years), found, intrinsic)


def quotes(of: Screen, state: NDArray[np.float64], priced: Prices) -> Quotes:
    """Make the market around the model value of each row."""
    busy, second = state[8], state[9]
    slot = (second.astype(np.int64) + of.phase) // _SLOT_SECONDS
    draw_mid, draw_width, draw_size, draw_side = all_fractions(scramble(of.key + slot.astype(np.uint64)))
    time_value = np.maximum(priced.value - priced.intrinsic, 0.0)
    width = of.base_width + of.value_width * time_value + of.intrinsic_width * np.minimum(priced.intrinsic, 600.0)
    width *= busy * (0.85 + 0.3 * draw_width)
    middle = priced.value + width * _NOISE * (2.0 * draw_mid - 1.0)
    bid, ask = _on_tick(middle + _SIDES * width, of)
    bid = np.maximum(bid, 0.0)
    step = np.where(bid < 2.995, of.low_tick, of.high_tick)
    ask = np.maximum(ask, bid + step)
    depth = of.depth * (1.0 + 6.0 * np.exp(-priced.value))
    return _shown(bid, ask, depth, draw_size, draw_side)


def _on_tick(price: Floats, of: Screen) -> Floats:
    tick = np.where(price < 3.0, of.low_tick, of.high_tick)
    steps: Floats = np.rint(price / tick)
    steps *= tick
    return steps


def _shown(bid: Floats, ask: Floats, depth: Floats, draw_size: Floats, draw_side: Floats) -> Quotes:
    """Round to cents and take away bids of nothing."""
    bid, ask = np.rint(np.array((bid, ask)) * 100.0) / 100.0
    has_bid = bid > 0.0
    drawn = 1.6 * draw_size
    bid_size, ask_size = np.rint(depth * np.array((0.2 + drawn, 1.8 - drawn))) + 1.0
    bid_size = np.where(has_bid, bid_size, 0.0)
    last = np.where((draw_side < 0.5) & has_bid, bid, ask)
    return Quotes(np.where(has_bid, bid, np.nan), ask, bid_size, ask_size, last)


def share_sides(con_id: int, second: NDArray[np.int64], level: Floats) -> tuple[Floats, Floats]:
    """Return bid and ask of a share around its level: one cent wide, two a third of the time."""
    is_wide = (second * 7 + con_id) % 3 == 0
    bid, ask = level - 0.01 * is_wide, level + 0.01
    return np.rint(bid * 100.0) / 100.0, np.rint(ask * 100.0) / 100.0


def share_quote(con_id: int, second: int, level: float) -> tuple[float, float, float, float]:
    """Return one row of `share_sides`, and its sizes, in shares."""
    is_wide = (second * 7 + con_id) % 3 == 0
    bid_lots, ask_lots = 1 + (second * 31 + con_id) % 17, 1 + (second * 17 + con_id) % 13
    return round(level - 0.01 * is_wide, 2), round(level + 0.01, 2), 100.0 * bid_lots, 100.0 * ask_lots


# --- What the right of early exercise adds to a put on a share, as a fraction of spot

_HALVINGS = 40


def _european(spot: Floats, strike: Floats, carry: float, rate: float, years: float, volatility: Floats) -> Floats:
    size = np.ones_like(strike)
    forward = spot * np.exp(carry * years)
    deviation = volatility * np.sqrt(years)
    return black_price(forward, strike, deviation, size * np.exp(-rate * years), -size)[0]


def _weight(spot: Floats, strike: Floats, carry: float, rate: float, years: float, volatility: Floats) -> Floats:
    """Return 1 - exp((b - r) T) N(-d1)."""
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + carry * years) / deviation + 0.5 * deviation
    found: Floats = 1.0 - np.exp((carry - rate) * years) * probability(-d1)
    return found


def put_premium(strike: Floats, volatility: Floats, *, years: float, rate: float, dividend: float) -> Floats:
    """Return American minus European put for a spot of 1.

    Units: strikes are fractions of spot, rates continuous annual fractions.
    """
    carry = rate - dividend
    slope = 2.0 * carry / (volatility * volatility)
    level = 2.0 * rate / (volatility * volatility * (1.0 - np.exp(-rate * years)))
    power = -0.5 * (slope - 1.0 + np.sqrt((slope - 1.0) ** 2 + 4.0 * level))
    low, high = strike * 1e-3, strike.copy()
    for _ in range(_HALVINGS):
        spot = 0.5 * (low + high)
        held = _european(spot, strike, carry, rate, years, volatility)
        held -= _weight(spot, strike, carry, rate, years, volatility) * spot / power
        exercised = strike - spot > held
        low, high = np.where(exercised, spot, low), np.where(exercised, high, spot)
    boundary = 0.5 * (low + high)
    amount = -boundary / power * _weight(boundary, strike, carry, rate, years, volatility)
    one = np.ones_like(strike)
    alive = amount * np.power(1.0 / boundary, power)
    now = strike - 1.0 - _european(one, strike, carry, rate, years, volatility)
    return np.maximum(np.where(boundary < 1.0, alive, now), 0.0)


# --- The market maker

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
        """Return these rows repeated this many times; the expiries of each repetition follow the ones before."""
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
        """Add the value of early exercise: for puts with days to live, and never less than exercise now.

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
        """Return for each put the pair of tables, of its step and the next, that enclose it."""
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
