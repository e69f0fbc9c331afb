"""Bots over past markets as they come: the half day that is shipped, and the index bots on a modelled half year."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rulebot.adapters.history.modelled_surface import third_friday
from rulebot.cli.main import main
from rulebot.model.session import session_after, session_before, sessions

ROOT = Path(__file__).parents[2]
GOOG = ROOT / "examples" / "data" / "goog_2015-12-24"
INDEX = ROOT / "examples" / "index"


def results(*words: object) -> dict[str, Any]:
    reported = CliRunner().invoke(main, ["backtest", *map(str, words), "--workers", "1", "--format", "json"])
    assert reported.exit_code == 0, reported.output
    found: dict[str, Any] = json.loads(reported.stdout)
    return found


def test_the_shipped_half_day_is_traded_and_left_before_its_early_close(tmp_path: Path) -> None:
    found = results(GOOG / "goog_put_spread.yaml", "--data", GOOG, "--store", tmp_path / "a.db")
    (trade,) = found["trades"]
    assert trade["symbol"] == "GOOG"
    assert trade["left"] < "2015-12-24 12:50"
    assert trade["reason"] in ("time", "target")
    assert not found["settings"]["is_modelled"]
    reported = [each["text"].partition(" (")[0] for each in found["findings"]]
    assert sorted(reported) == [
        "the 805 call at 1.075 is far from the neighbouring strikes, 0.375 and 0.375",
        "there is a bid and no ask",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chance = np.random.default_rng(5)
    made = tmp_path_factory.mktemp("model")
    level = 1200.0
    spx, vix = ["date,open,high,low,close"], ["date,open,high,low,close"]
    for session in sessions(date(2005, 1, 3), date(2005, 4, 29)):
        close = level * math.exp(chance.normal(0, 0.006))
        spx.append(f"{session.date},{level:.2f},{max(level, close) + 2:.2f},{min(level, close) - 2:.2f},{close:.2f}")
        vix.append(f"{session.date},14,14.5,13.5,14")
        level = close
    (made / "spx_daily.csv").write_text("\n".join(spx) + "\n")
    (made / "vix_daily.csv").write_text("\n".join(vix) + "\n")
    return made


@pytest.mark.parametrize("name", ["cboe_put", "cboe_bxm", "cboe_bxmd", "cboe_cndr"])
def test_index_bots_roll_on_third_fridays_and_are_settled_at_the_open(folder: Path, tmp_path: Path, name: str) -> None:
    found = results(
        INDEX / f"{name}.yaml",
        "--data",
        f"model:{folder}?dte=0..40&step=60",
        "--from",
        "2005-01-21",
        "--account",
        INDEX / "account_limits.yaml",
        "--fills",
        "mid",
        "--store",
        tmp_path / "a.db",
    )
    assert found["settings"]["is_modelled"]
    fridays = [third_friday(2005, month) for month in (1, 2, 3, 4)]
    assert fridays[2] == date(2005, 3, 18)
    entered = [date.fromisoformat(trade["entered"][:10]) for trade in found["trades"]]
    assert entered == fridays
    for trade, settles in zip(found["trades"], fridays[1:], strict=False):
        assert trade["structure"].endswith(str(session_before(settles).date))
        assert trade["left"][:10] == str(settles)
        assert trade["reason"] in ("settled", "expired_worthless")
    assert found["trades"][-1]["left"] is None
    assert session_after(fridays[0]).date == date(2005, 1, 24)
