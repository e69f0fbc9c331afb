"""Where tasks run: in this process, in others of this machine, or on a distributed engine."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from engine.model.errors import MisuseError, StoreError, in_words
from engine.run.processes import deaf, several
from engine.run.sweep.compiling import Terms
from engine.run.sweep.evaluate import Passed, live_through
from engine.run.sweep.tasks import Task
from engine.run.sweep.variant import Part

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

Runs = Callable[[Sequence[Task], Terms, Passed], Iterator[list[Part]]]
"""Runs tasks: yields what came of each as it comes, in any order, and tells how many sessions have passed meanwhile."""
_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")
LOOKS = 0.25
"""Seconds between two looks at how far other processes are."""


def here(found: Sequence[Task], terms: Terms, passed: Passed) -> Iterator[list[Part]]:
    """Run tasks one after the other in this process."""
    for task in found:
        yield live_through(task.asked, terms, task.span, passed)


# ---------------------------------------------------------------- processes of this machine


@contextmanager
def in_processes(workers: int) -> Iterator[Runs]:
    """Yield how to run tasks in processes of this machine, which live until the end of the block."""
    if workers <= 1:
        yield here
        return
    counter = get_context("spawn").Value("q", 0)
    with several(workers, partial(_begin, counter)) as pool:

        def runs(found: Sequence[Task], terms: Terms, passed: Passed) -> Iterator[list[Part]]:
            with deaf():
                left = {pool.submit(_in_process, task, terms) for task in found}
            before = counter.value
            while left:
                ended, left = wait(left, LOOKS, FIRST_COMPLETED)
                now = counter.value
                passed(now - before)
                before = now
                for each in ended:
                    yield each.result()

        yield runs


_OF_PROCESS: list["Synchronized[int]"] = []
"""The counter that this process shares with the one that began it."""


def _begin(counter: "Synchronized[int]") -> None:
    _OF_PROCESS[:] = [counter]


def _in_process(task: Task, terms: Terms) -> list[Part]:
    (counter,) = _OF_PROCESS

    def passed(sessions: int) -> None:
        with counter.get_lock():
            counter.value += sessions

    return live_through(task.asked, terms, task.span, passed)


# ---------------------------------------------------------------- a distributed engine


@contextmanager
def on_cluster(address: str) -> Iterator[Runs]:
    """Yield how to run tasks on a distributed engine; a worker that dies loses only its task, which is done again.

    Sessions are told when their task has ended. Raises: MisuseError for what is no address, StoreError without the
    package, and when nothing answers.
    """
    if not _ADDRESS.fullmatch(address):
        raise MisuseError(f"a scheduler's address is tcp://HOST:PORT, is '{address}'")
    try:
        from distributed import Client
        from distributed import as_completed as ended
    except ImportError as error:
        raise StoreError("--scheduler needs a package that is not installed", 'pip install "rulebot[sweep]"') from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"no scheduler answers at {address}: {in_words(error)}") from error
    with client:

        def runs(found: Sequence[Task], terms: Terms, passed: Passed) -> Iterator[list[Part]]:
            run = partial(client.submit, live_through, pure=False, retries=3)
            futures = [run(task.asked, terms, task.span) for task in found]
            for done in ended(futures, loop=client.loop):
                parts = done.result()
                passed(sum(len(part.profits) for part in parts))
                yield parts

        yield runs
