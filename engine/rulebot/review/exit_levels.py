"""At which price an exit acts on the example, and what that makes, by the engine's own arithmetic."""

from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import (
    OPEN_LEGS,
    Arithmetic,
    Call,
    Compare,
    Constant,
    ExitLevel,
    ExitPlan,
    Number,
    Op,
    Plan,
    ProtectPlan,
    Quantity,
)
from rulebot.core.exits.protective_stops import stop_price
from rulebot.core.queries.resting_order import resting_net
from rulebot.evaluate.rules import compile_rule
from rulebot.fill.exit_level import held, leg_views, level_net
from rulebot.model.contract import LOT
from rulebot.model.money import ZERO, Rounding, whole_dollars
from rulebot.model.order import Side
from rulebot.model.payoff import best_case, least_payoff
from rulebot.model.text import price
from rulebot.model.values import dataclass
from rulebot.order.price import closing_legs, order_parts, ticks_of
from rulebot.review.example import Example, example_view

AT_ONCE = "true as soon as the position is open"
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
    if planned.resting and (rests := resting_net(example.position, priced)) is not None:
        net = rests
    elif planned.is_target_price:
        net = ticks_of(order_parts(closing_legs(example.position.legs), Side.BUY)).round(net, Rounding.UP)
    return Level(net, example.closed_at(net))


def _is_worth(example: Example, net: Decimal) -> bool:
    """Say whether what is held can be worth this: between the least and the most it may pay at expiry."""
    parts = [(leg.option, leg.sign * leg.price_multiplier) for leg in example.position.legs]
    least, most = least_payoff(parts), best_case(parts, ZERO)
    return (least is None or least <= net) and (most is None or net <= most)


def with_level(planned: ExitPlan) -> ExitPlan | None:
    """Return an exit with its basis and level; those of a condition on profit, loss, cost or value are read from it."""
    if planned.basis is not None:
        return None if planned.compares is None or planned.compares.legs is not None else planned
    if (judged := _judged_price(planned)) is None or isinstance(judged.legs, tuple) or judged.is_span:
        return None
    value, quantity, of = judged.level
    is_of_open = judged.legs == OPEN_LEGS
    compares = ExitLevel(measure=judged.measure, value=value, quantity=quantity, of=of, is_of_open=is_of_open)
    return replace(planned, basis=judged.measure, compares=compares)


PriceLevel = tuple[float, Quantity, str | None]
"""A number, its quantity, and the price that it is a multiple of."""


class _JudgedPrice(NamedTuple):
    """The condition of an exit on profit, loss, cost or value. is_span: it has two levels, of which this is the first.

    legs: the value of `of`.
    """

    measure: str
    op: Op
    level: PriceLevel
    legs: object
    is_span: bool


def _judged_price(planned: ExitPlan) -> _JudgedPrice | None:
    test = planned.rule.test if planned.rule is not None else None
    if not isinstance(test, Compare) or not isinstance(test.left, Call) or test.left.measure not in _MEASURES:
        return None
    level = _level(test.right[0])
    if level is None:
        return None
    of = dict(test.left.arguments).get("of")
    return _JudgedPrice(test.left.measure, test.op, level, of, len(test.right) > 1)


def _level(bound: Number) -> PriceLevel | None:
    match bound:
        case Constant(value, quantity):
            return value, quantity, None
        case Call(measure):
            return 1.0, Quantity.PRICE, measure
        case Arithmetic("*", (Constant(value), Call(measure))):
            return value, Quantity.PRICE, measure
        case _:
            return None


def level_words(
    level: Level, example: Example, *, whole: bool = True, is_price: bool = False, is_about: bool = False
) -> str:
    """Return `0.50 sold: bought back at 0.25, +$15`; a part goes without the dollars, which are of all of it.

    is_price: it fills there or better, as a target does. is_about: it acts there, and fills about there.
    """
    said = _closing_words(example.net, level.net, "about " if is_about else "")
    said = f"{said} or better" if is_price else said
    return f"{said}, {whole_dollars(level.made)}" if whole else said


def _closing_words(entry: Decimal, net: Decimal, about: str) -> str:
    closing = "bought back at" if entry >= 0 else "sold at"
    if net * entry > 0:
        closing = "closed for a credit of" if net > 0 else "closed for a debit of"
    verb = "sold" if entry >= 0 else "bought"
    return f"{price(entry)} {verb}: {closing} {about}{price(round(net, 2))}"


def legs_words(planned: ExitPlan, example: Example) -> str:
    """Return at which price an exit acts that measures some legs by name: `24.70 sold: bought back at about 1.00`.

    "" where no price alone decides it. One that the legs' own entry price meets already is said to be true at once.
    """
    judged = _judged_price(planned)
    if judged is None or planned.each or judged.is_span or not isinstance(judged.legs, tuple):
        return ""
    legs = [leg for leg in example.position.legs if leg.name in judged.legs]
    entry = round(sum((leg.entry_cash for leg in legs), ZERO) / example.shares, 2)
    bound = _bound(judged.measure, judged.level, entry, example)
    if bound is None:
        return ""
    measured = {"cost": entry, "value": -entry}.get(judged.measure, ZERO)
    is_met = measured >= bound if judged.op in (Op.ABOVE, Op.AT_LEAST) else measured <= bound
    net = {"cost": -bound, "value": bound, "profit": bound - entry}.get(judged.measure, -bound - entry)
    words = _closing_words(entry, net, "about ")
    return f"{words}: {AT_ONCE}" if is_met and measured != bound else words


def _bound(measure: str, level: PriceLevel, entry: Decimal, example: Example) -> Decimal | None:
    """Return the bound of some legs' price or gain per share; None for dollars, which count commissions."""
    value, quantity, of = Decimal(str(level[0])), level[1], level[2]
    if of == "max_risk":
        return None if example.position.max_risk is None else value * example.position.max_risk / LOT
    if of is not None:
        return value * abs(example.net)
    if quantity is Quantity.FRACTION:
        return value * abs(entry)
    return value if measure in ("cost", "value") else None


def part_price(planned: ExitPlan, example: Example) -> Decimal | None:
    """Return the price at which an exit acts on each part separately, None where the parts differ."""
    judged = _judged_price(planned)
    if judged is None or judged.measure not in ("cost", "value"):
        return None
    value, _, of = judged.level
    return Decimal(str(value)) * abs(example.net) if of in ("credit", "debit") else None


_OF_ENTRY = frozenset(("breach", "leg_delta", "position_delta", "dte", "time", "time_in_trade", "sessions_in_trade"))
"""What the example's market says of a position that has just been opened in it."""
_OF_PRICE = _OF_ENTRY | {"cost", "value", "credit", "debit"}
"""The same where the example has the price of that market, and not the worst that `require` allows."""


def is_met_at_once(planned: ExitPlan, example: Example, plan: Plan) -> bool:
    """Say whether an exit, or a part of it, is true on the example as soon as it is open.

    Conditions that need real quotes, or an armed exit, are not evaluated.
    """
    known = _OF_ENTRY if example.is_bound else _OF_PRICE
    parts = [each.rule for each in plan.exits if (each.written or each.name) == planned.name and each.rule is not None]
    if planned.activate_when or any(call.measure not in known for rule in parts for call in calls_of(rule.test)):
        return False
    view = example_view(plan)
    view.legs, view.held = leg_views(example.position, view.board), held(example.position)
    view.quantity = example.position.quantity
    return any(compile_rule(rule, plan)(view).truth is True for rule in parts)


def unreachable(planned: ExitPlan, example: Example) -> bool:
    """Say whether an exit on a price has a level that no price reaches."""
    return with_level(planned) is not None and level_of(planned, example) is None


def protection_prices(example: Example, plan: ProtectPlan) -> dict[str, Decimal]:
    """Return at which price the stop on each short leg that has one rests."""
    legs = [leg for leg in example.position.legs if leg.sign < 0 and plan.covers(leg.name)]
    found = {leg.name: stop_price(example.position, leg, plan) for leg in legs}
    return {name: price for name, price in found.items() if price is not None}
