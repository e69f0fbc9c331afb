"""What the benchmarks run must stay in the language, and those who are compared must do the same."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from benchmarks import anchors
from benchmarks.engine_desk import compiled
from benchmarks.measure import Goal
from benchmarks.measured import Measured, keep, load
from benchmarks.modelled import RECENT, make_bars
from benchmarks.page import page
from benchmarks.past import by_engine, make_days
from benchmarks.sweep_by_hand import by_arrays
from benchmarks.task import variants
from benchmarks.ticks import day_of, make_ticks
from benchmarks.workload import make_day
from rulebot.adapters.sources import open_source
from rulebot.documents.load_bots import load_all_bots

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = BENCHMARKS.parent / "docs" / "benchmarks.md"


def test_its_bots_are_fine() -> None:
    desk = load_all_bots([str(BENCHMARKS / "wide_bot.yaml")], {}, None)
    assert set(desk.bots) == {"wide_bot"}


def test_the_sweep_by_hand_trades_as_the_engine_does(tmp_path: Path) -> None:
    make_days(tmp_path, 1)
    tasks = variants(6)
    found = by_arrays([tmp_path / "2025-01-02.parquet"], tasks)
    assert found == [by_engine(tmp_path, compiled([task]))[0] for task in tasks]
    assert sum(map(len, found)) >= 4


def test_a_day_is_read_back_from_its_file_of_quotes(tmp_path: Path) -> None:
    make_ticks(tmp_path, (11,))
    assert day_of(tmp_path / "11.parquet") == make_day(11)


def test_modelled_years_by_chance_have_a_chain_for_every_day(tmp_path: Path) -> None:
    make_bars(tmp_path)
    source = open_source(f"model:{tmp_path}")
    assert len(source.dates(*RECENT)) == 1255
    day = source.day(date(2024, 3, 4))
    assert len(day.places()) > 8000
    assert [str(each) for each in day.expiries("SPX", "SPXW")[:3]] == ["2024-03-04", "2024-03-05", "2024-03-06"]


def test_a_goal_that_is_measured_again_keeps_its_figures_before(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text("[]", encoding="utf-8")
    goal = Goal("7", "a backtest", "by hand", 5.27169, floor=5, note="17 trades")
    keep([goal], "2026-11-27", file)
    keep([replace(goal, figure=4.2), Goal("8", "beside others", "", None, note="not there")], "2026-11-28", file)
    assert load(file) == [Measured(replace(goal, figure=4.2), "2026-11-28", (("2026-11-27", 5.272),))]


def test_the_page_is_of_what_was_measured() -> None:
    measured = load()
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert rows[1:] == [line for line in page(measured, []).splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(measured) + 1


def test_the_anchors_get_the_interpreter_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> CompletedProcess[str]:
        commands.append(command)
        return CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("BENCHMARKS_PYTHON", "/opt/python3.13")
    monkeypatch.setattr(anchors, "FOLDER", tmp_path)
    monkeypatch.setattr(anchors, "INSTALLED", tmp_path / "installed.txt")
    monkeypatch.setattr("subprocess.run", run)
    assert anchors.install("msgspec")
    assert commands[0] == ["/opt/python3.13", "-m", "venv", "--clear", str(tmp_path)]
