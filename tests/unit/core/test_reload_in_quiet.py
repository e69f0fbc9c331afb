"""When other texts may be taken up: what only waits, for its expiry or for a person, is no reason to wait with it."""

from math import nan

from hand_desk import CONDOR, Desk, put, text_of

from rulebot.core.session.reloading import not_quiet
from rulebot.model.order import Purpose

LATER = text_of("later", entry='{window: {from: "10:30", to: "15:00"}}')


def leaving() -> Desk:
    """Return a desk whose exit buys the short leg back, since nobody bids for the long one."""
    desk = Desk((text_of(exits='\n  - time: "10:20"\n'), LATER))
    desk.opened()
    desk.quote(put(5935), nan, 0.05, -0.01)
    desk.until("10:20")
    assert [leg.name for leg in desk.last.legs] == ["short_put"]
    return desk


def test_what_an_exit_leaves_to_expire_is_not_waited_for() -> None:
    """A bot that was changed after its exit, and with other limits all bots, entered nothing more up to the close."""
    desk = leaving()
    desk.ack(desk.last)
    assert not_quiet(desk.program, desk.state, ["spread"]) == "spread-20261118-1, which is exiting"
    desk.fill(desk.last)
    desk.tick(20)
    assert desk.position.state == "exiting"
    assert not desk.live
    assert not_quiet(desk.program, desk.state, ["spread", "later"]) == ""


def test_nor_is_what_an_exit_of_one_side_leaves_beside_the_other() -> None:
    """The other side may be held for weeks: the reload waited as long."""
    sides = """
  - vix: {above: 20}
    name: puts
    close: put_side
  - time: "15:45"
"""
    desk = Desk((text_of(exits=sides, legs=CONDOR),))
    desk.opened()
    desk.quote(put(5935), nan, 0.05, -0.01)
    desk.level("VIX", 21.0)
    desk.tick(1)
    desk.ack(desk.last)
    assert not_quiet(desk.program, desk.state, ["spread"]) == "spread-20261118-1, which is exiting"
    desk.fill(desk.last)
    desk.tick(20)
    assert [leg.name for leg in desk.position.legs if leg.held] == ["long_put", "short_call", "long_call"]
    assert not_quiet(desk.program, desk.state, ["spread"]) == ""


def test_nor_is_what_waits_for_a_person() -> None:
    desk = Desk(
        (text_of(exits='\n  - time: "10:20"\n', risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),)
    )
    desk.opened()
    desk.tick(1)
    (stop,) = (order for order in desk.live if order.purpose is Purpose.PROTECT)
    desk.ack(stop)
    desk.until("10:20")
    desk.cancelled(desk.order(stop.ref))
    desk.tick(1)
    for _ in range(3):
        assert not_quiet(desk.program, desk.state, ["spread"])
        desk.ack(desk.last)
        desk.cancelled(desk.last)
        desk.tick(2)
        desk.tick(10)
    assert desk.position.on_hold
    assert desk.last.purpose is Purpose.PROTECT
    assert not_quiet(desk.program, desk.state, ["spread"]) == f"the protect order {desk.last.ref} of spread"
    desk.ack(desk.last)
    assert not_quiet(desk.program, desk.state, ["spread"]) == ""
