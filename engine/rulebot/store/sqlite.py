"""A store in a file: SQLite, and a lock file that the one writer holds."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine.interfaces import CompiledCacheType
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, StaticPool

from rulebot.model.errors import StoreError, UnwrittenError
from rulebot.store.failures import RESTORE, error_text, sentences
from rulebot.store.place import PRIVATE_FILE, Head, Store, give_to_owner, make_folder, make_private, private
from rulebot.store.schema import APPLICATION_ID, FIRST_HASH, LAST, check_version, create, journal, verify

# --- Whether anybody else has written to a store's file since we did


class FileStamp(NamedTuple):
    """A file's state in the system. changed: nanoseconds since 1970."""

    device: int
    inode: int
    size: int
    changed: int


class Stamps(NamedTuple):
    """The states of a store's file and of its database log, None where one does not exist."""

    file: FileStamp | None
    log: FileStamp | None


def stamps_of(path: Path) -> Stamps:
    """Return the present states of a store's files."""
    return Stamps(_stamp(path), _stamp(Path(f"{path}-wal")))


def _stamp(path: Path) -> FileStamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileStamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def what_happened(before: Stamps, now: Stamps) -> str:
    """Return what another program did to the file: "deleted", "replaced", "overwritten", or "" for nothing."""
    if now.file is None or before.file is None:
        return "deleted"
    if now.file[:2] != before.file[:2]:
        return "replaced"
    return "" if now == before else "overwritten"


# --- A store in a file

if sys.platform != "win32":
    import fcntl

BUSY_MS = 5000
"""How long a start, or who reads, waits for another program."""
WRITE_MS = 500
"""How long a write waits; the engine waits with it."""
_PATIENCE = 0.3
"""Seconds a writer waits for the lock: longer than `file_is_in_use` holds it."""
_OF_WRITER, _OF_READER = ("journal_mode=wal", "synchronous=full", "foreign_keys=on"), ("query_only=on",)
_COMPILED: CompiledCacheType = {}
"""Compiled statements of all stores. They are those in this code, so there are a few hundred at most."""


PUT_BACK = "restore the file; else stop rulebot and start it on a backup. Records that wait are kept next to the store"


class FileStore(Store):
    """A file that is open for writing, and the lock that goes with it."""

    def __init__(self, path: Path, engine: Engine, lock: FileLock) -> None:
        super().__init__(path, engine)
        self._file = path
        self._lock = lock
        self._stamps = self._spoilt = stamps_of(path)

    def check_in_place(self, head: Head) -> None:
        what = what_happened(self._stamps, now := stamps_of(self._file))
        if what == "overwritten" and now != self._spoilt and _still_has(self._file, head):
            self._stamps, what = now, ""
        if what:
            self._spoilt = now
            raise UnwrittenError(f"the store {self.path} was {what} by another program while in use", PUT_BACK)

    def note_written(self) -> None:
        self._stamps = stamps_of(self._file)

    def be_quick(self, connection: Connection, *, is_quick: bool) -> None:
        _set(connection, f"PRAGMA busy_timeout={0 if is_quick else WRITE_MS}")

    def make_room(self, connection: Connection) -> None:
        """Move the log into the file: it may be larger than all that it holds."""
        with suppress(sqlite3.Error):
            _set(connection, "PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        super().close()
        _let_go(self._file, self._lock)


class FileCopy(Store):
    """A copy in memory of a file that cannot be written now, and the lock of that file."""

    def __init__(self, path: Path, engine: Engine, lock: FileLock) -> None:
        super().__init__(path, engine)
        self._file = path
        self._lock = lock

    def opened(self) -> Store:
        """Return the file itself, open for writing, under the same lock. Does not wait. Raises: StoreError."""
        self._lock.acquire()  # counted: each of the two lets go for itself
        return _open_locked(self._file, self._lock, busy_ms=0)

    def close(self) -> None:
        """Forget the copy and let the next writer in, unless the file itself is open."""
        super().close()
        _let_go(self._file, self._lock)


def _let_go(path: Path, lock: FileLock) -> None:
    """Release a lock, and remove the file with its owner when no other thread holds it."""
    if lock.lock_counter == 1:
        with suppress(OSError):
            if _owner_file(path).read_text() == f"{os.getpid()}\n":
                _owner_file(path).unlink()
    lock.release()


def _still_has(path: Path, head: Head) -> bool:
    """Say whether a store that another program has written to is whole, and ends with our last record."""
    try:
        store = read_file(path)
    except StoreError:
        return False
    try:
        with store.engine.connect() as connection:
            is_sound = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"
            connection.rollback()
            if not is_sound or verify(connection, LAST) is not None:
                return False
            last = select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
            found = connection.execute(last).first()
            return (found.seq, found.hash) == head if found else head == (0, FIRST_HASH)
    except (SQLAlchemyError, sqlite3.Error):
        return False
    finally:
        store.close()


def open_file(path: Path) -> Store:
    """Open a file for writing; create it when there is none. Raises: StoreError."""
    with sentences(path):
        make_folder(path.parent)
        lock = _lock(path)
    return _open_locked(path, lock, BUSY_MS)


def _open_locked(path: Path, lock: FileLock, busy_ms: int) -> Store:
    """Open a file for writing under its lock, which is let go where that fails. Raises: StoreError."""
    try:
        with sentences(path):
            is_new = not path.exists() or path.stat().st_size == 0
            if is_new:
                make_private(path)
                give_to_owner(path)  # SQLite's files then get the same owner
            engine = _engine(f"file:{_quoted(path)}?mode=rwc", is_writer=True, busy_ms=busy_ms)
            if is_new:
                _create(engine)
            else:
                _check(engine, path, is_writer=True)
            return FileStore(path, engine, lock)
    except BaseException:
        lock.release()
        raise


def copy_file(path: Path) -> FileCopy:
    """Return a copy in memory of a file's last commit, and keep other engines out. Raises: StoreError.

    It is read while another program holds the write lock, and on a full disk. Without a database log SQLite would make
    one: then the file is read unchanged, and the copy is verified.
    """
    with sentences(path):
        lock = _lock(path)
    try:
        with sentences(path):
            copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            with closing(sqlite3.connect(_uri_to_copy(path), uri=True, timeout=BUSY_MS / 1000)) as source:
                source.backup(copy)
            engine = engine_on(lambda: copy, StaticPool)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
            _check(engine, path, is_writer=True)
            return FileCopy(path, engine, lock)
    except BaseException:
        lock.release()
        raise


def _uri_to_copy(path: Path) -> str:
    return f"file:{_quoted(path)}?mode=ro" + ("" if Path(f"{path}-wal").exists() else "&immutable=1")


def read_file(path: Path) -> Store:
    """Open a file that exists, read-only. Raises: StoreError.

    Nothing but SQLite may open the file, here or elsewhere: a process that closes any handle of a file loses all its
    locks on it (POSIX), and where an engine has lost them, the next program that closes the file takes its log away.
    Source: https://www.sqlite.org/howtocorrupt.html, 2.2.
    """
    if not path.exists():
        raise StoreError(f"there is no store {path}", "name one with --store, or start a run first")
    with sentences(path):
        if path.stat().st_size == 0:
            raise StoreError(f"{path} is not a store: it is empty", "name another file with --store")
        engine = _engine(uri_to_read(path), is_writer=False)
        _check(engine, path, is_writer=False)
        return Store(path, engine)


def uri_to_read(path: Path) -> str:
    """Return SQLite's options to read a file; in a folder that is not writable it is read unchanged."""
    has_log = Path(f"{path}-wal").exists()
    fixed = "" if has_log or os.access(path.parent, os.W_OK) else "&immutable=1"
    return f"file:{_quoted(path)}?mode=ro{fixed}"


def file_is_in_use(path: Path) -> bool:
    """Say whether an engine has the file open now."""
    if not Path(f"{path}.lock").exists():
        return False
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return is_held(Path(f"{path}.lock"))
    lock.release()
    return False


def is_held(lock: Path) -> bool:
    """Say whether another process has a lock that cannot be taken, as in a read-only folder; yes where unknown.

    An engine that writes to the store by another path, as from the host of a container, holds it here too: the lock is
    of the file itself (flock). A shared lock excludes no other readers and needs no writable file.
    """
    if sys.platform == "win32":
        return True
    try:
        handle = os.open(lock, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def hold_store(path: Path) -> Iterator[None]:
    """Keep engines out of a store while its file is replaced. Raises: StoreError when one has it."""
    with sentences(path):
        make_folder(path.parent)
        lock = _lock(path)
    try:
        yield
    finally:
        with suppress(OSError):
            _owner_file(path).unlink()
        lock.release()


def backup(path: Path, target: Path) -> None:
    """Write a sound copy of a store to `target`, also while an engine writes. Raises: StoreError."""
    if target.exists():
        raise StoreError(f"{target} exists already", "name a new file")
    read_file(path).close()
    with sentences(target), closing(sqlite3.connect(uri_to_read(path), uri=True)) as connection:
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        except sqlite3.DatabaseError as error:
            is_of_source = error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            raise error_text(error, path if is_of_source else target) from error


def _owner_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner")


def _lock(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock", thread_local=False, mode=PRIVATE_FILE)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        try:
            owner = f" (process {_owner_file(path).read_text().strip()})"
        except OSError:
            owner = ""
        raise StoreError(
            f"the store {path} is in use by another engine{owner}", "stop it first, or name another store with --store"
        ) from error
    with suppress(OSError), open(_owner_file(path), "w", encoding="ascii", opener=private) as reported:
        reported.write(f"{os.getpid()}\n")  # a full disk has no room for it, and it excludes no one
    for made in (Path(lock.lock_file), _owner_file(path)):
        give_to_owner(made, path)
    return lock


def _set(connection: Connection, pragma: str) -> None:
    """Run a pragma outside of any transaction. Raises: sqlite3.Error."""
    driver: Any = connection.connection.driver_connection
    driver.execute(pragma).close()


def _quoted(path: Path) -> str:
    """Return an absolute path for a SQLite URI."""
    return path.absolute().as_uri().removeprefix("file://")


def engine_on(connect: Callable[[], Any], pool: type[Pool]) -> Engine:
    """Return an engine on connections of SQLite; it finds what engines before it have compiled."""
    known = _first_engine()
    options = {"compiled_cache": _COMPILED}
    return Engine(pool(connect, dialect=known.dialect), known.dialect, known.url, execution_options=options)


@cache
def _first_engine() -> Engine:
    """Return the engine whose dialect the others share: compiled SQL is kept by dialect."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    engine.connect().close()  # from then on the dialect knows its version
    engine.dispose()
    return engine


def _engine(uri: str, *, is_writer: bool, busy_ms: int | None = None) -> Engine:
    """busy_ms: how long a statement waits for another program; None for as long as who reads does."""
    waits = BUSY_MS if busy_ms is None else busy_ms

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=waits / 1000, isolation_level=None, check_same_thread=False)

    engine = engine_on(connect, NullPool)
    pragmas = _OF_WRITER if is_writer else _OF_READER
    event.listen(engine, "connect", lambda connection, _: _set_up(connection, (*pragmas, f"busy_timeout={waits}")))
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _set_up(connection: Any, pragmas: Iterable[str]) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def _create(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
        create(connection)


def _check(engine: Engine, path: Path, *, is_writer: bool) -> None:
    with engine.connect() as connection:
        if connection.execute(text("PRAGMA application_id")).scalar() != APPLICATION_ID:
            raise StoreError(f"{path} is a database of another program", "name another file with --store")
        check_version(connection, path)
        if not is_writer:
            return
        if (found := connection.execute(text("PRAGMA integrity_check(1)")).scalar()) != "ok":
            raise StoreError(f"the store {path} is corrupt ({found})", RESTORE)
        connection.rollback()
        if (broken := verify(connection, LAST)) is not None:
            raise StoreError(f"the journal of {path} breaks at number {broken.seq}: {broken.why}", RESTORE)
