"""Vendors' files with chains of several underlyings: one is named, rows of the others are left out, and told."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.session import Finding, HistoryDay, Severity, Source
from rulebot.adapters.sources import open_source
from rulebot.model.errors import MisuseError, StoreError

DAYS = (date(2019, 6, 19), date(2019, 6, 20), date(2019, 6, 21))
AT = {"SPX": 2920.0, "SPY": 292.0, "QQQ": 186.0}
HEADER = "quotedate,underlying,optionroot,underlying_last,expiration,type,strike,bid,ask"


def line(day: date, symbol: str, part: float, right: str = "call") -> str:
    """Return a quote at a strike near the level, dearer each day, so that no day is that before."""
    spot = AT[symbol] + day.day
    strike, root = round(AT[symbol] * part), symbol
    mid = max(spot - strike if right == "call" else strike - spot, 0.0) + spot / 100
    contract = f"{'SPXW' if root == 'SPX' else root}190719{right[0].upper()}{strike * 1000:08d}"
    return f"{day},{symbol},{contract},{spot},2019-07-19,{right},{strike},{mid - 0.1:.2f},{mid + 0.1:.2f}"


def chain(day: date, symbol: str) -> list[str]:
    return [line(day, symbol, 0.9 + place / 50, right) for place in range(10) for right in ("call", "put")]


def mixed(day: date, *symbols: str) -> list[str]:
    return [each for symbol in symbols for each in chain(day, symbol)]


def scattered(day: date, *symbols: str) -> list[str]:
    """Return the same rows sorted by contract, so that those of one underlying do not be used together."""
    return [each for rows in zip(*(chain(day, symbol) for symbol in symbols), strict=True) for each in rows]


def file_of(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def many(folder: Path, of: Callable[..., list[str]] = mixed, *symbols: str) -> Path:
    return file_of(folder / "all.csv", [each for day in DAYS for each in of(day, *(symbols or ("SPX", "SPY")))])


def snapshots(folder: Path, ending: str = ".csv") -> Path:
    for day in DAYS:
        file = file_of(folder / f"all_{day:%Y%m%d}.csv", mixed(day, "SPY", "SPX", "QQQ"))
        if ending == ".parquet":
            header, *lines = (each.split(",") for each in file.read_text().splitlines())
            columns = dict(zip(header, zip(*lines, strict=True), strict=True))
            numbers = ("underlying_last", "strike", "bid", "ask")
            table = {name: [*map(float, cells)] if name in numbers else cells for name, cells in columns.items()}
            parquet.write_table(pyarrow.table(table), file.with_suffix(".parquet"))
            file.unlink()
    return folder


def opened(text: str) -> Source:
    return open_source(f"{text}&stands=0")


def same(one: HistoryDay, other: HistoryDay) -> bool:
    columns = [(each.options, each.bid.tolist(), each.levels.keys(), each.times.tolist()) for each in (one, other)]
    return columns[0] == columns[1]


def left_out(findings: Sequence[Finding]) -> list[tuple[str, int, int, str]]:
    return [(each.file, each.row, each.count, each.text) for each in findings if each.severity is Severity.LEFT_OUT]


@pytest.mark.parametrize("of", [mixed, scattered])
@pytest.mark.parametrize("symbol", ["SPX", "SPY"])
def test_one_of_several_in_a_file_of_many_days_is_as_if_it_were_alone(
    tmp_path: Path, of: Callable[..., list[str]], symbol: str
) -> None:
    (tmp_path / "alone").mkdir()
    alone = opened(f"eod:{many(tmp_path / 'alone', mixed, symbol)}?")
    source = opened(f"eod:{many(tmp_path, of)}?symbol={symbol.lower()}")
    assert source.dates(DAYS[0], DAYS[-1]) == list(DAYS)
    for day in DAYS:
        assert same(source.day(day), alone.day(day))
        assert not source.day(day).findings
    assert source.name == f"end-of-day chains of {symbol} in all.csv"
    assert not [each for each in source.gaps(DAYS[0], DAYS[-1]) if "not together" in each.text]


def test_rows_of_others_in_a_file_of_many_days_are_reported_once(tmp_path: Path) -> None:
    source = opened(f"eod:{many(tmp_path, mixed, 'QQQ', 'SPX', 'SPY')}?symbol=SPX")
    text = "its symbols are QQQ, SPY, and symbol=SPX was asked for (120 rows: 2, 3, 4, 5, 6, ...)"
    assert left_out(source.gaps(DAYS[0], DAYS[-1])) == [("all.csv", 2, 120, text)]
    assert [left_out(source.day(day).findings) for day in DAYS] == [[], [], []]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_rows_of_others_in_a_file_of_one_day_are_reported_with_it(tmp_path: Path, ending: str) -> None:
    source = opened(f"snapshots:{snapshots(tmp_path, ending)}?symbol=SPX")
    assert source.name == f"daily snapshots of SPX in {tmp_path.name}"
    day = source.day(DAYS[1])
    assert {(option.symbol, option.trading_class) for option in day.options} == {("SPX", "SPXW")}
    first = 2 if ending == ".csv" else 1
    rows = ", ".join(str(first + place) for place in range(5))
    text = f"its symbols are QQQ, SPY, and symbol=SPX was asked for (40 rows: {rows}, ...)"
    assert left_out(day.findings) == [(f"all_20190620{ending}", first, 40, text)]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_finding_in_what_is_left_names_the_row_of_the_file(tmp_path: Path, ending: str) -> None:
    expected = 22 if ending == ".csv" else 21
    folder = snapshots(tmp_path, ending)
    if ending == ".csv":
        file = folder / "all_20190620.csv"
        lines = file.read_text().splitlines()
        lines[21] = ",".join([*lines[21].split(",")[:-2], "900", "1"])
        file.write_text("\n".join(lines) + "\n")
    else:
        file = folder / "all_20190620.parquet"
        table = parquet.read_table(file).to_pylist()
        table[20]["bid"] = 900.0
        table[20]["ask"] = 1.0
        parquet.write_table(pyarrow.Table.from_pylist(table), file)
    found = opened(f"snapshots:{folder}?symbol=SPX").day(DAYS[1])
    assert [each.row for each in found.findings if "above the ask" in each.text] == [expected]


def test_without_a_choice_the_refusal_says_what_to_write(tmp_path: Path) -> None:
    file = many(tmp_path, mixed, "SPX", "SPY", "QQQ")
    with pytest.raises(StoreError) as raised:
        open_source(f"eod:{file}?at=11:00").day(DAYS[0])
    assert str(raised.value) == (
        f"all.csv:2: a chain has one underlying, this has QQQ, SPX, SPY: name one, as 'eod:{file}?at=11:00&symbol=QQQ'"
    )
    with pytest.raises(StoreError) as raised:
        open_source(str(file)).day(DAYS[0])
    assert str(raised.value).endswith(f"name one, as 'eod:{file}?symbol=QQQ'")
    file.unlink()
    with pytest.raises(StoreError) as raised:
        open_source(str(snapshots(tmp_path))).day(DAYS[0])
    assert str(raised.value).endswith(f"name one, as 'snapshots:{tmp_path}?symbol=QQQ'")


def test_of_very_many_underlyings_some_are_named(tmp_path: Path) -> None:
    text = chain(DAYS[0], "SPY")
    lines = [each.replace("SPY", f"A{chr(65 + place)}") for place in range(12) for each in text]
    with pytest.raises(StoreError, match=r"this has AA, AB, AC, AD, AE, AF, AG, AH and 4 more: name one, as"):
        open_source(f"eod:{file_of(tmp_path / 'all.csv', lines)}").day(DAYS[0])
    source = open_source(f"eod:{tmp_path / 'all.csv'}?symbol=AL")
    assert (
        "its symbols are AA, AB, AC, AD, AE, AF, AG, AH and 3 more, and symbol=AL was asked for"
        in (left_out(source.gaps(DAYS[0], DAYS[0]))[0][3])
    )


def test_an_underlying_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    file = many(tmp_path)
    with pytest.raises(MisuseError) as raised:
        open_source(f"eod:{file}?symbol=XSP")
    assert (str(raised.value), raised.value.help) == ("all.csv has no row of XSP", "there are: SPX, SPY")
    file.unlink()
    source = open_source(f"snapshots:{snapshots(tmp_path)}?symbol=XSP")
    with pytest.raises(StoreError) as refused:
        source.day(DAYS[0])
    assert str(refused.value) == "all_20190619.csv: it has no row of XSP, there are: QQQ, SPX, SPY"


def test_a_day_without_the_underlying_is_one_that_is_missing(tmp_path: Path) -> None:
    lines = [*mixed(DAYS[0], "SPX", "SPY"), *mixed(DAYS[1], "SPY"), *mixed(DAYS[2], "SPX", "SPY")]
    source = opened(f"eod:{file_of(tmp_path / 'all.csv', lines)}?symbol=SPX")
    assert source.dates(DAYS[0], DAYS[-1]) == [DAYS[0], DAYS[2]]
    assert f"no data of {DAYS[1]}" in [each.text for each in source.gaps(DAYS[0], DAYS[-1])]


def test_files_of_other_underlyings_in_one_folder_are_no_second_files_of_a_day(tmp_path: Path) -> None:
    for symbol in ("SPX", "SPY"):
        file_of(tmp_path / f"{symbol}.csv", [each for day in DAYS for each in chain(day, symbol)])
    with pytest.raises(StoreError, match=r"is also in SPX\.csv"):
        opened(f"eod:{tmp_path}?").day(DAYS[0])
    source = opened(f"eod:{tmp_path}?symbol=SPY")
    assert {option.symbol for option in source.day(DAYS[0]).options} == {"SPY"}
    text = "its symbol is SPX, and symbol=SPY was asked for (60 rows: 2, 3, 4, 5, 6, ...)"
    assert left_out(source.gaps(DAYS[0], DAYS[-1])) == [("SPX.csv", 2, 60, text)]


def test_an_index_is_named_by_its_symbol_whatever_the_file_calls_it(tmp_path: Path) -> None:
    text = (tmp_path / "all.csv", [each.replace(",SPX,", ",^SPX,") for each in mixed(DAYS[0], "SPX", "SPY")])
    day = opened(f"eod:{file_of(*text)}?symbol=spxw").day(DAYS[0])
    assert {option.symbol for option in day.options} == {"SPX"}


def test_a_choice_where_there_is_one_underlying_alone_changes_nothing(tmp_path: Path) -> None:
    file = many(tmp_path, mixed, "SPX")
    source = opened(f"eod:{file}?symbol=SPX")
    assert same(source.day(DAYS[0]), opened(f"eod:{file}?").day(DAYS[0]))
    assert not left_out(source.gaps(DAYS[0], DAYS[-1]))


def test_rows_with_too_few_fields_are_reported_beside_those_of_others(tmp_path: Path) -> None:
    lines = mixed(DAYS[0], "SPY", "SPX")
    lines[30] = lines[30].rsplit(",", 2)[0]
    lines[5] = str(DAYS[0])
    day = opened(f"eod:{file_of(tmp_path / 'all.csv', lines)}?symbol=SPX").day(DAYS[0])
    texts = [(each.row, each.text) for each in day.findings]
    assert (7, "a row has 9 fields, too few (2 rows: 7, 32)") in texts


def test_a_gap_between_rows_of_another_day_is_still_reported(tmp_path: Path) -> None:
    first, after = chain(DAYS[0], "SPX"), mixed(DAYS[1], "SPY", "SPX")
    lines = [*first[:10], *after, *first[10:]]
    source = opened(f"eod:{file_of(tmp_path / 'all.csv', lines)}?symbol=SPX")
    reported = [(each.row, each.text) for each in source.gaps(*DAYS[:2]) if "not together" in each.text]
    assert reported == [(52, "rows of one day are not together in the file")]
    assert len(source.day(DAYS[0]).options) == 20
