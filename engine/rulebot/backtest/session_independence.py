"""May the sessions of a backtest be lived through apart from each other, and so side by side?

They may when nothing is carried from one to the next: every structure is of index options that end on their day, no
size and no condition depends on the account, no cap counts over several sessions, and the account holds no shares.
"""

from collections.abc import Collection, Iterator

from rulebot.compile.plan import Plan, Rule
from rulebot.compile.reads import calls_of
from rulebot.compile.size import needs_cash_for_puts
from rulebot.compile.universe import rules_of_members
from rulebot.core.program import Program
from rulebot.model.contract import OPENING_CLASSES, Settlement, product
from rulebot.spec.nouns.legs import DteRule

OF_ACCOUNT = frozenset(("net_liquidation", "buying_power"))
"""Measures of what the sessions before have made."""


def is_independent(program: Program, shares: Collection[object] = ()) -> bool:
    """Say whether neither a bot of a program nor its account carries anything over a night.

    shares: those that the account begins with: they have their cost from then on, and make and lose on every day.
    """
    return not shares and not carried_state(program)


def carried_state(program: Program) -> str:
    """Return what a program may carry from one session to the next, in words, "" when that is nothing."""
    return next(_carried(program), "")


def _carried(program: Program) -> Iterator[str]:
    limits = program.limits
    counts = (limits.margin, limits.worst_case, limits.max_notional_times)
    if any(each is not None for each in counts) or program.require:
        yield "limits of the account"
    for bot in program.bots.values():
        plan = bot.plan
        for structure in plan.structures_of_all():
            yield from _outliving(structure)
        if plan.size is not None or plan.overwrite is not None:
            yield "a size that is counted by the account"
        if plan.growth is not None:
            yield "a size that grows with compliant sessions"
        if plan.entry.per_week is not None:
            yield "a cap of the week"
        for measure in (call.measure for rule in _rules(plan) for call in calls_of(rule.test)):
            if measure in OF_ACCOUNT:
                yield f"a condition on {measure}"
        if limits.cash_secured_puts is not None and any(map(needs_cash_for_puts, plan.structures_of_all())):
            yield "the cash for short puts"


def _outliving(plan: Plan) -> Iterator[str]:
    for planned in plan.exits:
        if planned.roll is not None:
            yield f"{planned.name}, which rolls"
    for leg in plan.legs:
        if leg.is_shares or product(leg.symbol).settlement is Settlement.SHARES:
            yield f"shares of {leg.symbol}"
        elif leg.expiry.days[-1] or leg.expiry.rule not in (DteRule.EXACT, DteRule.AT_MOST):
            yield f"{leg.name}, which may be of a later day"
        elif leg.trading_class in OPENING_CLASSES:
            yield f"{leg.name}, which settles in the morning after its last session"


def _rules(plan: Plan) -> Iterator[Rule]:
    """Yield every condition of a bot."""
    yield from (*plan.entry.when, *plan.risk.halt_when, *plan.risk.require, *rules_of_members(plan))
    for choice in plan.choices:
        yield from choice.when
    for structure in plan.structures_of_all():
        yield from structure.require
        for planned in structure.exits:
            yield from (*planned.armed_by, *(() if planned.rule is None else (planned.rule,)))
