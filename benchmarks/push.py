"""How far the page is behind its engine, and what it costs the engine: 50 bots, some 500 quotes a second of real time.

The engine runs at thirty times the pace of the clock for a few simulated minutes, in a process of its own, with a page
and without; a browser is stood in for by a third process that reads what is pushed. All read the same clock.
"""

import asyncio
import json
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from re import search
from statistics import quantiles
from tempfile import TemporaryDirectory

from benchmarks.anchors import environment
from benchmarks.day import LINES, WIDE, fill_up
from benchmarks.measure import Goal, Rounds
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.web.access import Access
from rulebot.web.live import Live
from rulebot.web.server import Bind, Server, application

ROUNDS = 3
BOTS = 50
SPEED = 30.0
LASTS = timedelta(minutes=8)
TOKEN = "a-token-of-a-benchmark"


@dataclass
class Behind:
    """Of one run: real seconds of turns, events, quotes a real second; seconds behind, of each moment."""

    turns: float = 0.0
    events: int = 0
    quotes: float = 0.0
    behind: list[float] = field(default_factory=list)


def measure() -> list[Goal]:
    """Return the goals of the push."""
    found, behind, quotes = Rounds(), list[float](), list[float]()
    for _ in range(ROUNDS):
        for name in ("with", "without"):
            spent = _child(name)
            found.add(name, spent.turns / spent.events)
            behind += spent.behind
            quotes.append(spent.quotes)
    cuts = quantiles(behind, n=100)
    how = f"{BOTS} bots, {min(quotes):.0f} quotes a second, {len(behind)} moments"
    return [
        Goal("push", "the page behind its engine, p50", how, cuts[49], "s", floor=1),
        Goal("push", "the same, p99", how, cuts[98], "s", floor=1),
        Goal("push", "mean turn with the page, beside without", how, found.ratio("with", "without"), floor=1.1),
    ]


def _child(name: str) -> Behind:
    command = [sys.executable, "-m", "benchmarks.push", name]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    return Behind(**json.loads(done.stdout.splitlines()[-1]))


# ---------------------------------------------------------------- the engine


def live_through(*, has_page: bool) -> Behind:
    """Run some minutes, with a page that is looked at or without."""
    reported = Behind()
    ended: list[tuple[str, float]] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        text = WIDE.read_text(encoding="utf-8")
        specs = [folder / f"wide_{number}.yaml" for number in range(BOTS)]
        for spec in specs:
            spec.write_text(text.replace("name: wide_bot", f"name: {spec.stem}"), encoding="utf-8")
        store = folder / "day.db"
        options = RunOptions(store=store, logs=None, sessions=1, install="bench", line_limit=LINES)
        live, servers, readers = Live(store), list[Server](), list[subprocess.Popen[str]]()

        def started(run: Run) -> None:
            fill_up(run)
            if has_page:
                live.show(run, run.first)
                server = Server(
                    lambda stopping: application(store, Access(token=TOKEN), live, stopping=stopping), Bind(port=0)
                )
                address = server.start()
                servers.append(server)
                command = [sys.executable, "-m", "benchmarks.push", address]
                readers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

        def watcher(run: Run, at: datetime) -> None:
            if has_page:
                live.show(run, at)
                ended.append((_clock(at), time.monotonic()))
            if at >= run.loop.state.schedule.session.open + LASTS and not reported.events:
                reported.turns, reported.events = run.loop.spent.turns, run.loop.spent.events
                assert run.world.gateway is not None
                reported.quotes = run.world.gateway.statistics.messages / (LASTS.total_seconds() / SPEED)
                run.inbox.ask(Request.STOP)

        asyncio.run(_run([str(spec) for spec in specs], options, started, watcher))
        time.sleep(1.5)  # what is on its way arrives
        for reader in readers:
            reader.terminate()
            pushed = [(each[0], float(each[1])) for each in map(str.split, reader.communicate()[0].splitlines())]
            reported.behind = _behind(ended, pushed)
        for server in servers:
            server.stop()
    return reported


async def _run(specs: Sequence[str], options: RunOptions, started: object, watcher: object) -> None:
    desk = load_all_bots(specs, {}, None)
    await execute(desk, options, simulated(SimSettings(speed=SPEED), 1), started, watcher)  # type: ignore[arg-type]


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"


def _behind(ended: Sequence[tuple[str, float]], pushed: Sequence[tuple[str, float]]) -> list[float]:
    """Return for each end of a batch how long it took until the page showed that moment, or a later one."""
    clocks = [clock for clock, _ in pushed]
    found = []
    for clock, at in ended:
        place = bisect_left(clocks, clock)
        if place < len(pushed) and place > 0:
            found.append(pushed[place][1] - at)
    return found


# ---------------------------------------------------------------- the browser's place


def read(address: str) -> None:
    """Print the engine's clock as the page is pushed it, and when that was, until told to end."""
    connection = HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
    connection.request("GET", "/live", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    last = ""
    for line in answer:
        found = search(rb"<time>\S+ (\d\d:\d\d:\d\d)</time> New York", line)
        if found is not None and found[1].decode() != last:
            last = found[1].decode()
            print(last, time.monotonic(), flush=True)


if __name__ == "__main__":
    if sys.argv[1].startswith("http"):
        read(sys.argv[1])
    else:
        print(json.dumps(asdict(live_through(has_page=sys.argv[1] == "with"))))
