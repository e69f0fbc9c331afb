"""Where tasks run: in this process, or in others of this machine."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from rulebot.process.processes import SAVED, TRIED, is_sooner, several
from rulebot.sweep.compiling import VariantTerms
from rulebot.sweep.evaluate import Passed, run_variants
from rulebot.sweep.partition import Task
from rulebot.sweep.variant import PeriodResult

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

Runs = Callable[[Sequence[Task], VariantTerms, Passed], Iterator[list[PeriodResult]]]
"""Runs tasks: yields what came of each as it comes, in any order, and tells how many sessions have passed meanwhile."""
LOOKS = 0.25
"""Seconds between two looks at how far other processes are."""
MANY = 300
"""Variants to compile, each once in every task, at which others begin at once: that alone takes seconds."""


def here(found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
    """Run tasks one after the other in this process."""
    for task in found:
        yield run_variants(task.asked, terms, task.span, passed)


# ---------------------------------------------------------------- processes of this machine


@contextmanager
def in_processes(workers: int, elapsed: Callable[[], float] | None = None) -> Iterator[Runs]:
    """Yield how to run tasks in processes of this machine, which live until the end of the block.

    elapsed: seconds that count up, by which they begin once that saves time; None: they begin at once.
    """
    if workers <= 1:
        yield here
        return
    counter = get_context("spawn").Value("q", 0)
    with several(workers, partial(_begin, counter)) as pool:

        def runs(found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
            left = {pool.submit(_in_process, task, terms) for task in found}
            before = counter.value
            while left:
                ended, left = wait(left, LOOKS, FIRST_COMPLETED)
                now = counter.value
                passed(now - before)
                before = now
                for each in ended:
                    yield each.result()

        yield runs if elapsed is None else _HereFirst(workers, elapsed, runs)


class _HereFirst:
    """Runs tasks in this process until several would end sooner; then those begin, and have what is left.

    A search asks for more when its tasks are done, so what was spent on those before counts like what is left.
    """

    def __init__(self, workers: int, elapsed: Callable[[], float], others: Runs) -> None:
        self._workers, self._elapsed, self._others = workers, elapsed, others
        self._spent = 0.0
        self._have_begun = False

    def __call__(self, found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
        """Run tasks; the one that is at hand when the others begin is theirs from its beginning."""
        since, waiting = self._elapsed(), deque(found)
        looks = [(since, sum(task.sessions for task in found))]
        self._have_begun = self._have_begun or sum(len(task.asked) for task in found) >= MANY
        while waiting and not self._have_begun:
            parts = self._lived(waiting[0], terms, passed, looks)
            if parts is not None:
                waiting.popleft()
                yield parts
        self._spent += self._elapsed() - since
        self._have_begun = self._have_begun or is_sooner(self._spent, self._workers)
        if waiting:
            yield from self._others(tuple(waiting), terms, passed)

    def _lived(
        self, task: Task, terms: VariantTerms, passed: Passed, looks: list[tuple[float, int]]
    ) -> list[PeriodResult] | None:
        """Return what came of a task, None when the others are to begin. looks: when how many sessions were left."""
        before = looks[-1][1]

        def look(sessions: int) -> None:
            passed(sessions)
            looks.append((self._elapsed(), looks[-1][1] - sessions))
            left = _seconds_left(looks)
            if left is not None and is_sooner(self._spent + left, self._workers):
                raise _OthersAreSoonerError

        try:
            return run_variants(task.asked, terms, task.span, look)
        except _OthersAreSoonerError:
            self._have_begun = True
            passed(looks[-1][1] - before)
            return None


class _OthersAreSoonerError(Exception):
    """Leaves a task in its midst."""


def _seconds_left(looks: Sequence[tuple[float, int]]) -> float | None:
    """Return how long what is left would take here, None when that is not known yet.

    The first session imports and compiles: it does not count, unless as much was spent as is to be saved.
    """
    is_known = len(looks) > TRIED
    (since, first), (now, left) = looks[1 if is_known else 0], looks[-1]
    return (now - since) / max(first - left, 1) * left if is_known or now - since > SAVED else None


_OF_PROCESS: list["Synchronized[int]"] = []
"""The counter that this process shares with the one that began it."""


def _begin(counter: "Synchronized[int]") -> None:
    _OF_PROCESS[:] = [counter]


def _in_process(task: Task, terms: VariantTerms) -> list[PeriodResult]:
    (counter,) = _OF_PROCESS

    def passed(sessions: int) -> None:
        with counter.get_lock():
            counter.value += sessions

    return run_variants(task.asked, terms, task.span, passed)
