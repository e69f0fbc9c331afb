"""What a growing quantity stands at, as status, the page and REST say it."""

from dataclasses import replace
from datetime import date

import pytest

from rulebot.decide.entry_window import BotDay
from rulebot.narrate.notices import grown_of
from rulebot.spec.spec import Growth

TEXT = "abc"
STEPS = Growth(start=1, step=1, sessions=20)


def day(compliant: int, **given: object) -> BotDay:
    found = BotDay(bot="b", date=date(2026, 10, 21), compliant=compliant, row_of=TEXT)
    return replace(found, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("compliant", "words"),
    [
        (0, "quantity 1 of at most 3: 0 compliant sessions in a row before this one, 20 more make it 2"),
        (1, "quantity 1 of at most 3: 1 compliant session in a row before this one, 19 more make it 2"),
        (21, "quantity 2 of at most 3: 21 compliant sessions in a row before this one, 19 more make it 3"),
        (60, "quantity 3 of at most 3: 60 compliant sessions in a row before this one"),
    ],
)
def test_it_says_what_is_entered_now_and_what_raises_it(compliant: int, words: str) -> None:
    assert grown_of(STEPS, 3, day(compliant), TEXT).words == words


def test_a_breach_and_an_edit_begin_again() -> None:
    broken = grown_of(STEPS, 3, day(45, breach=True), TEXT)
    assert broken.words == "quantity 1 of at most 3: this session has a breach, so the row begins again"
    assert grown_of(STEPS, 3, day(45), "other").quantity == 1


def test_a_step_beyond_the_most_is_not_promised() -> None:
    steps = Growth(start=1, step=5, sessions=20)
    assert grown_of(steps, 3, day(0), TEXT).next_quantity == 3
    assert grown_of(steps, 3, day(20), TEXT).next_quantity is None
