"""Day trades as the simulated broker counts them."""

from decimal import Decimal

from engine.sim.exchange.day_trades import DayTrades

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


def test_a_trade_that_turns_a_position_opens_anew() -> None:
    found = DayTrades()
    found.note(1, 11, Decimal(-1), Decimal(3))
    found.note(2, 11, Decimal(2), Decimal(-2))
    assert found.remaining(POOR) == 2


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
