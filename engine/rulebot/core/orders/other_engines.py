"""Somebody else who trades this account as we do: another rulebot, or a copy of this store.

Every order carries `rb:<install>:<number>`. An order that works at the broker or has traded today, or an execution of
today, with another install is another store's; one with ours that no record knows is of a copy of this store, or this
store is a backup that was put back. Both together would trade what one is meant to: so nothing is entered until a
person says so (`rulebot resume`), entries at work are taken back, and exits go on. Nothing of theirs is touched.
"""

from collections.abc import Iterable

from rulebot.core.emit.orders import cancel_entries
from rulebot.core.queries.entry_blocks import PREFIX
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause
from rulebot.model.event import BrokerStatus, OrderReport
from rulebot.model.values import replace
from rulebot.record.record import Kind

HELP = "nothing is entered until 'rulebot resume'; exits go on"


def record_foreign_refs(work: StateBuilder, refs: Iterable[str]) -> None:
    """Look at the references of orders that work at the broker."""
    for ref in sorted(refs):
        note(work, ref, "works at the broker")


def note(work: StateBuilder, ref: str, what: str) -> None:
    """Look at one reference that the broker told; say so once when it is no order of this store."""
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
    """Look at an order that is in no record at hand: the broker tells all of today that are over, of any client.

    Those that have traded count as executions do. One under our install may only be read back no more; one that is
    numbered above all of ours is of a copy. Of the others the name alone counts: it is used once.
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
    """Say whether a reference is of an order of this store, also of one that is over and not read back any more."""
    return bool(ref) and _parts(ref)[0] == work.program.install


def _parts(ref: str) -> tuple[str, int]:
    """Return install and number of a reference, ("", 0) for what no rulebot wrote."""
    if not ref.startswith(PREFIX):
        return "", 0
    install, _, number = ref.removeprefix(PREFIX).rpartition(":")
    return (install, int(number)) if number.isdigit() and number.isascii() else ("", 0)
