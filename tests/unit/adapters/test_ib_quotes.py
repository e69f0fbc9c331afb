"""Market data messages into the columns: what is a price and what is not."""

from datetime import date
from decimal import Decimal
from math import isnan

import pytest

from rulebot.adapters.ib.quotes import QuoteColumns
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.market import Board

PUT = Option("SPX", "SPXW", date(2026, 10, 21), Decimal(5900), Right.PUT)
UNSET = "1.7976931348623157E308"


class Line:
    """One streamed contract; `send` takes a message without its request id."""

    def __init__(self, contract: Contract | None = None) -> None:
        self.board = Board()
        self.quotes = QuoteColumns(self.board)
        self.quotes.rows["9"] = self.board.add(contract or Underlying("SPY"))
        self.handlers = self.quotes.handlers()

    def price(self, kind: int, price: object, size: object = 1) -> None:
        self.handlers[1](["1", "6", "9", str(kind), str(price), str(size), "0"])

    def size(self, kind: int, size: object) -> None:
        self.handlers[2](["2", "6", "9", str(kind), str(size)])

    def model(self, *values: str, kind: int = 13) -> None:
        iv, delta, price, gamma, vega, theta = values
        self.handlers[21](["21", "9", str(kind), "0", iv, delta, price, "0", gamma, vega, theta, "6000"])

    @property
    def bid(self) -> tuple[float, float]:
        return self.board.bid[0], self.board.bid_size[0]


def test_a_quote_is_written_and_stamped_once_an_instant() -> None:
    line = Line()
    line.price(1, "12.35", 7)
    line.price(2, "12.55", "3")
    line.price(4, "12.40", 0)
    assert isnan(line.board.quote_at[0])
    assert line.quotes.is_waiting
    assert line.quotes.settle(100.0) == (0,)
    board = line.board
    assert (board.bid[0], board.ask[0], board.bid_size[0], board.ask_size[0]) == (12.35, 12.55, 7, 3)
    assert (board.last[0], board.quote_at[0], board.last_at[0], board.alive_at) == (12.40, 100.0, 100.0, 100.0)
    assert isnan(board.model_at[0])
    assert line.quotes.settle(101.0) == ()
    assert (board.quote_at[0], board.alive_at) == (100.0, 100.0)


@pytest.mark.parametrize(
    ("price", "size"),
    [("-1", "0"), ("0", "0"), ("0.0", "5"), ("-1.0", "0"), ("", ""), ("2", "0"), (UNSET, "5"), ("Infinity", "1")],
)
def test_no_price_is_nan_with_size_0(price: str, size: str) -> None:
    line = Line()
    line.price(1, "12.35", 7)
    line.price(1, price, size)
    bid, shown = line.bid
    assert isnan(bid)
    assert shown == 0


@pytest.mark.parametrize("text", ["", "none", "6.90,7.30,2025-12-19,1.83", "1,2"])
def test_a_dividend_that_cannot_be_read_is_none(text: str) -> None:
    """The broker tells it again on every connection: each of them was ended for it."""
    line = Line()
    line.handlers[46](["46", "6", "9", "59", text])
    assert not line.quotes.failures
    assert not line.quotes.dividends


def test_a_delayed_price_that_is_unset_is_none() -> None:
    line = Line()
    line.price(66, "12.35", 7)
    line.price(66, UNSET, 7)
    assert isnan(line.bid[0])


def test_sizes_come_and_go_with_their_price() -> None:
    line = Line()
    line.size(0, 5)
    assert isnan(line.bid[0])
    line.price(1, "2.00", 0)
    line.size(0, "4")
    assert line.bid == (2.0, 4.0)
    line.size(0, 0)
    assert isnan(line.bid[0])
    line.size(0, 6)
    assert line.bid == (2.0, 6.0)
    line.price(1, -1, 0)
    line.size(0, 6)
    assert isnan(line.bid[0])
    assert line.bid[1] == 0
    line.price(1, "2.05", 0)
    line.price(1, -1, 0)
    line.size(0, 6)
    assert isnan(line.bid[0]), "what was withheld before it was taken back is no price"
    line.price(1, "2.00", 3)
    line.size(0, "")
    assert isnan(line.bid[0])
    assert not line.quotes.failures


def test_high_low_close_open_and_volume_of_the_day_are_kept() -> None:
    line = Line()
    for kind, price in ((6, 9), (7, 3), (9, 5), (14, 4)):
        line.price(kind, price, 0)
    line.size(8, "1234")
    board = line.board
    assert (board.high[0], board.low[0], board.previous_close[0], board.open[0]) == (9, 3, 5, 4)
    assert board.volume[0] == 1234
    line.price(9, "-1", 0)
    assert isnan(board.previous_close[0])


def test_only_the_model_computation_counts() -> None:
    line = Line()
    line.model("0.25", "-0.30", "4.5", "0.004", "0.56", "-26.9", kind=10)
    assert isnan(line.board.iv[0])
    line.model("0.25", "-0.30", "4.5", "0.004", "0.56", "-26.9")
    line.quotes.settle(7.0)
    board = line.board
    assert (board.iv[0], board.delta[0], board.model_price[0]) == (0.25, -0.30, 4.5)
    assert (board.gamma[0], board.vega[0], board.theta[0], board.model_at[0]) == (0.004, 0.56, -26.9, 7.0)


@pytest.mark.parametrize(
    "values",
    [
        ("-1", "-2", "-1", "-2", "-2", "-2"),
        ("", "", "", "", "", ""),
        (UNSET, UNSET, UNSET, UNSET, UNSET, UNSET),
        ("-1.0", "-2.0", "-1.0", "-2.0", "-2.0", "-2.0"),
    ],
)
def test_a_computation_without_inputs_is_all_nan(values: tuple[str, ...]) -> None:
    line = Line()
    line.model("0.25", "-0.30", "4.5", "0.004", "0.56", "-26.9")
    line.model(*values)
    board = line.board
    columns = board.iv, board.delta, board.model_price, board.gamma, board.vega, board.theta
    assert all(isnan(column[0]) for column in columns)


def test_parts_of_a_computation_may_be_missing() -> None:
    line = Line()
    line.model("0.25", "-2", "4.5", "", "0.56", UNSET)
    board = line.board
    assert (board.iv[0], board.model_price[0], board.vega[0]) == (0.25, 4.5, 0.56)
    assert all(isnan(column[0]) for column in (board.delta, board.gamma, board.theta))


@pytest.mark.parametrize("iv", ["0", "0.0", "0.000000"])
def test_58_greeks_of_no_volatility_are_unknown(iv: str) -> None:
    """Each put had a delta of 0, and the one nearest 0.10 was the deepest in the money: it was sold at 796."""
    line = Line()
    line.model("0.25", "-0.30", "4.5", "0.004", "0.56", "-26.9")
    line.model(iv, "0", "4.5", "0", "0", "-1")
    board = line.board
    assert board.model_price[0] == 4.5
    assert all(isnan(column[0]) for column in (board.iv, board.delta, board.gamma, board.vega, board.theta))


@pytest.mark.parametrize(("right", "delta"), [(Right.PUT, "0.30"), (Right.CALL, "-0.30")])
def test_58_a_delta_of_the_wrong_sign_is_unknown(right: Right, delta: str) -> None:
    line = Line(Option("SPX", "SPXW", date(2026, 11, 23), Decimal(5900), right))
    line.model("0.25", delta.lstrip("-") if right is Right.CALL else f"-{delta}", "4.5", "0.004", "0.56", "-26.9")
    assert abs(line.board.delta[0]) == 0.30
    line.model("0.25", delta, "4.5", "0.004", "0.56", "-26.9")
    assert isnan(line.board.delta[0])
    assert line.board.iv[0] == 0.25
    line.model("0.25", "0", "4.5", "0.004", "0.56", "-26.9")
    assert line.board.delta[0] == 0


def test_frozen_and_delayed_data_are_marked() -> None:
    line = Line()
    line.handlers[58](["58", "1", "9", "2"])
    assert line.board.frozen == {0}
    line.handlers[58](["58", "1", "9", "1"])
    assert line.board.frozen == set()
    line.price(66, "2.00", 4)
    line.price(67, "2.10", 4)
    line.price(68, "2.05", 1)
    assert line.board.frozen == {0}
    assert (line.bid, line.board.ask[0], line.board.last[0]) == ((2.0, 4.0), 2.1, 2.05)
    line.size(69, 9)
    assert line.bid == (2.0, 9.0)


def test_unknown_kinds_and_other_lines_are_passed_over() -> None:
    line = Line()
    line.price(37, "5.0")
    line.size(86, "5")
    line.handlers[45](["45", "6", "9", "49", "0"])
    line.handlers[46](["46", "6", "9", "45", "1764000000"])
    line.handlers[1](["1", "6", "8", "1", "5", "5", "0"])
    assert line.quotes.settle(3.0) == ()
    assert line.board.alive_at == 3.0
    assert not line.quotes.failures


def test_halted_is_kept_by_row() -> None:
    line = Line()
    halted = line.board.halted
    for kind, value, expected in (("49", "1", {0}), ("49", "0.0", set()), ("90", "2", {0}), ("49", "-1", set())):
        line.handlers[45](["45", "6", "9", kind, value])
        assert halted == expected
        assert line.quotes.is_waiting
        assert line.quotes.settle(1.0) == (0,)
    line.handlers[45](["45", "6", "9", "49", "1"])
    line.handlers[45](["45", "6", "9", "49", "1"])
    line.handlers[45](["45", "6", "9", "23", "1"])
    line.handlers[45](["45", "6", "8", "49", "1"])
    assert halted == {0}
    line.board.drop(Underlying("SPY"))
    assert halted == set()


def test_what_cannot_be_read_is_kept_as_a_failure() -> None:
    line = Line()
    line.price(1, "much")
    line.handlers[2](["2", "6", "9"])
    line.handlers[21](["21", "9", "13", "0", "x"])
    assert len(line.quotes.failures) == 3
    assert "much" in line.quotes.failures[0]


def test_a_row_that_is_given_up_is_forgotten() -> None:
    line = Line()
    line.price(1, "2.00", 0)
    line.price(4, "2.00", 1)
    line.quotes.forget(0)
    assert line.quotes.settle(3.0) == ()
    line.size(0, 6)
    assert isnan(line.bid[0])


@pytest.mark.parametrize("first", [27, 28])
def test_open_interest_is_that_of_the_side_that_the_option_is(first: int) -> None:
    line = Line()
    line.size(first, "0")
    line.size(55 - first, "812")
    assert line.board.open_interest[0] == 812.0
    line.size(first, "0")
    assert line.board.open_interest[0] == 812.0
    line.size(55 - first, "900")
    assert line.board.open_interest[0] == 900.0
    assert line.quotes.settle(100.0) == (0,)


def test_counts_of_an_underlying_and_its_volatility() -> None:
    line = Line()
    line.size(29, "1000")
    line.size(30, "1500")
    line.handlers[45](["45", "6", "9", "24", "0.1825"])
    line.quotes.settle(100.0)
    board = line.board
    assert (board.call_volume[0], board.put_volume[0]) == (1000.0, 1500.0)
    assert (board.iv[0], board.model_at[0]) == (0.1825, 100.0)
    line.size(29, UNSET)
    line.handlers[45](["45", "6", "9", "24", UNSET])
    assert isnan(board.call_volume[0])
    assert isnan(board.iv[0])


# ---------------------------------------------------------------- lines that were requested again


def asked_anew(line: Line, contract: Contract) -> None:
    """Give the row up and take it again, as a line that was silent is requested again."""
    reported = line.quotes.reported(0)
    line.quotes.forget(0)
    line.board.drop(contract)
    assert line.board.add(contract) == 0
    if reported is not None:
        line.quotes.goes_on(0, reported)


def test_what_a_line_answers_with_its_last_does_not_count() -> None:
    """A line that is dead at the broker answers with what it had: an index that stood still would be as fresh."""
    line = Line()
    line.price(4, 5900.5, 0)
    line.quotes.settle(100.0)
    for _ in range(2):  # the first time it has no answer
        asked_anew(line, Underlying("SPY"))
    line.price(4, 5900.5, 0)
    assert line.quotes.settle(140.0) == (0,)
    assert line.board.last_at[0] == 100.0
    line.price(4, 5900.75, 0)
    line.quotes.settle(145.0)
    assert line.board.last_at[0] == 145.0
    line.price(4, 5900.5, 0)
    line.quotes.settle(150.0)
    assert line.board.last_at[0] == 150.0


def test_a_quote_that_comes_bit_by_bit_counts_once_a_part_of_it_is_another() -> None:
    line = Line(PUT)
    line.price(1, 1.05, 10)
    line.price(2, 1.15, 12)
    line.model("0.2", "-0.1", "1.1", "0.01", "0.1", "-0.1")
    line.quotes.settle(100.0)
    asked_anew(line, PUT)
    line.price(1, 1.05, 10)
    line.quotes.settle(500.0)
    line.model("0.2", "-0.1", "1.1", "0.01", "0.1", "-0.1")
    line.quotes.settle(501.0)
    assert (line.board.quote_at[0], line.board.model_at[0]) == (100.0, 100.0)
    line.price(2, 1.15, 11)
    line.quotes.settle(502.0)
    assert line.board.quote_at[0] == 502.0


def test_of_a_line_of_which_nothing_counted_every_answer_does() -> None:
    line = Line()
    assert line.quotes.reported(0) is None
    line.price(4, 5900.5, 0)
    line.quotes.settle(100.0)
    line.quotes.expire(0)
    asked_anew(line, Underlying("SPY"))
    line.price(4, 5900.5, 0)
    line.quotes.settle(140.0)
    assert line.board.last_at[0] == 140.0


def test_a_row_that_is_given_up_is_not_held_against_what_it_showed() -> None:
    line = Line()
    line.price(4, 5900.5, 0)
    line.quotes.settle(100.0)
    asked_anew(line, Underlying("SPY"))
    line.quotes.forget(0)
    line.price(4, 5900.5, 0)
    line.quotes.settle(140.0)
    assert line.board.last_at[0] == 140.0
