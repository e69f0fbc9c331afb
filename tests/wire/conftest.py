"""What tests of commands that visit a gateway share."""

from pathlib import Path

import pytest


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder of our own, which is not there yet; the test runs beside it."""
    folder = tmp_path / "data"
    monkeypatch.setenv("RULEBOT_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder
