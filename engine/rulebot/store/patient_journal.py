"""A journal that outlasts its store: while that is locked, full or gone, records are kept, and written later in order.

A record that the store does not take goes into the emergency journal (`emergency_journal.py`), on the disk before its
command leaves, as else into the store. The store is tried again once a second of the run; when it answers, all that was
kept is written in one transaction, once. `problem` says meanwhile that nothing may be opened.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path

from rulebot.model.errors import FullStoreError, LockedStoreError, StoreError, UnkeptError, UnwrittenError
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.store.emergency_journal import (
    EmergencyJournal,
    Head,
    UnwrittenJournal,
    journal_heads,
    unwritten_journals,
    unwritten_records,
)
from rulebot.store.failures import Reserve, sentences
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place, Server
from rulebot.store.recall import StartupRecords
from rulebot.store.registry import last_owner_is_gone
from rulebot.store.sqlite import FileCopy, copy_file, is_held

# --- The journal of a start whose store takes no records


class CopiedJournal(SqlJournal):
    """A copy of a store's journal, with records that the last run could not write to the store.

    why: why the store itself could not be opened. begins_at: where the journal of the store ends. kept: the records
    that the store lacks, left: the emergency journal that continues from there, None without one.
    """

    def __init__(self, copy: FileCopy, why: StoreError, logs: Path | None) -> None:
        super().__init__(copy)
        self.why = why
        self.begins_at = self.head
        self.kept: tuple[Record, ...] = ()
        self.left: UnwrittenJournal | None = None
        self._copy = copy
        self._logs = logs

    def take(self, left: UnwrittenJournal) -> None:
        """Add what the last run kept of this store. Raises: StoreError."""
        records = unwritten_records(left, self.head, self.has)
        if records is None:
            return
        self.append(records, durable=True)
        self.kept, self.left = tuple(records), left if self.begins_at in journal_heads(left) else None

    def holds_something(self) -> bool:
        """Say whether a position is open or an order works."""
        with self._connection.begin():
            names = ("open_positions", "pending_orders")
            return any(self._connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() for name in names)

    def of_store(self) -> SqlJournal:
        """Return the journal of the store itself, which takes the lease. Does not wait.

        Raises: LockedStoreError, FullStoreError while it accepts no records; StoreError.
        """
        store = self._copy.opened()
        try:
            journal = SqlJournal(store, logs=self._logs)
        except BaseException:
            store.close()
            raise
        if journal.head == self.begins_at:
            return journal
        found, was = journal.head[0], self.begins_at[0]
        journal.abandon()
        raise StoreError(
            f"the store {self._copy.path} was changed while it was locked: it ends at {found}, was at {was}",
            "find the program that changed it; what this run recorded is in the emergency journal next to it",
        )


def copied_journal(store: Place, why: StoreError, logs: Path | None = None) -> CopiedJournal | None:
    """Return the journal with which a start continues without its store; None where it has to wait for it.

    It waits where nothing is open, at a server, and where another engine may still act. why: why the store could not be
    opened. Raises: StoreError.
    """
    if isinstance(store, Server) or not store.exists():
        return None
    found = unwritten_journals(store)
    if len(found) > 1 or any(is_held(left.path) for left in found):
        return None
    copy = copy_file(store)
    try:
        with sentences(store):
            journal = _journal_of(copy, why, logs, found)
    except BaseException:
        copy.close()
        raise
    if journal is None:
        copy.close()
    return journal


def _journal_of(
    copy: FileCopy, why: StoreError, logs: Path | None, found: Sequence[UnwrittenJournal]
) -> CopiedJournal | None:
    with copy.engine.connect() as connection, connection.begin():
        is_gone = last_owner_is_gone(connection)
    if not is_gone:
        return None
    journal = CopiedJournal(copy, why, logs)
    for left in found:
        journal.take(left)
    return journal if journal.holds_something() else None


# --- How long an engine continues while its store accepts no records


@dataclass(frozen=True, slots=True)
class Patience:
    """The settings `store_wait` and `memory_wait`.

    store_seconds: until a write counts as hanging, and the engine continues without it. memory: how long records may be
    in memory only, where no emergency journal can be written either; then the run ends.
    """

    store_seconds: float = 2.0
    memory: timedelta = timedelta(minutes=10)


PATIENCE = Patience()


# --- A journal that outlasts its store

log = logging.getLogger("rulebot.store")

AGAIN, AGAIN_AT_SERVER = timedelta(seconds=1), timedelta(seconds=15)
"""How often a store that does not answer is tried again, and a full disk is looked at. A server that is unreachable
takes seconds of each try."""
CLOSE_SECONDS = 30.0
"""How long the end of a run waits for a store that has not answered yet."""


class SlowStoreError(UnwrittenError):
    """The store has not answered yet: what it was given it may still write."""


class PatientJournal:
    """The Journal port around the journal of a store, or around a copy while the store accepts no records.

    holds_reserve: keeps a reserve file next to a store in a file, freed when its disk is full; and writes in its own
    thread, so that a hanging store delays no exit. Neither in simulated time.
    """

    def __init__(
        self, inner: SqlJournal, store: Place, *, holds_reserve: bool = False, patience: Patience = PATIENCE
    ) -> None:
        self._patience = patience
        self._inner = inner
        self._store = store
        self._emergency = EmergencyJournal(store)
        self._again = AGAIN_AT_SERVER if isinstance(store, Server) else AGAIN
        self._kept: list[Record] = []
        self._is_holding = False
        self._held_since: datetime | None = None
        self._tried_at: datetime | None = None
        self._error: UnwrittenError | None = None
        self._is_freed = False
        self._pool = ThreadPoolExecutor(1, "journal") if holds_reserve else None
        self._writing: Future[None] | None = None
        self._under_way = 0
        self._reserve = Reserve(store) if holds_reserve and not isinstance(store, Server) else None
        self._copied = inner if isinstance(inner, CopiedJournal) else None
        self._of_store: SqlJournal | None = None
        try:
            if self._copied is not None:
                self._go_on_with_copy(self._copied)
            else:
                self.adopt_unwritten()
        except BaseException:
            inner.abandon()
            raise
        inner.be_quick(is_quick=False)
        if self._reserve is not None and not self._is_freed:
            self._reserve.hold()

    @property
    def epoch(self) -> int:
        """The lease's number (`store/registry.py`)."""
        return self._inner.epoch

    @property
    def log_problem(self) -> StoreError | None:
        """Why the JSON Lines are not written, None while they are."""
        return self._inner.log_problem

    @property
    def problem(self) -> str:
        return self._error.message if self._error is not None else ""

    @property
    def help(self) -> str:
        return (self._error.help or "") if self._error is not None else ""

    @property
    def is_full(self) -> bool:
        """True while the disk of the store is full, or was and has no room for the reserve yet."""
        return self._error is not None and self._error.is_full

    @property
    def waiting(self) -> int:
        """How many records wait for the store."""
        return len(self._kept)

    # ------------------------------------------------------------ an earlier run

    def adopt_unwritten(self) -> None:
        """Write what an earlier run kept of this store and could not write. Raises: StoreError."""
        for left in unwritten_journals(self._store):
            self._take(left)

    def _take(self, left: UnwrittenJournal) -> None:
        records = unwritten_records(left, self._inner.head, self._inner.has)
        if records is None:
            return
        self._inner.append(records, durable=True)
        if records:
            log.warning("%d records of the last run were written into the store from %s", len(records), left.path)
        left.path.unlink(missing_ok=True)

    def _go_on_with_copy(self, copied: CopiedJournal) -> None:
        """Keep records from the start on: the store takes none yet."""
        log.error("%s; positions are open, so exits continue and records wait", copied.why.message)
        is_full = isinstance(copied.why, FullStoreError)
        self._error = UnwrittenError(copied.why.message, copied.why.help, is_full=is_full)
        self._is_holding, self._kept = True, list(copied.kept)
        if is_full and self._reserve is not None:
            self._is_freed = self._reserve.free()
        if copied.left is None or not self._emergency.adopt(copied.left):
            self._emergency.begin(copied.begins_at, copied.kept)

    # ------------------------------------------------------------ records

    def append(self, records: Sequence[Record], *, durable: bool, opens: bool = False) -> None:
        """Write, or keep what the store does not accept; on return with `durable` the records survive a power cut.

        opens: as in `ports.Journal`. Raises: StoreError when another engine has taken the store; UnkeptError;
        UnwrittenError when records were in memory only for too long.
        """
        if not self._is_holding:
            head, waiting = self._inner.head, self._inner.waiting
            try:
                self._commit(lambda: self._inner.append(records, durable=durable))
                return
            except SlowStoreError as error:
                self._go_on_without(error, records, head, waiting)
                return
            except UnwrittenError as error:
                if self._is_written_with_room(error, records, durable):
                    return
                self._take_trouble(error, records[-1].at if records else self._inner.last_at)
                if opens:
                    raise UnkeptError(error.message, error.help) from error
        if not self._is_holding:
            self.append(records, durable=durable)
            return
        self._keep(records, durable=durable)

    def _commit(self, write: Callable[[], None]) -> None:
        """Let the store do something. Raises: SlowStoreError when it has not ended in time; what `write` raises."""
        if self._pool is None:
            write()
            return
        under_way = self._pool.submit(write)
        try:
            under_way.result(self._patience.store_seconds)
        except TimeoutError:
            if under_way.done():
                raise
            self._writing = under_way
            text = f"the store {self._store} does not answer within {self._patience.store_seconds:g} s"
            raise SlowStoreError(text, "see what else uses its disk, or whether it fails") from None

    def _go_on_without(
        self, error: UnwrittenError, records: Sequence[Record], head: Head, waiting: Sequence[Record]
    ) -> None:
        """Keep records that are on their way into a hanging store, until it has answered."""
        log.error("%s; records wait, exits continue", error.message)
        self._error, self._is_holding = error, True
        self._held_since = self._tried_at = records[-1].at if records else self._inner.last_at
        self._under_way = len(records)
        self._kept += records
        self._emergency.begin(head, (*waiting, *records))

    def _has_answered(self) -> bool:
        """Say whether the store has ended what it did, and forget the records that it took. Raises: StoreError."""
        if self._writing is None:
            return True
        if not self._writing.done():
            return False
        answered, self._writing = self._writing, None
        count, self._under_way = self._under_way, 0
        try:
            answered.result()
        except UnwrittenError as error:
            self._error = error
        else:
            del self._kept[:count]
            self._leave_copy()
        return True

    def _leave_copy(self) -> None:
        """Continue with the store itself, once it has accepted what the copy has."""
        if self._of_store is not None and self._copied is not None:
            self._inner, copied = self._of_store, self._copied
            self._of_store = self._copied = None
            copied.abandon()

    def _is_written_with_room(self, error: UnwrittenError, records: Sequence[Record], durable: bool) -> bool:
        """Write again with the room that the database's log gives back, where the disk is full."""
        if not error.is_full:
            return False
        self._inner.make_room()
        try:
            self._inner.append(records, durable=durable)
        except UnwrittenError:
            return False
        return True

    def _take_trouble(self, error: UnwrittenError, at: datetime | None) -> None:
        """Continue with the room of the reserve, where the disk is full; without it, begin to keep records."""
        self._error = error
        if not (error.is_full and self._reserve is not None and self._reserve.free()):
            self._hold(error, at)
            return
        self._is_freed = True
        self._tried_at = at
        self._inner.drop_lines()
        log.error("%s; the reserve file was removed to continue", error.message)

    def _hold(self, error: UnwrittenError, at: datetime | None) -> None:
        """Begin to keep records, with those that the journal has in memory."""
        log.error("%s; records wait, exits continue", error.message)
        self._is_holding, self._held_since, self._tried_at = True, at, at
        if error.is_full:
            self._inner.drop_lines()
        self._inner.be_quick(is_quick=True)
        self._emergency.begin(self._inner.head, self._inner.waiting)

    def _keep(self, records: Sequence[Record], *, durable: bool) -> None:
        """Keep records for later. Raises: UnwrittenError when they were in memory alone for too long."""
        self._kept += records
        if self._copied is not None:
            self._copied.append(records, durable=False)
        if self._emergency.add(records, durable=durable):
            return
        if self._writing is None:
            head, waiting = self._end_of_store()
            self._emergency.begin(head, (*waiting, *self._kept))
        if self._emergency.is_kept or not records:
            return
        self._held_since = self._held_since or records[-1].at
        if records[-1].at - self._held_since >= self._patience.memory:
            assert self._error is not None
            raise UnwrittenError(self._error.message, self._error.help, is_full=self._error.is_full)

    def _end_of_store(self) -> tuple[Head, Sequence[Record]]:
        """Return where the journal of the store ends, and what it has in memory behind that."""
        if self._copied is None:
            return self._inner.head, self._inner.waiting
        return (self._copied.begins_at if self._of_store is None else self._of_store.head), ()

    def catch_up(self, at: datetime) -> None:
        """Commit what has waited for a second at `at`; try again what the store did not take. Raises: StoreError."""
        if not self._is_holding:
            head, waiting = self._inner.head, self._inner.waiting
            try:
                self._commit(lambda: self._inner.catch_up(at))
            except SlowStoreError as error:
                self._go_on_without(error, (), head, waiting)
            except UnwrittenError as error:
                if not self._is_written_with_room(error, (), durable=True):
                    self._take_trouble(error, at)
        if self._error is not None and (self._tried_at is None or abs(at - self._tried_at) >= self._again):
            self._tried_at = at
            self._try_again()

    def _try_again(self) -> None:
        """Write what was kept, if the store takes it; look for room where its disk was full."""
        if not self._has_answered():
            return
        if self._is_holding and not self._is_written():
            return
        has_room = self._reserve is None or not self._is_freed or self._reserve.hold()
        if has_room:
            self._error, self._is_freed = None, False

    def _is_written(self) -> bool:
        """Write all that was kept in one transaction; say whether the store took it. Raises: StoreError."""
        if self.is_full:
            self._inner.make_room()
        kept, (head, _) = tuple(self._kept), self._end_of_store()
        try:
            self._commit(lambda: self._write_kept(kept))
        except SlowStoreError as error:
            self._error, self._under_way = error, len(kept)
            return False
        except UnwrittenError as error:
            self._error = error
            return False
        except StoreError:
            if self._end_of_store()[0] != head:  # it has them all the same: the end of the run writes them no more
                self._kept.clear()
            raise
        self._leave_copy()
        log.warning("the store takes records again: %d that waited are written", len(self._kept))
        self._kept.clear()
        self._is_holding, self._held_since = False, None
        self._inner.be_quick(is_quick=False)
        self._emergency.end()
        return True

    def _write_kept(self, kept: Sequence[Record]) -> None:
        """Write into the store, which is opened first where the run continues with a copy. Raises: StoreError."""
        if self._copied is None:
            self._inner.append(kept, durable=True)
            return
        try:
            self._of_store = self._of_store or self._copied.of_store()
        except (LockedStoreError, FullStoreError) as error:
            raise UnwrittenError(error.message, error.help, is_full=isinstance(error, FullStoreError)) from error
        self._of_store.append(kept, durable=True)

    def flush(self) -> None:
        """Commit what waits, durably, if the store takes it. Raises: StoreError."""
        if self._is_holding:
            return
        head, waiting = self._inner.head, self._inner.waiting
        try:
            self._commit(self._inner.flush)
        except SlowStoreError as error:
            self._go_on_without(error, (), head, waiting)
        except UnwrittenError as error:
            if not self._is_written_with_room(error, (), durable=True):
                self._take_trouble(error, self._inner.last_at)

    def check_held(self) -> None:
        """Prove that the store is in its place and this engine's, as far as it answers. Raises: StoreError."""
        if self._writing is not None:
            return
        head, waiting = self._inner.head, self._inner.waiting
        try:
            self._commit(self._inner.check_held)
        except SlowStoreError as error:
            if not self._is_holding:
                self._go_on_without(error, (), head, waiting)
        except UnwrittenError as error:
            if not self._is_holding:
                self._take_trouble(error, self._inner.last_at)

    # ------------------------------------------------------------ what is on record

    def recall(self, at: datetime) -> StartupRecords:
        """Return what a start at `at` continues from. Raises: StoreError."""
        return self._inner.recall(at)

    def read(self, kinds: Collection[Kind] | None = None, since: datetime | None = None) -> Sequence[Record]:
        """Return records as `SqlJournal.read`, with those that wait."""
        if self._copied is not None:
            return self._copied.read(kinds, since)
        kept = (each for each in self._kept if kinds is None or each.kind in kinds)
        return (*self._inner.read(kinds, since), *(each for each in kept if since is None or each.at >= since))

    def close(self) -> None:
        """Write what waits and close the store; what it does not take stays in the emergency journal.

        Raises: StoreError.
        """
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
        self.flush()
        if not self._is_holding:
            self._inner.close()
            return
        if self._writing is not None:
            wait((self._writing,), CLOSE_SECONDS)
        has_answered = self._has_answered()
        try:
            if not (has_answered and self._is_written_at_last()):
                assert self._error is not None
                raise UnwrittenError(self._last_words(self._error), self._error.help, is_full=self._error.is_full)
        finally:
            self._emergency.close()
            if has_answered:
                self._abandon_both()

    def _is_written_at_last(self) -> bool:
        self._inner.be_quick(is_quick=False)
        return self._is_written()

    def _last_words(self, error: UnwrittenError) -> str:
        if not self._emergency.is_kept:
            return f"{error.message}; {len(self._kept)} records are lost, and the next start asks the broker"
        count = len(self._kept) + (len(self._end_of_store()[1]) if self._writing is None else 0)
        return f"{error.message}; {count} records wait in {self._emergency.path} for the next start"

    def abandon(self) -> None:
        """Close the store as a process that is killed leaves it."""
        if self._writing is not None:
            wait((self._writing,), CLOSE_SECONDS)
        self._emergency.close()
        self._abandon_both()

    def _abandon_both(self) -> None:
        if self._of_store is not None:
            self._of_store.abandon()
        self._inner.abandon()
