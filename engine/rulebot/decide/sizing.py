"""How many structures fit a budget: the most whose worst case, debit or credit is not more than it."""

from collections.abc import Callable
from decimal import Decimal

from rulebot.model.money import ZERO, dollars
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Unit
from rulebot.spec.spec import Fits, Size

_SAID = {Fits.MAX_LOSS: "could lose", Fits.DEBIT: "costs", Fits.CREDIT: "brings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One structure at the price its order would start from.

    Units: net and worst per share, net signed, + received; worst at expiry, None without a bound; shares of one
    structure. commission: dollars of opening so many. fees: the most dollars of opening and closing one.
    """

    net: Decimal
    worst: Decimal | None
    shares: int
    commission: Callable[[int], Decimal]
    fees: Decimal


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """How many fit; with none why: `missing` is unknown data, `refused` what one structure comes to."""

    count: int
    missing: str = ""
    refused: str = ""


def budget_of(amount: Amount, net_liquidation: Decimal | None) -> Decimal | None:
    """Return the dollars of a budget, None while the account's value is not known."""
    if amount.unit is Unit.DOLLARS:
        return amount.value
    return None if net_liquidation is None else amount.value * max(net_liquidation, ZERO)


def fitting(size: Size, at_most: int, one: Priced, net_liquidation: Decimal | None) -> SizeLimits:
    """Return the most structures that fit, commissions included; what they come to grows with their count."""
    budget = budget_of(size.amount, net_liquidation)
    name = size.fits.value
    if budget is None:
        return SizeLimits(0, missing=f"net_liquidation of the account is unknown, and quantity counts by it ({name})")
    if _comes_to(size.fits, one, 1) is None:
        return SizeLimits(0, refused=f"quantity: its loss has no bound, so none fits {name}")
    if size.fits is not Fits.MAX_LOSS and (one.net > 0) is (size.fits is Fits.DEBIT):
        other = "a credit" if one.net > 0 else "a debit"
        return SizeLimits(0, refused=f"quantity: it is opened for {other}, and {name} counts by the other")
    count = _most(lambda number: (_comes_to(size.fits, one, number) or ZERO) <= budget, at_most)
    if count:
        return SizeLimits(count)
    found = _comes_to(size.fits, one, 1) or ZERO
    return SizeLimits(
        0, refused=f"quantity: one structure {_SAID[size.fits]} {dollars(found)}, {name} is {dollars(budget)}"
    )


def floor_of(size: Size, quantity: int, one: Priced, net_liquidation: Decimal | None) -> Decimal | None:
    """Return the least net price (+ received) at which so many structures still fit, None without a bound.

    one: at a net price of 0. A credit that grows smaller always fits.
    """
    budget = budget_of(size.amount, net_liquidation)
    if budget is None or size.fits is Fits.CREDIT:
        return None
    fees = one.fees * quantity if size.fits is Fits.MAX_LOSS else one.commission(quantity)
    room = (budget - fees) / (one.shares * quantity)
    gross = one.worst if size.fits is Fits.MAX_LOSS else ZERO
    return None if gross is None else gross - room


def _comes_to(fits: Fits, one: Priced, count: int) -> Decimal | None:
    """Return the dollars of so many structures, None without a bound."""
    per_share = {Fits.MAX_LOSS: one.worst, Fits.DEBIT: -one.net, Fits.CREDIT: one.net}[fits]
    if per_share is None:
        return None
    fees = one.fees * count if fits is Fits.MAX_LOSS else one.commission(count)
    return per_share * one.shares * count + (-fees if fits is Fits.CREDIT else fees)


def _most(fits: Callable[[int], bool], at_most: int) -> int:
    """Return the largest count up to `at_most` that fits, 0 when not even one does, by halving."""
    low, high = 0, at_most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
