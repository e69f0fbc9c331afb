"""One contract that is long in one position and short in another: the account nets them, and lacks one side of it."""

import pytest
from hand_desk import Desk, put, text_of
from test_closed_elsewhere import UNTOLD, connected, evening, gone, others

from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.record.record import Kind

SHARED = put(5945)
LONG_PUT = {
    "entry": '{at: "10:05"}',
    "legs": "\n  expiry: {dte: 0}\n  on_conflict: allow\n  long_put: {buy: put, strike: {delta: 0.10}}\n",
}
BUYER = text_of("buyer", **LONG_PUT, exits='\n  - time: "12:00"\n')
GUARDED = text_of(
    "guarded", exits='\n  - time: "15:45"\n', risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"
)
SPREAD = text_of("spread", exits='\n  - time: "12:00"\n')


def of(desk: Desk, bot: str) -> Position:
    return next(each for each in desk.state.positions.by_id.values() if each.bot == bot)


def both_sides(first: str = SPREAD, second: str = BUYER) -> Desk:
    """A spread that is short of a put, and a bot that has bought the same put: the account holds none."""
    desk = Desk((first, second))
    desk.opened()
    desk.tick(5)
    desk.opened("10:05")
    assert desk.books()[SHARED] == 0
    return desk


def reported(desk: Desk) -> list[str]:
    """Return the bots of which a person was told that the account holds less than they do."""
    return [each.bot for each in desk.said(Kind.ALARM) if "holds less" in str(each.data["text"])]


@pytest.mark.parametrize(("held", "bot", "other"), [(-1, "buyer", "spread"), (1, "spread", "buyer")])
def test_what_a_person_has_closed_of_one_side_is_not_closed_again(held: int, bot: str, other: str) -> None:
    """Sum by sum our books and the account held no less of it: the exit opened a contract (seed 826303 of `chaos`)."""
    desk = both_sides()
    desk.holds(SHARED, held)
    for _ in range(7):
        desk.tick(5)
    assert reported(desk) == [bot]
    assert bool(of(desk, bot).on_hold)
    assert not of(desk, other).on_hold
    (missed,) = of(desk, bot).account_missing
    assert missed.contracts == 1
    assert not of(desk, other).account_missing
    desk.until("12:01", step=20)
    closing = {order.bot: order.legs for order in desk.live}
    assert other in closing
    assert SHARED not in [leg.option for leg in closing.get(bot, ())], "only its other leg is closed"
    assert {order.purpose for order in desk.live} == {Purpose.EXIT}


@pytest.mark.parametrize("count", [-1, 1])
def test_what_the_broker_reports_of_it_is_booked_to_the_side_that_it_closed(count: int) -> None:
    desk = both_sides()
    others(desk, SHARED, count, "4.80")
    gone(desk)
    desk.holds(SHARED, count)
    for _ in range(7):
        desk.tick(5)
    (fill,) = [each for each in desk.said(Kind.FILL) if each.data["purpose"] == "by_others"]
    assert (fill.bot, fill.data["leg"]) == (("buyer", "long_put") if count < 0 else ("spread", "short_put"))


@pytest.mark.parametrize("count", [-1, 1])
def test_what_was_closed_of_it_while_no_engine_ran_is_booked_so_when_it_expires(count: int) -> None:
    desk = both_sides(text_of("spread", **UNTOLD), text_of("buyer", **{**UNTOLD, **LONG_PUT}))
    others(desk, SHARED, count, "4.80", at=evening(desk))
    connected(desk)
    (fill,) = [each for each in desk.said(Kind.FILL) if each.data["purpose"] == "by_others"]
    assert fill.bot == ("buyer" if count < 0 else "spread")
    assert {each.state for each in desk.state.positions.by_id.values()} == {"closed"}
    assert not [text for text in desk.alarms if "nobody can say whose" in text]


def test_a_stop_of_the_side_that_is_there_stays_at_work() -> None:
    desk = both_sides(GUARDED)
    (stop,) = desk.live
    assert stop.purpose is Purpose.PROTECT
    desk.holds(SHARED, -1)
    desk.until("10:08", step=5)
    assert reported(desk) == ["buyer"]
    assert [order.ref for order in desk.live] == [stop.ref]


def test_a_stop_of_the_side_that_is_gone_is_cancelled_in_seconds() -> None:
    """The account holds one, and it is not the one that the stop would close."""
    desk = both_sides(GUARDED)
    (stop,) = desk.live
    desk.holds(SHARED, 1)
    for _ in range(2):
        desk.tick(5)
    assert [order.ref for order in desk.cancels] == [stop.ref]
    assert reported(desk) == []


def test_what_was_closed_twice_is_nothing_that_the_other_side_lacks() -> None:
    """The spread was put on hold, and its stop was taken back, while the account held what it says and more."""
    desk = both_sides(GUARDED)
    desk.until("12:00", step=20)
    desk.fill(desk.last)
    assert of(desk, "buyer").state == "closed"
    desk.holds(SHARED, -2)
    for _ in range(8):
        desk.tick(5)
    assert "closed by hand, too" in desk.alarms[-1]
    assert not of(desk, "guarded").on_hold
    assert len(desk.live) == 1


def test_what_is_there_again_is_no_more_in_doubt() -> None:
    desk = both_sides()
    desk.holds(SHARED, -1)
    for _ in range(7):
        desk.tick(5)
    desk.holds(SHARED, 0)
    desk.tick(5)
    assert not of(desk, "buyer").on_hold
    assert not desk.state.account.shortfalls


def test_a_start_finds_the_side_that_is_gone() -> None:
    desk = both_sides()
    desk.unlink()
    desk.link(positions=[(SHARED, -1), (put(5935), 1)])
    assert reported(desk) == ["buyer"]
