"""The emergency journal: records that the store does not accept, in a small file, until it does.

A JSON line for each record, after a first line that names the store and the end of its journal. The file is beside the
store; if that folder is not writable, in rulebot's data folder or the system's temporary folder. A command leaves only
after the line of its record is on disk, as with the store. The next start writes the records into the store, once.
"""

import hashlib
import json
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rulebot.model.errors import StoreError
from rulebot.record.codec import CodecError, line, record_of
from rulebot.record.record import Record
from rulebot.store.place import PRIVATE_FILE, PRIVATE_FOLDER, Place, Server, data_folder, give_to_owner
from rulebot.store.schema import chained

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("rulebot.store")

SUFFIX = ".emergency"
Head = tuple[int, str]
"""Number and hash of a journal's last record."""


class UnwrittenJournal(NamedTuple):
    """The content of an emergency journal: where the store's journal ended at its begin, and the later records."""

    path: Path
    head: Head
    records: tuple[Record, ...]


def places(store: Place) -> tuple[Path, ...]:
    """Return where the emergency journal of a store may lie, best first."""
    key = hashlib.sha256(_name(store).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else "user"
    elsewhere = (data_folder() / "emergency", Path(tempfile.gettempdir()) / f"rulebot-{user}")
    beside = () if isinstance(store, Server) else (store.with_name(f"{store.name}{SUFFIX}"),)
    return (*beside, *(folder / f"{key}{SUFFIX}" for folder in elsewhere))


def _name(store: Place) -> str:
    return str(store) if isinstance(store, Server) else str(store.absolute())


class EmergencyJournal:
    """Keeps records in a file while the store does not take them. `path`: None while no place takes any."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._handle: int | None = None
        self.path: Path | None = None

    @property
    def is_kept(self) -> bool:
        """True while all that was handed over is on a disk."""
        return self._handle is not None

    def adopt(self, left: UnwrittenJournal) -> bool:
        """Continue an earlier run's file after its last whole line; say whether that is possible."""
        try:
            whole = left.path.read_bytes().rfind(b"\n") + 1
            handle = os.open(left.path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            log.warning("no records can be added to %s: %s", left.path, error.strerror or error)
            return False
        hold_file(handle)
        os.ftruncate(handle, whole)
        os.lseek(handle, whole, os.SEEK_SET)
        self._handle, self.path = handle, left.path
        return True

    def begin(self, head: Head, records: Iterable[Record]) -> None:
        """Begin with these records, in the first place that takes them. What was kept before stays until they are."""
        was = self.path
        self.close()
        first = json.dumps({"store": _name(self._store), "seq": head[0], "hash": head[1]})
        text = "".join(f"{each}\n" for each in (first, *(line(record) for record in records)))
        for path in places(self._store):
            if not self._is_started(path, text):
                continue
            self.path = path
            if was not in (None, path):
                with suppress(OSError):
                    was.unlink()
            return

    def _is_started(self, path: Path, text: str) -> bool:
        """Write a file atomically through a temporary file; return whether that succeeded."""
        fresh = path.with_name(f"{path.name}.new")
        try:
            self._handle = _made(fresh, self._store)
            hold_file(self._handle)
            self._write(text, durable=True)
            fresh.replace(path)
        except OSError as error:
            log.warning("no emergency journal at %s: %s", path, error.strerror or error)
            self.close()
            with suppress(OSError):
                fresh.unlink()
            return False
        return True

    def add(self, records: Sequence[Record], *, durable: bool) -> bool:
        """Keep more records; say whether they are kept, on the disk where `durable`."""
        if self._handle is None:
            return False
        try:
            self._write("".join(f"{line(record)}\n" for record in records), durable=durable)
        except OSError as error:
            log.warning("the emergency journal %s accepts no more records: %s", self.path, error.strerror or error)
            self.close()
            return False
        return True

    def _write(self, text: str, *, durable: bool) -> None:
        assert self._handle is not None
        left = text.encode()
        while left:
            left = left[os.write(self._handle, left) :]
        if durable:
            os.fsync(self._handle)

    def end(self) -> None:
        """Remove the file: the store has its records."""
        path = self.path
        self.close()
        self.path = None
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Leave the file to the next start."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)


def _made(path: Path, store: Place) -> int:
    """Create the file for its owner alone, and return its handle. Raises: OSError."""
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), PRIVATE_FILE)
    if not isinstance(store, Server):
        give_to_owner(path, store)
    return handle


def unwritten_journals(store: Place) -> list[UnwrittenJournal]:
    """Return the emergency journals that an earlier run has left of a store.

    Raises: StoreError for one that cannot be read.
    """
    return [found for path in places(store) if (found := _left(path, store)) is not None]


def hold_file(handle: int) -> None:
    """Show other starts that an engine writes to a file, until it closes it or dies. Windows shows nothing."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unwritten_records(left: UnwrittenJournal, head: Head, has: Callable[[Head], bool]) -> Sequence[Record] | None:
    """Return the records of an emergency journal that a store which ends at `head` lacks.

    has: says whether the store has a record of this number and hash. None where they belong to another state of it:
    then the file is moved aside. Raises: OSError.
    """
    heads = journal_heads(left)
    if head in heads:
        return left.records[heads.index(head) :]
    if not left.records or has(left.head):
        return ()
    aside = left.path.with_suffix(".unused")
    left.path.replace(aside)
    log.warning("%s holds records of another state of this store: it is kept as %s", left.path, aside)
    return None


def journal_heads(left: UnwrittenJournal) -> list[Head]:
    """Return where in a store an emergency journal continues: at its head, or at a record of it."""
    heads = [left.head]
    for record in left.records:
        number, digest = heads[-1]
        heads.append((number + 1, chained(digest, line(record))))
    return heads


def _left(path: Path, store: Place) -> UnwrittenJournal | None:
    """Return the content of a file; None when rulebot wrote none. A truncated last line is ignored."""
    try:
        if not _is_from_rulebot(path):
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"the emergency journal {path} cannot be read: {error.strerror}", "make it readable"
        ) from error
    first, *lines = text.split("\n")[:-1] or [""]
    try:
        reported = json.loads(first)
        if reported["store"] != _name(store):
            return None
        return UnwrittenJournal(
            path, (int(reported["seq"]), str(reported["hash"])), tuple(record_of(each) for each in lines)
        )
    except (CodecError, LookupError, TypeError, ValueError) as error:
        if not first:  # the process died before its first line was whole: no command waited for it
            return UnwrittenJournal(path, (0, ""), ())
        help = f"move {path} away to start without it; what it holds is then learned from the broker"
        raise StoreError(f"the emergency journal {path} is damaged: {error}", help) from error


def _is_from_rulebot(path: Path) -> bool:
    """Say whether a file is a plain one that only its owner could have written. Raises: OSError."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False
    if os.name != "posix":
        return True
    owners = {os.geteuid(), path.parent.stat().st_uid} if os.geteuid() == 0 else {os.geteuid()}
    return found.st_uid in owners and not found.st_mode & 0o022
