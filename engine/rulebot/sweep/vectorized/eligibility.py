"""Which bots may run by arrays: those whose session has one entry, one exit and nothing between.

Anything not named here runs turn by turn. So does every single session that turns out not to be plain.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rulebot.backtest.fill_model import RECORDED, FillModel
from rulebot.backtest.look_ahead import carried_state
from rulebot.backtest.simulation import CASH
from rulebot.compile.data_needs import calls_of
from rulebot.compile.orders import needs_cash_for_puts
from rulebot.compile.plan import SINCE_ENTRY, Call, ExitPlan, LegPlan, Plan, Rule
from rulebot.core.program import AccountLimits, Program
from rulebot.evaluate.measure import context_of
from rulebot.fill.exit_level import net_of_whole
from rulebot.measure.listings import BAND
from rulebot.measures.volatility import class_of
from rulebot.model.contract import LOT
from rulebot.spec.nouns import StrikeBy
from rulebot.spec.spec import Order
from rulebot.sweep.vectorized.entry_window import OF_VOLATILITY, is_at_money, is_of_open, rising_to

OF_MARKET = frozenset(
    (
        *("spot", "vix", "vix9d", "vix1d", "vix3m", "vix_change", "move", "vix_spike", "gap", "day_range", "rv"),
        *("spx_spy_ratio", "session"),
    )
)
OF_STRUCTURE = frozenset(("quote_width", "credit", "debit", "strike", "dte", "max_risk"))
OF_MOVE = frozenset(("expected_move",))
OF_POSITION = OF_STRUCTURE | {"value", "cost", "profit", "loss", "leg_delta", "position_delta", "breach", "time"}
OF_CLOCK = OF_VOLATILITY | {"session"}
"""What changes between two instants of the data, where a bot judges on its own grid."""
SELECTORS = frozenset(
    (
        StrikeBy.DELTA,
        StrikeBy.EXPECTED_MOVE,
        StrikeBy.OTM,
        StrikeBy.AT_SPOT,
        StrikeBy.AT_LEG,
        StrikeBy.BELOW,
        StrikeBy.ABOVE,
    )
)
"""Whose choice is the same among the strikes that are streamed as among all that are listed, wherever that is asked."""
MOST_DELTA = Decimal("0.4")
"""The largest delta that is sure to be found among the options out of the money."""
HIGHEST_STRIKE = 30_000
"""More points than any index with options has."""
SHARED_LINES = 20
"""Lines that levels and options at the money take, besides the strikes around each leg."""


def unsuited(program: Program, fills: FillModel, shares: Sequence[tuple[str, int]] = (), cash: Decimal = CASH) -> str:
    """Return why the only bot of a program cannot run by arrays, "" when it can.

    shares: those in the account at the start. cash: its dollars.
    """
    return next(_reasons(program, fills, shares, cash), "")


def _reasons(program: Program, fills: FillModel, shares: Sequence[tuple[str, int]], cash: Decimal) -> Iterator[str]:
    (bot,) = program.bots.values()
    plan = bot.plan
    if carried := carried_state(program):
        yield f"its sessions are not apart, for {carried}"
    if program.require or any(_of_limits(program.limits, plan, cash)):
        yield "limits of the account"
    if shares:
        yield "shares that the account begins with"
    if fills == RECORDED:
        yield "recorded fills"
    asked = (
        ("universe", plan.members),
        ("choose", plan.choices),
        ("overwrite", plan.overwrite),
        ("size", plan.size),
        ("grow", plan.growth),
    )
    yield from (f"`{word}`" for word, is_there in asked if is_there)
    yield from _of_entry(plan)
    yield from _of_legs(plan, program.line_limit)
    is_timed = plan.entry.every is not None or plan.entry.again is not None
    for rule in (*plan.entry.when, *plan.require):
        if rule.confirm is not None:
            yield f"{rule.name} is confirmed"
        known = OF_MARKET | OF_STRUCTURE | OF_VOLATILITY | OF_MOVE
        yield from _of_rule(rule, known - (OF_CLOCK if is_timed else frozenset()))
        yield from _of_money(rule, plan)
    for planned in plan.exits:
        yield from _of_exit(planned)
    risk = plan.risk
    for rule in risk.halt_when:
        if rule.confirm is not None:
            yield f"{rule.name} is confirmed"
        yield from _of_rule(rule, OF_MARKET - OF_CLOCK | OF_MOVE)
        yield from _of_money(rule, plan)
        if any(map(is_at_money, calls_of(rule.test))):
            yield f"{rule.name} reads options at the money"
    guards = (
        ("require", risk.require),
        ("protect", risk.protect),
        ("max_time_without_stop", risk.max_time_without_stop is not None),
        ("at_daily_loss", risk.day.closes),
    )
    yield from (f"`{word}` under `risk`" for word, is_there in guards if is_there)
    needs = plan.needs
    read = (
        (needs.bars, "bars"),
        (needs.implied, "volatilities of a year"),
        (needs.beside, "options other than its legs"),
        (needs.bots, "other bots"),
        (needs.hooks, "web hooks"),
        (needs.extras, "volume, open interest and the like"),
    )
    yield from (f"it reads {words}" for is_there, words in read if is_there)


def _of_limits(limits: AccountLimits, plan: Plan, cash: Decimal) -> Iterator[bool]:
    """Yield for each kind of limit over all bots whether it may bind a bot that runs alone, with one entry a day.

    Strikes are taken to be at most 30,000. A loss of the day halts nothing more once the only entry was made, if that
    entry can lose no more than the limit.
    """
    contracts = sum(leg.ratio for leg in plan.legs if not leg.is_shares) * plan.quantity
    yield any(each is not None for each in (limits.worst_case, limits.margin, limits.daily_profit))
    yield bool(limits.net)
    yield limits.daily_loss is not None and (limits.at_daily_loss or not _loses_less(plan, limits.daily_loss))
    yield limits.entries_per_day is not None and limits.entries_per_day < plan.entry.per_day
    yield limits.max_structures_per_order is not None and plan.quantity > limits.max_structures_per_order
    yield limits.max_contracts_per_order is not None and contracts > limits.max_contracts_per_order
    notional, times = contracts * LOT * HIGHEST_STRIKE, limits.max_notional_times
    yield limits.max_notional_per_order is not None and notional > limits.max_notional_per_order
    yield times is not None and notional > times * cash / 2  # what the account may lose of it in a session
    yield limits.cash_secured_puts is not None and needs_cash_for_puts(plan)


def _loses_less(plan: Plan, limit: Decimal) -> bool:
    most = plan.risk.max_loss_per_trade
    return plan.entry.per_day == 1 and most is not None and most < limit


def _of_entry(plan: Plan) -> Iterator[str]:
    entry = plan.entry
    if len(entry.windows) > 1:
        yield "several windows"
    if entry.once:
        yield "`try: once`"
    if entry.again is not None and entry.per_day > 1:
        yield "several entries a day"
    yield from _of_order("entry", plan.order)


def _of_order(name: str, order: Order) -> Iterator[str]:
    asked = (("adaptive", order.adaptive), ("leg_by_leg", order.leg_by_leg), ("pause", order.pause))
    yield from (f"{name} has an order with `{word}`" for word, is_there in asked if is_there)


def _of_legs(plan: Plan, lines: int) -> Iterator[str]:
    if len({(leg.symbol, leg.trading_class) for leg in plan.legs}) > 1:
        yield "legs of several classes"
    for leg in plan.legs:
        yield from _of_leg(leg)
    if 2 * (2 * BAND + 1) * len(plan.legs) + SHARED_LINES > lines:  # around what is asked for, and what is taken
        yield f"{lines} market data lines, which may not do"


def _of_leg(leg: LegPlan) -> Iterator[str]:
    strike = leg.strike
    if strike.by is StrikeBy.DELTA and (strike.target or 0) > MOST_DELTA:
        yield f"{leg.name} has a delta above {MOST_DELTA}"
    if strike.by not in SELECTORS:
        yield f"{leg.name} is shares" if leg.is_shares else f"{leg.name} is chosen by `{strike.by.value}`"
    if leg.ratio != 1:
        yield f"{leg.name} has a ratio of {leg.ratio}"
    bounds = (("min_strike", leg.min_strike), ("max_strike", leg.max_strike))
    yield from (f"{leg.name} has `{word}`" for word, bound in bounds if bound is not None)


def _of_rule(rule: Rule, known: frozenset[str]) -> Iterator[str]:
    if rule.max_age is not None:
        yield f"{rule.name} has a greatest age"
    for call in calls_of(rule.test):
        if call.measure not in known and not _is_daily(call):
            yield f"{rule.name} reads {call.measure}"
        if dict(call.arguments).get("since") == SINCE_ENTRY:
            yield f"{rule.name} counts from the entry"


def _of_money(rule: Rule, plan: Plan) -> Iterator[str]:
    """Yield what keeps a rule out that reads options at the money."""
    calls = list(calls_of(rule.test))
    own, context = plan.legs[0], context_of(plan)
    read = [str(call.argument("of")) for call in calls if is_at_money(call) or is_of_open(call)]
    if any(symbol != own.symbol or class_of(symbol, context) != own.trading_class for symbol in read):
        yield f"{rule.name} reads options of another class"
    if any(call.measure == "expected_move" and call.argument("method") == "iv" for call in calls):
        yield f"{rule.name} reads the expected move by implied volatility"
    if any(call.measure in OF_VOLATILITY for call in calls) and rising_to(rule.test) is None:
        yield f"{rule.name} compares a volatility with more than one number"


def _is_daily(call: Call) -> bool:
    """Say whether it asks for events of the whole day."""
    arguments = dict(call.arguments)
    reported = [arguments.get(name) for name in ("before", "after", "until")]
    return call.measure in ("event", "no_event") and not any(reported)


def _of_exit(planned: ExitPlan) -> Iterator[str]:
    if planned.roll is not None:
        yield f"{planned.name} rolls"
    if planned.resting:
        yield f"{planned.name} rests at the broker"
    if planned.each or planned.legs or planned.part is not None:
        yield f"{planned.name} closes a part"
    if planned.is_target_price and (planned.compares is None or net_of_whole(planned.compares, 1.0) is None):
        yield f"{planned.name} is a target in dollars, of max_risk or of some legs"
    if planned.activate_when:
        yield f"{planned.name} waits until it is armed"
    yield from _of_order(planned.name, planned.order)
    if planned.rule is not None:
        yield from _of_rule(planned.rule, OF_POSITION | OF_MARKET)
