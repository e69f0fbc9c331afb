"""What a scan shows of each structure beside its legs: measures of the language, read as a rule would read them.

A plan is widened by what they read, so that the lines, the chains and the history for them are asked for too.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from rulebot.compile.measures.measure import Place, Takes
from rulebot.compile.plan import Call, LegPlan, Plan, Quantity
from rulebot.compile.problem import Fault
from rulebot.compile.reads import needs_of, needs_together
from rulebot.compile.scope import Scope, call_of, measure_named
from rulebot.core.program import compile_bot
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import MisuseError
from rulebot.model.pool import ValuePool
from rulebot.spec.nouns.condition import Word
from rulebot.spec.nouns.legs import Leg, Side, StrikeBy

MEASURES = (
    "dte",
    "iv",
    "iv_rank",
    "iv_percentile",
    "volume",
    "open_interest",
    "quote_width",
    "probability_of_profit",
    "probability_in_the_money",
    "return_on_risk",
    "crowding",
)
"""Those that every row has, by their names in the language."""
NEAR = Decimal("0.45")
"""The delta from which on a leg counts as near the money."""
OWING = "RB207"
"""The code of a measure that lacks an argument."""
LOWEST_FIRST = frozenset(
    ("quote_width", "dte", "max_risk", "debit", "leg_delta", "leg_gamma", "probability_in_the_money")
)
"""Measures of which less is better, to be sorted by."""


def calls(plan: Plan, more: str = "") -> Mapping[str, Call]:
    """Return the measures of a structure, and `more`, as far as it has them. Raises: MisuseError for no such measure.

    Of several underlyings the first is meant; counts and widths are those of all legs. What a rule reads of the short
    legs is read of them here too, of all legs where none is sold.
    """
    found = {name: call for name in MEASURES if (call := _call(name, plan)) is not None}
    if more and more not in found:
        found[more] = _wanted(more, plan)
    return found


def _call(name: str, plan: Plan) -> Call | None:
    if name == "crowding" and any(_is_near(leg) for leg in plan.legs):
        return None
    try:
        return _resolved(name, plan)
    except Fault:
        return None  # it has no meaning for this structure, such as a probability of two underlyings


def _is_near(leg: LegPlan) -> bool:
    """Say whether a leg is looked for at, or in, the money.

    Where its strike lies is guessed from what streams out of the money, as soon as anything does; the options that
    crowding reads there would lead the guess away from it.
    """
    return leg.strike.by is StrikeBy.DELTA and (leg.strike.target or 0) >= NEAR


def _wanted(name: str, plan: Plan) -> Call:
    such = f"such as {', '.join(MEASURES[:4])}"
    try:
        found = _resolved(name, plan)
    except Fault as fault:
        help = f"it takes measures that need no argument, {such}" if fault.problem.code == OWING else fault.problem.help
        raise MisuseError(f"--sort: {fault.problem.message}", help or None) from None
    if found.quantity in (Quantity.TRUTH, Quantity.TEXT):
        raise MisuseError(f"--sort: '{name}' is no number", such)
    return found


def _resolved(name: str, plan: Plan) -> Call:
    scope = Scope(Place.REQUIRE, plan.underlyings, {leg.name: _leg(leg) for leg in plan.legs}, {}, {})
    measure = measure_named(name, scope, ())
    of = next((each for each in measure.parameters if each.name == "of"), None)
    if of is not None and of.takes is Takes.SYMBOL:
        return call_of(measure, {"of": Word(plan.underlyings[0])}, scope, ())
    if of is not None and of.takes is Takes.LEGS:
        is_of_sold = of.default == "short_legs" and any(leg.sign < 0 and not leg.is_shares for leg in plan.legs)
        return call_of(measure, {"of": Word("short_legs" if is_of_sold else "all")}, scope, ())
    return call_of(measure, {}, scope, ())


def _leg(leg: LegPlan) -> Leg:
    side = Side.BUY if leg.sign > 0 else Side.SELL
    right = "shares" if leg.is_shares else leg.right.value
    return Leg(name=leg.name, side=side, right=right, underlying=leg.symbol, strike=leg.strike, path=())


def widened(desk: LoadedBots, more: str = "") -> LoadedBots:
    """Return the same bots, asking for what a scan shows of them too. Raises: MisuseError."""
    pool = ValuePool()
    return replace(desk, bots={name: compile_bot(_widened(bot.plan, more), pool) for name, bot in desk.bots.items()})


def _widened(plan: Plan, more: str) -> Plan:
    """Return the plan, and those of its symbols and alternatives, with the needs of what is shown."""
    choices = tuple(replace(each, plan=_widened(each.plan, more)) for each in plan.choices)
    members = tuple(replace(each, plan=_widened(each.plan, more)) for each in plan.members)
    parts = [*(each.plan.needs for each in choices), *(each.plan.needs for each in members)]
    if not parts:
        parts = [needs_of((), plan.legs, plan.expiry, tuple(calls(plan, more).values()), plan.underlyings[0])]
    return replace(plan, choices=choices, members=members, needs=needs_together((plan.needs, *parts)))
