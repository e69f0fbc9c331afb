"""The snapshot of a run, read from its state between two batches: the one place that reads a state for people."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from statistics import fmean

from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.close_plan import CLOSING, exit_ladder
from rulebot.core.queries.orders import RESTING
from rulebot.core.session.position_marks import dollars_at, open_count
from rulebot.core.state.state import BotState, State, TradingMode
from rulebot.fill.exit_level import profit, realized_since
from rulebot.measure.series import DAY
from rulebot.model.cause import Shut
from rulebot.model.contract import Underlying
from rulebot.model.facts import Bars
from rulebot.model.loss_bound import max_loss
from rulebot.model.market import Board, level_of
from rulebot.model.money import ZERO
from rulebot.model.order import Order, OrderStatus, OrderType
from rulebot.model.position import Position, end_of
from rulebot.model.session import Session, exchange_date, sessions
from rulebot.model.text import minute, one_line
from rulebot.model.values import replace
from rulebot.narrate.notices import delayed_now, grown_by
from rulebot.narrate.positions import (
    acts_on_none,
    close_price,
    exits_text,
    held_text,
    hold_text,
    left_text,
    live_orders,
    opened_count,
    opening_orders,
    order_price,
)
from rulebot.narrate.snapshot import (
    DIGITS,
    GREEKS,
    INDEX,
    BotActivity,
    BotSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    Snapshot,
    SymbolGreeks,
    account_figures,
    number,
)
from rulebot.recovery.resume import TO_BE_CLOSED
from rulebot.spec.exit_kinds import ExitKind

# --- What was made since the session began


def today_of(state: State, position: Position, at: datetime) -> Decimal | None:
    """Return what a position has made since the session began, by the last known prices; None before any."""
    made = profit(position, state.market.board, at.timestamp())
    return since_the_open(state, position.id, state.positions.marks.get(position.id) if made is None else made)


def since_the_open(state: State, position: str, made: Decimal | None) -> Decimal | None:
    """Return what a position has made since the session began of all that it has made since it was opened."""
    return None if made is None else made - state.positions.pnl_at_open.get(position, ZERO)


def realized_of(state: State, position: Position) -> Decimal:
    """Return what closing a position, or a part of it, has made since the session began."""
    base = state.positions.pnl_at_open.get(position.id, ZERO)
    return realized_since(position, state.positions.executions.values(), base, state.schedule.session.date)


def realized_by(state: State, positions: Iterable[Position]) -> Decimal:
    """Return what closing these, or parts of them, has made since the session began."""
    return sum((realized_of(state, position) for position in positions), ZERO)


def realized_today(state: State) -> Decimal:
    """Return the same of all positions."""
    return realized_by(state, state.positions.by_id.values())


def pending_today(state: State) -> int:
    """Return the number of fills without a commission report: until then profit is provisional."""
    return sum(max(position.commissions_pending, 0) for position in state.positions.by_id.values())


def open_of(state: State, position: Position, today: Decimal | None) -> Decimal:
    """Return what is open of a position has made, of all that it has made since the session began; 0 if unknown."""
    return ZERO if today is None else today - realized_of(state, position)


def open_today(state: State, at: datetime) -> Decimal:
    """Return the profit of open positions since the session began; 0 for one with unknown profit."""
    return sum((open_of(state, each, today_of(state, each, at)) for each in _alive(state)), ZERO)


def _alive(state: State) -> Iterator[Position]:
    return (position for position in state.positions.by_id.values() if position.state != "closed")


# --- The whole

SHOWN_POSITIONS = 3
"""Positions of one bot that have a row of their own; the others share one."""
_USUAL = ("SPX", "SPY", "VIX")
_SHOWN_LEVELS = 5


def snapshot_of(program: Program, state: State, at: datetime, first: datetime, last: datetime | None) -> Snapshot:
    """Return a run's snapshot at `at`; it began at `first` and ends at `last` (None: open end)."""
    return replace(
        summary_of(program, state, at, first, last),
        positions=tuple(position_snapshot(program, state, each, at) for each in _alive(state) if not each.is_flat),
        orders=tuple(order_snapshot(state.orders.by_ref[ref]) for ref in state.orders.live),
        late=delayed_now(program, state.market.board),
    )


def summary_of(program: Program, state: State, at: datetime, first: datetime, last: datetime | None) -> Snapshot:
    """Return the same without its positions, orders and late symbols: what a screen draws eight times a second."""
    account = state.market.facts.account
    return Snapshot(
        at=at,
        engine="stopping" if state.requests.is_stopping else "running",
        trading="active" if state.requests.operator.is_active else "reducing",
        is_linked=state.connection.is_linked,
        session=state.schedule.session,
        progress=progress(state.schedule.session, at, first, last),
        has_end=last is not None,
        notice=_notice(state),
        account=account_figures("", lambda name: account and getattr(account, name)),
        shares=_shares(state),
        realized=float(realized_today(state)),
        realized_by=_realized_by_bot(state),
        open_profit=float(open_today(state, at)),
        is_priced=all(today_of(state, each, at) is not None for each in _alive(state)),
        pending_commissions=pending_today(state),
        levels=tuple(_levels(program, state.market.board, at)),
        bots=tuple(row for name in state.bots.present for row in _rows(program, state, name, at)),
    )


def progress(session: Session, at: datetime, first: datetime, last: datetime | None) -> float:
    """Return the part of the run's trading time that is over; of this session when the run has no end."""
    if last is None:
        days = [session]
    else:
        days = list(sessions(exchange_date(first), exchange_date(last))) or [session]
    total = sum((day.close - day.open).total_seconds() for day in days)
    done = sum(max(0.0, (min(at, day.close) - day.open).total_seconds()) for day in days)
    return min(1.0, done / total)


def _shares(state: State) -> tuple[tuple[str, float], ...]:
    held = ((each.symbol, float(n)) for each, n in state.account.holdings.items() if isinstance(each, Underlying) and n)
    return tuple(sorted(held))


def _realized_by_bot(state: State) -> tuple[tuple[str, float], ...]:
    found: dict[str, Decimal] = {}
    for position in state.positions.by_id.values():
        found[position.bot] = found.get(position.bot, ZERO) + realized_of(state, position)
    return tuple((bot, float(amount)) for bot, amount in found.items())


def _levels(program: Program, board: Board, at: datetime) -> Iterator[tuple[str, float | None]]:
    """Yield the levels that stay: the symbols of a universe come and go, and would push out the rest of the line."""
    passing = _passing(program)
    streamed = [contract.symbol for contract in board.rows if isinstance(contract, Underlying)]
    staying = dict.fromkeys((*_USUAL, *(name for name in streamed if name not in passing)))
    for name in [name for name in staying if name in streamed][:_SHOWN_LEVELS]:
        last = board.last[board.rows[Underlying(name)]]
        found = level_of(board, name, at.timestamp())
        yield name, last if found is None and last == last else found


def _passing(program: Program) -> Collection[str]:
    """Return the symbols that a universe alone asks for."""
    bots = program.bots.values()
    found = {symbol for bot in bots if bot.members for symbol in bot.symbols}
    return found - {symbol for bot in bots if not bot.members for symbol in bot.plan.underlyings}


def _notice(state: State) -> str:
    if state.requests.is_stopping:
        return "stopping: entries are cancelled, exits stay at the broker"
    if not state.connection.is_linked:
        return "the connection to the gateway is lost; it is tried again, exits that rest stay at the broker"
    standing = state.requests.operator
    if "" in standing.flattening:
        return "flattened: what all bots hold is closed, nothing is opened; 'rulebot resume' lets bots enter again"
    if standing.trading is not TradingMode.ACTIVE:
        why = standing.reason or "killed"
        return f"{why}: nothing is opened, exits continue; 'rulebot resume' lets bots enter again"
    if standing.flattening:
        whose = ", ".join(sorted(standing.flattening))
        return (
            f"flattened: what {whose} held is closed, other bots continue; 'rulebot resume' of it lets it enter again"
        )
    return ""


# --- Bots


def _rows(program: Program, state: State, name: str, at: datetime) -> Iterator[BotSnapshot]:
    bot, planned = state.bots.by_name[name], program.bots.get(name)
    grown = None if planned is None else grown_by(planned.plan, bot.day)
    is_paused, has_universe = name in state.requests.operator.paused, planned is not None and bool(planned.members)
    for row in _each_row(program, state, name, at):
        entered = bot.day.entries
        yield replace(row, is_paused=is_paused, has_universe=has_universe, grown=grown, entries_today=entered)


def _each_row(program: Program, state: State, name: str, at: datetime) -> Iterator[BotSnapshot]:
    """Yield the first positions of a bot, the others together, and the bot itself where it has more to say."""
    bot = state.bots.by_name[name]
    own = [position for position in state.positions.by_id.values() if position.bot == name]
    closed = [position for position in own if position.state == "closed" and position.opened_at is not None]
    held = _held(own, at)
    yield from (_position_row(program, state, position, at) for position in held[:SHOWN_POSITIONS])
    if rest := held[SHOWN_POSITIONS:]:
        total = sum((today_of(state, position, at) or ZERO for position in rest), ZERO)
        yield BotSnapshot(bot=name, doing=BotActivity.OPEN, more=len(rest), profit=float(total))
    if not held or bot.is_watching or bot.day.halt or closed:
        yield _bot_row(state, name, bot, closed, at)


def _held(own: Iterable[Position], at: datetime) -> list[Position]:
    """Return the positions that a bot holds, those first in which something moves, then the newest."""
    held = [position for position in own if position.state != "closed" and _counts(position)]
    return sorted(held, key=lambda each: (each.state == "open", -(each.opened_at or at).timestamp()))


def _counts(position: Position) -> bool:
    """Say whether a position holds something or works: one that was left flat by a crash does neither."""
    return position.state != "flat" and (not position.is_flat or position.state in ("entering", "exiting"))


def _bot_row(state: State, name: str, bot: BotState, closed: Sequence[Position], at: datetime) -> BotSnapshot:
    """Return the row of the bot itself, with what it has realised today by the positions that are closed."""
    if bot.day.halt:
        doing, waits = BotActivity.HALTED, bot.day.halted
    elif paused := state.requests.operator.paused & {"", name}:
        whom = "" if "" in paused else f" {name}"  # a resume of all ends what holds other bots as well
        doing, waits = BotActivity.PAUSED, f"'rulebot resume{whom}' lets it enter again"
    elif bot.is_watching:
        doing, waits = BotActivity.WATCHING, bot.status_text
    else:
        doing, waits = BotActivity.FLAT, _flat_text(bot)
        if waits and bot.shut is Shut.AHEAD and state.schedule.session.date != exchange_date(at):
            waits += f" on {state.schedule.session.date:%A, %Y-%m-%d}"
    return BotSnapshot(
        bot=name,
        doing=doing,
        since=bot.since,
        ended=end_of(closed[-1]) if closed else "",
        profit=float(realized_by(state, closed)) if closed else None,
        waits=one_line(waits),
    )


def _flat_text(bot: BotState) -> str:
    nearest = bot.nearest
    if nearest is None or bot.day.opened:
        return waits_text(bot)
    clock = minute(nearest.at)
    return f"{bot.status_text}; nearest {clock}: {nearest.words}"


def waits_text(bot: BotState) -> str:
    """Return what a bot waits for; after a watch also what came of it, or was unknown when it ended.

    Once its window is over it is what kept it out of that, if anything did.
    """
    day = bot.day
    was_kept_out = bot.shut is Shut.WINDOW_OVER and day.skip is not None and not day.entries
    has_more_to_say = bool(bot.status_text) and day.skipped.startswith(f"{bot.status_text}; ")
    return day.skipped if was_kept_out or has_more_to_say else bot.status_text


def _position_row(program: Program, state: State, position: Position, at: datetime) -> BotSnapshot:
    if position.state == "entering":
        return _entering_row(program, state, position)
    if position.state == "exiting":
        doing, waits = BotActivity.EXITING, _exiting(state, position)
    elif state.waits_to_close(position) and not position.is_frozen:
        doing, waits = BotActivity.OPEN, TO_BE_CLOSED
    else:
        doing, waits = BotActivity.OPEN, exits_text(program, state, position, at.timestamp())
        waits += "; watched by the engine for now" if position.resting_orders_withdrawn else ""
    return BotSnapshot(
        bot=position.bot,
        doing=doing,
        since=position.opened_at,
        structure=held_text(position),
        entry=number(position.entry_price),
        profit=number(today_of(state, position, at)),
        waits=waits,
    )


def _entering_row(program: Program, state: State, position: Position) -> BotSnapshot:
    orders = opening_orders(state, position)
    order = orders[0] if orders else None
    bot = program.governing(position)
    ladder = bot.plan.order if order is None or not order.opens_position else exit_ladder(bot, order.reason)
    return BotSnapshot(
        bot=position.bot,
        doing=BotActivity.ENTERING,
        since=min((each.prepared_at for each in orders), default=state.bots.by_name[position.bot].since),
        structure=held_text(position),
        order=None if order is None else order_snapshot(order),
        attempt=position.attempts if order is None else order.attempt,
        tries=ladder.tries,
        waits=_entry_waits(position, order),
    )


def _entry_waits(position: Position, order: Order | None) -> str:
    if order is None:
        return "its next order"
    if order.is_combo is False and len(position.legs) > 1:
        return f"a fill of {order.legs[0].name}"
    return "its cancel" if order.status is OrderStatus.CANCELLING else "a fill"


def _exiting(state: State, position: Position) -> str:
    if acts_on_none(position):
        return hold_text(position)
    orders = live_orders(state, position, *CLOSING)
    reason = position.exit_reason
    if orders:
        does = "rolling" if orders[0].opens_position else "closing"
        return f"{reason}: {does} {order_price(orders[0])}, try {orders[0].attempt}"
    if all(leg.sign > 0 for leg in position.legs if leg.held):
        return left_text(position)
    return f"{reason}: a price to close at"


# --- Positions and orders


def position_snapshot(program: Program, state: State, position: Position, at: datetime) -> PositionSnapshot:
    """Return an open position by the prices of the board."""
    now = at.timestamp()
    cost, made = close_price(position, state.market.board, now), profit(position, state.market.board, now)
    today = today_of(state, position, at)
    return replace(
        held_snapshot(program.governing(position), program, state, position, at),
        mid=None if cost is None else round(cost, 4),
        priced_at=None if made is None else at,
        profit=number(made),
        open_today=None if today is None else float(open_of(state, position, today)),
        underlyings=tuple(
            with_beta(each, state.market.facts.bars) for each in greeks_of(position, state.market.board, now)
        ),
    )


def held_snapshot(
    bot: CompiledBot | None, program: Program, state: State, position: Position, at: datetime
) -> PositionSnapshot:
    """Return what a state knows of a position without any price. bot: governs it; None where its text is unreadable."""
    held = [leg.option.expiry for leg in position.legs if leg.held and not leg.option.is_share]
    resting = live_orders(state, position, *RESTING)
    return PositionSnapshot(
        id=position.id,
        bot=position.bot,
        structure=held_text(position),
        state=position.state,
        opened_at=position.opened_at,
        dte=(min(held) - state.schedule.session.date).days if held else None,
        quantity=opened_count(position),
        count=open_count(position),
        entry=number(position.entry_price),
        max_loss=number(max_loss(position)),
        at_target=None if bot is None else number(dollars_at(bot, position, ExitKind.TARGET, resting)),
        at_stop=None if bot is None else number(dollars_at(bot, position, ExitKind.STOP, resting)),
        exits="" if bot is None else exits_text(program, state, position, at.timestamp()),
        on_hold=position.freeze_reason,
        unprotected=position.unprotected if position.unprotected_since else "",
        unprotected_since=position.unprotected_since,
        is_flattening=position.is_flattening,
        waits_to_close=state.waits_to_close(position),
    )


def order_snapshot(order: Order) -> OrderSnapshot:
    """Return an order that may still fill."""
    return OrderSnapshot(
        bot=order.bot,
        ref=order.ref,
        order_id=order.order_id,
        position=order.position,
        purpose=order.purpose.value,
        reason=order.reason,
        side=order.side.name,
        state=order.status.value,
        quantity=order.quantity,
        filled=order.filled,
        limit=None if order.kind is OrderType.MARKET else number(order.limit_price),
        stop=number(order.stop_price),
        attempt=order.attempt,
    )


# --- Greeks of what is open, by the board

SAME_INDEX = frozenset((INDEX, "XSP", "SPY"))
"""Underlyings that follow the S&P 500 themselves: their beta to it is 1."""
LEAST_RETURNS = 20
"""Sessions in common with SPX that a beta needs."""


def greeks_of(position: Position, board: Board, now: float) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of a position on each of its underlyings, of the legs that are held."""
    symbols = dict.fromkeys(leg.option.symbol for leg in position.legs if leg.held)
    return tuple(
        SymbolGreeks(
            symbol=symbol,
            price=level_of(board, symbol, now),
            **{name: _sum_of_legs(position, symbol, board, name) for name in GREEKS},
        )
        for symbol in symbols
    )


def _sum_of_legs(position: Position, symbol: str, board: Board, name: str) -> float | None:
    total = 0.0
    for leg in position.legs:
        if not leg.held or leg.option.symbol != symbol:
            continue
        if leg.option.is_share:
            total += leg.signed_held * leg.option.multiplier if name == "delta" else 0.0
            continue
        row = board.rows.get(leg.option, -1)
        value = float("nan") if row < 0 else getattr(board, name)[row]
        if value != value:
            return None
        total += leg.signed_held * value * leg.option.multiplier
    return round(total, DIGITS)


def with_beta(found: SymbolGreeks, bars: Mapping[tuple[str, int], Bars]) -> SymbolGreeks:
    """Return it with the beta of its underlying to SPX, where the daily bars at hand give one."""
    if found.symbol in SAME_INDEX:
        return found._replace(beta=1.0)
    own, index = (_closes(bars.get((symbol, DAY))) for symbol in (found.symbol, INDEX))
    return found._replace(beta=beta(own, index))


def beta(own: Mapping[object, float], index: Mapping[object, float]) -> float | None:
    """Return covariance over variance of daily returns on common days; None for fewer than LEAST_RETURNS.

    own, index: closes by day, in order. Source: Hull, Options, Futures and Other Derivatives, on index futures.
    """
    days = [day for day in own if day in index]
    pairs = [(own[day] / own[last] - 1, index[day] / index[last] - 1) for last, day in pairwise(days)]
    if len(pairs) < LEAST_RETURNS:
        return None
    means = fmean(one for one, _ in pairs), fmean(other for _, other in pairs)
    spread = sum((other - means[1]) ** 2 for _, other in pairs)
    together = sum((one - means[0]) * (other - means[1]) for one, other in pairs)
    return round(together / spread, DIGITS) if spread else None


def _closes(bars: Bars | None) -> dict[object, float]:
    known = () if bars is None else bars.bars
    return {exchange_date(datetime.fromtimestamp(bar.at, UTC)): bar.close for bar in known if bar.close > 0.0}
