"""Orders that work, followed until they are done: the ladder's next step, its end, and silence."""

from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.emit.cancel import cancel, request_cancel
from rulebot.core.entry.structure_selection import awaits_quotes, still_holds
from rulebot.core.exits.rolling import next_ladder_price, sells_worthless
from rulebot.core.exits.target_price import as_judged, bound_of, closing_ladder, may_wait, target_at_work
from rulebot.core.gate.exit_retry import has_waited_for_price, price_is_there
from rulebot.core.gate.halts import halts_at_a_try
from rulebot.core.gate.price_limits import entry_bound
from rulebot.core.orders.order_updates import finalize_order
from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import (
    CLOSING,
    closing_net,
    is_beyond,
    is_unwound,
    lacks_a_wing,
    planned_exit,
    to_natural,
)
from rulebot.core.queries.entry_blocks import not_trading, waits_for_reload
from rulebot.core.queries.openings import comes_too_late, is_past_exits, no_price, unpriced_text
from rulebot.core.queries.orders import GRACE, RESTING, has_reason, is_not_found
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause
from rulebot.model.market import QuoteFault
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Replace, TimeInForce
from rulebot.model.values import replace
from rulebot.order.price import Bound, NetQuote, is_the_last, ladder_price, net_quote, order_parts, priority, wire_price
from rulebot.spec.spec import OnUnfilled, PriceFrom
from rulebot.spec.spec import Order as Ladder

MARKET_PATIENCE, LONGEST_PATIENCE = timedelta(seconds=10), timedelta(seconds=30)
"""How long until a market order that does not fill is looked at: as long as it has worked, within these. Each look is a
record."""
NOT_FOUND_PATIENCE = timedelta(minutes=1)
"""How long after "not found" an order that the broker has acknowledged is to be cancelled again."""
RESTING_PATIENCE = timedelta(seconds=0.3)
"""The same for one that rests: it is sent again within a second."""
REASON_PATIENCE = timedelta(seconds=1)
"""How long a refused order waits for the message that says why; it may come after the status."""
PAST_CLOSE = timedelta(seconds=5)
"""How long after the close an order of the day may take to be told over by itself. Options on indices and on some funds
are dealt in for a quarter of an hour more, and so long the broker lets it work."""
SILENCE = timedelta(seconds=10)
"""How long an order may stay without an answer before it is UNKNOWN."""


def advance_order(work: StateBuilder, order: Order) -> None:
    """Take the step that is due for a live order, if one is."""
    if order.ended is not None:
        patience = RESTING_PATIENCE if order.purpose in RESTING else REASON_PATIENCE
        left = (order.changed_at + patience - work.at).total_seconds()
        if left <= 0 and order.ended is OrderStatus.REFUSED and not has_reason(order):
            said = order.said
            why = "and nobody says why: it is taken back"
            text = f"is inactive and is taken back, the broker says: {said}" if said else f"is inactive, {why}"
            work.alarm(order.bot, f"{order.ref} {text}", order.position)
            is_told = order.last_message is not None
            cancel(work, replace(order, ended=None, heard=order.last_message), Cause.INACTIVE, heard=is_told)
        elif left <= 0:
            finalize_order(work, order)
        else:
            wake(work, order.bot, left)
        return
    if order.purpose is Purpose.ENTRY and order.status is not OrderStatus.CANCELLING and _is_past_exits(work, order):
        cancel(work, order, Cause.PAST_EXITS)
        return
    if _outlives_its_session(work, order):
        _end_with_its_session(work, order)
        return
    if order.status is OrderStatus.SENDING and order.sent_at is not None and work.at - order.sent_at >= SILENCE:
        _doubt(work, order)
        return
    if order.status is OrderStatus.UNKNOWN and work.at - (_unknown_since(order) or work.at) >= GRACE:
        if order.last_message is None:
            cancel(work, order, Cause.NOBODY_ANSWERS)
        else:
            cancel(work, replace(order, heard=order.last_message), Cause.BROKER_SAID, heard=True)
        return
    if order.attempt_until is None or work.at < order.attempt_until:
        return
    if order.status is OrderStatus.CANCELLING:
        _cancel_again(work, order)
    elif order.status is OrderStatus.WORKING and order.purpose is Purpose.ENTRY:
        _next_entry_try(work, order)
    elif order.status is OrderStatus.WORKING and order.purpose in CLOSING:
        _next_closing_try(work, order)


def _is_past_exits(work: StateBuilder, order: Order) -> bool:
    """Say whether an entry of which nothing has filled works on past the time at which exits close all."""
    position = work.positions.by_id[order.position]
    return position.is_flat and is_past_exits(work, work.governing(position), order.prepared_at)


def _outlives_its_session(work: StateBuilder, order: Order) -> bool:
    """Say whether an order of the day works on after the close: it has no further try, and nobody follows its fills."""
    is_of_the_day = order.status is OrderStatus.WORKING and order.time_in_force is TimeInForce.DAY
    return is_of_the_day and work.at >= work.schedule.session.close


def _end_with_its_session(work: StateBuilder, order: Order) -> None:
    """Take an order of the day back once the broker has had time to say that it is over."""
    left = (work.schedule.session.close + PAST_CLOSE - work.at).total_seconds()
    if left > 0:
        wake(work, order.bot, left)
    else:
        cancel(work, order, Cause.WINDOW_OVER if order.purpose is Purpose.ENTRY else Cause.SESSION_OVER)


def _doubt(work: StateBuilder, order: Order) -> None:
    """An order was not acknowledged: what became of it is UNKNOWN, also after words that are no refusal."""
    is_told = order.last_message is not None
    text = f"{order.ref} is neither taken nor refused, the broker says: {order.said}"
    work.alarm(order.bot, text if is_told else f"no answer about order {order.ref}", order.position)
    known = order if is_told else order.for_cause(Cause.NO_ANSWER)
    work.put_order(replace(known, status=OrderStatus.UNKNOWN))


def _cancel_again(work: StateBuilder, order: Order) -> None:
    """Ask once more for an order to be taken back, seldom when the broker has it and does not find it."""
    said = order.last_message
    if is_not_found(order):
        if order.perm_id and order.ref not in work.inquiries.absent:
            text = f"the broker has {order.ref} and does not find it to cancel it: a person must cancel it there"
            work.alarm(order.bot, text, order.position)
            request_cancel(work, order, NOT_FOUND_PATIENCE)
            return
    elif said is not None and order.perm_id:
        work.alarm(order.bot, f"{order.ref} was not cancelled, the broker says: {said.words}", order.position)
    else:
        work.alarm(order.bot, f"no answer to the cancel of {order.ref}", order.position)
    request_cancel(work, order)


def _unknown_since(order: Order) -> datetime | None:
    """Return since when a word of the broker is waited for; one that was acknowledged was missing from a list then."""
    return order.changed_at if order.perm_id else order.sent_at


def _next_entry_try(work: StateBuilder, order: Order) -> None:
    position = work.positions.by_id[order.position]
    bot = work.governing(position)
    ladder = bot.plan.order
    if order.attempt >= ladder.tries:
        cancel(work, order, Cause.TRIES_USED_UP)
        return
    if position.is_flat and waits_for_reload(work, order.bot):
        cancel(work, order, Cause.RELOAD_WAITS)
        return
    halt = halts_at_a_try(work, order.bot) if position.is_flat else ""
    is_legged = bool(ladder.leg_by_leg) and order.legs[0].name != ladder.leg_by_leg[0]
    is_lost = not halt and not is_legged and position.is_flat and not still_holds(work, bot, position)
    if halt or is_lost:
        if not awaits_quotes(work, order.bot):
            cause = Cause.CONDITIONS_LOST if is_lost else Cause.ENTRIES_BLOCKED
            cancel(work, work.orders.by_ref[order.ref], cause, detail=halt)
        return
    if is_unwound(position) and comes_too_late(work, bot, order.attempt_until):
        cancel(work, order, Cause.WINDOW_OVER)
        return
    if _is_new_order(ladder, order):
        cancel(work, order, Cause.NEXT_TRY)
        return
    if order.kind is OrderType.MARKET:
        _count_try(work, order, ladder)
        return
    legs = tuple(leg for leg in position.legs if leg.name in {each.name for each in order.legs})
    _reprice(work, order, ladder, entry_bound(work, bot, position, legs))


def _next_closing_try(work: StateBuilder, order: Order) -> None:
    if order.kind is OrderType.MARKET:
        _keep_at_market(work, order)
        return
    position = work.positions.by_id[order.position]
    if order.into:
        _next_roll_try(work, order, work.governing(position))
        return
    order = as_judged(work, order)
    if not may_wait(work, order):
        cancel(work, order, Cause.TARGET_LOST)
        return
    ladder = closing_ladder(work, position, order.attempt + 1)
    if order.unmet_since is not None and _is_new_order(ladder, order):
        _count_try(work, order, ladder)
        return
    if ladder.start is PriceFrom.MARKET or (ladder.then is OnUnfilled.MARKET and order.attempt >= ladder.tries):
        _go_to_market(work, order, ladder)
        return
    if _is_new_order(ladder, order):
        cancel(work, order, Cause.NEXT_TRY)
        return
    bound, missing = bound_of(work, position, order.legs)
    if missing:
        work.alarm_of_price(order.bot, f"no price for the next try: {missing}", order.position)
        return
    if _waits_without_wing(work, order, bound):
        cancel(work, order, Cause.NEXT_TRY)
        return
    _reprice(work, order, ladder, bound)


def _waits_without_wing(work: StateBuilder, order: Order, bound: Bound) -> bool:
    """Say whether an order waits at its bound, which would close with a wing that somebody bids for again."""
    position = work.positions.by_id[order.position]
    is_at_bound = is_beyond(_quote_of(work, order), bound)
    return is_at_bound and lacks_a_wing(work, position, work.governing(position), order)


def _quote_of(work: StateBuilder, order: Order) -> NetQuote:
    parts = order_parts(order.legs, order.side)
    return net_quote(parts, work.market.board, work.now, closing=True, told=work.market.facts.ticks)


def _go_to_market(work: StateBuilder, order: Order, ladder: Ladder) -> None:
    """Cancel a limit order for a market order; it waits at its bound where the market would deal beyond that."""
    bound, _ = bound_of(work, work.positions.by_id[order.position], order.legs)
    if is_beyond(_quote_of(work, order), bound) and not _waits_without_wing(work, order, bound):
        _reprice(work, order, to_natural(ladder), bound)
    else:
        cancel(work, order, Cause.MARKET_FOLLOWS)


def _next_roll_try(work: StateBuilder, order: Order, bot: CompiledBot) -> None:
    """Step the limit of a roll, never past what it requires; after the last try that it may have nothing was found.

    While nothing is dealt that is no try: it works on as it is.
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
        work.alarm_of_price(order.bot, f"no price for the next try: {missing}", order.position)
        if is_out_of_band:
            cancel(work, order, Cause.NO_PRICE, detail=missing)
        return
    _offer(work, order, planned.order, net)


def _is_new_order(ladder: Ladder, order: Order) -> bool:
    """Say whether the next try cannot be a change of this order: a pause comes first, or another priority."""
    return ladder.pause > 0 or priority(ladder, order.attempt + 1) != order.adaptive


def _keep_at_market(work: StateBuilder, order: Order) -> None:
    """A market order has no next try: it works on, unless nobody bids for one of its legs any more."""
    quote = net_quote(order_parts(order.legs, order.side), work.market.board, work.now, closing=True)
    if order.is_combo and quote.fault is QuoteFault.NO_BID:
        cancel(work, order, Cause.NO_BID, detail=quote.missing)
        return
    worked = work.at - (order.sent_at or work.at)
    patience = min(max(worked, MARKET_PATIENCE), LONGEST_PATIENCE)
    work.put_order(replace(order, attempt_until=work.at + patience))


def _reprice(work: StateBuilder, order: Order, ladder: Ladder, bound: Bound) -> None:
    """Step the limit; without a sound quote the order stays as it is until there is one."""
    parts = order_parts(order.legs, order.side)
    closing = order.purpose in CLOSING
    quote = net_quote(parts, work.market.board, work.now, closing=closing, told=work.market.facts.ticks)
    if closing:
        net, missing = closing_net(ladder, quote, parts, order.attempt + 1, bound)
    else:
        net, missing = ladder_price(ladder, quote, parts, order.attempt + 1, bound), quote.brief
    if net is None:
        if closing and order.is_combo and quote.fault is QuoteFault.NO_BID:
            cancel(work, order, Cause.NO_BID, detail=quote.missing)
        else:
            text = f"no price for the next try: {missing}"
            work.alarm_of_price(order.bot, text, order.position)
            if closing:
                _go_to_market_blind(work, order, ladder)
        return
    if closing:
        price_is_there(work, work.positions.by_id[order.position])
        waits_at_target = target_at_work(work, work.positions.by_id[order.position]) is not None
        if not waits_at_target and order.attempt >= ladder.tries and is_the_last(net, quote, parts, bound):
            text = f"'{order.reason}' waits at {abs(net)} for {order.position}"
            work.alarm(order.bot, f"{text}: more is asked than its legs can be worth", order.position)
    if order.purpose is Purpose.ENTRY and (unpriced := no_price(work, parts, quote, net)):
        reason = unpriced_text(unpriced, quote)
        work.alarm_of_price(order.bot, f"no price for the next try: {reason}", order.position)
        cancel(work, order, Cause.NO_PRICE, detail=reason)
        return
    _offer(work, order, ladder, net)


def _go_to_market_blind(work: StateBuilder, order: Order, ladder: Ladder) -> None:
    """Take a closing order back whose ladder ends at market once its tries would be over, though none has a price."""
    position = work.positions.by_id[order.position]
    if has_waited_for_price(work, position, ladder, order.attempt + 1):
        work.put_position(replace(position, attempts=ladder.tries))
        cancel(work, order, Cause.NO_QUOTES)


def _offer(work: StateBuilder, order: Order, ladder: Ladder, net: Decimal) -> None:
    price = wire_price(net, order.side)
    changed = _count_try(work, order.with_terms(order.quantity, price), ladder)
    if price != order.limit_price:
        work.commands.append(Replace(changed))


def _count_try(work: StateBuilder, order: Order, ladder: Ladder) -> Order:
    """Begin the next try of an order that works on; one at market has no price that could change."""
    attempt = order.attempt + 1
    changed = replace(order, attempt=attempt, attempt_until=work.at + timedelta(seconds=ladder.wait))
    work.put_order(changed)
    work.put_position(replace(work.positions.by_id[order.position], attempts=attempt))
    return changed
