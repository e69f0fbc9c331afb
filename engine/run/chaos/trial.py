"""Live through one trial: engines that die and are started again on one store, beside one gateway that lives on.

Everything runs in one event loop and in lockstep, so the same storm gives the same records and the same ledger.
"""

import asyncio
import hashlib
import json
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.adapters.ib.world import ib_world
from engine.model.errors import InvariantError, RulebotError, StoreError
from engine.model.order import OrderStatus
from engine.model.values import dataclass
from engine.record.record import Kind
from engine.run.aftermath.day import Day, read_day
from engine.run.aftermath.outside import Outside
from engine.run.audit.starts import differing_starts
from engine.run.chaos.acts import Acts
from engine.run.chaos.fate import CrashedError, Fate, MortalBroker, MortalJournal
from engine.run.chaos.storm import Storm
from engine.run.desk import Desk
from engine.run.start import Run, RunOptions, execute
from engine.run.worlds import World, patient
from engine.sim.exchange.ledger import Row
from engine.sim.gateway.embed import RunningGateway, start_gateway
from engine.sim.gateway.settings import GatewaySettings
from engine.store.upkeep import differing_tables

CLIENT_ID = 1
QUIET, LONGEST_QUIET = timedelta(minutes=3), timedelta(minutes=15)
"""How long an engine is left alone after the last fault, at least, and until it has nothing under way."""
AWAY = 5
"""Virtual seconds until an engine that ended by itself is started again."""
MOST_LIVES = 40
MOST_FAILURES = 3
STALLED = 40.0
"""Real seconds an engine may hold the clock without letting it move."""
CYCLES_TO_ARRIVE = 5
"""Cycles of the event loop in which what was written on this machine is read at its other end."""
SILENCED = ("ib_async", "eventkit")
"""What these log is shown to nobody; the engine reads the messages itself."""
UNDER_WAY = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.CANCELLING, OrderStatus.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a trial left, for whoever judges it.

    tables: those that differ from their journal. starts: what the next one would know otherwise. untold: commissions
    that the broker kept from us. fired: how often each fault did something, by its place. deaths: crashes and acts that
    happened. troubles: what no engine may do, in words.
    """

    storm: Storm
    day: Day
    outside: Outside
    tables: tuple[str, ...]
    starts: tuple[str, ...]
    untold: tuple[Row, ...]
    fired: Mapping[int, int]
    deaths: tuple[str, ...]
    lives: int
    troubles: tuple[str, ...] = ()

    @property
    def trace(self) -> str:
        """A hash over everything that was decided, everything that happened, and all that the broker wrote down."""
        rows = json.dumps([self.day.decisions, *self.outside.rows], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()

    @property
    def fills(self) -> int:
        """How many executions are in the books."""
        return sum(record.kind is Kind.FILL for record in self.day.records)

    @property
    def kinds_fired(self) -> Counter[str]:
        """How often each kind of fault did something, crashes too, under the names of their labels."""
        found: Counter[str] = Counter(self.deaths)
        plan = self.storm.plan.faults
        for place, times in self.fired.items():
            found[plan[place - 1].label] += times
        return found


class _OverError(BaseException):
    """The trial has seen enough."""


def live_through(storm: Storm, desk: Desk, folder: Path) -> Aftermath:
    """Run one trial to its end; its store is left in `folder`. Raises: ValueError for a storm no gateway can follow."""
    with _Overheard() as heard:
        return asyncio.run(_Trial(storm, desk, folder, heard).run())


class _Overheard(logging.Handler):
    """Hears what would have been printed with a traceback, and keeps everything else quiet meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._before: list[logging.Handler] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that has an exception."""
        if record.name.partition(".")[0] not in SILENCED and record.exc_info and record.exc_info[1] is not None:
            self.found.append(f"logged by {record.name}: {record.getMessage()}: {_shown(record.exc_info[1])}")

    def __enter__(self) -> "_Overheard":
        root = logging.getLogger()
        self._before, root.handlers = root.handlers, [self]
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers = self._before


class _Trial:
    """One trial under way."""

    def __init__(self, storm: Storm, desk: Desk, folder: Path, heard: _Overheard) -> None:
        self.storm = storm
        self.desk = desk
        self.store = folder / "chaos.db"
        self.heard = heard
        self.fate = Fate(storm.crashes)
        self.acts = Acts(storm.acts)
        self.troubles: list[str] = []
        self.lives = 0
        self.failures = 0
        self.is_calm = False

    async def run(self) -> Aftermath:
        asyncio.get_running_loop().set_exception_handler(self._unheard)
        storm = self.storm
        settings = GatewaySettings(first_day=storm.day, seed=storm.seed, market_file=storm.market)
        gateway = await start_gateway(settings, faults=storm.plan)
        try:
            self._pass(gateway, storm.begins)
            await self._lives(gateway)
            return self._aftermath(gateway)
        finally:
            await gateway.stop()

    def _aftermath(self, gateway: RunningGateway) -> Aftermath:
        assert gateway.ledger is not None
        failed = gateway.gateway.failure
        if failed.done() and (problem := failed.exception()) is not None:
            self.troubles.append(f"the simulated gateway failed: {_shown(problem)}")
        outside = Outside(tuple(gateway.ledger.rows), tuple(gateway.exchange.open_orders()), _now(gateway))
        return Aftermath(
            storm=self.storm,
            day=read_day(self.store, gateway.ledger.totals(), {}),
            outside=outside,
            tables=tuple(differing_tables(self.store)),
            starts=tuple(differing_starts(self.store)),
            untold=gateway.untold,
            fired=dict(gateway.fired),
            deaths=(*(crash.label for crash in self.fate.deaths), *self.acts.done),
            lives=self.lives,
            troubles=(*self.troubles, *self.heard.found),
        )

    # ------------------------------------------------------------ lives

    async def _lives(self, gateway: RunningGateway) -> None:
        """Start engine after engine until the last one is done."""
        while not await self._life(gateway):
            if self.lives >= MOST_LIVES or self.failures >= MOST_FAILURES or gateway.gateway.failure.done():
                self.troubles.append(f"given up at {_now(gateway):%H:%M:%S} UTC after {self.lives} starts")
                return

    async def _life(self, gateway: RunningGateway) -> bool:
        """Live once; say whether this was the last life."""
        self.lives += 1
        self.fate.begin_life()
        engine = asyncio.ensure_future(self._engine(gateway))
        try:
            await self._watch(engine, gateway)
        except CrashedError:
            assert self.fate.died is not None
            self._wait(gateway, self.fate.died.away)
            return False
        except _OverError:
            return True
        except (InvariantError, StoreError) as error:
            if not self.acts.excuses(error):
                self._fails(error, gateway)
        except RulebotError:
            self._wait(gateway, AWAY)
            return False
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is what we look for
            self._fails(error, gateway)
        else:
            if not self.acts.stopped():
                return True
        self._wait(gateway, AWAY)
        return False

    async def _engine(self, gateway: RunningGateway) -> None:
        options = RunOptions(store=self.store, logs=None, sessions=1, install=f"c{self.storm.seed}")
        await execute(
            self.desk,
            options,
            _mortal(gateway, self.fate),
            self._started,
            lambda run, at: self._after_instant(run, at, gateway),
            lambda asked: MortalJournal(asked, self.fate, self.acts),
        )

    def _started(self, run: Run) -> None:
        run.loop.broker = MortalBroker(run.loop.broker, self.fate)
        self.acts.attend(run.loop)

    async def _watch(self, engine: "asyncio.Future[None]", gateway: RunningGateway) -> None:
        """Wait for the end of an engine; one that holds the clock is ended. Raises: what the engine raises."""
        seen = gateway.now
        while not (await asyncio.wait((engine,), timeout=STALLED))[0]:
            if gateway.now == seen:
                self.troubles.append(f"an engine held the clock for {STALLED:.0f} s at {_now(gateway):%H:%M:%S} UTC")
                self.failures = MOST_FAILURES
                engine.cancel()
                await asyncio.wait((engine,))
                raise StoreError("stalled")
            seen = gateway.now
        engine.result()

    def _fails(self, error: BaseException, gateway: RunningGateway) -> None:
        self.failures += 1
        if not self.troubles or "held the clock" not in self.troubles[-1]:
            self.troubles.append(f"at {_now(gateway):%H:%M:%S} UTC: {_shown(error)}")

    def _after_instant(self, run: Run, at: datetime, gateway: RunningGateway) -> None:
        """Look at the clock after each instant: a crash, the calm or the end may be due."""
        if at >= self.storm.calm_at:
            self._calm(gateway)
        self.fate.after_instant(at)
        if self.storm.ends_with_day:
            return
        quiet = at - self.storm.calm_at
        if quiet >= LONGEST_QUIET or (quiet >= QUIET and not _is_busy(run)):
            raise _OverError

    def _calm(self, gateway: RunningGateway) -> None:
        if not self.is_calm:
            self.is_calm = True
            self.fate.calm()
            self.acts.calm()
            gateway.calm()

    # ------------------------------------------------------------ time without an engine

    def _wait(self, gateway: RunningGateway, seconds: int) -> None:
        self._pass(gateway, _now(gateway) + timedelta(seconds=seconds))

    def _pass(self, gateway: RunningGateway, until: datetime) -> None:
        while _now(gateway) < until and not gateway.finished:
            gateway.gateway.clock.turn()
            if _now(gateway) >= self.storm.calm_at:
                self._calm(gateway)

    def _unheard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, Exception) and not isinstance(problem, ConnectionError):
            self.troubles.append(f"nobody heard of: {context.get('message')}: {_shown(problem)}")


@asynccontextmanager
async def _mortal(gateway: RunningGateway, fate: Fate) -> AsyncIterator[World]:
    """Yield the world of one engine. When it dies, its connection is dropped, and what it said last may be lost."""
    ib = ib_world(patient(gateway.port, CLIENT_ID))
    try:
        yield World(ib, None)
    finally:
        if fate.died is not None:
            for _ in range(CYCLES_TO_ARRIVE if fate.died.arrives else 0):
                await asyncio.sleep(0)
            gateway.cut(CLIENT_ID)
        await ib.link.close()


def _is_busy(run: Run) -> bool:
    """Say whether an engine has something under way that it will end by itself."""
    state = run.loop.state
    moving = any(position.state in ("entering", "exiting") for position in state.positions.values())
    return moving or any(order.status in UNDER_WAY for order in state.orders.values())


def _now(gateway: RunningGateway) -> datetime:
    return datetime.fromtimestamp(gateway.now, UTC)


def _shown(error: BaseException) -> str:
    """Return an exception with the place it comes from, on one line and without a path of this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(frames[-3:]))
    return f"{type(error).__name__}: {str(error)[:300]} ({places})"
