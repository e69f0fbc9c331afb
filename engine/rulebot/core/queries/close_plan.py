"""Close plan: which legs the working exit closes next, in which order, and along which ladder.

`closing_orders` decides what closes, `exit_rules` when; nothing here sends or records.
"""

from collections.abc import Collection, Iterable
from decimal import Decimal
from math import isnan

from rulebot.compile.plan import ExitPlan
from rulebot.core.program import CompiledBot
from rulebot.core.queries.lost_cover import LIQUIDATION, LOST_COVER, left_by_liquidation, lost_cover, uncovered
from rulebot.core.queries.orders import RESTING, is_between_sessions, is_buy_back, is_rejected_unchanged
from rulebot.core.queries.protection import AT_MARKET, PROTECT
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import governing, has_live_entry, live_orders_of, orders_of
from rulebot.model.market import QuoteFault, quote_fault
from rulebot.model.order import Order, OrderLeg, OrderStatus, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date
from rulebot.model.values import replace
from rulebot.order.price import (
    UNBOUND,
    Bound,
    NetQuote,
    Part,
    closing_legs,
    is_past_zero,
    ladder_price,
    order_parts,
    surely_lost_below,
)
from rulebot.spec.spec import OnUnfilled, PriceFrom
from rulebot.spec.spec import Order as Ladder

CLOSING = (Purpose.EXIT, Purpose.UNWIND, Purpose.ROLL)
UNWIND = "unwind"
REFUSED_ON_END = 2
"""Combos that the broker refuses on end until legs are closed one by one, and single legs until all go as one again."""
STOP_ORDER = Ladder(start=PriceFrom.MARKET, path=("exits",))
"""A resting stop that the engine watches for a while acts as the stop order would: at market."""
UNWIND_LADDER = Ladder(start=PriceFrom.NATURAL, wait=5.0, tries=3, then=OnUnfilled.MARKET, path=("order",))
"""How legs without their partners are closed: at natural, and as a market order after 15 seconds."""


def planned_exit(bot: CompiledBot, name: str) -> ExitPlan | None:
    """Return the exit of that name, None for what is no exit of the spec."""
    return next((each for each in bot.plan.exits if each.name == name), None)


def exit_ladder(bot: CompiledBot, reason: str) -> Ladder:
    """Return how this exit is worked."""
    if reason in AT_MARKET:
        return STOP_ORDER
    planned = planned_exit(bot, reason)
    if planned is None:
        return UNWIND_LADDER
    if planned.resting and planned.kind.limits_loss:
        return STOP_ORDER
    return planned.order


def rolling_exit(bot: CompiledBot, position: Position) -> ExitPlan | None:
    """Return the working exit if it rolls the position; None when it closes."""
    planned = planned_exit(bot, position.exit_reason)
    is_rolling = planned is not None and planned.roll is not None and may_roll(position, planned)
    return planned if is_rolling else None


def may_roll(position: Position, planned: ExitPlan) -> bool:
    """Say whether a rolling exit has neither found nothing today nor rolled everything with a bid."""
    return planned.name not in (*position.rolls_without_candidate, *position.partial_exits_done)


def next_close_legs(
    work: StateBuilder, position: Position, bot: CompiledBot
) -> tuple[tuple[OrderLeg, ...], int] | None:
    """Return the legs to close next and how many structures; None when only legs without a bid remain.

    Whole structures close as one order, or one per underlying, even if legs were entered one by one. When counts do not
    match, or the broker has no such combo, short legs go first, one at a time. An unwinding position closes only legs
    without partners. After a liquidation or a protective stop, uncovered short legs go first, then the partners of the
    closed leg: an order of several legs would wait for the size of all of them.
    """
    held_legs = legs_to_close(position, bot)
    alive = [leg for leg, _ in held_legs if not is_worthless_long(work, leg)]
    counts = {leg.name: count for leg, count in held_legs}
    if not alive:
        return None
    if position.exit_reason in (LIQUIDATION, PROTECT):
        alive, counts = _left_first(work, position, alive, counts)
    first = next((leg for leg in alive if leg.sign < 0), alive[0])
    together = [leg for leg in alive if leg.option.symbol == first.option.symbol]
    structures = min(counts[leg.name] // leg.ratio for leg in together)
    is_alone = len(together) == 1 < len(alive)
    is_separate = is_alone or (len(together) > 1 and closes_by_leg(work, position))
    if structures and not is_separate:
        return closing_legs(together), structures
    (closing,) = closing_legs((first,))
    return (OrderLeg(closing.name, closing.option, closing.side, 1),), counts[first.name]


def _left_first(
    work: StateBuilder, position: Position, alive: list[PositionLeg], counts: dict[str, int]
) -> tuple[list[PositionLeg], dict[str, int]]:
    """Return the legs that a liquidation, or a protective stop, leaves in most danger, and their contracts."""
    bare = lost_cover(position)
    stopped = (order for order in orders_of(work, position.id) if order.purpose is Purpose.PROTECT and order.has_fills)
    closed = {*position.liquidated, *(order.legs[0].name for order in stopped)}
    if first := [leg for leg in alive if leg.name in bare][:1]:
        return first, {leg.name: min(bare[leg.name], counts[leg.name]) for leg in first}
    gone = {(leg.option.symbol, leg.option.right) for leg in position.legs if leg.name in closed}
    return [leg for leg in alive if (leg.option.symbol, leg.option.right) in gone] or alive, counts


def closing_bound(work: StateBuilder, position: Position, bot: CompiledBot, legs: tuple[OrderLeg, ...]) -> Bound:
    """Return how far the price of a closing order may step when it leaves wings without a bid.

    Whether they expire or are sold later, the wings still cover what they were bought for, so together the legs cannot
    lose more. Legs that close one after the other have no such bound: the others trade later.
    """
    counts = {leg.name: (leg, count) for leg, count in legs_to_close(position, bot)}
    closed = [counts[leg.name][0] for leg in legs if leg.name in counts]
    if len(closed) < len(legs) or len(bot.plan.underlyings) > 1 or closes_by_leg(work, position):
        return UNBOUND
    structures = min(counts[leg.name][1] // leg.ratio for leg in closed)
    rest = [(leg, count) for leg, count in counts.values() if leg not in closed]
    is_covered = all(is_worthless_long(work, leg) or (structures > 0 and leg.sign > 0) for leg, _ in rest)
    if not rest or not is_covered or any(count < structures * leg.ratio for leg, count in rest):
        return UNBOUND
    floor = surely_lost_below(order_parts(closing_legs((*closed, *(leg for leg, _ in rest))), Side.BUY))
    if floor is None:
        return UNBOUND
    return Bound(floor if len(closed) > 1 else floor / closed[0].price_multiplier)


def closing_net(
    ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...], attempt: int, bound: Bound
) -> tuple[Decimal | None, str]:
    """Return the net price of a closing try, and why there is none ("" if there is).

    There is none either where a single option may cost nothing at all (`closing_bound`): no broker accepts such a
    price.
    """
    net = ladder_price(ladder, quote, parts, attempt, bound)
    if net is None:
        return None, quote.brief
    if is_past_zero(net, parts):
        return None, f"{parts[0].option} alone is worth nothing with its cover, and has no bid"
    return net, ""


def lacks_a_wing(work: StateBuilder, position: Position, bot: CompiledBot, order: Order) -> bool:
    """Say whether a wing that a working order leaves has a bid again: all legs can close as one order."""
    found = next_close_legs(work, position, bot)
    names = {leg.name for leg in order.legs}
    return found is not None and names < {leg.name for leg in found[0]}


def is_beyond(quote: NetQuote, bound: Bound) -> bool:
    """Say whether a market order would deal beyond the bound: it is sent as a limit order at the bound."""
    return bound.floor is not None and quote.natural is not None and quote.natural < bound.floor


def to_natural(ladder: Ladder) -> Ladder:
    """Return the ladder with each try at natural, or at the bound where natural is beyond it."""
    return replace(ladder, start=PriceFrom.NATURAL, step=None)


def closes_by_leg(work: StateBuilder, position: Position, *, before: Order | None = None) -> bool:
    """Say whether a position closes leg by leg today because the broker rejected its combos twice in a row.

    An exchange may accept single options but no new combo: Cboe limits how many a broker may create a day in one
    underlying, and IBKR has reached that limit in SPX (docs/ib-adapter.md). When single legs are rejected as often, a
    combo is tried again. before: the state without this order.
    """
    is_separate, refused = False, 0
    for order in orders_of(work, position.id):
        is_of_today = exchange_date(order.prepared_at) == work.schedule.session.date
        if not is_of_today or order.purpose not in CLOSING or order.opens_position or order == before:
            continue
        if not is_rejected_unchanged(order):
            refused = 0 if order.has_fills else refused
        elif order.is_combo is not is_separate:
            refused += 1
        if refused == REFUSED_ON_END:
            is_separate, refused = not is_separate, 0
    return is_separate


def legs_to_close(position: Position, bot: CompiledBot) -> list[tuple[PositionLeg, int]]:
    """Return the legs the present exit closes, with their contracts; empty once its part is done.

    Never more than the account holds.
    """
    if position.exit_reason == LOST_COVER:
        lost = uncovered(position) if position.is_frozen else lost_cover(position)
        return [(leg, lost[leg.name]) for leg in position.common.legs if leg.name in lost]
    if position.exit_reason == LIQUIDATION:
        alone = left_by_liquidation(position)
        return [(leg, alone[leg.name]) for leg in position.common.legs if leg.name in alone]
    position = position.common
    if position.exit_reason == UNWIND:
        return _without_partners(position)
    planned = planned_exit(bot, position.exit_reason)
    names = planned.legs if planned is not None and planned.legs else tuple(leg.name for leg in position.legs)
    found = ((leg, leg.held - position.leave_open * leg.ratio) for leg in position.legs if leg.name in names)
    return [(leg, count) for leg, count in found if count > 0]


def leaves_to_expire(position: Position, bot: CompiledBot) -> bool:
    """Say whether an exit has only long legs without a bid to close; they may expire."""
    if position.waits_for_expiry or position.state != "exiting" or position.exit_reason == UNWIND:
        return position.waits_for_expiry
    return all(leg.sign > 0 and not leg.option.is_share for leg, _ in legs_to_close(position, bot))


def _without_partners(position: Position) -> list[tuple[PositionLeg, int]]:
    """Return what is held beside whole structures; legs that were closed separately count completely."""
    keep = _whole(partners(position))
    found = (
        (leg, leg.held - (0 if leg.name in position.separately_closed_legs else keep * leg.ratio))
        for leg in position.legs
    )
    return [(leg, count) for leg, count in found if count > 0]


def partners(position: Position, names: tuple[str, ...] = ()) -> tuple[PositionLeg, ...]:
    """Return the legs that are to hold as many structures each; names: of these alone, () of all."""
    return tuple(
        leg
        for leg in position.legs
        if leg.name not in position.separately_closed_legs and (not names or leg.name in names)
    )


def rolled_legs(position: Position, planned: ExitPlan) -> tuple[PositionLeg, ...]:
    """Return the legs that an exit rolls: those that it would close."""
    return tuple(leg for leg in position.legs if leg.held and (not planned.legs or leg.name in planned.legs))


def is_balanced(legs: Collection[PositionLeg]) -> bool:
    """Say whether legs hold equally many structures and nothing else."""
    count = _whole(legs)
    return all(leg.held == count * leg.ratio for leg in legs)


def is_balanced_ignoring_worthless(work: StateBuilder, legs: Collection[PositionLeg]) -> bool:
    """Say whether legs hold equally many structures, apart from wings without a bid (left by a partial roll)."""
    count = _whole(legs)
    return all(leg.held == count * leg.ratio or is_worthless_long(work, leg) for leg in legs)


def _whole(legs: Collection[PositionLeg]) -> int:
    return min((leg.held // leg.ratio for leg in legs), default=0)


def is_worthless_long(work: StateBuilder, leg: PositionLeg) -> bool:
    """Say whether a long leg has an ask but no bid: it is left to expire, the short legs are bought back."""
    board = work.market.board
    row = board.rows.get(leg.option, -1)
    return leg.sign > 0 and row >= 0 and quote_fault(board, row, work.now) is QuoteFault.NO_BID


def exit_has_dealt(work: StateBuilder, position: Position) -> bool:
    """Say whether an order of the working exit has filled; resting orders do not count."""
    return any(order.has_fills for order in orders_of(work, position.id) if order.reason == position.exit_reason)


def only_unbid_left(work: StateBuilder, position: Position) -> bool:
    """Say whether the working exit has filled and left only legs that had no bid in their last quote.

    However old that quote is: without a newer one no exit can send a limit. An exit that has closed nothing yet, or
    that keeps a part, leaves more than that: another exit may take over.
    """
    if not exit_has_dealt(work, position) or live_orders_of(work, position.id):
        return False
    closing = dict(legs_to_close(position, governing(work, position)))
    return all(closing.get(leg) == leg.held and _was_unwanted(work, leg) for leg in position.common.legs if leg.held)


def _was_unwanted(work: StateBuilder, leg: PositionLeg) -> bool:
    board = work.market.board
    row = board.rows.get(leg.option, -1)
    return leg.sign > 0 and row >= 0 and isnan(board.bid[row]) and not isnan(board.ask[row])


def is_unwound(position: Position) -> bool:
    """Say whether a position holds whole structures only, and nothing of legs that were closed apart."""
    return is_balanced(partners(position)) and not is_reopened(position)


def is_reopened(position: Position) -> bool:
    """Say whether legs that were closed apart from the others hold something again: their partners are gone."""
    return any(leg.held > 0 for leg in position.legs if leg.name in position.separately_closed_legs)


def part_is_over(work: StateBuilder, position: Position) -> bool:
    """Say whether a position's exit has nothing more to close and none of its orders works."""
    return not (legs_to_close(position, governing(work, position)) or live_orders(work, position))


def is_left_with_shares(position: Position) -> bool:
    """Say whether the options of an open position are gone and only shares remain."""
    held = [leg for leg in position.common.legs if leg.held]
    return bool(held) and position.state == "open" and all(leg.option.is_share for leg in held)


def leg_names_to_close(work: StateBuilder, position: Position) -> set[str]:
    """Return the legs that the present exit closes now: none between two sessions, in which it sends nothing."""
    if is_between_sessions(work):
        return set()
    return {leg.name for leg, _ in legs_to_close(position, governing(work, position))}


def is_unrelated_order(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether an order rests on legs that the present exit does not close now: it stays there."""
    if order.purpose not in RESTING or order.status is OrderStatus.CANCELLING:
        return False
    apart = {leg.name for leg in position.legs if leg.held} - leg_names_to_close(work, position)
    return all(leg.name in apart for leg in order.legs)


def live_orders(work: StateBuilder, position: Position) -> list[Order]:
    """Return the position's live orders but for what rests on legs that the present exit does not close now."""
    return [order for order in live_orders_of(work, position.id) if not is_unrelated_order(work, position, order)]


def of_structure(position: Position, legs: tuple[OrderLeg, ...], mid: Decimal | None) -> Decimal | None:
    """Return an order's mid per share of one structure; a single leg's mid is per contract."""
    if mid is None or len(legs) > 1:
        return mid
    return mid * next(leg.price_multiplier for leg in position.legs if leg.name == legs[0].name)


def outranks(bot: CompiledBot, position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit may take over: it has higher priority, or the working one is a target or closes less.

    A target never takes over from anything else. Nothing takes over from closing everything at market for lack of a
    stop. Higher priority never takes over from what closes more (except a part, which acts once): the two would cancel
    each other's orders for ever. What closes the rest after a protective stop, or legs without partners, yields to what
    closes everything; the former not to a stop with a price, which that leg's cost exceeds by itself.
    """
    if position.exit_reason in AT_MARKET:
        return False
    names = [each.name for each in bot.plan.exits]
    if position.exit_reason not in names:
        is_all = not planned.legs and planned.roll is None and (planned.part or 1) >= 1
        is_passed = position.exit_reason == PROTECT and planned.compares is not None
        return is_all and not planned.kind.takes_profit and not is_passed
    at_work = bot.plan.exits[names.index(position.exit_reason)]
    if planned.each and planned.written == at_work.written:
        return False  # one part after the other
    if (planned.kind.takes_profit) is not (at_work.kind.takes_profit):
        return at_work.kind.takes_profit
    if _closes_more(position, planned, at_work):
        return True
    is_higher = names.index(planned.name) < names.index(at_work.name)
    return is_higher and (at_work.part is not None or not _closes_more(position, at_work, planned))


def _closes_more(position: Position, planned: ExitPlan, at_work: ExitPlan) -> bool:
    held = {leg.name for leg in position.legs if leg.held}
    legs, more = _legs_of(at_work, held), _legs_of(planned, held)
    return legs < more or (legs == more and (at_work.part or 1) < (planned.part or 1))


def _legs_of(planned: ExitPlan, held: set[str]) -> set[str]:
    return held & set(planned.legs) if planned.legs else held


def broken_combo_orders(work: StateBuilder, position: Position) -> list[Order]:
    """Return the ended orders that left the position with legs without partners.

    An opening combo that was unwound since its last fill is not one: an exit may close single legs of what was kept.
    One that was unwound before is, if its last fills were of the partners closed then, or if it overfilled and so
    reopened what an exit had closed. So is an unwinding order that overfilled. While another try works, its end
    decides.
    """
    if position.state not in ("open", "entering") or position.is_frozen or is_unwound(position):
        return []
    if has_live_entry(work, position.id):
        return []
    orders = orders_of(work, position.id)
    unwound = max((order.prepared_at for order in orders if order.purpose is Purpose.UNWIND), default=None)
    over = [order for order in orders if order.opens(position.id) and order.is_combo and not order.status.is_live]
    if unwound is not None and _is_uneven(position, orders):
        beyond = [order for order in orders if order.purpose is Purpose.UNWIND and min(order.unfilled) < 0]
        return [order for order in beyond or over if order.changed_at >= unwound]
    later = [order for order in over if unwound is None or order.changed_at > unwound]
    return [each for each in later if _lacks_legs(each, position) or (min(each.unfilled) < 0 and is_reopened(position))]


def _lacks_legs(order: Order, position: Position) -> bool:
    counted = zip(order.counts, order.legs, strict=True)
    return len({count / leg.ratio for count, leg in counted if order.position_of(leg) == position.id}) > 1


def _is_uneven(position: Position, orders: Iterable[Order]) -> bool:
    """Say whether the opened legs, without those closed for lack of partners, are not whole structures."""
    left = {leg.name: 0 for leg in partners(position)}
    for order in orders:
        sign = (
            1 if order.opens(position.id) else -1 if order.purpose is Purpose.UNWIND and not is_buy_back(order) else 0
        )
        for count, leg in zip(order.counts, order.legs, strict=True):
            if sign and order.position_of(leg) == position.id and leg.name in left:
                left[leg.name] += sign * count
    return len({left[leg.name] / leg.ratio for leg in partners(position)}) > 1
