"""What the messages of TWS on an order id mean, by code and words. Source: TWS API message codes."""

from functools import lru_cache

from rulebot.model.cause import BrokerMessage, EndedBy, MessageMeaning

_LIMITS = (109, 163, 382, 383, 451)
"""Limits of TWS itself, where they are not bypassed for API orders: on price, per cent, ticks, size, value."""
_NOT_OFFERED = (312, 313, 412, 441, 442, 478)
"""There is no such contract, leg of a combo or algo to deal in. Source for 478, a contract whose number is that of
another one: ib_async 203."""
_OFF_GRID, _NOT_SAME, _CANCELLED, _NOT_FOUND, _IS_OVER = 110, 105, 202, 10147, 10148
"""_NOT_SAME: a change was refused since the order is another one to the broker; of combos it may say so of any change.
_IS_OVER: of a cancel, with the order's status behind `state:`."""
_GATEWAY_REFUSES = 321
"""The gateway itself refuses a request, as where its API is read-only."""
_NOT_YET = 2102
"""A change was refused since the order is still being processed: the only one of the warnings that refuses anything."""

CODES = {
    MessageMeaning.REFUSES: frozenset(
        (103, _NOT_SAME, _OFF_GRID, 200, 201, 203, _GATEWAY_REFUSES, 387, 388, 460, 10268, 10269, 10326)
    ).union(_LIMITS, _NOT_OFFERED),
    MessageMeaning.REFUSES_REQUEST: frozenset((_NOT_SAME, _GATEWAY_REFUSES)),
    MessageMeaning.TAKES_NO_CHANGE: frozenset((_NOT_SAME,)),
    MessageMeaning.OUR_SIDE: frozenset((100, 103, _NOT_SAME, _GATEWAY_REFUSES, 460, 10268, 10269)),
    MessageMeaning.INFORMS: frozenset((_CANCELLED, 399, 404, 10167, 10349, *range(2100, 2200))) - {_NOT_YET},
    MessageMeaning.CANCELLED: frozenset((_CANCELLED,)),
    MessageMeaning.CANCEL_FAILED: frozenset((161, _NOT_FOUND, _IS_OVER)),
    MessageMeaning.NOT_FOUND: frozenset((_NOT_FOUND,)),
    MessageMeaning.FILLED_BEFORE: frozenset((104,)),
    MessageMeaning.NO_SUCH_ORDER: frozenset((135,)),
    MessageMeaning.OFF_GRID: frozenset((_OFF_GRID,)),
}
_WORDS = {
    MessageMeaning.OFF_GRID: "minimum price variation",
    MessageMeaning.OTHER_SIDE: "both sides of the same",
    MessageMeaning.GROUP_FILLED: "oca group member was filled",
}
_REASON, _STATE = "reason:", "state:"
_PEOPLE = ("trader", "user")
_STATES = {
    "filled": MessageMeaning.FILLED,
    **dict.fromkeys(("cancelled", "apicancelled", "inactive"), MessageMeaning.OVER),
}
"""Final order states; PendingCancel is not one."""


def broker_message(code: int, text: str) -> BrokerMessage:
    """Read a message of TWS as it arrives."""
    words = text.casefold()
    return BrokerMessage(code, text, _of_code(code) | _of_words(code, words), _ended_by(words))


@lru_cache(maxsize=256)
def _of_code(code: int) -> frozenset[MessageMeaning]:
    return frozenset(meaning for meaning, codes in CODES.items() if code in codes)


def _of_words(code: int, words: str) -> frozenset[MessageMeaning]:
    if code == _IS_OVER:
        state = words.rpartition(_STATE)[2].strip(" .")
        return frozenset((_STATES[state],)) if state in _STATES else frozenset()
    return frozenset(meaning for meaning, part in _WORDS.items() if part in words)


def _ended_by(words: str) -> EndedBy:
    """Return whom TWS names behind `reason:`."""
    _, has_reason, reason = words.partition(_REASON)
    if not has_reason:
        return EndedBy.UNSAID if words.strip() else EndedBy.NOBODY
    if not reason.strip():
        return EndedBy.NOBODY
    return EndedBy.PERSON if any(word in reason for word in _PEOPLE) else EndedBy.BROKER
