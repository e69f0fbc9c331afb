"""Files as blocks of rows, every cell a text, each row with the number by which a person finds it.

CSV of any separator, also in `.gz` and `.zip`; Parquet; JSON with a list of records. A block has some hundred thousand
rows, so a file may be larger than memory.
"""

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from rulebot.adapters.history.session import Finding, left_out, refusal, refused
from rulebot.adapters.history.table import ORIGIN
from rulebot.data.layout import column_name, known_names
from rulebot.model.errors import StoreError

FILE, ROW = ORIGIN
BLOCK = 24 * 1024 * 1024
"""Bytes of text that are read at once."""
_ROWS = 200_000
"""Rows of a Parquet file that are read at once."""
ENDINGS = (".csv", ".txt", ".tsv", ".csv.gz", ".txt.gz", ".zip", ".parquet", ".json", ".json.gz")
_NO_TABLE = (b"{", b"<!", b"<html", b"<?xml")
"""How JSON and pages begin, which services send in place of a file."""
_SEPARATORS = (",", "\t", ";", "|")
_HEADER_BYTES = 64 * 1024
_LONGEST_PREAMBLE = 18
"""Lines above a header at most: some files begin with a title and a disclaimer."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a file: columns of texts named as `column_name` has them, and ROW. `done`: bytes read so far."""

    frame: pl.DataFrame
    findings: Sequence[Finding]
    done: int


@dataclass(frozen=True, slots=True)
class Readable:
    """A file, or one in a zip file, as it is read.

    `name`: as findings name it. blocks: of its rows, in order. symbol: the underlying that its header names, or "".
    """

    name: str
    header: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]
    symbol: str = ""


def data_files(path: Path) -> list[Path]:
    """Return a file, or the data files in a folder and those below, by name. Raises: StoreError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StoreError(f"{path} does not exist")
    found = [each for each in path.rglob("*") if each.is_file() and each.name[0] != "." and is_data(each)]
    if not found:
        raise StoreError(f"{path} holds no data file", f"files end in {', '.join(ENDINGS)}")
    return sorted(found)


def is_data(path: Path) -> bool:
    """Say whether a file is read, by its name."""
    return path.name.lower().endswith(ENDINGS)


def readable(path: Path, records: str = "") -> list[Readable]:
    """Return what is in a file: itself, or each data file of a zip. Raises: StoreError naming the file.

    records: where in a JSON document the list of rows is, as `data`.
    """
    name = path.name.lower()
    if name.endswith(".zip"):
        return _in_zip(path)
    if name.endswith(".parquet"):
        return [_parquet(path)]

    def opened() -> IO[bytes]:
        return cast(IO[bytes], gzip.open(path)) if name.endswith(".gz") else path.open("rb")

    if name.removesuffix(".gz").endswith(".json"):
        return [_json(path.name, opened, records)]
    return [_text(path.name, opened)]


def _in_zip(path: Path) -> list[Readable]:
    with _damage(path.name), zipfile.ZipFile(path) as archive:
        members = [each.filename for each in archive.infolist() if not each.is_dir() and is_data(Path(each.filename))]
    if not members:
        raise refusal(refused(path.name, 0, "it holds no data file"))

    def opener(member: str) -> Callable[[], IO[bytes]]:
        return lambda: zipfile.ZipFile(path).open(member)

    return [_text(f"{path.name}/{member}", opener(member)) for member in sorted(members)]


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Refuse a file that cannot be read to its end. Raises: StoreError."""
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise refusal(refused(name, 0, f"the file is damaged or cut off: {error}")) from error
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror or error}") from error


# --- Text


@dataclass(frozen=True, slots=True)
class _Form:
    """How a text file is written. width: the fields of a line; those behind the last name are empty.

    skipped: the lines above its header; extra: further header rows below it. symbol: the one that these name.
    """

    separator: str
    names: tuple[str, ...]
    width: int
    skipped: int
    extra: int
    symbol: str


def _text(name: str, opened: Callable[[], IO[bytes]]) -> Readable:
    with _damage(name), opened() as stream:
        begin = stream.read(_HEADER_BYTES)
    form = _form(name, begin)
    return Readable(name, form.names, lambda: _blocks(name, opened, form), form.symbol)


def _form(name: str, begin: bytes) -> _Form:
    if not begin.strip():
        raise refusal(refused(name, 0, "the file is empty"))
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in begin[:200]:
        raise refusal(refused(name, 1, "the file is no text in UTF-8: save it as CSV in UTF-8"))
    if b"\r" in begin and b"\n" not in begin:
        raise refusal(refused(name, 1, "lines end with a carriage return alone: write the file with line feeds"))
    if begin.lstrip().lower().startswith(_NO_TABLE):
        raise refusal(
            refused(name, 1, f"this is no table: it begins with {begin.lstrip()[:40].decode('utf-8', 'replace')!r}")
        )
    lines = begin.decode("utf-8", "replace").lstrip("\ufeff").splitlines()[:_LONGEST_PREAMBLE]
    separator = max(_SEPARATORS, key=lambda each: max(line.count(each) for line in lines))
    headers = [_names(line, separator) for line in lines]
    place = max(range(len(lines)), key=lambda at: (len(known_names() & {*headers[at]}), len(headers[at]), -at))
    names, extra, symbol = headers[place], 0, ""
    if names[0] == "price" and len(lines) > place + 2 and headers[place + 1][0] == "ticker":
        extra, symbol = 2, _one_ticker(name, place + 2, headers[place + 1][1:])
        names = ["date", *names[1:]]
    while names and not names[-1]:
        names = names[:-1]
    if not names:
        raise refusal(refused(name, place + 1, "no line names its columns"))
    named = tuple(each or f"column_{at}" for at, each in enumerate(names))
    if "date" not in named and named[0] == "column_0" and "close" in named:
        named = ("date", *named[1:])  # some of Cboe's old files leave the name out
    if twice := next((each for each in named if named.count(each) > 1), ""):
        raise refusal(refused(name, place + 1, f"there are two columns {twice!r}"))
    return _Form(separator, named, len(headers[place]), place, extra, symbol)


def _names(line: str, separator: str) -> list[str]:
    with suppress(csv.Error):
        return [
            column_name(each) for each in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [""])
        ]
    return [""]


def _one_ticker(name: str, row: int, tickers: Sequence[str]) -> str:
    """Return the symbol of a file with three header rows: Price, Ticker, Date. Source: yfinance, `to_csv`."""
    found = {each.upper() for each in tickers if each}
    if len(found) != 1:
        raise refusal(refused(name, row, f"it has the bars of {', '.join(sorted(found))}: write one file for each"))
    return found.pop()


def _blocks(name: str, opened: Callable[[], IO[bytes]], form: _Form) -> Iterator[Block]:
    row, done, rest = form.skipped + 1 + form.extra, 0, b""
    to_skip = row
    with _damage(name), opened() as stream:
        while True:
            piece = stream.read(BLOCK)
            done += len(piece)
            text = rest + piece
            if to_skip:
                lines = text.split(b"\n", to_skip)
                text, to_skip = (lines[-1] if len(lines) > to_skip else b""), 0
            if piece:
                cut = text.rfind(b"\n") + 1
                text, rest = text[:cut], text[cut:]
            else:
                rest = b""
            if text.strip():
                count = text.count(b"\n") + (not text.endswith(b"\n"))
                frame, findings = _parsed(name, text, form, row + 1, count)
                yield Block(frame, findings, done)
                row += count
            if not piece:
                return


def _parsed(name: str, text: bytes, form: _Form, first: int, count: int) -> tuple[pl.DataFrame, list[Finding]]:
    """Return lines as rows; those with more fields than the header are left out, and so is what no line can be."""
    try:
        frame = _read(text, form)
        if len(frame) == count:
            rows = pl.int_range(first, first + count, dtype=pl.UInt32, eager=True)
            return _without_blank(frame.with_columns(rows.alias(ROW))), []
    except pl.exceptions.PolarsError:
        pass
    return _line_by_line(name, text, form, first)


def _read(text: bytes, form: _Form) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(text),
        has_header=False,
        schema=dict.fromkeys((*form.names, *(f"_{at}" for at in range(len(form.names), form.width))), pl.String),
        separator=form.separator,
        encoding="utf8-lossy",
        raise_if_empty=False,
    )


def _without_blank(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))


def _line_by_line(name: str, text: bytes, form: _Form, first: int) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the lines that are whole, one by one: a quote that is not closed swallows no more than its line."""
    kept: list[list[str]] = []
    rows: list[int] = []
    odd: list[int] = []
    for place, line in enumerate(text.decode("utf-8", "replace").split("\n"), start=first):
        if not line.strip():
            continue
        try:
            fields = next(csv.reader([line.rstrip("\r")], delimiter=form.separator))
        except csv.Error:  # a field longer than any can be, or a carriage return within a line
            odd.append(place)
            continue
        if not len(form.names) <= len(fields) <= form.width:
            odd.append(place)
            continue
        kept.append(fields[: len(form.names)])
        rows.append(place)
    frame = pl.DataFrame(kept, schema=dict.fromkeys(form.names, pl.String), orient="row")
    frame = frame.with_columns(pl.Series(ROW, rows, dtype=pl.UInt32))
    wrong = f"the line has not {len(form.names)} fields, as the header has"
    return frame, [left_out(name, odd, wrong, len(odd))] if odd else []


# --- Parquet and JSON


def _parquet(path: Path) -> Readable:
    try:
        header = tuple(column_name(each) for each in pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise refusal(refused(path.name, 0, f"this is no whole Parquet file: {error}")) from error

    def blocks() -> Iterator[Block]:
        first = 1
        size = path.stat().st_size
        try:
            total = pl.scan_parquet(path).select(pl.len()).collect().item()
            for begin in range(0, total, _ROWS):
                frame = pl.scan_parquet(path).slice(begin, _ROWS).collect()
                frame = frame.rename({each: column_name(each) for each in frame.columns}).cast(pl.String)
                rows = pl.int_range(first, first + len(frame), dtype=pl.UInt32, eager=True)
                yield Block(frame.with_columns(rows.alias(ROW)), (), size * (begin + len(frame)) // max(total, 1))
                first += len(frame)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise refusal(refused(path.name, 0, f"the file is damaged or cut off: {error}")) from error

    return Readable(path.name, header, blocks)


def _json(name: str, opened: Callable[[], IO[bytes]], records: str) -> Readable:
    with _damage(name), opened() as stream:
        try:
            document: Any = json.load(stream)
        except ValueError as error:
            raise refusal(
                refused(name, getattr(error, "lineno", 0), f"this is no whole JSON document: {error}")
            ) from error
    found = _records(document, records)
    if found is None:
        raise refusal(refused(name, 0, f"it has no list of records{f' in {records!r}' if records else ''}"))
    names = list(dict.fromkeys(str(key) for each in found for key in each))
    columns = {column_name(key): [_cell(each.get(key)) for each in found] for key in names}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    frame = frame.with_columns(pl.int_range(1, len(frame) + 1, dtype=pl.UInt32, eager=True).alias(ROW))
    return Readable(name, tuple(columns), lambda: iter([Block(frame, (), 0)]))


def _cell(value: Any) -> str | None:
    return None if value is None else str(value)


def _records(document: Any, records: str) -> list[Mapping[str, Any]] | None:
    """Return the list of rows: the one named, else the document itself or the first list of objects in it."""
    found = document.get(records) if records and isinstance(document, dict) else document
    if not records and isinstance(found, dict):
        found = next((each for each in found.values() if _is_rows(each)), None)
    return found if _is_rows(found) else None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
