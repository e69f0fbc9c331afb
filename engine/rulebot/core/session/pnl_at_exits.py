"""What positions would make at their targets and their stops, in dollars: the book-wide profit and loss of the page."""

from collections.abc import Sequence
from decimal import Decimal

from rulebot.compile.plan import ExitPlan
from rulebot.core.program import CompiledBot
from rulebot.core.queries.resting_order import net_of, resting_net
from rulebot.fill.exit_level import level_net
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import max_loss
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.spec.exit_kinds import ExitKind


def dollars_at(bot: CompiledBot, position: Position, kind: ExitKind, orders: Sequence[Order] = ()) -> Decimal | None:
    """Return the dollars that the trade makes at the first exit of a kind that has a price, None without one.

    It is of the whole trade, closed legs included, and of exits that may still act; a stop loses no more than the
    trade can lose. None of what an exit has left to expire: none acts on it. `bot` governs the position; orders: those
    of it that rest at the broker. Commissions are left out, as in every price of an exit.
    """
    if position.waits_for_expiry:
        return None
    for planned in bot.plan.exits:
        if (
            _is_alike(planned.kind, kind)
            and not has_acted(position, planned)
            and (level := _net_at(position, planned, orders)) is not None
        ):
            made = position.gross + level * position.open_structures * LOT
            worst = max_loss(position) if kind.limits_loss else None
            return made if worst is None else max(made, -worst)
    return None


def _is_alike(one: ExitKind, other: ExitKind) -> bool:
    return one.takes_profit == other.takes_profit and one.limits_loss == other.limits_loss


def _net_at(position: Position, planned: ExitPlan, orders: Sequence[Order]) -> Decimal | None:
    """Return the signed net price per share at which an exit closes a position, - is paid.

    Of one that rests it is the price of its order, or that on the tick which its order would have.
    """
    net = level_net(position, planned)
    if net is None or position.is_flat or not planned.resting:
        return net
    order = next((order for order in orders if order.reason == planned.name), None)
    rests = resting_net(position, planned) if order is None else net_of(position, order)
    return net if rests is None else rests


def open_count(position: Position) -> int:
    """Return how many structures are open of the leg that has most left: by it a snapshot's greeks are multiplied."""
    return max((leg.held // leg.ratio for leg in position.legs if leg.held), default=0)


def has_acted(position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit does not act any more: it has closed its part, or other exits have closed its legs."""
    if planned.legs and not any(leg.held for leg in position.legs if leg.name in planned.legs):
        return not position.is_flat
    return planned.name in position.acted and not planned.repeat and planned.name != position.exit_reason
