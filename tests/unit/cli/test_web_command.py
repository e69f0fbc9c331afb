"""`rulebot web` before it serves anything."""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from rulebot.cli import web
from rulebot.cli.main import main


def test_a_log_that_cannot_be_written_keeps_nobody_from_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused, where a run goes on; what is wrong with the store is said after it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in_the_way").write_text("", encoding="utf-8")
    monkeypatch.setenv("RULEBOT_LOGS", str(tmp_path / "in_the_way"))
    found = CliRunner().invoke(main, ["web", "--store", "gone.db"])
    assert found.exit_code == 3
    warned, _, refused = found.stderr.partition("\n")
    assert warned.startswith(" warning: the log ")
    assert "there is no store gone.db" in refused


def test_a_page_without_its_packages_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed without the extra, `rulebot serve` ended in a traceback, with its engine begun."""
    monkeypatch.chdir(tmp_path)
    for module in ("rulebot.web.server", "rulebot.web.live"):
        monkeypatch.setitem(sys.modules, module, None)
    found = CliRunner().invoke(main, ["serve", "--paper", "--sim", "put_lite"])
    assert (found.exit_code, found.stdout, Path("runs").exists()) == (2, "", False)
    assert found.stderr == f"error: {web.NEEDS}\n  = help: {web.HELP}\n"


@pytest.mark.skipif(os.name == "nt", reason="there a signal ends the process that sends it to itself")
def test_two_signals_at_once_end_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second interrupted the handler of the first, which held a lock: nothing but SIGKILL ended the page."""
    ends = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in ends]

    def told_twice(_: float) -> None:
        for number in ends:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(web.time, "sleep", told_twice)
    try:
        web.wait_for_stop()
    finally:
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("words", "checked"),
    [
        ((), ["--paper"]),
        (("--live", "--gateway", "a:1", "--set", "x=1"), ["--live", "--gateway", "a:1", "--set", "x=1"]),
        (("--account", "a.yaml", "--settings", "b.toml"), ["--paper", "--account", "a.yaml", "--settings", "b.toml"]),
        (("--store", "s.db"), ["--paper", "--store", "s.db"]),
        (("--exits-only",), ["--paper", "--exits-only"]),
        (("--observe",), None),
        (("--sim",), None),
    ],
)
def test_a_service_that_trades_is_checked_before_each_open_as_it_runs(
    words: tuple[str, ...], checked: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def page(where: object, alert_sender: object, check_up: list[str]) -> SimpleNamespace:
        seen.append(check_up)
        return SimpleNamespace(stay=lambda: None, close=lambda: None)

    monkeypatch.setattr("rulebot.cli.serve.EmbeddedPage", page)
    monkeypatch.setattr("rulebot.cli.serve.run_with", lambda options, page: None)
    for waits in (["--wait-for-gateway"], []):
        assert CliRunner().invoke(main, ["serve", *waits, *words, "put_lite"]).exit_code == 0
    first, second = seen
    assert second == []
    if checked is None:
        assert first == []
        return
    assert first[1:5] == ["-m", "rulebot.cli.main", "doctor", checked[0]]
    assert first[5:] == ["--no-audit", "--format", "json", *checked[1:], "put_lite"]
