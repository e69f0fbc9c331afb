"""Conditions on a let: each is one on the measure that the let names, with the arguments that stand there."""

from collections.abc import Mapping
from dataclasses import replace

from rulebot.spec.nouns.condition import Condition, ExpressionTest, Group, Let, Test
from rulebot.spec.spec import Spec

Lets = Mapping[str, Let]
Conditions = tuple[Condition, ...]


def with_lets(spec: Spec) -> Spec:
    """Return the spec with the measures of its lets in the place of their names, where those are compared."""
    lets = {let.name: let for let in spec.lets if let.measure is not None}
    if not lets:
        return spec
    legs, risk, universe = spec.legs, spec.risk, spec.universe
    choose = tuple(replace(each, when=_all(each.when, lets), require=_some(each.require, lets)) for each in legs.choose)
    exits = tuple(
        replace(
            rule,
            condition=None if rule.condition is None else _named(rule.condition, lets),
            armed_by=_all(rule.armed_by, lets),
            roll=None if rule.roll is None else replace(rule.roll, require=_all(rule.roll.require, lets)),
        )
        for rule in spec.exits
    )
    return replace(
        spec,
        universe=None if universe is None else replace(universe, require=_all(universe.require, lets)),
        entry=replace(spec.entry, when=_all(spec.entry.when, lets)),
        legs=replace(legs, require=_all(legs.require, lets), choose=choose),
        exits=exits,
        risk=replace(risk, require=_all(risk.require, lets), halt_when=_all(risk.halt_when, lets)),
    )


def _some(conditions: Conditions | None, lets: Lets) -> Conditions | None:
    return None if conditions is None else _all(conditions, lets)


def _all(conditions: Conditions, lets: Lets) -> Conditions:
    return tuple(_named(condition, lets) for condition in conditions)


def _named(condition: Condition, lets: Lets) -> Condition:
    test = _test(condition.test, lets)
    return condition if test is condition.test else replace(condition, test=test)


def _test(test: Test, lets: Lets) -> Test:
    if isinstance(test, ExpressionTest):
        return test
    if isinstance(test, Group):
        return replace(test, members=_all(test.members, lets))
    let = lets.get(test.measure)
    if let is None or let.measure is None:
        return test
    return replace(test, measure=let.measure, arguments=let.arguments, let=let.name)
