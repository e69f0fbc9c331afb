"""The journal of a start whose store takes no records: a copy in memory, until the store can be written.

With open positions nobody may wait for a program that has locked the store, or for room on its disk. A start then reads
the store and the emergency journal of the last run into memory, and its exits are watched. Nothing is opened, and
records go into the emergency journal.

Two engines never act at once. The lock beside the store is held from the start, so is the account's lock. The lease
(`lease.py`) is a write, and is taken when the store can be written. Until then the engine that had it last must be a
process of this machine that has ended, and nobody may have its emergency journal open; else the start waits.
"""

from collections.abc import Sequence
from pathlib import Path

from rulebot.model.errors import StoreError
from rulebot.record.record import Record
from rulebot.store.emergency import LeftJournal, heads_of, unwritten_journals, unwritten_of
from rulebot.store.failures import sentences
from rulebot.store.journal import SqlJournal
from rulebot.store.lease import last_owner_is_gone
from rulebot.store.place import Place, Server
from rulebot.store.sqlite import FileCopy, copy_file, is_held


class CopiedJournal(SqlJournal):
    """A copy of the journal of a store, with what the last run kept and could not write.

    why: why the store itself could not be opened. begins_at: where the journal of the store ends. kept: the records
    that the store lacks, left: the emergency journal that goes on from there, None without one.
    """

    def __init__(self, copy: FileCopy, why: StoreError, logs: Path | None) -> None:
        super().__init__(copy)
        self.why = why
        self.begins_at = self.head
        self.kept: tuple[Record, ...] = ()
        self.left: LeftJournal | None = None
        self._copy = copy
        self._logs = logs

    def take(self, left: LeftJournal) -> None:
        """Add what the last run kept of this store. Raises: StoreError."""
        records = unwritten_of(left, self.head, self.has)
        if records is None:
            return
        self.append(records, durable=True)
        self.kept, self.left = tuple(records), left if self.begins_at in heads_of(left) else None

    def holds_something(self) -> bool:
        """Say whether a position is open or an order works."""
        with self._connection.begin():
            names = ("open_positions", "pending_orders")
            return any(self._connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() for name in names)

    def of_store(self) -> SqlJournal:
        """Return the journal of the store itself, which takes the lease. Waits for nobody.

        Raises: LockedStoreError, FullStoreError while it takes no records; StoreError.
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
            "see which program changed it; what this run recorded is in the emergency journal beside it",
        )


def copied_journal(store: Place, why: StoreError, logs: Path | None = None) -> CopiedJournal | None:
    """Return the journal with which a start goes on without its store; None where it has to wait for that.

    It waits where nothing is open, at a server, and where another engine may still act. why: why the store could not
    be opened. Raises: StoreError.
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
    copy: FileCopy, why: StoreError, logs: Path | None, found: Sequence[LeftJournal]
) -> CopiedJournal | None:
    with copy.engine.connect() as connection, connection.begin():
        is_gone = last_owner_is_gone(connection)
    if not is_gone:
        return None
    journal = CopiedJournal(copy, why, logs)
    for left in found:
        journal.take(left)
    return journal if journal.holds_something() else None
