"""Bots on both sides of one option: what rests at the broker gives way to an exit, and is put back after it."""

from collections.abc import Callable
from math import nan

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.model.contract import Option
from rulebot.model.event import ReloadPending, Request
from rulebot.model.order import ExecutionId, Order, OrderStatus, OrderType, Purpose, Side
from rulebot.model.session import session_after
from rulebot.record.record import Kind

BOUGHT = {
    "underlying": "SPY",
    "entry": "{at: open + 31m, max_open: 5}",
    "legs": "\n  expiry: {dte: {nearest: 90}}\n  on_conflict: allow\n  long_put: {buy: put, strike: {delta: 0.15}}\n",
    "order": "{start: mid, wait: 300s, tries: 1, then: cancel}",
    "exits": "\n  - target: {profit: 60%}\n    resting: true\n  - at_expiry: settle\n",
    "risk": "{max_loss_per_trade: $9000}",
}
SOLD = {
    **SELLER,
    "entry": "{at: open + 60m, max_open: 5}",
    "legs": f"{SELLER['legs']}  on_conflict: allow\n",
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
    of_first = [order for order in desk.state.orders.by_ref.values() if order.bot == "first"]
    return next(order for order in reversed(of_first) if order.purpose is not Purpose.ENTRY)


def held_by_first(desk: Desk) -> Option:
    """Return the option that the first bot holds."""
    return next(each for each in desk.state.positions.by_id.values() if each.bot == "first").legs[0].option


def test_what_rests_on_the_other_side_of_an_exit_is_cancelled_first_and_put_back_after_it() -> None:
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


@pytest.mark.parametrize("other", ["the same option", "another one"])
def test_an_exit_leaves_an_entry_at_work_that_the_broker_takes_beside_it(other: str) -> None:
    """Any entry in what an exit held was taken back, and had to begin anew: also one that sold it as the exit did."""
    bought = {**BOUGHT, "exits": '\n  - time: "10:31"\n'}
    sold = {**SOLD, "entry": "{at: open + 60m, max_open: 5}"}
    if other == "another one":
        sold["legs"] = sold["legs"].replace("0.15", "0.30")
    desk = Desk((text_of("first", **bought), text_of("second", **sold)), at="10:00")
    desk.opened("10:01")
    desk.until("10:30")
    entry = desk.last
    assert (entry.bot, entry.side) == ("second", Side.SELL)
    assert (entry.legs[0].option == held_by_first(desk)) is (other == "the same option")
    desk.ack(entry)
    desk.until("10:31")
    assert (desk.last.bot, desk.last.purpose, desk.last.side) == ("first", Purpose.EXIT, Side.SELL)
    assert not desk.cancels


@pytest.mark.parametrize("resting", ["a pair", "a stop"])
@pytest.mark.parametrize("entered", ["open + 60m", '"10:32"'])
def test_what_is_sold_beside_an_exit_rests_only_once_that_is_over(resting: str, entered: str) -> None:
    """The broker refused it: a protective stop was put back once, refused again, and never stood at the broker."""
    sold = {**SOLD, "entry": f"{{at: {entered}, max_open: 5}}"}
    if resting == "a pair":
        sold["exits"] = SELLER["exits"]
    else:
        sold["risk"] = "{undefined_risk: allow, protect: {cost: 4x credit}}"
    bought = {**BOUGHT, "exits": '\n  - time: "10:31"\n'}
    desk = Desk((text_of("first", **bought), text_of("second", **sold)), at="10:00")
    desk.opened("10:01")
    for time in ("10:30", "10:31", "10:32"):
        desk.until(time)
        for order in desk.live:
            desk.ack(order)
    leaving, entry = sorted(desk.live, key=lambda order: order.bot)
    assert (leaving.purpose, leaving.side, entry.purpose, entry.side) == (
        Purpose.EXIT,
        Side.SELL,
        Purpose.ENTRY,
        Side.SELL,
    )
    desk.fill(entry)
    for _ in range(5):
        desk.tick(5)
    assert [order.ref for order in desk.live] == [leaving.ref]
    assert next(each for each in desk.state.positions.by_id.values() if each.bot == "second").resting_orders_withdrawn
    desk.fill(leaving)
    for _ in range(3):
        desk.tick(1)
    assert {order.purpose for order in desk.live} == (
        {Purpose.TARGET, Purpose.STOP} if resting == "a pair" else {Purpose.PROTECT}
    )
    assert {order.side for order in desk.live} == {Side.BUY}
    assert not desk.alarms


def test_what_has_given_way_to_an_exit_that_was_not_done_rests_over_the_night() -> None:
    """It waited for that exit, which goes on at the next open: nothing was at the broker meanwhile."""
    desk = both(BOUGHT, {**SOLD, "exits": '\n  - time: "15:59:30"\n    order: market\n'})
    target = resting(desk)
    desk.until("15:59:30")
    desk.cancelled(target)
    desk.tick(1)
    leaving = desk.last
    assert (leaving.bot, leaving.purpose) == ("second", Purpose.EXIT)
    desk.ack(leaving)
    desk.until("16:00")
    desk.tick(1)
    assert [order.ref for order in desk.live] == [leaving.ref]
    desk.cancelled(leaving)
    desk.tick(2)
    again = desk.last
    assert ([order.ref for order in desk.live], again.purpose, again.bot) == ([again.ref], Purpose.TARGET, "first")
    desk.ack(again)
    desk.now = session_after(desk.day).open
    desk.tick(0)
    assert [order.status for order in desk.live] == [OrderStatus.CANCELLING]
    desk.cancelled(again)
    desk.tick(1)
    assert [(order.purpose, order.bot) for order in desk.live] == [(Purpose.EXIT, "second")]


# ---------------------------------------------------------------- the price of a protective stop that has given way

KEPT = "\n  - at_expiry: settle\n"
GUARDED = {
    **SOLD,
    "entry": "{at: open + 31m, max_open: 5}",
    "exits": KEPT,
    "risk": "{undefined_risk: allow, protect: {cost: 4x credit}}",
}
MORE = {**SOLD, "exits": KEPT}


def asked_for_more(**first: str) -> tuple[Desk, Order]:
    """Return a desk on which a short put has a stop, and the second bot is about to sell more of that put; the stop."""
    desk = Desk((text_of("first", **{**GUARDED, **first}), text_of("second", **MORE)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    guard = resting(desk)
    desk.ack(guard)
    desk.until("10:30")
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    return desk, guard


def given_way(**first: str) -> tuple[Desk, Order, Order]:
    """Return the same with the stop gone and the entry at work; the stop, and the entry."""
    desk, guard = asked_for_more(**first)
    desk.cancelled(guard)
    desk.settle(1.0)
    entry = desk.last
    assert (entry.bot, entry.purpose, entry.legs[0].option) == ("second", Purpose.ENTRY, guard.legs[0].option)
    desk.ack(entry)
    return desk, guard, entry


def bid(desk: Desk, guard: Order, away: float = 0.0) -> Option:
    """Bid for the put what its stop stood at, and so much more."""
    assert guard.stop_price is not None
    at = float(guard.stop_price) + away
    desk.quote(guard.legs[0].option, at, at + 0.2, -0.15)
    return guard.legs[0].option


def test_a_protective_stop_that_has_given_way_to_an_entry_is_watched_and_the_entry_goes_first() -> None:
    """Nobody watched its price for as long as the entry worked, five minutes here."""
    desk, guard, entry = given_way()
    option = bid(desk, guard)
    desk.tick(1)
    assert desk.state.positions.by_id[guard.position].state == "open", "a stop is triggered by two bids in a row"
    desk.tick(1)
    position = desk.state.positions.by_id[guard.position]
    assert (position.state, position.exit_reason, position.resting_orders_withdrawn) == (
        "exiting",
        "watched_stop",
        False,
    )
    said = f"{option} is bid at {guard.stop_price:f}, where its protective stop has given way to another order"
    assert desk.alarms == [f"{said}: the position is closed"]
    assert desk.cancels[-1].ref == entry.ref
    assert desk.order(entry.ref).message == f"watched_stop of {guard.position} goes first"
    assert desk.last.ref == entry.ref, "the broker would refuse both sides at once"
    desk.cancelled(entry)
    desk.tick(0)
    closing = desk.last
    assert (closing.position, closing.purpose, closing.side) == (guard.position, Purpose.EXIT, Side.BUY)
    assert (closing.kind, closing.quantity) == (OrderType.MARKET, 1)
    desk.fill(closing)
    position = desk.state.positions.by_id[guard.position]
    assert (position.state, position.exit_reason) == ("closed", "watched_stop")
    (unfilled,) = desk.said(Kind.DECISION, "unfilled")
    assert unfilled.data["reason"] == f"watched_stop of {guard.position} goes first"


def test_29_a_stop_that_has_given_way_is_watched_at_the_price_that_the_exchange_corrects() -> None:
    desk, guard, _ = given_way()
    assert guard.stop_price is not None
    (sold,) = (order for order in desk.state.orders.by_ref.values() if order.is_of(guard.position) and order.has_fills)
    desk.send(desk.execution(sold, sold.legs[0], 1, (guard.stop_price - 1) / 4, exec_id=ExecutionId("0001.0001", 2)))
    bid(desk, guard, -1.0)
    desk.tick(1)
    desk.tick(1)
    assert desk.state.positions.by_id[guard.position].exit_reason == "watched_stop"


def test_a_stop_is_put_back_where_the_entry_it_gives_way_to_is_not_sent_since_the_engine_is_to_stop() -> None:
    """It waited for that entry all the same, and nothing was at the broker when the engine had ended."""
    desk, guard = asked_for_more()
    desk.ask(Request.STOP)
    desk.cancelled(guard)
    desk.tick(2)
    assert [(order.purpose, order.position) for order in desk.live] == [(Purpose.PROTECT, guard.position)]


PAIR = """
  expiry: {dte: {nearest: 90}}
  on_conflict: allow
  short_put: {sell: put, strike: {delta: 0.15}}
  low_put: {sell: put, strike: {below: short_put, by: 5 pts}}
"""
OF_EACH = {
    "legs": PAIR,
    "order": BOUGHT["order"],
    "exits": '\n  - time: "10:20"\n    close: [low_put]\n  - at_expiry: settle\n',
    "risk": "{undefined_risk: allow, protect: {cost: 4x credit, of: each_short}}",
}


def given_way_beside_an_exit() -> tuple[Desk, Order, Order]:
    """Return a desk on which an exit closes one short leg, and the other's stop has given way; that, and the entry."""
    desk = Desk((text_of("first", **{**GUARDED, **OF_EACH}), text_of("second", **MORE)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    guard, other = desk.live
    desk.until("10:20")
    desk.cancelled(other)
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("10:30")
    desk.cancelled(guard)
    desk.tick(1)
    entry = desk.last
    assert [order.purpose for order in desk.live] == [Purpose.EXIT, Purpose.ENTRY]
    desk.ack(entry)
    return desk, guard, entry


def test_a_stop_on_what_an_exit_leaves_open_is_put_back_while_that_exit_is_at_work() -> None:
    """It was once the exit was done, which may be the next day, or never; until then nobody watched its price."""
    desk, guard, entry = given_way_beside_an_exit()
    desk.fill(entry)
    for _ in range(3):
        desk.tick(1)
    assert [(order.purpose, order.bot) for order in desk.live] == [(Purpose.EXIT, "first"), (Purpose.PROTECT, "first")]
    assert desk.last.legs[0].option == guard.legs[0].option


def test_a_stop_on_what_an_exit_leaves_open_is_watched_where_it_has_given_way() -> None:
    desk, guard, _ = given_way_beside_an_exit()
    bid(desk, guard)
    desk.tick(1)
    desk.tick(1)
    assert desk.state.positions.by_id[guard.position].exit_reason == "watched_stop"


def test_an_exit_of_another_leg_lets_a_stop_that_has_given_way_wait_for_its_contract() -> None:
    """It was sent at once against that entry, refused twice, and never put back."""
    later = OF_EACH["exits"].replace("10:20", "10:31")
    desk = Desk((text_of("first", **{**GUARDED, **OF_EACH, "exits": later}), text_of("second", **MORE)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.until("10:30")
    for order in desk.live:
        desk.cancelled(order)
    desk.tick(1)
    entry = desk.last
    assert (entry.purpose, entry.bot) == (Purpose.ENTRY, "second")
    desk.ack(entry)
    desk.until("10:31")
    desk.tick(1)
    assert [order.purpose for order in desk.live] == [Purpose.ENTRY, Purpose.EXIT]
    desk.fill(entry)
    for _ in range(2):
        desk.tick(1)
    assert [(order.purpose, order.bot) for order in desk.live] == [(Purpose.EXIT, "first"), (Purpose.PROTECT, "first")]


def one_below(desk: Desk, guard: Order) -> None:
    bid(desk, guard)
    desk.tick(1)
    bid(desk, guard, -0.05)
    desk.tick(1)
    bid(desk, guard)
    desk.tick(1)


def asked_alone(desk: Desk, guard: Order) -> None:
    bid(desk, guard, -0.1)
    desk.tick(1)
    desk.tick(1)


def unsound(desk: Desk, guard: Order) -> None:
    price = float(guard.stop_price or 0)
    desk.quote(guard.legs[0].option, price + 5, price + 1, -0.15)  # crossed
    desk.tick(1)
    desk.tick(3)


@pytest.mark.parametrize("what", [one_below, asked_alone, unsound])
def test_a_stop_that_has_given_way_is_not_hit_by_less_than_would_have_triggered_it(
    what: Callable[[Desk, Order], None],
) -> None:
    desk, guard, entry = given_way()
    what(desk, guard)
    assert desk.state.positions.by_id[guard.position].state == "open"
    assert not desk.alarms
    assert entry.ref not in [order.ref for order in desk.cancels]


def test_a_stop_whose_quote_stands_still_at_its_price_is_hit_all_the_same() -> None:
    desk, guard, _ = given_way()
    bid(desk, guard)
    desk.tick(1)
    desk.tick(2, quiet=True)
    assert desk.state.positions.by_id[guard.position].exit_reason == "watched_stop"


def test_the_price_of_a_stop_is_watched_while_its_cancel_is_under_way_and_no_entry_follows() -> None:
    """The stop may still fill: nothing is sent until it is known to be over, and what it gave way for waits."""
    desk, guard = asked_for_more()
    bid(desk, guard)
    desk.tick(1)
    desk.tick(1)
    assert desk.state.positions.by_id[guard.position].exit_reason == "watched_stop"
    assert [order.bot for order in desk.submitted] == ["first", "first"]
    desk.cancelled(guard)
    desk.tick(1)
    closing = desk.last
    assert (closing.bot, closing.purpose, closing.kind) == ("first", Purpose.EXIT, OrderType.MARKET)
    desk.ack(closing)
    desk.tick(5)
    assert desk.last.ref == closing.ref
    assert (
        desk.state.bots.by_name["second"].status_text == f"the exit of {guard.position} in the same option to be over"
    )
    desk.fill(closing)
    desk.tick(1)
    assert (desk.last.bot, desk.last.purpose) == ("second", Purpose.ENTRY)


def test_a_stop_that_fills_while_its_cancel_is_under_way_leaves_nothing_to_close() -> None:
    desk, guard = asked_for_more()
    bid(desk, guard)
    desk.tick(1)
    desk.tick(1)
    desk.fill(guard)
    desk.tick(1)
    position = desk.state.positions.by_id[guard.position]
    assert (position.state, position.is_flat) == ("closed", True)
    assert not [order for order in desk.submitted if order.purpose is Purpose.EXIT]


def test_a_watched_stop_is_not_taken_over_by_another_exit() -> None:
    desk, guard, entry = given_way(exits='\n  - time: "10:31"\n')
    bid(desk, guard)
    desk.tick(1)
    desk.tick(1)
    desk.until("10:31")
    desk.cancelled(entry)
    desk.tick(0)
    assert (desk.last.reason, desk.last.kind) == ("watched_stop", OrderType.MARKET)


def test_a_stop_that_is_back_is_watched_by_the_broker_alone() -> None:
    desk, guard, entry = given_way()
    desk.fill(entry)
    desk.tick(1)
    desk.tick(0)
    again = resting(desk)
    assert again.ref != guard.ref
    desk.ack(again)
    bid(desk, again, 1.0)
    for _ in range(3):
        desk.tick(1)
    assert desk.state.positions.by_id[guard.position].state == "open"
    assert not desk.alarms


def test_a_stop_is_not_cancelled_in_the_turn_in_which_it_is_sent() -> None:
    """Its first record said that it was being cancelled, after it had left."""
    desk = Desk((text_of("first", **GUARDED), text_of("second", **MORE)), at="10:00")
    desk.opened("10:01")
    desk.until("10:30")
    guard = resting(desk)
    assert (guard.purpose, guard.status) == (Purpose.PROTECT, OrderStatus.SENDING)
    assert not desk.cancels
    desk.ack(guard)
    desk.settle(2.0)
    assert [order.ref for order in desk.cancels] == [guard.ref]
    assert desk.last.ref == guard.ref
    desk.cancelled(guard)
    desk.settle(1.0)
    assert (desk.last.bot, desk.last.purpose) == ("second", Purpose.ENTRY)
    reported = [record.data["status"] for record in desk.said(Kind.ORDER) if record.data["ref"] == guard.ref]
    assert reported[:2] == ["sending", "working"]


@pytest.mark.parametrize("how", ["a reload", "a halt"])
def test_a_stop_that_has_given_way_is_put_back_when_the_entry_must_wait(how: str) -> None:
    """It stayed away from the broker for as long as a reload waited, or a halt could not be judged."""
    risk = "{undefined_risk: allow, halt_when: [{vix: {above: 40}}]}"
    more = {**MORE, "entry": '{window: {from: open + 60m, to: "15:00"}, max_open: 5}', "risk": risk}
    desk = Desk((text_of("first", **GUARDED), text_of("second", **more)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    guard = resting(desk)
    desk.ack(guard)
    desk.until("10:30")
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    if how == "a reload":
        desk.send(ReloadPending(desk.now, frozenset(("second",))))
    else:
        desk.level("VIX", nan)
    desk.tick(1)
    desk.cancelled(guard)
    desk.tick(1)
    desk.tick(1)
    again = resting(desk)
    assert (again.purpose, again.status) == (Purpose.PROTECT, OrderStatus.SENDING)
    desk.ack(again)
    desk.until("10:40", step=15)
    assert [order.bot for order in desk.submitted] == ["first", "first", "first"]
    if how == "a reload":
        desk.send(ReloadPending(desk.now, frozenset()))
    else:
        desk.level("VIX", 16.0)
    desk.tick(1)
    desk.cancelled(again)
    desk.settle(1.0)
    assert (desk.last.bot, desk.last.purpose) == ("second", Purpose.ENTRY)


# ---------------------------------------------------------------- entries of several orders

LATER = "{at: open + 60m, max_open: 5}"
LEGGED = {
    "underlying": "SPY",
    "entry": LATER,
    "legs": """
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 3 pts}}
""",
    "order": "{leg_by_leg: [long_put, short_put], start: mid, wait: 100s, tries: 1, then: unwind}",
    "exits": "\n  - at_expiry: settle\n",
    "risk": "{max_loss_per_trade: $2000}",
}
PAUSED = {**SOLD, "order": "{start: mid, wait: 20s, tries: 3, pause: 30s, then: cancel}"}


def paired(sections: dict[str, str]) -> tuple[Desk, list[Order]]:
    """Return a desk at half past ten with the pair of the first bot, acknowledged; `sections` are of the second."""
    desk = Desk((text_of("first", **SELLER), text_of("second", **sections)), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    pair = [desk.order(order.ref) for order in desk.live]
    for order in pair:
        desk.ack(order)
    desk.until("10:30")
    return desk, pair


def cleared_for(sections: dict[str, str]) -> Desk:
    """Return a desk on which a pair of the first bot has given way to the first order of the second one's entry."""
    desk, pair = paired(sections)
    assert [order.ref for order in desk.cancels] == [order.ref for order in pair]
    for order in pair:
        desk.cancelled(desk.order(order.ref))
    desk.tick(1)
    assert desk.last.bot == "second"
    return desk


def rests(desk: Desk) -> bool:
    return any(order.bot == "first" for order in desk.live)


def test_what_rests_against_the_second_leg_gives_way_before_the_first_one_is_sent_and_until_all_are() -> None:
    """The broker refused the second leg, and the first one was closed again, which cost the width of its quotes."""
    desk = cleared_for(LEGGED)
    desk.ack(desk.last)
    desk.tick(5)
    assert (desk.last.legs[0].name, rests(desk)) == ("long_put", False)
    desk.fill(desk.last)
    desk.tick(1)
    assert (desk.last.legs[0].name, rests(desk)) == ("short_put", False)
    desk.fill(desk.last)
    desk.tick(1)
    assert (desk.position.state, rests(desk)) == ("open", True)


def test_what_rests_is_not_put_back_between_two_tries_of_an_entry() -> None:
    desk = cleared_for(PAUSED)
    desk.ack(first := desk.last)
    desk.tick(20)
    desk.cancelled(desk.order(first.ref))
    for _ in range(3):
        desk.tick(10)
        assert not rests(desk)
    assert (desk.last.bot, desk.last.attempt) == ("second", 2)


def test_a_next_leg_waits_for_an_exit_of_the_other_side_that_began_meanwhile() -> None:
    desk = cleared_for(LEGGED)
    desk.ack(desk.last)
    desk.ask(Request.FLATTEN, "first")
    desk.tick(1)
    leaving = desk.last
    assert (leaving.bot, leaving.purpose) == ("first", Purpose.EXIT)
    desk.ack(leaving)
    second = next(order for order in desk.live if order.bot == "second")
    desk.fill(second)
    desk.tick(5)
    assert desk.last.ref == leaving.ref
    desk.fill(leaving)
    desk.tick(1)
    assert (desk.last.bot, desk.last.legs[0].name) == ("second", "short_put")


def asked_by_hand() -> tuple[Desk, list[Order]]:
    """Return a desk on which a bot is asked to sell, hours before its window, what the pair of the first one buys."""
    desk, pair = paired({**SELLER, "entry": "{at: open + 300m, max_open: 5}"})
    desk.ask(Request.ENTER, "second")
    desk.tick()
    return desk, pair


def test_what_has_given_way_to_an_entry_by_hand_stays_away_until_it_is_sent() -> None:
    """Outside of the bot's window the pair was put back at once, and taken back again, and nothing was sent."""
    desk, pair = asked_by_hand()
    assert [order.ref for order in desk.cancels] == [order.ref for order in pair]
    for order in pair:
        desk.cancelled(desk.order(order.ref))
    desk.tick(0.2, quiet=True)
    assert not rests(desk)
    desk.tick(0.8, quiet=True)
    assert (desk.last.bot, desk.last.purpose, rests(desk)) == ("second", Purpose.ENTRY, False)


def test_what_has_given_way_to_an_entry_by_hand_is_put_back_where_that_comes_to_nothing() -> None:
    desk, pair = asked_by_hand()
    desk.ask(Request.PAUSE, "second")
    for order in pair:
        desk.cancelled(desk.order(order.ref))
    desk.tick(1)
    assert rests(desk)
    assert desk.last.bot == "first"


def test_what_comes_to_rest_while_the_first_leg_of_an_entry_works_gives_way_to_its_second() -> None:
    """The broker refuses the second leg while the target of another bot is to buy what it sells."""
    first = {
        **SELLER,
        "entry": "{at: open + 30m}",
        "legs": """
  expiry: {dte: {nearest: 90}}
  on_conflict: allow
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
""",
        "order": "{leg_by_leg: [long_put, short_put], start: mid, wait: 300s, tries: 2, then: unwind}",
        "exits": '\n  - time: "15:00"\n',
        "risk": "{max_loss_per_trade: $9000}",
    }
    desk = Desk((text_of("first", **first), text_of("second", **SELLER)), at="09:59")
    desk.until("10:00")
    (bought,) = desk.submitted
    assert bought.side is Side.BUY
    desk.ack(bought)
    desk.until("10:01")
    sold = desk.last
    desk.fill(sold)
    desk.tick(1)
    resting = [order for order in desk.submitted if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    assert {order.legs[0].option for order in resting} == {sold.legs[0].option}
    for order in resting:
        desk.ack(order)
    desk.fill(bought)
    desk.tick(1)
    assert {order.ref for order in desk.cancels} == {order.ref for order in resting}
    assert not [order for order in desk.submitted if order.bot == "first" and order.side is Side.SELL], "it waits"
    for order in resting:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.last.bot, desk.last.side, desk.last.legs[0].option) == ("first", Side.SELL, sold.legs[0].option)


def test_what_gives_way_to_an_exit_stays_so_where_its_own_exits_are_judged_in_the_same_turn() -> None:
    """The best profit so far of its trailing stop was noted in what it had been before: it gave way a second time."""
    trailing = f"{BOUGHT['exits']}  - name: trail\n    stop: {{give_back: 90%}}\n"
    sold = {**SOLD, "entry": "{at: open + 31m, max_open: 5}"}
    desk = both(sold, {**BOUGHT, "entry": "{at: open + 60m, max_open: 5}", "exits": trailing})
    (target,) = (order for order in desk.live if order.purpose is Purpose.TARGET)
    desk.ack(target)
    desk.until("14:59")
    row = desk.board.add(target.legs[0].option)
    desk.board.bid[row] += 0.30
    desk.board.ask[row] += 0.30
    desk.until("14:59:30")
    desk.until("15:00")
    given = next(each for each in desk.state.positions.by_id.values() if each.bot == "second")
    assert [order.ref for order in desk.cancels] == [target.ref]
    assert given.resting_orders_withdrawn
    assert given.peak_profit[0].amount > 0
    assert [each.position for each in desk.records if each.data.get("what") == "suspend"] == [given.id]
