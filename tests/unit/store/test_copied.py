"""A start on a store that takes no records: with open positions it goes on from a copy, and never beside an engine."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_day import at, condor_records

from rulebot.live.start import RunOptions, open_journal
from rulebot.model.errors import LockedStoreError, StoreError, UnwrittenError
from rulebot.record.record import Kind, Record
from rulebot.store import registry as lease
from rulebot.store.emergency_journal import places
from rulebot.store.journal import SqlJournal
from rulebot.store.patient_journal import CopiedJournal, PatientJournal
from rulebot.store.registry import open_store

NOON = at("12:00")


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.store.sqlite.BUSY_MS", 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def lock(path: Path) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Return what locks the store as another program does, until it is closed."""
    made: list[sqlite3.Connection] = []

    def locks() -> sqlite3.Connection:
        made.append(sqlite3.connect(path, isolation_level=None))
        made[-1].execute("BEGIN EXCLUSIVE")
        return made[-1]

    yield locks
    for each in made:
        each.close()


def alarm(number: int) -> Record:
    return Record(NOON, Kind.ALARM, data={"text": f"alarm {number}"})


def opened_position() -> list[Record]:
    records = condor_records()
    last = next(n for n, each in enumerate(records) if each.kind is Kind.POSITION and each.data["state"] == "open")
    return records[: last + 1]


def written(path: Path, records: list[Record]) -> None:
    with closing(SqlJournal(open_store(path))) as journal:
        journal.append(records, durable=True)


def left_by_last_run(path: Path, lock: Callable[[], sqlite3.Connection], records: list[Record]) -> None:
    """End a run on a store that is locked: its last records are in the emergency journal alone."""
    journal = PatientJournal(SqlJournal(open_store(path)), path)
    other = lock()
    journal.append(records, durable=True)
    with pytest.raises(UnwrittenError, match="wait in"):
        journal.close()
    other.close()


def started(path: Path) -> PatientJournal:
    return PatientJournal(open_journal(RunOptions(store=path, logs=None, sessions=None)), path)


def held(path: Path) -> list[Record]:
    """Return the records of a store, once its chain is proved."""
    with closing(SqlJournal(open_store(path))) as journal:
        assert journal.verify() is None
        return list(journal.read())


def test_a_start_reads_what_a_locked_store_and_the_last_run_hold(
    path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    records = opened_position()
    written(path, records[:4])
    left_by_last_run(path, lock, records[4:])
    other = lock()
    journal = started(path)
    assert "locked by another program" in journal.problem
    found = journal.recall(NOON)
    journal.append([alarm(1)], durable=True)
    assert list(journal.read()) == [*records, alarm(1)]
    journal.catch_up(NOON)
    assert journal.problem
    other.close()
    journal.catch_up(at("12:01"))
    assert journal.problem == ""
    assert journal.recall(NOON).records[: len(found.records)] == found.records
    journal.append([alarm(2)], durable=True)
    journal.close()
    assert held(path) == [*records, alarm(1), alarm(2)]
    assert not any(each.exists() for each in places(path))


def test_records_of_a_start_that_dies_on_a_locked_store_are_written_by_the_next(
    path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    records = opened_position()
    written(path, records[:4])
    left_by_last_run(path, lock, records[4:])
    other = lock()
    for number in (1, 2):
        journal = started(path)
        journal.append([alarm(number)], durable=True)
        journal.abandon()
    other.close()
    journal = started(path)
    assert journal.problem == ""
    journal.close()
    assert held(path) == [*records, alarm(1), alarm(2)]


@pytest.mark.parametrize("cut", [5, 0])
def test_a_file_that_was_cut_off_at_its_beginning_is_begun_again(
    cut: int, path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    """The last run died, or lost its power, while it began its emergency journal."""
    records = opened_position()
    written(path, records)
    whole = b'{"store": "a"'
    with os.fdopen(os.open(places(path)[0], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(whole[:cut])
    other = lock()
    journal = started(path)
    journal.append([alarm(1)], durable=True)
    journal.abandon()
    other.close()
    started(path).close()
    assert held(path) == [*records, alarm(1)]


def test_no_second_engine_starts_beside_one_without_the_lease(
    path: Path, lock: Callable[[], sqlite3.Connection], tmp_path: Path
) -> None:
    written(path, opened_position())
    lock()
    first = started(path)
    with pytest.raises(StoreError, match="in use by another engine"):
        started(path)
    (tmp_path / "a.db.lock").rename(tmp_path / "moved.lock")
    with pytest.raises(LockedStoreError):
        started(path)
    first.abandon()


def test_a_start_waits_for_a_locked_store_while_nothing_is_open(
    path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    written(path, condor_records())
    other = lock()
    with pytest.raises(LockedStoreError):
        started(path)
    other.close()
    started(path).close()


@pytest.mark.parametrize(
    "owner", [f"process {os.getppid()} on {lease._machine()}, code a1", "process 1 on elsewhere", "somebody"]
)
def test_a_start_waits_for_a_locked_store_whose_last_engine_may_still_act(
    owner: str, path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    written(path, opened_position())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE lease SET owner = ?", (owner,))
    other = lock()
    with pytest.raises(LockedStoreError):
        started(path)
    other.close()
    started(path).close()


def test_a_store_that_was_changed_while_it_was_locked_is_not_written(
    path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    records = opened_position()
    written(path, records)
    other = lock()
    journal = started(path)
    other.close()
    os.rename(f"{path}.lock", f"{path}.moved")
    written(path, [alarm(1)])
    with pytest.raises(StoreError, match="was changed while it was locked"):
        journal.catch_up(at("12:01"))
    journal.abandon()
    assert held(path) == [*records, alarm(1)]


def test_a_lock_between_opening_and_taking_what_is_left_is_waited_for(
    path: Path, lock: Callable[[], sqlite3.Connection]
) -> None:
    records = opened_position()
    written(path, records[:4])
    left_by_last_run(path, lock, records[4:])
    inner = open_journal(RunOptions(store=path, logs=None, sessions=None))
    lock()
    with pytest.raises(UnwrittenError):
        PatientJournal(inner, path)
    copied = open_journal(RunOptions(store=path, logs=None, sessions=None))
    assert isinstance(copied, CopiedJournal), "the lock beside the store was let go, and the file is still there"
    assert list(copied.kept) == records[4:]
    copied.abandon()
