"""From flat to an entry order: is there an opportunity, do its conditions hold, which legs, may it be sent."""

import math
from datetime import datetime, timedelta

from rulebot.core.entry.alternatives import take_alternative
from rulebot.core.entry.entry_orders import send_entry
from rulebot.core.entry.structure_selection import note_selection, price_legs, record_structure_miss, require_holds
from rulebot.core.facts import EntryCrosses
from rulebot.core.gate.entry_limits import entry_refusal, halt_on_entry_rate
from rulebot.core.gate.exposure import exposure_with
from rulebot.core.gate.margin import ask_margin, is_reported
from rulebot.core.program import CompiledBot
from rulebot.core.queries.crossing import crossing_orders, opposing_exit
from rulebot.core.queries.entry_blocks import not_trading, skip
from rulebot.core.queries.schedule import day_at_hand
from rulebot.core.rules.near_misses import end_watch, record_limit_miss, record_miss
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, failing, wake
from rulebot.core.rules.selections import taken_for
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.entry_obstacles import Blocked
from rulebot.core.state.lists import (
    active_positions,
    all_live_orders,
    blocked_for,
    is_about_to_enter,
    positions_of,
    view_of,
)
from rulebot.core.state.state import HALTS, LIMITS, Reading, of_positions
from rulebot.decide.entry_window import AHEAD, OVER, Opportunity, is_day_of, opportunity
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.measure.view import View
from rulebot.model.cause import Shut
from rulebot.model.order import Purpose
from rulebot.model.position import count_trades
from rulebot.model.values import replace
from rulebot.record.codec import utc_text
from rulebot.record.record import WATCH, Json, Kind
from rulebot.wording.condition import describe

RECHECK = 15.0
"""Seconds after which a watching bot is judged again even if nothing moved (data may have gone stale)."""


def evaluate_entry(work: StateBuilder, bot: CompiledBot) -> None:
    """Judge whether this bot enters now; at most one entry leaves."""
    if not is_to_be_judged(work, bot):
        return
    name = bot.plan.name
    if reason := not_trading(work, bot.plan.underlyings):  # reported before missing quotes are
        set_bot(work, name, replace(work.bots.by_name[name], status_text=reason))
        skip(work, name, reason)
    else:
        _judge_entry(work, bot)
    _note_blocker(work, name)


def _note_blocker(work: StateBuilder, name: str) -> None:
    """Keep what a watching bot waits for, and since when."""
    state = work.bots.by_name[name]
    if not state.is_watching or is_entering(work, name) or is_about_to_enter(work, name):
        return
    found = state.blocked_by.by(state.status_text, work.at)
    if found is not state.blocked_by:
        set_bot(work, name, replace(state, blocked_by=found))


def is_to_be_judged(work: StateBuilder, bot: CompiledBot) -> bool:
    """Say whether an entry may be judged now: no other works, there is an opportunity, and it is due."""
    name = bot.plan.name
    if is_entering(work, name):
        return False
    number = start_window(work, bot)
    found = _opportunity(work, bot, number)
    if not found.is_open:
        _not_open(work, bot, found, number)
        return False
    state = work.bots.by_name[name]
    if not state.is_watching:
        since: dict[str, Json] = {} if state.grid_since is None else {"since": utc_text(state.grid_since)}
        work.record(Kind.DECISION, name, what=WATCH, reason="its window is open", values=[], **since)
        halting = {key: found for key, found in state.confirming.items() if key[0] == HALTS}
        confirming = {**of_positions(state.confirming), **halting}
        first, grid = _grid_point(work, bot), state.grid_since or work.at
        state = replace(state, is_watching=True, since=work.at, judge_at=first, grid_since=grid, confirming=confirming)
        set_bot(work, name, replace(state, status_text="", shut=None, blocked_by=Blocked()))
    if not _is_due(work, bot):
        return False
    wake(work, name, RECHECK)
    if work.bots.by_name[name].is_waiting_to_enter:
        set_bot(work, name, replace(work.bots.by_name[name], is_waiting_to_enter=False))
    return True


def is_entering(work: StateBuilder, name: str) -> bool:
    """Say whether an entry of the bot is working."""
    if work.orders.live and any(
        order.purpose is Purpose.ENTRY and order.bot == name for order in all_live_orders(work)
    ):
        return True
    return any(each.state == "entering" and each.bot == name for each in active_positions(work))


def start_window(work: StateBuilder, bot: CompiledBot) -> int:
    """Begin a fresh opportunity when another window is at hand than at the last look; return which one is."""
    state = work.bots.by_name[bot.plan.name]
    day = day_at_hand(work, bot)
    if day is state.day or day == state.day:
        return day.window
    put_day(work, day)
    set_bot(work, bot.plan.name, replace(work.bots.by_name[bot.plan.name], grid_since=None))
    if state.is_watching:
        set_bot(work, bot.plan.name, replace(work.bots.by_name[bot.plan.name], is_watching=False, since=work.at))
        end_watch(work, bot.plan.name, Shut.WINDOW_OVER, OVER)
    return day.window


def _opportunity(work: StateBuilder, bot: CompiledBot, window: int) -> Opportunity:
    state = work.bots.by_name[bot.plan.name]
    open_now = count_trades(positions_of(work, bot.plan.name))
    session = work.schedule.session
    day = replace(state.day, before=state.day.entries) if bot.members else state.day  # each has its own
    return opportunity(bot.plan.entry, session, bot.windows(session)[window], day, open_now, work.at)


def _grid_point(work: StateBuilder, bot: CompiledBot) -> datetime:
    """Return when a starting watch judges first: at once, or on the grid of the watch that it continues."""
    every, since = bot.plan.entry.every, work.bots.by_name[bot.plan.name].grid_since
    if every is None or since is None:
        return work.at
    steps = math.ceil((work.at - since) / timedelta(seconds=every))
    return since + steps * timedelta(seconds=every)


def _is_due(work: StateBuilder, bot: CompiledBot) -> bool:
    """Say whether the `every` grid lets the entry be judged now, and step the grid."""
    every = bot.plan.entry.every
    if every is None:
        return True
    state = work.bots.by_name[bot.plan.name]
    if state.is_waiting_to_enter:
        return True
    due = state.judge_at or work.at
    if work.at < due:
        wake(work, bot.plan.name, (due - work.at).total_seconds())
        return False
    while due <= work.at:
        due += timedelta(seconds=every)
    set_bot(work, bot.plan.name, replace(state, judge_at=due))
    wake(work, bot.plan.name, (due - work.at).total_seconds())
    return True


def _not_open(work: StateBuilder, bot: CompiledBot, found: Opportunity, window: int) -> None:
    name = bot.plan.name
    state = work.bots.by_name[name]
    if state.grid_since is not None:
        set_bot(work, name, replace(state, grid_since=None))
    if state.is_watching:
        set_bot(work, name, replace(work.bots.by_name[name], is_watching=False, since=work.at))
        end_watch(work, name, found.shut or Shut.BLOCKED, found.reason)
    _note_unwatched(work, bot, found, window)
    waits = found.reason or f"{AHEAD} {bot.plan.entry.windows[window].start}"
    shut = found.shut or (None if found.reason else Shut.AHEAD)
    state = work.bots.by_name[name]
    if (waits, shut) != (state.status_text, state.shut):
        set_bot(work, name, replace(state, status_text=waits, shut=shut))
    if found.look_again is not None:
        wake(work, name, (found.look_again - work.at).total_seconds())


def _note_unwatched(work: StateBuilder, bot: CompiledBot, found: Opportunity, window: int) -> None:
    """Record what keeps a bot from watching in its window: a cap, or a day without entries.

    The day keeps the reason of the first window. A later window that is shut before anything was sent has a record of
    its own, unless the bot enters in none of them on such a day.
    """
    name = bot.plan.name
    day = work.bots.by_name[name].day
    if found.shut in (None, Shut.WINDOW_OVER):
        return
    if not (day.entries or day.halt or day.decided or day.skip):
        put_day(work, replace(day, skip=found.shut, skipped=found.reason))
    elif window and not day.tried and is_day_of(bot.plan.entry, work.schedule.session):
        start = bot.plan.entry.windows[window].start
        skip(work, name, f"its window from {start} is shut: {found.reason}", window=window)


def record_block(work: StateBuilder, bot: CompiledBot, reason: str) -> None:
    """Let a bot wait that may not enter now; inside its window the day keeps the reason."""
    name = bot.plan.name
    set_bot(work, name, replace(work.bots.by_name[name], status_text=reason, is_waiting_to_enter=False))
    if work.bots.by_name[name].is_watching or work.bots.by_name[name].day.skip:
        return
    session, day, held = work.schedule.session, day_at_hand(work, bot), count_trades(positions_of(work, name))
    if opportunity(bot.plan.entry, session, bot.windows(session)[day.window], day, held, work.at).is_open:
        _note_unwatched(work, bot, Opportunity(False, reason, shut=Shut.BLOCKED), day.window)


def _judge_entry(work: StateBuilder, bot: CompiledBot) -> None:
    plan = bot.plan
    name = plan.name
    view = view_of(work)
    readings = evaluate_rules(work, name, "when", bot.when, view)
    truths = [confirmed(work, name, "when", reading, view) for reading in readings]
    if all(truth is True for truth in truths):
        if (taken := take_alternative(work, bot, view, readings)) is not None:
            choose_and_send(work, taken[0], view, taken[1])
        return
    missed = failing(readings)
    if missed:
        record_miss(work, bot, missed, readings)
        if plan.entry.once and all(r.evaluation.truth is not None for r in readings):
            reason = f"{missed[0].rule.name} {describe(missed[0].rule, missed[0].evaluation)}"
            put_day(work, replace(work.bots.by_name[name].day, decided=reason))
    else:
        set_bot(work, name, replace(work.bots.by_name[name], status_text="confirmation"))


def choose_and_send(work: StateBuilder, bot: CompiledBot, view: View, readings: tuple[Reading, ...]) -> None:
    """Select the legs of an entry whose conditions hold, and send it unless something blocks it."""
    plan = bot.plan
    name = plan.name
    avoid = blocked_for(work, name)
    selection = select(plan.legs, view, bot.expected_move, avoid, taken_for(work, bot))
    set_bot(work, name, replace(work.bots.by_name[name], selection=selection))
    if not selection.is_complete:
        set_bot(work, name, replace(work.bots.by_name[name], status_text=selection.missing or selection.refused))
        if selection.refused:
            what = "expiry" if selection.choices[-1].is_without_expiry else "strikes"
            record_limit_miss(work, bot, what, selection.refused, readings)
        note_selection(work, bot, view, selection, selection.missing or selection.refused)
        if plan.entry.once and selection.refused:
            put_day(work, work.bots.by_name[name].day.note(bot.symbol, decided=selection.refused))
        return
    send_selected(work, bot, view, selection, readings)


def send_selected(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, readings: tuple[Reading, ...]
) -> None:
    """Send an entry of the selected structure, unless something blocks it."""
    name = bot.plan.name
    quote = price_legs(selection, view)
    if not require_holds(work, bot, view, selection, quote, readings, is_first=True):
        return
    if not _risk_holds(work, bot, view, selection, readings):
        return
    if halt_on_entry_rate(work, name):
        return
    if reason := entry_refusal(work, bot, view, selection, quote):
        set_bot(work, name, replace(work.bots.by_name[name], status_text=reason))
        record_limit_miss(work, bot, LIMITS, reason, readings)
        skip(work, name, reason, bot.symbol)
        return
    if not is_reported(work, bot, selection, view.quantity):
        ask_margin(work, bot, view, selection)
        return
    if leaving := opposing_exit(work, bot, selection.legs):
        set_bot(
            work,
            name,
            replace(work.bots.by_name[name], status_text=f"the exit of {leaving} in the same option to be over"),
        )
        wake(work, name, 1.0)
        return
    if crossing := crossing_orders(work, bot, selection.legs):
        work.follow_up(EntryCrosses(crossing))
        waits = "cancel of resting orders on the other side"
        set_bot(work, name, replace(work.bots.by_name[name], status_text=waits, is_waiting_to_enter=True))
        wake(work, name, 1.0)
        return
    send_entry(work, bot, view, selection, quote)


def _risk_holds(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, readings: tuple[Reading, ...]
) -> bool:
    """Judge `risk.require` with this entry included; a miss is remembered like one of `require`."""
    if not bot.risk:
        return True
    name = bot.plan.name
    view.exposure = exposure_with(work, view, selection, positions_of(work, name), "the bot")
    required = evaluate_rules(work, name, "risk", bot.risk, view)
    if all(confirmed(work, name, "risk", reading, view) is True for reading in required):
        return True
    missed = failing(required)
    if missed:
        record_structure_miss(work, bot, view, selection, missed, (*readings, *required))
    else:
        set_bot(work, name, replace(work.bots.by_name[name], status_text="confirmation"))
    return False
