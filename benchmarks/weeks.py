"""Goal 17, live: an engine that stands for weeks, beside what it took after the first of them.

Engine and gateway are processes of their own, as `rulebot run --paper --sim --gateway` and `rulebot gateway` are, over
one connection: the memory of one is not that of the other.
"""

import asyncio
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.anchors import environment
from benchmarks.measure import Goal, peak_memory
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.spec.files import shipped
from twsim import GatewaySettings, start_gateway

DAY = date(2026, 2, 23)
DAYS, FEW = 30, 10


def measure() -> list[Goal]:
    """Return the goal of an engine that stands."""
    found = _together()
    many, few = found[DAYS - 1], found[FEW - 1]
    how = f"all shipped specs for {DAYS} sessions over one connection, one run; the most that was resident until then"
    return [
        Goal("17", f"resident memory of a live engine after {DAYS} sessions beside {FEW}", how, many / few, floor=1.1,
             stretch=1.02, note=f"{many:.0f} MB beside {few:.0f} MB; {found[0]:.0f} MB after the first"),
    ]  # fmt: skip


def _together() -> list[float]:
    """Return the megabytes of an engine after each session."""
    root, env = Path(__file__).parent.parent, environment()
    serve = [sys.executable, "-m", "benchmarks.weeks", "serve"]
    with subprocess.Popen(serve, cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        command = [sys.executable, "-m", "benchmarks.weeks", "engine", port]
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
        server.stdin.close()
    reported: list[float] = json.loads(done.stdout.splitlines()[-1])
    return reported


# ---------------------------------------------------------------- in the children


async def serve() -> None:
    """Serve until standard input is closed."""
    gateway = await start_gateway(GatewaySettings(first_day=DAY, days=DAYS, seed=11, watchdog_seconds=300))
    print(gateway.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await gateway.stop()


async def stand(port: int) -> list[float]:
    """Run all sessions; return the megabytes that were resident at most by the end of each."""
    ends: dict[date, float] = {}

    def watcher(run: Run, _: datetime) -> None:
        ends[run.loop.state.schedule.session.date] = peak_memory()

    with TemporaryDirectory() as name:
        folder = Path(name)
        options = RunOptions(
            store=folder / "weeks.db", logs=folder / "logs", tapes=folder / "tapes", sessions=DAYS, install="bench"
        )
        desk = load_all_bots([str(shipped("specs"))], {}, None)
        world = attached("127.0.0.1", port, 1, "", lockstep=True)
        await execute(desk, options, world, lambda _: None, watcher)
    return list(ends.values())


def main(role: str, port: int) -> None:
    """Be the gateway, or the engine, which prints what it took as JSON."""
    if role == "serve":
        asyncio.run(serve())
    else:
        print(json.dumps(asyncio.run(stand(port))), flush=True)
    os._exit(0)  # the thread that reads standard input may still wait


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
