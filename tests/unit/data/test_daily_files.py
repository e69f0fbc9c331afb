"""Daily bars as vendors write them: each file holds the same three sessions of one symbol."""

from pathlib import Path

import pytest

from rulebot.data.add import Asked, add
from rulebot.model.errors import RulebotError

FILES = {
    "cboe": (
        "VIX_History.csv",
        "DATE,OPEN,HIGH,LOW,CLOSE",
        "01/02/2024,13.210000,14.23,13.1,13.20",
        "01/18/2024,1,1,1,14.13",
    ),
    "cboe with a preamble": (
        "vix_old.csv",
        "Cboe data is compiled, for the convenience, of visitors",
        ",OPEN,HIGH,LOW,CLOSE",
        "1/2/2024,,,,13.20",
        "1/18/2024,,,,14.13",
    ),
    "cboe closes": (
        "skew.csv",
        "DATE,VIX",
        "01/02/2024,13.20",
        "01/18/2024,14.13",
    ),
    "cboe trailing columns": (
        "x.csv",
        "The data is provided by CBOE.,,,",
        "Date,VIX,,",
        "1/2/2024,13.20,,",
        "1/18/2024,14.13,,",
    ),
    "fred": (
        "fredgraph.csv",
        "observation_date,VIXCLS",
        "2024-01-01,",
        "2024-01-02,13.20",
        "2024-01-18,14.13",
    ),
    "yahoo": (
        "^VIX.csv",
        "Date,Open,High,Low,Close,Adj Close,Volume",
        "2024-01-02,13,14,13,13.20,1,0",
        "2024-01-18,1,1,1,14.13,1,0",
    ),
    "yfinance": (
        "bars.csv",
        "Price,Close,High,Low,Open,Volume",
        "Ticker,^VIX,^VIX,^VIX,^VIX,^VIX",
        "Date,,,,,",
        "2024-01-02,13.20,14,13,13,0",
        "2024-01-18,14.13,1,1,1,0",
    ),
    "nasdaq": (
        "VIX.csv",
        "Date,Close/Last,Volume,Open,High,Low",
        "01/18/2024,$14.13,--,1,1,1",
        "01/02/2024,$13.20,--,13,14,13",
    ),
    "stooq": (
        "vix.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>",
        "VIX,D,20240102,0,13,14,13,13.20",
        "VIX,D,20240118,0,1,1,1,14.13",
    ),
    "wsj": (
        "VIX_1.csv",
        "Date, Open, High, Low, Close",
        "01/18/24, 1, 1, 1, 14.13",
        "01/02/24, 13, 14, 13, 13.20",
    ),
    "investing": (
        "VIX Historical Data.csv",
        '"Date","Price","Open","High","Low","Vol.","Change %"',
        '"01/18/2024","14.13","1","1","1","","1%"',
        '"01/02/2024","13.20","13","14","13","","1%"',
    ),
    "investing in German": (
        "VIX Historische Daten.csv",
        '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"',
        '"18.01.2024","14,13","1,00","1,00","1,00","","1%"',
        '"02.01.2024","13,20","13,00","14,00","13,00","","1%"',
    ),
}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "kept"))


@pytest.mark.parametrize("written", FILES.values(), ids=FILES)
def test_daily_bars_of_each_vendor_are_read(written: tuple[str, ...], tmp_path: Path) -> None:
    name, *lines = written
    (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
    assert add("mine", [tmp_path / name], Asked()).daily == ["VIX"]
    stored = (tmp_path / "kept" / "sources" / "mine" / "daily" / "VIX.csv").read_text("utf-8").splitlines()
    assert stored[0] == "date,open,high,low,close"
    assert [(line.split(",")[0], float(line.split(",")[4])) for line in stored[1:]] == [
        ("2024-01-02", 13.20),
        ("2024-01-18", 14.13),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Date,Open,High,Low,Close\n", "it has no rows"),
        ("Date,Open,High,Low,Close\nsoon,1,1,1,1\n", "no row has a day and a close"),
        (
            "Price,Close,Close\nTicker,SPY,QQQ\nDate,,\n2024-01-02,1,2\n",
            "it has the bars of QQQ, SPY: write one file for each",
        ),
        ("Date,Open,High,Low,Close\n01/02/2024,1,1,1,1\n", "'01/02/2024' may have the month or the day first"),
        (",,,\n,,,\n", "no line names its columns"),
    ],
)
def test_bars_that_cannot_be_read_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "VIX.csv").write_text(text, "utf-8")
    with pytest.raises(RulebotError) as raised:
        add("mine", [tmp_path / "VIX.csv"], Asked())
    assert said in raised.value.message
