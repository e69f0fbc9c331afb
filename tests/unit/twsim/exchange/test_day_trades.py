"""Day trades as the simulated broker counts them."""

from decimal import Decimal

from twsim.exchange.broker_state import DayTrades

POOR, RICH = Decimal("24999.99"), Decimal(25000)


def test_what_one_order_closes_of_today_is_one() -> None:
    found = DayTrades()
    found.note(1, 11, Decimal(0), Decimal(-2))
    found.note(1, 12, Decimal(0), Decimal(2))
    assert found.remaining(POOR) == 3
    found.note(2, 11, Decimal(-2), Decimal(1))
    found.note(2, 11, Decimal(-1), Decimal(1))
    found.note(2, 12, Decimal(2), Decimal(-2))
    assert found.remaining(POOR) == 2
    assert found.remaining(RICH) == -1


def test_what_was_opened_before_is_none() -> None:
    found = DayTrades()
    found.note(1, 11, Decimal(-2), Decimal(2))
    assert found.remaining(POOR) == 3


def test_a_trade_that_turns_a_position_opens_again() -> None:
    found = DayTrades()
    found.note(1, 11, Decimal(-1), Decimal(3))
    found.note(2, 11, Decimal(2), Decimal(-2))
    assert found.remaining(POOR) == 2


def test_what_was_held_before_is_closed_after_what_was_opened_today() -> None:
    found = DayTrades()
    held = Decimal(2)
    for order, quantity, left in ((1, 1, 3), (2, 1, 3), (3, -2, 2), (4, -1, 2), (5, 1, 2), (6, -2, 1), (7, 1, 1)):
        found.note(order, 11, held, Decimal(quantity))
        held += quantity
        assert found.remaining(POOR) == left, order
    found.note(8, 11, held, Decimal(-1))
    assert found.remaining(POOR) == 0


def test_five_sessions_count() -> None:
    found = DayTrades()
    for order in (1, 3, 5, 7):
        found.note(order, 11, Decimal(0), Decimal(1))
        found.note(order + 1, 11, Decimal(1), Decimal(-1))
    assert found.remaining(POOR) == 0
    for _ in range(4):
        found.end_day()
        assert found.remaining(POOR) == 0
    found.end_day()
    assert found.remaining(POOR) == 3
