"""Whether an engine is well, as /health and `rulebot health` say it."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from web_client import TOKEN

from rulebot.cli.main import main
from rulebot.process.service import HUNG_AFTER, Heartbeat
from rulebot.store.queries import StoreReader
from rulebot.web.access import Access
from rulebot.web.live import Live
from rulebot.web.rest_mapping import status
from rulebot.web.server import Bind, Server, application


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def page(place: Path, heartbeat: Heartbeat, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the page of an engine that is as `heartbeat` says, and yield its port."""
    live = Live(place, heartbeat=heartbeat)
    access = Access(token=TOKEN, hosts=())
    server = Server(lambda stopping: application(place, access, live, stopping=stopping), Bind(host=host, port=0))
    address = server.start()
    try:
        yield address.rstrip("/").rpartition(":")[2]
    finally:
        server.stop()


@pytest.fixture
def place(day_store: Path) -> Path:
    """Return the store of the hand-made day."""
    return day_store


def asked(port: str, host: str = "127.0.0.1") -> tuple[int, str]:
    reported = {"RULEBOT_WEB_HOST": host, "RULEBOT_WEB_PORT": port, "RULEBOT_WEB_TLS_CERT": ""}
    result = CliRunner().invoke(main, ["health"], env=reported)
    return result.exit_code, result.output.strip()


def test_an_engine_that_waits_for_its_gateway_is_well_and_the_page_says_so(place: Path) -> None:
    heartbeat = Heartbeat()
    live = Live(place, heartbeat=heartbeat)
    heartbeat.waits("nothing listens on ib-gateway:4004")
    picture = live.now().picture
    assert (picture.engine, picture.trading, picture.is_linked) == ("waiting", "active", False), "it can be stopped"
    assert picture.notice.endswith("retries: nothing listens on ib-gateway:4004")
    with page(place, heartbeat) as port:
        assert asked(port) == (0, "ok   engine waiting, not connected")


def has_loopback_of_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6)) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_loopback_of_ipv6(), reason="this machine has no IPv6")
def test_a_page_is_asked_where_it_listens(place: Path) -> None:
    """`RULEBOT_WEB_HOST=::1` was heeded by the page alone: its health check asked 127.0.0.1, and it was unhealthy."""
    with page(place, Heartbeat(), "::1") as port:
        for host in ("::1", "::"):
            assert asked(port, host)[0] == 0
        assert asked(port)[1].startswith(f"error: no page answers at 127.0.0.1:{port}")


def test_the_status_of_an_engine_that_waits_is_that_of_the_page(place: Path) -> None:
    heartbeat = Heartbeat()
    live = Live(place, heartbeat=heartbeat)
    with StoreReader(place) as reader:
        assert status(reader, live.now().picture).state == "stopped"
        heartbeat.waits("nothing listens on ib-gateway:4004")
        reported = status(reader, live.now().picture)
    assert (reported.state, reported.trading, reported.is_trading, reported.is_connected) == (
        "waiting",
        "active",
        False,
        False,
    )


def test_another_reason_for_waiting_is_another_page(place: Path) -> None:
    heartbeat = Heartbeat()
    live = Live(place, heartbeat=heartbeat)
    heartbeat.waits("nothing listens")
    first = live.now()
    assert live.now() is first
    heartbeat.waits("client id 1 is in use")
    assert "client id 1 is in use" in live.now().picture.notice


def test_an_engine_that_hangs_is_not_well(place: Path) -> None:
    clock = Clock()
    heartbeat = Heartbeat(elapsed=clock)
    heartbeat.runs()
    with page(place, heartbeat) as port:
        assert asked(port)[0] == 0
        clock.now = HUNG_AFTER + 15
        code, said = asked(port)
        assert (code, said.partition("   ")[0]) == (1, "failing")
        assert said.endswith("the engine has shown no sign of life for 75 s")


def test_an_engine_that_has_ended_is_not_well(place: Path) -> None:
    heartbeat = Heartbeat()
    heartbeat.ended("the end of the last session")
    with page(place, heartbeat) as port:
        assert asked(port) == (
            1, "failing   engine ended, not connected: the engine has ended: the end of the last session",
        )  # fmt: skip


def test_where_no_page_is_there_is_nothing_to_be_well(place: Path) -> None:
    with page(place, Heartbeat()) as port:
        pass
    code, said = asked(port)
    assert code == 3
    assert said.startswith(f"error: no page answers at 127.0.0.1:{port}")
