"""From open to closed: which exit acts, and the closing orders until nothing is held.

Exits stand in order of priority. An exit that has acted goes on until it has closed its part; one that stands higher,
or any other when a target is at work, takes over (language.md, Exits).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import ceil

from engine.compile.plan import ExitPlan
from engine.evaluate.evaluation import NOT_OPEN
from engine.evaluate.snapshot import View
from engine.model.order import Order, OrderType, Purpose
from engine.model.position import FLATTENED, Position
from engine.model.values import replace
from engine.order.draft import draft, parts_of
from engine.order.ladder import priority, rung
from engine.order.price import net_quote
from engine.record.record import Kind
from engine.spec.nouns.exits import IfUnknown, Otherwise
from engine.spec.nouns.order import Start, Then
from engine.turn.caution import check_exit_price, has_waited_for_price, price_is_there
from engine.turn.closing import (
    CLOSING,
    UNWIND,
    are_whole,
    at_work,
    closing_stage,
    exit_ladder,
    is_back,
    is_dead,
    is_left_unwanted,
    legs_to_close,
    of_structure,
    partners,
    rolling_exit,
    stands_apart,
    takes_over,
    waits_for_first_quote,
)
from engine.turn.doubting import has_delivered
from engine.turn.giving_way import clear_for_exit, opposed_entries
from engine.turn.judging import confirmed, first_missing, judge, wake
from engine.turn.opening import ticket
from engine.turn.profit import structure
from engine.turn.program import CompiledBot, CompiledRule
from engine.turn.protecting import (
    UNPROTECTED,
    WATCHED_STOP,
    is_unprotected_too_long,
    note_protection,
    place_protection,
    watched_stop_hit,
)
from engine.turn.refusing import closed, not_trading
from engine.turn.resting import cancel, has_expired, resting_orders
from engine.turn.rolling import Found, begin_to_look, end_looking, note_nothing, seek, send_roll
from engine.turn.state import Reading, exits_of
from engine.turn.trailing import note_best
from engine.turn.work import Work

RECHECK = 15.0
"""Seconds after which a position is looked at again, if nothing that it reads moves before."""
TOLD_AGAIN = timedelta(minutes=10)
"""How long after an alarm that an exit cannot be judged it comes again, if it could be judged in between."""


def step_exits(work: Work, position: Position) -> None:
    """Judge the exits of a position that holds something; the first that is true acts.

    Of what has expired while nobody looked the settlement is still to come, and shares may have gone with it.
    """
    if position.is_flat or position.is_let_be or not is_trading(work):
        return
    found = structure(work, position)
    if found.expiry < work.state.session.date and (has_expired(work, position) or has_delivered(work, position)):
        return
    bot = work.governing(position)
    if _only_waits_for_expiry(work, position):
        return
    if work.state.standing.must_close(position.bot, position.id):
        if position.exit_reason != FLATTENED:
            leave(work, position, FLATTENED)
        return
    if waits_for_first_quote(work, position):
        return
    limit = bot.plan.risk.max_unprotected
    if limit is not None:
        position = note_protection(work, position)
        if is_unprotected_too_long(work, position, limit) and position.exit_reason != UNPROTECTED:
            leave(work, position, UNPROTECTED, "a short leg has stood without protection for too long")
            return
    if hit := watched_stop_hit(work, position):
        where = "where its protective stop has given way to another order"
        leave(work, position, WATCHED_STOP, f"{hit.option} is bid at {hit.price:f}, {where}")
        return
    view = work.view()
    view.legs, view.held, view.quantity = found.legs, found.held, found.quantity
    if bot.trailing:
        position = note_best(work, position, bot, view)
        view.held = structure(work, position).held
    true: list[ExitPlan] = []
    protected = bool(bot.resting and resting_orders(work, position.id)) and not position.suspended
    place, closing = exits_of(position.id), work.bots[position.bot].day.closing_of(position.digest)
    for planned, compiled, arming in zip(bot.plan.exits, bot.exits, bot.arming, strict=True):
        if compiled is None or (planned.resting and protected):
            continue
        if arming and not _is_armed(work, position, planned, arming, view):
            continue
        reading = judge(work, position.bot, place, compiled, view, position.id)
        truth = planned.name == closing or confirmed(work, position.bot, place, reading, view)
        if truth is None:
            if first_missing(reading.verdict).endswith(NOT_OPEN) or closed(work, _symbols_held(position)):
                continue  # no quote is to come
            truth = _unknown(work, position, planned, reading)
        elif work.bots[position.bot].unknown_since:
            _known_again(work, position, planned.name)
        if truth:
            true.append(planned)
        elif planned.roll is not None:
            end_looking(work, position, planned)
        elif planned.repeat and reading.verdict.truth is False:  # not while it is being confirmed anew
            _acts_anew(work, position, planned)
    wake(work, position.bot, RECHECK)
    if bot.spells and position.opened_at and (due := bot.next_spell(position.opened_at, work.at)) is not None:
        wake(work, position.bot, (due - work.at).total_seconds())
    position = work.positions[position.id]
    for planned in true:
        if not _may_act(work, position, bot, planned):
            continue
        if planned.roll is None:
            act(work, position, planned)
            return
        step = _step_roll(work, position, bot, planned)
        position = work.positions[position.id]
        if step is not _Step.NEXT:
            if step is _Step.ACT:
                act(work, position, planned)
            return


class _Step(Enum):
    """What comes of an exit that is true and rolls: it acts, it is waited for, or the next one has its turn."""

    ACT = "act"
    WAIT = "wait"
    NEXT = "next"


def _symbols_held(position: Position) -> list[str]:
    return [leg.option.symbol for leg in position.legs if leg.held]


def _step_roll(work: Work, position: Position, bot: CompiledBot, planned: ExitPlan) -> _Step:
    """Look for what an exit rolls into; one that has found nothing holds, or closes like any other.

    While the engine stops it is left to the next one.
    """
    assert planned.roll is not None
    closes = planned.roll.otherwise is Otherwise.CLOSE
    if planned.name in position.passed:
        return _Step.ACT if closes else _Step.NEXT
    if work.state.is_stopping:
        return _Step.NEXT
    if reason := not_trading(work, _symbols_held(position)):
        work.alarm(position.bot, f"{reason}: '{planned.name}' rolls once there is trading again", position.id)
        return _Step.NEXT
    found = seek(work, position, bot, planned)
    if found.offer is not None:
        return _Step.ACT
    if found.missing:
        left = begin_to_look(work, position, planned, found.missing)
        if left > 0 or not closes:
            return _Step.WAIT if left > 0 else _Step.NEXT
    note_nothing(work, position, planned, found)
    return _Step.ACT if closes else _Step.NEXT


def _is_armed(work: Work, position: Position, planned: ExitPlan, arming: tuple[CompiledRule, ...], view: View) -> bool:
    """Say whether an exit with `armed_by` exists: from the first moment at which all of that was true."""
    if planned.name in work.positions[position.id].armed:
        return True
    place = f"armed_by {planned.name}:{position.id}"
    readings = [judge(work, position.bot, place, compiled, view, position.id) for compiled in arming]
    truths = [confirmed(work, position.bot, place, reading, view) for reading in readings]
    if not all(truth is True for truth in truths):
        return False
    now = work.positions[position.id]
    work.record(Kind.DECISION, position.bot, position.id, what="armed", reason=planned.name, values=[])
    work.put_position(replace(now, armed=(*now.armed, planned.name)))
    return True


def _acts_anew(work: Work, position: Position, planned: ExitPlan) -> None:
    """Let an exit close its part once more when it is true again, since it no longer is."""
    position = work.positions[position.id]
    if planned.name in position.acted and position.exit_reason != planned.name:
        left = tuple(name for name in position.acted if name != planned.name)
        work.put_position(replace(position, acted=left))


def _only_waits_for_expiry(work: Work, position: Position) -> bool:
    """Say whether an exit has closed all that anybody bids for: what is left needs no further exit."""
    if position.state != "exiting" or work.live_orders(position.id):
        return False
    return all(is_dead(work, leg) for leg in position.legs if leg.held)


def _has_come_to_its_end(work: Work, position: Position, bot: CompiledBot) -> bool:
    """Say whether the exit at work has closed all of its part that anybody bids for: another one may act then."""
    return not at_work(work, position) and closing_stage(work, position, bot) is None


def is_trading(work: Work) -> bool:
    """Say whether the regular session is on and we are linked."""
    session = work.state.session
    return session.open <= work.at < session.close and work.state.is_linked


def _unknown(work: Work, position: Position, planned: ExitPlan, reading: Reading) -> bool:
    """Count how long an exit could not be judged; after its grace raise the alarm, or act if the spec says so."""
    state = work.bots[position.bot]
    key = (position.id, planned.name)
    since = state.unknown_since.get(key)
    if since is None:
        since = work.at
        work.set_bot(position.bot, replace(state, unknown_since={**state.unknown_since, key: since}))
    left = planned.grace - (work.at - since).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
        return False
    _tell_unknown(work, position, planned, since, first_missing(reading.verdict))
    return planned.if_unknown is IfUnknown.EXIT


def _tell_unknown(work: Work, position: Position, planned: ExitPlan, since: datetime, missing: str) -> None:
    """Raise the alarm that an exit cannot be judged: once for each time that is so, and none soon after another."""
    state = work.bots[position.bot]
    key = (position.id, planned.name)
    words = f"exit {planned.name} cannot be judged: "
    told = state.told_unknown.get(key)
    if told is None or (told < since and work.at >= told + TOLD_AGAIN):
        alarmed = frozenset(each for each in state.alarmed if not each.startswith(f"{position.id}: {words}"))
        state = replace(state, alarmed=alarmed, told_unknown={**state.told_unknown, key: work.at})
        work.set_bot(position.bot, state)
    work.alarm(position.bot, f"{words}{missing.split(' for ')[0]}", position.id)


def _known_again(work: Work, position: Position, name: str) -> None:
    """Start the grace anew: this exit could be judged."""
    state = work.bots[position.bot]
    key = (position.id, name)
    if key in state.unknown_since:
        rest = {found: since for found, since in state.unknown_since.items() if found != key}
        work.set_bot(position.bot, replace(state, unknown_since=rest))


def act(work: Work, position: Position, planned: ExitPlan) -> None:
    """Have this exit close the position, or its part of it."""
    legs = tuple(leg.name for leg in position.legs if leg.held and leg.name in planned.legs)
    position = _begin_closing(work, position, planned.name, planned.kind.value, legs=legs)
    if planned.part is not None:
        position = work.put_position(
            replace(position, keep=kept(position, planned.part), acted=(*position.acted, planned.name))
        )
    work.set_bot(position.bot, replace(work.bots[position.bot], waits=f"{planned.name}: closing"))
    pursue(work, position)


def kept(position: Position, part: Decimal) -> int:
    """Return how many structures stay open when a part of them is closed, rounded up."""
    return position.open_structures - ceil(part * position.open_structures)


def leave(work: Work, position: Position, reason: str, why: str = "") -> None:
    """Have the engine close all that is left, for a reason that is no exit of the spec; `why` raises the alarm."""
    pursue(work, _begin_closing(work, position, reason, reason, why))


def leave_shares(work: Work, position: Position) -> bool:
    """Close what an open position holds when its options are gone and only shares are left; say whether that is so."""
    held = [leg for leg in position.legs if leg.held]
    if not held or position.state != "open" or not all(leg.option.is_share for leg in held):
        return False
    leave(work, position, UNWIND, "its options are gone, and its shares are left")
    return True


def _begin_closing(
    work: Work, position: Position, reason: str, kind: str, why: str = "", legs: tuple[str, ...] = ()
) -> Position:
    """Record why the position, or these legs of it, is closed, and move it there."""
    work.record(Kind.DECISION, position.bot, position.id, what="exit", reason=reason, kind=kind, values=[*legs])
    if why:
        then = "nothing is sent for it, a person must look" if position.is_let_be else "the position is closed"
        work.alarm(position.bot, f"{why}: {then}", position.id)
    position = work.put_position(
        replace(position, exit_reason=reason, attempts=0, retry_at=None, suspended=False, keep=0)
    )
    return position if position.state == "exiting" else work.move(position, "exit")


def _may_act(work: Work, position: Position, bot: CompiledBot, planned: ExitPlan) -> bool:
    """Say whether a true exit has something to close, and takes over the one that is at work, if one is."""
    legs = [leg for leg in position.legs if leg.held and leg.name in planned.legs]
    if planned.legs and all(is_dead(work, leg) for leg in legs):
        return False
    if planned.name in position.acted:
        return False
    if position.state != "exiting":
        return True
    if position.exit_reason == planned.name:
        return False
    if not planned.order.ends_at_market and is_left_unwanted(work, position):
        return False
    return takes_over(bot, position, planned) or _has_come_to_its_end(work, position, bot)


def pursue(work: Work, position: Position) -> None:
    """Bring an exiting position one step nearer to flat: first nothing else may work, then one closing order."""
    if position.state != "exiting" or position.is_let_be:
        return
    live = work.live_orders(position.id)
    others = [order for order in live if order.purpose not in CLOSING and not stands_apart(work, position, order)]
    for order in others:
        _take_back(work, order, f"{position.exit_reason} closes the position")
    closing = [order for order in live if order.purpose in CLOSING]
    for order in closing:
        if order.reason != position.exit_reason:
            _take_back(work, order, f"{position.exit_reason} takes over")
        elif position.exit_reason == UNWIND and _closes_too_much(work, position, order):
            _take_back(work, order, "what it closes has its partner now")
    opposed = opposed_entries(work, position)
    for order in opposed:
        _take_back(work, order, f"{position.exit_reason} of {position.id} goes first")
    if others or closing or opposed or not is_trading(work) or work.is_doubted(position):
        return
    if has_delivered(work, position) or not legs_to_close(position, work.governing(position)):
        return
    if position.retry_at is not None and work.at < position.retry_at:
        wake(work, position.bot, (position.retry_at - work.at).total_seconds())
        return
    if waits_for_first_quote(work, position):
        return
    _send_closing(work, position)


def _take_back(work: Work, order: Order, reason: str) -> None:
    """Have an order cancelled: one that was sent in this turn in the next, once it is on record as sent."""
    if order.ref in work.state.orders:
        cancel(work, order, reason)
    else:
        wake(work, order.bot, 0.0)


def _closes_too_much(work: Work, position: Position, order: Order) -> bool:
    """Say whether an order would close more than stands without its partner: a leg has filled after its cancel."""
    alone = {leg.name: count for leg, count in legs_to_close(position, work.governing(position))}
    left = zip(order.legs, order.unfilled, strict=True)
    return any(count > alone.get(leg.name, 0) for leg, count in left)


def protect_the_rest(work: Work, position: Position) -> None:
    """Keep stops on the short legs that an exit leaves open, or cannot close: it may have begun before they had any.

    What its order may still close, though it is being taken back, gets none beside it.
    """
    bot = work.governing(position)
    if position.state != "exiting":
        return
    closing = set() if position.is_let_be else {leg.name for leg, _ in legs_to_close(position, bot)}
    at_work = (order for order in work.live_orders(position.id) if order.purpose in CLOSING)
    closing |= {leg.name for order in at_work for leg in order.legs_of(position.id)}
    place_protection(work, position, closing)


def _send_roll(work: Work, position: Position, bot: CompiledBot, planned: ExitPlan) -> None:
    """Send the order that rolls, by what is offered now; without an offer the position stays open, or is closed."""
    found = seek(work, position, bot, planned)
    if found.offer is not None:
        end_looking(work, position, planned)
        send_roll(work, work.positions[position.id], bot, planned, found.offer)
    elif found.missing:
        begin_to_look(work, position, planned, found.missing)
        _open_again(work, work.positions[position.id], planned)
    else:
        nothing_to_roll_into(work, position, planned, found)


def nothing_to_roll_into(work: Work, position: Position, planned: ExitPlan, found: Found) -> None:
    """Let a position whose exit found nothing to roll into stay open, or be closed, as the exit says.

    Where the engine stops, or the session is over, that is left to the next one; where the account lacks it, for later.
    """
    assert planned.roll is not None
    if work.state.is_stopping or work.at >= work.state.session.close or work.is_doubted(position):
        _open_again(work, position, planned)
        return
    position = note_nothing(work, position, planned, found)
    if planned.roll.otherwise is Otherwise.CLOSE:
        pursue(work, position)
    else:
        _open_again(work, position, planned)


def _open_again(work: Work, position: Position, planned: ExitPlan) -> None:
    """Let a position that was not rolled be open as before; what has lost its partner meanwhile is closed."""
    position = work.move(replace(position, exit_reason="", attempts=0, retry_at=None, keep=0), "ended")
    if not are_whole(partners(position, planned.legs)) or is_back(position):
        leave(work, position, UNWIND, "legs stand without their partners")


def _send_closing(work: Work, position: Position) -> None:
    bot = work.governing(position)
    if (rolling := rolling_exit(bot, position)) is not None:
        _send_roll(work, position, bot, rolling)
        return
    found = closing_stage(work, position, bot)
    if found is None:
        return
    legs, structures = found
    if not clear_for_exit(work, position, legs):
        return
    ladder = exit_ladder(bot, position.exit_reason)
    attempt = position.attempts + 1
    at_market = ladder.start is Start.MARKET or (ladder.then is Then.MARKET and attempt > ladder.tries)
    parts = parts_of(legs, legs[0].side)
    quote = net_quote(parts, work.state.board, work.now, closing=True)
    net = None if at_market else rung(ladder, quote, parts, attempt)
    if net is None and not at_market:
        text = f"no price to close at: {quote.missing.split(' for ')[0]}; '{position.exit_reason}' waits for one"
        work.alarm_of_price(position.bot, text, position.id)
        if not has_waited_for_price(work, position, ladder, attempt):
            wake(work, position.bot, RECHECK)  # a quote that comes has it judged at once
            return
        at_market, attempt = True, ladder.tries + 1
    if at_market and (reason := not_trading(work, [leg.option.symbol for leg in legs])):
        _wait_for_trading(work, position, reason)
        return
    price_is_there(work, position)
    check_exit_price(work, position, parts, quote, net)
    position = work.positions[position.id]
    mid = None if quote.mid is None else Decimal(f"{quote.mid:.4f}")
    purpose = Purpose.UNWIND if position.exit_reason == UNWIND else Purpose.EXIT
    order = draft(
        ticket(work, position, purpose, position.exit_reason),
        legs,
        structures,
        OrderType.MARKET if at_market else OrderType.LIMIT,
        net=net,
        mid=mid,
        adaptive=priority(ladder, attempt) if not at_market else "",
        attempt=attempt,
        attempt_until=work.at + timedelta(seconds=ladder.wait),
    )
    exit_mid = position.exit_mid if position.exit_mid is not None else of_structure(position, legs, mid)
    work.put_position(replace(position, attempts=attempt, retry_at=None, exit_mid=exit_mid))
    work.send(order)


def _wait_for_trading(work: Work, position: Position, reason: str) -> None:
    """Send no market order while nothing is dealt: it would be dealt at whatever price trading begins with.

    Then the ladder begins anew, with its limits, and waits for a price as long as it does at first.
    """
    work.alarm(position.bot, f"{reason}: no market order is sent, '{position.exit_reason}' waits", position.id)
    work.put_position(replace(position, attempts=0))
    price_is_there(work, position)
    wake(work, position.bot, RECHECK)
