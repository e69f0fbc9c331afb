"""One engine per store and per account, with real processes: a second one, an overtaken one, a store that is gone."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.model.event import Request
from rulebot.model.order import Purpose
from rulebot.operator_requests.requests import post
from rulebot.record.record import Kind
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import RESTORED, back_up, restore
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from tests.e2e.test_restart import in_loop, new_york, run_until, working
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway

SPEC = spec_files(["put_lite"])[0]
SECONDS = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rulebot.cli.main", "run", "--paper", *arguments, SPEC]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "RULEBOT_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1"}


@contextmanager
def engine(folder: Path, store: Path, speed: int = 600) -> Iterator["subprocess.Popen[str]"]:
    """Yield a real engine on a market of its own, at work since the session's open."""
    with subprocess.Popen(
        command("--sim", "--speed", str(speed), "--store", str(store)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(folder),
    ) as process:
        try:
            assert process.stdout is not None
            assert any("opens" in line for line in process.stdout)
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def end_of(process: "subprocess.Popen[str]") -> str:
    """Return what an engine says until it ends by itself, which is an error."""
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 3, said
    assert "Traceback" not in said
    return said


def test_a_second_engine_on_the_store_ends_at_once(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with engine(tmp_path, store, speed=60) as first:
        words = ["run", "--paper", "--sim", "--store", str(store), SPEC]
        second = CliRunner(env={"RULEBOT_DATA": str(tmp_path / "data")}).invoke(main, words)
        assert second.exit_code == 3, second.output
        assert f"in use by another engine (process {first.pid})" in second.stderr
        assert first.poll() is None


def deleted(store: Path) -> None:
    store.unlink()


def replaced(store: Path) -> None:
    back_up(store, store.with_name("copy.db"))
    store.with_name("copy.db").replace(store)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
@pytest.mark.parametrize("change", [deleted, replaced])
def test_a_store_that_is_gone_is_reported_and_not_made_again(tmp_path: Path, change: Callable[[Path], None]) -> None:
    store = tmp_path / "a.db"
    with engine(tmp_path, store) as process:
        change(store)
        there = store.read_bytes() if store.exists() else None
        assert process.stdout is not None
        words = f"the store {store} was {change.__name__} by another program while in use"
        assert any(words in line for line in process.stdout)
        assert process.poll() is None
    assert (store.read_bytes() if store.exists() else None) == there


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not deleted there")
def test_an_engine_that_is_overtaken_ends_and_leaves_the_journal_to_the_other(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with engine(tmp_path, store) as process:
        Path(f"{store}.lock").unlink()
        other = SqlJournal(open_store(store))
        count = len(other.read())
        said = end_of(process)
    assert f"error: the store {store} was taken over by another engine (process {os.getpid()}" in said
    assert len(other.read()) == count
    assert other.verify() is None
    started = other.read({Kind.RUN_STARTED})[0]
    assert (started.data["epoch"], other.epoch) == (1, 2)
    other.close()


@pytest.mark.long
def test_ci_a_second_store_for_the_account_is_refused_on_this_machine(tmp_path: Path) -> None:
    async def body() -> None:
        settings = GatewaySettings(first_day=date(2026, 10, 21), seed=7, speed=1.0, lockstep=False)
        gateway = await start_gateway(settings)
        # the engines are processes with the clock of this computer, who would not be let in by that of another day
        gateway.gateway.clock.ask = lambda session, _: session.send(49, 1, int(time.time()))  # type: ignore[method-assign]
        try:
            await asyncio.wait_for(trade(gateway), SECONDS)
        finally:
            await gateway.stop()

    async def start(gateway: RunningGateway, number: int) -> asyncio.subprocess.Process:
        where = ("--gateway", f"127.0.0.1:{gateway.port}", "--client-id", str(number))
        return await asyncio.create_subprocess_exec(
            *command(*where, "--store", str(tmp_path / f"{number}.db"), "--logs", str(tmp_path / f"{number}")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(tmp_path),
        )

    async def trade(gateway: RunningGateway) -> None:
        first = await start(gateway, 1)
        try:
            assert first.stdout is not None
            while b"Ctrl+C" not in (line := await first.stdout.readline()):
                assert line
            second = await start(gateway, 2)
            said, _ = await second.communicate()
            assert second.returncode == 3, said
            assert b"is traded by another engine of this machine" in said
            assert f"process {first.pid}, store {tmp_path / '1.db'}".encode() in said
            assert b"Traceback" not in said
        finally:
            first.kill()
            await first.wait()

    asyncio.run(body())


# ---------------------------------------------------------------- where no lock reaches: the names of orders


@pytest.mark.long
def test_ci_a_second_store_at_the_broker_enters_nothing_until_a_person_says_so(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        await run_until(gateway, folder / "one.db", new_york(10, 0))
        resting = [view.perm_id for view in working(gateway)]
        assert len(resting) == 2
        second = await run_until(gateway, folder / "two.db", new_york(11, 0), ["put_lite"])
        assert not second.loop.state.orders.by_ref
        with StoreReader(folder / "two.db") as reader:
            alarms = [one for _, one in reader.numbered() if not isinstance(one, str) and one.kind is Kind.ALARM]
        (reported,) = [text for one in alarms if "another rulebot" in (text := str(one.data["text"]))]
        assert "no entries until 'rulebot resume'; exits continue" in reported
        assert "trades this account" in second.loop.state.bots.by_name["put_lite"].status_text
        assert [view.perm_id for view in working(gateway)] == resting
        post(folder / "two.db", Request.RESUME)
        third = await run_until(gateway, folder / "two.db", new_york(11, 30), ["put_lite"])
        assert [order.purpose for order in third.loop.state.orders.by_ref.values()][:1] == [Purpose.ENTRY]
        assert set(resting) <= {view.perm_id for view in working(gateway)}

    in_loop(body, tmp_path, seed=7)


def test_a_backup_of_the_morning_enters_nothing_again(tmp_path: Path) -> None:
    """Row 80: the journal knows nothing of today's sale, the broker does. No name is used twice."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        store = folder / "s.db"
        await run_until(gateway, store, new_york(9, 30))
        back_up(store, folder / "backup.db")
        first = await run_until(gateway, store, new_york(10, 0))
        sent = set(first.loop.state.orders.by_ref)
        assert len(sent) == 3
        restore(folder / "backup.db", store, datetime.now(UTC))
        second = await run_until(gateway, store, new_york(10, 30))
        assert not second.loop.state.orders.by_ref
        assert second.loop.state.requests.operator.reason == RESTORED
        assert len(working(gateway)) == 2
        assert second.loop.state.inquiries.foreign_orders
        assert second.loop.state.orders.next_number > max(
            order.number for order in first.loop.state.orders.by_ref.values()
        )

    in_loop(body, tmp_path, seed=7)
