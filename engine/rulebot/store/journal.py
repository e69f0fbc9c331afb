"""The journal on disk: append-only, in order, each record chained to the one before by its hash.

A durable append is on the platter when it returns. The others wait in memory and go with the next durable append, or
when a second has passed, whichever is first; the order is kept. Projections change in the same transaction, so what a
person reads never disagrees with the journal.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, SQLAlchemyError

from rulebot.model.collector import with_rare_collection
from rulebot.model.errors import InvariantError, StoreError, UnwrittenError
from rulebot.record.codec import json_text, line_of, utc_text
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import dialect_of
from rulebot.store.export import KINDS, JsonLines
from rulebot.store.failures import error_text, failures, is_full, sentences
from rulebot.store.place import Store
from rulebot.store.projections import Projector, rebuild, refresh
from rulebot.store.recall import COLUMNS, StartupRecords, of_kinds, read_rows, recall, recall_lines
from rulebot.store.registry import check_lease, take_lease
from rulebot.store.schema import FIRST_HASH, ChainBreak, chained, journal, verify

log = logging.getLogger("rulebot.store")

_LAG = timedelta(seconds=1)
_MANY = 5000
_Rows = list[tuple[object, ...]]


class SqlJournal:
    """The Journal of a store on disk (see `ports.Journal`). One per store; every append comes from one thread.

    It takes the store's lease: `epoch` is higher than that of every journal before, and only the highest can write.
    `lag`: how long a record that need not be durable may wait, in the time of the run. `logs`: the folder of the JSON
    Lines; they follow from the journal, so when they cannot be written nothing stops: `log_problem` says so, they are
    tried again, and the next start adds what is missing.
    """

    def __init__(self, store: Store, *, lag: timedelta = _LAG, logs: Path | None = None) -> None:
        self._store = store
        self._lag = lag
        self._connection = store.engine.connect()
        try:
            self.epoch = self._taken_over()
        except BaseException:
            self._connection.close()
            raise
        self._pending: list[Record] = []
        self._committed_at: datetime | None = None
        self._is_durable: bool | None = True
        self._is_uncertain_commit = False
        self._sql = dialect_of(self._connection)
        self._projector = Projector()
        self._seq, self._hash = _head(self._connection)
        self._lines = None if logs is None else JsonLines(logs, recall_lines(self._connection, KINDS))
        self.log_problem = None if self._lines is None else self._lines.problem
        if self.log_problem is not None:
            log.warning("%s: the store has everything, and it is tried again every minute", self.log_problem.message)
        store.note_written()

    def _taken_over(self) -> int:
        """Take the lease, and rebuild the tables where other code made them; return the epoch. Raises: StoreError."""
        with sentences(self._store.path):
            epoch = take_lease(self._connection)
            refresh(self._connection, self._store.path)
        return epoch

    def append(self, records: Sequence[Record], *, durable: bool) -> None:
        """Write; on return with `durable` the records survive a power cut.

        Raises: StoreError, also when another engine has taken the store or its file is gone; then none of `records` is
        or will be written, and all that was committed is still there. InvariantError for a record without the fields of
        its kind, with the same effect.
        """
        before = len(self._pending)
        self._pending.extend(records)
        try:
            if durable or self._is_due():
                self._commit(durable)
        except BaseException:
            del self._pending[before:]
            raise

    def catch_up(self, at: datetime) -> None:
        """Commit what has waited for a second at `at`, since nothing may follow it. Raises: StoreError."""
        if self._pending and at - self._pending[0].at >= self._lag:
            self._commit(False)

    def flush(self) -> None:
        """Commit what waits, durably. Raises: StoreError."""
        if self._pending:
            self._commit(True)

    def check_held(self) -> None:
        """Prove without writing that the store is in its place and this engine's. Raises: StoreError."""
        self._store.check_in_place((self._seq, self._hash))
        try:
            check_lease(self._connection, self.epoch, self._store.path)
        except failures() as error:
            if self._end_after_loss((self._seq, self._hash)) is None:
                raise self._unwritten(error) from error

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record that is committed."""
        return self._seq, self._hash

    @property
    def waiting(self) -> tuple[Record, ...]:
        """The records that wait to be committed."""
        return tuple(self._pending)

    @property
    def last_at(self) -> datetime | None:
        """The time of the last record that was committed or waits."""
        return self._pending[-1].at if self._pending else self._committed_at

    def has(self, head: tuple[int, str]) -> bool:
        """Say whether the journal has a record of this number and hash; every journal has its beginning."""
        if head == (0, FIRST_HASH):
            return True
        with self._connection.begin():
            found = self._connection.execute(select(journal.c.hash).where(journal.c.seq == head[0])).scalar()
        return found == head[1]

    def be_quick(self, *, is_quick: bool) -> None:
        """Wait for no other program any more, or for a moment as before."""
        self._store.be_quick(self._connection, is_quick=is_quick)

    def drop_lines(self) -> None:
        """Write no more JSON Lines in this run: the disk is full. The next start adds what is missing."""
        if self._lines is not None:
            self._lines = None
            log.warning("the JSON Lines of trades are no longer written: the next start adds the missing ones")

    def make_room(self) -> None:
        """Have the database give back room on its disk, as far as it can."""
        self._store.make_room(self._connection)
        self._store.note_written()

    def recall(self, at: datetime) -> StartupRecords:
        """Return what a start at `at` continues from; queued records are written first. Raises: StoreError."""
        self.flush()
        with with_rare_collection():  # most of it is kept: a round through all there is took half the time
            return recall(self._connection, at)

    def read(self, kinds: Collection[Kind] | None = None, since: datetime | None = None) -> Sequence[Record]:
        """Return all records of this store in order, or only those of some kinds or times. What waits is included."""
        stored = read_records(self._connection, kinds, since)
        waiting = (record for record in self._pending if kinds is None or record.kind in kinds)
        with with_rare_collection():  # all of it is kept: to look for garbage among it takes a quarter of the time
            return tuple(chain(stored, (record for record in waiting if since is None or record.at >= since)))

    def verify(self) -> ChainBreak | None:
        """Return the first break of the hash chain, None when it is whole."""
        return verify(self._connection)

    def rebuild(self) -> None:
        """Make all projections again from the journal alone."""
        self.flush()
        rebuild(self._connection)
        self._store.note_written()

    def close(self) -> None:
        """Commit what waits and close the store. Raises: StoreError."""
        try:
            self.flush()
            if self._lines is not None and self._lines.is_behind:
                self._try_lines(self._lines.settle)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the store as a process that is killed leaves it: what waits is lost."""
        self._pending.clear()
        self._connection.close()
        self._store.close()

    def _is_due(self) -> bool:
        if not self._pending:
            return False
        if self._committed_at is None:
            self._committed_at = self._pending[0].at
        return self._pending[-1].at - self._committed_at >= self._lag or len(self._pending) >= _MANY

    def _commit(self, durable: bool) -> None:
        if not self._pending:
            self.check_held()
            return
        self._store.check_in_place((self._seq, self._hash))
        try:
            rows, head = _rows(self._pending, self._seq, self._hash)
            first = self._count_written(rows) if self._is_uncertain_commit else 0
            try:
                self._write(rows[first:], head, durable, first=first)
            finally:
                self._store.note_written()
        except (DataError, ArithmeticError, KeyError, TypeError, ValueError) as error:
            self._projector.forget()
            raise InvariantError(f"a record has not the fields of its kind: {error!r}") from error
        except failures() as error:
            self._is_uncertain_commit = True
            raise self._unwritten(error) from error
        except SQLAlchemyError as error:
            self._projector.forget()
            raise InvariantError(f"a record has not the fields of its kind: {error!r}") from error
        self._seq, self._hash = head
        self._is_uncertain_commit = False
        self._committed_at = self._pending[-1].at
        committed, self._pending = self._pending, []
        self._write_lines(committed)

    def _count_written(self, rows: _Rows) -> int:
        """Return how many of these rows a failed commit wrote. Raises: StoreError."""
        found = _head(self._connection)
        ends = [self.head, *((row[0], row[-1]) for row in rows)]
        if found not in ends:
            raise StoreError(f"the store {self._store.path} ends at {found[0]}, and not at {self._seq}: it was changed")
        return ends.index(found)

    def _write(self, rows: _Rows, head: tuple[int, str], durable: bool, *, first: int = 0, again: bool = True) -> None:
        """Write queued records from `first` on, as `rows` that end at `head`; retry after a lost connection."""
        if not rows:
            return
        try:
            self._set_durable(durable)
            with self._connection.begin():
                check_lease(self._connection, self.epoch, self._store.path)
                self._connection.exec_driver_sql(self._sql.insert, rows)
                numbered = enumerate(self._pending[first:], self._seq + 1 + first)
                self._projector.project(self._connection, list(numbered))
        except failures():
            self._projector.forget()
            found = self._end_after_loss(head)
            if found == head:
                return
            if found is None or not again:
                raise
            self._write(rows, head, durable, first=first, again=False)

    def _write_lines(self, records: Sequence[Record]) -> None:
        if self._lines is not None:
            self._try_lines(partial(self._lines.write, records))

    def _try_lines(self, write: Callable[[], None]) -> None:
        """Write lines of the logs; failure and recovery are reported once."""
        try:
            write()
        except StoreError as error:
            if self.log_problem is None:
                log.warning("%s: the store has everything, and it is tried again every minute", error.message)
            self.log_problem = error
            return
        if self.log_problem is not None and self._lines is not None and not self._lines.is_behind:
            log.warning("the logs are written again, with the missing lines")
            self.log_problem = None

    def _end_after_loss(self, head: tuple[int, str]) -> tuple[int, str] | None:
        """Return where the journal ends when the connection to a server was lost, None when it was not.

        It ends at `head` or where it ended before: whether a commit got through that had no answer is asked of the
        journal itself, in a session that has the lock, so that no other one can still be writing.
        Raises: UnwrittenError when the server does not come back, or goes again; StoreError when it comes back without
        its last records, or another engine has taken the store.
        """
        connection = self._store.reconnected(self._connection)
        if connection is None:
            return None
        self._connection, self._is_durable = connection, None
        try:
            check_lease(connection, self.epoch, self._store.path)
            found = _head(connection)
        except failures() as error:
            raise self._unwritten(error) from error
        if found not in (head, (self._seq, self._hash)):
            raise StoreError(
                f"the store {self._store.path} lost its last records with its server: it ends at {found[0]}, "
                f"was at {self._seq}",
                "they were not yet durable, and nothing was sent on them: start again, from the stored records",
            )
        return found

    def _unwritten(self, error: BaseException) -> UnwrittenError:
        reported = error_text(error, self._store.path)
        return UnwrittenError(reported.message, reported.help, is_full=is_full(error, self._store.path))

    def _set_durable(self, is_durable: bool) -> None:
        if is_durable is not self._is_durable:
            cursor = self._connection.connection.cursor()
            cursor.execute(self._sql.durable if is_durable else self._sql.soon)
            cursor.close()
            self._is_durable = is_durable


def read_records(
    connection: Connection, kinds: Collection[Kind] | None = None, since: datetime | None = None
) -> Iterator[Record]:
    """Yield the stored records in order."""
    query = select(*COLUMNS)
    if kinds is not None:
        query = query.where(journal.c.seq.in_(of_kinds(kinds)))
    if since is not None:
        query = query.where(journal.c.at >= utc_text(since))
    with connection.begin():
        yield from read_rows(connection, query)


def _head(connection: Connection) -> tuple[int, str]:
    with connection.begin():
        query = select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
        found = connection.execute(query).first()
    return (found.seq, found.hash) if found else (0, FIRST_HASH)


def _rows(records: Sequence[Record], seq: int, before: str) -> tuple[_Rows, tuple[int, str]]:
    """Return the rows of new records, and the number and hash of the last one."""
    rows: _Rows = []
    for record in records:
        seq += 1
        data = json_text(record.data)
        before = chained(before, line_of(record, data))
        rows.append((seq, utc_text(record.at), record.kind.value, record.bot, record.position, data, before))
    return rows, (seq, before)
