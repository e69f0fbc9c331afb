"""The board: which contracts have a row, and what stands in it."""

from datetime import date
from decimal import Decimal
from math import isnan

from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.market import COLUMNS, Board

SPX, VIX = Underlying("SPX"), Underlying("VIX")
OPTIONS = [Option("SPX", "SPXW", date(2026, 9, 1), Decimal(5000 + 5 * n), Right.PUT) for n in range(6)]


def test_a_board_holds_exactly_what_it_is_reported_to() -> None:
    board, one_by_one = Board(), Board()
    for wanted in ([SPX, *OPTIONS[:3]], [SPX, VIX, *OPTIONS[2:]], [OPTIONS[5], SPX], [SPX, *OPTIONS, SPX]):
        board.hold(wanted)
        for contract in [each for each in one_by_one.rows if each not in wanted]:
            one_by_one.drop(contract)
        for contract in wanted:
            one_by_one.add(contract)
        assert board.rows == one_by_one.rows
        assert board.contracts == one_by_one.contracts
        assert {len(getattr(board, name)) for name in COLUMNS} == {len(board.contracts)}


def test_what_stays_keeps_its_values_and_what_is_new_has_none() -> None:
    board = Board()
    board.hold([SPX, *OPTIONS[:2]])
    for row in board.rows.values():
        board.bid[row] = 1.0 + row
    version = board.version
    board.hold([SPX, *OPTIONS[:2]])
    assert board.version == version
    board.hold([SPX, *OPTIONS[1:5]])
    assert board.version > version
    assert (board.bid[board.rows[SPX]], board.bid[board.rows[OPTIONS[1]]]) == (1.0, 3.0)
    assert all(isnan(board.bid[board.rows[each]]) for each in OPTIONS[2:5])
