"""Combos: their market, and what each leg trades at.

Theory. Buying a combo does every leg's action times its ratio, so its ask is what it costs to do that at the
worst sides of the legs, and its bid what the reverse brings; both may be negative. A leg that is offered but
not bid counts as bid at zero: combos of which one leg is worthless do trade. A fill inside the market is split
so that each leg lies at or inside its own quotes and the signed sum is the combo's price to the cent.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.money import CENT, ZERO, Rounding, on_tick
from twsim.exchange.touch import Nbbo
from twsim.instrument import Instrument


class Leg(NamedTuple):
    """One contract of an order: `sign` is +1 when buying the order buys it.

    `weight` is what a point of the leg moves the order's price by: the ratio, but for shares dealt with options
    ratio / 100, because such a combo is priced per share (100 shares less one call = S - C).
    """

    instrument: Instrument
    sign: int
    ratio: int
    weight: Decimal


def weighted(parts: Sequence[tuple[Instrument, int, int]]) -> tuple[Leg, ...]:
    """Return legs of (contract, sign, ratio) with their weights."""
    largest = max(instrument.multiplier for instrument, _, _ in parts)
    return tuple(
        Leg(instrument, sign, ratio, Decimal(ratio * instrument.multiplier) / largest)
        for instrument, sign, ratio in parts
    )


def order_touch(legs: Sequence[Leg], quotes: Mapping[int, Nbbo]) -> Nbbo:
    """Return the market of an order's contract: its own when single, the natural one of a combo."""
    if len(legs) == 1:
        return quotes[legs[0].instrument.con_id]
    bid, bid_size = _side(legs, quotes, -1)
    ask, ask_size = _side(legs, quotes, +1)
    return Nbbo(bid, ask, bid_size, ask_size)


def _side(legs: Sequence[Leg], quotes: Mapping[int, Nbbo], side: int) -> tuple[Decimal | None, int]:
    total, sizes = ZERO, []
    for leg in legs:
        touch = quotes[leg.instrument.con_id]
        does = side * leg.sign
        price = _leg_price(touch, does)
        if price is None:
            return None, 0
        total += leg.sign * leg.weight * price
        sizes.append(_leg_size(touch, does) // leg.ratio)
    return total, min(sizes)


def _leg_price(touch: Nbbo, side: int) -> Decimal | None:
    if side < 0 and touch.bid is None and touch.ask is not None:
        return ZERO
    return touch.far(side)


def _leg_size(touch: Nbbo, side: int) -> int:
    if side < 0 and touch.bid is None:
        return touch.ask_size
    return touch.far_size(side)


def widest_touch(legs: Sequence[Leg], quotes: Mapping[int, Nbbo]) -> Nbbo:
    """Return the natural market with the sizes of the legs that show most: for legs that need not fill together."""
    touch = order_touch(legs, quotes)
    bid, ask = (
        max(_leg_size(quotes[leg.instrument.con_id], side * leg.sign) // leg.ratio for leg in legs) for side in (-1, 1)
    )
    return Nbbo(touch.bid, touch.ask, bid, ask)


def leg_prices(legs: Sequence[Leg], quotes: Mapping[int, Nbbo], price: Decimal) -> tuple[Decimal, ...]:
    """Return a price for each leg so that the sum of sign x ratio x price is the combo's price.

    Legs stay at or inside their quotes whenever the combo's price is at or inside its natural market; with no leg of
    ratio 1 the sum may miss by less than a cent times the ratio.
    """
    if len(legs) == 1:
        return (price,)
    bounds = [_bounds(quotes[leg.instrument.con_id]) for leg in legs]
    found = _proportional(legs, bounds, price)
    return _absorb(legs, bounds, found, price)


def _bounds(touch: Nbbo) -> tuple[Decimal, Decimal]:
    low = touch.bid if touch.bid is not None else ZERO
    high = touch.ask if touch.ask is not None else low
    return (low, high) if low <= high else (high, low)


def _proportional(legs: Sequence[Leg], bounds: Sequence[tuple[Decimal, Decimal]], price: Decimal) -> list[Decimal]:
    """Return leg prices that all lie at the same fraction of the way from bid to ask of the combo, floored to cents."""
    sides = [(b if leg.sign > 0 else b[::-1]) for leg, b in zip(legs, bounds, strict=True)]
    bid = sum((leg.sign * leg.weight * worst for leg, (worst, _) in zip(legs, sides, strict=True)), ZERO)
    ask = sum((leg.sign * leg.weight * best for leg, (_, best) in zip(legs, sides, strict=True)), ZERO)
    way = (price - bid) / (ask - bid) if ask > bid else ZERO
    way = min(max(way, ZERO), Decimal(1))
    return [on_tick(start + (end - start) * way, CENT, Rounding.DOWN) for start, end in sides]


def _absorb(
    legs: Sequence[Leg], bounds: Sequence[tuple[Decimal, Decimal]], prices: list[Decimal], price: Decimal
) -> tuple[Decimal, ...]:
    """Move legs by cents, those of small ratio first, until the sum is the combo's price."""
    rest = price - sum((leg.sign * leg.weight * p for leg, p in zip(legs, prices, strict=True)), ZERO)
    for index in sorted(range(len(legs)), key=lambda i: legs[i].weight):
        leg, (low, high) = legs[index], bounds[index]
        wanted = on_tick(abs(rest) / leg.weight, CENT, Rounding.DOWN) * (leg.sign if rest > 0 else -leg.sign)
        moved = min(max(prices[index] + wanted, low), high) - prices[index]
        prices[index] += moved
        rest -= leg.sign * leg.weight * moved
    first = min(range(len(legs)), key=lambda i: legs[i].weight)
    prices[first] += on_tick(rest / legs[first].weight, CENT, Rounding.NEAREST) * legs[first].sign
    return tuple(prices)
