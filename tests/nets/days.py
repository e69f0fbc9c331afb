"""A simulated day as the product runs it: `rulebot gateway` and `rulebot run`, with a proxy between them."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.nets.digests import Parts
from tests.nets.wire import OtherClient, Proxy, without_install

ROOT = Path(__file__).parents[2]
NEW_YORK = ZoneInfo("America/New_York")
PATIENCE = 900.0
"""Real seconds that one run of an engine may take."""
HAND = 9
"""The client id of somebody who trades by hand."""
FIRST_DAY = date(2026, 10, 21)
TRADES = (
    *("strategy_id", "trade_date", "symbol", "quantity", "entry_price", "entry_time", "exit_price", "exit_time"),
    *("exit_reason", "exit_name", "realized_pnl", "commissions", "final_pnl", "status"),
)
BOTS = ("strategy_id", "total_trades", "wins", "losses", "gross_pnl", "total_commission", "net_pnl", "max_drawdown")
DAYS = ("date", "trades_count", "total_pnl", "total_commissions", "net_pnl")
VIEWS = {"trades": TRADES, "strategy_summary": BOTS, "daily_summary": DAYS}
"""Public views of a store (docs/store.md) and the columns that are read of each."""
ORDERS = (
    *("prepared_at", "strategy_id", "action", "order_type", "limit_price", "stop_price", "quantity", "filled"),
    *("fill_price", "fill_time", "status", "bracket_type"),
)
ROWS = {
    "execution": ("order_ref", "name", "side", "quantity", "price"),
    "cash": ("day", "con_id", "amount", "reason"),
    "commission": ("con_id", "commission", "realized"),
    "settlement": ("con_id", "quantity", "outcome", "price"),
    "position": ("name", "quantity", "cost", "realized"),
}
"""Rows of the broker's ledger (`rulebot gateway --write-ledger`) and the fields that are read of each."""


@dataclass(frozen=True)
class Day:
    """One run: bots on a simulated market, with what goes wrong.

    faults: a fault plan (docs/faults.md). kills: New York times, `10:31:00` or `2 10:31:00` on the second session, at
    which the engine is killed and started again on its store, `away` virtual seconds later. by_hand: when another
    client trades the opposite of the engine's last order. `gateway` and `run` have more options of the two commands.
    """

    name: str
    specs: tuple[str, ...]
    seed: int = 7
    market: str = ""
    first_day: date = FIRST_DAY
    days: int = 1
    shares: str = ""
    data_seconds: int = 15
    faults: tuple[Mapping[str, object], ...] = ()
    kills: tuple[str, ...] = ()
    away: int = 0
    by_hand: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


@dataclass(slots=True)
class Ran:
    """What a day left: its order commands, the broker's ledger and the store."""

    commands: list[str]
    ledger: Path
    store: Path
    exits: list[str] = field(default_factory=list)

    @property
    def money(self) -> list[str]:
        """Return the money of the day in lines: the broker's, then the store's."""
        return [*self.exits, *ledger_lines(self.ledger), *view_lines(self.store)]


def command(*arguments: object) -> list[str]:
    """Return the command line of a command of the product."""
    return [sys.executable, "-m", "tests.nets.product", *map(str, arguments)]


def environment(folder: Path, change: str = "") -> dict[str, str]:
    """Return the environment of a command that keeps its data in a folder."""
    given = {key: value for key, value in os.environ.items() if not key.startswith("RULEBOT_")}
    given |= {"PYTHONPATH": str(ROOT), "RULEBOT_DATA": str(folder / "data"), "NO_COLOR": "1", "COLUMNS": "120"}
    return given | ({"RULEBOT_NETS_CHANGE": change} if change else {})


def ledger_lines(path: Path) -> Iterator[str]:
    """Yield executions, cash, commissions, settlements and positions of the broker's ledger."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if names := ROWS.get(row["kind"]):
            values = (without_install(str(row.get(name))) for name in names)
            yield f"{row['at'][:19].replace('T', ' ')} {row['kind']} {' '.join(values)}"


def view_lines(store: Path) -> Iterator[str]:
    """Yield the profit of each trade, bot and day from the store's public views."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        for view, columns in VIEWS.items():
            for row in sorted(connection.execute(f"SELECT {', '.join(columns)} FROM {view}"), key=str):
                yield f"{view} {' '.join(_number(each) for each in row)}"


def order_lines(store: Path) -> Iterator[str]:
    """Yield the orders of a store, in the order in which they were prepared."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        for row in connection.execute(f"SELECT {', '.join(ORDERS)} FROM orders ORDER BY id"):
            yield " ".join(_number(each) for each in row)


def _number(value: object) -> str:
    """Return a value of a view as text; dollars to a hundredth of a cent."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def instant(text: str, first_day: date) -> int:
    """Return a time such as `10:31:00`, or `2 10:31:00` of the second weekday, as epoch seconds."""
    number, _, clock = text.rpartition(" ")
    day = first_day
    for _ in range(int(number or 1) - 1):
        day += timedelta(days=3 if day.weekday() == 4 else 1)
    hour, minute, second = map(int, clock.split(":"))
    return int(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).timestamp())


def days_left(day: Day, now: int) -> int:
    """Return how many sessions of a run are not over; only weekends are taken for closed."""
    current, passed = day.first_day, 0
    today = datetime.fromtimestamp(now, UTC).astimezone(NEW_YORK).date()
    while current < today:
        passed += current.weekday() < 5
        current += timedelta(days=1)
    return max(day.days - passed, 1)


def run_day(day: Day, folder: Path, change: str = "") -> Ran:
    """Run a day in a folder of its own and return what it left."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_Run(day, folder, change).lived())


class _Run:
    """One day while it runs."""

    def __init__(self, day: Day, folder: Path, change: str) -> None:
        self.day, self.folder = day, folder
        self.environment = environment(folder, change)
        self.ran = Ran([], folder / "ledger.jsonl", folder / "day.db")
        self.engine: asyncio.subprocess.Process | None = None
        self.killed = False

    async def lived(self) -> Ran:
        gateway = await self._start("gateway", *self._gateway_options())
        try:
            proxy = Proxy(await _port_of(gateway), commands=self.ran.commands)
            proxy.at = sorted(self._acts(proxy), key=lambda each: each[0])
            port = await proxy.start()
            while await self._live(port, proxy):
                await self._be_away(proxy)
            await proxy.stop()
        finally:
            await _end(gateway)
        return self.ran

    def _gateway_options(self) -> Iterator[object]:
        day = self.day
        yield from ("--port", 0, "--date", day.first_day, "--days", day.days, "--seed", day.seed, "--speed", "max")
        yield from ("--holders", 1, "--data-seconds", day.data_seconds, "--write-ledger", self.ran.ledger)
        yield from ("--market", day.market) if day.market else ()
        yield from ("--shares", day.shares) if day.shares else ()
        if day.faults:
            plan = self.folder / "faults.json"
            plan.write_text(json.dumps({"faults": day.faults}), encoding="utf-8")
            yield from ("--faults", plan)
        yield from day.gateway

    def _acts(self, proxy: Proxy) -> Iterator[tuple[int, Callable[[], "asyncio.Future[None]"]]]:
        for each in self.day.kills:
            yield instant(each, self.day.first_day), lambda: asyncio.ensure_future(self._kill(proxy))
        for each in self.day.by_hand:
            yield instant(each, self.day.first_day), lambda: asyncio.ensure_future(self._trade(proxy))

    async def _live(self, port: int, proxy: Proxy) -> bool:
        """Run an engine until it ends or is killed; say whether another one is to follow."""
        options = (
            "--gateway",
            f"127.0.0.1:{port}",
            "--store",
            self.ran.store,
            "--days",
            days_left(self.day, proxy.now),
        )
        self.killed = False
        self.engine = await self._start("run", "--paper", "--sim", "--plain", "--no-tape", *options, *self._bots())
        try:
            await asyncio.wait_for(self.engine.wait(), PATIENCE)
        except TimeoutError:
            proxy.note("the engine did not end")
            await _end(self.engine)
        self.ran.exits.append("killed" if self.killed else f"exit code {self.engine.returncode}")
        return self.killed

    def _bots(self) -> Iterable[str]:
        return (*self.day.run, *(str(ROOT / each) for each in self.day.specs))

    async def _kill(self, proxy: Proxy) -> None:
        assert self.engine is not None
        proxy.note("the engine is killed")
        self.killed = True
        await _end(self.engine)

    async def _be_away(self, proxy: Proxy) -> None:
        """Let virtual time pass without an engine."""
        if self.day.away:
            client = await OtherClient.connected(proxy.gateway, HAND, "+LOCKSTEP")
            proxy.now = await client.ask_time(self.day.away)
            client.close()

    async def _trade(self, proxy: Proxy) -> None:
        proxy.note("another client trades")
        client = await OtherClient.connected(proxy.gateway, HAND)
        await client.trade(proxy.last_order)
        client.close()

    async def _start(self, *arguments: object) -> asyncio.subprocess.Process:
        name = str(arguments[0])
        with (self.folder / f"{name}.txt").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command(*arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=asyncio.subprocess.PIPE if name == "gateway" else output,
                stderr=output,
            )


async def _port_of(gateway: asyncio.subprocess.Process) -> int:
    """Return the port that a gateway says it listens on."""
    assert gateway.stdout is not None
    first = (await gateway.stdout.readline()).decode()
    assert first.startswith("SIMULATED"), f"the gateway did not start: {first}"
    return int(first.split("127.0.0.1:")[1].split()[0])


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def day_parts(day: Day, folder: Path, change: str = "") -> Parts:
    """Run a day and return its order commands and its money."""
    ran = run_day(day, folder, change)
    return {"commands": ran.commands, "money": ran.money}
