"""The file of a recording: a SQLite database with a head and frames, whole after a crash up to the last frame.

    head    name, value     JSON: format, version, texts (in the run's order), all that a replay begins with
    frames  seq, first_at, last_at, entries, ops, numbers, crc

`ops` is zlib of a JSON list, one item for each thing that happened, in order (`docs/recordings.md`); `numbers` are the
entries of market data that its "s" items count (`columns.py`). Times are microseconds since the epoch. `crc` is CRC-32
of a frame with its place among the others, and a row of the head that of all its others: SQLite sees nothing of a bit
that has turned, nor of pages that have changed places.
"""

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.model.errors import StoreError, in_words
from rulebot.record.record import Json

# --- What zlib has made small, made large again

MOST = 256 * 1024 * 1024
"""Bytes of either part of a frame; of those that are written none has ever had a tenth of it."""


def decompress(body: bytes) -> bytes:
    """Return the bytes. Raises: ValueError for more than there can be, which a few bytes may stand for, or for less."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(body, MOST)
    except zlib.error as error:
        raise ValueError(f"what was made small cannot be read: {error}") from error
    if not stream.eof:
        raise ValueError(f"more than {MOST >> 20} MB were made small, or not all of it is there")
    return found


# --- The file of a recording

FORMAT = 4
_CRC = "crc"
SUFFIX = ".tape"
ENDING = "-tapes"
"""How the folder of recordings ends that lies beside a store."""

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
_PRIMARY = 0xFF
"""Of SQLite's codes of errors the part that names their kind."""
_SQLITE_HEAD = 100
"""Bytes at the beginning of a file that say how many pages it has, and how large they are (sqlite.org/fileformat)."""
AT_ONCE = 50
"""Frames that are read before the file is let go."""
TRIES, AGAIN = 10, 0.1
"""How often, and after how many seconds, a file that somebody reads is tried to be closed."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


def micros(at: datetime) -> int:
    """Return an instant as microseconds since the epoch."""
    return (at - EPOCH) // _MICROSECOND


def instant(reported: int) -> datetime:
    """Return the instant of `micros`."""
    return EPOCH + reported * _MICROSECOND


def named_day(file: Path) -> date | None:
    """Return the day that a recording is named for; None where somebody gave it another name."""
    try:
        return date.fromisoformat(file.name.removesuffix(SUFFIX))
    except ValueError:
        return None


def _loaded(text: str | bytes) -> Any:
    """Return what a text of JSON holds. Raises: ValueError, also for what is nested so deep that none of ours is."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


class Frame(NamedTuple):
    """Some seconds of a recording."""

    first_at: int
    last_at: int
    entries: int
    ops: bytes
    numbers: bytes

    def items(self) -> list[Any]:
        """Return what happened, in order, each with a letter and its instant first. Raises: ValueError."""
        found: list[Any] = _loaded(decompress(self.ops))
        return found

    def crc(self, seq: int) -> int:
        """Return the checksum of what it holds, as the frame of that number. Raises: TypeError when it is none."""
        held = zlib.crc32(self.numbers, zlib.crc32(self.ops))
        return zlib.crc32(f"{seq} {self.first_at} {self.last_at} {self.entries}".encode(), held)


def _make_private(file: Path) -> None:
    """Make an empty file, and its folder, for their owner alone: a recording has every decision. Raises: OSError."""
    for folder in (file.parent.parent, file.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))


class RecordingWriter:
    """One file that frames are added to. Used by one thread at a time. Raises: StoreError."""

    def __init__(self, file: Path, head: Mapping[str, Json]) -> None:
        self.file = file
        try:
            _make_private(file)
            self._connection = sqlite3.connect(file, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_TABLES)
            rows = {name: json.dumps(value) for name, value in {"format": FORMAT, **head}.items()}
            rows[_CRC] = str(head_crc(rows))
            with self._connection:
                self._connection.executemany("INSERT INTO head VALUES (?, ?)", list(rows.items()))
            self._frames = 0
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"no recording can be written to {file}: {in_words(error)}") from error

    def add(self, frame: Frame) -> None:
        """Write a frame; on return it outlives a crash of this process."""
        seq = self._frames + 1
        try:
            with self._connection:
                row = (seq, *frame, frame.crc(seq))
                self._connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise StoreError(f"the recording {self.file} cannot be written: {error}") from error
        self._frames = seq

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
    """Return what a recording begins with.

    Raises: StoreError when this is none, one of a newer version, or a damaged one.
    """
    with closing(_opened(file)) as connection:
        return {name: _loaded(text) for name, text in _head(file, connection).items()}


def _head(file: Path, connection: sqlite3.Connection) -> dict[str, str]:
    """Return the head's values as they are written, all of them whole."""
    try:
        _check_end(file, connection)
        is_started = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
        connection.text_factory = _as_text
        head = dict(connection.execute("SELECT name, value FROM head").fetchall()) if is_started else {}
        plain = _parsed(file, head)
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN:
            raise StoreError(
                f"{file} cannot be read where it is: its run did not close it, and its folder is not writable",
                f"copy it and {file.name}-wal to a folder that can be written",
            ) from error
        raise _unreadable(file, error) from error
    if not head:
        raise StoreError(
            f"{file} holds nothing: it was copied without {file.name}-wal, or its run was killed before it began",
            f"until its day is over, records of a run may be in {file.name}-wal: copy both",
        )
    if (format := plain.get("format")) != FORMAT:
        raise StoreError(
            f"{file} is a recording of format {format}, and this rulebot reads {FORMAT}",
            f"use the rulebot that recorded it, version {plain.get('version', 'unknown')}",
        )
    if head.pop(_CRC, None) != str(head_crc(head)):
        raise StoreError(f"the head of {file} is damaged: its checksum is wrong")
    if (named := named_day(file)) is not None and (day := plain.get("day", named.isoformat())) != named.isoformat():
        raise StoreError(f"{file} is the recording of {day}, named for another day", f"call it {day}{SUFFIX} again")
    return head


def _as_text(reported: bytes) -> str:
    """Return a value as text, also one that is damaged: its checksum tells that."""
    return reported.decode(errors="replace")


def _parsed(file: Path, head: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a head. Raises: ValueError; StoreError when it was one, as its checksum says."""
    try:
        return {name: _loaded(text) for name, text in head.items()}
    except ValueError as error:
        if _CRC not in head:
            raise
        raise StoreError(f"the head of {file} is damaged: its checksum is wrong") from error


def _unreadable(file: Path, error: Exception) -> StoreError:
    """Return that a file cannot be read: a recording that is damaged, one that was cut off, or none at all."""
    if getattr(error, "sqlite_errorcode", 0) & _PRIMARY != sqlite3.SQLITE_CORRUPT:
        return StoreError(f"{file} is no recording: {in_words(error)}")
    with file.open("rb") as started:
        head, size = started.read(_SQLITE_HEAD), file.stat().st_size
    whole = int.from_bytes(head[16:18]) * int.from_bytes(head[28:32])  # bytes of a page, and pages
    if size < whole and not file.with_name(f"{file.name}-wal").exists():
        text = f"{file} is cut off: {size:,} of its {whole:,} bytes are there"
        return StoreError(text, "it may have been copied in part: copy it again")
    return StoreError(f"{file} is damaged: {error}")


def _check_end(file: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file with more behind its end, of which SQLite would read nothing. Its log makes it no longer."""
    size = file.stat().st_size  # before its pages are counted, which only become more while it is written
    (pages,), (of_a_page,) = (connection.execute(f"PRAGMA page_{each}").fetchone() for each in ("count", "size"))
    if (more := size - pages * of_a_page) > 0:
        raise StoreError(
            f"{file} has {more:,} bytes behind its end, as where another recording was joined to it",
            "keep each recording in its own file: '--data tapes:FOLDER' takes all in the folders below it",
        )


def head_crc(head: Mapping[str, str]) -> int:
    """Return the checksum of a head: of each name and value, in the order of names."""
    return zlib.crc32("".join(f"{name}={head[name]}\n" for name in sorted(head)).encode())


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
            if not last:
                _head(file, connection)
            try:
                found = connection.execute(_SOME_FRAMES, (last, AT_ONCE)).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{file} is damaged: {error}") from error
        first_node = first_node or node
        if node != first_node:
            raise StoreError(f"{file} was compacted while it was read", "its day is over: read it again")
        for seq, *parts, crc in found:
            if seq != last + 1:
                raise StoreError(f"{file} is damaged: frame {last + 1} is missing, or not in its place")
            last, frame = seq, Frame(*parts)
            try:
                is_whole = frame.crc(seq) == crc
            except TypeError as error:
                raise StoreError(f"frame {seq} of {file} is damaged: {error}") from error
            if not is_whole:
                raise StoreError(f"frame {seq} of {file} is damaged: its checksum is wrong")
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
            raise _unreadable(file, error) from error
    if count and not (isinstance(entries, int) and _is_instant(first) and _is_instant(last)):
        raise StoreError(f"{file} is damaged: its frames have no times")
    return first or 0, last or 0, entries or 0, count


def file_at(files: Sequence[Path], at: datetime) -> Path:
    """Return which of a day's recordings, in the order of their beginning, counts at an instant: the first before all.

    Raises: StoreError.
    """
    spans = [(file, span(file)) for file in files]
    started = [file for file, (first, _, _, frames) in spans if frames and instant(first) <= at]
    return started[-1] if started else files[0]


def _is_instant(reported: object) -> bool:
    return isinstance(reported, int) and 0 <= reported <= _LATEST


def _opened(file: Path) -> sqlite3.Connection:
    if not file.is_file():
        raise StoreError(f"there is no recording {file}")
    try:
        return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise StoreError(f"{file} cannot be read: {error}") from error
