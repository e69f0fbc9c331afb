"""The entry point and health check of the container, without one: it waits for its gateway, works, and is ended."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from free_port import free_port

from tests.e2e.worlds import spec_files

PATIENCE = 60.0
"""Seconds that anything may take on a slow machine."""


@contextmanager
def rulebot(log: Path, environ: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a rulebot process; what it says goes to a file."""
    with log.open("wb") as said:
        command = [sys.executable, "-m", "rulebot.cli.main", *arguments]
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def health(environ: Mapping[str, str]) -> tuple[int, str]:
    """Run the health check as a container does: with the environment of the service, and no arguments."""
    command = [sys.executable, "-m", "rulebot.cli.main", "health"]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def is_silent(manager: socket.socket, seconds: float) -> bool:
    """Say whether nothing comes for so long, once what lay there and what was under way has come.

    On a busy machine many messages come while a test asks for other things.
    """
    manager.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            manager.recv(4096)
    manager.settimeout(seconds)
    try:
        for _ in range(3):
            manager.recv(4096)
        return False
    except TimeoutError:
        return True
    finally:
        manager.settimeout(PATIENCE)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Return systemd's end of the socket on which a service says how it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "notify"))
        found.settimeout(PATIENCE)
        yield found


@pytest.mark.long
@pytest.mark.timeout(240)
def test_ci_a_service_is_there_before_its_gateway_and_ends_when_it_is_reported_to(
    tmp_path: Path, manager: socket.socket
) -> None:
    page, gateway = free_port(), free_port()
    environ = {
        "RULEBOT_DATA": str(tmp_path),
        "RULEBOT_WEB_PORT": str(page),
        "RULEBOT_WEB_TOKEN": "",
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "2000000",
        "NO_COLOR": "1",
    }
    assert health(environ)[0] == 3, "nothing listens yet"
    store, log = str(tmp_path / "desk.db"), tmp_path / "serve.log"
    asked = ["--gateway", f"127.0.0.1:{gateway}", "--store", store, "--wait-for-gateway"]
    with rulebot(log, environ, "serve", "--paper", "--sim", *asked, *spec_files(["put_lite"])) as service:
        until(lambda: health(environ) == (0, "ok   engine waiting, not connected"), log.read_text())
        until(lambda: "nothing listens" in manager.recv(4096).decode(), "systemd is told for what it waits")
        with rulebot(tmp_path / "gateway.log", {}, "gateway", "--port", str(gateway), "--speed", "60") as market:
            until(lambda: health(environ) == (0, "ok   engine running, connected"), log.read_text())
            until(lambda: manager.recv(4096).decode().startswith("READY=1"), "systemd is told that it is ready")
            until(lambda: manager.recv(4096) == b"WATCHDOG=1", "batches ping the watchdog")
            market.send_signal(signal.SIGSTOP)  # no more batches, while the process itself is well
            assert health(environ)[0] == 0
            assert is_silent(manager, 2.0)
            market.send_signal(signal.SIGCONT)
            until(lambda: manager.recv(4096) == b"WATCHDOG=1", "and ping it again")
            service.send_signal(signal.SIGTERM)
            assert service.wait(PATIENCE) == 0
            assert "stopped by the operator" in log.read_text()
            until(lambda: manager.recv(4096).decode().startswith("STOPPING=1"), "systemd is told of the end")
    assert health(environ)[0] == 3


@pytest.mark.long
@pytest.mark.timeout(120)
def test_ci_a_service_that_still_waits_ends_at_once(tmp_path: Path) -> None:
    environ = {"RULEBOT_DATA": str(tmp_path), "RULEBOT_WEB_PORT": str(free_port()), "RULEBOT_WEB_TOKEN": ""}
    log = tmp_path / "serve.log"
    asked = ["--gateway", f"127.0.0.1:{free_port()}", "--wait-for-gateway"]
    with rulebot(log, environ, "serve", "--paper", *asked, *spec_files(["put_lite"])) as service:
        until(lambda: health(environ)[0] == 0, "the page is there")
        assert re.search(r"warning: nothing listens on 127.0.0.1:\d+; tried again in 2 s", log.read_text())
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) == 0
