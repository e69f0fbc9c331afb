"""Sweeps by arrays on data with sizes: what is quoted of an option fills once, on each side."""

from dataclasses import replace

import numpy as np
from both_ways import PLAIN, both, terms
from past_days import PastDays

from rulebot.adapters.history.session import HistoryDay

SPREAD = PLAIN.replace("target: {profit: 50%, at: natural}", "vix: {above: 1}")  # it is bought back at once


def single(day: HistoryDay) -> HistoryDay:
    """One contract is quoted on each side."""
    ones = np.ones(day.bid.shape)
    return replace(day, bid_size=ones, ask_size=ones)


def test_an_exit_right_after_its_entry_fills_at_the_other_side_of_the_same_quotes() -> None:
    """By turns the asks were gone that nobody had bought: it waited for the next minute."""
    (fast,), (slow,) = both([SPREAD], terms(PastDays(change=single), 3))
    assert fast == slow
    assert fast.by_arrays == slow.trades == 3
