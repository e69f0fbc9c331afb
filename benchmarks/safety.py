"""What must be quick when something is wrong: a start with a hundred orders open, a new connection, a kill, a fill.

Fifty put sellers open a position with a resting pair each; then engine after engine starts on their store beside the
same gateway. Connections are cut, and kills given, in real time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Goal, quantile
from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.core.state.state import TradingMode
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import DEFAULT_DATE, World, patient
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.operator_requests.requests import post
from rulebot.record.record import Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from twsim import GatewaySettings, RunningGateway, start_gateway

CLIENT_ID = 1
OPEN_ORDERS = 100
STARTS, CUTS, KILLS, FILLS = 20, 10, 60, 300
SELLERS = 50
SELLER = """rulebot: 1
name: NAME
about: Sells a put, with a target and a stop that rest.
underlying: SPY
entry: {window: {from: "09:35", to: "15:00"}, max_open: 5}
legs:
  expiry: {dte: {nearest: 90}}
  on_conflict: allow
  short_put: {sell: put, strike: {delta: DELTA}}
order: {start: natural, wait: 60s, tries: 1, then: cancel}
exits:
  - target: {profit: 60%}
    resting: true
  - stop: {loss: 200%}
    resting: true
  - at_expiry: settle
risk: {undefined_risk: allow}
"""


class _SeenError(BaseException):
    """What was waited for has come."""


def measure() -> list[Goal]:
    """Return what starts, new connections, kills and fills take."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Goal]:
    starts, open_orders = await _starts(folder)
    again, kills = await _in_real_time(folder)
    fills = _fills(folder)
    how = "from the start of the engine to READY, its store and gateway in the same process"
    return [
        Goal("start", f"a start with {open_orders} orders open, p95", how, quantile(starts, 0.95), "s", floor=5),
        Goal("reconnect", "from a cut connection to READY again, worst", "at a gateway in real time", max(again), "s",
             floor=3),
        Goal("kill", "from `rulebot kill` to the last instant at which an entry could leave, p99",
             f"at a gateway in real time, {len(kills)} times", quantile(kills, 0.99), "s", floor=1),
        Goal("fill", "a fill's records on the disk before anything acts on them, p95",
             "fill, order and position of one execution, in one durable commit", quantile(fills, 0.95) * 1e3, "ms",
             floor=5),
    ]  # fmt: skip


# ---------------------------------------------------------------- starts


async def _starts(folder: Path) -> tuple[list[float], int]:
    for number in range(SELLERS):
        name = f"seller_{number:02d}"
        text = SELLER.replace("NAME", name).replace("DELTA", f"{0.06 + 0.007 * number:.3f}")
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    desk = load_all_bots([str(folder)], {}, None)
    options = RunOptions(store=folder / "many.db", logs=None, sessions=1, install="bench")
    gateway = await start_gateway(GatewaySettings(first_day=DEFAULT_DATE, seed=7))
    found: list[float] = []
    try:
        await _until(desk, options, gateway, lambda run: len(run.loop.state.orders.live) >= OPEN_ORDERS)
        live = 0
        for _ in range(STARTS):
            began = time.perf_counter()
            live = await _until(desk, options, gateway, lambda run: run.loop.state.connection.is_ready)
            found.append(time.perf_counter() - began)
    finally:
        await gateway.stop()
    return found, live


async def _until(
    desk: LoadedBots, options: RunOptions, gateway: RunningGateway, has_come: Callable[[Run], bool]
) -> int:
    """Run an engine until something has come; return how many orders are live then."""
    live = 0

    def watcher(run: Run, _: datetime) -> None:
        nonlocal live
        live = len(run.loop.state.orders.live)
        if has_come(run):
            raise _SeenError

    with suppress(_SeenError):
        await execute(desk, options, _beside(gateway, lockstep=True), lambda run: None, watcher)
    return live


@asynccontextmanager
async def _beside(gateway: RunningGateway, *, lockstep: bool) -> AsyncIterator[World]:
    if lockstep:
        ib = ib_world(patient(gateway.port, CLIENT_ID))
    else:
        ib = ib_world(IbSettings(port=gateway.port, client_id=CLIENT_ID), _GatewayClock(gateway))
    try:
        yield World(ib, None)
    finally:
        await ib.link.close()


class _GatewayClock:
    """The gateway's day, running on by this machine's clock."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._ahead = gateway.now - time.monotonic()

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.fromtimestamp(self._ahead + time.monotonic(), UTC)

    def elapsed(self) -> float:
        """Return the seconds of the machine's own count."""
        return time.monotonic()


# ---------------------------------------------------------------- connections and kills


async def _in_real_time(folder: Path) -> tuple[list[float], list[float]]:
    desk = load_all_bots([str(shipped("specs") / "put_lite.yaml")], {}, None)
    options = RunOptions(store=folder / "real.db", logs=None, sessions=1, install="bench")
    gateway = await start_gateway(GatewaySettings(first_day=DEFAULT_DATE, seed=7, lockstep=False, speed=1.0))
    runs: list[Run] = []
    world = _beside(gateway, lockstep=False)
    engine = asyncio.ensure_future(execute(desk, options, world, runs.append, lambda *_: None))
    try:
        await _seen(engine, lambda: bool(runs) and bool(runs[0].loop.state.market.facts.listings))
        state = runs[0].loop
        again = []
        for _ in range(CUTS):
            gateway.cut(CLIENT_ID)
            began = time.perf_counter()
            await _seen(engine, lambda: not state.state.connection.is_linked)
            await _seen(engine, lambda: state.state.connection.is_ready)
            again.append(time.perf_counter() - began)
        kills = []
        for number in range(KILLS):
            await asyncio.sleep(0.037 * (number % 29))
            began = time.perf_counter()
            post(options.store, Request.KILL)
            await _seen(engine, lambda: state.state.requests.operator.trading is TradingMode.REDUCING)
            kills.append(time.perf_counter() - began)
            post(options.store, Request.RESUME)
            await _seen(engine, lambda: state.state.requests.operator.trading is TradingMode.ACTIVE)
    finally:
        engine.cancel()
        with suppress(asyncio.CancelledError):
            await engine
        await gateway.stop()
    return again, kills


async def _seen(engine: "asyncio.Future[Run]", has_come: Callable[[], bool]) -> None:
    while not has_come():
        if engine.done():
            engine.result()
            raise AssertionError("the engine ended")
        await asyncio.sleep(0.001)


# ---------------------------------------------------------------- fills


def _fills(folder: Path) -> list[float]:
    """Return the seconds of commits of one fill each: the execution, its order and its position as they were then."""
    source = SqlJournal(open_store(folder / "many.db"))
    records = source.read()
    source.close()
    latest: dict[tuple[Kind, str], Record] = {(record.kind, record.position): record for record in records}
    fills = [
        (record, latest[Kind.ORDER, record.position], latest[Kind.POSITION, record.position])
        for record in records
        if record.kind is Kind.FILL
    ]
    journal = SqlJournal(open_store(folder / "fills.db"))
    spent: list[float] = []
    for number in range(FILLS):
        fill, order, position = fills[number % len(fills)]
        reported = replace(fill, data={**fill.data, "exec_id": f"{number:06d}.1.01"})
        began = time.perf_counter()
        journal.append([replace(each, at=fill.at + timedelta(seconds=number)) for each in (reported, order, position)],
                       durable=True)  # fmt: skip
        spent.append(time.perf_counter() - began)
    journal.close()
    return spent
