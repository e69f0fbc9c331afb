"""A sweep on workers of a distributed engine: what they must have as it is here."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.adapters.history.open import open_source
from engine.model.errors import StoreError
from engine.model.facts import EventCalendar
from engine.run.backtest.fills import NATURAL
from engine.run.backtest.walk import CASH
from engine.run.sweep.cluster import Same, on_cluster, same_as_here
from engine.run.sweep.compiling import Terms
from engine.run.sweep.tasks import Task

distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")
FIRST = date(2018, 1, 3)
DAILY = f"model:{Path(__file__).parents[2] / 'examples/data/daily'}?dte=0&step=30"
HERE = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}


def run(address: str, same: Same) -> list[Any]:
    terms = Terms(
        opens=partial(open_source, same.data),
        first=FIRST,
        last=FIRST,
        fills=NATURAL,
        cash=CASH,
        lines=90,
        file="x.yaml",
        calendar=EventCalendar(),
    )
    told: list[int] = []
    with on_cluster(address, same) as runs:
        return list(runs([Task([(0, ("a",), "no: bot")], (FIRST, FIRST), 1)], terms, told.append))


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
        (same._replace(data=f"{tmp_path / 'gone'}"), f"{tmp_path / 'gone'} does not exist"),
    ):
        with pytest.raises(StoreError) as caught:
            run(address, other)
        assert caught.value.message.startswith("on worker tcp://127.0.0.1:")
        assert caught.match(says)
