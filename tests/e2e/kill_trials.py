"""Kill the real `rulebot run` again and again, then compare its books with the broker's.

Run it with `python -m tests.e2e.kill_trials --times 60`.

One simulated gateway lives on in this process. The engine is a process of its own, attached over TCP; it is killed
(SIGKILL) where a seeded plan says, and started again on the same store, until the sessions are over. When a kill is due
is seeded in virtual time; where in the engine's own work it falls is real chance, so a trial is not repeated exactly.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rulebot.checks.against_ledger.books import CheckedDay, read_day
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.model.session import exchange_date, session_after, session_from
from rulebot.record.record import Kind
from tests.e2e.kill_checks import Findings, findings_of
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway
from twsim.exchange.exchange import SimExchange
from twsim.exchange.ledger import Ledger
from twsim.market.load import load_market_file
from twsim.market.market import SimMarket

FIRST_DAY = date(2026, 10, 21)
SPECS = ("spy_put_seller", "dte0_condor", "calm_tape_condor")
MARKETS = (None, "whipsaw", "calm", "trend_down", "bad_quotes", "trend_up", "vix_spike")
KINDS = ("clock", "clock", "order", "order", "fill", "fill", "intent", "intent", "start")
"""Where a kill falls: at a virtual instant; right after the broker took an order or filled one; right after an order's
row was written, when it may not have left yet; or while the engine starts."""
POLL = 0.0005
STALLED = 120.0
"""Real seconds an engine may hold the clock without letting it move before the trial gives up."""
PATIENCE = 2700
"""Virtual seconds a kill waits for an order or a fill before it falls anyway."""
REAL_JITTER = 0.006
"""Real seconds at most between what triggers a kill and the kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One store from the first session to the last, and how often its engine is to be killed.

    away: virtual seconds at most that may pass before the engine is started again. data_seconds: between two quotes.
    """

    seed: int
    kills: int
    days: int = 1
    market: str | None = None
    specs: tuple[str, ...] = SPECS
    first_day: date = FIRST_DAY
    away: int = 90
    data_seconds: int = 5


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill that happened: why then, at which virtual instant, and how long nobody held the clock after it."""

    kind: str
    at: datetime
    away: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial left."""

    trial: Trial
    kills: tuple[Kill, ...]
    day: CheckedDay
    outside: LedgerOrders
    findings: Findings
    troubles: tuple[str, ...]
    seconds: float

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong; nothing in a sound trial."""
        return (*self.findings.all, *self.troubles)


@dataclass(slots=True)
class WatchedLedger(Ledger):
    """The broker's ledger, which also tells who listens of what kind each new row is."""

    received: Callable[[str], None] = lambda kind: None

    def write(self, kind: str, at: datetime, **fields: object) -> None:
        """Append one row, then tell of it."""
        Ledger.write(self, kind, at, **fields)
        self.received(kind)


@dataclass(slots=True)
class Engine:
    """The engine's process, started again after every kill."""

    folder: Path
    port: int
    specs: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def store(self) -> Path:
        """The store all lives of the engine share."""
        return self.folder / "trial.db"

    @property
    def output(self) -> Path:
        """What every life printed."""
        return self.folder / "output.txt"

    async def start(self, days: int) -> asyncio.subprocess.Process:
        """Start the real command attached to the gateway."""
        command = [sys.executable, "-m", "rulebot.cli.main", "run", "--paper", "--sim", "--plain"]
        command += ["--gateway", f"127.0.0.1:{self.port}", "--store", str(self.store), "--days", str(days), *self.specs]
        environment = {**os.environ, "RULEBOT_DATA": str(self.folder / "data"), **self.environment}
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=environment, stdout=output, stderr=output
            )
        return self.process

    def kill(self) -> None:
        """Kill it, if it still lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)


@dataclass(slots=True)
class Plan:
    """When the next kill is due: armed from a virtual instant on, then at the first event of its kind."""

    kind: str
    armed_at: int
    delay: float
    real: float
    is_due: bool = False

    @property
    def waits(self) -> bool:
        """Whether it still waits for something that may never come."""
        return self.kind in ("order", "fill", "intent") and not self.is_due

    @classmethod
    def draw(cls, chance: random.Random, now: int, *, first: bool) -> "Plan":
        """Return the next plan from the trial's chance; the first comes early, where entries are."""
        kind = "order" if first else chance.choice(KINDS)
        reach = chance.choice((20, 300, 3000))
        armed = now + (chance.randint(1, reach) if kind == "clock" else chance.choice((0, 0, reach // 3)))
        delay = chance.choice((0.0, 0.0, 1.0))
        real = chance.uniform(0.2, 2.0) if kind == "start" else chance.uniform(0.0, REAL_JITTER)
        return cls(kind, armed, delay, real)

    def receive(self, row: str, now: int) -> None:
        """Take a row of the ledger: an order's or an execution's may be what the plan waits for."""
        wanted = {"order": "order", "fill": "execution"}.get(self.kind)
        if row == wanted and now >= self.armed_at and not self.is_due:
            self.is_due, self.armed_at = True, now + int(self.delay)


def settings_of(trial: Trial) -> GatewaySettings:
    """Return the gateway of a trial: as fast as the engine goes, and still while none holds its clock."""
    return GatewaySettings(
        first_day=trial.first_day, days=trial.days, seed=trial.seed, speed=None, data_seconds=trial.data_seconds
    )


async def open_gateway(trial: Trial) -> tuple[RunningGateway, WatchedLedger]:
    """Start the simulated broker of a trial, with a ledger that can be listened to."""
    scenario = None if trial.market is None else load_market_file(trial.market)
    market = SimMarket(seed=trial.seed, date=trial.first_day, scenario=scenario)
    ledger = WatchedLedger()
    exchange = SimExchange(market, seed=trial.seed, cash=Decimal(1_000_000), ledger=ledger)
    return await start_gateway(settings_of(trial), market=market, exchange=exchange), ledger


@dataclass(slots=True)
class Runner:
    """One trial under way."""

    trial: Trial
    engine: Engine
    gateway: RunningGateway
    ledger: WatchedLedger
    chance: random.Random
    kills: list[Kill] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Let the engine live and die until the sessions are over and it has ended by itself."""
        while not await self._life():
            if self.troubles:
                return

    async def _life(self) -> bool:
        """Live once; say whether the engine ended by itself after the last session."""
        process = await self.engine.start(self._days_left())
        may_kill = len(self.kills) < self.trial.kills and not self.gateway.finished
        plan = Plan.draw(self.chance, self.gateway.now, first=not self.kills) if may_kill else None
        try:
            killed = await self._watch(process, plan)
        except TimeoutError:
            self.engine.kill()
            await process.wait()
            self.troubles.append(f"the engine held the clock for {STALLED:.0f} s at {self._now()}")
            return False
        if killed:
            assert plan is not None
            at = self._now()
            self.kills.append(Kill(plan.kind, at, await self._away()))
            return False
        if process.returncode != 0:
            self.troubles.append(f"the engine ended with {process.returncode} at {self._now()}")
        return self.gateway.finished

    async def _watch(self, process: asyncio.subprocess.Process, plan: Plan | None) -> bool:
        """Wait for the end, kill when the plan says, and say whether it was killed. Raises: TimeoutError."""
        began = moved = time.monotonic()
        seen = self.gateway.now
        watched = OrderRows(self.engine.store) if plan is not None and plan.kind == "intent" else None
        if plan is not None:
            self.ledger.received = lambda row: plan.receive(row, self.gateway.now)
        while process.returncode is None:
            if plan is not None and self._is_due(plan, began, watched):
                if plan.kind not in ("start", "intent"):
                    await asyncio.sleep(plan.real)
                self.engine.kill()
                await process.wait()
                return process.returncode == -signal.SIGKILL
            if self.gateway.now != seen:
                seen, moved = self.gateway.now, time.monotonic()
            elif time.monotonic() - moved > STALLED:
                raise TimeoutError
            is_close = watched is not None and plan is not None and seen >= plan.armed_at
            await asyncio.sleep(0 if is_close else POLL)
        self.ledger.received = lambda row: None
        return False

    def _is_due(self, plan: Plan, began: float, watched: "OrderRows | None") -> bool:
        if plan.waits and self.gateway.now >= plan.armed_at + PATIENCE:
            plan.kind = "clock"
            return True
        if plan.kind == "start":
            return time.monotonic() - began >= plan.real
        if plan.kind == "intent":
            assert watched is not None
            return watched.grew() and self.gateway.now >= plan.armed_at
        return (plan.is_due or plan.kind == "clock") and self.gateway.now >= plan.armed_at

    async def _away(self) -> int:
        """Let virtual time pass while no engine is there, after every second kill; return the seconds."""
        for _ in range(1000):
            if not self.gateway.gateway.hub.holders:
                break
            await asyncio.sleep(POLL)
        longest = self.trial.away
        seconds = min(self.chance.choice((0, 0, 0, 3, 20, self.chance.randint(1, longest))), longest)
        for _ in range(seconds):
            self.gateway.gateway.clock.turn()
        return seconds

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.gateway.now, UTC)

    def _days_left(self) -> int:
        session, passed = session_from(self.trial.first_day), 0
        while session.date < exchange_date(self._now()):
            session, passed = session_after(session.date), passed + 1
        return max(self.trial.days - passed, 1)


class OrderRows:
    """Sees from outside when the engine has written a new order: the commit before its bytes leave."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._connection: sqlite3.Connection | None = None
        self._count: int | None = None

    def grew(self) -> bool:
        """Say whether there are more order rows than at the last look."""
        if not self._store.exists():
            return False
        if self._connection is None:
            self._connection = sqlite3.connect(f"file:{self._store}?mode=ro", uri=True, timeout=0.0)
        try:
            (count,) = self._connection.execute("SELECT count(*) FROM order_rows").fetchone()
        except sqlite3.OperationalError:
            return False
        before, self._count = self._count, count
        return before is not None and count > before


async def run_trial(trial: Trial, folder: Path) -> Outcome:
    """Run one trial to its end and check what it left."""
    began = time.monotonic()
    gateway, ledger = await open_gateway(trial)
    engine = Engine(folder, gateway.port, spec_files(trial.specs))
    runner = Runner(trial, engine, gateway, ledger, random.Random(trial.seed))
    try:
        await runner.run()
        day = read_day(engine.store, ledger.totals(), {})
        outside = LedgerOrders(ledger.rows, gateway.exchange.open_orders(), datetime.fromtimestamp(gateway.now, UTC))
    finally:
        engine.kill()
        await gateway.stop()
    if "Traceback" in engine.output.read_text(errors="replace"):
        runner.troubles.append(f"a traceback is in {engine.output}")
    findings = findings_of(day, outside)
    return Outcome(trial, tuple(runner.kills), day, outside, findings, tuple(runner.troubles), time.monotonic() - began)


# ---------------------------------------------------------------- telling


def moments(outcome: Outcome) -> Counter[str]:
    """Count what was going on at each kill, by the journal: more than one thing may be."""
    found: Counter[str] = Counter()
    for kill in outcome.kills:
        found.update(_moment(outcome.day, kill.at))
    return found


def _moment(day: CheckedDay, at: datetime) -> set[str]:
    second = timedelta(seconds=1)
    sent = [order.sent_at for order in day.orders.values() if order.sent_at is not None]
    fills = [record.at for record in day.records if record.kind is Kind.FILL]
    states = {r.position: str(r.data["state"]) for r in day.records if r.kind is Kind.POSITION and r.at <= at}
    found = {state for state in states.values() if state != "closed"}
    if any(timedelta() <= at - one <= second for one in sent):
        found.add("order <= 1 s")
    if any(abs(at - one) <= second for one in fills):
        found.add("fill <= 1 s")
    return found or {"idle"}


def row_of(outcome: Outcome) -> str:
    """Return a trial's line of the table."""
    trial, found = outcome.trial, outcome.findings
    fills = sum(1 for record in outcome.day.records if record.kind is Kind.FILL)
    opened = sum(1 for position in outcome.day.positions.values() if position.opened_at is not None)
    cells = (
        trial.seed,
        trial.market or "plain",
        trial.days,
        len(outcome.kills),
        len(outcome.day.orders),
        fills,
        opened,
    )
    wrong = (found.duplicates, found.orphans, found.fills, found.books, (*found.others, *outcome.troubles))
    return _line((*cells, *map(len, wrong), f"{outcome.seconds:.0f} s"))


HEAD = (
    *("seed", "market", "days", "kills", "orders", "fills", "opened"),
    *("duplicates", "orphans", "fills off", "books off", "other", "took"),
)


def _line(cells: Iterable[object]) -> str:
    return "  ".join(str(cell).rjust(max(len(name), 5)) for cell, name in zip(cells, HEAD, strict=True))


def verdict_of(outcomes: Sequence[Outcome]) -> str:
    """Return the last lines: how many kills, at what moments, and what was wrong."""
    kills = [kill for outcome in outcomes for kill in outcome.kills]
    kinds = Counter(kill.kind for kill in kills)
    at: Counter[str] = sum((moments(outcome) for outcome in outcomes), Counter())
    wrong = sum(len(outcome.problems) for outcome in outcomes)
    away = sum(1 for kill in kills if kill.away)
    return "\n".join(
        (
            f"{len(kills)} kills in {len(outcomes)} trials; time went on without an engine after {away}",
            "by trigger: " + ", ".join(f"{name} {count}" for name, count in kinds.most_common()),
            "at the kill: " + ", ".join(f"{name} {count}" for name, count in at.most_common()),
            f"{sum(len(o.findings.duplicates) for o in outcomes)} duplicates, "
            f"{sum(len(o.findings.orphans) for o in outcomes)} orphans, {wrong} problems in all",
            "SOUND" if not wrong else "NOT SOUND",
        )
    )


def trials_of(times: int, seed: int, kills: int, days: int, away: int) -> list[Trial]:
    """Return trials that ask for so many kills together, a seed and a market each."""
    return [
        Trial(
            seed=seed + number,
            kills=min(kills, times - number * kills),
            days=days,
            away=away,
            market=MARKETS[number % len(MARKETS)],
        )
        for number in range(-(-times // kills))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run trials, print a table and a verdict; 0 when every trial is sound."""
    parser = argparse.ArgumentParser(description="kill -9 trials of rulebot run against the simulated gateway")
    parser.add_argument("--times", type=int, default=60, help="kills in all (a session may end before its share)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first trial")
    parser.add_argument("--kills", type=int, default=12, help="kills in one trial")
    parser.add_argument("--days", type=int, default=1, help="sessions of one trial")
    parser.add_argument("--away", type=int, default=90, help="virtual seconds at most before the engine is back")
    parser.add_argument("--folder", type=Path, help="keep stores and output here")
    asked = parser.parse_args(arguments)
    root = asked.folder or Path(tempfile.mkdtemp(prefix="rulebot-kills-"))
    outcomes = []
    print(_line(HEAD), flush=True)
    for trial in trials_of(asked.times, asked.seed, asked.kills, asked.days, asked.away):
        folder = root / str(trial.seed)
        folder.mkdir(parents=True)
        outcome = asyncio.run(run_trial(trial, folder))
        outcomes.append(outcome)
        print(row_of(outcome), flush=True)
        for problem in outcome.problems:
            print(f"      {problem}", flush=True)
    print(verdict_of(outcomes))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
