"""Exit rules: which exit acts on an open position.

Exits are in order of priority. An exit that acted continues until it has closed its part (`pursuing`). An exit of
higher priority takes over, and any exit takes over from a target (docs/language.md, Exits).
"""

from decimal import Decimal
from enum import Enum
from math import ceil

from rulebot.compile.plan import ExitPlan
from rulebot.core.exits.closing_orders import RECHECK, close_position, start_close, waits_for_first_quote, work_close
from rulebot.core.exits.protective_stops import is_unprotected_too_long, note_protection, watched_stop_hit
from rulebot.core.exits.reversed_longs import close_reversed_shorts
from rulebot.core.exits.rolling import end_roll_search, find_roll, record_no_roll, start_roll_search
from rulebot.core.exits.target_price import is_within_reach, target_at_work
from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.queries.account import has_delivered
from rulebot.core.queries.close_plan import (
    is_worthless_long,
    leg_names_to_close,
    live_orders,
    next_close_legs,
    only_unbid_left,
    outranks,
)
from rulebot.core.queries.day_pnl import structure
from rulebot.core.queries.entry_blocks import closed, not_trading
from rulebot.core.queries.lost_cover import LIQUIDATION, LOST_COVER, left_by_liquidation
from rulebot.core.queries.orders import has_expired, is_trading, resting_orders
from rulebot.core.queries.protection import UNPROTECTED, WATCHED_STOP
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rule, first_missing, wake
from rulebot.core.rules.trailing import note_best
from rulebot.core.rules.unknown_exits import acts_unknown, known_again
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_position, set_bot
from rulebot.core.state.lists import governing, is_suspect, live_orders_of, view_of
from rulebot.core.state.state import Reading, exits_of
from rulebot.core.state.turn import alarm
from rulebot.fill.exit_level import terms_of
from rulebot.measure.evaluation import NotOpen
from rulebot.measure.view import View
from rulebot.model.position import FLATTENED, Position
from rulebot.model.values import replace
from rulebot.record.record import Kind
from rulebot.spec.spec import OnUnknown

DAILY_LOSS = "daily_loss"
"""The exit reason of what the loss of the day closes."""


def evaluate_exits(work: StateBuilder, position: Position) -> None:
    """Judge the exits of a position that holds something; the first that is true acts."""
    for is_done in _BEFORE_EXITS:
        if is_done(work, position):
            return
    found = structure(work, position)
    position = note_protection(work, position)
    if _ends_unprotected(work, position) or _ends_at_watched_stop(work, position):
        return
    bot, view = governing(work, position), view_of(work)
    view.legs, view.held, view.quantity = found.legs, found.held, found.quantity
    if bot.trailing:
        position = note_best(work, position, bot, view)
        view.held = structure(work, position).held
    true = _true_exits(work, position, bot, view)
    wake(work, position.bot, RECHECK)
    if bot.spells and position.opened_at and (due := bot.next_spell(position.opened_at, work.at)) is not None:
        wake(work, position.bot, (due - work.at).total_seconds())
    _act_on_first(work, position, bot, true)


def _holds_nothing(work: StateBuilder, position: Position) -> bool:
    return position.common.is_flat or not is_trading(work)


def _is_on_hold(work: StateBuilder, position: Position) -> bool:
    if position.is_frozen and not (position.is_closed_too_far and close_reversed_shorts(work, position)):
        _protect_on_hold(work, position)
    return position.is_frozen


def _is_to_be_settled(work: StateBuilder, position: Position) -> bool:
    """Say whether it expired while no engine ran: its settlement is due, and shares may have moved."""
    if structure(work, position).expiry >= work.schedule.session.date:
        return False
    return has_expired(work, position) or has_delivered(work, position)


def _closes_as_asked(work: StateBuilder, position: Position) -> bool:
    is_asked = work.requests.operator.must_close(position.bot, position.id)
    if is_asked and position.exit_reason != FLATTENED:
        close_position(work, position, FLATTENED)
    return is_asked


def _closes_at_daily_loss(work: StateBuilder, position: Position) -> bool:
    is_closing = work.bots.by_name[position.bot].day.closing == DAILY_LOSS
    if is_closing and position.exit_reason != DAILY_LOSS:
        close_position(work, position, DAILY_LOSS, "the loss of the day closes it (close: all)")
    return is_closing


def _closes_after_liquidation(work: StateBuilder, position: Position) -> bool:
    is_left = _is_left_by_liquidation(work, position)
    if is_left:
        close_position(work, position, LIQUIDATION)
    return is_left


def _ends_unprotected(work: StateBuilder, position: Position) -> bool:
    """Close what has been without protection too long; say whether that is so."""
    limit = governing(work, position).plan.risk.max_time_without_stop
    reason = LOST_COVER if limit is None else UNPROTECTED
    is_too_long = is_unprotected_too_long(work, position) and position.exit_reason != reason
    if is_too_long:
        _end_unprotected(work, position, reason)
    return is_too_long


def _ends_at_watched_stop(work: StateBuilder, position: Position) -> bool:
    """Close at a protective stop that the engine watches; say whether it was hit."""
    is_exiting = position.state == "exiting"
    waits_at_price = is_exiting and target_at_work(work, position) is not None
    closing = leg_names_to_close(work, position) if is_exiting and not waits_at_price else ()
    hit = watched_stop_hit(work, position, closing, waits_at_price=waits_at_price)
    if hit:
        where = "where its protective stop has given way to another order"
        close_position(work, position, WATCHED_STOP, f"{hit.option} is bid at {hit.price:f}, {where}")
    return bool(hit)


def _true_exits(work: StateBuilder, position: Position, bot: CompiledBot, view: View) -> list[ExitPlan]:
    """Judge every exit that the engine watches; return those that are true, in the order of the spec."""
    true: list[ExitPlan] = []
    withdrawn = position.resting_orders_withdrawn
    resting = set() if withdrawn else {order.reason for order in resting_orders(work, position.id)}
    place, halting = exits_of(position.id), work.bots.by_name[position.bot].day.closing_of(position.digest)
    for planned, compiled, arming in zip(bot.plan.exits, bot.exits, bot.arming, strict=True):
        if compiled is None or (planned.resting and planned.name in resting):
            continue
        if arming and not _is_armed(work, position, planned, arming, view):
            continue
        reading = evaluate_rule(work, position.bot, place, compiled, view, position.id)
        truth = planned.name == halting or confirmed(work, position.bot, place, reading, view)
        if truth is None:
            if isinstance(first_missing(reading.evaluation), NotOpen) or closed(work, _symbols_held(position)):
                continue  # no quote is to come
            truth = acts_unknown(work, position, planned, reading)
        elif work.bots.by_name[position.bot].unknown_since:
            known_again(work, position, planned.name)
        if truth:
            true.append(planned)
        else:
            _is_not_true(work, position, planned, reading)
    return true


def _is_not_true(work: StateBuilder, position: Position, planned: ExitPlan, reading: Reading) -> None:
    """End a roll's search, and let a repeating exit act again, unless its condition is being confirmed."""
    if planned.roll is not None:
        end_roll_search(work, position, planned)
    elif planned.repeat and reading.evaluation.truth is False:
        _acts_again(work, position, planned)


def _act_on_first(work: StateBuilder, position: Position, bot: CompiledBot, true: list[ExitPlan]) -> None:
    """Have the first exit act that may; a roll that finds nothing lets the next one."""
    position = work.positions.by_id[position.id]
    for planned in true:
        if not _may_act(work, position, bot, planned):
            continue
        if planned.roll is None:
            act(work, position, planned)
            return
        step = _step_roll(work, position, bot, planned)
        position = work.positions.by_id[position.id]
        if step is not _Step.NEXT:
            if step is _Step.ACT:
                act(work, position, planned)
            return


def _protect_on_hold(work: StateBuilder, position: Position) -> None:
    """Buy back short legs without protection for too long when no exit acts on their position."""
    position = note_protection(work, position)
    is_too_long = position.may_buy_back and is_unprotected_too_long(work, position)
    if is_too_long and position.exit_reason != LOST_COVER:
        _end_unprotected(work, position, LOST_COVER)


def _end_unprotected(work: StateBuilder, position: Position, reason: str) -> None:
    """Close at market what was without protection too long: the whole position, or the legs without cover."""
    if reason == UNPROTECTED:
        close_position(work, position, reason, "a short leg was without protection for too long")
        return
    text = f"{position.unprotected} of {position.id} was without protection for too long"
    alarm(work, position.bot, f"{text}: it is closed at market, and its other legs stay open", position.id)
    close_position(work, position, reason)


def _is_left_by_liquidation(work: StateBuilder, position: Position) -> bool:
    """Say whether legs have lost their partners and no working exit closes them."""
    if not position.liquidated or position.exit_reason == LIQUIDATION:
        return False
    closing = leg_names_to_close(work, position) if position.state == "exiting" else set()
    return not closing.issuperset(left_by_liquidation(position))


class _Step(Enum):
    """What comes of an exit that is true and rolls: it acts, it is waited for, or the next one has its turn."""

    ACT = "act"
    WAIT = "wait"
    NEXT = "next"


def _symbols_held(position: Position) -> list[str]:
    return [leg.option.symbol for leg in position.legs if leg.held]


def _step_roll(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan) -> _Step:
    """Search for the new legs of a roll. An exit that finds none holds, or closes like any other.

    While the engine stops, the next engine searches.
    """
    assert planned.roll is not None
    closes = planned.roll.otherwise is OnUnknown.CLOSE
    if planned.name in position.rolls_without_candidate:
        return _Step.ACT if closes else _Step.NEXT
    if work.requests.is_stopping:
        return _Step.NEXT
    if position.account_missing or is_suspect(work, position):
        text = f"the account holds {position.id} otherwise than our books: '{planned.name}' does not roll it meanwhile"
        alarm(work, position.bot, text, position.id)
        return _Step.NEXT
    if reason := not_trading(work, _symbols_held(position)):
        alarm(work, position.bot, f"{reason}: '{planned.name}' rolls once there is trading again", position.id)
        return _Step.NEXT
    found = find_roll(work, position, bot, planned)
    if found.offer is not None:
        return _Step.ACT
    if found.missing:
        left = start_roll_search(work, position, planned, found.missing)
        if left > 0 or not closes:
            return _Step.WAIT if left > 0 else _Step.NEXT
    record_no_roll(work, position, planned, found)
    return _Step.ACT if closes else _Step.NEXT


def _is_armed(
    work: StateBuilder, position: Position, planned: ExitPlan, arming: tuple[CompiledRule, ...], view: View
) -> bool:
    """Say whether an exit with `activate_when` exists: from the first moment at which all of that was true."""
    if planned.name in work.positions.by_id[position.id].armed:
        return True
    place = f"activate_when {planned.name}:{position.id}"
    readings = [evaluate_rule(work, position.bot, place, compiled, view, position.id) for compiled in arming]
    truths = [confirmed(work, position.bot, place, reading, view) for reading in readings]
    if not all(truth is True for truth in truths):
        return False
    now = work.positions.by_id[position.id]
    work.record(Kind.DECISION, position.bot, position.id, what="armed", reason=planned.name, values=[])
    put_position(work, replace(now, armed=(*now.armed, planned.name)))
    return True


def _acts_again(work: StateBuilder, position: Position, planned: ExitPlan) -> None:
    """Allow an exit to close its part again: its condition is no longer true, so it may become true again."""
    position = work.positions.by_id[position.id]
    if planned.name in position.partial_exits_done and position.exit_reason != planned.name:
        left = tuple(name for name in position.partial_exits_done if name != planned.name)
        put_position(work, replace(position, partial_exits_done=left))


def _only_waits_for_expiry(work: StateBuilder, position: Position) -> bool:
    """Say whether an exit has closed everything with a bid: the rest needs no further exit."""
    if position.state != "exiting" or live_orders_of(work, position.id):
        return False
    return all(is_worthless_long(work, leg) for leg in position.common.legs if leg.held)


def _has_come_to_its_end(work: StateBuilder, position: Position, bot: CompiledBot) -> bool:
    """Say whether the working exit has closed everything of its part with a bid, so another exit may act."""
    return not live_orders(work, position) and next_close_legs(work, position, bot) is None


def act(work: StateBuilder, position: Position, planned: ExitPlan) -> None:
    """Have this exit close the position, or its part of it."""
    legs = tuple(leg.name for leg in position.common.legs if leg.held and leg.name in planned.legs)
    position = put_position(work, replace(position, terms=terms_of(position, planned)))
    position = start_close(work, position, planned.name, planned.kind.value, legs=legs)
    if planned.part is not None:
        position = put_position(
            work,
            replace(
                position,
                leave_open=kept(position, planned.part),
                partial_exits_done=(*position.partial_exits_done, planned.name),
            ),
        )
    set_bot(work, position.bot, replace(work.bots.by_name[position.bot], status_text=f"{planned.name}: closing"))
    work_close(work, position)


def kept(position: Position, part: Decimal) -> int:
    """Return how many structures stay open when a part of them is closed, rounded up."""
    count = position.common.open_structures
    return count - ceil(part * count)


def _may_act(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan) -> bool:
    """Say whether a true exit has something to close, and takes over from a working exit if there is one."""
    legs = [leg for leg in position.common.legs if leg.held and leg.name in planned.legs]
    if planned.legs and all(is_worthless_long(work, leg) for leg in legs):
        return False
    if planned.name in position.partial_exits_done:
        return False
    if position.exit_reason == planned.name and position.state == "exiting":
        return False
    if planned.is_target_price and not _has_price(work, position, bot, planned):
        return False
    if position.state != "exiting":
        return True
    if not planned.order.ends_at_market and only_unbid_left(work, position):
        return False
    return outranks(bot, position, planned) or _has_come_to_its_end(work, position, bot)


def _has_price(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan) -> bool:
    """Say whether the first order of a target has a price to be sent at, or cannot be judged: then it waits for one."""
    stage = next_close_legs(work, replace(position, exit_reason=planned.name, leave_open=0), bot)
    return stage is None or is_within_reach(work, position, planned, stage[0]) is not False


_BEFORE_EXITS = (
    _holds_nothing,
    _is_on_hold,
    _is_to_be_settled,
    _only_waits_for_expiry,
    _closes_as_asked,
    _closes_at_daily_loss,
    _closes_after_liquidation,
    waits_for_first_quote,
)
"""What goes before the exits of the spec, in this order: each says whether there is nothing more to judge."""
