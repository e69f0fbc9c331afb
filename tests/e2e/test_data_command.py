"""From other people's files to a backtest with two commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from written_market import DAYS, WRITERS, Quote, market, table

from rulebot.cli.main import main

SPEC = """\
rulebot: 1
name: weekput
about: Sells a put spread that ends on Friday, on Monday near the close, and holds it for two days.
underlying: SPX
entry: {window: {from: "15:44", to: "15:55"}, days: [mon], max_open: 1}
legs:
  expiry: {dte: 4}
  short_put: {sell: put, strike: {otm: 1%}}
  long_put:  {buy: put,  strike: {below: short_put, by: 20 pts}}
order: {start: natural, tries: 2}
exits:
  - dte: {at_most: 2}
  - at_expiry: settle
risk: {max_loss_per_trade: $2500}
"""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "kept"))
    (tmp_path / "weekput.yaml").write_text(SPEC, "utf-8")


def run(*words: str) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def trades(tmp_path: Path) -> list[dict[str, Any]]:
    store = str(tmp_path / "b.db")
    words = ("backtest", str(tmp_path / "weekput.yaml"), "--data", "mine", "--store", store, "--format", "json")
    found: list[dict[str, Any]] = json.loads(run(*words))["trades"]
    return [{name: each[name] for name in ("entered", "left", "net", "exit") if name in each} for each in found]


def daily(folder: Path, quotes: list[Quote]) -> Path:
    levels = {quote.day: quote.level for quote in quotes}
    return table(
        folder, "SPX.csv", "Date,Open,High,Low,Close", (f"{d},{v},{v + 5},{v - 5},{v}" for d, v in levels.items())
    )


def test_one_market_in_each_layout_gives_the_same_trades(tmp_path: Path) -> None:
    quotes, found = market(), {}
    for write in WRITERS:
        run("data", "add", "mine", str(write(tmp_path, quotes)), str(daily(tmp_path, quotes)))
        found[write.__name__] = trades(tmp_path)
        run("data", "remove", "mine")
        (tmp_path / "b.db").unlink()
    first = found["cboe_eod"]
    assert len(first) == 1
    assert {name for name, each in found.items() if each != first} == set()


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    (write,) = [each for each in WRITERS if each.__name__ == "plain"]
    file = str(write(tmp_path, market()))
    lines = run("data", "add", "mine", file).splitlines()
    assert lines[:3] == [
        " mine: 1 file added",
        "  mine.csv: generic, 156 rows",
        "  SPX: 3 sessions, 2024-03-04 to 2024-03-06",
    ]
    assert lines[-1] == " next: rulebot backtest SPEC --data mine"
    assert " mine: 0 files added, 1 known before" in run("data", "add", "mine", file)
    assert run("data", "list").splitlines()[1].split() == ["mine", "SPX", "3", str(DAYS[0]), str(DAYS[-1])]
    assert "  2024-03  ###" in run("data", "show", "mine").splitlines()
    assert "  columns: date, symbol, expiry, right, strike, bid, ask" in run("data", "check", file).splitlines()
    run("data", "remove", "mine")
    assert run("data", "list") == " no source yet: 'rulebot data add NAME PATH' adds one\n"


def test_an_underlying_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    (write,) = [each for each in WRITERS if each.__name__ == "with_times"]
    text = write(tmp_path, market()).read_text("utf-8")
    other = text.partition("\n")[2].replace("I:SPX", "QQQ")
    (tmp_path / "both.csv").write_text(text + other, "utf-8")
    run("data", "add", "mine", str(tmp_path / "both.csv"))
    spec = str(tmp_path / "weekput.yaml")
    done = CliRunner().invoke(main, ("backtest", spec, "--data", "mine"))
    assert (done.exit_code, "there are QQQ, SPX: --data 'mine?symbol=QQQ'" in done.output) == (2, True), done.output
    assert "sessions of daily snapshots of SPX" in run(
        "backtest", spec, "--data", "mine?symbol=SPX", "--store", str(tmp_path / "c.db")
    )
