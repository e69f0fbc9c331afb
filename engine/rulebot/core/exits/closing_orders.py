"""The closing orders of a position that an exit, or the engine itself, closes, until nothing is held.

Which exit acts is decided in `leaving`; one that rolls sends the order that rolls in the place of one that closes.
"""

from datetime import timedelta
from decimal import Decimal
from math import isnan

from rulebot.compile.plan import ExitPlan
from rulebot.core.emit.orders import cancel, count_try, is_new_order, offer, ticket
from rulebot.core.exits.bracket_orders import place_resting
from rulebot.core.exits.protective_stops import place_protection
from rulebot.core.exits.rolling import (
    RollCandidate,
    end_roll_search,
    find_roll,
    next_ladder_price,
    record_no_roll,
    sells_worthless,
    send_roll,
    start_roll_search,
)
from rulebot.core.exits.self_crossing import clear_for_exit, crossing_entries
from rulebot.core.exits.target_price import (
    as_judged,
    bound_of,
    closing_ladder,
    is_met,
    may_wait,
    target_at_work,
    was_withdrawn,
)
from rulebot.core.facts import ClosingTryDue
from rulebot.core.gate.exit_retry import check_exit_price, has_waited_for_price, price_is_there
from rulebot.core.program import CompiledBot
from rulebot.core.queries.account import has_delivered, waits_for_account
from rulebot.core.queries.close_plan import (
    CLOSING,
    UNWIND,
    closing_net,
    exit_has_dealt,
    is_balanced_ignoring_worthless,
    is_beyond,
    is_left_with_shares,
    is_reopened,
    is_unrelated_order,
    is_worthless_long,
    lacks_a_wing,
    leg_names_to_close,
    legs_to_close,
    next_close_legs,
    of_structure,
    partners,
    planned_exit,
    rolling_exit,
    to_natural,
)
from rulebot.core.queries.entry_blocks import not_trading
from rulebot.core.queries.lost_cover import buys_back
from rulebot.core.queries.orders import is_trading
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.rules.unknown_exits import known_again, note_unknown
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_order, put_position, send_order, set_bot
from rulebot.core.state.lists import governing, is_suspect, live_orders_of, orders_of
from rulebot.core.state.turn import alarm, alarm_of_price
from rulebot.model.cause import Cause, Name
from rulebot.model.market import QuoteFault
from rulebot.model.order import Order, OrderType, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import Bound, NetQuote, draft, is_the_last, net_quote, order_parts, priority
from rulebot.record.record import Json, Kind
from rulebot.spec.spec import OnUnfilled, OnUnknown, PriceFrom
from rulebot.spec.spec import Order as Ladder

RECHECK = 15.0
"""Seconds after which a position is looked at again, if nothing that it reads moves before."""
NO_QUOTE = "no quote yet"
"""Under this name it is kept since when a wing that an exit has left was not quoted yet."""
FIRST_QUOTE = 30.0
"""Seconds that such a wing may take to be quoted after a start; then it counts as any other leg."""


def close_position(work: StateBuilder, position: Position, reason: str, why: str = "") -> None:
    """Close the whole remaining position for a reason that is no exit of the spec; `why` is the text of the alarm."""
    work_close(work, start_close(work, position, reason, reason, why))


def sell_shares(work: StateBuilder, position: Position) -> None:
    """Close an open position whose options are gone and that holds only shares."""
    if is_left_with_shares(position):
        close_position(work, position, UNWIND, "its options are gone, and its shares remain")


def start_close(
    work: StateBuilder, position: Position, reason: str, kind: str, why: str = "", legs: tuple[str, ...] = ()
) -> Position:
    """Record why the position, or these legs, are closed, and move it to its closing state.

    An exit that continues after its order was withdrawn is recorded as such. A position that yielded to another order
    keeps waiting for its contract while legs are open.
    """
    again: dict[str, Json] = {"again": True} if was_withdrawn(work, position, reason) else {}
    work.record(
        Kind.DECISION, position.bot, position.id, what="exit", reason=reason, kind=kind, values=[*legs], **again
    )
    if why:
        then = "nothing is sent for it, a person must look" if position.is_frozen else "the position is closed"
        alarm(work, position.bot, f"{why}: {then}", position.id)
    leaves_some = bool(legs) and any(leg.held for leg in position.legs if leg.name not in legs)
    is_waiting = position.resting_orders_withdrawn and leaves_some
    position = put_position(
        work,
        replace(
            position, exit_reason=reason, attempts=0, retry_at=None, resting_orders_withdrawn=is_waiting, leave_open=0
        ),
    )
    return position if position.state == "exiting" else move_position(work, position, "exit")


def work_close(work: StateBuilder, position: Position) -> None:
    """Bring an exiting position one step nearer to flat: first nothing else may work, then one closing order."""
    if position.state != "exiting" or (position.is_frozen and not buys_back(position)):
        return
    is_clear = _clear_for_closing(work, position)
    if not is_clear or not is_trading(work) or waits_for_account(work, position):
        return
    if has_delivered(work, position) or not legs_to_close(position, governing(work, position)):
        return
    if position.retry_at is not None and work.at < position.retry_at:
        wake(work, position.bot, (position.retry_at - work.at).total_seconds())
        return
    if waits_for_first_quote(work, position):
        return
    _send_closing(work, position)


def _clear_for_closing(work: StateBuilder, position: Position) -> bool:
    """Cancel what works beside the next closing order; say whether nothing works any more."""
    live = live_orders_of(work, position.id)
    others = [order for order in live if order.purpose not in CLOSING and not is_unrelated_order(work, position, order)]
    for order in others:
        _take_back(work, order, Cause.EXIT_CLOSES, position.exit_reason)
    closing = [order for order in live if order.purpose in CLOSING]
    for order in closing:
        if order.reason != position.exit_reason:
            _take_back(work, order, Cause.EXIT_TAKES_OVER, position.exit_reason)
        elif position.exit_reason == UNWIND and _closes_too_much(work, position, order):
            _take_back(work, order, Cause.HAS_PARTNER)
    opposed = crossing_entries(work, position)
    for order in opposed:
        _take_back(work, order, Cause.EXIT_GOES_FIRST, f"{position.exit_reason} of {position.id}")
    return not (others or closing or opposed)


def waits_for_first_quote(work: StateBuilder, position: Position) -> bool:
    """Say whether the working exit has filled and its rest has had no quote since the engine started.

    In the first seconds after a start it is unknown whether a wing that was left to expire has a bid.
    """
    if position.bot not in work.bots.by_name or position.state != "exiting" or live_orders_of(work, position.id):
        return False
    held = [leg for leg in position.common.legs if leg.held]
    unseen = [leg for leg in held if leg.sign > 0 and _was_never_quoted(work, leg)]
    if not unseen:
        known_again(work, position, NO_QUOTE)
    if not unseen or not all(leg in unseen or is_worthless_long(work, leg) for leg in held):
        return False
    if not exit_has_dealt(work, position):
        return False
    left = FIRST_QUOTE - (work.at - note_unknown(work, position, NO_QUOTE)).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
    return left > 0


def _was_never_quoted(work: StateBuilder, leg: PositionLeg) -> bool:
    board = work.market.board
    row = board.rows.get(leg.option, -1)
    return row < 0 or (isnan(board.bid[row]) and isnan(board.ask[row]))


def _take_back(work: StateBuilder, order: Order, cause: Cause, about: Name = "") -> None:
    """Have an order cancelled: one that was sent in this turn in the next, once it is on record as sent."""
    if order.ref in work.before.orders.by_ref:
        cancel(work, order, cause, about)
    else:
        wake(work, order.bot, 0.0)


def _closes_too_much(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether an order would close more than the unpartnered quantity: a leg filled after its cancel."""
    alone = {leg.name: count for leg, count in legs_to_close(position, governing(work, position))}
    left = zip(order.legs, order.unfilled, strict=True)
    return any(count > alone.get(leg.name, 0) for leg, count in left)


def protect_remaining(work: StateBuilder, position: Position) -> None:
    """Keep stops on short legs that an exit leaves open or cannot close.

    From the close to the next open this holds for all short legs and for single-leg resting orders, in case no engine
    runs then. Legs that a working closing order may still close get none.
    """
    if position.state != "exiting":
        return
    place_resting(work, position)
    position = work.positions.by_id[position.id]
    is_let_be = position.is_frozen and not buys_back(position)
    closing = set() if is_let_be else leg_names_to_close(work, position)
    at_work = (order for order in live_orders_of(work, position.id) if order.purpose in CLOSING)
    closing |= {leg.name for order in at_work for leg in order.legs_of(position.id)}
    place_protection(work, position, closing)


def _send_roll(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan) -> None:
    """Send the order that rolls, by what is offered now; without an offer the position stays open, or is closed.

    A position that the account holds otherwise than our books is not rolled.
    """
    if position.account_missing:
        _open_again(work, position, planned)
        return
    found = find_roll(work, position, bot, planned)
    if found.offer is not None:
        end_roll_search(work, position, planned)
        send_roll(work, work.positions.by_id[position.id], bot, planned, found.offer)
    elif found.missing:
        start_roll_search(work, position, planned, found.missing)
        _open_again(work, work.positions.by_id[position.id], planned)
    else:
        nothing_to_roll_into(work, position, planned, found)


def nothing_to_roll_into(work: StateBuilder, position: Position, planned: ExitPlan, found: RollCandidate) -> None:
    """Keep a position open, or close it, when its exit found nothing to roll into, as the exit says.

    When the engine stops, the session is over, or the account lacks the position, the decision is deferred.
    """
    assert planned.roll is not None
    is_later = work.requests.is_stopping or work.at >= work.schedule.session.close or is_suspect(work, position)
    if is_later or found.is_put_off:
        _open_again(work, position, planned)
        return
    position = record_no_roll(work, position, planned, found)
    if planned.roll.otherwise is OnUnknown.CLOSE:
        work_close(work, position)
    else:
        _open_again(work, position, planned)


def _open_again(work: StateBuilder, position: Position, planned: ExitPlan) -> None:
    """Let a position that was not rolled be open as before; what has lost its partner meanwhile is closed."""
    position = move_position(work, replace(position, exit_reason="", attempts=0, retry_at=None, leave_open=0), "ended")
    if not is_balanced_ignoring_worthless(work, partners(position, planned.legs)) or is_reopened(position):
        close_position(work, position, UNWIND, "legs are open without their partners")


def _withdraw(work: StateBuilder, position: Position, target: ExitPlan) -> None:
    """Reopen a position whose target is no longer met: its protective orders rest again.

    Fills of a partial exit count for that part. A target on the whole position acts again once it is met. Legs whose
    partners the order closed are closed too: an exchange may fill a combo in part.
    """
    lost = [order for order in orders_of(work, position.id) if order.cause is Cause.TARGET_LOST]
    again: dict[str, Json] = {"again": True} if len(lost) > 1 else {}
    work.record(Kind.DECISION, position.bot, position.id, what="withdrawn", reason=target.name, values=[], **again)
    acted = (
        position.partial_exits_done
        if exit_has_dealt(work, position)
        else without(position.partial_exits_done, target.name)
    )
    position = replace(position, exit_reason="", attempts=0, retry_at=None, leave_open=0, partial_exits_done=acted)
    position = move_position(work, position, "ended")
    set_bot(work, position.bot, replace(work.bots.by_name[position.bot], status_text=""))
    if _is_incomplete(work, position, target):
        close_position(work, position, UNWIND, "legs are open without their partners")
        return
    place_resting(work, position)
    place_protection(work, work.positions.by_id[position.id])


def _is_incomplete(work: StateBuilder, position: Position, target: ExitPlan) -> bool:
    """Say whether orders of a target have left legs without their partners, which others have not closed."""
    if position.account_missing or position.closed_by_others:
        return False
    has_dealt = any(order.has_fills for order in orders_of(work, position.id) if order.reason == target.name)
    return has_dealt and not is_balanced_ignoring_worthless(work, partners(position, target.legs))


def without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the names but for one."""
    return tuple(each for each in names if each != name)


def _send_closing(work: StateBuilder, position: Position) -> None:
    bot = governing(work, position)
    if (rolling := rolling_exit(bot, position)) is not None:
        _send_roll(work, position, bot, rolling)
        return
    found = next_close_legs(work, position, bot)
    if found is None:
        return
    legs, structures = found
    if not clear_for_exit(work, position, legs):
        return
    attempt = position.attempts + 1
    target = target_at_work(work, position)
    if target is not None and is_met(work, position, target, legs) is False:
        _withdraw(work, position, target)
        return
    ladder = closing_ladder(work, position, attempt)
    at_market = ladder.start is PriceFrom.MARKET or (ladder.then is OnUnfilled.MARKET and attempt > ladder.tries)
    parts = order_parts(legs, legs[0].side)
    quote = net_quote(parts, work.market.board, work.now, closing=True, reported=work.market.facts.ticks)
    net = None
    bound, missing = bound_of(work, position, legs)
    if at_market and is_beyond(quote, bound):
        at_market, ladder = False, to_natural(ladder)
    if not at_market:
        if not missing:
            net, missing = closing_net(ladder, quote, parts, attempt, bound)
        if net is None:
            text = f"no price to close at: {missing}; '{position.exit_reason}' waits for one"
            alarm_of_price(work, position.bot, text, position.id)
            if is_beyond(quote, bound) or not has_waited_for_price(work, position, ladder, attempt):
                wake(work, position.bot, RECHECK)  # a quote that comes has it judged at once
                return
            at_market, attempt = True, ladder.tries + 1
    if at_market and (reason := not_trading(work, [leg.option.symbol for leg in legs])):
        _wait_for_trading(work, position, reason)
        return
    price_is_there(work, position)
    check_exit_price(work, position, parts, quote, net)
    position = work.positions.by_id[position.id]
    mid = None if quote.mid is None else Decimal(f"{quote.mid:.4f}")
    purpose = Purpose.UNWIND if position.exit_reason == UNWIND else Purpose.EXIT
    order = draft(
        ticket(work, position, purpose, position.exit_reason),
        legs,
        structures,
        OrderType.MARKET if at_market else OrderType.LIMIT,
        net=net,
        mid=mid,
        adaptive=priority(ladder, attempt) if not at_market else "",
        attempt=attempt,
        attempt_until=work.at + timedelta(seconds=ladder.wait),
    )
    exit_mid = position.exit_mid if position.exit_mid is not None else of_structure(position, legs, mid)
    put_position(work, replace(position, attempts=attempt, retry_at=None, exit_mid=exit_mid))
    send_order(work, order)


def _wait_for_trading(work: StateBuilder, position: Position, reason: str) -> None:
    """Send no market order during a halt: it would fill at whatever price trading resumes.

    The ladder then restarts with its limits, and waits for a price as long as at first.
    """
    alarm(work, position.bot, f"{reason}: no market order is sent, '{position.exit_reason}' waits", position.id)
    put_position(work, replace(position, attempts=0))
    price_is_there(work, position)
    wake(work, position.bot, RECHECK)


# --- The next try of a closing order or a roll

MARKET_PATIENCE = timedelta(seconds=10)
"""How long until a market order that does not fill is looked at: as long as it has worked, no less than this, and no
more than LONGEST_PATIENCE. Each look is a record."""
LONGEST_PATIENCE = timedelta(seconds=30)


def next_closing_try(work: StateBuilder, fact: ClosingTryDue) -> None:
    """Take the next try of a closing order or a roll."""
    order = work.orders.by_ref[fact.ref]
    if order.kind is OrderType.MARKET:
        _keep_at_market(work, order)
        return
    position = work.positions.by_id[order.position]
    if order.opens_position:
        _next_roll_try(work, order, governing(work, position))
        return
    order = as_judged(work, order)
    if not may_wait(work, order):
        cancel(work, order, Cause.TARGET_LOST)
        return
    ladder = closing_ladder(work, position, order.attempt + 1)
    if order.unmet_since is not None and is_new_order(ladder, order):
        count_try(work, order, ladder)
        return
    if ladder.start is PriceFrom.MARKET or (ladder.then is OnUnfilled.MARKET and order.attempt >= ladder.tries):
        _go_to_market(work, order, ladder)
        return
    if is_new_order(ladder, order):
        cancel(work, order, Cause.NEXT_TRY)
        return
    bound, missing = bound_of(work, position, order.legs)
    if missing:
        alarm_of_price(work, order.bot, f"no price for the next try: {missing}", order.position)
        return
    if _waits_without_wing(work, order, bound):
        cancel(work, order, Cause.NEXT_TRY)
        return
    _reprice(work, order, ladder, bound)


def _waits_without_wing(work: StateBuilder, order: Order, bound: Bound) -> bool:
    """Say whether an order waits at its bound and would also close a wing that has a bid again."""
    position = work.positions.by_id[order.position]
    is_at_bound = is_beyond(_quote_of(work, order), bound)
    return is_at_bound and lacks_a_wing(work, position, governing(work, position), order)


def _quote_of(work: StateBuilder, order: Order) -> NetQuote:
    parts = order_parts(order.legs, order.side)
    return net_quote(parts, work.market.board, work.now, closing=True, reported=work.market.facts.ticks)


def _go_to_market(work: StateBuilder, order: Order, ladder: Ladder) -> None:
    """Cancel a limit order for a market order; it waits at its bound where the market would deal beyond that."""
    bound, _ = bound_of(work, work.positions.by_id[order.position], order.legs)
    if is_beyond(_quote_of(work, order), bound) and not _waits_without_wing(work, order, bound):
        _reprice(work, order, to_natural(ladder), bound)
    else:
        cancel(work, order, Cause.MARKET_FOLLOWS)


def _next_roll_try(work: StateBuilder, order: Order, bot: CompiledBot) -> None:
    """Step the limit of a roll, never past its requirements; after the last allowed try, nothing was found.

    During a halt a step is no try: the order keeps working.
    """
    if not_trading(work, [leg.option.symbol for leg in order.legs]):
        return
    planned = planned_exit(bot, order.reason)
    if planned is None or order.attempt >= planned.order.tries:
        cancel(work, order, Cause.TRIES_USED_UP)
        return
    net, missing, is_out_of_band = next_ladder_price(work, order, bot, planned)
    if net is None and sells_worthless(work, order):
        cancel(work, order, Cause.NO_BID_TO_ROLL, detail=missing)
        return
    if net is None:
        alarm_of_price(work, order.bot, f"no price for the next try: {missing}", order.position)
        if is_out_of_band:
            cancel(work, order, Cause.NO_PRICE, detail=missing)
        return
    offer(work, order, planned.order, net)


def _keep_at_market(work: StateBuilder, order: Order) -> None:
    """Keep a market order working; cancel a combo when one of its legs has no bid."""
    quote = net_quote(order_parts(order.legs, order.side), work.market.board, work.now, closing=True)
    if order.is_combo and quote.fault is QuoteFault.NO_BID:
        cancel(work, order, Cause.NO_BID, detail=quote.missing)
        return
    worked = work.at - (order.sent_at or work.at)
    patience = min(max(worked, MARKET_PATIENCE), LONGEST_PATIENCE)
    put_order(work, replace(order, attempt_until=work.at + patience))


def _reprice(work: StateBuilder, order: Order, ladder: Ladder, bound: Bound) -> None:
    """Step the limit; without a sound quote the order stays as it is until there is one."""
    parts = order_parts(order.legs, order.side)
    quote = _quote_of(work, order)
    net, missing = closing_net(ladder, quote, parts, order.attempt + 1, bound)
    if net is None:
        if order.is_combo and quote.fault is QuoteFault.NO_BID:
            cancel(work, order, Cause.NO_BID, detail=quote.missing)
        else:
            alarm_of_price(work, order.bot, f"no price for the next try: {missing}", order.position)
            _go_to_market_without_quote(work, order, ladder)
        return
    price_is_there(work, work.positions.by_id[order.position])
    waits_at_target = target_at_work(work, work.positions.by_id[order.position]) is not None
    if not waits_at_target and order.attempt >= ladder.tries and is_the_last(net, quote, parts, bound):
        text = f"'{order.reason}' waits at {abs(net)} for {order.position}"
        alarm(work, order.bot, f"{text}: more is asked than its legs can be worth", order.position)
    offer(work, order, ladder, net)


def _go_to_market_without_quote(work: StateBuilder, order: Order, ladder: Ladder) -> None:
    """Take a closing order back whose ladder ends at market once its tries would be over, though none has a price."""
    position = work.positions.by_id[order.position]
    if has_waited_for_price(work, position, ladder, order.attempt + 1):
        put_position(work, replace(position, attempts=ladder.tries))
        cancel(work, order, Cause.NO_QUOTES)
