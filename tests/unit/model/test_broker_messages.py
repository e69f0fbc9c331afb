"""The broker's words are read once, as they arrive: who ended the order, and what the message means."""

import pytest

from rulebot.model.cause import EndedBy, MessageMeaning, broker_message


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
