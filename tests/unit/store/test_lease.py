"""The lease of a store: one writer, an epoch that grows, and what an engine does that was overtaken."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from places import rows, run, session_of, spelled
from postgres_server import PostgresServer
from store_day import at

from rulebot.model.errors import StoreError
from rulebot.record.record import Kind, Record
from rulebot.store import postgres
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place, Server
from rulebot.store.registry import check_lease, open_store

ROOT = Path(__file__).parents[3]


def request(number: int) -> Record:
    return Record(at("12:00"), Kind.OPERATOR, "", "", {"id": f"{number}", "request": "pause", "bot": ""})


def lease_of(place: Place) -> tuple[int, str]:
    (found,) = rows(place, "SELECT epoch, owner FROM lease")
    return int(found["epoch"]), str(found["owner"])


def overtaken(place: Place) -> tuple[SqlJournal, SqlJournal]:
    """Return a journal whose lock was taken from it, and the one that came in thereby.

    The lock of a file is deleted. That of a session goes with the session; here it is given up in it, so that what
    keeps the first one from writing is the lease alone.
    """
    first = SqlJournal(open_store(place))
    first.append([request(1)], durable=True)
    if isinstance(place, Path):
        Path(f"{place}.lock").unlink()
    else:
        first._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        first._connection.commit()
    return first, SqlJournal(open_store(place))


def test_each_start_has_a_higher_epoch_and_says_who_it_is(place: Place) -> None:
    for epoch in (1, 2, 3):
        journal = SqlJournal(open_store(place))
        assert journal.epoch == epoch
        journal.close()
    assert lease_of(place)[0] == 3
    assert lease_of(place)[1].startswith(f"process {os.getpid()} on ")


def test_a_store_from_before_there_were_leases_gets_one(day_place: Place) -> None:
    run(day_place, "DROP TABLE lease")
    journal = SqlJournal(open_store(day_place))
    assert journal.epoch == 1
    assert journal.verify() is None
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_the_lease_of_a_killed_process_is_taken_over_at_once(place: Place) -> None:
    program = f"""
        import time
        from rulebot.store.journal import SqlJournal
        from rulebot.store.registry import open_store
        from rulebot.store.place import place_of
        journal = SqlJournal(open_store(place_of({spelled(place)!r})))
        print(journal.epoch, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(StoreError, match=rf"in use by another engine \(process {holder.pid}( on .*)?\)"):
            open_store(place)
        assert lease_of(place)[0] == 1
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    journal = SqlJournal(open_store(place))
    assert journal.epoch == 2
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_an_engine_that_was_overtaken_writes_nothing_more(place: Place) -> None:
    first, second = overtaken(place)
    with pytest.raises(
        StoreError, match=r"taken over by another engine \(process \d+ on .*, epoch 2; this one has 1\)"
    ):
        first.append([request(2)], durable=True)
    second.append([request(3)], durable=True)
    assert [record.data["id"] for record in second.read()] == ["1", "3"]
    assert second.verify() is None
    first.abandon()
    second.close()


@pytest.fixture
def impatient(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return where a new store goes whose writers wait for no lock for long."""
    monkeypatch.setattr(postgres, "_OF_WRITER", (*postgres._OF_WRITER, "SET lock_timeout TO '100ms'"))
    return postgres_server.place()


@pytest.mark.postgres
def test_nobody_takes_the_store_within_a_commit(impatient: Server) -> None:
    """What was under way when another engine came would be written after that had read the journal."""
    first = SqlJournal(open_store(impatient))
    first._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
    first._connection.commit()
    store = open_store(impatient)
    with first._connection.begin():
        check_lease(first._connection, first.epoch, impatient)
        with pytest.raises(StoreError, match="locked by another session"):
            SqlJournal(store)
    assert SqlJournal(store).epoch == 2
    with pytest.raises(StoreError, match="taken over"):
        first.append([request(1)], durable=True)
    first.abandon()
    store.close()


@pytest.mark.postgres
def test_nobody_commits_while_the_store_is_taken(impatient: Server) -> None:
    first = SqlJournal(open_store(impatient))
    with session_of(impatient) as other:
        with other.transaction():
            other.execute("UPDATE lease SET epoch = epoch + 1")
            with pytest.raises(StoreError, match="locked by another session"):
                first.append([request(1)], durable=True)
        with pytest.raises(StoreError, match="taken over"):
            first.append([request(1)], durable=True)
    first.abandon()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_what_leaves_without_a_record_asks_too(place: Place) -> None:
    first, second = overtaken(place)
    with pytest.raises(StoreError, match="taken over"):
        first.append([], durable=True)
    second.append([], durable=True)
    first.abandon()
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_a_quiet_engine_notices_it_too(place: Place) -> None:
    first, second = overtaken(place)
    second.check_held()
    with pytest.raises(StoreError, match="taken over"):
        first.check_held()
    first.abandon()
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_a_quiet_engine_notices_that_its_file_is_gone(tmp_path: Path) -> None:
    second = SqlJournal(open_store(tmp_path / "a.db"))
    (tmp_path / "a.db").unlink()
    with pytest.raises(StoreError, match="was deleted by another program"):
        second.check_held()
    second.abandon()
