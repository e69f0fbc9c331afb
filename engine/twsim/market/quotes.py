"""From a state of the surface to bid and ask: one formula for a screen of contracts or a day of one contract.

Every function takes columns: a row is one contract at one second. What is random about a quote is a hash of the
contract, the seed and a slot of time, so neither the order nor the company in which it is asked for matters.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twsim.instrument import Instrument, SecType
from twsim.market.black import Greeks, black_price, greeks
from twsim.market.chance import Words, all_fractions, scramble, seeded
from twsim.market.surface import ExpiryTerms, smile
from twsim.market.universe import ASSETS

Floats = NDArray[np.float64]

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
    """Return one row of `share_sides`, and the sizes beside it, in shares."""
    is_wide = (second * 7 + con_id) % 3 == 0
    bid_lots, ask_lots = 1 + (second * 31 + con_id) % 17, 1 + (second * 17 + con_id) % 13
    return round(level - 0.01 * is_wide, 2), round(level + 0.01, 2), 100.0 * bid_lots, 100.0 * ask_lots
