"""What an earlier rulebot kept in words becomes codes and fields, once, as its records are read."""

from typing import Any

import pytest
from store_day import seller_records

from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Cause, EndedBy, Halt, MessageMeaning, broker_message, cause_text
from rulebot.model.order import Order, OrderStatus
from rulebot.record.codec import _BY_FIELDS, decode, encode
from rulebot.record.record import Kind

NOW = ("cause", "about", "detail", "heard", "answer")


def written_before(message: str, status: OrderStatus = OrderStatus.CANCELLED) -> Order:
    """Return an order as it is read that an earlier rulebot recorded with this message."""
    known: Any = next(record.data for record in seller_records() if record.kind is Kind.ORDER)
    rest = {name: value for name, value in known.items() if name not in NOW}
    return decode(Order, {**rest, "status": status.value, "message": message})


@pytest.mark.parametrize("cause", sorted(set(Cause) - _BY_FIELDS, key=str))
def test_each_text_is_read_as_its_cause(cause: Cause) -> None:
    order = written_before(cause_text(cause, "rb:k3xq7:000007", "the price"), OrderStatus.CANCELLING)
    assert (order.cause, order.message) == (cause, cause_text(cause, order.about, order.detail))
    assert order.about in ("", "rb:k3xq7:000007")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "202 Order Canceled - reason:",
        "10148 OrderId 2 cannot be cancelled, state: Filled. (before: its tries are used up)",
        "it was inactive: 201 Order rejected - reason:no",
        "the words of a person who wrote to the store",
        "161 Cancel attempted (before: halted: loss 400 (max 300))",
    ],
)
def test_people_are_told_the_same_as_before(message: str) -> None:
    assert written_before(message).message == message


def test_the_second_order_that_one_waits_for_is_known_again() -> None:
    order = written_before("10147 not found (before: a second order works as rb:k3xq7:000003)", OrderStatus.CANCELLING)
    assert (order.cause, order.about) == (Cause.SECOND_OF, "rb:k3xq7:000003")
    assert order.answer == broker_message(10147, "not found")


def test_an_order_that_was_taken_back_for_what_the_broker_said_keeps_that() -> None:
    words = "110 The price does not conform to the minimum price variation"
    order = written_before(words, OrderStatus.CANCELLING)
    assert (order.cause, order.heard) == (Cause.BROKER_SAID, broker_message(110, words.partition(" ")[2]))
    assert order.message == words


def test_what_this_rulebot_writes_is_read_as_it_is() -> None:
    order = written_before("10148 x, state: Filled. (before: its window is over)")
    assert decode(Order, encode(order)) == order


@pytest.mark.parametrize(
    ("code", "text", "ended_by", "meaning"),
    [
        (202, "Order Canceled - reason:", EndedBy.NOBODY, MessageMeaning.OTHER),
        (202, "Order Canceled - reason:cancelled by Trader", EndedBy.PERSON, MessageMeaning.OTHER),
        (202, "Order Canceled - reason:No market price", EndedBy.BROKER, MessageMeaning.OTHER),
        (202, "Order Canceled - reason:OCA group member was filled", EndedBy.BROKER, MessageMeaning.GROUP_FILLED),
        (161, "not in a cancellable state", EndedBy.UNSAID, MessageMeaning.OTHER),
        (10148, "OrderId 2 cannot be cancelled, state: Filled.", EndedBy.UNSAID, MessageMeaning.FILLED),
        (10148, "OrderId 2 cannot be cancelled, state: ApiCancelled", EndedBy.UNSAID, MessageMeaning.OVER),
        (10148, "OrderId 2 cannot be cancelled, state: PendingCancel", EndedBy.UNSAID, MessageMeaning.OTHER),
        (110, "", EndedBy.NOBODY, MessageMeaning.OFF_GRID),
        (201, "Order rejected - reason:Minimum price variation", EndedBy.BROKER, MessageMeaning.OFF_GRID),
        (201, "Order rejected - reason:both sides of the same US option", EndedBy.BROKER, MessageMeaning.OTHER_SIDE),
    ],
)
def test_a_message_of_the_broker_is_read_once(code: int, text: str, ended_by: EndedBy, meaning: MessageMeaning) -> None:
    found = broker_message(code, text)
    assert (found.ended_by, found.meaning, found.words) == (ended_by, meaning, f"{code} {text}")


@pytest.mark.parametrize(
    ("halted", "halt", "rule"),
    [
        ("the day's loss is $160.00, daily_loss is $150.00", Halt.DAY_LOSS, ""),
        ("the account's profit today is $300.00, its daily_profit is $100.00", Halt.ACCOUNT_PROFIT, ""),
        ("the broker liquidates in this account", Halt.LIQUIDATION, ""),
        ("7 opening orders within 1 minutes", Halt.RUNAWAY, ""),
        ("rb:k3xq7:000007 was never acknowledged and may still come to life", Halt.UNACKNOWLEDGED, ""),
        ("rb:k3xq7:000007 has filled more than its 1", Halt.MISMATCH, ""),
        ("rb:k3xq7:000007 may have filled unseen: the account holds 1 SPY, our books 0", Halt.UNSEEN_FILL, ""),
        ("vix 31.5 above 30", Halt.CONDITION, "vix"),
        ("", None, ""),
    ],
)
def test_a_halt_in_words_is_read_as_its_cause(halted: str, halt: Halt | None, rule: str) -> None:
    day = decode(BotDay, {"bot": "b", "date": "2026-11-18", "halted": halted})
    assert (day.halt, day.halt_rule, day.halted) == (halt, rule, halted)


def test_a_window_that_was_over_is_known_again() -> None:
    words = "its window is over; nearest vix: 30"
    day = decode(BotDay, {"bot": "b", "date": "2026-11-18", "skipped": words})
    assert (day.was_over, day.skipped) == (True, words)
