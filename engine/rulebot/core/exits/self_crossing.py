"""Self-crossing: orders of ours on both sides of one option. Resting orders yield to entries and exits.

The broker refuses an order while one on the other side works in the same option (requirement A4). The engine watches
the prices of cancelled resting orders and places them again as soon as the contract is free.
"""

from collections.abc import Sequence
from datetime import datetime

from rulebot.core.emit.orders import cancel_order
from rulebot.core.exits.bracket_orders import place_resting, withdraw_resting
from rulebot.core.exits.protective_stops import place_protection
from rulebot.core.facts import EntryCrosses
from rulebot.core.queries.crossing import _alone, _closes, _deals_against
from rulebot.core.queries.orders import RESTING, has_expired, is_against_exit, is_between_sessions, resting_orders
from rulebot.core.queries.protection import is_paused
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_position, set_wake
from rulebot.core.state.lists import active_positions, all_live_orders, governing, is_about_to_enter
from rulebot.core.state.state import State
from rulebot.model.cause import Cause
from rulebot.model.contract import Option
from rulebot.model.order import Order, OrderLeg, Purpose, Side
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.record.record import Kind


def crossing_entries(work: StateBuilder, position: Position) -> list[Order]:
    """Return entries of one leg that would make the broker refuse what the exit of this position is to send."""
    entries = (order for order in all_live_orders(work) if order.purpose is Purpose.ENTRY and not order.is_combo)
    others = (order for order in entries if order.position != position.id)
    return [order for order in others if _closes(work, position, {order.legs[0].option: order.side.sign})]


def give_way_to_entry(work: StateBuilder, fact: EntryCrosses) -> None:
    """Cancel resting orders that would cross an entry; the engine watches their prices meanwhile."""
    _give_way(work, [work.orders.by_ref[ref] for ref in fact.refs], "an entry")


def clear_for_exit(work: StateBuilder, position: Position, legs: Sequence[OrderLeg]) -> bool:
    """Cancel resting orders of other positions that would cross a closing order; say whether none remains.

    A protective stop stays when a long leg is sold: that leg can lose at most its value, a short leg without its stop
    more.
    """
    signs = {leg.option: leg.side.sign for leg in legs}
    against = [
        order
        for order in all_live_orders(work)
        if order.position != position.id and order.purpose in RESTING and _deals_against(order, signs)
        if order.is_combo or (len(legs) == 1 and not _guards(order, legs[0].side))
    ]
    _give_way(work, against, "an exit")
    return not against


def _guards(order: Order, side: Side) -> bool:
    """Say whether an order is a protective stop, and a long leg is to be sold."""
    return order.purpose is Purpose.PROTECT and side is Side.SELL


def _give_way(work: StateBuilder, orders: Sequence[Order], to: str) -> None:
    """Cancel these and all resting orders of their positions; those sent at this instant a moment later.

    An order is recorded before the broker receives it, as one that is sent.
    """
    for name in dict.fromkeys(order.position for order in orders):
        position = work.positions.by_id[name]
        if any(order.sent_at == work.at for order in resting_orders(work, name)):
            wake(work, position.bot, 1.0)
            continue
        if not position.resting_orders_withdrawn:
            position = withdraw_resting(work, position, to)
        cancel_order(work, position, Cause.GIVES_WAY, to)


def restore_orders(work: StateBuilder) -> None:
    """Put suspended resting orders back as soon as nothing of the other side works in their contract."""
    for position in active_positions(work):
        if not position.resting_orders_withdrawn or not _may_be_put_back(work, position):
            continue
        contracts = {leg.option for leg in position.legs if leg.held}
        if resting_orders(work, position.id) or _is_wanted(work, position, contracts) or _is_left(work, position):
            continue
        if is_against_exit(work, position, position.legs):
            continue
        work.record(Kind.DECISION, position.bot, position.id, what="resume", reason="its contract is free", values=[])
        position = put_position(work, replace(position, resting_orders_withdrawn=False))
        if position.state == "open":
            place_resting(work, put_position(work, replace(position, retry_at=None)))
            place_protection(work, work.positions.by_id[position.id])
        set_wake(work, position.bot, work.at)


def is_withdrawn_for_other(state: State, at: datetime) -> bool:
    """Say whether something that yielded to one of our orders is still to be placed again."""
    positions = (state.positions.by_id[name] for name in state.positions.active)
    return any(
        each.resting_orders_withdrawn and each.state == "open" and _may_rest_again(each, at) for each in positions
    )


def _may_be_put_back(work: StateBuilder, position: Position) -> bool:
    """Say whether it is to rest again now; of what an exit closes a part of, protective stops on the others are."""
    if position.state == "exiting":
        is_of_others = not (position.is_frozen or governing(work, position).resting)
        return is_of_others and not is_paused(position, work.at)
    return position.state == "open" and _may_rest_again(position, work.at) and not has_expired(work, position)


def _may_rest_again(position: Position, at: datetime) -> bool:
    """Refuse what was rejected a moment ago, or was cancelled externally too often."""
    waits = position.retry_at is not None and at < position.retry_at
    return not waits and not position.is_frozen and not is_paused(position, at)


def _is_wanted(work: StateBuilder, given: Position, contracts: set[Option]) -> bool:
    """Say whether an entry in one of these contracts works, or is about to be sent, or its next try or leg is."""
    is_combo = len(contracts) > 1
    for position in active_positions(work):
        if position.state != "entering" or position.id == given.id:
            continue
        bot = governing(work, position)
        if contracts & ({leg.option for leg in position.legs} if is_combo else _alone(bot, position.legs).keys()):
            return True
    for order in all_live_orders(work):
        opened = {leg.option for leg in order.legs if order.opens(order.position_of(leg))}
        if contracts & opened:
            return True
    for name, state in work.bots.by_name.items():
        is_looking = state.is_watching or state.manual_entry_until is not None
        if not is_looking or state.selection is None or not state.selection.is_complete:
            continue
        if contracts & {leg.option for leg in state.selection.legs} and is_about_to_enter(work, name):
            return True
    return False


def _is_left(work: StateBuilder, position: Position) -> bool:
    """Say whether an exit of another position closes what this one holds on the other side: none over the night."""
    if is_between_sessions(work):
        return False
    held = {leg.option: leg.sign for leg in position.legs if leg.held}
    for other in active_positions(work):
        if other.id == position.id or other.state != "exiting" or other.is_frozen:
            continue
        if _closes(work, other, {option: -sign for option, sign in held.items()}):
            return True
    return False
