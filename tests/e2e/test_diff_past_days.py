"""`rulebot diff --days`: both texts on the same past sessions, and what was wrong with these."""

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from past_days import PastDays

from engine.adapters.history.write import write_day
from engine.cli.main import main
from engine.spec.shipped import shipped

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


def typed(data: object, edited: Path) -> Result:
    return CliRunner().invoke(main, ["diff", "dte0_condor", str(edited), "--days", str(data), "--all"])


def test_a_day_that_is_refused_is_told_and_no_day_twice(data: Path, tmp_path: Path) -> None:
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
