"""May the sessions of a backtest be lived through apart from each other, and so side by side?

They may when nothing is carried from one to the next: every structure is of index options that end on their day, no
size depends on the account, and no cap counts over several sessions.
"""

from engine.compile.plan import Plan
from engine.model.contract import Settlement, product
from engine.run.backtest.ending import AT_THE_OPEN
from engine.spec.nouns.legs import DteRule
from engine.turn.program import Program


def is_independent(program: Program) -> bool:
    """Say whether no bot of a program carries anything over a night."""
    plans = [bot.plan for bot in program.bots.values()]
    structures = [plan for bot in plans for plan in bot.structures_of_all()]
    limits = program.limits
    counts = (limits.margin, limits.worst_case_at_expiry, limits.cash_secured_puts)
    is_of_account = any(each is not None for each in counts) or bool(program.require)
    return not is_of_account and all(_ends_today(plan) for plan in structures) and all(map(_starts_fresh, plans))


def _ends_today(plan: Plan) -> bool:
    return all(
        not leg.is_shares
        and leg.expiry.days[-1] == 0
        and leg.expiry.rule in (DteRule.EXACT, DteRule.AT_MOST)
        and product(leg.symbol).settlement is not Settlement.SHARES
        and leg.trading_class not in AT_THE_OPEN
        for leg in plan.legs
    )


def _starts_fresh(plan: Plan) -> bool:
    return plan.size is None and plan.overwrite is None and plan.entry.per_week is None
