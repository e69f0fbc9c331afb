"""Compliant sessions in a row: which count, which end the row, and how many structures they make."""

from dataclasses import replace
from datetime import date

import pytest

from rulebot.decide.account_rules import grown, row_of, with_row
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Halt, Shut
from rulebot.spec.spec import Growth

TEXT = "abc"
STEPS = Growth(start=1, step=2, sessions=20)


def day(**given: object) -> BotDay:
    return replace(BotDay(bot="b", date=date(2026, 10, 21), compliant=19, row_of=TEXT), **given)  # type: ignore[arg-type]


def following(before: BotDay | None, digest: str = TEXT) -> int:
    return with_row(BotDay(bot="b", date=date(2026, 10, 22)), before, digest).compliant


@pytest.mark.parametrize(
    "given",
    [
        {"opened": 1},
        {"skip": Shut.WINDOW_OVER},
        {"skip": Shut.NOT_AGAIN},
        {"halt": Halt.CONDITION},
        {"opened": 1, "halt": Halt.DAY_PROFIT},
    ],
)
def test_a_session_that_came_to_its_end_counts(given: dict[str, object]) -> None:
    assert following(day(**given)) == 20


@pytest.mark.parametrize("given", [{}, {"skip": Shut.NO_WINDOW}, {"skip": Shut.REMOVED}, {"skip": Shut.BLOCKED}])
def test_a_session_without_a_chance_neither_counts_nor_ends_the_row(given: dict[str, object]) -> None:
    assert following(day(**given)) == 19


@pytest.mark.parametrize(
    "given", [{"breach": True}, *({"halt": each} for each in Halt if each not in (Halt.CONDITION, Halt.DAY_PROFIT))]
)
def test_a_breach_ends_the_row_and_counts_at_once(given: dict[str, object]) -> None:
    after = day(opened=1, compliant=60, **given)
    assert following(after) == 0
    assert row_of(after, TEXT) == 0
    assert grown(STEPS, after, 9, TEXT) == 1


def test_an_edited_text_begins_a_new_row() -> None:
    assert following(day(opened=1), "other") == 0
    assert grown(STEPS, day(compliant=40), 9, "other") == 1
    assert following(None) == 0


@pytest.mark.parametrize(("row", "count"), [(0, 1), (19, 1), (20, 3), (39, 3), (40, 5), (4000, 7)])
def test_each_row_of_sessions_is_a_step_up_to_the_most(row: int, count: int) -> None:
    assert grown(STEPS, day(compliant=row), 7, TEXT) == count
