"""End-of-day files of vendors: each trap is made by hand, small, and found by file and row."""

import gzip
import re
from collections.abc import Callable
from datetime import date
from math import erf, exp, log, pi, sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rulebot.adapters.history.daily import NO_BARS
from rulebot.adapters.history.session import HistoryDay, Severity, Source
from rulebot.adapters.sources import open_source, written
from rulebot.model.contract import Right
from rulebot.model.errors import MisuseError, StoreError

Line = dict[str, object]
DAYS = (date(2019, 6, 19), date(2019, 6, 20), date(2019, 6, 21))
LEVEL = {day: 2926.0 + 13 * place for place, day in enumerate(DAYS)}


def line(day: date, strike: float, right: str, expires: date, root: str = "SPXW", level: float | None = None) -> Line:
    """Return a row whose quotes and greeks are Black's at 15 %."""
    spot = LEVEL[day] if level is None else level
    years = max((expires - day).days, 0.2) / 365.0
    deviation = 0.15 * sqrt(years)
    d1 = log(spot / strike) / deviation + deviation / 2
    sign = 1.0 if right == "call" else -1.0
    below, below2 = ((1 + erf(sign * d / sqrt(2))) / 2 for d in (d1, d1 - deviation))
    mid = sign * (spot * below - strike * below2)
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    return {
        "underlying": "SPX",
        "underlying_last": spot,
        "optionroot": f"{root}{expires:%y%m%d}{right[0].upper()}{int(strike * 1000):08d}",
        "type": right,
        "expiration": expires.isoformat(),
        "quotedate": day.isoformat(),
        "strike": strike,
        "bid": round(max(mid - 0.2, 0), 2),
        "ask": round(mid + 0.2, 2),
        "volume": 10 + int(strike) % 7,
        "openinterest": 100 + int(strike) % 31,
        "impliedvol": 0.15,
        "delta": round(sign * below, 4),
        "theta": round(-spot * density * 0.15 / (2 * sqrt(years)) / 365, 5),
        "vega": round(spot * density * sqrt(years) / 100, 5),
    }


def chain(day: date, level: float | None = None) -> list[Line]:
    expiries = ((date(2019, 6, 21), "SPX"), (date(2019, 6, 21), "SPXW"), (date(2019, 7, 19), "SPXW"))
    return [
        line(day, strike, right, expires, root, level)
        for expires, root in expiries
        for strike in range(2800, 3080, 20)
        for right in ("call", "put")
    ]


def text_of(rows: list[Line]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]) + "\n"


def snapshots(folder: Path, change: Callable[[date, list[Line]], None] = lambda day, rows: None) -> Path:
    for day in DAYS:
        rows = chain(day)
        if day == DAYS[2]:
            for row in rows:
                if str(row["optionroot"]).startswith("SPX190621"):
                    row["bid"] = row["ask"] = 0.0
        change(day, rows)
        (folder / f"SPX_{day:%Y%m%d}.csv").write_text(text_of(rows))
    return folder


def opened(path: Path) -> Source:
    """Return a source whose one state stands for an instant."""
    return open_source(f"{path}?stands=0")


def texts(day: HistoryDay) -> list[tuple[str, int, Severity, str]]:
    return [(each.file, each.row, each.severity, each.text) for each in day.findings]


def test_a_snapshot_is_read_with_both_classes(tmp_path: Path) -> None:
    source = opened(snapshots(tmp_path))
    day = source.day(DAYS[1])
    assert source.name.startswith("daily snapshots")
    assert len(day.times) == 1
    assert day.levels["SPX"].tolist() == [2939.0]
    assert {(option.trading_class, option.expiry) for option in day.options} == {
        ("SPX", date(2019, 6, 20)),
        ("SPXW", date(2019, 6, 21)),
        ("SPXW", date(2019, 7, 19)),
    }
    place = next(
        p
        for p, o in enumerate(day.options)
        if o.expiry == date(2019, 7, 19) and o.strike == 2940 and o.right is Right.CALL
    )
    expected = line(DAYS[1], 2940, "call", date(2019, 7, 19))
    for name, theirs in (("bid", "bid"), ("ask", "ask"), ("iv", "impliedvol"), ("open_interest", "openinterest")):
        assert getattr(day, name)[0, place] == expected[theirs]
    assert day.findings == ()
    reported = source.gaps(DAYS[0], DAYS[-1])
    assert [each.text for each in reported] == [
        "there is no time of day; quotes count as 15 min before the close",
        "the VIX is computed by its formula where expiries around 30 days are there",
        NO_BARS,
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("bid,", "bidd,", 1), "1: it has no column bid; it has `"),
        (lambda text: text.replace(",", ";"), "columns are parted by commas, not by ';'"),
    ],
)
def test_a_column_that_lacks_is_reported_with_those_that_are_there(
    change: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    file = snapshots(tmp_path) / f"SPX_{DAYS[1]:%Y%m%d}.csv"
    file.write_text(change(file.read_text()))
    with pytest.raises(StoreError) as caught:
        opened(tmp_path).day(DAYS[1])
    assert said in str(caught.value)


def test_the_vix_of_a_chain_is_computed_from_it(tmp_path: Path) -> None:
    expiries = (date(2019, 7, 15), date(2019, 7, 22))
    rows = [
        line(DAYS[0], strike, right, expires)
        for expires in expiries
        for strike in range(2400, 3300, 5)
        for right in ("call", "put")
    ]
    (tmp_path / "SPX_20190619.csv").write_text(text_of(rows))
    day = opened(tmp_path).day(DAYS[0])
    assert day.levels["VIX"][0] == pytest.approx(15.0, abs=0.1)


@pytest.mark.parametrize("strikes", [range(2700, 2810, 10), range(2700, 2930, 10), range(2930, 3100, 10)])
def test_no_vix_is_made_of_strikes_on_one_side_of_the_level(tmp_path: Path, strikes: range) -> None:
    expiries = (date(2019, 7, 15), date(2019, 7, 22))
    sides = [(strike, right, expires) for expires in expiries for strike in strikes for right in ("call", "put")]
    rows = [line(DAYS[0], *side) for side in sides]
    (tmp_path / "SPX_20190619.csv").write_text(text_of(rows))
    assert opened(tmp_path).day(DAYS[0]).levels.keys() == {"SPX"}


def test_a_snapshot_stands_for_a_while(tmp_path: Path) -> None:
    source = open_source(str(snapshots(tmp_path)))
    day = source.day(DAYS[0])
    assert len(day.times) == 11
    assert (np.diff(day.times) == 60.0).all()
    assert day.bid.shape == (11, 84)
    assert (np.nan_to_num(day.bid) == np.nan_to_num(day.bid[0])).all()
    assert (day.levels["SPX"] == 2926.0).all()
    assert "15 min before the close, and for 10 min" in source.gaps(DAYS[0], DAYS[-1])[0].text
    assert len(open_source(f"{tmp_path}?at=15:58").day(DAYS[0]).times) == 2


def test_the_time_of_a_snapshot_can_be_given(tmp_path: Path) -> None:
    source = open_source(f"snapshots:{snapshots(tmp_path)}?at=11:00&stands=0")
    assert source.day(DAYS[0]).times.tolist() == [1560956400.0]
    with pytest.raises(StoreError, match="at=17:00 is outside of the session"):
        open_source(f"snapshots:{tmp_path}?at=17:00").day(DAYS[0])
    with pytest.raises(MisuseError, match="at= is a time of the exchange"):
        open_source(f"snapshots:{tmp_path}?at=soon")


def test_a_series_settled_this_morning_is_left_out_beside_the_live_one(tmp_path: Path) -> None:
    day = opened(snapshots(tmp_path)).day(DAYS[2])
    assert {option.trading_class for option in day.options} == {"SPXW"}
    assert ("SPXW", DAYS[2]) in {(option.trading_class, option.expiry) for option in day.options}
    (found,) = day.findings
    assert (found.file, found.row, found.severity, found.count) == ("SPX_20190621.csv", 2, Severity.LEFT_OUT, 28)
    assert found.text.startswith("the option has expired before this session, and bid and ask are 0")


def test_a_day_of_which_every_option_has_expired_has_none(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        if day == DAYS[1]:
            for row in rows:
                row["expiration"] = "2019-06-14"
                row["optionroot"] = re.sub(r"\d{6}(?=[CP])", "190614", str(row["optionroot"]))

    source = opened(snapshots(tmp_path, change))
    day = source.day(DAYS[1])
    assert day.options == ()
    assert day.levels["SPX"].tolist() == [2939.0]
    assert "the option has expired before this session" in day.findings[-1].text
    assert len(source.day(DAYS[2]).options) == 56


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("strike", 2805.0, "(2805 call 2019-06-20)"),
        ("type", "put", "(2800 put 2019-06-20)"),
        ("expiration", "2019-07-19", "(2800 call 2019-07-18)"),
    ],
)
def test_a_contract_that_is_another_one_than_its_columns_say_is_left_out(
    name: str, value: object, said: str, tmp_path: Path
) -> None:
    """Strikes that a vendor has adjusted for a split, beside contracts that he has not: nothing was told."""

    def change(day: date, rows: list[Line]) -> None:
        for row in rows[:1] if day == DAYS[0] else rows:
            row[name] = value

    source = opened(snapshots(tmp_path, change))
    text = "optionroot SPX190621C02800000 is another option than strike, right and expiry say"
    day = source.day(DAYS[0])
    assert texts(day) == [("SPX_20190619.csv", 2, Severity.LEFT_OUT, f"{text} {said}")]
    assert len(day.options) == 83
    with pytest.raises(StoreError, match=f"SPX_20190620.csv:[23]: {text[:9]}.*{text[30:]}"):
        source.day(DAYS[1])


def test_a_holiday_with_stale_rows_is_refused(tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    rows = chain(DAYS[2])
    for row in rows:
        row["quotedate"] = "2019-07-04"
    (folder / "SPX_20190704.csv").write_text(text_of(rows))
    source = opened(folder)
    assert source.dates(date(2019, 1, 1), date(2019, 12, 31)) == list(DAYS)
    refused = [each for each in source.gaps(DAYS[0], date(2019, 7, 31)) if each.severity is Severity.REFUSED]
    assert [each.text for each in refused] == [
        "2019-07-04 is no session of the exchange: what it holds is stale; the level 2952 is that of 2019-06-21"
    ]
    with pytest.raises(StoreError, match="2019-07-04 is no session"):
        source.day(date(2019, 7, 4))


def test_a_session_with_the_rows_of_the_day_before_is_refused(tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    stale = text_of(chain(DAYS[0])).replace("2019-06-19", "2019-06-20")
    (folder / "SPX_20190620.csv").write_text(stale)
    with pytest.raises(
        StoreError, match=r"SPX_20190620.csv:2: 100% of its quotes are those of 2019-06-19: it is stale"
    ):
        opened(folder).day(DAYS[1])


@pytest.mark.parametrize("moved", ["bid", "level"])
def test_a_session_that_has_but_the_level_or_but_the_bids_of_the_day_before_is_read(tmp_path: Path, moved: str) -> None:
    folder = snapshots(tmp_path)
    rows = [{**row, "quotedate": DAYS[1].isoformat()} for row in chain(DAYS[0])]
    for row in rows:
        if moved == "level":
            row["underlying_last"] = LEVEL[DAYS[0]] + 0.01
        elif float(str(row["bid"])) > 0:
            row["bid"] = round(float(str(row["bid"])) - 0.01, 2)
    (folder / "SPX_20190620.csv").write_text(text_of(rows))
    day = opened(folder).day(DAYS[1])
    assert day.levels["SPX"].tolist() == [rows[0]["underlying_last"]]
    stale = "100% of its quotes are those of 2019-06-19, and its level is not: are they stale?"
    assert [each.text for each in day.findings] == ([stale] if moved == "level" else [])


def test_days_with_the_month_first_are_those_of_their_file(tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    american = text_of(chain(DAYS[1])).replace("2019-06-20", "06/20/2019")
    (folder / "SPX_20190620.csv").write_text(american)
    assert opened(folder).day(DAYS[1]).levels["SPX"].tolist() == [LEVEL[DAYS[1]]]
    (folder / "SPX_20190620.csv").write_text(american.replace("06/20/2019", "06/19/2019"))
    with pytest.raises(StoreError, match="the row's date is 06/19/2019, the file's 2019-06-20"):
        opened(folder).day(DAYS[1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(",10,", ",many,").replace(",11,", ",many,"),
        lambda text: text[:-40],
        lambda text: text.replace("2019-06-20", "2019-06-19"),
    ],
)
def test_a_day_is_not_refused_for_the_file_of_the_day_before(spoil: Callable[[str], str], tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    file = folder / "SPX_20190620.csv"
    file.write_text(spoil(file.read_text()))
    source = opened(folder)
    with pytest.raises(StoreError, match=r"SPX_20190620.csv:"):
        source.day(DAYS[1])
    day = source.day(DAYS[2])
    assert len(day.options) == 56
    assert (
        "SPX_20190621.csv",
        0,
        Severity.REPORTED,
        "it is compared with no day before: 2019-06-20 cannot be read",
    ) in (texts(day))


def test_a_holiday_beside_a_file_that_cannot_be_read_is_reported_all_the_same(tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    (folder / "SPX_20190621.csv").write_text(text_of(chain(DAYS[2]))[:-40])
    (folder / "SPX_20190704.csv").write_text(text_of(chain(DAYS[2])).replace("2019-06-21", "2019-07-04"))
    refused = [each for each in opened(folder).gaps(DAYS[0], date(2019, 7, 31)) if each.severity is Severity.REFUSED]
    assert [each.text for each in refused] == ["2019-07-04 is no session of the exchange: what it holds is stale"]


def test_a_day_after_one_whose_level_is_zero_is_read(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        if day == DAYS[0]:
            for row in rows:
                row["underlying_last"] = 0.0

    source = opened(snapshots(tmp_path, change))
    with pytest.raises(StoreError, match="there is no level of SPX"):
        source.day(DAYS[0])
    assert source.day(DAYS[1]).levels["SPX"].tolist() == [2939.0]


def test_a_file_of_another_day_is_refused(tmp_path: Path) -> None:
    folder = snapshots(tmp_path)
    (folder / "SPX_20190620.csv").write_text(text_of(chain(DAYS[0])))
    with pytest.raises(StoreError, match=r"SPX_20190620.csv:2: the row's date is 2019-06-19, the file's 2019-06-20"):
        opened(folder).day(DAYS[1])


def test_crossed_and_empty_quotes_are_left_out_by_row(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        rows[70]["bid"] = 999.0
        rows[71]["bid"] = rows[71]["ask"] = 0
        rows[72]["bid"] = 0

    own = int(np.isnan(opened(snapshots(tmp_path)).day(DAYS[0]).bid).sum())
    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert texts(day) == [
        ("SPX_20190619.csv", 72, Severity.LEFT_OUT, "the bid is above the ask"),
        ("SPX_20190619.csv", 73, Severity.LEFT_OUT, "neither bid nor ask"),
    ]
    assert np.isnan(day.ask).sum() == 2
    assert np.isnan(day.bid).sum() == own + 3


def test_a_header_that_calls_the_price_an_open_interest_is_judged_by_the_values(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        for row in rows:
            row["oi_2"], row["option_id"] = row.pop("volume"), row.pop("openinterest")
            row["volume"], row["open_interest"] = 0, row["underlying_last"]

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert texts(day) == [
        (
            "SPX_20190619.csv",
            2,
            Severity.REPORTED,
            "open_interest holds the price of the underlying (2926); judged by their values, option_id is the open "
            "interest and oi_2 the volume",
        )
    ]
    assert day.open_interest is not None
    assert day.volume is not None
    assert 100 <= day.open_interest.min() <= day.open_interest.max() <= 130
    assert 10 <= day.volume.min() <= day.volume.max() <= 16


def test_without_another_column_of_counts_there_is_no_open_interest(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        for row in rows:
            row["openinterest"] = row["underlying_last"]

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert day.open_interest is None
    assert day.volume is not None
    assert "it is not used" in day.findings[0].text


def test_greeks_in_other_units_are_converted_and_reported(tmp_path: Path) -> None:
    own = opened(snapshots(tmp_path)).day(DAYS[0])

    def change(day: date, rows: list[Line]) -> None:
        for row in rows:
            row["theta"], row["vega"] = float(str(row["theta"])) * 365, float(str(row["vega"])) * 100

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert [each.text for each in day.findings] == [
        "theta is a year, judged by its iv: it is converted",
        "vega is for a volatility of 1, judged by its iv: it is converted",
    ]
    assert own.theta is not None
    assert day.theta is not None
    assert np.allclose(own.theta, day.theta, atol=1e-9)


def test_greeks_that_fit_no_unit_are_not_used(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        for row in rows:
            row["vega"] = 7.77

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert day.vega is None
    assert day.theta is not None
    assert "it is not used" in day.findings[0].text


def test_quotes_of_another_time_than_the_level_are_reported(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        for row in rows:
            row["underlying_last"] = LEVEL[day] - 6

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert [each.text[:43] for each in day.findings] == ["by put-call parity the forward is 2926.00, "]


def test_of_two_levels_of_a_day_the_first_counts_and_it_is_reported(tmp_path: Path) -> None:
    def change(day: date, rows: list[Line]) -> None:
        for row in rows[42:]:
            row["underlying_last"] = LEVEL[day] + 1
        rows[0]["underlying_last"] = ""

    day = opened(snapshots(tmp_path, change)).day(DAYS[0])
    assert day.levels["SPX"].tolist() == [2926.0]
    assert [(each.row, each.severity, each.text, each.count) for each in day.findings] == [
        (44, Severity.REPORTED, "an earlier row has another level at the same time: the first one counts", 42)
    ]


def test_a_level_outside_of_the_official_range_is_reported(tmp_path: Path) -> None:
    (tmp_path / "chains").mkdir()
    (tmp_path / "daily").mkdir()
    (tmp_path / "daily" / "spx_daily.csv").write_text("date,open,high,low,close\n2019-06-19,2960,2970,2950,2955\n")
    day = opened(snapshots(tmp_path / "chains")).day(DAYS[0])
    assert [each.text for each in day.findings] == ["the level 2926 is outside of the day's range, 2950 to 2970"]
    assert day.settled == {("SPX", "SPXW"): 2955.0, ("SPX", "SPX"): 2960.0}


# ------------------------------------------------------------------ one file of many days


def many(folder: Path, lines: list[str]) -> Path:
    file = folder / "spx_eod.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def all_lines() -> list[str]:
    header, *rest = [each for day in DAYS for each in text_of(chain(day)).splitlines()]
    return [header, *(each for each in rest if each != header)]


def test_a_file_of_many_days_is_read_a_day_at_a_time(tmp_path: Path) -> None:
    source = opened(many(tmp_path, all_lines()))
    assert source.dates(DAYS[0], DAYS[-1]) == list(DAYS)
    day = source.day(DAYS[1])
    assert len(day.options) == 84
    assert day.levels["SPX"].tolist() == [2939.0]


@pytest.mark.parametrize("name", ["SPX_20190619_20190621.csv", "SPX_2019-06-21.csv"])
@pytest.mark.parametrize("kind", ["eod:", ""])
def test_a_file_of_many_days_may_be_named_after_some_of_them(kind: str, name: str, tmp_path: Path) -> None:
    many(tmp_path, all_lines()).rename(tmp_path / name)
    source = open_source(f"{kind}{tmp_path / name}")
    assert source.dates(DAYS[0], DAYS[-1]) == list(DAYS)
    assert len(source.day(DAYS[1]).options) == 84
    assert str(tmp_path / name) in written(f"{kind}{tmp_path / name}", DAYS[0])


def test_files_of_several_days_in_a_folder_are_no_snapshots(tmp_path: Path) -> None:
    """Such a file was refused: it had rows of other days than the first in its name."""
    many(tmp_path, all_lines()).rename(tmp_path / "SPX_20190619_20190621.csv")
    assert opened(tmp_path).dates(DAYS[0], DAYS[-1]) == list(DAYS)


@pytest.mark.parametrize("kind", ["snapshots:", ""])
def test_a_parquet_file_of_a_day_may_have_the_day_of_its_export_in_its_name(kind: str, tmp_path: Path) -> None:
    """With two days in its name it was passed over without a word, and its session was missing."""
    for day in DAYS:
        rows = chain(day)
        table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
        pq.write_table(table, tmp_path / f"SPX_{day:%Y%m%d}{'_20240101' if day == DAYS[2] else ''}.parquet")
    source = open_source(f"{kind}{tmp_path}")
    assert source.dates(DAYS[0], DAYS[-1]) == list(DAYS)
    assert str(source.name).startswith("daily snapshots")


def test_a_file_of_many_days_in_a_folder_counts_before_its_last_one(tmp_path: Path) -> None:
    many(tmp_path, all_lines()).rename(tmp_path / "SPX_20240101_20190619.csv")
    assert str(tmp_path / "SPX_20240101_20190619.csv") in written(f"eod:{tmp_path}", DAYS[0])


def test_it_may_be_compressed_and_a_cut_compression_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spx_eod.csv.gz"
    packed = gzip.compress("\n".join([*all_lines(), ""]).encode())
    file.write_bytes(packed)
    assert len(open_source(f"eod:{file}").day(DAYS[2]).options) > 50
    file.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(StoreError, match=r"spx_eod.csv.gz: the file is cut off within its compression"):
        open_source(f"eod:{file}")


def test_a_file_that_ends_within_a_row_loses_that_day_only(tmp_path: Path) -> None:
    file = many(tmp_path, all_lines())
    file.write_text(file.read_text()[:-40])
    source = opened(file)
    assert len(source.day(DAYS[0]).options) == 84
    with pytest.raises(StoreError, match=r"spx_eod.csv:253: the file ends within a row: it is cut off"):
        source.day(DAYS[2])
    assert any(each.severity is Severity.REFUSED and each.row == 253 for each in source.gaps(DAYS[0], DAYS[-1]))


def test_days_out_of_order_and_rows_that_stand_apart_are_reported(tmp_path: Path) -> None:
    header, *rows = all_lines()
    source = opened(many(tmp_path, [header, *rows[84:], *rows[:84], rows[100]]))
    assert {(each.row, each.text) for each in source.gaps(DAYS[0], DAYS[-1])} >= {
        (170, "the days are out of order in the file"),
        (254, "rows of one day are not together in the file"),
    }
    day = source.day(DAYS[1])
    assert [(each.row, each.severity, each.text) for each in day.findings] == [
        (254, Severity.LEFT_OUT, "a duplicate of an earlier quote")
    ]


def test_rows_with_too_few_fields_and_bad_numbers_are_named(tmp_path: Path) -> None:
    header, *rows = all_lines()
    rows[5] = rows[5].rsplit(",", 2)[0]
    day = opened(many(tmp_path, [header, *rows])).day(DAYS[0])
    assert [(each.row, each.text) for each in day.findings] == [(7, "a row has 15 fields, too few")]
    rows[6] = rows[6].replace(",0.15,", ",high,")
    with pytest.raises(StoreError, match=r"spx_eod.csv:8: impliedvol is a number, is 'high'"):
        opened(many(tmp_path, [header, *rows])).day(DAYS[0])


def without_contract(symbols: dict[str, str]) -> list[Line]:
    """Return a chain without a column of contracts, the underlying of each class under another name."""
    rows = chain(DAYS[0])
    for row in rows:
        row["underlying"] = symbols[str(row.pop("optionroot"))[:-15]]
    return rows


def test_without_a_contract_an_index_option_settles_at_the_close_and_it_is_reported(tmp_path: Path) -> None:
    rows = without_contract({"SPX": "SPX", "SPXW": "SPX"})
    day = opened(many(tmp_path, text_of(rows[28:]).splitlines())).day(DAYS[0])
    assert {(each.trading_class, each.expiry.isoformat()) for each in day.options} == {
        ("SPXW", "2019-06-21"),
        ("SPXW", "2019-07-19"),
    }
    text = "no column has the class of its options: they are assumed to be SPXW, which settles at the close"
    assert texts(day) == [("spx_eod.csv", 1, Severity.REPORTED, text)]


def test_a_column_of_the_underlying_may_report_the_class(tmp_path: Path) -> None:
    rows = without_contract({"SPX": "^spx", "SPXW": "spxw"})
    day = opened(many(tmp_path, text_of(rows).splitlines())).day(DAYS[0])
    known = opened(many(tmp_path, text_of(chain(DAYS[0])).splitlines())).day(DAYS[0])
    assert day.options == known.options
    assert not texts(day)


@pytest.mark.parametrize("end", ["\r", "\r\r\n"])
def test_lines_of_many_days_that_end_with_a_carriage_return_alone_are_refused(end: str, tmp_path: Path) -> None:
    """Days are found by lines of text, and read by line feeds: with quotes it was a traceback. Blank lines are none."""
    file = tmp_path / "all.csv"
    text = text_of([*chain(DAYS[0]), *chain(DAYS[1])]).replace("SPX,", '"SPX",')
    file.write_bytes(text.replace("\n", end).encode())
    if end != "\r":
        assert len(open_source(f"eod:{file}").day(DAYS[1]).options) == 84
        return
    with pytest.raises(StoreError, match=r"all.csv:1: the line ends with a carriage return alone"):
        open_source(f"eod:{file}")


def test_days_with_the_day_first_refuse_a_file(tmp_path: Path) -> None:
    """The 5th of June beside them would be the 6th of May."""
    lines = text_of([{**row, "quotedate": "05/06/2019"} for row in chain(DAYS[0])]).splitlines()
    rows = text_of([{**row, "quotedate": "19/06/2019"} for row in chain(DAYS[0])]).splitlines()[1:]
    with pytest.raises(StoreError, match=r"spx_eod.csv:86: 19/06/2019 has the day first, where 05/24/2019 has"):
        opened(many(tmp_path, [*lines, *rows]))


@pytest.mark.parametrize("written", ["06/19/19", "19.06.2019", "2019/06/19", "6/19/2019"])
def test_days_written_otherwise_are_refused_with_the_row(written: str, tmp_path: Path) -> None:
    text = text_of(chain(DAYS[0]))
    with pytest.raises(StoreError, match=rf"spx_eod.csv:2: quotedate is like 2019-05-24, is '{written}'"):
        opened(many(tmp_path, text.replace("2019-06-19", written).splitlines()))
    with pytest.raises(StoreError, match=rf"spx_eod.csv:2: an expiry is like 2019-05-24, is '{written}'"):
        opened(many(tmp_path, text.replace("2019-06-21", written).splitlines())).day(DAYS[0])


def test_contracts_that_are_gone_the_next_day_are_reported(tmp_path: Path) -> None:
    header, *rows = all_lines()
    source = opened(many(tmp_path, [header, *rows[:84], *rows[160:168]]))
    day = source.day(DAYS[1])
    assert day.findings[0].text == "only 8 of the 84 contracts of 2019-06-19 that have not expired are there"


def test_a_split_between_two_days_is_reported(tmp_path: Path) -> None:
    rows = [*chain(DAYS[0]), *[{**row, "quotedate": DAYS[1].isoformat()} for row in chain(DAYS[0], LEVEL[DAYS[0]])]]
    for row in rows[84:]:
        for name in ("underlying_last", "strike", "bid", "ask"):
            row[name] = round(float(str(row[name])) / 7, 4)
        row.pop("optionroot")
        row["underlying"] = "AAPL"
    for row in rows[:84]:
        row.pop("optionroot")
        row["underlying"] = "AAPL"
    (tmp_path / "aapl.csv").write_text(text_of(rows))
    day = opened(tmp_path / "aapl.csv").day(DAYS[1])
    assert any("as after a split of 7: contracts of before it are others now" in each.text for each in day.findings)


@pytest.mark.parametrize("order", [1, -1], ids=["as listed", "the other way round"])
def test_a_quote_that_its_neighbours_contradict_is_reported_by_its_row(order: int, tmp_path: Path) -> None:
    day = DAYS[0]
    rows = chain(day)[::order]
    at = next(place for place, each in enumerate(rows) if each["strike"] == 2860 and each["type"] == "put")
    rows[at] |= {"bid": 12.4, "ask": 12.6}
    (tmp_path / f"{day}.csv").write_text(text_of(rows))
    (found,) = [each for each in open_source(f"snapshots:{tmp_path}").day(day).findings if "is far from" in each.text]
    assert (found.file, found.row, found.severity) == (f"{day}.csv", at + 2, Severity.LEFT_OUT)
