"""Bots on both sides of one option: what rests at the broker gives way to an exit, and is put back after it."""

from hand_desk import SELLER, Desk, text_of

from engine.model.order import Order, OrderStatus, Purpose, Side

BOUGHT = {
    "underlying": "SPY",
    "entry": "{at: open + 31m, max_open: 5}",
    "legs": "\n  expiry: {dte: {nearest: 90}}\n  if_held: allow\n  long_put: {buy: put, strike: {delta: 0.15}}\n",
    "order": "{start: mid, wait: 300s, tries: 1, then: cancel}",
    "exits": "\n  - target: {profit: 60%}\n    resting: true\n  - at_expiry: settle\n",
    "risk": "{max_loss_per_trade: $9000}",
}
SOLD = {
    **SELLER,
    "entry": "{at: open + 60m, max_open: 5}",
    "legs": f"{SELLER['legs']}  if_held: allow\n",
    "exits": '\n  - time: "15:00"\n    order: market\n',
}


def both(first: dict[str, str], second: dict[str, str]) -> Desk:
    """Return a desk on which one bot holds an option since 10:01, and another one the other side since 10:30."""
    desk = Desk((text_of("first", **first), text_of("second", **second)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.until("10:30")
    assert desk.last.bot == "second"
    desk.fill(desk.last)
    desk.tick(1)
    return desk


def resting(desk: Desk) -> Order:
    of_first = [order for order in desk.state.orders.values() if order.bot == "first"]
    return next(order for order in reversed(of_first) if order.purpose is not Purpose.ENTRY)


def test_what_rests_on_the_other_side_of_an_exit_is_taken_back_first_and_put_back_after_it() -> None:
    """The broker refuses an order while one of the other side works in the option: the exit was refused for ever."""
    desk = both(BOUGHT, SOLD)
    target = resting(desk)
    assert (target.purpose, target.side, target.status) == (Purpose.TARGET, Side.SELL, OrderStatus.WORKING)
    desk.until("15:00")
    assert [order.ref for order in desk.cancels] == [target.ref]
    assert not [order for order in desk.submitted if order.purpose is Purpose.EXIT], "it waits until the other is gone"
    desk.cancelled(target)
    desk.tick(1)
    assert (desk.last.bot, desk.last.purpose, desk.last.side) == ("second", Purpose.EXIT, Side.BUY)
    leaving = desk.last
    desk.ack(leaving)
    desk.tick(30)
    assert desk.last.ref == leaving.ref, "nothing is put to rest against it"
    desk.fill(leaving)
    desk.tick(1)
    desk.tick(1)
    assert desk.position.state == "closed"
    again = resting(desk)
    assert (again.purpose, again.status) == (Purpose.TARGET, OrderStatus.SENDING)
    assert again.ref != target.ref
    reasons = [str(each.data["reason"]) for each in desk.records if each.data.get("what") in ("suspend", "resume")]
    assert reasons == [
        f"resting orders in {again.legs[0].option} are watched by the engine while an exit works",
        "its contract is free",
    ]


def test_an_exit_of_what_is_bought_leaves_the_protective_stop_of_what_is_sold() -> None:
    """A long leg can lose no more than it is worth: no short one stands without its stop so that it is sold."""
    sold = {**SOLD, "entry": "{at: open + 31m, max_open: 5}", "exits": "\n  - at_expiry: settle\n"}
    bought = {**BOUGHT, "entry": "{at: open + 60m, max_open: 5}", "exits": SOLD["exits"]}
    desk = both({**sold, "risk": "{undefined_risk: allow, protect: {cost: 4x credit}}"}, bought)
    guard = resting(desk)
    assert (guard.purpose, guard.side) == (Purpose.PROTECT, Side.BUY)
    desk.until("15:00")
    assert guard.ref not in [order.ref for order in desk.cancels]
    assert (desk.last.bot, desk.last.purpose, desk.last.side) == ("second", Purpose.EXIT, Side.SELL)
