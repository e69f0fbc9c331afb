"""A fill that nobody told was booked at an estimate, or not at all: a person puts in what the account's statement says.

It goes through `turn`: as a new revision of the same execution, as a correction of the exchange does, or in the place
of the settlement of an option that was thought to be held to its end (`correct_ending.py`), or of what the account has
no more (`correct_gone.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from rulebot.core.handle_event import handle_event
from rulebot.core.program import AccountLimits, Program
from rulebot.core.state import Bots, State
from rulebot.documents.load_bots import compile_text
from rulebot.fill.ledger import BY_OTHERS, leg_of
from rulebot.model.contract import Option
from rulebot.model.errors import InvariantError, MisuseError
from rulebot.model.event import CommissionReport, EndingCorrected, Event, ExecutionReport
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.order import is_synthetic, next_revision
from rulebot.model.session import exchange_date
from rulebot.model.values import replace
from rulebot.record.books import base_of
from rulebot.record.codec import utc_time
from rulebot.record.record import CORRECTED, Json, Kind, Record
from rulebot.recovery.resume import resume
from rulebot.statement.correct_ending import (
    ExternalClose,
    RecordedEnding,
    ambiguous_leg,
    ended_legs,
    find_ending,
    find_gone,
    priced,
    traded,
    two_parts,
)
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.registry import open_store


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
    """Record the fill anew and return what was done, in words.

    contracts, on: how many were traded and on which day, in the place of a settlement. dry_run: record nothing.
    Raises: MisuseError when there is no such estimate or settlement; StoreError when an engine runs on the store.
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
        what = f"a fill of '{ref}' is booked" if gone is None else f"the account has no more what {ref} holds"
        raise MisuseError(f"{what}: of that its price and commission can be corrected alone")
    if gone is not None:
        return _of_gone(records, gone, price, commission, at)
    return _anew(records, _only(ref, found, meant, every), price, commission, at)


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
    gone = find_gone(records, ref, leg)
    if gone is not None and not leg and (others := {*map(_leg_of, found)} - {gone.missed.leg}):
        raise ambiguous_leg(ref, [gone.missed.leg, *sorted(others)])
    return gone


class _Done(NamedTuple):
    """What a correction adds to the journal, and in words."""

    records: tuple[Record, ...]
    words: str


def _estimates(records: Sequence[Record]) -> list[Record]:
    """Return the newest records of all fills that nobody told."""
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
            f"fills that were, and that nobody told since: {known}",
        )
    if len(meant) != 1:
        raise ambiguous_leg(ref, map(_leg_of, found))
    return meant[0]


def _ended_beside(records: Sequence[Record], position: str, meant: Sequence[Record]) -> str:
    """Return the leg of a position of which others have closed a part, and that ended with its option; "" if none."""
    if len(meant) != 1 or meant[0].data["ref"] != position or meant[0].position != position:
        return ""
    leg = _leg_of(meant[0])
    return leg if leg in ended_legs(records, position) else ""


def _base(fill: Record) -> str:
    return base_of(str(fill.data["exec_id"]))


def _leg_of(record: Record) -> str:
    """Return the leg of a fill as its execution has it: one that a roll has opened ends with `+`."""
    return _base(record).rpartition(":")[2]


def _anew(records: Sequence[Record], fill: Record, price: Decimal, commission: Decimal | None, at: datetime) -> _Done:
    """Return a fill at another price, as the engine would write it."""
    began = next(each.at for each in records if each.kind is Kind.FILL and _base(each) == _base(fill))
    program, state = _as_of(records, fill.position, began)
    report = _of_others(state, fill, price, at) if fill.data["purpose"] == BY_OTHERS else _ours(state, fill, price, at)
    words = f"{fill.data['ref']} {fill.data['leg']}: {fill.data['quantity']} at {price} instead of {fill.data['price']}"
    return _by_turns(program, state, fill.position, _events(report, report.exec_id, commission), words)


def _in_place_of(
    records: Sequence[Record], ending: RecordedEnding, event: EndingCorrected, paid: Decimal | None
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
        raise MisuseError(f"orders of {gone.position.id} may still work: let an engine take them back first")
    event = priced(gone, price, at)
    words = f"{gone.position.id} {event.leg}: {gone.missed.contracts} that the account has no more at {price}"
    return _by_turns(program, state, event.position, _events(event, event.exec_id, commission), words)


def _events(event: Event, exec_id: str, commission: Decimal | None) -> list[Event]:
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
    """Return what the journal leads to, with a position that may be over since: `at`, or its end, is of its time."""
    last = next(each for each in reversed(records) if each.kind is Kind.POSITION and each.data["id"] == position)
    closed_at = last.data.get("closed_at")
    resumed = resume(records, min(at, utc_time(str(closed_at))) if closed_at else at, Board(), EventCalendar())
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    program = Program(bots={}, pinned=pinned, limits=AccountLimits(), install=resumed.install)
    return program, resumed.state._replace(bots=Bots())  # what a bot has used up of a day that is over stays as it was


def _ours(state: State, fill: Record, price: Decimal, at: datetime) -> ExecutionReport:
    """Return a correction of a fill of an order of ours. Raises: MisuseError when the order is not known any more."""
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
    """Return a correction of what others have closed of a position: it is of no order."""
    return _report(fill, leg_of(state.positions.by_id[fill.position], str(fill.data["leg"])).option, price, at)


def _report(fill: Record, option: Option, price: Decimal, at: datetime) -> ExecutionReport:
    data = fill.data
    return ExecutionReport(
        at=at,
        exec_id=next_revision(str(data["exec_id"])),
        ref="",
        order_id=0,
        perm_id=0,
        client_id=0,
        option=option,
        is_combo=False,
        is_buy=bool(data["is_buy"]),
        quantity=Decimal(str(data["quantity"])),
        price=price,
        executed_at=datetime.fromisoformat(str(told)) if (told := data["executed_at"]) else None,
    )
