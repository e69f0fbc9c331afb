"""A sweep on workers of a distributed engine: what they must have as it is here, and how its failures are told."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.simulation import CASH
from rulebot.model.errors import StoreError
from rulebot.model.facts import EventCalendar
from rulebot.sweep import executors as cluster
from rulebot.sweep.executors import Same, Task, on_cluster, same_as_here
from rulebot.sweep.variant import VariantTerms

distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")
FIRST = date(2018, 1, 3)
DAILY = f"model:{Path(__file__).parents[2] / 'examples/data/daily'}?dte=0&step=30"
GOES_ON = "it goes on"
HERE = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}


def run(address: str, same: Same) -> list[Any]:
    terms = VariantTerms(
        opens=partial(open_source, same.data),
        first=FIRST,
        last=FIRST,
        fills=NATURAL,
        cash=CASH,
        lines=90,
        file="x.yaml",
        calendar=EventCalendar(),
    )
    reported: list[int] = []
    with on_cluster(address, same, GOES_ON) as runs:
        return list(runs([Task([(0, ("a",), "no: bot")], (FIRST, FIRST), 1)], terms, reported.append))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **HERE) as engine:
        yield engine.scheduler_address


def test_a_worker_must_have_the_code_and_the_data_that_are_here(address: str, tmp_path: Path) -> None:
    """Of other commissions, or of a folder of the same name, other numbers came without a word."""
    same = same_as_here(DAILY, FIRST)
    (parts,) = run(address, same)
    assert [each.problem[:6] for each in parts] == ["x.yaml"]
    file = next(iter(same.files))
    changed = {**same.files, file: [1, 2]}
    for other, says in (
        (same._replace(code="another"), "the code of rulebot is another one than here"),
        (same._replace(files=changed), f"its data is another one than here: {file}$"),
        (same._replace(files={**same.files, "gone": [1, 2]}), "is not there, or may not be read by who runs it: gone$"),
        (same._replace(data=f"{tmp_path / 'gone'}"), f"{tmp_path / 'gone'} does not exist"),
    ):
        with pytest.raises(StoreError) as caught:
            run(address, other)
        assert caught.value.message.startswith("on worker tcp://127.0.0.1:")
        assert caught.match(says)


def test_a_worker_without_the_package_says_so(address: str) -> None:
    """It was ended by what it could not read, and the sweep waited for ever."""
    read = "import sys, cloudpickle; sys.modules['engine'] = None; cloudpickle.load(sys.stdin.buffer)"
    subprocess.run([sys.executable, "-c", read], input=cloudpickle.dumps(cluster.carrier()), check=True)
    with distributed.Client(address, set_as_default=False) as client:
        done = client.submit(cluster.carrier(), b"cnot_there\nlived\n.", pure=False)
        with pytest.raises(StoreError, match=r"on worker tcp://127\S+: No module named 'not_there'"):
            cluster.result_of(done, address, GOES_ON)


def test_an_engine_without_workers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOOKS", 0.1)
    monkeypatch.setattr(cluster, "WAITS", 0.1)
    with distributed.LocalCluster(n_workers=0, **HERE) as engine:
        with pytest.raises(StoreError, match=r"the scheduler at tcp://127.* has no worker") as caught:
            run(engine.scheduler_address, same_as_here(DAILY, FIRST))
        assert caught.value.help == f"'dask worker {engine.scheduler_address}' begins one; it goes on"


def test_workers_that_dask_has_paused_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was said that there is no worker, and to begin one. One that is at a task may be able to take another soon."""
    monkeypatch.setattr(cluster, "LOOKS", 0.1)
    monkeypatch.setattr(cluster, "WAITS", 0.1)
    looks: list[str] = []

    class Paused(distributed.Client):  # type: ignore[misc]
        def scheduler_info(self, *args: object, **named: object) -> object:
            found = super().scheduler_info(*args, **named)
            looks.append(str(min(found["workers"])))
            counts = {"executing": 1} if len(looks) == 1 else {}
            workers = {name: {**each, "metrics": {"task_counts": counts}} for name, each in found["workers"].items()}
            return {**found, "workers": workers}

    monkeypatch.setattr(distributed, "Client", Paused)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=None, **HERE) as engine:
        (worker,) = engine.workers.values()
        worker.status = distributed.core.Status.paused
        with distributed.Client(engine.scheduler_address, set_as_default=False) as client:
            while client.scheduler_info()["workers"][worker.address]["status"] != "paused":
                pass
        looks.clear()
        with pytest.raises(StoreError, match=f"accepts no more work: {worker.address}$") as caught:
            run(engine.scheduler_address, same_as_here(DAILY, FIRST))
    assert len(looks) == 2
    assert caught.value.help is not None
    assert "--memory-limit" in caught.value.help


def test_a_scheduler_that_is_gone_is_reported() -> None:
    """It was a traceback of thirty lines."""
    with distributed.LocalCluster(n_workers=0, **HERE) as engine:
        ends = Timer(0.3, engine.close)
        ends.start()
        with pytest.raises(StoreError, match=r"the scheduler at tcp://127.* no longer answers") as caught:
            run(engine.scheduler_address, same_as_here(DAILY, FIRST))
        ends.join()
    assert caught.value.help == GOES_ON


def test_sessions_that_end_each_worker_are_reported() -> None:
    def result() -> None:
        raise distributed.scheduler.KilledWorker("carried", SimpleNamespace(address="tcp://there:1"), 3)

    with pytest.raises(StoreError, match="each worker that took these sessions has died, tcp://there:1 at last"):
        cluster.result_of(SimpleNamespace(result=result), "tcp://here:1", GOES_ON)
