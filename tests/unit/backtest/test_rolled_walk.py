"""Condors over past sessions of which each side is rolled by itself: what instants that pass by record is the same."""

from pathlib import Path

import pytest
from passed_by import both, difference, odd, program_of
from past_days import PastDays

from rulebot.model.order import Purpose
from rulebot.record.record import Kind, Record

SIDES = """rulebot: 1
name: plain
about: Sells condors and rolls their sides.
underlying: SPX
quantity: 2
entry: {window: {from: "09:45", to: "10:15"}, max_open: 2}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.15}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - name: out
    all:
      - sessions_in_trade: {at_least: 1}
      - time: "11:00"
  - name: tested
    breach: {spot_within: 5 pts, of: each_side}
    roll:
      strikes:
        short_put: {delta: 0.08}
        long_put: {below: short_put, by: 15 pts}
        short_call: {delta: 0.08}
        long_call: {above: short_call, by: 15 pts}
      else: close
  - name: onward
    all:
      - dte: {at_most: 0}
      - time: "13:00"
    close: put_side
    roll: {expiry: {dte: {at_least: 1}}}
  - name: calls_over
    dte: {of: short_call, at_least: 30}
  - name: dear
    leg_delta: {of: short_call, at_least: 0.95}
    close: call_side
  - stop: {cost: 3x credit, of: [short_call, long_call]}
  - target: {profit: 90%}
  - at_expiry: settle
risk: {max_loss_per_trade: $9000}
"""


def rolled(records: list[Record]) -> int:
    orders = {str(each.data["ref"]): each.data for each in records if each.kind is Kind.ORDER}
    filled = [each for each in orders.values() if each["purpose"] == Purpose.ROLL.value and each["status"] == "filled"]
    return len([each for each in filled if len(each["legs"]) == 4])  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["as it is", "odd"])
def test_sides_that_are_rolled_record_the_same(tmp_path: Path, change: str) -> None:
    source = PastDays(expiries=3, strikes=40) if change == "as it is" else PastDays(expiries=3, strikes=40, change=odd)
    reported, every = both(program_of(tmp_path, SIDES), source, 4, "mid")
    assert difference(reported, every) == ""
    assert rolled(every) >= (4 if change == "as it is" else 1)
    alarms = [str(each.data["text"]) for each in every if each.kind is Kind.ALARM]
    assert [each for each in alarms if "cannot be judged: no such leg" in each or "no option remains" in each] == []
