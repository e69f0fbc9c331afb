"""Orders that hang together: one-cancels-all groups and brackets."""

from decimal import Decimal

import pytest
from fake_market import P5000, SPY_P, Desktop

from twsim.seams import Executed, OrderChanged, OrderError, Report, Status


def codes(reports: list[Report]) -> list[int]:
    return [report.code for report in reports if isinstance(report, OrderError)]


def filled(reports: list[Report]) -> Decimal:
    return sum((r.execution.quantity for r in reports if isinstance(r, Executed)), Decimal(0))


def exits(desk: Desktop, kind: int, quantity: int = 10) -> None:
    """Place a target at 1.50 and a stop at 4.00 as one group on a put sold before."""
    desk.place(P5000, "BUY", quantity, limit=1.5, tif="GTC", oca_group="exit", oca_type=kind)
    desk.place(P5000, "BUY", quantity, order_type="STP", stop=4.0, tif="GTC", oca_group="exit", oca_type=kind)
    desk.step()


def test_type_1_cancels_the_rest_on_the_first_fill() -> None:
    desk = Desktop()
    exits(desk, 1)
    desk.market.quotes[P5000] = (1.3, 1.5, 4, 4)
    reports = desk.step()
    assert filled(reports) == 4
    assert codes(reports) == [202]
    assert [view.ticket.order_id for view in desk.broker.open_orders()] == [1]


@pytest.mark.parametrize("kind", [2, 3, 0])
def test_types_2_and_3_shrink_the_rest(kind: int) -> None:
    desk = Desktop()
    exits(desk, kind)
    desk.market.quotes[P5000] = (1.3, 1.5, 4, 4)
    desk.step()
    assert [view.remaining for view in desk.broker.open_orders()] == [6, 6]
    desk.market.quotes[P5000] = (1.3, 1.5, 40, 40)
    assert codes(desk.step()) == [202]
    assert desk.broker.open_orders() == []


@pytest.mark.parametrize(
    ("kind", "traded", "after_a_move"),
    [(1, 10, 10), (2, 10, 10), (3, 20, 20)],
)
def test_with_block_one_order_of_a_group_is_routed_at_a_time(kind: int, traded: int, after_a_move: int) -> None:
    """Two orders that the same quote fills: with block no more than one of them trades, without block both do."""
    desk = Desktop()
    for limit in (1.5, 1.6):
        desk.place(P5000, "BUY", 10, limit=limit, tif="GTC", oca_group="exit", oca_type=kind)
    desk.market.quotes[P5000] = (1.3, 1.5, 40, 40)
    assert filled(desk.step()) == traded
    assert filled(desk.step()) == after_a_move - traded
    assert desk.broker.open_orders() == []


def test_what_a_blocked_group_has_left_meets_the_next_instant() -> None:
    desk = Desktop()
    for limit in (1.5, 1.6):
        desk.place(P5000, "BUY", 10, limit=limit, tif="GTC", oca_group="exit", oca_type=2)
    desk.market.quotes[P5000] = (1.3, 1.5, 4, 4)
    assert filled(desk.step()) == 4
    assert [view.remaining for view in desk.broker.open_orders()] == [6, 6]
    assert filled(desk.step()) == 4
    desk.market.quotes[P5000] = (1.3, 1.5, 40, 40)
    assert filled(desk.step()) == 2, "never more than ten in all"


def test_an_order_for_a_filled_group_is_refused() -> None:
    desk = Desktop()
    exits(desk, 1)
    desk.market.quotes[P5000] = (1.3, 1.5, 40, 40)
    desk.step()
    assert codes(desk.place(P5000, "BUY", limit=1.0, oca_group="exit", oca_type=1)) == [201]


def test_an_order_stays_in_its_group() -> None:
    desk = Desktop()
    exits(desk, 1)
    reports = desk.place(P5000, "BUY", 10, limit=1.4, tif="GTC", oca_group="other", oca_type=1, order_id=1)
    assert codes(reports) == [10326]
    assert codes(desk.place(P5000, "BUY", 10, limit=1.4, tif="GTC", order_id=1)) == []
    assert desk.broker.open_orders()[0].ticket.oca_group == "exit"


def bracket(desk: Desktop, quantity: int = 10) -> list[Report]:
    """Sell a put with a target and a stop, sent by the last of the three."""
    reports = desk.place(SPY_P, "SELL", quantity, limit=4.0, transmit=False)
    reports += desk.place(SPY_P, "BUY", quantity, limit=1.6, tif="GTC", parent_id=1, transmit=False)
    assert reports == []
    assert desk.broker.open_orders() == []
    return desk.place(SPY_P, "BUY", quantity, order_type="STP", stop=12.0, tif="GTC", parent_id=1)


def test_a_bracket_goes_out_whole_and_its_children_wait() -> None:
    desk = Desktop()
    reports = bracket(desk)
    views = [report.order for report in reports if isinstance(report, OrderChanged)]
    assert [view.ticket.order_id for view in views] == [1, 2, 3]
    assert [view.why_held for view in views] == ["", "child", "child,trigger"]
    assert {view.status for view in views} == {Status.PRE_SUBMITTED}


def test_children_go_live_with_the_parent_and_cancel_each_other() -> None:
    desk = Desktop()
    bracket(desk)
    desk.step()
    desk.step()
    target, stop = desk.broker.open_orders()
    assert (target.status, stop.status, stop.why_held) == (Status.SUBMITTED, Status.PRE_SUBMITTED, "trigger")
    desk.market.quotes[SPY_P] = (1.5, 1.6, 50, 50)
    reports = desk.step()
    assert (filled(reports), codes(reports)) == (10, [202])
    assert desk.broker.positions() == []


def partly() -> Desktop:
    """Return a desk at which the parent of a bracket has sold four."""
    desk = Desktop()
    desk.market.quotes[SPY_P] = (4.0, 4.1, 4, 50)
    bracket(desk)
    desk.step()
    return desk


def test_children_cover_no_more_than_the_parent_has_filled() -> None:
    desk = partly()
    desk.market.quotes[SPY_P] = (1.5, 1.6, 0, 50)
    assert filled(desk.step()) == 4
    assert filled(desk.step()) == 0


def test_children_together_cover_no_more_than_the_parent_has_filled() -> None:
    """Four were sold and bought back by the target; the stop bought two more."""
    desk = partly()
    desk.market.quotes[SPY_P] = (1.5, 1.6, 0, 50)
    desk.step()
    assert desk.broker.positions() == []
    desk.market.quotes[SPY_P] = (12.5, 12.6, 0, 50)
    desk.step()
    assert filled(desk.step()) == 0
    assert codes(desk.broker.cancel(1, 1)) == [202, 202, 202]
    assert desk.broker.open_orders() == []


def test_a_cancelled_parent_leaves_each_child_what_the_others_have_left() -> None:
    desk = partly()
    desk.market.quotes[SPY_P] = (1.5, 1.6, 0, 3)
    desk.step()
    desk.broker.cancel(1, 1)
    assert [view.remaining for view in desk.broker.open_orders()] == [1, 1]


def test_cancelling_the_parent_cancels_its_children() -> None:
    desk = Desktop()
    bracket(desk)
    assert codes(desk.broker.cancel(1, 1)) == [202, 202, 202]
    assert desk.broker.open_orders() == []
    assert codes(desk.place(SPY_P, "BUY", limit=1.0, parent_id=1)) == [201]


def test_cancelling_a_partly_filled_parent_keeps_children_for_what_filled() -> None:
    desk = partly()
    desk.broker.cancel(1, 1)
    assert [view.ticket.quantity for view in desk.broker.open_orders()] == [4, 4]


def test_a_refused_parent_takes_its_children_with_it() -> None:
    desk = Desktop(cash=Decimal(1000))
    assert codes(bracket(desk)) == [201, 202, 202]


def test_children_of_a_filled_parent_are_live_at_once() -> None:
    desk = Desktop()
    desk.place(SPY_P, "SELL", 2, limit=4.0)
    desk.step()
    desk.place(SPY_P, "BUY", 2, limit=4.1, parent_id=1)
    assert filled(desk.step()) == 2


def test_an_untransmitted_order_can_be_cancelled_or_sent_by_a_change() -> None:
    desk = Desktop()
    desk.place(SPY_P, "SELL", 2, limit=4.0, transmit=False)
    assert codes(desk.broker.cancel(1, 1)) == [202]
    desk.place(SPY_P, "SELL", 2, limit=4.2, transmit=False)
    assert filled(desk.step()) == 0
    desk.place(SPY_P, "SELL", 2, limit=4.0, order_id=2)
    assert filled(desk.step()) == 2
