"""What must hold after an engine was killed: its store against the broker's ledger, both read from outside."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, fill_differences
from rulebot.checks.against_ledger.findings import (
    AT_WORK,
    LedgerOrders,
    broken_chain,
    more_than_cap,
    off_tick,
    orders_outlived,
    twice_at_broker,
    unfinished,
    unknown_to_broker,
    unknown_to_store,
    unprotected,
    without_partner,
)
from rulebot.record.record import Kind, Record

CAPS = {"spy_put_seller": 1, "dte0_condor": 1, "calm_tape_condor": 1, "put_lite": 1, "spx_spy_parity": 2}
"""Positions a day by `per_day` of the shipped specs."""
RESTING_BOTS = ("spy_put_seller",)
"""Bots whose open positions have a pair that rests at the broker."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Problems by what they are. Duplicates and orphans are of the broker's orders; the rest is in words."""

    duplicates: tuple[str, ...]
    orphans: tuple[str, ...]
    fills: tuple[str, ...]
    books: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every problem, in words."""
        return (*self.duplicates, *self.orphans, *self.fills, *self.books, *self.others)


def findings_of(day: CheckedDay, outside: LedgerOrders) -> Findings:
    """Return everything that is wrong between a store and the ledger of its broker."""
    return Findings(
        duplicates=(*twice_at_broker(outside.rows), *more_than_cap(day, outside.rows, CAPS)),
        orphans=(*unknown_to_store(day.orders, outside.rows), *unknown_to_broker(day.orders, outside)),
        fills=tuple(fill_differences(day, outside.rows)),
        books=tuple(compare_books(day)),
        others=(
            *broken_chain(day),
            *unfinished(day),
            *without_partner(day),
            *off_tick(day),
            *bare(day, outside),
            *bare_in_between(day),
            *orders_outlived(day, outside),
        ),
    )


def bare(day: CheckedDay, outside: LedgerOrders) -> Iterator[str]:
    """Return open positions that should have a pair at the broker and have none, nor an engine that watches instead."""
    working = Counter(
        day.orders[view.ticket.order_ref].position
        for view in outside.working
        if view.status in AT_WORK and view.ticket.order_ref in day.orders
    )
    for position in day.positions.values():
        if position.bot not in RESTING_BOTS or position.state != "open" or position.resting_orders_withdrawn:
            continue
        if working[position.id] != 2:
            yield f"{position.id} of {position.bot} is open with {working[position.id]} resting orders"
        elif position.on_hold:
            yield f"{position.id} of {position.bot} is on hold: {position.on_hold}"


def _takes_half_back(record: Record) -> bool:
    said = (record.data.get("status"), record.data.get("message"))
    return record.kind is Kind.ORDER and said == ("cancelling", "its pair is not whole")


def bare_in_between(day: CheckedDay) -> Iterator[str]:
    """Return instants at which an engine was there, and an open position had no pair of live orders by its own books.

    The instant of a connection is passed over: a fill is learned there, and nothing is sent before it is complete. So
    is one in which half a pair is taken back, whose other half never reached the broker: the next has both anew.
    """
    links = {str(record.at) for record in day.records if record.kind is Kind.LINK or _takes_half_back(record)}
    for bot in RESTING_BOTS:
        yield from (f"without its pair at {found}" for found in unprotected(day, bot) if _instant(found) not in links)


def _instant(found: str) -> str:
    return found.rpartition(" ")[0]
