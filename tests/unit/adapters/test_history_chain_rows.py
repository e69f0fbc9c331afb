"""A table whose instants all have the same options in the same order is a grid, whoever wrote it; any other is rows."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.build_session import chain_rows, symbol_of
from rulebot.adapters.history.table import ArrowTable
from rulebot.adapters.sources import open_source
from rulebot.model.errors import StoreError
from rulebot.model.session import session_on

DAY = date(2019, 5, 24)
SESSION = session_on(DAY)
assert SESSION is not None
WIDTH, TIMES = 4, SESSION.open.timestamp() + 60.0 * np.arange(1, 6)
COLUMNS: dict[str, Any] = {
    "time": np.repeat(TIMES, WIDTH),
    "trading_class": ["SPXW"] * 20,
    "expiry": ["2019-05-24", "2019-05-24", "2019-05-28", "2019-05-28"] * 5,
    "right": ["put", "call"] * 10,
    "strike": [2800.0, 2800.0, 2825.0, 2825.0] * 5,
    "bid": np.arange(20.0),
    "ask": np.arange(20.0) + 1.0,
}


def found(columns: dict[str, Any], first: int = 1) -> Any:
    table = ArrowTable("a.parquet", pyarrow.table(columns), rows=np.arange(first, first + len(columns["bid"])))
    return chain_rows(table, SESSION, "SPX")


def changed(name: str, place: int, value: object) -> dict[str, Any]:
    column = list(COLUMNS[name])
    column[place] = value
    return COLUMNS | {name: column}


def in_order(order: list[int]) -> dict[str, Any]:
    return {name: [list(column)[place] for place in order] for name, column in COLUMNS.items()}


def test_the_same_options_at_each_instant_are_a_grid() -> None:
    grid = found(COLUMNS, first=101)
    assert grid.index.width == WIDTH
    assert grid.index.times.tolist() == TIMES.tolist()
    assert grid.row.tolist() == list(range(101, 121))


@pytest.mark.parametrize("written", ["spxw", "^SPXW", " SPXW "])
def test_a_class_is_the_same_however_it_is_written(written: str) -> None:
    rows = found(changed("trading_class", 3, written))
    assert rows.classes == ("SPXW",)
    assert rows.key.tolist() == found(COLUMNS).key.tolist()


@pytest.mark.parametrize("written", ["spx", "^SPX", "SPXW"])
def test_an_underlying_is_the_same_however_it_is_written(written: str) -> None:
    """A chain of `^SPX` was one of an index that nobody trades, and said nothing."""
    table = pyarrow.table(COLUMNS | {"symbol": [written] * 20})
    assert symbol_of(ArrowTable("a.parquet", table)) == "SPX"


def swapped(first: int, second: int) -> list[int]:
    order = list(range(20))
    order[first], order[second] = order[second], order[first]
    return order


ODD = {
    "another strike": changed("strike", 9, 2850.0),
    "another right": changed("right", 9, "put"),
    "another expiry": changed("expiry", 9, "2019-05-29"),
    "another class": changed("trading_class", 9, "SPX"),
    "an earlier instant": in_order([*range(12), *range(4, 8), *range(16, 20)]),
    "another order": in_order(swapped(8, 9)),
    "a row less": in_order(list(range(19))),
    "rows of another instant": changed("time", 9, float(TIMES[3])),
    "an option twice": COLUMNS | {"strike": [2800.0] * 20, "expiry": ["2019-05-24"] * 20},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_anything_else_is_rows_and_each_is_what_it_says(columns: dict[str, Any]) -> None:
    rows = found(columns)
    assert rows.index.width == 0
    assert rows.time.tolist() == list(columns["time"])
    assert rows.strike.tolist() == list(columns["strike"])
    assert rows.is_call.tolist() == [each == "call" for each in columns["right"]]
    assert rows.row.tolist() == list(range(1, 1 + len(columns["bid"])))


def test_rows_with_a_gap_keep_their_numbers() -> None:
    numbers = np.delete(np.arange(1, 22), 2)
    rows = chain_rows(ArrowTable("a.parquet", pyarrow.table(COLUMNS), rows=numbers), SESSION, "SPX")
    assert rows.row.tolist() == numbers.tolist()
    assert rows.strike.tolist() == COLUMNS["strike"]


NAMES_OF_OTHERS = {"time": "quote_time", "expiry": "Expiration", "right": "option_type"}
LACKS = (
    r"2019-05-24.parquet: it has no columns `symbol`, `time`, `expiry`, `right`; quote_time is perhaps `time`, "
    r"Expiration is perhaps `expiry`, option_type is perhaps `right`: rename them \(docs/history-data.md\)$"
)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({**NAMES_OF_OTHERS, "trading_class": "class"}, LACKS),
        ({"strike": "strike_price"}, r"it has no column `strike`; strike_price is perhaps `strike`: rename it \("),
        ({"ask": "a"}, r"it has no column `ask` \(docs/history-data.md\)$"),
    ],
)
def test_all_columns_that_are_missing_are_named_and_what_they_may_be_called(
    names: dict[str, str], says: str, tmp_path: Path
) -> None:
    columns = {names.get(name, name): column for name, column in COLUMNS.items()}
    parquet.write_table(pyarrow.table(columns), tmp_path / f"{DAY}.parquet")
    with pytest.raises(StoreError, match=says):
        open_source(f"parquet:{tmp_path}").day(DAY)


@pytest.mark.parametrize("written", ["BRKB", "brk.b", "BRK.B"])
def test_options_on_a_class_of_shares_have_no_dot_in_their_class(written: str) -> None:
    table = pyarrow.table(COLUMNS | {"trading_class": [written] * 20})
    rows = chain_rows(ArrowTable("a.parquet", table, rows=np.arange(1, 21)), SESSION, "BRK.B")
    assert rows.classes == ("BRKB",)
