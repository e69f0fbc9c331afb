"""A journal as the checks read it: numbered records, with orders and positions decoded once, turn by turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.record.codec import CodecError, decode
from rulebot.record.record import Kind, Record

_ENTITIES = (Kind.ORDER, Kind.POSITION, Kind.BOT_DAY)


@dataclass(frozen=True, slots=True)
class Finding:
    """One offence: the record it stands in, when that was, and what is wrong, in words."""

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
        """Return an offence that stands in this record."""
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
