"""Records that an earlier rulebot wrote, with the fields of this one.

Here alone sentences are read: an earlier rulebot kept why an order was taken back, or a position is on hold, in the
words that people were shown. Each is read once, as its record is, and becomes a code with fields.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from rulebot.model.broker_message import broker_message
from rulebot.model.cause import Cause, cause_text
from rulebot.model.halt import Halt, Shut
from rulebot.model.order import OrderStatus
from rulebot.model.position import HoldReason

Data = Mapping[str, Any]

_BEFORE = " (before: "
"""What stood between the broker's answer to a cancel and why the order was taken back."""
_INACTIVE = "it was inactive: "
_CANCELLING = OrderStatus.CANCELLING.value


def upgrade_of(kind: type) -> Callable[[Data], Data] | None:
    """Return what reads the fields of an earlier rulebot's value of a type, None where they are the same."""
    return _UPGRADES.get(kind.__name__)


def _order(data: Data) -> Data:
    if "message" not in data:
        return data
    rest = {name: value for name, value in data.items() if name != "message"}
    return {**rest, **_said_of_order(str(data["message"]), is_cancelling=data.get("status") == _CANCELLING)}


def _said_of_order(message: str, *, is_cancelling: bool) -> dict[str, Any]:
    """Return the fields of what was said of an order."""
    answer, is_answer, reason = message.partition(_BEFORE)
    if is_answer and _told(answer) is not None:
        return {**_why(reason.removesuffix(")"), is_cancelling=True), "answer": _told(answer)}
    return _why(message, is_cancelling=is_cancelling)


def _why(words: str, *, is_cancelling: bool) -> dict[str, Any]:
    """Return the fields of why an order was taken back, or of the broker's message on it."""
    if not words:
        return {}
    if (told := _told(words)) is not None:
        return {"heard": told, **({"cause": Cause.BROKER_SAID.value} if is_cancelling else {})}
    if words.startswith(_INACTIVE) and (told := _told(words.removeprefix(_INACTIVE))) is not None:
        return {"cause": Cause.INACTIVE.value, "heard": told}
    for cause, pattern in _patterns():
        if found := pattern.fullmatch(words):
            return {"cause": cause.value, **{name: text for name, text in found.groupdict().items() if text}}
    return {"cause": Cause.EARLIER_VERSION.value, "detail": words}


def _told(words: str) -> dict[str, Any] | None:
    """Return the fields of a message of the broker, None where the words are no message of his."""
    code, _, text = words.partition(" ")
    if not code.isdigit():
        return None
    message = broker_message(int(code), text)
    fields = {"code": message.code, "text": message.text}
    return {**fields, "ended_by": message.ended_by.value, "meaning": message.meaning.value}


@cache
def _patterns() -> tuple[tuple[Cause, re.Pattern[str]], ...]:
    """Return what the text of each cause looks like, the most definite first."""
    texts = {cause: cause_text(cause, "\1", "\2") for cause in Cause if cause not in _BY_FIELDS}
    fixed = sorted(texts, key=lambda cause: ("\1" in texts[cause]) + ("\2" in texts[cause]))
    return tuple((cause, _pattern(texts[cause])) for cause in fixed)


_BY_FIELDS = frozenset(
    (Cause.ENTRIES_BLOCKED, Cause.NOT_COVERED, Cause.ACCOUNT_LIMIT, Cause.EARLIER_VERSION, Cause.BROKER_SAID)
)
"""Causes whose text is all their own words, or the broker's: no text says that it is one of these."""


def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace("\1", "(?P<about>.+?)").replace("\2", "(?P<detail>.*)")
    return re.compile(escaped, re.DOTALL)


_HOLDS = (
    (HoldReason.SHARES_SPLIT, "its shares were split"),
    (HoldReason.EXIT_CANCELLED, "a closing order was cancelled, and not by us, "),
    (HoldReason.FILL_TAKEN_BACK, "the exchange took a closing fill back, "),
    (HoldReason.ORDER_ENLARGED, "the broker has made more of a closing order "),
    (HoldReason.CONTRACT_CHANGED, "the broker numbers "),
    (HoldReason.TRADE_TAKEN_BACK, "the exchange has taken back "),
    (HoldReason.ACCOUNT_DIFFERS, "the account holds less "),
    (HoldReason.OPENED_AGAIN, "the account holds "),
)
"""How the text of each reason began, the longer of two that begin alike first."""


def _position(data: Data) -> Data:
    text = str(data.get("on_hold") or "")
    if "hold" in data or not text:
        return data
    hold = next((why for why, start in _HOLDS if text.startswith(start)), HoldReason.CLOSED_BY_OTHERS)
    return {**data, "hold": hold.value}


_HALTS = (
    (Halt.DAY_LOSS, "the day's loss"),
    (Halt.DAY_PROFIT, "the day's profit"),
    (Halt.ACCOUNT_LOSS, "the account's loss today"),
    (Halt.ACCOUNT_PROFIT, "the account's profit today"),
    (Halt.LIQUIDATION, "the broker liquidates in this account"),
)
_RUNAWAY, _UNACKNOWLEDGED, _UNSEEN = " opening orders within ", " was never acknowledged ", " may have filled unseen: "
_MISMATCHES = ("the broker has ", "more was ", "two orders work at the broker ")
_REF = "rb:"
"""What the number of an order begins with: halts that are about one name it first."""
_OVER = "its window is over"


def bot_day_of_this_version(data: Data) -> Data:
    """Return the fields of a bot's day as this rulebot knows them."""
    if "halt" in data:
        return data
    halted, skipped = str(data.get("halted") or ""), str(data.get("skipped") or "")
    halt, rule = _halt(halted) if halted else (None, "")
    skip = (Shut.WINDOW_OVER if skipped.startswith(_OVER) else Shut.BLOCKED) if skipped else None
    codes = {"halt": halt and halt.value, "halt_rule": rule, "skip": skip and skip.value}
    return {**data, **codes}


def _halt(text: str) -> tuple[Halt, str]:
    """Return why a bot was halted, and by which condition of its own; that begins the text."""
    if known := next((halt for halt, start in _HALTS if text.startswith(start)), None):
        return known, ""
    if _RUNAWAY in text:
        return Halt.RUNAWAY, ""
    if _UNACKNOWLEDGED in text:
        return Halt.UNACKNOWLEDGED, ""
    if _UNSEEN in text:
        return Halt.UNSEEN_FILL, ""
    if text.startswith((*_MISMATCHES, _REF)):
        return Halt.MISMATCH, ""
    return Halt.CONDITION, text.partition(" ")[0]


_UPGRADES: dict[str, Callable[[Data], Data]] = {
    "Order": _order,
    "Position": _position,
    "BotDay": bot_day_of_this_version,
}
