"""A column of categories whose dictionary has more than its rows, as pandas leaves it where rows were filtered."""

from datetime import date
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.sources import open_source

DAY = date(2019, 5, 24)
TIMES = [f"{hour}:00" for hour in range(10, 16) for _ in range(2)]
COLUMNS: dict[str, object] = {
    "date": [str(DAY)] * len(TIMES),
    "time": TIMES,
    "symbol": ["SPX"] * len(TIMES),
    "expiry": ["2019-05-31"] * len(TIMES),
    "right": ["P", "C"] * (len(TIMES) // 2),
    "strike": [2825.0] * len(TIMES),
    "bid": [14.0, 15.0] * (len(TIMES) // 2),
    "ask": [14.2, 15.2] * (len(TIMES) // 2),
    "underlying": [2826.0] * len(TIMES),
}


def a_category(values: object, others: list[str]) -> pyarrow.DictionaryArray:
    texts = list(values)  # type: ignore[call-overload]
    different = list(dict.fromkeys([*others, *texts]))
    codes = pyarrow.array([different.index(text) for text in texts], pyarrow.int32())
    return pyarrow.DictionaryArray.from_arrays(codes, different)


@pytest.mark.parametrize(
    ("name", "other"), [("date", "2019-05-23"), ("expiry", "2019-05-99"), ("right", "X"), ("symbol", "XSP")]
)
def test_what_no_row_has_is_not_there(name: str, other: str, tmp_path: Path) -> None:
    """The backtest ended with a traceback, or the session was refused for what none of its rows says."""
    spoilt = COLUMNS | {name: a_category(COLUMNS[name], [other])}
    parquet.write_table(pyarrow.table(spoilt), tmp_path / f"{DAY}.parquet")
    found = open_source(str(tmp_path)).day(DAY)
    assert found.bid.tolist() == [[14.0, 15.0]] * 6
    assert found.levels["SPX"].tolist() == [2826.0] * 6


def test_a_day_of_no_row_is_no_session(tmp_path: Path) -> None:
    """It was one that is refused: there was no level in it."""
    spoilt = COLUMNS | {"date": a_category(COLUMNS["date"], ["2019-05-23"])}
    parquet.write_table(pyarrow.table(spoilt), tmp_path / "chain.parquet")
    assert open_source(str(tmp_path)).dates(date(2019, 5, 1), date(2019, 5, 31)) == [DAY]


def test_a_symbol_of_no_level_has_none(tmp_path: Path) -> None:
    """It took the place of the column `underlying`, and there was no level at all."""
    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / f"{DAY}.parquet")
    levels = {
        "time": ["10:00", "11:00"],
        "symbol": a_category(["VIX", "VIX"], ["SPX", "XSP"]),
        "level": [16.0, 16.1],
    }
    parquet.write_table(pyarrow.table(levels), tmp_path / f"{DAY}.levels.parquet")
    found = open_source(str(tmp_path)).day(DAY)
    assert sorted(found.levels) == ["SPX", "VIX"]
    assert found.levels["SPX"].tolist() == [2826.0] * 6
