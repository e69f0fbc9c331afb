"""The lease of a store: one writer, an epoch that grows, and what an engine does that was overtaken."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from store_day import at

from engine.model.errors import StoreError
from engine.record.record import Kind, Record
from engine.store.journal import SqlJournal
from engine.store.open import open_store

ROOT = Path(__file__).parents[3]


def request(number: int) -> Record:
    return Record(at("12:00"), Kind.OPERATOR, "", "", {"id": f"{number}", "request": "pause", "bot": ""})


def lease_of(path: Path) -> tuple[int, str]:
    with sqlite3.connect(path) as connection:
        epoch, owner = connection.execute("SELECT epoch, owner FROM lease").fetchone()
    return int(epoch), str(owner)


def overtaken(path: Path) -> tuple[SqlJournal, SqlJournal]:
    """Return a journal whose lock file somebody deleted, and the one that came in thereby."""
    first = SqlJournal(open_store(path))
    first.append([request(1)], durable=True)
    Path(f"{path}.lock").unlink()
    return first, SqlJournal(open_store(path))


def test_each_start_has_a_higher_epoch_and_says_who_it_is(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        journal = SqlJournal(open_store(tmp_path / "a.db"))
        assert journal.epoch == epoch
        journal.close()
    assert lease_of(tmp_path / "a.db")[0] == 3
    assert lease_of(tmp_path / "a.db")[1].startswith(f"process {os.getpid()} on ")


def test_a_store_from_before_there_were_leases_gets_one(day_store: Path) -> None:
    with sqlite3.connect(day_store) as connection:
        connection.execute("DROP TABLE lease")
    journal = SqlJournal(open_store(day_store))
    assert journal.epoch == 1
    assert journal.verify() is None
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    program = f"""
        import time
        from pathlib import Path
        from engine.store.journal import SqlJournal
        from engine.store.open import open_store
        journal = SqlJournal(open_store(Path({str(path)!r})))
        print(journal.epoch, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(StoreError, match=rf"in use by another engine \(process {holder.pid}\)"):
            open_store(path)
        assert lease_of(path)[0] == 1
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    journal = SqlJournal(open_store(path))
    assert journal.epoch == 2
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_an_engine_that_was_overtaken_writes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first, second = overtaken(path)
    with pytest.raises(
        StoreError, match=r"taken over by another engine \(process \d+ on .*, epoch 2; this one has 1\)"
    ):
        first.append([request(2)], durable=True)
    second.append([request(3)], durable=True)
    assert [record.data["id"] for record in second.read()] == ["1", "3"]
    assert second.verify() is None
    first.abandon()
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_what_leaves_without_a_record_asks_too(tmp_path: Path) -> None:
    first, second = overtaken(tmp_path / "a.db")
    with pytest.raises(StoreError, match="taken over"):
        first.append([], durable=True)
    second.append([], durable=True)
    first.abandon()
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_a_quiet_engine_notices_it_too(tmp_path: Path) -> None:
    first, second = overtaken(tmp_path / "a.db")
    second.check_held()
    with pytest.raises(StoreError, match="taken over"):
        first.check_held()
    (tmp_path / "a.db").unlink()
    with pytest.raises(StoreError, match="deleted or replaced"):
        second.check_held()
    first.abandon()
    second.abandon()
