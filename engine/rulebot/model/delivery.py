"""Options that become shares, and what those shares make for the trade.

A trade ends when its options do. Shares that come or go by assignment or exercise are the account's from then on. The
trade counts them once, at the official settlement price of their underlying. What they make later is not its profit.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rulebot.model.contract import Option, Right
from rulebot.model.money import CENT
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace

ASSIGNED = "assigned"
SETTLED = "settled"
"""The exit reason of what has settled in cash."""
DELIVERING = frozenset((ASSIGNED, "exercised"))
"""How options end that move shares, as settlement records say it."""


def shares_profit(option: Option, shares: int, price: Decimal) -> Decimal:
    """Return the dollars that shares make against the strike at their price, which options moved (+ long, - short).

    An option that is assigned out of the money before its last day brings shares at a better price than the market's.
    """
    gap = price - option.strike if option.right is Right.CALL else option.strike - price
    return (shares * gap).quantize(CENT)


def counting_shares(position: Position, settlements: Iterable[Mapping[str, Any]]) -> Position:
    """Return the position of an older store with its shares counted; one of this version as it is.

    settlements: the data of its settlement records. Older ones lack `shares_profit`. Where shares were a leg of the
    position they left it at the strike, and the position counts them already.
    """
    told = list(settlements)
    if any(one["how"] == "delivered" for one in told):
        return position
    for one in told:
        if "shares_profit" not in one and one["how"] in DELIVERING and not Decimal(str(one["price"])):
            position = _counting(position, one)
    return position


def _counting(position: Position, settlement: Mapping[str, Any]) -> Position:
    return replace(
        position,
        legs=tuple(_leg(leg, settlement) if leg.name == settlement["leg"] else leg for leg in position.legs),
    )


def _leg(leg: PositionLeg, settlement: Mapping[str, Any]) -> PositionLeg:
    count, level = int(settlement["quantity"]), settlement.get("level")
    if level is None:
        return replace(leg, unpriced=max(leg.unpriced + count, 0))
    worth = shares_profit(leg.option, leg.sign * count * leg.option.multiplier, Decimal(str(level)))
    return replace(leg, shares_profit=leg.shares_profit + worth)
