"""What bounds the price of an entry: whatever of `require` depends on it, in whatever words it is said."""

from decimal import Decimal

import pytest
from hand_desk import Desk, call, put, text_of

from rulebot.model.order import Order, OrderStatus, Purpose

LADDER = "{start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}"
LEGS = text_of().partition("legs:")[2].partition("order:")[0]
BOUGHT = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
WIDE = (put(5945), 2.05, 2.55, -0.104), (put(5935), 1.35, 1.85, -0.078)
"""Quotes of the two puts of a spread that is worth 0.70, at once 0.20."""


def required(rule: str, legs: str = LEGS) -> str:
    """Return the text of a bot with one requirement, without an exit that is of a credit."""
    return text_of(legs=f"{legs}  require: [{rule}]\n", order=LADDER, exits='\n  - time: "15:45"\n')


def wide(text: str) -> Desk:
    desk = Desk((text,))
    for quote in WIDE:
        desk.quote(*quote)
    return desk


def offered(desk: Desk, tries: int = 4) -> list[str]:
    """Return the price of every try, + received; without orders none."""
    desk.until("10:00")
    if not desk.submitted:
        return []
    desk.ack(desk.last)
    found = [_net(desk.last)]
    for _ in range(tries - 1):
        desk.tick(10)
        found.append(_net(desk.last))
    return found


def _net(order: Order) -> str:
    return str(-(order.limit_price or Decimal(0)))


@pytest.mark.parametrize(
    "rule",
    [
        "{credit: {at_least: 0.60}}",
        "{name: e, not: {credit: {below: 0.60}}}",
        "{name: e, expr: credit >= 0.60}",
        "{name: e, expr: not credit < 0.60}",
        "{name: e, expr: 0.60 <= credit}",
        "{name: e, expr: credit - 0.60 >= 0}",
        "{name: e, expr: credit >= 0.06 * (strike(short_put) - strike(long_put))}",
        "{credit: {outside: [0, 0.59]}}",
        "{credit: {at_least: 0.0001x spot}}",
        "{name: e, all: [{not: {credit: {below: 0.60}}}, {vix: {below: 30}}]}",
        "{name: e, any: [{credit: {at_least: 0.60}}, {vix: {above: 30}}]}",
        "{credit: {at: mid, at_least: 0.0001x spot}}",
        "{credit: {at: mid, at_least: 0.60}}",
        "{name: e, not: {credit: {below: $57}}}",
        "{max_risk: {at_most: $947}}",
        "{return_on_risk: {at_least: 6.3%}}",
        "{name: e, expr: max_risk / 2 - credit < 4.15}",
    ],
)
def test_no_try_passes_what_is_required_of_its_price(rule: str) -> None:
    tries = offered(wide(required(rule)))
    assert tries[:2] == ["0.70", "0.65"]
    assert tries[2:] == ["0.60", "0.60"]


@pytest.mark.parametrize(
    "rule",
    [
        "{debit: {at_most: 0.80}}",
        "{name: d, not: {debit: {above: 0.80}}}",
        "{name: d, expr: debit <= 0.08 * (strike(long_put) - strike(short_put))}",
        "{debit: {at_most: 0.00013334x spot}}",
        "{debit: {outside: [0.81, 5]}}",
    ],
)
def test_no_try_pays_more_than_is_required(rule: str) -> None:
    assert offered(wide(required(rule, BOUGHT))) == ["-0.70", "-0.75", "-0.80", "-0.80"]


def test_what_holds_at_any_price_lets_the_ladder_go_all_its_way() -> None:
    rule = "{name: any, any: [{credit: {at_least: 0.65}}, {vix: {below: 30}}]}"
    assert offered(wide(required(rule))) == ["0.70", "0.65", "0.60", "0.55"]


def test_a_price_in_a_gap_is_not_passed_though_worse_ones_would_do() -> None:
    rule = "{credit: {outside: [0.57, 0.62]}}"
    assert offered(wide(required(rule))) == ["0.70", "0.65", "0.65", "0.65"]


@pytest.mark.parametrize("bound", ["0.60", "0.0001x spot"])
def test_a_bound_on_the_mid_holds_back_an_order_that_starts_at_natural(bound: str) -> None:
    text = required(f"{{credit: {{at: mid, at_least: {bound}}}}}").replace(LADDER, "{start: natural, tries: 1}")
    assert offered(wide(text), tries=1) == ["0.60"]


def test_a_bound_goes_with_the_market_from_try_to_try() -> None:
    desk = wide(required("{credit: {at_least: 0.0001x spot}}"))
    assert offered(desk, tries=2) == ["0.70", "0.65"]
    desk.level("SPX", 6500.0)
    desk.tick(10)
    assert _net(desk.last) == "0.65"
    desk.level("SPX", 7500.0)
    desk.tick(10)
    assert desk.last.status is OrderStatus.CANCELLING


def test_the_rest_of_an_entry_is_offered_where_its_condition_still_holds() -> None:
    desk = wide(required("{credit: {at_least: 0.0001x spot}}") + "\nquantity: 2\n")
    assert offered(desk, tries=2) == ["0.70", "0.65"]
    desk.fill(desk.last, 1)
    desk.level("SPX", 7500.0)
    desk.tick(10)
    assert (desk.last.status, _net(desk.last)) == (OrderStatus.WORKING, "0.75")


def test_the_rest_is_offered_for_the_best_price_where_its_condition_holds_at_none() -> None:
    desk = wide(required("{credit: {at_least: 0.0001x spot}}") + "\nquantity: 2\n")
    offered(desk, tries=2)
    desk.fill(desk.last, 1)
    desk.level("SPX", 18000.0)
    desk.tick(10)
    assert _net(desk.last) == "1.20"


def test_the_rest_is_not_offered_for_what_could_lose_too_much_where_its_condition_holds_at_none() -> None:
    text = required("{credit: {at_least: 0.0001x spot}}").replace("$2000", "$1893.04") + "\nquantity: 2\n"
    desk = wide(text)
    assert offered(desk, tries=2) == ["0.70", "0.65"]
    desk.fill(desk.last, 1)
    desk.level("SPX", 18000.0)
    desk.quote(put(5945), 1.65, 1.85, -0.104)
    desk.quote(put(5935), 1.35, 1.55, -0.078)
    desk.tick(10)
    assert _net(desk.last) == "0.60"


def test_the_last_of_several_legs_is_bound_by_what_all_come_to() -> None:
    order = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.05, wait: 10s, tries: 4, then: unwind}"
    desk = wide(required("{credit: {at_least: 0.0001x spot}}").replace(LADDER, order))
    desk.until("10:00")
    desk.ack(desk.last)
    desk.fill(desk.last)
    desk.ack(desk.last)
    tries = [desk.last.limit_price]
    for _ in range(3):
        desk.tick(10)
        tries.append(desk.last.limit_price)
    assert tries == [Decimal("2.30"), Decimal("2.25"), Decimal("2.20"), Decimal("2.20")]


# ---------------------------------------------------------------- once a part has filled

ONE_BY_ONE = "{leg_by_leg: [short_put, long_put], start: mid, step: 0.05, wait: 10s, tries: 4, then: unwind}"


def first_leg_filled(rule: str) -> Desk:
    """Return a desk that has sold the short leg, the order of the other one still to leave."""
    desk = wide(text_of(legs=f"{LEGS}  require: [{rule}]\n", order=ONE_BY_ONE, exits='\n  - time: "15:45"\n'))
    desk.until("10:00")
    desk.ack(desk.last)
    return desk


def answered(desk: Desk, seconds: int) -> None:
    for _ in range(seconds // 10):
        desk.tick(10)
        for order in desk.live:
            if order.status is OrderStatus.SENDING:
                desk.ack(order)
            elif order.status is OrderStatus.CANCELLING:
                desk.cancelled(order, 1 if order.has_fills else 0)


@pytest.mark.parametrize(
    "rule",
    ["{credit: {at_least: 0.0001x spot}}", "{return_on_risk: {at_least: 6.3%}}", "{credit: {at_least: 0.60}}"],
)
def test_a_leg_whose_partner_may_be_sent_at_no_price_is_closed_after_its_tries(rule: str) -> None:
    """A bound past price_band: the short leg stood alone, and the long one was tried for until the time exit."""
    desk = first_leg_filled(rule)
    desk.quote(put(5935), 2.00, 3.20, -0.09)
    desk.quote(put(5945), 3.10, 3.50, -0.14)
    desk.freshen()
    desk.fill(desk.last, price="2.30")
    answered(desk, 30)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY]
    answered(desk, 30)
    assert desk.last.purpose is Purpose.UNWIND
    assert desk.last.legs[0].name == "short_put"


def test_a_part_of_which_the_rest_may_be_sent_at_no_price_gets_its_resting_exits() -> None:
    exits = "\n  - target: {profit: 50%}\n    resting: true\n  - stop: {loss: 200%}\n    resting: true\n"
    order = "{start: mid, step: 0.05, wait: 10s, pause: 5s, tries: 4, then: cancel}"
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    legs += "  require: [{credit: {at_least: 0.0003x spot}}]\n"
    risk = "{undefined_risk: allow}"
    sections = {"legs": legs, "order": order, "exits": f'{exits}  - time: "15:45"\n', "quantity": "2", "risk": risk}
    desk = wide(text_of(**sections))
    desk.until("10:00")
    desk.ack(desk.last)
    desk.fill(desk.last, 1)
    desk.quote(put(5945), 0.70, 2.30, -0.104)
    desk.level("SPX", 18000.0)
    desk.freshen()
    answered(desk, 120)
    assert desk.position.state == "open"
    assert [order.purpose for order in desk.live] == [Purpose.TARGET, Purpose.STOP]


def test_what_is_not_known_holds_up_no_leg_whose_partner_has_filled() -> None:
    """The long leg was bid at the far side of its market for all tries, since nobody knew the volatility."""
    desk = first_leg_filled("{probability_of_profit: {above: 10%}}")
    desk.without_data(*(kind(strike) for strike in range(5980, 6025, 5) for kind in (put, call)))
    desk.fill(desk.last)
    desk.ack(desk.last)
    found = [str(desk.last.limit_price)]
    for _ in range(3):
        desk.tick(10)
        found.append(str(desk.last.limit_price))
    assert found == ["1.60", "1.65", "1.70", "1.75"]


@pytest.mark.parametrize(
    ("rule", "price"),
    [
        ("{credit: {at: mid, at_least: 0.60}}", "0.60"),
        ("{credit: {at: mid, at_least: 0.0001x spot}}", "0.60"),
        ("{credit: {at: natural, at_least: 0.15}}", "0.45"),
        ("{credit: {at: natural, at_least: 0.000025x spot}}", "0.45"),
    ],
)
def test_a_bound_on_a_quote_bounds_the_price_of_the_rest_alike_in_whatever_words(rule: str, price: str) -> None:
    """The quotes were judged anew, which no price mends: the rest was offered at the far side of the market."""
    desk = wide(required(rule) + "\nquantity: 2\n")
    offered(desk, tries=2)
    desk.fill(desk.last, 1)
    desk.quote(put(5945), 1.90, 2.40, -0.104)
    desk.freshen()
    desk.tick(10)
    assert _net(desk.last) == price


@pytest.mark.parametrize(("most", "sent"), [("5", []), ("12", [Decimal("0.05")])])
def test_an_option_that_may_cost_less_than_one_tick_is_not_bought_for_one(most: str, sent: list[Decimal]) -> None:
    """Its mid of 0.025 rounds to 0, which no order can have: it was bought for 0.05, past the most that it may lose."""
    legs = "\n  expiry: {dte: 0}\n  long_put: {buy: put, strike: {delta: 0.001}}\n"
    exits = '\n  - time: "15:45"\n'
    desk = Desk((text_of(legs=legs, order=LADDER, exits=exits, risk=f"{{max_loss_per_trade: ${most}}}"),))
    desk.quote(put(5900), 0.0, 0.05, -0.001)
    desk.until("10:00")
    assert [order.limit_price for order in desk.submitted] == sent
    assert desk.alarms == ([] if sent else ["no price for the entry: below zero, as it may cost less than one tick"])
