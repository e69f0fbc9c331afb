"""Short calls and the shares that they need."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from rulebot.model.contract import Option, Right
from rulebot.model.loss_bound import (
    covered_parts,
    needed_by_hand,
    shares_covering,
    uncovered_calls,
    without_covered_calls,
)
from rulebot.model.payoff import Holding, worst_case

DAY = date(2026, 11, 18)
ZERO = Decimal(0)


def call(strike: int, days: int = 0, symbol: str = "SPY") -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, DAY + timedelta(days), Decimal(strike), Right.CALL)


def put(strike: int) -> Option:
    return Option("SPY", "SPY", DAY, Decimal(strike), Right.PUT)


def held(option: Option, count: int) -> Holding:
    return option, count, ZERO


@pytest.mark.parametrize(
    ("way", "shares"),
    [
        ((), 0),
        ((held(call(600), -3),), 300),
        ((held(call(600), -3), held(call(610), 2)), 100),
        ((held(call(600), -3), held(call(610), 5)), 0),
        ((held(call(600), -1), held(call(610, 7), 1)), 0),
        ((held(call(600, 7), -1), held(call(610), 1)), 100),
        ((held(call(600, 7), -1), held(call(600), -1), held(call(610), 1)), 100),
        ((held(put(600), -3),), 0),
        ((held(call(6000, symbol="SPX"), -3),), 0),
    ],
)
def test_a_long_call_covers_a_short_one_that_ends_no_later(way: tuple[Holding, ...], shares: int) -> None:
    assert shares_covering(way, "SPY") == shares


def test_only_calls_beyond_our_books_were_sold_by_hand() -> None:
    holdings = {call(600): Decimal(-5), call(610): Decimal(-2), put(590): Decimal(-4), call(620): Decimal(3)}
    assert needed_by_hand("SPY", holdings, {call(600): -5}) == 200
    assert needed_by_hand("SPY", holdings, {call(600): -6, call(610): -2}) == 0
    assert needed_by_hand("SPY", holdings, {}) == 700
    assert needed_by_hand("QQQ", holdings, {}) == 0


def test_what_shares_cover_is_no_part_of_the_worst_case() -> None:
    assert worst_case(((call(600), -1),), Decimal("0.41")) is None
    assert worst_case(covered_parts(((call(600), -1),)), Decimal("0.41")) == 0
    strangle = ((call(600), -1), (put(590), -1))
    assert worst_case(covered_parts(strangle), Decimal(1)) == Decimal(589)


def test_of_several_calls_those_of_the_highest_strikes_are_covered() -> None:
    parts = ((call(600), -2), (call(610), -1), (call(620), 1))
    assert uncovered_calls(parts, "SPY") == 200
    assert dict(covered_parts(parts)) == {call(600): -1, call(610): 0, call(620): 1}


def test_shares_that_do_not_reach_leave_calls_bare() -> None:
    way = (held(call(600), -3),)
    assert shares_covering(without_covered_calls(way, {"SPY": 250}), "SPY") == 100
    assert shares_covering(without_covered_calls(way, {"QQQ": 300}), "SPY") == 300
