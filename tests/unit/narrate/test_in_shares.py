"""Trades of whose options shares came into the account, or left it."""

import json
from decimal import Decimal
from typing import Any

from rulebot.narrate.trades import InShares, in_shares_lines, trades_in_shares


def row(position: str, net: float | None, *legs: tuple[str, int]) -> dict[str, Any]:
    """Return a row of the view `trades`; a leg is what its shares made, and contracts without a price."""
    reported = [{"shares_profit": profit, "unpriced": unpriced} for profit, unpriced in legs]
    return {"position": position, "final_pnl": net, "legs": json.dumps(reported)}


def test_those_whose_shares_are_the_accounts() -> None:
    rows = (
        row("a-1", -860.0, ("-900.00", 0)),
        row("a-2", 40.0, ("0", 0)),
        row("a-3", None, ("0", 1), ("100.00", 0)),
        row("b-1", 60.0, ("-40.00", 0), ("100.00", 0)),
        {"position": "old", "final_pnl": 40.0, "legs": json.dumps([{"name": "of an older store"}])},
    )
    assert trades_in_shares(rows) == [
        InShares("a-1", Decimal("-860.00"), Decimal("-900.00")),
        InShares("a-3", None, None),
        InShares("b-1", Decimal("60.00"), Decimal("60.00")),
    ]


def test_what_they_made_is_said() -> None:
    def said(*trades: InShares) -> list[str]:
        return list(in_shares_lines(trades))

    assert not said()
    lost = InShares("a-1", Decimal(-860), Decimal("-900.00"))
    assert said(lost, InShares("a-2", Decimal(10), Decimal(-30))) == [
        "ended in shares: 2 trades, counted at the official settlement price of the shares",
        "the shares made -$930.00 of the profit",
    ]
    assert said(InShares("a-1", None, None)) == [
        "ended in shares: 1 trade, counted at the official settlement price of the shares",
        "in no sum: 1 trade, as the price of the shares is not known yet",
    ]
