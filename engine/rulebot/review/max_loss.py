"""What one trade may lose at most, and how sure that is: by its strikes, by its limit, or only in the example."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import Enum
from itertools import product
from math import prod

from rulebot.compile.orders import debit_budget, loss_budget
from rulebot.compile.plan import LegPlan, Plan
from rulebot.compile.structure import has_fixed_width, place_of
from rulebot.model.loss_bound import loss_bound
from rulebot.model.money import ZERO
from rulebot.model.values import dataclass, replace
from rulebot.review.example import Example, Subject
from rulebot.spec.nouns import Leg, StrikeBy

MOST_CHOICES = 1000
"""Choices among the widths of several legs that are looked at; of more the example speaks."""
_REFERRING = (StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE)


class Certainty(Enum):
    """What makes an amount the most: strikes and price, max_loss_per_trade, quantity, or nothing but the example."""

    STRIKES = "strikes"
    LIMIT = "limit"
    SIZE = "size"
    EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class MaxLoss:
    """The most one trade can lose, dollars of the whole position with all commissions; None without a bound.

    width: points between the strikes, where they alone decide it.
    """

    amount: Decimal | None
    sure: Certainty
    width: Decimal | None = None

    @property
    def dollars(self) -> Decimal | None:
        """Return whole dollars: the loss of several trades is shown as a multiple of one."""
        return None if self.amount is None else Decimal(round(self.amount))


def max_loss_of(subject: Subject) -> MaxLoss | None:
    """Return the most that one trade may lose, None when there is no example to count on."""
    plan, example = subject.plan, subject.example
    if plan.overwrite is not None and example is not None and example.worst is not None:
        return MaxLoss(example.worst, Certainty.EXAMPLE)
    if example is None:
        return _by_size(plan) or _by_limit(plan)
    if example.worst is None:
        return MaxLoss(None, Certainty.STRIKES)
    return _bounded(subject, example, example.worst)


def _bounded(subject: Subject, example: Example, of_example: Decimal) -> MaxLoss:
    plan = subject.plan
    limit, times = plan.risk.max_loss_per_trade, Decimal(plan.quantity) / example.position.quantity
    if (by_size := _by_size(plan)) is not None:
        return by_size
    width = _widest(subject, example)
    paid = debit_budget(plan) if width == 0 else None
    by_cost = None if paid is None else MaxLoss(paid, Certainty.SIZE)
    is_by_count = by_cost is not None and example.is_by_count
    by_strikes = None if width is None or is_by_count else _by_strikes(example, of_example, times, width)
    least = min(filter(None, (by_strikes, by_cost)), key=lambda worst: worst.amount or ZERO, default=None)
    if least is not None and least.amount is not None and (limit is None or least.amount <= limit):
        return least
    return _by_limit(plan) or least or MaxLoss(of_example * times, Certainty.EXAMPLE)


def _by_size(plan: Plan) -> MaxLoss | None:
    """Return the loss by which `quantity` counts structures, None where the limit is lower or it does not."""
    limit, size = plan.risk.max_loss_per_trade, loss_budget(plan)
    return MaxLoss(size, Certainty.SIZE) if size is not None and (limit is None or size <= limit) else None


def _by_limit(plan: Plan) -> MaxLoss | None:
    limit = plan.risk.max_loss_per_trade
    return None if limit is None else MaxLoss(limit, Certainty.LIMIT)


def _widest(subject: Subject, example: Example) -> Decimal | None:
    """Return the most that can be lost per share, before the price, by the widths in the spec; None without them.

    Of several widths of a leg, of which the first listed one is taken, any may be.
    """
    legs = subject.plan.legs
    if not is_fixed(tuple(replace(leg, strike=replace(leg.strike, widths=())) for leg in legs)):
        return None
    if prod(1 + len(leg.strike.widths) for leg in legs) > MOST_CHOICES:
        return None
    return max(
        is_before_costs(example), *(_as_written(each, example) for each in _each_of_several(subject.spec.legs.legs))
    )


def _by_strikes(example: Example, of_example: Decimal, times: Decimal, width: Decimal) -> MaxLoss | None:
    """Return what widths bound: less the least credit or with the largest debit, where one is given."""
    if example.is_bound:
        return MaxLoss(
            (of_example + (width - is_before_costs(example)) * example.shares) * times, Certainty.STRIKES, width
        )
    if example.net >= 0:
        return MaxLoss((width * example.shares + example.fees) * times, Certainty.STRIKES, width)
    return None


def loss_of_example(subject: Subject) -> Decimal | None:
    """Return what the example's trade loses at expiry, its widths as written, be it more than a limit allows."""
    example = subject.example
    if example is None or example.worst is None or subject.plan.overwrite is not None:
        return None
    wider = (
        _as_written(subject.spec.legs.legs, example) - is_before_costs(example) if is_fixed(subject.plan.legs) else ZERO
    )
    return example.worst + max(wider, ZERO) * example.shares


def is_before_costs(example: Example) -> Decimal:
    """Return the most that can be lost per share before the price: the widths that can be lost, 0 of what is bought."""
    return loss_bound(example.position.legs, ZERO) or ZERO


def _each_of_several(legs: Sequence[Leg]) -> Iterator[Sequence[Leg]]:
    """Yield the legs with one width each, for every choice among the widths that their text names."""
    each = (
        [replace(leg.strike, target=one, widths=()) for one in (leg.strike.target, *leg.strike.widths)] for leg in legs
    )
    for strikes in product(*each):
        yield [replace(leg, strike=strike) for leg, strike in zip(legs, strikes, strict=True)]


def _as_written(legs: Sequence[Leg], example: Example) -> Decimal:
    """Return the same with every strike as far from the one it counts from as the text says, be it listed or not."""
    held = {leg.name: leg for leg in example.position.legs}
    moved = []
    for leg in legs:
        option, group = held[leg.name].option, [each for each in legs if _is_of_a_kind(each, leg)]
        root, points = place_of(leg, group)
        option = replace(option, strike=held[root.name].option.strike + points)
        moved.append(replace(held[leg.name], option=option))
    return loss_bound(moved, ZERO) or ZERO


def _is_of_a_kind(one: Leg, other: Leg) -> bool:
    return (one.right, one.underlying) == (other.right, other.underlying)


def is_on_the_listing(subject: Subject) -> bool:
    """Say whether a strike may be further from its base than the spec says: the nearest one is taken."""
    offsets = [leg.strike for leg in subject.plan.legs if leg.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE)]
    return any(strike.within is None or strike.within > 0 for strike in offsets if not strike.widths)


def is_fixed(legs: tuple[LegPlan, ...]) -> bool:
    """Say whether the widths of a structure are in its spec: every leg of a right refers to the same one."""
    if any(leg.is_shares for leg in legs):
        return False
    groups: dict[tuple[str, str], list[LegPlan]] = {}
    for leg in legs:
        groups.setdefault((leg.symbol, leg.right.value), []).append(leg)
    by_name = {leg.name: leg for leg in legs}
    if not all(has_fixed_width(leg.strike) for leg in legs):
        return False
    return all(_hangs_together(group, by_name) for group in groups.values())


def _hangs_together(group: list[LegPlan], by_name: dict[str, LegPlan]) -> bool:
    if all(leg.sign > 0 for leg in group):
        return True
    covered = sum(leg.sign * leg.ratio for leg in group) >= 0
    return covered and len({_root(leg, by_name) for leg in group}) == 1


def _root(leg: LegPlan, by_name: dict[str, LegPlan]) -> str:
    while leg.strike.by in _REFERRING and leg.strike.reference in by_name:
        leg = by_name[leg.strike.reference]
    return leg.name
