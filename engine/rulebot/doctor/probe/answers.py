"""What the frames about one order come to: accepted, refused, ended or filled, with the broker's codes."""

import re
from collections.abc import Iterable
from decimal import Decimal

from rulebot.adapters.ib.convert import decimal
from rulebot.doctor.probe.tape import Frame
from rulebot.model.values import dataclass

ORDER_STATUS, ERROR, OPEN_ORDER = "3", "4", "5"
WORKS = frozenset(("PreSubmitted", "Submitted"))
ENDED = frozenset(("Cancelled", "ApiCancelled", "Filled", "Inactive"))
STATES = WORKS | ENDED | {"PendingSubmit", "PendingCancel", "ApiPending"}
CANCELLED = 202
_LIMIT = 16
"""The place of the limit price in openOrder."""
_WARNINGS = frozenset((105, 161, 399, 404, 2109, 10349))
"""Codes of what is only said of an order that lives on. Source: TWS API, message codes."""
_VARIABLE = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was told of one order. statuses: each once, in order. refusals: code and text of each error but warnings."""

    statuses: tuple[str, ...] = ()
    refusals: tuple[tuple[int, str], ...] = ()
    warnings: tuple[int, ...] = ()
    is_opened: bool = False
    filled: float = 0.0

    @property
    def is_over(self) -> bool:
        """True when the order can do nothing more."""
        return bool(self.statuses and self.statuses[-1] in ENDED) or self.is_refused

    @property
    def is_refused(self) -> bool:
        """True when the broker does not take it."""
        return any(code != CANCELLED for code, _ in self.refusals)

    @property
    def is_told(self) -> bool:
        """True when the broker has said whether it takes the order."""
        return self.is_over or bool(WORKS.intersection(self.statuses))

    @property
    def words(self) -> str:
        """What it comes to, the same each time the broker does the same."""
        if self.filled:
            return "filled"
        if self.is_refused:
            return "refused, " + "; ".join(f"{code}: {text}" for code, text in self.refusals if code != CANCELLED)
        if self.is_over:
            return f"ended {self.statuses[-1]}" + (f", {CANCELLED}" if self.refusals else "")
        return "accepted" if self.is_told else "no answer"


def answer_to(order_id: int, frames: Iterable[Frame]) -> Answer:
    """Return what frames tell of an order."""
    name = str(order_id)
    statuses: dict[str, None] = {}
    refusals: dict[tuple[int, str], None] = {}
    warnings: dict[int, None] = {}
    is_opened, filled = False, 0.0
    for fields in (frame.fields for frame in frames):
        if fields[0] == ORDER_STATUS and fields[1] == name:
            statuses.pop(fields[2], None)
            statuses[fields[2]] = None
            filled = max(filled, float(fields[3] or 0))
        elif fields[0] == ERROR and fields[2] == name:
            code = int(fields[3])
            if code in _WARNINGS:
                warnings[code] = None
            else:
                refusals[code, plain(fields[4])] = None
        elif fields[0] == OPEN_ORDER and fields[1] == name:
            is_opened = True
    return Answer(tuple(statuses), tuple(refusals), tuple(warnings), is_opened, filled)


def is_told_at(order_id: int, limit: Decimal, frames: Iterable[Frame]) -> bool:
    """Say whether an order was told to work at this limit."""
    opened = (frame.fields for frame in frames if frame.fields[0] == OPEN_ORDER)
    return any(fields[1] == str(order_id) and decimal(fields[_LIMIT]) == limit for fields in opened)


def plain(text: str) -> str:
    """Return a text of the broker without its numbers, which are others each time."""
    return _VARIABLE.sub("#", " ".join(text.split()))
