"""`rulebot store audit`: which of the invariants a journal alone can show hold, and where one does not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType

from rulebot.checks.journal.books import (
    Check,
    Finding,
    JournalIndex,
    changes_recorded,
    journal_index,
    positions_follow_fills,
)
from rulebot.checks.journal.orders import (
    declared_moves,
    final_is_final,
    in_order,
    inside_the_session,
    never_more_at_work,
    never_more_than_held,
    one_identity,
    one_live_entry,
    one_text,
    only_what_reduces,
    only_with_a_link,
    recorded_first,
    unknown_is_never_true,
)
from rulebot.core.state.state import State
from rulebot.model.errors import StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.values import dataclass, replace
from rulebot.record.record import Record
from rulebot.recovery.resume import RESUMED, resume, resume_from
from rulebot.store.maintenance import differing_tables, has_tables_of_another
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.schema import ChainBreak

# --- Invariant 22: a start, which reads live entities, has the state of the whole journal

LATER = (timedelta(0), timedelta(days=1), timedelta(days=4))
"""How long after the last record that it reads a start is tried: at once, on the next day, after a long weekend."""


def differing_starts(path: Place) -> list[str]:
    """Return what a start would know otherwise, or why none is possible, in words. Raises: StoreError."""
    with StoreReader(path) as reader:
        try:
            records = reader.records(RESUMED)
            instants = [records[-1].at + later for later in LATER] if records else []
            return [f"a start at {at:%Y-%m-%d %H:%M:%S} UTC would know other {name}"
                    for at in instants for name in _differing(reader, records, at)]  # fmt: skip
        except (ArithmeticError, KeyError, StoreError, TypeError, ValueError) as error:
            return [f"a start cannot read it: {error!r}"]


def _differing(reader: StoreReader, records: Sequence[Record], at: datetime) -> list[str]:
    board, events = Board(), EventCalendar()
    whole = resume(records, at, board, events)
    lean = resume_from(reader.recall(at), at, board, events)
    parts = ((part, getattr(whole.state, part), getattr(lean.state, part)) for part in State._fields)
    names = [
        f"{part}.{name}"
        for part, one, other in parts
        for name in one.__slots__
        if getattr(one, name) != getattr(other, name)
    ]
    return names + (["texts"] if (whole.texts, whole.install) != (lean.texts, lean.install) else [])


# --- `rulebot store audit`: which of the invariants a journal alone can show hold, and where one does not

SHOWN = 5
"""Offences that are kept of one invariant; all are counted."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold: its number, its sentence, and the checks that look."""

    number: int
    says: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """Whether an invariant holds: how many offences, and the first of them.

    unjudged: why it was not judged, or not in all that belongs to it, "" once it was.
    """

    number: int
    says: str
    count: int
    first: tuple[Finding, ...]
    unjudged: str = ""

    @property
    def holds(self) -> bool:
        """True without an offence."""
        return not self.count

    @property
    def is_judged(self) -> bool:
        """True where it is known whether it holds: an offence is one, whatever else was not checked."""
        return not self.holds or not self.unjudged


INVARIANTS = (
    Invariant(1, "a bot has at most one live entry order", (one_live_entry,)),
    Invariant(2, "a ref is one order, with one permId of its own", (one_identity,)),
    Invariant(3, "an order is recorded before the broker hears of it", (recorded_first,)),
    Invariant(5, "executions count once, and positions are their sum", (positions_follow_fills,)),
    Invariant(8, "exits never close more than is held", (never_more_than_held,)),
    Invariant(9, "working exits never exceed the position", (never_more_at_work,)),
    Invariant(10, "after kill or pause nothing enters", (only_what_reduces,)),
    Invariant(11, "entries keep to session and window", (inside_the_session,)),
    Invariant(14, "nothing enters without a connection", (only_with_a_link,)),
    Invariant(16, "unknown is never true", (unknown_is_never_true,)),
    Invariant(17, "positions and orders move only as declared", (declared_moves, final_is_final)),
    Invariant(18, "a position's text never changes", (one_text,)),
    Invariant(20, "the journal is whole and in order", (in_order,)),
    Invariant(21, "each change has its record, each table its journal", (changes_recorded,)),
    Invariant(22, "a start continues from what the whole journal says", ()),
)
CHAIN_IS_BROKEN = "not compared, for the hash chain is broken"
OF_ANOTHER = "another version of rulebot made the tables, so they are not compared; the next start rebuilds them"


def audit_store(path: Place) -> tuple[InvariantResult, ...]:
    """Return the result of every invariant on a store, also while an engine writes it. Raises: StoreError."""
    with StoreReader(path) as reader:
        rows, broken = reader.numbered(), reader.verify()
    if broken:
        return audit(rows, broken=broken, unjudged=dict.fromkeys((21, 22), CHAIN_IS_BROKEN))
    unjudged = {21: OF_ANOTHER} if has_tables_of_another(path) else {}
    return audit(rows, tables=differing_tables(path), starts=differing_starts(path), unjudged=unjudged)


def audit(
    rows: Iterable[tuple[int, Record | str]],
    *,
    broken: ChainBreak | None = None,
    tables: Sequence[str] = (),
    starts: Sequence[str] = (),
    unjudged: Mapping[int, str] = MappingProxyType({}),
) -> tuple[InvariantResult, ...]:
    """Return the result of every invariant on numbered records.

    `broken`: where the hash chain breaks. `tables`: those that differ from the journal's projection. `starts`:
    differences of a start's state, in words. `unjudged`: why invariants were not judged, by number.
    """
    results = audit_tape(journal_index(rows), broken, tables, starts)
    return tuple(replace(each, unjudged=unjudged.get(each.number, "")) for each in results)


def audit_tape(
    tape: JournalIndex,
    broken: ChainBreak | None,
    tables: Sequence[str] = (),
    starts: Sequence[str] = (),
    shown: int | None = SHOWN,
) -> tuple[InvariantResult, ...]:
    """Do the same on a tape; `shown` offences of each invariant are kept, None keeps all."""
    known = {
        20: _chain(tape, broken),
        21: [Finding(0, None, f"the table {name} is not its journal's") for name in tables],
        22: [Finding(0, None, words) for words in starts],
    }
    return tuple(_evaluation(each, tape, known.get(each.number, []), shown) for each in INVARIANTS)


def _chain(tape: JournalIndex, broken: ChainBreak | None) -> list[Finding]:
    if broken is None:
        return []
    at = next((entry.record.at for entry in tape.entries if entry.seq == broken.seq), None)
    return [Finding(broken.seq, at, broken.why)]


def _evaluation(invariant: Invariant, tape: JournalIndex, known: list[Finding], shown: int | None) -> InvariantResult:
    found = [*known, *(finding for check in invariant.checks for finding in _guarded(check, tape))]
    return InvariantResult(invariant.number, invariant.says, len(found), tuple(islice(found, shown)))


def _guarded(check: Callable[[JournalIndex], Iterator[Finding]], tape: JournalIndex) -> Iterator[Finding]:
    """Run a check; a record whose fields are not those of its kind ends it, and is an offence itself."""
    try:
        yield from check(tape)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        yield Finding(0, None, f"a record has not the fields of its kind: {error!r}")
