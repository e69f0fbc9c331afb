"""From flat to an entry order: is there an opportunity, do its conditions hold, which legs, may it be sent."""

import math
from datetime import datetime, timedelta
from decimal import Decimal

from engine.decide.account_rules import AccountFacts, rules_problem
from engine.decide.limits import DayTrades, Proposal, halt_words, refusal
from engine.decide.net import net_problem
from engine.decide.opportunity import Opportunity, opportunity
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import View
from engine.evaluate.wording import describe
from engine.model.contract import LOT, Option
from engine.model.money import ZERO
from engine.model.order import Purpose
from engine.model.position import Position
from engine.model.values import replace
from engine.order.band import price_band
from engine.order.price import NetQuote
from engine.record.codec import utc_text
from engine.record.record import WATCH, Json, Kind
from engine.spec.nouns.legs import IfHeld
from engine.spec.nouns.order import Start
from engine.turn.alternatives import take_alternative
from engine.turn.choosing import note_missed, note_selection, opening_parts, price_legs, require_holds
from engine.turn.covering import cover_of
from engine.turn.daily import day_at_hand
from engine.turn.exposure import cash_cap, worst_case_cap
from engine.turn.judging import confirmed, failing, judge_all, wake
from engine.turn.margin import ask_margin, is_told, margin_cap, margin_told
from engine.turn.missing import all_held_but, end_watch, miss
from engine.turn.net import exposure_with
from engine.turn.opening import entry_worst_case, send_entry
from engine.turn.profit import account_today, bot_today, unvalued
from engine.turn.program import CompiledBot
from engine.turn.refusing import halted, skip
from engine.turn.resting import clear_the_way, in_the_way
from engine.turn.rivals import rival_words
from engine.turn.runaway import stop_runaway
from engine.turn.state import HALTS, Reading, Trading, of_positions
from engine.turn.work import Work

RECHECK = 15.0
"""Seconds after which a watching bot is judged again even if nothing moved (data may have gone stale)."""

ACCOUNT_TOLD = timedelta(minutes=4)
"""How old account values may be. Source: TWS API, reqAccountUpdates: every three minutes."""


def step_entry(work: Work, bot: CompiledBot) -> None:
    """Judge whether this bot enters now; at most one entry leaves."""
    if not is_to_be_judged(work, bot):
        return
    name = bot.plan.name
    if reason := halt_words(halted(work, bot.plan.underlyings)):  # told before its missing quotes are
        work.set_bot(name, replace(work.bots[name], waits=reason))
        skip(work, name, reason)
        return
    _judge_entry(work, bot)


def is_to_be_judged(work: Work, bot: CompiledBot) -> bool:
    """Say whether an entry may be judged now: no other is at work, there is an opportunity, and it is due."""
    name = bot.plan.name
    if is_entering(work, name):
        return False
    number = enter_window(work, bot)
    found = _opportunity(work, bot, number)
    if not found.is_open:
        _not_open(work, bot, found, number)
        return False
    state = work.bots[name]
    if not state.is_watching:
        since: dict[str, Json] = {} if state.grid_since is None else {"since": utc_text(state.grid_since)}
        work.record(Kind.DECISION, name, what=WATCH, reason="its window is open", values=[], **since)
        halting = {key: found for key, found in state.confirming.items() if key[0] == HALTS}
        confirming = {**of_positions(state.confirming), **halting}
        first, grid = _grid_point(work, bot), state.grid_since or work.at
        state = replace(state, is_watching=True, since=work.at, judge_at=first, grid_since=grid, confirming=confirming)
        work.set_bot(name, state)
    if not _is_due(work, bot):
        return False
    wake(work, name, RECHECK)
    work.set_bot(name, replace(work.bots[name], is_clearing=False))
    return True


def is_entering(work: Work, name: str) -> bool:
    """Say whether an entry of the bot is at work."""
    if work.live and any(order.purpose is Purpose.ENTRY and order.bot == name for order in work.all_live_orders()):
        return True
    return any(each.state == "entering" and each.bot == name for each in work.active_positions())


def enter_window(work: Work, bot: CompiledBot) -> int:
    """Begin a fresh opportunity when another window is at hand than at the last look; return which one is."""
    state = work.bots[bot.plan.name]
    day = day_at_hand(work, bot)
    if state.day.window == day.window:
        return day.window
    work.put_day(day)
    work.set_bot(bot.plan.name, replace(work.bots[bot.plan.name], grid_since=None))
    if state.is_watching:
        work.set_bot(bot.plan.name, replace(work.bots[bot.plan.name], is_watching=False, since=work.at))
        end_watch(work, bot.plan.name, "its window is over")
    return day.window


def _opportunity(work: Work, bot: CompiledBot, window: int) -> Opportunity:
    state = work.bots[bot.plan.name]
    open_now = len(work.positions_of(bot.plan.name))
    session = work.state.session
    day = replace(state.day, before=state.day.entries) if bot.members else state.day  # each has its own
    return opportunity(bot.plan.entry, session, bot.windows(session)[window], day, open_now, work.at)


def _grid_point(work: Work, bot: CompiledBot) -> datetime:
    """Return when a watch that begins judges first: at once, or where the grid of the watch it goes on with lies."""
    every, since = bot.plan.entry.every, work.bots[bot.plan.name].grid_since
    if every is None or since is None:
        return work.at
    steps = math.ceil((work.at - since) / timedelta(seconds=every))
    return since + steps * timedelta(seconds=every)


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


def _not_open(work: Work, bot: CompiledBot, found: Opportunity, window: int) -> None:
    name = bot.plan.name
    state = work.bots[name]
    if state.grid_since is not None:
        work.set_bot(name, replace(state, grid_since=None))
    if state.is_watching:
        work.set_bot(name, replace(work.bots[name], is_watching=False, since=work.at))
        end_watch(work, name, found.reason)
    waits = found.reason or f"its window, from {bot.plan.entry.windows[window].start}"
    state = work.bots[name]
    if waits != state.waits:
        work.set_bot(name, replace(state, waits=waits))
    if found.look_again is not None:
        wake(work, name, (found.look_again - work.at).total_seconds())


def _judge_entry(work: Work, bot: CompiledBot) -> None:
    plan = bot.plan
    name = plan.name
    view = work.view()
    readings = judge_all(work, name, "when", bot.when, view)
    truths = [confirmed(work, name, "when", reading, view) for reading in readings]
    if all(truth is True for truth in truths):
        if (taken := take_alternative(work, bot, view, readings)) is not None:
            choose_and_send(work, taken[0], view, taken[1])
        return
    missed = failing(readings)
    if missed:
        miss(work, bot, missed, readings)
        if plan.entry.once and all(r.verdict.truth is not None for r in readings):
            reason = f"{missed[0].rule.name} {describe(missed[0].rule, missed[0].verdict)}"
            work.put_day(replace(work.bots[name].day, decided=reason))
    else:
        work.set_bot(name, replace(work.bots[name], waits="confirmation"))


def choose_and_send(work: Work, bot: CompiledBot, view: View, readings: tuple[Reading, ...]) -> None:
    """Choose the legs of an entry whose conditions hold, and send it unless something stands in its way."""
    plan = bot.plan
    name = plan.name
    avoid = work.blocked_for(name)
    selection = select(plan.legs, view, bot.expected_move, avoid)
    work.set_bot(name, replace(work.bots[name], selection=selection))
    if not selection.is_complete:
        work.set_bot(name, replace(work.bots[name], waits=selection.missing or selection.refused))
        if selection.refused:
            all_held_but(work, bot, "strikes", selection.refused, readings)
        note_selection(work, bot, view, selection, selection.missing or selection.refused)
        if plan.entry.once and selection.refused:
            work.put_day(work.bots[name].day.note(bot.symbol, decided=selection.refused))
        return
    quote = price_legs(selection, view)
    if not require_holds(work, bot, view, selection, quote, readings, is_first=True):
        return
    if not _risk_holds(work, bot, view, selection, readings):
        return
    if stop_runaway(work, name):
        return
    if reason := _gate(work, bot, view, selection, quote):
        work.set_bot(name, replace(work.bots[name], waits=reason))
        all_held_but(work, bot, "limits", reason, readings)
        skip(work, name, reason, bot.symbol)
        return
    if not is_told(work, bot, selection, view.quantity):
        ask_margin(work, bot, view, selection)
        return
    if in_the_way(work, selection):
        clear_the_way(work, selection)
        waits = "resting orders of the other side to be taken back"
        work.set_bot(name, replace(work.bots[name], waits=waits, is_clearing=True))
        wake(work, name, 1.0)
        return
    send_entry(work, bot, view, selection, quote)


def _risk_holds(work: Work, bot: CompiledBot, view: View, selection: Selection, readings: tuple[Reading, ...]) -> bool:
    """Judge `risk.require` with this entry included; a miss is remembered like one of `require`."""
    if not bot.risk:
        return True
    name = bot.plan.name
    view.exposure = exposure_with(work, view, selection, work.positions_of(name), "the bot")
    required = judge_all(work, name, "risk", bot.risk, view)
    if all(confirmed(work, name, "risk", reading, view) is True for reading in required):
        return True
    missed = failing(required)
    if missed:
        note_missed(work, bot, view, selection, missed, (*readings, *required))
    else:
        work.set_bot(name, replace(work.bots[name], waits="confirmation"))
    return False


def _gate(work: Work, bot: CompiledBot, view: View, selection: Selection, quote: NetQuote) -> str:
    plan = bot.plan
    limits = work.program.limits
    quantity = view.quantity
    worst = entry_worst_case(selection, Decimal(f"{view.start_price or 0.0:.4f}"), is_covered=view.is_covered)
    commission = Decimal(f"{view.commission:.2f}")
    state = work.bots[plan.name]
    counts = [(leg, leg.ratio * quantity) for leg in selection.legs]
    at_once = quote.natural if plan.order.start is Start.MARKET else view.start_price
    parts = opening_parts(selection)
    return refusal(
        Proposal(
            at=work.at,
            is_ready=work.state.is_ready and work.state.is_linked,
            is_reducing=work.state.standing.trading is not Trading.ACTIVE or work.state.is_stopping,
            is_paused=plan.name in work.state.standing.paused or "" in work.state.standing.paused,
            halted=state.day.halted,
            worst_case=None if worst is None else worst * LOT * quantity + commission,
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
            stopped=halted(work, plan.underlyings),
            together=worst_case_cap(work, selection, quantity, commission),
            puts=cash_cap(work, selection, quantity),
            net=_net(work, view, selection),
            required=_required(work, bot, view, selection),
            margin=margin_cap(work, bot, selection, quantity),
            contracts=sum(count for leg, count in counts if not leg.option.is_share),
            max_contracts=limits.max_contracts_per_order,
            notional=sum((_notional(work, leg.option, count) for leg, count in counts), ZERO),
            max_notional=limits.max_notional_per_order,
            price=None if at_once is None else Decimal(f"{at_once:.4f}"),
            mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
            band=price_band(limits.price_band, parts, work.state.board),
            entries_today=_entries_today(work),
            entries_per_day=limits.entries_per_day,
            day_trades=_day_trades(work, bot, selection) if limits.heeds_day_trades else None,
            rival=rival_words(work.rivals),
            clocks_apart=work.state.clocks_apart,
            unvalued=unvalued(work, plan.name),
            account_unvalued=unvalued(work),
            cover=cover_of(work, bot, selection, quantity),
        )
    )


def _notional(work: Work, option: Option, count: int) -> Decimal:
    """Return the dollars behind so many contracts by their strike, behind shares by their ask."""
    if not option.is_share:
        return option.strike * option.multiplier * count
    row = work.state.board.rows.get(option, -1)
    ask = work.state.board.ask[row] if row >= 0 else 0.0
    return Decimal(f"{ask if ask == ask else 0.0:.4f}") * count


def _net(work: Work, view: View, selection: Selection) -> str:
    """Return which limit on greeks this entry would pass, "" when none."""
    limits = work.program.limits.net
    exposure = exposure_with(work, view, selection, work.active_positions(), "all bots") if limits else None
    return net_problem(limits, exposure)


def _required(work: Work, bot: CompiledBot, view: View, selection: Selection) -> str:
    """Return which condition of the account document keeps this entry out, "" when none."""
    rules = work.program.require
    if not rules:
        return ""
    exposure = exposure_with(work, view, selection, work.active_positions(), "all bots")
    margin = margin_told(work, bot, selection, view.quantity)
    account = work.state.facts.account
    return rules_problem(rules, AccountFacts(work.at, work.state.session, exposure, margin, account.net_liquidation))


def _entries_today(work: Work) -> int:
    """Return how many entries all bots have sent in this session, also those that run no more."""
    today = work.state.session.date
    return sum(state.day.entries for state in work.bots.values() if state.day.date == today)


def _day_trades(work: Work, bot: CompiledBot, selection: Selection) -> DayTrades:
    account = work.state.facts.account
    at_work = sum(1 for position in work.positions.values() if _needs_day_trade(work, position))
    closes_today = bot.closes_on_its_day(work.state.session, [leg.option for leg in selection.legs], work.at)
    return DayTrades(account.day_trades_left, account.net_liquidation, at_work, closes_today)


def _needs_day_trade(work: Work, position: Position) -> bool:
    """Say whether a position of today will take a day trade, or took one that the account values may not show yet."""
    session = work.state.session
    if position.session != session.date:
        return False
    if position.closed_at is not None:
        return position.opened_at is not None and work.at - position.closed_at < ACCOUNT_TOLD
    since = position.opened_at or work.at
    return work.governing(position).closes_on_its_day(session, [leg.option for leg in position.legs], since)


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
