"""No trade that a target closed kept less than the target promises (language.md, Targets).

By default one simulated day and one modelled month. `python -m tests.e2e.kept_targets` runs thirty days and the years
2016 to 2019, and so does `pytest -m long`.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rulebot.store.queries import StoreReader
from tests.e2e.kept_targets import BY_DAYS, CONDORS, Row, fly, lines_of, main, modelled, simulated
from tests.e2e.worlds import spec_files


def assert_kept(rows: Sequence[Row], fewest: int) -> None:
    assert sum(row.kept.trades for row in rows) >= fewest
    assert [row for row in rows if row.is_short] == []
    for kept in (row.kept for row in rows):
        assert kept.promised_share is None or (kept.least_share or 0) >= kept.promised_share


def test_targets_of_a_simulated_day_keep_what_they_promise(tmp_path: Path) -> None:
    rows = simulated(tmp_path, spec_files(CONDORS), seed=101, days=1)
    assert_kept(rows, 3)
    head, *lines = lines_of(rows)
    assert head.split() == ["run", "bot", "target", "n", "least", "kept", "kept", "missed", "orders"]
    assert [line.split()[4] for line in lines] == [row.kept.bot for row in rows]


@pytest.mark.parametrize("fills", ["mid", "natural", pytest.param("mid+0.1", id="ci mid+0.1", marks=pytest.mark.long)])
def test_targets_of_a_modelled_month_keep_what_they_promise(fills: str, tmp_path: Path) -> None:
    assert_kept(modelled(tmp_path, [fly(tmp_path), *spec_files(["put_lite"])], "2018-03-01", "2018-03-29", fills), 2)
    with StoreReader(tmp_path / f"{fills}.db") as reader:
        assert any(str(row["exit_name"]).startswith("stop.") for row in reader.view("trades", status="CLOSED"))


def test_nothing_asked_for_is_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--days", "0", "--fills", ""]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [101, 11])
def test_targets_of_thirty_simulated_days_keep_what_they_promise(seed: int, tmp_path: Path) -> None:
    assert_kept(simulated(tmp_path, spec_files(BY_DAYS), seed=seed, days=30), 20)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fills", ["mid", "natural", "mid+0.3"])
def test_targets_of_four_modelled_years_keep_what_they_promise(fills: str, tmp_path: Path) -> None:
    rows = modelled(tmp_path, [fly(tmp_path), *spec_files(CONDORS)], "2016-01-04", "2019-12-31", fills)
    assert_kept(rows, 100)
