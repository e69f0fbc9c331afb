"""Dask's home: the tasks of a sweep on workers of a distributed engine, which must have what there is here.

A task goes there as bytes that are read within it: a worker that lacks this package says so, where it would be ended by
what it cannot read. Before the first session it looks whether code and data are the same there, for otherwise other
numbers would come of it, and nobody would know.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pickle import dumps
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from rulebot.adapters.sources import separate_files, written
from rulebot.model.errors import MisuseError, RulebotError, StoreError, in_words
from rulebot.process.version import code_digest
from rulebot.sweep.compiling import VariantTerms
from rulebot.sweep.evaluate import Passed, run_variants
from rulebot.sweep.executors import Runs
from rulebot.sweep.partition import Task
from rulebot.sweep.variant import PeriodResult

if TYPE_CHECKING:
    from distributed import Client, Future

_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")
LOOKS = 10.0
"""Seconds without a result after which it is asked whether there is a worker."""
WAITS = 60.0
"""Seconds for which one is waited for then."""


class Same(NamedTuple):
    """What a worker must have as it is here. data: as it is named there, too; files: as `written` tells them."""

    code: str
    data: str
    last: date
    files: Mapping[str, Sequence[int]]


def same_as_here(data: str, last: date) -> Same:
    """Return what a worker must have for the sessions up to a day. Raises: as `written`."""
    return Same(code_digest(), data, last, written(data, last))


@contextmanager
def on_cluster(address: str, same: Same, goes_on: str) -> Iterator[Runs]:
    """Yield how to run tasks on a distributed engine; a worker that dies loses only its task, which is done again.

    Sessions are told when their task has ended. goes_on: how to go on with what is done when the engine fails.

    Raises: MisuseError for what is no address; StoreError without the package, when nothing answers, when there is no
    worker, and when one differs from here.
    """
    if not _ADDRESS.fullmatch(address):
        raise MisuseError(f"a scheduler's address is tcp://HOST:PORT, is '{address}'")
    try:
        from distributed import Client
    except ImportError as error:
        raise StoreError("--scheduler needs a package that is not installed", 'pip install "rulebot[sweep]"') from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # tracebacks of what is told here
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"no scheduler answers at {address}: {in_words(error)}") from error
    with client:

        def runs(found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
            ended: SimpleQueue[Future] = SimpleQueue()
            works = [dumps(partial(_lived, task, terms, same, client.id)) for task in found]
            sent = [client.submit(carrier(), work, pure=False) for work in works]
            for each in sent:
                each.add_done_callback(ended.put)
            for _ in sent:
                parts = result_of(_next(ended, client, address, goes_on), address, goes_on)
                passed(sum(len(part.profits) for part in parts))
                yield parts

        yield runs


def _next(ended: "SimpleQueue[Future]", client: "Client", address: str, goes_on: str) -> "Future":
    """Return a task that has ended. Raises: StoreError when there is nobody who would do one."""
    while True:
        with suppress(Empty):
            return ended.get(timeout=LOOKS)
        try:
            client.wait_for_workers(1, timeout=WAITS)
        except TimeoutError as error:
            idle = _idle(client)
            if not any(idle.values()):
                raise _without_worker(idle, address, goes_on) from error
        except OSError as error:
            raise _gone(address, goes_on) from error


def _idle(client: "Client") -> Mapping[str, int]:
    """Return how many tasks each worker is at although it takes no new one, by its address."""
    workers: Mapping[str, Any] = client.scheduler_info()["workers"]
    return {name: each["metrics"].get("task_counts", {}).get("executing", 0) for name, each in workers.items()}


def _without_worker(idle: Mapping[str, int], address: str, goes_on: str) -> StoreError:
    if not idle:
        return StoreError(f"the scheduler at {address} has no worker", f"'dask worker {address}' begins one; {goes_on}")
    more = f" and {len(idle) - 1} more" if len(idle) > 1 else ""
    return StoreError(
        f"each worker of the scheduler at {address} takes no more work: {min(idle)}{more}",
        f"dask pauses one that is short of memory, as its log says: give it more (--memory-limit); {goes_on}",
    )


def result_of(done: "Future", address: str, goes_on: str) -> list[PeriodResult]:
    """Return what came of a task. Raises: StoreError when the engine failed, and what went wrong on its worker."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    try:
        parts: list[PeriodResult] = done.result()
    except CancelledError as error:
        raise _gone(address, goes_on) from error
    except KilledWorker as error:
        text = f"each worker that took these sessions has died, {error.last_worker.address} at last"
        raise StoreError(text, f"its log may say why, often too little memory; {goes_on}") from error
    except ImportError as error:
        raise StoreError(str(error), "its workers need the same rulebot as there is here") from error
    return parts


def _gone(address: str, goes_on: str) -> StoreError:
    return StoreError(f"the scheduler at {address} answers no more", goes_on)


# ---------------------------------------------------------------- on a worker


def carrier() -> Callable[[bytes], Any]:
    """Return what does a task there. It has no name to be found by, so that all of it is sent, and needs nothing."""

    def carry(work: bytes) -> Any:
        from pickle import loads

        from distributed import get_worker

        try:
            task = loads(work)
        except (ImportError, AttributeError) as error:
            raise ImportError(f"on worker {get_worker().address}: {error}") from None
        return task()

    return carry


def _lived(task: Task, terms: VariantTerms, same: Same, sweep: str) -> list[PeriodResult]:
    """Return what came of a task. Raises: as `live_through`, and StoreError where something differs, with the worker.

    sweep: of each one it is looked at anew.
    """
    from distributed import get_worker

    try:
        if sweep not in _KNOWN:
            _check(same)
            _KNOWN.add(sweep)
        return run_variants(task.asked, terms, task.span)
    except RulebotError as error:
        error.message = f"on worker {get_worker().address}: {error.message}"
        raise


_KNOWN: set[str] = set()
"""The sweeps for which this process is known to have the same as the one that asks."""


def _check(same: Same) -> None:
    """Raises: StoreError when code or data are others than where the sweep was asked for."""
    if code_digest() != same.code:
        raise StoreError(
            "the code of rulebot is another one than here",
            "install the same on it, and start it anew: it keeps what it loaded",
        )
    there = written(same.data, same.last)
    if lacking := separate_files({file: known for file, known in same.files.items() if file not in there}, {}):
        raise StoreError(
            f"some of the data is not there, or may not be read by who runs it: {lacking}",
            "it needs the same data at the same path; a copy has to keep the times of writing, as of rsync -t",
        )
    if apart := separate_files(same.files, there):
        raise StoreError(
            f"its data is another one than here: {apart}", "a copy has to keep the times of writing, as of rsync -t"
        )
