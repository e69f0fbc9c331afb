"""Shares that came and went by assignment and exercise: those of our settlements against the broker's ledger."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from rulebot.checks.against_ledger.books import PREFIX, waiting_for_level
from rulebot.checks.against_ledger.day import CheckedDay
from rulebot.model.cover import shares_delivered
from rulebot.model.delivery import DELIVERING
from rulebot.model.money import ZERO
from rulebot.record.record import Kind
from twsim.exchange.ledger import DELIVERY, Row, money_of
from twsim.exchange.strangers import EARLY


def delivery_differences(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Yield underlyings of which our settlements moved other shares, or dollars for them, than the ledger says.

    Where somebody else traded in the account, or was assigned early, nothing is compared; nor of an underlying with
    options of which nobody could know at what they settled.
    """
    rows = list(rows)
    if any(_is_of_others(row) for row in rows):
        return
    ours: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for record in day.records:
        if record.kind is Kind.SETTLEMENT and record.data["how"] in DELIVERING:
            leg = next(leg for leg in day.positions[record.position].legs if leg.name == record.data["leg"])
            shares = Decimal(shares_delivered(leg.option, leg.sign * int(str(record.data["quantity"]))))
            was = ours[leg.option.symbol]
            ours[leg.option.symbol] = was[0] + shares, was[1] - shares * leg.option.strike
    theirs: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for row in rows:
        if row["kind"] == "settlement" and row["outcome"] == DELIVERY:
            shares, was = money_of(row, "quantity"), theirs[str(row["name"])]
            theirs[str(row["name"])] = was[0] + shares, was[1] - shares * money_of(row, "price")
    for symbol in sorted({*ours, *theirs} - {option.symbol for option in waiting_for_level(day, rows)}):
        if ours[symbol] != theirs[symbol]:
            (count, cash), (their_count, their_cash) = ours[symbol], theirs[symbol]
            yield f"delivered of {symbol}: ours {count} for {cash}, the ledger's {their_count} for {their_cash}"


def _is_of_others(row: Row) -> bool:
    is_trade = row["kind"] == "execution" and not str(row["order_ref"]).startswith(PREFIX)
    return is_trade or (row["kind"] == "settlement" and row["outcome"] == EARLY)
