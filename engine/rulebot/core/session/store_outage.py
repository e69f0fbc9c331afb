"""Store outage: while the store accepts no records nothing is opened, and exits continue."""

from rulebot.core.emit.orders import cancel_entries, request_cancel
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import all_live_orders
from rulebot.decide.limits import UNRECORDED
from rulebot.model.cause import Cause
from rulebot.model.event import StoreReport
from rulebot.model.order import OrderStatus
from rulebot.model.values import replace
from rulebot.record.record import Kind


def withdraw_openings(work: StateBuilder) -> None:
    """Cancel every working order that opens something, also if its cancel is unanswered."""
    for order in all_live_orders(work):
        if order.can_increase_risk and order.status is OrderStatus.CANCELLING:
            request_cancel(work, order)
    cancel_entries(work, "", Cause.STORE_FULL)


def store_reported(work: StateBuilder, event: StoreReport) -> None:
    """Stop entries while the store accepts no records, and report both changes."""
    if event.takes_records is work.connection.takes_records:
        return
    if event.takes_records:
        text = "the store accepts records again: waiting ones are written, entries continue"
    else:
        text = f"{event.text}; entries are refused ({UNRECORDED}), exits continue and their records wait"
    work.record(Kind.ALARM, text=text)
    if not event.takes_records and work.connection.is_linked:
        withdraw_openings(work)
    for name in work.bots.by_name:
        wake(work, name, 0.0)
    work.connection = replace(work.connection, takes_records=event.takes_records)
