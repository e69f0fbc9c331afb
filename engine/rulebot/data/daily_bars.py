"""Daily bars of other people's files into the form that backtests read: one CSV a symbol, oldest session first."""

import csv
import re
from pathlib import Path

import polars as pl

from rulebot.adapters.history.session import Finding, finding_text, left_out, refusal, refused
from rulebot.data.layout import Layout
from rulebot.data.read import ROW, Readable
from rulebot.data.values import DateOrder, date_order, needs_order, parse_date, parse_symbol
from rulebot.model.errors import StoreError
from rulebot.store.place import make_folder

CLOSES = "closes"
"""The layout of files with a day and one other column, which is named after its symbol."""
_PRICES = ("open", "high", "low", "close")


def write_daily(file: Readable, layout: Layout, folder: Path, symbol: str) -> tuple[str, list[Finding]]:
    """Store the bars of a file beside those of its symbol that are there; the new ones count.

    Return the symbol, and what was wrong. Raises: StoreError naming file and row.
    """
    frame = pl.concat([block.frame for block in file.blocks()], how="diagonal")
    symbol = symbol or layout.symbol or parse_symbol(file.symbol) or _symbol_of(file, layout)
    if not symbol:
        raise refusal(refused(file.name, 0, "nothing says of what its bars are: name it with --symbol"))
    columns = {
        ours: next((name for name in names if name in file.header), None) for ours, names in layout.columns.items()
    }
    of_day, of_close = columns.get("date"), columns.get("close")
    if of_day is None or of_close is None:
        raise refusal(refused(file.name, 1, f"no column holds date or close; the file has {', '.join(file.header)}"))
    order = layout.dates or _order(file.name, frame[of_day])
    days = [None if text is None else parse_date(text, order) for text in frame[of_day].to_list()]
    bars = pl.DataFrame({"row": frame[ROW], "date": pl.Series(days, dtype=pl.Date)})
    for ours in _PRICES:
        name = columns.get(ours)
        if name is not None:
            cleaned = frame[name].str.strip_chars(' $"').str.replace_all(",", "")
            bars = bars.with_columns(cleaned.cast(pl.Float64, strict=False).alias(ours))
    is_bad = bars["date"].is_null() | ~(bars["close"].fill_null(0.0) > 0)
    findings = [finding_text(file.name, 0, each) for each in layout.remarks]
    if is_bad.any():
        rows = bars["row"].filter(is_bad)
        findings.append(left_out(file.name, rows.head(5).to_list(), "its day or close cannot be read", len(rows)))
    bars = bars.filter(~is_bad).drop("row")
    if bars.is_empty():
        raise refusal(refused(file.name, 0, "no row has a day and a close"))
    _merge(bars, folder / f"{symbol}.csv")
    return symbol, findings


def _order(name: str, texts: pl.Series) -> DateOrder | None:
    asked = [text for text in texts.drop_nulls().to_list() if needs_order(text)]
    shown = date_order(asked)
    if asked and len(shown) != 1:
        raise refusal(
            refused(name, 0, f"{asked[0]!r} may have the month or the day first: write `dates:` in a columns file")
        )
    return next(iter(shown), None)


def _symbol_of(file: Readable, layout: Layout) -> str:
    """Return what a column of closes is named after, else the file: VIX of `VIX_History.csv`."""
    if layout.name == CLOSES:
        return parse_symbol(file.header[1])
    stem = file.name.rpartition("/")[2].partition(".")[0]
    return parse_symbol(re.split(r"[_ ()]", stem)[0])


def _merge(bars: pl.DataFrame, file: Path) -> None:
    lacking = [pl.lit(None, dtype=pl.Float64).alias(name) for name in _PRICES if name not in bars.columns]
    bars = bars.with_columns(lacking).select("date", *_PRICES)
    if file.is_file():
        before = pl.read_csv(file, schema={"date": pl.Date, **dict.fromkeys(_PRICES, pl.Float64)})
        bars = pl.concat([before, bars])
    bars = bars.unique("date", keep="last").sort("date")
    try:
        make_folder(file.parent)
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(bars.columns)
            writer.writerows(("" if cell is None else cell for cell in row) for row in bars.iter_rows())
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
