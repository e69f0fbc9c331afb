"""Goals 13 and 14: the gateway on a socket, each side in a process of its own.

In lockstep gateway and client take turns, so what each could do alone is told by its processor time: messages for each
second of it. The clients alternate; both stream about 90 lines that change every second.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.anchors import environment
from benchmarks.day import LINES, WIDE, fill_up
from benchmarks.measure import Goal, Rounds
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from twsim import GatewaySettings, start_gateway

ROUNDS = 5
DAY = date(2026, 10, 21)
MINUTES = 30
WARM_UP = 900
"""Fences before anything is measured: the open, and the first lines."""


def measure() -> list[Goal]:
    """Return the goals of the gateway and its clients."""
    found = Rounds()
    for _ in range(ROUNDS):
        for client in ("ib", "rulebot"):
            rate, gateway_rate = _together(client)
            found.add(client, rate)
            found.add(f"gateway of {client}", gateway_rate)
    how = f"{MINUTES} minutes in lockstep, data every second, messages for each second of processor time of one process"
    rates = ", ".join(f"{name} {found.median(name) / 1e3:.0f}" for name in found.kept)
    return [
        Goal("13", "gateway (market, encoding, socket) beside one ib_async client with Tickers", how,
             found.ratio("gateway of ib", "ib"), floor=1.2, stretch=5, at_most=False,
             note=f"thousand messages: {rates}; processor time, so the client counts as fully busy"),
        Goal("14", "rulebot (decoding, turn, record) beside ib_async alone", how, found.ratio("rulebot", "ib"),
             floor=0.4, stretch=0.7, at_most=False, note="one bot that judges on every change, journal written"),
    ]  # fmt: skip


def _together(client: str) -> tuple[float, float]:
    """Return messages for a second of the client's processor time, and of the gateway's."""
    root, env = Path(__file__).parent.parent, environment()
    serve = [sys.executable, "-m", "benchmarks.gateway", "serve"]
    with subprocess.Popen(serve, cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        command = [sys.executable, "-m", "benchmarks.gateway", client, port]
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
        server.stdin.close()
        served = json.loads(server.stdout.readlines()[-1])
    used = json.loads(done.stdout.splitlines()[-1])
    return served["messages"] / used["seconds"], served["messages"] / served["seconds"]


# ---------------------------------------------------------------- in the children


async def serve() -> dict[str, float]:
    """Serve until standard input is closed; return messages and processor seconds since the first client's fences."""
    gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7, data_seconds=1, watchdog_seconds=300))
    print(gateway.port, flush=True)
    waiting = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while gateway.statistics.fences < WARM_UP and not waiting.done():
        await asyncio.sleep(0.005)
    seconds, messages = time.process_time(), gateway.statistics.messages
    used = 0.0
    while not waiting.done():
        await asyncio.sleep(0.05)
        used = time.process_time() - seconds
    sent = gateway.statistics.messages - messages
    await gateway.stop()
    return {"messages": sent, "seconds": used}


async def ib_client(port: int) -> dict[str, float]:
    """Decode with ib_async alone: Tickers, no handler of ours."""
    from ib_async import IB, Contract, Index, StartupFetchNONE

    ib = IB()
    ib.client.MaxRequests = 0
    ib.client.setConnectOptions("+LOCKSTEP")
    await ib.connectAsync("127.0.0.1", port, 1, timeout=60, fetchFields=StartupFetchNONE)
    index = Index("SPX", "CBOE")
    await ib.qualifyContractsAsync(index)
    spot = ib.reqMktData(index)
    for _ in range(WARM_UP // 2):
        await ib.reqCurrentTimeAsync()
    of_class = Contract(
        secType="OPT",
        symbol="SPX",
        exchange="SMART",
        currency="USD",
        tradingClass="SPXW",
        lastTradeDateOrContractMonth=f"{DAY:%Y%m%d}",
    )
    chain = await ib.reqContractDetailsAsync(of_class)
    options = [each.contract for each in chain if each.contract is not None]
    listed = sorted(options, key=lambda found: abs(found.strike - spot.last))
    for contract in listed[: LINES - 1]:
        ib.reqMktData(contract)
    for _ in range(WARM_UP - WARM_UP // 2):
        await ib.reqCurrentTimeAsync()
    began = time.process_time()
    for _ in range(MINUTES * 60):
        await ib.reqCurrentTimeAsync()
    used = time.process_time() - began
    ib.disconnect()
    return {"seconds": used}


async def rulebot_client(port: int) -> dict[str, float]:
    """Decode, judge and record."""
    marks: dict[str, Any] = {"fences": 0, "began": 0.0, "used": 0.0}
    with TemporaryDirectory() as folder:
        options = RunOptions(store=Path(folder) / "day.db", logs=None, sessions=1, install="bench", line_limit=LINES)

        def started(run: Run) -> None:
            fill_up(run)

        def watcher(run: Run, _: object) -> None:
            marks["fences"] += 1
            if marks["fences"] == WARM_UP:
                marks["began"] = time.process_time()
                run.last = run.loop.at + timedelta(minutes=MINUTES) if run.loop.at else None
            elif marks["began"]:
                marks["used"] = time.process_time() - marks["began"]

        desk = load_all_bots([str(WIDE)], {}, None)
        await execute(desk, options, attached("127.0.0.1", port, 1, "", lockstep=True), started, watcher)
    return {"seconds": marks["used"]}


def main(role: str, port: int) -> None:
    """Be the gateway or one of its clients, and print what it took as JSON."""
    if role == "serve":
        reported = asyncio.run(serve())
    else:
        reported = asyncio.run(ib_client(port) if role == "ib" else rulebot_client(port))
    print(json.dumps(reported), flush=True)
    os._exit(0)  # the thread that reads standard input may still wait


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
