"""What several files of whole days look at."""

import os
from pathlib import Path

import pytest

from tests.e2e.worlds import run_days, spec_files


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with two sessions of one bot: `s.db`, and recorded in `s-tapes`. Nobody changes it."""
    folder = tmp_path_factory.mktemp("two-days")
    run_days(folder, spec_files(["put_lite"]), seed=3, days=2, data_seconds=15, tapes=folder / "s-tapes")
    next(folder.glob("*.db")).rename(folder / "s.db")
    return folder


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare texts in this process: each one beside it imports the engine, which takes longer than a day."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
