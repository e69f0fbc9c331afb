"""The scanner's page and `/api/scan`: the last scan as its file has it; filtered; harmless; nothing is scanned."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from scan_rows import kept, row, scan_of
from web_client import Client

from rulebot.scan.scan_row import COLUMNS, DETAILS, document, head
from rulebot.store.scans import keep, scans_file
from rulebot.web.rest_models import ScanRowModel


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of our own."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_before_any_scan_the_page_says_how_to_begin(client: Client, data: Path) -> None:
    found = client.get("/scan")
    assert (found.status, b"Nothing was scanned yet" in found.body) == (200, True)
    assert client.get("/api/scan").json == {"scan": None, "rows": []}
    assert not data.exists()


def test_the_last_scan_is_listed_best_first_with_a_link_to_a_bot_that_is_known(client: Client) -> None:
    kept(row("SPY"))
    kept(
        row("SPX", bot="dte0_condor", place=1, taken=True, value=1.75),
        row("QQQ", holds=False, why="move -2%, above -1%: 1% too little"),
    )
    text = client.get("/scan").body.decode()
    assert text.index(">SPX<") < text.index(">QQQ<")
    assert ">SPY<" not in text
    assert '<a href="/bots/dte0_condor">dte0_condor</a>' in text
    assert '<a href="/bots/of_all">' not in text
    assert "would be entered" in text
    assert "move -2%, above -1%: 1% too little" in text


def test_what_no_row_has_takes_no_place(client: Client) -> None:
    """Two empty columns stood there, and a star was explained that no row had, while others were out of sight."""
    kept(row("SPY", by="", value=None))
    text = client.get("/scan").body.decode()
    assert "ranked by" not in text
    assert "its bot would enter it" not in text
    kept(row("SPY", by="", value=None), row("QQQ", taken=True))
    text = client.get("/scan").body.decode()
    assert (text.count("<th>ranked by</th>"), text.count("<td>iv_rank</td>")) == (1, 1)
    assert text.count("* its bot would enter it.") == 1


def test_the_command_that_enters_is_of_the_same_market(client: Client) -> None:
    """After a scan of the simulated market it was the one for the paper account."""
    kept(row("SPY"))
    assert "<code>rulebot run --paper --sim SPEC</code>" in client.get("/scan").body.decode()


def test_one_turn_is_one(client: Client) -> None:
    """It said 1 turns."""
    found = scan_of(row("SPY"), turns=1, lines_evicted=1)
    keep(scans_file(), head(found), [document(each) for each in found.rows])
    assert "1 turn, 1 line evicted;" in client.get("/scan").body.decode()


def test_a_symbol_is_filtered_and_its_earlier_rows_stand_below(client: Client) -> None:
    kept(row("SPY", structure="570/575p"))
    kept(row("SPY", structure="580/585p"), row("QQQ"))
    text = client.get("/scan?symbol=spy").body.decode()
    last, _, earlier = text.partition("Earlier scans of")
    assert "580/585p" in last
    assert "QQQ" not in text
    assert "570/575p" in earlier
    assert "580/585p" not in earlier
    kept(row("SPX/SPY"))
    assert ">SPX/SPY<" in client.get("/scan?symbol=spx").body.decode()
    assert "has no row of IBM" in client.get("/scan?symbol=IBM").body.decode()


def test_delayed_data_is_marked(client: Client) -> None:
    kept(row("SPY", data="delayed"))
    assert '<span class="notice">DELAYED</span>' in client.get("/scan").body.decode()


def test_rest_gives_each_number_as_it_was_kept(client: Client) -> None:
    one = row("SPY", value=0.123456, missing={"crowding": "skew: none"}, crowding=None)
    kept(one, row("QQQ"))
    found = client.get("/api/scan?symbol=SPY").json
    assert (found["scan"]["at"], found["scan"]["world"]) == ("2026-10-21 10:30:18", "simulated")
    assert (found["scan"]["lines_taken"], found["scan"]["lines_evicted"]) == (192, 173)
    assert found["rows"] == [document(one)]
    assert set(ScanRowModel.model_fields) == {*COLUMNS, *DETAILS}
    assert len(client.get("/api/scan").json["rows"]) == 2


def test_words_from_elsewhere_are_harmless(client: Client) -> None:
    kept(replace(row("SPY"), why="<b>torn</b>", structure="<i>x</i>"))
    text = client.get("/scan?symbol=%3Cscript%3E").body.decode()
    assert "<script>" not in text.replace('<script type="module"', "")
    assert "<b>torn" not in client.get("/scan").body.decode()
    assert client.get(f"/scan?symbol={'A' * 21}").status == 422


def test_nothing_is_seen_without_a_token_and_nothing_changes_by_looking(client: Client) -> None:
    kept(row("SPY"))
    before = scans_file().read_bytes()
    assert client.send("GET", "/scan").status in (303, 401)
    assert client.send("GET", "/api/scan").status == 401
    assert client.post("/api/scan").status == 405
    client.get("/scan")
    assert scans_file().read_bytes() == before


def test_a_file_that_cannot_be_used_is_said(client: Client, data: Path) -> None:
    data.mkdir()
    scans_file().write_bytes(b"no database at all" * 100)
    found = client.get("/api/scan")
    assert (found.status, found.json["code"]) == (503, "store")
    assert "scans.db cannot be used" in found.json["message"]
    scans_file().unlink()
    with sqlite3.connect(scans_file()) as file:
        file.execute("PRAGMA user_version = 9")
    assert "as version 9 does" in client.get("/api/scan").json["message"]
