"""Orders that rest at the broker: the take-profit and stop of a position, as one OCA group that outlives us.

Of several legs it is the target alone, as one combo without a group (`rests_at.py`); the engine watches the stops. They
are GTC, sized to what is open, priced from the entry's fills. When today's entry would stand against them in the
same contract, which the broker refuses (requirement A4), they are taken back for as long as the entry works, and the
engine watches their prices meanwhile; then they are put back. An exit takes them back before it closes; over the night
they rest under one that was not done.
"""

from collections.abc import Iterable
from datetime import timedelta

from rulebot.compile.plan import ExitPlan
from rulebot.core.exits.lost_resting_orders import is_paused
from rulebot.core.queries.resting_order import Rest, rest_of, whole_legs
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause, Name, Text
from rulebot.model.contract import Option
from rulebot.model.order import Cancel, Order, OrderLeg, OrderStatus, Purpose, TimeInForce
from rulebot.model.order import Replace as ReplaceOrder
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import restarts_over, trades_no_more
from rulebot.model.values import replace
from rulebot.order.price import Ticket, draft
from rulebot.record.record import Kind

RESTING = (Purpose.TARGET, Purpose.STOP, Purpose.PROTECT)
LEAVING = (Purpose.EXIT, Purpose.UNWIND)
"""Orders of an exit; of one leg they stand against what would rest on the other side."""
CANCEL_PATIENCE = timedelta(seconds=10)
GRACE = timedelta(seconds=40)
"""How long an order of which nothing was heard may still be on its way: only what the broker is asked after that says
whether it has it."""


def cancel(
    work: StateBuilder, order: Order, cause: Cause, about: Name = "", detail: Text = "", *, heard: bool = False
) -> Order:
    """Ask for an order to be taken back, once; fills may still win. One that is over at the broker needs no asking.

    about, detail: of the cause, as an order keeps them. heard: the broker's message on it is a part of the cause.
    """
    if not order.status.is_live or order.status is OrderStatus.CANCELLING:
        return order
    recalled = order.for_cause(cause, about, detail, heard=heard)
    order = work.put_order(replace(recalled, status=OrderStatus.CANCELLING))
    return order if order.ended is OrderStatus.CANCELLED else request_cancel(work, order)


def request_cancel(work: StateBuilder, order: Order, patience: timedelta = CANCEL_PATIENCE) -> Order:
    """Send the cancel of an order, for the first time or again, and note whether its answer will say anything."""
    order = work.put_order(replace(order, attempt_until=work.at + patience))
    if _may_be_on_its_way(work, order):
        work.count_early(order.ref, 1)
    work.commands.append(Cancel(order))
    return order


def is_too_early(work: StateBuilder, order: Order) -> bool:
    """Say whether a "not found" answers a cancel that left while the order may have been on its way; count it off.

    The broker answers in the order in which it was asked; what is told twice, before the grace is over, answers
    nothing that was asked after it either. Of an order that never came to the gateway it says the truth at once.
    """
    if order.ref in work.inquiries.unarrived:
        return False
    if work.inquiries.early.get(order.ref):
        work.count_early(order.ref, -1)
        return True
    return _may_be_on_its_way(work, order)


def _may_be_on_its_way(work: StateBuilder, order: Order) -> bool:
    if order.perm_id or order.ref in work.inquiries.unarrived:
        return False
    return order.sent_at is not None and work.at - order.sent_at < GRACE


def cancel_entries(work: StateBuilder, bot: str, cause: Cause, detail: Text = "") -> None:
    """Take back every order of a bot that may open something ("": of all bots)."""
    for order in work.all_live_orders():
        if order.status.is_live and order.can_increase_risk and bot in ("", order.bot):
            cancel(work, order, cause, detail=detail)


def resting_orders(work: StateBuilder, position: str) -> list[Order]:
    """Return the position's live orders at the broker."""
    return [order for order in work.live_orders(position) if order.purpose in RESTING]


def place_resting(work: StateBuilder, position: Position, *, at_once: bool = False) -> None:
    """Put the position's resting exits to the broker as one OCA group; those that are there fit what is held.

    `at_once`: a fill has just made the position, and they do not wait until the account shows it.
    """
    if not _may_rest(work, position) or position.suspended or position.is_frozen or not work.connection.is_linked:
        return
    if not at_once and work.is_unsure(position):
        return
    planned = work.governing(position).resting
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
    work.put_position(position)


def is_between_sessions(work: StateBuilder) -> bool:
    """Say whether nothing is dealt now by the clock: what an exit has not closed it closes from the next open on."""
    session = work.schedule.session
    return not session.is_on(work.at)


def _may_rest(work: StateBuilder, position: Position) -> bool:
    """Say whether targets and stops are to rest: not while an exit is at it, whose last order may still fill."""
    if position.state != "exiting" or not is_between_sessions(work):
        return position.state == "open"
    return all(order.purpose in RESTING for order in work.live_orders(position.id))


def is_against_exit(work: StateBuilder, position: Position, legs: Iterable[PositionLeg]) -> bool:
    """Say whether another exit works against what would rest on these legs: the broker would refuse it."""
    held = {leg.option: leg.sign for leg in legs if leg.held}
    leaving = (order for order in work.all_live_orders() if order.purpose in LEAVING and order.position != position.id)
    return any(
        held.get(leg.option) == order.side_of(leg).sign
        for order in leaving
        if len(held) > 1 or not order.is_combo
        for leg in order.legs
    )


def named(position: Position) -> str:
    """Return in words of what a position's resting orders are: its option, or its name where it has several legs."""
    return str(position.legs[0].option) if len(position.legs) == 1 else position.id


def withdraw_resting(work: StateBuilder, position: Position, to: str) -> Position:
    """Let the engine watch the prices of what rests of a position, or would: it gives way to an order."""
    where = "in" if len(position.legs) == 1 else "of"
    reason = f"resting orders {where} {named(position)} are watched by the engine while {to} works"
    work.record(Kind.DECISION, position.bot, position.id, what="suspend", reason=reason, values=[])
    return work.put_position(replace(position, suspended=True))


def is_restarting(work: StateBuilder, bot: str) -> bool:
    """Say whether the broker's nightly restarts are on: nothing is sent then, and the bot is woken after them."""
    over = restarts_over(work.at)
    if over is not None:
        wake(work, bot, (over - work.at).total_seconds())
    return over is not None


def _missing(
    work: StateBuilder, position: Position, planned: tuple[ExitPlan, ...], live: list[Order]
) -> list[ExitPlan]:
    """Return what is missing of the group while the others work: it was lost, never arrived, or ended by itself."""
    is_there = [order.is_working or (position.is_lost and _is_under_way(order)) for order in live]
    if has_expired(work, position) or not all(is_there):
        return []
    there = {order.reason for order in live}
    return [each for each in planned if each.name not in there and has_level(work, position, each)]


def _is_under_way(order: Order) -> bool:
    return order.status is OrderStatus.SENDING and order.ended is None


def has_level(work: StateBuilder, position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit has a price at which it can rest."""
    return rest_of(position, planned, work.market.facts.ticks) is not None


def has_expired(work: StateBuilder, position: Position) -> bool:
    """Say whether what the position holds trades no more: the broker ends its orders, and settlement follows."""
    held = [leg.option for leg in position.legs if leg.held]
    return bool(held) and all(option_has_expired(work, option) for option in held)


def option_has_expired(work: StateBuilder, option: Option) -> bool:
    """Say whether an option trades no more."""
    return trades_no_more(option.expiry, work.schedule.session, work.at)


def partner_has_filled(work: StateBuilder, order: Order) -> bool:
    """Say whether another order of its group has filled: that the broker cancels this one then is no news."""
    others = (other for other in work.orders_of(order.position) if other.oca_group == order.oca_group != "")
    return any(other.has_fills for other in others if other.ref != order.ref)


def has_run_out(work: StateBuilder, order: Order) -> bool:
    """Say whether an order rests in what trades no more: that it ends then is no news."""
    return order.purpose in RESTING and all(option_has_expired(work, leg.option) for leg in order.legs)


def _fit(work: StateBuilder, position: Position, live: list[Order]) -> None:
    """Change resting orders that are larger or smaller than what is held, or priced otherwise than by all fills and
    commissions so far. One of other legs than are held is taken back: it is placed anew once it is over.
    """
    by_name = {planned.name: planned for planned in work.governing(position).resting}
    for order in live:
        planned = by_name.get(order.reason)
        if planned is None or order.status is not OrderStatus.WORKING or order.ended is not None:
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
        changed = work.put_order(order.with_terms(order.filled + rest.quantity, rest.price))
        work.commands.append(ReplaceOrder(changed))


def _place(work: StateBuilder, position: Position, planned: ExitPlan, group: str) -> None:
    rest = rest_of(position, planned, work.market.facts.ticks)
    if rest is None:
        return
    resting = planned.kind.traits.resting
    assert resting is not None  # others do not rest: the compiler refuses it
    number, order_id = work.take_numbers()
    purpose = resting.purpose
    order = draft(
        Ticket(
            work.ref(number),
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
    work.send(order)


def cancel_order(work: StateBuilder, position: Position, cause: Cause, detail: Text = "") -> bool:
    """Cancel the position's resting orders; return True once none is live."""
    live = resting_orders(work, position.id)
    for order in live:
        cancel(work, order, cause, detail=detail)
    return not live
