"""The quantity as the most that fits a budget: what cannot be counted so."""

from collections.abc import Iterator
from decimal import Decimal

from rulebot.compile.plan import Plan
from rulebot.compile.problem import Problem
from rulebot.compile.structure import certain_direction, missing_cover
from rulebot.model.contract import Right
from rulebot.spec.nouns.condition import Unit
from rulebot.spec.nouns.legs import Side
from rulebot.spec.spec import Fits, Spec


def size_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that is counted by a budget."""
    size = spec.size
    if size is None:
        return
    name = size.fits.value
    where = (*size.path, name)
    if size.amount.value <= 0:
        yield Problem("RB250", where, f"'{name}' is written positive, is {size.amount.value:f}")
    direction = certain_direction(spec)
    if size.fits is not Fits.MAX_LOSS and direction is not None and direction != name:
        made = {"credit": "sold: it brings a credit", "debit": "bought: it costs a debit"}[direction]
        message = f"this structure is {made}, and has no {name}"
        yield Problem("RB205", where, message, f"did you mean '{direction}'?", on_key=True)


def growth_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that grows: it would never grow, or never end where it may."""
    growth = spec.growth
    if growth is not None and growth.start >= spec.quantity:
        message = f"'from' is {growth.start} and 'at_most' {spec.quantity}: it never grows"
        yield Problem("RB250", ("quantity", "grow", "from"), message, "write a smaller count, or a larger 'at_most'")


def loss_budget(plan: Plan) -> Decimal | None:
    """Return the dollars that the quantity lets a trade lose, None where it does not count by them."""
    return _dollars(plan, Fits.MAX_LOSS)


def debit_budget(plan: Plan) -> Decimal | None:
    """Return the dollars that the quantity lets a trade cost, None where it does not count by them."""
    return _dollars(plan, Fits.DEBIT)


def _dollars(plan: Plan, fits: Fits) -> Decimal | None:
    size = plan.size
    return size.amount.value if size is not None and (size.fits, size.amount.unit) == (fits, Unit.DOLLARS) else None


def bare_calls(spec: Spec) -> str:
    """Return a call, or shares, sold that nothing bought covers, "" when there is none."""
    sold = (leg for leg in spec.legs.legs if leg.side is Side.SELL and leg.right != "put")
    return next((leg.name for leg in sold if missing_cover(leg, spec) > 0), "")


def needs_cash_for_puts(plan: Plan) -> bool:
    """Say whether a structure sells puts that no put of the same class and expiry covers."""
    counts: dict[object, int] = {}
    for leg in plan.legs:
        if leg.right is Right.PUT:
            key = (leg.trading_class, leg.expiry.terms)
            counts[key] = counts.get(key, 0) + leg.sign * leg.ratio
    return any(count < 0 for count in counts.values())
