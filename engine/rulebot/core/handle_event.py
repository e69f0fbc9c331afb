"""`turn(program, state, event)`: one event in; a new state, records and commands out.

Pure: no clock, no I/O, no chance.

A quote that nobody waits for changes nothing and costs next to nothing. Otherwise, in order: what the broker reported;
what expired before the session; orders that are due a step; exits; closing orders; halts; entries; what to stream.
Exits come before entries, so that an entry rule that cannot be judged never holds up an exit.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from rulebot.core.emit.cancel import cancel, cancel_entries
from rulebot.core.entry.entry_ended import next_opening
from rulebot.core.entry.entry_orders import entry_due
from rulebot.core.entry.entry_rules import evaluate_entry, record_block
from rulebot.core.entry.manual_entry import ask_entry, evaluate_manual_entry
from rulebot.core.entry.universe_ranking import evaluate_universe
from rulebot.core.exits.bracket_orders import place_resting
from rulebot.core.exits.broken_combos import close_broken_combos
from rulebot.core.exits.closing_orders import protect_remaining, work_close
from rulebot.core.exits.exit_rules import evaluate_exits
from rulebot.core.exits.price_ladder import advance_order
from rulebot.core.exits.protective_stops import note_restored, place_protection
from rulebot.core.exits.reversed_longs import find_reversed
from rulebot.core.exits.self_crossing import restore_orders
from rulebot.core.expiry import settlement
from rulebot.core.expiry.settlement import ending_corrected
from rulebot.core.gate import covered_calls
from rulebot.core.gate.exit_retry import resume_position
from rulebot.core.gate.halts import evaluate_halts, halt_by_account
from rulebot.core.gate.margin import accept_unrequested_margin, on_margin, take_refusal
from rulebot.core.orders.executions import on_commission, on_execution
from rulebot.core.orders.order_status_requests import orders_listed, send_status_requests
from rulebot.core.orders.order_updates import on_message, on_order, order_unsent
from rulebot.core.orders.tick_sizes import on_tick_sizes
from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.account import expected_holdings, is_untold
from rulebot.core.queries.day_pnl import keep_structures
from rulebot.core.queries.entry_blocks import waits_for_reload
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.queries.schedule import OPENING_MINUTES
from rulebot.core.reconciliation import (
    account_excess,
    account_shortfall,
    corporate_actions,
    early_assignment,
    external_closes,
)
from rulebot.core.reconciliation.account_snapshot import record_share_change
from rulebot.core.reconciliation.connection import clocks_apart, link_down, link_up, tell_unwatched, unwatched_at
from rulebot.core.rules.inputs import hook_came, take_bars, take_implied
from rulebot.core.session import position_marks, session_start
from rulebot.core.session.hours import hours_told
from rulebot.core.session.position_marks import warn_of_dividends
from rulebot.core.session.reloading import reload_waits
from rulebot.core.session.store_outage import store_reported, withdraw_openings
from rulebot.core.state.builder import StateBuilder, Turn
from rulebot.core.state.state import NEVER, Named, OperatorState, State, after_request
from rulebot.core.subscribe import subscriptions as watching
from rulebot.model.cause import Cause, Halt
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.event import (
    AccountReport,
    AccountWarning,
    BarsReport,
    ClocksApart,
    ClosesReport,
    CommissionReport,
    DataTrouble,
    DividendReport,
    EndingCorrected,
    Event,
    ExecutionReport,
    GonePriced,
    HookCame,
    HoursReport,
    ImpliedReport,
    LinkDown,
    LinkUp,
    ListingReport,
    MarginReport,
    MarketMoved,
    OpeningMoveReport,
    OperatorRequest,
    OrderMessage,
    OrderReport,
    OrdersListed,
    OrderUnsent,
    PositionReport,
    ReloadWaits,
    Request,
    StoreReport,
)
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import DATA_TROUBLE, LATE, OPENING_MOVE, Json, Kind

"""Why what may open something is taken back when a run ends so."""
UNLINKED_AGAIN = timedelta(seconds=1)
"""While the broker is lost what is due stays due; to be asked again at once would leave no time to listen."""


def handle_event(program: Program, state: State, event: Event) -> Turn:
    """Return what one event leads to. Raises: InvariantError when what can never be was found."""
    if type(event) is MarketMoved:
        is_idle = event.at < state.schedule.wake_at and state.subscriptions.dependents.keys().isdisjoint(event.rows)
        if is_idle and state.subscriptions.indexed == state.market.board.version:
            return Turn(state, (), ())
        return _market(program, state, event)
    work = StateBuilder(program, state, event.at)
    _HANDLERS[type(event)](work, event)
    return work.finish(step_at=event.at, wake_at=event.at)


def start_run(program: Program, state: State, at: datetime) -> Turn:
    """Return the first turn of a run: today on record, every bot with its day (as it was before a restart)."""
    work = StateBuilder(program, state, at)
    account_shortfall.clear_settled(work)
    session_start.open_day(work, state.schedule.session, resumed=True)
    return work.finish(step_at=at, wake_at=at)


def emergency_withdraw(program: Program, state: State, at: datetime) -> Turn:
    """Return the last turn of a run whose store took no more: what works to open something is asked back, or again."""
    work = StateBuilder(program, state, at)
    withdraw_openings(work)
    return work.finish()


# ---------------------------------------------------------------- time and quotes


def _market(program: Program, state: State, event: MarketMoved) -> Turn:
    at = event.at
    dependents = state.subscriptions.dependents
    moved = dependents.keys() & event.rows
    touched = set().union(*map(dependents.__getitem__, moved))
    work = StateBuilder(program, state, at)
    coming = session_start.due_session(state.schedule.session, at)
    if coming is not None:
        session_start.open_day(work, coming)
    names = (touched & work.bots.by_name.keys()) | {name for name, wake_at in work.bots.wakes.items() if wake_at <= at}
    if names:
        _clear_wakes(work, names)
    is_quiet = not names and at < state.schedule.step_at and work.subscriptions.indexed == state.market.board.version
    if work.connection.is_linked:
        if not is_quiet or at < state.schedule.session.open + OPENING_MINUTES:
            settlement.settle_earlier(work)
            _step(work, names)
        _by_the_clock(work, moved=bool(event.rows))
    step_at = (
        watching.next_step(work)
        if not is_quiet or work.subscriptions.indexed != state.market.board.version
        else state.schedule.step_at
    )
    if work.subscriptions.indexed != state.market.board.version:
        if work.subscriptions.indexed < 0:  # what is wished for may differ, and not only what is streamed of it
            work.subscriptions = replace(work.subscriptions, aims=None)
            work.watch_at(watching.earlier_of(work.schedule.watch_at, at + datetime.resolution))
        _index(work)
    elif work.market.facts is not state.market.facts or (
        not is_quiet and state.schedule.step_at <= work.schedule.session.open <= at
    ):
        _index(work)  # the open's move has come, or is waited for from now on
    elif moved and not touched and at >= state.schedule.session.open + OPENING_MINUTES:
        _index(work)  # it has not come, and is waited for no more
    wake_at = min(step_at, work.schedule.watch_at or NEVER)
    if work.positions.active:
        wake_at = min(wake_at, work.schedule.mark_at or NEVER)
    if not work.connection.is_linked:
        tell_unwatched(work)
        wake_at = max(min(wake_at, unwatched_at(state)), at + UNLINKED_AGAIN)
    return work.finish(step_at=step_at, wake_at=wake_at)


def _clear_wakes(work: StateBuilder, names: set[str]) -> None:
    """Forget when these bots were to be judged next: they are judged now, and say anew when they must be again."""
    for name in names:
        state = work.bots.by_name[name]
        if state.agenda and state.agenda[0] <= work.at:
            state = replace(state, agenda=tuple(at for at in state.agenda if at > work.at))
            work.set_bot(name, state)
            work.unindex()
        work.set_wake(name, state.agenda[0] if state.agenda else NEVER)


def _step(work: StateBuilder, names: set[str]) -> None:
    facts = session_start.note_opening_moves(work)
    if facts is not work.market.facts:
        work.put_facts(facts)
    blocked = _halts_first(work, names)
    for order in work.all_live_orders():
        advance_order(work, work.orders.by_ref[order.ref])
    send_status_requests(work)
    for name in tuple(work.positions.active):
        position = work.positions.by_id[
            name
        ]  # as it is by now: an exit of another one may have changed it in this turn
        if position.bot in names and position.state in ("entering", "open", "exiting"):
            evaluate_exits(work, position)
    for position in work.stirring_positions():
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
    stirring, live = work.stirring_positions(), work.all_live_orders()
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
    elif entry_due(position, work.at) and not work.has_live_entry(position.id):
        next_opening(work, position)
    elif position.state == "open" and not position.suspended:
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
        if work.bots.by_name[name].by_hand is not None:
            evaluate_manual_entry(work, bot, blocked[name])
        elif blocked[name]:
            record_block(work, bot, blocked[name])
        else:
            (evaluate_universe if bot.members else evaluate_entry)(work, bot)


def _by_the_clock(work: StateBuilder, *, moved: bool) -> None:
    session, mark_at, watch_at = work.schedule.session, work.schedule.mark_at, work.schedule.watch_at
    account = work.account
    in_hours = session.is_on(work.at)
    if in_hours and (mark_at is None or (work.positions.active and work.at >= mark_at)):
        since = position_marks.oldest_open_since(work.active_positions())
        is_due = position_marks.is_mark_due(mark_at, work.at, since)
        if is_due:
            position_marks.mark_positions(work)
            warn_of_dividends(work)
        work.schedule = replace(work.schedule, mark_at=position_marks.next_mark(mark_at, work.at, is_due=is_due))
    if not in_hours and mark_at is not None and work.at >= mark_at:
        work.schedule = replace(work.schedule, mark_at=None)
    if (closing := settlement.keep_closing(work)) is not work.market.closing:
        work.market = replace(work.market, closing=closing)
    is_unsettled = account.doubts or account.uncovered or is_untold(account)
    if work.subscriptions.indexed < 0 or work.subscriptions.aims is None or is_unsettled:
        watch_at = watching.earlier_of(watch_at, work.at)
    if account.doubts:
        account_shortfall.fit_orders(work)
    if watching.is_due(watch_at, work.at, moved=moved):
        chosen, watch_at = watching.update_subscriptions(work)
        if work.subscriptions.indexed < 0:
            _index(work)
        settlement.settle_missed(work)
        settlement.price_shares(work)
        account_shortfall.review_shortfalls(work, early_assignment.book_assigned(work))
        account_excess.report_excess(work)
        external_closes.book_external_close(work)
        uncovered = covered_calls.close_uncovered_calls(work)
        work.account = replace(work.account, uncovered=uncovered)
        watching.keep_choice(work, chosen)
    if watch_at != work.schedule.watch_at:
        work.watch_at(watch_at)


def _index(work: StateBuilder) -> None:
    """Keep what is found by the rows of the board as it is now."""
    keep_structures(work)
    watching.index_rows(work)


# ---------------------------------------------------------------- slow facts


def _on_account(work: StateBuilder, event: AccountReport) -> None:
    cashes = early_assignment.note_cash(work.account.cashes, event.account.cash, event.at)
    work.account = replace(work.account, cashes=cashes)
    facts = work.market.facts
    if facts.account != event.account:
        account = event.account
        work.record(
            Kind.ACCOUNT,
            net_liquidation=None if account.net_liquidation is None else str(account.net_liquidation),
            cash=None if account.cash is None else str(account.cash),
            buying_power=None if account.buying_power is None else str(account.buying_power),
            available_funds=None if account.available_funds is None else str(account.available_funds),
            maintenance_margin=None if account.maintenance_margin is None else str(account.maintenance_margin),
        )
    work.put_facts(replace(facts, account=event.account))


def _on_listing(work: StateBuilder, event: ListingReport) -> None:
    facts = work.market.facts
    key = (event.listing.symbol, event.listing.trading_class)
    strikes = sum(len(found) for found in event.listing.strikes.values())
    work.record(Kind.FACTS, symbol=key[0], what=f"listing {key[1]}", value=strikes)
    work.unindex()
    facts = replace(facts, listings={**facts.listings, key: event.listing}, ticks=on_tick_sizes(work, event.listing))
    work.put_facts(facts)
    work.subscriptions = replace(work.subscriptions, aims=None)


def _on_closes(work: StateBuilder, event: ClosesReport) -> None:
    facts = work.market.facts
    work.record(Kind.FACTS, symbol=event.symbol, what="closes", value=len(event.closes))
    work.put_facts(replace(facts, closes={**facts.closes, event.symbol: event.closes}))


def _on_opening_move(work: StateBuilder, event: OpeningMoveReport) -> None:
    facts = work.market.facts
    if (event.symbol, event.expiry) in facts.opening_moves:
        return  # fixed for the day, however it was learned first
    moves = {**facts.opening_moves, (event.symbol, event.expiry): event.points}
    work.record(Kind.FACTS, symbol=event.symbol, what=OPENING_MOVE, value=event.points, expiry=event.expiry.isoformat())
    work.put_facts(replace(facts, opening_moves=moves))


def _on_dividend(work: StateBuilder, event: DividendReport) -> None:
    facts = work.market.facts
    if facts.dividends.get(event.symbol) == event.dividend:
        return
    told = event.dividend
    work.record(
        Kind.FACTS, symbol=event.symbol, what="dividend", value=str(told.amount), ex_date=told.ex_date.isoformat()
    )
    work.put_facts(replace(facts, dividends={**facts.dividends, event.symbol: told}))


def _on_trouble(work: StateBuilder, event: DataTrouble) -> None:
    traders = work.program.on_late_data(event.symbol) if event.is_late else ()
    late: dict[str, Json] = {LATE: list(traders)} if event.is_late else {}
    work.record(Kind.FACTS, symbol=event.symbol, what=DATA_TROUBLE, value=event.text, **late)
    for name in traders:
        text = f"{event.symbol or 'market data'} comes 10 to 15 minutes late, and {name} trades on it: delayed_data"
        work.alarm(name, text, key=f"late {event.symbol}")


def _on_warning(work: StateBuilder, event: AccountWarning) -> None:
    work.alarm("", f"the broker warns of the account: {event.text}")


def _on_message(work: StateBuilder, event: OrderMessage) -> None:
    if not take_refusal(work, event):
        on_message(work, event)


def _on_unsent(work: StateBuilder, event: OrderUnsent) -> None:
    if not accept_unrequested_margin(work, event):
        order_unsent(work, event)


def _on_position(work: StateBuilder, event: PositionReport) -> None:
    before = work.state
    if isinstance(event.contract, Underlying):
        corporate_actions.note_split(work, event.contract.symbol, event.quantity, event.average_cost)
        early_assignment.record_share_change(work, event.contract.symbol, event.quantity)
    else:
        corporate_actions.note_options(work, event.contract, event.quantity)
    last = work.account.holdings.get(event.contract, ZERO)
    holdings = {**work.account.holdings, event.contract: event.quantity}
    work.account = replace(work.account, holdings=holdings)
    is_gone = work.connection.is_ready and not event.quantity  # at a start executions of others are still to be told
    if is_gone and isinstance(event.contract, Option) and option_has_expired(work, event.contract):
        settlement.settle(work, event.contract, last)
    uncovered = work.account.uncovered
    if isinstance(event.contract, Underlying):
        holdings = {**holdings, share(event.contract.symbol): event.quantity}
        costs = {**work.account.costs, event.contract.symbol: event.average_cost}
        work.account = replace(work.account, holdings=holdings, costs=costs)
        uncovered = covered_calls.shares_changed(work, event.contract.symbol)
    account_shortfall.check_contract_ids(work, [event.contract])
    ours = expected_holdings(work)
    account_shortfall.count_told(
        work, [event.contract] if isinstance(event.contract, Option) else [share(event.contract.symbol)]
    )
    account_shortfall.recompute_shortfalls(work, ours, has_fallen=abs(event.quantity) < abs(last))
    if work.connection.is_ready:  # else when all is listed, and what still works
        account_shortfall.fit_orders(work)
    account_excess.record_excess(work, ours)
    record_share_change(work, before)
    work.account = replace(work.account, uncovered=uncovered)


# ---------------------------------------------------------------- people


def _on_operator(work: StateBuilder, event: OperatorRequest) -> None:
    if event.id in work.requests.ids:
        return
    requests = replace(work.requests, ids=work.requests.ids | {event.id})
    told: dict[str, Json] = {}
    if event.request is Request.RESUME and not event.bot and work.inquiries.rivals:
        told["accepted"] = [*sorted(work.inquiries.rivals)]
        requests = replace(requests, accepted=requests.accepted | work.inquiries.rivals)
        work.inquiries = replace(work.inquiries, rivals=frozenset())
    if event.reason:
        told["reason"] = event.reason
    if event.legs:
        told |= {"legs": {name: encode(option) for name, option in event.legs}, "alternative": event.alternative}
    bot, closes = event.bot, _closes(work, event)
    if closes:
        told["closes"] = [*closes]
    if event.request in (Request.CLOSE, Request.KEEP):
        told["position"] = event.position
        bot = bot or (work.positions.by_id[event.position].bot if event.position in work.positions.by_id else "")
    work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **told)
    standing = after_request(requests.standing, event.request, event.bot, event.position, event.reason, closes)
    if event.request is Request.CLOSE:
        standing = _close_too(work, event, bot, standing)
        _close_one(work, event.position)
    elif event.request is Request.KEEP:
        _keep_one(work, event.position)
    elif event.request is Request.ENTER:
        ask_entry(work, event.bot, Named(event.legs, event.alternative) if event.legs else None)
        work.watch_at(work.at)
    elif event.request is Request.RESUME:
        _end_halts(work, event.bot)
    elif event.request in (Request.KILL, Request.FLATTEN):
        cancel_entries(work, event.bot, Cause.KILLED)
        for name in work.bots.by_name if event.request is Request.FLATTEN else ():
            if event.bot in ("", name):
                work.set_wake(name, work.at)
    elif event.request is Request.STOP:
        requests = replace(requests, is_stopping=True)
        cancel_entries(work, event.bot, Cause.STOPPING)
    work.requests = replace(requests, standing=standing)


def _close_too(work: StateBuilder, event: OperatorRequest, bot: str, standing: OperatorState) -> OperatorState:
    """Have what a position is being rolled into closed, too: the order that rolls may fill before it is taken back."""
    for order in work.live_orders(event.position):
        if order.into and order.position == event.position:
            told: dict[str, Json] = {"position": order.into}
            work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **told)
            standing = after_request(standing, event.request, event.bot, order.into)
    return standing


def _closes(work: StateBuilder, event: OperatorRequest) -> list[str]:
    """Return what is there and is closed by name from now on.

    As bots may enter again that is what was asked to be closed, with what it is being rolled into, for the order that
    rolls may fill before it is taken back; as all is closed what was kept until now.
    """
    standing = work.requests.standing
    held = [each for each in work.positions.by_id.values() if event.bot in ("", each.bot) and each.state != "closed"]
    if event.request is Request.FLATTEN:
        return sorted(each.id for each in held if each.id in standing.kept)
    if event.request is not Request.RESUME:
        return []
    found = {each.id for each in held if standing.must_close(each.bot, each.id)}
    rolled = {order.into for name in found for order in work.live_orders(name) if order.into}
    return sorted(found | rolled)


def _keep_one(work: StateBuilder, name: str) -> None:
    """Leave a position to its exits again, unless it is being closed already: an exit goes on until it is done."""
    position = work.positions.by_id.get(name)
    if position is None or position.state == "closed":
        return
    if position.is_flattening:
        work.alarm(position.bot, f"{name} is being closed already, as was asked: that goes on", name, again=True)
    work.set_wake(position.bot, work.at)


def _close_one(work: StateBuilder, name: str) -> None:
    """Take back what would still open a position, and have it looked at; that it must be closed stands."""
    position = work.positions.by_id.get(name)
    if position is None:
        return
    for order in work.live_orders(name):
        if order.opens(name):
            cancel(work, order, Cause.CLOSED_BY_OPERATOR)
    work.set_wake(position.bot, work.at)


def _end_halts(work: StateBuilder, bot: str) -> None:
    """An operator lets bots enter again today, whatever had halted them; what is still so halts them anew."""
    for name, state in list(work.bots.by_name.items()):
        if bot in ("", name) and state.day.halt:
            work.put_day(replace(state.day, halt=None, halted="", halt_rule="", closing="", closing_text=""))
            work.set_wake(name, work.at)
    external_closes.adopt(work, bot)
    resume_position(work, bot)


Handler = Callable[[StateBuilder, Any], None]

_HANDLERS: dict[type, Handler] = {
    OrderReport: on_order,
    OrderMessage: _on_message,
    OrderUnsent: _on_unsent,
    ExecutionReport: on_execution,
    CommissionReport: on_commission,
    PositionReport: _on_position,
    AccountReport: _on_account,
    ListingReport: _on_listing,
    ClosesReport: _on_closes,
    BarsReport: take_bars,
    ImpliedReport: take_implied,
    DividendReport: _on_dividend,
    DataTrouble: _on_trouble,
    OpeningMoveReport: _on_opening_move,
    HoursReport: hours_told,
    OrdersListed: orders_listed,
    MarginReport: on_margin,
    LinkUp: link_up,
    LinkDown: link_down,
    ClocksApart: clocks_apart,
    AccountWarning: _on_warning,
    OperatorRequest: _on_operator,
    EndingCorrected: ending_corrected,
    GonePriced: external_closes.on_external_price,
    HookCame: hook_came,
    ReloadWaits: reload_waits,
    StoreReport: store_reported,
}
