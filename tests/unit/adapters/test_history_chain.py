"""Parquet chains: what is written is read again, and every flaw is told by file and row."""

import json
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute
import pytest
from past_days import PastDays
from pyarrow import parquet

from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.history.daily import NO_BARS
from rulebot.adapters.history.regular_grid import EVEN, read_even
from rulebot.adapters.history.session import HistoryDay, Severity
from rulebot.adapters.history.table import flat
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import session_on, sessions

DAY = date(2019, 5, 24)
OPTIONS = tuple(
    Option("SPX", "SPXW", DAY, Decimal(strike), right) for right in (Right.PUT, Right.CALL) for strike in (2800, 2825)
)


def a_day(minutes: int = 390, **changes: object) -> HistoryDay:
    session = session_on(DAY)
    assert session is not None
    times = session.open.timestamp() + 60.0 * np.arange(1, minutes + 1)
    level = 2826.0 + np.sin(np.arange(minutes) / 7.0)
    mid = np.column_stack([np.abs(level - float(option.strike)) / 2 + 5.0 for option in OPTIONS])
    known: dict[str, object] = {
        "date": DAY,
        "times": times,
        "levels": {"SPX": level, "VIX": np.full(minutes, 16.0)},
        "options": OPTIONS,
        "bid": mid - 0.1,
        "ask": mid + 0.1,
        "iv": np.full(mid.shape, 0.16),
        "settled": {("SPX", "SPXW"): 2826.06},
    }
    return HistoryDay(**(known | changes))  # type: ignore[arg-type]


def rows_of(file: Path) -> dict[str, list[object]]:
    columns = parquet.read_table(file).to_pydict()
    for name in ("symbol", "trading_class", "expiry", "right"):
        columns[name] = [str(value) for value in columns[name]]
    return columns


def changed(tmp_path: Path, change: object, minutes: int = 20) -> HistoryDay:
    """Write a day, let `change` spoil its rows, and read it again."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(minutes), file)
    columns = rows_of(file)
    change(columns)  # type: ignore[operator]
    parquet.write_table(pyarrow.table(columns), file)
    return open_source(str(tmp_path)).day(DAY)


def test_greeks_of_no_volatility_are_unknown(tmp_path: Path) -> None:
    """Each put has a delta of 0 by them: a bot that looks for 0.10 would take the one that is deepest in the money."""
    iv, delta = np.full((390, 4), 0.16), np.tile([-0.3, -0.6, 0.6, 0.3], (390, 1))
    iv[7, 1], delta[7, 1] = 0.0, 0.0
    write_day(a_day(iv=iv, delta=delta), tmp_path / f"{DAY}.parquet")
    found = open_source(f"parquet:{tmp_path}").day(DAY)
    assert [(each.text, each.row, each.count) for each in found.findings] == [
        ("the volatility is 0: its greeks are not used", 7 * 4 + 2, 1)
    ]
    assert found.iv is not None
    assert found.delta is not None
    assert np.argwhere(np.isnan(found.iv)).tolist() == np.argwhere(np.isnan(found.delta)).tolist() == [[7, 1]]
    assert not np.isnan(found.bid).any()


def test_a_delta_beyond_one_is_unknown_as_it_is_live(tmp_path: Path) -> None:
    """A row in percent among others: an exit by delta acted on it."""
    delta = np.tile([-0.3, -0.6, 0.6, 0.3], (20, 1))
    delta[7, 1], delta[9, 2], delta[11, 2] = -60.0, 60.0, 1.0
    write_day(a_day(20, delta=delta), tmp_path / f"{DAY}.parquet")
    found = open_source(f"parquet:{tmp_path}").day(DAY)
    (odd,) = (each for each in found.findings if "delta" in each.text)
    assert (odd.text, odd.row, odd.count) == ("the delta is not from -1 to 1: it is not used", 7 * 4 + 2, 2)
    assert found.delta is not None
    assert np.argwhere(np.isnan(found.delta)).tolist() == [[7, 1], [9, 2]]


@pytest.mark.parametrize("name", ["bid", "Bid"])
def test_two_columns_of_a_name_refuse_the_day(name: str, tmp_path: Path) -> None:
    """Of two in other letters the last one counted, and of two in the same ones the backtest ended with a traceback."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(20), file)
    table = parquet.read_table(file)
    parquet.write_table(table.append_column(name, table.column("ask")), file)
    with pytest.raises(StoreError, match=f"{DAY}.parquet: it has two columns `bid`: which one counts"):
        open_source(f"parquet:{tmp_path}").day(DAY)


@pytest.mark.parametrize("times", [1 / 4, 4.0, 1 / 1.25])
def test_levels_adjusted_for_a_split_refuse_the_day_of_strikes_that_are_not(times: float, tmp_path: Path) -> None:
    """Or the other way round: what rules made of levels was of other shares than the options, and nothing was told."""
    level = np.full(20, 2826.0 * times)
    write_day(a_day(20, levels={"SPX": level}, settled={}), tmp_path / f"{DAY}.parquet")
    with pytest.raises(StoreError, match=r"cost less than half of what they are worth, .* or adjusted for a split\?"):
        open_source(f"parquet:{tmp_path}").day(DAY)


def test_a_bad_print_in_the_middle_of_a_session_refuses_no_day(tmp_path: Path) -> None:
    """One level of 8 % too much made most options in the money at it, and all of the session was not read."""
    options = tuple(replace(OPTIONS[0], right=right, strike=Decimal(k)) for right in Right for k in (2800, 2850))
    level = np.full(20, 2826.0)
    mid = np.tile([35.0, 15.0, 10.0, 34.0], (20, 1))
    level[10] *= 1.08
    day = a_day(20, options=options, bid=mid - 0.1, ask=mid + 0.1, iv=None, levels={"SPX": level})
    write_day(day, tmp_path / f"{DAY}.parquet")
    assert len(open_source(f"parquet:{tmp_path}").day(DAY).options) == 4


def test_a_quote_dearer_than_what_it_is_on_is_left_out(tmp_path: Path) -> None:
    """By one of 999,999 in a single row a stop closed at half a million dollars a share, and nothing was told."""

    def spoil(rows: dict[str, list[object]]) -> None:
        rows["ask"][4] = 999_999.0
        rows["bid"][5], rows["ask"][5] = 999_999.0, 999_998.0

    found = changed(tmp_path, spoil)
    assert [(each.row, each.severity, each.text) for each in found.findings[:2]] == [
        (6, Severity.LEFT_OUT, "the bid is above the ask"),
        (5, Severity.LEFT_OUT, "the ask is dearer than the underlying and the strike"),
    ]
    assert np.argwhere(np.isnan(found.ask)).tolist() == np.argwhere(np.isnan(found.bid)).tolist()
    assert np.isnan(found.ask).sum() == 2


@pytest.mark.parametrize("change", [lambda rows: None, lambda rows: [column.reverse() for column in rows.values()]])
def test_a_delta_of_the_wrong_sign_is_unknown_as_it_is_live(tmp_path: Path, change: object) -> None:
    """Whether the rows stand instant by instant or in any order."""
    delta = np.tile([-0.3, -0.6, 0.6, 0.3], (20, 1))
    delta[7, 1], delta[9, 2], delta[11, 0] = 0.6, -0.6, 0.0
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(20, delta=delta), file)
    columns = rows_of(file)
    change(columns)  # type: ignore[operator]
    parquet.write_table(pyarrow.table(columns), file)
    found = open_source(f"parquet:{tmp_path}").day(DAY)
    assert ("the delta has the wrong sign: it is not used", 2) in [(each.text, each.count) for each in found.findings]
    assert found.delta is not None
    unknown = [(int(at), found.options[place]) for at, place in np.argwhere(np.isnan(found.delta))]
    assert unknown == [(7, OPTIONS[1]), (9, OPTIONS[2])]
    assert not np.isnan(found.bid).any()


def test_a_day_that_was_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    day = a_day()
    write_day(day, tmp_path / f"{DAY}.parquet")
    source = open_source(f"parquet:{tmp_path}")
    found = source.day(DAY)
    assert source.dates(date(2019, 1, 1), date(2019, 12, 31)) == [DAY]
    assert found.options == OPTIONS
    assert found.settled == day.settled
    assert found.findings == ()
    assert (found.times == day.times).all()
    assert (found.bid == day.bid).all()
    assert found.iv is not None
    assert (found.iv == day.iv).all()
    assert (found.levels["VIX"] == 16.0).all()
    assert (found.levels["SPX"] == day.levels["SPX"]).all()
    assert not source.is_modelled


@pytest.mark.parametrize("factor", [0.1, 0.95, 10.0])
def test_daily_bars_of_another_scale_settle_nothing_and_are_reported(tmp_path: Path, factor: float) -> None:
    write_day(a_day(settled={}), tmp_path / f"{DAY}.parquet")
    (tmp_path / "daily").mkdir()
    prices = ",".join(f"{price * factor}" for price in (2832, 2841, 2820, 2826.06))
    (tmp_path / "daily" / "spx_daily.csv").write_text(f"date,open,high,low,close\n{DAY},{prices}\n")
    found = open_source(f"parquet:{tmp_path}").day(DAY)
    assert found.settled == {}
    assert [
        (each.file, each.severity, each.text.partition(", is far from the level")[2]) for each in found.findings
    ] == [
        (
            "SPX daily",
            Severity.LEFT_OUT,
            f" 2826.01 of its session in {DAY}.parquet: nothing settles at it; is it of another scale?",
        )
    ]


def test_a_session_is_read_without_what_takes_longer_to_import(tmp_path: Path) -> None:
    """pyarrow imports pandas for numpy's arrays, and a third of a second goes by; its own functions take a tenth."""
    write_day(a_day(), tmp_path / f"{DAY}.parquet")
    code = f"""
import sys
from datetime import date
from rulebot.adapters.sources import open_source
open_source("parquet:{tmp_path}").day(date({DAY.year}, {DAY.month}, {DAY.day}))
print(sorted({{"pandas", "pyarrow.compute"}} & set(sys.modules)))
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"


def test_missing_numbers_and_several_pieces_are_read_as_one_column() -> None:
    """Shape of what pyarrow gives: whole numbers with gaps, pieces of a column, none at all."""
    assert flat(pyarrow.chunked_array([[1, None], [3]])).tolist()[::2] == [1.0, 3.0]
    assert np.isnan(flat(pyarrow.chunked_array([[1, None], [3]]))[1])
    assert flat(pyarrow.chunked_array([[1.5], [3.0]])).tolist() == [1.5, 3.0]
    assert flat(pyarrow.chunked_array([], type=pyarrow.float64())).tolist() == []


def test_an_option_settled_in_the_morning_comes_back_with_its_last_day(tmp_path: Path) -> None:
    thursday = date(2019, 6, 20)
    option = Option("SPX", "SPX", thursday, Decimal(2850), Right.PUT)
    one = np.full((1, 1), 3.0)
    session = session_on(DAY)
    assert session is not None
    times = np.array([session.open.timestamp() + 600.0])
    day = HistoryDay(date=DAY, times=times, levels={"SPX": np.array([2826.0])}, options=(option,), bid=one, ask=one)
    write_day(day, tmp_path / f"{DAY}.parquet")
    assert set(rows_of(tmp_path / f"{DAY}.parquet")["expiry"]) == {"2019-06-21"}
    assert open_source(str(tmp_path)).day(DAY).options == (option,)


def test_a_file_of_many_days_is_read_day_by_day(tmp_path: Path) -> None:
    same = {"symbol": "SPX", "trading_class": "SPXW", "expiry": date(2019, 5, 31), "right": "P", "strike": 2800.0}
    rows = [
        {"date": day, "time": clock, **same, "bid": 4.0, "ask": 4.2, "underlying": 2826.0}
        for day in (date(2019, 5, 23), date(2019, 5, 24), date(2019, 5, 28))
        for clock in (time(10), time(11))
    ]
    file = tmp_path / "chain.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=3)
    source = open_source(str(file))
    assert source.dates(date(2019, 5, 1), date(2019, 5, 31)) == [date(2019, 5, d) for d in (23, 24, 28)]
    found = source.day(date(2019, 5, 24))
    session = session_on(DAY)
    assert session is not None
    assert found.times.tolist() == [session.at(time(10)).timestamp(), session.at(time(11)).timestamp()]
    assert found.levels["SPX"].tolist() == [2826.0, 2826.0]


def test_rows_that_cross_repeat_or_lack_a_side_are_left_out_and_reported(tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows["bid"][4] = 99.0
        rows["bid"][5] = rows["ask"][5] = 0.0
        rows["bid"][6] = 0.0
        for name, values in rows.items():
            values.append(values[-1] if name != "bid" else 5.0)
        for values in rows.values():
            values[8], values[9] = values[9], values[8]

    found = changed(tmp_path, spoil)
    reported = {(finding.row, finding.severity, finding.text) for finding in found.findings}
    assert reported == {
        (5, Severity.LEFT_OUT, "the bid is above the ask"),
        (6, Severity.LEFT_OUT, "neither bid nor ask"),
        (80, Severity.LEFT_OUT, "the option has several quotes at this time, and none is used (2 rows: 80, 81)"),
        (0, Severity.REPORTED, "it ends at 09:50, the session at 16:00: cut off?"),
    }
    assert np.isnan(found.ask[1]).sum() == 2
    assert np.isnan(found.bid[1]).sum() == 3
    assert np.isnan(found.ask[-1]).sum() == 1  # the option of the last row, with two quotes


def test_rows_out_of_order_are_reported_and_put_right_by_their_times(tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        for values in rows.values():
            values[:] = [*values[40:], *values[:40]]

    found = changed(tmp_path, spoil)
    assert found.findings[0].text.startswith("the time is earlier")
    assert found.findings[0].row == 41
    assert (np.diff(found.times) > 0).all()
    assert np.sort(found.bid, axis=1).tolist() == np.sort(a_day(20).bid, axis=1).tolist()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("iv", 16.0, "iv is an annual fraction"),
        ("strike", 282500.0, "scaled"),
        ("open_interest", 2826.0, "holds the price of the underlying"),
        ("volume", -5.0, "is a count of contracts"),
        ("right", "X", "right is call or put"),
        ("expiry", "24 May", "an expiry is like"),
        ("delta", 45.0, "delta is -1 to 1"),
    ],
)
def test_wrong_columns_and_units_are_refused(tmp_path: Path, name: str, value: object, says: str) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows[name] = [value] * len(rows["bid"])

    with pytest.raises(StoreError, match=f"{DAY}.parquet:\\d+: .*{says}"):
        changed(tmp_path, spoil)


@pytest.mark.parametrize(
    ("factor", "says"),
    [(1.0, ""), (10.0, "10 times too high"), (100.0, "100 times too high"), (0.1, "10 times too low")],
)
def test_prices_in_another_unit_than_strikes_are_refused(tmp_path: Path, factor: float, says: str) -> None:
    day = PastDays(strikes=20).day(date(2026, 9, 1))
    file = tmp_path / f"{day.date}.parquet"
    write_day(replace(day, bid=day.bid * factor, ask=day.ask * factor), file)
    if not says:
        assert open_source(f"parquet:{tmp_path}").day(day.date).findings == ()
        return
    with pytest.raises(StoreError, match=f"are the prices {says}"):
        open_source(f"parquet:{tmp_path}").day(day.date)


def test_calls_that_are_puts_are_refused_without_greeks_too(tmp_path: Path) -> None:
    """Their quotes are sound, each by itself: what was sold as a call was a put, and nothing was told."""
    day = PastDays(strikes=20, has_greeks=False).day(date(2026, 9, 1))
    others = {Right.CALL: Right.PUT, Right.PUT: Right.CALL}
    options = tuple(replace(each, right=others[each.right]) for each in day.options)
    write_day(replace(day, options=options), tmp_path / f"{day.date}.parquet")
    source = open_source(f"parquet:{tmp_path}")
    with pytest.raises(StoreError, match="call - put rises as the strike does: are calls and puts exchanged"):
        source.day(day.date)


@pytest.mark.parametrize("factor", [1.0, 10.0, 0.1])
@pytest.mark.parametrize("count", [1, 390])
def test_prices_in_another_unit_are_refused_where_outer_strikes_have_no_bid(
    tmp_path: Path, factor: float, count: int
) -> None:
    """As it is with an expiring chain: 5 points out of the money nobody bids, and farther out nobody asks either."""
    day = PastDays(strikes=20).day(date(2026, 9, 1))
    level = day.levels["SPX"][:, None]
    strikes = np.array([float(option.strike) for option in day.options])
    signs = np.array([1.0 if option.right is Right.CALL else -1.0 for option in day.options])
    out = signs * (strikes - level)
    bid, ask = np.where(out > 5.0, np.nan, day.bid) * factor, np.where(out > 30.0, np.nan, day.ask) * factor
    file = tmp_path / f"{day.date}.parquet"
    write_day(replace(day, bid=bid, ask=ask), file)
    rows = parquet.read_table(file)
    parquet.write_table(rows.slice(0, len(day.options) * count), file)
    source = open_source(f"parquet:{tmp_path}")
    if factor == 1.0:
        assert source.day(day.date).options == day.options
        return
    with pytest.raises(StoreError, match="are the prices 10 times too"):
        source.day(day.date)


def test_prices_so_wide_that_they_may_be_in_the_unit_of_strikes_are_not_refused(tmp_path: Path) -> None:
    """Mids of two wide quotes say nothing: their difference here is a tenth of that of the strikes."""
    mid = np.array([[20.0, 22.5, 26.0, 26.0]] * 20)
    write_day(a_day(20, bid=mid - 15.0, ask=mid + 15.0), tmp_path / f"{DAY}.parquet")
    assert len(open_source(f"parquet:{tmp_path}").day(DAY).options) == 4


def test_exchanged_columns_are_refused(tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows["bid"], rows["ask"] = rows["ask"], rows["bid"]

    with pytest.raises(StoreError, match="are the columns exchanged"):
        changed(tmp_path, spoil)


@pytest.mark.parametrize(
    ("symbol", "classes"), [("SPX", ("SPX", "SPXW")), ("NDX", ("NDX", "NDXP")), ("RUT", ("RUTW",)), ("XSP", ("XSP",))]
)
def test_a_chain_without_a_symbol_is_of_the_index_that_its_classes_are_on(
    symbol: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / f"{DAY}.parquet"
    options = tuple(replace(each, symbol=symbol, trading_class=classes[-1]) for each in OPTIONS)
    day = a_day(20, options=options, settled={})
    write_day(replace(day, levels={symbol: day.levels["SPX"]}), file)
    columns = rows_of(file)
    del columns["symbol"]
    columns["trading_class"] = [classes[place % len(classes)] for place in range(len(columns["bid"]))]
    parquet.write_table(pyarrow.table(columns), file)
    found = open_source(f"parquet:{tmp_path}").day(DAY)
    assert {option.symbol for option in found.options} == {symbol}
    assert {option.trading_class for option in found.options} <= set(classes)
    for option in found.options:
        assert option.settles_at_open is (option.trading_class == symbol != "XSP")


def test_options_that_have_expired_are_left_out(tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows["trading_class"] = ["SPX" if place % 4 < 2 else "SPXW" for place in range(len(rows["bid"]))]
        for place in range(len(rows["bid"])):
            if place % 4 < 2:
                rows["bid"][place] = rows["ask"][place] = 0.0

    found = changed(tmp_path, spoil)
    assert {option.trading_class for option in found.options} == {"SPXW"}
    (gone,) = (finding for finding in found.findings if "expired before" in finding.text)
    assert (gone.count, gone.row, gone.severity) == (40, 1, Severity.LEFT_OUT)


def test_levels_in_central_time_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    level = 2826.0 + np.cumsum(rng.normal(0, 1.0, 390))
    early = np.concatenate((level[60:], level[-1] + np.cumsum(rng.normal(0, 1.0, 60))))
    mid = np.column_stack(
        [30.0 + (1 if option.right is Right.CALL else -1) * (level - float(option.strike)) / 2 for option in OPTIONS]
    )
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(bid=mid - 0.1, ask=mid + 0.1, iv=None, levels={"SPX": level}), file)
    assert open_source(str(file)).day(DAY).findings == ()
    write_day(a_day(bid=mid - 0.1, ask=mid + 0.1, iv=None, levels={"SPX": early}), file)
    with pytest.raises(StoreError, match="the levels seem an hour early"):
        open_source(str(file)).day(DAY)


def test_a_holiday_is_refused_and_missing_sessions_are_reported(tmp_path: Path) -> None:
    for name in ("2019-05-23", "2019-05-27", "2019-05-29"):
        write_day(a_day(), tmp_path / f"{name}.parquet")
    source = open_source(str(tmp_path))
    span = date(2019, 5, 1), date(2019, 5, 31)
    assert source.dates(*span) == [date(2019, 5, 23), date(2019, 5, 29)]
    assert [(finding.severity, finding.text, finding.count) for finding in source.gaps(*span)] == [
        (Severity.REFUSED, "2019-05-27 is no session of the exchange: what it holds is stale", 1),
        (Severity.REPORTED, "no data of 2019-05-24 to 2019-05-28", 2),
        (Severity.REPORTED, NO_BARS, 1),
    ]
    with pytest.raises(StoreError, match="no session"):
        source.day(date(2019, 5, 27))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(), file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StoreError, match=f"{DAY}.parquet: this is no whole Parquet file"):
        open_source(str(tmp_path)).day(DAY)


@pytest.mark.parametrize("minutes", [20, 390])
def test_rows_of_another_day_are_refused(minutes: int, tmp_path: Path) -> None:
    """A whole day of another date is not "24 hours after the session" in another zone."""

    def spoil(rows: dict[str, list[object]]) -> None:
        rows["time"] = [at + timedelta(days=1) for at in rows["time"]]  # type: ignore[operator]

    with pytest.raises(StoreError, match="no row is in the session of 2019-05-24: the first is at 2019-05-25 09:3"):
        changed(tmp_path, spoil, minutes)


@pytest.mark.parametrize("minutes", [1, 15])
@pytest.mark.parametrize(
    ("hours", "says"),
    [
        (-1, "08:{} to 15:00, an hour before the session: are they in Central time"),
        (-3, "06:{} to 13:00, 3 hours before the session: are they in Pacific time"),
        (4, "13:{} to 20:00, 4 hours after the session: are they in UTC"),
        (5, "14:{} to 21:00, 5 hours after the session: are they in the time of another zone"),
    ],
)
def test_a_day_by_the_clock_of_another_zone_is_refused(hours: int, says: str, minutes: int, tmp_path: Path) -> None:
    """Quotes and level agree with each other, so parity sees nothing; called 10:30 is what was 11:30."""

    def spoil(rows: dict[str, list[object]]) -> None:
        kept = [at.minute % minutes == 0 for at in rows["time"]]  # type: ignore[attr-defined]
        for name, column in rows.items():
            rows[name] = [value for value, is_kept in zip(column, kept, strict=True) if is_kept]
        rows["time"] = [at + timedelta(hours=hours) for at in rows["time"]]  # type: ignore[operator]

    with pytest.raises(StoreError, match="its rows are of " + says.format(30 + minutes)):
        changed(tmp_path, spoil, 390)


def test_levels_by_the_clock_of_another_zone_are_refused(tmp_path: Path) -> None:
    write_day(a_day(390), tmp_path / f"{DAY}.parquet")
    beside = tmp_path / f"{DAY}.levels.parquet"
    levels = parquet.read_table(beside).to_pydict()
    levels["time"] = [at - timedelta(hours=3) for at in levels["time"]]
    parquet.write_table(pyarrow.table(levels), beside)
    with pytest.raises(StoreError, match="the levels of SPX are of 06:31 to 13:00, 3 hours before the session"):
        open_source(str(tmp_path)).day(DAY)


def test_rows_before_and_after_the_session_are_of_no_other_zone(tmp_path: Path) -> None:
    """From 08:31 to 16:15, as some record them: hours before the open, and not before the close."""

    def spoil(rows: dict[str, list[object]]) -> None:
        rows["time"][:4] = [at - timedelta(hours=1) for at in rows["time"][:4]]  # type: ignore[operator]
        rows["time"][-4:] = [at + timedelta(minutes=15) for at in rows["time"][-4:]]  # type: ignore[operator]

    found = changed(tmp_path, spoil, 390)
    assert [each.text[:34] for each in found.findings] == ["this is outside of regular hours ("]


@pytest.mark.parametrize(
    ("bids", "says", "count"),
    [([-1.0], "a bid is below 0: it is taken for no bid", 1), ([0.0] * 4 * 390, "not one option has a bid", 1)],
)
def test_bids_that_are_none_are_reported(bids: list[object], says: str, count: int, tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows["bid"][: len(bids)] = bids

    found = changed(tmp_path, spoil, 390)
    (finding,) = found.findings
    assert (finding.severity, finding.text.startswith(says), finding.count) == (Severity.REPORTED, True, count)
    assert np.isnan(found.bid[0, 0])


def test_a_level_that_begins_late_is_reported(tmp_path: Path) -> None:
    """Quotes of an hour without a level trade nothing, and nobody would see why."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(390), file)
    beside = tmp_path / f"{DAY}.levels.parquet"
    levels = parquet.read_table(beside).to_pydict()
    kept = [place for place, symbol in enumerate(levels["symbol"]) if symbol != "SPX" or place >= 60]
    parquet.write_table(pyarrow.table({name: [column[p] for p in kept] for name, column in levels.items()}), beside)
    texts = [finding.text for finding in open_source(str(tmp_path)).day(DAY).findings]
    assert texts == ["the level of SPX begins at 10:31, the session at 09:30"]


def test_a_hole_within_the_session_is_reported(tmp_path: Path) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        for values in rows.values():
            del values[4 * 100 : 4 * 130]

    found = changed(tmp_path, spoil, 390)
    assert [finding.text for finding in found.findings] == ["there is nothing between 11:10 and 11:41"]
    assert len(found.times) == 390
    assert np.isnan(found.bid[110]).all()


def test_quotes_stand_at_the_levels_between_theirs(tmp_path: Path) -> None:
    """Quotes of each minute, none for ten of them, and levels of every 15 seconds: they stand for 90 seconds."""
    day, file = a_day(390), tmp_path / f"{DAY}.parquet"
    write_day(day, file)
    rows = parquet.read_table(file)
    is_hole = pyarrow.array([100 <= place // len(OPTIONS) < 110 for place in range(len(rows))])
    parquet.write_table(rows.filter(pyarrow.compute.invert(is_hole)), file)
    at = np.arange(day.times[0], day.times[-1] + 1, 15.0)
    levels = {"time": at, "symbol": ["SPX"] * len(at), "level": 2826.0 + np.sin(np.arange(len(at)) / 28.0)}
    parquet.write_table(pyarrow.table(levels), tmp_path / f"{DAY}.levels.parquet")
    found = open_source(str(tmp_path)).day(DAY)
    assert found.quoted_at is not None
    for quarter, minute in ((392, 98), (395, 98), (396, 99), (402, 99), (403, None), (439, None), (440, 110)):
        quoted, of = (np.full(4, np.nan), np.nan) if minute is None else (day.bid[minute], day.times[minute])
        assert np.array_equal(found.bid[quarter], quoted, equal_nan=True)
        assert np.array_equal(found.quoted_at[quarter], of, equal_nan=True)


@pytest.mark.parametrize("apart", [0, 7])
def test_quotes_that_have_each_a_time_of_their_own_are_reported(apart: int, tmp_path: Path) -> None:
    """A bot sees no two of them at once: it entered nothing, and nobody said why."""

    def spoil(rows: dict[str, list[object]]) -> None:
        seconds = [timedelta(seconds=apart * (place % len(OPTIONS))) for place in range(len(rows["time"]))]
        rows["time"] = [at + each for at, each in zip(rows["time"], seconds, strict=True)]  # type: ignore[operator]
        for values in rows.values():
            del values[40]  # so that it is no even grid

    said = "an instant has quotes of 1 of 4 options, the next one of others: bots see only quotes of one instant"
    texts = [each.text for each in changed(tmp_path, spoil, 380).findings]
    assert [text for text in texts if text.startswith("an instant")] == [
        f"{said}; give quotes of one snapshot one time" for _ in range(bool(apart))
    ]


@pytest.mark.parametrize(
    ("since", "what"), [(360, None), (340, "the level of SPX and all quotes are"), (341, "the level of SPX is")]
)
def test_what_stands_still_for_long_is_reported(since: int, what: str | None, tmp_path: Path) -> None:
    """Vendors fill a file up with what came last: bots acted on such quotes, and nothing was told."""
    day = a_day(390)
    level, bid, ask = day.levels["SPX"].copy(), day.bid.copy(), day.ask.copy()
    level[since:] = level[since]
    if since == 340:
        bid[since:], ask[since:] = bid[since], ask[since]
    write_day(a_day(390, levels={"SPX": level}, bid=bid, ask=ask), tmp_path / f"{DAY}.parquet")
    reported = [each.text for each in open_source(str(tmp_path)).day(DAY).findings]
    clock = f"{15 + (since - 329) // 60}:{(since - 329) % 60:02}"
    assert reported == ([f"{what} the same from {clock} to 16:00: is what came last repeated?"] if what else [])


@pytest.mark.parametrize(
    ("size", "says"),
    [(0.0, "is 0 in all quotes"), (-1.0, "is a count of contracts, is -1"), (2.5, "most are none, as 2.5")],
)
def test_sizes_that_cannot_be_are_refused(size: float, says: str, tmp_path: Path) -> None:
    """Where nothing is bid for no order fills: a bot that never traded looked as if it had not wanted to."""
    write_day(a_day(bid_size=np.full((390, 4), size), ask_size=np.full((390, 4), 3.0)), tmp_path / f"{DAY}.parquet")
    with pytest.raises(StoreError, match=f"{DAY}.parquet:1: bid_size .*{says}"):
        open_source(str(tmp_path)).day(DAY)


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_source(str(tmp_path / "nothing"))
    with pytest.raises(StoreError, match="does not exist") as of_a_kind:
        open_source("model")
    assert "write model:PATH" in str(of_a_kind.value.help)
    with pytest.raises(StoreError, match="unrecognised data format"):
        open_source(str(tmp_path))
    with pytest.raises(MisuseError, match="no kind of data 'parket'"):
        open_source(f"parket:{tmp_path}")
    write_day(a_day(), tmp_path / f"{DAY}.parquet")
    with pytest.raises(MisuseError, match="has no option 'dayly'"):
        open_source(f"{tmp_path}?dayly=x")


def test_a_file_that_was_changed_is_read_like_anybodys(tmp_path: Path) -> None:
    """What a file says of its own order is not believed once its rows do not agree."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)
    own = open_source(str(file)).day(DAY)
    table = parquet.read_table(file)
    assert EVEN.encode() in table.schema.metadata
    for changed_table in (table.sort_by([("time", "descending")]), table.sort_by("strike")):
        parquet.write_table(changed_table, file)
        again = open_source(str(file)).day(DAY)
        assert (again.times == own.times).all()
        assert np.sort(again.bid, axis=1).tolist() == np.sort(own.bid, axis=1).tolist()
    parquet.write_table(table.slice(4), file)
    again = open_source(str(file)).day(DAY)
    assert np.isnan(again.bid[0]).all()
    assert again.bid[1:].tolist() == own.bid[1:].tolist()


def in_two_groups(table: pyarrow.Table, file: Path) -> None:
    """Write rows as we do: those of the first instant as a group of their own."""
    with parquet.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table.slice(0, len(OPTIONS)))
        writer.write_table(table.slice(len(OPTIONS)))


def test_a_file_that_does_not_name_its_options_itself_is_read_by_its_first_rows(tmp_path: Path) -> None:
    """So those of earlier days are."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)
    own = open_source(str(file)).day(DAY)
    table = parquet.read_table(file)
    reported = json.loads(table.schema.metadata[EVEN.encode()])
    assert [part[:3] for part in reported.pop("chain")] == [["SPXW", f"{DAY}", "put"], ["SPXW", f"{DAY}", "call"]]
    assert reported.pop("symbol") == "SPX"
    in_two_groups(table.replace_schema_metadata({EVEN: json.dumps(reported)}), file)
    found = read_even(file)
    assert found is not None
    assert found.symbol == "SPX"
    again = open_source(str(file)).day(DAY)
    assert again.options == own.options == OPTIONS
    assert np.array_equal(again.bid, own.bid, equal_nan=True)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [(b'"options": 4', b'"options"; 4'), (b'"times"', b'"tines"'), (b"2800.0", b"2850.0"), (b'"put"', b'"pu\xff"')],
    ids=["no JSON", "another key", "another strike", "no text"],
)
def test_what_a_file_says_of_its_rows_is_as_it_was_written_or_refused(
    was: bytes, becomes: bytes, tmp_path: Path
) -> None:
    """The footer of a Parquet file has no checksum: a strike that had changed in it would be traded."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)
    table = parquet.read_table(file)
    reported = dict(table.schema.metadata)
    assert was in reported[EVEN.encode()]
    reported[EVEN.encode()] = reported[EVEN.encode()].replace(was, becomes)
    in_two_groups(table.replace_schema_metadata(reported), file)
    with pytest.raises(StoreError, match="the file is damaged or cut off: its statistics"):
        open_source(str(file)).day(DAY)
    del reported[b"rulebot_even_crc32"]  # files of earlier days have none
    in_two_groups(table.replace_schema_metadata(reported), file)
    if becomes != b"2850.0":
        with pytest.raises(StoreError, match="the file is damaged or cut off"):
            open_source(str(file)).day(DAY)


def test_a_file_of_which_arrow_reads_what_it_does_not_know_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte of a footer made integers of more than 64 bits of a column."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)

    def unknown(*_: object, **__: object) -> object:
        raise pyarrow.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(parquet.ParquetFile, "read", unknown)
    with pytest.raises(StoreError, match="the file is damaged or cut off: Integers with more"):
        open_source(str(file)).day(DAY)
    monkeypatch.setattr(parquet, "ParquetFile", unknown)
    with pytest.raises(StoreError, match="this is no whole Parquet file: Integers with more"):
        open_source(str(file)).day(DAY)


def test_a_file_with_other_strikes_than_it_says_is_read_by_its_rows(tmp_path: Path) -> None:
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)
    table = parquet.read_table(file)
    place = table.schema.get_field_index("strike")
    moved = pyarrow.compute.add(table.column("strike"), 5.0)
    in_two_groups(table.set_column(place, "strike", moved), file)
    assert read_even(file) is None
    again = open_source(str(file)).day(DAY)
    assert {option.strike for option in again.options} == {option.strike + 5 for option in OPTIONS}


NOTHING = np.full((40, len(OPTIONS)), np.nan)


def test_a_column_in_which_nothing_is_known_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = NOTHING.copy()
    one[-1, -1] = 0.25
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40, delta=one, gamma=NOTHING, vega=np.zeros_like(NOTHING), bid_size=None), file)
    asked, read = list[str](), parquet.ParquetFile.read

    def noted(self: parquet.ParquetFile, columns: list[str] | None = None, **others: object) -> object:
        asked.extend(columns or ())
        return read(self, columns=columns, **others)

    monkeypatch.setattr(parquet.ParquetFile, "read", noted)
    found = open_source(str(file)).day(DAY)
    assert asked == ["bid", "ask", "iv", "delta", "vega"]
    assert found.delta is not None
    assert (float(found.delta[-1, -1]), np.isnan(found.delta).sum()) == (0.25, one.size - 1)
    assert found.gamma is not None
    assert np.isnan(found.gamma).all()
    assert found.gamma.shape == found.bid.shape
    assert found.vega is not None
    assert not found.vega.any()


def test_other_writers_leave_the_limits_of_a_column_out_as_soon_as_one_value_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40, gamma=NOTHING), file)
    monkeypatch.setattr("rulebot.adapters.history.regular_grid._ARROW", "another writer ")
    found = read_even(file)
    assert found is not None
    assert found.values["gamma"].strides == (8,)  # read: one number stands for all of those that are not


def test_times_without_their_zone_are_the_exchanges_clock(tmp_path: Path) -> None:
    """Also in a file that told its times itself and has lost their zone: 13:31 of UTC is then read as New York's."""
    file = tmp_path / f"{DAY}.parquet"
    write_day(a_day(40), file)
    own = open_source(str(file)).day(DAY)
    table = parquet.read_table(file)
    naive = table.set_column(0, "time", table.column("time").cast(pyarrow.timestamp("us")))
    in_two_groups(naive, file)
    again = open_source(str(file)).day(DAY)
    quoted = again.times[~np.isnan(again.ask).all(axis=1)]
    assert (quoted == own.times + 4 * 3600).all()


@pytest.mark.parametrize(
    ("kind", "shift"), [(pyarrow.timestamp("ns", "UTC"), 0), (pyarrow.timestamp("ns"), 4), (pyarrow.time64("ns"), 4)]
)
def test_times_in_nanoseconds_are_read_to_the_microsecond(tmp_path: Path, kind: object, shift: int) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        nano = [round(at.timestamp() * 1e6) * 1000 + 1 for at in rows["time"]]  # type: ignore[attr-defined]
        is_clock = pyarrow.types.is_time(kind)
        rows["time"] = pyarrow.array([at % (86400 * 10**9) if is_clock else at for at in nano], type=kind)

    quoted = changed(tmp_path, spoil)
    known = quoted.times[~np.isnan(quoted.ask).all(axis=1)]
    assert (known == a_day(20).times[: len(known)] + shift * 3600).all()
    assert len(known) == 20


@pytest.mark.parametrize("zone", ["+00:00", "Z"])
def test_a_clock_with_its_zone_is_read_in_that_zone(tmp_path: Path, zone: str) -> None:
    def spoil(rows: dict[str, list[object]]) -> None:
        rows["time"] = [f"{at:%H:%M:%S}{zone}" for at in rows["time"]]

    assert changed(tmp_path, spoil).times.tolist() == a_day(20).times.tolist()


def test_memory_holds_a_day_and_not_all_of_them(tmp_path: Path) -> None:
    days = [session.date for session in sessions(date(2019, 3, 1), date(2019, 3, 21))]
    for day in days:
        made = a_day()
        options = tuple(
            Option("SPX", "SPXW", day, Decimal(2700 + 5 * place), right)
            for right in (Right.PUT, Right.CALL)
            for place in range(30)
        )
        wide = {name: np.repeat(getattr(made, name), 15, axis=1) for name in ("bid", "ask", "iv")}
        shift = made.times - made.times[0]
        session = session_on(day)
        assert session is not None
        write_day(
            replace(made, date=day, options=options, times=session.open.timestamp() + 60 + shift, **wide),
            tmp_path / f"{day}.parquet",
        )
    source = open_source(str(tmp_path))

    def peak(count: int) -> int:
        tracemalloc.start()
        for day in days[:count]:
            assert len(source.day(day).times) == 390
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(5)
    assert peak(15) < 1.1 * peak(5)


def test_a_store_is_answered_with_the_recordings_beside_it(tmp_path: Path) -> None:
    """It was read as CSV: `'utf-8' codec can't decode byte`."""
    with closing(sqlite3.connect(tmp_path / "day.db")) as made:
        made.execute("CREATE TABLE journal (seq)")
    for beside in (False, True):
        if beside:
            (tmp_path / "day-tapes").mkdir()
        with pytest.raises(StoreError, match="is a database, as a store is") as caught:
            open_source(str(tmp_path / "day.db"))
        assert caught.value.help is not None
        assert (f"tapes:{tmp_path / 'day-tapes'}" in caught.value.help) is beside
