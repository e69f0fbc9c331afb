"""How the parts of the state change: one function for each kind of change."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import governing
from rulebot.core.state.state import NOTHING, BotState, DuplicateOrder, Structure
from rulebot.decide.entry_window import BotDay
from rulebot.decide.machine import next_state
from rulebot.fill.ledger import BookedExecution
from rulebot.model.facts import Facts
from rulebot.model.order import Order, OrderStatus, RequestOpenOrders, Submit
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.record.record import BASE, Kind


def put_order(work: StateBuilder, order: Order) -> Order:
    """Keep a new value of an order."""
    order = replace(order, changed_at=work.at)
    by_ref = work.table("by_ref", work.orders.by_ref)
    is_new = order.ref not in by_ref
    by_ref[order.ref] = order
    ref_of_id, live = work.orders.ref_of_id, work.orders.live
    if order.order_id and ref_of_id.get(order.order_id) != order.ref:
        ref_of_id = work.table("ref_of_id", ref_of_id)
        ref_of_id[order.order_id] = order.ref
    if order.status.is_live is not (order.ref in live):
        live = (*live, order.ref) if is_new else live_refs(by_ref)
    work.orders = replace(work.orders, by_ref=by_ref, ref_of_id=ref_of_id, live=live)
    work.dirty_orders[order.ref] = None
    return order


def put_position(work: StateBuilder, position: Position) -> Position:
    """Keep a new value of a position."""
    by_id = work.table("by_id", work.positions.by_id)
    is_new = position.id not in by_id
    by_id[position.id] = position
    structures, active = work.positions.structures, work.positions.active
    if position.id in structures:
        structures = work.table("structures", structures)
        del structures[position.id]
    if (position.state != "closed") is not (position.id in active):
        active = (*active, position.id) if is_new else active_ids(by_id)
    work.positions = replace(
        work.positions, by_id=by_id, structures=structures, active=active, needs_attention=None, expires=None
    )
    work.dirty_positions[position.id] = None
    unindex(work)
    return position


def unindex(work: StateBuilder) -> None:
    """Mark the mappings from board rows to bots and structures as stale."""
    if work.subscriptions.board_version != -1:
        work.subscriptions = replace(work.subscriptions, board_version=-1)


def put_day(work: StateBuilder, day: BotDay) -> None:
    """Store a new value of a bot's day. At the first use of a window, also store when the window begins and ends."""
    if day.is_used and day.window_from is None and (bot := work.program.bots.get(day.bot)) is not None:
        found = bot.windows(work.schedule.session)
        if day.window < len(found):
            day = replace(day, window_from=found[day.window][0], window_to=found[day.window][1])
    if day.bot in work.bots.by_name:
        set_bot(work, day.bot, replace(work.bots.by_name[day.bot], day=day))
        unindex(work)
        work.dirty_days[day.bot] = None


def move_position(work: StateBuilder, position: Position, trigger: str) -> Position:
    """Move a position along its lifecycle. Raises: InvariantError."""
    lifecycle = governing(work, position).plan.lifecycle
    state = next_state(lifecycle, position.state, trigger)
    if state == position.state:
        return put_position(work, position)
    work.record(Kind.DECISION, position.bot, position.id, what="state", reason=trigger, values=[position.state, state])
    closed_at = work.at if state == "closed" else None
    return put_position(work, replace(position, state=state, closed_at=closed_at))


def set_bot(work: StateBuilder, name: str, state: BotState) -> None:
    """Keep a new value of a bot's state."""
    by_name = work.table("by_name", work.bots.by_name)
    by_name[name] = state
    if by_name is not work.bots.by_name:
        work.bots = replace(work.bots, by_name=by_name)


def drop_bot(work: StateBuilder, name: str) -> None:
    """Forget a bot that runs no more and holds nothing."""
    by_name, wakes = work.table("by_name", work.bots.by_name), work.table("next_wakes", work.bots.next_wakes)
    del by_name[name]
    wakes.pop(name, None)
    work.bots = replace(work.bots, by_name=by_name, next_wakes=wakes)


def set_wake(work: StateBuilder, name: str, at: datetime) -> None:
    """Keep when a bot must be judged next even if nothing moves."""
    wakes = work.table("next_wakes", work.bots.next_wakes)
    wakes[name] = at
    if wakes is not work.bots.next_wakes:
        work.bots = replace(work.bots, next_wakes=wakes)


def put_structures(work: StateBuilder, structures: Mapping[str, Structure]) -> None:
    """Keep what rules see of these positions, of each until it changes."""
    work.positions = replace(work.positions, structures=structures)
    work.own.discard("structures")


def put_booked(work: StateBuilder, base: str, booked: BookedExecution) -> None:
    """Keep an execution as it was booked."""
    table = work.table("executions", work.positions.executions)
    table[base] = booked
    work.positions = replace(work.positions, executions=table)


def put_mark(work: StateBuilder, position: str, made: Decimal, *, is_recorded: bool) -> None:
    """Keep the last known profit of a position."""
    marks, snapshots = work.table("marks", work.positions.marks), work.positions.snapshots
    marks[position] = made
    if is_recorded:
        snapshots = work.table("snapshots", snapshots)
        snapshots[position] = made
    work.positions = replace(work.positions, marks=marks, snapshots=snapshots)


def count_early(work: StateBuilder, ref: str, change: int) -> None:
    """Keep one more, or one less, cancel of an order that left too early for its answer to say anything."""
    table = work.table("unanswered_cancels", work.inquiries.unanswered_cancels)
    table[ref] = table.get(ref, 0) + change
    work.inquiries = replace(work.inquiries, unanswered_cancels=table)


def put_duplicate(work: StateBuilder, ref: str, duplicate: DuplicateOrder | None) -> None:
    """Keep what is known of a second order under a reference, None once there is none."""
    table = work.table("duplicate_orders", work.inquiries.duplicate_orders)
    if duplicate is None:
        del table[ref]
    else:
        table[ref] = duplicate
    work.inquiries = replace(work.inquiries, duplicate_orders=table)


def put_base(work: StateBuilder, position: str, made: Decimal) -> None:
    """Keep what a position had made when the session began, which is learned only now."""
    bases = work.table("pnl_at_open", work.positions.pnl_at_open)
    bases[position] = made
    work.positions = replace(work.positions, pnl_at_open=bases)
    owner = work.positions.by_id[position].bot
    work.record(Kind.FACTS, owner, position, symbol="", what=BASE, value=str(made))


def start_day(
    work: StateBuilder,
    positions: Mapping[str, Position],
    orders: Mapping[str, Order],
    booked: Mapping[str, BookedExecution],
) -> None:
    """Keep only these positions, orders and executions of earlier days, and what belongs to them."""
    made = {name: made for name, made in work.positions.snapshots.items() if name in positions}
    work.positions = replace(
        work.positions, by_id=positions, executions=booked, marks=made, snapshots=made,
        active=active_ids(positions), needs_attention=None, expires=None,
    )  # fmt: skip
    ref_of_id = {number: ref for number, ref in work.orders.ref_of_id.items() if ref in orders}
    work.orders = replace(work.orders, by_ref=orders, ref_of_id=ref_of_id, live=live_refs(orders))
    work.inquiries = replace(work.inquiries, unanswered_cancels=NOTHING)
    work.own -= {"by_id", "by_ref", "executions", "unanswered_cancels", "ref_of_id", "marks", "snapshots"}


def put_facts(work: StateBuilder, facts: Facts) -> None:
    """Keep other slow facts."""
    work.market = replace(work.market, facts=facts)


def set_watch_at(work: StateBuilder, at: datetime | None) -> None:
    """Keep when subscriptions are chosen next, None for at once."""
    work.schedule = replace(work.schedule, watch_at=at)


def use_order_id(work: StateBuilder) -> int:
    """Return the next order id, once."""
    order_id = work.orders.next_order_id
    work.orders = replace(work.orders, next_order_id=order_id + 1)
    return order_id


def take_numbers(work: StateBuilder) -> tuple[int, int]:
    """Return the next intent number and the next order id."""
    number = work.orders.next_number
    work.orders = replace(work.orders, next_number=number + 1)
    return number, use_order_id(work)


def send_order(work: StateBuilder, order: Order) -> Order:
    """Record an intent as leaving, and ask for it to be sent, once."""
    order = put_order(
        work, replace(order, status=OrderStatus.SENDING, sent_at=work.at, client_id=work.connection.client_id)
    )
    sent = (*(at for at in work.orders.sent if work.at - at < timedelta(minutes=1)), work.at)
    work.orders = replace(work.orders, sent=sent)
    work.commands.append(Submit(order))
    return order


def ask_broker(work: StateBuilder) -> None:
    """Ask what the broker has, once an instant."""
    if work.inquiries.asked_at != work.at:
        work.inquiries = replace(work.inquiries, asked_at=work.at)
        work.commands.append(RequestOpenOrders())


def order_ref(work: StateBuilder, number: int) -> str:
    """Return the orderRef of an intent."""
    return f"rb:{work.program.install}:{number:06d}"


def live_refs(orders: Mapping[str, Order]) -> tuple[str, ...]:
    """Return the refs of those orders that may still fill, oldest first."""
    return tuple(ref for ref, order in orders.items() if order.status.is_live)


def active_ids(positions: Mapping[str, Position]) -> tuple[str, ...]:
    """Return the ids of those positions that are not closed, oldest first."""
    return tuple(name for name, position in positions.items() if position.state != "closed")
