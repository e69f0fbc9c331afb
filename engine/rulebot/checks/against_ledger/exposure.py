"""What positions held at every instant, by the broker's own executions: never a short leg alone, never closed twice."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby

from rulebot.checks.against_ledger.books import PREFIX, base_of, contracts_of, executions, signed
from rulebot.checks.against_ledger.day import CheckedDay, dealt_for
from rulebot.checks.against_ledger.others import DealtByOthers
from rulebot.checks.against_ledger.outside import filled_after_cancel, filled_unasked, told_of
from rulebot.checks.journal.given_up import AbandonedOrders
from rulebot.model.contract import LOT, Option, Right
from rulebot.model.order import Order, Purpose
from rulebot.model.session import exchange_date
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from twsim.exchange.ledger import Row
from twsim.exchange.strangers import EARLY
from twsim.seams import Status

KNOWN = timedelta(minutes=1)
"""How long an engine may not know that somebody else has closed what it holds."""
TOLD_WITHIN = timedelta(seconds=1)
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
    """Return fills after which a position was short more than it was long of one right, its shares counted by lots.

    allowed: bots whose specs take that risk; by_shares: bots whose calls shares cover (see `covered.py`). A position of
    which the broker itself took a trade back, traded a combo without all its legs, or filled an order that it had
    called cancelled is left out; so is one that it closed beyond what was asked, when a person was told. What others
    have dealt of its contracts, in our books or in the broker's ledger alone, counts; a short leg whose long one they
    have closed is their doing, also where an order of ours was at the broker by then.
    """
    busted = _busted(day, rows := list(rows)) | _torn(day, rows) | filled_after_cancel(day, rows)
    busted |= filled_unasked(day, rows) & told_of(day)
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
    """Yield each right of which more is short than long, and how many contracts; a lot of shares covers one.

    Shares that are held cover calls. Shares that were sold cover puts, and need calls as calls that were sold do, until
    all options of the position are over: what is left is closed then.
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

    A position of which the broker took a trade back, or filled an exit that it had called cancelled or said it had not,
    is left out. What it filled of an exit beyond the size of that nobody can prevent;
    then a person must have been told.
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
    """Return exits that closed nothing: the account had not held the contract for a minute when they were sent.

    What an earlier order of ours closes after that is told too late for the exit. Somebody else had closed it, or it
    was assigned. Until then a fill may be told after the position that it made. What corrects an execution is no trade.
    Where positions of ours hold both sides of a contract, which the account nets,
    what it held is counted without the side that the exit does not close.
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

    What fills at one instant under one reference is one. others: counts what others have dealt in our contracts, too.
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
    """Return when each order first came to the broker, by its reference."""
    found: dict[str, str] = {}
    for row in rows:
        if row["kind"] == "order":
            found.setdefault(str(row.get("order_ref", "")), str(row["at"]))
    return found


def _is_beside(sent: str, dealt: str | None) -> bool:
    """Say whether an order was sent before the engine could know of the last trade of others in its position."""
    return dealt is not None and datetime.fromisoformat(sent) <= datetime.fromisoformat(dealt) + TOLD_WITHIN


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
    """Return how an execution counts; None for one of an order that no row tells of, which others report."""
    order = day.orders.get(str(row["order_ref"]))
    found = None if order is None else dealt_for(day, order, int(str(row["con_id"])))
    if order is None or found is None:
        return None
    position, option = found
    return _Count(position.id, option, order.opens(position.id), signed(row))


def _opens(day: CheckedDay, order: Order, con_id: int) -> bool:
    """Say whether an order opens what it deals in of this contract."""
    found = dealt_for(day, order, con_id)
    return order.purpose is Purpose.ENTRY if found is None else order.opens(found[0].id)


def _busted(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions of which the broker took a trade back, or a part of one."""
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
    """Return how many contracts of a position the broker has closed by single orders beyond what these were for.

    Of positions of which a person was told something.
    """
    told = told_of(day)
    filled: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for row in executions(rows):
        key = str(row["order_ref"]), int(str(row["con_id"]))
        filled[key][base_of(row.get("exec_id", ""))] = contracts_of(row)
    found: dict[tuple[str, Option], int] = {}
    for (ref, con_id), counts in filled.items():
        order = day.orders.get(ref)
        dealt = None if order is None else dealt_for(day, order, con_id)
        if order is None or dealt is None or order.opens(dealt[0].id) or dealt[0].id not in told:
            continue
        size = max(each.quantity for each in (*order.former, order.terms))
        ratio = max((leg.ratio for leg in order.legs if leg.option == dealt[1]), default=1)
        if (more := sum(counts.values()) - size * ratio) > 0:
            key_of = dealt[0].id, dealt[1]
            found[key_of] = found.get(key_of, 0) + more
    return found


def _torn(day: CheckedDay, rows: Sequence[Row]) -> set[str]:
    """Return positions with a combo of which the broker traded some legs, and then ended it without the others."""
    last = {str(row["order_ref"]): row["status"] for row in rows if row["kind"] == "order"}
    traded: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for row in executions(rows):
        traded[str(row["order_ref"])][int(str(row["con_id"]))] += float(str(row["quantity"]))
    found = set()
    for ref, counts in traded.items():
        order = day.orders.get(ref)
        positions = [] if order is None else [day.positions[name] for name in order.positions if name in day.positions]
        if order is not None and positions and order.is_combo and last.get(ref) == Status.CANCELLED.value:
            ratios = {leg.option.con_id: leg.ratio for position in positions for leg in position.legs}
            whole = {count / ratios.get(con_id, 1) for con_id, count in counts.items()}
            found |= {*order.positions} if len(whole) > 1 or len(counts) < len(order.legs) else set()
    return found


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
