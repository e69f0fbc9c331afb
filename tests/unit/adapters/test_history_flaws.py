"""Files that cannot be what they say: each is refused or told with its place, and none ends in a traceback."""

import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.session import HistoryDay, Severity
from rulebot.adapters.sources import open_source
from rulebot.model.errors import StoreError

DAY = date(2015, 12, 23)
OPEN = datetime(2015, 12, 23, 14, 30, tzinfo=UTC)
STRIKES = (700.0, 750.0)
Columns = dict[str, list[Any]]


def chain() -> Columns:
    """Return two calls of GOOG at five minutes."""
    found: Columns = {
        name: []
        for name in ("time", "symbol", "expiry", "right", "strike", "bid", "ask", "underlying", "open_interest")
    }
    for minute in range(1, 6):
        for strike in STRIKES:
            worth = max(748.0 - strike, 0.0) + 5.0
            row = (
                OPEN + timedelta(minutes=minute),
                "GOOG",
                "2016-01-15",
                "call",
                strike,
                worth,
                worth + 1,
                748.0,
                12.0,
            )
            for name, value in zip(found, row, strict=True):
                found[name].append(value)
    return found


def write(folder: Path, columns: Mapping[str, list[Any]], name: str = f"{DAY}.parquet") -> None:
    folder.mkdir(exist_ok=True)
    parquet.write_table(arrow.table(dict(columns)), folder / name)


def read(text: str, day: date = DAY) -> HistoryDay:
    return open_source(text).day(day)


def put(name: str, value: object, place: int = 0) -> Callable[[Columns], None]:
    def change(columns: Columns) -> None:
        columns[name][place] = value

    return change


def whole(name: str, value: object) -> Callable[[Columns], None]:
    return lambda columns: columns.__setitem__(name, [value] * len(columns["strike"]))


def texts_of(name: str, odd: str, place: int) -> Callable[[Columns], None]:
    """Return what makes a column one of texts, of which one is odd."""

    def change(columns: Columns) -> None:
        columns[name] = [str(value) for value in columns[name]]
        columns[name][place] = odd

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("time", None, 3), r"parquet:4: time is missing"),
        (put("ask", float("inf"), 2), r"parquet:3: ask is a number, is inf"),
        (texts_of("bid", "-", 3), r"parquet:4: bid is a number, is '-'"),
        (whole("strike", 700_000_000), r"parquet:1: a strike .*, is 700000000: times 1000\?"),
        (whole("strike", 0.0), "a strike is a number above 0, below 2,147,484, is 0"),
        (whole("time", 1_450_881_060_000_000_123), r"seconds since 1970 \(UTC\), is 145088106000000"),
        (lambda columns: columns.update(time=[1_450_881_060.0] * 4 + [float("nan")] * 6), "parquet:5: time is missing"),
        (whole("right", {"is": "call"}), "parquet:1: right is a column of texts, is one of struct<is: string>"),
        (whole("expiry", b"\xff\xfe"), "parquet:1: expiry is a column of texts, is one of binary"),
        (whole("trading_class", " "), "parquet:1: trading_class is missing"),
        (put("expiry", "9999-12-31"), r"parquet:1: no option expires on 9999-12-31"),
        (whole("underlying", 0.0), "there is no level of GOOG within the session"),
        (whole("underlying", None), "there is no level of GOOG within the session"),
        (whole("open_interest", 5.35), "most are none, as 5.35"),
        (whole("date", "2015-12-22"), r"parquet:1: the row's date is 2015-12-22, the file's 2015-12-23"),
        (whole("date", "soon"), r"parquet:1: a date is like 2019-05-24, is 'soon'"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(tmp_path: Path, change: Callable[[Columns], None], said: str) -> None:
    columns = chain()
    change(columns)
    if "underlying" in columns and columns["underlying"][0] is None:
        columns["underlying"] = arrow.array(columns["underlying"], type=arrow.float64())
    write(tmp_path, columns)
    with pytest.raises(StoreError, match=said):
        read(f"parquet:{tmp_path}")


@pytest.mark.parametrize("level", [0.0, 7480.0, -1.0])
def test_a_level_that_is_none_is_left_out(tmp_path: Path, level: float) -> None:
    columns = chain()
    columns["underlying"][2:4] = [level, level]
    write(tmp_path, columns)
    found = read(f"parquet:{tmp_path}")
    assert [each.row for each in found.findings if each.severity is Severity.LEFT_OUT] == [3]
    assert found.levels["GOOG"].tolist()[0] == 748.0
    assert str(found.levels["GOOG"].tolist()[1]) == "nan"


@pytest.mark.parametrize(("level", "instants", "row"), [(640.0, 1, 3), (860.0, 1, 3), (680.0, 1, 0), (640.0, 2, 0)])
def test_a_level_that_stands_alone_is_left_out(level: float, instants: int, row: int, tmp_path: Path) -> None:
    """One that was a tenth lower for a minute set off a breach, and nothing was told. A fall that lasts is none."""
    columns = chain()
    columns["underlying"][2 : 2 + 2 * instants] = [level] * 2 * instants
    write(tmp_path, columns)
    found = read(f"parquet:{tmp_path}")
    reported = [(each.row, each.text) for each in found.findings if each.severity is Severity.LEFT_OUT]
    assert reported == ([(row, f"the level of GOOG is {level:g}, between 748 and 748")] if row else [])
    assert str(found.levels["GOOG"].tolist()[1]) == ("nan" if row else str(level))


@pytest.mark.parametrize(
    ("vix", "level", "said"),
    [
        (16.0, 748.0, ""),
        (0.16, 748.0, "VIX is in percent, as 16: its median here is 0.16"),
        (1600.0, 748.0, "VIX is in percent, as 16: its median here is 1600"),
        (16.0, 752.0, "`underlying` is 748 in the median, its levels file 752: these count"),
    ],
)
def test_levels_beside_a_chain_that_cannot_be_are_reported(vix: float, level: float, said: str, tmp_path: Path) -> None:
    """Below any bound is a VIX of 0.16; another level than that of the chain counted without a word."""
    columns = chain()
    write(tmp_path, columns)
    times = columns["time"][::2]
    levels = {"time": times * 2, "symbol": ["goog"] * 5 + ["^VIX"] * 5, "level": [level] * 5 + [vix] * 5}
    write(tmp_path, levels, f"{DAY}.levels.parquet")
    if vix != 16.0:
        with pytest.raises(StoreError, match=f"levels.parquet:6: {said}"):
            read(f"parquet:{tmp_path}")
        return
    found = read(f"parquet:{tmp_path}")
    assert {symbol: column[0] for symbol, column in found.levels.items()} == {"GOOG": level, "VIX": 16.0}
    assert [each.text for each in found.findings if "underlying" in each.text] == ([said] if said else [])


def test_a_settlement_is_of_its_class_however_it_is_written(tmp_path: Path) -> None:
    """Written otherwise it settled nothing: the last level did, and nothing was told."""
    write(tmp_path, chain())
    (tmp_path / f"{DAY}.settled.csv").write_text("symbol,trading_class,level\n^goog,goog,750\n", encoding="utf-8")
    assert read(f"parquet:{tmp_path}").settled == {("GOOG", "GOOG"): 750.0}


def test_a_day_in_two_files_is_refused(tmp_path: Path) -> None:
    columns = chain()
    write(tmp_path / "named", columns)
    write(tmp_path / "named", columns, f"GOOG_{DAY}.parquet")
    columns["date"] = [str(DAY)] * len(columns["strike"])
    write(tmp_path / "many", columns, "chain_a.parquet")
    write(tmp_path / "many", columns, "chain_b.parquet")
    for folder in ("named", "many"):
        with pytest.raises(
            StoreError, match=r"is also in .*: which one counts\? put another underlying into a folder of its"
        ):
            read(f"parquet:{tmp_path / folder}")


def test_a_folder_of_chains_of_several_underlyings_says_which_there_are(tmp_path: Path) -> None:
    """So `replay --export` writes them; the folder above was said to hold no chain, and no more."""
    for symbol in ("GOOG", "SPX"):
        write(tmp_path / symbol, chain())
    (tmp_path / "daily").mkdir()
    with pytest.raises(StoreError, match="holds no Parquet file of a chain") as found:
        open_source(f"parquet:{tmp_path}")
    said = "a source has one underlying, and there are Parquet files in folders below it (GOOG, SPX): name one"
    assert found.value.help.startswith(f"{said}, as parquet:{tmp_path / 'GOOG'}; ")


def test_two_underlyings_in_one_file_are_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / f"{DAY}.csv"
    file.write_text(vendor() + vendor().partition("\n")[2].replace("GOOG", "SPY"), encoding="utf-8")
    with pytest.raises(StoreError, match=r"this has GOOG, SPY: name one, as 'snapshots:.*\?symbol=GOOG'"):
        read(f"snapshots:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,class,level\nGOOG,GOOG,750\n", r"settled.csv:1: it has no column `trading_class`"),
        ("symbol,trading_class,level\nGOOG,GOOG,\n", r"settled.csv:2: nan is no level at which GOOG settles"),
        ("symbol,trading_class,level\nGOOG,GOOG,7480\n", "the underlying was at 748: scaled"),
        (
            "symbol,trading_class,level\nGOOG,GOOG,748\nGOOG,GOOG,749\n",
            r"settled.csv:3: GOOG settles at 749, and at 748",
        ),
    ],
)
def test_a_settlement_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, chain())
    (tmp_path / f"{DAY}.settled.csv").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=said):
        read(f"parquet:{tmp_path}")


@pytest.mark.parametrize(("level", "count"), [(748 * 0.95, 1), (748 * 1.05, 1), (740.0, 0), (757.0, 0)])
def test_a_settlement_far_outside_of_the_session_is_reported(tmp_path: Path, level: float, count: int) -> None:
    """Levels that were adjusted, or are of another day, are near enough to pass for those of the day."""
    write(tmp_path, chain())
    text = f"symbol,trading_class,level\nSPX,SPXW,2000\nGOOG,GOOG,{level}\n"
    (tmp_path / f"{DAY}.settled.csv").write_text(text, encoding="utf-8")
    found = read(f"parquet:{tmp_path}")
    assert found.settled["GOOG", "GOOG"] == level
    odd = [(each.file, each.row, each.severity) for each in found.findings if "is it of another scale" in each.text]
    assert odd == [(f"{DAY}.settled.csv", 3, Severity.REPORTED)] * count


# ---------------------------------------------------------------- Lean

NAME = "20151223_goog_minute_{}_american_call_{}_20160115.csv"
BARS = "".join(f"{34200000 + 60000 * n},1,1,1,{{0}},5,1,1,1,{{1}},5\n" for n in range(390))
QUOTES = {
    NAME.format("quote", strike): BARS.format(bid, bid + 10000)
    for strike, bid in ((6500000, 990000), (7000000, 520000), (7500000, 90000))
}
TRADES = {"20151223_goog_minute_trade.csv": "".join(f"{34200000 + 60000 * n},1,1,1,7480000,100\n" for n in range(390))}


def lean(root: Path, **files: Mapping[str, str]) -> str:
    """Write a folder of Lean: quotes, trades of the share, open interest, daily bars."""
    options, equity = root / "option/usa/minute/goog", root / "equity/usa"
    places = {
        "quotes": options / "20151223_quote_american.zip",
        "interest": options / "20151223_openinterest_american.zip",
        "volume": options / "20151223_trade_american.zip",
        "trades": equity / "minute/goog/20151223_trade.zip",
        "daily": equity / "daily/goog.zip",
    }
    for name, content in {"quotes": QUOTES, "trades": TRADES, **files}.items():
        places[name].parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(places[name], "w") as archive:
            for entry, text in content.items():
                archive.writestr(entry, text)
    return f"lean:{root}?symbol=goog"


def test_what_is_sound_in_lean_has_no_finding(tmp_path: Path) -> None:
    found = read(lean(tmp_path, interest={NAME.format("openinterest", 7000000): "0,120\n"}))
    assert (len(found.options), found.findings) == (3, ())
    assert found.open_interest is not None
    assert found.open_interest.tolist()[1] == 120.0


def moved(texts: Mapping[str, str], place: int, value: str) -> dict[str, str]:
    found = {}
    for name, text in texts.items():
        lines = [line.split(",") for line in text.splitlines()]
        found[name] = "".join(",".join((*line[:place], value, *line[place + 1 :])) + "\n" for line in lines)
    return found


def earlier(text: str, hours: int = 1) -> str:
    lines = [line.partition(",") for line in text.splitlines()]
    return "".join(f"{int(time) - 3_600_000 * hours},{rest}\n" for time, _, rest in lines)


INTEREST = NAME.format("openinterest", 7000000)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"interest": {INTEREST: "120\n"}}, r"openinterest_american.zip/.*:1: open interest is a time and a count"),
        ({"interest": {INTEREST: "0,-5\n"}}, "open interest is a time and a count"),
        (
            {"interest": {name.replace("quote", "openinterest"): "0,748\n" for name in QUOTES}},
            "open_interest holds the price of the underlying",
        ),
        ({"volume": {NAME.format("trade", 7000000): "34200000,1,1,1,1,-5\n"}}, "is a count of contracts, is -5"),
        ({"trades": {**TRADES, "other.csv": ""}}, "it has 2 entries, and should have one"),
        ({"trades": {}}, "it has 0 entries, and should have one"),
        ({"trades": moved(TRADES, 4, "0")}, "there is no level of GOOG within the session"),
        ({"quotes": {}}, "there is no option that trades on this day"),
        (
            {"quotes": {name.replace("20151223", "20151222"): text for name, text in QUOTES.items()}},
            "the entry's date is 20151222, the file's 20151223",
        ),
        (
            {"quotes": {name.replace("goog", "aapl"): text for name, text in QUOTES.items()}},
            "its symbol is aapl, the file's GOOG",
        ),
        ({"quotes": {name: earlier(text) for name, text in QUOTES.items()}}, "are they in Central time"),
        (
            {"quotes": {name: earlier(text, 3) for name, text in QUOTES.items()}},
            "of 06:30 to 13:00, 3 hours before the session: are they in Pacific time",
        ),
        ({"quotes": moved(QUOTES, 0, "34200")}, "no bar of an option is within the session"),
        ({"quotes": moved(QUOTES, 4, "99999999")}, "are the columns exchanged"),
        ({"quotes": moved(QUOTES, 9, "1000000000")}, "most quotes are dearer than the underlying"),
        ({"quotes": moved(moved(QUOTES, 4, "50"), 9, "99")}, "most options in the money cost less than half"),
    ],
)
def test_minutes_that_cannot_be_are_refused(tmp_path: Path, files: Mapping[str, Mapping[str, str]], said: str) -> None:
    with pytest.raises(StoreError, match=said):
        read(lean(tmp_path, **files))


def test_odd_minutes_are_left_out_or_reported(tmp_path: Path) -> None:
    again = QUOTES | {f"x_{NAME.format('quote', 7000000)}": BARS.format(1, 2)}
    texts = dict(moved(again, 4, "-5"))
    level = TRADES["20151223_goog_minute_trade.csv"].replace("34260000,1,1,1,7480000", "34260000,1,1,1,74800000")
    found = read(lean(tmp_path, quotes=texts, trades={"20151223_goog_minute_trade.csv": level}))
    assert [each.text for each in found.findings] == [
        "the level of GOOG is 7480, far from the 748 of this session",
        "a bid is below 0: it is taken for no bid",
        "the same option is in an earlier entry",
    ]
    assert set(found.levels["GOOG"].tolist()) == {748.0}


def test_a_minute_that_is_dearer_than_the_share_is_left_out(tmp_path: Path) -> None:
    name = NAME.format("quote", 7000000)
    expensive = QUOTES[name].replace(
        "34260000,1,1,1,520000,5,1,1,1,530000,5", "34260000,1,1,1,520000,5,1,1,1,5300000000,5"
    )
    found = read(lean(tmp_path, quotes={**QUOTES, name: expensive}))
    (odd,) = found.findings
    assert (odd.row, odd.severity) == (2, Severity.LEFT_OUT)
    assert odd.text == "the ask is dearer than the underlying and the strike"
    assert found.ask[found.ask > 0].max() < 748.0


def test_a_minute_deep_in_the_money_is_no_dearer_than_the_share(tmp_path: Path) -> None:
    deep = {NAME.format("quote", 2500000): BARS.format(4970000, 4980000)}
    found = read(lean(tmp_path, quotes=QUOTES | deep))
    assert found.findings == ()
    assert found.ask[-1, [float(option.strike) for option in found.options].index(250.0)] == 498.0


def test_daily_bars_of_lean_that_are_none_are_reported(tmp_path: Path) -> None:
    bars = "20151221 00:00,x,1,1,1,5\n20151222 00:00,1,1,1,0,5\n20151222 00:00,7,7,7,7\n20151222 00:00,8,8,8,8\n"
    reported = open_source(lean(tmp_path / "a", daily={"goog.csv": bars})).gaps(DAY, DAY)
    assert [(each.file, each.row, each.count) for each in reported if each.severity is Severity.LEFT_OUT] == [
        ("goog.zip/goog.csv", 1, 2),
        ("goog.zip/goog.csv", 4, 1),
    ]
    reported = open_source(lean(tmp_path / "b", daily={})).gaps(DAY, DAY)
    assert "it has 0 entries, and should have one" in [each.text for each in reported]


# ---------------------------------------------------------------- vendors


def vendor(day: date = DAY, ask: str = "6") -> str:
    head = "quotedate,symbol,underlying_last,expiration,type,strike,bid,ask\n"
    return head + "".join(f"{day},GOOG,748,2016-01-15,call,{strike},5,{ask}\n" for strike in (740, 745, 750))


def test_a_vendors_day_in_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.csv").write_text(vendor(), encoding="utf-8")
    (tmp_path / f"goog_{DAY}.csv").write_text(vendor(ask="7"), encoding="utf-8")
    with pytest.raises(StoreError, match=r"is also in .*: which one counts"):
        read(f"snapshots:{tmp_path}")


def test_two_columns_of_a_name_refuse_a_vendors_day(tmp_path: Path) -> None:
    head, *rows = vendor().splitlines()
    (tmp_path / f"{DAY}.csv").write_text(
        "\n".join([f"{head},bid", *(f"{row},4" for row in rows), ""]), encoding="utf-8"
    )
    with pytest.raises(StoreError, match=f"{DAY}.csv: it has two columns `bid`: which one counts"):
        read(f"snapshots:{tmp_path}")


def test_a_last_row_without_an_end_is_reported(tmp_path: Path) -> None:
    file = tmp_path / f"{DAY}.csv"
    file.write_text("\ufeff" + vendor().rstrip("\n"), encoding="utf-8")
    (finding,) = read(f"snapshots:{tmp_path}").findings
    assert (finding.row, finding.text) == (4, "the last row has no end of line: is it whole?")
    many = tmp_path / "chain.csv"
    many.write_text(vendor().rstrip("\n") + "2\n2819-05-24,GOOG,748,2016-01-15,call,740,5,6", encoding="utf-8")
    reported = [each.text for each in open_source(f"eod:{many}").gaps(DAY, DAY)]
    assert "the last row has no end of line: is it whole?" in reported
    assert "quotedate is no date" in reported
