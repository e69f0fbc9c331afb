"""Exits: that every position has an ending, that bases fit the structure, and each exit compiled."""

from collections.abc import Iterator
from datetime import date

from rulebot.compile.condition import rule_of, rules_of
from rulebot.compile.data_needs import calls_of
from rulebot.compile.orders import exit_order_of, is_pair, ordered_out
from rulebot.compile.per_leg_exits import SIDES, each_of, expand_per_leg, legs_in_condition, named_legs
from rulebot.compile.plan import OPEN_LEGS, Constant, ExitLevel, ExitPlan, Holds, Quantity, Rule
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.rolling import RollTarget, roll_plan
from rulebot.compile.scope import Scope
from rulebot.compile.structure import certain_direction, uncovered_after_close
from rulebot.measures.registry import MEASURES
from rulebot.model.session import DayTime, Session, session_on
from rulebot.spec.exit_kinds import LEVELS
from rulebot.spec.nouns import (
    Amount,
    Condition,
    Group,
    GroupKind,
    Leg,
    MeasureTest,
    Path,
    Side,
    Unit,
    Word,
    measure_tests,
)
from rulebot.spec.spec import Exit, Fits, Order, Spec

_OTHER_WAY = {
    "credit": (("debit", "credit"), ("value", "cost")),
    "debit": (("credit", "debit"), ("cost", "value")),
}
"""Words of the other direction, with the right one: a sold structure has a cost, a bought one a value."""


def ending_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB208 when no exit would act with the market data gone."""
    if any(rule.enabled and _needs_no_data(rule) for rule in spec.exits):
        return
    reason = next(filter(None, map(_why_no_ending, spec.exits)), "")
    message = f"no exit acts without market data: a position could stay open for ever{reason}"
    yield Problem(
        "RB208", ("exits",), message, "add 'time: \"15:45\"', 'dte: {at_most: 30}' or 'at_expiry: settle'", None, True
    )


def _why_no_ending(rule: Exit) -> str:
    """Return why an exit without data needs does not end the position, "" when it needs data."""
    if not _acts_without_data(rule):
        return ""
    if not rule.enabled:
        return f"; '{rule.name}' is switched off"
    part = rule.close_part not in (None, 1) or rule.close_legs
    return f"; '{rule.name}' closes only a part" if part else f"; '{rule.name}' exists only once it is armed"


def _needs_no_data(rule: Exit) -> bool:
    closes_all = rule.close_part in (None, 1) and not rule.close_legs
    return _acts_without_data(rule) and closes_all and all(map(_is_clock, rule.activate_when))


def _acts_without_data(rule: Exit) -> bool:
    if rule.roll is not None:
        return False
    return rule.kind.is_ending or (rule.condition is not None and _is_clock(rule.condition))


def _is_clock(condition: Condition) -> bool:
    match condition.test:
        case MeasureTest(measure=measure):
            return MEASURES[measure].is_by_clock
        case Group(kind=GroupKind.ANY, members=members):
            return any(_is_clock(member) for member in members)
        case Group(kind=GroupKind.ALL, members=members):
            return all(_is_clock(member) for member in members)
        case _:
            return False


def closing_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB201 and RB227 where an exit closes what the structure does not have, or nothing, or cannot rest."""
    for rule in spec.exits:
        yield from _unclosable(rule, spec)
        if rule.resting:
            yield from _unrestable(rule)
        if rule.any_price and (reason := _has_no_price(rule)):
            yield Problem("RB227", (*rule.path, "any_price"), f"'{rule.name}' {reason}", "remove it", on_key=True)
        if rule.repeat and rule.close_part is None:
            message = "only a part can be closed again"
            yield Problem("RB227", (*rule.path, "repeat"), message, "add 'close: 50%', or take it away", on_key=True)


def _unclosable(rule: Exit, spec: Spec) -> Iterator[Problem]:
    names, where = tuple(leg.name for leg in spec.legs.legs), (*rule.path, "close")
    for name in rule.close_legs:
        if name not in SIDES and name not in names:
            yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, (*names, *SIDES, "all")))
        elif not named_legs((name,), spec):
            yield Problem("RB227", where, f"this structure has no {SIDES[name]}", f"its legs: {', '.join(names)}")
    closed = named_legs(rule.close_legs, spec)
    if any(leg.is_shares and leg.name in closed for leg in spec.legs.legs) and uncovered_after_close(spec, closed):
        message = f"'{rule.name}' closes the shares and leaves what they cover"
        yield Problem("RB234", where, message, "close both, as 'close: all' does")
    if rule.close_part is not None and not 0 < rule.close_part <= 1:
        message = f"a part is more than 0% and at most 100%, is {(rule.close_part * 100).normalize():f}%"
        yield Problem("RB227", where, message)


def _unrestable(rule: Exit) -> Iterator[Problem]:
    rests, watched = f"'{rule.name}' rests at the broker", "without 'resting' the engine watches it"
    if rule.close_part is not None or rule.close_legs:
        message = f"{rests}, and what rests closes all that is held"
        yield Problem("RB220", (*rule.path, "close"), message, watched, on_key=True)
    test = rule.condition.test if rule.condition is not None else None
    if isinstance(test, MeasureTest) and "of" in test.arguments:
        message = f"{rests}, and a resting order closes all that is held"
        yield Problem("RB220", (*rule.path, "resting"), message, "take away 'of', or 'resting'", on_key=True)
    if rule.activate_when:
        message = f"{rests} from the first fill on, and cannot be armed later"
        yield Problem("RB220", (*rule.path, "activate_when"), message, watched, on_key=True)


def _has_no_price(rule: Exit) -> str:
    """Return why `any_price` has no effect on an exit, "" where it has: a target that the engine closes."""
    if not rule.kind.takes_profit:
        return "is no target: other exits close at any price anyway"
    if rule.resting:
        return "rests at the broker, as a limit order at its price"
    return "rolls, at the price that its 'require' asks for" if rule.roll is not None else ""


# ---------------------------------------------------------------- bases


def basis_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB205 where credit is asked of what is bought, or debit of what is sold.

    Named legs are judged alone: a bought leg has a value, even in a structure opened for a credit.
    """
    yield from _alone_otherwise(spec)
    direction = certain_direction(spec) or _required_direction(spec)
    if direction is None:
        return
    made = {"credit": "sold: it brings a credit", "debit": "bought: it costs a debit"}[direction]
    for conditions in (spec.legs.require, _of_exits(spec), spec.risk.halt_when):
        for wrong, meant in _OTHER_WAY[direction]:
            message = f"this structure is {made}, and has no {wrong}"
            for test in measure_tests(conditions):
                if test.measure != wrong or _side_of(test, spec) is None:
                    for path in _named_in(test, wrong):
                        yield Problem("RB205", path, message, f"did you mean '{meant}'?")


def _alone_otherwise(spec: Spec) -> Iterator[Problem]:
    """Yield RB205 for the cost of bought legs only, or the value of sold legs only."""
    for test in measure_tests(_of_exits(spec)):
        side = _side_of(test, spec)
        if side is not None and (test.measure, side) in (("cost", Side.BUY), ("value", Side.SELL)):
            is_bought = side is Side.BUY
            made = "bought: closing it brings something" if is_bought else "sold: closing it costs something"
            message = f"what 'of' names is {made}, and has no {test.measure}"
            yield Problem("RB205", test.path, message, f"did you mean '{'value' if is_bought else 'cost'}'?")


def _of_exits(spec: Spec) -> tuple[Condition, ...]:
    """Return the conditions of exits, and those that arm them."""
    judged = ((rule.condition, *rule.activate_when) for rule in spec.exits)
    return tuple(each for conditions in judged for each in conditions if each is not None)


def _side_of(test: MeasureTest, spec: Spec) -> Side | None:
    """Return the side of the legs that a test names, if all have the same."""
    of = test.arguments.get("of")
    names = (of,) if isinstance(of, str) else of if isinstance(of, tuple) else ()
    if names in (("short_legs",), ("long_legs",)):
        return Side.SELL if names == ("short_legs",) else Side.BUY
    sides = {leg.side for leg in spec.legs.legs if leg.name in names}
    return sides.pop() if len(sides) == 1 and {leg.name for leg in spec.legs.legs} >= set(names) else None


def _named_at(conditions: tuple[Condition, ...], name: str) -> Iterator[Path]:
    for test in measure_tests(conditions):
        yield from _named_in(test, name)


def _named_in(test: MeasureTest, name: str) -> Iterator[Path]:
    if test.measure == name:
        yield test.path
    if test.comparison is None:
        return
    for operand in test.comparison.operands:
        if (isinstance(operand, Amount) and operand.of == name) or (isinstance(operand, Word) and operand.name == name):
            ending = len(test.path) > 1 and test.path[-2] in LEVELS
            yield test.path if ending else (*test.path, test.comparison.op.value)


def _required_direction(spec: Spec) -> str | None:
    """Return what `require` asks of, when it names one of the two only."""
    named = [name for name in ("credit", "debit") if any(_named_at(spec.legs.require, name))]
    return named[0] if len(named) == 1 else None


def exit_direction(spec: Spec) -> str:
    """Return "credit" or "debit": what the legs make certain, else what `require` or an exit asks of.

    Where nothing says it, what is bought to end later is dearer than what is sold: a debit; else it is a credit when at
    least as many options are sold as bought.
    """
    found = certain_direction(spec) or _required_direction(spec) or _sized_direction(spec)
    if found is not None:
        return found
    exits = tuple(rule.condition for rule in spec.exits if rule.condition)
    named = [name for name in ("credit", "debit") if any(_named_at(exits, name))]
    if len(named) == 1:
        return named[0]
    if len(spec.legs.expiries) > 1 and any(_lives_on(leg, spec) for leg in spec.legs.legs):
        return "debit"
    sold = -sum(leg.signed_ratio for leg in spec.legs.legs)
    return "credit" if sold >= 0 else "debit"


def _sized_direction(spec: Spec) -> str | None:
    """Return what the quantity counts by: who sizes by a debit means to pay one."""
    return spec.size.fits.value if spec.size is not None and spec.size.fits is not Fits.MAX_LOSS else None


def _lives_on(leg: Leg, spec: Spec) -> bool:
    """Return whether a leg is bought to end later than the nearest."""
    return leg.side is Side.BUY and spec.legs.expiry_of(leg).days_away > spec.legs.nearest.days_away


# ---------------------------------------------------------------- plans


def exit_plans(spec: Spec, scope: Scope) -> tuple[tuple[ExitPlan, ...], list[Problem]]:
    """Return the exits that are switched on, compiled; the problems are those of all."""
    plans, problems = [], []
    default = exit_order_of(spec)
    for written in spec.exits:
        for rule in expand_per_leg(written, spec):
            plan, found = _exit_plan(rule, written, spec, scope, default)
            problems += [problem for problem in found if problem not in problems]
            if plan is not None and rule.enabled:
                plans.append(plan)
    return tuple(plans), problems


def _exit_plan(
    rule: Exit, written: Exit, spec: Spec, scope: Scope, default: Order
) -> tuple[ExitPlan | None, list[Problem]]:
    compiled, problems = (None, []) if rule.condition is None else rule_of(rule.condition, scope)
    activate_when, more = rules_of(rule.activate_when, scope)
    problems = [*problems, *more]
    if (compiled is None and rule.condition is not None) or more:
        return None, problems
    legs = _closed_legs(rule, spec, compiled)
    roll = None
    if rule.roll is not None:
        roll, more = roll_plan(rule, spec, scope.values, _rolled(rule, written, spec, legs))
        problems = [*problems, *more]
    basis, compares = _compared(rule, compiled)
    plan = ExitPlan(
        name=rule.name,
        written=written.name,
        each=each_of(written),
        kind=rule.kind,
        rule=compiled,
        resting=rule.resting,
        order=default if rule.order is None else ordered_out(rule.order, spec),
        if_unknown=rule.if_unknown,
        grace=rule.grace,
        basis=basis,
        compares=compares,
        legs=legs,
        part=None if rule.close_part == 1 else rule.close_part,
        repeat=rule.repeat,
        activate_when=activate_when,
        roll=roll,
        any_price=rule.any_price,
    )
    return plan, problems


def _rolled(rule: Exit, written: Exit, spec: Spec, legs: tuple[str, ...]) -> RollTarget:
    """Return the legs that an exit rolls, and those of all its parts: no legs named are all."""
    every = tuple(leg.name for leg in spec.legs.legs)
    parts = (
        {name for each in expand_per_leg(written, spec) for name in each.close_legs}
        if legs and each_of(written)
        else legs
    )
    among = tuple(name for name in every if name in parts)
    return RollTarget(legs or every, among or every, exit_direction(spec))


def _compared(rule: Exit, compiled: Rule | None) -> tuple[str | None, ExitLevel | None]:
    """Return the measure of a target or stop and its level; None where that is no price.

    An exit that follows the best profit has no fixed price.
    """
    test = rule.condition.test if rule.condition else None
    if not rule.kind.is_level or not isinstance(test, MeasureTest) or not test.comparison:
        return None, None
    operand = test.comparison.operands[0]
    if test.measure == "give_back" or compiled is None or not isinstance(operand, (Amount, Word)):
        return test.measure, None
    arguments = dict(next(calls_of(compiled.test)).arguments)
    of = arguments.get("of")
    constant = Constant(1.0, Quantity.PRICE) if isinstance(operand, Word) else _level_of(operand)
    return test.measure, ExitLevel(
        measure=test.measure,
        value=constant.value,
        quantity=constant.quantity,
        of=operand.name if isinstance(operand, Word) else operand.of,
        legs=of if isinstance(of, tuple) else None,
        is_of_open=of == OPEN_LEGS,
        at=str(arguments["at"]),
    )


def _level_of(operand: Amount) -> Constant:
    value = float(operand.value)
    if operand.unit is Unit.PERCENT:
        return Constant(value / 100, Quantity.FRACTION)
    return Constant(value, Quantity.DOLLARS if operand.unit is Unit.DOLLARS else Quantity.PRICE)


def _closed_legs(rule: Exit, spec: Spec, compiled: Rule | None) -> tuple[str, ...]:
    """Return the legs an exit closes: those of `close`, else those that all its parts judge, else () for all."""
    if rule.close_legs:
        return tuple(leg.name for leg in spec.legs.legs if leg.name in named_legs(rule.close_legs, spec))
    if rule.close_all or rule.close_part is not None:
        return ()
    if rule.condition is None or compiled is None:
        return ()
    judged = legs_in_condition(rule.condition.test, compiled.test)
    return judged[0] if len(judged) == 1 else ()


# --- Exits by the clock, and the time that their orders have before the close

_FULL_DAY, _HALF_DAY = date(2025, 6, 3), date(2024, 11, 29)
LEAST_TIME = 2.0
"""Seconds that an order and its answer take when the broker is busy."""
HURRY = 10.0
"""Seconds before the close by which the last try of a clock exit must be at the broker."""


def clock_time(planned: ExitPlan) -> DayTime | None:
    """Return the time of an exit that only the clock triggers, else None."""
    test = None if planned.rule is None else planned.rule.test
    if not isinstance(test, Holds) or test.call.measure != "time" or planned.roll is not None:
        return None
    at = test.call.argument("at")
    return at if isinstance(at, DayTime) else None


def late_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB244 for a clock exit without time for one try before the close of a full day.

    One at the close, or after it, never acts.
    """
    for rule, at, order in _clock_exits(spec):
        left, takes = seconds_left(at, _session(_FULL_DAY)), _first(order)
        if left <= 0.0:
            message = f"'{rule.name}' ({at}) never acts: trading ends at 16:00"
            yield Problem("RB244", rule.path, message, f"{_help(length(order, spec))}, or write 'at_expiry: settle'")
        elif left < takes:
            message = f"'{rule.name}' begins {left:g} s before the close, and its first try takes {takes:g} s"
            yield Problem("RB244", rule.path, message, _help(length(order, spec)))


def late_warnings(spec: Spec) -> Iterator[Problem]:
    """Yield RB382 for a clock exit without time for all its tries before the close, on half days too."""
    for rule, at, order in _clock_exits(spec):
        takes = length(order, spec)
        left, left_of_half = (seconds_left(at, _session(day)) for day in (_FULL_DAY, _HALF_DAY))
        if _first(order) <= left < takes:
            message = f"'{rule.name}' begins {left:g} s before the close, and its tries take {takes:g} s"
            yield Problem("RB382", rule.path, message, _help(takes))
        elif left >= takes and 0.0 < left_of_half < takes:
            message = (
                f"'{rule.name}' begins {left_of_half:g} s before the close on half days, and its tries take {takes:g} s"
            )
            yield Problem("RB382", rule.path, message, _help(takes))


def length(order: Order, spec: Spec) -> float:
    """Return how many seconds the tries of an exit's order take; on two underlyings those of each leg."""
    return max(order.seconds, LEAST_TIME) * (len(spec.legs.legs) if is_pair(spec) else 1)


def seconds_left(at: DayTime, session: Session) -> float:
    """Return the seconds from a clock exit to the close; negative where it comes after it."""
    return (session.close - at.before_close(session)).total_seconds()


def _clock_exits(spec: Spec) -> Iterator[tuple[Exit, DayTime, Order]]:
    default = exit_order_of(spec)
    for rule in spec.exits:
        test = rule.condition.test if rule.condition is not None else None
        if not rule.enabled or rule.roll is not None or not isinstance(test, MeasureTest) or test.measure != "time":
            continue
        at = test.arguments["at"]
        if isinstance(at, DayTime):
            yield rule, at, default if rule.order is None else ordered_out(rule.order, spec)


def _session(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


def _first(order: Order) -> float:
    return max(min(order.wait, order.seconds), LEAST_TIME)


def _help(takes: float) -> str:
    minutes = -(-int(takes + HURRY) // 60)
    return f"let it begin at 'close - {minutes}m' or earlier, or shorten its order"
