"""What a person wants to see of a run at a glance: one value made from its state, with nothing of a terminal in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from rulebot.core.close_plan import CLOSING, exit_ladder
from rulebot.core.program import Program
from rulebot.core.state import BotState, State, TradingMode
from rulebot.fill.exit_level import profit, realized_since
from rulebot.model.cause import Shut
from rulebot.model.contract import Underlying
from rulebot.model.market import Board, level_of
from rulebot.model.money import ZERO
from rulebot.model.order import Order, OrderStatus
from rulebot.model.position import Position, end_of
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, sessions
from rulebot.model.text import one_line, price
from rulebot.model.values import dataclass
from rulebot.narrate.positions import (
    acts_on_none,
    exits_text,
    held_text,
    hold_text,
    left_text,
    live_orders,
    opening_orders,
    order_price,
)
from rulebot.recovery.operator_state import TO_BE_CLOSED

# --- What was made since the session began


def today_of(state: State, position: Position, at: datetime) -> Decimal | None:
    """Return what a position has made since the session began, by the last known prices; None before any."""
    made = profit(position, state.board, at.timestamp())
    return since_the_open(state, position.id, state.marks.get(position.id) if made is None else made)


def since_the_open(state: State, position: str, made: Decimal | None) -> Decimal | None:
    """Return what a position has made since the session began of all that it has made since it was opened."""
    return None if made is None else made - state.bases.get(position, ZERO)


def realized_of(state: State, position: Position) -> Decimal:
    """Return what closing a position, or a part of it, has made since the session began."""
    base = state.bases.get(position.id, ZERO)
    return realized_since(position, state.booked.values(), base, state.session.date)


def realized_by(state: State, positions: Iterable[Position]) -> Decimal:
    """Return what closing these, or parts of them, has made since the session began."""
    return sum((realized_of(state, position) for position in positions), ZERO)


def realized_today(state: State) -> Decimal:
    """Return the same of all positions."""
    return realized_by(state, state.positions.values())


def owed_today(state: State) -> int:
    """Return of how many fills the broker has not told the commission: until then what was made is provisional."""
    return sum(max(position.owed, 0) for position in state.positions.values())


def open_of(state: State, position: Position, today: Decimal | None) -> Decimal:
    """Return what is open of a position has made, of all that it has made since the session began; 0 if unknown."""
    return ZERO if today is None else today - realized_of(state, position)


def open_today(state: State, at: datetime) -> Decimal:
    """Return what is open has made since the session began; 0 for one of which that is unknown."""
    return sum((open_of(state, position, today_of(state, position, at)) for position in _alive(state)), ZERO)


def is_known_today(state: State, at: datetime) -> bool:
    """Say whether each that is open has a sound price, or had one, by which it counts."""
    return all(today_of(state, position, at) is not None for position in _alive(state))


def _alive(state: State) -> Iterator[Position]:
    return (position for position in state.positions.values() if position.state != "closed")


def open_as_marked(state: State, rows: Iterable[Mapping[str, Any]]) -> Decimal:
    """Return the same by rows of `open_positions`, whose profit is of the last mark; 0 for one without."""
    found = ((state.positions.get(row["position"]), row["unrealized_pnl"]) for row in rows)
    marked = ((each, Decimal(str(made))) for each, made in found if each is not None and made is not None)
    return sum((open_of(state, each, since_the_open(state, each.id, made)) for each, made in marked), ZERO)


# --- What a person wants to see of a run at a glance

SHOWN_POSITIONS = 3
"""Positions of one bot that have a row of their own; the others share one."""
_USUAL = ("SPX", "SPY", "VIX")
_SHOWN_LEVELS = 5


class BotActivity(Enum):
    """What a bot, or one of its positions, is doing."""

    FLAT = "flat"
    WATCHING = "watching"
    ENTERING = "entering"
    OPEN = "open"
    EXITING = "exiting"
    HALTED = "halted"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRow:
    """One line of a bot. `profit` is today's in dollars, None where there is nothing to count or it is unknown."""

    bot: str
    doing: BotActivity
    since: datetime | None = None
    position: str = ""
    profit: Decimal | None = None
    waits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A run at one instant. `progress` is the part of all its sessions that is over, 0 to 1.

    `today` is realised plus open profit since the session began; `notice` one sentence when not everything is usual.
    """

    at: datetime
    is_in_hours: bool
    progress: float
    net_liquidation: Decimal | None
    levels: tuple[tuple[str, float | None], ...]
    realized: Decimal
    open_profit: Decimal
    rows: tuple[BotRow, ...]
    notice: str = ""

    @property
    def today(self) -> Decimal:
        """Realised and open profit since the session began."""
        return self.realized + self.open_profit


def run_snapshot(program: Program, state: State, at: datetime, first: datetime, last: datetime | None) -> RunSnapshot:
    """Return the run as it stands at `at`; it began at `first` and ends at `last` (None: not by itself)."""
    return RunSnapshot(
        at=at,
        is_in_hours=state.session.is_on(at),
        progress=progress(state.session, at, first, last),
        net_liquidation=state.facts.account.net_liquidation if state.facts.account else None,
        levels=tuple(_levels(program, state.board, at)),
        realized=realized_today(state),
        open_profit=open_today(state, at),
        rows=tuple(row for name in state.present for row in _rows(program, state, name, at)),
        notice=_notice(state),
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


# ---------------------------------------------------------------- levels


def _levels(program: Program, board: Board, at: datetime) -> Iterator[tuple[str, float | None]]:
    """Yield the levels that stay: the symbols of a universe come and go, and would push out the rest of the line."""
    symbols = {symbol for bot in program.bots.values() if bot.members for symbol in bot.symbols}
    symbols -= {symbol for bot in program.bots.values() if not bot.members for symbol in bot.plan.underlyings}
    streamed = [contract.symbol for contract in board.rows if isinstance(contract, Underlying)]
    streamed = [name for name in streamed if name in _USUAL or name not in symbols]
    ordered = [name for name in _USUAL if name in streamed]
    ordered += [name for name in streamed if name not in _USUAL]
    for name in ordered[:_SHOWN_LEVELS]:
        last = board.last[board.rows[Underlying(name)]]
        found = level_of(board, name, at.timestamp())
        yield name, found if found is not None else (None if last != last else last)


# ---------------------------------------------------------------- rows


def _rows(program: Program, state: State, name: str, at: datetime) -> Iterator[BotRow]:
    bot = state.bots[name]
    held = [p for p in state.positions.values() if p.bot == name and p.state != "closed" and _counts(p)]
    held.sort(key=lambda p: (p.state == "open", -(p.opened_at or at).timestamp()))
    for position in held[:SHOWN_POSITIONS]:
        yield _position_row(program, state, position, at)
    if len(held) > SHOWN_POSITIONS:
        rest = held[SHOWN_POSITIONS:]
        total = sum((today_of(state, position, at) or ZERO for position in rest), ZERO)
        yield BotRow(bot=name, doing=BotActivity.OPEN, position=f"+{len(rest)} more", profit=total)
    closed = [p for p in state.positions.values() if p.bot == name and p.state == "closed" and p.opened_at is not None]
    if not held or bot.is_watching or bot.day.halt or closed:
        yield _bot_row(state, name, bot, closed, at)


def _counts(position: Position) -> bool:
    """Say whether a position holds something or works: one that was left flat by a crash does neither."""
    return position.state != "flat" and (not position.is_flat or position.state in ("entering", "exiting"))


def _bot_row(state: State, name: str, bot: BotState, closed: Sequence[Position], at: datetime) -> BotRow:
    """Return the line of the bot itself, with what it has realised today by the positions that are closed."""
    if bot.day.halt:
        doing, waits = BotActivity.HALTED, bot.day.halted
    elif paused := state.standing.paused & {"", name}:
        whom = "" if "" in paused else f" {name}"  # a resume of all ends what holds other bots as well
        doing, waits = BotActivity.PAUSED, f"'rulebot resume{whom}' lets it enter again"
    elif bot.is_watching:
        doing, waits = BotActivity.WATCHING, bot.waits
    else:
        doing, waits = BotActivity.FLAT, _flat_text(bot)
        if waits and bot.shut is Shut.AHEAD and state.session.date != exchange_date(at):
            waits += f" on {state.session.date:%A, %Y-%m-%d}"
    position = f"closed: {end_of(closed[-1])}" if closed else ""
    realized = realized_by(state, closed) if closed else None
    return BotRow(bot=name, doing=doing, since=bot.since, position=position, profit=realized, waits=one_line(waits))


def _flat_text(bot: BotState) -> str:
    nearest = bot.nearest
    if nearest is None or bot.day.opened:
        return waits_text(bot)
    clock = nearest.at.astimezone(EXCHANGE_ZONE).strftime("%H:%M")
    return f"{bot.waits}; nearest {clock}: {nearest.words}"


def waits_text(bot: BotState) -> str:
    """Return what a bot waits for; after a watch also what came of it, or was unknown when it ended.

    Once its window is over it is what kept it out of that, if anything did.
    """
    day = bot.day
    was_kept_out = bot.shut is Shut.WINDOW_OVER and day.skip is not None and not day.entries
    tells_more = bool(bot.waits) and day.skipped.startswith(f"{bot.waits}; ")
    return day.skipped if was_kept_out or tells_more else bot.waits


def _position_row(program: Program, state: State, position: Position, at: datetime) -> BotRow:
    words = held_text(position)
    if position.state == "entering":
        orders = opening_orders(state, position)
        tried, waits = _entering(program, position, orders[0] if orders else None)
        since = min((order.prepared_at for order in orders), default=state.bots[position.bot].since)
        return BotRow(bot=position.bot, doing=BotActivity.ENTERING, since=since, position=words + tried, waits=waits)
    entry = position.entry_price
    words += "" if entry is None else f"  {price(entry)}"
    made = today_of(state, position, at)
    if position.state == "exiting":
        since, waits = position.opened_at, _exiting(state, position)
        return BotRow(
            bot=position.bot, doing=BotActivity.EXITING, since=since, position=words, profit=made, waits=waits
        )
    if state.waits_to_close(position) and not position.is_frozen:
        waits = TO_BE_CLOSED
    else:
        waits = exits_text(program, state, position, at.timestamp())
        waits += "; watched by the engine for now" if position.suspended else ""
    return BotRow(
        bot=position.bot, doing=BotActivity.OPEN, since=position.opened_at, position=words, profit=made, waits=waits
    )


def _entering(program: Program, position: Position, order: Order | None) -> tuple[str, str]:
    bot = program.governing(position)
    ladder = bot.plan.order if order is None or not order.into else exit_ladder(bot, order.reason)
    if order is None:
        return f"  try {position.attempts} of {ladder.tries}", "its next order"
    tried = f"try {order.attempt} of {ladder.tries} " if ladder.tries > 1 else ""
    waits = "its cancel" if order.status is OrderStatus.CANCELLING else "a fill"
    if order.is_combo is False and len(position.legs) > 1:
        waits = f"a fill of {order.legs[0].name}"
    return f"  {tried}{order_price(order)}", waits


def _exiting(state: State, position: Position) -> str:
    if acts_on_none(position):
        return hold_text(position)
    orders = live_orders(state, position, *CLOSING)
    reason = position.exit_reason
    if orders:
        does = "rolling" if orders[0].into else "closing"
        return f"{reason}: {does} {order_price(orders[0])}, try {orders[0].attempt}"
    if all(leg.sign > 0 for leg in position.legs if leg.held):
        return left_text(position)
    return f"{reason}: a price to close at"


def _notice(state: State) -> str:
    if state.is_stopping:
        return "stopping: entries are cancelled, exits stay at the broker"
    if not state.is_linked:
        return "the connection to the gateway is lost; it is tried again, exits that rest stay at the broker"
    standing = state.standing
    if "" in standing.flattening:
        return "flattened: what all bots hold is closed, nothing is opened; 'rulebot resume' lets bots enter again"
    if standing.trading is not TradingMode.ACTIVE:
        why = standing.reason or "killed"
        return f"{why}: nothing is opened, exits go on; 'rulebot resume' lets bots enter again"
    if standing.flattening:
        whose = ", ".join(sorted(standing.flattening))
        return f"flattened: what {whose} held is closed, other bots go on; 'rulebot resume' of it lets it enter again"
    return ""
