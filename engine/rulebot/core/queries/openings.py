"""What an opening order would open, and why it may not."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import is_opening
from rulebot.core.state.state import Named
from rulebot.decide.limits import price_problem
from rulebot.evaluate.strikes import StructureSelection
from rulebot.model.cause import Text
from rulebot.model.order import Order, OrderStatus
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import NetQuote, Part, is_past_zero, price_band

NOT_OURS = "cancelled at the broker, and not by us"
LATE = timedelta(minutes=1)
"""How long after it was due a try is still sent once the window is over."""


def bot_of_named(whole: CompiledBot, named: Named) -> CompiledBot | None:
    """Return the bot as the symbol and alternative of a named structure, None where its text has none such."""
    try:
        return whole.on(named.symbol).taking(named.alternative)
    except KeyError:
        return None


def held_or_entering(work: StateBuilder, position: Position) -> list[PositionLeg]:
    """Return the legs that a position holds, or that its working entry may fill at any moment."""
    return list(position.legs) if is_opening(work, position) else [leg for leg in position.legs if leg.held]


def opening_parts(selection: StructureSelection) -> tuple[Part, ...]:
    """Return the legs that opening one selected structure trades."""
    return tuple(Part(leg.option, -leg.sign, leg.price_multiplier) for leg in selection.legs)


def why_over(order: Order, *, asked: bool) -> str:
    """Return why an entry is over; `asked`: we wanted it back."""
    is_by_others = order.is_silent or order.last_message is not None
    if order.status is OrderStatus.CANCELLED and not asked and is_by_others:
        return f"{NOT_OURS}: {order.said}" if order.said else NOT_OURS
    is_refused = order.status in (OrderStatus.REJECTED, OrderStatus.RISK_REJECTED)
    return order.message or ("refused" if is_refused else "not filled")


class Unpriced(Enum):
    """Why an order has no price. Its text for people is made by `unpriced_text`."""

    UNQUOTED = "unquoted"
    OUT_OF_BAND = "out_of_band"
    PAST_ZERO = "past_zero"


_TEXTS = {
    Unpriced.OUT_OF_BAND: "too far from the mid (price_band)",
    Unpriced.PAST_ZERO: "below zero, as it may cost less than one tick",
}
"""Reason of a cancelled entry, and of an order not sent at such a price."""


def free_id(work: StateBuilder, name: str, day: date, number: int) -> str:
    """Return a free id, from this number on.

    Entries that were replaced by another strike do not count but keep their ids, as do rolled positions.
    """
    number += work.orders.order_number_floor
    while (found := f"{name}-{day:%Y%m%d}-{number}") in work.positions.by_id:
        number += 1
    return found


def no_price(work: StateBuilder, parts: tuple[Part, ...], quote: NetQuote, net: Decimal | None) -> Unpriced | None:
    """Return why no order can be priced now, None when one can; the band holds at every try, not at the first alone."""
    if net is None or quote.mid is None:
        return Unpriced.UNQUOTED
    if is_past_zero(net, parts):
        return Unpriced.PAST_ZERO
    band = price_band(work.program.limits.price_band, parts, work.market.board)
    return Unpriced.OUT_OF_BAND if price_problem(net, Decimal(f"{quote.mid:.4f}"), band) else None


def unpriced_text(why: Unpriced, quote: NetQuote) -> Text:
    """Describe why an order has no price, by the quotes of its legs."""
    return _TEXTS.get(why, quote.brief)


def comes_too_late(work: StateBuilder, bot: CompiledBot, due: datetime | None) -> bool:
    """Say whether a try is overdue and the window is over: no engine ran, or it had no price."""
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
