"""Trades that end in shares: one profit in the summary, for a promotion and in the report of the run."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.promotion.paper import closed_trades, key_of
from rulebot.promotion.promotion import read_evidence
from rulebot.promotion.sessions import Figures, figures, judge

pytestmark = pytest.mark.usefixtures("slow_market")

SPEC = """\
rulebot: 1
name: put_day
about: A same-day SPY put kept to its expiry, with a loss limit of the day.
underlying: SPY
entry: {at: open + 1m, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.45}}
order: {adaptive: normal, start: natural, wait: 300s, tries: 1, then: cancel}
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


PAIR = """\
rulebot: 1
name: pair_settle
about: Buys one SPX call and sells ten SPY calls, and keeps them to settlement.
underlyings: [SPX, SPY]
entry: {window: {from: "09:35", to: "10:00"}, per_day: 1}
legs:
  expiry: {dte: 0}
  long_spx: {buy: call, of: SPX, strike: {at: spot, round_to: 5}}
  short_spy: {sell: call, of: SPY, ratio: 10, strike: {at: spot, round_to: 1}}
  require:
    - credit: {at_least: $400, at: natural}
order: {leg_by_leg: [long_spx, short_spy], start: natural, wait: 30s, tries: 3, then: unwind}
exits:
  - breach: {spot_beyond: 10 pts, of: short_spy}
    close: all
  - stop: {loss: $500}
  - at_expiry: settle
risk: {undefined_risk: allow, daily_loss: $1000}
"""
RISE = """\
market: 1
about: Calls on SPY are dear for four minutes, then SPX rises 43 points.
start: {spx: 6000, vix: 16, gap: 0}
day: calm
volatility: {realised: 0.4}
dislocation:
  - {symbol: SPY, from: "09:44", until: "09:48", right: call, richer: 0.95}
drift:
  - {symbol: SPX, from: "10:15", until: "15:15", per_minute: 0.145}
"""


def said(*words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def lived(folder: Path, text: str, market: str, days: int) -> tuple[Path, str]:
    """Run a bot on simulated days of this market; return its store and what the run printed."""
    name = text.partition("name: ")[2].partition("\n")[0]
    spec, scenario, store = folder / f"{name}.yaml", folder / "market.yaml", folder / "a.db"
    spec.write_text(text, encoding="utf-8")
    scenario.write_text(market, encoding="utf-8")
    asked = ("--date", "2026-10-21", "--days", str(days), "--market", str(scenario), "--store", str(store))
    ran = CliRunner().invoke(main, ["run", "--paper", "--sim", "--plain", *asked, str(spec)])
    assert ran.exit_code == 0, ran.output
    return store, ran.output


def promoted(store: Path) -> Figures:
    """Return the figures by which a promotion goes."""
    paper = read_evidence(store, simulated=True).paper
    (key,) = {key_of(each) for each in paper.positions.values()}
    return figures(judge(paper, key, {}), tuple(closed_trades(paper, key)), {})


def test_an_assigned_loser_is_no_win(tmp_path: Path) -> None:
    """`summary` counted the premium alone, and two trades won; `promote` counted the shares, and one did."""
    store, output = lived(tmp_path, SPEC, MARKET, 2)
    total = said("summary", "--store", str(store))["all"]
    assert (round(total["net_pnl"], 2), total["wins"], total["total_trades"]) == (-510.10, 1, 2)
    found = promoted(store)
    assert (round(found.net, 2), round(found.marked, 2)) == (Decimal("-510.10"), Decimal("-510.10"))
    assert found.win_rate == Decimal("0.5")
    assert "-$510.10" in output


def test_a_pair_counts_the_shares_of_one_side(tmp_path: Path) -> None:
    """The options alone made $4,227.36. The 1,000 shares that went at 599 lost $3,210.00 by the close."""
    store, output = lived(tmp_path, PAIR, RISE, 1)
    total = said("summary", "--store", str(store))["all"]
    assert (round(total["net_pnl"], 2), total["wins"], total["total_trades"]) == (1017.36, 1, 1)
    found = promoted(store)
    assert (round(found.net, 2), round(found.marked, 2)) == (Decimal("1017.36"), Decimal("1017.36"))
    assert "its shares made -$3,210.00 of that" in output
