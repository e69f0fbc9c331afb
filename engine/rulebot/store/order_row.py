"""What the tables say of an order and of a fill. Pure: from the recorded value to the row."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rulebot.model.order import Order
from rulebot.model.unseen import is_synthetic
from rulebot.record.codec import encode, json_text, utc_time
from rulebot.record.record import Json, Record
from rulebot.store.types import to_step

_PARTS_OF_AN_EXECUTION = 4


def order_row(order: Order) -> dict[str, object]:
    """Return the row of an order; its fill time and its parent are found among the other rows."""
    return {
        "ref": order.ref,
        "number": order.number,
        "bot": order.bot,
        "position": order.position,
        "order_id": order.order_id or None,
        "perm_id": order.perm_id or None,
        "con_id": None if order.is_combo else order.legs[0].option.con_id or None,
        "action": order.side.name,
        "purpose": order.purpose.value,
        "reason": order.reason,
        "kind": order.kind.value,
        "state": order.status.value,
        "quantity": order.quantity,
        "filled": order.filled,
        "limit_price": step_or_none(order.limit_price),
        "stop_price": step_or_none(order.stop_price),
        "mid": step_or_none(order.mid),
        "fill_price": step_or_none(order.average_price),
        "algo_priority": order.adaptive or None,
        "attempt": order.attempt,
        "oca_group": order.oca_group,
        "prepared_at": order.prepared_at,
        "changed_at": order.changed_at,
        "legs": json_text([encode(leg) for leg in order.legs]),
        "message": order.message,
        "cause": "" if order.cause is None else order.cause.value,
        "broker_code": order.last_code or None,
        "broker_meaning": "" if order.last_message is None else order.last_message.meaning.value,
    }


def fill_row(record: Record) -> dict[str, object]:
    """Return the row of a fill record, under the part of its id that a correction keeps."""
    data: Mapping[str, Any] = record.data
    contract = data.get("contract", "")
    return {
        "execution": execution(data["exec_id"]),
        "exec_id": data["exec_id"],
        "ref": data.get("ref") or "",
        "bot": record.bot,
        "position": data.get("position") or record.position,
        "leg": data.get("leg") or "",
        "contract": contract if isinstance(contract, str) else json_text(contract),
        "con_id": data.get("con_id"),
        "purpose": data.get("purpose") or "",
        "action": "BUY" if data["is_buy"] else "SELL",
        "quantity": str(data["quantity"]),
        "price": money(data["price"]),
        "executed_at": utc_time(data["executed_at"]) if data.get("executed_at") else record.at,
    }


def execution(exec_id: str) -> str:
    """Return an execution id without its revision: `0000e0d5.6582.01` of `0000e0d5.6582.01.02`; of an estimate too."""
    parts = exec_id.split(".")
    has_revision = len(parts) >= _PARTS_OF_AN_EXECUTION or is_synthetic(exec_id)
    return ".".join(parts[:-1]) if has_revision else exec_id


def dollars_of_a_point(legs: str) -> int:
    """Return what a point of an order's price is worth for one structure.

    The price of one leg alone is that of one contract or share, of which the structure has `ratio`; that of a combo is
    per share of the structure, of which an option among its legs makes 100.
    """
    dealt: list[Mapping[str, Any]] = json.loads(legs)
    if len(dealt) == 1:
        return int(dealt[0]["option"]["multiplier"]) * int(dealt[0]["ratio"])
    return max((int(each["option"]["multiplier"]) for each in dealt), default=1)


def money(value: Json) -> Decimal | None:
    """Return recorded money (text, or an estimate as a number) on the store's grid."""
    if value is None or value == "":
        return None
    return to_step(Decimal(str(value)))


def step_or_none(amount: Decimal | None) -> Decimal | None:
    """Return an amount on the store's grid; None stays None."""
    return None if amount is None else to_step(amount)
