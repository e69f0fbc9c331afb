"""Correct a fill that was booked without a report: a person enters the price of the account's statement.

It goes through `handle_event`: as a new revision of the same execution, as an exchange's correction does, or in place
of the settlement of an option that seemed held to its end, or of contracts that the account lacks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from rulebot.core.handle_event import handle_event
from rulebot.core.program import AccountLimits, Program
from rulebot.core.state.state import Bots, State
from rulebot.documents.load_bots import compile_text
from rulebot.fill.ledger import BY_OTHERS, leg_of
from rulebot.model.contract import Option
from rulebot.model.errors import InvariantError, MisuseError
from rulebot.model.event import CommissionReport, Event, ExecutionReport, ExternalClosePriced, SettlementCorrected
from rulebot.model.facts import EventCalendar
from rulebot.model.loss_bound import DELIVERING
from rulebot.model.market import Board
from rulebot.model.order import ExecutionId, Order, TimeInForce, execution_id, is_synthetic, missed_base, unseen_base
from rulebot.model.position import MissingLeg, Position, PositionLeg
from rulebot.model.session import exchange_date, session_from
from rulebot.model.text import counted
from rulebot.model.values import replace
from rulebot.record.books import HOW, base_of
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import CORRECTED, Json, Kind, Record
from rulebot.recovery.resume import resume
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.registry import open_store

# --- What a person who corrects a fill is asked where it is not clear which leg is meant


def ambiguous_leg(ref: str, legs: Iterable[str]) -> MisuseError:
    """Return the error that names the legs which may be meant."""
    return MisuseError(f"which leg of {ref} is meant is not clear", f"say --leg with one of: {', '.join(legs)}")


# --- A trade before expiry without a report, for `rulebot store correct`: its option is booked as ended

_T = TypeVar("_T")


class RecordedEnding(NamedTuple):
    """A leg that ended with its option, and how many contracts this order may have traded."""

    position: Position
    leg: PositionLeg
    order: Order | None
    price: Decimal
    how: str
    most: int
    settled_at: datetime

    @property
    def words(self) -> str:
        """How it had ended, as the sheets of an export call it."""
        return f"{HOW[self.how]} at {self.price.normalize():f}" if self.price else HOW[self.how]


def find_ending(records: Sequence[Record], ref: str, leg: str) -> RecordedEnding | None:
    """Return the leg of an order, or of a position that others have closed, that ended with its option; None without.

    Raises: MisuseError when it is not clear which one is meant, or a trade cannot take the place of how it ended.
    """
    order, position = _order_and_position(records, ref)
    found = [each for each in _ended(order, position) if leg in ("", each.name)]
    if position is None or not found:
        return None
    if order is not None and order.can_increase_risk:
        raise MisuseError(
            f"no fill of '{ref}' was taken up from the account, and it opens something",
            "what replaces a settlement has closed something: name the position, or an order that closes",
        )
    if len(found) > 1:
        raise ambiguous_leg(ref, (each.name for each in found))
    return _of_leg(records, position, found[0], order)


def two_parts(position: str, leg: str, exec_id: str) -> MisuseError:
    """Return the error that asks which part of a leg is meant: what has ended with its option, or went before."""
    return MisuseError(
        f"a part of {leg} of {position} was closed before the rest of it ended with its option: which is meant?",
        f"say --contracts with how many of the rest were traded; of the part, say '{exec_id}' instead of {position}",
    )


def ended_legs(records: Sequence[Record], ref: str) -> set[str]:
    """Return the legs whose ending a trade of this order, or of others in this position, could take the place of."""
    order, position = _order_and_position(records, ref)
    if order is not None and order.can_increase_risk:
        return set()
    return {each.name for each in _ended(order, position) if order is None or _unreported(order, each.name) > 0}


def _order_and_position(records: Sequence[Record], ref: str) -> tuple[Order | None, Position | None]:
    order = _last(records, Kind.ORDER, "ref", ref, Order)
    return order, _last(records, Kind.POSITION, "id", ref if order is None else order.position, Position)


def _ended(order: Order | None, position: Position | None) -> list[PositionLeg]:
    """Return the legs of a position that ended with their option, among those of this order."""
    ended = [each for each in position.legs if each.settled > 0 and not each.option.is_share] if position else []
    return ended if order is None else [each for each in ended if each.name in {own.name for own in order.legs}]


def _of_leg(records: Sequence[Record], position: Position, leg: PositionLeg, order: Order | None) -> RecordedEnding:
    of_position = [each for each in records if each.kind is Kind.SETTLEMENT and each.position == position.id]
    if any(_moves_shares(record) for record in of_position):
        raise MisuseError(
            f"{position.id} has ended in shares that its legs gave or took: no trade can take the place of that",
            "keep the difference to the account's statement next to this store",
        )
    counts: Counter[tuple[Decimal, str]] = Counter()
    for record in of_position:
        if record.data["leg"] == leg.name:
            counts[Decimal(str(record.data["price"])), str(record.data["how"])] += int(str(record.data["quantity"]))
    (price, how), most = next((key, count) for key, count in reversed(counts.items()) if count > 0)
    if order is not None:
        most = min(most, _unreported(order, leg.name))
        if most <= 0:
            raise MisuseError(f"{order.ref} was never sent, or has filled as a whole: no more of it can have traded")
    return RecordedEnding(position, leg, order, price, how, most, of_position[-1].at)


def _unreported(order: Order, leg: str) -> int:
    """Return how many contracts of a leg an order may have filled without a report."""
    if order.sent_at is None:
        return 0
    return next(count for own, count in zip(order.legs, order.unfilled, strict=True) if own.name == leg)


def _moves_shares(record: Record) -> bool:
    how = record.data["how"]
    return how == "delivered" or (how in DELIVERING and bool(Decimal(str(record.data["price"]))))


def traded(
    records: Iterable[Record],
    ending: RecordedEnding,
    price: Decimal,
    contracts: int | None,
    on: date | None,
    at: datetime,
) -> SettlementCorrected:
    """Return the event that puts a trade in its place. on: the day of it. Raises: MisuseError for what cannot be."""
    position, leg, order = ending.position, ending.leg, ending.order
    count = ending.most if contracts is None else contracts
    if not 0 < count <= ending.most:
        raise MisuseError(f"{counted(ending.most, 'contract')} of {leg.name} may have been traded, not {count}")
    of_position = [each for each in records if each.kind is Kind.FILL and each.position == position.id]
    executed_at = session_from(_day(ending, on)).close
    before = leg.closed - leg.settled
    base = missed_base(position.id, leg.name, before) if order is None else unseen_base(order.ref, leg.name)
    standing = {base_of(each.data["exec_id"]): each for each in of_position}.values()
    known = [execution_id(str(each.data["exec_id"])) for each in of_position if base_of(each.data["exec_id"]) == base]
    fill = ExecutionReport(
        at=at,
        exec_id=max(known, default=ExecutionId(base)).next,
        ref="" if order is None else order.ref,
        order_id=0 if order is None else order.order_id,
        perm_id=0 if order is None else order.perm_id,
        client_id=0 if order is None else order.client_id,
        option=leg.option,
        is_combo=False,
        is_buy=leg.sign < 0,
        quantity=Decimal(count),
        price=price,
        executed_at=executed_at,
    )
    return SettlementCorrected(
        at=at,
        position=position.id,
        leg=leg.name,
        fill=fill,
        price=ending.price,
        how=ending.how,
        left_at=max([executed_at, *map(_executed_at, filter(_closes, standing))]),
    )


def _day(ending: RecordedEnding, on: date | None) -> date:
    """Return the day of the trade: that of an order for the day, else the last one of the option, unless it is said."""
    order, last = ending.order, ending.leg.option.expiry
    if on is None:
        if order is None or order.sent_at is None or order.time_in_force is not TimeInForce.DAY:
            return last
        return exchange_date(order.sent_at)
    first = exchange_date(ending.position.opened_at) if ending.position.opened_at else ending.position.session
    if not first <= on <= last or session_from(on).date != on:
        raise MisuseError(f"{ending.leg.name} was held from {first} to {last}, and {on} is no session of those days")
    return on


def _closes(fill: Record) -> bool:
    return fill.data["purpose"] != "entry" and bool(int(str(fill.data["quantity"])))


def _executed_at(fill: Record) -> datetime:
    return utc_time(str(fill.data["executed_at"]))


def _last(records: Sequence[Record], kind: Kind, key: str, name: str, of: type[_T]) -> _T | None:
    """Return the last value recorded of an order or a position."""
    found = next((each for each in reversed(records) if each.kind is kind and each.data[key] == name), None)
    return None if found is None else decode(of, dict(found.data))


# --- External closes without a report, for `rulebot store correct`: our books hold them, the account does not
#     more


class ExternalClose(NamedTuple):
    """What the account lacks of one leg of a position that is on hold."""

    position: Position
    missed: MissingLeg


def find_external_close(records: Sequence[Record], ref: str, leg: str) -> ExternalClose | None:
    """Return what the account lacks of a position, or of one leg; None where nothing is missed.

    Of shares that were split all must be gone: their number is not that of our books.
    Raises: MisuseError when it is not clear which leg is meant.
    """
    position = _last(records, Kind.POSITION, "id", ref, Position)
    if position is None or not position.hold or position.state not in ("open", "exiting"):
        return None
    found = [each for each in position.account_missing if each.contracts and leg in ("", each.leg)]
    found = [each for each in found if _is_whole(position, each)]
    if len(found) > 1:
        raise ambiguous_leg(ref, (each.leg for each in found))
    return ExternalClose(position, found[0]) if found else None


def _is_whole(position: Position, missed: MissingLeg) -> bool:
    leg = leg_of(position, missed.leg)
    return not position.is_split_in(leg.option) or missed.contracts == leg.held


def priced(gone: ExternalClose, price: Decimal, at: datetime) -> ExternalClosePriced:
    """Return the event that books it."""
    name, leg = gone.position.id, gone.missed.leg
    closed = leg_of(gone.position, leg).closed
    exec_id = ExecutionId(missed_base(name, leg, closed)).next
    return ExternalClosePriced(at=at, position=name, leg=leg, price=price, exec_id=exec_id)


# --- A fill that was booked at an estimate, or is missing


def correct(
    store: Place,
    ref: str,
    price: Decimal,
    *,
    leg: str = "",
    commission: Decimal | None = None,
    contracts: int | None = None,
    on: date | None = None,
    at: datetime,
    dry_run: bool = False,
) -> str:
    """Record the fill again and return what was done, in words.

    contracts, on: number traded and day, in place of a settlement. dry_run: record nothing. Raises: MisuseError when
    there is no such estimate or settlement; StoreError when an engine runs on the store.
    """
    if isinstance(store, Path) and not store.is_file():
        raise MisuseError(f"there is no store {store}")
    journal = SqlJournal(open_store(store))
    try:
        done = _correction(journal.read(), ref, price, leg, commission, contracts, on, at)
        if not dry_run:
            journal.append(done.records, durable=True)
    finally:
        journal.close()
    paid = "" if commission is None else f", commission {commission}"
    return f"{'would record ' if dry_run else ''}{done.words}{paid}"


def _correction(
    records: Sequence[Record],
    ref: str,
    price: Decimal,
    leg: str,
    commission: Decimal | None,
    contracts: int | None,
    on: date | None,
    at: datetime,
) -> "_Done":
    """Return what the correction records. Raises: MisuseError when it is not clear what is meant."""
    every = _estimates(records)
    found = _of_ref(every, ref)
    meant = _meant(records, ref, leg, found)
    gone = _gone(records, ref, leg, found)
    is_of_ending = contracts is not None or on is not None
    beside = _ended_beside(records, ref, meant)
    if beside and gone is None and not is_of_ending:
        raise two_parts(ref, beside, str(meant[0].data["exec_id"]))
    ending = None if gone is not None or (meant and not beside) else find_ending(records, ref, beside or leg)
    if ending is not None:
        return _in_place_of(records, ending, traded(records, ending, price, contracts, on, at), commission)
    if is_of_ending and (meant or gone is not None):
        what = f"a fill of '{ref}' is booked" if gone is None else f"the account no longer has what {ref} holds"
        raise MisuseError(f"{what}: of that its price and commission can be corrected alone")
    if gone is not None:
        return _of_gone(records, gone, price, commission, at)
    return _corrected_events(records, _only(ref, found, meant, every), price, commission, at)


def _of_ref(estimates: Sequence[Record], ref: str) -> list[Record]:
    """Return the estimates of an order, or the one with this id."""
    base = base_of(ref) if is_synthetic(ref) else None
    return [each for each in estimates if ref == each.data["ref"] or _base(each) == base]


def _meant(records: Sequence[Record], ref: str, leg: str, found: Sequence[Record]) -> list[Record]:
    """Return the estimates of the leg, of one that went part by part the last. Raises: MisuseError."""
    of_legs = {_leg_of(each): each for each in found}
    if found and not leg and (others := ended_legs(records, ref) - of_legs.keys()):
        raise ambiguous_leg(ref, [*map(_leg_of, found), *sorted(others)])
    return [each for name, each in of_legs.items() if leg in ("", name)]


def _gone(records: Sequence[Record], ref: str, leg: str, found: Sequence[Record]) -> ExternalClose | None:
    """Return what the account has no more of a position. Raises: MisuseError."""
    gone = find_external_close(records, ref, leg)
    if gone is not None and not leg and (others := {*map(_leg_of, found)} - {gone.missed.leg}):
        raise ambiguous_leg(ref, [gone.missed.leg, *sorted(others)])
    return gone


class _Done(NamedTuple):
    """What a correction adds to the journal, and in words."""

    records: tuple[Record, ...]
    words: str


def _estimates(records: Sequence[Record]) -> list[Record]:
    """Return the newest records of all fills without a report."""
    newest = {
        _base(record): record
        for record in records
        if record.kind is Kind.FILL and is_synthetic(str(record.data.get("exec_id", "")))
    }
    return [record for record in newest.values() if int(str(record.data["quantity"]))]


def _only(ref: str, found: Sequence[Record], meant: Sequence[Record], every: Sequence[Record]) -> Record:
    """Return the one estimate that is meant. every: all that there are. Raises: MisuseError."""
    if not found:
        known = ", ".join(sorted({str(record.data["ref"]) for record in every})) or "none"
        raise MisuseError(
            f"no fill of '{ref}' was taken up from the account, and nothing of it has ended with its option",
            f"fills that happened without a report: {known}",
        )
    if len(meant) != 1:
        raise ambiguous_leg(ref, map(_leg_of, found))
    return meant[0]


def _ended_beside(records: Sequence[Record], position: str, meant: Sequence[Record]) -> str:
    """Return the leg of a position that others closed in part, and that ended with its option; "" if none."""
    if len(meant) != 1 or meant[0].data["ref"] != position or meant[0].position != position:
        return ""
    leg = _leg_of(meant[0])
    return leg if leg in ended_legs(records, position) else ""


def _base(fill: Record) -> str:
    return base_of(str(fill.data["exec_id"]))


def _leg_of(record: Record) -> str:
    """Return the leg of a fill as its execution has it: one that a roll has opened ends with `+`."""
    return _base(record).rpartition(":")[2]


def _corrected_events(
    records: Sequence[Record], fill: Record, price: Decimal, commission: Decimal | None, at: datetime
) -> _Done:
    """Return a fill at another price, as the engine would write it."""
    began = next(each.at for each in records if each.kind is Kind.FILL and _base(each) == _base(fill))
    program, state = _as_of(records, fill.position, began)
    report = _of_others(state, fill, price, at) if fill.data["purpose"] == BY_OTHERS else _ours(state, fill, price, at)
    words = f"{fill.data['ref']} {fill.data['leg']}: {fill.data['quantity']} at {price} instead of {fill.data['price']}"
    return _by_turns(program, state, fill.position, _events(report, report.exec_id, commission), words)


def _in_place_of(
    records: Sequence[Record], ending: RecordedEnding, event: SettlementCorrected, paid: Decimal | None
) -> _Done:
    """Return a trade in the place of a settlement, as the engine would write it."""
    program, state = _as_of(records, event.position, ending.settled_at)
    fill, day = event.fill, exchange_date(event.fill.executed_at or event.fill.at)
    ref = fill.ref or event.position
    words = f"{ref} {event.leg}: {fill.quantity} at {fill.price} on {day} instead of {ending.words}"
    return _by_turns(program, state, event.position, _events(event, fill.exec_id, paid), words)


def _of_gone(
    records: Sequence[Record], gone: ExternalClose, price: Decimal, commission: Decimal | None, at: datetime
) -> _Done:
    """Return what others have closed at its price, as the engine would write it."""
    program, state = _as_of(records, gone.position.id, at)
    if any(order.is_of(gone.position.id) for order in map(state.orders.by_ref.__getitem__, state.orders.live)):
        raise MisuseError(f"orders of {gone.position.id} may still work: let an engine cancel them first")
    event = priced(gone, price, at)
    words = f"{gone.position.id} {event.leg}: {gone.missed.contracts} missing contracts at {price}"
    return _by_turns(program, state, event.position, _events(event, event.exec_id, commission), words)


def _events(event: Event, exec_id: ExecutionId, commission: Decimal | None) -> list[Event]:
    return [event] if commission is None else [event, CommissionReport(event.at, exec_id, commission)]


def _by_turns(program: Program, state: State, position: str, events: Sequence[Event], words: str) -> _Done:
    """Return what these events lead to, with a decision before it that says what a person has done."""
    bot = state.positions.by_id[position].bot
    data: dict[str, Json] = {"what": CORRECTED, "reason": f"{words}, by hand", "values": []}
    found = [Record(events[0].at, Kind.DECISION, bot, position, data)]
    for event in events:
        result = handle_event(program, state, event)
        if result.commands:
            raise InvariantError("a correction by hand would trade")
        state = result.state
        found += result.records
    return _Done(tuple(found), words)


def _as_of(records: Sequence[Record], position: str, at: datetime) -> tuple[Program, State]:
    """Return the journal's state, with a position that may be closed since: `at`, or its end, is of its time."""
    last = next(each for each in reversed(records) if each.kind is Kind.POSITION and each.data["id"] == position)
    closed_at = last.data.get("closed_at")
    resumed = resume(records, min(at, utc_time(str(closed_at))) if closed_at else at, Board(), EventCalendar())
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    program = Program(bots={}, pinned=pinned, limits=AccountLimits(), install=resumed.install)
    return program, resumed.state._replace(bots=Bots())  # what a bot has used up of a day that is over stays as it was


def _ours(state: State, fill: Record, price: Decimal, at: datetime) -> ExecutionReport:
    """Return a correction of a fill of one of our orders. Raises: MisuseError when the order is not in memory."""
    order = state.orders.by_ref.get(str(fill.data["ref"]))
    if order is None:
        name = fill.data["ref"]
        raise MisuseError(f"the position of {name} was closed before the fill was taken up: it stays as it is")
    option = next(leg.option for leg in order.legs if leg.key == _leg_of(fill))
    return replace(
        _report(fill, option, price, at),
        ref=order.ref,
        order_id=order.order_id,
        perm_id=order.perm_id,
        client_id=order.client_id,
    )


def _of_others(state: State, fill: Record, price: Decimal, at: datetime) -> ExecutionReport:
    """Return a correction of an external close of a position: it has no order."""
    return _report(fill, leg_of(state.positions.by_id[fill.position], str(fill.data["leg"])).option, price, at)


def _report(fill: Record, option: Option, price: Decimal, at: datetime) -> ExecutionReport:
    data = fill.data
    return ExecutionReport(
        at=at,
        exec_id=execution_id(str(data["exec_id"])).next,
        ref="",
        order_id=0,
        perm_id=0,
        client_id=0,
        option=option,
        is_combo=False,
        is_buy=bool(data["is_buy"]),
        quantity=Decimal(str(data["quantity"])),
        price=price,
        executed_at=datetime.fromisoformat(str(reported)) if (reported := data["executed_at"]) else None,
    )
