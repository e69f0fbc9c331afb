"""A session as a stream of single quotes, for all who are measured: from minutes in Parquet, or from a file of ticks.

Nothing of rulebot is needed here: other engines read the same files by it, in an interpreter of their own.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

OPTIONS, SPX_ROW, VIX_ROW = 240, 240, 241
AFTER = 1_000
"""Nanoseconds: of minutes, VIX comes last."""


class Session(NamedTuple):
    """The quotes of a session in their order. `row`: 0..119 calls, 120..239 puts (strikes rising), then SPX and VIX.

    Units: `opened` and `at` in nanoseconds of the epoch. A level is its bid and its ask.
    """

    name: str
    opened: int
    strikes: np.ndarray
    at: np.ndarray
    row: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    delta: np.ndarray


def read_minutes(file: Path) -> Session:
    """Return a session of minutes: of each all options, then VIX."""
    columns = ["time", "strike", "bid", "ask", "delta"]
    table = parquet.ParquetFile(file).read(columns=columns, use_threads=False)
    opens = table.column("time").cast("int64").to_numpy()[::OPTIONS] * 1000
    levels = parquet.ParquetFile(file.with_name(f"{file.stem}.levels.parquet")).read(use_threads=False)
    symbols = np.asarray(levels.column("symbol").to_pylist())
    vix = levels.column("level").to_numpy()[symbols == "VIX"]

    def beside(options: np.ndarray, level: np.ndarray) -> np.ndarray:
        return np.hstack((options.reshape(-1, OPTIONS), level[:, None])).ravel()

    bid, ask, delta = (table.column(name).to_numpy() for name in columns[2:])
    return Session(
        name=file.stem,
        opened=int(opens[0]),
        strikes=table.column("strike").to_numpy()[: OPTIONS // 2],
        at=beside(np.repeat(opens, OPTIONS), opens + AFTER),
        row=np.tile(np.append(np.arange(OPTIONS), VIX_ROW).astype(np.int16), len(opens)),
        bid=beside(bid, vix),
        ask=beside(ask, vix),
        delta=beside(delta, np.zeros(len(vix))),
    )


def write_ticks(session: Session, file: Path) -> None:
    """Write a session quote by quote; the strikes stand in the schema."""
    names = ("at", "row", "bid", "ask", "delta")
    table = pyarrow.table({name: getattr(session, name) for name in names})
    kept = {"opened": f"{session.opened}", "strikes": " ".join(map(str, session.strikes.tolist()))}
    parquet.write_table(table.replace_schema_metadata(kept), file, compression="zstd")


def read_ticks(file: Path) -> Session:
    """Return a session as it was written quote by quote."""
    table = parquet.ParquetFile(file).read(use_threads=False)
    kept = table.schema.metadata
    strikes = np.array([float(strike) for strike in kept[b"strikes"].split()])
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    return Session(name=file.stem, opened=int(kept[b"opened"]), strikes=strikes, **columns)


def at_levels(session: Session, *columns: np.ndarray) -> list[np.ndarray]:
    """Return what stands of each column when VIX is quoted. Shape: quotes of VIX x options."""
    ends = np.flatnonzero(session.row == VIX_ROW)
    found = [np.zeros((len(ends), OPTIONS)) for _ in columns]
    begin = 0
    for place, end in enumerate(ends.tolist()):
        rows = session.row[begin:end]
        is_option = rows < OPTIONS
        for column, kept in zip(columns, found, strict=True):
            if place:
                kept[place] = kept[place - 1]
            kept[place, rows[is_option]] = column[begin:end][is_option]
        begin = end + 1
    return found
