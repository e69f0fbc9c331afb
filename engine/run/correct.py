"""A fill that nobody told was booked at an estimate: a person puts in what the account's statement says.

It goes the way of a correction of the exchange: through `turn`, as a new revision of the same execution.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from engine.fill.apply import leg_of
from engine.fill.book import BY_OTHERS
from engine.model.contract import Option
from engine.model.errors import InvariantError, MisuseError
from engine.model.event import CommissionReport, Event, ExecutionReport
from engine.model.facts import EventCalendar
from engine.model.market import Board
from engine.model.unseen import is_unseen, next_revision
from engine.model.values import replace
from engine.record.record import CORRECTED, Kind, Record
from engine.run.desk import compile_text
from engine.run.resume import resume
from engine.store.journal import SqlJournal
from engine.store.open import open_store
from engine.store.place import Place
from engine.turn.program import AccountLimits, Program
from engine.turn.state import State
from engine.turn.turn import turn


def correct(
    store: Place, ref: str, price: Decimal, *, leg: str = "", commission: Decimal | None = None, at: datetime
) -> str:
    """Record the fill anew and return what was done, in words.

    Raises: MisuseError when there is no such estimate; StoreError when an engine runs on the store.
    """
    if isinstance(store, Path) and not store.is_file():
        raise MisuseError(f"there is no store {store}")
    journal = SqlJournal(open_store(store))
    try:
        records = journal.read()
        fill, since = _estimate(records, ref, leg)
        found = _corrected(records, fill, since, price, commission, at)
        journal.append(found, durable=True)
    finally:
        journal.close()
    paid = "" if commission is None else f", commission {commission}"
    return f"{ref} {fill.data['leg']}: {fill.data['quantity']} at {price} instead of {fill.data['price']}{paid}"


def _estimate(records: Sequence[Record], ref: str, leg: str) -> tuple[Record, datetime]:
    """Return the newest record of the estimate that is meant, and when it was taken up. Raises: MisuseError."""
    newest: dict[str, Record] = {}
    first: dict[str, datetime] = {}
    for record in records:
        exec_id = str(record.data.get("exec_id", ""))
        if record.kind is Kind.FILL and is_unseen(exec_id):
            base = exec_id.rpartition(".")[0]
            newest[base] = record
            first.setdefault(base, record.at)
    standing = [record for record in newest.values() if int(str(record.data["quantity"]))]
    ours = [record for record in standing if record.data["ref"] == ref]
    if not ours:
        known = ", ".join(sorted({str(record.data["ref"]) for record in standing})) or "none"
        raise MisuseError(
            f"no fill of '{ref}' was taken up from the account", f"fills that were, and that nobody told since: {known}"
        )
    meant = [record for record in ours if leg in ("", _leg_of(record))]
    if len(meant) != 1:
        legs = ", ".join(map(_leg_of, ours))
        raise MisuseError(f"which leg of {ref} is meant is not clear", f"say --leg with one of: {legs}")
    return meant[0], first[str(meant[0].data["exec_id"]).rpartition(".")[0]]


def _leg_of(record: Record) -> str:
    """Return the leg of a fill as its execution has it: one that a roll has opened ends with `+`."""
    return str(record.data["exec_id"]).rpartition(".")[0].rpartition(":")[2]


def _corrected(
    records: Sequence[Record], fill: Record, since: datetime, price: Decimal, commission: Decimal | None, at: datetime
) -> tuple[Record, ...]:
    """Return the records of the corrected fill, as the engine would write them; `since`: when it was taken up."""
    resumed = resume(records, since, Board(), EventCalendar())
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    program = Program(bots={}, pinned=pinned, limits=AccountLimits(), install=resumed.install)
    state = resumed.state._replace(bots={})  # what a bot has used up of a day that is over is not recorded again
    report = _of_others(state, fill, price, at) if fill.data["purpose"] == BY_OTHERS else _ours(state, fill, price, at)
    events: list[Event] = [report]
    if commission is not None:
        events.append(CommissionReport(at, report.exec_id, commission))
    data = fill.data
    words = f"{data['ref']} {data['leg']} at {price}, by hand; it was booked at {data['price']}"
    found = [Record(at, Kind.DECISION, fill.bot, fill.position, {"what": CORRECTED, "reason": words, "values": []})]
    for event in events:
        result = turn(program, state, event)
        if result.commands:
            raise InvariantError("a correction by hand would trade")
        state = result.state
        found += result.records
    return tuple(found)


def _ours(state: State, fill: Record, price: Decimal, at: datetime) -> ExecutionReport:
    """Return a correction of a fill of an order of ours. Raises: MisuseError when the order is not known any more."""
    order = state.orders.get(str(fill.data["ref"]))
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
    return _report(fill, leg_of(state.positions[fill.position], str(fill.data["leg"])).option, price, at)


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
        executed_at=datetime.fromisoformat(str(data["executed_at"])),
    )
