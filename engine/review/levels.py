"""At which price an exit acts on the example, and what that makes, by the engine's own arithmetic."""

from dataclasses import replace
from decimal import Decimal

from engine.compile.plan import Arithmetic, Call, Compare, Constant, ExitPlan, Number, ProtectPlan, Quantity
from engine.model.money import ZERO
from engine.model.payoff import best_case, least_payoff
from engine.model.values import dataclass
from engine.review import amounts
from engine.review.example import Example
from engine.turn.protecting import stop_price
from engine.turn.resting import level_net, level_price

_MEASURES = ("profit", "loss", "cost", "value")


@dataclass(frozen=True, slots=True)
class Level:
    """Where an exit acts: the net price of closing (- is paid) per share, and the dollars made after commissions."""

    net: Decimal
    made: Decimal


def level_of(planned: ExitPlan, example: Example) -> Level | None:
    """Return where this exit acts on the example, None when no price alone decides it, or none can reach it."""
    priced = with_level(planned)
    if priced is None:
        return None
    net = level_net(example.position, priced)
    if net is None or not _is_worth(example, net):
        return None
    leg = example.position.legs[0]
    if planned.resting and (resting := level_price(example.position, leg, priced)) is not None:
        net = resting * leg.weight if example.net < 0 else -resting * leg.weight
    return Level(net, example.closed_at(net))


def _is_worth(example: Example, net: Decimal) -> bool:
    """Say whether what is held can be worth this: between the least and the most it may pay at expiry."""
    parts = [(leg.option, leg.sign * leg.weight) for leg in example.position.legs]
    least, most = least_payoff(parts), best_case(parts, ZERO)
    return (least is None or least <= net) and (most is None or net <= most)


def with_level(planned: ExitPlan) -> ExitPlan | None:
    """Return an exit with its basis and level; those of a condition on profit, loss, cost or value are read from it."""
    if planned.basis is not None:
        return None if planned.level is None else planned
    test = planned.rule.test if planned.rule is not None else None
    if not isinstance(test, Compare) or not isinstance(test.left, Call) or test.left.measure not in _MEASURES:
        return None
    if "of" in dict(test.left.arguments):
        return None
    found = _level(test.right[0])
    if len(test.right) > 1 or found is None:
        return None
    value, quantity, of = found
    return replace(planned, basis=test.left.measure, level=value, level_quantity=quantity, level_of=of)


def _level(bound: Number) -> tuple[float, Quantity, str | None] | None:
    match bound:
        case Constant(value, quantity):
            return value, quantity, None
        case Call(measure):
            return 1.0, Quantity.PRICE, measure
        case Arithmetic("*", (Constant(value), Call(measure))):
            return value, Quantity.PRICE, measure
        case _:
            return None


def level_words(level: Level, example: Example, *, whole: bool = True, is_exact: bool = True) -> str:
    """Return `0.50 sold: bought back at 0.25, +$15`; the dollars are of all of it, so a part goes without them.

    is_exact: it fills there or better, as a limit order that rests; else it acts there, and fills about there.
    """
    entry, price = amounts.price(example.net), amounts.price(round(level.net, 2))
    closing = "bought back at" if example.net >= 0 else "sold at"
    if level.net * example.net > 0:
        closing = "closed for a credit of" if level.net > 0 else "closed for a debit of"
    said = f"{entry} {example.verb}: {closing} {'' if is_exact else 'about '}{price}"
    return f"{said}, {amounts.about(level.made)}" if whole else said


def part_price(planned: ExitPlan, example: Example) -> Decimal | None:
    """Return the price at which an exit acts on each part by itself, None where each part has one of its own."""
    test = planned.rule.test if planned.rule is not None else None
    if not isinstance(test, Compare) or not isinstance(test.left, Call) or test.left.measure not in ("cost", "value"):
        return None
    found = _level(test.right[0])
    if found is None or found[2] not in ("credit", "debit"):
        return None
    return Decimal(str(found[0])) * abs(example.net)


def unreachable(planned: ExitPlan, example: Example) -> bool:
    """Say whether an exit on a price has a level that no price comes to."""
    return with_level(planned) is not None and level_of(planned, example) is None


def protection_prices(example: Example, plan: ProtectPlan) -> dict[str, Decimal]:
    """Return at which price the stop on each short leg that has one rests."""
    legs = [leg for leg in example.position.legs if leg.sign < 0 and plan.covers(leg.name)]
    found = {leg.name: stop_price(example.position, leg, plan) for leg in legs}
    return {name: price for name, price in found.items() if price is not None}
