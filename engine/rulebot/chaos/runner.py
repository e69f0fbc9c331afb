"""Run one trial: engines that crash and restart on one store, with one gateway that keeps running.

Everything runs in one virtual-time loop, so the same storm takes the same steps, and leaves the same records and the
same ledger. In lockstep time waits for the engine; else time runs, and the engine behaves as with a real broker: by its
clock, with heartbeats, and reconnecting.
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos.crash_points import CrashedError, CrashingBroker, CrashingJournal, CrashPlan
from rulebot.chaos.invariants import Leftovers
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.scenario import ChaosScenario, Crash, OperatorActions, ScenarioMoment
from rulebot.chaos.spec_files import SpecVersions
from rulebot.chaos.virtual_loop import VirtualLoop, run_virtually
from rulebot.checks.against_ledger.books import read_day
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.checks.journal.audit import differing_starts
from rulebot.core.queries.account import UNCERTAIN
from rulebot.core.queries.schedule import ASK_AGAIN
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.daily_jobs import AFTER_CLOSE
from rulebot.live.environments import World, patient
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.collector import without_collection
from rulebot.model.errors import InvariantError, RulebotError, StoreError
from rulebot.model.order import OrderStatus
from rulebot.model.session import exchange_date
from rulebot.store.maintenance import differing_tables
from rulebot.store.place import Place
from twsim import GatewaySettings, Row, RunningGateway, start_gateway

# --- Collects uncaught exceptions of an engine

SILENCED = ("ib_async", "eventkit")
"""Loggers that are silenced; the engine reads these messages itself."""


class LogCapture(logging.Handler):
    """Collects what would be printed with a traceback, and silences everything else meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._before: list[logging.Handler] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that has an exception."""
        if record.name.partition(".")[0] not in SILENCED and record.exc_info and record.exc_info[1] is not None:
            self.found.append(f"logged by {record.name}: {record.getMessage()}: {in_short(record.exc_info[1])}")

    def __enter__(self) -> "LogCapture":
        root = logging.getLogger()
        self._before, root.handlers = root.handlers, [self]
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers = self._before


def in_short(error: BaseException) -> str:
    """Return an exception with the place it comes from, on one line and without a path of this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(frames[-3:]))
    return f"{type(error).__name__}: {str(error)[:300]} ({places})"


# --- Live through one trial

CLIENT_ID = 1
STORE = "chaos.db"
QUIET, LONGEST_QUIET = timedelta(minutes=3), timedelta(minutes=15)
"""How long an engine is left alone after the last fault, at least, and until it has nothing in progress."""
ANSWERED = timedelta(minutes=1)
"""How long after that it still waits for the answer to what was sent last: a bot may enter at that very instant."""
TOO_LATE = timedelta(minutes=25)
"""How long after the last fault an engine must have been seen."""
REPORTED_WITHIN = timedelta(minutes=4)
"""Events this long before the last instant with a connection were reported in that session, or requested."""
AWAY = 5
"""Virtual seconds until an engine that ended is restarted."""
INBOX_EVERY = timedelta(seconds=3)
"""Interval of looking for people's requests where time runs without events: once between two market moves."""
RESTS = timedelta(seconds=5)
"""The same where the clock waits for us: crashes come by steps of the loop, and acts of people between them."""
A_NIGHT = 3600.0
"""Seconds by which the gateway's time is ahead of the loop's when a night was passed over."""
MOST_LIVES = 40
MOST_FAILURES = 3
MOST_STEPS = 3_000_000
"""Steps of the loop that a trial may take; a whole day takes a tenth of it."""
STALLED = 40.0
"""Seconds an engine in lockstep may hold the clock without letting it move."""
CYCLES_TO_ARRIVE = 5
"""Cycles of an event loop with sockets in which what was written on this machine is read at its other end."""
CYCLES_TO_DIE = 50
"""Cycles in which a dead engine unwinds; one that took its end for the end of what it waited for is ended again."""
UNDER_WAY = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.CANCELLING, OrderStatus.UNKNOWN)


class _OverError(BaseException):
    """The trial has seen enough."""


Witness = Callable[[VirtualLoop], Callable[[ScenarioMoment, int], object]]
"""Called in the trial's own task; returns the callback for each possible crash point, with its number."""


def run_scenario(
    storm: ChaosScenario,
    desk: LoadedBots,
    folder: Path,
    place: Place | None = None,
    witness: Witness | None = None,
    *,
    scrambles: bool = False,
) -> ChaosResult:
    """Run one trial to its end; its store is `place`, else left in `folder`.

    scrambles: each start reads its records with every text for people scrambled.
    Raises: ValueError for a storm no gateway can follow.
    """
    with LogCapture() as received:
        trial = _Trial(storm, desk, folder, place or folder / STORE, received)
        trial.witness = witness
        trial.scrambles = scrambles
        with without_collection():
            return run_virtually(trial.run_in)


def run_scenario_over_sockets(storm: ChaosScenario, desk: LoadedBots, folder: Path) -> ChaosResult:
    """Run one trial in lockstep over TCP and on asyncio's own loop: the same trace, unless steps or sends count."""
    assert storm.lockstep
    with LogCapture() as received:
        return asyncio.run(_Trial(storm, desk, folder, folder / STORE, received).run())


class _Trial:
    """One running trial."""

    def __init__(
        self, storm: ChaosScenario, desk: LoadedBots, folder: Path, store: Place, received: LogCapture
    ) -> None:
        self.storm = storm
        self.store = store
        self.received = received
        self.fate = CrashPlan(storm.crashes)
        self.remains = Leftovers(store)
        self.acts = OperatorActions(storm.acts)
        self.versions = SpecVersions(desk, storm.reloads, folder, is_named=storm.names_account)
        self.troubles: list[str] = []
        self.lives = 0
        self._ended_by = ""
        self.failures = 0
        self.is_calm = False
        self.connected: dict[date, datetime] = {}
        self.engine: asyncio.Future[None] | None = None
        self.loop: VirtualLoop | None = None
        self.burial: asyncio.Handle | None = None
        self.witness: Witness | None = None
        self.scrambles = False

    def run_in(self, loop: VirtualLoop) -> Coroutine[Any, Any, ChaosResult]:
        """Return the run, with every step and every write of this loop counted."""
        self.loop = loop
        loop.before_step = self._before_step
        loop.stuck = lambda: self._give_up("nothing is left to do, and a task still waits")
        loop.network.delay = self.storm.delay
        loop.network.before_write, loop.network.after_write = self.fate.before_send, self.fate.after_send
        self.fate.falls = self._fall
        self.fate.kill = self._end_engine
        return self.run()

    async def run(self) -> ChaosResult:
        asyncio.get_running_loop().set_exception_handler(self._unheard)
        if self.witness is not None and self.loop is not None:
            self.fate.passes = self.witness(self.loop)
        storm = self.storm
        speed = None if storm.lockstep else 1.0
        settings = GatewaySettings(
            first_day=storm.day,
            days=len(storm.sessions),
            seed=storm.seed,
            market_file=storm.market,
            speed=speed,
            lockstep=not storm.sends_time,
            shares=storm.shares,
        )
        gateway = await start_gateway(settings, faults=storm.plan)
        try:
            await self._pass(gateway, storm.begins)
            await self._lives(gateway)
            return self._aftermath(gateway)
        finally:
            await gateway.stop()

    def _aftermath(self, gateway: RunningGateway) -> ChaosResult:
        assert gateway.ledger is not None
        failed = gateway.gateway.failure
        if failed.done() and (problem := failed.exception()) is not None:
            self.troubles.append(f"the simulated gateway failed: {in_short(problem)}")
        outside = LedgerOrders(tuple(gateway.ledger.rows), tuple(gateway.exchange.open_orders()), _now(gateway))
        return ChaosResult(
            storm=self.storm,
            day=read_day(self.store, gateway.ledger.totals(), {}),
            outside=outside,
            tables=tuple(differing_tables(self.store)),
            starts=tuple(differing_starts(self.store)),
            unreported=gateway.unreported,
            unheard=tuple(self._missed(gateway.ledger.rows)),
            fired=dict(gateway.fired),
            fired_open=dict(gateway.fired_open),
            done_open=tuple(self.acts.done_open),
            deaths=(*(crash.label for crash in self.fate.deaths), *self.acts.done, *self.versions.done),
            lives=self.lives,
            points=self.fate.points,
            troubles=(*self.troubles, *self.received.found),
            texts=self.versions.texts,
            reported=tuple(self.versions.reported),
            reads=tuple(self.versions.reads),
            wrong=tuple(self.versions.wrong),
        )

    def _missed(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield what happened in an earlier session when no engine was connected any more, or only for a while."""
        last = self.storm.sessions[-1].date
        for row in rows:
            at = datetime.fromisoformat(str(row["at"]))
            reported_until = self.connected.get(exchange_date(at), datetime.min.replace(tzinfo=UTC) + REPORTED_WITHIN)
            is_earlier = row["kind"] in ("order", "execution", "commission") and exchange_date(at) < last
            if is_earlier and at > reported_until - REPORTED_WITHIN:
                yield row

    # ------------------------------------------------------------ lives

    async def _lives(self, gateway: RunningGateway) -> None:
        """Start engine after engine until the last one is done."""
        while not await self._life(gateway):
            if self.lives >= MOST_LIVES or self.failures >= MOST_FAILURES or gateway.has_failed:
                said = f"; the last one ended by {self._ended_by}" if self._ended_by else ""
                self.troubles.append(f"given up at {_now(gateway):%H:%M:%S} UTC after {self.lives} starts{said}")
                return

    async def _life(self, gateway: RunningGateway) -> bool:
        """Live once; say whether this was the last life."""
        self.lives += 1
        self.fate.begin_life()
        if self.loop is not None:
            self.loop.network.mend()
        self.engine = asyncio.ensure_future(self._engine(gateway))
        try:
            await self._watch(self.engine, gateway)
        except CrashedError:
            pass
        except _OverError:
            return True
        except (InvariantError, StoreError) as error:
            self._ended_by = in_short(error)
            if not self.acts.excuses(error):
                self._fails(error, gateway)
        except RulebotError as error:
            self._ended_by = in_short(error)
        except Exception as error:  # noqa: BLE001 - any exception of an engine is a finding
            self._ended_by = in_short(error)
            self._fails(error, gateway)
        else:
            if not self.acts.stopped():
                return True
        finally:
            self.fate.end_life()
            self.remains.put_back()
            if self.burial is not None:
                self.burial.cancel()
        died = self.fate.died
        await self._pass(gateway, _now(gateway) + timedelta(seconds=AWAY if died is None else died.away))
        return False

    async def _engine(self, gateway: RunningGateway) -> None:
        left = sum(_now(gateway) < each.close + AFTER_CLOSE for each in self.storm.sessions)
        options = RunOptions(
            store=self.store,
            logs=None,
            sessions=left,
            install=f"c{self.storm.seed}",
            inbox_every=INBOX_EVERY,
            rests=RESTS,
        )
        await execute(
            self.versions.desk(_now(gateway)),
            options,
            self._mortal(gateway),
            self._started,
            lambda run, at: self._after_instant(run, at, gateway),
            lambda asked: CrashingJournal(asked, self.fate, self.acts, scrambles=self.scrambles),
        )

    def _started(self, run: Run) -> None:
        run.loop.broker = CrashingBroker(run.loop.broker, self.fate)
        self.acts.attend(run.loop)
        self.versions.attend(run.reloader)

    async def _watch(self, engine: "asyncio.Future[None]", gateway: RunningGateway) -> None:
        """Wait for the end of an engine; one that does nothing any more is ended. Raises: what the engine raises."""
        seen = gateway.now, self.acts.refused
        while not (await asyncio.wait((engine,), timeout=STALLED if self.fate.died is None else 1.0))[0]:
            if self.fate.died is not None:
                engine.cancel()  # it took the first time for the end of what it waited for
            elif gateway.has_failed:
                self._give_up("the clock does not move")
            elif self.storm.lockstep and (gateway.now, self.acts.refused) == seen:
                self._give_up(f"an engine held the clock for {STALLED:.0f} s at {_now(gateway):%H:%M:%S} UTC")
            elif not self.storm.ends_with_day and _now(gateway) > self.storm.calm_at + TOO_LATE:
                self._give_up(f"an engine was not back at {_now(gateway):%H:%M:%S} UTC")
            seen = gateway.now, self.acts.refused
        if self.fate.died is not None:
            if not engine.cancelled():
                engine.exception()  # of a dead engine nothing counts
            raise CrashedError(str(self.fate.died))
        if engine.cancelled():
            raise StoreError("given up")
        engine.result()

    def _fails(self, error: BaseException, gateway: RunningGateway) -> None:
        self.failures += 1
        if self.failures < MOST_FAILURES:
            self.troubles.append(f"at {_now(gateway):%H:%M:%S} UTC: {in_short(error)}")

    def _give_up(self, why: str) -> None:
        """End the engine, and the trial with it."""
        if self.failures < MOST_FAILURES:
            self.troubles.append(why)
            self.failures = MOST_FAILURES
        self._end_engine()

    def _end_engine(self) -> None:
        if self.engine is not None:
            self.engine.cancel()

    def _before_step(self) -> None:
        assert self.loop is not None
        if self.loop.steps == MOST_STEPS:
            self._give_up(f"the trial was not over after {MOST_STEPS} steps of the loop")
        self.fate.before_step()

    def _fall(self, crash: Crash) -> None:
        """Let nothing leave a dead engine any more."""
        self.remains.keep()
        assert self.loop is not None
        self.loop.network.sever(arrives=crash.arrives)
        self._bury(CYCLES_TO_DIE)

    def _bury(self, cycles: int) -> None:
        """See to it that a dead engine is over before time moves, as a killed process is."""
        if self.loop is None or self.engine is None or self.engine.done():
            return
        if cycles <= 0:
            self.engine.cancel()
        self.burial = self.loop.call_soon(self._bury, cycles - 1)

    def _after_instant(self, run: Run, at: datetime, gateway: RunningGateway) -> None:
        """Look at the clock after each instant: a crash, the calm or the end may be due."""
        if run.loop.state.connection.is_ready:
            self.connected[exchange_date(at)] = at
        if at >= self.storm.calm_at:
            self._calm(gateway)
        self.fate.after_instant(at)
        if self.storm.ends_with_day:
            return
        quiet = at - self.storm.calm_at
        if quiet < QUIET or (quiet < LONGEST_QUIET and _is_busy(run, at)):
            return
        if quiet >= LONGEST_QUIET + ANSWERED or not _waits_for_an_answer(run, at):
            raise _OverError

    def _calm(self, gateway: RunningGateway) -> None:
        if not self.is_calm:
            self.is_calm = True
            self.fate.calm()
            self.acts.calm()
            self.versions.calm()
            gateway.calm()

    @asynccontextmanager
    async def _mortal(self, gateway: RunningGateway) -> AsyncIterator[World]:
        """Yield the world of one engine. When it dies, its connection is dropped, and what it said last may be lost."""
        if self.storm.lockstep:
            ib = ib_world(patient(gateway.port, CLIENT_ID))
        else:
            ib = ib_world(IbSettings(port=gateway.port, client_id=CLIENT_ID), _LoopClock(gateway, self.acts))
        try:
            yield World(ib, None)
        finally:
            if self.fate.died is not None and self.loop is None:
                for _ in range(CYCLES_TO_ARRIVE if self.fate.died.arrives else 0):
                    await asyncio.sleep(0)
                gateway.cut(CLIENT_ID)
            await ib.link.close()

    # ------------------------------------------------------------ time without an engine

    async def _pass(self, gateway: RunningGateway, until: datetime) -> None:
        """Advance time to `until`; faults end on the way."""
        while _now(gateway) < until and not gateway.finished and not gateway.has_failed:
            if self.storm.lockstep:
                gateway.gateway.clock.turn()
            else:
                await asyncio.sleep(1.0)
            if _now(gateway) >= self.storm.calm_at:
                self._calm(gateway)

    def _unheard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, Exception) and not isinstance(problem, ConnectionError):
            self.troubles.append(f"an error was not handled: {context.get('message')}: {in_short(problem)}")


class _LoopClock:
    """The computer's clock: the gateway's time between its instants too, by the loop, unless an act has set it.

    Over a night it jumps, as when a machine sleeps.
    """

    def __init__(self, gateway: RunningGateway, acts: OperatorActions) -> None:
        self._time = asyncio.get_running_loop().time
        self._gateway = gateway
        self._acts = acts
        self._ahead = gateway.now - int(self._time())

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        if self._gateway.now - self._ahead - self._time() > A_NIGHT:
            self._ahead = self._gateway.now - int(self._time())
        right = datetime.fromtimestamp(self._ahead + self._time(), UTC)
        return right + timedelta(seconds=self._acts.ahead(right))

    def elapsed(self) -> float:
        """Return the loop's seconds."""
        return self._time()


def _is_busy(run: Run, at: datetime) -> bool:
    """Say whether an engine has something in progress that it will finish, or soon put on hold."""
    state = run.loop.state
    if any(at - uncertainty.since <= UNCERTAIN + ASK_AGAIN for uncertainty in state.account.shortfalls.values()):
        return True
    positions = (position for position in state.positions.by_id.values() if not position.hold)
    moving = any(position.state in ("entering", "exiting") for position in positions)
    return moving or any(order.status in UNDER_WAY for order in state.orders.by_ref.values())


def _waits_for_an_answer(run: Run, at: datetime) -> bool:
    orders = run.loop.state.orders.by_ref.values()
    return any(order.status in UNDER_WAY and at - order.changed_at < ANSWERED for order in orders)


def _now(gateway: RunningGateway) -> datetime:
    return datetime.fromtimestamp(gateway.now, UTC)
