"""Puts that are assigned while their shares fall: one profit in the summary and for a promotion."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from engine.cli.main import main
from engine.run.promotion.assess import read_evidence
from engine.run.promotion.figures import figures
from engine.run.promotion.paper import closed_trades, key_of
from engine.run.promotion.sessions import judge

SPEC = """\
rulebot: 1
name: put_day
about: A same-day SPY put kept to its expiry, with a loss limit of the day.
underlying: SPY
entry: {at: open + 1m, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.45}}
order: {adaptive: normal, start: mid, wait: 300s, tries: 1, then: cancel}
exits:
  - at_expiry: settle
risk: {undefined_risk: allow, daily_loss: $300}
"""
MARKET = """\
market: 1
about: SPX slides 60 points from 11 to 15:50.
start: {spx: 6000, vix: 16}
day: calm
volatility: {realised: 0.3}
drift:
  - {symbol: SPX, from: "11:00", until: "15:50", per_minute: -0.25}
"""


def said(*words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_an_assigned_loser_is_no_win(tmp_path: Path) -> None:
    """`summary` said +$238.90 and 2 of 2 won, `promote` -$507.10 and 1 of 2."""
    spec, market, store = tmp_path / "put_day.yaml", tmp_path / "slide.yaml", tmp_path / "a.db"
    spec.write_text(SPEC, encoding="utf-8")
    market.write_text(MARKET, encoding="utf-8")
    asked = ("--date", "2026-10-21", "--days", "2", "--market", str(market), "--store", str(store))
    ran = CliRunner().invoke(main, ["run", "--paper", "--sim", "--plain", *asked, str(spec)])
    assert ran.exit_code == 0, ran.output
    total = said("summary", "--store", str(store))["all"]
    assert (round(total["net_pnl"], 2), total["wins"], total["total_trades"]) == (-507.10, 1, 2)
    paper = read_evidence(store, simulated=True).paper
    (key,) = {key_of(each) for each in paper.positions.values()}
    found = figures(judge(paper, key, {}), tuple(closed_trades(paper, key)), {})
    assert (round(found.net, 2), round(found.marked, 2)) == (Decimal("-507.10"), Decimal("-507.10"))
    assert found.win_rate == Decimal("0.5")
    assert "-$507.10" in ran.output
