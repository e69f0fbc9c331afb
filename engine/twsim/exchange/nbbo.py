"""Combos: their market, and the price of each leg.

Buying a combo does every leg's action times its ratio, so its ask is the cost of doing that at the worst sides of the
legs, and its bid what the reverse brings; both may be negative. A leg with an ask but no bid counts as bid at zero:
combos with a worthless leg do trade. A fill inside the market is split so that each leg is at or inside its own quotes
and the signed sum is the combo's price to the cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from math import isnan
from typing import NamedTuple

from twsim.nouns import CENT, ZERO, Instrument, Rounding, SecType, TickRule, on_tick
from twsim.seams import Market

# --- The best bid and ask of a contract or combo, with its remaining sizes at this instant


@dataclass(slots=True)
class Nbbo:
    """Best quotes of one contract or combo; sizes shrink as our own orders take them within an instant.

    Units: prices per share (or points), None without a quote; sizes are contracts or shares.
    """

    bid: Decimal | None
    ask: Decimal | None
    bid_size: int
    ask_size: int
    last: Decimal | None = None
    spot: float = float("nan")

    def far(self, side: int) -> Decimal | None:
        """Return the price that fills at once: the ask for a buyer (+1), the bid for a seller (-1)."""
        return self.ask if side > 0 else self.bid

    def near(self, side: int) -> Decimal | None:
        """Return the quote of one's own side."""
        return self.bid if side > 0 else self.ask

    def far_size(self, side: int) -> int:
        """Return the size shown at the far side."""
        return self.ask_size if side > 0 else self.bid_size

    def near_size(self, side: int) -> int:
        """Return the size shown at one's own side."""
        return self.bid_size if side > 0 else self.ask_size

    def take(self, side: int, quantity: int) -> None:
        """Use up size at the far side."""
        if side > 0:
            self.ask_size = max(0, self.ask_size - quantity)
        else:
            self.bid_size = max(0, self.bid_size - quantity)

    @property
    def mid(self) -> Decimal | None:
        """The midpoint, None unless both sides are quoted."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


def exact(price: float) -> Decimal | None:
    """Return a market price as Decimal, None for nan."""
    return None if isnan(price) else _exact(price)


@lru_cache(maxsize=8192)
def _exact(price: float) -> Decimal:
    return Decimal(str(round(price, 4)))


def nbbo_of(market: Market, con_ids: Sequence[int]) -> dict[int, Nbbo]:
    """Return the present touch of each contract."""
    if not con_ids:
        return {}
    ticks = market.ticks(con_ids)
    shown = (ticks.bid, ticks.ask, ticks.bid_size, ticks.ask_size, ticks.last, ticks.spot)
    return {
        con_id: Nbbo(exact(bid), exact(ask), _size(bid_size), _size(ask_size), exact(last), spot)
        for con_id, bid, ask, bid_size, ask_size, last, spot in zip(
            con_ids, *(column.tolist() for column in shown), strict=True
        )
    }


def _size(size: float) -> int:
    return 0 if isnan(size) else int(size)


# --- Combos


class Leg(NamedTuple):
    """One contract of an order: `sign` is +1 when buying the order buys it.

    `weight` is the change of the order's price per point of the leg: the ratio, but ratio / 100 for shares that trade
    with options, because such a combo is priced per share (100 shares less one call = S - C).
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
    """Return leg prices at the same fraction of the way from bid to ask of the combo, floored to cents."""
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


# --- Price steps of the simulated exchange

PENNY = TickRule(((Decimal(0), Decimal("0.01")),))
NICKEL = TickRule(((Decimal(0), Decimal("0.05")),))
NICKEL_DIME = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
EQUITY_OPTION = TickRule(((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05"))))

_NICKEL_SYMBOLS = frozenset({"SPX", "VIX", "RUT", "NDX"})
_OUTSIDE_PROGRAM = frozenset({"GGG"})
_PENNY_SYMBOLS = frozenset({"SPY", "QQQ", "IWM", "XSP"})


def tick_rule(instrument: Instrument) -> TickRule:
    """Return the price steps of one contract: those of its market, if they are among those of this exchange."""
    if instrument.ticks in (PENNY, NICKEL_DIME, EQUITY_OPTION):
        return instrument.ticks
    if instrument.sec_type is not SecType.OPTION or instrument.symbol in _PENNY_SYMBOLS:
        return PENNY
    return NICKEL_DIME if instrument.symbol in _NICKEL_SYMBOLS | _OUTSIDE_PROGRAM else EQUITY_OPTION


def combo_tick_rule(instruments: Sequence[Instrument]) -> TickRule:
    """Return the price steps of a combo: nickels when options trade in nickels on every leg's index, else pennies."""
    return NICKEL if all(leg.symbol in _NICKEL_SYMBOLS for leg in instruments) else PENNY


def on_grid(price: Decimal, rule: TickRule) -> bool:
    """Say whether a limit or stop price is on the grid of its own level."""
    return price % rule.tick(price) == 0


# --- Chance that depends on names only


def seeded_fraction(*names: object) -> float:
    """Return a number in [0, 1) drawn by hashing the names (seed, perm id, instant, purpose)."""
    text = "|".join(map(str, names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64


def between(low: float, high: float, *names: object) -> float:
    """Return a number in [low, high) drawn by hashing the names."""
    return low + (high - low) * seeded_fraction(*names)
