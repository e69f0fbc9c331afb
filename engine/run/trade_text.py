"""A trade as the rows of the store keep it: whether it was opened, and its structure in a few letters.

Like `5920/5930p 6065/6075c`, `547p 2027-02-19`.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from engine.model.contract import Option, Right
from engine.model.order import Purpose
from engine.model.structure import Strike, structure_text
from engine.run.columns import price

NO_PART = (Purpose.ENTRY, Purpose.UNWIND, Purpose.ROLL)
"""What orders are for whose fills close no part of a trade that goes on."""


def is_opened(trade: Mapping[str, Any]) -> bool:
    """Say whether the entry of a row of `trades` is over and has filled, wholly or in part."""
    return bool(trade["entry_time"]) and trade["state"] != "entering"


def asked_at(orders: Iterable[Mapping[str, Any]]) -> str:
    """Return what the last order of an entry asked for: `last at 4.19, try 2; mid 4.21 when it began`, "" of none.

    orders: rows of `orders` of its position, in their order.
    """
    entries = [each for each in orders if each["purpose"] == Purpose.ENTRY.value]
    if not entries:
        return ""
    last = entries[-1]
    limit, mid = last["limit_price"], last["mid"]
    words = "at market" if limit is None else f"last at {price(abs(limit))}"
    words += f", try {last['attempt']}" if last["attempt"] else ""
    return words if mid is None else f"{words}; mid {price(abs(mid))} when it began"


def parts_closed(trade: Mapping[str, Any], orders: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return which exits closed a part of a row of `trades` that went on: name, count, price, time.

    orders: rows of `orders` of its position.
    """
    closing = (each for each in orders if each["fill_time"] and Purpose(each["purpose"]) not in NO_PART)
    found = [
        {
            "exit": each["reason"],
            "quantity": each["filled"],
            "price": each["fill_price"],
            "time": each["fill_time"],
        }
        for each in closing
        if not trade["exit_time"] or each["reason"] != trade["exit_name"]
    ]
    return sorted(found, key=lambda each: str(each["time"]))


def part_words(filled: int, of: int, average: float | None, verb: str) -> str:
    """Return `2 of 4 bought back at 1.65`; a model that fills leg by leg tells no price of the whole."""
    count = f"{filled} of {of}" if 0 < filled < of else "a part"
    return f"{count} {verb}" + ("" if average is None else f" at {price(abs(average))}")


def with_parts(trade: Mapping[str, Any], orders: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a row of `trades` with the parts of it that exits closed, where there are some."""
    parts = parts_closed(trade, orders)
    return {**trade, "parts": parts} if parts else trade


def option_of(leg: Mapping[str, Any]) -> Option:
    """Return the contract of a leg that is an option, as `legs` of a row of `trades` has it."""
    expiry, right = date.fromisoformat(leg["expiry"]), Right(leg["right"])
    return Option(leg["symbol"], leg["symbol"], expiry, Decimal(str(leg["strike"])), right)


def structure_of(trade: Mapping[str, Any]) -> str:
    """Return what a row of `trades` or `open_positions` holds: strikes by right, and an expiry that is not its day."""
    legs = json.loads(trade["legs"])
    strikes = (
        Strike(
            leg["symbol"],
            leg["right"],
            Decimal(str(leg["strike"] or 0)),
            leg["ratio"],
            leg.get("expiry"),
            leg.get("sign", 0),
        )
        for leg in legs
    )
    expiry = trade["expiration"]
    opened = str(trade.get("entry_time") or "")[:10]
    later = f" {expiry}" if expiry and opened and expiry != opened else ""
    count = f"{trade['quantity']} x " if trade["quantity"] != 1 else ""
    return count + structure_text(strikes) + later
