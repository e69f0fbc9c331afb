"""What `trades` says of a position. Pure: from the recorded values to the row.

One formula holds for every structure: entry_price is received per share (negative when paid), exit_price is paid per
share to close it (negative when received), and (entry_price - exit_price) x quantity x 100 is the profit before
commissions of legs that filled alike. So a short option has two positive prices.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rulebot.model.cause import MessageMeaning
from rulebot.model.contract import LOT, SHARES
from rulebot.model.loss_bound import SETTLED, max_loss
from rulebot.model.order import Order, execution_id
from rulebot.model.position import (
    BY_A_PERSON,
    CLOSED_BY_HAND,
    ESTIMATED,
    TARGET_MISSED,
    Position,
    PositionLeg,
    is_target_missed,
    kept_of,
)
from rulebot.model.values import dataclass
from rulebot.record.codec import encode, json_text, utc_time
from rulebot.record.record import Json, Record
from rulebot.store.dialect import to_step
from rulebot.store.schema import KEPT

# --- What the tables say of an order and of a fill


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
        "broker_code": None if order.last_message is None else order.last_message.code or None,
        "group_filled": int(order.last_means(MessageMeaning.GROUP_FILLED)),
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
    return execution_id(exec_id).execution


def dollars_of_a_point(legs: str) -> int:
    """Return what a point of an order's price is worth for one structure.

    A single leg's price is per contract or share (`ratio` in a structure); a combo's is per share of the
    structure; an option leg is 100 shares.
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


# --- What `trades` says of a position

_TARGET = re.compile(r"(target|take_profit)(_\d+)?")
_STOP = re.compile(r"(stop|stop_loss)(_\d+)?")
_COLUMN_SYMBOLS = ("SPY", "SPX")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingFills:
    """A closing order with fills: its purpose, and the dollars that what has filled was expected to cost."""

    purpose: str
    expected: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeContext:
    """Further records of a position: its leg selection, settlements, exit decisions and closing orders.

    valued_at: when contracts of it were last closed or settled, without bought wings that expired
    worthless; None while none were.
    """

    selection: Mapping[str, Any]
    settlements: Sequence[Mapping[str, Any]] = ()
    exits: Sequence[Mapping[str, Any]] = ()
    closings: Sequence[ClosingFills] = ()
    valued_at: datetime | None = None


def trade_row(position: Position, beside: TradeContext) -> dict[str, object]:
    is_closed = position.state == "closed"
    quotes = {leg.name: _quote(leg, beside.selection) for leg in position.legs}
    return {
        "position": position.id,
        "bot": position.bot,
        "trade_date": position.session,
        "symbol": "/".join(dict.fromkeys(leg.option.symbol for leg in position.legs)),
        "strike": position.legs[0].option.strike if len(position.legs) == 1 else None,
        "expiration": _only({leg.option.expiry for leg in position.legs if not leg.option.is_share}),
        "quantity": _opened(position) or position.quantity,
        "entry_mid": step_or_none(position.entry_mid),
        "entry_time": position.opened_at,
        "exit_time": exit_time(position, beside.valued_at),
        "exit_reason": exit_reason(position, beside) if is_closed else None,
        "exit_name": position.exit_reason or None,
        **_kept(position),
        "max_risk": step_or_none(position.max_risk),
        "max_loss": step_or_none(max_loss(position)),
        "state": position.state,
        "status": status(position),
        "is_filled": int(_opened(position) >= position.quantity),
        "digest": position.digest,
        "legs": json_text([_leg(leg, quotes[leg.name]) for leg in position.legs]),
        **_amounts(position, beside, is_closed),
        **_symbol_columns(position, beside.selection, quotes),
    }


def exit_time(position: Position, valued_at: datetime | None) -> datetime | None:
    """Return when the last leg of value was closed: a wing that expires worthless later does not end a trade.

    valued_at: see `TradeContext`. It is the position's own end where nothing expired, or nothing of it had a value.
    """
    end = position.closed_at
    if end is None or valued_at is None or not any(leg.settled for leg in position.legs):
        return end
    return min(end, valued_at)


def status(position: Position) -> str:
    """Return PENDING, OPEN, CLOSED or ERROR (over, yet something is still held), or NONE when it never opened."""
    if position.state != "closed":
        return "OPEN" if position.has_fills else "PENDING"
    if not position.has_fills:
        return "NONE"
    return "CLOSED" if position.is_flat else "ERROR"


def exit_reason(position: Position, beside: TradeContext) -> str | None:
    """Return the word of the tables for how a position ended; other exits keep their own name in capitals."""
    hows, name = _hows(beside.settlements), position.exit_reason
    if hows and (_is_settled(position, hows) or _has_settled(position, beside)):
        return _settled(hows)
    if is_target_missed(position):
        return TARGET_MISSED.upper()
    purposes = {closing.purpose for closing in beside.closings}
    kinds = {str(one.get("kind") or "") for one in beside.exits if one.get("reason") == name}
    for word, kind, pattern in (("TAKE_PROFIT", "target", _TARGET), ("STOP_LOSS", "stop", _STOP)):
        if purposes == {kind} or kind in kinds or pattern.fullmatch(name):
            return word
    if name in BY_A_PERSON:
        return "MANUAL"
    return re.sub(r"\W+", "_", name).upper() or None


def _is_settled(position: Position, hows: set[str]) -> bool:
    """Say whether expiry ended all of a position, or delivered some of it, and no person closed it."""
    is_delivered = bool(hows & {"assigned", "exercised"})
    is_whole = is_delivered or all(leg.settled == leg.closed for leg in position.legs)
    return is_whole and position.exit_reason not in (CLOSED_BY_HAND, ESTIMATED)


def _has_settled(position: Position, beside: TradeContext) -> bool:
    """Say whether expiry ended a position whose part an exit had closed before, without a named exit."""
    is_exit = any(one.get("reason") == position.exit_reason for one in beside.exits)
    return position.exit_reason == SETTLED and not is_exit


def _kept(position: Position) -> dict[str, object]:
    """Return what the target that closed a trade promised and kept, and the slippage of its last exit."""
    found = kept_of(position)
    return dict(zip(KEPT, map(step_or_none, found[1:] if found is not None else (None,) * len(KEPT)), strict=True))


def _hows(settlements: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return how contracts ended by expiry, except those that a person has reported as traded."""
    counts: Counter[str] = Counter()
    for one in settlements:
        counts[str(one.get("how"))] += int(one["quantity"])
    return {how for how, count in counts.items() if count}


def _settled(hows: set[str]) -> str:
    for how, word in (("assigned", "ASSIGNED"), ("exercised", "EXERCISED"), ("cash", "CASH_SETTLED")):
        if how in hows:
            return word
    return "EXPIRED_WORTHLESS"


def _amounts(position: Position, beside: TradeContext, is_closed: bool) -> dict[str, object]:
    paid = position.exit_price if is_closed else None
    return {
        "entry_price": step_or_none(position.entry_price),
        "exit_price": None if paid is None else step_or_none(-paid) or Decimal(0),
        "expected_exit_price": _expected(position, beside) if is_closed else None,
        "cash": step_or_none(position.gross),
        "entry_cash": step_or_none(sum((leg.entry_cash for leg in position.legs), Decimal(0))),
        "exit_cash": step_or_none(sum((leg.proceeds for leg in position.legs), Decimal(0))),
        "commissions": step_or_none(position.commissions),
    }


def _expected(position: Position, beside: TradeContext) -> Decimal | None:
    """Return the expected cost of closing per share: each order's own expectation, and actual settlements.

    None when nothing traded, an expectation is unknown, or not every leg was closed in as many structures.
    """
    count, total = _opened(position), Decimal(0)
    if not beside.closings or not count or any(leg.closed != count * leg.ratio for leg in position.legs):
        return None
    if [closing.purpose for closing in beside.closings] == ["roll"] and not (
        beside.settlements or position.separately_closed_legs
    ):
        return None if position.exit_mid is None else step_or_none(-position.exit_mid)
    for closing in beside.closings:
        if closing.expected is None:
            return None
        total += closing.expected
    legs = {leg.name: leg for leg in position.legs}
    for settled in beside.settlements:
        leg = legs[str(settled["leg"])]
        total -= leg.sign * int(settled["quantity"]) * Decimal(str(settled["price"])) * leg.option.multiplier
    total -= sum((leg.shares_profit for leg in position.legs), Decimal(0))
    return step_or_none(total / (LOT * count))


def _opened(position: Position) -> int:
    return min((leg.opened // leg.ratio for leg in position.legs), default=0)


def _only(found: set[Any]) -> Any:
    return found.pop() if len(found) == 1 else None


def _per_share(cash: Decimal, contracts: int, leg: PositionLeg) -> Decimal | None:
    return step_or_none(abs(cash) / (contracts * leg.option.multiplier)) if contracts else None


def _quote(leg: PositionLeg, selection: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return bid, ask and delta of a leg when it was selected, with it or with the chosen candidate."""
    for found in selection.get("legs") or ():
        if found["name"] == leg.name:
            taken = (one for one in found.get("candidates") or () if Decimal(str(one["strike"])) == leg.option.strike)
            return next(taken, found)
    return {}


def _leg(leg: PositionLeg, quote: Mapping[str, Any]) -> Json:
    prices = (_per_share(leg.entry_cash, leg.opened, leg), _per_share(leg.proceeds, leg.closed, leg))
    return {
        "name": leg.name,
        "contract": str(leg.option),
        "symbol": leg.option.symbol,
        "expiry": None if leg.option.is_share else leg.option.expiry.isoformat(),
        "strike": None if leg.option.is_share else f"{leg.option.strike:f}",
        "right": SHARES if leg.option.is_share else leg.option.right.value,
        "sign": leg.sign,
        "ratio": leg.ratio,
        "opened": leg.opened,
        "closed": leg.closed,
        "settled": leg.settled,
        "entry_price": None if prices[0] is None else f"{prices[0].normalize():f}",
        "exit_price": None if prices[1] is None else f"{prices[1].normalize():f}",
        "commissions": f"{leg.commissions:f}",
        "shares_profit": f"{leg.shares_profit:f}",
        "unpriced": leg.unpriced,
        **{name: quote.get(name) for name in ("bid", "ask", "delta")},
    }


def _symbol_columns(position: Position, selection: Mapping[str, Any], quotes: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns of SPY and SPX: filled for what the position is on, null where one column cannot say it."""
    found: dict[str, object] = {}
    spots = dict(selection.get("spots") or {})
    if position.spot is not None:
        spots.setdefault(position.legs[0].option.symbol, position.spot)
    for symbol in _COLUMN_SYMBOLS:
        legs = [leg for leg in position.legs if leg.option.symbol == symbol and not leg.option.is_share]
        only = legs[0] if len(legs) == 1 else None
        quote = quotes[only.name] if only else {}
        prefix = symbol.lower()
        found[f"{prefix}_price"] = money(spots.get(symbol))
        found[f"{prefix}_strike"] = only.option.strike if only else None
        found[f"{prefix}_entry_bid"] = money(quote.get("bid"))
        found[f"{prefix}_entry_ask"] = money(quote.get("ask"))
        found[f"{prefix}_exit_price"] = _per_share(only.proceeds, only.closed, only) if only else None
    return found
