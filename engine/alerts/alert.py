"""What somebody is told: a thing that happened, and how grave it is."""

from datetime import datetime
from enum import Enum

from engine.model.values import dataclass


class Grade(Enum):
    """How much it matters. Grave ones are told in quiet hours too, and again until somebody acknowledges them."""

    GRAVE = "grave"
    WARNING = "warning"
    TRADE = "trade"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to tell. key: tells it from all others of a store, for good; at: when it happened."""

    key: str
    at: datetime
    grade: Grade
    text: str
    bot: str = ""
