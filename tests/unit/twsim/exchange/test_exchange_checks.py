"""Every refusal with its code."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fake_market import C5100, C5110, CONDOR, LATER, P4990, P5000, QUIET, SPX, SPY, SPY_C, SPY_P, Desktop, option

from twsim.exchange.intake import OTHER_SIDE
from twsim.seams import OrderChanged, OrderError, Report, Status, TicketLeg, WhatIfAnswer


def codes(reports: list[Report]) -> list[int]:
    return [report.code for report in reports if isinstance(report, OrderError)]


@pytest.mark.parametrize(
    ("con_id", "fields", "code"),
    [
        (999, {"limit": 1.0}, 200),
        (SPX, {"limit": 5000}, 201),
        (P5000, {"limit": 1.03}, 110),
        (P5000, {"limit": 3.05}, 110),
        (SPY_P, {"limit": 3.005}, 110),
        (P5000, {"limit": -1.0}, 201),
        (P5000, {"order_type": "LMT"}, 321),
        (P5000, {"order_type": "STP"}, 321),
        (P5000, {"order_type": "TRAIL"}, 387),
        (P5000, {"limit": 2.0, "quantity": 0}, 388),
        (P5000, {"limit": 2.0, "quantity": 1.5}, 388),
        (P5000, {"limit": 2.0, "quantity": 10001}, 201),
        (P5000, {"limit": 2.0, "tif": "FOK"}, 201),
        (P5000, {"limit": 2.0, "action": "SSHORT"}, 321),
        (P5000, {"limit": 2.0, "account": "U1"}, 321),
        (P5000, {"limit": 2.0, "parent_id": 77}, 135),
        (P5000, {"limit": 20.0}, 109),
        (P5000, {"limit": 2.0, "algo": "Twap"}, 201),
        (P5000, {"limit": 2.0, "algo": "Adaptive", "algo_params": (("speed", "1"),)}, 442),
        (P5000, {"limit": 2.0, "algo": "Adaptive", "algo_params": (("adaptivePriority", "Fast"),)}, 442),
        (P5000, {"limit": 2.0, "algo": "Adaptive", "tif": "GTC"}, 201),
    ],
)
def test_a_bad_ticket_is_refused(con_id: int, fields: dict[str, Any], code: int) -> None:
    desk = Desktop()
    assert codes(desk.place(con_id, **fields)) == [code]
    assert desk.broker.open_orders() == []


@pytest.mark.parametrize(
    ("legs", "fields", "code"),
    [
        (((P5000, 1, "BUY"),), {"limit": 1.0}, 321),
        (((P5000, 1, "BUY"), (P5000, 1, "SELL")), {"limit": 1.0}, 321),
        (((P5000, 1, "BUY"), (999, 1, "SELL")), {"limit": 1.0}, 321),
        (((P5000, 0, "BUY"), (P4990, 1, "SELL")), {"limit": 1.0}, 321),
        (((P5000, 1, "BUY"), (SPY_C, 1, "SELL")), {"limit": 1.0}, 201),
        (CONDOR, {"limit": -0.83}, 110),
        (CONDOR, {"limit": -0.8, "algo": "Adaptive"}, 201),
    ],
)
def test_a_bad_combo_is_refused(legs: Any, fields: dict[str, Any], code: int) -> None:
    desk = Desktop()
    assert codes(desk.broker.place(desk.combo(legs, **fields))) == [code]


def test_a_box_is_riskless() -> None:
    desk = Desktop()
    desk.market._catalogue.known[50] = option(50, "SPX", 5000, "C")
    desk.market._catalogue.known[51] = option(51, "SPX", 4990, "C")
    box = ((51, 1, "BUY"), (50, 1, "SELL"), (P5000, 1, "BUY"), (P4990, 1, "SELL"))
    reports = desk.broker.place(desk.combo(box, limit=9.0))
    assert codes(reports) == [201]
    for con_id, right in ((52, "C"), (53, "P")):
        desk.market._catalogue.known[con_id] = option(con_id, "SPX", 5000, right, expiry=LATER)
        desk.market.quotes[con_id] = desk.market.quotes[P5000]
    later = ((51, 1, "BUY"), (52, 1, "SELL"), (53, 1, "BUY"), (P4990, 1, "SELL"))
    desk.market.quotes[51] = desk.market.quotes[P4990]
    assert codes(desk.broker.place(desk.combo(later, limit=1.0))) == [], "what ends later may be worth more"


def test_different_underlyings_may_go_non_guaranteed() -> None:
    desk = Desktop()
    ticket = desk.combo(((C5100, 1, "BUY"), (SPY_C, 10, "SELL")), limit=-3.0, non_guaranteed=True)
    assert codes(desk.broker.place(ticket)) == []


def test_the_other_side_of_a_working_option_order_is_refused() -> None:
    desk = Desktop()
    desk.place(SPY_P, "BUY", limit=2.0, tif="GTC")
    reports = desk.place(SPY_P, "SELL", limit=4.2)
    assert isinstance(reports[0], OrderChanged)
    assert reports[0].order.status is Status.INACTIVE
    assert reports[-1] == OrderError(1, 2, 201, f"Order rejected - reason:{OTHER_SIDE}")
    assert not desk.broker.completed_orders()  # a list of what was filled and cancelled
    desk.broker.cancel(1, 1)
    assert codes(desk.place(SPY_P, "SELL", limit=4.2)) == []


def test_the_other_side_rule_is_for_single_options_unless_reported_otherwise() -> None:
    desk = Desktop()
    desk.place(SPY, "BUY", 10, limit=500.0)
    assert codes(desk.place(SPY, "SELL", 10, limit=510.0)) == []
    desk.place(P5000, "BUY", limit=1.0)
    assert codes(desk.broker.place(desk.combo(CONDOR, limit=-1.0))) == []

    strict = Desktop(settings=replace(QUIET, compare_combo_legs=True))
    strict.place(P5000, "BUY", limit=1.0)
    assert codes(strict.broker.place(strict.combo(CONDOR, limit=-1.0))) == [201]


def test_twenty_orders_per_contract_and_side() -> None:
    desk = Desktop()
    assert all(codes(desk.place(P5000, "BUY", limit=1.0)) == [] for _ in range(20))
    assert codes(desk.place(P5000, "BUY", limit=1.0)) == [201]
    assert codes(desk.place(P4990, "BUY", limit=1.0)) == []


def test_what_the_account_cannot_carry_is_refused_and_closing_what_it_carries_is_not() -> None:
    desk = Desktop(cash=Decimal(5000))
    reports = desk.place(SPY_P, "SELL", limit=4.0)
    assert codes(reports) == [201]
    assert isinstance(reports[-1], OrderError)
    assert "MUST EXCEED THE INITIAL MARGIN" in reports[-1].text
    desk.place(SPY_P, "BUY", limit=4.1)
    desk.step()
    assert codes(desk.place(SPY_P, "SELL", 2, limit=4.0)) == [201], "one of them would open"
    assert codes(desk.place(SPY_P, "SELL", limit=4.0)) == []
    short = Desktop(cash=Decimal(12_000))
    short.place(SPY_P, "SELL", limit=4.0)
    short.step()
    assert codes(short.place(SPY_P, "SELL", limit=4.0)) == [201], "what is like what is held closes nothing"


def test_closing_what_covers_a_short_needs_the_margin_of_what_is_left() -> None:
    """Users of IBKR could not sell a long leg first, nor buy back a covered call for more than was free."""
    desk = Desktop(cash=Decimal(3000))
    desk.broker.place(desk.combo(((P5000, 1, "SELL"), (P4990, 1, "BUY")), limit=-0.4))
    desk.step()
    assert codes(desk.place(P4990, "SELL", limit=1.4)) == [201], "P5000 would be left without cover"
    assert codes(desk.place(P5000, "BUY", limit=2.2)) == []
    desk.step()
    assert codes(desk.place(P4990, "SELL", limit=1.4)) == []
    covered = Desktop(cash=Decimal(25_300))
    covered.place(SPY, "BUY", 100, limit=505.01)
    covered.step()
    covered.place(SPY_C, "SELL", limit=0.5)
    covered.step()
    covered.market.quotes[SPY_C] = (3.0, 3.1, 100, 100)
    assert codes(covered.place(SPY_C, "BUY", limit=3.1)) == [201], "its price is more than the account has free"


def test_a_stop_rests_as_far_from_the_market_as_it_likes() -> None:
    """The limit of 20 is refused where it could trade at once (109)."""
    desk = Desktop()
    assert codes(desk.place(P5000, "BUY", order_type="STP LMT", stop=15.0, limit=20.0, tif="GTC")) == []


def test_the_size_limit_is_one_of_options() -> None:
    assert codes(Desktop(cash=Decimal(10_000_000)).place(SPY, "BUY", 10_001, limit=505.0)) == []


def test_what_if_answers_with_margins_and_uses_up_its_id() -> None:
    desk = Desktop()
    (answer,) = desk.broker.what_if(desk.combo(CONDOR, limit=-0.8, what_if=True))
    assert isinstance(answer, WhatIfAnswer)
    margin = answer.margin
    assert (margin.initial_before, margin.initial_after) == (0, 1000)
    assert margin.equity_after == Decimal("1000000") + 80 - Decimal("5.12")
    assert margin.commission == Decimal("5.1160")
    assert desk.broker.open_orders() == []
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=1)) == [103]
    assert codes(desk.broker.what_if(desk.ticket(999, limit=1.0, what_if=True))) == [200]
    assert codes(desk.broker.what_if(desk.ticket(P5000, limit=1.03, what_if=True))) == [110]
    poor = Desktop(cash=Decimal(100))
    (answer,) = poor.broker.place(poor.ticket(SPY_P, "SELL", limit=4.0, what_if=True))
    assert isinstance(answer, WhatIfAnswer)
    assert "NOT ACCEPTED" in answer.margin.warning


def test_an_order_that_waited_while_a_later_question_was_answered_is_no_duplicate() -> None:
    """A protective stop of one bot was refused because another asked for its margin in the same second."""
    desk = Desktop()
    desk.broker.what_if(desk.combo(CONDOR, limit=-0.8, what_if=True, order_id=8))
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=7)) == []
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=8)) == [103]


def test_combo_leg_order_does_not_matter_for_a_change_but_legs_do() -> None:
    desk = Desktop()
    ticket = desk.combo(CONDOR, limit=-1.0)
    desk.broker.place(ticket)
    other = desk.combo(((C5100, 1, "BUY"), (C5110, 1, "SELL")), limit=0.5, order_id=ticket.order_id)
    assert other.legs[0] == TicketLeg(C5100, 1, "BUY")
    assert codes(desk.broker.place(other)) == [105]
