"""A table of a file, by columns: text (CSV, also gzipped) or Parquet, read alike. The one home of pyarrow here.

Rows are named as a person finds them: the line of a text file (its header is line 1), the row of a Parquet file.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any, Protocol
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import (
    Columns,
    File,
    Finding,
    day_of_name,
    finding_text,
    left_out,
    refusal,
    refused,
)
from rulebot.model.errors import StoreError

# --- Folders named `column=value`, as Spark, DuckDB, Polars and pyarrow write them, and the Parquet files within

_ENDS = "*.parquet"
_DATES = ("date", "quote_date", "quotedate", "trade_date")
"""Names of the column that has the session."""


def parquet_in(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder and in the partitions below it, without hidden ones, as `._a.parquet`."""
    own = (file for file in folder.glob(_ENDS) if file.name[0] != ".")
    return sorted([*own, *(file for below in _partitions(folder) for file in parquet_in(below))])


def others_with_parquet(folder: Path) -> list[Path]:
    """Return the folders in it that are no partitions and hold Parquet files, be it further down."""
    below = (each for each in sorted(folder.iterdir()) if each.is_dir() and each.name != "daily")
    return [each for each in below if not _is_partition(each) and each.name[0] not in "._" and _holds(each)]


def columns_of(file: Path) -> dict[str, str]:
    """Return what the folders in which a file lies say of it: `year=2024/month=3/part-0.parquet` has two."""
    found: dict[str, str] = {}
    for folder in file.parents:
        if not _is_partition(folder):
            break
        column, _, value = folder.name.partition("=")
        found.setdefault(column.lower(), value)
    return found


def day_of(file: Path) -> date | None:
    """Return the day of which a file is, by the folders in which it lies or by its own name; None of one of many."""
    reported = columns_of(file)
    if (text := next((reported[name] for name in _DATES if name in reported), None)) is not None:
        return day_of_name(text)
    parts = "-".join(reported.get(name, "").zfill(2) for name in ("year", "month", "day"))
    return day_of_name(parts) or day_of_name(file.name)


@lru_cache(maxsize=256)
def partition_value(file: Path) -> str:
    """Return the name by which a person finds a file: with the partitions in which it lies, for all are `part-0`."""
    names: Sequence[str] = [folder.name for folder in file.parents[: len(columns_of(file))]]
    return "/".join([*reversed(names), file.name])


def _holds(folder: Path) -> bool:
    return next(folder.rglob(_ENDS), None) is not None


def _partitions(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if _is_partition(each) and each.is_dir())


def _is_partition(folder: Path) -> bool:
    return "=" in folder.name.strip("=") and folder.name[0] not in "._"


# --- A table of a file, by columns

Whole = NDArray[np.int64]


class Table(Protocol):
    """Columns of a file by name."""

    names: Sequence[str]
    findings: Sequence[Finding]

    @property
    def file(self) -> File:
        """Where its rows are from."""

    @property
    def rows(self) -> Whole:
        """The numbers by which a person finds them."""

    def numbers(self, name: str) -> Columns:
        """Return a column of numbers; an empty cell is nan. Raises: StoreError at what is no number."""

    def texts(self, name: str) -> tuple[Whole, list[str]]:
        """Return a column of texts as places in the list of different ones."""


# ------------------------------------------------------------------ text


class CsvTable:
    """Lines of a text file under its header. Lines with too few or too many fields are left out, and told."""

    def __init__(self, file: File, header: Sequence[str], lines: Iterable[tuple[int, Sequence[str]]]) -> None:
        self.file = file
        self.names: Sequence[str] = header
        rows, cells, odd = [], [], []
        for row, fields in lines:
            if len(fields) == len(header):
                rows.append(row)
                cells.append(fields)
            elif fields:
                odd.append(row)
        self.rows: Whole = np.array(rows, dtype=np.int64)
        self._cells = list(zip(*cells, strict=True)) if cells else [() for _ in header]
        self._places = {name: place for place, name in enumerate(header)}
        text = f"a row has {len(header)} fields, too few"
        self.findings: Sequence[Finding] = (left_out(file, odd, text),) if odd else ()

    def numbers(self, name: str) -> Columns:
        found, odd = self.numbers_or_none(name)
        if odd.size:
            raise refusal(refused(self.file, int(self.rows[odd[0]]), self.no_number(name, int(odd[0]))))
        return found

    def numbers_or_none(self, name: str) -> tuple[Columns, Whole]:
        """Return a column of numbers, nan where a cell is empty or none, and the places of those that are none."""
        cells = self._column(name)
        odd: Whole = np.zeros(0, dtype=np.int64)
        try:
            found = [float(cell) if cell.strip() else np.nan for cell in cells]
        except ValueError:
            is_number = [_is_number(cell) for cell in cells]
            found = [
                float(cell) if each and cell.strip() else np.nan for cell, each in zip(cells, is_number, strict=True)
            ]
            odd = np.flatnonzero(np.logical_not(is_number))
        return np.array(found, dtype=np.float64), odd

    def no_number(self, name: str, place: int) -> str:
        """Return in words that a cell is no number."""
        return f"{name} is a number, is {self._column(name)[place]!r}"

    def texts(self, name: str) -> tuple[Whole, list[str]]:
        places: dict[str, int] = {}
        codes = [places.setdefault(cell.strip(), len(places)) for cell in self._column(name)]
        return np.array(codes, dtype=np.int64), list(places)

    def _column(self, name: str) -> Sequence[str]:
        _refuse_two(self.file, self.names, name)
        return self._cells[self._places[name]]


def _refuse_two(file: File, names: Sequence[str], name: str) -> None:
    """Refuse a file with two columns of a name that is read, be it in other letters. Raises: StoreError."""
    if names.count(name) > 1:
        raise refusal(refused(file, 0, f"it has two columns `{name}`: which one counts?"))


def _is_number(cell: str) -> bool:
    try:
        return not cell.strip() or float(cell) is not None
    except ValueError:
        return False


class KeptRows(Protocol):
    """Which rows of a text file are kept: it is shown the header, and each row with its fields."""

    def under(self, names: Sequence[str]) -> None:
        """Take the header."""

    def has(self, row: int, fields: Sequence[str]) -> bool:
        """Say whether a row is kept."""


def read_csv(path: Path, kept: KeptRows | None = None) -> CsvTable:
    """Read a CSV file, also a gzipped one, or the rows of it that are kept.

    Raises: StoreError when it is none, or is cut off within a line.
    """
    found: list[tuple[int, Sequence[str]]] = []
    header: list[str] = []
    last, ended = "", (0, 0)
    with reading(path) as stream:
        for row, line in enumerate(stream, 1):
            last = line
            if line.startswith("#") or not line.strip():
                continue
            if not header:
                header = header_of(line)
                if kept is not None:
                    kept.under(header)
                continue
            fields = fields_of(line)
            ended = (row, len(fields))
            if kept is None or kept.has(row, fields):
                found.append((row, fields))
    if not header:
        raise refusal(refused(path.name, 1, "the file is empty"))
    if ended[0] and not last.endswith("\n") and ended[1] != len(header):
        raise refusal(refused(path.name, ended[0], CUT_OFF))
    table = CsvTable(path.name, header, found)
    if ended[0] and not last.endswith(("\n", "\r")):
        table.findings = (*table.findings, finding_text(path.name, ended[0], NO_END))
    return table


NO_END = "the last row has no end of line: is it whole?"
CUT_OFF = "the file ends within a row: it is cut off"


def header_of(line: str) -> list[str]:
    """Return the names of columns, in small letters."""
    return [name.strip().lower() for name in fields_of(line.removeprefix("\ufeff"))]


def fields_of(line: str) -> list[str]:
    """Return the fields of a line; its quotes count, unless a field is longer than any can be."""
    if '"' in line:
        with suppress(csv.Error):
            return next(csv.reader([line]))
    return line.rstrip("\r\n").split(",")


@contextmanager
def reading(path: Path) -> Iterator[IO[str]]:
    """Open a text file, also a gzipped one, and say where it is damaged. Raises: StoreError."""
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", newline="") as stream:
            yield stream
    except (EOFError, ZlibError, gzip.BadGzipFile) as error:
        raise refusal(refused(path.name, 0, "the file is cut off within its compression")) from error
    except UnicodeDecodeError as error:
        raise refusal(
            refused(path.name, 0, f"this is no text in UTF-8, as a table is, from byte {error.start + 1} on")
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


# ------------------------------------------------------------------ Parquet


class ArrowTable:
    """A Parquet table; rows count from 1 in the file, unless they are named."""

    def __init__(self, file: str, table: Any, rows: Whole | None = None) -> None:
        self.file = file
        self._table = table
        self.names: Sequence[str] = [name.lower() for name in table.column_names]
        self._own = dict(zip(self.names, table.column_names, strict=True))
        self._rows = rows
        self.findings: Sequence[Finding] = ()

    @property
    def rows(self) -> Whole:
        if self._rows is None:
            self._rows = np.arange(1, 1 + len(self._table), dtype=np.int64)
        return self._rows

    def only(self, kept: NDArray[np.bool_]) -> "ArrowTable":
        """Return the rows that are kept, by their numbers of before."""
        arrow, _ = pyarrow()
        return ArrowTable(self.file, self._table.filter(arrow.array(kept)), self.rows[kept])

    def column(self, name: str) -> Any:
        """Return the column as Arrow has it. Raises: StoreError where there are two."""
        _refuse_two(self.file, self.names, name)
        return self._table.column(self._own[name])

    def numbers(self, name: str) -> Columns:
        arrow, _ = pyarrow()
        column = self.column(name)
        is_whole = arrow.types.is_integer(column.type)  # what a float has not the digits for can be no price
        try:
            found = column if column.type == arrow.float64() else column.cast(arrow.float64(), safe=not is_whole)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
            raise refusal(refused(self.file, *self._no_number(name, column))) from error
        return np.asarray(flat(found), dtype=np.float64)

    def _no_number(self, name: str, column: Any) -> tuple[int, str]:
        """Return the row of a column that is none of numbers, and why: the first text in it that is no number."""
        arrow, _ = pyarrow()
        values = column.type.value_type if arrow.types.is_dictionary(column.type) else column.type
        if arrow.types.is_string(values) or arrow.types.is_large_string(values):
            for place, text in enumerate(column.to_pylist()):
                if text is not None and not (text.strip() and _is_number(text)):
                    return int(self.rows[place]), f"{name} is a number, is {text!r}"
        return 1, f"{name} is a column of numbers, is one of {column.type}"

    def texts(self, name: str) -> tuple[Whole, list[str]]:
        arrow, _ = pyarrow()
        column = self.column(name)
        if not arrow.types.is_dictionary(column.type):
            try:
                plain = column if arrow.types.is_string(column.type) else column.cast(arrow.string())
            except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
                text = f"{name} is a column of texts, is one of {column.type}"
                raise refusal(refused(self.file, 1, text)) from error
            column = plain.dictionary_encode()
        column = column.chunk(0) if column.num_chunks == 1 else column.unify_dictionaries().combine_chunks()
        if isinstance(column, arrow.ChunkedArray):
            if column.num_chunks == 0:
                return np.zeros(0, dtype=np.int64), []
            column = column.chunk(0)
        if column.null_count:
            row = int(self.rows[np.flatnonzero(np.asarray(column.is_null()))[0]])
            raise refusal(refused(self.file, row, f"{name} is missing"))
        codes = np.asarray(np.from_dlpack(column.indices), dtype=np.int64)
        return _only_used(codes, [str(value) for value in column.dictionary.to_pylist()])


def _only_used(codes: Whole, texts: list[str]) -> tuple[Whole, list[str]]:
    """Return places and texts without those of no row: a category that was filtered keeps its whole dictionary."""
    is_used = np.bincount(codes, minlength=len(texts)) > 0
    if is_used.all():
        return codes, texts
    return (np.cumsum(is_used) - 1)[codes], [text for text, used in zip(texts, is_used, strict=True) if used]


def flat(column: Any) -> NDArray[Any]:
    """Return a column of numbers as numpy has it; of one with missing ones floats, with nan for those.

    Its own `to_numpy` imports pandas where that is installed, which takes longer than a backtest of some sessions.
    """
    arrow, _ = pyarrow()
    known = column.cast(arrow.float64()).fill_null(np.nan) if column.null_count else column
    pieces = [np.from_dlpack(piece) for piece in known.chunks]
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.zeros(0)


def read_parquet(path: Path, columns: Sequence[str] | None = None, *, text: str | None = None) -> ArrowTable:
    """Read a whole Parquet file, or those of its columns that are wanted; `text` is likely among its texts.

    Raises: StoreError.
    """
    with_file = parquet_file(path, columns or (), text=text)
    wanted = None
    if columns is not None:
        wanted = [name for name in with_file.schema_arrow.names if name.lower() in columns]
    with whole(path):
        found = with_file.read(columns=wanted, use_threads=False)
    return _of_origin(found) or ArrowTable(partition_value(path), found)


ORIGIN = ("source_file", "source_row")
"""Columns of stored sources: the file that a row came from, and its number there."""


def _of_origin(table: Any) -> ArrowTable | None:
    """Return a table whose rows are named as in the one file that they came from; None of any other table."""
    arrow, _ = pyarrow()
    if not set(ORIGIN) <= set(table.column_names) or not len(table):
        return None
    files = table.column(ORIGIN[0]).unique()
    if len(files) != 1:
        return None
    rows = np.asarray(flat(table.column(ORIGIN[1]).cast(arrow.int64())), dtype=np.int64)
    return ArrowTable(files[0].as_py(), table.drop_columns(list(ORIGIN)), rows=rows)


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Refuse a Parquet file of which a part cannot be read. Raises: StoreError."""
    arrow, _ = pyarrow()
    try:
        yield
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise refusal(refused(partition_value(path), 0, f"the file is damaged or cut off: {error}")) from error


def parquet_file(path: Path, columns: Sequence[str] = (), *, text: str | None = None) -> Any:
    """Open a Parquet file; texts of these columns are read as places among the different ones, as the file keeps them.

    text: the same of one column that is likely there, without a first look at which columns are texts.
    Raises: StoreError when it is none, or pyarrow is not installed.
    """
    arrow, parquet = pyarrow()
    try:
        opened = _opened(path, text)
        texts = [
            field.name
            for field in (opened.schema_arrow if columns else ())
            if field.name.lower() in columns
            and (arrow.types.is_string(field.type) or arrow.types.is_large_string(field.type))
        ]
        if not texts:
            return opened
        return parquet.ParquetFile(
            path,
            metadata=opened.metadata,
            read_dictionary=texts,
            pre_buffer=False,
            page_checksum_verification=True,
        )
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist") from error
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise refusal(refused(partition_value(path), 0, f"this is no whole Parquet file: {error}")) from error


def _opened(path: Path, text: str | None) -> Any:
    arrow, parquet = pyarrow()
    known = {"pre_buffer": False, "page_checksum_verification": True}
    if text is not None:
        with suppress(KeyError):  # the file has no such column
            return parquet.ParquetFile(arrow.OSFile(str(path)), read_dictionary=[text], **known)
    return parquet.ParquetFile(arrow.OSFile(str(path)), **known)


@cache
def pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module. Raises: StoreError that says what to install."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        help = "pip install 'rulebot[backtest]'"
        raise StoreError("Parquet files need a package that is not installed", help) from error
    return arrow, parquet
