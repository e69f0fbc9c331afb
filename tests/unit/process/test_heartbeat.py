"""What systemd and a health check are told of an engine: by real datagrams, and in a time of our own."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rulebot.process.service import HUNG_AFTER, START_PATIENCE, Heartbeat, Stage, Systemd

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs UNIX sockets")


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str, watchdog: str = "60000000") -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": watchdog, "WATCHDOG_PID": str(os.getpid())}

    def received(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager that listens at a path."""
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


def test_an_abstract_socket_is_reported_as_well() -> None:
    found = Manager(f"@rulebot-test-{os.getpid()}")
    Systemd(found.environ).notify(READY="1", STATUS="two\nlines")
    assert found.received() == ["READY=1\nSTATUS=two lines"]
    found.close()


def test_a_start_is_extended_until_the_engine_is_connected_and_only_then_ready(manager: Manager) -> None:
    clock = Clock()
    heartbeat = Heartbeat(Systemd(manager.environ), clock)
    heartbeat.waits("nothing listens on gateway:4004")
    assert manager.received() == ["STATUS=waits for the gateway: nothing listens on gateway:4004"]
    clock.now += START_PATIENCE / 2
    heartbeat.beat()
    assert manager.received() == [f"EXTEND_TIMEOUT_USEC={int(START_PATIENCE) * 1_000_000}"]
    heartbeat.runs()
    assert manager.received() == ["READY=1\nSTATUS=connected"]


def test_batches_ping_the_watchdog_four_times_in_what_it_waits_for(manager: Manager) -> None:
    clock = Clock()
    heartbeat = Heartbeat(Systemd(manager.environ), clock)
    heartbeat.runs()
    manager.received()
    for _ in range(240):
        clock.now += 0.25
        heartbeat.beat()
    assert manager.received() == ["WATCHDOG=1"] * 4


def test_an_engine_whose_loop_is_stuck_pings_nobody_and_is_called_hung(manager: Manager) -> None:
    clock = Clock()
    heartbeat = Heartbeat(Systemd(manager.environ), clock)
    heartbeat.runs()
    manager.received()
    assert heartbeat.problem() == ""
    clock.now += HUNG_AFTER + 1
    assert heartbeat.problem() == "the engine has shown no sign of life for 61 s"
    assert manager.received() == []


def test_silence_counts_only_while_batches_are_due() -> None:
    clock = Clock()
    heartbeat = Heartbeat(elapsed=clock)
    heartbeat.waits("")
    clock.now += 500.0
    assert heartbeat.silence() == 0.0
    heartbeat.runs()
    clock.now += 7.0
    assert heartbeat.silence() == 7.0


def test_an_end_is_reported_with_its_reason(manager: Manager) -> None:
    heartbeat = Heartbeat(Systemd(manager.environ), Clock())
    heartbeat.ended("stopped by the operator")
    assert manager.received() == ["STOPPING=1\nSTATUS=ended: stopped by the operator"]
    assert heartbeat.problem() == "the engine has ended: stopped by the operator"


def test_while_a_gateway_is_waited_for_the_event_loop_shows_the_signs(manager: Manager) -> None:
    clock = Clock()
    heartbeat = Heartbeat(Systemd(manager.environ), clock)
    heartbeat.runs()
    heartbeat.waits("")
    clock.now += 1000.0

    async def wait() -> None:
        async with heartbeat.attended():
            await asyncio.sleep(0)

    asyncio.run(wait())
    assert heartbeat.problem() == ""
    assert "WATCHDOG=1" in manager.received()


def test_while_it_runs_the_event_loop_alone_is_no_sign(manager: Manager) -> None:
    clock = Clock()
    heartbeat = Heartbeat(Systemd(manager.environ), clock)
    heartbeat.runs()
    clock.now += HUNG_AFTER + 1

    async def wait() -> None:
        async with heartbeat.attended():
            await asyncio.sleep(0)

    asyncio.run(wait())
    assert heartbeat.problem() != ""


@pytest.mark.parametrize(
    "environ",
    [
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "60000000"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "many"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "60000000"},
    ],
)
def test_no_watchdog_is_served_that_is_not_ours(environ: dict[str, str]) -> None:
    assert Systemd(environ).watchdog_seconds is None


def test_a_manager_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    heartbeat = Heartbeat(Systemd({"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "4000000"}), Clock())
    heartbeat.runs()
    assert heartbeat.stage is Stage.RUNNING
