"""What messages of TWS on an order mean."""

import pytest

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.model.cause import EndedBy
from rulebot.model.cause import MessageMeaning as Means


@pytest.mark.parametrize(
    ("code", "text", "ended_by", "meanings"),
    [
        (202, "Order Canceled - reason:", EndedBy.NOBODY, {Means.INFORMS, Means.CANCELLED}),
        (202, "Order Canceled - reason:cancelled by Trader", EndedBy.PERSON, {Means.INFORMS, Means.CANCELLED}),
        (202, "Order Canceled - reason:No market price", EndedBy.BROKER, {Means.INFORMS, Means.CANCELLED}),
        (
            202,
            "Order Canceled - reason:OCA group member was filled",
            EndedBy.BROKER,
            {Means.INFORMS, Means.CANCELLED, Means.GROUP_FILLED},
        ),
        (161, "not in a cancellable state", EndedBy.UNSAID, {Means.CANCEL_FAILED}),
        (10147, "not found", EndedBy.UNSAID, {Means.CANCEL_FAILED, Means.NOT_FOUND}),
        (10148, "cannot be cancelled, state: Filled.", EndedBy.UNSAID, {Means.CANCEL_FAILED, Means.FILLED}),
        (10148, "cannot be cancelled, state: ApiCancelled", EndedBy.UNSAID, {Means.CANCEL_FAILED, Means.OVER}),
        (10148, "cannot be cancelled, state: PendingCancel", EndedBy.UNSAID, {Means.CANCEL_FAILED}),
        (104, "Cannot modify a filled order.", EndedBy.UNSAID, {Means.FILLED_BEFORE}),
        (135, "Can't find order with id", EndedBy.UNSAID, {Means.NO_SUCH_ORDER}),
        (
            105,
            "Order being modified does not match original order",
            EndedBy.UNSAID,
            {Means.REFUSES, Means.REFUSES_REQUEST, Means.TAKES_NO_CHANGE, Means.OUR_SIDE},
        ),
        (321, "The API is read-only", EndedBy.UNSAID, {Means.REFUSES, Means.REFUSES_REQUEST, Means.OUR_SIDE}),
        (100, "Max rate exceeded", EndedBy.UNSAID, {Means.OUR_SIDE}),
        (383, "Size exceeds the limit", EndedBy.UNSAID, {Means.REFUSES}),
        (478, "Parameters in request conflict", EndedBy.UNSAID, {Means.REFUSES}),
        (2109, "Outside of regular hours", EndedBy.UNSAID, {Means.INFORMS}),
        (2102, "Unable to modify this order as it is still being processed", EndedBy.UNSAID, set()),
        (110, "", EndedBy.NOBODY, {Means.REFUSES, Means.OFF_GRID}),
        (201, "Order rejected - reason:Minimum price variation", EndedBy.BROKER, {Means.REFUSES, Means.OFF_GRID}),
        (201, "Order rejected - reason:both sides of the same", EndedBy.BROKER, {Means.REFUSES, Means.OTHER_SIDE}),
        (99999, "a code of tomorrow", EndedBy.UNSAID, set()),
    ],
)
def test_a_message_is_read_once(code: int, text: str, ended_by: EndedBy, meanings: set[Means]) -> None:
    found = broker_message(code, text)
    assert (found.ended_by, found.meanings, found.words) == (ended_by, meanings, f"{code} {text}")
