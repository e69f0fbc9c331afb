"""Exits that close something else than they seem to, a part that is all, or what covers the rest."""

from collections.abc import Iterator

from rulebot.compile.judged import WHOLE, Legs, legs_in_condition
from rulebot.compile.lint.look import LintContext
from rulebot.compile.problem import Problem
from rulebot.compile.structure import left_bare
from rulebot.model.counted import counted
from rulebot.spec.nouns.exits import Exit, is_all


def closing_unsaid(look: LintContext) -> Iterator[Problem]:
    """Yield RB339 for an exit that judges some legs in one part and others, or all, in another, without `close`."""
    written = {each.name: each for each in look.spec.exits}
    for planned, rule in look.exit_rules():
        condition = written[planned.written].condition
        if condition is None or planned.each or _says_what(written[planned.written]):
            continue
        found = legs_in_condition(condition.test, rule.test)
        if len(found) > 1:
            parts = " and in another ".join(map(_words, found))
            message = f"'{planned.written}' judges in one part {parts}, so it closes the whole position"
            yield Problem("RB339", look.marked(rule), message, f"write 'close: all', or {_instead(found)}")


def parts_of_one(look: LintContext) -> Iterator[Problem]:
    """Yield RB348 for each exit of a part that, rounded up, is all of the structures there can be."""
    if look.plan.overwrite is not None:
        return
    count = look.plan.quantity
    for rule in look.spec.exits:
        part = rule.close_part
        if rule.enabled and part is not None and part < 1 and is_all(part, count):
            said = f"{(part * 100).normalize():f}% of {counted(count, 'structure')}"
            message = f"'{rule.name}' closes {said}, rounded up, and so the whole position"
            yield Problem("RB348", (*rule.path, "close"), message, "leave 'close' out, or enter more ('quantity')")


def uncovering(look: LintContext) -> Iterator[Problem]:
    """Yield RB355 for each exit that closes what covers an option, or shares, that it leaves."""
    told = set()
    for planned, rule in look.exit_rules():
        bare = left_bare(look.spec, planned.legs) if planned.legs and planned.roll is None else ()
        if bare and planned.written not in told:
            told.add(planned.written)
            message = f"'{planned.written}' closes {_words(planned.legs)} alone, and leaves {_words(bare)} uncovered"
            help_text = "close both, as 'close: all' does, or write 'undefined_risk: allow' under 'risk'"
            yield Problem("RB355", look.marked(rule), message, help_text)


def _says_what(written: Exit) -> bool:
    return written.close_all or written.close_part is not None or bool(written.close_legs)


def _words(legs: Legs) -> str:
    return "the whole position" if legs == WHOLE else " and ".join(legs)


def _instead(found: tuple[Legs, ...]) -> str:
    legs = next(legs for legs in found if legs != WHOLE)
    return f"'close: [{', '.join(legs)}]' for these alone"
