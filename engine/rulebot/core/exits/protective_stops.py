"""Protective stops: a wide stop order at the broker on each short leg, in case the engine dies.

Each is a single-leg GTC stop order without a group: whether the broker supports stops on combos, or one group across
combos, is not known. An exit cancels them before it closes (`pursue`); an exit that is not complete by the close leaves
them resting over night. When one fills, it has bought back a short leg and the engine closes the rest of the position.
While a stop is cancelled for an entry, or waits for another exit, the engine watches its price and closes the position
where the stop would have been hit.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from math import nan
from typing import NamedTuple

from rulebot.compile.plan import ProtectPlan
from rulebot.core.emit.orders import ticket
from rulebot.core.exits.bracket_orders import is_restarting, record_lost_order, withdraw_resting
from rulebot.core.gate.exit_retry import is_backed_off
from rulebot.core.queries.lost_cover import CLOSED_AFTER, LIQUIDATION, without_cover
from rulebot.core.queries.orders import (
    has_expired,
    has_level,
    has_run_out,
    is_against_exit,
    is_off_grid,
    is_rejected,
    resting_orders,
    was_lost_twice,
)
from rulebot.core.queries.protection import (
    PROTECT,
    WATCHED_STOP,
    _is_at_risk,
    _rests_at,
    guarded,
    is_paused,
    sent_again_text,
)
from rulebot.core.rules.rule_evaluation import REREAD, counted, wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order, put_position, send_order, set_bot
from rulebot.core.state.lists import governing, is_unsure, live_orders_of, orders_of
from rulebot.core.state.state import ConfirmationProgress, exits_of
from rulebot.core.state.turn import alarm
from rulebot.model.contract import Option
from rulebot.model.facts import Grids
from rulebot.model.market import QuoteFault, quote_fault
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Replace, TimeInForce
from rulebot.model.position import Position, PositionLeg
from rulebot.model.text import clock
from rulebot.model.values import replace
from rulebot.order.price import NONE_REPORTED, closing_legs, draft

HITS = 2
"""How many bids in a row trigger a stop that buys an option. Source: Interactive Brokers, "Modify the Stop Trigger
Method": double bid/ask is the default of US options."""


def _may_protect(work: StateBuilder, position: Position) -> bool:
    """Say whether stops of a position may be placed or changed now."""
    if position.state not in ("open", "exiting") or position.resting_orders_withdrawn:
        return False
    if not work.connection.is_linked or has_expired(work, position):
        return False
    is_exiting = position.state == "exiting"  # then it is the closing order that waits, of other legs
    if not is_exiting and position.retry_at is not None and work.at < position.retry_at:
        return False
    return not is_restarting(work, position.bot)


def place_protection(work: StateBuilder, position: Position, closing: Collection[str] = ()) -> None:
    """Place a stop on every short leg that needs one, and fit existing stops to the holdings.

    closing: names of legs that an exit closes; they get none. Stops are only made smaller while a position is on hold
    and while a shortfall of the account is too recent. A position on hold because its closing orders fail keeps its
    stops and gets back those that the exit cancelled.
    """
    plan = governing(work, position).plan.risk.protect
    if plan is None or not _may_protect(work, position):
        return
    is_let_be = (position.is_frozen and not is_backed_off(position)) or is_unsure(work, position)
    stops = (order for order in live_orders_of(work, position.id) if order.purpose is Purpose.PROTECT)
    live = {order.legs[0].name: order for order in stops}
    for leg in position.common.legs:
        if not _is_at_risk(work, leg) or leg.name in closing or not plan.covers(leg.name):
            continue
        if (order := live.get(leg.name)) is None:
            if not is_let_be and not is_paused(position, work.at) and is_against_exit(work, position, (leg,)):
                _wait_for_exit(work, position)
            elif not is_let_be and not is_paused(position, work.at):
                _place(work, position, leg, plan)
        elif order.is_working:
            _fit(work, position, leg, order, None if is_let_be else plan)


def _fit(work: StateBuilder, position: Position, leg: PositionLeg, order: Order, plan: ProtectPlan | None) -> None:
    """Change a stop whose size or price no longer fits the holdings and fills.

    plan: None when only a reduction is allowed.
    """
    count, price = min(order.remaining, leg.held), order.stop_price
    if plan is not None:
        count, price = leg.held, stop_price(position, leg, plan, work.market.facts.ticks) or price
    if (order.remaining, order.stop_price) != (count, price):
        changed = put_order(work, order.with_terms(order.filled + count, price))
        work.commands.append(Replace(changed))


def _wait_for_exit(work: StateBuilder, position: Position) -> None:
    """Let the engine watch the price of a stop that another exit crosses, unless part of the position rests."""
    position = work.positions.by_id[position.id]
    if position.state == "open" and not position.resting_orders_withdrawn and not resting_orders(work, position.id):
        withdraw_resting(work, position, "an exit")


def _place(work: StateBuilder, position: Position, leg: PositionLeg, plan: ProtectPlan) -> None:
    price = stop_price(position, leg, plan, work.market.facts.ticks)
    if price is None:
        return
    _alarm_of_spread(work, position, leg, price)
    (closing,) = closing_legs((leg,))
    send_order(
        work,
        draft(
            ticket(work, position, Purpose.PROTECT, PROTECT),
            (replace(closing, ratio=1),),
            leg.held,
            OrderType.STOP,
            stop=price,
            time_in_force=TimeInForce.GTC,
        ),
    )


def _alarm_of_spread(work: StateBuilder, position: Position, leg: PositionLeg, price: Decimal) -> None:
    """Alarm that the first stop of a leg is inside the leg's bid-ask spread, where it may fill without a move."""
    row = work.market.board.rows.get(leg.option, -1)
    ask = work.market.board.ask[row] if row >= 0 else nan
    guarded = (order.legs[0].name for order in orders_of(work, position.id) if order.purpose is Purpose.PROTECT)
    if float(price) <= ask and leg.name not in guarded:
        text = f"the protective stop of {leg.option} rests at {price:.2f}, within its quote ({ask:.2f} is asked)"
        alarm(work, position.bot, f"{text}: it may act at the next bids", position.id)


def stop_price(
    position: Position, leg: PositionLeg, plan: ProtectPlan, reported: Grids = NONE_REPORTED
) -> Decimal | None:
    """Return the stop price per share of a short leg, on the tick; None while its credit is unknown.

    A multiple of a leg's credit is of that leg. A multiple of the structure's credit is shared by the leg's contracts
    in one structure: the cost of that leg alone is a lower bound of the structure's cost, less what its long legs are
    worth.
    """
    if not plan.of_whole:
        brought = leg.entry_cash / (leg.opened * leg.option.multiplier) if leg.opened else None
    else:
        entry = position.entry_price
        brought = None if entry is None else entry / leg.ratio
    if brought is None or brought <= 0:
        return None
    return _rests_at(leg.option, brought, plan, reported)


# ---------------------------------------------------------------- while a stop is cancelled


class StopHit(NamedTuple):
    """An option that is bid at the price of its protective stop."""

    option: Option
    price: Decimal


def watched_stop_hit(
    work: StateBuilder, position: Position, closing: Collection[str], *, waits_at_price: bool = False
) -> StopHit | None:
    """Return which cancelled or lost protective stop of a position would have been hit.

    closing: names of legs that a working exit closes, which have none. waits_at_price: the stops were cancelled for a
    target order that waits at its price.
    """
    plan = governing(work, position).plan.risk.protect
    is_watched = position.resting_orders_withdrawn or position.is_lost or waits_at_price
    if plan is None or not is_watched or position.state not in ("open", "exiting"):
        return None
    live = (order for order in live_orders_of(work, position.id) if order.purpose is Purpose.PROTECT)
    resting = {order.legs[0].name for order in live if order.status is not OrderStatus.CANCELLING}
    for leg in position.common.legs:
        if _is_at_risk(work, leg) and plan.covers(leg.name) and leg.name not in resting.union(closing):
            price = stop_price(position, leg, plan, work.market.facts.ticks) or _price_of_last(work, position, leg)
            if price is not None and _is_bid(work, position, leg, price):
                return StopHit(leg.option, price)
    return None


def _price_of_last(work: StateBuilder, position: Position, leg: PositionLeg) -> Decimal | None:
    stops = (order for order in orders_of(work, position.id) if order.purpose is Purpose.PROTECT)
    return next((order.stop_price for order in reversed([*stops]) if order.legs[0].name == leg.name), None)


def _is_bid(work: StateBuilder, position: Position, leg: PositionLeg, price: Decimal) -> bool:
    """Say whether the bid reached the stop in as many quotes as trigger one; unknown quotes neither count nor reset."""
    board = work.market.board
    row = board.rows.get(leg.option, -1)
    if quote_fault(board, row, work.now) not in (None, QuoteFault.NO_BID):
        return False
    key, state = (exits_of(position.id), f"{WATCHED_STOP} {leg.name}"), work.bots.by_name[position.bot]
    before, is_bid = state.confirming.get(key, ConfirmationProgress()), board.bid[row] >= float(price)
    after = counted(before, float(board.quote_at[row]), work.now) if is_bid else ConfirmationProgress()
    if after != before:
        set_bot(work, position.bot, replace(state, confirming={**state.confirming, key: after}))
    if 0 < after.count < HITS:
        wake(work, position.bot, REREAD)
    return after.count >= HITS


# ---------------------------------------------------------------- time without protection


class UnprotectedLeg(NamedTuple):
    """Contracts of a short leg that nothing at the broker protects."""

    leg: PositionLeg
    contracts: int
    has_lost_cover: bool


def bare_legs(work: StateBuilder, position: Position) -> list[UnprotectedLeg]:
    """Return the short legs that need a stop or closing order at the broker and have none.

    With `max_time_without_stop` in the spec this is each short leg. Otherwise: those whose cover others closed, and,
    while no exit acts on the position, those without cover.
    """
    lost = without_cover(position)
    is_each = governing(work, position).plan.risk.max_time_without_stop is not None
    if not (lost or is_each):
        return []
    orders = live_orders_of(work, position.id)
    found = []
    for leg in position.common.legs:
        needed = leg.held if is_each else lost.get(leg.name, 0)
        if _is_at_risk(work, leg) and (left := needed - guarded(orders, position, leg)) > 0:
            found.append(UnprotectedLeg(leg, left, leg.name in lost and not position.is_frozen))
    return found


def note_protection(work: StateBuilder, position: Position) -> Position:
    """Keep since when a short leg of a position has had no protection, which leg, and why."""
    bare = bare_legs(work, position)
    words = ", ".join(f"-{each.contracts} {each.leg.option}{_why(each)}" for each in bare)
    since = (position.unprotected_since or work.at) if bare else None
    names = tuple(f"{each.leg.name} {each.contracts}{' lost' if each.has_lost_cover else ''}" for each in bare)
    if (names, since) == (position.bare, position.unprotected_since):
        return position
    is_closed_anyway = position.state == "exiting" and position.exit_reason == LIQUIDATION
    if since is not None and not is_closed_anyway and any(each.has_lost_cover or position.is_frozen for each in bare):
        then = _left_alone_or_closed(work, position, since)
        text = f"{words} of {position.id} has no protection since {clock(since)}: {then}"
        alarm(work, position.bot, text, position.id)
    return put_position(work, replace(position, unprotected_since=since, unprotected=words, bare=names))


def _left_alone_or_closed(work: StateBuilder, position: Position, since: datetime) -> str:
    if position.is_frozen and not position.may_buy_back:
        return "rulebot sends no order for it. A person must close it"
    return f"without a stop it is closed at market at {clock(since + most_unprotected(work, position))}"


def _why(bare: UnprotectedLeg) -> str:
    return " (others closed what covered it)" if bare.has_lost_cover else " (no stop rests)"


def most_unprotected(work: StateBuilder, position: Position) -> timedelta:
    """Return how long a short leg may be without protection."""
    limit = governing(work, position).plan.risk.max_time_without_stop
    return CLOSED_AFTER if limit is None else timedelta(seconds=limit)


def is_unprotected_too_long(work: StateBuilder, position: Position) -> bool:
    """Say whether a short leg has been without protection longer than allowed."""
    if position.unprotected_since is None:
        return False
    left = (position.unprotected_since + most_unprotected(work, position) - work.at).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
    return left <= 0


def note_gone(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> None:
    """Alarm that a position lost a protective stop without a fill; the stop is sent again.

    A stop with a price off the tick grid is sent again at once and is not a loss. A working exit sends it itself.
    """
    is_refused = order.status is OrderStatus.REJECTED or is_rejected(order)
    is_lost = not is_refused and was_lost_twice(order, orders_of(work, position.id))
    if (asked and not (is_refused or is_lost)) or position.resting_orders_withdrawn or has_run_out(work, order):
        return
    is_open = position.state == "open"
    if is_refused and is_off_grid(work, order):
        if is_open:
            place_protection(work, position)
        return
    position = record_lost_order(work, position, is_refused=is_refused)
    how = "refused" if is_refused else "sent twice, and the broker has none" if is_lost else "cancelled, and not by us"
    then = sent_again_text(position)
    text = f"the protective stop of {order.legs[0].option} was {how}: {then}"
    words = order.why
    text = f"{text} ({words})" if words else text
    alarm(work, position.bot, text, position.id, again=True, reports=order.ref if words else "")
    if is_open:
        place_protection(work, position)


def note_restored(work: StateBuilder, position: Position) -> None:
    """Report once the broker has confirmed all resting orders of a position that were lost."""
    live = resting_orders(work, position.id)
    if (
        not position.is_lost
        or position.resting_orders_withdrawn
        or not live
        or not all(order.is_working for order in live)
    ):
        return
    bot, there = governing(work, position), {(order.purpose, order.legs[0].name) for order in live}
    plan, exits = bot.plan.risk.protect, {order.reason for order in live}
    if any(each.name not in exits and has_level(work, position, each) for each in bot.resting):
        return
    at_risk = [leg.name for leg in position.common.legs if _is_at_risk(work, leg) and plan and plan.covers(leg.name)]
    if all((Purpose.PROTECT, name) in there for name in at_risk):
        text = f"the resting orders of {position.id} work at the broker again"
        alarm(work, position.bot, text, position.id, again=True)
        put_position(work, replace(position, is_lost=False))
