"""The snapshots of the page: of an engine in this process, else of the store, read again when it has changed.

The engine's loop calls `show` between two batches and never waits; the web server takes the last snapshot.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from datetime import date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from rulebot.adapters.clock import WallClock
from rulebot.alerts.notifier import outbox_path
from rulebot.alerts.outbox import Outbox
from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot, Program, compile_bot
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.core.state.state import Named
from rulebot.measure.view import View
from rulebot.model.errors import StoreError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass, replace
from rulebot.narrate.happenings import EventLine
from rulebot.narrate.snapshot import MarketStat, Snapshot
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.narrate.snapshot_of_store import alarms_of, snapshot_of_store
from rulebot.operator_requests.requests import entries
from rulebot.process.service import Heartbeat, Stage
from rulebot.record.record import Kind
from rulebot.recovery.resume import asked_of
from rulebot.scan.entry_preview import Preview, preview_now
from rulebot.shadow.broker import title
from rulebot.spec.load import load_text
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader
from rulebot.web.rest_models import AlertModel

if TYPE_CHECKING:
    from rulebot.live.start import Run, Vitals

# --- The snapshot of an engine in this process, with its connection and market


def snapshot_of_run(run: "Run", at: datetime) -> Snapshot:
    """Return a run's present snapshot."""
    state, program, link = run.loop.state, run.loop.program, run.world.ib.link
    seen = snapshot_of(program, state, at, run.first, run.last)
    return replace(
        seen,
        mode=str(run.options.settings.get("mode") or ""),
        mark=title(run.options.settings),
        is_simulated=link.is_simulated,
        account=replace(seen.account, id=link.account),
        stats=market_stats(program, view_of(StateBuilder(program, state, at))),
    )


# --- The market's move today beside the expected move

MOST = 3
"""Underlyings that are shown: those of bots on one of their own, in order of the specs."""
_STAT_SPEC = """rulebot: 1
name: gauge
about: Reads the market for the page; nothing ever runs it.
underlying: "{symbol}"
entry:
  window: {{from: open, to: close}}
  when:
    - name: expected
      expected_move: {{asof: open, at_least: 0 pts}}
    - name: range
      day_range: {{at_least: 0 pts}}
    - name: rank
      iv_rank: {{at_least: 0}}
    - name: crowd
      crowding: {{at_least: 0}}
legs:
  expiry: {{dte: 0}}
  at_money: {{buy: put, strike: {{at: spot}}}}
order: {{start: mid, wait: 10s, tries: 1, then: cancel}}
exits: [{{time: close - 5m}}]
risk: {{max_loss_per_trade: $1}}
"""


def market_stats(program: Program, view: View) -> tuple[MarketStat, ...]:
    """Return the known data of the bots' underlyings, without those of which nothing is known."""
    symbols = dict.fromkeys(bot.plan.underlyings[0] for bot in program.bots.values() if not bot.members)
    found = (_stat(symbol, view) for symbol in list(symbols)[:MOST])
    return tuple(each for each in found if (each.expected, each.day_range, each.iv_rank) != (None, None, None))


def _stat(symbol: str, view: View) -> MarketStat:
    values = {each.rule.name: each.judge(view).value for each in _compiled(symbol).when}
    return MarketStat(
        symbol=symbol,
        expected=values["expected"],
        day_range=values["range"],
        iv_rank=values["rank"],
        crowding=values["crowd"],
    )


@lru_cache(maxsize=16)
def _compiled(symbol: str) -> CompiledBot:
    loaded = load_text(_STAT_SPEC.format(symbol=symbol))
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return compile_bot(plan)


# --- Where the page's pictures come from

# --- The alerts on the page

SHOWN = 12


@dataclass(frozen=True, slots=True)
class AlertList:
    """The newest alerts, newest first. is_reported: whether any process sends, or ever sent, alerts of this store.

    problem: why they cannot be read, "" where they can.
    """

    alerts: tuple[AlertModel, ...] = ()
    is_reported: bool = False
    problem: str = ""

    @property
    def waiting(self) -> int:
        """The number of unacknowledged grave ones."""
        return sum(each.grade == "grave" and not each.acknowledged for each in self.alerts)

    @property
    def newest(self) -> int:
        """The newest alert that is shown, 0 without any: later ones have not been seen here."""
        return max((each.id for each in self.alerts), default=0)


def alert_list(store: Place) -> AlertList:
    """Return the alerts of a store. Raises: StoreError."""
    path = outbox_path(store)
    if not path.is_file():
        return AlertList()
    outbox = Outbox(path)
    try:
        found = outbox.newest(SHOWN)
    finally:
        outbox.close()
    return AlertList(
        tuple(
            AlertModel(
                id=kept.id,
                at=f"{kept.alert.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}",
                grade=kept.alert.grade.value,
                bot=kept.alert.bot,
                text=kept.alert.text,
                count=kept.count,
                acknowledged=kept.is_acknowledged,
                deliveries=list(fates),
            )
            for kept, fates in found
        ),
        is_reported=True,
    )


def shown_alerts(store: Place) -> AlertList:
    """Return the same, or why they cannot be read: the rest of the page is there without them."""
    try:
        return alert_list(store)
    except StoreError as error:
        return AlertList(is_reported=True, problem=error.message)


def acknowledge(store: Place, id: int | None, until: int | None) -> int:
    """Mark an alert as seen, or all, or all up to one; return how many were not before. Raises: StoreError."""
    path = outbox_path(store)
    if not path.is_file():
        return 0
    outbox = Outbox(path)
    try:
        return outbox.acknowledge(id, WallClock().now(), until)
    finally:
        outbox.close()


# --- Where the page's pictures come from

log = logging.getLogger(__name__)

EVERY = 0.25
"""Real seconds between two pictures of an engine at the least: they cost its loop what they cost."""
LOOK_EVERY = 1.0
"""Real seconds between two looks into a store."""
KEPT = 60
"""Happenings that are kept."""
TRADES_SHOWN = 25
PREVIEW_PATIENCE = 6.0
"""Real seconds in which an engine ends a batch, and then has time for a question."""
NOT_DRAWN = "this program failed to show its engine, which continues: see its log; this page shows the store"


_NO_TRADES = frozenset((Kind.ACCOUNT, Kind.MARK, Kind.VERDICT))
"""Records that come by the minute, and change no trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStatus:
    """The trades of a store, read again when a record may have changed them, or on another day.

    newest: the last `TRADES_SHOWN`, newest first; entered: how many each bot has; days, today, open_trades: see
    `PageData`.
    """

    number: int
    day: date | None
    newest: tuple[Row, ...]
    entered: Mapping[str, int]
    today: int
    days: tuple[tuple[str, float], ...]
    open_trades: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """Everything on the first page. number grows with each change. trades: newest first; days: profit by day.

    events: newest first, of the engine of this process (has_live_events), else the store's alarms. open_trades: trade
    numbers by open position; entries: per bot, made or requested.
    """

    number: int
    picture: Snapshot
    events: tuple[EventLine, ...]
    has_live_events: bool
    trades: tuple[Row, ...]
    days: tuple[tuple[str, float], ...]
    trades_today: int
    open_trades: Mapping[str, int]
    entries: Mapping[str, int]
    alerts: AlertList = AlertList()


class Live:
    """What is shown now. One thread shows (the engine's), another one takes.

    heartbeat: how the engine of this process is, None where none runs. is_linked: whether it showed itself connected.
    """

    def __init__(
        self, store: Place, elapsed: Callable[[], float] = time.monotonic, heartbeat: Heartbeat | None = None
    ) -> None:
        self.heartbeat = heartbeat
        self._store = store
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._picture: Snapshot | None = None
        self._trouble = ""
        self._events: deque[EventLine] = deque(maxlen=KEPT)
        self._count = 0
        self._drawn_at = float("-inf")
        self._batch_at = elapsed()
        self.vitals: Vitals | None = None
        self._looked_at = float("-inf")
        self._head: tuple[int, str] | None = None
        self._shown_head: tuple[int, str] | None = None
        self._fault: StoreError | None = None
        self._alerts = AlertList()
        self._shown: PageData | None = None
        self._trading: TradingStatus | None = None
        self._of: object = None
        self.is_linked = False
        self._previews: deque[tuple[tuple[str, str, Named | None], Future[Preview | None]]] = deque(maxlen=KEPT)

    # ------------------------------------------------------------ the engine's side

    def notify(self, happenings: Iterable[EventLine]) -> None:
        """Keep what happened."""
        for each in happenings:
            self._events.appendleft(each)
            self._count += 1

    def attend(self, vitals: "Vitals") -> None:
        """Know of the run whose vitals these are: what is not on the page is read of it when it is asked for."""
        self.vitals = vitals

    def show(self, run: "Run", at: datetime) -> None:
        """Show the run's present state, unless that was done a moment ago."""
        now = self._batch_at = self._elapsed()
        if now - self._drawn_at >= EVERY or run.loop.state.connection.is_linked is not self.is_linked:
            self._drawn_at, self.is_linked = now, run.loop.state.connection.is_linked
            self._draw(run, at)

        while self._previews:
            asked, answer = self._previews.popleft()
            _answer(answer, partial(preview_now, run.loop.program, run.loop.state, at, *asked))

    def _draw(self, run: "Run", at: datetime) -> None:
        try:
            self._picture, self._trouble = snapshot_of_run(run, at), ""
        except Exception as error:
            if not self._trouble:
                log.error("the page cannot show its engine: %s", type(error).__name__, exc_info=error)
            self._picture, self._trouble = None, NOT_DRAWN

    def end(self) -> None:
        """Say that the engine of this process is gone: from now on the store is shown."""
        self._picture, self.vitals, self._trouble = None, None, ""
        while self._previews:
            self._previews.popleft()[1].cancel()

    # ------------------------------------------------------------ the server's side

    @property
    def picture(self) -> Snapshot | None:
        """The last picture of the engine of this process, None without one."""
        return self._picture

    @property
    def silence(self) -> float:
        """Real seconds since the engine last ended a batch."""
        return max(0.0, self._elapsed() - self._batch_at)

    def preview(self, bot: str, symbol: str = "", named: Named | None = None) -> Preview | None:
        """Return what the engine of this process would have a bot trade now; None without one, or without an answer.

        named: the structure, where it is not the bot's choice.
        """
        if self._picture is None:
            return None
        answer: Future[Preview | None] = Future()
        self._previews.append(((bot, symbol, named), answer))
        try:
            return answer.result(PREVIEW_PATIENCE)
        except (TimeoutError, CancelledError):
            answer.cancel()
            return None

    def now(self) -> PageData:
        """Return what is shown now; the same value while nothing has changed. Raises: StoreError."""
        with self._lock:
            self._look()
            picture = self._picture
            key = (id(picture), self._count, self._head, self._alerts, self.waits_for(), self._trouble)
            if self._shown is None or key != self._of or (picture is not None and picture is not self._shown.picture):
                self._shown = self._made(picture)
                self._of = key
            return self._shown

    def waits_for(self) -> str | None:
        """Return why an engine that was never connected is not, None for any other."""
        if self._picture is not None or self.heartbeat is None or self.heartbeat.stage is not Stage.CONNECTING:
            return None
        return f"the engine waits for its gateway and retries: {self.heartbeat.words or 'it connects'}"

    def _look(self) -> None:
        """Read the store's head again when it is time; views of an older head are rebuilt.

        An unreadable store is reported to all until the next look: earlier data is not shown.
        """
        now = self._elapsed()
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at, self._fault = now, None
            try:
                with StoreReader(self._store) as reader:
                    self._head = (reader.head()[0], reader.run().state())
            except StoreError as error:
                self._fault = error
            self._alerts = shown_alerts(self._store)
        if self._fault is not None:
            raise self._fault.with_traceback(None)

    def _made(self, picture: Snapshot | None) -> PageData:
        number = 1 if self._shown is None else self._shown.number + 1
        if self._shown is not None and picture is not None and self._shown_head == self._head:
            old = self._shown
            events = tuple(self._events)
            return replace(
                old,
                number=number,
                picture=picture,
                events=events,
                has_live_events=bool(events),
                alerts=self._alerts,
            )
        with StoreReader(self._store) as reader:
            found = self._trading = _trading(reader, self._trading)
            had = entries(found.entered, reader.run())
            seen = snapshot_of_store(reader) if picture is None else picture
            if self._trouble:
                seen = replace(seen, notice="; ".join(filter(None, (self._trouble, seen.notice))))
            if (waits := self.waits_for()) is not None:
                trading = asked_of(reader.run())
                seen = replace(seen, engine=Stage.CONNECTING.value, trading=trading, is_linked=False, notice=waits)
            events = tuple(self._events) or alarms_of(reader)
        self._shown_head = self._head
        return PageData(
            number=number,
            picture=seen,
            events=events,
            has_live_events=bool(self._events),
            trades=found.newest,
            days=found.days,
            trades_today=found.today,
            open_trades=found.open_trades,
            entries=had,
            alerts=self._alerts,
        )


def _trading(reader: StoreReader, known: TradingStatus | None) -> TradingStatus:
    """Return what the store has of trades now; what is known of them while nothing can have changed it."""
    (number, _), day = reader.head(), reader.last_day()
    is_of_now = known is not None and known.number <= number and known.day == day
    if known is not None and is_of_now and not reader.is_beyond(known.number, _NO_TRADES):
        return known
    rows = reader.trades()[::-1]
    return TradingStatus(
        number=number,
        day=day,
        newest=tuple(rows[:TRADES_SHOWN]),
        entered=reader.entered(),
        today=sum(int(row["trades_today"] or 0) for row in reader.view("system_state")),
        days=tuple((str(row["date"]), float(row["net_pnl"])) for row in reader.view("daily_summary")),
        open_trades={row["position"]: row["id"] for row in rows if row["status"] == "OPEN"},
    )


def _answer(answer: "Future[Preview | None]", ask: Callable[[], Preview | None]) -> None:
    """Deliver what was requested, unless no one waits any more; failures go to the requester."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(ask())
    except Exception as error:  # noqa: BLE001 - the engine continues
        answer.set_exception(error)
