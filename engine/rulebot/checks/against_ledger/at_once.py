"""Orders that the broker worked at once, by its own ledger: also those that the store held for over by then.

Only what was sent while another one worked there is an offence. One that reached the broker after the next had been
sent is left out: it had been on its way so long that it was given up as it may be.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from rulebot.checks.against_ledger.books import base_of, contracts_of
from rulebot.checks.against_ledger.day import CheckedDay, dealt_for
from rulebot.checks.against_ledger.outside import AT_WORK
from rulebot.model.order import Order, OrderLeg, Purpose
from twsim.exchange.ledger import Row, money_of

_AT_WORK = frozenset(status.value for status in AT_WORK)
Held = Mapping[tuple[str, int], int]
"""Contracts by position and contract id, as entries and exits have left them."""


@dataclass(frozen=True, slots=True)
class _AtBroker:
    """An order that the broker works: since when, and how much of it may still fill, in the units of the wire."""

    order: Order
    since: datetime
    left: int

    def may_fill(self, leg: OrderLeg) -> int:
        """Return contracts of a leg that it may still deal."""
        ratio = next((each.ratio for each in self.order.legs if each.key == leg.key), 0)
        return self.left * (ratio if self.order.is_combo else min(ratio, 1))


def entries_at_once(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return entries that were sent while the broker worked another one of their bot."""
    for sent, others, _ in _sent_beside(day, rows):
        for other in others:
            is_entry = {sent.order.purpose, other.order.purpose} == {Purpose.ENTRY}
            if is_entry and sent.order.bot == other.order.bot:
                yield f"{sent.order.ref} was sent while the broker worked {other.order.ref} of {sent.order.bot}"


def exits_at_once(day: CheckedDay, rows: Iterable[Row]) -> Iterator[str]:
    """Return exits that were sent while the broker worked others, together for more of a leg than was held.

    Those of one OCA group count once, as the largest.
    """
    for sent, others, held in _sent_beside(day, rows):
        order = sent.order
        if order.purpose is Purpose.ENTRY:
            continue
        beside = [
            each for each in others if each.order.position == order.position and each.order.purpose is not Purpose.ENTRY
        ]
        for leg in (each for each in order.legs if not each.opens):
            groups: dict[str, int] = {}
            for each in (sent, *beside):
                group = each.order.oca_group or each.order.ref
                groups[group] = max(groups.get(group, 0), each.may_fill(leg))
            working, is_held = sum(groups.values()), held.get((order.position, leg.option.con_id), 0)
            if working > max(is_held, groups[order.oca_group or order.ref]):
                refs = ", ".join(each.order.ref for each in beside if not _is_one_group(each.order, order))
                yield f"{order.ref} was sent while the broker worked {refs}: {working} of {leg.name}, held {is_held}"
                break


def _is_one_group(one: Order, other: Order) -> bool:
    return bool(one.oca_group) and one.oca_group == other.oca_group


def _sent_beside(day: CheckedDay, rows: Iterable[Row]) -> Iterator[tuple[_AtBroker, list[_AtBroker], Held]]:
    """Yield each order as it reaches the broker, those that worked there when it was sent, and what is held then."""
    working: dict[str, _AtBroker] = {}
    held: dict[tuple[str, int], int] = defaultdict(int)
    counted: dict[str, int] = {}
    reached: set[str] = set()
    for row in rows:
        order = day.orders.get(str(row.get("order_ref", "")))
        if order is None:
            continue
        if row["kind"] == "execution" and row["sec_type"] != "BAG":
            _hold(held, counted, day, order, row)
        elif row["kind"] == "order" and row["status"] not in _AT_WORK:
            working.pop(order.ref, None)
        elif row["kind"] == "order":
            left = contracts_of(row) - int(money_of(row, "filled"))
            since = working[order.ref].since if order.ref in working else datetime.fromisoformat(str(row["at"]))
            now = working[order.ref] = _AtBroker(order, since, left)
            sent_at = order.sent_at
            if order.ref not in reached and sent_at is not None:
                others = [each for each in working.values() if each is not now and each.since < sent_at]
                yield now, others, held
            reached.add(order.ref)


def _hold(held: dict[tuple[str, int], int], counted: dict[str, int], day: CheckedDay, order: Order, row: Row) -> None:
    """Count an execution, a correction in place of what it corrects."""
    con_id, base = int(str(row["con_id"])), base_of(row["exec_id"])
    found = dealt_for(day, order, con_id)
    if found is None:
        return
    position = found[0].id
    count = contracts_of(row) * (1 if order.opens(position) else -1)
    held[position, con_id] += count - counted.get(base, 0)
    counted[base] = count
