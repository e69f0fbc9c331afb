"""When something is due, and which quotes are awaited for it."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

from rulebot.compile.plan import Call, ExitPlan, LegPlan
from rulebot.core.program import CompiledBot, CompiledRoll
from rulebot.core.queries.account import UNCERTAIN, has_unreported_fills
from rulebot.core.queries.close_plan import broken_combo_orders, may_roll, rolled_legs
from rulebot.core.queries.day_pnl import structure
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, all_live_orders, governing, stirring_positions
from rulebot.decide.entry_window import BotDay, at_hand, in_window
from rulebot.evaluate.strike_terms import ExpectedMove
from rulebot.evaluate.watch import SubscriptionRequest, entry_aims, entry_subscription
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.spec.nouns import DteRule, Expiry, StrikeBy

OPENING_MINUTES = timedelta(minutes=5)
"""The expected move of the open is taken at the first sound instant, not later than this."""
SETTLED_AFTER = timedelta(minutes=5)
"""After the close, by when the account no longer has what has expired."""
ASK_EVERY = timedelta(seconds=55)
"""Interval of questions while a report may be due: a lost message is noticed within a minute."""
ASK_AGAIN = timedelta(seconds=10)
"""The same while an order is unacknowledged, and before a shortfall of the account counts as closed externally."""
ASK_SOON = timedelta(seconds=2)
"""The same while a working order is UNKNOWN, or an ended one is reported working: exits and protection wait."""


def is_same_week(day: date, other: date) -> bool:
    """Say whether two days are in one week, Monday to Sunday."""
    return day.isocalendar()[:2] == other.isocalendar()[:2]


def day_at_hand(work: StateBuilder, bot: CompiledBot) -> BotDay:
    """Return the day of a bot in the window that is on or comes next."""
    name, found = bot.plan.name, bot.windows(work.schedule.session)
    day, number = work.bots.by_name[name].day, at_hand(found, work.at) if len(found) > 1 else 0
    day = day.in_symbols() if bot.members else day.in_one(bot.plan.underlyings[0])
    start, end = span = found[number]
    is_shut = start >= end  # by an early close that may be revoked: its used part stays used
    if day.window == number and (is_shut or day.window_from is None or (day.window_from, day.window_to) == span):
        return day
    used = day.window_from, day.window_to
    if day.window_to is not None and used != span and used in found:
        start = max(start, day.window_to)  # by an early close it may have begun within the previous window
    entries = (order for order in work.orders.by_ref.values() if order.bot == name and order.purpose is Purpose.ENTRY)
    sent = {order.position for order in entries if start <= order.prepared_at < end}
    return in_window(day, number, (start, end), len(sent))


def awaited_opening_moves(work: StateBuilder) -> frozenset[str]:
    """Return the symbols whose expected move of the open is unknown and may arrive now."""
    opened = work.schedule.session.open
    if not opened <= work.at < opened + OPENING_MINUTES:
        return frozenset()
    known = work.market.facts.opening_moves
    return frozenset(symbol for _, _, symbol, expiry, _ in _opening_moves(work) if (symbol, expiry) not in known)


def _opening_moves(work: StateBuilder) -> Iterator[tuple[str, CompiledBot, str, date, tuple[LegView, ...]]]:
    """Yield the bot, its spec, the symbol, the expiry and the held legs of each expected move that is read.

    Bots that are compiled together share one reader for an expiry of a class: the first of them represents all.
    """
    facts, session = work.market.facts, work.schedule.session
    texts = ((name, each) for name, bot in work.program.bots.items() for each in bot.expiries())
    seen: set[tuple[ExpectedMove, str]] = set()
    for name, bot in texts:
        for symbol in bot.plan.needs.opening_move:
            if (bot.opening_move, symbol) in seen:
                continue
            seen.add((bot.opening_move, symbol))
            expiry = bot.legs_expiry(facts, session, symbol)
            if expiry is not None:
                yield name, bot, symbol, expiry, ()
    for position in active_positions(work):
        bot = governing(work, position)
        for symbol in sorted(bot.exit_moves):
            legs = structure(work, position).legs
            expiry = min((leg.option.expiry for leg in legs if _is_option_of(leg.option, symbol)), default=None)
            if expiry is not None:
                yield position.bot, bot, symbol, expiry, legs


def _is_option_of(option: Option, symbol: str) -> bool:
    return option.symbol == symbol and not option.is_share


def _legs_into(roll: CompiledRoll, rolled: tuple[PositionLeg, ...], today: date) -> tuple[LegPlan, ...]:
    """Return what is chosen in the place of these legs; () where it counts from one that is not among them."""
    held = tuple((leg.name, leg.option) for leg in rolled)
    return _placed(roll.plan.legs, roll.is_moved, held, today)


@lru_cache(maxsize=64)
def _placed(
    legs: tuple[LegPlan, ...], is_moved: bool, held: tuple[tuple[str, Option], ...], today: date
) -> tuple[LegPlan, ...]:
    """Return the held legs with what they keep: the strike of legs that are not moved, or the expiry.

    They live as long as views that cache by them.
    """
    options = dict(held)
    if any(not options.keys() >= _counted_from(leg, legs) for leg in legs if leg.name in options):
        return ()
    return tuple(_as_held(leg, options[leg.name], is_moved, today) for leg in legs if leg.name in options)


def _counted_from(leg: LegPlan, legs: tuple[LegPlan, ...]) -> set[str]:
    """Return the legs without which the strike of this one is not to be had."""
    found = {leg.strike.reference} if leg.strike.reference is not None else set()
    if leg.strike.by is StrikeBy.SIDE_CREDIT:
        found |= {each.name for each in legs if each.strike.reference == leg.name}
    edges = (edge for edge in (leg.min_strike, leg.max_strike) if isinstance(edge, Call) and edge.measure == "strike")
    return found | {str(edge.argument("of")) for edge in edges}


def _as_held(leg: LegPlan, option: Option, is_moved: bool, today: date) -> LegPlan:
    if leg.strike.by is StrikeBy.HELD:
        leg = replace(leg, strike=replace(leg.strike, target=option.strike))
    if is_moved:
        return leg
    days = ((option.expiry - today).days,)
    expiry = Expiry(rule=DteRule.EXACT, days=days, trading_class=option.trading_class, path=leg.expiry.path)
    return replace(leg, expiry=expiry, trading_class=option.trading_class)


def is_searching(work: StateBuilder, position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit looks for what it may roll into."""
    if planned.roll is None or not may_roll(position, planned) or position.bot not in work.bots.by_name:
        return False
    if not rolled_legs(position, planned):
        return False
    is_at_work = position.state == "exiting" and position.exit_reason == planned.name
    return is_at_work or is_unknown(work, position, _looking(planned))


def _looking(planned: ExitPlan) -> str:
    """Return under which name it is kept since when an exit has looked in vain."""
    return f"roll {planned.name}"


def roll_subscriptions(work: StateBuilder, position: Position, view: View) -> list[SubscriptionRequest]:
    """Return the options that exits need to choose what they roll into."""
    bot = governing(work, position)
    found = []
    for planned in bot.plan.exits:
        if is_searching(work, position, planned):
            roll = bot.rolls[planned.name]
            legs = _legs_into(roll, rolled_legs(position, planned), work.schedule.session.date)
            plan = replace(roll.plan, legs=legs)
            found.append(entry_subscription(plan, entry_aims(plan, view), work.market.facts))
    return found


def ask_at(work: StateBuilder) -> datetime | None:
    """Return when the broker is to be asked next; None while nothing of ours is open."""
    is_open = _is_open(work)
    if not work.connection.is_linked or not (is_open or work.inquiries.revived_refs or _may_receive(work)):
        return None
    if work.inquiries.asked_at is None:
        return work.at
    is_missed = bool(work.inquiries.duplicate_orders) and any(
        duplicate.is_missed for duplicate in work.inquiries.duplicate_orders.values()
    )
    is_lost = bool(work.inquiries.missing_from_open_orders) and any(
        _was_at_work(work, order) for order in all_live_orders(work)
    )
    if work.inquiries.revived_refs or is_missed or is_lost:
        return work.inquiries.asked_at + ASK_SOON
    return work.inquiries.asked_at + (ASK_AGAIN if is_open else ASK_EVERY)


def _may_receive(work: StateBuilder) -> bool:
    """Say whether an order works or ended only today: for earlier days the broker reports no executions."""
    if work.orders.live:
        return True
    opened = work.schedule.session.open
    return any(order.changed_at >= opened for order in work.orders.by_ref.values())


def _is_open(work: StateBuilder) -> bool:
    """Say whether we wait for the broker's word: on an order, on where contracts have gone, on legs of a combo."""
    if work.inquiries.duplicate_orders:
        return True
    stirring, suspicions = stirring_positions(work), work.account.shortfalls
    if suspicions and any(work.at - uncertainty.since < UNCERTAIN for uncertainty in suspicions.values()):
        return True
    if stirring and any(broken_combo_orders(work, position) for position in stirring):
        return True
    return bool(work.orders.live) and any(_is_uncertain(work, order) for order in all_live_orders(work))


def _was_at_work(work: StateBuilder, order: Order) -> bool:
    """Say whether the last list lacks an acknowledged order that is not being cancelled."""
    return (
        bool(order.perm_id)
        and order.status is OrderStatus.UNKNOWN
        and order.ref in work.inquiries.missing_from_open_orders
    )


def _is_uncertain(work: StateBuilder, order: Order) -> bool:
    is_answered = order.status not in (OrderStatus.UNKNOWN, OrderStatus.CANCELLING) and not has_unreported_fills(
        work, order
    )
    return not is_answered or order.ref in work.inquiries.missing_from_open_orders


def is_unknown(work: StateBuilder, position: Position, name: str) -> bool:
    """Say whether it is kept since when this is unknown of a position."""
    state = work.bots.by_name.get(position.bot)
    return state is not None and (position.id, name) in state.unknown_since
