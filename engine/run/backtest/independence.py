"""May the sessions of a backtest be lived through apart from each other, and so side by side?

They may when nothing is carried from one to the next: every structure is of index options that end on their day, no
size and no condition depends on the account, and no cap counts over several sessions.
"""

from collections.abc import Iterator

from engine.compile.plan import Plan, Rule
from engine.compile.reads import calls_of
from engine.compile.universe import rules_of_members
from engine.model.contract import Settlement, product
from engine.run.backtest.ending import AT_THE_OPEN
from engine.spec.nouns.legs import DteRule
from engine.turn.program import Program

OF_ACCOUNT = frozenset(("net_liquidation", "buying_power"))
"""Measures of what the sessions before have made."""


def is_independent(program: Program) -> bool:
    """Say whether no bot of a program carries anything over a night."""
    plans = [bot.plan for bot in program.bots.values()]
    structures = [plan for bot in plans for plan in bot.structures_of_all()]
    limits = program.limits
    counts = (limits.margin, limits.worst_case_at_expiry, limits.cash_secured_puts)
    is_of_account = any(each is not None for each in counts) or bool(program.require)
    return not is_of_account and all(_ends_today(plan) for plan in structures) and all(map(_starts_fresh, plans))


def _ends_today(plan: Plan) -> bool:
    return all(planned.roll is None for planned in plan.exits) and all(
        not leg.is_shares
        and leg.expiry.days[-1] == 0
        and leg.expiry.rule in (DteRule.EXACT, DteRule.AT_MOST)
        and product(leg.symbol).settlement is not Settlement.SHARES
        and leg.trading_class not in AT_THE_OPEN
        for leg in plan.legs
    )


def _starts_fresh(plan: Plan) -> bool:
    is_free = all(call.measure not in OF_ACCOUNT for rule in _rules(plan) for call in calls_of(rule.test))
    return is_free and plan.size is None and plan.overwrite is None and plan.entry.per_week is None


def _rules(plan: Plan) -> Iterator[Rule]:
    """Yield every condition of a bot."""
    yield from (*plan.entry.when, *plan.risk.halt_when, *plan.risk.require, *rules_of_members(plan))
    for choice in plan.choices:
        yield from choice.when
    for structure in plan.structures_of_all():
        yield from structure.require
        for planned in structure.exits:
            yield from (*planned.armed_by, *(() if planned.rule is None else (planned.rule,)))
