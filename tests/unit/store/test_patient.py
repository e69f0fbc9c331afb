"""A journal whose store takes no records for a while: they are kept, in order, and written once."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from store_day import at

from rulebot.model.errors import StoreError, UnkeptError, UnwrittenError
from rulebot.record.record import Kind, Record
from rulebot.store import emergency_journal as emergency
from rulebot.store import patient_journal as patient
from rulebot.store.emergency_journal import places
from rulebot.store.failures import Reserve
from rulebot.store.journal import SqlJournal
from rulebot.store.patient_journal import PATIENCE, Patience, PatientJournal
from rulebot.store.registry import open_store

TIME = at("10:00")


def alarm(number: int, seconds: float = 0.0) -> Record:
    return Record(TIME + timedelta(seconds=seconds), Kind.ALARM, data={"text": f"alarm {number}"})


QUICK = Patience(0.05)


def opened(path: Path, *, holds_reserve: bool = False, patience: Patience = PATIENCE) -> PatientJournal:
    return PatientJournal(SqlJournal(open_store(path)), path, holds_reserve=holds_reserve, patience=patience)


def reported(path: Path) -> list[str]:
    """Return what a store has, once its chain is proved."""
    with closing(SqlJournal(open_store(path))) as journal:
        assert journal.verify() is None
        return [str(record.data["text"]) for record in journal.read()]


class Lock:
    """Another program that holds a store."""

    def __init__(self, path: Path) -> None:
        self._other = sqlite3.connect(path, isolation_level=None)
        self._other.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        self._other.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def test_records_wait_in_a_file_and_are_written_in_order_and_once(path: Path) -> None:
    journal = opened(path)
    journal.append([alarm(1)], durable=True)
    journal.append([alarm(2, 0.5)], durable=False)
    lock = Lock(path)
    journal.append([alarm(3, 0.6)], durable=True)
    assert "locked" in journal.problem
    assert not journal.is_full
    journal.append([alarm(4, 0.7)], durable=False)
    assert journal.waiting == 2
    kept = places(path)[0]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [f"alarm {number}" in kept.read_text() for number in (1, 2, 3, 4)] == [False, True, True, True]
    journal.catch_up(TIME + timedelta(seconds=3))
    assert journal.problem
    lock.end()
    journal.catch_up(TIME + timedelta(seconds=3.5))
    assert journal.problem, "a store is tried once a second"
    journal.catch_up(TIME + timedelta(seconds=4))
    assert (journal.problem, journal.waiting, kept.exists()) == ("", 0, False)
    journal.append([alarm(5, 5)], durable=True)
    journal.close()
    assert reported(path) == [f"alarm {number}" for number in range(1, 6)]


def test_what_opens_is_not_kept(path: Path) -> None:
    journal = opened(path)
    lock = Lock(path)
    with pytest.raises(UnkeptError):
        journal.append([alarm(1)], durable=True, opens=True)
    assert journal.problem
    lock.end()
    journal.append([alarm(2)], durable=True)
    journal.close()
    assert reported(path) == ["alarm 2"]


def test_a_look_that_the_store_does_not_answer_is_no_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(path)

    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("rulebot.store.journal.check_lease", locked)
        journal.check_held()
        assert journal.problem
    journal.append([alarm(1)], durable=True)
    journal.catch_up(TIME + timedelta(seconds=2))
    assert journal.problem == ""
    journal.close()
    assert reported(path) == ["alarm 1"]


@pytest.mark.parametrize("cut", [0, 9])
def test_the_next_start_writes_what_a_dead_run_has_kept(path: Path, cut: int) -> None:
    journal = opened(path)
    journal.append([alarm(1)], durable=True)
    lock = Lock(path)
    journal.append([alarm(2)], durable=True)
    journal.append([alarm(3)], durable=True)
    journal.abandon()
    lock.end()
    kept = places(path)[0]
    if cut:
        kept.write_bytes(kept.read_bytes()[:-cut])
    opened(path).close()
    assert reported(path) == ["alarm 1", "alarm 2", *(() if cut else ("alarm 3",))]
    opened(path).close()
    assert len(reported(path)) == (2 if cut else 3)


@pytest.mark.parametrize("written", [1, 2, 3])
def test_the_next_start_writes_nothing_twice(path: Path, written: int) -> None:
    """The run died after the store took some or all of it, and before its file was removed."""
    journal = opened(path)
    journal.append([alarm(1)], durable=True)
    lock = Lock(path)
    journal.append([alarm(2)], durable=True)
    journal.append([alarm(3)], durable=True)
    journal.abandon()
    lock.end()
    with closing(SqlJournal(open_store(path))) as plain:
        plain.append([alarm(number) for number in (2, 3, 4)[:written]], durable=True)
    opened(path).close()
    assert reported(path) == ["alarm 1", "alarm 2", "alarm 3", *(["alarm 4"] if written == 3 else [])]


def test_a_commit_that_failed_and_was_written_all_the_same_is_not_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(path)
    inner = journal._inner
    write, fails = inner._write, [True]

    def unsure(*args: object, **options: object) -> None:
        write(*args, **options)  # type: ignore[arg-type]
        if fails:
            fails.clear()
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(inner, "_write", unsure)
    journal.append([alarm(1)], durable=True)
    assert journal.problem
    journal.append([alarm(2, 2)], durable=True)
    journal.catch_up(TIME + timedelta(seconds=4))
    assert journal.problem == ""
    journal.close()
    assert reported(path) == ["alarm 1", "alarm 2"]


def test_records_of_another_state_of_the_store_are_kept_aside(path: Path) -> None:
    journal = opened(path)
    journal.append([alarm(1)], durable=True)
    lock = Lock(path)
    journal.append([alarm(2)], durable=True)
    journal.abandon()
    lock.end()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    opened(path).close()
    assert reported(path) == []
    assert places(path)[0].with_suffix(".unused").exists()


@pytest.mark.parametrize("how", ["mode", "link"])
def test_a_file_that_a_person_else_could_have_written_is_passed_over(path: Path, how: str) -> None:
    opened(path).close()
    planted = places(path)[0]
    planted.with_name("other").write_text('{"store": "x"}\n')
    if how == "link":
        planted.symlink_to(planted.with_name("other"))
    else:
        planted.write_text('{"store": "x"}\n')
        planted.chmod(0o666)
    opened(path).close()
    assert reported(path) == []


def test_a_damaged_file_is_refused_with_what_to_do(path: Path) -> None:
    opened(path).close()
    first = emergency.json.dumps({"store": str(path), "seq": 0, "hash": ""})
    places(path)[0].write_text(f"{first}\nnonsense\n")
    places(path)[0].chmod(0o600)
    with pytest.raises(StoreError, match="is damaged"):
        opened(path)


def test_another_folder_is_taken_where_nothing_can_be_written_beside_the_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(path)
    beside, *others = places(path)
    beside.mkdir()
    (beside / "x").touch()
    lock = Lock(path)
    journal.append([alarm(1)], durable=True)
    assert others[0].exists()
    journal.abandon()
    lock.end()
    (beside / "x").unlink()
    beside.rmdir()
    opened(path).close()
    assert reported(path) == ["alarm 1"]
    assert not others[0].exists()


def test_records_in_memory_alone_are_kept_for_ten_minutes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(path)
    monkeypatch.setattr(emergency, "places", lambda store: ())
    lock = Lock(path)
    journal.append([alarm(1)], durable=True)
    journal.append([alarm(2, PATIENCE.memory.total_seconds() - 1)], durable=True)
    with pytest.raises(UnwrittenError, match="locked"):
        journal.append([alarm(3, PATIENCE.memory.total_seconds())], durable=True)
    lock.end()
    journal.close()
    assert reported(path) == ["alarm 1", "alarm 2", "alarm 3"]


def test_a_reserve_is_held_freed_when_the_disk_is_full_and_held_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.store.failures.SIZE", 2**17)
    journal = opened(path, holds_reserve=True)
    reserve = Reserve(path).path
    assert (reserve.stat().st_size, reserve.stat().st_mode & 0o777) == (2**17, 0o600)
    fails = [2]
    append = journal._inner.append

    def full(records: object, *, durable: bool) -> None:
        if fails[0]:
            fails[0] -= 1
            raise UnwrittenError("the disk is full", is_full=True)
        append(records, durable=durable)  # type: ignore[arg-type]

    monkeypatch.setattr(journal._inner, "append", full)
    journal.append([alarm(1)], durable=True)
    assert (reserve.exists(), journal.is_full, journal.waiting) == (False, True, 0)
    monkeypatch.setattr("rulebot.store.failures._free", lambda path: 2**17)
    journal.catch_up(TIME + timedelta(seconds=2))
    assert journal.is_full, "the disk has no room for another reserve and as much again"
    monkeypatch.setattr("rulebot.store.failures._free", lambda path: 2**20)
    journal.catch_up(TIME + timedelta(seconds=4))
    assert (reserve.exists(), journal.problem) == (True, "")
    journal.close()
    assert reported(path) == ["alarm 1"]


def test_a_store_that_another_engine_has_taken_is_no_matter_of_patience(path: Path) -> None:
    journal = opened(path)
    monkey = sqlite3.connect(path, isolation_level=None)
    monkey.execute("UPDATE lease SET epoch = epoch + 1")
    monkey.close()
    with pytest.raises(StoreError, match="taken over"):
        journal.append([alarm(1)], durable=True)
    assert journal.problem == ""
    assert timedelta(seconds=1) == patient.AGAIN


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every write wait until the event is set."""
    monkeypatch.setattr("rulebot.store.failures.SIZE", 2**17)
    answers, write = threading.Event(), SqlJournal._write
    answers.set()

    def slow(self: SqlJournal, *args: Any, **options: Any) -> None:
        assert answers.wait(20)
        write(self, *args, **options)

    monkeypatch.setattr(SqlJournal, "_write", slow)
    yield answers
    answers.set()


def settled(journal: PatientJournal) -> None:
    """Wait until the store has answered."""
    if journal._writing is not None:
        wait((journal._writing,), 20)


def test_a_store_that_hangs_holds_up_nothing_and_gets_all_in_order(path: Path, hanging: threading.Event) -> None:
    journal = opened(path, holds_reserve=True, patience=QUICK)
    journal.append([alarm(1)], durable=True)
    hanging.clear()
    began = time.monotonic()
    journal.append([alarm(2)], durable=True)
    assert "does not answer" in journal.problem
    journal.append([alarm(3, 0.1)], durable=True)
    journal.check_held()
    journal.flush()
    journal.catch_up(TIME + timedelta(seconds=5))
    assert time.monotonic() - began < 2
    assert "alarm 2" in places(path)[0].read_text()
    assert "alarm 3" in places(path)[0].read_text()
    hanging.set()
    settled(journal)
    journal.catch_up(TIME + timedelta(seconds=7))
    assert (journal.problem, journal.waiting, places(path)[0].exists()) == ("", 0, False)
    journal.append([alarm(4, 8)], durable=True)
    journal.close()
    assert reported(path) == ["alarm 1", "alarm 2", "alarm 3", "alarm 4"]


def test_what_opens_and_hangs_is_kept_since_it_may_be_written(path: Path, hanging: threading.Event) -> None:
    journal = opened(path, holds_reserve=True, patience=QUICK)
    hanging.clear()
    journal.append([alarm(1)], durable=True, opens=True)
    assert journal.problem, "the loop sends nothing that opens while there is one"
    hanging.set()
    journal.close()
    assert reported(path) == ["alarm 1"]


@pytest.mark.parametrize("is_written", [True, False])
def test_a_run_that_dies_while_its_store_hangs_loses_nothing(
    is_written: bool, path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(path, holds_reserve=True, patience=QUICK)
    journal.append([alarm(1)], durable=True)
    hanging.clear()
    journal.append([alarm(2)], durable=True)
    journal.append([alarm(3, 0.1)], durable=True)
    left = places(path)[0].read_bytes()
    if is_written:
        hanging.set()
        settled(journal)
        journal._inner.abandon()
    else:
        monkeypatch.setattr(SqlJournal, "_write", lambda *_, **__: (_ for _ in ()).throw(SystemError("killed")))
        hanging.set()
        settled(journal)
        journal._inner.abandon()
        monkeypatch.undo()
    assert places(path)[0].read_bytes() == left
    opened(path).close()
    assert reported(path) == ["alarm 1", "alarm 2", "alarm 3"]


def test_the_end_of_a_run_names_where_its_records_are(
    path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.store.patient_journal.CLOSE_SECONDS", 0.1)
    journal = opened(path, holds_reserve=True, patience=QUICK)
    hanging.clear()
    journal.append([alarm(1)], durable=True)
    with pytest.raises(UnwrittenError, match=r"1 records wait in .*emergency for the next start"):
        journal.close()
    hanging.set()
    settled(journal)
    journal._inner.abandon()
    opened(path).close()
    assert reported(path) == ["alarm 1"]


def test_what_waits_at_the_end_of_a_run_is_not_lost(path: Path) -> None:
    journal = opened(path)
    journal.append([alarm(1)], durable=True)
    journal.append([alarm(2, 0.5)], durable=False)
    lock = Lock(path)
    with pytest.raises(UnwrittenError, match="wait in"):
        journal.close()
    lock.end()
    opened(path).close()
    assert reported(path) == ["alarm 1", "alarm 2"]


def test_records_that_a_failed_write_has_written_are_not_written_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store failed after it had taken what waited; the end of the run wrote it behind that once more."""
    journal, lock = opened(path), Lock(path)
    journal.append([alarm(1)], durable=True)
    lock.end()
    append = SqlJournal.append

    def fails(inner: SqlJournal, records: Any, *, durable: bool) -> None:
        append(inner, records, durable=durable)
        raise StoreError("what became of it is not known")

    monkeypatch.setattr(SqlJournal, "append", fails)
    with pytest.raises(StoreError, match="not known"):
        journal.catch_up(TIME + timedelta(seconds=2))
    monkeypatch.setattr(SqlJournal, "append", append)
    journal.close()
    assert reported(path) == ["alarm 1"]
    assert not any(each.exists() for each in places(path))
