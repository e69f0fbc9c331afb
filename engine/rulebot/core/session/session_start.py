"""What goes by the clock: a new trading day, halts, the open's expected move, snapshots of open positions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from rulebot.core.exits.bracket_orders import cancel_entries
from rulebot.core.gate.exit_retry import alarm_unclosed, begin_session
from rulebot.core.program import CompiledBot
from rulebot.core.queries.day_pnl import account_today, bot_today, structure, unvalued
from rulebot.core.queries.entry_blocks import shut_today
from rulebot.core.reconciliation.account_snapshot import record_snapshot
from rulebot.core.rules.hooks import expiries, of_day
from rulebot.core.rules.near_misses import end_watch
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, first_missing, wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import HALTS, NOTHING, BotState, NearestMiss, Reading
from rulebot.decide.account_rules import with_row
from rulebot.decide.entry_window import BotDay, at_hand, in_window
from rulebot.decide.limits import account_day_problem, day_problem
from rulebot.evaluate.strike_terms import ExpectedMove
from rulebot.fill.ledger import BookedExecution
from rulebot.measure.view import LegView
from rulebot.model.cause import OF_ACCOUNT, Cause, Halt, Name, Shut, Text
from rulebot.model.contract import Option
from rulebot.model.facts import Facts
from rulebot.model.money import ZERO
from rulebot.model.order import FILLS_KEPT, Purpose
from rulebot.model.position import Position
from rulebot.model.session import Session, at_exchange_time, exchange_date, session_from
from rulebot.model.values import replace
from rulebot.record.record import OPENING_MOVE, Kind
from rulebot.spec.spec import HALT
from rulebot.wording.verdict import describe

DAILY_LOSS = "daily_loss"
LIQUIDATES = "the broker liquidates in this account"
"""Why all bots are halted, those that are added later on the same day too."""
UNVALUED_GRACE = timedelta(seconds=30)
"""How long a position may be without a sound quote before a person is told that daily_loss does not see it."""
OPENING_MINUTES = timedelta(minutes=5)
"""The expected move of the open is taken at the first sound instant, not later than this."""


# ---------------------------------------------------------------- a new day


def open_day(work: StateBuilder, session: Session, *, resumed: bool = False) -> None:
    """Begin a trading day.

    `resumed`: the day may have begun before a restart; what positions were worth when it did is in the bases, and the
    snapshots may be of today. What no record has, a restart would not know: it is no base.
    """
    _note_session(work, session)
    working = {name for order in work.all_live_orders() for name in order.positions}
    gone = {name for name, p in work.positions.by_id.items() if is_over(p, session) and name not in working}
    bases = {
        name: (NOTHING if resumed else work.positions.snapshots).get(name, work.positions.bases.get(name, ZERO))
        for name, position in work.positions.by_id.items()
        if name not in gone and position.session != session.date
    }
    positions = {name: found for name, found in work.positions.by_id.items() if name not in gone}
    orders = {ref: o for ref, o in work.orders.by_ref.items() if o.status.is_live or positions.keys() >= {*o.positions}}
    work.start_day(positions, orders, retained_executions(work.positions.booked, positions, session))
    work.positions = replace(work.positions, bases=bases)
    begin_session(work, session)
    if work.connection.is_ready and not resumed:
        record_snapshot(work)
    for name, found in list(work.bots.by_name.items()):
        if not _is_run(work, name, found, session):
            _leave_out(work, name, found, session)
    for name in _at_hand(work):
        previous = work.bots.by_name.get(name)
        kept = previous.day if previous is not None and previous.day.date == session.date else None
        day = kept or new_bot_day(work, name, session)
        hand_entered = "" if previous is None else previous.hand_entered
        is_named = previous is not None and previous.is_named
        begun = BotState(day=day, agenda=agenda_of(work, name, session), hand_entered=hand_entered, is_named=is_named)
        if resumed and previous is not None:
            nearest = _still_nearest(work, name, previous)
            begun = replace(
                begun,
                grid_since=previous.grid_since,
                nearest=nearest,
                alarmed=previous.alarmed,
                blocked=previous.blocked,
            )
        work.set_bot(name, begun)
        work.set_wake(name, work.at)
        work.put_day(day)
    if not resumed:
        alarm_unclosed(work)
    facts, closing = _of_day(work, session), work.market.closing if resumed else NOTHING
    work.market = replace(work.market, facts=facts, closing=closing)
    work.requests = replace(work.requests, hook_ids=work.requests.hook_ids if resumed else frozenset())
    work.subscriptions = replace(work.subscriptions, is_short_told=False)
    work.schedule = replace(work.schedule, session=session, watch_at=None, mark_at=None)


def _still_nearest(work: StateBuilder, name: str, previous: BotState) -> NearestMiss | None:
    """Return what came nearest today before a restart, of the text that runs now alone."""
    bot, nearest = work.bot(name), previous.nearest
    return nearest if bot is not None and nearest is not None and nearest.digest == bot.plan.digest else None


def resize_session(work: StateBuilder, session: Session) -> None:
    """Go on with the day that is on, in a session of other length."""
    _note_session(work, session)
    for name in _at_hand(work):
        work.set_bot(name, replace(work.bots.by_name[name], agenda=agenda_of(work, name, session)))
        work.set_wake(name, work.at)
    work.schedule = replace(work.schedule, session=session, watch_at=None)


def _note_session(work: StateBuilder, session: Session) -> None:
    work.record(
        Kind.SESSION,
        date=session.date.isoformat(),
        open=session.open.isoformat(),
        close=session.close.isoformat(),
        half=session.is_half,
    )


def _at_hand(work: StateBuilder) -> tuple[str, ...]:
    """Return the bots that run, and those that do not and still have positions."""
    others = {position.bot for position in work.positions.by_id.values()} - work.program.bots.keys()
    return (*work.program.bots, *sorted(others))


def _of_day(work: StateBuilder, session: Session) -> Facts:
    """Return the facts that are still so: what ended with the session before is asked for anew on another day."""
    facts = replace(work.market.facts, hooks=of_day(work.market.facts.hooks, session))
    if session.date == work.schedule.session.date:
        return facts
    return replace(facts, closes={}, implied={}, opening_moves={}, hours={})


def new_bot_day(work: StateBuilder, name: str, session: Session) -> BotDay:
    """Return the day of a bot that begins it: halted while others are for what is the whole account's."""
    days = [state.day for state in work.bots.by_name.values() if state.day.date == session.date]
    halted = next((day for day in days if day.halt in OF_ACCOUNT), None)
    previous, bot = work.bots.by_name.get(name), work.program.bots.get(name)
    week = _opened_this_week(previous, session)
    day = BotDay(bot=name, date=session.date, week=week)
    if bot is not None and bot.plan.growth is not None:
        day = with_row(day, None if previous is None else previous.day, bot.plan.digest)
    return day if halted is None or halted.halt is None else day.halted_for(halted.halt, halted.halted)


def _opened_this_week(previous: BotState | None, session: Session) -> int:
    """Return how many positions a bot has opened on earlier days of the week that this session is in."""
    if previous is None or not is_same_week(previous.day.date, session.date):
        return 0
    return previous.day.week + previous.day.opened


def is_same_week(day: date, other: date) -> bool:
    """Say whether two days are of one week, Monday to Sunday."""
    return day.isocalendar()[:2] == other.isocalendar()[:2]


def _is_run(work: StateBuilder, name: str, state: BotState, session: Session) -> bool:
    """Say whether a bot runs, holds something or has traded on the day that begins."""
    holds = any(position.bot == name for position in work.positions.by_id.values())
    return name in work.program.bots or holds or state.day.date == session.date


def _leave_out(work: StateBuilder, name: str, state: BotState, session: Session) -> None:
    """Forget a bot that runs no more, but for what it has opened in this week: that counts should it be added again."""
    work.drop_bot(name)
    if week := _opened_this_week(state, session):
        work.set_bot(name, BotState(day=BotDay(bot=name, date=session.date, week=week), is_gone=True))


def agenda_of(work: StateBuilder, name: str, session: Session) -> tuple[datetime, ...]:
    """Return when a bot must be looked at by the clock: by its text, and by those its positions were opened under."""
    texts = work.texts_of(name)
    found = {at for text in texts for at in text.instants(session)}
    return tuple(sorted(found | expiries(work.market.facts.hooks, texts, work.at)))


def day_at_hand(work: StateBuilder, bot: CompiledBot) -> BotDay:
    """Return the day of a bot in the window that is on or comes next."""
    name, found = bot.plan.name, bot.windows(work.schedule.session)
    day, number = work.bots.by_name[name].day, at_hand(found, work.at) if len(found) > 1 else 0
    day = day.in_symbols() if bot.members else day.in_one(bot.plan.underlyings[0])
    start, end = span = found[number]
    is_shut = start >= end  # by an early close that may be taken back: what was used up of it stays so
    if day.window == number and (is_shut or day.window_from is None or (day.window_from, day.window_to) == span):
        return day
    used = day.window_from, day.window_to
    if day.window_to is not None and used != span and used in found:
        start = max(start, day.window_to)  # by an early close it may have begun within the one before
    entries = (order for order in work.orders.by_ref.values() if order.bot == name and order.purpose is Purpose.ENTRY)
    sent = {order.position for order in entries if start <= order.prepared_at < end}
    return in_window(day, number, (start, end), len(sent))


def is_over(position: Position, session: Session) -> bool:
    """Say whether a position was closed before this session's day."""
    if position.state != "closed" or position.closed_at is None:
        return False
    return session_from(exchange_date(position.closed_at)).date < session.date


def retained_executions(
    booked: Mapping[str, BookedExecution], positions: Collection[str], session: Session
) -> dict[str, BookedExecution]:
    """Return the executions that may still be told again or corrected as a day begins: those of the positions at hand,
    and those that are not too old.
    """
    since = at_exchange_time(session.date, time()) - FILLS_KEPT
    return {
        base: each
        for base, each in booked.items()
        if each.position in positions or each.dealt_at is None or each.dealt_at >= since
    }


def due_session(session: Session, at: datetime) -> Session | None:
    """Return the session that has come, when the present one is behind us."""
    if at <= session.close or at - session.close < timedelta(hours=4):
        return None
    coming = session_from(exchange_date(at))
    return coming if coming.date != session.date else None


# ---------------------------------------------------------------- halts


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
    view = work.view()
    readings = evaluate_rules(work, name, HALTS, bot.halts, view)
    truths = [confirmed(work, name, HALTS, reading, view) for reading in readings]
    if True in truths:
        _halt_by(work, bot, [reading for reading, truth in zip(readings, truths, strict=True) if truth])
        return ""
    unknown = readings[truths.index(None)] if None in truths else None
    if unknown is None:
        return ""
    return shut_today(work, bot) or f"halt condition {unknown.rule.name} unknown: {first_missing(unknown.verdict)}"


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
    words = f"{rule.name} {describe(rule, found.verdict)}"
    name = bot.plan.name
    if closing in exits:
        work.put_day(replace(work.bots.by_name[name].day, closing=closing, closing_text=bot.plan.digest))
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
    if not going and not held and not any(order.can_increase_risk for order in work.all_live_orders()):
        return
    if reason := account_day_problem(account_today(work), limits.day):
        cancel_entries(work, "", Cause.ACCOUNT_LIMIT, reason.text)
        for name in going:
            halt(work, name, reason.halt, reason.text)
        for name in held if reason.halt is Halt.ACCOUNT_LOSS else ():
            _close_by_loss(work, name)


def _close_by_loss(work: StateBuilder, name: str) -> None:
    """Have all that a bot has open closed, under whatever text, in the next turn (`at_daily_loss: {close: all}`)."""
    work.put_day(replace(work.bots.by_name[name].day, closing=DAILY_LOSS, closing_text=""))
    wake(work, name, 0.0)


def _left_open(work: StateBuilder) -> list[str]:
    """Return the bots that have something open or on its way, and that no loss of the day closes yet."""
    names = dict.fromkeys(position.bot for position in work.active_positions())
    return [name for name in names if work.bots.by_name[name].day.closing != DAILY_LOSS]


def _note_unvalued(work: StateBuilder, name: str) -> None:
    """Say when a loss of the day has been judged for a while on what a position was last known to be worth."""
    state = work.bots.by_name[name]
    now = {(position, DAILY_LOSS) for position in unvalued(work, name)}
    since = {key: at for key, at in state.unknown_since.items() if key[1] != DAILY_LOSS or key in now}
    since.update({key: work.at for key in now if key not in since})
    if since != state.unknown_since:
        work.set_bot(name, replace(state, unknown_since=since))
    for key in sorted(now):
        left = (since[key] + UNVALUED_GRACE - work.at).total_seconds()
        if left > 0:
            wake(work, name, left)
            continue
        text = f"daily_loss counts what {key[0]} was last known to be worth: its quotes are not sound"
        work.alarm(name, text, key[0])


def halt(work: StateBuilder, name: str, why: Halt, reason: Text, rule: Name = "") -> None:
    """Let a bot enter nothing more today, and take back what it is entering; what is open goes on under its exits.

    rule: the condition that is the cause.
    """
    state = work.bots.by_name[name]
    work.put_day(state.day.halted_for(why, reason, rule))
    work.record(Kind.DECISION, name, what="halt", reason=reason, values=[], halt=why.value, rule=rule)
    cancel_entries(work, name, Cause.HALTED, reason)
    work.set_bot(name, replace(work.bots.by_name[name], since=work.at))
    if work.bots.by_name[name].is_watching:
        work.set_bot(name, replace(work.bots.by_name[name], is_watching=False, grid_since=None))
        end_watch(work, name, Shut.HALTED, f"halted: {reason}")


# ---------------------------------------------------------------- the open's expected move


def note_opening_moves(work: StateBuilder) -> Facts:
    """Return the facts with the expected move of the open, as soon as it is sound in the first minutes.

    It is that of the expiries that may be entered today, and of those that are held and whose exits read it.
    """
    facts, session = work.market.facts, work.schedule.session
    if not session.open <= work.at < session.open + OPENING_MINUTES:
        return facts
    view = None
    for name, bot, symbol, expiry, legs in _opening_moves(work):
        if (symbol, expiry) not in facts.opening_moves:
            view = view or work.view()  # one for all: the straddle of an expiry is read once
            view.legs = legs
            facts = _noted(work, facts, name, symbol, expiry, bot.opening_move(view, symbol))
    return facts


def awaited_opening_moves(work: StateBuilder) -> frozenset[str]:
    """Return the symbols of which an expected move of the open is not known yet, and may come now."""
    opened = work.schedule.session.open
    if not opened <= work.at < opened + OPENING_MINUTES:
        return frozenset()
    known = work.market.facts.opening_moves
    return frozenset(symbol for _, _, symbol, expiry, _ in _opening_moves(work) if (symbol, expiry) not in known)


def _opening_moves(work: StateBuilder) -> Iterator[tuple[str, CompiledBot, str, date, tuple[LegView, ...]]]:
    """Yield the bot, its text, the symbol, the expiry and the legs held of each that is read.

    Bots that are compiled together have one reader for the same expiry of the same class: the first of them stands for
    all.
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
    for position in work.active_positions():
        bot = work.governing(position)
        for symbol in sorted(bot.exit_moves):
            legs = structure(work, position).legs
            expiry = min((leg.option.expiry for leg in legs if _is_option_of(leg.option, symbol)), default=None)
            if expiry is not None:
                yield position.bot, bot, symbol, expiry, legs


def _is_option_of(option: Option, symbol: str) -> bool:
    return option.symbol == symbol and not option.is_share


def _noted(work: StateBuilder, facts: Facts, bot: str, symbol: str, expiry: date, points: float | None) -> Facts:
    """Return the facts with the expected move of the open of an expiry, once it is known."""
    if points is None:
        return facts
    points = round(points, 4)
    work.record(Kind.FACTS, bot, symbol=symbol, what=OPENING_MOVE, value=points, expiry=expiry.isoformat())
    return replace(facts, opening_moves={**facts.opening_moves, (symbol, expiry): points})
