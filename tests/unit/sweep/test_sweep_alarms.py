"""Sessions with an alarm go turn by turn, so that a sweep counts it: arrays tell of none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from both_ways import PLAIN, terms, together_and_alone
from past_days import PastDays, unchanged

from rulebot.adapters.history.session import HistoryDay

TIMED = '  - vix: {above: 100}\n  - time: "15:20"\n'
SPREAD = PLAIN.replace("10:30", "12:00").replace('  - target: {profit: 50%, at: natural}\n  - time: "15:45"\n', TIMED)
BOUND = SPREAD.replace("$5000", "$5000\n  daily_loss: $5000")


def without_data(day: HistoryDay) -> HistoryDay:
    """Nothing is quoted for forty minutes."""
    bid, ask = day.bid.copy(), day.ask.copy()
    bid[100:140], ask[100:140] = np.nan, np.nan
    return replace(day, bid=bid, ask=ask)


def unbid(day: HistoryDay) -> HistoryDay:
    """For forty minutes nobody bids: what is held counts half of what is asked, or nothing."""
    bid = day.bid.copy()
    bid[100:140] = np.nan
    return replace(day, bid=bid)


@pytest.mark.parametrize(
    ("text", "change", "alarm", "by_arrays"),
    [
        (BOUND, without_data, "daily_loss counts what", 0),
        (BOUND.replace(TIMED, "  - at_expiry: settle\n"), without_data, "daily_loss counts what", 0),
        (SPREAD, without_data, "", 2),
        (BOUND, unbid, "", 2),
        (SPREAD.replace("natural, wait: 10s, tries: 1", "1.30, wait: 50s, tries: 9"), unchanged, "no price for", 1),
    ],
    ids=["not valued", "not valued up to the end", "without a bound", "valued without bids", "too far from the mid"],
)
def test_an_alarm_of_a_session_is_counted(
    text: str,
    change: Callable[[HistoryDay], HistoryDay],
    alarm: str,
    by_arrays: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for (fast,), (slow,) in together_and_alone([text], terms(PastDays(seed=1, change=change), 3), monkeypatch):
        assert [words.startswith(alarm) for words, _ in slow.alarms] == [True] * bool(alarm)
        assert fast.by_arrays == by_arrays
