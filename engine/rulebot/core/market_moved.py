"""What is due when the market has moved or time has passed, in the order in which it is done."""

from datetime import datetime, timedelta

from rulebot.core.entry.entry_ended import next_opening
from rulebot.core.entry.entry_orders import entry_due
from rulebot.core.entry.entry_rules import evaluate_entry, record_block
from rulebot.core.entry.manual_entry import evaluate_manual_entry
from rulebot.core.entry.universe_ranking import evaluate_universe
from rulebot.core.exits.bracket_orders import place_resting
from rulebot.core.exits.broken_combos import close_broken_combos
from rulebot.core.exits.closing_orders import protect_remaining, work_close
from rulebot.core.exits.exit_rules import evaluate_exits
from rulebot.core.exits.protective_stops import note_restored, place_protection
from rulebot.core.exits.reversed_longs import find_reversed
from rulebot.core.exits.self_crossing import restore_orders
from rulebot.core.expiry.settlement import keep_closing, price_shares, settle_earlier, settle_missed
from rulebot.core.gate.covered_calls import close_uncovered_calls
from rulebot.core.gate.halts import evaluate_halts, halt_by_account
from rulebot.core.orders.order_status_requests import send_status_requests
from rulebot.core.orders.working_orders import advance_order
from rulebot.core.program import CompiledBot
from rulebot.core.queries.account import is_unreported
from rulebot.core.queries.day_pnl import keep_structures
from rulebot.core.queries.entry_blocks import waits_for_reload
from rulebot.core.queries.schedule import OPENING_MINUTES
from rulebot.core.reconciliation.account_excess import report_excess
from rulebot.core.reconciliation.account_shortfall import fit_orders, review_shortfalls
from rulebot.core.reconciliation.connection import alarm_of_unwatched, unwatched_at
from rulebot.core.reconciliation.early_assignment import book_assigned
from rulebot.core.reconciliation.external_closes import book_external_close
from rulebot.core.session.position_marks import (
    is_mark_due,
    mark_positions,
    next_mark,
    oldest_open_since,
    warn_of_dividends,
)
from rulebot.core.session.session_start import due_session, note_opening_moves, open_day
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts, set_bot, set_wake, set_watch_at, unindex
from rulebot.core.state.lists import active_positions, all_live_orders, has_live_entry, stirring_positions
from rulebot.core.state.state import NEVER
from rulebot.core.state.turn import Turn, finish_turn
from rulebot.core.subscribe.subscriptions import (
    earlier_of,
    index_rows,
    is_due,
    keep_choice,
    next_step,
    update_subscriptions,
)
from rulebot.model.cause import Halt
from rulebot.model.event import (
    MarketDataUpdated,
)
from rulebot.model.position import Position
from rulebot.model.values import replace

UNLINKED_AGAIN = timedelta(seconds=1)
"""While the broker is lost what is due stays due; to be asked again at once would leave no time to listen."""


def market_moved(work: StateBuilder, event: MarketDataUpdated) -> Turn:
    """Do what is due, and say when something is due next."""
    before, at = work.before, event.at
    coming = due_session(before.schedule.session, at)
    if coming is not None:
        open_day(work, coming)
    moved = before.subscriptions.dependents.keys() & event.rows
    touched = set().union(*map(before.subscriptions.dependents.__getitem__, moved))
    names = (touched & work.bots.by_name.keys()) | {
        name for name, wake_at in work.bots.next_wakes.items() if wake_at <= at
    }
    if names:
        _clear_wakes(work, names)
    is_quiet = not names and at < before.schedule.step_at and not _is_unindexed(work)
    if work.connection.is_linked:
        if not is_quiet or at < before.schedule.session.open + OPENING_MINUTES:
            settle_earlier(work)
            _judge(work, names)
        _by_the_clock(work, moved=bool(event.rows))
    step_at = before.schedule.step_at if is_quiet and not _is_unindexed(work) else next_step(work)
    _index_again(work, is_quiet=is_quiet, has_moved_unread=bool(moved) and not touched)
    return finish_turn(work, step_at=step_at, wake_at=_next_wake(work, step_at))


def _next_wake(work: StateBuilder, step_at: datetime) -> datetime:
    """Return when something is due next, marks and subscriptions too; without a broker nothing is due at once."""
    wake_at = min(step_at, work.schedule.watch_at or NEVER)
    if work.positions.active:
        wake_at = min(wake_at, work.schedule.mark_at or NEVER)
    if work.connection.is_linked:
        return wake_at
    alarm_of_unwatched(work)
    return max(min(wake_at, unwatched_at(work.before)), work.at + UNLINKED_AGAIN)


def _is_unindexed(work: StateBuilder) -> bool:
    """Say whether the board has other rows than those that bots were found by."""
    return work.subscriptions.board_version != work.before.market.board.version


def _index_again(work: StateBuilder, *, is_quiet: bool, has_moved_unread: bool) -> None:
    """Map board rows to bots and structures again where the mapping may have changed.

    has_moved_unread: a row moved that only bots of an earlier mapping read, and none of them is active.
    """
    before, at = work.before, work.at
    if _is_unindexed(work):
        if work.subscriptions.board_version < 0:  # the requests may differ, not only what is streamed for them
            work.subscriptions = replace(work.subscriptions, strike_targets=None)
            set_watch_at(work, earlier_of(work.schedule.watch_at, at + datetime.resolution))
        _index(work)
    elif work.market.facts is not before.market.facts or (
        not is_quiet and before.schedule.step_at <= work.schedule.session.open <= at
    ):
        _index(work)  # the open's move has come, or is waited for from now on
    elif has_moved_unread and at >= before.schedule.session.open + OPENING_MINUTES:
        _index(work)  # it has not come, and is waited for no more


def _clear_wakes(work: StateBuilder, names: set[str]) -> None:
    """Clear the next due time of these bots. They are judged now and set a new one."""
    for name in names:
        state = work.bots.by_name[name]
        if state.agenda and state.agenda[0] <= work.at:
            state = replace(state, agenda=tuple(at for at in state.agenda if at > work.at))
            set_bot(work, name, state)
            unindex(work)
        set_wake(work, name, state.agenda[0] if state.agenda else NEVER)


def _judge(work: StateBuilder, names: set[str]) -> None:
    """Judge orders, exits and entries of these bots. Exits run first: their orders may block an entry."""
    facts = note_opening_moves(work)
    if facts is not work.market.facts:
        put_facts(work, facts)
    blocked = _halts_first(work, names)
    for order in all_live_orders(work):
        advance_order(work, work.orders.by_ref[order.ref])
    send_status_requests(work)
    for name in tuple(work.positions.active):
        position = work.positions.by_id[name]  # as it is by now: an exit of another one may have changed it
        if position.bot in names and position.state in ("entering", "open", "exiting"):
            evaluate_exits(work, position)
    for position in stirring_positions(work):
        close_broken_combos(work, work.positions.by_id[position.id])
        _retry(work, work.positions.by_id[position.id])
    for name in names:
        if name in work.bots.by_name and work.bots.by_name[name].day.halt is Halt.MISMATCH:
            find_reversed(work, name)
    if names:
        _halt_and_enter(work, [(name, bot) for name, bot in work.program.bots.items() if name in names], blocked)
    restore_orders(work)


def _halts_first(work: StateBuilder, names: set[str]) -> dict[str, str]:
    """Judge the halts of bots that are entering, or whose exits roll, before their next tries and these exits: a halt
    that comes with the same quotes is not to find an order to open something sent, or changed to a price that fills
    sooner. Return why entries of each are blocked.
    """
    stirring, live = stirring_positions(work), all_live_orders(work)
    if not (names or stirring or live):
        return {}
    entering = {position.bot for position in stirring if position.state == "entering"}
    entering |= {order.bot for order in live if order.can_increase_risk}
    if entering:
        halt_by_account(work)
    bots = {name: bot for name in names if (bot := work.program.bots.get(name)) is not None}
    opening = sorted(name for name, bot in bots.items() if bot.rolls or name in entering)
    return {name: evaluate_halts(work, bots[name]) for name in opening}


def _retry(work: StateBuilder, position: Position) -> None:
    if position.state == "exiting":
        work_close(work, position)
        protect_remaining(work, work.positions.by_id[position.id])
        note_restored(work, work.positions.by_id[position.id])
    elif entry_due(position, work.at) and not has_live_entry(work, position.id):
        next_opening(work, position)
    elif position.state == "open" and not position.resting_orders_withdrawn:
        place_resting(work, position)
        place_protection(work, work.positions.by_id[position.id])
        note_restored(work, work.positions.by_id[position.id])


def _halt_and_enter(work: StateBuilder, bots: list[tuple[str, CompiledBot]], known: dict[str, str]) -> None:
    """Judge the halts of all these bots, then their entries. known: of those whose halts were judged in this turn."""
    halt_by_account(work)
    halts = {name: known[name] if name in known else evaluate_halts(work, bot) for name, bot in bots}
    blocked = {name: reason or waits_for_reload(work, name) for name, reason in halts.items()}
    if work.requests.is_stopping:
        return
    for name, bot in bots:
        if work.bots.by_name[name].manual_entry_until is not None:
            evaluate_manual_entry(work, bot, blocked[name])
        elif blocked[name]:
            record_block(work, bot, blocked[name])
        else:
            (evaluate_universe if bot.members else evaluate_entry)(work, bot)


def _by_the_clock(work: StateBuilder, *, moved: bool) -> None:
    """Mark positions. At longer intervals, choose subscriptions and reconcile with the account."""
    account = work.account
    _mark(work)
    if (closing := keep_closing(work)) is not work.market.closing:
        work.market = replace(work.market, closing=closing)
    watch_at = work.schedule.watch_at
    is_unsettled = account.shortfalls or account.uncovered or is_unreported(account)
    if work.subscriptions.board_version < 0 or work.subscriptions.strike_targets is None or is_unsettled:
        watch_at = earlier_of(watch_at, work.at)
    if account.shortfalls:
        fit_orders(work)
    if is_due(watch_at, work.at, moved=moved):
        watch_at = _compare(work)
    if watch_at != work.schedule.watch_at:
        set_watch_at(work, watch_at)


def _mark(work: StateBuilder) -> None:
    """Record what positions are worth, when that is due."""
    session, mark_at = work.schedule.session, work.schedule.mark_at
    in_hours = session.is_on(work.at)
    if in_hours and (mark_at is None or (work.positions.active and work.at >= mark_at)):
        is_due_now = is_mark_due(mark_at, work.at, oldest_open_since(active_positions(work)))
        if is_due_now:
            mark_positions(work)
            warn_of_dividends(work)
        work.schedule = replace(work.schedule, mark_at=next_mark(mark_at, work.at, is_due=is_due_now))
    if not in_hours and mark_at is not None and work.at >= mark_at:
        work.schedule = replace(work.schedule, mark_at=None)


def _compare(work: StateBuilder) -> datetime | None:
    """Choose subscriptions, settle what waited, reconcile with the account. Return when this is due again."""
    chosen, watch_at = update_subscriptions(work)
    if work.subscriptions.board_version < 0:
        _index(work)
    settle_missed(work)
    price_shares(work)
    review_shortfalls(work, book_assigned(work))
    report_excess(work)
    book_external_close(work)
    uncovered = close_uncovered_calls(work)
    work.account = replace(work.account, uncovered=uncovered)
    keep_choice(work, chosen)
    return watch_at


def _index(work: StateBuilder) -> None:
    """Keep what is found by the rows of the board as it is now."""
    keep_structures(work)
    index_rows(work)
