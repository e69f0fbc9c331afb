"""What others have closed of ours, as our books have it: a person at the broker's window, or the broker for want of
margin.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from rulebot.checks.against_ledger.books import PREFIX, base_of
from rulebot.checks.against_ledger.day import Day
from rulebot.fill.book import BY_OTHERS
from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.record.record import Kind
from twsim.exchange.ledger import Row


def closed_by_others(day: Day) -> Mapping[str, tuple[str, Option]]:
    """Return of which position and contract the executions of others are that are booked to ours, by their base."""
    found = {}
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS and record.position in day.positions:
            legs = day.positions[record.position].legs
            option = next(leg.option for leg in legs if leg.name == record.data["leg"])
            found[base_of(record.data["exec_id"])] = record.position, option
    return found


def dealings_of_others(day: Day, rows: Iterable[Row]) -> Mapping[str, tuple[str, Option]]:
    """Return the same with what the broker's ledger alone has: executions of others in what one position of ours holds.

    Nobody told the engine of those. Where several positions hold the contract, they count to none.
    """
    legs = [(each.id, leg) for each in day.positions.values() for leg in each.legs]
    found = dict(closed_by_others(day))
    for row in rows:
        is_of_others = row["kind"] == "execution" and not str(row.get("order_ref", "")).startswith(PREFIX)
        holders = [(name, leg) for name, leg in legs if is_of_others and str(leg.option.con_id) == str(row["con_id"])]
        if len(holders) == 1:
            found.setdefault(base_of(row["exec_id"]), (holders[0][0], holders[0][1].option))
    return found


def left_to_go_on(day: Day) -> Counter[tuple[str, str]]:
    """Return how many contracts others have closed, by position and leg, of what a person has let go on since.

    What is left of it stands without them because that person wants it so.
    """
    closed: dict[str, tuple[str, str, str, int]] = {}
    let: set[str] = set()
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS:
            base = base_of(record.data["exec_id"])
            closed[base] = record.bot, record.position, str(record.data["leg"]), int(str(record.data["quantity"]))
        elif record.kind is Kind.OPERATOR and record.data["request"] == Request.RESUME.value:
            let |= {base for base, (bot, *_) in closed.items() if record.data["bot"] in ("", bot)}
    found: Counter[tuple[str, str]] = Counter()
    for base in let:
        _, position, leg, count = closed[base]
        found[position, leg] += count
    return found
