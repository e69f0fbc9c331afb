"""The strikes that a bot streams are those that it chooses, whatever its modifiers make of what it asks for."""

from decimal import Decimal

import pytest
from both_ways import calendar, terms
from past_days import PastDays

from rulebot.backtest.simulation import BacktestSimulation
from rulebot.record.record import Kind
from rulebot.sweep.variant import program_of

MOVED = """rulebot: 1
name: plain
about: Sells a spread away from spot, on round strikes.
underlying: SPX
entry: {at: "10:00"}
legs:
  expiry: {dte: 0}
  short: {sell: RIGHT, strike: {SELECTOR, prefer_round_to: 25, min_otm_distance: 15 pts}}
  long: {buy: RIGHT, strike: {SIDE: short, by: 10 pts}}
order: {start: natural, wait: 10s, tries: 1, then: cancel}
exits:
  - time: "10:30"
risk: {max_loss_per_trade: $5000}
"""


@pytest.mark.parametrize("selector", ["delta: 0.40", "delta: 0.30", "otm: 12 pts"])
@pytest.mark.parametrize(("right", "side"), [("call", "above"), ("put", "below")])
def test_what_is_moved_out_to_a_preferred_strike_is_streamed_with_what_counts_from_it(
    selector: str, right: str, side: str
) -> None:
    """The wing of a short call that was moved out lay outside of what was streamed, and nothing was entered."""
    text = MOVED.replace("RIGHT", right).replace("SIDE", side).replace("SELECTOR", selector)
    source, entered = PastDays(seed=11), 0
    asked = terms(source, 8)
    walk = BacktestSimulation(program_of(text, asked), source, calendar(), asked.fills, Decimal(1_000_000))
    for day in source.dates(asked.first, asked.last):
        records = [record for done in walk.through(day, day) for record in done.records]
        entered += sum(one.kind is Kind.DECISION and one.data["what"] == "enter" for one in records)
    assert entered == 8
