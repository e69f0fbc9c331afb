"""The file of a recording: a SQLite database with a head and frames, whole after a crash up to the last frame.

    head    name, value     JSON: format, version, texts (in the run's order), all that a replay begins with
    frames  seq, first_at, last_at, entries, ops, numbers, crc

`ops` is zlib of a JSON list, one item for each thing that happened, in order (`docs/recordings.md`); `numbers` are the
entries of market data that its "s" items count (`columns.py`); `crc` is CRC-32 of both. Times are microseconds since
the epoch.
"""

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from engine.model.errors import StoreError
from engine.record.record import Json

FORMAT = 1
SUFFIX = ".tape"

_TABLES = """
CREATE TABLE head (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE frames (
    seq INTEGER PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, entries INTEGER NOT NULL,
    ops BLOB NOT NULL, numbers BLOB NOT NULL, crc INTEGER NOT NULL
);
"""
_SOME_FRAMES = """
SELECT seq, first_at, last_at, entries, ops, numbers, crc FROM frames WHERE seq > ? ORDER BY seq LIMIT ?
"""
AT_ONCE = 50
"""Frames that are read before the file is let go."""
TRIES, AGAIN = 10, 0.1
"""How often, and after how many seconds, a file that somebody reads is tried to be closed."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an instant as microseconds since the epoch."""
    return (at - EPOCH) // _MICROSECOND


def instant(told: int) -> datetime:
    """Return the instant of `micros`."""
    return EPOCH + told * _MICROSECOND


def named_day(file: Path) -> date | None:
    """Return the day that a recording is named for; None where somebody gave it another name."""
    try:
        return date.fromisoformat(file.name.removesuffix(SUFFIX))
    except ValueError:
        return None


class Frame(NamedTuple):
    """Some seconds of a recording."""

    first_at: int
    last_at: int
    entries: int
    ops: bytes
    numbers: bytes

    @property
    def crc(self) -> int:
        """Return the checksum of what it holds."""
        return zlib.crc32(self.numbers, zlib.crc32(self.ops))


class TapeWriter:
    """One file that frames are added to. Used by one thread at a time. Raises: StoreError."""

    def __init__(self, file: Path, head: Mapping[str, Json]) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(file, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_TABLES)
            rows = [(name, json.dumps(value)) for name, value in {"format": FORMAT, **head}.items()]
            with self._connection:
                self._connection.executemany("INSERT INTO head VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"no recording can be written to {file}: {error}") from error

    def add(self, frame: Frame) -> None:
        """Write a frame; on return it outlives a crash of this process."""
        row = (frame.first_at, frame.last_at, frame.entries, frame.ops, frame.numbers, frame.crc)
        columns = "first_at, last_at, entries, ops, numbers, crc"
        try:
            with self._connection:
                self._connection.execute(f"INSERT INTO frames ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise StoreError(f"the recording {self.file} cannot be written: {error}") from error

    def close(self) -> bool:
        """Close the file; nothing but it is left. Where somebody reads it meanwhile, it stays whole beside its log.

        Returns whether it stands by itself.
        """
        try:
            with closing(self._connection):
                for _ in range(TRIES):
                    if self._is_alone():
                        return True
                    time.sleep(AGAIN)
            return False
        except sqlite3.Error as error:
            raise StoreError(f"the recording {self.file} cannot be closed: {error}") from error

    def _is_alone(self) -> bool:
        try:
            self._connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            return False
        return True


def read_head(file: Path) -> dict[str, Any]:
    """Return what a recording begins with. Raises: StoreError when this is none, or one of a newer version."""
    with closing(_opened(file)) as connection:
        try:
            head = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM head")}
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{file} is no recording: {error}") from error
    if head.get("format") != FORMAT:
        raise StoreError(
            f"{file} is a recording of format {head.get('format')}, and this version reads {FORMAT}",
            "use the version of rulebot that recorded it",
        )
    return head


def day_of(file: Path) -> date:
    """Return the day of a recording: of its name, else of its head. Raises: StoreError when neither tells it."""
    if (named := named_day(file)) is not None:
        return named
    try:
        return date.fromisoformat(read_head(file)["day"])
    except (LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{file} is no recording: its day is missing") from error


def read_frames(file: Path) -> Iterator[Frame]:
    """Yield the frames of a recording, which is not held open meanwhile: its engine may want to close it.

    Raises: StoreError naming the first that is damaged, or when the file has become another one.
    """
    last, first_node = 0, None
    while True:
        with closing(_opened(file)) as connection:
            node = file.stat().st_ino
            try:
                found = connection.execute(_SOME_FRAMES, (last, AT_ONCE)).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{file} is damaged: {error}") from error
        first_node = first_node or node
        if node != first_node:
            raise StoreError(f"{file} was laid out anew while it was read", "its day is over: read it once more")
        for last, *parts, crc in found:
            try:
                frame = Frame(*parts)
                is_whole = frame.crc == crc
            except TypeError as error:
                raise StoreError(f"{file} is damaged: {error}") from error
            if not is_whole:
                raise StoreError(f"frame {last} of {file} is damaged: its checksum is wrong")
            yield frame
        if len(found) < AT_ONCE:
            return


def span(file: Path) -> tuple[int, int, int, int]:
    """Return first and last instant, entries of market data and frames of a recording, zeros of an empty one."""
    with closing(_opened(file)) as connection:
        query = "SELECT min(first_at), max(last_at), sum(entries), count(*) FROM frames"
        try:
            first, last, entries, count = connection.execute(query).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{file} is no recording: {error}") from error
    return first or 0, last or 0, entries or 0, count


def _opened(file: Path) -> sqlite3.Connection:
    if not file.is_file():
        raise StoreError(f"there is no recording {file}")
    try:
        return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise StoreError(f"{file} cannot be read: {error}") from error
