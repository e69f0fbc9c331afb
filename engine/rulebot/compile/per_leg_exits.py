"""`of: each_side` and `of: each_short`: expand one exit of a spec to one exit for each part.

Each part is judged on its own and acts on that one alone (language.md, Exits). A side is named `put_side` or
`call_side`, a short leg by its name; the exit of a part is called like the written one with the part's name added.
"""

from collections.abc import Iterator
from dataclasses import replace

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import AllOf, AnyOf, Call, Not, Truth
from rulebot.compile.problem import Problem
from rulebot.measures.registry import MEASURES
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Condition, Group, GroupKind, MeasureTest, Side, Test
from rulebot.spec.spec import Exit, Spec

EACH = ("each_side", "each_short")
SIDES = {"put_side": "put", "call_side": "call"}


@dataclass(frozen=True, slots=True)
class LegPart:
    """What is judged, and what is closed, on its own."""

    name: str
    judged: tuple[str, ...]
    closed: tuple[str, ...]


def each_of(rule: Exit) -> str:
    """Return `each_side` or `each_short`, "" for an exit that is judged as one."""
    test = rule.condition.test if rule.condition is not None else None
    of = test.arguments.get("of") if isinstance(test, MeasureTest) else None
    return of if isinstance(of, str) and of in EACH else ""


def named_legs(names: tuple[str, ...], spec: Spec) -> set[str]:
    """Return the legs that these words name: legs themselves, or a side."""
    rights = {"put" if name == "put_side" else "call" for name in names if name in SIDES}
    return {leg.name for leg in spec.legs.legs if leg.name in names or leg.right in rights}


def expand_per_leg(rule: Exit, spec: Spec) -> tuple[Exit, ...]:
    """Return the exits that one written exit expands to: itself, or one for each part."""
    if not each_of(rule) or rule.condition is None:
        return (rule,)
    return tuple(_of_part(rule, rule.condition, part) for part in _parts(rule, spec))


def _of_part(rule: Exit, condition: Condition, part: LegPart) -> Exit:
    test, name = condition.test, f"{rule.name}.{part.name}"
    assert isinstance(test, MeasureTest)
    judged = replace(condition, name=name, test=replace(test, arguments={**test.arguments, "of": part.judged}))
    return replace(rule, name=name, condition=judged, close_legs=() if rule.close_all else part.closed)


def _parts(rule: Exit, spec: Spec) -> tuple[LegPart, ...]:
    test = rule.condition.test if rule.condition is not None else None
    sold = tuple(leg.name for leg in spec.legs.legs if leg.side is Side.SELL and not leg.is_shares)
    if each_of(rule) == "each_short":
        return tuple(LegPart(name, (name,), (name,)) for name in sold)
    found = []
    for name, right in SIDES.items():
        closed = tuple(leg.name for leg in spec.legs.legs if leg.right == right)
        shorts_only = isinstance(test, MeasureTest) and MEASURES[test.measure].is_of_shorts
        judged = tuple(leg for leg in closed if leg in sold) if shorts_only else closed
        if judged:
            found.append(LegPart(name, judged, closed))
    return tuple(found)


def each_exit_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with exits that are judged part by part."""
    for rule in spec.exits:
        if not (each := each_of(rule)):
            continue
        if not _parts(rule, spec):
            yield Problem("RB207", rule.path, f"'of: {each}' judges short legs, and this bot has none")
        if rule.close_part is not None or rule.close_legs:
            message = f"'of: {each}' closes what it judged, that one alone"
            yield Problem("RB227", (*rule.path, "close"), message, "leave it out, or write 'close: all'", None, True)


# --- Which legs the parts of an exit's condition judge

Legs = tuple[str, ...]
WHOLE: Legs = ()


def legs_in_condition(test: Test, truth: Truth) -> tuple[Legs, ...]:
    """Return the sets of legs that a condition judges, `WHOLE` for all; () if it reads no legs.

    truth: the same condition compiled. A test that reads no legs, with others under `any`, applies to all legs.
    """
    found: dict[frozenset[str], Legs] = {}
    for legs in _judged(test, truth, is_denied=False):
        found.setdefault(frozenset(legs), legs)
    return tuple(found.values())


def _judged(test: Test, truth: Truth, *, is_denied: bool) -> Iterator[Legs]:
    match test, truth:
        case Group(members=(only,)), Not(member):
            yield from _judged(only.test, member, is_denied=not is_denied)
        case Group(kind=kind, members=members), AllOf(members=truths) | AnyOf(members=truths):
            pairs = zip(members, truths, strict=True)
            parts = [list(_judged(each.test, one, is_denied=is_denied)) for each, one in pairs]
            yield from (legs for part in parts for legs in part)
            if (kind is GroupKind.ANY) is not is_denied and any(parts) and not all(parts):
                yield WHOLE
        case MeasureTest(arguments=arguments), _:
            yield from _of_call(next(calls_of(truth)), names_legs="of" in arguments)
        case _:
            for call in calls_of(truth):
                yield from _of_call(call, names_legs=False)


def _of_call(call: Call, *, names_legs: bool) -> Iterator[Legs]:
    measure, of = MEASURES[call.measure], dict(call.arguments).get("of")
    if measure.legs is not None and names_legs and isinstance(of, tuple):
        yield of
    elif measure.legs is not None or ("legs" in measure.reads and not measure.is_as_filled):
        yield WHOLE
