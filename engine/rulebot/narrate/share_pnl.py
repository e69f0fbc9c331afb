"""Trades that ended in shares: which they are, and how people are told. Their profit counts those shares already."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.model.counted import counted
from rulebot.model.money import ZERO, cents, signed_dollars
from rulebot.store.queries import StoreReader


class InShares(NamedTuple):
    """One trade that was assigned or exercised.

    net: its profit, shares included; None while the trade is open or `worth` is not known. worth: the part of it that
    its shares made, at the official settlement price against the strike; None while that price is not known.
    """

    position: str
    net: Decimal | None
    worth: Decimal | None

    def as_document(self) -> dict[str, str | float | None]:
        """Return it as plain data."""
        return {
            "position": self.position,
            "net": None if self.net is None else float(self.net),
            "worth": None if self.worth is None else float(self.worth),
        }


def read_in_shares(reader: StoreReader, bot: str = "") -> list[InShares]:
    """Return the trades of a bot, "" of all, that ended in shares of the account, in order. Raises: StoreError."""
    return trades_in_shares(reader.view("trades", **({"strategy_id": bot} if bot else {})))


def trades_in_shares(rows: Iterable[Mapping[str, Any]]) -> list[InShares]:
    """Return those of some rows of the view `trades` that ended in shares of the account."""
    found = []
    for row in rows:
        legs = json.loads(row["legs"])
        if any(_moved(leg) for leg in legs):
            net = row["final_pnl"]
            found.append(InShares(str(row["position"]), None if net is None else cents(float(net)), _worth(legs)))
    return found


def _moved(leg: Mapping[str, Any]) -> bool:
    return bool(leg.get("unpriced") or Decimal(str(leg.get("shares_profit") or 0)))


def _worth(legs: Iterable[Mapping[str, Any]]) -> Decimal | None:
    moved = [leg for leg in legs if _moved(leg)]
    if any(leg.get("unpriced") for leg in moved):
        return None
    return sum((Decimal(str(leg["shares_profit"])) for leg in moved), ZERO)


def in_shares_lines(trades: Sequence[InShares]) -> Iterator[str]:
    """Yield what to say of them, nothing of none."""
    if not trades:
        return
    yield f"ended in shares: {counted(len(trades), 'trade')}, counted at the official settlement price of the shares"
    if known := [each.worth for each in trades if each.worth is not None]:
        yield f"the shares made {signed_dollars(sum(known, ZERO))} of the profit"
    if unknown := sum(each.worth is None for each in trades):
        yield f"in no sum: {counted(unknown, 'trade')}, as the price of the shares is not known yet"
