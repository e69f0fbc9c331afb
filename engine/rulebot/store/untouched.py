"""Whether anybody else has written to a store's file since we did: it was deleted, replaced or overwritten.

A file is not opened for that: a process that closes any handle of it loses its locks on it (`sqlite.read_file`). What
the system tells of the file, and of the database's log beside it, changes with every write; only ours are expected.
"""

import os
from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """What the system tells of a file. changed: nanoseconds since 1970."""

    device: int
    inode: int
    size: int
    changed: int


class Stamps(NamedTuple):
    """Those of a store's file and of the database's log beside it, None where one is not there."""

    file: FileStamp | None
    log: FileStamp | None


def stamps_of(path: Path) -> Stamps:
    """Return what the system tells of a store now."""
    return Stamps(_stamp(path), _stamp(Path(f"{path}-wal")))


def _stamp(path: Path) -> FileStamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileStamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def what_happened(before: Stamps, now: Stamps) -> str:
    """Return what somebody has done to the file: "deleted", "replaced", "overwritten", or "" where it is as it was."""
    if now.file is None or before.file is None:
        return "deleted"
    if now.file[:2] != before.file[:2]:
        return "replaced"
    return "" if now == before else "overwritten"
