"""Conditions: from a checked tree to tests with names.

How a measure's arguments are kept: `time` has `at` (a DayTime); `no_event` and `event` have `of` (a tuple of texts);
`breach` has `spot_within` or `spot_beyond`; a target or stop is the measure it names with the comparison of its kind.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from rulebot.spec.exit_kinds import LEVELS, ExitKind
from rulebot.spec.nouns import (
    Argument,
    Bound,
    Comparison,
    Condition,
    Confirm,
    Edge,
    ExpressionTest,
    Group,
    GroupKind,
    Let,
    MeasureTest,
    Op,
    Operand,
    Path,
    Strike,
    StrikeBy,
    StrikeOf,
    StrikeRounding,
    Test,
    Unit,
    Word,
)
from rulebot.spec.scalar import amount, day_time, operand, seconds
from rulebot.spec.source import Plain
from rulebot.spec.spec import Spec

Tree = dict[str, Plain]
T = TypeVar("T")

COMPARISONS = frozenset(op.value for op in Op)
GROUPS = frozenset(kind.value for kind in GroupKind)
JUDGING = frozenset({"name", "confirm", "max_age"})
LEAVING = frozenset(
    {"enabled", "resting", "order", "unknown", "grace", "close", "repeat", "activate_when", "roll", "any_price"}
)


def sure(value: T | None) -> T:
    """Return what the schema has already promised to be there."""
    assert value is not None
    return value


def mapping(value: Plain) -> Tree:
    """Return a value that the schema has already found to be a mapping."""
    assert isinstance(value, dict)
    return value


def sequence(value: Plain) -> list[Plain]:
    """Return a value as a list: a single value is a list of one, a missing one is empty."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def kind_of(tree: Tree) -> str | None:
    """Return the key that says what a condition or exit is, or None when there is not exactly one."""
    found = [key for key in tree if key not in JUDGING and key not in LEAVING]
    return found[0] if len(found) == 1 else None


def own_name(tree: Tree, *, named_not: bool = False) -> str | None:
    """Return a condition's name in its list: the given one, or its measure or kind with a single `of`.

    None when it must be given: for a bare `expr`, `all` or `any` (not as the member of a `not` that has a name).
    """
    given = tree.get("name")
    kind = kind_of(tree)
    if isinstance(given, str) or kind is None:
        return given if isinstance(given, str) else None
    if kind == "not":
        inner = tree["not"]
        inner_name = own_name(inner) if isinstance(inner, dict) else None
        return f"not_{inner_name}" if inner_name else None
    if kind in ("expr", "all", "any"):
        return kind if named_not else None
    body = tree[kind]
    of = body.get("name" if kind == "webhook" else "of") if isinstance(body, dict) else None
    return f"{kind}.{of}" if isinstance(of, str) and of not in ("each_side", "each_short", "open_legs") else kind


def conditions(value: Plain, path: Path, prefix: str = "") -> tuple[Condition, ...]:
    """Return the conditions of a list."""
    return tuple(condition(mapping(item), (*path, at), prefix) for at, item in enumerate(sequence(value)))


def condition(tree: Tree, path: Path, prefix: str = "", *, named_not: bool = False) -> Condition:
    """Return one condition; `prefix` is the name of the group around it."""
    name = prefix + sure(own_name(tree, named_not=named_not))
    age = tree.get("max_age")
    return Condition(
        name=name,
        test=_test(tree, path, name),
        confirm=_confirm(tree.get("confirm")),
        max_age=None if age is None else sure(seconds(age)),
        path=path,
    )


def _test(tree: Tree, path: Path, name: str) -> Test:
    kind = sure(kind_of(tree))
    body, where = tree[kind], (*path, kind)
    if kind == "expr":
        return ExpressionTest(text=str(body), path=where)
    if kind == "not":
        member = condition(mapping(body), where, f"{name}.", named_not="name" in tree)
        return Group(kind=GroupKind.NOT, members=(member,), path=where)
    if kind in GROUPS:
        return Group(kind=GroupKind(kind), members=conditions(body, where, f"{name}."), path=where)
    if (level := LEVELS.get(kind)) is not None:
        return _ending(level, mapping(body), where)
    return measure_test(kind, body, where)


def _ending(kind: ExitKind, body: Tree, path: Path) -> MeasureTest:
    ((measure, bound),) = ((key, value) for key, value in body.items() if key not in ("of", "at"))
    comparison = Comparison(kind.traits.levels[measure], (_operand(bound),))
    arguments: dict[str, Argument] = {key: argument(body[key]) for key in ("of", "at") if key in body}
    return MeasureTest(measure=measure, arguments=arguments, comparison=comparison, path=(*path, measure))


def measure_test(measure: str, body: Plain, path: Path) -> MeasureTest:
    """Return a measure with its arguments and its comparison."""
    if measure == "time":
        return MeasureTest(measure=measure, arguments={"at": sure(day_time(body))}, path=path)
    if isinstance(body, list):
        return MeasureTest(measure=measure, arguments={"of": texts(body)}, path=path)
    tree = mapping(body)
    op = next((key for key in tree if key in COMPARISONS), None)
    return MeasureTest(
        measure=measure,
        arguments={key: argument(value) for key, value in tree.items() if key not in COMPARISONS},
        comparison=None if op is None else _comparison(Op(op), tree[op]),
        path=path,
    )


def _comparison(op: Op, value: Plain) -> Comparison:
    if op is Op.IS:
        return Comparison(op, (str(value),))
    return Comparison(op, tuple(_operand(item) for item in sequence(value)))


def _operand(value: Plain) -> Operand:
    found = operand(value)
    assert found is not None
    return found


def argument(value: Plain) -> Argument:
    """Return one argument of a measure: a count, an amount, a text or a list of texts."""
    if isinstance(value, list):
        return texts(value)
    if isinstance(value, int):
        return value
    return amount(value) or str(value)


def texts(value: list[Plain]) -> tuple[str, ...]:
    """Return a list of texts as a tuple."""
    return tuple(str(item) for item in value)


def _confirm(value: Plain) -> Confirm | None:
    if value is None:
        return None
    text = str(value)
    if text.endswith(("quote", "quotes")):
        return Confirm(quotes=int(text.split()[0]))
    found = sure(amount(text))
    assert found.unit is Unit.SECONDS
    return Confirm(seconds=float(found.value))


# --- How a strike is chosen

BY_NUMBER = (StrikeBy.DELTA, StrikeBy.PREMIUM, StrikeBy.SIDE_CREDIT, StrikeBy.OTM, StrikeBy.EXPECTED_MOVE)
"""Selectors that are a number, or a bound on it."""
_STRIKE_OF = re.compile(r"strike\((?P<leg>[a-z][a-z0-9_]*)\)")


def strike(tree: Tree, path: Path) -> Strike:
    """Return `strike:`; the schema has found exactly one selector."""
    by, reference, wanted = _selector(tree)
    bound, targets = _targets(wanted)
    return Strike(
        by=by,
        target=targets[0] if targets else None,
        reference=reference,
        bound=bound,
        is_percent=by is StrikeBy.OTM and _is_percent(wanted),
        widths=targets[1:],
        round=StrikeRounding(tree.get("round", "nearest")),
        round_to=number(tree.get("round_to")),
        prefer_round_to=number(tree.get("prefer_round_to")),
        min_otm_distance=number(tree.get("min_otm_distance")),
        min_strike=_edge(tree.get("min_strike")),
        max_strike=_edge(tree.get("max_strike")),
        within=number(tree.get("within")),
        path=path,
    )


def _selector(tree: Tree) -> tuple[StrikeBy, str | None, Plain]:
    for by in BY_NUMBER:
        if by.value in tree:
            return by, None, tree[by.value]
    for by in (StrikeBy.BELOW, StrikeBy.ABOVE):
        if by.value in tree:
            return by, str(tree[by.value]), tree["by"]
    at = str(tree["at"])
    return (StrikeBy.AT_SPOT, None, None) if at == "spot" else (StrikeBy.AT_LEG, at, None)


def _targets(wanted: Plain) -> tuple[Bound, tuple[Decimal, ...]]:
    """Return what is asked for: a number, a bound on one, or widths in order of preference."""
    bound = Bound.NEAREST
    if isinstance(wanted, dict):
        ((word, wanted),) = mapping(wanted).items()
        bound = Bound(word)
    return bound, tuple(sure(number(each)) for each in sequence(wanted))


def _is_percent(wanted: Plain) -> bool:
    value = next(iter(wanted.values())) if isinstance(wanted, dict) else wanted
    return sure(amount(value)).unit is Unit.PERCENT


def _edge(value: Plain) -> Edge | None:
    if value is None:
        return None
    found = _STRIKE_OF.fullmatch(value) if isinstance(value, str) else None
    return StrikeOf(found["leg"]) if found is not None else amount(value) or Word(str(value))


def number(value: Plain) -> Decimal | None:
    """Return the number of an amount whose unit the schema has checked."""
    return None if value is None else sure(amount(value)).value


# --- Conditions on a let

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
            activate_when=_all(rule.activate_when, lets),
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
    test = _named_test(condition.test, lets)
    return condition if test is condition.test else replace(condition, test=test)


def _named_test(test: Test, lets: Lets) -> Test:
    if isinstance(test, ExpressionTest):
        return test
    if isinstance(test, Group):
        return replace(test, members=_all(test.members, lets))
    let = lets.get(test.measure)
    if let is None or let.measure is None:
        return test
    return replace(test, measure=let.measure, arguments=let.arguments, let=let.name)
