"""Another engine on this account: another rulebot, or a copy of this store.

Each order carries `rb:<install>:<number>`. A working order or an execution of today with another install belongs to
another store. One with our install but without a record belongs to a copy of this store, or this store is a restored
backup. Two engines would double the trades. So entries stop until a person runs `rulebot resume`, working entries are
cancelled, and exits continue. Orders of the other engine are not touched.
"""

from collections.abc import Iterable

from rulebot.core.emit.orders import cancel_entries
from rulebot.core.queries.entry_blocks import PREFIX
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause
from rulebot.model.event import BrokerStatus, OrderReport
from rulebot.model.values import replace
from rulebot.record.record import Kind

HELP = "no entries until 'rulebot resume'; exits continue"


def record_foreign_refs(work: StateBuilder, refs: Iterable[str]) -> None:
    """Look at the references of orders that work at the broker."""
    for ref in sorted(refs):
        note(work, ref, "works at the broker")


def note(work: StateBuilder, ref: str, what: str) -> None:
    """Check one reported reference; alarm once when it is no order of this store."""
    install, number = _parts(ref)
    if not install or ref in work.orders.by_ref:
        return
    is_copy = install == work.program.install
    if is_copy:
        _count_above(work, number)
    key = ref if is_copy else install
    if key in work.inquiries.foreign_orders or key in work.requests.acknowledged_foreign_orders:
        return
    work.inquiries = replace(work.inquiries, foreign_orders=work.inquiries.foreign_orders | {key})
    who = "orphan order" if is_copy else f"another rulebot (install {install}) trades this account:"
    why = " and is in no record of this store: it is a backup, or has a copy that trades" if is_copy else ""
    work.record(Kind.ALARM, text=f"{who} {ref} {what}{why}; {HELP}")
    cancel_entries(work, "", Cause.OTHER_TRADER)


def note_ended(work: StateBuilder, event: OrderReport) -> None:
    """Check an order without a record in memory: the broker lists all ended orders of today, of any client.

    Orders with fills count as executions do. One under our install may be too old for memory; a number above all of
    ours is a copy's. For other installs the name alone decides: it is unique.
    """
    install, number = _parts(event.ref)
    is_ours = install == work.program.install
    has_traded = event.status is BrokerStatus.FILLED or (event.status is BrokerStatus.CANCELLED and event.filled)
    if has_traded and (not is_ours or number >= work.orders.next_number):
        note(work, event.ref, "has traded today")
    elif is_ours:
        _count_above(work, number)


def _count_above(work: StateBuilder, number: int) -> None:
    work.orders = replace(work.orders, next_number=max(work.orders.next_number, number + 1))


def is_of_ours(work: StateBuilder, ref: str) -> bool:
    """Say whether a reference is of an order of this store, including ended ones that are not in memory."""
    return bool(ref) and _parts(ref)[0] == work.program.install


def _parts(ref: str) -> tuple[str, int]:
    """Return install and number of a reference, ("", 0) for what no rulebot wrote."""
    if not ref.startswith(PREFIX):
        return "", 0
    install, _, number = ref.removeprefix(PREFIX).rpartition(":")
    return (install, int(number)) if number.isdigit() and number.isascii() else ("", 0)
