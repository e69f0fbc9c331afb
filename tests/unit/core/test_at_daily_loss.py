"""`at_daily_loss: {close: all}`: the loss of the day closes what is open."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk, put, text_of

from rulebot.core.program import AccountLimits
from rulebot.model.cause import Halt
from rulebot.model.order import Order, Purpose

RISK = "{max_loss_per_trade: $2000}"
LATE = '\n  - time: "15:45"\n'


@pytest.mark.parametrize(
    ("key", "closes"), [("", False), (", at_daily_loss: {close: none}", False), (", at_daily_loss: {close: all}", True)]
)
def test_the_daily_loss_limit_closes_what_is_open_where_that_is_asked(key: str, closes: bool) -> None:
    desk = Desk((text_of(exits='\n  - time: "15:45"\n', risk=f"{{max_loss_per_trade: $2000, daily_loss: $100{key}}}"),))
    desk.opened()
    desk.quote(put(5945), 3.65, 3.75, -0.2)
    desk.quote(put(5935), 1.55, 1.65, -0.07)
    desk.tick(1)
    desk.tick(1)
    assert desk.state.bots.by_name["spread"].day.halt is Halt.DAY_LOSS
    closing = [order for order in desk.submitted if order.purpose is not Purpose.ENTRY]
    assert bool(closing) is closes
    assert desk.position.exit_reason == ("daily_loss" if closes else "")
    if closes:
        desk.fill(desk.last)
        assert desk.position.state == "closed"


def both(**limits: object) -> Desk:
    """Return a desk on which two bots hold a put spread each, 0.70 sold, under limits of the account."""
    texts = (text_of("one", risk=RISK, exits=LATE), text_of("two", risk=RISK, exits=LATE))
    desk = Desk(texts, limits=AccountLimits(**limits))  # type: ignore[arg-type]
    desk.until("10:00")
    for order in desk.live:
        desk.fill(order)
    desk.tick(1)
    return desk


def lose(desk: Desk) -> None:
    """Let each spread cost 2.10."""
    desk.quote(put(5945), 3.65, 3.75, -0.2)
    desk.quote(put(5935), 1.55, 1.65, -0.07)
    desk.tick(1)
    desk.tick(1)


def closing(desk: Desk) -> list[Order]:
    return [order for order in desk.live if order.purpose is not Purpose.ENTRY]


@pytest.mark.parametrize("closes", [False, True])
def test_the_daily_loss_limit_of_the_account_closes_what_all_bots_have_open(*, closes: bool) -> None:
    desk = both(daily_loss=Decimal(200), at_daily_loss=closes)
    lose(desk)
    assert {state.day.halt for state in desk.state.bots.by_name.values()} == {Halt.ACCOUNT_LOSS}
    assert {order.bot for order in closing(desk)} == ({"one", "two"} if closes else set())
    for order in closing(desk):
        desk.fill(order)
    found = {(each.state, each.exit_reason) for each in desk.state.positions.by_id.values()}
    assert found == ({("closed", "daily_loss")} if closes else {("open", "")})


def test_it_closes_also_what_a_bot_holds_that_was_halted_before() -> None:
    desk = both(daily_loss=Decimal(200), at_daily_loss=True)
    desk.state = desk.state._replace(
        bots=replace(
            desk.state.bots,
            by_name={
                name: replace(state, day=state.day.halted_for(Halt.DAY_PROFIT, "enough"))
                for name, state in desk.state.bots.by_name.items()
            },
        )
    )
    lose(desk)
    assert {order.bot for order in closing(desk)} == {"one", "two"}


def test_a_restart_in_the_middle_of_closing_changes_nothing() -> None:
    desk = both(daily_loss=Decimal(200), at_daily_loss=True)
    lose(desk)
    first, second = closing(desk)
    desk.ack(second)
    desk.fill(first)
    desk.start_again()
    desk.link([second.ref])
    desk.tick(1)
    assert {order.bot for order in closing(desk)} == {second.bot}
    desk.quote(put(5945), 2.00, 2.10, -0.1)
    for _ in range(20):
        desk.tick(1)
    for order in closing(desk):
        desk.fill(order)
    assert {each.state for each in desk.state.positions.by_id.values()} == {"closed"}
    assert {each.exit_reason for each in desk.state.positions.by_id.values()} == {"daily_loss"}
