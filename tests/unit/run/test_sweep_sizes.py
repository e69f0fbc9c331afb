"""Sweeps by arrays on data with sizes: what is quoted of an option fills once, on each side."""

from dataclasses import replace

import numpy as np
from both_ways import both, terms
from past_days import PastDays

from engine.adapters.history.day import HistoryDay

SPREAD = """rulebot: 1
name: plain
about: Sells a same-day put spread, and buys it back at once.
underlying: SPX
entry:
  window: {from: "10:00", to: "10:30"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 10s, tries: 1, then: cancel}
exits:
  - vix: {above: 1}
  - time: "15:45"
risk:
  max_loss_per_trade: $5000
"""


def single(day: HistoryDay) -> HistoryDay:
    """One contract is quoted on each side."""
    ones = np.ones(day.bid.shape)
    return replace(day, bid_size=ones, ask_size=ones)


def test_an_exit_right_after_its_entry_fills_at_the_other_side_of_the_same_quotes() -> None:
    """By turns the asks were gone that nobody had bought: it waited for the next minute."""
    (fast,), (slow,) = both([SPREAD], terms(PastDays(change=single), 3))
    assert fast == slow
    assert fast.by_arrays == slow.trades == 3
