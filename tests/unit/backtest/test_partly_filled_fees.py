"""What an order costs that fills in parts, beside IBKR's schedule: its least is of the whole order."""

from datetime import date
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.backtest.simulated_broker import commissions_of
from rulebot.core.gate.price_limits import _commission
from rulebot.core.state.builder import StateBuilder
from rulebot.model.commission import estimate
from rulebot.model.contract import Option, Right
from rulebot.model.event import BrokerStatus

PUT = Option("SPY", "SPY", date(2026, 10, 21), Decimal(500), Right.PUT)


@pytest.mark.parametrize("fills", [(2,), (1, 1), (1, 2, 3), (1, 1, 1, 1), (5, 1)])
@pytest.mark.parametrize(("premium", "rate"), [("0.03", "0.25"), ("0.07", "0.50"), ("2.00", "0.65")])
def test_an_order_costs_the_same_in_whatever_parts_it_fills(fills: tuple[int, ...], premium: str, rate: str) -> None:
    before, paid = Decimal(0), Decimal(0)
    for count in fills:
        (part,) = commissions_of([(PUT, count, Decimal(premium))], before)
        assert part == estimate([(PUT, count, float(premium))], before)
        paid += part
        before += Decimal(rate) * count
    assert paid == max(Decimal(1), Decimal(rate) * sum(fills)) + Decimal("0.05") * sum(fills)


def test_what_an_entry_costs_in_all_is_the_same_when_half_of_it_has_filled() -> None:
    desk = Desk((text_of("seller", **{**SELLER, "quantity": "2"}),), at="10:00")
    desk.until("10:01")
    (order,) = desk.submitted
    desk.ack(order)
    before = opening(desk)
    (report,) = desk.executions_of(order, 1)
    desk.send(report)
    desk.report(order, BrokerStatus.WORKING, 1)
    desk.commission(report, "1.05")
    assert (before, opening(desk)) == (Decimal("1.40"), Decimal("1.40"))


def test_the_legs_of_a_combo_have_one_least_together() -> None:
    desk = Desk()
    desk.enter()
    assert opening(desk) == Decimal("2.56")


def opening(desk: Desk) -> Decimal:
    """Return what the engine estimates that opening its position costs in all."""
    return _commission(desk.position, StateBuilder(desk.program, desk.state, desk.now), leg_by_leg=False)
