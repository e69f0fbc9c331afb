"""`rulebot scan` as it is typed: what its rows say, its text, JSON and CSV, its history, and misuse."""

import csv
import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scan_specs import ROOT, example, put_of_all

from rulebot.cli.main import main

pytestmark = pytest.mark.usefixtures("data")


def command(*words: str) -> Result:
    return CliRunner().invoke(main, ["scan", *words])


# ---------------------------------------------------------------- what a row says


def test_a_row_has_the_structure_that_doctor_finds(data: Path) -> None:
    reported = CliRunner().invoke(main, ["doctor", "--sim", "--format", "json", example("by_category")])
    legs = {row["name"]: row["text"] for row in json.loads(reported.stdout)["checks"] if row["group"] == "legs"}
    found = json.loads(command("--sim", "--all", "--format", "json", example("by_category")).stdout)
    assert len(found["rows"]) == 10
    for row in found["rows"]:
        text = legs[f"by_category {row['symbol']}"]
        assert text.startswith(f"would sell {row['structure']} of {row['expiry']} at mid ")
        assert row["holds"] is (False if "; but " in text else None if "; unknown: " in text else True), text


def test_of_several_alternatives_the_one_that_would_be_taken_is_shown(data: Path) -> None:
    found = json.loads(command("--sim", "--all", "--format", "json", str(ROOT / "specs/vertical_switch.yaml")).stdout)
    rows = {row["symbol"]: row for row in found["rows"]}
    assert len(rows) == 9
    assert rows["GOOGL"]["alternative"] == "debit"  # it rises, and iv_percentile is below 60 on this day
    assert rows["NVDA"]["alternative"] == "bear_debit"  # it falls
    assert rows["GOOGL"]["price"] < 0
    assert rows["SPY"]["by"] == "probability_of_profit"
    assert rows["SPY"]["value"] == pytest.approx(rows["SPY"]["probability_of_profit"])
    assert rows["SPY"]["why"].startswith("universe.volume ")
    assert 0 < rows["SPY"]["short"] < 1
    assert rows["TSLA"]["holds"] is False


def test_what_could_lose_too_much_does_not_hold(tmp_path: Path) -> None:
    text = (ROOT / "specs" / "put_lite.yaml").read_text()
    assert "max_loss_per_trade: $1000" in text
    small = text.replace("max_loss_per_trade: $1000", "max_loss_per_trade: $900").replace("put_lite", "small")
    (tmp_path / "small.yaml").write_text(small)
    found = json.loads(command("--sim", "--all", "--format", "json", str(tmp_path / "small.yaml")).stdout)
    (row,) = found["rows"]
    assert row["holds"] is False
    assert "could lose $9" in row["why"]
    assert "max_loss_per_trade is $900" in row["why"]
    assert command("--sim", str(tmp_path / "small.yaml")).stdout.splitlines()[1] == " none: --all shows what each lacks"


# ---------------------------------------------------------------- the command


def test_the_text_ends_with_what_to_type_next(data: Path) -> None:
    spec = example("by_category")
    found = command("--sim", "--top", "2", spec)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[0] == "by_category: all conditions hold for 4 of 10; by iv_over_rv; * it would enter XLE, XLF, SMH"
    assert [line.split()[:2] for line in lines[2:4]] == [["1*", "XLE"], ["2*", "XLF"]]
    assert lines[4] == ""
    assert lines[5].startswith("simulated, 2026-10-21 10:30:")
    assert " of 90 market data lines" in lines[5]
    assert lines[-2:] == [f"next: rulebot explain {spec}", f"      rulebot run --paper --sim {spec}"]
    assert CliRunner().invoke(main, ["explain", spec]).exit_code == 0
    assert command("--sim", "--top", "2", spec).stdout == found.stdout


def test_another_measure_sorts_and_does_not_change_what_is_entered() -> None:
    found = json.loads(command("--sim", "--sort", "quote_width", "--format", "json", example("by_category")).stdout)
    rows = found["rows"]
    assert [row["value"] for row in rows] == sorted(row["quote_width"] for row in rows)
    assert [row["place"] for row in rows] == [1, 2, 3, 4]
    assert {row["symbol"] for row in rows if row["taken"]} == {"XLE", "XLF", "SMH"}
    assert {row["by"] for row in rows} == {"quote_width"}


def test_a_measure_of_the_language_that_no_column_has_can_sort() -> None:
    found = json.loads(command("--sim", "--sort", "rv", "--format", "json", example("by_category")).stdout)
    values = [row["value"] for row in found["rows"]]
    assert values == sorted(values, reverse=True)
    assert all(value > 0 for value in values)


def test_scans_are_kept_and_shown_again(data: Path) -> None:
    assert command("--history").stdout == "nothing was scanned yet\n"
    command("--sim", example("by_category"))
    command("--sim", "--top", "1", "--format", "csv", example("by_category"))
    assert sorted(path.name for path in data.iterdir()) == ["scans.db"]
    earlier = json.loads(command("--history", "--format", "json").stdout)["scans"]
    assert [(each["id"], each["rows"], each["held"]) for each in earlier] == [(2, 10, 4), (1, 10, 4)]
    rows = json.loads(command("--history", "xlf", "--format", "json").stdout)["rows"]
    assert [(row["scan"], row["symbol"], row["holds"]) for row in rows] == [(2, "XLF", True), (1, "XLF", True)]
    assert len(command("--history", "XLF", "--top", "1").stdout.splitlines()) == 2
    reported = next(csv.DictReader(command("--history", "XLF", "--format", "csv").stdout.splitlines()))
    assert json.loads(reported["legs"])[0]["symbol"] == "XLF"
    assert json.loads(reported["missing"]) == {}
    assert command("--history", "IBM").stdout == "no scan has seen IBM yet\n"


def test_csv_is_a_table_with_a_head() -> None:
    found = command("--sim", "--top", "1", "--format", "csv", example("by_category")).stdout.splitlines()
    assert len(found) == 2
    row = dict(zip(found[0].split(","), found[1].split(","), strict=True))
    assert (row["symbol"], row["place"], row["holds"], row["data"]) == ("XLE", "1", "True", "live")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no spec was named"),
        (("--sim", "--live", "put_lite"), "--sim does not go with it"),
        (("--sim", "--sort", "crowdng", "put_lite"), "unknown measure 'crowdng'"),
        (("--sim", "--sort", "profit", "put_lite"), "needs an open position"),
        (("--sim", "--sort", "session", "put_lite"), "is no number"),
        (("put_lite", "--history"), "leave SPEC out"),
        (("--history", "SPY", "--sort", "vix"), "leave --sort out"),
        (("--history", "--recording", "2026-10-21"), "leave --recording out"),
        (("--history", "--all"), "leave --all out"),
        (("--gateway", "here", "put_lite"), "--gateway is HOST:PORT"),
        (("--sim", "--set", "nothing=1", "put_lite"), "no bot has a parameter 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_misuse(words: tuple[str, ...], said: str, data: Path) -> None:
    found = command(*words)
    assert found.exit_code == 2, found.output
    assert said in found.output
    assert not data.exists()


def test_a_spec_with_an_error_is_shown_with_its_place(tmp_path: Path) -> None:
    found = command("--sim", put_of_all(tmp_path, "bad", move="mvoe"))
    assert found.exit_code == 1
    assert "RB112" in found.output


def test_where_nothing_listens_the_world_has_failed(data: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    found = command("--gateway", f"127.0.0.1:{port}", "put_lite")
    assert found.exit_code == 3, found.output
    assert f"nothing listens on 127.0.0.1:{port}" in found.output
    assert not data.exists()
