"""What positions held at every instant, by the broker's own executions: never a short leg alone, never closed twice."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from rulebot.checks.against_ledger.books import (
    PREFIX,
    CheckedDay,
    DealtByOthers,
    contracts_of,
    dealt_for,
    executions,
    signed,
    waiting_for_level,
)
from rulebot.checks.against_ledger.findings import AT_WORK, filled_after_cancel, filled_unasked, reported_of
from rulebot.checks.journal.books import AbandonedOrders
from rulebot.model.contract import LOT, Option, Right
from rulebot.model.loss_bound import DELIVERING, shares_covering, shares_delivered
from rulebot.model.money import ZERO
from rulebot.model.order import Order, OrderLeg, Purpose
from rulebot.model.session import exchange_date
from rulebot.record.books import base_of
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from twsim import DELIVERY, EARLY, Row, Status, money_of

KNOWN = timedelta(minutes=1)
"""How long an engine may miss an external close of its holdings."""

REPORTED_WITHIN = timedelta(seconds=1)
"""How long after a trade of others the engine may still send an order that does not know of it."""


@dataclass(slots=True)
class _Holding:
    """One position by executions: contracts of each option, + long, and what entries alone bought and sold."""

    held: dict[Option, int] = field(default_factory=lambda: defaultdict(int))
    entered: dict[Option, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(frozen=True, slots=True)
class _Count:
    """How an execution counts: by its position, option and purpose; `change` is signed."""

    position: str
    option: Option
    is_entry: bool
    change: int


def uncovered_shorts(
    day: CheckedDay, rows: Iterable[Row], allowed: Collection[str], by_shares: Collection[str] = ()
) -> Iterator[str]:
    """Return fills after which a position was short more than long in one right, its shares counted by lots.

    allowed: bots whose specs take that risk; by_shares: bots whose calls shares cover. Excluded are positions in which
    the broker busted a trade, traded a combo in part, filled an order that it had cancelled, or overfilled a close with
    an alarm. External trades in its contracts count; a short leg whose long one they closed is their doing, also with
    an order of ours at the broker by then.
    """
    busted = _busted(day, rows := list(rows)) | _incomplete(day, rows) | filled_after_cancel(day, rows)
    busted |= filled_unasked(day, rows) & reported_of(day)
    stood: dict[tuple[str, Right], int] = {}
    for at, position, holding, is_ours in _after_each_fill(day, rows, DealtByOthers(day)):
        owner = day.positions.get(position)
        if owner is None or owner.bot in allowed or position in busted:
            continue
        bare = dict(_uncovered(holding, exchange_date(datetime.fromisoformat(at))))
        for right in Right:
            short, before = bare.get(right, 0), stood.get((position, right), 0)
            stood[position, right] = short
            if is_ours and short > before and (right is not Right.CALL or owner.bot not in by_shares):
                yield f"{position} of {owner.bot} was short {short} {right.value} without a long one at {at}"


def _uncovered(holding: _Holding, today: date) -> Iterator[tuple[Right, int]]:
    """Yield each right with more short than long contracts, and how many; a lot of shares covers one.

    Held shares cover calls. Sold shares cover puts, and need calls as sold calls do, until all options of the position
    are closed: the rest is closed then.
    """
    alive = [option for option in holding.held if option.expiry >= today]
    if len(alive) < len(holding.held) and all(option.is_share for option in alive):
        return
    shares_sold = -sum(holding.held[option] for option in alive if option.is_share)
    for right in Right:
        long = sum(holding.held[option] * option.multiplier for option in alive if option.right is right)
        if right is Right.PUT:
            long += max(shares_sold, 0)
        if long < 0:
            yield right, -(long // LOT)


def closed_too_much(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return fills after which the exits of a position had closed more of a leg than its entries had opened.

    Excluded are positions in which the broker busted a trade, or filled an exit that it had cancelled or denied. An
    overfill of an exit cannot be prevented; then an alarm is required.
    """
    busted = _busted(day, rows := list(rows)) | _filled_after_the_end(day)
    beyond = _filled_beyond(day, rows)
    for at, position, holding, _ in _after_each_fill(day, rows):
        if position in busted:
            continue
        for option, entered in holding.entered.items():
            held = holding.held[option]
            is_turned = held * entered < 0 and abs(held) > beyond.get((position, option), 0)
            if is_turned or (held * entered >= 0 and abs(held) > abs(entered)):
                yield f"{position} held {held} of {option} at {at}, its entries had made {entered}"
        for option, held in holding.held.items():
            if held and not holding.entered[option]:
                yield f"{position} held {held} of {option} at {at}, its entries had made none"


def closed_without_holding(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return exits that closed nothing: the account had lacked the contract for a minute when they were sent.

    What an earlier order of ours closes after that is reported too late for the exit. It was closed externally or
    assigned; within the minute a fill may still be reported. A correction of an execution is no trade. With positions
    on both sides of a contract, the holding is counted without the side that the exit does not close.
    """
    held: dict[int, int] = defaultdict(int)
    sides: dict[tuple[int, int], int] = defaultdict(int)
    changed: dict[int, datetime] = {}
    sent: dict[str, tuple[datetime, Mapping[int, int], Mapping[tuple[int, int], int]]] = {}
    counted: dict[str, int] = {}
    for row in rows:
        at, ref = datetime.fromisoformat(str(row["at"])), str(row.get("order_ref", ""))
        if row["kind"] == "order":
            sent.setdefault(ref, (at, held.copy(), sides.copy()))
        is_new = base_of(row.get("exec_id", "")) not in counted
        change = _change(row, counted)
        if not change:
            continue
        con_id = int(str(row["con_id"]))
        order = day.orders.get(ref)
        is_opening = order is None or _opens(day, order, con_id)
        side = 1 if (row.get("side") == "BOT") is is_opening else -1
        if is_new and not is_opening and con_id in changed and sent[ref][0] - changed[con_id] >= KNOWN:
            _, held_then, sides_then = sent[ref]
            of_side = held_then.get(con_id, 0) - sides_then.get((con_id, -side), 0)
            if of_side * change >= 0:
                yield f"{ref} traded {change} of {row['name']} at {at}, and the account held {of_side}"
        held[con_id] += change
        if order is not None:
            sides[con_id, side] += change
        if not ref.startswith(PREFIX):
            changed[con_id] = at


def _change(row: Row, counted: dict[str, int]) -> int:
    """Return what a row changes of the account's holding of an option: + bought. Corrections change the difference."""
    if row["kind"] == "settlement" and row["outcome"] == EARLY:
        return contracts_of(row)
    if row["kind"] != "execution" or row["sec_type"] != "OPT":
        return 0
    base = base_of(row.get("exec_id", ""))
    count = signed(row)
    before, counted[base] = counted.get(base, 0), count
    return count - before


def _after_each_fill(
    day: CheckedDay, rows: Sequence[Row], others: DealtByOthers | None = None
) -> Iterator[tuple[str, str, _Holding, bool]]:
    """Yield time, position, holding, and whether it was our doing, after each fill.

    Fills at one instant under one reference are one. others: counts external trades in our contracts too.
    """
    holdings: dict[str, _Holding] = defaultdict(_Holding)
    counted: dict[str, _Count] = {}
    dealt: dict[str, str] = {}
    sent = _first_seen(rows)
    for (at, ref), group in groupby(_fills(rows, others), lambda row: (str(row["at"]), str(row["order_ref"]))):
        touched: dict[str, None] = {}
        for row in group:
            if others is not None and others.deals_in_ours(row):
                for position, option, change in others.changes(row, lambda name, each: holdings[name].held[each]):
                    holdings[position].held[option] += change
                    touched[position] = None
                    dealt[position] = at
            elif count := _count(day, row):
                base = base_of(row.get("exec_id", ""))
                before = counted.get(base)
                counted[base] = count
                _add(holdings[count.position], count, count.change - (before.change if before else 0))
                touched[count.position] = None
        for position in touched:
            is_ours = ref.startswith(PREFIX) and not _is_beside(sent.get(ref, at), dealt.get(position))
            yield at, position, holdings[position], is_ours


def _first_seen(rows: Iterable[Row]) -> dict[str, str]:
    """Return when each order first reached the broker, by its reference."""
    found: dict[str, str] = {}
    for row in rows:
        if row["kind"] == "order":
            found.setdefault(str(row.get("order_ref", "")), str(row["at"]))
    return found


def _is_beside(sent: str, dealt: str | None) -> bool:
    """Say whether an order was sent before the engine could know of the last trade of others in its position."""
    return dealt is not None and datetime.fromisoformat(sent) <= datetime.fromisoformat(dealt) + REPORTED_WITHIN


def _fills(rows: Iterable[Row], others: DealtByOthers | None) -> Iterator[Row]:
    """Yield our executions and those of others in our contracts."""
    for row in rows:
        if others is not None and others.deals_in_ours(row):
            yield row
        else:
            yield from executions((row,))


def _add(holding: _Holding, count: _Count, change: int) -> None:
    holding.held[count.option] += change
    if count.is_entry:
        holding.entered[count.option] += change


def _count(day: CheckedDay, row: Row) -> _Count | None:
    """Return how an execution counts; None for one of an order without a row, which other checks report."""
    order = day.orders.get(str(row["order_ref"]))
    found = None if order is None else dealt_for(day, order, int(str(row["con_id"])))
    if order is None or found is None:
        return None
    position, option = found
    return _Count(position.id, option, order.opens(position.id), signed(row))


def _opens(day: CheckedDay, order: Order, con_id: int) -> bool:
    """Say whether an order opens this contract."""
    found = dealt_for(day, order, con_id)
    return order.purpose is Purpose.ENTRY if found is None else order.opens(found[0].id)


def _busted(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions in which the broker busted a trade, or a part of one."""
    seen: dict[str, object] = {}
    found = set()
    for row in executions(rows):
        base = base_of(row.get("exec_id", ""))
        order = day.orders.get(str(row["order_ref"]))
        if base in seen and seen[base] != row["quantity"] and order is not None:
            found |= {*order.positions}
        seen[base] = row["quantity"]
    return found


def _filled_beyond(day: CheckedDay, rows: Sequence[Row]) -> dict[tuple[str, Option], int]:
    """Return how many contracts of a position the broker overfilled in single orders.

    Of positions with an alarm.
    """
    reported = reported_of(day)
    filled: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for row in executions(rows):
        key = str(row["order_ref"]), int(str(row["con_id"]))
        filled[key][base_of(row.get("exec_id", ""))] = contracts_of(row)
    found: dict[tuple[str, Option], int] = {}
    for (ref, con_id), counts in filled.items():
        order = day.orders.get(ref)
        dealt = None if order is None else dealt_for(day, order, con_id)
        if order is None or dealt is None or order.opens(dealt[0].id) or dealt[0].id not in reported:
            continue
        size = max(each.quantity for each in (*order.previous_terms, order.terms))
        ratio = max((leg.ratio for leg in order.legs if leg.option == dealt[1]), default=1)
        if (more := sum(counts.values()) - size * ratio) > 0:
            key_of = dealt[0].id, dealt[1]
            found[key_of] = found.get(key_of, 0) + more
    return found


def _incomplete(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions with a combo of which the broker filled some legs, and then ended the order."""
    last = {str(row["order_ref"]): row["status"] for row in rows if row["kind"] == "order"}
    traded: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for row in executions(rows):
        traded[str(row["order_ref"])][int(str(row["con_id"]))] += float(str(row["quantity"]))
    found = set[str]()
    for ref, counts in traded.items():
        order = day.orders.get(ref)
        if order is not None and last.get(ref) == Status.CANCELLED.value and _is_uneven(day, order, counts):
            found |= {*order.positions}
    return found


def _is_uneven(day: CheckedDay, order: Order, counts: Mapping[int, float]) -> bool:
    """Say whether the legs of a combo have traded in other numbers than their ratios."""
    positions = [day.positions[name] for name in order.positions if name in day.positions]
    ratios = {leg.option.con_id: leg.ratio for position in positions for leg in position.legs}
    whole = {count / ratios.get(con_id, 1) for con_id, count in counts.items()}
    return bool(positions) and order.is_combo and (len(whole) > 1 or len(counts) < len(order.legs))


def _filled_after_the_end(day: CheckedDay) -> set[str]:
    """Return positions with an exit that filled although the broker had said that it was over, or that it had none."""
    over: dict[str, bool] = {}
    given_up = AbandonedOrders()
    found: set[str] = set()
    for record in day.records:
        if record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            over[order.ref] = not order.status.is_live
            given_up.note(order, record.at)
        elif record.kind is Kind.FILL and record.data["purpose"] != Purpose.ENTRY.value:
            ref = str(record.data["ref"])
            found |= {record.position} if over.get(ref) or ref in given_up else set()
    return found


# --- Orders that the broker worked at once, by its own ledger

_AT_WORK = frozenset(status.value for status in AT_WORK)
Held = Mapping[tuple[str, int], int]
"""Contracts by position and contract id, as entries and exits have left them."""


@dataclass(frozen=True, slots=True)
class _AtBroker:
    """An order that the broker works: since when, and how much of it may still fill, in the units of the wire."""

    order: Order
    since: datetime
    left: int

    def may_fill(self, leg: OrderLeg) -> int:
        """Return contracts of a leg that it may still deal."""
        ratio = next((each.ratio for each in self.order.legs if each.key == leg.key), 0)
        return self.left * (ratio if self.order.is_combo else min(ratio, 1))


def entries_at_once(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return entries that were sent while the broker worked another one of their bot."""
    for sent, others, _ in _sent_beside(day, rows):
        for other in others:
            is_entry = {sent.order.purpose, other.order.purpose} == {Purpose.ENTRY}
            if is_entry and sent.order.bot == other.order.bot:
                yield f"{sent.order.ref} was sent while the broker worked {other.order.ref} of {sent.order.bot}"


def exits_at_once(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return exits that were sent while the broker worked others, together for more of a leg than was held.

    Those of one OCA group count once, as the largest.
    """
    for sent, others, held in _sent_beside(day, rows):
        order = sent.order
        if order.purpose is Purpose.ENTRY:
            continue
        beside = [
            each for each in others if each.order.position == order.position and each.order.purpose is not Purpose.ENTRY
        ]
        for leg in (each for each in order.legs if not each.opens):
            groups: dict[str, int] = {}
            for each in (sent, *beside):
                group = each.order.oca_group or each.order.ref
                groups[group] = max(groups.get(group, 0), each.may_fill(leg))
            working, is_held = sum(groups.values()), held.get((order.position, leg.option.con_id), 0)
            if working > max(is_held, groups[order.oca_group or order.ref]):
                refs = ", ".join(each.order.ref for each in beside if not _is_one_group(each.order, order))
                yield f"{order.ref} was sent while the broker worked {refs}: {working} of {leg.name}, held {is_held}"
                break


def _is_one_group(one: Order, other: Order) -> bool:
    return bool(one.oca_group) and one.oca_group == other.oca_group


def _sent_beside(day: CheckedDay, rows: Iterable[Row]) -> Iterator[tuple[_AtBroker, list[_AtBroker], Held]]:
    """Yield each order as it reaches the broker, those that worked there when it was sent, and what is held then."""
    working: dict[str, _AtBroker] = {}
    held: dict[tuple[str, int], int] = defaultdict(int)
    counted: dict[str, int] = {}
    reached: set[str] = set()
    for row in rows:
        order = day.orders.get(str(row.get("order_ref", "")))
        if order is None:
            continue
        if row["kind"] == "execution" and row["sec_type"] != "BAG":
            _hold(held, counted, day, order, row)
        elif row["kind"] == "order" and row["status"] not in _AT_WORK:
            working.pop(order.ref, None)
        elif row["kind"] == "order":
            left = contracts_of(row) - int(money_of(row, "filled"))
            since = working[order.ref].since if order.ref in working else datetime.fromisoformat(str(row["at"]))
            now = working[order.ref] = _AtBroker(order, since, left)
            sent_at = order.sent_at
            if order.ref not in reached and sent_at is not None:
                others = [each for each in working.values() if each is not now and each.since < sent_at]
                yield now, others, held
            reached.add(order.ref)


def _hold(held: dict[tuple[str, int], int], counted: dict[str, int], day: CheckedDay, order: Order, row: Row) -> None:
    """Count an execution, a correction in place of what it corrects."""
    con_id, base = int(str(row["con_id"])), base_of(row["exec_id"])
    found = dealt_for(day, order, con_id)
    if found is None:
        return
    position = found[0].id
    count = contracts_of(row) * (1 if order.opens(position) else -1)
    held[position, con_id] += count - counted.get(base, 0)
    counted[base] = count


# --- Calls that shares were to cover, against the shares that the broker's ledger has at every instant


def calls_without_shares(day: CheckedDay, rows: Iterable[Row], bots: Collection[str]) -> Iterator[str]:
    """Return entries after which the calls of these bots needed more shares than the account held.

    Excluded are shares sold externally less than a minute before, and unrequested fills of the broker.
    """
    rows = list(rows)
    beyond = filled_unasked(day, rows)
    held: dict[str, Decimal] = defaultdict(Decimal)
    sold_at: dict[str, datetime] = {}
    calls: dict[str, dict[Option, int]] = defaultdict(lambda: defaultdict(int))
    counted: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "position":
            name, quantity = str(row["name"]), money_of(row, "quantity")
            if quantity < held[name]:
                sold_at[name] = datetime.fromisoformat(str(row["at"]))
            held[name] = quantity
            continue
        found = _counted(day, row, bots, counted)
        if found is None:
            continue
        position, option, change, is_entry = found
        calls[position][option] += change
        at, symbol = datetime.fromisoformat(str(row["at"])), option.symbol
        is_known = symbol not in sold_at or at - sold_at[symbol] >= KNOWN
        needed = sum(
            shares_covering(((each, count, ZERO) for each, count in found.items()), symbol)
            for name, found in calls.items()
            if name not in beyond
        )
        if is_entry and is_known and needed > held[symbol]:
            yield f"{position}: the calls needed {needed} {symbol} shares at {at}, the account held {held[symbol]}"


def _counted(
    day: CheckedDay, row: Row, bots: Collection[str], counted: dict[str, int]
) -> tuple[str, Option, int, bool] | None:
    """Return position, option, signed change and whether it opens, of an execution of these bots; else None."""
    if row["kind"] != "execution" or row["sec_type"] != "OPT" or not str(row["order_ref"]).startswith(PREFIX):
        return None
    order = day.orders.get(str(row["order_ref"]))
    found = None if order is None else dealt_for(day, order, int(str(row["con_id"])))
    if order is None or found is None or found[0].bot not in bots:
        return None
    position, option = found
    base = base_of(row["exec_id"])
    count = signed(row)
    change, counted[base] = count - counted.get(base, 0), count
    return position.id, option, change, order.opens(position.id)


# --- Shares that came and went by assignment and exercise


def delivery_differences(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Yield underlyings whose shares, or dollars for them, our settlements moved differently from the ledger.

    Not compared: underlyings with external trades or early assignments, and those with options whose settlement could
    not be known.
    """
    rows = list(rows)
    if any(_is_of_others(row) for row in rows):
        return
    ours: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for record in day.records:
        if record.kind is Kind.SETTLEMENT and record.data["how"] in DELIVERING:
            leg = next(leg for leg in day.positions[record.position].legs if leg.name == record.data["leg"])
            shares = Decimal(shares_delivered(leg.option, leg.sign * int(str(record.data["quantity"]))))
            was = ours[leg.option.symbol]
            ours[leg.option.symbol] = was[0] + shares, was[1] - shares * leg.option.strike
    theirs: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for row in rows:
        if row["kind"] == "settlement" and row["outcome"] == DELIVERY:
            shares, was = money_of(row, "quantity"), theirs[str(row["name"])]
            theirs[str(row["name"])] = was[0] + shares, was[1] - shares * money_of(row, "price")
    for symbol in sorted({*ours, *theirs} - {option.symbol for option in waiting_for_level(day, rows)}):
        if ours[symbol] != theirs[symbol]:
            (count, cash), (their_count, their_cash) = ours[symbol], theirs[symbol]
            yield f"delivered of {symbol}: ours {count} for {cash}, the ledger's {their_count} for {their_cash}"


def _is_of_others(row: Row) -> bool:
    is_trade = row["kind"] == "execution" and not str(row["order_ref"]).startswith(PREFIX)
    return is_trade or (row["kind"] == "settlement" and row["outcome"] == EARLY)
