"""What others have closed of ours, as our books have it: a person at the broker's window, or the broker for want of
margin.
"""

from collections import Counter
from collections.abc import Mapping

from engine.fill.book import BY_OTHERS
from engine.model.contract import Option
from engine.model.event import Request
from engine.record.record import Kind
from engine.run.aftermath.books import base_of
from engine.run.aftermath.day import Day


def closed_by_others(day: Day) -> Mapping[str, tuple[str, Option]]:
    """Return of which position and contract the executions of others are that are booked to ours, by their base."""
    found = {}
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS and record.position in day.positions:
            legs = day.positions[record.position].legs
            option = next(leg.option for leg in legs if leg.name == record.data["leg"])
            found[base_of(record.data["exec_id"])] = record.position, option
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
