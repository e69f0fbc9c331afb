"""`of: each_side` and `of: each_short`: one exit of a spec that is judged part by part, as an exit for each part.

Each part is judged on its own and acts on that one alone (language.md, Exits). A side is named `put_side` or
`call_side`, a short leg by its name; the exit of a part is called like the written one with the part's name added.
"""

from collections.abc import Iterator
from dataclasses import replace

from rulebot.compile.problem import Problem
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Condition, MeasureTest
from rulebot.spec.nouns.exits import Exit
from rulebot.spec.nouns.legs import Side
from rulebot.spec.spec import Spec

EACH = ("each_side", "each_short")
SIDES = {"put_side": "put", "call_side": "call"}
OF_SHORTS = ("breach", "leg_delta", "leg_gamma", "leg_theta", "leg_vega", "probability_in_the_money")
"""Measures that are of short legs unless they name others: of a side too its short legs are judged."""
JUDGES_LEGS = (
    *OF_SHORTS,
    "quote_width",
    "volume",
    "open_interest",
    "profit",
    "loss",
    "give_back",
    "cost",
    "value",
)
"""Measures of which an exit closes the legs that `of` names; of others it names a symbol, events, or whose day."""


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
    """Return the exits that one written exit comes to: itself, or one for each part."""
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
        shorts_only = isinstance(test, MeasureTest) and test.measure in OF_SHORTS
        judged = tuple(leg for leg in closed if leg in sold) if shorts_only else closed
        if judged:
            found.append(LegPart(name, judged, closed))
    return tuple(found)


def alone_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with exits that are judged part by part."""
    for rule in spec.exits:
        if not (each := each_of(rule)):
            continue
        if not _parts(rule, spec):
            yield Problem("RB207", rule.path, f"'of: {each}' judges short legs, and this bot has none")
        if rule.close_part is not None or rule.close_legs:
            message = f"'of: {each}' closes what it judged, that one alone"
            yield Problem("RB227", (*rule.path, "close"), message, "leave it out, or write 'close: all'", None, True)
