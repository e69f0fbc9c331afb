"""Lint: what is legal and unlikely. `accept: {RB310: reason}` switches a warning off for one spec."""

from collections.abc import Iterator

from engine.compile.orders import exit_order_of
from engine.compile.plan import ExitPlan
from engine.compile.problem import CODES, Problem, did_you_mean
from engine.spec.spec import Exit, Spec, Start

WARNINGS = tuple(code for code in CODES if code.startswith("RB3"))
_QUOTED = ("legs", "spot", "strikes", "index")


def lint(spec: Spec, exits: tuple[ExitPlan, ...]) -> Iterator[Problem]:
    """Yield the warnings of a spec, whether accepted or not."""
    by_name = {plan.name: plan for plan in exits}
    for rule in spec.exits:
        if rule.name in by_name:
            yield from _one_reading(rule, by_name[rule.name], spec)


def _one_reading(rule: Exit, plan: ExitPlan, spec: Spec) -> Iterator[Problem]:
    order = rule.order or exit_order_of(spec)
    if plan.rule is None or rule.resting or order.start is not Start.MARKET or plan.rule.confirm is not None:
        return
    if any(name.partition(":")[0] in _QUOTED for name in plan.rule.reads):
        message = (
            f"'{rule.name}' sends a market order on one reading: one broken quote can close a position at any price"
        )
        where = (*rule.path, "order") if rule.order is not None else rule.path
        yield Problem("RB310", where, message, "add 'confirm: 2 quotes', or accept it: 'accept: {RB310: \"reason\"}'")


def unaccepted(spec: Spec, warnings: list[Problem], others: frozenset[str]) -> list[Problem]:
    """Return the warnings that no `accept` switches off, and RB300 for every `accept` that switches off none.

    `others` are codes of warnings found elsewhere (by the reader of the document).
    """
    found = {warning.code for warning in warnings} | others
    left = [warning for warning in warnings if warning.code not in spec.accept]
    for code in spec.accept:
        if code not in found:
            message = f"'{code}' is accepted, and nothing in this spec warns of it"
            known = did_you_mean(code, WARNINGS) if code not in WARNINGS else "take it away"
            left.append(Problem("RB300", ("accept", code), message, known, None, True))
    return left
