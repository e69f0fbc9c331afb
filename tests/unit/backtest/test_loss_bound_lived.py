"""A fly whose sides were stopped one after the other: it lost $2,300 under `max_loss_per_trade: $1000`."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.record.record import Kind, Record

ROOT = Path(__file__).parents[3]
DATA = f"model:{ROOT / 'examples' / 'data' / 'daily'}?dte=0&step=5"
DAY = date(2018, 2, 9)
FLY = """\
rulebot: 1
name: fly
about: Sells a same-day SPX iron fly with 30-point wings, stops each side separately.
underlying: SPX
entry: {at: "10:00", for: 5m, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put:  {sell: put,  strike: {at: spot}}
  short_call: {sell: call, strike: {at: short_put}}
  long_put:   {buy: put,   strike: {below: short_put, by: 30 pts}}
  long_call:  {buy: call,  strike: {above: short_call, by: 30 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:00"
  - stop: {loss: 100%, of: each_side}
    confirm: 2 quotes
  - target: {profit: $360}
risk: {max_loss_per_trade: LIMIT}
"""


def simulated(folder: Path, limit: str) -> list[Record]:
    """Return the records of that day under a limit."""
    path = folder / "fly.yaml"
    path.write_text(FLY.replace("LIMIT", limit))
    program = load_all_bots([str(path)], {}, None).program("bt", {}, 90)
    source = open_source(DATA)
    calendar, fills = event_calendar(shipped_dates()), fill_model("mid")
    walk = BacktestSimulation(program, source, calendar, fills, Decimal(1_000_000))
    return [each for done in walk.through(DAY, DAY) for each in done.records]


@pytest.mark.parametrize("limit", ["$1000", "$3800"])
def test_it_is_refused_for_both_widths_less_its_credit(tmp_path: Path, limit: str) -> None:
    records = simulated(tmp_path, limit)
    reasons = {str(each.data["reason"]) for each in records if each.data.get("what") == "skip"}
    assert any(reason.startswith("could lose $3,893.04, max_loss_per_trade is ") for reason in reasons), reasons
    assert not [each for each in records if each.kind is Kind.ORDER]


def test_under_a_limit_that_allows_it_it_loses_more_than_one_width_and_no_more_than_both(tmp_path: Path) -> None:
    position = [each.data for each in simulated(tmp_path, "$4000") if each.kind is Kind.POSITION][-1]
    legs = position["legs"]
    made = sum(Decimal(leg[key]) for leg in legs for key in ("entry_cash", "exit_cash"))
    assert position["max_risk"] == "3880.0000"
    assert -3880 <= made < -880
