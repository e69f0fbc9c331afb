"""Entry orders: the position they open, their stages when legs go one after the other, and their numbers."""

from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.emit.orders import cancel, count_try, is_new_order, offer, ticket
from rulebot.core.entry.structure_selection import awaits_quotes, still_holds
from rulebot.core.facts import EntryTryDue
from rulebot.core.gate.halts import halts_at_a_try
from rulebot.core.gate.price_limits import entry_bound
from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import is_unwound
from rulebot.core.queries.entry_blocks import waits_for_reload
from rulebot.core.queries.openings import Unpriced, comes_too_late, free_id, legs_to_open, no_price, unpriced_text
from rulebot.core.rules.selections import record_selection
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_day, put_position, send_order, set_bot
from rulebot.core.state.lists import governing, has_live_entry, orders_of
from rulebot.core.state.turn import alarm, alarm_of_price
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import View
from rulebot.model.cause import Cause
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import loss_bound
from rulebot.model.market import level_of
from rulebot.model.order import Order, OrderType, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import (
    Bound,
    NetQuote,
    draft,
    ladder_price,
    net_quote,
    opening_legs,
    order_parts,
    priority,
)
from rulebot.record.record import BY_HAND, IS_NAMED, Json, Kind
from rulebot.spec.spec import Order as Ladder
from rulebot.spec.spec import PriceFrom

PAST_EXITS = "the time has come at which its exits close all"


def send_entry(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, quote: NetQuote
) -> None:
    plan = bot.plan
    day = work.bots.by_name[plan.name].day
    spot = level_of(view.board, plan.underlyings[0], view.now)
    worst = loss_bound(selection.legs, Decimal(f"{view.start_price or 0.0:.4f}"), is_covered=view.is_covered)
    own = day.of_member(bot.symbol)
    again = 1 if own.tried else 0
    day = day.count(bot.symbol, 1).note(bot.symbol, reentries=own.reentries + again, last_end="", last_end_at=None)
    put_day(work, day)
    position = Position(
        id=free_id(work, plan.name, day.date, day.entries),
        bot=plan.name,
        digest=plan.digest,
        state="flat",
        session=day.date,
        quantity=view.quantity,
        legs=legs_to_open(selection),
        entry_mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
        spot=None if spot is None else Decimal(f"{spot:.2f}"),
        max_risk=None if worst is None else worst * LOT,
        alternative=bot.alternative,
    )
    work.record(
        Kind.DECISION, plan.name, position.id, what="enter", reason=_reason(work, bot), values=[], **_of(work, bot)
    )
    record_selection(work, bot, view, selection, "", position.id)
    put_position(work, position)
    position = move_position(work, position, "enter")
    set_bot(
        work,
        plan.name,
        replace(
            work.bots.by_name[plan.name], since=work.at, grid_since=None, is_watching=False, is_waiting_to_enter=False
        ),
    )
    send_opening(work, bot, position, attempt=1)


def _reason(work: StateBuilder, bot: CompiledBot) -> str:
    if work.bots.by_name[bot.plan.name].manual_entry_until is not None:
        return "asked by the operator"
    return f"all conditions hold: {bot.alternative}" if bot.alternative else "all conditions hold"


def _of(work: StateBuilder, bot: CompiledBot) -> dict[str, Json]:
    """Return which symbol and alternative it is, where there are several, and whether a person asked for it."""
    state = work.bots.by_name[bot.plan.name]
    by_hand = state.manual_entry_until is not None
    is_named = by_hand and state.named is not None
    reported = (("symbol", bot.symbol), ("alternative", bot.alternative), (BY_HAND, by_hand), (IS_NAMED, is_named))
    return {name: said for name, said in reported if said}


def send_opening(work: StateBuilder, bot: CompiledBot, position: Position, attempt: int) -> Order | None:
    """Send the position's next opening order: all legs as one, or the next of `leg_by_leg`.

    Return None when nothing remains to send or there is no price yet (it is tried again shortly).
    """
    ladder = bot.plan.order
    found = next_stage(work, bot, position)
    if found is None:
        return None
    legs, quantity = found
    order_legs = opening_legs(legs)
    quote, net, unpriced = _priced(work, bot, position, legs, attempt)
    at_market = ladder.start is PriceFrom.MARKET
    if unpriced:
        raise_alarm = alarm_of_price if quote.fault else alarm
        raise_alarm(work, position.bot, f"no price for the entry: {unpriced_text(unpriced, quote)}", position.id)
        if position.retry_at is None or position.attempts != attempt:
            put_position(work, replace(position, retry_at=work.at, attempts=attempt))
        return None
    order = draft(
        ticket(work, position, Purpose.ENTRY, "entry"),
        order_legs,
        quantity,
        OrderType.MARKET if at_market else OrderType.LIMIT,
        net=net,
        mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
        adaptive=priority(ladder, attempt),
        attempt=attempt,
        attempt_until=work.at + timedelta(seconds=ladder.wait),
    )
    put_position(work, replace(work.positions.by_id[position.id], retry_at=None, attempts=attempt))
    set_bot(work, position.bot, replace(work.bots.by_name[position.bot], status_text="a fill"))
    return send_order(work, order)


def kept_back(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return why the next opening order of a position is not sent at its price, "" when it is sent or has none."""
    found = next_stage(work, bot, position)
    if found is None:
        return ""
    quote, _, unpriced = _priced(work, bot, position, found[0], position.attempts)
    return "" if unpriced in (None, Unpriced.UNQUOTED) else unpriced_text(unpriced, quote)


def _priced(
    work: StateBuilder, bot: CompiledBot, position: Position, legs: tuple[PositionLeg, ...], attempt: int
) -> tuple[NetQuote, Decimal | None, Unpriced | None]:
    """Return the quote of legs that are to be opened, the price of this try, and why it is not sent, None if it is."""
    ladder, order_legs = bot.plan.order, opening_legs(legs)
    parts = order_parts(order_legs, order_legs[0].side)
    quote = net_quote(parts, work.market.board, work.now, reported=work.market.facts.ticks)
    net = ladder_price(ladder, quote, parts, attempt, entry_bound(work, bot, position, legs))
    at_market = ladder.start is PriceFrom.MARKET and quote.natural is not None
    judged = Decimal(f"{quote.natural:.4f}") if at_market else net
    return quote, net, no_price(work, parts, quote, judged)


def next_stage(work: StateBuilder, bot: CompiledBot, position: Position) -> tuple[tuple[PositionLeg, ...], int] | None:
    """Return the legs to open next and how many structures; None when nothing remains, or an order works."""
    if has_live_entry(work, position.id):
        return None
    sequence = bot.plan.order.leg_by_leg
    if not sequence:
        missing = position.quantity - position.structures
        return (position.legs, missing) if missing > 0 else None
    by_name = {leg.name: leg for leg in position.legs}
    sent = [leg.name for o in orders_of(work, position.id) if o.purpose is Purpose.ENTRY for leg in o.legs]
    structures = position.quantity
    for name in sequence:
        leg = by_name[name]
        missing = structures - leg.opened // leg.ratio
        is_tried_again = name == sent[-1] and position.attempts > 1 if sent else False
        if missing > 0 and (name not in sent or is_tried_again):
            return (leg,), missing
        structures = min(structures, leg.opened // leg.ratio)
    return None


def entry_due(position: Position, at: datetime) -> bool:
    """Say whether an entering position's next try is due."""
    return position.state == "entering" and position.retry_at is not None and at >= position.retry_at


# --- The next try of an entry


def next_entry_try(work: StateBuilder, fact: EntryTryDue) -> None:
    """Take the next try of an entry's order, unless nothing may be opened any more."""
    order = work.orders.by_ref[fact.ref]
    position = work.positions.by_id[order.position]
    bot = governing(work, position)
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
    quote = net_quote(parts, work.market.board, work.now, closing=False, reported=work.market.facts.ticks)
    net = ladder_price(ladder, quote, parts, order.attempt + 1, bound)
    if net is None:
        alarm_of_price(work, order.bot, f"no price for the next try: {quote.brief}", order.position)
    elif unpriced := no_price(work, parts, quote, net):
        reason = unpriced_text(unpriced, quote)
        alarm_of_price(work, order.bot, f"no price for the next try: {reason}", order.position)
        cancel(work, order, Cause.NO_PRICE, detail=reason)
    else:
        offer(work, order, ladder, net)
