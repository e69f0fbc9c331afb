"""Session start and clock work: a new trading day, the expected move of the open, position snapshots."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta

from rulebot.core.facts import SessionStarted
from rulebot.core.gate.exit_retry import alarm_unclosed, begin_session
from rulebot.core.queries.schedule import OPENING_MINUTES, _opening_moves, is_same_week
from rulebot.core.rules.inputs import expiries, of_day
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import drop_bot, put_day, set_bot, set_wake, start_day
from rulebot.core.state.lists import all_live_orders, current_text, texts_of, view_of
from rulebot.core.state.state import NOTHING, BotState, NearestMiss
from rulebot.decide.account_rules import with_row
from rulebot.decide.entry_window import BotDay
from rulebot.fill.ledger import BookedExecution
from rulebot.model.cause import OF_ACCOUNT
from rulebot.model.facts import Facts
from rulebot.model.money import ZERO
from rulebot.model.order import FILLS_KEPT
from rulebot.model.position import Position
from rulebot.model.session import Session, at_exchange_time, exchange_date, session_from
from rulebot.model.values import replace
from rulebot.record.record import OPENING_MOVE, Kind

# ---------------------------------------------------------------- a new day


def open_day(work: StateBuilder, session: Session, *, resumed: bool = False) -> None:
    """Begin a trading day.

    `resumed`: the day may have begun before a restart; then the bases hold the positions' values at its start, and
    snapshots may be of today. What no record has is no base.
    """
    _note_session(work, session)
    _keep_what_goes_on(work, session, resumed=resumed)
    begin_session(work, session)
    if work.connection.is_ready and not resumed:
        work.follow_up(SessionStarted())
    for name, found in list(work.bots.by_name.items()):
        if not _is_run(work, name, found, session):
            _leave_out(work, name, found, session)
    for name in _at_hand(work):
        _begin_bot(work, name, session, resumed=resumed)
    if not resumed:
        alarm_unclosed(work)
    facts, closing = _of_day(work, session), work.market.closing if resumed else NOTHING
    work.market = replace(work.market, facts=facts, closing=closing)
    work.requests = replace(work.requests, hook_ids=work.requests.hook_ids if resumed else frozenset())
    work.subscriptions = replace(work.subscriptions, is_shortage_reported=False)
    work.schedule = replace(work.schedule, session=session, watch_at=None, mark_at=None)


def _keep_what_goes_on(work: StateBuilder, session: Session, *, resumed: bool) -> None:
    """Keep the positions that are not over, their orders and executions, and what each had made at the open."""
    working = {name for order in all_live_orders(work) for name in order.positions}
    gone = {name for name, p in work.positions.by_id.items() if is_over(p, session) and name not in working}
    bases = {
        name: (NOTHING if resumed else work.positions.snapshots).get(name, work.positions.pnl_at_open.get(name, ZERO))
        for name, position in work.positions.by_id.items()
        if name not in gone and position.session != session.date
    }
    positions = {name: found for name, found in work.positions.by_id.items() if name not in gone}
    orders = {ref: o for ref, o in work.orders.by_ref.items() if o.status.is_live or positions.keys() >= {*o.positions}}
    start_day(work, positions, orders, retained_executions(work.positions.executions, positions, session))
    work.positions = replace(work.positions, pnl_at_open=bases)


def _begin_bot(work: StateBuilder, name: str, session: Session, *, resumed: bool) -> None:
    """Begin the day of a bot, or continue one that has begun."""
    previous = work.bots.by_name.get(name)
    kept = previous.day if previous is not None and previous.day.date == session.date else None
    started = BotState(day=kept or new_bot_day(work, name, session), agenda=agenda_of(work, name, session))
    if previous is not None:
        started = replace(started, manual_position=previous.manual_position, is_named=previous.is_named)
    if resumed and previous is not None:
        started = replace(
            started,
            grid_since=previous.grid_since,
            nearest=_still_nearest(work, name, previous),
            alarmed=previous.alarmed,
            blocked=previous.blocked,
        )
    set_bot(work, name, started)
    set_wake(work, name, work.at)
    put_day(work, started.day)


def _still_nearest(work: StateBuilder, name: str, previous: BotState) -> NearestMiss | None:
    """Return what came nearest today before a restart, of the text that runs now alone."""
    bot, nearest = current_text(work, name), previous.nearest
    return nearest if bot is not None and nearest is not None and nearest.digest == bot.plan.digest else None


def resize_session(work: StateBuilder, session: Session) -> None:
    """Continue the current day with a session of other length."""
    _note_session(work, session)
    for name in _at_hand(work):
        set_bot(work, name, replace(work.bots.by_name[name], agenda=agenda_of(work, name, session)))
        set_wake(work, name, work.at)
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
    """Return the facts that still hold; those of the ended session are requested again on another day."""
    facts = replace(work.market.facts, hooks=of_day(work.market.facts.hooks, session))
    if session.date == work.schedule.session.date:
        return facts
    return replace(facts, closes={}, implied={}, opening_moves={}, hours={})


def new_bot_day(work: StateBuilder, name: str, session: Session) -> BotDay:
    """Return the new day of a bot: halted while others are halted for an account-wide reason."""
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


def _is_run(work: StateBuilder, name: str, state: BotState, session: Session) -> bool:
    """Say whether a bot runs, holds something or has traded on the day that begins."""
    holds = any(position.bot == name for position in work.positions.by_id.values())
    return name in work.program.bots or holds or state.day.date == session.date


def _leave_out(work: StateBuilder, name: str, state: BotState, session: Session) -> None:
    """Forget a bot that runs no more, but for what it has opened in this week: that counts should it be added again."""
    drop_bot(work, name)
    if week := _opened_this_week(state, session):
        set_bot(work, name, BotState(day=BotDay(bot=name, date=session.date, week=week), is_gone=True))


def agenda_of(work: StateBuilder, name: str, session: Session) -> tuple[datetime, ...]:
    """Return when a bot must be looked at by the clock: by its text, and by those its positions were opened under."""
    texts = texts_of(work, name)
    found = {at for text in texts for at in text.instants(session)}
    return tuple(sorted(found | expiries(work.market.facts.hooks, texts, work.at)))


def is_over(position: Position, session: Session) -> bool:
    """Say whether a position was closed before this session's day."""
    if position.state != "closed" or position.closed_at is None:
        return False
    return session_from(exchange_date(position.closed_at)).date < session.date


def retained_executions(
    booked: Mapping[str, BookedExecution], positions: Collection[str], session: Session
) -> dict[str, BookedExecution]:
    """Return the executions that may be repeated or corrected at the start of a day.

    Those are the executions of positions in memory, and recent ones.
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
            view = view or view_of(work)  # one for all: the straddle of an expiry is read once
            view.legs = legs
            facts = _noted(work, facts, name, symbol, expiry, bot.opening_move(view, symbol))
    return facts


def _noted(work: StateBuilder, facts: Facts, bot: str, symbol: str, expiry: date, points: float | None) -> Facts:
    """Return the facts with the expected move of the open of an expiry, once it is known."""
    if points is None:
        return facts
    points = round(points, 4)
    work.record(Kind.FACTS, bot, symbol=symbol, what=OPENING_MOVE, value=points, expiry=expiry.isoformat())
    return replace(facts, opening_moves={**facts.opening_moves, (symbol, expiry): points})
