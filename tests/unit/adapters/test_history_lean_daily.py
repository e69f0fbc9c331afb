"""Lean's daily files: one state a day of a chain, with what is missing or odd told by file and entry."""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history.session import HistoryDay, Severity
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Option
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import EXCHANGE_ZONE

FIRST, LAST = date(2021, 3, 1), date(2021, 3, 2)
DAYS = ("20210301", "20210302")
ALWAYS = date(2000, 1, 1), date(2027, 12, 31)


def zipped(path: Path, files: Mapping[str, Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, lines in files.items():
            archive.writestr(name, "\n".join(lines))


def quote(day: str, bid: str, ask: str) -> str:
    return f"{day} 00:00,1,1,1,{bid},7,1,1,1,{ask},9"


def root(folder: Path, changes: Mapping[str, Sequence[str]] | None = None, closes: Sequence[str] = DAYS) -> Path:
    """Write two days of two puts and a call of SPY, of which one is not there on the first."""
    chain = folder / "option" / "usa" / "daily"
    entries: dict[str, Sequence[str]] = {
        "put_3800000_20210319": [quote(DAYS[0], "51000", "53000"), quote(DAYS[1], "41000", "42000")],
        "put_3700000_20210319": [quote(DAYS[0], "", "200"), quote(DAYS[1], "0", "300")],
        "call_3900000_20210416": [quote(DAYS[1], "81000", "82500")],
    }
    named = {f"spy_quote_american_{name}.csv": lines for name, lines in {**entries, **(changes or {})}.items()}
    zipped(chain / "spy_2021_quote_american.zip", named)
    counts = {"spy_trade_american_put_3800000_20210319.csv": [f"{DAYS[1]} 00:00,1,1,1,1,345"]}
    zipped(chain / "spy_2021_trade_american.zip", counts)
    held = {
        "spy_openinterest_american_put_3800000_20210319.csv": [f"{each} 00:00,{n}" for n, each in enumerate(DAYS, 10)]
    }
    zipped(chain / "spy_2021_openinterest_american.zip", held)
    bars = [f"{day} 00:00,3890000,3910000,3880000,{3900000 + 5000 * n},100" for n, day in enumerate(closes)]
    zipped(folder / "equity" / "usa" / "daily" / "spy.zip", {"spy.csv": bars})
    return folder


def chain(folder: Path, day: date, more: str = "") -> HistoryDay:
    return open_source(f"lean:{folder}?symbol=spy&bars=daily{more}").day(day)


def of(day: HistoryDay, strike: int) -> int:
    return next(place for place, option in enumerate(day.options) if option.strike == strike)


def test_a_day_is_one_state_before_the_close(tmp_path: Path) -> None:
    source = open_source(f"lean:{root(tmp_path)}?symbol=spy&bars=daily")
    assert (source.name, source.is_modelled) == ("Lean daily bars of SPY", False)
    assert list(source.dates(*ALWAYS)) == [FIRST, LAST]
    day = source.day(LAST)
    clock = [datetime.fromtimestamp(at, EXCHANGE_ZONE).strftime("%H:%M") for at in (day.times[0], day.times[-1])]
    assert clock == ["15:45", "15:55"]
    assert set(day.levels["SPY"]) == {390.5}
    assert sorted(map(str, day.options)) == [
        "SPY 2021-03-19 370P",
        "SPY 2021-03-19 380P",
        "SPY 2021-04-16 390C",
    ]
    put = of(day, 380)
    assert (day.bid[0, put], day.ask[-1, put]) == (4.1, 4.2)
    assert np.isnan(day.bid[0, of(day, 370)]), "a bid of nothing is no bid"
    assert day.ask[0, of(day, 370)] == 0.03
    assert day.volume is not None
    assert day.open_interest is not None
    assert np.ravel(day.volume[..., put])[0] == 345
    assert np.ravel(day.open_interest[..., put])[0] == 11
    assert day.findings == ()


def test_each_day_has_its_own_contracts_and_close(tmp_path: Path) -> None:
    day = chain(root(tmp_path), FIRST, "&at=11:00&stands=0")
    assert (len(day.times), len(day.options), day.levels["SPY"][0]) == (1, 2, 390.0)
    assert isinstance(day.options[0], Option)
    assert datetime.fromtimestamp(day.times[0], EXCHANGE_ZONE).strftime("%H:%M") == "11:00"


def test_lines_that_are_no_bar_are_left_out_and_reported(tmp_path: Path) -> None:
    odd = {"put_3600000_20210319": [quote(DAYS[1], "x", "1"), "20210302 00:00,1,2", "soon,1,1,1,1,1,1,1,1,1,1"]}
    source = open_source(f"lean:{root(tmp_path, odd)}?symbol=spy&bars=daily")
    reported = [each for each in source.gaps(*ALWAYS) if each.severity is Severity.LEFT_OUT]
    assert [(each.file, each.row, each.count) for each in reported] == [("spy_2021_quote_american.zip", 4, 3)]
    assert "not a day and 10 numbers" in reported[0].text
    assert len(source.day(LAST).options) == 3


def test_without_a_close_of_the_underlying_a_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no daily bar of SPY on 2021-03-02"):
        chain(root(tmp_path, closes=DAYS[:1]), LAST)


def test_a_finding_names_the_zip_of_its_year(tmp_path: Path) -> None:
    """Of several years the first one was named, whatever the day."""
    days = ("20220301", "20220302")
    zipped(
        root(tmp_path, closes=(*DAYS, *days)) / "option" / "usa" / "daily" / "spy_2022_quote_american.zip",
        {
            "spy_quote_american_put_3900000_20220318.csv": [quote(day, "41000", "42000") for day in days],
            "spy_quote_american_put_3800000_20220318.csv": [quote(day, "31000", "22000") for day in days],
        },
    )
    found = chain(tmp_path, date(2022, 3, 1)).findings
    assert [(each.file, each.row, each.text) for each in found] == [
        ("spy_2022_quote_american.zip", 2, "the bid is above the ask"),
    ]


def test_of_two_classes_each_finding_names_its_zip(tmp_path: Path) -> None:
    chains = tmp_path / "indexoption" / "usa" / "daily"
    for name, crossed in (("spx", 1), ("spxw", 2)):
        bids = ["410000", "410000"]
        bids[crossed - 1] = "910000"
        entries = {
            f"{name}_quote_european_put_{strike}0000_20210319.csv": [quote(DAYS[0], bid, "420000")]
            for strike, bid in zip((3800, 3810), bids, strict=True)
        }
        zipped(chains / f"{name}_2021_quote_european.zip", entries)
    zipped(tmp_path / "index" / "usa" / "daily" / "spx.zip", {"spx.csv": [f"{DAYS[0]} 00:00,3800,3820,3790,3805,0"]})
    found = open_source(f"lean:{tmp_path}?symbol=spx&bars=daily&stands=0").day(FIRST)
    assert {option.trading_class for option in found.options} == {"SPX", "SPXW"}
    text = "the bid is above the ask (2 rows: 1; spxw_2021_quote_european.zip: 2)"
    crossed_there = [(each.file, each.row, each.text) for each in found.findings if "above" in each.text]
    assert crossed_there == [("spx_2021_quote_european.zip", 1, text)]


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    file = root(tmp_path) / "option" / "usa" / "daily" / "spy_2021_quote_american.zip"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(StoreError, match="the zip file is damaged or cut off"):
        chain(tmp_path, LAST)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("symbol=qqq&bars=daily", "there are no daily quotes of QQQ"),
        ("bars=daily", "which underlying"),
        ("symbol=spy&bars=hour", "bars= is minute or daily, is 'hour'"),
        ("symbol=spy&stands=5", "stands= needs bars=daily"),
        ("symbol=spy&bars=daily&at=noon", "at= is a time of the exchange"),
        ("symbol=spy&bars=daily&stands=500", "stands= is a whole number"),
    ],
)
def test_misuse_is_reported(options: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=says):
        open_source(f"lean:{root(tmp_path)}?{options}")


def test_chains_without_daily_bars_of_the_underlying_are_reported(tmp_path: Path) -> None:
    (root(tmp_path) / "equity" / "usa" / "daily" / "spy.zip").unlink()
    with pytest.raises(MisuseError, match="there are no daily bars of SPY"):
        chain(tmp_path, LAST)
