"""How a field of a record says whether people or rulebot read it.

Every `str` that survives a restart is declared as one of these. rulebot compares names; it never reads a text. A text
may be reworded, translated or scrambled between two starts, and the same orders are sent.
"""

from enum import Enum
from typing import Annotated


class Reader(Enum):
    """Who reads a field."""

    PEOPLE = "people"
    RULEBOT = "rulebot"


Text = Annotated[str, Reader.PEOPLE]
"""Words for people alone: no decision reads them."""
Name = Annotated[str, Reader.RULEBOT]
"""A code word, or what names an order, a position, a bot, a leg, an exit or a spec: rulebot compares these."""
