"""No trade that a target closed kept less than the target promises (language.md, Targets).

By default two simulated days and two modelled months. `pytest -m long` runs thirty days, and the years 2016 to 2019.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import main
from engine.model.kept import Kept, kept_of
from engine.model.position import Position
from engine.store.queries import StoreReader
from tests.e2e.worlds import run_days

ROOT = Path(__file__).parents[2]
SPECS = tuple(str(ROOT / "specs" / f"{name}.yaml") for name in ("put_lite", "dte0_condor", "calm_tape_condor"))
FLY = """
rulebot: 1
name: fly
about: Sells a same-day SPX iron fly at 10:00, and stops each side by itself.
underlying: SPX
entry: {at: "10:00", for: 5m, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  short_call: {sell: call, strike: {at: short_put}}
  long_put: {buy: put, strike: {below: short_put, by: 30 pts}}
  long_call: {buy: call, strike: {above: short_call, by: 30 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:00"
  - stop: {loss: 100%, of: each_side}
    confirm: 2 quotes
  - target: {profit: 25%}
risk: {max_loss_per_trade: $8000}
"""


def promised(positions: Iterable[Position]) -> list[Kept]:
    """Return what was kept of each trade that a target closed."""
    found = [kept_of(each) for each in positions if each.state == "closed"]
    return [each for each in found if each is not None and each.promised_dollars is not None]


def assert_kept(positions: Iterable[Position], fewest: int) -> None:
    found = promised(positions)
    assert len(found) >= fewest
    assert [each for each in found if each.is_missed] == []


def backtested(folder: Path, specs: Iterable[str], first: str, last: str, fills: str) -> list[dict[str, object]]:
    """Return the rows of trades of a modelled backtest."""
    store = folder / f"{fills}.db"
    source = f"model:{ROOT / 'examples' / 'data'}"
    words = ["--data", source, "--from", first, "--to", last, "--fills", fills, "--store", str(store)]
    ran = CliRunner().invoke(main, ["backtest", *specs, *words])
    assert ran.exit_code == 0, ran.output
    with StoreReader(store) as reader:
        return [dict(row) for row in reader.view("trades") if row["status"] == "CLOSED"]


def assert_rows_kept(rows: Iterable[dict[str, object]], fewest: int) -> None:
    by_target = [row for row in rows if row["target_dollars"] is not None]
    assert len(by_target) >= fewest
    assert {row["exit_reason"] for row in by_target} == {"TAKE_PROFIT"}
    assert [row["id"] for row in by_target if float(str(row["kept_share"])) < float(str(row["target_share"]))] == []


def test_of_simulated_days(tmp_path: Path) -> None:
    day = run_days(tmp_path, SPECS, seed=101, days=2, data_seconds=15)
    assert_kept(day.positions.values(), 3)


@pytest.mark.parametrize("fills", ["mid", "mid+0.1"])
def test_of_two_months_of_the_model(fills: str, tmp_path: Path) -> None:
    (spec := tmp_path / "fly.yaml").write_text(FLY)
    rows = backtested(tmp_path, [str(spec), SPECS[0]], "2018-03-01", "2018-04-30", fills)
    assert_rows_kept(rows, 2)
    assert any(str(row["exit_name"]).startswith("stop.") for row in rows)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [101, 11])
def test_of_thirty_simulated_days(seed: int, tmp_path: Path) -> None:
    day = run_days(tmp_path, SPECS, seed=seed, days=30, data_seconds=15)
    assert_kept(day.positions.values(), 20)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fills", ["mid", "mid+0.3"])
def test_of_four_years_of_the_model(fills: str, tmp_path: Path) -> None:
    (spec := tmp_path / "fly.yaml").write_text(FLY)
    rows = backtested(tmp_path, [str(spec), *SPECS], "2016-01-04", "2019-12-31", fills)
    assert_rows_kept(rows, 100)
