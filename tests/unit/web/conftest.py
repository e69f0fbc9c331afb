"""What the tests of the page share: pages served for real, on ports of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_day import small_day
from web_client import OF_METRICS, TOKEN, Client, Elapsed

from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.registry import open_store
from rulebot.web.access import Access
from rulebot.web.live import Live
from rulebot.web.server import Bind, Server, application

ENDING: list[threading.Thread] = []
"""Servers that end beside the next test: each waits two tenths of a second for whoever is still connected."""


def end(server: Server) -> None:
    """Have a server end; the end of its file waits for that."""
    thread = threading.Thread(target=server.stop, name="end of a page")
    ENDING.append(thread)
    thread.start()


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    """Wait for the servers of a file that still end."""
    yield
    while ENDING:
        ENDING.pop().join()


@contextmanager
def served(place: Place, live: Live | None = None) -> Iterator[Client]:
    """Serve a store, or what an engine shows of itself, and yield a client."""
    elapsed = Elapsed()
    access = Access(token=TOKEN, metrics=OF_METRICS, hosts=("desk.example",))
    server = Server(lambda stopping: application(place, access, live, stopping=stopping, elapsed=elapsed), Bind(port=0))
    address = server.start()
    try:
        yield Client(int(address.rstrip("/").rpartition(":")[2]), elapsed, place)
    finally:
        end(server)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Return a client of the page of the hand-made day, in a file."""
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append(small_day(), durable=True)
    journal.close()
    with served(tmp_path / "a.db") as found:
        yield found


@pytest.fixture
def any_client(day_place: Place) -> Iterator[Client]:
    """Return the same on both databases."""
    with served(day_place) as found:
        yield found


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of one page of the hand-made day for all tests of a file."""
    place = tmp_path_factory.mktemp("one") / "a.db"
    journal = SqlJournal(open_store(place))
    journal.append(small_day(), durable=True)
    journal.close()
    with served(place) as found:
        yield found


@pytest.fixture
def shared(one_server: Client) -> Client:
    """Return a client for tests that leave no request: no lock of another test is on, and no wrong token is counted."""
    one_server.elapsed.now += 1000
    assert one_server.get("/api/status").status == 200
    return one_server
