"""Connection: start-up and reconnect are one path, which reconciles our books with the broker.

Orders that the broker has are adopted by their ref; fills of earlier days are inferred from the account. An order that
is not listed is UNKNOWN: an acknowledged one is asked for again (`order_status_requests`), any other is cancelled after
its grace period (at once if it never reached the gateway: `undelivered_orders`), and LOST when the broker has none. No
order is ever sent to make books agree: a position that the account does not hold is put on hold.
"""

from datetime import datetime, timedelta

from rulebot.core.emit.orders import cancel_entries
from rulebot.core.facts import FillsMissed, OrdersListedFirst, OrdersTooLarge
from rulebot.core.gate.exit_retry import alarm_unclosed
from rulebot.core.queries.account import expected_holdings
from rulebot.core.queries.orders import works_too_large
from rulebot.core.reconciliation.account_excess import record_excess, report_excess
from rulebot.core.reconciliation.account_shortfall import (
    check_contract_ids,
    count_reported,
    hold,
    recompute_shortfalls,
    record_missing,
)
from rulebot.core.reconciliation.account_snapshot import note_expired, record_snapshot
from rulebot.core.reconciliation.corporate_actions import note_options, note_split
from rulebot.core.reconciliation.early_assignment import book_assigned, record_share_change
from rulebot.core.reconciliation.external_closes import book_external_close
from rulebot.core.reconciliation.undelivered_orders import alarm_of_unprotected, undelivered_orders
from rulebot.core.rules.inputs import handle_clock_set_back
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order, set_watch_at
from rulebot.core.state.lists import active_positions, all_live_orders
from rulebot.core.state.state import NEVER, NOTHING, State, TradingMode
from rulebot.decide.limits import clock_words
from rulebot.model.cause import Cause
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.event import ClockSkew, Connected, Disconnected
from rulebot.model.money import ZERO
from rulebot.model.order import OrderStatus
from rulebot.model.text import counted
from rulebot.model.values import replace
from rulebot.record.record import COMPUTER_AHEAD, Kind

CONNECTED_AGAIN = "connected again"
REPORTED_CLOSED_ELSEWHERE = timedelta(minutes=1)
UNWATCHED = timedelta(minutes=10)
"""Outage after which a person is alarmed that no exit watches the open positions."""


def link_down(work: StateBuilder, event: Disconnected) -> None:
    """Nothing is known of live orders until the next Connected; quotes are forgotten."""
    lost, seen_at = event.since or event.at, work.account.seen_at
    work.record(Kind.LINK, up=False, reason=event.reason)
    if work.connection.is_ready:
        seen_at = lost
        record_snapshot(work, until=lost)
    work.inquiries = replace(work.inquiries, revived_refs=frozenset(), undelivered=frozenset())
    for order in all_live_orders(work):
        if order.status is OrderStatus.SENDING:
            put_order(work, replace(order.for_cause(Cause.LINK_DOWN), status=OrderStatus.UNKNOWN))
    down_at = work.connection.down_at or lost
    work.connection = replace(work.connection, is_linked=False, is_ready=False, down_at=down_at)
    work.account = replace(work.account, seen_at=seen_at)


def link_up(work: StateBuilder, event: Connected) -> None:
    """Adopt the broker's orders, mark unlisted ones UNKNOWN, reconcile positions; then READY."""
    again = "" if work.connection.down_at is None else CONNECTED_AGAIN
    work.record(Kind.LINK, up=True, reason=again, account=event.account, lockstep=event.lockstep)
    handle_clock_set_back(work)
    _adopt_holdings(work, event)
    work.connection = replace(work.connection, client_id=event.client_id)
    next_order_id = max(work.orders.next_order_id, event.next_order_id)
    work.orders = replace(work.orders, next_order_id=next_order_id)
    at_broker = frozenset(event.order_refs)
    option_costs = {held: cost for held, cost in event.costs if isinstance(held, Option)}
    work.follow_up(FillsMissed(at_broker, option_costs))
    check_contract_ids(work, (contract for contract, _ in event.positions))
    count_reported(work, work.account.shortfalls)
    recompute_shortfalls(work)
    _compare_positions(work, book_assigned(work, at_once=True))
    record_snapshot(work)
    book_external_close(work)
    unarrived = undelivered_orders(work, event)
    work.inquiries = replace(work.inquiries, undelivered=unarrived)
    work.follow_up(OrdersListedFirst(at_broker))
    _cancel_what_may_not_enter(work)
    _alarm_of_other_ids(work, event)
    _alarm_of_closed_elsewhere(work)
    alarm_of_unprotected(work)
    is_first = not work.connection.account_id  # the first list of a run, however often the connection was lost before
    alarm_unclosed(work, again=is_first)
    work.connection = replace(work.connection, is_linked=True)
    for position in active_positions(work):
        if works_too_large(work, position):  # of orders reported before the connect
            work.follow_up(OrdersTooLarge(position.id))
    for name in work.bots.by_name:
        wake(work, name, 0.0)
    work.connection = replace(
        work.connection,
        linked_at=work.at,
        down_at=None,
        is_unwatched_reported=False,
        is_ready=True,
        account_id=event.account,
    )
    work.account = replace(work.account, seen_at=None, uncovered=NOTHING)
    work.subscriptions = replace(work.subscriptions, streamed=(), strike_targets=None)
    set_watch_at(work, None)


def _adopt_holdings(work: StateBuilder, event: Connected) -> None:
    """Take what the account holds, and what has been split or assigned meanwhile."""
    costs = {held.symbol: cost for held, cost in event.costs if isinstance(held, Underlying)}
    holdings = dict(event.positions)
    holdings |= {share(held.symbol): count for held, count in event.positions if isinstance(held, Underlying)}
    for held in {held for held in (*work.account.holdings, *holdings) if isinstance(held, Underlying)}:
        note_split(work, held.symbol, holdings.get(held, ZERO), costs.get(held.symbol, ZERO))
        record_share_change(work, held.symbol, holdings.get(held, ZERO))
    for option, count in event.positions:
        if isinstance(option, Option):
            note_options(work, option, count)
    note_expired(work, holdings)
    work.account = replace(work.account, holdings=holdings, costs=costs)


def _cancel_what_may_not_enter(work: StateBuilder) -> None:
    """Cancel entries that worked on while no engine was connected, and may not now."""
    if work.requests.operator.trading is not TradingMode.ACTIVE:
        cancel_entries(work, "", Cause.ONLY_REDUCES)
    elif not work.connection.is_time_known:
        cancel_entries(work, "", Cause.TIME_UNKNOWN)
    elif not work.connection.takes_records:
        cancel_entries(work, "", Cause.STORE_FULL)
    for name in sorted({order.bot for order in all_live_orders(work)} - work.program.bots.keys()):
        cancel_entries(work, name, Cause.NOT_RUN)


def unwatched_text(seconds: float, count: int) -> str:
    """Return the alarm about this many open positions."""
    held = counted(count, "open position")
    return f"no connection to the broker for {seconds / 60:.0f} minutes: no exit watches {held}"


def unwatched_at(state: State) -> datetime:
    """Return when the alarm of unwatched positions is due; NEVER while connected and after it was sent."""
    if state.connection.down_at is None or state.connection.is_unwatched_reported:
        return NEVER
    return max(state.connection.down_at, state.schedule.session.open) + UNWATCHED


def alarm_of_unwatched(work: StateBuilder) -> None:
    """Alarm once that the broker is away behind a reachable gateway, which no other alarm reports.

    Only in the session: outside of it no exit acts, and the broker resets its servers every night.
    """
    session = work.schedule.session
    if not unwatched_at(work.state) <= work.at < session.close:
        return
    count = sum(not position.is_flat for position in active_positions(work))
    if not count:
        return
    away = work.at - max(work.connection.down_at or work.at, session.open)
    work.record(Kind.ALARM, text=unwatched_text(away.total_seconds(), count))
    work.connection = replace(work.connection, is_unwatched_reported=True)


def _alarm_of_other_ids(work: StateBuilder, event: Connected) -> None:
    """Alarm that orders of ours work under another client id: only the client that placed an order may change it."""
    known = (work.orders.by_ref[ref] for ref in event.order_refs if ref in work.orders.by_ref)
    others = sorted({order.client_id for order in known if order.order_id} - {event.client_id})
    for other in others:
        text = f"orders of rulebot work at the broker under client id {other}, and this run uses {event.client_id}"
        cannot = "it cannot cancel or change them, nor close what waits for that"
        work.record(Kind.ALARM, text=f"{text}: {cannot}. End it, and start again with --client-id {other}")


def _alarm_of_closed_elsewhere(work: StateBuilder) -> None:
    """Report how much of the session no engine watched open positions, if a minute or more."""
    session, lost = work.schedule.session, work.connection.down_at
    if lost is None:
        return
    away = min(work.at, session.close) - max(lost, session.open)
    count = sum(not position.is_flat for position in active_positions(work))
    if count and away >= REPORTED_CLOSED_ELSEWHERE:
        what = "an open position was" if count == 1 else f"{count} open positions were"
        minutes = away // timedelta(minutes=1)
        text = f"connected again: {what} not watched for {minutes} min of the session"
        work.record(Kind.ALARM, text=text)


def _compare_positions(work: StateBuilder, waiting: frozenset[Option]) -> None:
    """Say where the account differs from our books; what it does not have is put on hold, unless it waits."""
    for option, quantity in expected_holdings(work).items():
        held = work.account.holdings.get(option, ZERO)
        if (quantity - held) * quantity > 0:
            work.record(Kind.ALARM, text=f"our books hold {quantity} {option}, the account holds {held}")
    record_missing(work, at_once=True)
    hold(work, set(work.account.shortfalls) - waiting)
    record_excess(work)
    report_excess(work, timedelta(0))


def clocks_apart(work: StateBuilder, event: ClockSkew) -> None:
    """Alarm that this computer's clock is wrong. No entries until the broker has reported its time."""
    if not event.is_known:
        text = "the broker has not reported its time: no entries until it does. Exits use this computer's clock"
        if event.seconds:
            text = (
                "the broker has not reported its time: no entries until it does. Exits use its last known time. "
                f"This computer's clock is {clock_words(event.seconds)} it. Set the clock (NTP)"
            )
        if work.connection.is_linked:  # else at Connected: it may come with the lists
            cancel_entries(work, "", Cause.TIME_UNKNOWN)
    elif event.seconds:
        apart = f"this computer's clock is {clock_words(event.seconds)} the broker's"
        text = f"{apart}. Entries and exits use the broker's time. Set the clock (NTP)"
    elif work.connection.is_time_known:
        text = "this computer's clock and the broker's agree again"
    else:
        text = "the broker reports its time again"
    work.record(Kind.ALARM, text=text, **{COMPUTER_AHEAD: event.seconds})
    for name in work.bots.by_name:
        wake(work, name, 0.0)
    work.connection = replace(work.connection, clock_skew=event.seconds, is_time_known=event.is_known)
