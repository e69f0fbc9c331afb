"""Price limits: how far an entry's price may step, by the bounds of `require` and by the possible loss.

A numeric bound on credit or debit is a price. Other conditions of `require` that depend on the order's price are judged
at each price between the start and the price of a try, by the current market.
"""

from collections.abc import Iterable
from decimal import Decimal

from rulebot.compile.data_needs import price_free_parts
from rulebot.compile.plan import Call, Compare, Constant, Op, ProtectPlan, Quantity, Rule, Truth
from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.queries.legged_entry import legging_floor, received
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import legs_seen, live_orders_of, view_of
from rulebot.decide.limits import Priced, floor_of
from rulebot.measure.view import LegView, View
from rulebot.model.commission import broker_part, estimate
from rulebot.model.contract import LOT, Option
from rulebot.model.loss_bound import min_proceeds, most_commissions
from rulebot.model.money import ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import Bound, Holds, Part, costs, net_quote, start_net
from rulebot.spec.spec import Order as Ladder
from rulebot.spec.spec import Size

_LEAST = (Op.AT_LEAST, Op.ABOVE, Op.BETWEEN)
_MOST = (Op.AT_MOST, Op.BELOW, Op.BETWEEN)
_STRICTLY = Decimal("0.000001")
"""What makes a bound that must be passed one that may be met: the next tick follows."""


def entry_bound(work: StateBuilder, bot: CompiledBot, position: Position, legs: tuple[PositionLeg, ...]) -> Bound:
    """Return how far the net price (+ received) of an order of `legs` may go.

    That of all legs is per share of one structure, that of a single leg per share of one piece of it. When legs go one
    after the other the bound is the whole structure's; it binds the last of them, by what the ones before were filled
    at. Those are bound by what closing them again would lose.
    """
    others = [leg for leg in position.legs if leg.name not in {each.name for each in legs}]
    opened = [leg for leg in others if leg.opened]
    if len(opened) < len(others):
        return Bound(legging_floor(work, bot, position, legs[0], opened))
    commission = _commission(position, work, leg_by_leg=bool(bot.plan.order.leg_by_leg))
    floor = _structure_floor(bot, position, work, commission)
    holds = holds_at(bot.priced, _entering(work, bot, position, commission), is_started=position.has_fills)
    if len(legs) > 1:
        return Bound(floor, holds, None if position.entry_mid is None else costs(position.entry_mid))
    got, price_multiplier = received(others), legs[0].price_multiplier
    of_piece = None if holds is None else lambda net: holds(got + net * price_multiplier)
    return Bound(None if floor is None else (floor - got) / price_multiplier, of_piece)


def holds_at(priced: tuple[CompiledRule, ...], view: View, *, is_started: bool = False) -> Holds | None:
    """Return what says whether conditions hold with an order at a net price per share of one structure.

    None where no condition depends on it. What only the broker's answer on margin could decide is passed over, and
    once a part of the entry has filled (`is_begun`) all that is unknown: the rest is not held up by it.
    """
    if not priced:
        return None

    def holds(net: Decimal) -> bool:
        offered = view.offering(float(net))
        return all(_is_met(compiled, offered, is_started=is_started) for compiled in priced)

    return holds


def _is_met(compiled: CompiledRule, offered: View, *, is_started: bool) -> bool:
    truth = compiled.judge(offered).truth
    return truth is True or (truth is None and (is_started or "margin" in compiled.rule.reads))


def _entering(work: StateBuilder, bot: CompiledBot, position: Position, commission: Decimal) -> View:
    """Return the view of a structure that is being entered."""
    view = view_of(work)
    view.legs = legs_seen(work, position)
    view.is_covered = bot.plan.overwrite is not None
    view.quantity, view.commission = position.quantity, float(commission)
    return view


def _structure_floor(bot: CompiledBot, position: Position, work: StateBuilder, commission: Decimal) -> Decimal | None:
    shares = LOT * position.quantity
    least = min_proceeds(position.legs, is_covered=bot.plan.overwrite is not None)
    stated = stated_floor((compiled.rule for compiled in bot.require), shares, commission)
    fees = most_commissions(position.legs)
    of_risk = risk_floor(bot.plan.risk.max_loss_per_trade, least, shares, fees * position.quantity)
    whole = min_proceeds(position.legs)
    worth = work.market.facts.account.net_liquidation
    sized = size_floor(bot.plan.size, position.quantity, whole, commission, fees, worth)
    protect, seen = bot.plan.risk.protect, legs_seen(work, position)
    unhit = None if position.structures else unhit_floor(protect, bot.plan.order, seen, work)
    return max((floor for floor in (stated, of_risk, sized, unhit) if floor is not None), default=None)


def unhit_floor(
    protect: ProtectPlan | None, ladder: Ladder, legs: Iterable[LegView], work: StateBuilder
) -> Decimal | None:
    """Return the price from which on no protective stop would be hit as soon as it rests, None without one.

    Only those that count by the credit of the structure may be. What a ladder would start to buy brings no credit, and
    has no stop.
    """
    if protect is None or not protect.of_whole:
        return None
    legs, board = tuple(legs), work.market.board
    parts = tuple(Part(leg.option, -leg.sign, leg.price_multiplier) for leg in legs)
    first = start_net(ladder, net_quote(parts, board, work.now), parts)
    if first is None or first <= 0:
        return None
    bids = board.bid
    sold = [leg for leg in legs if leg.sign < 0 and not leg.option.is_share and leg.row >= 0 and bids[leg.row] > 0]
    floors = (Decimal(f"{bids[leg.row]:.4f}") * leg.ratio / protect.times + _STRICTLY for leg in sold)
    return max(floors, default=None)


def size_floor(
    size: Size | None,
    quantity: int,
    least: Decimal | None,
    commission: Decimal,
    fees: Decimal,
    net_liquidation: Decimal | None,
) -> Decimal | None:
    """Return the price below which this many structures exceed the sizing rule.

    least: the least that closing one structure brings, per share, None without a bound. commission: dollars of opening.
    fees: the most dollars of opening and closing one structure.
    """
    if size is None:
        return None
    worst = None if least is None else -least  # below 0 where a put keeps up what shares are worth
    one = Priced(net=ZERO, worst=worst, shares=LOT, commission=lambda _: commission, fees=fees)
    return floor_of(size, quantity, one, net_liquidation)


def stated_floor(require: Iterable[Rule], shares: int, commission: Decimal) -> Decimal | None:
    """Return the least net price (+ received) per share of one structure that `require` allows, None without a bound.

    Units: `shares` of the whole position, `commission` the dollars of opening it.
    """
    tests = (test for rule in require for test in price_free_parts(rule.test))
    return max((floor for test in tests if (floor := _floor_of(test, shares, commission)) is not None), default=None)


def risk_floor(limit: Decimal | None, least: Decimal | None, shares: int, fees: Decimal) -> Decimal | None:
    """Return the price below which the worst case would pass `max_loss_per_trade`, None without one.

    least: what closing one structure brings at least, per share, None without a bound. fees: the most dollars of
    opening and closing all of them.
    """
    if limit is None or least is None:
        return None
    return -least - (limit - fees) / shares


def _floor_of(test: Truth, shares: int, commission: Decimal) -> Decimal | None:
    if not isinstance(test, Compare) or not isinstance(test.left, Call):
        return None
    bound: Decimal | None = None
    if test.left.measure == "credit" and test.op in _LEAST and isinstance(test.right[0], Constant):
        bound = Decimal(f"{test.right[0].value:.6f}")
    elif test.left.measure == "debit" and test.op in _MOST and isinstance(test.right[-1], Constant):
        bound = -Decimal(f"{test.right[-1].value:.6f}")
    if bound is None:
        return None
    if test.left.quantity is Quantity.DOLLARS:
        bound = (bound + commission) / shares
    return bound + (_STRICTLY if test.op in (Op.ABOVE, Op.BELOW) else ZERO)


def _commission(position: Position, work: StateBuilder, *, leg_by_leg: bool) -> Decimal:
    """Return the dollars of opening commissions: paid so far, and estimated for the unfilled contracts.

    One order per underlying, or per leg; fills of the working one count towards its minimum.
    """
    orders: dict[str, list[tuple[Option, int, float]]] = {}
    filled: dict[str, list[tuple[Option, int, float]]] = {}
    at_work = {
        leg.name: count
        for order in live_orders_of(work, position.id)
        if order.opens(position.id)
        for leg, count in zip(order.legs, order.counts, strict=True)
    }
    for leg in position.legs:
        key = leg.name if leg_by_leg else leg.option.symbol
        if count := min(at_work.get(leg.name, 0), leg.opened):
            price = abs(leg.entry_cash) / (leg.opened * leg.option.multiplier)
            filled.setdefault(key, []).append((leg.option, count, float(price)))
        missing = leg.ratio * position.quantity - leg.opened
        if missing > 0:
            row = work.market.board.rows.get(leg.option, -1)
            ask = work.market.board.ask[row] if row >= 0 else 0.0
            orders.setdefault(key, []).append((leg.option, leg.sign * missing, ask if ask == ask else 0.0))
    due = (estimate(parts, broker_part(filled.get(key, ()))) for key, parts in orders.items())
    return position.commissions + sum(due, ZERO)
