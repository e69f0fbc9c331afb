"""Fills that were taken up from the account at an estimate, against what the broker told of their orders after all."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from engine.model.money import ZERO
from engine.run.tie.finding import Contracts
from engine.run.tie.statement import Told
from engine.store.finance.books import Fill
from engine.store.types import to_step


def told_of_estimates(
    ours: Mapping[str, Fill], unknown: Iterable[Told], contracts: Contracts
) -> dict[str, tuple[Told, ...]]:
    """Return the executions that each estimate stands for, by its id: those of its order in its contract."""
    found: dict[str, tuple[Told, ...]] = {}
    for base, fill in ours.items():
        if fill.is_estimate and fill.quantity:
            key = contracts.key_of(fill.of.option)
            found[base] = tuple(
                told for told in unknown if told.ref == fill.ref and contracts.key(told.contract) == key
            )
    return {base: told for base, told in found.items() if told}


def as_one(told: tuple[Told, ...], multiplier: int) -> Told:
    """Return executions of one contract as a single one, at their average price."""
    signed, proceeds = _total(each.signed for each in told), _total(each.proceeds for each in told)
    price = to_step(-proceeds / (signed * multiplier)) if signed else told[0].price
    commission = _total(each.commission for each in told)
    return replace(told[0], signed=signed, price=price, proceeds=proceeds, commission=commission, net_cash=None)


def mend(fill: Fill, told: Told) -> str:
    """Return the command that puts the statement's figures in an estimate's place."""
    paid = f" --commission {told.commission:f}" if told.commission else ""
    return f"rulebot store correct {fill.ref} {told.price.normalize():f} --leg {fill.of.leg}{paid}"


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
