"""Bracket orders: take-profit and stop of a position, resting at the broker as one OCA group.

For several legs only the target rests, as one combo without a group; the engine watches the stops. The orders are GTC,
sized to the open quantity and priced from the entry's fills. The broker refuses orders on both sides of one contract
(requirement A4): when an entry of today would cross them, they are cancelled while the entry works, the engine watches
their prices meanwhile, and then they are placed again. An exit cancels them before it closes. An exit that is not
complete by the close leaves them resting over night.
"""

from collections.abc import Iterable
from datetime import timedelta

from rulebot.compile.plan import ExitPlan
from rulebot.core.emit.orders import cancel
from rulebot.core.queries.orders import (
    RESTING,
    has_expired,
    has_level,
    is_against_exit,
    is_between_sessions,
    named,
    resting_orders,
)
from rulebot.core.queries.protection import NEVER_AGAIN, is_paused, pause
from rulebot.core.queries.resting_order import Rest, rest_of, whole_legs
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import order_ref, put_order, put_position, send_order, take_numbers
from rulebot.core.state.lists import governing, is_unsure, live_orders_of
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderLeg, OrderStatus, TimeInForce
from rulebot.model.order import Replace as ReplaceOrder
from rulebot.model.position import Position
from rulebot.model.session import restarts_over
from rulebot.model.values import replace
from rulebot.order.price import Ticket, draft
from rulebot.record.record import Kind


def place_resting(work: StateBuilder, position: Position, *, at_once: bool = False) -> None:
    """Put the position's resting exits to the broker as one OCA group; those that are there fit what is held.

    `at_once`: a fill has just made the position, and they do not wait until the account shows it.
    """
    if (
        not _may_rest(work, position)
        or position.resting_orders_withdrawn
        or position.is_frozen
        or not work.connection.is_linked
    ):
        return
    if not at_once and is_unsure(work, position):
        return
    planned = governing(work, position).resting
    if not planned:
        return
    if is_restarting(work, position.bot):
        return
    if live := resting_orders(work, position.id):
        _fit(work, position, live)
        if not is_paused(position, work.at):
            for each in _missing(work, position, planned, live):
                _place(work, position, each, live[0].oca_group)
        return
    if is_paused(position, work.at):
        return
    if has_expired(work, position) or not whole_legs(position) or position.entry_price is None:
        return
    if is_against_exit(work, position, position.legs):
        if position.state == "open":
            withdraw_resting(work, position, "an exit")
        return
    group = f"rb:{work.program.install}:oca:{work.orders.next_number:06d}"
    for each in planned:
        _place(work, position, each, group)
    put_position(work, position)


def _may_rest(work: StateBuilder, position: Position) -> bool:
    """Say whether targets and stops are to rest: not while an exit is at it, whose last order may still fill."""
    if position.state != "exiting" or not is_between_sessions(work):
        return position.state == "open"
    return all(order.purpose in RESTING for order in live_orders_of(work, position.id))


def withdraw_resting(work: StateBuilder, position: Position, to: str) -> Position:
    """Let the engine watch the prices of a position's resting orders while they are cancelled for another order."""
    where = "in" if len(position.legs) == 1 else "of"
    reason = f"resting orders {where} {named(position)} are watched by the engine while {to} works"
    work.record(Kind.DECISION, position.bot, position.id, what="suspend", reason=reason, values=[])
    return put_position(work, replace(position, resting_orders_withdrawn=True))


def is_restarting(work: StateBuilder, bot: str) -> bool:
    """Say whether the broker's nightly restarts are on: nothing is sent then, and the bot is woken after them."""
    over = restarts_over(work.at)
    if over is not None:
        wake(work, bot, (over - work.at).total_seconds())
    return over is not None


def _missing(
    work: StateBuilder, position: Position, planned: tuple[ExitPlan, ...], live: list[Order]
) -> list[ExitPlan]:
    """Return the orders of the group that are missing while others work: lost, never accepted, or ended."""
    is_there = [order.is_working or (position.is_lost and _is_under_way(order)) for order in live]
    if has_expired(work, position) or not all(is_there):
        return []
    there = {order.reason for order in live}
    return [each for each in planned if each.name not in there and has_level(work, position, each)]


def _is_under_way(order: Order) -> bool:
    return order.status is OrderStatus.SENDING and order.reported_final_status is None


def _fit(work: StateBuilder, position: Position, live: list[Order]) -> None:
    """Change resting orders whose size or price no longer fits the holdings, fills and commissions.

    An order for other legs than are held is cancelled, and placed again after its end.
    """
    by_name = {planned.name: planned for planned in governing(work, position).resting}
    for order in live:
        planned = by_name.get(order.reason)
        if planned is None or order.status is not OrderStatus.WORKING or order.reported_final_status is not None:
            continue
        rest = rest_of(position, planned, work.market.facts.ticks)
        if rest is not None and _names(rest.legs) == _names(order.legs):
            _change(work, order, rest)
        elif order.is_combo and whole_legs(position):
            cancel(work, order, Cause.PART_CLOSED)


def _names(legs: Iterable[OrderLeg]) -> set[str]:
    return {leg.name for leg in legs}


def _change(work: StateBuilder, order: Order, rest: Rest) -> None:
    if (order.remaining, order.terms.price) != (rest.quantity, rest.price):
        changed = put_order(work, order.with_terms(order.filled + rest.quantity, rest.price))
        work.commands.append(ReplaceOrder(changed))


def _place(work: StateBuilder, position: Position, planned: ExitPlan, group: str) -> None:
    rest = rest_of(position, planned, work.market.facts.ticks)
    if rest is None:
        return
    resting = planned.kind.traits.resting
    assert resting is not None  # others do not rest: the compiler refuses it
    number, order_id = take_numbers(work)
    purpose = resting.purpose
    order = draft(
        Ticket(
            order_ref(work, number),
            number,
            order_id,
            position.bot,
            position.id,
            purpose,
            planned.name,
            position.digest,
            work.at,
        ),
        rest.legs,
        rest.quantity,
        resting.order_type,
        net=None if resting.acts_at_market else rest.net,
        stop=rest.price if resting.acts_at_market else None,
        time_in_force=TimeInForce.GTC,
        oca_group=group if len(rest.legs) == 1 else "",
    )
    send_order(work, order)


# --- Resting orders that are lost, and when each is sent again

REFUSED_FROM = 4
"""The loss as which the first refusal counts: the broker would refuse the same order again at once."""
TOGETHER = timedelta(seconds=1)
"""Resting orders of a position that are lost so soon one after the other are one loss."""
QUIET = timedelta(minutes=10)
"""How long nothing is lost until the next loss counts as the first."""


def record_lost_order(work: StateBuilder, position: Position, *, is_refused: bool = False) -> Position:
    """Keep that a resting order of a position was lost. Others that are lost together with it do not count."""
    last = position.lost_at
    is_together = position.is_lost and last is not None and work.at < last + max(TOGETHER, pause(position))
    if position.resting_orders_replaced >= NEVER_AGAIN or is_together:
        return position
    is_first = last is None or work.at - last >= QUIET
    count = 1 if is_first else position.resting_orders_replaced + 1
    count = max(count, REFUSED_FROM) if is_refused else count
    position = put_position(work, replace(position, resting_orders_replaced=count, lost_at=work.at, is_lost=True))
    wake(work, position.bot, pause(position).total_seconds())
    return position
