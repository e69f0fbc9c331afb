"""A simulated day as the product runs it: `rulebot gateway` and `rulebot run`, with a proxy between them."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.nets.digests import Parts
from tests.nets.launch import ROOT, launch, output_of
from tests.nets.wire import OtherClient, Proxy, without_install

PORT = re.compile(r"SIMULATED TWS gateway on 127\.0\.0\.1:(\d+) ")
NEW_YORK = ZoneInfo("America/New_York")
PATIENCE = 900.0
"""Real seconds that one run of an engine may take."""
LOST = 3
"""The exit code of an engine in lockstep that lost its connection: its next start goes on."""
MOST_LIVES = 6
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
    is_recorded: the engine records the day, and `rulebot replay` must lead to the same decisions.
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
    is_recorded: bool = False


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


def bots_of(store: Path) -> list[str]:
    """Return the names of the bots that ran on a store."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT DISTINCT strategy_id FROM bot_days ORDER BY 1")
        return [str(name) for (name,) in rows]


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
    return asyncio.run(_Run(day, folder, change).simulated())


class _Run:
    """One day while it runs."""

    def __init__(self, day: Day, folder: Path, change: str) -> None:
        self.day, self.folder = day, folder
        self.change = change
        self.ran = Ran([], folder / "ledger.jsonl", folder / "day.db")
        self.engine: BaseProcess | None = None
        self.killed = False
        self.ended = asyncio.Event()

    async def simulated(self) -> Ran:
        gateway = self._start("gateway", *self._gateway_options())
        try:
            proxy = Proxy(await self._port_of(gateway), commands=self.ran.commands)
            proxy.at = sorted(self._acts(proxy), key=lambda each: each[0])
            port = await proxy.start()
            while await self._live(port, proxy):
                await self._be_away(proxy)
            await proxy.stop()
        finally:
            gateway.kill()
            gateway.join()
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
        """Run an engine until it ends; say whether another one is to follow, after a kill or a lost connection."""
        options = (
            "--gateway",
            f"127.0.0.1:{port}",
            "--store",
            self.ran.store,
            "--days",
            days_left(self.day, proxy.now),
        )
        self.killed = False
        self.ended.clear()
        self.engine = self._start("run", "--paper", "--sim", "--plain", *options, *self._bots())
        await asyncio.to_thread(self.engine.join, PATIENCE)
        if self.engine.exitcode is None:
            proxy.note("the engine did not end")
            self.engine.kill()
            self.engine.join()
        self.ended.set()
        self.ran.exits.append("killed" if self.killed else f"exit code {self.engine.exitcode}")
        is_lost = self.engine.exitcode == LOST and len(self.ran.exits) <= MOST_LIVES
        return self.killed or is_lost

    def _bots(self) -> Iterable[str]:
        tape = () if self.day.is_recorded else ("--no-tape",)
        return (*tape, *self.day.run, *(str(ROOT / each) for each in self.day.specs))

    async def _kill(self, proxy: Proxy) -> None:
        assert self.engine is not None
        proxy.note("the engine is killed")
        self.killed = True
        self.engine.kill()
        await self.ended.wait()

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

    def _start(self, *arguments: object) -> BaseProcess:
        change = self.change if arguments[0] == "run" else ""
        return launch(arguments, self.folder, self.folder / f"{arguments[0]}.txt", change=change)

    async def _port_of(self, gateway: BaseProcess) -> int:
        """Return the port that the gateway says it listens on."""
        output = self.folder / "gateway.txt"
        while not (output.exists() and (found := PORT.search(output.read_text(errors="replace")))):
            assert gateway.is_alive(), f"the gateway did not start: {output.read_text(errors='replace')[-2000:]}"
            await asyncio.sleep(0.02)
        return int(found[1])


def day_parts(day: Day, folder: Path, change: str = "") -> Parts:
    """Run a day and return its order commands and its money; of a recorded day also that a replay decides the same."""
    ran = run_day(day, folder, change)
    found = {"commands": ran.commands, "money": ran.money}
    if day.is_recorded:
        output_of(("replay", "--verify", "--store", ran.store), folder, PATIENCE)
        found["replay"] = ["equal"]
    return found
