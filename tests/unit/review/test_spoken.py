"""How exits are told that trail, or that judge each side separately; and what an edit of them means."""

import pytest

from tests.unit.compile.document import CONDOR
from tests.unit.review.test_change_marks import STOP, change_at, compared, edited
from tests.unit.review.test_sections import reported


def leaving(stop: str) -> str:
    unbound = ("max_loss_per_trade: $1000", "undefined_risk: allow")  # some close a short leg alone
    return reported(edited(CONDOR, unbound, (STOP, f"  - {stop}\n")))


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (
            "stop: {give_back: 20%}",
            "stop    once 20% of the credit or more was given back from the best profit",
        ),
        ("stop: {give_back: $50}", "once $50 or more was given back from the best profit"),
        (
            "stop: {cost: 1x credit, of: each_side}",
            "stop    each side separately, against the credit of the whole structure: once closing costs the credit or "
            "more; that one alone is closed   0.50 sold: each bought back at about 0.50",
        ),
        (
            "stop: {loss: 100%, of: each_side}",
            "each side separately: at a loss of 100% of the entry price of that part; that one alone is closed",
        ),
        (
            "stop: {cost: 1x credit, of: each_short}\n    close: all",
            "each short leg separately, against the credit of the whole structure: once closing costs the credit or "
            "more; closes the whole position",
        ),
        (
            "breach: {spot_beyond: 3 pts, of: each_short}\n    name: itm",
            "leg separately: spot is more than 3 points past the strike of a short leg, in the money; that one alone",
        ),
        (
            "stop: {loss: 200%, of: [short_put, long_put]}",
            "of short_put and long_put: at a loss of 200% of their own entry price; closes short_put",
        ),
        ("profit: {above: 40%, of: short_put}", "the profit of short_put is above 40% of their own entry price"),
        (
            "stop: {loss: 100%}\n    activate_when: {sessions_in_trade: {at_most: 2}}",
            "at most 2 sessions after the day",
        ),
    ],
)
def test_an_exit_in_words(stop: str, words: str) -> None:
    assert words in leaving(stop)


def test_an_exit_that_is_judged_part_by_part_is_one_line() -> None:
    lines = [line for line in leaving("stop: {cost: 1x credit, of: each_side}").splitlines() if "each side" in line]
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cost: 2x credit", "cost: 2x credit, of: each_side", "each side is judged separately"),
        ("cost: 2x credit, of: each_side", "cost: 2x credit", "its legs are judged together"),
    ],
)
def test_to_judge_each_side_is_another_exit(old: str, new: str, words: str) -> None:
    was = edited(CONDOR, (STOP, f"  - stop: {{{old}}}\n"))
    now = edited(CONDOR, (STOP, f"  - stop: {{{new}}}\n"))
    change = change_at(compared(was, now), "exits.stop")
    assert words in change.words
    assert change.is_worse


def test_a_trailing_stop_that_gives_back_more_risks_more() -> None:
    was = edited(CONDOR, (STOP, "  - stop: {give_back: 20%}\n"))
    now = edited(CONDOR, (STOP, "  - stop: {give_back: 30%}\n"))
    assert change_at(compared(was, now), "exits.stop").is_worse
    assert not change_at(compared(now, was), "exits.stop").is_worse
