"""Parquet chains in a folder: told from other data without a word in front, and read within folders `column=value`."""

from datetime import date, time
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.table import day_of, others_with_parquet, partition_value
from rulebot.adapters.sources import open_source
from rulebot.model.errors import StoreError

DAYS = tuple(date(2019, 5, day) for day in (23, 24, 28))
SAME = {"symbol": "SPX", "trading_class": "SPXW", "expiry": date(2019, 5, 31), "right": "P", "strike": 2800.0}


def rows(*days: date, bid: float = 4.0) -> list[dict[str, object]]:
    return [
        {"date": day, "time": clock, **SAME, "bid": bid, "ask": bid + 0.2, "underlying": 2826.0}
        for day in days
        for clock in (time(10), time(11))
    ]


def write(file: Path, *days: date, without: tuple[str, ...] = (), bid: float = 4.0, **renamed: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(rows(*days, bid=bid)).drop_columns(list(without))
    table = table.rename_columns([renamed.get(name, name) for name in table.column_names])
    parquet.write_table(table, file)


def days_of(path: Path, kind: str = "") -> list[date]:
    return list(open_source(f"{kind}{path}").dates(date(2019, 1, 1), date(2019, 12, 31)))


def bars(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("spx_daily.csv", "vix_daily.csv"):
        (folder / name).write_text("date,open,high,low,close\n2019-05-22,2850,2860,2840,2856\n")


def test_a_folder_with_one_file_of_many_days_needs_no_word_in_front(tmp_path: Path) -> None:
    write(tmp_path / "spx.parquet", *DAYS)
    assert days_of(tmp_path) == list(DAYS)
    assert open_source(str(tmp_path)).name == f"Parquet chains of {tmp_path.name}"


def test_chains_with_daily_bars_beside_them_are_not_taken_for_the_model(tmp_path: Path) -> None:
    write(tmp_path / "spx.parquet", *DAYS)
    bars(tmp_path / "daily")
    assert not open_source(str(tmp_path)).is_modelled


def test_a_parquet_file_that_is_no_chain_leaves_a_folder_of_daily_bars_to_the_model(tmp_path: Path) -> None:
    bars(tmp_path)
    parquet.write_table(pyarrow.table({"date": ["2019-05-22"], "close": [2856.0]}), tmp_path / "spx_daily.parquet")
    assert open_source(str(tmp_path)).is_modelled


def test_a_folder_without_a_chain_says_what_its_file_lacks(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"strike": [1.0], "bid": [1.0], "ask": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(StoreError, match="unrecognised data format") as raised:
        open_source(str(tmp_path))
    assert raised.value.help == (
        "a.parquet is no chain: it has no column `time`, `expiry`, `right`; docs/history-data.md has their columns"
    )


def test_a_day_for_each_folder_is_read(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS):
        write(tmp_path / f"date={day}" / "part-0.parquet", day, without=("date",), bid=4.0 + number)
    source = open_source(str(tmp_path))
    assert days_of(tmp_path) == days_of(tmp_path, "parquet:") == list(DAYS)
    assert [source.day(day).bid[0, 0] for day in DAYS] == [4.0, 5.0, 6.0]
    assert days_of(tmp_path / f"date={DAYS[1]}") == [DAYS[1]]
    assert days_of(tmp_path / f"date={DAYS[1]}" / "part-0.parquet") == [DAYS[1]]


@pytest.mark.parametrize("place", ["year=2019", "symbol=SPX/year=2019/month=05"])
def test_folders_of_years_hold_files_of_many_days(tmp_path: Path, place: str) -> None:
    write(tmp_path / place / "part-0.parquet", *DAYS[:2])
    write(tmp_path / place / "part-1.parquet", DAYS[2])
    assert days_of(tmp_path) == list(DAYS)
    assert len(open_source(str(tmp_path)).day(DAYS[2]).times) == 2


def test_year_month_and_day_in_three_folders_are_a_day(tmp_path: Path) -> None:
    write(tmp_path / "year=2019" / "month=5" / "day=24" / "x.parquet", DAYS[1], without=("date",))
    assert days_of(tmp_path) == [DAYS[1]]


def test_the_folder_of_a_day_counts_before_the_name_of_the_file(tmp_path: Path) -> None:
    assert day_of(tmp_path / "date=2019-05-24" / "exported_20200101.parquet") == DAYS[1]
    assert day_of(tmp_path / "expiry=2019-05-31" / "part-0.parquet") is None


def test_a_day_in_files_of_several_folders_is_refused_and_both_are_named(tmp_path: Path) -> None:
    """Never are its quotes doubled, nor those of one file dropped."""
    write(tmp_path / "spx.parquet", DAYS[0])
    write(tmp_path / "year=2019" / "spx.parquet", DAYS[0])
    source = open_source(str(tmp_path))
    with pytest.raises(StoreError) as raised:
        source.day(DAYS[0])
    said = "year=2019/spx.parquet: 2019-05-23 is also in spx.parquet: which one counts? "
    assert str(raised.value).startswith(said)


def test_rows_of_another_day_than_that_of_the_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "date=2019-05-24" / "part-0.parquet", DAYS[0])
    with pytest.raises(StoreError) as raised:
        open_source(str(tmp_path)).day(DAYS[1])
    assert str(raised.value) == "date=2019-05-24/part-0.parquet:1: the row's date is 2019-05-23, the file's 2019-05-24"


def test_a_column_that_stands_in_the_name_of_a_folder_alone_is_asked_for(tmp_path: Path) -> None:
    """Without its class an option that settles at the open would be taken for one that settles at the close."""
    file = tmp_path / "trading_class=SPX" / "date=2019-05-24" / "part-0.parquet"
    write(file, DAYS[1], without=("date", "trading_class"))
    with pytest.raises(StoreError) as raised:
        open_source(str(tmp_path)).day(DAYS[1])
    assert str(raised.value) == (
        f"{partition_value(file)}: `trading_class` is only in the name of a folder: add it to the file too"
    )


def test_other_folders_are_named_with_what_to_write(tmp_path: Path) -> None:
    for place in ("2018", "2019"):
        write(tmp_path / place / "spx.parquet", *DAYS)
    for kind in ("", "parquet:"):
        with pytest.raises(StoreError) as raised:
            open_source(f"{kind}{tmp_path}")
        assert raised.value.help == (
            "a source has one underlying, and there are Parquet files in folders below it (2018, 2019): name one, "
            f"as parquet:{tmp_path / '2018'}; "
            "of folders named like date=2024-01-02 or year=2024 all are read"
        )
    assert days_of(tmp_path / "2018") == list(DAYS)


def test_other_folders_beside_chains_are_reported_and_not_read(tmp_path: Path) -> None:
    write(tmp_path / "spx.parquet", *DAYS)
    write(tmp_path / "old" / "spx.parquet", *DAYS)
    (tmp_path / "_log").mkdir()
    bars(tmp_path / "daily")
    source = open_source(str(tmp_path))
    assert others_with_parquet(tmp_path) == [tmp_path / "old"]
    reported = [each.text for each in source.gaps(DAYS[0], DAYS[2]) if "below" in each.text]
    assert reported == ["Parquet files in folders below are not read: old"]
    assert len(source.day(DAYS[0]).times) == 2
