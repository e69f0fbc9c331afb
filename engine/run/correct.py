"""A fill that nobody told was booked at an estimate: a person puts in what the account's statement says.

It goes the way of a correction of the exchange: through `turn`, as a new revision of the same execution.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from engine.fill.apply import add_commission, leg_of, with_leg
from engine.fill.book import BY_OTHERS, UNSEEN
from engine.model.errors import InvariantError, MisuseError
from engine.model.event import CommissionReport, Event, ExecutionReport
from engine.model.facts import EventCalendar
from engine.model.market import Board
from engine.model.money import ZERO
from engine.model.position import CLOSED_BY_HAND, ESTIMATED, Position
from engine.model.values import replace
from engine.record.codec import decode, encode
from engine.record.record import Kind, Record
from engine.run.desk import compile_text
from engine.run.resume import resume
from engine.store.journal import SqlJournal
from engine.store.open import open_store
from engine.store.place import Place
from engine.turn.program import AccountLimits, Program
from engine.turn.reports import revised
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
        fill = _estimate(records, ref, leg)
        found = _corrected(records, fill, price, commission, at)
        journal.append(found, durable=True)
    finally:
        journal.close()
    paid = "" if commission is None else f", commission {commission}"
    return f"{ref} {fill.data['leg']}: {fill.data['quantity']} at {price} instead of {fill.data['price']}{paid}"


def _estimate(records: Sequence[Record], ref: str, leg: str) -> Record:
    """Return the newest record of the estimate that is meant. Raises: MisuseError."""
    newest: dict[str, Record] = {}
    for record in records:
        exec_id = str(record.data.get("exec_id", ""))
        if record.kind is Kind.FILL and exec_id.startswith(UNSEEN):
            newest[exec_id.rpartition(".")[0]] = record
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
    return meant[0]


def _leg_of(record: Record) -> str:
    """Return the leg of a fill as its execution has it: one that a roll has opened ends with `+`."""
    return str(record.data["exec_id"]).rpartition(".")[0].rpartition(":")[2]


def _corrected(
    records: Sequence[Record], fill: Record, price: Decimal, commission: Decimal | None, at: datetime
) -> tuple[Record, ...]:
    """Return the records of the corrected fill, as the engine would write them."""
    if fill.data["purpose"] == BY_OTHERS:
        return _corrected_past_us(records, fill, price, commission, at)
    resumed = resume(records, fill.at, Board(), EventCalendar())
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    program = Program(bots={}, pinned=pinned, limits=AccountLimits(), install=resumed.install)
    state = resumed.state._replace(bots={})  # what a bot has used up of a day that is over is not recorded again
    data = fill.data
    order = state.orders.get(str(data["ref"]))
    if order is None:
        raise MisuseError(f"the position of {data['ref']} was closed before the fill was taken up: it stays as it is")
    exec_id = revised(str(data["exec_id"]))
    report = ExecutionReport(
        at=at,
        exec_id=exec_id,
        ref=order.ref,
        order_id=order.order_id,
        perm_id=order.perm_id,
        client_id=order.client_id,
        option=next(leg.option for leg in order.legs if leg.key == _leg_of(fill)),
        is_combo=False,
        is_buy=bool(data["is_buy"]),
        quantity=Decimal(str(data["quantity"])),
        price=price,
        executed_at=datetime.fromisoformat(str(data["executed_at"])),
    )
    events: list[Event] = [report] if commission is None else [report, CommissionReport(at, exec_id, commission)]
    found = [_decision(fill, price, at)]
    for event in events:
        result = turn(program, state, event)
        if result.commands:
            raise InvariantError("a correction by hand would trade")
        state = result.state
        found += result.records
    return tuple(found)


def _decision(fill: Record, price: Decimal, at: datetime) -> Record:
    data = fill.data
    words = f"{data['ref']} {data['leg']} at {price}, by hand; it was booked at {data['price']}"
    return Record(at, Kind.DECISION, fill.bot, fill.position, {"what": "corrected", "reason": words, "values": []})


def _corrected_past_us(
    records: Sequence[Record], fill: Record, price: Decimal, commission: Decimal | None, at: datetime
) -> tuple[Record, ...]:
    """Return the records of what others have closed of a position at this price: it is of no order."""
    of_it = [record for record in records if record.position == fill.position]
    position = decode(Position, dict([record for record in of_it if record.kind is Kind.POSITION][-1].data))
    base, name = str(fill.data["exec_id"]).rpartition(".")[0], str(fill.data["leg"])
    told = [record.data for record in of_it if record.kind is Kind.COMMISSION]
    paid = [Decimal(str(data["amount"])) for data in told if str(data["exec_id"]).rpartition(".")[0] == base]
    leg = leg_of(position, name)
    difference = price - Decimal(str(fill.data["price"]))
    exec_id, count = revised(str(fill.data["exec_id"])), int(str(fill.data["quantity"]))
    position = with_leg(position, name, exit_cash=leg.exit_cash + leg.sign * difference * count * leg.option.multiplier)
    found = [
        _decision(fill, price, at),
        Record(at, Kind.FILL, fill.bot, fill.position, {**fill.data, "exec_id": exec_id, "price": str(price)}),
    ]
    if commission is not None:
        position = add_commission(position, name, commission - sum(paid[-1:], ZERO), is_first=False)
        amount = {"exec_id": exec_id, "leg": name, "amount": str(commission)}
        found.append(Record(at, Kind.COMMISSION, fill.bot, fill.position, amount))
    newest = {str(data["exec_id"]) for data in (r.data for r in of_it) if data.get("purpose") == BY_OTHERS}
    left = {each for each in newest if each.startswith(UNSEEN) and revised(each) not in {*newest, exec_id}}
    if position.exit_reason == ESTIMATED and not any(each.endswith(".01") for each in left):
        position = replace(position, exit_reason=CLOSED_BY_HAND)
    entity = encode(position)
    assert isinstance(entity, dict)
    return (*found, Record(at, Kind.POSITION, fill.bot, fill.position, entity))
