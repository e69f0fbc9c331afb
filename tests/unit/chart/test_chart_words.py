"""What the mark of an exit says in a chart."""

from dataclasses import replace
from pathlib import Path

import pytest
from store_day import at, entity, position
from test_chart import day_of, of_day, stored

from rulebot.record.record import Kind


@pytest.mark.parametrize(
    ("of_entry", "of_exit", "words"),
    [
        (1, 1, "target at 0.40"),
        (1, -1, "target at a credit of 0.40"),
        (-1, -1, "target at 0.40"),
        (-1, 1, "target at a debit of 0.40"),
    ],
)
def test_a_trade_whose_closing_goes_the_other_way_says_so(
    of_entry: int, of_exit: int, words: str, tmp_path: Path
) -> None:
    """A butterfly was sold, and closing it brought money: its mark had the price of one that was bought back."""
    whole = position(
        "closed", entries=True, exits=True, opened_at=at("09:52"), closed_at=at("13:08"), exit_reason="target"
    )
    legs = tuple(
        replace(leg, entry_cash=of_entry * leg.entry_cash, exit_cash=of_exit * leg.exit_cash) for leg in whole.legs
    )
    change = entity(Kind.POSITION, at("13:08"), replace(whole, legs=legs))
    left = of_day(stored(tmp_path / "e.db", day_of(change))).marks[-1]
    assert left.words.split(",")[0] == words
