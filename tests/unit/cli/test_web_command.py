"""`rulebot web` before it serves anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import main


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
