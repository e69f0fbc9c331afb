"""`rulebot diff --days`: both texts on the same past sessions, and what was wrong with these."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from past_days import PastDays

from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.history.session import HistoryDay
from rulebot.cli.main import main
from rulebot.compare import spec_comparison as behaviour
from rulebot.compare.git_revisions import Text
from rulebot.compare.spec_comparison import PastTask, aligned, relived
from rulebot.spec.files import shipped

SWING = """rulebot: 1
name: swing
about: A put spread that is held for two days.
underlying: SPX
entry: {window: {from: "10:00", to: "15:00"}, per_day: 1, max_open: 1, when: [{vix: {below: 90}}]}
legs:
  expiry: {dte: 2}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 40s, tries: 3, then: cancel}
exits:
  - at_expiry: settle
  - target: {profit: 60%}
risk: {max_loss_per_trade: $5000}
"""
CONDOR = (shipped("specs") / "dte0_condor.yaml").read_text(encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "chains"
    folder.mkdir()
    source = PastDays(last=date(2026, 9, 2), strikes=25, every=3)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), folder / f"{day}.parquet")
    (tmp_path / "edited.yaml").write_text(CONDOR.replace("delta: 0.06", "delta: 0.10"), encoding="utf-8")
    return folder


def typed(data: object, edited: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["diff", "dte0_condor", str(edited), "--days", str(data), "--all", *words])


def test_a_day_that_is_refused_is_reported_and_no_day_twice(data: Path, tmp_path: Path) -> None:
    """What the day before it made would else count again for a day that nobody could read."""
    second = data / "2026-09-02.parquet"
    second.write_bytes(second.read_bytes()[:500])
    found = typed(data, tmp_path / "edited.yaml")
    assert found.exit_code == 1, found.output
    assert "  1 past session (2026-09-01)" in found.stdout
    assert "    2026-09-01" in found.stdout.splitlines()
    assert "    2026-09-02" not in found.stdout.splitlines()
    assert "    refused: Parquet chains of chains: 2026-09-02: 2026-09-02.parquet: this is no whole" in found.stdout


def test_without_a_day_there_is_nothing_to_compare(data: Path, tmp_path: Path) -> None:
    for file in data.glob("2026-09-0?.parquet"):
        file.write_bytes(b"")
    found = typed(data, tmp_path / "edited.yaml")
    assert (found.exit_code, "no session could be lived through" in found.stderr) == (3, True), found.output


def test_no_recorded_days_are_not_all_of_them(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    found = typed(0, tmp_path / "edited.yaml")
    assert (found.exit_code, "--days is a number of recorded days, 1 at least" in found.stderr) == (2, True)


def test_a_new_bot_and_one_that_is_gone_do_what_they_do_beside_another_text(data: Path, tmp_path: Path) -> None:
    """They were told without a day: what a bot would do was shown to nobody who read the change that brings it."""
    edited = tmp_path / "edited.yaml"
    (pair,) = json.loads(typed(data, edited, "--format", "json").stdout)["compared"]
    stays = SWING.replace("below: 90", "below: 1")
    gone = edited.read_text(encoding="utf-8").replace("name: dte0_condor", "name: old_condor")
    for side, text in (("old", gone), ("new", CONDOR)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "swing.yaml").write_text(stays, encoding="utf-8")
        name = "old_condor" if side == "old" else "dte0_condor"
        (tmp_path / side / f"{name}.yaml").write_text(text, encoding="utf-8")
    words = ["diff", str(tmp_path / "old"), str(tmp_path / "new"), "--days", str(data), "--all"]
    found = CliRunner().invoke(main, [*words, "--format", "json"])
    assert found.exit_code == 1, found.output
    reported = {each["name"]: each for each in json.loads(found.stdout)["compared"]}
    assert {name: each["status"] for name, each in reported.items()} == {
        "dte0_condor": "added",
        "swing": "same",
        "old_condor": "removed",
    }
    assert "days" not in reported["swing"]
    come, went = reported["dte0_condor"]["days"], reported["old_condor"]["days"]
    assert any(day["trades"] for day in come["new"])
    assert any(day["trades"] for day in went["old"])
    assert (come["new"], went["old"]) == (pair["days"]["old"], pair["days"]["new"])
    for days, without in ((come["new"], come["old"]), (went["old"], went["new"])):
        assert [{**day, "trades": [], "net_pnl": "0", "why_not": "there is no such bot"} for day in days] == without
    assert come["flaws"] == pair["days"]["flaws"]
    shown = CliRunner().invoke(main, words).stdout
    assert f"entries 0 -> {sum(len(day['trades']) for day in come['new'])}   all of them new" in shown
    assert f"entries {sum(len(day['trades']) for day in went['old'])} -> 0   all of them gone" in shown
    page = CliRunner().invoke(main, [*words, "--format", "markdown"]).stdout
    assert "### old\\_condor\n\nis gone; " in page
    assert page.count("```text\n  2 past sessions (2026-09-01 to 2026-09-02)") == 2


def test_a_bot_that_is_only_renamed_does_the_same(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "other_condor.yaml"
    file.write_text(CONDOR.replace("name: dte0_condor", "name: other_condor"), encoding="utf-8")
    found = typed(data, file)
    assert "(!) name  dte0_condor -> other_condor" in found.stdout
    assert "    every one the same: " in found.stdout


def test_many_days_are_walked_through_in_two_processes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = typed(data, tmp_path / "edited.yaml")
    started = []
    several = behaviour.several
    monkeypatch.setattr(behaviour, "MANY", 2)
    monkeypatch.setattr(behaviour.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(behaviour, "several", lambda count, **given: started.append(count) or several(count, **given))
    beside = typed(data, tmp_path / "edited.yaml")
    assert (beside.stdout, started) == (here.stdout, [1])


@pytest.fixture
def swings(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return data of three sessions, the second of which cannot be read, and two texts: one that never enters."""
    folder = tmp_path / "swings"
    folder.mkdir()
    source = PastDays(last=date(2026, 9, 3), strikes=30, every=30, expiries=3)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), folder / f"{day}.parquet")
    unread = folder / "2026-09-02.parquet"
    unread.write_bytes(unread.read_bytes()[:500])
    texts = [tmp_path / each / "swing.yaml" for each in ("held", "never")]
    for file, text in zip(texts, (SWING, SWING.replace("below: 90", "below: 1")), strict=True):
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
    return folder, *texts


def test_what_is_held_over_days_comes_to_what_a_backtest_of_it_does(
    swings: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over a session that cannot be read, which only the text that holds something lives through."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    folder, *files = swings
    days = tuple(PastDays(last=date(2026, 9, 3)).dates(date.min, date.max))
    texts = [Text(str(file), file.read_bytes()) for file in files]
    was, now = aligned([relived(PastTask(text, f"parquet:{folder}", days))[0] for text in texts])
    assert [day.day for day in was] == [day.day for day in now] == list(days)
    assert [trade.is_carried for day in was for trade in day.trades] == [False, True, True]
    assert now[1].why_not == "there is no data of it, and nothing was held"
    store = str(tmp_path / "back.db")
    backtest = ("backtest", "--data", f"parquet:{folder}")
    done = CliRunner().invoke(main, [*backtest, "--workers", "1", "--store", store, str(files[0])])
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(store)) as connection:
        ((made, ended_by),) = connection.execute("SELECT final_pnl, exit_name FROM trades").fetchall()
    assert sum(day.net for day in was) == Decimal(str(made))
    assert was[2].trades[0].ended_by == ended_by


def test_each_day_comes_to_what_the_account_of_a_backtest_makes_of_it(tmp_path: Path) -> None:
    """An option counts at its last quote up to the close, also one that is not quoted in the last hours: the engine's
    own last look is a minute older, or at nothing.
    """

    def late(day: HistoryDay) -> HistoryDay:
        columns = {name: column.copy() for name, column in day.columns().items()}
        if day.date == date(2026, 9, 2):
            for name in ("bid", "ask"):
                columns[name][day.times > day.times[0] + 3600] = nan
        else:
            columns["bid"][-1] = columns["ask"][-1] * 0.9
        return replace(day, **columns)

    folder, text = tmp_path / "chains", tmp_path / "swing.yaml"
    folder.mkdir()
    source = PastDays(last=date(2026, 9, 3), strikes=30, every=5, expiries=4, change=late)
    for each in source.dates(source.first, source.last):
        write_day(source.day(each), folder / f"{each}.parquet")
    text.write_text(SWING.replace("dte: 2", "dte: 3").replace("  - target: {profit: 60%}\n", ""), encoding="utf-8")
    days = tuple(source.dates(date.min, date.max))
    found, _ = relived(PastTask(Text(str(text), text.read_bytes()), f"parquet:{folder}", days))
    backtest = ("backtest", "--data", f"parquet:{folder}", "--store", str(tmp_path / "back.db"), "--format", "json")
    done = CliRunner().invoke(main, [*backtest, str(text)])
    assert done.exit_code == 0, done.output
    profits = [Decimal(str(day["profit"])) for day in json.loads(done.stdout)["days"]]
    assert [day.net for day in found] == profits
    assert all(profits)


def test_what_was_held_without_quotes_is_reported_once_in_lines_that_fit(data: Path, tmp_path: Path) -> None:
    """Day after day both texts hold on what nobody quotes any more, as where the recorded bot had left."""

    def unquoted(day: HistoryDay) -> HistoryDay:
        columns = {name: column.copy() for name, column in day.columns().items()}
        for name in ("bid", "ask"):
            columns[name][day.times > day.times[0] + 3600] = nan
        return replace(day, **columns)

    source = PastDays(first=date(2026, 9, 3), last=date(2026, 9, 11), strikes=25, every=5, change=unquoted)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), data / f"{day}.parquet")
    found = typed(data, tmp_path / "edited.yaml")
    said = " ".join(found.stdout.split())
    assert "on there is no quote of SPXW 2026-09-0" in said, found.stdout
    assert "which dte0_condor held to the close: its exits saw nothing of it; " in said
    assert "more like it, the last 2026-09-1" in said
    assert max(map(len, found.stdout.splitlines())) <= 120
    (document,) = json.loads(typed(data, tmp_path / "edited.yaml", "--format", "json").stdout)["compared"]
    assert sum("its exits saw nothing of it" in flaw for flaw in document["days"]["flaws"]) == 1
