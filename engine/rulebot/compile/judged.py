"""Which legs the parts of an exit's condition judge: it closes those alone when they are the same in all of them."""

from collections.abc import Iterator

from rulebot.compile.alone import JUDGES_LEGS
from rulebot.compile.plan import AllOf, AnyOf, Call, Not, Truth
from rulebot.compile.reads import calls_of
from rulebot.compile.vocabulary import MEASURES
from rulebot.spec.nouns.condition import Group, GroupKind, MeasureTest, Test

Legs = tuple[str, ...]
WHOLE: Legs = ()
_AS_FILLED = ("credit", "debit", "max_risk", "return_on_risk", "strike")
"""Measures of the structure that stay what they are for as long as it is held."""


def legs_in_condition(test: Test, truth: Truth) -> tuple[Legs, ...]:
    """Return the different sets of legs that a condition judges, `WHOLE` for all; () where no part of it reads legs.

    truth: the same condition compiled. What is true by itself of no legs, beside others under `any`, speaks of all.
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
            call = next(calls_of(truth))
            of = dict(call.arguments).get("of")
            if call.measure in JUDGES_LEGS and "of" in arguments and isinstance(of, tuple):
                yield of
            elif _reads_legs(call):
                yield WHOLE
        case _:
            yield from (WHOLE for call in calls_of(truth) if _reads_legs(call))


def _reads_legs(call: Call) -> bool:
    if call.measure in JUDGES_LEGS:
        return True
    return "legs" in MEASURES[call.measure].reads and call.measure not in _AS_FILLED
