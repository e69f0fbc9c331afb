"""What a store knows, as samples: whichever engine writes it. Counted anew only when something was recorded."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import product

from rulebot.live.health_metrics import Spread
from rulebot.model.order import OrderStatus
from rulebot.process.version import release
from rulebot.recovery.operator_state import trading_of
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.tally import Known, OrderTally, Tally
from rulebot.web.book import last_instant
from rulebot.web.metrics.catalogue import BOUNDS, Sample

AGAIN = 2.0
"""Real seconds between two counts at the least, however often somebody asks."""
WORKED = ("entry", "exit", "roll", "unwind")
"""Purposes of orders that the engine works; the others rest at the broker until a price comes."""
ALWAYS = ("entry", "exit")
"""Purposes that every bot is counted by from the beginning: of a series that begins at 1 nobody sees it rise."""
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
    return [*_standing(reader), *_orders(tally, bots), *_happened(tally, bots), *_bots(reader, tally, bots)]


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


def _bots(reader: StoreReader, tally: Tally, bots: list[str]) -> Iterator[Sample]:
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
