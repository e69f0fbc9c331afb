"""How exits are worked: the ladder of all, an exit's own, pauses, priorities and endings (language.md, Exits)."""

from datetime import timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import CONDOR, SELLER, Desk, call, put, text_of

from rulebot.model.order import OrderStatus, OrderType, Purpose
from rulebot.model.session import session_after

STOP = '\n  - time: "15:45"\n    order: market\n  - stop: {cost: 2x credit}\n'


def held(own: str = "", **sections: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with a stop that goes out by these orders."""
    exits = f"{STOP}    order: {own}\n" if own else STOP
    desk = Desk((text_of(exits=exits, **sections),))
    desk.opened()
    desk.quote(put(5945), 1.80, 2.00, -0.25)  # the spread costs 1.60, 1.75 at natural
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(0)
    return desk


def price(desk: Desk) -> Decimal | None:
    """Return what the closing order at work offers: it is a bought combo."""
    return desk.order(desk.sent_for(Purpose.EXIT)[-1].ref).limit_price


def wait(desk: Desk, seconds: float) -> None:
    desk.tick(seconds)


def test_without_words_it_walks_the_ladder_of_the_entry_and_continues() -> None:
    desk = held()
    desk.ack(desk.sent_for(Purpose.EXIT)[0])
    seen = []
    for _ in range(6):
        seen.append(price(desk))
        wait(desk, 10)
    assert seen == [
        Decimal("1.60"),
        Decimal("1.65"),
        Decimal("1.70"),
        Decimal("1.75"),
        Decimal("1.75"),
        Decimal("1.75"),
    ]
    assert len(desk.sent_for(Purpose.EXIT)) == 1, "one order, changed"


def test_exit_order_is_of_all_and_an_order_of_its_own_overrides_it() -> None:
    desk = held(exit_order="{start: natural, wait: 5s, tries: 2, then: market}")
    assert price(desk) == Decimal("1.75")
    desk = held("{start: mid, step: 0.10, wait: 5s, tries: 2, then: again}", exit_order="market")
    assert (desk.sent_for(Purpose.EXIT)[0].kind, price(desk)) == (OrderType.LIMIT, Decimal("1.60"))


def test_at_the_end_comes_a_market_order() -> None:
    desk = held("{start: natural, wait: 5s, tries: 2, then: market}")
    desk.ack(desk.sent_for(Purpose.EXIT)[0])
    wait(desk, 5)
    assert len(desk.sent_for(Purpose.EXIT)) == 1
    wait(desk, 5)
    desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[0].ref))
    desk.tick(0)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT, OrderType.MARKET]


def test_a_market_order_that_works_on_is_looked_at_again_after_a_while() -> None:
    desk = held("market")
    (order,) = desk.sent_for(Purpose.EXIT)
    desk.ack(order)
    wait(desk, 60)
    until = desk.order(order.ref).attempt_until
    assert until is not None
    assert until > desk.now


BLIND = (put(5945), put(5935))
THREE_TRIES = "{start: natural, wait: 5s, tries: 3, then: market}"


def blind_at_its_time() -> Desk:
    """Return a desk whose time exit acts now, at a ladder that ends at market, and nothing is quoted."""
    desk = Desk((text_of(exits=f'\n  - at_expiry: settle\n  - time: "11:00"\n    order: {THREE_TRIES}\n'),))
    desk.opened()
    desk.until("10:59:59")
    desk.without_data(*BLIND)
    desk.until("11:00")
    return desk


def test_without_quotes_the_market_order_comes_when_the_tries_would_be_over() -> None:
    """It never came: no try could be priced, so none was used up."""
    desk = blind_at_its_time()
    desk.settle(14)
    assert not desk.sent_for(Purpose.EXIT)
    desk.settle(1.1)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.MARKET]


def test_quotes_that_come_back_have_the_ladder_start_at_once() -> None:
    desk = blind_at_its_time()
    desk.settle(9)
    desk.quote(put(5945), 1.80, 2.00, -0.25)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(0)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT]


def test_a_ladder_that_loses_its_quotes_half_way_ends_at_market_too() -> None:
    desk = held(THREE_TRIES)
    first = desk.sent_for(Purpose.EXIT)[0]
    desk.ack(first)
    desk.without_data(*BLIND)
    wait(desk, 5)
    desk.settle(9)
    assert not desk.cancels, "two tries are left"
    desk.settle(1.1)
    assert [order.ref for order in desk.cancels] == [first.ref]
    desk.cancelled(desk.order(first.ref))
    desk.tick(0)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT, OrderType.MARKET]


def spread(desk: Desk) -> None:
    desk.quote(put(5945), 1.80, 2.00, -0.25)
    desk.quote(put(5935), 0.25, 0.35, -0.07)


def test_a_wait_for_quotes_begins_again_when_there_were_some() -> None:
    desk = blind_at_its_time()
    desk.settle(9)
    spread(desk)
    desk.tick(0)
    (first,) = desk.sent_for(Purpose.EXIT)
    desk.ack(first)
    desk.without_data(*BLIND)
    wait(desk, 6)
    desk.settle(8)
    assert not desk.cancels, "two tries, of five seconds each, were left"
    spread(desk)
    desk.tick(0)
    desk.without_data(*BLIND)
    wait(desk, 5)
    desk.settle(4)
    assert not desk.cancels, "one is left"
    desk.settle(1.1)
    assert [order.ref for order in desk.cancels] == [first.ref]


@pytest.mark.parametrize("own", ["{start: mid, step: 0.05, wait: 10s, tries: 9}", "market"])
def test_a_combo_at_work_gives_way_to_its_short_leg_when_nobody_bids_for_the_long_one(own: str) -> None:
    desk = held(own)
    (first,) = desk.sent_for(Purpose.EXIT)
    desk.ack(first)
    desk.quote(put(5935), nan, 0.05)
    desk.board.bid_size[desk.board.rows[put(5935)]] = 0.0
    wait(desk, 30)
    assert [order.ref for order in desk.cancels] == [first.ref]
    assert desk.order(first.ref).message.endswith("the rest is closed without it")
    desk.cancelled(first)
    desk.tick(0)
    assert [leg.option for leg in desk.sent_for(Purpose.EXIT)[-1].legs] == [put(5945)]


def test_without_quotes_a_ladder_that_continues_waits_and_each_exit_says_so() -> None:
    """The later exit said nothing: its words were those of the one before."""
    exits = '\n  - time: "11:00"\n  - stop: {cost: 2x credit}\n    unknown: exit\n    grace: 10s\n'
    desk = Desk((text_of(exits=exits),))
    desk.opened()
    desk.without_data(*BLIND)
    desk.tick(0)
    desk.settle(11)
    desk.until("11:00")
    assert not desk.sent_for(Purpose.EXIT)
    for is_started_again in (False, True):  # which told it again
        if is_started_again:
            desk.start_again()
            desk.link()
            desk.tick(60)
            desk.tick(60)
        reported = [text for text in desk.alarms if text.startswith("no price to close at: ")]
        assert [text.rpartition("; ")[2] for text in reported] == ["'stop' waits for one", "'time' waits for one"]


def test_order_market_is_a_market_order_at_once() -> None:
    assert [order.kind for order in held("market").sent_for(Purpose.EXIT)] == [OrderType.MARKET]


def test_a_pause_lies_between_two_tries_and_nothing_works_in_it() -> None:
    desk = held("{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s}")
    first = desk.sent_for(Purpose.EXIT)[0]
    desk.ack(first)
    wait(desk, 10)
    assert [order.ref for order in desk.cancels] == [first.ref]
    desk.cancelled(desk.order(first.ref))
    desk.tick(29)
    assert (len(desk.sent_for(Purpose.EXIT)), desk.live) == (1, [])
    assert not [alarm for alarm in desk.alarms if "cancelled" in alarm], "it was we who took it back"
    wait(desk, 2)
    assert len(desk.sent_for(Purpose.EXIT)) == 2
    assert price(desk) == Decimal("1.65"), "one step worse"


def test_a_ladder_that_continues_sends_limits_beyond_its_tries() -> None:
    desk = held("{start: mid, step: 0.05, wait: 10s, tries: 2, pause: 5s}")
    for _ in range(4):
        order = desk.sent_for(Purpose.EXIT)[-1]
        desk.ack(order)
        wait(desk, 10)
        desk.cancelled(order)
        wait(desk, 6)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT] * 5


def test_what_stands_higher_does_not_wait_for_the_pause() -> None:
    desk = held("{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30m}")
    desk.until("15:44:45")
    desk.ack(desk.sent_for(Purpose.EXIT)[-1])
    wait(desk, 11)
    for order in desk.live:
        desk.cancelled(order)
    desk.until("15:45")
    assert [order.reason for order in desk.sent_for(Purpose.EXIT)][-1] == "time"


def test_another_priority_is_a_new_order() -> None:
    ladder = "{adaptive: [patient, urgent], start: mid, wait: 60s, tries: 2, then: market}"
    exits = f"\n  - at_expiry: settle\n  - stop: {{cost: 2x credit}}\n    order: {ladder}\n"
    desk = Desk((text_of("seller", **{**SELLER, "exits": exits, "entry": '{at: "10:00", max_open: 5}'}),))
    desk.opened()
    leg = desk.position.legs[0].option
    entry = float(desk.position.entry_price or 0)
    desk.quote(leg, 2 * entry + 0.99, 2 * entry + 1.01, -0.4)
    desk.tick(0)
    first = desk.sent_for(Purpose.EXIT)[0]
    desk.ack(first)
    wait(desk, 60)
    desk.cancelled(desk.order(first.ref))
    desk.tick(0)
    assert [order.adaptive for order in desk.sent_for(Purpose.EXIT)] == ["patient", "urgent"]
    desk.ack(desk.sent_for(Purpose.EXIT)[1])
    wait(desk, 60)
    assert desk.order(desk.sent_for(Purpose.EXIT)[1].ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[1].ref))
    desk.tick(0)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)][-1] is OrderType.MARKET


@pytest.mark.parametrize(("start", "first"), [("mid", "0.70"), ("natural", "0.60"), ("0.65", "0.65")])
def test_an_entry_starts_at_mid_natural_or_a_price(start: str, first: str) -> None:
    desk = Desk((text_of(order=f"{{start: {start}, step: 0.05, wait: 10s, tries: 3, then: cancel}}"),))
    desk.until("10:00")
    assert desk.submitted[0].limit_price == -Decimal(first)


CONDOR_STOP = """
  - at_expiry: settle
  - stop: {cost: 2x credit}
    order: {start: mid, step: 0.25, wait: 10s, tries: 9}
"""


def dead_wing_of_a_condor() -> Desk:
    """Return a desk that closes a condor, ten points wide, whose puts are far in the money: nobody bids for a call."""
    desk = Desk((text_of(exits=CONDOR_STOP, legs=CONDOR),))
    desk.opened()
    desk.quote(put(5945), 60.00, 61.00, -0.99)
    desk.quote(put(5935), 50.00, 51.00, -0.99)
    desk.quote(call(6055), 0.10, 0.20, 0.01)
    desk.quote(call(6065), nan, 0.05)
    desk.board.bid_size[desk.board.rows[call(6065)]] = 0.0
    desk.tick(0)
    return desk


def test_what_leaves_a_dead_wing_costs_no_more_than_all_of_it_could() -> None:
    """The wing, left in the account, covers its short leg: the rest was bought back for more than it could lose."""
    desk = dead_wing_of_a_condor()
    (order,) = desk.sent_for(Purpose.EXIT)
    assert call(6065) not in [leg.option for leg in order.legs]
    assert price(desk) == Decimal("10.00")
    desk.ack(order)
    wait(desk, 30)
    assert price(desk) == Decimal("10.00"), "at natural it costs 11.20"
    assert not desk.alarms
    for _ in range(12):
        wait(desk, 10)
    said = "'stop' waits at 10.00 for spread-20261118-1: more is asked than its legs can be worth"
    assert desk.alarms == [said]


DEBIT = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""


def unwanted_long_leg(then: str = "") -> Desk:
    """Return a desk that closes a debit spread of which nobody bids for the long leg, and the short one costs 0.30."""
    ladder = f"{{start: mid, step: 0.05, wait: 10s, tries: 2{then}}}"
    desk = Desk((text_of(legs=DEBIT, exits=f'\n  - time: "11:00"\n    order: {ladder}\n'),))
    desk.opened()
    desk.until("10:59:50")
    desk.quote(put(5935), 0.20, 0.30, -0.07)
    desk.quote(put(5945), nan, 0.45)
    desk.board.bid_size[desk.board.rows[put(5945)]] = 0.0
    desk.until("11:00")
    return desk


def test_a_short_leg_that_costs_nothing_beside_its_long_one_is_not_bought_back_for_less_than_nothing() -> None:
    """A debit spread is worth nothing at least: a limit of -0.05 was sent, refused, and sent again."""
    desk = unwanted_long_leg()
    assert desk.sent_for(Purpose.EXIT) == []
    wait(desk, 300)
    why = f"{put(5935)} alone is worth nothing with its cover, and has no bid"
    assert desk.alarms == [f"no price to close at: {why}; 'time' waits for one"]
    desk.quote(put(5945), 0.35, 0.45, -0.10)
    desk.tick(0)
    assert [order.is_combo for order in desk.sent_for(Purpose.EXIT)] == [True]


def test_a_ladder_that_ends_at_market_pays_nothing_for_a_spread_that_can_cost_nothing() -> None:
    """At market the short leg was bought back for 0.30, beyond what a debit spread can lose."""
    desk = unwanted_long_leg(", then: market")
    assert desk.sent_for(Purpose.EXIT) == []
    wait(desk, 300)
    assert desk.sent_for(Purpose.EXIT) == []
    assert len(desk.alarms) == 1
    desk.quote(put(5945), 0.35, 0.45, -0.10)
    desk.tick(0)
    assert [order.is_combo for order in desk.sent_for(Purpose.EXIT)] == [True]


def test_a_price_to_start_at_stays_a_credit_when_the_mid_falls_below_zero() -> None:
    """A structure worth about nothing was offered for a credit, and at its next try bought for as much."""
    legs = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {delta: 0.10}}
"""
    ladder = "{start: 0.10, step: 0.01, wait: 10s, tries: 3, then: cancel}"
    desk = Desk((text_of(legs=legs, order=ladder, exits=CONDOR_STOP, risk="{undefined_risk: allow}"),))
    desk.quote(put(5945), 0.95, 1.15, -0.10)
    desk.quote(call(6055), 0.90, 1.10, 0.10)
    desk.until("10:00")
    desk.ack(desk.submitted[0])
    desk.quote(call(6055), 1.00, 1.20, 0.10)
    wait(desk, 10)
    assert [desk.submitted[0].limit_price, *(order.limit_price for order in desk.replaced)] == [-Decimal("0.10")]


@pytest.mark.parametrize("is_started_anew", [False, True])
def test_a_ladder_that_the_close_has_cut_short_begins_again_at_the_next_open(is_started_anew: bool) -> None:
    """It went on where it was: a market order left with the first quotes of the day."""
    ladder = "{start: mid, step: 0.01, wait: 10s, tries: 3, then: market}"
    desk = Desk(
        (
            text_of(
                "seller",
                **{**SELLER, "exits": f"\n  - vix: {{above: 30}}\n    order: {ladder}\n  - at_expiry: settle\n"},
            ),
        )
    )
    desk.opened("10:01")
    desk.until("15:59:30")
    desk.level("VIX", 31.0)
    desk.tick(0)
    desk.ack(desk.last)
    desk.until("15:59:50", step=10)
    assert desk.last.attempt == 3
    if is_started_anew:  # by then the broker has cancelled it, and nobody was there to hear of it
        desk.unlink()
    else:
        desk.until("16:00")
        desk.cancelled(desk.last)
        desk.tick(1)
    opens = session_after(desk.day).open
    desk.now = opens - timedelta(hours=2)
    if is_started_anew:
        desk.start_again()
        desk.link(refs=[])
    desk.tick(0)
    assert desk.alarms[-1] == "a closing order was working at the close: it is sent again at the next open"
    desk.now = opens
    desk.tick(0)
    assert len(desk.sent_for(Purpose.EXIT)) == 2
    assert (desk.last.kind, desk.last.attempt) == (OrderType.LIMIT, 1)


# ---------------------------------------------------------------- before the close


def timed(at: str, ladder: str) -> Desk:
    """Return a desk whose spread is closed by the clock, where mid is 0.70 and natural 0.80."""
    desk = Desk((text_of(exits=f'\n  - time: "{at}"\n    order: {ladder}\n'),))
    desk.opened()
    desk.until(at)
    desk.ack(desk.sent_for(Purpose.EXIT)[0])
    return desk


def test_the_last_try_of_a_clock_exit_before_the_close_is_at_natural() -> None:
    desk = timed("15:57", "{start: mid, step: 0.01, wait: 60s, tries: 6, then: again}")
    first = price(desk)
    assert first is not None
    wait(desk, 60)
    wait(desk, 60)
    assert (price(desk), price(desk) != first) == (Decimal("0.80"), True)


def test_a_clock_exit_that_begins_in_the_last_minute_goes_to_natural_at_once() -> None:
    assert price(timed("15:59", "{start: mid, step: 0.01, wait: 60s, tries: 6, then: again}")) == Decimal("0.80")


def test_one_that_ends_at_market_goes_there_before_the_close() -> None:
    desk = timed("15:57", "{start: mid, step: 0.01, wait: 60s, tries: 6, then: market}")
    wait(desk, 60)
    assert not desk.cancels
    wait(desk, 60)
    desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[0].ref))
    desk.tick(0)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT, OrderType.MARKET]
