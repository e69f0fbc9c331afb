"""Fills that nobody told us, against what the broker's statement has of their orders.

They were taken up from the account at an estimate, or had traded before an expiry that was booked instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from rulebot.model.money import ZERO
from rulebot.statement.difference import Contracts
from rulebot.statement.statement import StatementExecution
from rulebot.store.finance.books import BookedFill, LegEnding
from rulebot.store.types import to_step


def told_of_estimates(
    ours: Mapping[str, BookedFill], unknown: Iterable[StatementExecution], contracts: Contracts
) -> dict[str, tuple[StatementExecution, ...]]:
    """Return the executions that each estimate stands for, by its id: those of its order in its contract."""
    found: dict[str, tuple[StatementExecution, ...]] = {}
    for base, fill in ours.items():
        if fill.is_estimate and fill.quantity:
            key = contracts.key_of(fill.of.option)
            found[base] = tuple(
                told for told in unknown if told.ref == fill.ref and contracts.key(told.contract) == key
            )
    return {base: told for base, told in found.items() if told}


def told_by_others(
    ours: Mapping[str, BookedFill], strangers: Iterable[StatementExecution], contracts: Contracts
) -> dict[str, tuple[StatementExecution, ...]]:
    """Return the trades of others that each fill stands for which somebody else has dealt of ours, by its id.

    They have no reference: those of its contract count, and its way, where together they are as many.
    """
    found: dict[str, tuple[StatementExecution, ...]] = {}
    left = [told for told in strangers if not told.ref]
    for base, fill in ours.items():
        if fill.is_estimate and fill.quantity and fill.ref == fill.of.position:
            key = contracts.key_of(fill.of.option)
            alike = [told for told in left if contracts.key(told.contract) == key]
            right = tuple(told for told in alike if (told.signed > 0) == (fill.signed > 0))
            if _total(told.signed for told in right) == fill.signed:
                found[base] = right
                left = [told for told in left if told not in right]
    return found


def as_one(told: tuple[StatementExecution, ...], multiplier: int) -> StatementExecution:
    """Return executions of one contract as a single one, at their average price."""
    signed, proceeds = _total(each.signed for each in told), _total(each.proceeds for each in told)
    price = to_step(-proceeds / (signed * multiplier)) if signed else told[0].price
    commission = _total(each.commission for each in told)
    return replace(told[0], signed=signed, price=price, proceeds=proceeds, commission=commission, net_cash=None)


def correction_command(fill: BookedFill, told: StatementExecution) -> str:
    """Return the command that puts the statement's figures in an estimate's place."""
    paid = f" --commission {told.commission:f}" if told.commission else ""
    ref = fill.exec_id if fill.ref == fill.of.position else fill.ref
    return f"rulebot store correct {ref} {told.price.normalize():f} --leg {fill.of.leg}{paid}"


def mend_ending(
    told: StatementExecution, unknown: Iterable[StatementExecution], endings: Iterable[LegEnding], contracts: Contracts
) -> str:
    """Return the command that puts a trade in the place of an ending of ours; "" where there is none, or several."""
    key, way = contracts.key(told.contract), told.signed > 0
    legs = {each.of.leg for each in endings if contracts.key_of(each.of.option) == key and (each.signed > 0) is way}
    multipliers = {each.of.option.multiplier for each in endings if contracts.key_of(each.of.option) == key}
    if not told.ref or len(legs) != 1:
        return ""
    alike = tuple(each for each in unknown if each.ref == told.ref and contracts.key(each.contract) == key)
    one = as_one(alike, multipliers.pop())
    paid = f" --commission {one.commission:f}" if one.commission else ""
    what = f"--leg {legs.pop()} --contracts {abs(one.signed):f} --day {one.day}"
    return f"rulebot store correct {told.ref} {one.price.normalize():f} {what}{paid}"


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
