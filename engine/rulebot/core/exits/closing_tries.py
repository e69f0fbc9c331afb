"""The next try of a closing order or a roll: another price, the market, or another order."""

from datetime import timedelta

from rulebot.core.emit.cancel import cancel
from rulebot.core.emit.ladder import count_try, is_new_order, offer
from rulebot.core.exits.rolling import next_ladder_price, sells_worthless
from rulebot.core.exits.target_price import as_judged, bound_of, closing_ladder, may_wait, target_at_work
from rulebot.core.facts import ClosingTryDue
from rulebot.core.gate.exit_retry import has_waited_for_price, price_is_there
from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import closing_net, is_beyond, lacks_a_wing, planned_exit, to_natural
from rulebot.core.queries.entry_blocks import not_trading
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause
from rulebot.model.market import QuoteFault
from rulebot.model.order import Order, OrderType
from rulebot.model.values import replace
from rulebot.order.price import Bound, NetQuote, is_the_last, net_quote, order_parts
from rulebot.spec.spec import OnUnfilled, PriceFrom
from rulebot.spec.spec import Order as Ladder

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
        _next_roll_try(work, order, work.governing(position))
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
    offer(work, order, planned.order, net)


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
    quote = _quote_of(work, order)
    net, missing = closing_net(ladder, quote, parts, order.attempt + 1, bound)
    if net is None:
        if order.is_combo and quote.fault is QuoteFault.NO_BID:
            cancel(work, order, Cause.NO_BID, detail=quote.missing)
        else:
            work.alarm_of_price(order.bot, f"no price for the next try: {missing}", order.position)
            _go_to_market_blind(work, order, ladder)
        return
    price_is_there(work, work.positions.by_id[order.position])
    waits_at_target = target_at_work(work, work.positions.by_id[order.position]) is not None
    if not waits_at_target and order.attempt >= ladder.tries and is_the_last(net, quote, parts, bound):
        text = f"'{order.reason}' waits at {abs(net)} for {order.position}"
        work.alarm(order.bot, f"{text}: more is asked than its legs can be worth", order.position)
    offer(work, order, ladder, net)


def _go_to_market_blind(work: StateBuilder, order: Order, ladder: Ladder) -> None:
    """Take a closing order back whose ladder ends at market once its tries would be over, though none has a price."""
    position = work.positions.by_id[order.position]
    if has_waited_for_price(work, position, ladder, order.attempt + 1):
        work.put_position(replace(position, attempts=ladder.tries))
        cancel(work, order, Cause.NO_QUOTES)
