"""How exits are told that roll a part of a position; and what an edit of them means."""

import pytest

from tests.unit.compile.document import CONDOR
from tests.unit.review.test_change_marks import BREACH, change_at, compared, edited
from tests.unit.review.test_sections import reported

SIDE = """\
  - breach: {spot_within: 10 pts}
    close: put_side
    roll: {strikes: {short_put: {delta: 0.20}, long_put: {below: short_put, by: 5 pts}}, else: close}
"""
EACH = """\
  - breach: {spot_within: 10 pts, of: each_side}
    roll: {expiry: {dte: {nearest: 7}}}
"""


def rolled(exit: str) -> str:
    return edited(CONDOR, (BREACH, exit), ("  per_day: 1\n", "  max_open: 1\n"))


@pytest.mark.parametrize(
    ("exit", "words"),
    [
        (
            SIDE,
            "one order, 6 tries, closes short_put and long_put alone and opens new short_put whose delta is nearest "
            "0.20, long_put 5 points below short_put, of the expiry held; else it only closes; the rest continues: it "
            "and the new position are separate, each under these exits",
        ),
        (SIDE.replace("put_side", "[short_put, long_put]"), "closes short_put and long_put alone and opens new"),
        (
            EACH,
            "each side separately: spot is within 10 points of the strike of a short leg, or past it; one order, "
            "6 tries, closes that one alone and opens its own legs of these: new short_put, long_put, short_call and "
            "long_call at the strikes held, of SPXW options of the expiry nearest 7 days from then",
        ),
        (
            EACH,
            "breach rolls a part to another expiry: it may be lost besides the rest, and $1,000 limits "
            "both losses together",
        ),
        (EACH.replace("each_side}", "each_side}\n    close: all"), "closes it and opens new short_put, long_put"),
    ],
)
def test_a_roll_of_a_part_in_words(exit: str, words: str) -> None:
    assert words in reported(rolled(exit))


def test_an_edit_says_which_part_is_rolled_from_now_on() -> None:
    whole = SIDE.replace("    close: put_side\n", "").replace(", long_put: {below: short_put, by: 5 pts}", "")
    whole = whole.replace(
        "short_put: {delta: 0.20}", "short_put: {delta: 0.20}, long_put: {below: short_put, by: 5 pts}"
    )
    change = change_at(compared(rolled(whole), rolled(SIDE)), "exits.breach.close")
    assert (change.old, change.new) == ("the whole position", "short_put and long_put alone")


def test_a_part_to_the_same_expiry_is_no_risk_of_its_own() -> None:
    assert "rolls a part" not in reported(rolled(SIDE))


def test_what_rolls_have_lost_is_said_to_be_lost_beside_the_worst_of_a_trade() -> None:
    """A spread said to lose $2,003 at most was rolled for $873 lost, into one that could lose $1,560 more."""
    assert "breach: each roll opens a new trade, and losses of several add up" in reported(rolled(SIDE))
    assert "each roll" not in reported(CONDOR)


@pytest.mark.parametrize(
    ("old", "new"),
    [("{nearest: 7}", "{nearest: 14}"), ("roll: {", "roll: {require: [{credit: {at_least: 0.10}}], ")],
    ids=["expiry", "require"],
)
def test_another_roll_is_reported_both_ways(old: str, new: str) -> None:
    texts = [rolled(EACH), rolled(edited(EACH, (old, new)))]
    for pair in (texts, texts[::-1]):
        assert change_at(compared(*pair), "exits.breach.roll").words == "rolled otherwise"
