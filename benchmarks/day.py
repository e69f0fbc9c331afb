"""A whole simulated day: 390 minutes through a real socket, with the time of each part and the memory of the process.

The day runs in a process of its own (`python -m benchmarks.day`), so that its memory is its own. The gateway lives in
the same loop, as `rulebot run --paper --sim` has it.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.anchors import environment
from benchmarks.measure import Goal, Rounds, peak_memory
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, Watcher, execute
from rulebot.measure.listings import neighbours
from rulebot.model.contract import Contract, Option, Right
from rulebot.model.market import Extras, level_of
from rulebot.spec.files import shipped

ROUNDS = 5
LINES = 90
WIDE = Path(__file__).with_name("wide_bot.yaml")
SHIPPED = "shipped"


@dataclass
class Spent:
    """Seconds of one day by part, messages received, lines streamed at most, and megabytes resident at most."""

    wall: float = 0.0
    turns: float = 0.0
    journal: float = 0.0
    decoding: float = 0.0
    market: float = 0.0
    encoding: float = 0.0
    messages: int = 0
    lines: int = 0
    resident: float = 0.0

    @property
    def rest(self) -> float:
        """Sockets, the event loop, orders, and everything without a line of its own."""
        return self.wall - self.turns - self.journal - self.decoding - self.market - self.encoding


def measure() -> list[Goal]:
    """Return the goals of the day."""
    found, last = Rounds(), {}
    for _ in range(ROUNDS):
        for name in ("wide", SHIPPED):
            last[name] = _child(name)
            found.add(name, last[name].wall)
            found.add(f"{name} memory", last[name].resident)
    how = "390 minutes, data every 5 s, a fence a second, gateway in the same loop"
    one, all_specs = found.median("wide"), found.median(SHIPPED)
    return [
        Goal("day", f"one bot, {last['wide'].lines} lines", how, one, "s", floor=10, note=_parts(last["wide"])),
        Goal("day", "all shipped specs", how, all_specs, "s", floor=20, note=_parts(last[SHIPPED])),
        Goal("day", "resident memory, one bot", how, found.median("wide memory"), "MB", floor=300),
        Goal("day", "resident memory, all shipped specs", how, found.median(f"{SHIPPED} memory"), "MB", floor=300),
    ]


def _parts(spent: Spent) -> str:
    ours = f"turn {spent.turns:.2f}, journal {spent.journal:.2f}, client's decoding {spent.decoding:.2f}"
    theirs = f"gateway's market {spent.market:.2f} and encoding {spent.encoding:.2f}, the rest {spent.rest:.2f} s"
    return f"{ours}, {theirs}; {spent.messages:,} messages"


def _child(name: str) -> Spent:
    command = [sys.executable, "-m", "benchmarks.day", name]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


# ---------------------------------------------------------------- in the child


def live_through(name: str) -> Spent:
    """Run one day and return what it took."""
    specs = [str(WIDE)] if name == "wide" else [str(shipped("specs"))]
    spent = Spent()
    with TemporaryDirectory() as folder:
        desk = load_all_bots(specs, {}, None)
        options = RunOptions(store=Path(folder) / "day.db", logs=None, sessions=1, install="bench", line_limit=LINES)

        def started(run: Run) -> None:
            _time_decoding(run, spent)
            if name == "wide":
                fill_up(run)

        def watcher(run: Run, _: object) -> None:
            spent.lines = max(spent.lines, len(run.world.ib.feed.board.rows))
            assert run.world.gateway is not None
            traffic = run.world.gateway.statistics
            spent.market, spent.encoding = traffic.market_seconds, traffic.encode_seconds
            spent.turns, spent.journal = run.loop.spent.turns, run.loop.spent.journal
            spent.messages = traffic.messages

        began = time.perf_counter()
        asyncio.run(_run(desk, options, started, watcher))
        spent.wall = time.perf_counter() - began
    spent.resident = peak_memory()
    return spent


async def _run(desk: LoadedBots, options: RunOptions, started: Callable[[Run], None], watcher: Watcher) -> None:
    await execute(desk, options, simulated(SimSettings(), 1), started, watcher)  # a result would be printed, unseen


def _time_decoding(run: Run, spent: Spent) -> None:
    """Time what ib_async does with each piece that the socket delivers, our handlers included."""
    connection = run.world.ib.link.wire.client.conn
    receive: Callable[[bytes], None] = connection.data_received

    def timed(data: bytes) -> None:
        began = time.perf_counter()
        receive(data)
        spent.decoding += time.perf_counter() - began

    connection.data_received = timed


def fill_up(run: Run) -> None:
    """Stream options around spot besides what the bot wants, up to 90 lines."""
    feed = run.world.ib.feed
    watch = feed.watch

    def more(contracts: Sequence[Contract], extras: Extras = frozenset()) -> None:
        watch((*contracts, *_around_spot(run))[:LINES], extras)

    feed.watch = more  # type: ignore[method-assign]


def _around_spot(run: Run) -> list[Contract]:
    state = run.loop.state
    spot = level_of(state.market.board, "SPX", (run.loop.at or run.first).timestamp())
    listing = next(iter(state.market.facts.listings.values()), None)
    if spot is None or listing is None:
        return []
    expiry = state.schedule.session.date
    near = neighbours(listing.strikes.get(expiry, ()), spot, LINES // 4)
    return [Option("SPX", "SPXW", expiry, strike, right) for strike in near for right in Right]


if __name__ == "__main__":
    print(json.dumps(asdict(live_through(sys.argv[1]))))
