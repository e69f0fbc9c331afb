"""Margin by strategy, as exchange rules ask of a Reg T account.

Sources: Cboe "Margin Manual" and Cboe Rule 10.3 (strategy-based margin): a short option alone needs its market
value plus the larger of 20 % of the underlying (15 % for a broad-based index) less the amount out of the money,
and 10 % of the strike (put) or of the underlying (call); a spread whose long leg lives as long as the short
needs its width where that is a loss, and several of one right and expiry, as a butterfly is, the most that they can
lose together (FINRA Regulatory Notice 12-44); of a short call side and a short put side of one expiry only the larger
counts, plus the market value of the other when it is naked, or what both can lose where their spreads overlap; a
call against shares or a put against short shares needs nothing more; long options are paid in full and carry no
loan value. Stock: Regulation T, 50 % initial, and 25 % (long) or 30 % (short) maintenance.

Longs are paired with shorts greedily: what cannot lose, then shares, then what can, of one expiry before others.
"""

import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.money import CENT, ZERO
from twsim.instrument import Instrument, SecType

BROAD_INDEX = Decimal("0.15")
EQUITY = Decimal("0.20")
MINIMUM = Decimal("0.10")
STOCK_INITIAL = Decimal("0.50")
STOCK_LONG = Decimal("0.25")
STOCK_SHORT = Decimal("0.30")
_INDEX = frozenset({"SPX", "VIX", "RUT", "NDX", "XSP"})


class Line(NamedTuple):
    """One position priced: `price` per share, `spot` of the underlying."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    spot: Decimal

    @property
    def value(self) -> Decimal:
        """Market value in dollars, signed."""
        return self.quantity * self.price * self.instrument.multiplier


class Needs(NamedTuple):
    """Initial and maintenance requirement in dollars."""

    initial: Decimal
    maintenance: Decimal


class _Spread(NamedTuple):
    """A short covered by a long, so many of each."""

    short: Line
    long: Line
    quantity: Decimal

    def loss_at(self, level: float) -> Decimal:
        """Return the dollars that it loses by its strikes at a level of the underlying; a gain is negative."""
        points = _worth(self.short.instrument, level) - _worth(self.long.instrument, level)
        return self.quantity * Decimal(str(points)) * self.short.instrument.multiplier


@dataclass(slots=True)
class _Side:
    """The shorts of one right and expiry. naked: what those without cover need; naked_value: their market value."""

    spreads: list[_Spread] = field(default_factory=list)
    naked: Decimal = ZERO
    naked_value: Decimal = ZERO

    @property
    def needed(self) -> Decimal:
        """What they need: those with cover the most that they can lose together."""
        return self.naked + _most_lost(self.spreads)


def _most_lost(spreads: list[_Spread]) -> Decimal:
    """Return the most that spreads of one expiry can lose together, at one of their strikes, in dollars."""
    strikes = {leg.instrument.strike for each in spreads for leg in (each.short, each.long)}
    return max((ZERO, *(sum((each.loss_at(level) for each in spreads), ZERO) for level in strikes)))


_Sides = dict[date, dict[str, _Side]]
"""By expiry and right."""


def _worth(instrument: Instrument, level: float) -> float:
    """Return what an option is worth at expiry, in points."""
    return max(level - instrument.strike if instrument.right == "C" else instrument.strike - level, 0.0)


def margin_needs(lines: Iterable[Line], *, cash_secured_puts: bool = False) -> Needs:
    """Return the requirement of a whole account."""
    by_symbol: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.quantity:
            by_symbol[line.instrument.symbol].append(line)
    initial = maintenance = ZERO
    for group in by_symbol.values():
        options = _options_need(group, cash_secured_puts)
        stock = [line for line in group if line.instrument.sec_type is SecType.STOCK]
        initial += options + sum((abs(line.value) * STOCK_INITIAL for line in stock), ZERO)
        maintenance += options + sum((_stock_maintenance(line) for line in stock), ZERO)
    return Needs(initial.quantize(CENT), maintenance.quantize(CENT))


def _stock_maintenance(line: Line) -> Decimal:
    return abs(line.value) * (STOCK_LONG if line.quantity > 0 else STOCK_SHORT)


def _options_need(group: list[Line], cash_secured_puts: bool) -> Decimal:
    sides: _Sides = defaultdict(lambda: {"C": _Side(), "P": _Side()})
    shares = sum((line.quantity for line in group if line.instrument.sec_type is SecType.STOCK), ZERO)
    for right in ("C", "P"):
        cover = shares if right == "C" else -shares
        _fill_sides(
            sides, [line for line in group if line.instrument.right == right], max(cover, ZERO), cash_secured_puts
        )
    return sum((_both(pair["C"], pair["P"]) for pair in sides.values()), ZERO)


def _both(calls: _Side, puts: _Side) -> Decimal:
    """Return the larger side plus the market value of the other's naked shorts; of spreads alone what both can lose."""
    if not calls.naked and not puts.naked:
        return _most_lost([*calls.spreads, *puts.spreads])
    larger, other = (calls, puts) if calls.needed >= puts.needed else (puts, calls)
    return larger.needed + other.naked_value


def _fill_sides(sides: _Sides, lines: list[Line], cover: Decimal, cash_secured_puts: bool) -> None:
    """Find each short of one right its cover, `cover` shares among it, and add what it needs to its side."""
    longs = [line for line in lines if line.quantity > 0]
    free = {line.instrument.con_id: line.quantity for line in longs}
    shorts = sorted((line for line in lines if line.quantity < 0), key=_most_dangerous)
    left = {line.instrument.con_id: -line.quantity for line in shorts}
    for loses in (False, True):
        for lives_as_long in (operator.eq, operator.gt):
            for short in shorts:
                able = [each for each in longs if lives_as_long(_expiry(each), _expiry(short))]
                pairs = [each for each in able if (_loss(short, each) > 0) is loses]
                left[short.instrument.con_id] -= _pair(short, left[short.instrument.con_id], pairs, free, sides)
        for short in shorts if not loses else ():
            covered = min(left[short.instrument.con_id], cover // short.instrument.multiplier)
            left[short.instrument.con_id] -= covered
            cover -= covered * short.instrument.multiplier
    for short in shorts:
        side, naked = sides[_expiry(short)][short.instrument.right], left[short.instrument.con_id]
        side.naked += naked * _naked(short, cash_secured_puts)
        side.naked_value += naked * short.price * short.instrument.multiplier


def _pair(short: Line, left: Decimal, able: list[Line], free: dict[int, Decimal], sides: _Sides) -> Decimal:
    """Pair what is left of a short with free longs, least loss first, and return how many have found one."""
    found = ZERO
    for line in sorted(
        able, key=lambda line: (_loss(short, line), abs(line.instrument.strike - short.instrument.strike))
    ):
        used = min(left - found, free[line.instrument.con_id])
        if used and _loss(short, line) < _naked(short, False):
            free[line.instrument.con_id] -= used
            sides[_expiry(short)][short.instrument.right].spreads.append(_Spread(short, line, used))
            found += used
    return found


def _expiry(line: Line) -> date:
    return line.instrument.last_trade_date or date.max


def _most_dangerous(line: Line) -> tuple[date, float]:
    strike = line.instrument.strike
    return _expiry(line), strike if line.instrument.right == "C" else -strike


def _loss(short: Line, long: Line) -> Decimal:
    """Return the most that a one-lot spread can lose by its strikes, in dollars, 0 for a debit spread."""
    width = long.instrument.strike - short.instrument.strike
    points = width if short.instrument.right == "C" else -width
    return max(ZERO, Decimal(str(points))) * short.instrument.multiplier


def _naked(short: Line, cash_secured_puts: bool) -> Decimal:
    """Return the requirement of one uncovered short contract in dollars."""
    instrument, spot = short.instrument, short.spot
    strike = Decimal(str(instrument.strike))
    is_put = instrument.right == "P"
    if is_put and cash_secured_puts:
        return strike * instrument.multiplier
    rate = BROAD_INDEX if instrument.symbol in _INDEX else EQUITY
    out = max(ZERO, spot - strike if is_put else strike - spot)
    floor = MINIMUM * (strike if is_put else spot)
    return (short.price + max(rate * spot - out, floor)) * instrument.multiplier
