"""What must hold of every day, by its store alone: functions over a `Day`, each returning what is wrong in words."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.checks.against_ledger.books import PREFIX, CheckedDay, contracts_of, executions, left_to_go_on
from rulebot.checks.journal.audit import audit
from rulebot.core.state.state import OperatorState, TradingMode
from rulebot.fill.ledger import BY_OTHERS
from rulebot.model.contract import product
from rulebot.model.money import Rounding, TickRule
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import option_ticks
from rulebot.record.books import base_of
from rulebot.record.codec import decode
from rulebot.record.record import FILLS_PENDING, TICKS, Json, Kind, Record
from rulebot.recovery.resume import after_record
from twsim import OrderView, Row, Status

OFTEN, SOON = 8, timedelta(minutes=2)
"""How often in how short a time one exit takes over from another at least, where they do so without end."""


def offences(day: CheckedDay) -> dict[int, str]:
    """Return what the audit finds in a day's journal: the first offence by the invariant's number."""
    found = audit(enumerate(day.records, 1), broken=day.broken)
    return {each.number: str(each.first[0]) for each in found if not each.holds}


def broken_chain(day: CheckedDay) -> list[str]:
    """Return where the hash chain of the store breaks, nothing when it is whole."""
    return [] if day.broken is None else [f"record {day.broken.seq}: {day.broken.why}"]


def not_numbers(day: CheckedDay) -> list[str]:
    """Return the records that hold a number which is none."""
    found = (record for record in day.records if _has_not_a_number(dict(record.data)))
    return [f"a number that is none in {record.kind.value} of {record.bot}" for record in found]


def _has_not_a_number(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_has_not_a_number(each) for each in value.values())
    if isinstance(value, list):
        return any(_has_not_a_number(each) for each in value)
    if isinstance(value, str):
        return value.lower() in ("nan", "inf", "-inf", "infinity")
    return isinstance(value, float) and not math.isfinite(value)


def off_tick(day: CheckedDay) -> list[str]:
    """Return the orders that were ever priced off their grid as it was known then, or at none that the broker takes."""
    found: list[str] = []
    reported: dict[str, TickRule] = {}
    seen: set[tuple[str, Decimal]] = set()
    for record in day.records:
        reported.update(_reported_grid(record))
        if record.kind is not Kind.ORDER:
            continue
        order = decode(Order, dict(record.data))
        price = order.terms.price
        if price is None or (order.ref, price) in seen:
            continue
        seen.add((order.ref, price))
        option = order.legs[0].option
        ticks = product(option.symbol).combo_ticks if order.is_combo else option_ticks(option, reported)
        if ticks.round(price, Rounding.NEAREST) != price or (not order.is_combo and price <= 0):
            found.append(f"{order.ref} of {order.bot} stands at {price}")
    return found


def reported_grids(day: CheckedDay) -> dict[str, TickRule]:
    """Return the broker's price grids of options, by trading class, the latest of each."""
    return {name: grid for record in day.records for name, grid in _reported_grid(record).items()}


def _reported_grid(record: Record) -> dict[str, TickRule]:
    """Return the price grid in a record, under its trading class; nothing of any other record."""
    if record.kind is not Kind.FACTS or record.data.get("what") != TICKS:
        return {}
    return {str(record.data["trading_class"]): decode(TickRule, record.data["value"])}


def unfinished(day: CheckedDay) -> list[str]:
    """Return positions that end their last day between two states."""
    return [f"{p.id} ends {p.state}" for p in day.positions.values() if p.state in ("entering", "exiting")]


def goes_on_after_kill(day: CheckedDay) -> list[str]:
    """Return orders that may open something and, after a kill of all, have gone on to another try, or work on."""
    standing, tries = OperatorState(), dict[str, int]()
    found: dict[str, None] = {}
    for record in day.records:
        if record.kind is Kind.OPERATOR:
            standing = after_record(standing, record)
        if record.kind is not Kind.ORDER:
            continue
        order = decode(Order, dict(record.data))
        is_next = tries.get(order.ref, order.attempt) != order.attempt and order.is_working
        tries[order.ref] = order.attempt
        if is_next and order.can_increase_risk and standing.trading is not TradingMode.ACTIVE:
            found[f"{order.ref} of {order.bot} has gone on to another try after a kill"] = None
    if standing.trading is not TradingMode.ACTIVE:
        left = (order for order in day.orders.values() if order.can_increase_risk and order.is_working)
        found |= {f"{order.ref} of {order.bot} works on after a kill": None for order in left}
    return list(found)


def taken_over_without_end(day: CheckedDay) -> list[str]:
    """Return positions whose exits took over from each other again and again, so that none closed anything.

    None has reason to do so `OFTEN` within `SOON`. Each fill that closes something, or a bust, restarts the count.
    """
    acted: dict[str, deque[Record]] = {}
    found: dict[str, None] = {}
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] != Purpose.ENTRY.value:
            acted.pop(record.position, None)
        if record.kind is not Kind.DECISION or record.data["what"] != "exit":
            continue
        last = acted.setdefault(record.position, deque(maxlen=OFTEN))
        if last and last[-1].data["reason"] == record.data["reason"]:
            last.clear()
        last.append(record)
        if len(last) == OFTEN and record.at - last[0].at <= SOON:
            reasons = " and ".join(sorted({str(each.data["reason"]) for each in last}))
            found[f"{record.position}: {reasons} take over from each other"] = None
    return list(found)


def without_partner(day: CheckedDay) -> list[str]:
    """Return positions that end with a leg beyond whole structures of their open legs.

    Excluded: a side that an exit closed, also if the broker overfilled it or busted what opened or closed it; one with
    a rolled part; a long leg without a bid that an exit or a partial roll left to expire. A short leg without its long
    one is included, unless others closed that one and a person let the exits continue.
    """
    gone, exited = left_to_go_on(day), _exited(day)
    rolled = {order.position for order in day.orders.values() if order.opens_position and order.has_fills}
    left = _left_by_rolls(day)
    return [
        f"{position.id} holds {leg.name} without its partner"
        for position in day.positions.values()
        if not position.waits_for_expiry and not position.hold
        for leg in position.legs
        if leg.held - left[position.id, leg.name]
        > _structures(position, leg, gone, exited, is_rolled=position.id in rolled) * leg.ratio
        or _is_naked(position, leg, gone)
    ]


def _left_by_rolls(day: CheckedDay) -> Counter[tuple[str, str]]:
    """Return the contracts of long legs, by position and leg, that orders which rolled the others have left."""
    left: Counter[tuple[str, str]] = Counter()
    for order in day.orders.values():
        if not order.opens_position or not order.has_fills or order.position not in day.positions:
            continue
        new, closed = ({leg.name for leg in order.legs if leg.opens is opens} for opens in (True, False))
        for leg in day.positions[order.position].legs:
            if leg.sign > 0 and leg.name in new - closed:
                left[order.position, leg.name] += order.filled * leg.ratio
    return left


def left_to_a_person(day: CheckedDay) -> set[str]:
    """Return positions with leg fills that the broker never reported, of which a person was informed.

    Their unpartnered legs may not be closed: the partner has filled, as the broker says. An order sent for one after
    that alarm is not excused.
    """
    asked = {
        record.position: record.at
        for record in day.records
        if record.kind is Kind.ALARM and str(record.data.get("key") or "").split(" ")[0] == FILLS_PENDING
    }
    orders = day.orders.values()
    outstanding = {each.position for each in orders if each.opens(each.position) and each.broker_filled > each.filled}
    acted = {name for each in orders for name in each.positions if name in asked and each.prepared_at >= asked[name]}
    return outstanding & set(asked) - acted


def _exited(day: CheckedDay) -> set[tuple[str, str]]:
    """Return the legs, with their positions, reported closed by an exit of the spec, and empty ones beside them.

    The latter: of the same right, where nothing of it is held.
    """
    others = (Purpose.ENTRY.value, Purpose.UNWIND.value, BY_OTHERS)
    fills = (record for record in day.records if record.kind is Kind.FILL and record.data["purpose"] not in others)
    found = {(record.position, str(record.data["leg"])) for record in fills}
    for position in day.positions.values():
        held = {leg.option.right for leg in position.legs if leg.held > 0}
        closed = {leg.option.right for leg in position.legs if (position.id, leg.name) in found} - held
        found |= {(position.id, leg.name) for leg in position.legs if leg.option.right in closed}
    return found


def _structures(
    position: Position,
    leg: PositionLeg,
    gone: Counter[tuple[str, str]],
    exited: Collection[tuple[str, str]],
    *,
    is_rolled: bool,
) -> int:
    """Return how many whole structures a leg has: where exits have rolled, those of its own side.

    Legs without holdings, or with fewer, do not count. gone: by position and leg, external closes that a person
    accepted. exited: legs that exits have closed, whatever was busted since.
    """
    legs = position.legs
    if is_rolled and len({each.opened / each.ratio for each in legs}) == 1:
        legs = tuple(each for each in legs if each.option.right is leg.option.right)
    standing = [each for each in legs if each.held > 0 or not (each.opened or (position.id, each.name) in exited)]
    counts = ((each, each.held + gone[position.id, each.name]) for each in standing)
    return max(min((count // each.ratio for each, count in counts), default=0), 0)


def _is_naked(position: Position, short: PositionLeg, gone: Counter[tuple[str, str]]) -> bool:
    """Say whether a short leg is held whose long one, of the same right, is not, and is missing by no person's will."""
    partners = [leg for leg in position.legs if leg.sign > 0 and leg.option.right is short.option.right]
    wanted = max((gone[position.id, leg.name] // leg.ratio for leg in partners), default=0)
    is_alone = bool(partners) and not any(leg.held > 0 for leg in partners)
    return short.sign < 0 and is_alone and short.held > wanted * short.ratio


def unprotected(day: CheckedDay, bot: str) -> list[str]:
    """Return instants at which an open position of `bot` had neither both orders at the broker nor the engine's watch.

    Checked whenever the clock moves: records of one instant belong together.
    """
    found = []
    positions: dict[str, Position] = {}
    orders: dict[str, Order] = {}
    for record, following in zip(day.records, (*day.records[1:], None), strict=True):
        if record.bot == bot and record.kind is Kind.POSITION:
            positions[record.position] = decode(Position, dict(record.data))
        elif record.bot == bot and record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            orders[order.ref] = order
        if following is not None and following.at == record.at:
            continue
        found += [f"{record.at} {name}" for name in _bare(positions.values(), orders.values())]
    return found


def _bare(positions: Iterable[Position], orders: Iterable[Order]) -> Iterator[str]:
    live = Counter(o.position for o in orders if o.status.is_live and o.purpose in (Purpose.TARGET, Purpose.STOP))
    for position in positions:
        if position.state == "open" and not position.resting_orders_withdrawn and live[position.id] != 2:
            yield position.id


# --- The orders in a store against those at its broker

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

    caps: entries a day by bot; a bot without one has no limit. Fills after a reported cancel count only where no alarm
    was raised.
    """
    opened: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in executions(rows):
        order = day.orders.get(str(row["order_ref"]))
        if order is not None and order.purpose is Purpose.ENTRY and order.position in day.positions:
            opened[(order.bot, day.positions[order.position].session)].add(order.position)
    reported, late = reported_of(day), filled_after_cancel(day, rows)
    for (bot, session), ids in opened.items():
        if bot in caps and len(ids - late if ids & reported else ids) > caps[bot]:
            yield f"{bot} opened {len(ids)} positions on {session}: {sorted(ids)}"
    overfilled = filled_unasked(day, rows) & reported
    for position in day.positions.values():
        if position.id not in overfilled and any(leg.opened > position.quantity * leg.ratio for leg in position.legs):
            yield f"{position.id} is larger than asked for"


def reported_of(day: CheckedDay) -> set[str]:
    """Return the positions of which a person was informed about an obstacle."""
    return {record.position for record in day.records if record.kind is Kind.ALARM and record.position}


def filled_unasked(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions for which the broker filled more than anybody wanted of it then: no engine can prevent it."""
    return _filled_beyond(day, rows) | filled_after_cancel(day, rows)


def _filled_beyond(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions with an order that the broker overfilled."""
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
    """Return orders at the broker without an order row. unreceived: those whose permanent id could not be learned."""
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
    """Return orders that work at the broker with another price or size than in the store, without an alarm."""
    reported = reported_of(day)
    for view in outside.working:
        order, ticket = day.orders.get(view.ticket.order_ref), view.ticket
        if order is None or not order.status.is_live or order.position in reported:
            continue
        asked = Decimal(order.quantity * (1 if order.is_combo else order.legs[0].ratio))
        ours = asked, order.limit_price, order.stop_price
        theirs = ticket.quantity, ticket.limit_price, ticket.aux_price if ticket.order_type == "STP" else None
        if ours != theirs:
            yield f"{order.ref} works at the broker with {theirs}, in the store with {ours}"


def orders_outlived(day: CheckedDay, outside: LedgerOrders) -> Iterator[str]:
    """Return positions that are still open after all their contracts have expired.

    External closes that the account shows are settled minutes after the close: no report follows then.
    """
    today = outside.last.date()
    for position in day.positions.values():
        held = [leg.option for leg in position.legs if leg.held]
        is_settled_later = position.hold is not None and any(option.expiry == today for option in held)
        if held and not is_settled_later and all(option.expiry <= today for option in held):
            yield f"{position.id} of {position.bot} holds what has expired"
