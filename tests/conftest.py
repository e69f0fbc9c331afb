"""What every folder of tests may use; being here, it also lets them import `store_day`."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer, running_server
from store_day import small_day

from engine.store.journal import SqlJournal
from engine.store.open import open_store
from engine.store.place import Place

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return the server that tests share; each store has a user and a schema of its own."""
    with running_server() as server:
        yield server


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return where a new store goes: a file, and once more a schema of a server."""
    if request.param == "sqlite":
        return tmp_path / "a.db"
    server = request.getfixturevalue("postgres_server")
    assert isinstance(server, PostgresServer)
    return server.place()


@pytest.fixture
def day_place(place: Place) -> Place:
    """Return the place of a closed store that holds the small hand-made day, on both databases."""
    journal = SqlJournal(open_store(place))
    journal.append(small_day(), durable=True)
    journal.close()
    return place


@pytest.fixture
def day_store(tmp_path: Path) -> Path:
    """Return the path of a closed store that holds the small hand-made day."""
    path = tmp_path / "day.db"
    journal = SqlJournal(open_store(path))
    journal.append(small_day(), durable=True)
    journal.close()
    return path


@pytest.fixture(autouse=True)
def _levels_of_logs() -> Iterator[None]:
    """Leave logs as they were: a command sets levels and handlers of its process, which here goes on."""
    logs = [logging.getLogger(name) for name in ("", "rulebot")]
    kept = [(log.level, list(log.handlers)) for log in logs]
    yield
    for log, (level, handlers) in zip(logs, kept, strict=True):
        log.setLevel(level)
        log.handlers[:] = [
            each for each in log.handlers if each in handlers or type(each).__module__ == "_pytest.logging"
        ]
