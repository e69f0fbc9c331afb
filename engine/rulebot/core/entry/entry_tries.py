"""The next try of an entry: another price, another order, or its end."""

from rulebot.core.emit.cancel import cancel
from rulebot.core.emit.ladder import count_try, is_new_order, offer
from rulebot.core.entry.structure_selection import awaits_quotes, still_holds
from rulebot.core.facts import EntryTryDue
from rulebot.core.gate.halts import halts_at_a_try
from rulebot.core.gate.price_limits import entry_bound
from rulebot.core.queries.close_plan import is_unwound
from rulebot.core.queries.entry_blocks import waits_for_reload
from rulebot.core.queries.openings import comes_too_late, no_price, unpriced_text
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderType
from rulebot.order.price import Bound, ladder_price, net_quote, order_parts
from rulebot.spec.spec import Order as Ladder


def next_entry_try(work: StateBuilder, fact: EntryTryDue) -> None:
    """Take the next try of an entry's order, unless nothing may be opened any more."""
    order = work.orders.by_ref[fact.ref]
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
    if is_new_order(ladder, order):
        cancel(work, order, Cause.NEXT_TRY)
        return
    if order.kind is OrderType.MARKET:
        count_try(work, order, ladder)
        return
    legs = tuple(leg for leg in position.legs if leg.name in {each.name for each in order.legs})
    _reprice(work, order, ladder, entry_bound(work, bot, position, legs))


def _reprice(work: StateBuilder, order: Order, ladder: Ladder, bound: Bound) -> None:
    """Step the limit; without a sound quote the order stays as it is until there is one."""
    parts = order_parts(order.legs, order.side)
    quote = net_quote(parts, work.market.board, work.now, closing=False, told=work.market.facts.ticks)
    net = ladder_price(ladder, quote, parts, order.attempt + 1, bound)
    if net is None:
        work.alarm_of_price(order.bot, f"no price for the next try: {quote.brief}", order.position)
    elif unpriced := no_price(work, parts, quote, net):
        reason = unpriced_text(unpriced, quote)
        work.alarm_of_price(order.bot, f"no price for the next try: {reason}", order.position)
        cancel(work, order, Cause.NO_PRICE, detail=reason)
    else:
        offer(work, order, ladder, net)
