"""Orders of our own that an opening order would trade against."""

from collections.abc import Mapping, Sequence

from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import is_worthless_long, legs_to_close
from rulebot.core.queries.orders import RESTING
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, all_live_orders, governing
from rulebot.measure.view import LegView
from rulebot.model.contract import Option
from rulebot.model.order import Order
from rulebot.model.position import Position, PositionLeg

Legs = Sequence[LegView] | Sequence[PositionLeg]
"""What an entry is to open."""


def crossing_orders(work: StateBuilder, bot: CompiledBot, legs: Legs) -> tuple[str, ...]:
    """Return the refs of our resting orders for which the broker would refuse an entry of these legs."""
    alone, wanted = _alone(bot, legs), {leg.option: leg.sign for leg in legs}
    resting = (order for order in all_live_orders(work) if order.purpose in RESTING)
    return tuple(order.ref for order in resting if _deals_against(order, wanted if order.is_combo else alone))


def _alone(bot: CompiledBot, legs: Legs) -> dict[Option, int]:
    """Return, with their signs, the options that the bot enters by single-leg orders.

    The broker is believed to compare only single-leg orders. So combos and single legs do not yield to each other,
    except that a resting combo yields to any order: the engine watches its target meanwhile.
    """
    return {leg.option: leg.sign for leg in legs} if len(legs) == 1 or bot.plan.order.leg_by_leg else {}


def _deals_against(order: Order, signs: Mapping[Option, int]) -> bool:
    """Say whether an order trades one of these options on the other side; signs: + is bought."""
    return any(signs.get(leg.option, order.side_of(leg).sign) != order.side_of(leg).sign for leg in order.legs)


def opposing_exit(work: StateBuilder, bot: CompiledBot, legs: Legs) -> str:
    """Return the position whose exit closes what this entry would open, on the other side; "" if none.

    The broker would refuse the entry: an exit goes first, and what an entry was to be cleared for may lead to one.
    """
    wanted = _alone(bot, legs)
    leaving = (each for each in active_positions(work) if each.state == "exiting" and not each.is_frozen)
    opposed = (each.id for each in leaving if _closes(work, each, wanted))
    return next(opposed, "")


def _closes(work: StateBuilder, position: Position, signs: Mapping[Option, int]) -> bool:
    """Say whether the exit of a position closes an option that is held with this sign."""
    closing = (leg for leg, _ in legs_to_close(position, governing(work, position)))
    return any(signs.get(leg.option) == leg.sign and not is_worthless_long(work, leg) for leg in closing)
