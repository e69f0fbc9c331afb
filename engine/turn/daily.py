"""What goes by the clock: a new trading day, halts, snapshots of open positions, settlement, what to stream."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from engine.decide.bot_day import BotDay
from engine.evaluate.watch import Aim, Wish, entry_aims, entry_wish, money_wish, watch_list
from engine.evaluate.wording import describe
from engine.model.command import Watch
from engine.model.contract import Contract, Option, Settlement, Underlying, product
from engine.model.facts import Facts
from engine.model.money import CENT, ZERO, dollars
from engine.model.payoff import intrinsic
from engine.model.position import Position, PositionLeg
from engine.model.quotes import level_of
from engine.model.session import Session, at_exchange_time, exchange_date, session_before, session_from
from engine.record.record import Kind
from engine.turn.ended import closed
from engine.turn.entering import end_watch
from engine.turn.judging import first_missing, judge_all, rounded
from engine.turn.profit import bot_today, profit, with_leg
from engine.turn.program import CompiledBot
from engine.turn.resting import cancel, cancel_entries, option_has_expired, resting_orders
from engine.turn.state import NEVER, BotState
from engine.turn.work import Work

SETTLED_AFTER = timedelta(minutes=5)
"""After the close, by when the account no longer has what has expired."""
DOUBT = timedelta(seconds=30)
"""How long the account may hold less than our books say: a fill may be told after the position it made."""
MARK_EVERY = timedelta(seconds=60)
WATCH_EVERY = timedelta(seconds=5)
WATCH_AHEAD = timedelta(minutes=10)
"""How long before its window a bot's contracts are streamed."""
OPENING_MINUTES = timedelta(minutes=5)
"""The expected move of the open is taken at the first sound instant, not later than this."""


# ---------------------------------------------------------------- a new day


def open_day(work: Work, session: Session, *, resumed: bool = False) -> dict[str, Any]:
    """Begin a trading day; return the changed fields of the state.

    `resumed`: the day may have begun before a restart; what positions were worth when it did is in the bases.
    """
    work.record(
        Kind.SESSION,
        date=session.date.isoformat(),
        open=session.open.isoformat(),
        close=session.close.isoformat(),
        half=session.is_half,
    )
    working = {order.position for order in work.all_live_orders()}
    gone = {name for name, p in work.positions.items() if is_over(p, session) and name not in working}
    bases = {
        name: work.bases[name] if resumed and name in work.bases else work.marks.get(name, work.bases.get(name, ZERO))
        for name, position in work.positions.items()
        if name not in gone and position.session != session.date
    }
    positions = {name: found for name, found in work.positions.items() if name not in gone}
    orders = {ref: o for ref, o in work.orders.items() if o.status.is_live or o.position in positions}
    work.start_day(positions, orders)
    work.bases = bases
    for name in (*work.program.bots, *sorted({p.bot for p in work.positions.values()} - work.program.bots.keys())):
        previous = work.bots.get(name)
        kept = previous.day if previous is not None and previous.day.date == session.date else None
        day = kept or BotDay(bot=name, date=session.date)
        bot = work.program.bots.get(name)
        agenda = bot.instants(session) if bot is not None else ()
        work.set_bot(name, BotState(day=day, agenda=agenda))
        work.set_wake(name, work.at)
        work.put_day(day)
    return {
        "session": session,
        "facts": replace(work.state.facts, opening_moves={}),
        "watch_at": None,
        "mark_at": None,
    }


def is_over(position: Position, session: Session) -> bool:
    """Say whether a position was closed before this session's day."""
    if position.state != "closed" or position.closed_at is None:
        return False
    return session_from(exchange_date(position.closed_at)).date < session.date


def roll_due(session: Session, at: datetime) -> Session | None:
    """Return the session that has come, when the present one is behind us."""
    if at <= session.close or at - session.close < timedelta(hours=4):
        return None
    coming = session_from(exchange_date(at))
    return coming if coming.date != session.date else None


# ---------------------------------------------------------------- halts


def step_halts(work: Work, bot: CompiledBot) -> str:
    """Judge what halts the bot for the day; return why entries are blocked while it cannot be judged."""
    name = bot.plan.name
    state = work.bots[name]
    session = work.state.session
    if state.day.halted or not session.open <= work.at < session.close:
        return ""
    limit = bot.plan.risk.daily_loss
    today = bot_today(work, name) if limit is not None else ZERO
    if limit is not None and today <= -limit:
        _halt(work, name, f"the day's loss is {dollars(-today)}, daily_loss is {dollars(limit)}")
        return ""
    if not bot.halts:
        return ""
    readings = judge_all(work, name, "halts", bot.halts, work.view())
    true = [reading for reading in readings if reading.verdict.truth is True]
    if true:
        _halt(work, name, f"{true[0].rule.name} {describe(true[0].rule, true[0].verdict)}")
        return ""
    unknown = next((reading for reading in readings if reading.verdict.truth is None), None)
    if unknown is None:
        return ""
    return f"halt condition {unknown.rule.name} unknown: {first_missing(unknown.verdict)}"


def _halt(work: Work, name: str, reason: str) -> None:
    state = work.bots[name]
    work.put_day(replace(state.day, halted=reason))
    work.record(Kind.DECISION, name, what="halt", reason=reason, values=[])
    cancel_entries(work, name, f"halted: {reason}")
    if work.bots[name].is_watching:
        work.set_bot(name, replace(work.bots[name], is_watching=False, since=work.at))
        end_watch(work, name, f"halted: {reason}")


# ---------------------------------------------------------------- snapshots


def mark_positions(work: Work) -> None:
    """Record a snapshot of every open position and keep its profit."""
    board = work.state.board
    for position in work.active_positions():
        if position.is_flat:
            continue
        made = profit(position, board, work.now)
        if made is not None:
            work.put_mark(position.id, made)
        _mark(work, position, made)


def _mark(work: Work, position: Position, made: Decimal | None) -> None:
    board = work.state.board
    sums = dict.fromkeys(("bid", "ask", "mid", "delta", "gamma", "theta", "vega"), 0.0)
    iv: float | None = None
    for leg in position.legs:
        if not leg.held:
            continue
        row = board.rows.get(leg.option, -1)
        if row < 0:
            return
        weight = leg.sign * leg.ratio
        bid, ask = board.bid[row], board.ask[row]
        bid = 0.0 if bid != bid else bid
        sums["bid"] += weight * (bid if weight > 0 else ask)
        sums["ask"] += weight * (ask if weight > 0 else bid)
        sums["mid"] += weight * (bid + ask) / 2
        for greek in ("delta", "gamma", "theta", "vega"):
            sums[greek] += weight * getattr(board, greek)[row]
        if leg.sign < 0 and iv is None:
            iv = board.iv[row]
    spot = level_of(board, position.legs[0].option.symbol, work.now)
    values = {name: rounded(value) for name, value in sums.items()}
    work.record(
        Kind.MARK,
        position.bot,
        position.id,
        **values,
        iv=rounded(iv),
        spot=rounded(spot),
        profit=None if made is None else str(made),
        quantity=position.structures,
    )


# ---------------------------------------------------------------- settlement


def settle(work: Work, option: Option) -> None:
    """Take an expired option out of every position that holds it, at what it is worth.

    Cash-settled: intrinsic value at the closing level of the index. Shares: nothing is paid for the option; in the
    money by a cent or more it is assigned (short) or exercised (long), else it is worthless.
    """
    level = settlement_level(work, option)
    for position in work.active_positions():
        for leg in position.legs:
            if leg.held and leg.option == option:
                if level is None:
                    work.alarm(position.bot, f"{option} is gone and its settlement level is not known", position.id)
                    continue
                _settle_leg(work, position.id, leg, level)
        if level is not None:
            _after_settlement(work, work.positions[position.id])


def settle_missed(work: Work) -> None:
    """Settle what expired while nobody looked: the account has it no more, and no report will say so again."""
    session = work.state.session
    if not work.state.is_ready:
        return
    held = {leg.option for position in work.active_positions() for leg in position.legs if leg.held}
    for option in sorted(held, key=str):
        is_told_soon = option.expiry == session.date and work.at < session.close + SETTLED_AFTER
        if option_has_expired(work, option) and not is_told_soon and not work.state.holdings.get(option):
            settle(work, option)


def settlement_level(work: Work, option: Option) -> Decimal | None:
    """Return the closing level of an expired option's last day: today's, or that of the session before; else None."""
    session = work.state.session
    if option.expiry == session.date:
        return closing_level(work, option.symbol)
    row = work.state.board.rows.get(Underlying(option.symbol), -1)
    if option.expiry != session_before(session.date).date or row < 0:
        return None
    level = work.state.board.previous_close[row]
    return None if level != level else Decimal(f"{level:.4f}")


def closing_level(work: Work, symbol: str) -> Decimal | None:
    """Return the last print of the underlying, however old."""
    board = work.state.board
    row = board.rows.get(Underlying(symbol), -1)
    if row < 0 or board.last[row] != board.last[row]:
        return None
    return Decimal(f"{board.last[row]:.4f}")


def _settle_leg(work: Work, name: str, leg: PositionLeg, level: Decimal) -> None:
    worth = intrinsic(leg.option, level)
    is_cash = product(leg.option.symbol).settlement is not Settlement.SHARES
    price = worth if is_cash else ZERO
    how = _how(leg, level)
    count = leg.held
    cash = leg.sign * count * price * leg.option.multiplier
    changed = with_leg(
        work.positions[name],
        leg.name,
        closed=leg.closed + count,
        settled=leg.settled + count,
        exit_cash=leg.exit_cash + cash.quantize(CENT),
    )
    work.put_position(changed)
    work.record(
        Kind.SETTLEMENT,
        changed.bot,
        name,
        leg=leg.name,
        quantity=count,
        price=str(price),
        level=str(level),
        how=how,
    )


def _how(leg: PositionLeg, level: Decimal) -> str:
    """Return how a leg ends at this level of its underlying."""
    if intrinsic(leg.option, level) < CENT:
        return "worthless"
    if product(leg.option.symbol).settlement is not Settlement.SHARES:
        return "cash"
    return "assigned" if leg.sign < 0 else "exercised"


def _after_settlement(work: Work, position: Position) -> None:
    if position.state == "closed" or not any(leg.settled for leg in position.legs) or not position.is_flat:
        return
    levels_of = ((leg, settlement_level(work, leg.option)) for leg in position.legs if leg.settled)
    hows = {_how(leg, level) for leg, level in levels_of if level is not None}
    reason = "closed_by_hand" if position.on_hold else position.exit_reason
    if not reason:
        reason = "assigned" if "assigned" in hows else ("expired_worthless" if hows <= {"worthless"} else "settled")
    closed(work, replace(position, exit_reason=reason), "settled")


# ---------------------------------------------------------------- what the account holds


def doubted(work: Work, doubts: Mapping[Option, datetime]) -> dict[Option, datetime]:
    """Return the options of which the account holds less than our books say, and since when."""
    ours: dict[Option, int] = {}
    for position in work.active_positions():
        for leg in position.legs:
            if leg.held:
                ours[leg.option] = ours.get(leg.option, 0) + leg.signed_held
    found = {}
    for option, count in ours.items():
        theirs = work.state.holdings.get(option, ZERO)
        if count and theirs * count < count * count and not option_has_expired(work, option):
            found[option] = doubts.get(option, work.at)
    return found


def step_doubts(work: Work) -> dict[Option, datetime]:
    """Put on hold what the account has not had for a while; go on with what it has again."""
    doubts = doubted(work, work.state.doubts) if work.state.doubts else {}
    hold(work, {option for option, since in doubts.items() if work.at - since >= DOUBT}, set(doubts))
    return doubts


def hold(work: Work, missing: set[Option], doubtful: set[Option]) -> None:
    """Put on hold positions in contracts that the account does not have; nothing works for them any more."""
    for position in work.active_positions():
        options = {leg.option for leg in position.legs if leg.held}
        gone = sorted(options & missing, key=str)
        if gone and not position.on_hold:
            text = f"the account holds less {gone[0]} than our books: closed by hand? nothing is sent for it any more"
            work.alarm(position.bot, text, position.id)
            work.put_position(replace(position, on_hold=text))
            for order in work.live_orders(position.id):
                cancel(work, order, "its position is not in the account")
        elif position.on_hold and not options & doubtful and options:
            work.put_position(replace(position, on_hold=""))


# ---------------------------------------------------------------- the open's expected move


def note_opening_moves(work: Work) -> Facts:
    """Return the facts with the expected move of the open, as soon as it is sound in the first minutes."""
    facts = work.state.facts
    session = work.state.session
    if not session.open <= work.at < session.open + OPENING_MINUTES:
        return facts
    for name, bot in work.program.bots.items():
        for symbol in bot.plan.needs.opening_move:
            expiry = bot.legs_expiry(facts, session, symbol)
            if expiry is None or (symbol, expiry) in facts.opening_moves:
                continue
            points = bot.expected_move(work.view())
            if points is None:
                continue
            facts = replace(facts, opening_moves={**facts.opening_moves, (symbol, expiry): round(points, 4)})
            work.record(
                Kind.FACTS, name, symbol=symbol, what="opening_move", value=round(points, 4), expiry=expiry.isoformat()
            )
    return facts


# ---------------------------------------------------------------- what to stream


def step_watch(work: Work) -> dict[str, Any]:
    """Choose what to stream now and ask for it when it differs; return the changed fields of the state.

    The choice depends on where the bots' strikes lie, on positions and on what is listed; while none of them has
    changed since the last choice, that one stands.
    """
    aims = _aims(work)
    exits = _exit_wishes(work)
    is_same = aims == work.state.aims and work.indexed == work.state.board.version
    if is_same and not exits:
        return {}
    bots = work.program.bots
    wishes = [entry_wish(bots[name].plan, aim, work.state.facts) for name, aim in aims.items()] + exits
    return {"streamed": _stream(work, wishes), "aims": aims}


def _stream(work: Work, wishes: list[Wish]) -> tuple[Contract, ...]:
    pinned: dict[Contract, None] = {}
    for position in work.active_positions():
        pinned.update(dict.fromkeys(leg.option for leg in position.legs if leg.held or position.state == "entering"))
        pinned.update(dict.fromkeys(Underlying(leg.option.symbol) for leg in position.legs))
    for bot in work.program.bots.values():
        pinned.update(dict.fromkeys(bot.levels))
    wanted = watch_list(wishes, pinned, work.state.streamed)
    limit = work.program.line_limit
    if len(wanted) > limit:
        text = f"{len(wanted)} market data lines are wanted, {limit} may be used: the least important wait"
        work.alarm(next(iter(work.bots), ""), text)
        wanted = wanted[:limit]
    if wanted != work.state.streamed:
        work.commands.append(Watch(wanted))
    return wanted


def _exit_wishes(work: Work) -> list[Wish]:
    """Return what exits read at the money, for every position that holds something."""
    view = work.view()
    found = []
    for position in work.active_positions():
        symbols = work.governing(position).exit_chains
        if symbols and not position.is_flat:
            held = [leg.option for leg in position.legs if leg.held]
            found.append(money_wish(symbols, held, view))
    return found


def _aims(work: Work) -> dict[str, tuple[Aim | None, ...]]:
    """Return where the strikes lie of every bot that enters soon."""
    entering = {position.bot for position in work.active_positions() if position.state == "entering"}
    view = work.view()
    return {
        name: entry_aims(bot.plan, view)
        for name, bot in work.program.bots.items()
        if _is_in_reach(work, bot, name in entering)
    }


def _is_in_reach(work: Work, bot: CompiledBot, is_entering: bool) -> bool:
    session = work.state.session
    state = work.bots[bot.plan.name]
    start, end = bot.window(session)
    in_reach = is_entering or (start - WATCH_AHEAD <= work.at < end and not _is_over(state, bot))
    early = bool(bot.plan.needs.opening_move) and work.at < session.open + OPENING_MINUTES
    return in_reach or early


def _is_over(state: BotState, bot: CompiledBot) -> bool:
    day = state.day
    if day.halted or day.decided or day.opened >= bot.plan.entry.per_day:
        return True
    return bool(day.entries) and bot.plan.entry.again is None


# ---------------------------------------------------------------- which rows wake whom


def index_rows(work: Work) -> dict[int, tuple[str, ...]]:
    """Return the bots by the board rows that can change what they do."""
    board = work.state.board
    dependents: dict[int, list[str]] = {}
    for name in work.bots:
        for row in _entry_rows(work, name) | _position_rows(work, name):
            dependents.setdefault(row, []).append(name)
    work.indexed = board.version
    return {row: tuple(names) for row, names in dependents.items()}


def _entry_rows(work: Work, name: str) -> frozenset[int]:
    """Return the rows its halts and entry conditions read now: none once its day is over."""
    bot = work.program.bots.get(name)
    if bot is None or _is_over(work.bots[name], bot):
        return frozenset()
    session = work.state.session
    start, end = bot.window(session)
    rows = work.state.board.rows
    found: set[int] = set()
    if work.at < end and (work.at >= start or bot.halts):
        found.update(rows.get(contract, -1) for contract in bot.levels)
    if start - timedelta(seconds=1) <= work.at < end:
        symbols = {leg.symbol for leg in bot.plan.legs}
        found.update(r for contract, r in rows.items() if isinstance(contract, Option) and contract.symbol in symbols)
    return frozenset(found - {-1})


def _position_rows(work: Work, name: str) -> frozenset[int]:
    """Return the rows its exits read now: none for positions whose exits all rest at the broker."""
    rows = work.state.board.rows
    found: set[int] = set()
    for position in work.positions_of(name):
        bot = work.governing(position)
        if position.is_flat or (_only_rests(bot) and resting_orders(work, position.id) and not position.suspended):
            continue
        found.update(rows.get(leg.option, -1) for leg in position.legs if leg.held)
        found.update(rows.get(contract, -1) for contract in bot.exit_levels)
    return frozenset(found - {-1})


def _only_rests(bot: CompiledBot) -> bool:
    """Say whether every exit that reads the market rests at the broker."""
    return all(planned.resting or planned.rule is None for planned in bot.plan.exits)


def _next_day(session: Session) -> datetime:
    """Return when the next date begins: the first instant at which another session may be due."""
    return at_exchange_time(session.date + timedelta(days=1), time(0))


def next_wake(work: Work, mark_at: datetime | None, watch_at: datetime | None) -> datetime:
    """Return the next instant at which something is due although nothing moves."""
    session = work.state.session
    found = [min(work.wakes.values(), default=NEVER)]
    soon = work.at + timedelta(seconds=1)
    due = [order.attempt_until for order in work.all_live_orders()]
    due += [position.retry_at for position in work.active_positions()]
    found += [max(at, soon) for at in due if at is not None]
    found += [at for at in (mark_at, watch_at) if at is not None]
    found += [at for at in (session.open, session.close, _next_day(session)) if at > work.at]
    return min(found)
