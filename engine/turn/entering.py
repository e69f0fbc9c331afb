"""From flat to an entry order: is there an opportunity, do its conditions hold, which legs, may it be sent."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from engine.decide.bot_day import BotDay
from engine.decide.limits import Proposal, refusal
from engine.decide.opportunity import Opportunity, opportunity
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import LegView, View
from engine.evaluate.wording import describe, shortfall
from engine.model.commission import estimate
from engine.model.contract import Option
from engine.model.order import Order, OrderType, Purpose
from engine.model.payoff import worst_case
from engine.model.position import Position, PositionLeg
from engine.model.quotes import level_of
from engine.order.draft import Ticket, draft, opening_legs, parts_of
from engine.order.price import NetQuote, Part, limit_net, net_quote, ticks_of
from engine.record.record import Json, Kind
from engine.spec.spec import IfHeld, Start
from engine.spec.spec import Order as Ladder
from engine.turn.bounds import credit_floor
from engine.turn.judging import confirmed, failing, first_missing, judge_all, reading_data, rounded, wake
from engine.turn.profit import account_today, bot_today
from engine.turn.program import CompiledBot
from engine.turn.resting import clear_the_way, in_the_way
from engine.turn.state import Nearest, Reading, Trading
from engine.turn.work import Work

RECHECK = 15.0
"""Seconds after which a watching bot is judged again even if nothing moved (data may have gone stale)."""
NEAREST_GAP = timedelta(minutes=1)
_NO_DIGITS = str.maketrans("", "", "0123456789.,-")


def step_entry(work: Work, bot: CompiledBot) -> None:
    """Judge whether this bot enters now; at most one entry leaves."""
    plan = bot.plan
    name = plan.name
    state = work.bots[name]
    if any(order.purpose is Purpose.ENTRY and order.bot == name for order in work.all_live_orders()):
        return
    if any(position.state == "entering" for position in work.positions_of(name)):
        return
    found = _opportunity(work, bot)
    if not found.is_open:
        _not_open(work, bot, found)
        return
    if not state.is_watching:
        work.record(Kind.DECISION, name, what="watch", reason="its window is open", values=[])
        state = replace(state, is_watching=True, since=work.at, judge_at=work.at)
        work.set_bot(name, state)
    if not _is_due(work, bot):
        return
    wake(work, name, RECHECK)
    work.set_bot(name, replace(work.bots[name], is_clearing=False))
    _judge_entry(work, bot)


def _opportunity(work: Work, bot: CompiledBot) -> Opportunity:
    state = work.bots[bot.plan.name]
    open_now = sum(1 for _ in work.positions_of(bot.plan.name))
    session = work.state.session
    return opportunity(bot.plan.entry, session, bot.window(session), state.day, open_now, work.at)


def _is_due(work: Work, bot: CompiledBot) -> bool:
    """Say whether the `every` grid lets the entry be judged now, and step the grid."""
    every = bot.plan.entry.every
    if every is None:
        return True
    state = work.bots[bot.plan.name]
    if state.is_clearing:
        return True
    due = state.judge_at or work.at
    if work.at < due:
        wake(work, bot.plan.name, (due - work.at).total_seconds())
        return False
    while due <= work.at:
        due += timedelta(seconds=every)
    work.set_bot(bot.plan.name, replace(state, judge_at=due))
    wake(work, bot.plan.name, (due - work.at).total_seconds())
    return True


def _not_open(work: Work, bot: CompiledBot, found: Opportunity) -> None:
    name = bot.plan.name
    state = work.bots[name]
    if state.is_watching:
        state = replace(state, is_watching=False, since=work.at)
        work.set_bot(name, state)
        end_watch(work, name, found.reason)
    waits = found.reason or f"its window, from {bot.plan.entry.start}"
    work.set_bot(name, replace(work.bots[name], waits=waits))
    if found.look_again is not None:
        wake(work, name, (found.look_again - work.at).total_seconds())


def end_watch(work: Work, name: str, reason: str) -> None:
    """Record how a watch ended: the nearest miss of the day stands with it."""
    state = work.bots[name]
    if state.nearest is not None:
        record_nearest(work, name, state.nearest)
    work.record(Kind.DECISION, name, what="stop watching", reason=reason, values=[])
    if not state.day.opened and not state.day.skipped:
        nearest = state.nearest
        words = f"{reason}; nearest {nearest.rule}: {nearest.text}" if nearest else reason
        work.put_day(replace(state.day, skipped=words))


def _judge_entry(work: Work, bot: CompiledBot) -> None:
    plan = bot.plan
    name = plan.name
    view = work.view()
    view.quantity = plan.quantity
    readings = judge_all(work, name, "when", bot.when, view)
    truths = [confirmed(work, name, "when", reading, view) for reading in readings]
    if all(truth is True for truth in truths):
        _choose_and_send(work, bot, view, readings)
        return
    missed = failing(readings)
    if missed:
        _miss(work, bot, missed, readings)
        if plan.entry.once and all(r.verdict.truth is not None for r in readings):
            reason = f"{missed[0].rule.name} {describe(missed[0].rule, missed[0].verdict)}"
            work.put_day(replace(work.bots[name].day, decided=reason))
    else:
        work.set_bot(name, replace(work.bots[name], waits="confirmation"))


def _miss(work: Work, bot: CompiledBot, missed: list[Reading], readings: tuple[Reading, ...]) -> None:
    """Remember the nearest miss, and what is waited for."""
    name = bot.plan.name
    state = work.bots[name]
    first = missed[0]
    words = first_missing(first.verdict) or describe(first.rule, first.verdict)
    state = replace(state, waits=f"{first.rule.name} {words}")
    known = [reading for reading in missed if reading.verdict.truth is False]
    if known:
        off = max((shortfall(reading.rule, reading.verdict) or 0.0) for reading in known)
        nearest = Nearest(work.at, len(missed), off, first.rule.name, words, readings)
        if state.nearest is None or (nearest.failed, off) < (state.nearest.failed, state.nearest.shortfall):
            state = replace(state, nearest=nearest)
    work.set_bot(name, state)


def _all_held_but(work: Work, name: str, what: str, reason: str, readings: tuple[Reading, ...]) -> None:
    """Remember as the nearest miss that every condition held, and what stood in the way all the same."""
    state = work.bots[name]
    if state.nearest is None or state.nearest.failed:
        nearest = Nearest(work.at, 0, 0.0, what, reason, readings)
        work.set_bot(name, replace(state, nearest=nearest))


def record_nearest(work: Work, name: str, nearest: Nearest) -> None:
    """Record the nearest miss with every condition's numbers at that instant."""
    readings: list[Json] = [dict(reading_data(reading)) for reading in nearest.readings]
    at = nearest.at.isoformat()
    work.record(Kind.NEAREST, name, when=at, rule=nearest.rule, text=nearest.text, readings=readings)


# ---------------------------------------------------------------- legs


def _choose_and_send(work: Work, bot: CompiledBot, view: View, readings: tuple[Reading, ...]) -> None:
    plan = bot.plan
    name = plan.name
    avoid = work.blocked_for(name)
    selection = select(plan.legs, plan.expiry, view, bot.expected_move, avoid)
    work.set_bot(name, replace(work.bots[name], selection=selection))
    if not selection.is_complete:
        work.set_bot(name, replace(work.bots[name], waits=selection.missing or selection.refused))
        if selection.refused:
            _all_held_but(work, name, "strikes", selection.refused, readings)
        _note_selection(work, name, selection, selection.missing or selection.refused)
        if plan.entry.once and selection.refused:
            work.put_day(replace(work.bots[name].day, decided=selection.refused))
        return
    quote = price_legs(selection, view)
    if not require_holds(work, bot, view, selection, quote, readings, is_first=True):
        return
    if reason := _gate(work, bot, view, selection):
        work.set_bot(name, replace(work.bots[name], waits=reason))
        _all_held_but(work, name, "limits", reason, readings)
        _skip(work, name, reason)
        return
    if in_the_way(work, selection):
        clear_the_way(work, selection)
        waits = "resting orders of the other side to be taken back"
        work.set_bot(name, replace(work.bots[name], waits=waits, is_clearing=True))
        wake(work, name, 1.0)
        return
    _send_entry(work, bot, view, selection, quote)


def _note_selection(work: Work, name: str, selection: Selection, reason: str) -> None:
    """Record a selection when its outcome changed."""
    key = f"selection {reason.partition(':')[0]}"
    state = work.bots[name]
    if key in state.alarmed:
        return
    work.set_bot(name, replace(state, alarmed=state.alarmed | {key}))
    record_selection(work, name, selection, reason)


def record_selection(work: Work, name: str, selection: Selection, reason: str, position: str = "") -> None:
    """Record what each leg asked for and the strikes it looked at."""
    legs: list[Json] = []
    for choice in selection.choices:
        candidates: list[Json] = [
            {
                "strike": str(candidate.strike),
                "bid": candidate.bid,
                "ask": candidate.ask,
                "delta": candidate.delta,
                "distance": round(candidate.distance, 6),
            }
            for candidate in choice.candidates
        ]
        found = "" if choice.option is None else str(choice.option)
        legs.append({"name": choice.name, "asked": choice.asked, "found": found, "candidates": candidates})
    levels = {leg.option.symbol: level_of(work.state.board, leg.option.symbol, work.now) for leg in selection.legs}
    spots: dict[str, Json] = {symbol: rounded(level) for symbol, level in levels.items()}
    work.record(Kind.SELECTION, name, position, legs=legs, reason=reason, spots=spots)


def price_legs(selection: Selection, view: View) -> NetQuote:
    """Return what opening the selected structure brings, mid and natural."""
    return net_quote([Part(leg.option, -leg.sign, leg.ratio) for leg in selection.legs], view.board, view.now)


def start_net(ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...], floor: Decimal | None) -> Decimal | None:
    """Return the net price at which a ladder starts, on the tick; None without a sound quote."""
    if quote.mid is None or quote.natural is None:
        return None
    ticks = ticks_of(parts)
    if ladder.price is not None:
        return limit_net(_given(ladder.price, quote.mid), natural=quote.natural, floor=floor, ticks=ticks)
    wanted = quote.natural if ladder.start is Start.NATURAL else quote.mid
    return limit_net(wanted, natural=quote.natural, floor=floor, ticks=ticks)


def require_holds(
    work: Work,
    bot: CompiledBot,
    view: View,
    selection: Selection,
    quote: NetQuote,
    readings: tuple[Reading, ...],
    *,
    is_first: bool = False,
) -> bool:
    """Judge `require` on the structure; a miss is remembered like one of `when`. `is_first`: nothing was sent yet."""
    plan = bot.plan
    view.legs = selection.legs
    view.quantity = plan.quantity
    parts = tuple(Part(leg.option, -leg.sign, leg.ratio) for leg in selection.legs)
    net = start_net(plan.order, quote, parts, None)
    view.start_price = None if net is None else float(net)
    view.commission = float(opening_commission(selection, view, plan.quantity))
    required = judge_all(work, plan.name, "require", bot.require, view)
    if not quote.missing and all(confirmed(work, plan.name, "require", r, view) is True for r in required):
        return True
    missed = failing(required)
    if missed:
        _miss(work, bot, missed, (*readings, *required))
        words = describe(missed[0].rule, missed[0].verdict)
        _note_selection(work, plan.name, selection, f"{missed[0].rule.name}: {words}")
        if plan.entry.once and is_first and not quote.missing and all(r.verdict.truth is not None for r in required):
            work.put_day(replace(work.bots[plan.name].day, decided=f"{missed[0].rule.name} {words}"))
    else:
        work.set_bot(plan.name, replace(work.bots[plan.name], waits=quote.missing or "confirmation"))
    return False


def still_holds(work: Work, bot: CompiledBot, position: Position) -> bool:
    """Judge `when` and `require` again on the structure that is being entered."""
    view = work.view()
    name = position.bot
    readings = judge_all(work, name, "when", bot.when, view)
    if not all(confirmed(work, name, "when", reading, view) is True for reading in readings):
        return False
    rows = work.state.board.rows
    legs = tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.sign, x.ratio) for x in position.legs)
    selection = Selection(legs, ())
    quote = price_legs(selection, view)
    return bool(quote.missing) or require_holds(work, bot, view, selection, quote, readings)


def opening_commission(selection: Selection, view: View, quantity: int) -> Decimal:
    """Return the estimated dollars of opening the structure (one order per underlying when sent leg by leg)."""
    by_symbol: dict[str, list[tuple[Option, int, float]]] = {}
    for leg in selection.legs:
        bid, ask = (view.board.bid[leg.row], view.board.ask[leg.row]) if leg.row >= 0 else (0.0, 0.0)
        premium = (bid + ask) / 2 if bid == bid and ask == ask else 0.0
        by_symbol.setdefault(leg.option.symbol, []).append((leg.option, leg.ratio * quantity, premium))
    return sum((estimate(parts) for parts in by_symbol.values()), Decimal(0))


# ---------------------------------------------------------------- the gate


def _gate(work: Work, bot: CompiledBot, view: View, selection: Selection) -> str:
    plan = bot.plan
    limits = work.program.limits
    worst = entry_worst_case(selection, Decimal(f"{view.start_price or 0.0:.4f}"))
    multiplier = selection.legs[0].option.multiplier
    commission = Decimal(f"{view.commission:.2f}")
    state = work.bots[plan.name]
    return refusal(
        Proposal(
            at=work.at,
            is_ready=work.state.is_ready and work.state.is_linked,
            is_reducing=work.state.trading is not Trading.ACTIVE or work.state.is_stopping,
            is_paused=plan.name in work.state.paused or "" in work.state.paused,
            halted=state.day.halted,
            worst_case=None if worst is None else worst * multiplier * plan.quantity + commission,
            max_loss_per_trade=plan.risk.max_loss_per_trade,
            undefined_risk=plan.risk.undefined_risk,
            bot_today=bot_today(work, plan.name),
            bot_daily_loss=plan.risk.daily_loss,
            account_today=account_today(work),
            account_daily_loss=limits.daily_loss,
            open_positions=sum(1 for p in work.positions.values() if p.state != "closed"),
            account_max_open=limits.max_open,
            conflicts=_conflicts(work, bot, selection),
            sent=work.sent,
            orders_per_minute=limits.orders_per_minute,
        )
    )


def entry_worst_case(selection: Selection, net: Decimal) -> Decimal | None:
    """Return the worst case at expiry per share of one structure, None without a bound."""
    return worst_case(((leg.option, leg.sign * leg.ratio) for leg in selection.legs), net)


def _conflicts(work: Work, bot: CompiledBot, selection: Selection) -> tuple[str, ...]:
    """Return the contracts that some bot holds the other way round, unless the spec allows it."""
    if bot.plan.if_held is IfHeld.ALLOW:
        return ()
    wanted = {leg.option: leg.sign for leg in selection.legs}
    found = []
    for position in work.positions.values():
        if position.state == "closed":
            continue
        found += [
            f"{leg.option} by {position.bot}"
            for leg in position.legs
            if leg.held and wanted.get(leg.option, leg.sign) != leg.sign
        ]
    return tuple(found)


def _skip(work: Work, name: str, reason: str) -> None:
    """Record a refusal of the gate, once for the same words whatever their numbers are."""
    state = work.bots[name]
    key = f"skip {reason.translate(_NO_DIGITS)}"
    if key not in state.alarmed:
        work.set_bot(name, replace(state, alarmed=state.alarmed | {key}))
        work.record(Kind.DECISION, name, what="skip", reason=reason, values=[])


# ---------------------------------------------------------------- sending


def _send_entry(work: Work, bot: CompiledBot, view: View, selection: Selection, quote: NetQuote) -> None:
    plan = bot.plan
    day = work.bots[plan.name].day
    spot = level_of(view.board, plan.underlyings[0], view.now)
    worst = entry_worst_case(selection, Decimal(f"{view.start_price or 0.0:.4f}"))
    again = 1 if day.entries else 0
    day = replace(day, entries=day.entries + 1, agains=day.agains + again, last_end="", last_end_at=None)
    work.put_day(day)
    position = Position(
        id=_new_id(work, plan.name, day),
        bot=plan.name,
        digest=plan.digest,
        state="flat",
        session=day.date,
        quantity=plan.quantity,
        legs=tuple(PositionLeg(name=x.name, option=x.option, sign=x.sign, ratio=x.ratio) for x in selection.legs),
        entry_mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
        spot=None if spot is None else Decimal(f"{spot:.2f}"),
        max_risk=None if worst is None else worst * selection.legs[0].option.multiplier,
    )
    work.record(Kind.DECISION, plan.name, position.id, what="enter", reason="all conditions hold", values=[])
    record_selection(work, plan.name, selection, "", position.id)
    work.put_position(position)
    position = work.move(position, "enter")
    work.set_bot(plan.name, replace(work.bots[plan.name], since=work.at, is_watching=False, is_clearing=False))
    send_opening(work, bot, position, attempt=1)


def _new_id(work: Work, name: str, day: BotDay) -> str:
    """Return an id of its own: entries that another strike was tried for do not count, but keep theirs."""
    number = day.entries
    while (found := f"{name}-{day.date:%Y%m%d}-{number}") in work.positions:
        number += 1
    return found


def send_opening(work: Work, bot: CompiledBot, position: Position, attempt: int) -> Order | None:
    """Send the position's next opening order: all legs as one, or the next of `leg_by_leg`.

    Returns None when nothing is left to send or there is no price to send it at (then it is tried again shortly).
    """
    ladder = bot.plan.order
    found = next_stage(work, bot, position)
    if found is None:
        return None
    legs, quantity = found
    order_legs = opening_legs(legs)
    parts = parts_of(order_legs, order_legs[0].side)
    quote = net_quote(parts, work.state.board, work.now)
    floor = credit_floor(work, bot, position, legs)
    net = rung(ladder, quote, parts, attempt, floor)
    if net is None and ladder.start is not Start.MARKET:
        work.alarm(position.bot, f"no price for the entry: {quote.missing.split(' for ')[0]}", position.id)
        if position.retry_at is None or position.attempts != attempt:
            work.put_position(replace(position, retry_at=work.at, attempts=attempt))
        return None
    order = draft(
        ticket(work, position, Purpose.ENTRY, "entry"),
        order_legs,
        quantity,
        OrderType.MARKET if ladder.start is Start.MARKET else OrderType.LIMIT,
        net=net,
        mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
        adaptive=priority(ladder, attempt),
        attempt=attempt,
        attempt_until=work.at + timedelta(seconds=ladder.wait),
    )
    work.put_position(replace(work.positions[position.id], retry_at=None, attempts=attempt))
    work.set_bot(position.bot, replace(work.bots[position.bot], waits="a fill"))
    return work.send(order)


def next_stage(work: Work, bot: CompiledBot, position: Position) -> tuple[tuple[PositionLeg, ...], int] | None:
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


def rung(
    ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...], attempt: int, floor: Decimal | None
) -> Decimal | None:
    """Return the net limit of try `attempt`: so many steps worse than the start of this moment, never past natural."""
    if quote.mid is None or quote.natural is None:
        return None
    ticks = ticks_of(parts)
    if ladder.price is not None:
        start = float(_given(ladder.price, quote.mid))
    else:
        start = quote.natural if ladder.start is Start.NATURAL else quote.mid
    wanted = start - float(ladder.step or 0) * (attempt - 1)
    if attempt > 1 and ladder.step is not None:
        first = limit_net(start, natural=quote.natural, floor=None, ticks=ticks)
        wanted = float(first - ladder.step * (attempt - 1))
    return _worth_sending(limit_net(wanted, natural=quote.natural, floor=floor, ticks=ticks), parts)


def _worth_sending(net: Decimal, parts: tuple[Part, ...]) -> Decimal:
    """Return the limit, at least one tick from zero where a single option is dealt: the broker refuses a price of 0."""
    if net or len(parts) > 1:
        return net
    return parts[0].flow * ticks_of(parts).tick(net)


def _given(price: Decimal, mid: float) -> Decimal:
    """Return a price that a spec gives (never negative) as a net amount: paid when the structure costs something."""
    return price if mid >= 0 else -price


def priority(ladder: Ladder, attempt: int) -> str:
    """Return the adaptive priority of a try, "" when the order is a plain limit."""
    if not ladder.adaptive:
        return ""
    return ladder.adaptive[min(attempt, len(ladder.adaptive)) - 1].value


def ticket(work: Work, position: Position, purpose: Purpose, reason: str) -> Ticket:
    """Return the name of a new order."""
    number, order_id = work.take_numbers()
    return Ticket(
        work.ref(number), number, order_id, position.bot, position.id, purpose, reason, position.digest, work.at
    )


def entry_due(position: Position, at: datetime) -> bool:
    """Say whether an entering position's next try is due."""
    return position.state == "entering" and position.retry_at is not None and at >= position.retry_at
