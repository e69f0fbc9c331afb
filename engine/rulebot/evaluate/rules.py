"""The entry module: compiles tests of a plan to closures that evaluate a snapshot, in three values.

Everything constant is looked up once; a closure only reads, compares and makes its result.
"""

from collections.abc import Callable
from math import isfinite

from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Number,
    Op,
    Plan,
    Rule,
    Text,
    Truth,
)
from rulebot.evaluate.measure import bind, context_of, reader_of
from rulebot.evaluate.strike_terms import ExpectedMove
from rulebot.measure.evaluation import Evaluation, group_truth, negated
from rulebot.measure.reading import AtLeast, Context, Judge, Read, Reading, UnknownValue, number_of
from rulebot.measure.view import Held, View
from rulebot.measures.registry import MEASURES
from rulebot.measures.volatility import move_by_straddle

__all__ = ["Judge", "bind", "compile_expected_move", "compile_rule", "compile_test", "shortfall"]

_HOLDS: dict[Op, Callable[[float, float, float], bool]] = {
    Op.ABOVE: lambda value, low, high: value > low,
    Op.AT_LEAST: lambda value, low, high: value >= low,
    Op.BELOW: lambda value, low, high: value < low,
    Op.AT_MOST: lambda value, low, high: value <= low,
    Op.BETWEEN: lambda value, low, high: low <= value <= high,
    Op.OUTSIDE: lambda value, low, high: not low <= value <= high,
    Op.BEYOND: lambda value, low, high: abs(value) > low,
}
_MORE_IS_TRUE = (Op.ABOVE, Op.AT_LEAST, Op.BEYOND)
_LESS_IS_TRUE = (Op.BELOW, Op.AT_MOST)


def compile_rule(rule: Rule, plan: Plan) -> Judge:
    """Return the closure that judges `rule`."""
    return compile_test(rule.test, context_of(plan, rule.max_age))


def compile_expected_move(plan: Plan, *, of_open: bool = False) -> ExpectedMove:
    """Return the expected move now of each of the bot's underlyings, points: what strikes are chosen by.

    of_open: as it is kept of the open, None while spot has not followed its options.
    """
    context = context_of(plan)
    readers = {symbol: move_by_straddle(symbol, context, of_open=of_open) for symbol in plan.underlyings}
    return lambda view, symbol: number_of(readers[symbol](view))


def compile_test(test: Truth, context: Context) -> Judge:
    """Return the closure of any test of the tree."""
    match test:
        case Compare():
            return _compare(test, context)
        case Holds(call):
            return _by_itself(call, context)
        case Not(member):
            return _negated(compile_test(member, context))
        case AllOf(members, names):
            return _together(tuple(compile_test(member, context) for member in members), names, False)
        case AnyOf(members, names):
            return _together(tuple(compile_test(member, context) for member in members), names, True)


# ---------------------------------------------------------------- groups


def _negated(judge: Judge) -> Judge:
    def judge_not(view: View) -> Evaluation:
        inner = judge(view)
        return Evaluation(negated(inner.truth), missing=inner.missing, members=(("not", inner),))

    return judge_not


def _together(judges: tuple[Judge, ...], names: tuple[str, ...], decisive: bool) -> Judge:
    """All members are judged, so that `why` can show each; one that is `decisive` decides."""

    def together(view: View) -> Evaluation:
        results = [judge(view) for judge in judges]
        truths = [evaluation.truth for evaluation in results]
        members = tuple(zip(names, results, strict=True))
        truth = group_truth(truths, decisive)
        missing = results[truths.index(None)].missing if truth is None else ""
        return Evaluation(truth, missing=missing, members=members)

    return together


# ---------------------------------------------------------------- comparisons


def _compare(test: Compare, context: Context) -> Judge:
    if test.op is Op.IS:
        return _is(test, context)
    read, detail = reader_of(test.left, context), _detail(test.left, context)
    bounds = test.right
    if all(isinstance(bound, Constant) for bound in bounds) and detail is None:
        fixed = [bound.value for bound in bounds if isinstance(bound, Constant)]
        return _against_numbers(test.op, read, fixed[0], fixed[1] if len(fixed) > 1 else None)
    reads = [_kept(reader_of(bound, context)) if _is_of_entry(bound) else reader_of(bound, context) for bound in bounds]
    return _against_readings(test.op, read, reads[0], reads[1] if len(reads) > 1 else None, detail)


def _is_of_entry(bound: Number) -> bool:
    """Say whether a number is constant until the next fill: `2x credit`."""
    if isinstance(bound, Arithmetic):
        return all(_is_of_entry(operand) for operand in bound.operands)
    return isinstance(bound, Constant) or (isinstance(bound, Call) and MEASURES[bound.measure].is_entry_price)


def _kept(read: Read) -> Read:
    """Return the reader of such a number: of a position that is held it is read once."""
    known: tuple[Held | None, Reading] = (None, 0.0)

    def kept(view: View) -> Reading:
        nonlocal known
        held = view.held
        if held is None:
            return read(view)
        if known[0] is not held:
            known = (held, read(view))
        return known[1]

    return kept


def _detail(left: Number, context: Context) -> Callable[[View], str] | None:
    if not isinstance(left, Call) or (detail := MEASURES[left.measure].detail) is None:
        return None
    return detail(left, context)


def _against_numbers(op: Op, read: Read, low: float, high: float | None) -> Judge:
    holds = _HOLDS[op]
    top = low if high is None else high

    def judge(view: View) -> Evaluation:
        value = read(view)
        if value.__class__ is float:
            return Evaluation(holds(value, low, top), value, low, high)
        return _not_wholly_known(op, value, low, high)

    return judge


def _against_readings(op: Op, read: Read, low: Read, high: Read | None, detail: Callable[[View], str] | None) -> Judge:
    holds = _HOLDS[op]

    def judge(view: View) -> Evaluation:
        value, bottom = read(view), low(view)
        top = bottom if high is None else high(view)
        if not isinstance(bottom, float):
            return Evaluation(None, number_of(value), missing=bottom.reason)
        if not isinstance(top, float):
            return Evaluation(None, number_of(value), bottom, missing=top.reason)
        shown = None if high is None else top
        if not isinstance(value, float):
            return _not_wholly_known(op, value, bottom, shown)
        words = detail(view) if detail is not None else ""
        return Evaluation(holds(value, bottom, top), value, bottom, shown, "", words)

    return judge


def _not_wholly_known(op: Op, value: Reading, low: float, high: float | None) -> Evaluation:
    """Judge what the known legs leave: a value that can only be larger, or smaller, decides some comparisons."""
    if isinstance(value, float):
        raise TypeError("a known number is compared as it is")
    if isinstance(value, UnknownValue):
        return Evaluation(None, None, low, high, value.reason)
    decided = _by_more(op, value.value, low, high) if isinstance(value, AtLeast) else _by_less(op, value.value, low)
    return Evaluation(decided, value.value, low, high, "" if decided is not None else value.reason)


def _by_more(op: Op, least: float, low: float, high: float | None) -> bool | None:
    """Return what a value decides that is this or more."""
    if op in _MORE_IS_TRUE and _HOLDS[op](least, low, low):
        return True
    if op in _LESS_IS_TRUE and not _HOLDS[op](least, low, low):
        return False
    if op in (Op.BETWEEN, Op.OUTSIDE) and high is not None and least > high:
        return op is Op.OUTSIDE
    return None


def _by_less(op: Op, most: float, low: float) -> bool | None:
    """Return what a value decides that is this or less, and not negative."""
    if op in _LESS_IS_TRUE and _HOLDS[op](most, low, low):
        return True
    if op in _MORE_IS_TRUE and not _HOLDS[op](most, low, low):
        return False
    if op in (Op.BETWEEN, Op.OUTSIDE) and most < low:
        return op is Op.OUTSIDE
    return None


def _is(test: Compare, context: Context) -> Judge:
    call, wanted = test.left, test.right[0]
    assert isinstance(call, Call)
    assert isinstance(wanted, Text)
    judge = MEASURES[call.measure].judge_word
    if judge is None:
        raise TypeError(f"'{call.measure}' is compared with no word")
    return judge(call, context, wanted.value)


def _by_itself(call: Call, context: Context) -> Judge:
    judge = MEASURES[call.measure].judge
    if judge is None:
        raise TypeError(f"'{call.measure}' is not a condition")
    return judge(call, context)


# --- How far a rule is from passing, for the nearest miss

_LEAST_MISS = 1e-9
"""The missing amount of a rule whose value equals a bound that it must exceed."""


def shortfall(rule: Rule, evaluation: Evaluation) -> float | None:
    """Return how far a rule is from passing: 0.0 when true, None when unknown, else a part of its bound.

    Of a group the sum of what its members lack, of `any` the least; what is simply true or false lacks 1.0.
    """
    return _shortfall(rule.test, evaluation)


def _shortfall(test: Truth, evaluation: Evaluation) -> float | None:
    if evaluation.truth is None:
        return None
    if evaluation.truth:
        return 0.0
    match test:
        case Compare(op):
            return _distance(op, evaluation) or _LEAST_MISS
        case Holds(call) if call.measure == "breach":
            return _relative(evaluation.value, evaluation.low) or _LEAST_MISS
        case AllOf(members):
            return sum(_members(members, evaluation))
        case AnyOf(members):
            return min(_members(members, evaluation), default=1.0)
        case _:
            return 1.0


def _members(members: tuple[Truth, ...], evaluation: Evaluation) -> list[float]:
    lacks = [_shortfall(test, inner) for test, (_, inner) in zip(members, evaluation.members, strict=True)]
    return [lack for lack in lacks if lack is not None]


def _distance(op: Op, evaluation: Evaluation) -> float:
    if op is Op.IS or op is Op.OUTSIDE:
        return 1.0
    value, bound = evaluation.value, evaluation.low
    if value is not None and op is Op.BEYOND:
        value = abs(value)
    if value is not None and evaluation.high is not None and value > evaluation.high:
        bound = evaluation.high
    return _relative(value, bound)


def _relative(value: float | None, bound: float | None) -> float:
    if value is None or bound is None:
        return 1.0
    scale = abs(bound) or abs(value) or 1.0
    found = abs(value - bound) / scale
    return found if isfinite(found) else 1.0
