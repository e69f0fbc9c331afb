"""What halts entries: losses, open limits, rules of the account."""

from collections.abc import Sequence
from datetime import timedelta

from rulebot.core.emit.orders import cancel_entries
from rulebot.core.program import CompiledBot
from rulebot.core.queries.day_pnl import account_today, bot_today, unvalued
from rulebot.core.queries.entry_blocks import shut_today
from rulebot.core.rules.near_misses import end_watch
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, first_missing, wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.lists import active_positions, all_live_orders, view_of
from rulebot.core.state.state import HALTS, Reading
from rulebot.core.state.turn import alarm
from rulebot.decide.limits import account_day_problem, day_problem
from rulebot.model.cause import Cause, Halt, Name, Shut, Text
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.record.record import Kind
from rulebot.spec.spec import HALT
from rulebot.wording.condition import describe

DAILY_LOSS = "daily_loss"
LIQUIDATES = "the broker liquidates in this account"
"""Why all bots are halted, those that are added later on the same day too."""
UNVALUED_GRACE = timedelta(seconds=30)
"""How long a position may have no sound quote before the alarm that daily_loss does not include it."""


def stop_for_today(work: StateBuilder, position: Position, why: Halt, reason: Text) -> None:
    """Let the position's bot enter nothing more today."""
    if position.bot in work.bots.by_name:
        put_day(work, work.bots.by_name[position.bot].day.halted_for(why, reason))


def evaluate_halts(work: StateBuilder, bot: CompiledBot) -> str:
    """Judge what halts the bot for the day; return why entries are blocked while it cannot be judged."""
    name = bot.plan.name
    state = work.bots.by_name[name]
    session = work.schedule.session
    if state.day.halt or not session.is_on(work.at):
        return ""
    bounds = bot.plan.risk.day
    if bounds.loss is not None or work.program.limits.daily_loss is not None:
        _note_unvalued(work, name)
    if bounds.are_set and (reason := day_problem(bot_today(work, name), bounds)):
        halt(work, name, reason.halt, reason.text)
        if bounds.closes and reason.halt is Halt.DAY_LOSS:
            _close_by_loss(work, name)
        return ""
    if not bot.halts:
        return ""
    view = view_of(work)
    readings = evaluate_rules(work, name, HALTS, bot.halts, view)
    truths = [confirmed(work, name, HALTS, reading, view) for reading in readings]
    if True in truths:
        _halt_by(work, bot, [reading for reading, truth in zip(readings, truths, strict=True) if truth])
        return ""
    unknown = readings[truths.index(None)] if None in truths else None
    if unknown is None:
        return ""
    return shut_today(work, bot) or f"halt condition {unknown.rule.name} unknown: {first_missing(unknown.evaluation)}"


def halts_at_a_try(work: StateBuilder, name: str) -> str:
    """Return why a further try of an entry is not made, by what halts its bot as it is judged now; "" when it is."""
    bot = work.program.bots.get(name)
    reason = "" if bot is None else evaluate_halts(work, bot)
    day = work.bots.by_name[name].day if name in work.bots.by_name else None
    return f"halted: {day.halted}" if day is not None and day.halt else reason


def _halt_by(work: StateBuilder, bot: CompiledBot, true: Sequence[Reading]) -> None:
    """Halt a bot for the first of these conditions that closes what is open, else for the first."""
    exits = {planned.name for planned in bot.plan.exits}
    found = next((reading for reading in true if HALT + reading.rule.name in exits), true[0])
    rule, closing = found.rule, HALT + found.rule.name
    words = f"{rule.name} {describe(rule, found.evaluation)}"
    name = bot.plan.name
    if closing in exits:
        put_day(work, replace(work.bots.by_name[name].day, closing=closing, closing_text=bot.plan.digest))
    halt(work, name, Halt.CONDITION, words, rule.name)


def halt_by_account(work: StateBuilder) -> None:
    """Halt all bots for the day when together they have lost what the account may lose in a session, or made enough.

    Also those that run no more and have something of today: they may be added again.
    """
    limits, session = work.program.limits, work.schedule.session
    if not limits.bounds_a_day or not session.is_on(work.at):
        return
    going = [name for name, state in work.bots.by_name.items() if not (state.is_gone or state.day.halt)]
    held = _left_open(work) if limits.at_daily_loss else []
    if not going and not held and not any(order.can_increase_risk for order in all_live_orders(work)):
        return
    if reason := account_day_problem(account_today(work), limits.day):
        cancel_entries(work, "", Cause.ACCOUNT_LIMIT, reason.text)
        for name in going:
            halt(work, name, reason.halt, reason.text)
        for name in held if reason.halt is Halt.ACCOUNT_LOSS else ():
            _close_by_loss(work, name)


def _close_by_loss(work: StateBuilder, name: str) -> None:
    """Close everything that a bot has open in the next turn, under any spec (`at_daily_loss: {close: all}`)."""
    put_day(work, replace(work.bots.by_name[name].day, closing=DAILY_LOSS, closing_text=""))
    wake(work, name, 0.0)


def _left_open(work: StateBuilder) -> list[str]:
    """Return the bots with open positions or working entries that no daily loss closes yet."""
    names = dict.fromkeys(position.bot for position in active_positions(work))
    return [name for name in names if work.bots.by_name[name].day.closing != DAILY_LOSS]


def _note_unvalued(work: StateBuilder, name: str) -> None:
    """Say when a loss of the day has been judged for a while on what a position was last known to be worth."""
    state = work.bots.by_name[name]
    now = {(position, DAILY_LOSS) for position in unvalued(work, name)}
    since = {key: at for key, at in state.unknown_since.items() if key[1] != DAILY_LOSS or key in now}
    since.update({key: work.at for key in now if key not in since})
    if since != state.unknown_since:
        set_bot(work, name, replace(state, unknown_since=since))
    for key in sorted(now):
        left = (since[key] + UNVALUED_GRACE - work.at).total_seconds()
        if left > 0:
            wake(work, name, left)
            continue
        text = f"daily_loss counts what {key[0]} was last known to be worth: its quotes are not sound"
        alarm(work, name, text, key[0])


def halt(work: StateBuilder, name: str, why: Halt, reason: Text, rule: Name = "") -> None:
    """Stop a bot's entries for today and cancel its working entries; open positions keep their exits.

    rule: the condition that is the cause.
    """
    state = work.bots.by_name[name]
    put_day(work, state.day.halted_for(why, reason, rule))
    work.record(Kind.DECISION, name, what="halt", reason=reason, values=[], halt=why.value, rule=rule)
    cancel_entries(work, name, Cause.HALTED, reason)
    set_bot(work, name, replace(work.bots.by_name[name], since=work.at))
    if work.bots.by_name[name].is_watching:
        set_bot(work, name, replace(work.bots.by_name[name], is_watching=False, grid_since=None))
        end_watch(work, name, Shut.HALTED, f"halted: {reason}")
