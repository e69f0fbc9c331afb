"""Prices that no order can have: the exchange deals in ticks, and the engine rounds what lies between."""

from collections.abc import Iterator
from decimal import Decimal

from engine.compile.lint.look import Look
from engine.compile.problem import Problem
from engine.compile.structure import symbol_of
from engine.model.contract import product
from engine.model.money import Rounding, TickRule, on_tick
from engine.spec.spec import Amount, Condition, Group, MeasureTest, Order, Path, Spec, Unit


def off_tick(look: Look) -> Iterator[Problem]:
    """Yield RB340 for steps, starts, bounds on the price and resting prices that lie between two ticks."""
    spec = look.spec
    for order in (spec.order, spec.exit_order, *(rule.order for rule in spec.exits)):
        if order is not None:
            yield from _order_prices(order, spec)
    if spec.order.leg_by_leg:
        return
    resting = tuple(rule.condition for rule in spec.exits if rule.resting and rule.condition is not None)
    for condition, measures in (
        *((each, ("credit", "debit")) for each in spec.legs.require),
        *((each, ("cost", "value")) for each in resting),
    ):
        for path, price in _prices(condition, measures):
            yield from _between_ticks(path, price, _whole_ticks(spec), spec, "price")


def _order_prices(order: Order, spec: Spec) -> Iterator[Problem]:
    is_single = bool(spec.order.leg_by_leg or order.leg_by_leg)
    rules = _single_ticks(spec) if is_single else (_whole_ticks(spec),)
    if order.step is not None:
        coarsest = max(rules, key=lambda rule: rule.steps[0][1])
        yield from _between_ticks((*order.path, "step"), order.step, TickRule(coarsest.steps[:1]), spec, "step")
    if order.price is not None:
        coarsest = max(rules, key=lambda rule: rule.tick(order.price or Decimal(0)))
        yield from _between_ticks((*order.path, "start"), order.price, coarsest, spec, "price")


def _whole_ticks(spec: Spec) -> TickRule:
    """Return the grid of an order for the whole structure."""
    legs = spec.legs.legs
    facts = product(symbol_of(legs[0], spec))
    return facts.option_ticks if len(legs) == 1 else facts.combo_ticks


def _single_ticks(spec: Spec) -> tuple[TickRule, ...]:
    return tuple(product(symbol_of(leg, spec)).option_ticks for leg in spec.legs.legs)


def _between_ticks(path: Path, price: Decimal, rule: TickRule, spec: Spec, what: str) -> Iterator[Problem]:
    tick = rule.tick(price)
    below, above = on_tick(price, tick, Rounding.DOWN), on_tick(price, tick, Rounding.UP)
    if below == above:
        return
    kind = "options" if len(spec.legs.legs) == 1 or spec.order.leg_by_leg else "combos"
    message = f"{spec.underlyings[0]} {kind} are priced in steps of {tick}: a {what} of {price:f} lies between"
    if what == "step" and price < tick:
        yield Problem("RB340", path, message, f"write {above}: below that several tries have the same price")
        return
    yield Problem("RB340", path, message, f"write {above}" if below <= 0 else f"write {below} or {above}")


def _prices(condition: Condition, measures: tuple[str, ...]) -> Iterator[tuple[Path, Decimal]]:
    """Yield the prices per share that a condition compares one of these measures with."""
    test = condition.test
    if isinstance(test, Group):
        for member in test.members:
            yield from _prices(member, measures)
    if not isinstance(test, MeasureTest) or test.measure not in measures or test.comparison is None:
        return
    several = len(test.comparison.operands) > 1
    for at, operand in enumerate(test.comparison.operands):
        if isinstance(operand, Amount) and operand.unit is Unit.NUMBER:
            yield _bound_path(test, at if several else None), operand.value


def _bound_path(test: MeasureTest, at: int | None) -> Path:
    if len(test.path) > 1 and test.path[-2] in ("target", "stop"):
        return test.path
    assert test.comparison is not None
    path: Path = (*test.path, test.comparison.op.value)
    return path if at is None else (*path, at)
