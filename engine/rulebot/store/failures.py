"""What a failure of a database or its disk means, in a sentence that says what to do; never with a password."""

import errno
import logging
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from rulebot.model.errors import FullStoreError, LockedStoreError, StoreError
from rulebot.store.place import Place, Server, give_to_owner

# --- Room on the disk of a store, held by a file of zeros

log = logging.getLogger("rulebot.store")

SIZE = 8 * 2**20
"""Bytes of the file; on a small disk a quarter of what is free."""
LEAST = 2**16
"""Bytes below which it is not worth a file, and a disk counts as full."""
_PIECE = b"\0" * 2**16
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_RESERVE_OF_SERVERS = frozenset(("53100", "53200"))
"""SQLSTATE of PostgreSQL: disk full, out of memory."""


class Reserve:
    """The reserve file next to a store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.path = store.with_name(f"{store.name}.reserve")
        self._size = 0

    def hold(self) -> bool:
        """Create the file unless it exists; say whether the disk has room for it, and as much again."""
        free = _free(self._store)
        size = self._size or min(SIZE, free // 4)
        if self.path.exists():
            return True
        if size < LEAST or free < 2 * size:
            return False
        self._size = size
        try:
            self._make(size)
        except OSError as error:
            log.warning("no reserve file at %s: %s", self.path, error.strerror or error)
            self.free()
            return False
        return True

    def _make(self, size: int) -> None:
        """Write the file with zeros: a file with holes would hold no room. Raises: OSError."""
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for _ in range(size // len(_PIECE)):
                os.write(handle, _PIECE)
            os.fsync(handle)
        finally:
            os.close(handle)
        give_to_owner(self.path, self._store)

    def free(self) -> bool:
        """Give the room back; say whether there was any."""
        try:
            self._size = self._size or self.path.stat().st_size
            self.path.unlink()
        except OSError:
            return False
        return True


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0


def is_full(error: BaseException, store: object) -> bool:
    """Say whether a database or a disk has failed since it is full, by its code; never by its words."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return cause.errno in _FULL
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        is_write = code & 0xFF == sqlite3.SQLITE_IOERR and isinstance(store, Path) and _free(store) < LEAST
        return code & 0xFF == sqlite3.SQLITE_FULL or is_write
    with suppress(AttributeError):
        return getattr(cause, "sqlstate", None) in _RESERVE_OF_SERVERS
    return False


def is_locked(error: BaseException) -> bool:
    """Say whether another program holds the database, by the code of its failure."""
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


# --- What a failure of a database or its disk means, in a sentence that says what to do

RESTORE = "restore it from a backup (docs/store.md); the broken file may hold records that the backup lacks"
RESTORE_DUMP = "restore the database from a dump (docs/store.md)"
_SPACE = "free space; nothing recorded before was lost"
_Meanings = tuple[tuple[str, str, str], ...]
"""Signs, sought in the cause in small letters (regular expressions), with what they mean and what to do."""
_OF_FILES: _Meanings = (
    ("full", "cannot grow: the disk is full", _SPACE),
    ("no space", "cannot grow: the disk is full", _SPACE),
    ("readonly", "cannot be written", "make the file and its folder writable"),
    ("read-only", "cannot be written", "make the file and its folder writable"),
    ("permission", "cannot be written", "make the file and its folder writable"),
    ("unable to open", "cannot be opened", "make the file and its folder readable and writable"),
    ("locked", "is locked by another program", "close what holds it, such as an open sqlite3 shell"),
    ("malformed", "is corrupt", RESTORE),
    ("decode", "is corrupt", RESTORE),
    ("not a database", "is not a database", "name another file, or restore it from a backup"),
    ("i/o error", "cannot be read or written", "look at the disk before the next start"),
    ("no such table", "is not whole", RESTORE),
)
_LOGIN = "a password is taken from the URL, RULEBOT_DB_PASSWORD, RULEBOT_DB_PASSWORD_FILE, PGPASSWORD or ~/.pgpass"
_LOOK = "look at the server; nothing recorded before was lost"
_OF_SERVERS: _Meanings = (
    ("no space", "cannot grow: the server's disk is full", _SPACE),
    ("authentication failed", "does not let this user in", _LOGIN),
    ("no password supplied", "asks for a password", _LOGIN),
    ("no pg_hba.conf entry", "does not let this user in from here", "see pg_hba.conf of the server"),
    ("permission denied", "cannot be written", "the user must own the tables, or have CREATE on the schema"),
    ('role "', "does not know this user", "name another user, or make it: createuser"),
    ('database "', "cannot be opened", "name another database, or make it: createdb"),
    ("read-only transaction", "cannot be written", "connect to the server that writes, not to a standby"),
    ("during recovery", "cannot be written", "connect to the server that writes, not to a standby"),
    ("already exists", "cannot be made", "the database holds tables or views of these names: name an empty one"),
    (r'relation "\S+" does not exist', "is not whole", RESTORE_DUMP),
    ("data corrupted", "is corrupt", "restore the database from a backup of the server"),
    ("could not read", "cannot be read or written", "look at the server's disk before the next start"),
    ("could not write", "cannot be read or written", "look at the server's disk before the next start"),
    ("lock timeout", "is locked by another session", "end what holds its tables, such as an open psql"),
    ("connection to server", "cannot be reached", "start the server, or correct host and port"),
    ("connection failed", "cannot be reached", "start the server, or correct host and port"),
    ("could not translate", "cannot be reached", "correct the host"),
    ("resolve host", "cannot be reached", "correct the host"),
    ("timeout", "cannot be reached", "start the server, or correct host and port"),
    ("terminating connection", "has lost its server", _LOOK),
    ("connection", "has lost its server", _LOOK),
    ("ssl", "cannot be reached", "see to sslmode and the certificates"),
)


def error_text(error: BaseException, place: Place) -> StoreError:
    """Return what a failure of the database or its folder means, and what to do."""
    cause = str(getattr(error, "orig", None) or error)
    meanings, ground = _OF_FILES, "the disk and the file"
    if isinstance(place, Server):
        cause = _without_secret(" ".join(cause.split()), place)
        meanings, ground = _OF_SERVERS, "the server"
    kind = LockedStoreError if is_locked(error) else FullStoreError if is_full(error, place) else StoreError
    for sign, sentence, help in meanings:
        if re.search(sign, cause.lower()):
            return kind(f"the store {place} {sentence} ({cause})", help)
    return StoreError(f"the store {place} failed: {cause}", f"look at {ground} before the next start")


@contextmanager
def sentences(place: Place) -> Iterator[None]:
    """Say what a database or a disk refuses in a sentence. Raises: StoreError."""
    try:
        yield
    except failures() as error:
        if isinstance(place, Server):
            raise error_text(error, place) from None
        raise error_text(error, place) from error


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions by which databases and disks fail."""
    driver = sys.modules.get("psycopg")
    of_server = () if driver is None else (driver.Error,)
    return (DatabaseError, sqlite3.Error, UnicodeDecodeError, OSError, *of_server)


def _without_secret(text: str, server: Server) -> str:
    return text.replace(server.password, "***") if server.password else text
