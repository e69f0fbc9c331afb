"""Conditions of an account document as tests of a plan, so that two are compared like those of a bot.

A greek is held against its ends for each underlying, so that it stands for two numbers: the least of all underlyings,
which a lower end bounds, and the greatest, which an upper end does.
"""

from decimal import Decimal

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
    Quantity,
    Truth,
)
from rulebot.decide.account_rules import ends_of
from rulebot.decide.net import NET
from rulebot.model.session import DayTime
from rulebot.spec.nouns.account import Between
from rulebot.spec.nouns.condition import Amount, Condition, Group, GroupKind, MeasureTest, Unit


def truth_of(rule: Condition) -> Truth:
    """Return what a condition of `require` tests."""
    test = rule.test
    if isinstance(test, Group):
        return _grouped(test)
    assert isinstance(test, MeasureTest)
    if test.comparison is None:
        at = test.arguments["at"]
        assert isinstance(at, DayTime)
        return Holds(Call("time", (("at", at),), Quantity.TRUTH))
    if test.measure in NET:
        return _between(test.measure, ends_of(test.comparison))
    (bound,) = test.comparison.operands
    assert isinstance(bound, Amount)
    return Compare(Op.AT_MOST, Call(test.measure, (), Quantity.DOLLARS), (_dollars(bound),))


def _grouped(group: Group) -> Truth:
    members = tuple(truth_of(member) for member in group.members)
    if group.kind is GroupKind.NOT:
        return Not(members[0])
    names = tuple(member.name for member in group.members)
    return AllOf(members, names) if group.kind is GroupKind.ALL else AnyOf(members, names)


def _between(measure: str, ends: Between) -> Truth:
    found = tuple(
        _end(op, measure, end) for op, end in ((Op.AT_LEAST, ends.low), (Op.AT_MOST, ends.high)) if end is not None
    )
    return AllOf(found, tuple(each.op.value for each in found))


def _end(op: Op, measure: str, end: Decimal) -> Compare:
    extreme = Call(measure, (("of", "least" if op is Op.AT_LEAST else "greatest"),), Quantity.PLAIN)
    return Compare(op, extreme, (Constant(float(end), Quantity.PLAIN),))


def _dollars(bound: Amount) -> Number:
    if bound.unit is not Unit.MULTIPLE:
        return Constant(float(bound.value), Quantity.DOLLARS)
    times = Constant(float(bound.value), Quantity.PLAIN)
    return Arithmetic("*", (times, Call("net_liquidation", (), Quantity.DOLLARS)), Quantity.DOLLARS)
