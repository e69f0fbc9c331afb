"""The big button: entries are cancelled, nothing opens, everything that is held is closed."""

from hand_desk import SELLER, Desk, text_of

from rulebot.core.state.state import OperatorState, TradingMode, after_request
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose


def closing(desk: Desk) -> list[str]:
    return [order.position for order in desk.live if order.purpose is Purpose.EXIT]


def test_what_stands_is_folded_from_requests() -> None:
    standing = after_request(OperatorState(), Request.FLATTEN, "one")
    assert standing.is_flattening("one")
    assert not standing.is_flattening("two")
    assert (standing.may_enter("one"), standing.may_enter("two"), standing.is_active) == (False, True, True)
    standing = after_request(standing, Request.FLATTEN, "")
    assert (standing.trading, standing.is_active) == (TradingMode.REDUCING, False)
    assert standing.is_flattening("two")
    assert after_request(standing, Request.RESUME, "") == OperatorState()


def test_flatten_closes_what_is_open_and_lets_nothing_enter() -> None:
    desk = Desk((text_of("one"), text_of("two", entry='{window: {from: "12:00", to: "13:00"}}')))
    desk.until("10:00")
    desk.fill(desk.last)
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    assert desk.position.exit_reason == "flattened"
    assert desk.last.purpose is Purpose.EXIT
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    desk.until("13:30", step=600)
    assert len(desk.submitted) == 2


def test_flatten_takes_the_resting_pair_back_first() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    assert {order.status for order in desk.live} == {OrderStatus.CANCELLING}
    for order in list(desk.live):
        desk.cancelled(order)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.last.quantity == 1


def test_flatten_of_one_bot_leaves_the_others() -> None:
    desk = Desk((text_of("one"), text_of("two")))
    desk.until("10:00")
    for order in desk.submitted[:2]:
        desk.fill(order)
    desk.ask(Request.FLATTEN, "one")
    desk.tick(1)
    assert [found.split("-")[0] for found in closing(desk)] == ["one"]


def test_a_fill_that_comes_late_is_closed_as_well() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.FLATTEN)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.fill(order)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.position.exit_reason == "flattened"


def test_another_exit_does_not_take_over() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:40")
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    desk.ack(desk.last)
    sent = len(desk.submitted)
    desk.until("15:45")
    assert desk.position.exit_reason == "flattened"
    assert len(desk.submitted) == sent


def test_it_ends_at_market_when_the_limit_does_not_fill() -> None:
    desk = Desk()
    desk.opened()
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    for _ in range(30):
        for order in list(desk.live):
            if order.status is OrderStatus.SENDING:
                desk.ack(order)
            elif order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)
        desk.tick(1)
    assert desk.is_market(desk.last)


def test_it_goes_to_market_though_nothing_is_quoted() -> None:
    """Nothing was sent while the market data was gone, which is when somebody presses it."""
    desk = Desk()
    desk.opened()
    desk.without_data(*(leg.option for leg in desk.position.legs))
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    assert desk.last.purpose is Purpose.ENTRY
    desk.settle(14)
    assert desk.last.purpose is Purpose.ENTRY
    desk.settle(1.1)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.is_market(desk.last)


def test_after_a_resume_the_bot_may_enter_again() -> None:
    desk = Desk()
    desk.ask(Request.FLATTEN)
    desk.ask(Request.RESUME)
    desk.until("10:00")
    assert len(desk.submitted) == 1
