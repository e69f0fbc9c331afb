"""Real processes: the gateway stands still and another program holds the store while a position is open."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.record import Kind
from rulebot.store.emergency_journal import places
from rulebot.store.queries import StoreReader
from rulebot.store.registry import read_store
from rulebot.store.schema import verify
from tests.e2e.test_stores_that_stop import spec_of

DAY = "2026-10-21"
ENGINE = """
import sys
from datetime import timedelta
from rulebot.adapters.clock import WallClock
shift, real = timedelta(seconds=float(sys.argv.pop(1))), WallClock.now
WallClock.now = lambda clock: real(clock) + shift
from rulebot.cli.main import main
main()
"""
"""An engine whose computer shows the gateway's time, whatever day it is."""


def new_york(clock: str) -> float:
    """Return a time of the day in epoch seconds."""
    return datetime.strptime(f"{DAY} {clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=EXCHANGE_ZONE).timestamp()


@contextmanager
def process(log: Path, environ: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends with the block."""
    with log.open("wb") as out:
        found = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environ})
        try:
            yield found
        finally:
            found.send_signal(signal.SIGCONT)
            found.kill()
            found.wait(20)


def until(is_true: Callable[[], bool], log: Path, seconds: float) -> None:
    """Wait for something, or fail with what a process has said."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_20_75_an_exit_goes_out_after_the_gateway_stood_still_while_the_store_is_locked(tmp_path: Path) -> None:
    (tmp_path / "holder.yaml").write_text(spec_of("holder", "09:30", "09:31:30"))
    store, says, received = tmp_path / "s.db", tmp_path / "engine.log", tmp_path / "gateway.log"
    environ = {"RULEBOT_DATA": str(tmp_path / "data"), "NO_COLOR": "1"}
    serve = (sys.executable, "-m", "rulebot.cli.main", "gateway", "--port", "0", "--date", DAY, "--seed", "7")
    with process(received, environ, *serve, "--write-ledger", str(tmp_path / "ledger.jsonl")) as gateway:
        until(lambda: "SIMULATED TWS gateway on" in received.read_text(), received, 60)
        shift = new_york("09:29:00") - time.time()
        address = received.read_text().split()[4]
        run = ("run", "--paper", "--plain", "--gateway", address, "--store", str(store), str(tmp_path / "holder.yaml"))
        with process(says, environ, sys.executable, "-c", ENGINE, str(shift), *run) as engine:
            until(lambda: "filled: sold" in says.read_text(), says, 180)
            other = sqlite3.connect(store, isolation_level=None, timeout=30)
            other.execute("BEGIN EXCLUSIVE")
            gateway.send_signal(signal.SIGSTOP)
            time.sleep(30)
            assert engine.poll() is None, says.read_text()
            gateway.send_signal(signal.SIGCONT)
            until(lambda: "closed: time" in says.read_text(), says, 180)
            other.close()
            until(lambda: "accepts records again" in says.read_text(), says, 60)
            engine.send_signal(signal.SIGINT)
            assert engine.wait(60) == 0, says.read_text()
    with StoreReader(store) as reader:
        fills = [record.data["purpose"] for record in reader.records((Kind.FILL,))]
    assert sorted(fills) == ["entry", "entry", "exit", "exit"]
    opened = read_store(store)
    with opened.engine.connect() as connection:
        assert verify(connection) is None
    opened.close()
    assert not any(path.exists() for path in places(store))


@pytest.mark.long
@pytest.mark.timeout(500)
def test_75_an_engine_killed_on_a_locked_store_is_followed_by_one_that_watches_exits(tmp_path: Path) -> None:
    """The store stays locked over the death of the first engine, the start of the second and the time of the exit."""
    (tmp_path / "holder.yaml").write_text(spec_of("holder", "09:30", "09:32:00"))
    store, received = tmp_path / "s.db", tmp_path / "gateway.log"
    says, again = tmp_path / "engine.log", tmp_path / "again.log"
    environ = {"RULEBOT_DATA": str(tmp_path / "data"), "NO_COLOR": "1"}
    serve = (sys.executable, "-m", "rulebot.cli.main", "gateway", "--port", "0", "--date", DAY, "--seed", "7")
    with process(received, environ, *serve, "--write-ledger", str(tmp_path / "ledger.jsonl")):
        until(lambda: "SIMULATED TWS gateway on" in received.read_text(), received, 60)
        shift = new_york("09:29:00") - time.time()
        address = received.read_text().split()[4]
        run = ("run", "--paper", "--plain", "--gateway", address, "--store", str(store), str(tmp_path / "holder.yaml"))
        command = (sys.executable, "-c", ENGINE, str(shift), *run)
        with process(says, environ, *command) as first:
            until(lambda: "filled: sold" in says.read_text(), says, 180)
            other = sqlite3.connect(store, isolation_level=None, timeout=30)
            other.execute("BEGIN EXCLUSIVE")
            until(lambda: any(path.exists() for path in places(store)), says, 60)
            first.kill()
            first.wait(20)
        with process(again, environ, *command) as second:
            until(lambda: "closed: time" in again.read_text(), again, 240)
            assert "accepts records again" not in again.read_text()
            other.close()
            until(lambda: "accepts records again" in again.read_text(), again, 60)
            second.send_signal(signal.SIGINT)
            assert second.wait(60) == 0, again.read_text()
    with StoreReader(store) as reader:
        fills = [record.data["purpose"] for record in reader.records((Kind.FILL,))]
    assert sorted(fills) == ["entry", "entry", "exit", "exit"]
    opened = read_store(store)
    with opened.engine.connect() as connection:
        assert verify(connection) is None
    opened.close()
    assert not any(path.exists() for path in places(store))
