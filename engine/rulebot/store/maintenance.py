"""Keeping a store: a backup that was proved to be one, putting it back, and whether tables follow from the journal."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Table, create_engine, func, select
from sqlalchemy.pool import StaticPool

from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.record.codec import utc_text, utc_time
from rulebot.record.record import ORDER_NUMBER_FLOOR, Json, Kind, Record
from rulebot.store.failures import sentences
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place, Server, give_to_owner, make_folder
from rulebot.store.projections import rebuild
from rulebot.store.registry import is_of_another, open_store, read_store
from rulebot.store.requests import clear_requests
from rulebot.store.schema import PROJECTIONS, journal, metadata, verify
from rulebot.store.sqlite import backup, engine_on, hold_store, uri_to_read

_COMPANIONS = ("", "-wal", "-shm")
_OF_A_WRITER = (*_COMPANIONS, ".lock", ".owner")
RESTORED = "this store was restored from a backup, and lacks everything traded since"


class BackupCheck(NamedTuple):
    """What a store holds that was found sound: its records, and the time of the last."""

    records: int
    last: datetime | None


def check_sound(path: Path) -> BackupCheck:
    """Return what a store holds, once its pages and its hash chain are proved whole. Raises: StoreError."""
    store = read_store(path)
    try:
        with sentences(path), store.engine.connect() as connection:
            if (found := connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()) != "ok":
                raise StoreError(f"the store {path} is corrupt ({found})", "use another backup")
            connection.rollback()
            if (broken := verify(connection)) is not None:
                raise StoreError(
                    f"the journal of {path} breaks at number {broken.seq}: {broken.why}", "use another backup"
                )
            count, last = connection.execute(select(func.count(), func.max(journal.c.at))).one()
            return BackupCheck(count, None if last is None else utc_time(last))
    finally:
        store.close()


def back_up(path: Place, target: Path) -> BackupCheck:
    """Write a copy of a store, also while an engine writes; it gets its name once it is verified.

    Raises: StoreError; then nothing remains of it. For a server, always.
    """
    if isinstance(path, Server):
        raise StoreError(
            f"the store {path} is backed up by its server's own tools",
            f"pg_dump --format=custom --file={target} '{path}'",
        )
    if target.exists():
        raise StoreError(f"{target} exists already", "name a new file")
    with _fresh(target, target) as fresh:
        sound = _copied(path, fresh)
        fresh.replace(target)
    return sound


class RestoreResult(NamedTuple):
    """What was put in place, and where the store that was there before is kept (None: there was none)."""

    sound: BackupCheck
    kept: Path | None


def restore(source: Path, path: Place, at: datetime) -> RestoreResult:
    """Restore a backup; keep the present store next to it under another name.

    at: now. From then on the store enters nothing until a person says so, and uses no names that it may have used
    before. Requests from the time without an engine are kept, except a resume. Raises: StoreError when an engine runs
    on it or the backup is not sound; then nothing has changed. For a server, always.
    """
    if isinstance(path, Server):
        raise StoreError(
            f"the store {path} is restored by its server's own tools",
            f"stop the engine, make an empty database, then pg_restore --dbname='postgresql://.../NEW' {source}; "
            "the next start recognises it as restored",
        )
    if path.exists() and source.exists() and source.samefile(path):
        raise StoreError(f"{source} is the store itself", "name a backup of it")
    read_store(source).close()
    with hold_store(path), _fresh(path, source) as fresh:
        sound = _copied(source, fresh)
        _mark(fresh, sound.last or at, at)
        clear_requests(path, (Request.RESUME,))
        give_to_owner(fresh, path)
        kept = _set_aside(path)
        fresh.replace(path)
    return RestoreResult(sound, kept)


def opened_journal(path: Place, at: datetime, logs: Path | None = None) -> SqlJournal:
    """Return the journal of a store for an engine; what a server's own tools have put back is marked as `restore` does.

    at: now. Raises: StoreError.
    """
    store = open_store(path)
    is_put_back = store.is_put_back
    try:
        journal = SqlJournal(store, logs=logs)
    except BaseException:
        store.close()
        raise
    try:
        if is_put_back:
            _append_mark(journal, _last(store.engine) or at, at)
            clear_requests(path, (Request.RESUME,))
            store.note_place()
    except BaseException:
        journal.abandon()
        raise
    return journal


def _last(engine: Engine) -> datetime | None:
    """Return the time of a store's last record."""
    with engine.connect() as connection, connection.begin():
        last = connection.execute(select(func.max(journal.c.at))).scalar()
    return None if last is None else utc_time(last)


def _mark(fresh: Path, last: datetime, at: datetime) -> None:
    """Record that a copy is put back, behind its last record: of what came later it knows nothing."""
    with closing(SqlJournal(open_store(fresh))) as journal:
        _append_mark(journal, last, at)


def _append_mark(journal: SqlJournal, last: datetime, at: datetime) -> None:
    """Append the record which says that a store was restored.

    Names continue from the time in seconds: no store has that many orders, nor one a second, so they are new however
    often the same backup is restored.
    """
    data: dict[str, Json] = {
        "id": f"restored-{utc_text(at)}",
        "request": Request.KILL.value,
        "bot": "",
        "reason": RESTORED,
        ORDER_NUMBER_FLOOR: int(at.timestamp()),
    }
    journal.append([Record(last, Kind.OPERATOR, data=data)], durable=True)


def has_tables_of_another(path: Place) -> bool:
    """Say whether another rulebot made the tables last: the next start rebuilds them. Raises: StoreError."""
    store = read_store(path)
    try:
        with sentences(path), store.engine.connect() as connection, connection.begin():
            return is_of_another(connection)
    finally:
        store.close()


def figures_of_another(path: Place) -> str:
    """Return what to say of a store whose tables another version made, "" of any other. Raises: StoreError."""
    if not has_tables_of_another(path):
        return ""
    return "figures of another version of rulebot: 'rulebot store rebuild', or the next start, rebuilds them"


def differing_tables(path: Place) -> list[str]:
    """Return the tables that differ from what the journal makes of them; a copy in memory is rebuilt and compared.

    Those that another rulebot made are not: it may have made something else of the same journal.
    """
    if has_tables_of_another(path):
        return []
    if isinstance(path, Server):
        return _differing_on(path)
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(memory), sentences(path):
        with closing(sqlite3.connect(uri_to_read(path), uri=True)) as source:
            source.backup(memory)
        engine = engine_on(lambda: memory, StaticPool)
        with engine.connect() as connection:
            before = {table.name: _rows(connection, table) for table in PROJECTIONS}
            connection.rollback()
            rebuild(connection)
            found = [table.name for table in PROJECTIONS if _rows(connection, table) != before[table.name]]
        engine.dispose()
    return found


def _differing_on(server: Server) -> list[str]:
    """Return the same of a server: its journal is copied into memory, all of one instant with its tables."""
    store = read_store(server)
    with sentences(server), store.engine.connect() as source, source.begin():
        records = [dict(row) for row in source.execute(select(journal)).mappings()]
        before = {table.name: _values(source, table) for table in PROJECTIONS}
    store.close()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        metadata.create_all(connection)
        if records:
            connection.execute(journal.insert(), records)
        connection.commit()
        rebuild(connection)
        found = [table.name for table in PROJECTIONS if _values(connection, table) != before[table.name]]
    engine.dispose()
    return found


def _values(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]


def _rows(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    columns = ", ".join(column.name for column in table.columns)
    keys = ", ".join(column.name for column in table.primary_key)
    return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {table.name} ORDER BY {keys}")]


def _copied(source: Path, fresh: Path) -> BackupCheck:
    """Copy a store and prove the copy; it is on the disk when this returns."""
    backup(source, fresh)
    with sentences(fresh), fresh.open("rb+") as file:
        os.fsync(file.fileno())
    return check_sound(fresh)


@contextmanager
def _fresh(beside: Path, named: Path) -> Iterator[Path]:
    """Yield a path for a temporary file; what remains there in the end is removed."""
    fresh = beside.with_name(f"{beside.name}.new")
    with sentences(named):
        make_folder(beside.parent)
        fresh.unlink(missing_ok=True)
        try:
            yield fresh
        finally:
            for companion in _OF_A_WRITER:
                with suppress(OSError):
                    Path(f"{fresh}{companion}").unlink(missing_ok=True)


def _set_aside(path: Path) -> Path | None:
    """Rename a store with its companions; return its new name, None when there is none."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.before-restore-{number}{path.suffix}")).exists():
        number += 1
    for companion in reversed(_COMPANIONS):
        if (found := Path(f"{path}{companion}")).exists():
            found.replace(f"{kept}{companion}")
    return kept
