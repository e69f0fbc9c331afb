"""What an entry in steps (`leg_by_leg`) loses when a later leg does not fill: the legs before it are closed again.

Both functions count the bid-ask spread of the moment and all commissions. The market may move before the sale.
"""

from collections.abc import Iterable
from decimal import Decimal

from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.measure.view import LegView
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import GroupedLeg, most_commissions
from rulebot.model.money import ZERO, dollars
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import Part, limited_at, net_quote, start_net
from rulebot.spec.spec import Order as Ladder


def legging_problem(work: StateBuilder, bot: CompiledBot, legs: Iterable[LegView], quantity: int) -> str:
    """Return why these legs may not be entered one by one under `max_loss_per_trade`, "" when they may.

    All legs but the last count, each at the first price of its order.
    """
    sequence, limit = bot.plan.order.leg_by_leg, bot.plan.risk.max_loss_per_trade
    if not sequence or limit is None:
        return ""
    by_name = {leg.name: leg for leg in legs}
    first = [by_name[name] for name in sequence[:-1]]
    opening, closing = [_opening(work, bot.plan.order, leg) for leg in first], _closing(work, first)
    if closing is None:
        return ""  # the order has no price either
    loss = (-closing - sum(opening, ZERO)) * LOT * quantity + most_commissions(first) * quantity
    if loss <= limit:
        return ""
    words = f"if {sequence[-1]} does not fill, closing {', '.join(sequence[:-1])} again would lose {dollars(loss)}"
    return f"{words}, max_loss_per_trade is {dollars(limit)}"


def legging_floor(
    work: StateBuilder, bot: CompiledBot, position: Position, leg: PositionLeg, opened: list[PositionLeg]
) -> Decimal | None:
    """Return the least net price (+ received) per share of one piece of `leg`, which is not the last; None without one.

    opened: the legs that have filled before it.
    """
    limit, closing = bot.plan.risk.max_loss_per_trade, _closing(work, [*opened, leg])
    if limit is None or closing is None:
        return None
    fees = most_commissions([*opened, leg]) * position.quantity
    return (-closing - received(opened) - (limit - fees) / (LOT * position.quantity)) / leg.price_multiplier


def received(legs: Iterable[PositionLeg]) -> Decimal:
    """Return what opening these legs brought (- paid), per share of one structure. Each of them has filled."""
    return sum((leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier) for leg in legs), ZERO)


def _opening(work: StateBuilder, ladder: Ladder, leg: GroupedLeg) -> Decimal:
    """Return the net price of the first order of a leg, per share of one structure."""
    parts = (Part(leg.option, -leg.sign, 1),)
    quote = net_quote(parts, work.market.board, work.now, reported=work.market.facts.ticks)
    start = start_net(ladder, quote, parts)
    net = limited_at(ladder, None if start is None else float(start), quote) or 0.0
    return Decimal(f"{net:.4f}") * leg.price_multiplier


def _closing(work: StateBuilder, legs: Iterable[GroupedLeg]) -> Decimal | None:
    """Return what closing these legs at once brings per share of one structure; None without sound quotes."""
    parts = tuple(Part(leg.option, leg.sign, leg.price_multiplier) for leg in legs)
    natural = net_quote(parts, work.market.board, work.now, closing=True, sells_dead=True).natural
    return None if natural is None else Decimal(f"{natural:.4f}")
