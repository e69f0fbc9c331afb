"""What a run leaves is its owner's alone, and no log keeps a store from being opened."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from store_day import at, small_day

from rulebot.adapters.recorded.file import RecordingWriter
from rulebot.doctor.examine import readable
from rulebot.model.errors import LockedStoreError
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import opened_journal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files have no such modes here")


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of all that lies in a folder, by name."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def test_a_store_its_companions_logs_requests_and_recordings_are_made_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = tmp_path / "runs" / "a.db"
        journal = SqlJournal(open_store(store), logs=tmp_path / "logs")
        journal.append(small_day(), durable=True)
        box_of(store).put("1", "{}")
        RecordingWriter(tmp_path / "a-tapes" / "1" / "2026-11-18.tape", {}).close()
        found = modes(tmp_path)
        journal.close()
    finally:
        os.umask(before)
    assert {"a.db", "a.db-wal", "a.db-shm", "a.db.lock", "a.db.owner"} <= found.keys()
    assert {name: mode for name, mode in found.items() if mode & 0o077} == {}


def test_doctor_names_files_that_others_can_read(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    opened_journal(store, at("10:00"), tmp_path / "logs").close()
    assert list(readable(store, tmp_path / "logs")) == []
    store.chmod(0o644)
    [found] = readable(store, tmp_path / "logs")
    assert str(store) in found.text


@pytest.mark.parametrize("what", ["pipe", "folder", "file"])
def test_a_log_that_cannot_be_written_keeps_no_store_closed(what: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as journal:
        journal.append(small_day(), durable=True)
    with closing(SqlJournal(open_store(tmp_path / "a.db"), logs=logs)):
        names = [path for path in logs.rglob("*") if path.is_file()]
    for path in names:
        path.unlink()
    if what == "pipe":
        for path in names:
            os.mkfifo(path)
    elif what == "folder":
        for path in names:
            path.mkdir()
    else:
        for path in sorted(logs.rglob("*"), reverse=True):
            path.rmdir()
        logs.rmdir()
        logs.write_text("")
    opened: list[SqlJournal] = []
    opening = threading.Thread(
        target=lambda: opened.append(SqlJournal(open_store(tmp_path / "a.db"), logs=logs)), daemon=True
    )
    opening.start()
    opening.join(20)
    assert opened
    assert opened[0].log_problem is not None
    opened[0].close()


def test_a_store_that_is_locked_is_reported_as_such_and_can_be_opened_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.store.sqlite.BUSY_MS", 10)
    opened_journal(tmp_path / "a.db", at("10:00")).close()
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LockedStoreError, match="locked by another program"):
        opened_journal(tmp_path / "a.db", at("10:00"))
    other.close()
    opened_journal(tmp_path / "a.db", at("10:00")).close()
