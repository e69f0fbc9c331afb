"""Checks on what is owned: positions are made again from fills, commissions and settlements, and compared."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from rulebot.model.money import CENT
from rulebot.model.order import Order, OrderStatus
from rulebot.model.position import Position
from rulebot.record.books import Books
from rulebot.record.codec import CodecError, decode
from rulebot.record.record import Kind, Record

# --- A journal as the checks read it

_ENTITIES = (Kind.ORDER, Kind.POSITION, Kind.BOT_DAY)


@dataclass(frozen=True, slots=True)
class Finding:
    """One offence: its record, its time, and what is wrong, in words."""

    seq: int
    at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One record with its number; `order` and `position` are set where it holds one."""

    seq: int
    record: Record
    order: Order | None = None
    position: Position | None = None

    @property
    def kind(self) -> Kind:
        """The record's kind."""
        return self.record.kind

    def text(self, name: str) -> str:
        """Return a field of the record as text, "" when it is not there."""
        found = self.record.data.get(name)
        return "" if found is None else str(found)

    def finding(self, text: str) -> Finding:
        """Return an offence in this record."""
        return Finding(self.seq, self.record.at, text)


@dataclass(frozen=True)
class JournalIndex:
    """All records of a journal that could be read; `unreadable` are those that could not."""

    entries: tuple[Entry, ...]
    unreadable: tuple[Finding, ...] = ()

    @cached_property
    def turns(self) -> tuple[tuple[Entry, ...], ...]:
        """The records in pieces that were written as one: what happened, then the entities it changed."""
        return tuple(_turns(self.entries))

    def of(self, *kinds: Kind) -> Iterator[Entry]:
        """Yield the records of some kinds, in order."""
        return (entry for entry in self.entries if entry.kind in kinds)


Check = Callable[[JournalIndex], Iterator[Finding]]


def journal_index(rows: Iterable[tuple[int, Record | str]]) -> JournalIndex:
    """Return the tape of numbered records; text in the place of a record says why it could not be read."""
    entries: list[Entry] = []
    unreadable: list[Finding] = []
    for seq, record in rows:
        if isinstance(record, str):
            unreadable.append(Finding(seq, None, record))
            continue
        try:
            entries.append(_entry(seq, record))
        except CodecError as error:
            unreadable.append(Finding(seq, record.at, f"no whole {record.kind.value}: {error}"))
    return JournalIndex(tuple(entries), tuple(unreadable))


def _entry(seq: int, record: Record) -> Entry:
    if record.kind is Kind.ORDER:
        return Entry(seq, record, order=decode(Order, dict(record.data)))
    if record.kind is Kind.POSITION:
        return Entry(seq, record, position=decode(Position, dict(record.data)))
    return Entry(seq, record)


def _turns(entries: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    turn: list[Entry] = []
    for entry in entries:
        if turn and _begins(turn[-1], entry):
            yield tuple(turn)
            turn = []
        turn.append(entry)
    if turn:
        yield tuple(turn)


def _begins(last: Entry, entry: Entry) -> bool:
    """Say whether a record is of another turn than the one before: later, or a happening after an entity."""
    is_over = last.kind in _ENTITIES and entry.kind not in _ENTITIES
    return is_over or last.record.at != entry.record.at


# --- Checks on what is owned

_BOOKED = (Kind.POSITION, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT)
_BOOKED_FIELDS = ("opened", "closed", "settled", "entry_cash", "exit_cash", "commissions", "shares_profit")


def take(books: Books, entry: Entry) -> str:
    """Book an entry; return what is wrong with it in words, "" when nothing is."""
    return books.take(entry.record, entry.position)


def positions_follow_fills(tape: JournalIndex) -> Iterator[Finding]:
    """5: Each execution counts once, and every position ends as the fold of what happened to it, to the cent."""
    books, last = Books(), dict[str, Entry]()
    for entry in tape.of(*_BOOKED):
        if wrong := take(books, entry):
            yield entry.finding(wrong)
        if entry.position is not None:
            last[entry.position.id] = entry
    for entry in last.values():
        assert entry.position is not None
        for text in _differences(books, entry.position):
            yield entry.finding(f"{entry.position.id}: {text}")


def changes_recorded(tape: JournalIndex) -> Iterator[Finding]:
    """21: At every moment positions and orders are what the records before them lead to."""
    books = Books()
    states: dict[str, str] = {}
    filled: dict[tuple[str, str, str], int] = {}
    reported: set[str] = set()
    for entry in tape.of(*_BOOKED, Kind.ORDER, Kind.DECISION):
        if entry.kind is Kind.DECISION:
            states.update(_moved(entry))
            continue
        text = _order_differs(filled, entry.order) if entry.order is not None else _booked(books, filled, entry)
        if entry.position is not None:
            text = _position_differs(books, states, entry.position)
        subject = entry.order.ref if entry.order is not None else entry.record.position
        if text and subject not in reported:
            reported.add(subject)
            yield entry.finding(f"{subject}: {text}")


def _moved(entry: Entry) -> Mapping[str, str]:
    values = entry.record.data.get("values")
    is_move = entry.text("what") == "state" and isinstance(values, list) and len(values) == 2
    return {entry.record.position: str(values[1])} if is_move and isinstance(values, list) else {}


def _booked(books: Books, filled: dict[tuple[str, str, str], int], entry: Entry) -> str:
    """Count a record; invariant 5 reports what is wrong with it."""
    added = books.added(entry.record) if entry.kind is Kind.FILL else 0
    if not take(books, entry) and added:
        key = entry.text("ref"), entry.record.position, entry.text("leg")
        filled[key] = filled.get(key, 0) + added
    return ""


def _position_differs(books: Books, states: Mapping[str, str], position: Position) -> str:
    state = states.get(position.id, "flat")
    if position.state != state:
        return f"it is {position.state}, the moves on record lead to {state}"
    return next(_differences(books, position), "")


def _differences(books: Books, position: Position) -> Iterator[str]:
    for leg in position.legs:
        totals = books.of_leg(position.id, leg.name)
        for name in _BOOKED_FIELDS:
            ours, theirs = getattr(totals, name), getattr(leg, name)
            if abs(ours - theirs) >= (CENT / 2 if isinstance(ours, Decimal) else 1):
                yield f"{name} of {leg.name} is {theirs}, its fills and settlements give {ours}"
                break


def _order_differs(filled: Mapping[tuple[str, str, str], int], order: Order) -> str:
    counts = order.counts
    for leg, count in zip(order.legs, counts, strict=True):
        ours = filled.get((order.ref, order.position_of(leg), leg.name), 0)
        if ours != count:
            return f"{count} of {leg.name} are filled, its fills give {ours}"
    return ""


# --- Orders that were given up correctly, although they became active later

GRACE = timedelta(seconds=40)
"""How long an unacknowledged order counts as in transit."""


class AbandonedOrders:
    """Orders that were given up after the broker was asked `GRACE` after they were sent, and had none.

    One given up earlier is excluded: it may have been in transit.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._refs: set[str] = set()

    def __contains__(self, ref: str) -> bool:
        return ref in self._refs

    def note(self, order: Order, at: datetime) -> None:
        """Take an order as it was recorded; each cancel of it is."""
        if order.status is OrderStatus.CANCELLING:
            if order.sent_at is not None and at - order.sent_at >= GRACE:
                self._asked.add(order.ref)
        elif order.status is OrderStatus.LOST and order.ref in self._asked:
            self._refs.add(order.ref)
