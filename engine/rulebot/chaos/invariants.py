"""Judge what a trial left by the invariants, by number: from the store's journal and the broker's ledger alone."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from rulebot.chaos.limits_check import (
    ChaosResult,
    documents_taken_up,
    entries_and_refusals,
    governed,
    unprotected_too_long,
)
from rulebot.checks.against_ledger.books import PREFIX, CheckedDay, compare_books, fill_differences
from rulebot.checks.against_ledger.findings import (
    at_work_otherwise,
    goes_on_after_kill,
    left_to_a_person,
    more_than_cap,
    not_numbers,
    off_tick,
    orders_outlived,
    reported_grids,
    reported_of,
    taken_over_without_end,
    twice_at_broker,
    unknown_to_broker,
    unknown_to_store,
    without_partner,
)
from rulebot.checks.against_ledger.holdings import (
    calls_without_shares,
    closed_too_much,
    closed_without_holding,
    delivery_differences,
    entries_at_once,
    exits_at_once,
    uncovered_shorts,
)
from rulebot.checks.journal.audit import INVARIANTS as AUDITED
from rulebot.checks.journal.audit import audit
from rulebot.checks.journal.books import Finding
from rulebot.compile.orders import loss_budget
from rulebot.core.exits.exit_rules import DAILY_LOSS
from rulebot.core.exits.protective_stops import stop_price
from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import leaves_to_expire, planned_exit
from rulebot.core.queries.protection import NEVER_AGAIN
from rulebot.core.queries.resting_order import rest_of
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.facts import Grids
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position
from rulebot.model.session import Session, exchange_date, session_from, trades_no_more
from rulebot.model.values import dataclass
from rulebot.record.books import base_of
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import standing_of
from rulebot.store.emergency_journal import places
from rulebot.store.place import PRIVATE_FILE, Place
from twsim import Status

PATIENCE = timedelta(minutes=1)
"""How long an order may be neither working nor ended in the calm without any action."""
_NEVER = datetime.max.replace(tzinfo=UTC)
RESTING = (Purpose.TARGET, Purpose.STOP, Purpose.PROTECT)
SHOWN = 3
"""Offences that are kept of one invariant and trial."""

Check = Callable[[ChaosResult, LoadedBots], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold of every trial: its number, its sentence, and what looks besides the audit."""

    number: int
    says: str
    check: Check


def judge(aftermath: ChaosResult, desk: LoadedBots) -> Mapping[int, tuple[str, ...]]:
    """Return the first offences against each invariant that does not hold, by its number."""
    day = aftermath.day
    audited = audit(enumerate(day.records, 1), broken=day.broken, tables=aftermath.tables, starts=aftermath.starts)
    said = {
        each.number: [f"{one.at:%H:%M:%S} {one.text}" if one.at else one.text for one in each.first] for each in audited
    }
    found = {}
    for each in INVARIANTS:
        offences = [*said.get(each.number, []), *islice(each.check(aftermath, desk), SHOWN)]
        if offences:
            found[each.number] = tuple(offences[:SHOWN])
    return found


def _line(finding: Finding) -> str:
    return finding.text if finding.at is None else f"{finding.at:%H:%M:%S} UTC, {finding.text}"


# ---------------------------------------------------------------- what looks


def _nothing(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return ()


def _entries(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return entries_at_once(aftermath.day, aftermath.outside.rows)


def _exits(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return exits_at_once(aftermath.day, aftermath.outside.rows)


def _identities(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    rows, orders = aftermath.outside.rows, aftermath.day.orders
    yield from twice_at_broker(rows)
    unheard = {str(row["order_ref"]) for row in aftermath.unheard if row["kind"] == "order"}
    if aftermath.lives > 1:  # a reject reported to a crashed engine is reported to no other one
        refused = (row for row in rows if row["kind"] == "order" and row["status"] == Status.INACTIVE.value)
        unheard |= {str(row["order_ref"]) for row in refused}
    yield from unknown_to_store(orders, rows, unheard)


def _books(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    day, rows = aftermath.day, aftermath.outside.rows
    unreported = *aftermath.unreported, *(row for row in aftermath.unheard if row["kind"] == "commission")
    return (*compare_books(day, unreported, rows, _unheard(aftermath)), *delivery_differences(day, rows))


def _executions(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return fill_differences(aftermath.day, aftermath.outside.rows, _unheard(aftermath))


def _unheard(aftermath: ChaosResult) -> set[str]:
    return {base_of(row["exec_id"]) for row in aftermath.unheard if row["kind"] == "execution"}


def _covered(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    allowed = [name for name, bot in desk.bots.items() if bot.plan.risk.undefined_risk]
    by_shares = [name for name, bot in desk.bots.items() if bot.plan.overwrite is not None]
    day, rows = aftermath.day, aftermath.outside.rows
    return (*uncovered_shorts(day, rows, allowed, by_shares), *calls_without_shares(day, rows, by_shares))


def _reduced(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    rows = aftermath.outside.rows
    return (*closed_too_much(aftermath.day, rows), *closed_without_holding(aftermath.day, rows))


def _killed(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return goes_on_after_kill(aftermath.day)


def _in_session(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return orders that the broker first received outside the session; resting orders may wait there for an open."""
    orders = aftermath.day.orders
    seen = {ref for ref, order in orders.items() if order.purpose in RESTING}
    for row in aftermath.outside.rows:
        ref = str(row.get("order_ref", ""))
        if row["kind"] != "order" or not ref.startswith(PREFIX) or ref in seen:
            continue
        seen.add(ref)
        at = datetime.fromisoformat(str(row["at"]))
        session = session_from(exchange_date(at))
        if not session.is_on(at):
            yield f"{ref} reached the broker at {at:%H:%M:%S} UTC, outside the session"


def _as_asked(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    caps = {name: bot.plan.entry.per_day for name, bot in desk.bots.items()}
    yield from more_than_cap(aftermath.day, aftermath.outside.rows, caps)
    yield from _too_large(aftermath, desk)
    yield from _too_many_open(aftermath, desk)
    yield from entries_and_refusals(aftermath, desk)
    yield from off_tick(aftermath.day)
    yield from not_numbers(aftermath.day)


def _too_large(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return positions of more structures than their spec allows, or whose worst case exceeds the limit.

    The number of calls that shares allow is judged by the shares. Fills worse than an order's limit may cost more than
    requested: those have an alarm.
    """
    day = aftermath.day
    reported, corrected = reported_of(day), _corrected(day)
    for position in day.positions.values():
        bot = aftermath.governing(position, desk)
        if bot is None or bot.plan.digest != position.digest:
            continue
        if bot.plan.overwrite is None and position.quantity > bot.plan.quantity:
            yield f"{position.id} is for {position.quantity} structures, at most {bot.plan.quantity} are asked for"
        if position.id not in reported:
            yield from _too_risky(position, bot, is_corrected=position.id in corrected)


def _too_risky(position: Position, bot: CompiledBot, *, is_corrected: bool) -> Iterator[str]:
    budget, limit = loss_budget(bot.plan), bot.plan.risk.max_loss_per_trade
    risk = None if position.max_risk is None else position.max_risk * position.quantity
    if budget is not None and (risk is None or risk > budget):
        yield f"{position.id} could lose more than ${budget:,}, which its quantity counts by"
    is_entered = not position.rolled_from and not is_corrected
    if is_entered and limit is not None and risk is not None and risk > limit:
        yield f"{position.id} could lose ${risk:,.2f}, max_loss_per_trade is ${limit:,}"


def _corrected(day: CheckedDay) -> set[str]:
    """Return positions with a trade that the broker corrected."""
    fills = [record for record in day.records if record.kind is Kind.FILL]
    times = Counter((record.position, base_of(record.data["exec_id"])) for record in fills)
    return {position for (position, _), count in times.items() if count > 1}


def _too_many_open(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return which bot, or all together, had more open trades than allowed, without an alarm.

    After a change of the account document more may be open than it allows now: then entries are judged by it.
    """
    day = aftermath.day
    reported = {day.positions[name].entered_as for name in reported_of(day) if name in day.positions}
    trades: dict[str, list[Position]] = defaultdict(list)
    for position in day.positions.values():
        if position.opened_at is not None and position.entered_as not in reported:
            trades[position.entered_as].append(position)
    caps = [(name, bot.plan.entry.max_open) for name, bot in desk.bots.items()]
    together = None if aftermath.reads else desk.limits().max_open
    for name, most in (*caps, ("", together)):
        count = _most_at_once([_span(each) for each in trades.values() if name in ("", each[0].bot)])
        if most is not None and count > most:
            yield f"{count} trades of {name or 'all bots'} were open at once, max_open is {most}"


def _most_at_once(spans: Sequence[tuple[datetime, datetime]]) -> int:
    return max((sum(one[0] <= begins < one[1] for one in spans) for begins, _ in spans), default=0)


def _span(trade: Iterable[Position]) -> tuple[datetime, datetime]:
    """Return from when to when something of a trade was open."""
    spans = [(each.opened_at or _NEVER, each.closed_at or _NEVER) for each in trade]
    return min(opened for opened, _ in spans), max(closed for _, closed in spans)


def _settled(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return what is not as it should be once everything has been quiet for a while."""
    day, outside = aftermath.day, aftermath.outside
    unsettled = (order for order in day.orders.values() if _is_unsettled(order, outside.last))
    yield from (f"{order.ref} ends {order.status.value}" for order in unsettled)
    yield from unknown_to_broker(day.orders, outside)
    yield from at_work_otherwise(day, outside)
    reported, grids = reported_of(day), reported_grids(day)
    for position in day.positions.values():
        if not position.is_frozen:
            yield from _settled_position(position, aftermath, desk, reported, grids)
    yield from _held_otherwise(day, outside.last)
    yield from taken_over_without_end(day)
    excused = _excused(day, reported)
    yield from (each for each in without_partner(day) if each.partition(" ")[0] not in excused)
    if aftermath.storm.ends_with_day:
        yield from orders_outlived(day, outside)


def _settled_position(
    position: Position, aftermath: ChaosResult, desk: LoadedBots, reported: Collection[str], grids: Grids
) -> Iterator[str]:
    """Return the same for one position. reported: those with an alarm."""
    day, now, bot = aftermath.day, aftermath.outside.last, aftermath.governing(position, desk)
    live = [order for order in day.orders.values() if order.is_of(position.id) and order.status.is_live]
    if position.id not in reported:
        yield from _between(position, live, bot, now)
    if position.state == "open":
        yield from _unwatched(position, live, bot, now, None if position.id in reported else grids)
        if not position.common.is_flat:
            yield from _overdue(position, bot, day, now)


def _excused(day: CheckedDay, reported: Iterable[str]) -> set[str]:
    """Return positions that may lack a leg: with an alarm, or closed by a person."""
    found = {name for name in reported if name not in day.positions or day.positions[name].state != "open"}
    found |= {each.id for each in day.positions.values() if each.closed_by_others or each.account_missing}
    return found | left_to_a_person(day)


def _between(position: Position, live: list[Order], bot: CompiledBot | None, now: datetime) -> Iterator[str]:
    """Return a position that neither is open nor has ended."""
    is_left = position.waits_for_expiry if bot is None else leaves_to_expire(position, bot.of(position))
    is_between = position.state in ("entering", "exiting") and not is_left
    if is_between and not live and not _is_due(position, now):
        yield f"{position.id} of {position.bot} ends {position.state} without an order"
    if position.state == "closed" and not position.is_flat:
        yield f"{position.id} of {position.bot} ends closed and holds something"


def _unwatched(
    position: Position,
    live: list[Order],
    bot: CompiledBot | None,
    now: datetime,
    grids: Grids | None,
) -> Iterator[str]:
    """Return what an open position lacks of the orders that watch it. grids: None leaves their prices out."""
    if position.resting_orders_withdrawn or position.is_lost or position.resting_orders_replaced >= NEVER_AGAIN:
        return
    yield from _unprotected(position, live, bot)
    yield from _without_stop(position, live, bot, now)
    if grids is not None:
        yield from _priced_otherwise(position, live, bot, grids)


def _held_otherwise(day: CheckedDay, now: datetime) -> Iterator[str]:
    """Return contracts of which the engine acts on more or less than both its books and the account hold.

    Not decidable with positions on both sides, or without an exit. Contracts that return to a position on hold may be a
    person's own, until a resume.
    """
    session = session_from(exchange_date(now))
    books, acted, unclear, again = Counter[int](), Counter[int](), set[int](), Counter[int]()
    for position in day.positions.values():
        for leg, common in zip(position.legs, position.common.legs, strict=True):
            con_id = leg.option.con_id
            books[con_id] += leg.signed_held
            acted[con_id] += common.signed_held
            again[con_id] += position.absent(leg.name) if position.hold else 0
            if leg.held and (position.is_frozen or books[con_id] * leg.sign < 0 or leg.option.is_share):
                unclear.add(con_id)
            if trades_no_more(leg.option.expiry, session, now):
                unclear.add(con_id)
    for con_id, count in books.items():
        held = int(day.ledger.positions.get(con_id, 0))
        both = min(abs(count), abs(held)) * (1 if count > 0 else -1) if count * held > 0 else 0
        least = max(abs(both) - again[con_id], 0)
        if con_id not in unclear and not (least <= abs(acted[con_id]) <= abs(both)):
            yield f"the engine acts on {acted[con_id]} of contract {con_id}; it holds {count}, the account {held}"


def _is_unsettled(order: Order, now: datetime) -> bool:
    if order.status is OrderStatus.CANCELLING:
        return now - order.changed_at > PATIENCE
    return order.status in (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.UNKNOWN)


def _is_due(position: Position, now: datetime) -> bool:
    """Say whether the next try of an entry or exit is still to come."""
    return position.retry_at is not None and position.retry_at + timedelta(seconds=5) >= now


def _unprotected(position: Position, live: list[Order], bot: CompiledBot | None) -> Iterator[str]:
    """Return an open position whose resting exits do not all rest at the broker, for all that it holds."""
    exits = () if bot is None else bot.of(position).resting
    wanted = sum(rest_of(position, each) is not None for each in exits)
    resting = [order for order in live if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    if len(resting) < wanted:
        yield f"{position.id} of {position.bot} is open with {len(resting)} of {wanted} resting orders"
    held = {leg.name: leg.held for leg in position.common.legs}
    for order in resting:
        count = min(held[leg.name] // leg.ratio for leg in order.legs)
        if order.remaining != count:
            yield f"{order.ref} rests for {order.remaining}, {position.id} holds {count}"


def _without_stop(position: Position, live: list[Order], bot: CompiledBot | None, now: datetime) -> Iterator[str]:
    """Return short legs of an open position that require a stop at the broker, and have none of their size."""
    plan = None if bot is None else bot.of(position).plan.risk.protect
    if plan is None:
        return
    session = session_from(exchange_date(now))
    for leg in position.common.legs:
        is_short = leg.sign < 0 and leg.held > 0 and not trades_no_more(leg.option.expiry, session, now)
        if not is_short or not plan.covers(leg.name) or stop_price(position, leg, plan) is None:
            continue
        stops = [order for order in live if order.purpose is Purpose.PROTECT and order.legs[0].name == leg.name]
        if (stopped := sum(order.remaining for order in stops)) != leg.held:
            yield f"{position.id} of {position.bot} holds {leg.held} of {leg.name} and has stops for {stopped}"


def _priced_otherwise(position: Position, live: list[Order], bot: CompiledBot | None, grids: Grids) -> Iterator[str]:
    """Return resting orders of an open position at another price than its spec makes of all its fills."""
    if bot is None:
        return
    bot, legs = bot.of(position), {leg.name: leg for leg in position.legs}
    protect = bot.plan.risk.protect
    for order in (each for each in live if each.purpose in RESTING and each.is_working):
        leg, price = legs[order.legs[0].name], None
        planned = planned_exit(bot, order.reason)
        if planned is not None:
            rest = rest_of(position, planned, grids)
            price = None if rest is None else rest.price
        elif order.purpose is Purpose.PROTECT and protect is not None:
            price = stop_price(position, leg, protect, grids)
        if price not in (None, order.terms.price):
            yield f"{order.ref} of {position.id} rests at {order.terms.price}, and {price} is asked for"


def _overdue(position: Position, bot: CompiledBot | None, day: CheckedDay, now: datetime) -> Iterator[str]:
    """Return an open position that the clock, or a person, wants closed, while a running engine has not started."""
    session = session_from(exchange_date(now))
    if bot is None or position.waits_for_expiry or not session.is_on(now):
        return
    starts = [record.at for record in day.records if record.kind in (Kind.RUN_STARTED, Kind.LINK)]
    there = now - PATIENCE
    if there < max([session.open, *starts[-1:]]):
        return
    closes = bot.of(position).latest_entry(session)
    if closes < session.close and closes <= there:
        yield f"{position.id} of {position.bot} is open, its time to be closed was {closes:%H:%M:%S} UTC"
    if _is_asked_to_close(day, position, there):
        yield f"{position.id} of {position.bot} is open, and a person has asked for it to be closed"
    if any(record.at <= there for record in _closing_days(day, position, session)):
        yield f"{position.id} of {position.bot} is open, and the loss of the day closes everything"


def _is_asked_to_close(day: CheckedDay, position: Position, there: datetime) -> bool:
    asked = [record for record in day.records if record.kind is Kind.OPERATOR]
    return bool(asked) and asked[-1].at <= there and standing_of(asked).must_close(position.bot, position.id)


def _closing_days(day: CheckedDay, position: Position, session: Session) -> list[Record]:
    """Return the records of a bot's day from which on its loss, or that of the account, closes what it has open."""
    days = [record for record in day.records if record.kind is Kind.BOT_DAY and record.bot == position.bot]
    today = [record for record in days if record.data["date"] == session.date.isoformat()]
    return [record for record in today if record.data.get("closing") == DAILY_LOSS]


def _governed(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return (*governed(aftermath), *documents_taken_up(aftermath, desk))


def _troubles(aftermath: ChaosResult, desk: LoadedBots) -> Iterable[str]:
    return aftermath.troubles


CHECKS: Mapping[int, tuple[str, Check]] = {
    1: ("a bot has at most one live entry order", _entries),
    2: ("a ref is one order, here and at the broker, and reaches it once", _identities),
    4: ("books equal the broker's ledger to the cent", _books),
    6: ("every execution of the broker is in the books, once", _executions),
    7: ("no short leg is ever without its long one, or the shares that cover it", _covered),
    8: ("exits never close more than is held", _reduced),
    9: ("working exits never exceed the position", _exits),
    10: ("after kill or pause nothing enters, after a kill nothing continues to", _killed),
    11: ("nothing is sent outside the session, entries keep to their window", _in_session),
    13: ("orders have an allowed size, number and price", _as_asked),
    18: ("a position is entered and left by one text, that of its time", _governed),
    23: ("when faults are over, nothing stays unknown, between two states, unprotected or overdue", _settled),
    26: ("no engine fails without a fault from outside", _troubles),
    27: ("no short leg is without protection longer than its spec allows", unprotected_too_long),
}
_SAYS = {each.number: each.says for each in AUDITED} | {number: says for number, (says, _) in CHECKS.items()}
INVARIANTS = tuple(
    Invariant(number, says, CHECKS[number][1] if number in CHECKS else _nothing)
    for number, says in sorted(_SAYS.items())
)


# --- The emergency journal of a crashed engine's store, whatever its code does afterwards


class Leftovers:
    """Keeps the emergency journals of a store as they were at a death, and puts them back."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._kept: dict[Path, bytes] | None = None

    def keep(self) -> None:
        """Keep what is on the disk now: the engine has just died."""
        self._kept = {path: path.read_bytes() for path in places(self._store) if path.exists()}

    def put_back(self) -> None:
        """Put back what there was at the last death, if there was one."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        for path in places(self._store):
            if path not in kept:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != kept[path]:
                path.unlink(missing_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
                    file.write(kept[path])
