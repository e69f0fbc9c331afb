"""What a running engine shows of itself, as samples. Read by the server's thread: the state never changes under it.

The board alone is written meanwhile: what is read of it is one number at a time, and a row that has just been given to
another contract makes one sample wrong and nothing else.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.protective_stops import GUARDING, guarded
from rulebot.core.state import State
from rulebot.live.health_metrics import Vitals
from rulebot.live.start import Run
from rulebot.model.contract import Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_from
from rulebot.narrate.day_pnl import open_of, realized_of, today_of
from rulebot.narrate.run_snapshot import BotActivity
from rulebot.web.metrics.catalogue import Sample
from rulebot.web.picture import PageSnapshot

RESTING = (Purpose.TARGET, Purpose.STOP, Purpose.PROTECT)
_BY_IMPORTANCE = (
    BotActivity.HALTED,
    BotActivity.PAUSED,
    BotActivity.EXITING,
    BotActivity.OPEN,
    BotActivity.ENTERING,
    BotActivity.WATCHING,
    BotActivity.FLAT,
)
"""Of a bot with several rows the first of these that one of them has is what it does."""


def samples_of_run(vitals: Vitals, picture: PageSnapshot, silence: float) -> list[Sample]:
    """Return what a run shows now. picture: the last one of it; silence: real seconds since its last batch."""
    run = vitals.run
    state, at = run.loop.state, run.loop.at or run.first
    if not run.world.ib.link.is_lockstep:
        at += timedelta(seconds=silence)  # what is old grows older also while no batch comes
    return [
        *_engine(vitals, state, at, silence),
        *_broker(vitals, state),
        *_market_data(run, vitals, state, at),
        *_bots(picture, state, at),
        *_protection(run, state, at),
        *_reconciling(state, at),
        *_account(state),
    ]


def samples_of_waiting(at: datetime) -> list[Sample]:
    """Return what is known of an engine that was never connected since it began: alert rules ask for both."""
    session = session_from(exchange_date(at))
    connected = Sample("rulebot_broker_connected", 0)
    return [connected, Sample("rulebot_session_open", session.is_on(at))]


def _engine(vitals: Vitals, state: State, at: datetime, silence: float) -> Iterator[Sample]:
    run, standing, session = vitals.run, state.standing, state.session
    link = run.world.ib.link
    info = (str(run.options.settings.get("mode") or ""), "yes" if link.is_simulated else "no")
    yield Sample("rulebot_engine_info", 1, info)
    yield Sample("rulebot_trading_active", standing.is_active)
    yield Sample("rulebot_engine_silence_seconds", silence)
    yield Sample("rulebot_engine_events", run.loop.spent.events)
    yield Sample("rulebot_engine_turn_seconds", run.loop.spent.turns)
    yield Sample("rulebot_engine_journal_seconds", run.loop.spent.journal)
    yield Sample("rulebot_engine_loop_lag_seconds", vitals.lag)
    yield Sample("rulebot_session_open", session.is_on(at))


def _broker(vitals: Vitals, state: State) -> Iterator[Sample]:
    yield Sample("rulebot_broker_connected", state.is_linked)
    yield Sample("rulebot_broker_connection_age_seconds", vitals.linked_for)
    yield Sample("rulebot_broker_connected_seconds", vitals.linked_seconds)
    yield Sample("rulebot_broker_throttled_seconds", vitals.throttled_seconds)
    yield Sample("rulebot_broker_clock_offset_seconds", state.clocks_apart)
    try:
        wire = vitals.run.world.ib.link.wire
        counted = wire.client.connectionStats()
    except (BrokerError, ConnectionError):
        return  # there is no connection of which messages could be counted
    yield Sample("rulebot_broker_messages_sent", counted.numMsgSent)
    yield Sample("rulebot_broker_messages_received", counted.numMsgRecv)
    yield Sample("rulebot_broker_messages_waiting", wire.pace.waiting)
    yield Sample("rulebot_broker_messages_limit", wire.settings.messages_per_second)
    yield Sample("rulebot_broker_requests_open", wire.requests.in_flight.open)
    yield Sample("rulebot_broker_requests_waiting", wire.requests.in_flight.waiting)
    yield Sample("rulebot_broker_requests_limit", wire.settings.max_requests)


# ---------------------------------------------------------------- market data


def _market_data(run: Run, vitals: Vitals, state: State, at: datetime) -> Iterator[Sample]:
    feed, board, now = run.world.ib.feed, state.board, at.timestamp()
    yield Sample("rulebot_market_data_lines", feed.lines)
    yield Sample("rulebot_market_data_lines_limit", run.options.line_limit)
    yield Sample("rulebot_market_data_lines_evicted", vitals.evicted)
    yield Sample("rulebot_market_data_lines_unserved", len(feed.unwatched))
    yield Sample("rulebot_market_data_lines_failing", len(feed.troubles))
    yield Sample("rulebot_market_data_lines_not_live", len(board.frozen))
    has_none = math.isnan(board.alive_at)
    yield Sample("rulebot_market_data_age_seconds", vitals.linked_for if has_none else max(0.0, now - board.alive_at))
    rows = board.rows.copy()
    for contract in sorted((each for each in rows if isinstance(each, Underlying)), key=lambda each: each.symbol):
        if (age := _age(board, rows[contract], now)) is not None:
            yield Sample("rulebot_quote_age_seconds", age, (contract.symbol,))
    ages: defaultdict[str, list[float]] = defaultdict(list)
    for position in _open(state):
        for row in (rows.get(leg.option, -1) for leg in position.legs if leg.held):
            if row >= 0 and (age := _age(board, row, now)) is not None:
                ages[position.bot].append(age)
    for bot, found in ages.items():
        yield Sample("rulebot_position_quote_age_seconds", max(found), (bot,))


def _age(board: Board, row: int, now: float) -> float | None:
    """Return the age of a row's last quote or price, whichever is younger; None before any."""
    times = [each for each in (board.quote_at[row], board.last_at[row]) if not math.isnan(each)]
    return max(0.0, now - max(times)) if times else None


def _open(state: State) -> list[Position]:
    found = (state.positions[name] for name in state.active if name in state.positions)
    return [position for position in found if not position.is_flat]


# ---------------------------------------------------------------- bots


def _bots(picture: PageSnapshot, state: State, at: datetime) -> Iterator[Sample]:
    rows: defaultdict[str, set[str]] = defaultdict(set)
    for row in picture.bots:
        rows[row.bot].add(row.doing)
    profits: defaultdict[str, Decimal] = defaultdict(Decimal)
    held: defaultdict[str, int] = defaultdict(int)
    for position in _open(state):
        held[position.bot] += 1
        profits[position.bot] += open_of(state, position, today_of(state, position, at))
    realized: defaultdict[str, Decimal] = defaultdict(Decimal)
    for position in state.positions.values():
        realized[position.bot] += realized_of(state, position)
    for name, bot in state.present.items():
        doing = next((each for each in _BY_IMPORTANCE if each.value in rows[name]), BotActivity.FLAT)
        for each in BotActivity:
            yield Sample("rulebot_bot_state", each is doing, (name, each.value))
        yield Sample("rulebot_bot_entries_today", bot.day.entries, (name,))
    for name in {*state.present, *held}:
        yield Sample("rulebot_positions_open", held[name], (name,))
        yield Sample("rulebot_bot_realized_profit_dollars", float(realized[name]), (name,))
        yield Sample("rulebot_bot_open_profit_dollars", float(profits[name]), (name,))


# ---------------------------------------------------------------- protection


def _protection(run: Run, state: State, at: datetime) -> Iterator[Sample]:
    resting: defaultdict[str, int] = defaultdict(int)
    for order in (state.orders[ref] for ref in state.live):
        resting[order.bot] += order.purpose in RESTING and order.status is OrderStatus.WORKING
    longest: defaultdict[str, float] = defaultdict(float)
    limits: dict[str, float] = {}
    for position in _open(state):
        since = unprotected_since(state, position)
        longest[position.bot] = max(longest[position.bot], _passed(since, at))
        limit = run.loop.program.governing(position).plan.risk.max_unprotected
        if limit is not None:
            limits[position.bot] = min(limit, limits.get(position.bot, limit))
    for bot in {*state.present, *resting, *longest}:
        yield Sample("rulebot_orders_resting", resting[bot], (bot,))
        yield Sample("rulebot_position_unprotected_seconds", longest[bot], (bot,))
    for bot, limit in limits.items():
        yield Sample("rulebot_position_unprotected_limit_seconds", limit, (bot,))


def unprotected_since(state: State, position: Position) -> datetime | None:
    """Return since when a short leg stands that no order at the broker covers; None when each is covered.

    Since the last order that did is over, or since the position was opened.
    """
    orders = [each for each in state.orders.values() if each.position == position.id and each.purpose in GUARDING]
    if all(guarded(orders, position, leg) >= leg.held for leg in position.legs if leg.sign < 0 and leg.held > 0):
        return None
    if position.unprotected_since is not None:
        return position.unprotected_since
    over = [each.changed_at for each in orders if not each.status.is_live and each.sent_at is not None]
    return max([*over, *([position.opened_at] if position.opened_at else [])], default=None)


# ---------------------------------------------------------------- the books and the account


def _reconciling(state: State, at: datetime) -> Iterator[Sample]:
    age = _passed(state.asked_at, at) if state.live else 0.0
    yield Sample("rulebot_reconcile_age_seconds", age)
    doubts = [*(doubt.since for doubt in state.doubts.values()), *state.uncovered.values()]
    yield Sample("rulebot_reconcile_lag_seconds", _passed(min(doubts, default=None), at))


def _passed(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else max(0.0, (at - since).total_seconds())


def _account(state: State) -> Iterator[Sample]:
    account = state.facts.account
    for name in ("net_liquidation", "cash", "available_funds", "buying_power", "maintenance_margin"):
        amount = getattr(account, name)
        if amount is not None:
            yield Sample(f"rulebot_account_{name}_dollars", float(amount))
