"""Entry orders: the position they open, their stages when legs go one after the other, and their numbers."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from rulebot.core.entry.structure_selection import record_selection
from rulebot.core.gate.price_limits import entry_bound
from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.decide.limits import price_problem
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import View
from rulebot.model.cause import Text
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import loss_bound
from rulebot.model.market import level_of
from rulebot.model.order import Order, OrderType, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import (
    NetQuote,
    Part,
    Ticket,
    draft,
    is_past_zero,
    ladder_price,
    net_quote,
    opening_legs,
    order_parts,
    price_band,
    priority,
)
from rulebot.record.record import BY_HAND, IS_NAMED, Json, Kind
from rulebot.spec.spec import PriceFrom

LATE = timedelta(minutes=1)
"""How long after it was due a try is still sent once the window is over."""
PAST_EXITS = "the time has come at which its exits close all"


class Unpriced(Enum):
    """Why an order has no price. Its text for people is made by `unpriced_text`."""

    UNQUOTED = "unquoted"
    OUT_OF_BAND = "out_of_band"
    PAST_ZERO = "past_zero"


_TEXTS = {
    Unpriced.OUT_OF_BAND: "too far from the mid (price_band)",
    Unpriced.PAST_ZERO: "below zero, as it may cost less than one tick",
}
"""Why an entry is taken back, and why an order is sent at no such price."""


def send_entry(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, quote: NetQuote
) -> None:
    plan = bot.plan
    day = work.bots.by_name[plan.name].day
    spot = level_of(view.board, plan.underlyings[0], view.now)
    worst = loss_bound(selection.legs, Decimal(f"{view.start_price or 0.0:.4f}"), is_covered=view.is_covered)
    own = day.of_member(bot.symbol)
    again = 1 if own.tried else 0
    day = day.count(bot.symbol, 1).note(bot.symbol, agains=own.agains + again, last_end="", last_end_at=None)
    work.put_day(day)
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
    work.put_position(position)
    position = work.move(position, "enter")
    work.set_bot(
        plan.name,
        replace(work.bots.by_name[plan.name], since=work.at, grid_since=None, is_watching=False, is_clearing=False),
    )
    send_opening(work, bot, position, attempt=1)


def _reason(work: StateBuilder, bot: CompiledBot) -> str:
    if work.bots.by_name[bot.plan.name].by_hand is not None:
        return "asked by the operator"
    return f"all conditions hold: {bot.alternative}" if bot.alternative else "all conditions hold"


def _of(work: StateBuilder, bot: CompiledBot) -> dict[str, Json]:
    """Return which symbol and alternative it is, where there are several, and whether a person asked for it."""
    state = work.bots.by_name[bot.plan.name]
    by_hand = state.by_hand is not None
    is_named = by_hand and state.named is not None
    told = (("symbol", bot.symbol), ("alternative", bot.alternative), (BY_HAND, by_hand), (IS_NAMED, is_named))
    return {name: said for name, said in told if said}


def free_id(work: StateBuilder, name: str, day: date, number: int) -> str:
    """Return an id of its own, from this number on.

    Entries that another strike was tried for do not count, but keep theirs, and so does what was rolled into.
    """
    number += work.orders.named_above
    while (found := f"{name}-{day:%Y%m%d}-{number}") in work.positions.by_id:
        number += 1
    return found


def send_opening(work: StateBuilder, bot: CompiledBot, position: Position, attempt: int) -> Order | None:
    """Send the position's next opening order: all legs as one, or the next of `leg_by_leg`.

    Returns None when nothing is left to send or there is no price to send it at (then it is tried again shortly).
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
        alarm = work.alarm_of_price if quote.fault else work.alarm
        alarm(position.bot, f"no price for the entry: {unpriced_text(unpriced, quote)}", position.id)
        if position.retry_at is None or position.attempts != attempt:
            work.put_position(replace(position, retry_at=work.at, attempts=attempt))
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
    work.put_position(replace(work.positions.by_id[position.id], retry_at=None, attempts=attempt))
    work.set_bot(position.bot, replace(work.bots.by_name[position.bot], waits="a fill"))
    return work.send(order)


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
    quote = net_quote(parts, work.market.board, work.now, told=work.market.facts.ticks)
    net = ladder_price(ladder, quote, parts, attempt, entry_bound(work, bot, position, legs))
    at_market = ladder.start is PriceFrom.MARKET and quote.natural is not None
    judged = Decimal(f"{quote.natural:.4f}") if at_market else net
    return quote, net, no_price(work, parts, quote, judged)


def no_price(work: StateBuilder, parts: tuple[Part, ...], quote: NetQuote, net: Decimal | None) -> Unpriced | None:
    """Return why no order can be priced now, None when one can; the band holds at every try, not at the first alone."""
    if net is None or quote.mid is None:
        return Unpriced.UNQUOTED
    if is_past_zero(net, parts):
        return Unpriced.PAST_ZERO
    band = price_band(work.program.limits.price_band, parts, work.market.board)
    return Unpriced.OUT_OF_BAND if price_problem(net, Decimal(f"{quote.mid:.4f}"), band) else None


def unpriced_text(why: Unpriced, quote: NetQuote) -> Text:
    """Return what people are told of an order without a price, by the quote of its legs."""
    return _TEXTS.get(why, quote.brief)


def next_stage(work: StateBuilder, bot: CompiledBot, position: Position) -> tuple[tuple[PositionLeg, ...], int] | None:
    """Return the legs to open next and how many structures of them; None when nothing is left, or an order works."""
    if work.has_live_entry(position.id):
        return None
    sequence = bot.plan.order.leg_by_leg
    if not sequence:
        missing = position.quantity - position.structures
        return (position.legs, missing) if missing > 0 else None
    by_name = {leg.name: leg for leg in position.legs}
    sent = [leg.name for o in work.orders_of(position.id) if o.purpose is Purpose.ENTRY for leg in o.legs]
    structures = position.quantity
    for name in sequence:
        leg = by_name[name]
        missing = structures - leg.opened // leg.ratio
        is_tried_again = name == sent[-1] and position.attempts > 1 if sent else False
        if missing > 0 and (name not in sent or is_tried_again):
            return (leg,), missing
        structures = min(structures, leg.opened // leg.ratio)
    return None


def ticket(work: StateBuilder, position: Position, purpose: Purpose, reason: str) -> Ticket:
    """Return the name of a new order."""
    number, order_id = work.take_numbers()
    return Ticket(
        work.ref(number), number, order_id, position.bot, position.id, purpose, reason, position.digest, work.at
    )


def entry_due(position: Position, at: datetime) -> bool:
    """Say whether an entering position's next try is due."""
    return position.state == "entering" and position.retry_at is not None and at >= position.retry_at


def comes_too_late(work: StateBuilder, bot: CompiledBot, due: datetime | None) -> bool:
    """Say whether a try has long been due, and the window is over: nobody was there to send it, or it had no price."""
    if due is None or work.at - due < LATE:
        return False
    start, end = bot.window(work.schedule.session, due)
    return not start <= due <= work.at < end


def is_past_exits(work: StateBuilder, bot: CompiledBot, prepared_at: datetime) -> bool:
    """Say whether `time` exits close all since an entry was made: what it opens would be closed at once."""
    session = work.schedule.session
    latest = bot.latest_entry(session)
    return prepared_at < latest < session.close and latest <= work.at


def legs_to_open(selection: StructureSelection) -> tuple[PositionLeg, ...]:
    """Return the legs of a position that is still to be opened."""
    return tuple(
        PositionLeg(name=leg.name, option=leg.option, sign=leg.sign, ratio=leg.ratio, group=leg.group)
        for leg in selection.legs
    )
