"""How old a quote may be: one row's answer and that for a whole chain are the same."""

from math import nan

import pytest

from rulebot.model.contract import Underlying
from rulebot.model.market import FEED_SILENCE, Board, age_problem, fresh_rows

NOW = 1_000_000.0


@pytest.mark.parametrize("alive", [NOW, NOW - FEED_SILENCE, NOW - FEED_SILENCE - 0.1, nan])
def test_a_chain_is_as_fresh_as_each_of_its_rows(alive: float) -> None:
    board = Board()
    for stamp in (NOW, NOW - 30.0, NOW - 30.1, nan, NOW - 1.0, NOW + 2.0):
        row = board.add(Underlying(f"X{len(board.rows)}"))
        board.quote_at[row] = stamp
    board.frozen.add(4)
    board.alive_at = alive
    rows = range(6)
    each = [row for row in rows if not age_problem(board, row, board.quote_at[row], NOW, 30.0)]
    assert fresh_rows(board, rows, board.quote_at, NOW, 30.0) == each
    assert each == ([] if NOW - alive > FEED_SILENCE else [0, 1, 5])


def test_an_underlying_is_found_again_after_what_is_streamed_has_changed() -> None:
    board = Board()
    assert board.level_row("SPX") == -1
    board.add(Underlying("VIX"))
    assert board.level_row("SPX") == -1
    assert board.add(Underlying("SPX")) == board.level_row("SPX") == 1
    board.drop(Underlying("VIX"))
    board.lay(0, Underlying("SPX"))
    assert board.level_row("SPX") == 0
    board.drop(Underlying("SPX"))
    assert board.level_row("SPX") == -1
