"""What somebody is told: a thing that happened, and how grave it is."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum

from rulebot.model.values import dataclass
from rulebot.record.record import Json


class Grade(Enum):
    """How much it matters. Grave ones are told in quiet hours too, and again until somebody acknowledges them."""

    GRAVE = "grave"
    WARNING = "warning"
    TRADE = "trade"
    DIGEST = "digest"
    DECISION = "decision"


FOR_PEOPLE = tuple(grade for grade in Grade if grade is not Grade.DECISION)
"""What a person hears who does not say; decisions are for programs, and for those who ask for them."""


def gravest(grades: Iterable[Grade]) -> Grade:
    """Return how grave a message is that has alerts of these grades."""
    found = set(grades)
    return next((grade for grade in Grade if grade in found), Grade.DECISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to tell. key: tells it from all others of a store, for good; at: when it happened.

    data: what a program is told besides: `event`, and of a trade its numbers.
    """

    key: str
    at: datetime
    grade: Grade
    text: str
    bot: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)
