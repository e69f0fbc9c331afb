"""Room on the disk of a store, held by a file of zeros: freed when the disk is full, so that the books go on."""

import errno
import logging
import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from rulebot.store.folders import give_to_owner

log = logging.getLogger("rulebot.store")

SIZE = 8 * 2**20
"""Bytes of the file; on a small disk a quarter of what is free."""
LEAST = 2**16
"""Bytes below which it is not worth a file, and a disk counts as full."""
_PIECE = b"\0" * 2**16
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_OF_SERVERS = frozenset(("53100", "53200"))
"""SQLSTATE of PostgreSQL: disk full, out of memory."""


class Reserve:
    """The reserve file beside a store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.path = store.with_name(f"{store.name}.reserve")
        self._size = 0

    def hold(self) -> bool:
        """Make the file unless it is there; say whether the disk has room for it, once more for as much again."""
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
        return getattr(cause, "sqlstate", None) in _OF_SERVERS
    return False


def is_locked(error: BaseException) -> bool:
    """Say whether another program holds the database, by the code of its failure."""
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
