"""Lean's zip files: what they hold is read at the right minute, and every flaw is told by entry and row."""

import zipfile
from datetime import date, time
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history import lean_files
from rulebot.adapters.history.session import HistoryDay, Severity
from rulebot.adapters.sources import open_source, written
from rulebot.model.contract import Right
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import session_on

DAY = date(2021, 1, 4)
GOOG = Path(__file__).parents[3] / "examples" / "data" / "goog_2015-12-24"
OPEN = 34_200_000
STRIKES = (3700, 3720)


def levels(count: int = 390) -> list[float]:
    rng = np.random.default_rng(11)
    return [round(float(level), 2) for level in 3710 + np.cumsum(rng.normal(0, 1.0, count))]


def index_lines(begins: int = OPEN) -> list[str]:
    return [f"{begins + 60_000 * m},{level},{level},{level},{level},60" for m, level in enumerate(levels())]


def quote_lines(strike: int, right: str, known: list[float] | None = None) -> list[str]:
    sign = 1 if right == "call" else -1
    found = []
    for minute, level in enumerate(known or levels()):
        bid, ask = (round((40 + sign * (level - strike) / 2 + side) * 10_000) for side in (-0.5, 0.5))
        found.append(f"{OPEN + 60_000 * minute},{bid},{bid},{bid},{bid},12,{ask},{ask},{ask},{ask},15")
    return found


def zipped(path: Path, files: dict[str, list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in files.items():
            archive.writestr(name, "\n".join(lines) + "\n")


def entry(strike: int, right: str, expires: str = "20210104") -> str:
    return f"20210104_spxw_minute_quote_european_{right}_{strike * 10_000}_{expires}.csv"


def root(
    folder: Path, changes: dict[str, list[str]] | None = None, index: list[str] | None = None, name: str = "20210104"
) -> Path:
    files = {entry(strike, right): quote_lines(strike, right) for strike in STRIKES for right in ("call", "put")}
    minutes = folder / "indexoption" / "usa" / "minute" / "spxw"
    zipped(minutes / f"{name}_quote_european.zip", files | (changes or {}))
    zipped(
        folder / "index" / "usa" / "minute" / "spx" / f"{name}_trade.zip",
        {f"{name}_spx_minute_trade.csv": index_lines(OPEN - 3_600_000) if index is None else index},
    )
    return folder


def reported(day: HistoryDay) -> list[tuple[str, int, Severity, str]]:
    return [(each.file.partition("/")[2], each.row, each.severity, each.text) for each in day.findings]


def test_minutes_in_central_time_are_moved_by_an_hour_and_reported(tmp_path: Path) -> None:
    day = open_source(str(root(tmp_path))).day(DAY)
    assert reported(day) == [
        (
            "20210104_spx_minute_trade.csv",
            1,
            Severity.REPORTED,
            "the minutes begin an hour before the open: they are Central time, and are moved by an hour",
        )
    ]
    session = session_on(DAY)
    assert session is not None
    assert day.times[0] == session.at(time(9, 31)).timestamp()
    assert day.times[-1] == session.close.timestamp()
    assert day.levels["SPX"].tolist() == levels()
    put = next(p for p, o in enumerate(day.options) if o.strike == 3700 and o.right is Right.PUT)
    assert day.bid[5, put] == pytest.approx(40 - (levels()[5] - 3700) / 2 - 0.5, abs=1e-4)
    assert day.bid_size is not None
    assert day.bid_size[5, put] == 12


def test_minutes_in_eastern_time_stay_where_they_are(tmp_path: Path) -> None:
    day = open_source(str(root(tmp_path, index=index_lines()))).day(DAY)
    assert day.findings == ()
    assert day.levels["SPX"].tolist() == levels()


def test_levels_that_quotes_do_not_follow_are_refused(tmp_path: Path) -> None:
    """The file begins at 09:30 and is an hour off all the same, which only parity can say."""
    late = levels(450)
    files = {
        entry(strike, right): quote_lines(strike, right, late[:390]) for strike in STRIKES for right in ("call", "put")
    }
    index = [f"{OPEN + 60_000 * m},{v},{v},{v},{v},60" for m, v in enumerate(late[60:])]
    with pytest.raises(StoreError, match="the levels seem an hour early"):
        open_source(str(root(tmp_path, files, index))).day(DAY)


def test_a_bar_without_a_change_repeats_and_a_side_without_a_quote_does_not(tmp_path: Path) -> None:
    name = entry(3700, "put")
    lines = quote_lines(3700, "put")
    lines[3] = f"{OPEN + 180_000},,,,,0,400000,400000,400000,400000,7"
    lines[4] = f"{OPEN + 240_000},390000,390000,390000,390000,0,,,,,0"
    del lines[5:8]
    day = open_source(str(root(tmp_path, {name: lines}, index_lines()))).day(DAY)
    put = next(p for p, o in enumerate(day.options) if o.strike == 3700 and o.right is Right.PUT)
    assert (np.isnan(day.bid[3, put]), day.ask[3, put]) == (True, 40.0)
    assert day.bid[4:8, put].tolist() == [39.0] * 4
    assert np.isnan(day.ask[4:8, put]).all()
    assert not np.isnan(day.ask[8, put])
    assert reported(day) == [(name, 5, Severity.REPORTED, "there is a bid and no ask: the ask is not known")]


def test_crossed_doubled_and_disordered_bars_are_named(tmp_path: Path) -> None:
    name, other, third = entry(3700, "put"), entry(3720, "put"), entry(3720, "call")
    crossed = quote_lines(3700, "put")
    crossed[9] = f"{OPEN + 540_000},500000,500000,500000,500000,1,490000,490000,490000,490000,1"
    doubled = quote_lines(3720, "put")
    doubled.insert(4, doubled[3].replace(",12,", ",99,"))
    mixed = quote_lines(3720, "call")
    mixed[20], mixed[21] = mixed[21], mixed[20]
    mixed[30] = mixed[30][:20]
    day = open_source(str(root(tmp_path, {name: crossed, other: doubled, third: mixed}, index_lines()))).day(DAY)
    assert sorted(reported(day), key=str) == sorted(
        [
            (name, 10, Severity.LEFT_OUT, "the bid is above the ask"),
            (other, 5, Severity.LEFT_OUT, "there is a bar of the same minute before"),
            (third, 31, Severity.LEFT_OUT, "a bar has 11 numbers, too few"),
            (third, 22, Severity.REPORTED, "the bars are out of order; they are sorted"),
        ],
        key=str,
    )
    put = next(p for p, o in enumerate(day.options) if o.strike == 3700 and o.right is Right.PUT)
    assert np.isnan(day.bid[9, put])
    assert not np.isnan(day.bid[10, put])


def test_an_entry_that_names_no_option_is_refused_with_its_zip(tmp_path: Path) -> None:
    folder = root(tmp_path)
    with zipfile.ZipFile(next(folder.rglob("20210104_quote_european.zip")), "a") as archive:
        archive.writestr("notes.txt", "of mine")
    with pytest.raises(StoreError, match=r"20210104_quote_european.zip/notes.txt: the name of an entry ends in right"):
        open_source(f"lean:{folder}").day(date(2021, 1, 4))


def test_an_entry_that_is_large_beyond_reason_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of somebody else's data may stand for more than the machine's memory."""
    folder = root(tmp_path)
    monkeypatch.setattr(lean_files, "MOST", 1_000_000)
    with zipfile.ZipFile(next(folder.rglob("20210104_quote_european.zip")), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.csv", b"0" * 1_000_001)
    with pytest.raises(StoreError, match=r"20210104_quote_european.zip/zeros.csv: it has more than"):
        open_source(f"lean:{folder}").day(date(2021, 1, 4))


def test_a_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    root(tmp_path)
    file = tmp_path / "indexoption" / "usa" / "minute" / "spxw" / "20210104_quote_european.zip"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(StoreError, match=r"20210104_quote_european.zip: the zip file is damaged or cut off"):
        open_source(str(tmp_path)).day(DAY)


@pytest.mark.parametrize(
    "line",
    ["", f"{OPEN + 60_000},,,,,0,,,,,0", f"{OPEN - 60_000},1,1,1,1,1,2,2,2,2,1\n{OPEN},,,,,0,,,,,0"],
    ids=["no bar", "neither bid nor ask", "quoted before the open"],
)
def test_a_session_without_one_quote_is_refused(line: str, tmp_path: Path) -> None:
    expired = {entry(3700, "put", "20201231"): quote_lines(3700, "put")}
    empty = {entry(strike, right): [line] for strike in STRIKES for right in ("call", "put")}
    source = open_source(str(root(tmp_path, empty | expired, index_lines())))
    with pytest.raises(StoreError, match="no option is quoted within the session") as raised:
        source.day(DAY)
    assert raised.value.message.startswith("20210104_quote_european.zip: ")


@pytest.mark.parametrize("kept", [20, 3], ids=["within its prices", "within its time"])
def test_an_entry_that_ends_within_a_row_is_refused(kept: int, tmp_path: Path) -> None:
    name = entry(3700, "put")
    *whole, last = quote_lines(3700, "put")
    minutes = root(tmp_path, index=index_lines()) / "indexoption" / "usa" / "minute" / "spxw"
    with zipfile.ZipFile(minutes / "20210104_quote_european.zip", "w") as archive:
        archive.writestr(name, "\n".join(["", *whole, last[:kept]]))
    with pytest.raises(StoreError) as raised:
        open_source(str(tmp_path)).day(DAY)
    text = f"20210104_quote_european.zip/{name}:391: the file ends within a row: it is cut off"
    assert raised.value.message == text


def test_an_entry_whose_last_row_is_whole_needs_no_end_of_line(tmp_path: Path) -> None:
    minutes = root(tmp_path, index=index_lines()) / "indexoption" / "usa" / "minute" / "spxw"
    with zipfile.ZipFile(minutes / "20210104_quote_european.zip", "w") as archive:
        for strike in STRIKES:
            for right in ("call", "put"):
                archive.writestr(entry(strike, right), "\n".join(quote_lines(strike, right)))
    assert open_source(str(tmp_path)).day(DAY).findings == ()


def test_index_prices_that_were_scaled_are_refused(tmp_path: Path) -> None:
    index = [f"{OPEN + 60_000 * m},{int(v * 10_000)},0,0,{int(v * 10_000)},6" for m, v in enumerate(levels())]
    with pytest.raises(StoreError, match="scaled"):
        open_source(str(root(tmp_path, index=index))).day(DAY)


def test_an_hour_without_the_underlying_is_reported(tmp_path: Path) -> None:
    index = index_lines()
    del index[100:160]
    day = open_source(str(root(tmp_path, index=index))).day(DAY)
    assert [each.text for each in day.findings] == ["there is no bar from 11:10 to 12:10"]


def test_an_option_that_expired_the_day_before_is_left_out(tmp_path: Path) -> None:
    day = open_source(
        str(root(tmp_path, {entry(3700, "put", "20201231"): quote_lines(3700, "put")}, index_lines()))
    ).day(DAY)
    assert [each.text for each in day.findings] == ["the option has expired before this session"]
    assert {option.expiry for option in day.options} == {DAY}


def test_a_holiday_is_refused_and_a_day_without_its_underlying_too(tmp_path: Path) -> None:
    root(tmp_path)
    root(tmp_path, name="20210118")
    source = open_source(str(tmp_path))
    assert source.dates(date(2021, 1, 1), date(2021, 1, 31)) == [DAY]
    assert source.gaps(date(2021, 1, 1), date(2021, 1, 31))[0].text.startswith("2021-01-18 is no session")
    (tmp_path / "index" / "usa" / "minute" / "spx" / "20210104_trade.zip").unlink()
    with pytest.raises(StoreError, match="there are no minutes of SPX beside its options"):
        source.day(DAY)


def test_a_folder_of_several_symbols_asks_for_one(tmp_path: Path) -> None:
    root(tmp_path)
    (tmp_path / "option" / "usa" / "minute" / "goog").mkdir(parents=True)
    zipped(tmp_path / "option" / "usa" / "minute" / "goog" / "20151224_quote_american.zip", {})
    with pytest.raises(MisuseError, match="has minutes of GOOG, SPX: name one"):
        open_source(f"lean:{tmp_path}")
    assert open_source(f"lean:{tmp_path}?symbol=spx").name == "Lean minutes of SPX"
    assert open_source(str(tmp_path / "indexoption" / "usa" / "minute" / "spxw")).name == "Lean minutes of SPX"
    with pytest.raises(MisuseError, match="no minutes of quotes of AAPL"):
        open_source(f"lean:{tmp_path}?symbol=aapl")


def test_files_of_other_symbols_are_none_of_what_its_sessions_are_made_of(tmp_path: Path) -> None:
    """A sweep over one symbol went on no more once another one's file was written anew."""
    root(tmp_path)
    other = tmp_path / "equity" / "usa" / "minute" / "goog" / "20210104_trade.zip"
    zipped(other, {"20210104_goog_minute_trade.csv": ["1"]})
    found = [Path(file).parent.name for file in written(f"lean:{tmp_path}?symbol=SPX", DAY)]
    assert sorted(found) == ["spx", "spxw"]
    assert str(other) in written(f"lean:{tmp_path}", DAY)


def test_the_shipped_half_day_is_whole_and_sound() -> None:
    source = open_source(str(GOOG))
    day = source.day(date(2015, 12, 24))
    session = session_on(date(2015, 12, 24))
    assert session is not None
    assert session.is_half
    assert (len(day.times), len(day.options)) == (210, 2192)
    assert day.times[-1] == session.close.timestamp()
    assert not (day.bid > day.ask).any()
    assert {each.text.partition(" (")[0] for each in day.findings} == {
        "there is a bid and no ask",
        "the 805 call at 1.075 is far from the neighbouring strikes, 0.375 and 0.375",
    }
    assert 746 < day.levels["GOOG"].min() < day.levels["GOOG"].max() < 752
    assert day.settled == {("GOOG", "GOOG"): 748.4}
    bars = source.daily("GOOG", date(2015, 12, 24), 500)
    assert (bars[0].date, bars[-1].date, bars[-1].close) == (date(2014, 4, 3), date(2015, 12, 23), 750.31)


@pytest.mark.parametrize(("factor", "is_used"), [(1.0, True), (0.95, False), (10.0, False)])
def test_daily_bars_of_another_scale_settle_nothing_and_are_reported(
    tmp_path: Path, factor: float, is_used: bool
) -> None:
    root(tmp_path, index=index_lines())
    prices = ",".join(f"{factor * each}" for each in (levels()[0], max(levels()), min(levels()), levels()[-1]))
    (tmp_path / "daily").mkdir()
    (tmp_path / "daily" / "spx_daily.csv").write_text(f"date,open,high,low,close\n{DAY},{prices}\n")
    day = open_source(f"lean:{tmp_path}").day(DAY)
    assert day.settled == ({("SPX", "SPXW"): levels()[-1], ("SPX", "SPX"): levels()[0]} if is_used else {})
    words = [each.text.partition("is far from")[2].partition("; ")[2] for each in day.findings]
    assert words == ([] if is_used else ["is it of another scale?"])


def test_options_on_a_class_of_shares_are_found_under_its_symbol(tmp_path: Path) -> None:
    files = {
        entry(strike, right).replace("spxw", "brk.b").replace("european", "american"): quote_lines(strike, right)
        for strike in STRIKES
        for right in ("call", "put")
    }
    zipped(tmp_path / "option" / "usa" / "minute" / "brk.b" / "20210104_quote_american.zip", files)
    spots = [
        f"{OPEN + 60_000 * m},{v * 10_000},{v * 10_000},{v * 10_000},{v * 10_000},60" for m, v in enumerate(levels())
    ]
    zipped(
        tmp_path / "equity" / "usa" / "minute" / "brk.b" / "20210104_trade.zip",
        {"20210104_brk.b_minute_trade.csv": spots},
    )
    day = open_source(str(tmp_path)).day(DAY)
    assert day.levels["BRK.B"].tolist() == levels()
    assert {(option.symbol, option.trading_class) for option in day.options} == {("BRK.B", "BRKB")}
