"""Every metric there is: its name, kind, labels and meaning. What is not here cannot be told.

Names are Prometheus's: base units in them (seconds, bytes, dollars), `_total` for what only rises. Labels are bots,
purposes and states of orders, and underlyings that are streamed: there are never many of them.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from rulebot.live.health_metrics import Spread
from rulebot.model.values import dataclass


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
           "refused (by the broker), denied (by our own limits), abandoned.", ("bot", "purpose", "status")),
    Metric("rulebot_orders_working", _GAUGE, "orders", "Orders that may still fill.", _ORDER),
    Metric("rulebot_orders_unknown", _GAUGE, "orders", "Those of them of which nobody knows whether the broker has "
           "them.", _BOT),
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
"""What a store knows: told by `rulebot web` and `rulebot serve`."""

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
    Metric("rulebot_market_data_lines_failing", _GAUGE, "lines", "Lines of which the broker says that something is "
           "wrong with them."),
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
           "(max_unprotected), where it says so.", _BOT),
    Metric("rulebot_reconcile_age_seconds", _GAUGE, "seconds", "Since the broker was last asked what it has, while an "
           "order may still fill; else 0."),
    Metric("rulebot_reconcile_lag_seconds", _GAUGE, "seconds", "How long the account has held less than our books "
           "say; 0 while they agree."),
    Metric("rulebot_account_net_liquidation_dollars", _GAUGE, "dollars", "Net liquidation, as the broker tells it."),
    Metric("rulebot_account_cash_dollars", _GAUGE, "dollars", "Cash."),
    Metric("rulebot_account_available_funds_dollars", _GAUGE, "dollars", "Available funds."),
    Metric("rulebot_account_buying_power_dollars", _GAUGE, "dollars", "Buying power."),
    Metric("rulebot_account_maintenance_margin_dollars", _GAUGE, "dollars", "Maintenance margin."),
)  # fmt: skip
"""What a running engine shows besides: told by `rulebot serve` while its engine runs."""

PROCESS = (
    Metric("process_cpu_seconds", _COUNTER, "seconds", "Processor time of this process."),
    Metric("process_resident_memory_bytes", _GAUGE, "bytes", "Memory in use."),
    Metric("process_virtual_memory_bytes", _GAUGE, "bytes", "Memory reserved."),
    Metric("process_start_time_seconds", _GAUGE, "Unix time", "When the process began: its uptime is time() less it."),
    Metric("process_open_fds", _GAUGE, "files", "Open files and sockets."),
    Metric("process_max_fds", _GAUGE, "files", "How many it may have open."),
)
"""What prometheus_client tells of the process, on Linux."""

OF: Mapping[Source, tuple[Metric, ...]] = {Source.STORE: STORE, Source.ENGINE: ENGINE, Source.PROCESS: PROCESS}
METRICS: Mapping[str, Metric] = {metric.name: metric for found in OF.values() for metric in found}
BOUNDS: Mapping[str, tuple[float, ...]] = {
    "rulebot_order_fill_seconds": (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
    "rulebot_order_ladder_steps": (1, 2, 3, 4, 5, 6, 8, 10, 15, 20),
}
"""Upper bounds of the buckets; those of the loop's lag are in `live/health_metrics.py`."""


def series(metrics: Iterable[Metric] = METRICS.values()) -> frozenset[str]:
    """Return the names that a query may use."""
    return frozenset(name for metric in metrics for name in metric.series)
