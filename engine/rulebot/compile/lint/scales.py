"""Usual ranges in numbers: what a range that is relative to spot, width or premium comes to for one bot."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf, sqrt
from typing import NamedTuple

from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.sample import expected, spots
from rulebot.compile.measures.usual import USUAL, Scale, Usual
from rulebot.compile.plan import Call, Quantity
from rulebot.model.contract import LOT, product

LEAST_PRICE = 0.0099
"""Prices per share are counted in cents: a smaller bound than one cent says nothing."""

_GAINS = ("profit", "loss", "give_back")
_OF_SHARES, _MOST_OF_SHARES, _LOST_OF_SHARES = 0.1, 2.0, 0.5
"""How much smaller gains are that count from the price of shares, and the largest gain and loss."""
_MOST_OF_CREDIT, _MOST_OF_DEBIT = 0.985, 0.95
"""The part of a credit that a target asks for, or of a debit that a stop lets go, at most: the rest is a tick."""
_BELOW = 0.999
"""Just below a tick, which is the least distance between a bid and an ask."""
_DAYS = 252
_YEARS_MOVE, _STOCKS_MOVE = (0.16, 0.16), (0.16, 0.33)
"""A year's volatility of what the example knows, and between which that of a stock lies."""


class UsualRange(NamedTuple):
    """From where to where bounds lie, in the unit of the measure; inf where nobody can say."""

    low: float
    high: float
    usual: Usual


def span_of(call: Call, look: LintContext) -> UsualRange | None:
    """Return the usual range of a measure as one bot reads it, None where it is compared with no number."""
    usual = USUAL[call.measure].get(call.quantity) if call.measure in USUAL else None
    if usual is None:
        return None
    usual = _of_this_bot(usual, call, look)
    symbol = _symbol(call, look)
    span = sized(usual, look, symbol, is_price=call.quantity is Quantity.PRICE)
    if call.measure == "quote_width" and call.quantity is Quantity.PRICE:
        return span._replace(low=float(product(symbol).option_ticks.steps[0][1]) * _BELOW)
    return span


def _of_this_bot(usual: Usual, call: Call, look: LintContext) -> Usual:
    """Return the range of a gain for what the bot deals in: shares move less than options, a credit is all it wins."""
    if call.measure not in _GAINS or call.quantity is not Quantity.FRACTION:
        return usual
    if any(leg.is_shares for leg in look.plan.legs):
        most = _LOST_OF_SHARES if call.measure == "loss" else _MOST_OF_SHARES
        return replace(usual, low=usual.low * _OF_SHARES, high=most)
    if "of" in dict(call.arguments) or (stake := look.stake) is None:
        return usual
    is_all_won = call.measure == "profit" and stake.is_sold and stake.most <= 0
    is_all_lost = call.measure == "loss" and not stake.is_sold and stake.least >= 0
    if is_all_won or is_all_lost:
        return replace(usual, high=_MOST_OF_CREDIT if is_all_won else _MOST_OF_DEBIT)
    return usual


def sized(usual: Usual, look: LintContext, symbol: str, *, is_price: bool = False) -> UsualRange:
    """Return a range in numbers for an underlying."""
    least, most = _sizes(usual.scale, look, symbol)
    low = max(usual.low * least, LEAST_PRICE) if is_price else usual.low * least
    return UsualRange(low, usual.high * most, usual)


def _symbol(call: Call, look: LintContext) -> str:
    of: object = dict(call.arguments).get("of")
    if isinstance(of, tuple):
        of = next((leg.symbol for leg in look.plan.legs if leg.name in of), None)
    named = next((leg.symbol for leg in look.plan.legs if leg.name == of), of)
    return named if isinstance(named, str) else look.plan.underlyings[0]


def _sizes(scale: Scale, look: LintContext, symbol: str) -> tuple[float, float]:
    """Return the least and the most that a scale comes to."""
    sample = look.sample
    low, high = spots(symbol)
    is_known = low == high
    match scale:
        case Scale.ONE:
            return 1.0, 1.0
        case Scale.SPOT:
            return low, high
        case Scale.NOTIONAL:
            return low * LOT, high * sample.lot
        case Scale.DAY | Scale.DAY_IN_POINTS:
            days = _YEARS_MOVE if is_known else _STOCKS_MOVE
            points = (low, high) if scale is Scale.DAY_IN_POINTS else (1.0, 1.0)
            return points[0] * days[0] / sqrt(_DAYS), points[1] * days[1] / sqrt(_DAYS)
        case Scale.MOVE if is_known:
            move = min((leg.move for leg in sample.legs.values() if leg.plan.symbol == symbol), default=None)
            found = expected(symbol, 0, 1.0) if move is None else move
            return found, found
        case Scale.PREMIUM | Scale.POSITION if (
            is_known and len(sample.legs) == _options(look) and sample.premium > LEAST_PRICE
        ):
            lots = _lots(scale, look)
            return sample.premium * lots[0], sample.premium * lots[1]
        case Scale.WIDTH | Scale.WIDTH_IN_DOLLARS if (width := _width(look)) is not None:
            lots = _lots(scale, look)
            return width * lots[0], width * lots[1]
        case _:
            return 0.0, inf


_IN_DOLLARS: Mapping[Scale, bool] = {Scale.POSITION: True, Scale.WIDTH_IN_DOLLARS: True}


def _lots(scale: Scale, look: LintContext) -> tuple[float, float]:
    """Return what a price per share is multiplied by, for one structure and for the whole position."""
    if scale not in _IN_DOLLARS:
        return 1.0, 1.0
    most = inf if look.plan.overwrite is not None else float(look.sample.lot)
    return (float(LOT) if look.plan.size is not None else most if most < inf else float(LOT)), most


def _options(look: LintContext) -> int:
    return sum(1 for leg in look.plan.legs if not leg.is_shares)


def _width(look: LintContext) -> float | None:
    """Return the points that the structure can be worth at most, either way; None without a bound."""
    found = [each for each in (look.worth.most_cost, look.worth.most_value) if each]
    return max(found, default=None)
