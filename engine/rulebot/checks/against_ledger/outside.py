"""The orders in a store against those at its broker: none twice, none unknown to either side."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from rulebot.checks.against_ledger.books import PREFIX, base_of, contracts_of, executions
from rulebot.checks.against_ledger.day import CheckedDay
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.record.record import Kind
from twsim.exchange.ledger import Row
from twsim.seams import OrderView, Status

AT_WORK = (Status.SUBMITTED, Status.PRE_SUBMITTED, Status.PENDING_CANCEL)


@dataclass(frozen=True, slots=True)
class LedgerOrders:
    """The broker's side at the end: every row of its ledger, what still works, and its last instant."""

    rows: Sequence[Row]
    working: Sequence[OrderView]
    last: datetime

    @property
    def refs_at_work(self) -> set[str]:
        """References under which an order still works."""
        return {view.ticket.order_ref for view in self.working if view.status in AT_WORK}


def orders_at_broker(rows: Iterable[Row]) -> dict[str, set[int]]:
    """Return the permanent ids that the ledger knows under each of our references."""
    found: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row["kind"] in ("order", "execution") and str(row["order_ref"]).startswith(PREFIX):
            found[str(row["order_ref"])].add(int(str(row["perm_id"])))
    return found


def twice_at_broker(rows: Iterable[Row]) -> Iterator[str]:
    """Return references under which the broker was sent more than one order; a second one of an id it made itself."""
    sent = (row for row in rows if row["kind"] == "order" and int(str(row["order_id"])) >= 0)
    for ref, ids in orders_at_broker(sent).items():
        if len(ids) != 1:
            yield f"{ref} reached the broker {len(ids)} times"


def more_than_cap(day: CheckedDay, rows: Sequence[Row], caps: Mapping[str, int]) -> Iterator[str]:
    """Return bots that opened more in a day than their cap, by the ledger's own executions, and positions too large.

    caps: entries a day by bot; a bot that is not named may open as many as it likes. What the broker filled after it
    had called it cancelled counts only where nobody was told.
    """
    opened: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in executions(rows):
        order = day.orders.get(str(row["order_ref"]))
        if order is not None and order.purpose is Purpose.ENTRY and order.position in day.positions:
            opened[(order.bot, day.positions[order.position].session)].add(order.position)
    told, late = told_of(day), filled_after_cancel(day, rows)
    for (bot, session), ids in opened.items():
        if bot in caps and len(ids - late if ids & told else ids) > caps[bot]:
            yield f"{bot} opened {len(ids)} positions on {session}: {sorted(ids)}"
    overfilled = filled_unasked(day, rows) & told
    for position in day.positions.values():
        if position.id not in overfilled and any(leg.opened > position.quantity * leg.ratio for leg in position.legs):
            yield f"{position.id} is larger than asked for"


def told_of(day: CheckedDay) -> set[str]:
    """Return the positions of which a person was told that something stands in the way."""
    return {record.position for record in day.records if record.kind is Kind.ALARM and record.position}


def filled_unasked(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions for which the broker filled more than anybody wanted of it then: no engine can prevent it."""
    return _filled_beyond(day, rows) | filled_after_cancel(day, rows)


def _filled_beyond(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions of which the broker filled, of one order, more than was asked."""
    filled: dict[tuple[str, str], int] = defaultdict(int)
    counted: dict[str, int] = {}
    for row in executions(rows):
        base, count = base_of(row["exec_id"]), contracts_of(row)
        filled[str(row["order_ref"]), str(row["con_id"])] += count - counted.get(base, 0)
        counted[base] = count
    found = set()
    for (ref, _), count in filled.items():
        order = day.orders.get(ref)
        if order is not None and count > order.quantity * max(leg.ratio for leg in order.legs):
            found |= {*order.positions}
    return found


def filled_after_cancel(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions with an order that the broker filled after it had called it cancelled: others may follow it."""
    ended: set[str] = set()
    found = set()
    for row in rows:
        ref = str(row.get("order_ref", ""))
        if row["kind"] == "order" and row["status"] == Status.CANCELLED.value:
            ended.add(ref)
        elif row["kind"] == "execution" and ref in ended and ref in day.orders:
            found.add(day.orders[ref].position)
    return found


def unknown_to_store(orders: Mapping[str, Order], rows: Sequence[Row], unheard: Collection[str] = ()) -> Iterator[str]:
    """Return orders at the broker that no order row tells of. unheard: those whose permanent id nobody could learn."""
    for ref, ids in orders_at_broker(rows).items():
        if ref not in orders:
            yield f"{ref} is at the broker and in no order row"
        elif orders[ref].perm_id not in ids and (orders[ref].perm_id or ref not in unheard):
            yield f"{ref} has the permanent id {orders[ref].perm_id}, at the broker {sorted(ids)}"


def unknown_to_broker(orders: Mapping[str, Order], outside: LedgerOrders) -> Iterator[str]:
    """Return order rows that say something else of an order than the broker does, at the end."""
    at_broker, working = orders_at_broker(outside.rows), outside.refs_at_work
    for order in orders.values():
        if order.ref in working and not order.status.is_live:
            yield f"{order.ref} works at the broker and is {order.status.value} in the store"
        elif order.ref not in working and order.status.is_live:
            yield f"{order.ref} is {order.status.value} in the store and does not work at the broker"
        elif order.status is OrderStatus.FILLED and order.ref not in at_broker:
            yield f"{order.ref} is filled in the store and never was at the broker"


def at_work_otherwise(day: CheckedDay, outside: LedgerOrders) -> Iterator[str]:
    """Return orders that work at the broker with another price or size than in the store, and nobody was told."""
    told = told_of(day)
    for view in outside.working:
        order, ticket = day.orders.get(view.ticket.order_ref), view.ticket
        if order is None or not order.status.is_live or order.position in told:
            continue
        asked = Decimal(order.quantity * (1 if order.is_combo else order.legs[0].ratio))
        ours = asked, order.limit_price, order.stop_price
        theirs = ticket.quantity, ticket.limit_price, ticket.aux_price if ticket.order_type == "STP" else None
        if ours != theirs:
            yield f"{order.ref} works at the broker with {theirs}, in the store with {ours}"


def orders_outlived(day: CheckedDay, outside: LedgerOrders) -> Iterator[str]:
    """Return positions that are still open after all they hold has expired.

    What the account lacks, closed by hand, is settled only minutes after the close: no report tells of it then.
    """
    today = outside.last.date()
    for position in day.positions.values():
        held = [leg.option for leg in position.legs if leg.held]
        is_settled_later = position.hold is not None and any(option.expiry == today for option in held)
        if held and not is_settled_later and all(option.expiry <= today for option in held):
            yield f"{position.id} of {position.bot} holds what has expired"
