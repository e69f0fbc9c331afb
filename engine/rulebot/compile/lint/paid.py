"""At which prices an entry is likely: those of the example market with options calmer and wilder than there."""

from typing import NamedTuple

from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.sample import sample_of
from rulebot.compile.lint.stakes import NEXT_TO_NOTHING, ExamplePayoff, stake_of
from rulebot.spec.nouns.legs import StrikeBy


class PriceRange(NamedTuple):
    """Between which multiples of the example's volatility the market may be."""

    calm: float
    wild: float


AS_IT_IS, NEAR, WIDE, ANY = PriceRange(1.0, 1.0), PriceRange(0.85, 1.25), PriceRange(0.4, 3.0), PriceRange(0.5, 3.0)
"""For parts of the entry price, which hardly depend on volatility; for dollars; for strikes at a distance in points."""
_LEAST_TICKS = 4.0
_WITH_THE_MARKET = frozenset(StrikeBy) - {StrikeBy.OTM}
"""Selectors whose strikes move with the volatility, or stand at the money, and those that count from such."""
_SKEW = 1.1
"""How far prices lie from those of one volatility for all strikes."""


class EntryPrices(NamedTuple):
    """Between which sizes the entry price lies; both positive."""

    least: float
    most: float


def paid_about(look: LintContext, room: PriceRange) -> EntryPrices | None:
    """Return between which prices an entry is likely, as `require` allows.

    None where the example's price is next to nothing, or a debit where the bot sells.
    """
    stake = look.stake
    if stake is None or abs(stake.entry) < max(NEXT_TO_NOTHING * look.sample.premium, _LEAST_TICKS * stake.tick):
        return None
    if stake.is_sold is not (look.plan.opens_for == "credit"):
        return None
    is_fixed = any(leg.strike.by not in _WITH_THE_MARKET for leg in look.plan.legs)
    sizes = [_size(look, stake, times) for times in (ANY if is_fixed and room is not AS_IT_IS else room)]
    skew = 1.0 if room is AS_IT_IS or any(leg.is_shares for leg in look.plan.legs) else _SKEW
    return _asked(look, EntryPrices(min(sizes) / skew, max(sizes) * skew))


def _size(look: LintContext, stake: ExamplePayoff, times: float) -> float:
    if times == 1.0:
        return abs(stake.entry)
    other = stake_of(look.spec, look.plan, sample_of(look.plan, times))
    found = stake.entry if other is None else other.entry
    return max(found if stake.is_sold else -found, stake.tick)


def _asked(look: LintContext, paid: EntryPrices) -> EntryPrices:
    """Return the prices that `require` allows; where it asks for other ones, those."""
    least, most = look.bounds.least, look.bounds.most
    if paid.most < least:
        return EntryPrices(least, min(least * paid.most / paid.least, most))
    return EntryPrices(min(max(paid.least, least), most), min(paid.most, most))
