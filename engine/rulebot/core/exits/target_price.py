"""Target price: the limit that no order of a target exit exceeds, and what happens when the market moves away.

A target is a price. Its order steps along its ladder at most to the price that keeps the promised profit, and waits
there. After the rule was not true for `PATIENCE` the order is cancelled and the position is open again with its
protective stops, which cannot rest while a closing order works. The target acts again when it is true. Quotes near the
target price change sides within seconds; without the wait each change would cancel an order and send another.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from math import isnan

from rulebot.compile.exits import HURRY, clock_time
from rulebot.compile.plan import ExitPlan
from rulebot.core.queries.close_plan import (
    CLOSING,
    closing_bound,
    exit_ladder,
    is_worthless_long,
    legs_to_close,
    planned_exit,
)
from rulebot.core.queries.day_pnl import structure
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import governing, orders_of, view_of
from rulebot.fill.exit_level import needed_dollars
from rulebot.measure.reading import Reading, UnknownValue
from rulebot.measure.view import LegView
from rulebot.measures.structure import mark
from rulebot.model.cause import Cause
from rulebot.model.contract import LOT
from rulebot.model.market import OPTION_AGE
from rulebot.model.money import Rounding
from rulebot.model.order import Order, OrderLeg
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import UNBOUND, Bound, never_pays, option_ticks, order_parts, ticks_of
from rulebot.spec.spec import OnUnfilled, PriceFrom
from rulebot.spec.spec import Order as Ladder

PATIENCE = timedelta(minutes=1)
"""How long the order of a target waits at its price once the target is no longer met."""
_MICRO = Decimal("0.000001")
"""Per share: prices are compared to this, for quotes are binary floats."""


def target_at_work(work: StateBuilder, position: Position) -> ExitPlan | None:
    """Return the working exit if its orders must keep a target price.

    None after one leg was closed alone: the others are closed along the ladder.
    """
    planned = planned_exit(governing(work, position), position.exit_reason)
    if planned is None or not planned.is_target_price or _must_follow(work, position):
        return None
    return planned


def _must_follow(work: StateBuilder, position: Position) -> bool:
    """Say whether the working exit closed some legs, or part of them, while others with a bid remain.

    An order of several legs on one underlying closes all that have a bid.
    """
    is_pair = len(governing(work, position).plan.underlyings) > 1
    dealt = {
        leg.name
        for order in orders_of(work, position.id)
        if order.purpose in CLOSING and order.reason == position.exit_reason and order.has_fills
        for leg in (order.legs if is_pair or not order.is_combo else ())
    }
    left = [
        leg.name for leg, _ in legs_to_close(position, governing(work, position)) if not is_worthless_long(work, leg)
    ]
    return bool(dealt) and any(name not in dealt for name in left)


def closing_ladder(work: StateBuilder, position: Position, attempt: int) -> Ladder:
    """Return how try `attempt` of the working exit is priced: target orders are never market orders."""
    bot = governing(work, position)
    ladder = exit_ladder(bot, position.exit_reason)
    if target_at_work(work, position) is None:
        return in_a_hurry(work, planned_exit(bot, position.exit_reason), ladder)
    is_past_tries = ladder.then is OnUnfilled.MARKET and attempt > ladder.tries
    if ladder.start is PriceFrom.MARKET or is_past_tries:
        ladder = replace(ladder, start=PriceFrom.NATURAL, step=None)
    return replace(ladder, then=OnUnfilled.AGAIN)


def in_a_hurry(work: StateBuilder, planned: ExitPlan | None, ladder: Ladder) -> Ladder:
    """Return the ladder of a clock exit, whose last try before the close goes as far as allowed.

    A ladder that ends at market goes to market before the close, however many tries remain; any other to natural.
    """
    if planned is None or clock_time(planned) is None or ladder.start is PriceFrom.MARKET:
        return ladder
    left = (work.schedule.session.close - work.at).total_seconds()
    if left > ladder.wait + HURRY:
        return ladder
    is_at_market = ladder.then is OnUnfilled.MARKET
    return replace(ladder, start=PriceFrom.MARKET if is_at_market else PriceFrom.NATURAL, step=None, pause=0.0)


def bound_of(work: StateBuilder, position: Position, legs: tuple[OrderLeg, ...]) -> tuple[Bound, str]:
    """Return how far the price of a closing order may go, and why it has none yet, "" if it has."""
    bound = closing_bound(work, position, governing(work, position), legs)
    planned = target_at_work(work, position)
    if planned is None:
        return bound, ""
    floor = target_floor(work, position, planned, legs)
    if isinstance(floor, str):
        return UNBOUND, floor
    return bound._replace(floor=floor if bound.floor is None else max(floor, bound.floor)), ""


def target_floor(
    work: StateBuilder, position: Position, planned: ExitPlan, legs: tuple[OrderLeg, ...]
) -> Decimal | str:
    """Return the least net price of an order that closes these legs and keeps the target, or the missing quote.

    Legs that are closed later count at natural, a wing without a bid at 0, legs that stay open as the rule prices them.
    Units: per share of one structure of the order; for a single leg per share of one contract.
    """
    needed = needed_dollars(position, planned)
    if needed is None:
        return f"no price is known for '{planned.name}'"
    held = {leg.name: leg for leg in position.legs}
    closed = [held[leg.name] for leg in legs]
    alone = closed[0] if len(closed) == 1 else None
    count = alone.held if alone is not None else min(leg.held // leg.ratio for leg in closed)
    unit = alone.option.multiplier if alone is not None else LOT
    rest = _rest(work, position, planned, {leg.name: count * (1 if alone is not None else leg.ratio) for leg in closed})
    return rest if isinstance(rest, str) else ((needed - rest) / (unit * max(count, 1))).quantize(_MICRO)


def _rest(work: StateBuilder, position: Position, planned: ExitPlan, dealt: dict[str, int]) -> Decimal | str:
    """Return the dollars that count besides the traded contracts, less trades that the target does not count."""
    level = planned.compares
    assert level is not None
    leaving = {leg.name for leg, _ in legs_to_close(position, governing(work, position))}
    total = 0.0
    for leg in position.legs:
        if leg.held <= 0:
            continue
        is_counted = level.legs is None or leg.name in level.legs
        contracts = (leg.held if is_counted else 0) - dealt.get(leg.name, 0)
        if not contracts:
            continue
        at = "mid" if not is_counted else "natural" if leg.name in leaving else level.at
        price = _price(work, leg, at)
        if isinstance(price, UnknownValue):
            return price.reason
        assert isinstance(price, float)
        total += leg.sign * contracts * price * leg.option.multiplier
    return Decimal(f"{total:.6f}")


def _price(work: StateBuilder, leg: PositionLeg, at: str) -> Reading:
    board = work.market.board
    view = LegView(leg.name, leg.option, board.rows.get(leg.option, -1), leg.sign, leg.ratio)
    return mark(view_of(work), view, at, True, OPTION_AGE)


def is_met(work: StateBuilder, position: Position, planned: ExitPlan, legs: tuple[OrderLeg, ...]) -> bool | None:
    """Say whether the quotes keep a target now: its rule is true, and its order has a price that may be sent.

    None while that is unknown. A target in dollars counts the commission of closing as well.
    """
    bot = governing(work, position)
    compiled = next(rule for each, rule in zip(bot.plan.exits, bot.exits, strict=True) if each.name == planned.name)
    assert compiled is not None
    found, view = structure(work, position), view_of(work)
    view.legs, view.held, view.quantity = found.legs, found.held, found.quantity
    truth = compiled.judge(view).truth
    if truth is not True:
        return truth
    return is_within_reach(work, position, planned, legs)


def is_within_reach(
    work: StateBuilder, position: Position, planned: ExitPlan, legs: tuple[OrderLeg, ...]
) -> bool | None:
    """Say whether the order of a target has a price that may be sent and that quotes at `at` keep; None if unknown."""
    floor = target_floor(work, position, planned, legs)
    if isinstance(floor, str):
        return None
    level = planned.compares
    assert level is not None
    worth = _worth(work, position, (leg.name for leg in legs), level.at, len(legs) > 1)
    if worth is None:
        return None
    return floor <= worth and not _is_for_nothing(work, legs, floor)


def _is_for_nothing(work: StateBuilder, legs: tuple[OrderLeg, ...], floor: Decimal) -> bool:
    """Say whether legs that can only cost would have to be closed for 0 or a credit: such a price never fills."""
    parts, reported = order_parts(legs, legs[0].side), work.market.facts.ticks
    ticks = option_ticks(parts[0].option, reported) if len(parts) == 1 else ticks_of(parts, reported)
    return ticks.round(floor, Rounding.UP) >= 0 and never_pays(parts)


def _worth(work: StateBuilder, position: Position, names: Iterable[str], at: str, is_combo: bool) -> Decimal | None:
    """Return what closing these legs brings per share of one structure, of a single leg per share of one contract."""
    total, wanted = 0.0, set(names)
    for leg in position.legs:
        if leg.name in wanted:
            price = _price(work, leg, at)
            if not isinstance(price, float) or isnan(price):
                return None
            total += leg.sign * (leg.price_multiplier if is_combo else 1) * price
    return Decimal(f"{total:.6f}")


def was_withdrawn(work: StateBuilder, position: Position, target: str) -> bool:
    """Say whether an order of this target was cancelled before, since its market had moved away."""
    orders = orders_of(work, position.id)
    return any(order.reason == target and order.cause is Cause.TARGET_LOST for order in orders)


def as_judged(work: StateBuilder, order: Order) -> Order:
    """Return a working order with `unmet_since` as of the current quotes; None there while undecidable."""
    position = work.positions.by_id[order.position]
    planned = target_at_work(work, position)
    if planned is None or planned.name != order.reason or is_met(work, position, planned, order.legs) is not False:
        return replace(order, unmet_since=None)
    return replace(order, unmet_since=order.unmet_since or work.at)


def may_wait(work: StateBuilder, order: Order) -> bool:
    """Say whether an order of an unmet target may wait at its price, after `as_judged`.

    For `PATIENCE`, or as long as the spec lets a short leg be without its stop; not if it has no price.
    """
    if order.unmet_since is None:
        return True
    position = work.positions.by_id[order.position]
    planned = target_at_work(work, position)
    floor = None if planned is None else target_floor(work, position, planned, order.legs)
    if isinstance(floor, Decimal) and _is_for_nothing(work, order.legs, floor):
        return False
    limit = governing(work, position).plan.risk.max_time_without_stop
    patience = PATIENCE if limit is None else min(PATIENCE, timedelta(seconds=limit))
    return work.at - order.unmet_since < patience
