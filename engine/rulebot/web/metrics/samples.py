"""The metrics, and their samples of a running engine and of a store.

The server's thread reads them. A state never changes under it; the board does: it is read one number at a time, and
a row that was just given to another contract makes one sample wrong.
"""

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from itertools import product

from rulebot.core.queries.protection import GUARDING, guarded
from rulebot.core.state.state import State
from rulebot.live.start import Run, Spread, Vitals
from rulebot.model.contract import Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_from
from rulebot.model.values import dataclass
from rulebot.narrate.snapshot import BotActivity, Snapshot
from rulebot.narrate.snapshot_of_store import last_instant
from rulebot.process.processes import release
from rulebot.recovery.resume import trading_of
from rulebot.store.place import Place
from rulebot.store.queries import Known, OrderTally, StoreReader, Tally

# --- Every metric there is


class Kind(Enum):
    """The kinds of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(Enum):
    """Where a metric comes from: what comes from an engine is there while one runs in the process that is asked."""

    STORE = "store"
    ENGINE = "engine"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A counter's name is without the `_total` that is shown; `unit` is for people."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name under which it is asked for; that of a histogram has `_bucket`, `_sum` and `_count` behind it."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.shown,)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, by the values of its labels in their order."""

    name: str
    value: float | Spread
    labels: tuple[str, ...] = ()


_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_BOT = ("bot",)
_ORDER = ("bot", "purpose")

STORE = (
    Metric("rulebot_build_info", _GAUGE, "always 1", "The version of rulebot that answers.", ("version",)),
    Metric("rulebot_engine_running", _GAUGE, "0 or 1", "Whether an engine writes the store."),
    Metric("rulebot_trading_active", _GAUGE, "0 or 1", "Whether bots may enter: 0 once stopped, killed or paused."),
    Metric("rulebot_store_records", _COUNTER, "records", "Records in the journal."),
    Metric("rulebot_store_last_record_timestamp_seconds", _GAUGE, "Unix time", "When the last record was made, by the "
           "clock of its world: simulated with --sim."),
    Metric("rulebot_alarms", _COUNTER, "alarms", "Alarms raised; without a bot those of the engine itself.", _BOT),
    Metric("rulebot_broker_connection_losses", _COUNTER, "losses", "Times the connection to the broker was lost."),
    Metric("rulebot_orders", _COUNTER, "orders", "Orders written down.", _ORDER),
    Metric("rulebot_orders_ended", _COUNTER, "orders", "Orders that are over, by how they ended: filled, cancelled, "
           "rejected (by the broker), risk_rejected (by our own limits), lost.", ("bot", "purpose", "status")),
    Metric("rulebot_orders_working", _GAUGE, "orders", "Orders that may still fill.", _ORDER),
    Metric("rulebot_orders_unknown", _GAUGE, "orders", "Those whose state at the broker is unknown.", _BOT),
    Metric("rulebot_fills", _COUNTER, "executions", "Executions booked, one for each contract of an order.", _BOT),
    Metric("rulebot_order_fill_seconds", _HISTOGRAM, "seconds", "From writing an order down to its last execution; "
           "without those that rest at the broker.", _ORDER),
    Metric("rulebot_order_ladder_steps", _HISTOGRAM, "prices tried", "Prices of the ladder that a filled order had "
           "tried, from 1; without those that rest at the broker.", _ORDER),
    Metric("rulebot_slippage_dollars", _GAUGE, "dollars", "What fills were worse than the mid when their order was "
           "first priced, summed over the store; it may fall.", _ORDER),
    Metric("rulebot_positions_open", _GAUGE, "positions", "Open positions.", _BOT),
    Metric("rulebot_bot_entries_today", _GAUGE, "entries", "Entries on the day of the last record.", _BOT),
    Metric("rulebot_bot_realized_profit_dollars", _GAUGE, "dollars", "Profit realised on that day, after "
           "commissions.", _BOT),
    Metric("rulebot_bot_open_profit_dollars", _GAUGE, "dollars", "Profit of what is open: of a running engine since "
           "its session began, of a store alone since the entry, by the last snapshot.", _BOT),
    Metric("rulebot_bot_net_profit_dollars", _GAUGE, "dollars", "Profit of all closed trades of the store, after "
           "commissions.", _BOT),
)  # fmt: skip
"""Samples of a store: exposed by `rulebot web` and `rulebot serve`."""

ENGINE = (
    Metric("rulebot_engine_info", _GAUGE, "always 1", "What the engine trades: mode paper or live; simulated yes when "
           "its gateway is.", ("mode", "simulated")),
    Metric("rulebot_engine_silence_seconds", _GAUGE, "seconds", "Real time since the engine last finished a batch; "
           "without a connection it finishes none."),
    Metric("rulebot_engine_events", _COUNTER, "events", "Events taken."),
    Metric("rulebot_engine_turn_seconds", _COUNTER, "seconds", "Time spent on deciding what follows from them."),
    Metric("rulebot_engine_journal_seconds", _COUNTER, "seconds", "Time spent on writing the journal."),
    Metric("rulebot_engine_loop_lag_seconds", _HISTOGRAM, "seconds", "How much later than asked for a timer of the "
           "event loop came, four times a second."),
    Metric("rulebot_session_open", _GAUGE, "0 or 1", "Whether the session of the exchange is open, by the engine's "
           "clock."),
    Metric("rulebot_bot_state", _GAUGE, "0 or 1", "1 for what the bot does now: flat, watching, entering, open, "
           "exiting, halted, paused; 0 for the others.", ("bot", "state")),
    Metric("rulebot_broker_connected", _GAUGE, "0 or 1", "Whether the engine is connected to the broker, and not only "
           "to its gateway; 0 too while it waits for a gateway since it began."),
    Metric("rulebot_broker_connection_age_seconds", _GAUGE, "seconds", "Real time since this connection came; 0 "
           "without one."),
    Metric("rulebot_broker_connected_seconds", _COUNTER, "seconds", "Real time with a connection: its rate is the "
           "part of the time."),
    Metric("rulebot_broker_messages_sent", _COUNTER, "messages", "Messages sent on this connection."),
    Metric("rulebot_broker_messages_received", _COUNTER, "messages", "Messages received on this connection."),
    Metric("rulebot_broker_messages_waiting", _GAUGE, "messages", "Messages that wait for the broker's limit."),
    Metric("rulebot_broker_messages_limit", _GAUGE, "messages a second", "How many may be sent in a second; orders "
           "have three more."),
    Metric("rulebot_broker_requests_open", _GAUGE, "requests", "Requests that the broker has not answered yet."),
    Metric("rulebot_broker_requests_waiting", _GAUGE, "requests", "Requests that wait because too many are open."),
    Metric("rulebot_broker_requests_limit", _GAUGE, "requests", "How many may be open at once."),
    Metric("rulebot_broker_throttled_seconds", _COUNTER, "seconds", "Real time in which messages waited for it."),
    Metric("rulebot_broker_clock_offset_seconds", _GAUGE, "seconds", "How far our clock is ahead of the broker's, "
           "once that is more than it may be; else 0."),
    Metric("rulebot_market_data_lines", _GAUGE, "lines", "Market data lines used."),
    Metric("rulebot_market_data_lines_limit", _GAUGE, "lines", "Lines that may be used."),
    Metric("rulebot_market_data_lines_evicted", _COUNTER, "lines", "Lines given up for others."),
    Metric("rulebot_market_data_lines_unserved", _GAUGE, "lines", "Contracts that are wanted and have no line."),
    Metric("rulebot_market_data_lines_failing", _GAUGE, "lines", "Lines that the broker reports as faulty."),
    Metric("rulebot_market_data_lines_not_live", _GAUGE, "lines", "Lines whose data is delayed or frozen."),
    Metric("rulebot_market_data_age_seconds", _GAUGE, "seconds", "Since the last market data message of any kind; "
           "before any since the connection came."),
    Metric("rulebot_quote_age_seconds", _GAUGE, "seconds", "Since the last quote or price of an underlying; quotes "
           "come only when they change.", ("symbol",)),
    Metric("rulebot_position_quote_age_seconds", _GAUGE, "seconds", "The same of the oldest quote among the legs that "
           "a bot holds.", _BOT),
    Metric("rulebot_orders_resting", _GAUGE, "orders", "Exits and protection that rest at the broker.", _BOT),
    Metric("rulebot_position_unprotected_seconds", _GAUGE, "seconds", "How long a short leg of a bot's open position "
           "has had no stop and no closing order at the broker that covers it; the longest, 0 when each has.", _BOT),
    Metric("rulebot_position_unprotected_limit_seconds", _GAUGE, "seconds", "How long that may be by the bot's spec "
           "(max_time_without_stop), where it says so.", _BOT),
    Metric("rulebot_reconcile_age_seconds", _GAUGE, "seconds", "Since the broker was last asked what it has, while an "
           "order may still fill; else 0."),
    Metric("rulebot_reconcile_lag_seconds", _GAUGE, "seconds", "How long the account has held less than our books "
           "say; 0 while they agree."),
    Metric("rulebot_account_net_liquidation_dollars", _GAUGE, "dollars", "Net liquidation, as the broker reports it."),
    Metric("rulebot_account_cash_dollars", _GAUGE, "dollars", "Cash."),
    Metric("rulebot_account_available_funds_dollars", _GAUGE, "dollars", "Available funds."),
    Metric("rulebot_account_buying_power_dollars", _GAUGE, "dollars", "Buying power."),
    Metric("rulebot_account_maintenance_margin_dollars", _GAUGE, "dollars", "Maintenance margin."),
)  # fmt: skip
"""Additional samples of a running engine: exposed by `rulebot serve` while its engine runs."""

PROCESS = (
    Metric("process_cpu_seconds", _COUNTER, "seconds", "Processor time of this process."),
    Metric("process_resident_memory_bytes", _GAUGE, "bytes", "Memory in use."),
    Metric("process_virtual_memory_bytes", _GAUGE, "bytes", "Memory reserved."),
    Metric("process_start_time_seconds", _GAUGE, "Unix time", "When the process began: its uptime is time() less it."),
    Metric("process_open_fds", _GAUGE, "files", "Open files and sockets."),
    Metric("process_max_fds", _GAUGE, "files", "How many it may have open."),
)
"""Samples of the process by prometheus_client, on Linux."""

OF: Mapping[Source, tuple[Metric, ...]] = {Source.STORE: STORE, Source.ENGINE: ENGINE, Source.PROCESS: PROCESS}
METRICS: Mapping[str, Metric] = {metric.name: metric for found in OF.values() for metric in found}
BOUNDS: Mapping[str, tuple[float, ...]] = {
    "rulebot_order_fill_seconds": (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
    "rulebot_order_ladder_steps": (1, 2, 3, 4, 5, 6, 8, 10, 15, 20),
}
"""Upper bounds of the buckets; those of the loop's lag are in `live/start.py`."""


def series(metrics: Iterable[Metric] = METRICS.values()) -> frozenset[str]:
    """Return the names that a query may use."""
    return frozenset(name for metric in metrics for name in metric.series)


# --- A running engine's samples

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


def samples_of_run(vitals: Vitals, picture: Snapshot, silence: float) -> list[Sample]:
    """Return what a run shows now. picture: the last one of it; silence: real seconds since its last batch."""
    run = vitals.run
    state, at = run.loop.state, run.loop.at or run.first
    if not run.world.ib.link.is_lockstep:
        at += timedelta(seconds=silence)  # what is old grows older also while no batch comes
    return [
        *_engine(vitals, state, at, silence),
        *_broker(vitals, state),
        *_market_data(run, vitals, state, at),
        *_bots(picture),
        *_protection(run, state, at),
        *_reconciling(state, at),
        *_account(picture),
    ]


def samples_of_waiting(at: datetime) -> list[Sample]:
    """Return what is known of an engine that was never connected since it began: alert rules ask for both."""
    session = session_from(exchange_date(at))
    connected = Sample("rulebot_broker_connected", 0)
    return [connected, Sample("rulebot_session_open", session.is_on(at))]


def _engine(vitals: Vitals, state: State, at: datetime, silence: float) -> Iterator[Sample]:
    run, standing, session = vitals.run, state.requests.operator, state.schedule.session
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
    yield Sample("rulebot_broker_connected", state.connection.is_linked)
    yield Sample("rulebot_broker_connection_age_seconds", vitals.linked_for)
    yield Sample("rulebot_broker_connected_seconds", vitals.linked_seconds)
    yield Sample("rulebot_broker_throttled_seconds", vitals.throttled_seconds)
    yield Sample("rulebot_broker_clock_offset_seconds", state.connection.clock_skew)
    try:
        wire = vitals.run.world.ib.link.wire
        counted = wire.client.connectionStats()
    except (BrokerError, ConnectionError):
        return  # without a connection there are no messages to count
    yield Sample("rulebot_broker_messages_sent", counted.numMsgSent)
    yield Sample("rulebot_broker_messages_received", counted.numMsgRecv)
    yield Sample("rulebot_broker_messages_waiting", wire.pace.waiting)
    yield Sample("rulebot_broker_messages_limit", wire.settings.messages_per_second)
    yield Sample("rulebot_broker_requests_open", wire.requests.in_flight.open)
    yield Sample("rulebot_broker_requests_waiting", wire.requests.in_flight.waiting)
    yield Sample("rulebot_broker_requests_limit", wire.settings.max_requests)


# ---------------------------------------------------------------- market data


def _market_data(run: Run, vitals: Vitals, state: State, at: datetime) -> Iterator[Sample]:
    feed, board, now = run.world.ib.feed, state.market.board, at.timestamp()
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
    times = [each for each in (board.quote_at[row], board.last_at[row]) if not math.isnan(each)]
    return max(0.0, now - max(times)) if times else None


def _open(state: State) -> list[Position]:
    found = (state.positions.by_id[name] for name in state.positions.active if name in state.positions.by_id)
    return [position for position in found if not position.is_flat]


# ---------------------------------------------------------------- bots


def _bots(picture: Snapshot) -> Iterator[Sample]:
    rows: defaultdict[str, set[BotActivity]] = defaultdict(set)
    entries: dict[str, int] = {}
    for row in picture.bots:
        rows[row.bot].add(row.doing)
        entries[row.bot] = row.entries_today
    held, profits = Counter(each.bot for each in picture.positions), defaultdict[str, float](float)
    for position in picture.positions:
        profits[position.bot] += position.open_today or 0.0
    realized = dict(picture.realized_by)
    for name, doing in rows.items():
        first = next(each for each in _BY_IMPORTANCE if each in doing)
        for each in _BY_IMPORTANCE:
            yield Sample("rulebot_bot_state", each is first, (name, each.value))
        yield Sample("rulebot_bot_entries_today", entries[name], (name,))
    for name in {*rows, *held}:
        yield Sample("rulebot_positions_open", held[name], (name,))
        yield Sample("rulebot_bot_realized_profit_dollars", realized.get(name, 0.0), (name,))
        yield Sample("rulebot_bot_open_profit_dollars", round(profits[name], 6), (name,))


# ---------------------------------------------------------------- protection


def _protection(run: Run, state: State, at: datetime) -> Iterator[Sample]:
    resting: defaultdict[str, int] = defaultdict(int)
    for order in (state.orders.by_ref[ref] for ref in state.orders.live):
        resting[order.bot] += order.purpose in RESTING and order.status is OrderStatus.WORKING
    longest: defaultdict[str, float] = defaultdict(float)
    limits: dict[str, float] = {}
    for position in _open(state):
        since = unprotected_since(state, position)
        longest[position.bot] = max(longest[position.bot], _passed(since, at))
        limit = run.loop.program.governing(position).plan.risk.max_time_without_stop
        if limit is not None:
            limits[position.bot] = min(limit, limits.get(position.bot, limit))
    for bot in {*state.bots.present, *resting, *longest}:
        yield Sample("rulebot_orders_resting", resting[bot], (bot,))
        yield Sample("rulebot_position_unprotected_seconds", longest[bot], (bot,))
    for bot, limit in limits.items():
        yield Sample("rulebot_position_unprotected_limit_seconds", limit, (bot,))


def unprotected_since(state: State, position: Position) -> datetime | None:
    """Return since when a short leg has no order at the broker that covers it; None when each has one.

    Since the end of the last such order, or since the position was opened.
    """
    orders = [
        each for each in state.orders.by_ref.values() if each.position == position.id and each.purpose in GUARDING
    ]
    if all(guarded(orders, position, leg) >= leg.held for leg in position.legs if leg.sign < 0 and leg.held > 0):
        return None
    if position.unprotected_since is not None:
        return position.unprotected_since
    over = [each.changed_at for each in orders if not each.status.is_live and each.sent_at is not None]
    return max([*over, *([position.opened_at] if position.opened_at else [])], default=None)


# ---------------------------------------------------------------- the books and the account


def _reconciling(state: State, at: datetime) -> Iterator[Sample]:
    age = _passed(state.inquiries.asked_at, at) if state.orders.live else 0.0
    yield Sample("rulebot_reconcile_age_seconds", age)
    suspicions = [
        *(uncertainty.since for uncertainty in state.account.shortfalls.values()),
        *state.account.uncovered.values(),
    ]
    yield Sample("rulebot_reconcile_lag_seconds", _passed(min(suspicions, default=None), at))


def _passed(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else max(0.0, (at - since).total_seconds())


def _account(picture: Snapshot) -> Iterator[Sample]:
    for name in ("net_liquidation", "cash", "available_funds", "buying_power", "maintenance_margin"):
        amount = getattr(picture.account, name)
        if amount is not None:
            yield Sample(f"rulebot_account_{name}_dollars", amount)


# --- What a store knows, as samples

AGAIN = 2.0
"""Least real seconds between two counts, however often they are requested."""
WORKED = ("entry", "exit", "roll", "unwind")
"""Purposes of orders that the engine works; the others rest at the broker until a price comes."""
ALWAYS = ("entry", "exit")
"""Purposes counted for every bot from the beginning: a series that begins at 1 shows no rise."""
LIVE = tuple(status.value for status in OrderStatus if status.is_live)
OVER = tuple(status.value for status in OrderStatus if not status.is_live)


class StoreSamples:
    """The samples of one store; any thread may ask."""

    def __init__(self, place: Place, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._place, self._elapsed = place, elapsed
        self._lock = threading.Lock()
        self._counted_at = float("-inf")
        self._head: tuple[int, str] | None = None
        self._counted: list[Sample] = []
        self._known: Known = {}

    def now(self) -> list[Sample]:
        """Return what the store knows now, at most `AGAIN` seconds old. Raises: StoreError."""
        with self._lock:
            now = self._elapsed()
            if now - self._counted_at >= AGAIN:
                with StoreReader(self._place) as reader:
                    self._look(reader)
                self._counted_at = now
            return self._counted

    def _look(self, reader: StoreReader) -> None:
        head = (reader.head()[0], reader.run().state())
        if head != self._head:
            self._counted = samples_of_store(reader, self._known)
            self._head = head


def samples_of_store(reader: StoreReader, known: Known) -> list[Sample]:
    """Return everything a store knows. known: orders that were read before; it is brought up to date."""
    tally = reader.tally(known)
    bots = reader.bots()
    return [*_standing(reader), *_orders(tally, bots), *_happened(tally, bots), *_bots_of_store(reader, tally, bots)]


def _standing(reader: StoreReader) -> Iterator[Sample]:
    run, at = reader.run(), last_instant(reader)
    yield Sample("rulebot_build_info", 1, (release(),))
    yield Sample("rulebot_engine_running", run.state() != "stopped")
    yield Sample("rulebot_trading_active", trading_of(run) == "active")
    yield Sample("rulebot_store_records", reader.head()[0])
    if at is not None:
        yield Sample("rulebot_store_last_record_timestamp_seconds", at.timestamp())


def _happened(tally: Tally, bots: list[str]) -> Iterator[Sample]:
    yield Sample("rulebot_broker_connection_losses", tally.losses)
    for bot in sorted({"", *bots, *tally.alarms}):
        yield Sample("rulebot_alarms", tally.alarms.get(bot, 0), (bot,))
    for bot in sorted({*bots, *tally.fills} - {""}):
        yield Sample("rulebot_fills", tally.fills.get(bot, 0), (bot,))


def _orders(tally: Tally, bots: list[str]) -> Iterator[Sample]:
    made, working, ended = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str, str]]()
    unknown, slippage = Counter(dict.fromkeys(bots, 0)), defaultdict[tuple[str, str], float](float)
    seconds, steps = dict[tuple[str, str], Spread](), dict[tuple[str, str], Spread]()
    for key in sorted({*product(bots, ALWAYS), *((order.bot, order.purpose) for order in tally.orders)}):
        made[key] = working[key] = 0
        ended.update({(*key, status): 0 for status in OVER})
        if key[1] in WORKED:
            seconds[key] = Spread(BOUNDS["rulebot_order_fill_seconds"])
            steps[key] = Spread(BOUNDS["rulebot_order_ladder_steps"])
    for order in tally.orders:
        key = (order.bot, order.purpose)
        made[key] += 1
        working[key] += order.state in LIVE
        unknown[order.bot] += order.state == "unknown"
        if order.state not in LIVE:
            ended[*key, order.state] += 1
        if (slipped := order.slippage) is not None:
            slippage[key] += float(slipped)
        if order.purpose in WORKED:
            _worked(order, seconds[key], steps[key])
    for name, found in (("orders", made), ("orders_working", working), ("orders_ended", ended)):
        for labels, count in found.items():
            yield Sample(f"rulebot_{name}", count, labels)
    for bot, count in unknown.items():
        yield Sample("rulebot_orders_unknown", count, (bot,))
    for labels, dollars in slippage.items():
        yield Sample("rulebot_slippage_dollars", round(dollars, 6), labels)
    for name, spreads in (("fill_seconds", seconds), ("ladder_steps", steps)):
        for labels, spread in spreads.items():
            yield Sample(f"rulebot_order_{name}", spread, labels)


def _worked(order: OrderTally, seconds: Spread, steps: Spread) -> None:
    if order.seconds is not None:
        seconds.add(order.seconds)
        steps.add(max(order.attempt, 1))


def _bots_of_store(reader: StoreReader, tally: Tally, bots: list[str]) -> Iterator[Sample]:
    day = reader.last_day()
    days = {row["strategy_id"]: row for row in reader.view("bot_days", date=str(day))} if day else {}
    held, profit = Counter[str](), defaultdict[str, float](float)
    for row in reader.view("open_positions"):
        held[row["strategy_id"]] += 1
        profit[row["strategy_id"]] += float(row["unrealized_pnl"] or 0.0)
    for bot in bots:
        today = days.get(bot, {})
        yield Sample("rulebot_positions_open", held[bot], (bot,))
        yield Sample("rulebot_bot_entries_today", int(today.get("entries") or 0), (bot,))
        yield Sample("rulebot_bot_realized_profit_dollars", float(today.get("realized") or 0.0), (bot,))
        yield Sample("rulebot_bot_open_profit_dollars", round(profit[bot], 6), (bot,))
        yield Sample("rulebot_bot_net_profit_dollars", float(tally.net.get(bot, 0)), (bot,))
