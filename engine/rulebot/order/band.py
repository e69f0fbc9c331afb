"""How far the price of an entry may lie from the mid."""

from collections.abc import Iterable
from decimal import Decimal
from math import isnan

from rulebot.model.market import Board
from rulebot.order.price import Part
from rulebot.spec.nouns.condition import Amount, Unit

LEAST_BAND = Decimal("0.50")
"""Per share: a part of what cheap legs are worth would be less than the width of their quotes."""


def price_band(limit: Amount, parts: Iterable[Part], board: Board) -> Decimal | None:
    """Return how far from the mid a price of these parts may lie, per share; None while a leg has no quote.

    A percentage is of the legs' mids added up, long and short alike: the net of a spread may be near 0, while the width
    of its quotes goes with what its legs are worth. Shares do not count: their quotes are no wider for what they cost.
    Nobody bidding counts as a bid of 0, as where such a leg is closed (`price.net_quote`).
    """
    if limit.unit is not Unit.PERCENT:
        return limit.value
    worth = 0.0
    for option, _, weight in parts:
        row = board.rows.get(option, -1)
        if row < 0:
            return None
        bid = 0.0 if isnan(board.bid[row]) else board.bid[row]
        worth += 0.0 if option.is_share else weight * (bid + board.ask[row]) / 2
    if worth != worth:
        return None
    return max(limit.value / 100 * Decimal(f"{worth:.4f}"), LEAST_BAND)
