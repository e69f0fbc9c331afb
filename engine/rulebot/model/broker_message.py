"""A broker's message on an order, read once as it arrives: its code, and what its words say as typed fields.

The words themselves are kept for people. Decisions read the fields.
"""

from enum import Enum

from rulebot.model.texts import Text
from rulebot.model.values import dataclass

OFF_GRID_CODE = 110
"""A price lies between two steps of the contract's grid."""
IS_OVER_CODE = 10148
"""The order that was to be cancelled is over, or is being cancelled; behind `state:` stands which."""

_REASON, _STATE = "reason:", "state:"
_PEOPLE = ("trader", "user")
_ENDED = ("cancelled", "apicancelled", "inactive")
"""States of the broker that are over without a fill: an order that it has begun to cancel is not."""
_GROUP = "oca group member was filled"
_OTHER_SIDE = "both sides of the same"
_GRID = "minimum price variation"


class EndedBy(Enum):
    """Whom the broker names behind `reason:` as the cause of an order's end.

    UNSAID: the message has no reason. NOBODY: its reason is empty, as after a cancel in TWS. PERSON: it names the
    trader or the user. BROKER: it gives a reason of the broker's or the exchange's own.
    """

    UNSAID = "unsaid"
    NOBODY = "nobody"
    PERSON = "person"
    BROKER = "broker"


class MessageMeaning(Enum):
    """What the words of a message say beyond its code.

    OVER, FILLED: the answer to a cancel that the order had ended, or filled, before. GROUP_FILLED: another order of its
    OCA group has filled. OTHER_SIDE: orders of the other side work in the contract. OFF_GRID: its price is no step of
    the contract's grid.
    """

    OTHER = "other"
    OVER = "over"
    FILLED = "filled"
    GROUP_FILLED = "group_filled"
    OTHER_SIDE = "other_side"
    OFF_GRID = "off_grid"


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """A message of the broker on an order. code: of the TWS API. text: its words, for people."""

    code: int
    text: Text
    ended_by: EndedBy = EndedBy.UNSAID
    meaning: MessageMeaning = MessageMeaning.OTHER

    @property
    def words(self) -> Text:
        """The message as people are shown it."""
        return f"{self.code} {self.text}"

    @property
    def has_reason(self) -> bool:
        """True unless the message leaves empty why the order is over."""
        return self.ended_by is not EndedBy.NOBODY


def broker_message(code: int, text: str) -> BrokerMessage:
    """Read a message of the broker as it arrives."""
    return BrokerMessage(code, text, _ended_by(text), _meaning(code, text.casefold()))


def _ended_by(text: str) -> EndedBy:
    _, has_reason, reason = text.casefold().partition(_REASON)
    if not has_reason:
        return EndedBy.UNSAID if text.strip() else EndedBy.NOBODY
    if not reason.strip():
        return EndedBy.NOBODY
    return EndedBy.PERSON if any(word in reason for word in _PEOPLE) else EndedBy.BROKER


def _meaning(code: int, words: str) -> MessageMeaning:
    if code == IS_OVER_CODE:
        state = words.rpartition(_STATE)[2].strip(" .")
        return (
            MessageMeaning.FILLED
            if state == "filled"
            else MessageMeaning.OVER
            if state in _ENDED
            else MessageMeaning.OTHER
        )
    if code == OFF_GRID_CODE or _GRID in words:
        return MessageMeaning.OFF_GRID
    if _OTHER_SIDE in words:
        return MessageMeaning.OTHER_SIDE
    return MessageMeaning.GROUP_FILLED if _GROUP in words else MessageMeaning.OTHER
