"""Which alternative of `choose` is entered, and that a position keeps it."""

import pytest
from hand_desk import Desk, bot_of, call, put, text_of

from rulebot.model.order import OrderStatus
from rulebot.model.position import Position
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind

CHOICE = """
  expiry: {dte: 0}
  choose:
    - name: wild
      when:
        - vix: {at_least: 20}
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
    - name: calm
      when:
        - vix9d: {below: 15}
      long_call: {buy: call, strike: {at: spot}}
      short_call: {sell: call, strike: {above: long_call, by: 10 pts}}
"""
ENTRY = '{window: {from: "10:00", to: "11:00"}}'
EXITS = """
  - time: "15:45"
  - target: {profit: 50%}
  - stop: {loss: 40%}
"""


def desk_of(vix: float | None, vix9d: float | None, entry: str = ENTRY) -> Desk:
    desk = Desk((text_of(legs=CHOICE, entry=entry, exits=EXITS),))
    desk.level("VIX", float("nan") if vix is None else vix)
    desk.level("VIX9D", float("nan") if vix9d is None else vix9d)
    return desk


def test_the_first_that_holds_is_taken() -> None:
    desk = desk_of(21.0, 14.0)
    assert [leg.option for leg in desk.enter().legs] == [put(5945), put(5935)]
    (position,) = desk.state.positions.by_id.values()
    assert position.alternative == "wild"


def test_one_that_does_not_hold_leaves_the_next() -> None:
    desk = desk_of(16.0, 14.0)
    assert [leg.option for leg in desk.enter().legs] == [call(6000), call(6010)]


@pytest.mark.parametrize(("vix", "vix9d"), [(None, 14.0), (16.0, 16.0), (16.0, None)])
def test_unknown_ends_the_choice_and_none_is_no_trade(vix: float | None, vix9d: float | None) -> None:
    desk = desk_of(vix, vix9d)
    desk.until("10:30", step=60)
    assert not desk.submitted
    reason = "wild.vix" if vix is None or vix9d is not None else "calm.vix9d"
    assert desk.state.bots.by_name["spread"].status_text.startswith(f"no alternative: {reason}")


def test_a_choice_that_is_known_to_fail_decides_one_try() -> None:
    desk = desk_of(16.0, 16.0, '{window: {from: "10:00", to: "11:00"}, try: once}')
    desk.until("10:01")
    assert desk.state.bots.by_name["spread"].day.decided.startswith("no alternative: wild.vix")


def test_an_unknown_choice_does_not_decide_one_try() -> None:
    desk = desk_of(None, 14.0, '{window: {from: "10:00", to: "11:00"}, try: once}')
    desk.until("10:01")
    assert not desk.state.bots.by_name["spread"].day.decided


def test_an_order_ends_when_the_choice_falls_on_another() -> None:
    desk = desk_of(16.0, 14.0)
    order = desk.enter()
    desk.ack(order)
    desk.level("VIX", 21.0)
    desk.tick(11)
    assert desk.state.orders.by_ref[order.ref].status is OrderStatus.CANCELLING


@pytest.mark.parametrize("once", ["", ", try: once"])
def test_while_one_is_being_confirmed_none_below_it_is_entered(once: str) -> None:
    """The one below was entered at the first look, whatever the market had been like for hours."""
    confirmed = CHOICE.replace("- vix: {at_least: 20}", "- vix: {at_least: 20}\n          confirm: 30s")
    desk = Desk((text_of(legs=confirmed, entry=ENTRY.replace("}}", f"}}{once}}}"), exits=EXITS),))
    desk.level("VIX", 21.0)
    desk.level("VIX9D", 14.0)
    desk.until("10:00")
    desk.tick(5)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == "confirmation"
    for _ in range(6):
        desk.tick(5)
    assert [leg.option for leg in desk.last.legs] == [put(5945), put(5935)]


def test_one_that_begins_to_be_confirmed_ends_no_order() -> None:
    confirmed = CHOICE.replace("- vix: {at_least: 20}", "- vix: {at_least: 20}\n          confirm: 30s")
    desk = Desk((text_of(legs=confirmed, entry=ENTRY, exits=EXITS),))
    desk.level("VIX", 16.0)
    desk.level("VIX9D", 14.0)
    order = desk.enter()
    desk.ack(order)
    desk.level("VIX", 21.0)
    desk.tick(11)
    assert desk.state.orders.by_ref[order.ref].status is not OrderStatus.CANCELLING


def test_what_was_bought_leaves_at_a_part_of_its_debit_and_what_was_sold_of_its_credit() -> None:
    bot = bot_of(text_of(legs=CHOICE, entry=ENTRY, exits=EXITS))
    assert [choice.bot.plan.opens_for for choice in bot.choices] == ["credit", "debit"]
    desk = desk_of(16.0, 14.0)
    order = desk.enter()
    desk.fill(order)
    (position,) = desk.state.positions.by_id.values()
    governing = desk.program.governing(position)
    assert (governing.alternative, [leg.name for leg in governing.plan.legs]) == ("calm", ["long_call", "short_call"])


def test_a_position_remembers_its_alternative_on_record() -> None:
    desk = desk_of(21.0, 14.0)
    desk.enter()
    (position,) = desk.state.positions.by_id.values()
    assert decode(Position, encode(position)).alternative == "wild"
    selections = [record.data["alternative"] for record in desk.records if record.kind is Kind.SELECTION]
    assert selections == ["wild"]


def test_a_position_of_before_has_none() -> None:
    desk = Desk()
    desk.enter()
    (position,) = desk.state.positions.by_id.values()
    data = encode(position)
    assert isinstance(data, dict)
    assert data.pop("alternative") == ""
    assert decode(Position, data) == position
