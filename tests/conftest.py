"""What every folder of tests may use; being here, it also lets them import `store_day`."""

import gc
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is there: a process for each core needs no more threads

import pytest
from hypothesis import HealthCheck, settings
from postgres_server import PostgresServer, running_server
from processor_time import TIMES_VARIABLE, ProcessorTime
from store_day import small_day
from warm_processes import warm_processes

from rulebot.store.journal import SqlJournal
from rulebot.store.place import DATA_VARIABLE, Place
from rulebot.store.registry import open_store

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]

SIGNS = {
    "long": re.compile(r"mark\.long\b"),
    "postgres": re.compile(r"mark\.postgres\b|\b(day_)?place: |\bany_client\b"),
}
"""What stands in each file that holds tests of a mark; `pytest -m long` imports no other file."""

_WITHOUT_SIGN = pytest.StashKey[list[str]]()

settings.register_profile("however slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("however slow")  # no test fails because the machine has other work

LOGS = [logging.getLogger(name) for name in ("", "rulebot")]
LEVELS = [log.level for log in LOGS]

gc.set_threshold(50_000, 20, 20)  # thousands of tests and modules live to the end: looking through them finds nothing

warm_processes()

_program = sys.modules["__main__"]  # pytest, which each process that a test spawns would import again before its work
_program.__spec__ = None
vars(_program).pop("__file__", None)


def pytest_configure(config: pytest.Config) -> None:
    """Count what files of tests take, where CI asks for it."""
    if place := os.environ.get(TIMES_VARIABLE):
        config.pluginmanager.register(ProcessorTime(Path(place)))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over files that hold no test of the one mark that is asked for, unless they are named."""
    asked = re.fullmatch(r"(\w+)(?: and (?!.*\bor\b).*)?", config.option.markexpr)
    sign = SIGNS.get(asked[1]) if asked else None
    if sign is None or collection_path.suffix != ".py" or str(collection_path) in _named(config):
        return None
    return sign.search(collection_path.read_text(encoding="utf-8")) is None or None


def _named(config: pytest.Config) -> set[str]:
    return {str(config.invocation_params.dir / each.partition("::")[0]) for each in config.args}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note files that hold tests of a mark without its sign, before any are left out."""
    config.stash[_WITHOUT_SIGN] = sorted(
        f"{path}: {mark}"
        for mark, sign in SIGNS.items()
        for path in {item.path for item in items if item.get_closest_marker(mark)}
        if not sign.search(path.read_text(encoding="utf-8"))
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Look for garbage once: pytest does so again behind this, and Python as it ends, through all there is."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def without_sign(pytestconfig: pytest.Config) -> list[str]:
    """Return the files of this run that hold tests of a mark without its sign, and the mark."""
    return pytestconfig.stash[_WITHOUT_SIGN]


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


@pytest.fixture(scope="session", autouse=True)
def _folder_of_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what a person has of rulebot out of the tests, and what tests leave out of a person's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_VARIABLE, str(tmp_path_factory.mktemp("data-of-a-person")))
        yield


@pytest.fixture(autouse=True)
def _levels_of_logs() -> Iterator[None]:
    """Leave logs as they were: a command sets levels and handlers of its process, which here goes on.

    So does one that a fixture of a whole file runs, before this.
    """
    kept = [list(log.handlers) for log in LOGS]
    for log, level in zip(LOGS, LEVELS, strict=True):
        log.setLevel(level)
    yield
    for log, level, handlers in zip(LOGS, LEVELS, kept, strict=True):
        log.setLevel(level)
        log.handlers[:] = [
            each for each in log.handlers if each in handlers or type(each).__module__ == "_pytest.logging"
        ]
