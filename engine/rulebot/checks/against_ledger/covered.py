"""Calls that shares were to cover, against the shares that the broker's ledger has at every instant."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.checks.against_ledger.books import PREFIX, base_of, signed
from rulebot.checks.against_ledger.day import CheckedDay, dealt_for
from rulebot.checks.against_ledger.outside import filled_unasked
from rulebot.model.contract import Option
from rulebot.model.cover import shares_covering
from rulebot.model.money import ZERO
from twsim.exchange.ledger import Row, money_of

KNOWN = timedelta(minutes=1)
"""How long an engine may not know that somebody has sold shares."""


def calls_without_shares(day: CheckedDay, rows: Iterable[Row], bots: Collection[str]) -> Iterator[str]:
    """Return entries after which the calls of these bots needed more shares than the account held.

    Left out are shares that somebody sold less than a minute before, and what the broker filled unasked.
    """
    rows = list(rows)
    beyond = filled_unasked(day, rows)
    held: dict[str, Decimal] = defaultdict(Decimal)
    sold_at: dict[str, datetime] = {}
    calls: dict[str, dict[Option, int]] = defaultdict(lambda: defaultdict(int))
    counted: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "position":
            name, quantity = str(row["name"]), money_of(row, "quantity")
            if quantity < held[name]:
                sold_at[name] = datetime.fromisoformat(str(row["at"]))
            held[name] = quantity
            continue
        found = _counted(day, row, bots, counted)
        if found is None:
            continue
        position, option, change, is_entry = found
        calls[position][option] += change
        at, symbol = datetime.fromisoformat(str(row["at"])), option.symbol
        is_known = symbol not in sold_at or at - sold_at[symbol] >= KNOWN
        needed = sum(
            shares_covering(((each, count, ZERO) for each, count in found.items()), symbol)
            for name, found in calls.items()
            if name not in beyond
        )
        if is_entry and is_known and needed > held[symbol]:
            yield f"{position}: the calls needed {needed} {symbol} shares at {at}, the account held {held[symbol]}"


def _counted(
    day: CheckedDay, row: Row, bots: Collection[str], counted: dict[str, int]
) -> tuple[str, Option, int, bool] | None:
    """Return position, option, signed change and whether it opens, of an execution of these bots; else None."""
    if row["kind"] != "execution" or row["sec_type"] != "OPT" or not str(row["order_ref"]).startswith(PREFIX):
        return None
    order = day.orders.get(str(row["order_ref"]))
    found = None if order is None else dealt_for(day, order, int(str(row["con_id"])))
    if order is None or found is None or found[0].bot not in bots:
        return None
    position, option = found
    base = base_of(row["exec_id"])
    count = signed(row)
    change, counted[base] = count - counted.get(base, 0), count
    return position.id, option, change, order.opens(position.id)
