import errno
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from rulebot.model.errors import StoreError
from rulebot.record.record import Kind
from rulebot.store.failures import error_text
from rulebot.store.journal import SqlJournal
from rulebot.store.place import place_of
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_in_use, open_store, read_store
from rulebot.store.schema import SCHEMA_VERSION, journal
from rulebot.store.sqlite import backup


def test_pragmas_of_a_writer(tmp_path: Path) -> None:
    store = open_store(tmp_path / "deep" / "a b?.db")
    with store.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    store.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert (tmp_path / "deep" / "a b?.db").exists()


def test_stores_of_a_process_compile_a_statement_once(tmp_path: Path) -> None:
    found = []
    for name in ("a.db", "b.db"):
        store = open_store(tmp_path / name)
        with store.engine.connect() as connection:
            found.append(connection.execute(select(journal.c.seq).where(journal.c.at == "now")).context.compiled)
        store.close()
    assert found[0] is found[1]


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a.db")
    assert is_in_use(tmp_path / "a.db")
    with pytest.raises(StoreError, match=rf"in use by another engine \(process {os.getpid()}\)"):
        open_store(tmp_path / "a.db")
    read_store(tmp_path / "a.db").close()
    store.close()
    assert not is_in_use(tmp_path / "a.db")
    open_store(tmp_path / "a.db").close()


class Unwritable(FileLock):
    """A lock where nothing can be written."""

    def acquire(self, *_: object, **__: object) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.skipif(sys.platform == "win32", reason="there a lock can only be asked for by taking it")
def test_whether_an_engine_runs_is_known_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store on a read-only disk was one that an engine writes: `why` did not say that it had ended without a word."""
    path = tmp_path / "a.db"
    store = open_store(path)
    with monkeypatch.context() as patch:
        patch.setattr("rulebot.store.sqlite.FileLock", Unwritable)
        assert is_in_use(path)
        assert is_in_use(path), "to ask takes nothing from it"
    store.close()
    Path(f"{path}.lock").touch()  # it stays where an engine was killed
    monkeypatch.setattr("rulebot.store.sqlite.FileLock", Unwritable)
    assert not is_in_use(path)


def test_a_reader_beside_the_writer_leaves_it_its_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = open_store(path)
    with store.engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql("UPDATE schema_version SET version = version")
        read_store(path).close()
        theirs = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM journal').connection.close()"
        subprocess.run([sys.executable, "-c", theirs, str(path)], check=True)
        assert Path(f"{path}-wal").exists()
    store.close()


def test_there_must_be_a_store_to_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        read_store(tmp_path / "a.db")


@pytest.mark.parametrize("opened", [open_store, read_store])
def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path, opened: object) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, longer than a header")
    assert callable(opened)
    with pytest.raises(StoreError, match=r"notes\.txt is not a database"):
        opened(path)
    assert path.read_text() == "my notes, longer than a header"
    assert not is_in_use(path)


@pytest.mark.parametrize("opened", [open_store, read_store])
def test_a_database_of_another_program_is_refused(tmp_path: Path, opened: object) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    assert callable(opened)
    with pytest.raises(StoreError, match="database of another program"):
        opened(path)


def test_a_newer_store_is_refused(day_store: Path) -> None:
    with sqlite3.connect(day_store) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=f"has version 99, this rulebot knows {SCHEMA_VERSION}") as caught:
        open_store(day_store)
    assert caught.value.help == "use the newer rulebot"


def test_a_store_without_a_version_is_refused(day_store: Path) -> None:
    with sqlite3.connect(day_store) as connection:
        connection.execute("DELETE FROM schema_version")
    with pytest.raises(StoreError, match="has no version, which no rulebot wrote"):
        open_store(day_store)


@pytest.mark.parametrize("opened", [open_store, read_store])
@pytest.mark.parametrize("version", [1, SCHEMA_VERSION - 1])
def test_a_store_of_an_earlier_version_is_refused_and_says_who_wrote_it(
    day_store: Path, version: int, opened: Callable[[Path], object]
) -> None:
    with sqlite3.connect(day_store) as connection:
        connection.execute(f"UPDATE schema_version SET version = {version}")
    wanted = f"has version {version}, this rulebot knows {SCHEMA_VERSION}; rulebot 0.1 wrote it"
    before = day_store.read_bytes()
    with pytest.raises(StoreError, match=re.escape(wanted)) as caught:
        opened(day_store)
    assert caught.value.help == (
        "close its positions with the rulebot that wrote it, then begin a new store (docs/runbook.md, Upgrade)"
    )
    assert day_store.read_bytes() == before


def test_a_corrupt_store_is_refused(day_store: Path) -> None:
    whole = bytearray(day_store.read_bytes())
    whole[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    day_store.write_bytes(whole)
    with pytest.raises(StoreError, match="corrupt") as caught:
        open_store(day_store)
    assert "restore it from a backup" in str(caught.value.help)


@pytest.mark.parametrize(
    ("was", "put", "said"),
    [
        (b'"quantity":1', b'"quantity":2', "its content is not what was written"),
        (b'"what":"enter"', b'"what": enter"', "its content is not what was written"),
        (b'"what":"enter"', b'"what":"\xffnter"', r"is corrupt .*decode"),
    ],
)
def test_a_record_that_is_not_what_was_written_starts_nothing(
    day_store: Path, was: bytes, put: bytes, said: str
) -> None:
    """SQLite sees nothing of it: its pages are whole."""
    whole = day_store.read_bytes()
    assert was in whole
    day_store.write_bytes(whole.replace(was, put))
    with pytest.raises(StoreError, match=said) as caught:
        open_store(day_store)
    assert "restore it from a backup" in str(caught.value.help)
    assert not is_in_use(day_store)


def test_of_a_long_journal_a_start_holds_what_it_continues_from_to_its_hash(
    day_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sqlite", "recall"):
        monkeypatch.setattr(f"rulebot.store.{module}.LAST", 1)
    day_store.write_bytes(day_store.read_bytes().replace(b'"quantity":1', b'"quantity":2'))
    with closing(SqlJournal(open_store(day_store), logs=None)) as opened:
        assert opened.verify() is not None
        with pytest.raises(StoreError, match="the journal breaks at number") as caught:
            opened.recall(datetime(2026, 11, 19, 15, tzinfo=UTC))
    assert "restore it from a backup" in str(caught.value.help)


@pytest.mark.parametrize("put", [b'"what":"\xffnter"', b'"what": enter"'])
def test_a_reader_says_that_a_record_is_damaged(day_store: Path, put: bytes) -> None:
    day_store.write_bytes(day_store.read_bytes().replace(b'"what":"enter"', put))
    with pytest.raises(StoreError, match=r"corrupt|damaged") as caught, StoreReader(day_store) as reader:
        reader.records(Kind)
    assert "restore it from a backup" in str(caught.value.help)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="folders bind nobody here (Windows, or root)")
def test_a_folder_that_cannot_be_written(day_store: Path) -> None:
    day_store.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            open_store(day_store.parent / "new.db")
        with StoreReader(day_store) as reader:
            assert reader.view("trades")
    finally:
        day_store.parent.chmod(0o700)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="failed"):
        open_store(tmp_path / "file" / "a.db")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("database or disk is full", "the disk is full"),
        ("attempt to write a readonly database", "cannot be written"),
        ("database is locked", "locked by another program"),
        ("disk I/O error", "cannot be read or written"),
        ("database disk image is malformed", "is corrupt"),
        ("no such table: open_positions", "is not whole"),
        ("something new", "failed: something new"),
    ],
)
def test_failures_are_one_sentence_with_what_to_do(cause: str, words: str) -> None:
    found = error_text(OperationalError("INSERT", {}, sqlite3.OperationalError(cause)), Path("a.db"))
    assert words in found.message
    assert found.help
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("could not extend file: No space left on device", "the server's disk is full"),
        ('permission denied for database "bots"', "cannot be written"),
        ("cannot set transaction read-write mode during recovery", "cannot be written"),
        ("canceling statement due to lock timeout", "is locked by another session"),
        ("server closed the connection unexpectedly\n\tThis probably means\n", "has lost its server"),
        ('connection to server at "db" failed: FATAL:  the database system is starting up', "cannot be reached"),
        ('relation "open_positions" does not exist\nLINE 1: SELECT * FROM open_positions', "is not whole"),
        ('null value in column "at" of relation "journal" violates not-null constraint', "failed: null value"),
        ("something new about my-secret", "failed: something new about ***"),
    ],
)
def test_failures_of_a_server_are_one_sentence_too(cause: str, words: str) -> None:
    place = place_of("postgresql://me:my-secret@db/bots")
    found = error_text(OperationalError("INSERT", {}, RuntimeError(cause)), place)
    assert words in found.message
    assert found.message.startswith("the store postgresql://me@db/bots ")
    assert [part for part in ("my-secret", "\n") if part in found.message] == []
    assert found.help


def test_a_store_that_cannot_be_copied_is_named_and_not_its_copy(day_store: Path, tmp_path: Path) -> None:
    data = bytearray(day_store.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    page = data.index(b'"what":"enter"') // size
    data[page * size : page * size + 8] = b"\xff" * 8
    day_store.write_bytes(data)
    with pytest.raises(StoreError, match=str(day_store)):
        backup(day_store, tmp_path / "copy.db")


def test_a_backup_is_a_whole_store_also_while_an_engine_writes(day_store: Path, tmp_path: Path) -> None:
    store = open_store(day_store)
    backup(day_store, tmp_path / "copy.db")
    store.close()
    with StoreReader(day_store) as one, StoreReader(tmp_path / "copy.db") as other:
        assert one.view("trades") == other.view("trades")
        assert other.verify() is None
    with pytest.raises(StoreError, match="exists already"):
        backup(day_store, tmp_path / "copy.db")
