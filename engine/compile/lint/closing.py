"""Exits whose parts judge different legs, so that their condition does not say what they close."""

from collections.abc import Iterator

from engine.compile.judged import WHOLE, Legs, judged_legs
from engine.compile.lint.look import Look
from engine.compile.problem import Problem
from engine.spec.nouns.exits import Exit


def closing_unsaid(look: Look) -> Iterator[Problem]:
    """Yield RB339 for an exit that judges some legs in one part and others, or all, in another, without `close`."""
    written = {each.name: each for each in look.spec.exits}
    for planned, rule in look.exit_rules():
        condition = written[planned.written].condition
        if condition is None or planned.each or _says_what(written[planned.written]):
            continue
        found = judged_legs(condition.test, rule.test)
        if len(found) > 1:
            parts = " and in another ".join(map(_words, found))
            message = f"'{planned.written}' judges in one part {parts}, so it closes the whole position"
            yield Problem("RB339", look.marked(rule), message, f"write 'close: all', or {_instead(found)}")


def _says_what(written: Exit) -> bool:
    return written.close_all or written.close_part is not None or bool(written.close_legs)


def _words(legs: Legs) -> str:
    return "the whole position" if legs == WHOLE else " and ".join(legs)


def _instead(found: tuple[Legs, ...]) -> str:
    legs = next(legs for legs in found if legs != WHOLE)
    return f"'close: [{', '.join(legs)}]' for these alone"
