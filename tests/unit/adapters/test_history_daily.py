"""Daily bars beside chains: what is no session, no bar or no price is left out; splits and differences are told."""

from datetime import date
from math import nan
from pathlib import Path

import pytest

from rulebot.adapters.history.daily import NO_BARS, Daily
from rulebot.adapters.history.session import DailyBar, Severity
from rulebot.model.contract import is_morning_settled, last_day
from rulebot.model.session import sessions

HEAD = "date,open,high,low,close"
MONDAY = date(2025, 1, 6)


def made(folder: Path, **files: list[str]) -> Daily:
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return Daily([folder])


def reported(daily: Daily) -> list[tuple[str, int, Severity, str]]:
    assert daily.series is not None
    return [(each.file, each.row, each.severity, each.text) for each in daily.findings]


def test_bars_are_those_before_a_day(tmp_path: Path) -> None:
    daily = made(tmp_path, spx_daily=[HEAD, "2025-01-06,1,4,1,2", "2025-01-07,2,3,1,3", "2025-01-08,3,5,2,4"])
    assert daily.daily("SPX", date(2025, 1, 8), 5) == [
        DailyBar(date(2025, 1, 6), 1.0, 4.0, 1.0, 2.0),
        DailyBar(date(2025, 1, 7), 2.0, 3.0, 1.0, 3.0),
    ]
    assert [bar.date.day for bar in daily.daily("SPX", date(2025, 1, 10), 2)] == [7, 8]
    assert daily.daily("NDX", date(2025, 1, 8), 5) == ()
    assert reported(daily) == []


def test_bars_that_ended_long_ago_are_not_those_of_yesterday(tmp_path: Path) -> None:
    """A volatility of last December is none of April's, nor is its last close the previous one."""
    daily = made(
        tmp_path,
        spx_daily=[HEAD, "2025-01-06,1,4,1,2", "2025-01-07,2,3,1,3"],
        vix_daily=[HEAD, "2025-01-06,16,16,16,16", "2025-01-22,17,17,17,17"],
    )
    assert [bar.date.day for bar in daily.daily("SPX", date(2025, 1, 17), 5)] == [6, 7]
    assert daily.daily("SPX", date(2025, 1, 21), 5) == ()
    assert daily.implied("SPX", date(2025, 1, 23), 1) == [0.17]
    assert [each.text for each in daily.findings_for([date(2025, 1, 6), date(2025, 1, 23)])] == [
        "the bars of SPX end on 2025-01-07: soon after it what rules make of them is unknown",
        "the bars of VIX lack 2025-01-07 and 8 more: averages and ranks use the rest",
    ]
    assert daily.findings_for([date(2025, 1, 6)]) == daily.findings_for([]) == ()


def test_sessions_that_daily_bars_lack_are_reported_where_rules_read_them(tmp_path: Path) -> None:
    days = ("2021-01-04", "2021-01-06", "2025-01-06", "2025-01-08", "2025-01-10")
    rows = [f"{day},1,4,1,2.{place}" for place, day in enumerate(days)]
    daily = made(tmp_path, spx_daily=[HEAD, *rows])
    text = "the bars of SPX lack 2025-01-07: averages and ranks use the rest"
    assert [each.text for each in daily.findings_for([date(2026, 8, 28)])][1:] == [text]


def test_days_with_the_day_first_refuse_a_file(tmp_path: Path) -> None:
    """The 3rd of February beside them would be the 2nd of March."""
    daily = made(tmp_path, spx_daily=[HEAD, "03/02/2025,1,4,1,2", "13/02/2025,1,4,1,2", "14/02/2025,1,4,1,2"])
    assert "SPX" not in daily.series
    text = "13/02/2025 has the day first, where 05/24/2019 has the month: write 2019-05-24"
    assert reported(daily)[1:] == [("spx_daily.csv", 3, Severity.REFUSED, text)]


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_columns_that_are_parted_otherwise_are_reported_so(sign: str, tmp_path: Path) -> None:
    found = reported(made(tmp_path, spx_daily=[HEAD.replace(",", sign), "2025-02-12,1,4,1,2".replace(",", sign)]))
    assert any(each[3].endswith(f"columns are parted by commas, not by {sign!r}") for each in found)


def test_days_that_are_none_are_reported_once(tmp_path: Path) -> None:
    daily = made(tmp_path, spx_daily=[HEAD, "2025-02-12,1,4,1,2", "2025.02.13,1,4,1,2", "14 Feb,1,4,1,2"])
    text = "a date is like 2019-05-24, is '2025.02.13' (2 rows: 3, 4)"
    assert reported(daily) == [("spx_daily.csv", 3, Severity.LEFT_OUT, text)]


def test_a_day_of_mourning_is_no_session(tmp_path: Path) -> None:
    daily = made(
        tmp_path, vix_daily=[HEAD, "2025-01-08,17,18,16,17", "2025-01-09,17,18,16,17", "2025-01-10,17,18,16,18"]
    )
    assert reported(daily) == [("vix_daily.csv", 3, Severity.LEFT_OUT, "the exchange was closed on this day")]
    assert daily.implied("SPX", date(2025, 1, 11), 9) == [0.17, 0.18]
    assert daily.implied("AAPL", date(2025, 1, 11), 9) == []


def test_repeated_mixed_and_impossible_rows_are_reported_by_their_line(tmp_path: Path) -> None:
    lines = [
        HEAD,
        "2025-01-08,3,5,2,4",
        "2025-01-06,1,4,1,2",
        "2025-01-06,1,4,1,3",
        "2025-01-07,2,1,3,2",
        "soon,1,1,1,1",
    ]
    daily = made(tmp_path, spx=lines)
    assert set(reported(daily)) == {
        ("spx.csv", 3, Severity.REPORTED, "the days are out of order; they are sorted"),
        ("spx.csv", 4, Severity.LEFT_OUT, "a duplicate of an earlier day"),
        (
            "spx.csv",
            5,
            Severity.LEFT_OUT,
            "this is no bar: without a close, a low above the high, a price that is none, or a 0",
        ),
        ("spx.csv", 6, Severity.LEFT_OUT, "a date is like 2019-05-24, is 'soon'"),
    }
    assert [bar.close for bar in daily.daily("SPX", date(2025, 1, 14), 9)] == [2.0, 4.0]


def test_a_column_for_each_symbol_is_one_of_closes(tmp_path: Path) -> None:
    daily = made(tmp_path, indices=["date,vix,vix9d", "2025-01-06,16,", "2025-01-07,17,15.5"])
    assert daily.daily("VIX9D", date(2025, 1, 9), 9) == [DailyBar(date(2025, 1, 7), 15.5, 15.5, 15.5, 15.5)]
    assert len(daily.daily("VIX", date(2025, 1, 9), 9)) == 2


@pytest.mark.parametrize(
    ("header", "severity", "text"),
    [
        (
            "Date,Close/Last,Volume,Open,High,Low",
            Severity.REFUSED,
            "a daily file has open, high, low and close, lacks close: "
            "it has `date`, `close/last`, `volume`, `open`, `high`, `low`",
        ),
        (
            "day,open,high,low,close,x",
            Severity.REFUSED,
            "a daily file has a column `date`, this has `day`, `open`, `high`, `low`, `close`, `x`",
        ),
        (
            "date,Close/Last,a b,volume,adj_close,symbol",
            Severity.REPORTED,
            "a column of closes is named after its symbol, as vix, not `close/last`, `a b`: it is not read",
        ),
    ],
)
def test_a_file_whose_columns_are_others_is_reported(
    tmp_path: Path, header: str, severity: Severity, text: str
) -> None:
    daily = made(tmp_path, spx=[header, "2025-01-06,1,2,3,4,5"])
    assert reported(daily)[1:] == [("spx.csv", 1, severity, text)]
    assert not daily.series, "no series of CLOSE/LAST"


def test_of_two_files_that_differ_the_first_counts_and_bars_fill_bare_closes(tmp_path: Path) -> None:
    daily = made(
        tmp_path,
        a_closes=["date,vix", "2025-01-06,16", "2025-01-07,17"],
        vix_bars=[HEAD, "2025-01-06,15,17,14,16", "2025-01-07,17,19,16,18"],
    )
    assert reported(daily) == [
        ("vix_bars.csv", 0, Severity.REPORTED, "VIX closes at 18 on 2025-01-07, at 17 in another file, which counts")
    ]
    first, second = daily.daily("VIX", date(2025, 1, 9), 9)
    assert (first.high, second.close) == (17.0, 17.0)


def series_of(closes: list[float], first: date = MONDAY) -> list[str]:
    days = [session.date for session in sessions(first, date(2025, 1, 14))][: len(closes)]
    return [HEAD, *(f"{day},{close},{close},{close},{close}" for day, close in zip(days, closes, strict=True))]


def test_bars_of_before_a_split_are_not_used(tmp_path: Path) -> None:
    daily = made(tmp_path, aapl=series_of([640.0, 645.57, 93.7, 94.25, 93.86]))
    bars = daily.daily("AAPL", date(2025, 1, 14), 9)
    assert [bar.close for bar in bars] == [93.7, 94.25, 93.86]
    earlier = daily.daily("AAPL", date(2025, 1, 8), 9)
    assert [bar.close for bar in earlier] == [640.0, 645.57], "what comes later changes nothing on a day of before it"
    assert daily.settled("AAPL", MONDAY, "AAPL", 640.0) == {("AAPL", "AAPL"): 640.0}
    spans = [(MONDAY, date(2025, 1, 7)), (date(2025, 1, 7), date(2025, 1, 8)), (date(2025, 1, 8), date(2025, 1, 14))]
    assert [daily.was_split("AAPL", *span) for span in spans] == [False, True, False]
    assert not daily.was_split("SPY", MONDAY, date(2025, 1, 14))
    ((_, _, severity, text),) = reported(daily)
    assert severity is Severity.REPORTED
    assert text.startswith("AAPL closes at 93.7 on 2025-01-08 after 645.57, as after a split of 7")


@pytest.mark.parametrize(
    ("before", "bar", "split"),
    [
        (2213.40, "444.61,500.14,440.11,498.32", "opens at 444.61 on 2025-01-07 after 2213.4, as after a split of 5:"),
        (499.23, "127.58,131.00,126.00,129.04", "opens at 127.58 on 2025-01-07 after 499.23, as after a split of 4:"),
        (
            1208.88,
            "120.37,123.10,117.01,121.79",
            "opens at 120.37 on 2025-01-07 after 1208.88, as after a split of 10:",
        ),
        (540.0, "271.5,280,268,279", "opens at 271.5 on 2025-01-07 after 540, as after a split of 2:"),
        (4.10, "41.5,44,38,39", "opens at 41.5 on 2025-01-07 after 4.1, as after a split of 10:"),
        (958.42, "159.05,161.20,157.30,158.90", "opens at 159.05 on 2025-01-07 after 958.42, as after a split of 6:"),
        (0.14, "27.1,28,24,25", "opens at 27.1 on 2025-01-07 after 0.14, as after a split of 194:"),
        (348.61, "245.20,248.70,212.51,226.19", ""),
        (100.0, "47,51,45,50", ""),
        (100.0, "160,161,140,150", ""),
        (103.0, "0.05,105,0.05,104", ""),
        (100.0, ",51,45,50", "closes at 50 on 2025-01-07 after 100, as after a split of 2:"),
    ],
    ids=[
        "TSLA",
        "AAPL",
        "NVDA",
        "two",
        "merged",
        "six",
        "merged by hundreds",
        "NFLX falls",
        "falls by a half",
        "rises by a half",
        "bad print",
        "no open",
    ],
)
def test_a_split_is_reported_by_the_open_and_a_fall_is_none(
    before: float, bar: str, split: str, tmp_path: Path
) -> None:
    """Bars of Tesla (31 August 2020), Apple (the same day), Nvidia (10 June 2024) and Netflix (20 April 2022)."""
    daily = made(tmp_path, aapl=[HEAD, f"{MONDAY},{before},{before},{before},{before}", f"2025-01-07,{bar}"])
    assert daily.was_split("AAPL", MONDAY, date(2025, 1, 7)) is bool(split)
    found = [text for _, _, _, text in reported(daily) if "split" in text]
    assert [text.startswith(f"AAPL {split}") for text in found] == ([True] if split else [])


def test_a_close_far_from_both_of_its_neighbours_is_left_out(tmp_path: Path) -> None:
    daily = made(tmp_path, vvix=series_of([80.0, 15.7, 82.0, 81.0]))
    assert [bar.close for bar in daily.daily("VVIX", date(2025, 1, 14), 9)] == [80.0, 82.0, 81.0]
    assert reported(daily)[0][3] == "VVIX closes at 15.7 on 2025-01-07, between 80 and 82"


def test_a_volatility_that_doubles_is_no_split(tmp_path: Path) -> None:
    daily = made(tmp_path, vix=series_of([17.31, 37.32, 29.98]))
    assert len(daily.daily("VIX", date(2025, 1, 14), 9)) == 3
    assert reported(daily) == []


def test_options_settle_at_the_close_and_those_of_the_morning_at_the_open(tmp_path: Path) -> None:
    daily = made(tmp_path, spx=[HEAD, "2025-01-17,5995,6014,5978,5996.66"])
    friday = date(2025, 1, 17)
    assert daily.settled("SPX", friday, "SPXW", 5990.0) == {("SPX", "SPXW"): 5996.66, ("SPX", "SPX"): 5995.0}
    assert daily.settled("SPX", friday, "SPXW", nan) == daily.settled("SPX", friday, "SPXW", 5990.0)
    assert daily.settled("SPX", date(2025, 1, 16), "SPXW", 5990.0) == {}


@pytest.mark.parametrize("opened", ["0", "-1", "59950", "", "nan", "inf", "6016"])
def test_nothing_settles_at_an_open_that_is_none(opened: str, tmp_path: Path) -> None:
    daily = made(tmp_path, spx=[HEAD, "2025-01-16,5960,5970,5950,5965", f"2025-01-17,{opened},6014,5978,5996.66"])
    friday = date(2025, 1, 17)
    assert daily.settled("SPX", friday, "SPXW", 5990.0) == {("SPX", "SPXW"): 5996.66}
    assert [bar.close for bar in daily.daily("SPX", date(2025, 1, 18), 9)] == [5965.0, 5996.66], "rules read its close"
    outside = "open or close is outside of low to high: rules read it unchanged, nothing settles at it"
    text = outside if opened in ("59950", "6016") else "its open is no price: nothing settles at it"
    assert reported(daily) == [("spx.csv", 3, Severity.REPORTED, text)]


@pytest.mark.parametrize(
    "bar",
    [
        "5995,,5978,5996",
        "5995,inf,5978,5996",
        "5995,6014,5978,inf",
        "1,1,1,1e-320",
        "1,1,1,1e300",
        "5995,6014,-1,5996",
        "5995,6014,5978,",
        ",,,",
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_row_without_a_price_of_its_own_is_no_bar(bar: str, tmp_path: Path) -> None:
    daily = made(tmp_path, spx=[HEAD, f"2025-01-17,{bar}", "2025-01-21,5995,6014,5978,5996"])
    text = "this is no bar: without a close, a low above the high, a price that is none, or a 0"
    assert reported(daily) == [("spx.csv", 2, Severity.LEFT_OUT, text)]
    assert daily.settled("SPX", date(2025, 1, 17), "SPXW", 5990.0) == {}


def test_a_cell_that_is_no_number_leaves_its_row_out_and_no_other(tmp_path: Path) -> None:
    daily = made(
        tmp_path,
        spx=[
            HEAD,
            "2025-01-15,x,6014,5978,5996",
            "2025-01-16,5960,5970,5950,5965",
            '2025-01-17,5995,6014,5978,"5,996.66"',
            "2025-01-20,x,6014,5978,5996",
            "2025-01-21,-,n/a,5978,n/a",
        ],
    )
    assert [bar.date.day for bar in daily.daily("SPX", date(2025, 1, 22), 9)] == [16]
    assert reported(daily) == [
        ("spx.csv", 5, Severity.LEFT_OUT, "the exchange was closed on this day"),
        ("spx.csv", 2, Severity.LEFT_OUT, "open is a number, is 'x' (2 rows: 2, 6)"),
        ("spx.csv", 4, Severity.LEFT_OUT, "close is a number, is '5,996.66'"),
    ]


def test_a_close_that_is_no_number_leaves_out_that_of_its_symbol_alone(tmp_path: Path) -> None:
    daily = made(tmp_path, indices=["date,vix,vix9d", "2025-01-06,16,null", "2025-01-07,17,15.5"])
    assert len(daily.daily("VIX", date(2025, 1, 9), 9)) == 2
    assert len(daily.daily("VIX9D", date(2025, 1, 9), 9)) == 1
    assert reported(daily) == [("indices.csv", 2, Severity.LEFT_OUT, "vix9d is a number, is 'null'")]


def test_a_file_without_one_bar_is_as_one_that_is_not_there(tmp_path: Path) -> None:
    daily = made(tmp_path, vix=[HEAD, "2025-01-06,x,1,1,1", "2025-01-07,x,1,1,1"])
    assert not daily.series
    assert [text for _, _, _, text in reported(daily)] == [NO_BARS, "open is a number, is 'x' (2 rows: 2, 3)"]


def test_nothing_settles_at_a_close_outside_of_its_range(tmp_path: Path) -> None:
    daily = made(tmp_path, spx=[HEAD, "2025-01-17,5995,6014,5978,6096.66"])
    assert daily.settled("SPX", date(2025, 1, 17), "SPXW", 5990.0) == {("SPX", "SPX"): 5995.0}
    assert [each[1:3] for each in reported(daily)] == [(2, Severity.REPORTED)]


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (["date,spx", "2025-01-17,5996.66"], []),
        ([HEAD, "2025-01-17,,,,5996.66"], ["it has a close alone, without high and low: nothing settles at its open"]),
    ],
)
def test_a_bare_close_has_no_open_to_settle_at(lines: list[str], texts: list[str], tmp_path: Path) -> None:
    daily = made(tmp_path, spx=lines)
    assert daily.settled("SPX", date(2025, 1, 17), "SPXW", 5990.0) == {("SPX", "SPXW"): 5996.66}
    assert daily.daily("SPX", date(2025, 1, 18), 9) == [DailyBar(date(2025, 1, 17), *[5996.66] * 4)]
    assert [each[3] for each in reported(daily)] == texts


def test_an_open_that_one_file_lacks_is_that_of_another(tmp_path: Path) -> None:
    daily = made(
        tmp_path, spx_a=[HEAD, "2025-01-17,,6014,5978,5996.66"], spx_b=[HEAD, "2025-01-17,5995,6014,5978,5996.66"]
    )
    assert daily.settled("SPX", date(2025, 1, 17), "SPXW", 5990.0)["SPX", "SPX"] == 5995.0


@pytest.mark.parametrize("level", [5990.0 * factor for factor in (0.1, 0.95, 1.05, 10.0)])
def test_nothing_settles_at_a_bar_that_is_far_from_its_session(level: float, tmp_path: Path) -> None:
    """Bars of another scale, or adjusted for dividends: by them what expires out of the money is worth much."""
    daily, friday = made(tmp_path, spx=[HEAD, "2025-01-17,5995,6014,5978,5996.66"]), date(2025, 1, 17)
    assert daily.settled("SPX", friday, "SPXW", level) == {}
    ((file, severity, text),) = [(e.file, e.severity, e.text) for e in daily.against("SPX", friday, level, "a.parquet")]
    assert (file, severity) == ("SPX daily", Severity.LEFT_OUT)
    assert text == (
        f"the bar of 2025-01-17, 5978 to 6014, is far from the level {level:g} of its session in a.parquet: "
        "nothing settles at it; is it of another scale?"
    )


def test_a_bar_that_has_all_prices_of_the_one_before_is_left_out_of_an_index_and_reported_of_shares(
    tmp_path: Path,
) -> None:
    """The last row of a file is often that of the day before: options settled at it, and nothing was told."""
    rows = [HEAD, "2025-01-15,5995,6014,5978,5996", "2025-01-16,5995,6014,5978,5996", "2025-01-17,6000,6000,6000,6000"]
    rows.append("2025-01-21,6000,6000,6000,6000")
    daily = made(tmp_path, spx=rows, qqq=rows)
    text = "the bar of 2025-01-16 is that of 2025-01-15, in all its prices: is the row repeated?"
    assert [each for each in reported(daily) if "repeated" in each[3]] == [
        ("QQQ daily", 0, Severity.REPORTED, text),
        ("SPX daily", 0, Severity.LEFT_OUT, text),
    ]
    days = [[bar.date.day for bar in daily.daily(symbol, date(2025, 1, 22), 9)] for symbol in ("SPX", "QQQ")]
    assert days == [[15, 17, 21], [15, 16, 17, 21]]
    assert daily.settled("SPX", date(2025, 1, 16), "SPXW", 5996.0) == {}


def test_daily_bars_of_a_volatility_that_is_a_fraction_are_not_read(tmp_path: Path) -> None:
    daily = made(tmp_path, vix=[HEAD, "2025-01-16,0.16,0.17,0.15,0.165", "2025-01-17,0.16,0.17,0.15,0.16"])
    text = "VIX is in percent, as 16: its median here is 0.1625"
    assert ("VIX daily", 0, Severity.REFUSED, text) in reported(daily)
    assert daily.implied("SPX", date(2025, 1, 18), 9) == []


def test_a_bar_that_is_near_its_session_is_used_and_reported(tmp_path: Path) -> None:
    daily, friday = made(tmp_path, spx=[HEAD, "2025-01-17,5995,6014,5978,5996.66"]), date(2025, 1, 17)
    assert [each.severity for each in daily.against("SPX", friday, 5940.0, "a.parquet")] == [Severity.REPORTED]
    assert daily.settled("SPX", friday, "SPXW", 5940.0)
    assert not list(daily.against("SPX", friday, 5976.0, "a.parquet"))


def test_a_bare_close_has_room_for_the_day_before_it(tmp_path: Path) -> None:
    """Its range is not known: the middle of most sessions lies within two percent of it."""
    daily, friday = made(tmp_path, closes=["date,spx", "2025-01-17,6000"]), date(2025, 1, 17)
    levels = (6110.0, 6200.0, 6300.0)
    found = [[each.severity for each in daily.against("SPX", friday, level, "a")] for level in levels]
    assert found == [[], [Severity.REPORTED], [Severity.LEFT_OUT]]
    assert [bool(daily.settled("SPX", friday, "SPXW", level)) for level in levels] == [True, True, False]


@pytest.mark.parametrize(
    ("symbol", "trading_class", "expires", "last"),
    [
        ("SPX", "SPX", date(2019, 6, 21), date(2019, 6, 20)),
        ("SPX", "SPXW", date(2019, 6, 21), date(2019, 6, 21)),
        ("SPX", "SPX", date(2014, 4, 19), date(2014, 4, 16)),
        ("AAPL", "AAPL", date(2014, 7, 19), date(2014, 7, 18)),
        ("SPY", "SPY", date(2025, 1, 31), date(2025, 1, 31)),
    ],
)
def test_the_last_day_of_an_option_by_the_day_in_its_name(
    symbol: str, trading_class: str, expires: date, last: date
) -> None:
    assert last_day(symbol, trading_class, expires) == last
    assert is_morning_settled(symbol, trading_class) is (trading_class == "SPX")
