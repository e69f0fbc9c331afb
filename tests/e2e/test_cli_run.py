"""The shortest whole day by the command line: one bot trades, the report says so, and the store can be asked."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.store.registry import remember_store
from rulebot.store.sqlite import hold_store

pytestmark = pytest.mark.usefixtures("slow_market")

SPEC = str(Path(__file__).parents[2] / "specs" / "put_lite.yaml")
HALF_DAY = "2026-12-24"
"""The session before Christmas closes at 13:00: half the time of a whole day. No event keeps put_lite out."""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Return what a run of put_lite printed, and its store."""
    store = tmp_path_factory.mktemp("run") / "day.db"
    environment = {"RULEBOT_DATA": str(store.parent / "data"), "RULEBOT_LOG_CONSOLE": "true"}
    sim = ["--paper", "--sim", "--seed", "7", "--speed", "max", "--date", HALF_DAY]
    arguments = ["run", *sim, "--store", str(store), SPEC]
    return CliRunner(env=environment).invoke(main, arguments), store


def asked(store: Path, *command: str) -> str:
    found = CliRunner().invoke(main, [*command, "--store", str(store)])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_the_day_is_reported_line_by_line(day: tuple[Result, Path]) -> None:
    result, store = day
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("rulebot ")
    assert "simulated gateway (seed 7)   account DU" in lines[0]
    for wanted in (
        f" store {store}",
        " Ctrl+C stops: entries are cancelled, exits stay at the broker",
        " net liquidation $1,000,000.00",
        " 09:30:00  the session of 2026-12-24 opens, a half day",
        " 10:30:00  put_lite  watching: its window is open",
        " 13:00:00  the session of 2026-12-24 closes",
    ):
        assert wanted in lines
    assert any("put_lite  filled: sold " in line for line in lines)
    assert any("put_lite  closed: " in line for line in lines)


def test_the_log_is_on_the_console_as_in_its_file(day: tuple[Result, Path]) -> None:
    result, store = day
    (kept,) = store.parent.rglob("rulebot.jsonl")
    assert result.stderr == kept.read_text(encoding="utf-8")
    assert "rulebot.events" in result.stderr


def test_the_report_says_what_the_bot_did(day: tuple[Result, Path]) -> None:
    report = day[0].stdout.partition("the session of 2026-12-24 closes\n")[2]
    assert " put_lite  " in report
    assert "sold 6" in report
    assert "commissions $" in report
    assert "1 entry, 1 exit, 0 rejects" in report
    assert "simulated seconds in " in report
    assert "rulebot why put_lite" in report


def test_the_store_answers(day: tuple[Result, Path]) -> None:
    store = day[1]
    assert " put_lite  stopped  paper" in asked(store, "list")
    assert "nothing is open" in asked(store, "status")
    assert " total_trades" in asked(store, "summary")
    assert "put_lite traded on 2026-12-24." in asked(store, "why", "put_lite")


def test_a_later_backtest_is_not_asked_in_the_place_of_the_engine(day: tuple[Result, Path], tmp_path: Path) -> None:
    """Whoever tries a spec while bots trade, and then kills them, means the bots that trade."""
    data = day[1].parent / "data"
    tried = tmp_path / "tried.db"
    shutil.copy(day[1], tried)
    shutil.copytree(data, tmp_path / "data")
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    remember_store(tried, environ)

    def said(*command: str) -> str:
        found = CliRunner(env=environ).invoke(main, command)
        assert found.exit_code == 0, found.output
        return found.stdout

    assert f"store {tried}" in said("why", "put_lite")
    assert f"store {tried}" in said("status")
    assert day[1].stem in said("replay", "--list")
    with hold_store(day[1]):
        assert f"store {day[1]}" in said("status")
        assert f"store {day[1]}" in said("list")
        assert said("kill").startswith(f"asked the engine of {day[1]} to kill")
        assert said("resume").startswith(f"asked the engine of {day[1]} to resume")


def test_a_simulated_day_has_as_many_lines_as_the_settings_say(tmp_path: Path) -> None:
    """`lines` acted on real gateways alone: a day on which they would be too few was simulated with 90."""
    environment = {"RULEBOT_DATA": str(tmp_path / "data"), "RULEBOT_LINES": "4"}
    arguments = ["run", "--paper", "--sim", "--seed", "7", "--date", HALF_DAY, "--store", str(tmp_path / "a.db"), SPEC]
    found = CliRunner(env=environment).invoke(main, arguments)
    assert "more market data lines are wanted than the 4 that may be used" in found.stdout
    assert "put_lite  filled" not in found.stdout


@pytest.mark.long
def test_ci_a_second_day_begins(tmp_path: Path) -> None:
    sim = ["--paper", "--sim", "--date", HALF_DAY, "--days", "2"]
    arguments = ["run", *sim, "--store", str(tmp_path / "two.db"), SPEC]
    result = CliRunner(env={"RULEBOT_DATA": str(tmp_path / "data")}).invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert " 09:30:00  the session of 2026-12-28 opens" in result.stdout.splitlines()
    assert result.stdout.count("put_lite  watching: its window is open") == 2
    assert "held something on " in result.stdout


HEARING = """import runpy, signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
runpy.run_module("rulebot.cli.main", run_name="__main__", alter_sys=True)"""
"""Begins a command that is told of a terminal that is closed, also where these tests are to outlive theirs (nohup)."""


def ended_by(store: Path, *signals: int) -> list[str]:
    """Return what a run says that these signals end, in order, as soon as something has filled."""
    arguments = ["run", "--paper", "--sim", "--speed", "3600", "--store", str(store), SPEC]
    with subprocess.Popen(
        [sys.executable, "-c", HEARING, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=store.parent,
        env={**os.environ, "RULEBOT_DATA": str(store.parent / "data"), "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        reported = []
        for line in process.stdout:
            reported.append(line.rstrip("\n"))
            if "filled: sold" in line:
                for each in signals:
                    process.send_signal(each)
    assert process.returncode == 0
    assert any("stopped by the operator" in line for line in reported)
    return reported


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_a_terminal_that_is_closed_ends_it_in_order(tmp_path: Path) -> None:
    """It ended there and then: entries at work stayed at the broker. A shell says it a second time."""
    assert ended_by(tmp_path / "closed.db", signal.SIGHUP, signal.SIGHUP)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to one process there")
def test_ctrl_c_says_what_stays_and_keeps_everything(tmp_path: Path) -> None:
    store = tmp_path / "stopped.db"
    reported = ended_by(store, signal.SIGINT)
    assert " stopping: entries are cancelled, exits stay at the broker (Ctrl+C again ends at once)" in reported
    assert any("its exits act only while rulebot runs" in line for line in reported)
    assert "put_lite" in asked(store, "status")
