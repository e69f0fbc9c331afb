"""What must hold after an engine was killed: its store against the broker's ledger, both read from outside."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from engine.model.order import Order, OrderStatus, Purpose
from engine.record.record import Kind
from engine.sim.exchange.ledger import Row
from engine.sim.seams import OrderView, Status
from tests.e2e.findings import off_tick, unfinished, unprotected, without_partner
from tests.e2e.worlds import Day, compare_books

PREFIX = "rb:"
CAPS = {"spx_spy_parity": 2}
"""Positions a day by `per_day`; every other shipped spec says 1."""
RESTING_BOTS = ("spy_put_seller",)
"""Bots whose open positions have a pair that rests at the broker."""
AT_WORK = (Status.SUBMITTED, Status.PRE_SUBMITTED, Status.PENDING_CANCEL)


@dataclass(frozen=True, slots=True)
class Outside:
    """The broker's side at the end: every row of its ledger, what still works, and its last instant."""

    rows: Sequence[Row]
    working: Sequence[OrderView]
    last: datetime


@dataclass(frozen=True, slots=True)
class Findings:
    """Problems by what they are. Duplicates and orphans are of the broker's orders; the rest is in words."""

    duplicates: tuple[str, ...]
    orphans: tuple[str, ...]
    fills: tuple[str, ...]
    books: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every problem, in words."""
        return (*self.duplicates, *self.orphans, *self.fills, *self.books, *self.others)


def findings_of(day: Day, outside: Outside) -> Findings:
    """Return everything that is wrong between a store and the ledger of its broker."""
    return Findings(
        duplicates=(*twice_at_broker(outside.rows), *more_than_cap(day, outside.rows)),
        orphans=(*unknown_to_store(day.orders, outside.rows), *unknown_to_broker(day.orders, outside)),
        fills=tuple(fills_that_differ(day, outside.rows)),
        books=tuple(compare_books(day)),
        others=(
            *unfinished(day),
            *without_partner(day),
            *off_tick(day),
            *bare(day, outside),
            *bare_in_between(day),
            *outlived(day, outside),
        ),
    )


def orders_at_broker(rows: Iterable[Row]) -> dict[str, set[int]]:
    """Return the permanent ids that the ledger knows under each of our references."""
    found: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row["kind"] in ("order", "execution") and str(row["order_ref"]).startswith(PREFIX):
            found[str(row["order_ref"])].add(int(str(row["perm_id"])))
    return found


def twice_at_broker(rows: Iterable[Row]) -> Iterator[str]:
    """Return references under which the broker has had more than one order."""
    for ref, ids in orders_at_broker(rows).items():
        if len(ids) != 1:
            yield f"{ref} reached the broker {len(ids)} times"


def more_than_cap(day: Day, rows: Sequence[Row]) -> Iterator[str]:
    """Return bots that opened more in a day than their cap, by the ledger's own executions, and positions too large."""
    opened: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in executions(rows):
        order = day.orders.get(str(row["order_ref"]))
        if order is not None and order.purpose is Purpose.ENTRY:
            opened[(order.bot, day.positions[order.position].session)].add(order.position)
    for (bot, session), ids in opened.items():
        if len(ids) > CAPS.get(bot, 1):
            yield f"{bot} opened {len(ids)} positions on {session}: {sorted(ids)}"
    for position in day.positions.values():
        if any(leg.opened > position.quantity * leg.ratio for leg in position.legs):
            yield f"{position.id} is larger than asked for"


def unknown_to_store(orders: Mapping[str, Order], rows: Sequence[Row]) -> Iterator[str]:
    """Return orders at the broker that no order row tells of."""
    for ref, ids in orders_at_broker(rows).items():
        if ref not in orders:
            yield f"{ref} is at the broker and in no order row"
        elif orders[ref].perm_id not in ids:
            yield f"{ref} has the permanent id {orders[ref].perm_id}, at the broker {sorted(ids)}"


def unknown_to_broker(orders: Mapping[str, Order], outside: Outside) -> Iterator[str]:
    """Return order rows that say something else of an order than the broker does, at the end."""
    at_broker = orders_at_broker(outside.rows)
    working = {view.ticket.order_ref for view in outside.working if view.status in AT_WORK}
    for order in orders.values():
        if order.ref in working and not order.status.is_live:
            yield f"{order.ref} works at the broker and is {order.status.value} in the store"
        elif order.ref not in working and order.status.is_live:
            yield f"{order.ref} is {order.status.value} in the store and does not work at the broker"
        elif order.status is OrderStatus.FILLED and order.ref not in at_broker:
            yield f"{order.ref} is filled in the store and never was at the broker"


def executions(rows: Iterable[Row]) -> Iterator[Row]:
    """Return the executions of contracts under our references (a combo's summary moves nothing)."""
    for row in rows:
        if row["kind"] == "execution" and row["sec_type"] != "BAG" and str(row["order_ref"]).startswith(PREFIX):
            yield row


def fills_that_differ(day: Day, rows: Iterable[Row]) -> Iterator[str]:
    """Return executions that are counted twice, not at all, or otherwise than the ledger has them."""
    fills = [record.data for record in day.records if record.kind is Kind.FILL]
    for base, count in Counter(str(fill["exec_id"]).rpartition(".")[0] for fill in fills).items():
        if count > 1:
            yield f"the execution {base} is counted {count} times"
    ours = {
        str(fill["exec_id"]): _terms(fill["ref"], fill["con_id"], fill["quantity"], fill["price"]) for fill in fills
    }
    theirs = {
        str(row["exec_id"]): _terms(row["order_ref"], row["con_id"], row["quantity"], row["price"])
        for row in executions(rows)
    }
    for exec_id in sorted({*ours, *theirs}):
        if ours.get(exec_id) != theirs.get(exec_id):
            yield f"the execution {exec_id}: ours {ours.get(exec_id)}, the ledger's {theirs.get(exec_id)}"


def _terms(ref: object, con_id: object, quantity: object, price: object) -> tuple[str, int, Decimal, Decimal]:
    return str(ref), int(str(con_id)), Decimal(str(quantity)), Decimal(str(price))


def bare(day: Day, outside: Outside) -> Iterator[str]:
    """Return open positions that should have a pair at the broker and have none, nor an engine that watches instead."""
    working = Counter(
        day.orders[view.ticket.order_ref].position
        for view in outside.working
        if view.status in AT_WORK and view.ticket.order_ref in day.orders
    )
    for position in day.positions.values():
        if position.bot not in RESTING_BOTS or position.state != "open" or position.suspended:
            continue
        if working[position.id] != 2:
            yield f"{position.id} of {position.bot} is open with {working[position.id]} resting orders"
        elif position.on_hold:
            yield f"{position.id} of {position.bot} is on hold: {position.on_hold}"


def bare_in_between(day: Day) -> Iterator[str]:
    """Return instants at which an engine was there, and an open position had no pair of live orders by its own books.

    The instant of a connection is passed over: a fill is learned there, and nothing is sent before it is complete.
    """
    links = {str(record.at) for record in day.records if record.kind is Kind.LINK}
    for bot in RESTING_BOTS:
        yield from (f"without its pair at {found}" for found in unprotected(day, bot) if _instant(found) not in links)


def _instant(found: str) -> str:
    return found.rpartition(" ")[0]


def outlived(day: Day, outside: Outside) -> Iterator[str]:
    """Return positions that are still open after all they hold has expired."""
    for position in day.positions.values():
        held = [leg.option for leg in position.legs if leg.held]
        if held and all(option.expiry <= outside.last.date() for option in held):
            yield f"{position.id} of {position.bot} holds what has expired"
