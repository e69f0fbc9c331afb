"""Daily bars of other people's files into the form that backtests read: one CSV a symbol, oldest session first."""

import re
from pathlib import Path

import polars as pl

from rulebot.adapters.history.build_session import NO_ROWS
from rulebot.adapters.history.session import SHOWN, Finding, finding_text, left_out, refusal, refused
from rulebot.data.layout import Layout
from rulebot.data.read import ROW, Readable
from rulebot.data.rows import columns_of, order_of, plain_numbers
from rulebot.data.values import parse_date, parse_symbol
from rulebot.model.errors import StoreError
from rulebot.spec.files import write_whole
from rulebot.store.place import make_folder

CLOSES = "closes"
"""The layout of files with a day and one other column, which is named after its symbol."""
_PRICES = ("open", "high", "low", "close")


def write_daily(file: Readable, layout: Layout, folder: Path, symbol: str) -> tuple[str, list[Finding]]:
    """Store the bars of a file beside those of its symbol that are there; the new ones count.

    Return the symbol, and what was wrong. Raises: StoreError naming file and row.
    """
    symbol = parse_symbol(symbol or layout.symbol or file.symbol) or _symbol_of(file, layout)
    if not symbol:
        raise refusal(refused(file.name, 0, "nothing says of what its bars are: name it with --symbol"))
    own = {**layout.columns, "close": (file.header[1],)} if layout.name == CLOSES else layout.columns
    columns = columns_of(file.header, own)
    of_day = columns.get("date")
    if of_day is None or "close" not in columns:
        raise refusal(refused(file.name, 1, f"no column holds date or close; the file has {', '.join(file.header)}"))
    blocks = list(file.blocks())
    if not blocks:
        raise refusal(refused(file.name, 0, NO_ROWS))
    frame = pl.concat([block.frame for block in blocks], how="diagonal")
    order = layout.dates or order_of(file.name, int(frame[ROW][0]), [frame[of_day]])
    days = [None if text is None else parse_date(text, order) for text in frame[of_day].to_list()]
    bars = pl.DataFrame({"row": frame[ROW], "date": pl.Series(days, dtype=pl.Date)})
    for ours in _PRICES:
        if (name := columns.get(ours)) is not None:
            values = plain_numbers(frame[name], layout).cast(pl.Float64, strict=False)
            bars = bars.with_columns(values.alias(ours))
    is_bad = bars["date"].is_null() | ~(bars["close"].fill_null(0.0) > 0)
    findings = [finding_text(file.name, 0, each) for each in layout.remarks]
    findings += [finding for block in blocks for finding in block.findings]
    if is_bad.any():
        rows = bars["row"].filter(is_bad)
        findings.append(left_out(file.name, rows.head(SHOWN).to_list(), "its day or close cannot be read", len(rows)))
    bars = bars.filter(~is_bad).drop("row")
    if bars.is_empty():
        raise refusal(refused(file.name, 0, "no row has a day and a close"))
    _merge(bars, folder / f"{symbol}.csv")
    return symbol, findings


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
        write_whole(file, bars.write_csv().encode())
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
