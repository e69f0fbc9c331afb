"""Vendors' files with a column of times, and files in which an option has several quotes a day without one."""

from collections.abc import Callable
from datetime import date, time
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.session import HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.model.errors import StoreError
from rulebot.model.session import session_on

DAY = date(2019, 7, 10)
HEADER = "date,{clock},expiry,strike,right,bid,ask,underlying_price,symbol"
MORNING, AFTERNOON = "09:35", "15:45"
QUOTES = {
    MORNING: (("2950", "9.00", "9.20"), ("2925", "5.00", "5.20"), "2970.00"),
    AFTERNOON: (("2950", "3.60", "3.80"), ("2925", "1.85", "2.00"), "2991.41"),
}


def lines(times: tuple[str, ...] = (MORNING, AFTERNOON), write: Callable[[str], str] = str) -> list[str]:
    """Return the rows of a day; `write` writes a time."""
    return [
        f"2019-07-10,{write(at)},2019-07-17,{strike},P,{bid},{ask},{QUOTES[at][2]},SPXW"
        for at in times
        for strike, bid, ask in QUOTES[at][:2]
    ]


def file_of(folder: Path, rows: list[str], clock: str = "time") -> Path:
    file = folder / "chain.csv"
    file.write_text("\n".join([HEADER.format(clock=clock), *rows]) + "\n")
    return file


def day_of(file: Path, options: str = "") -> HistoryDay:
    return open_source(f"eod:{file}{options}").day(DAY)


def bids_and_asks(day: HistoryDay, strike: float) -> list[tuple[float, float]]:
    """Return the quotes of one strike, by instant."""
    (place,) = [place for place, option in enumerate(day.options) if option.strike == strike]
    return [*zip(day.bid[:, place].tolist(), day.ask[:, place].tolist(), strict=True)]


def at(text: str) -> float:
    session = session_on(DAY)
    assert session is not None
    return session.at(time.fromisoformat(text)).timestamp()


@pytest.mark.parametrize("clock", ["time", "quote_time", "QUOTE_READTIME", "quote_datetime", "timestamp"])
@pytest.mark.parametrize(
    "write", [str, lambda at: at.lstrip("0"), lambda at: f"{at}:00", lambda at: f"2019-07-10 {at}:00"]
)
def test_quotes_stand_at_their_times(tmp_path: Path, clock: str, write: Callable[[str], str]) -> None:
    day = day_of(file_of(tmp_path, lines(write=write), clock))
    assert day.times.tolist() == [at(MORNING), at(AFTERNOON)]
    assert day.levels["SPX"].tolist() == [2970.0, 2991.41]
    assert bids_and_asks(day, 2950.0) == [(9.0, 9.2), (3.6, 3.8)]
    assert bids_and_asks(day, 2925.0) == [(5.0, 5.2), (1.85, 2.0)]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    day = day_of(file_of(tmp_path, [*reversed(lines())]))
    assert bids_and_asks(day, 2950.0) == [(9.0, 9.2), (3.6, 3.8)]


def test_parquet_snapshots_are_read_with_their_times(tmp_path: Path) -> None:
    names = HEADER.format(clock="time").split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines()]
    for row in rows:
        row |= {name: float(row[name]) for name in ("strike", "bid", "ask", "underlying_price")}  # type: ignore[dict-item]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "SPX_2019-07-10.parquet")
    day = open_source(f"snapshots:{tmp_path}").day(DAY)
    assert day.times.tolist() == [at(MORNING), at(AFTERNOON)]


def test_a_day_with_one_time_stands_at_it(tmp_path: Path) -> None:
    day = day_of(file_of(tmp_path, lines((MORNING,))), "?stands=2")
    assert day.times.tolist() == [at("09:35"), at("09:36"), at("09:37")]


@pytest.mark.parametrize("written", ["16:00", "16:15", "15:59"])
def test_a_state_of_the_close_stands_before_it(tmp_path: Path, written: str) -> None:
    day = day_of(file_of(tmp_path, lines((AFTERNOON,), write=lambda _: written)), "?stands=0")
    assert day.times.tolist() == [at("15:45")]


@pytest.mark.parametrize(
    ("clock", "write", "options", "said"),
    [
        ("time", lambda at: "soon", "", "time is like"),
        ("time", lambda at: at, "?at=11:00", "`time` has the time of each quote: omit `at=`"),
        ("snap_time", lambda at: at, "", "`snap_time` may be the time of each quote, and is not read"),
        ("quote_unixtime", lambda at: "1562765700" if at == MORNING else "1562787900", "", "`quote_unixtime` may be"),
        ("bucket", lambda at: at, "", "have several quotes at one time, as that of row 5"),
    ],
)
def test_times_that_are_not_read_refuse_the_day(
    tmp_path: Path, clock: str, write: Callable[[str], str], options: str, said: str
) -> None:
    with pytest.raises(StoreError, match=said):
        day_of(file_of(tmp_path, lines(write=write), clock), options)


def test_times_of_expiry_and_last_trade_are_no_times_of_quotes(tmp_path: Path) -> None:
    for clock in ("expiration_time", "last_trade_time", "time_value"):
        rows = [line.replace(AFTERNOON, f"0{place}:00") for place, line in enumerate(lines((AFTERNOON,)))]
        assert day_of(file_of(tmp_path, rows, clock), "?stands=0").times.tolist() == [at("15:45")]


def test_what_is_said_of_the_times(tmp_path: Path) -> None:
    source = open_source(f"eod:{file_of(tmp_path, lines())}")
    assert source.gaps(DAY, DAY)[0].text == (
        "quotes have the times of `time`; on a day with one time they hold for 10 min"
    )
