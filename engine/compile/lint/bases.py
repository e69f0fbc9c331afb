"""What some legs are measured against: a multiple of the credit is of the whole structure's, whatever `of` says."""

from collections.abc import Iterator

from engine.compile.lint.literals import linear
from engine.compile.lint.look import Look
from engine.compile.lint.wording import said
from engine.compile.plan import Compare, ExitPlan, Rule
from engine.compile.problem import Problem
from engine.compile.reads import calls_of

_WHOLE = ("credit", "debit")


def against_the_whole(look: Look) -> Iterator[Problem]:
    """Yield RB337 for an exit that measures legs by name against the credit or debit of all."""
    count = len(look.plan.legs)
    for planned, rule in _rules(look):
        legs, whole = _measured(rule, count), [call.measure for call in calls_of(rule.test) if call.measure in _WHOLE]
        if legs and whole and not planned.each:
            their = f"{' and '.join(legs)} alone"
            message = f"{said(rule)} measures {their}, against the {whole[0]} of the whole structure and not their own"
            where = look.marked(rule) if rule is planned.rule else rule.path
            yield Problem("RB337", where, message, _instead(planned, rule, legs))


def _rules(look: Look) -> Iterator[tuple[ExitPlan, Rule]]:
    for planned in look.plan.exits:
        yield from ((planned, rule) for rule in (planned.rule, *planned.armed_by) if rule is not None)


def _measured(rule: Rule, count: int) -> tuple[str, ...]:
    """Return the legs that a rule names to be priced, () where they are all that there are."""
    named = [dict(call.arguments).get("of") for call in calls_of(rule.test) if call.measure in ("cost", "value")]
    return next((each for each in named if isinstance(each, tuple) and len(each) < count), ())


def _instead(planned: ExitPlan, rule: Rule, legs: tuple[str, ...]) -> str:
    """Return what would be said of the legs' own price, of a target or stop in numbers."""
    test = rule.test
    found = linear(test.right[0]) if isinstance(test, Compare) and rule is planned.rule else None
    if planned.basis is None or found is None:
        return "'profit' and 'loss' in % are parts of their own price"
    of = f"of: {legs[0]}" if len(legs) == 1 else f"of: [{', '.join(legs)}]"
    gain = (found[0] - 1) * (1 if planned.basis == "value" else -1)
    word = "profit" if gain > 0 else "loss"
    return f"of their own price that is '{{{word}: {abs(gain):.4%}, {of}}}'".replace(".0000%", "%")
