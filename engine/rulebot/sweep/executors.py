"""Tasks of a sweep on worker processes or a distributed engine (Dask), which must have the same code and data.

A task is sent as bytes that are read within it: a worker without this package reports that, where it would otherwise
die. Before the first session it checks that code and data are equal, since otherwise other numbers would result
unnoticed.
"""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pickle import dumps
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from rulebot.adapters.sources import separate_files, written
from rulebot.model.errors import MisuseError, RulebotError, StoreError, in_words
from rulebot.process.processes import SAVED, TRIED, code_digest, is_sooner, several
from rulebot.sweep.evaluate import Asked, Passed, Span, run_variants
from rulebot.sweep.variant import EvaluationWay, PeriodResult, VariantTerms

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

    from distributed import Client, Future

# --- How a sweep is divided into tasks


class Task(NamedTuple):
    """Some variants, to be run on the sessions of a span. sessions: how many, each once for each variant."""

    asked: Sequence[Asked]
    span: Span
    sessions: int


class EvaluationMode(NamedTuple):
    """How variants run. tasks: for each worker; most: variants of one task.

    lives: how long a variant takes for one session. Unit: the time in which one is compiled.
    """

    tasks: int
    most: int
    lives: float


BY_TURNS = EvaluationMode(tasks=2, most=20, lives=6.0)
BY_ARRAYS = EvaluationMode(tasks=1, most=1_000, lives=0.03)
READ = 10.0
"""How long it takes to read a session, in the same unit; it may be more."""


class Shape(NamedTuple):
    """Into how many parts variants and sessions are divided: a task is one of each."""

    variants: int
    sessions: int


def shape_of(variants: int, sessions: int, workers: int, manner: EvaluationMode) -> Shape:
    """Return how to divide them so that all is done soonest: each task reads its sessions and compiles its variants."""
    count = manner.tasks * workers
    least = -(-variants // manner.most)

    def divided(spans: int) -> Shape:
        return Shape(min(max(least, -(-count // spans)), variants), spans)

    def time(shape: Shape) -> float:
        each, days = -(-variants // shape.variants), -(-sessions // shape.sessions)
        rounds = -(-shape.variants * shape.sessions // workers)
        return rounds * (days * READ + each + days * each * manner.lives)

    return min(map(divided, range(1, min(count, sessions) + 1)), key=time)


def spans_of(days: Sequence[date], terms: VariantTerms, count: int) -> list[Span]:
    """Return all days of a sweep in this many spans of equal size."""
    begins = [terms.first, *(days[len(days) * number // count] for number in range(1, count))]
    ends = [*(begin - timedelta(days=1) for begin in begins[1:]), terms.last]
    return list(zip(begins, ends, strict=True))


def tasks(
    asked: Sequence[Asked], terms: VariantTerms, days: Sequence[date], workers: int, way: EvaluationWay
) -> list[Task]:
    """Return the variants in tasks, a few for each worker, so that all end together, and none too large.

    Separate sessions are divided too. By arrays there is one task for each worker: variants take less time there than
    reading sessions. days: those of the source.
    """
    divided = days if way.is_separate and workers > 1 else ()
    shape = shape_of(len(asked), max(len(divided), 1), workers, BY_ARRAYS if way.by_arrays else BY_TURNS)
    size = -(-len(asked) // shape.variants)
    chunks = [asked[begin : begin + size] for begin in range(0, len(asked), size)]
    spans = [
        (span, sum(span[0] <= day <= span[1] for day in days)) for span in spans_of(divided, terms, shape.sessions)
    ]
    return [Task(chunk, span, len(chunk) * count) for chunk in chunks for span, count in spans]


# --- Where tasks run

Runs = Callable[[Sequence[Task], VariantTerms, Passed], Iterator[list[PeriodResult]]]
"""Runs tasks: yields each result as it finishes, in any order, and reports how many sessions have passed."""
EXECUTOR_LOOKS = 0.25
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
                ended, left = wait(left, EXECUTOR_LOOKS, FIRST_COMPLETED)
                now = counter.value
                passed(now - before)
                before = now
                for each in ended:
                    yield each.result()

        yield runs if elapsed is None else _HereFirst(workers, elapsed, runs)


class _HereFirst:
    """Runs tasks in this process until several would end sooner; then those start, with the rest.

    A search asks for more when its tasks are done, so time spent on earlier ones counts like the rest.
    """

    def __init__(self, workers: int, elapsed: Callable[[], float], others: Runs) -> None:
        self._workers, self._elapsed, self._others = workers, elapsed, others
        self._spent = 0.0
        self._have_started = False

    def __call__(self, found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
        """Run tasks; the one that is at hand when the others begin is theirs from its beginning."""
        since, waiting = self._elapsed(), deque(found)
        looks = [(since, sum(task.sessions for task in found))]
        self._have_started = self._have_started or sum(len(task.asked) for task in found) >= MANY
        while waiting and not self._have_started:
            parts = self._simulated(waiting[0], terms, passed, looks)
            if parts is not None:
                waiting.popleft()
                yield parts
        self._spent += self._elapsed() - since
        self._have_started = self._have_started or is_sooner(self._spent, self._workers)
        if waiting:
            yield from self._others(tuple(waiting), terms, passed)

    def _simulated(
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
            self._have_started = True
            passed(looks[-1][1] - before)
            return None


class _OthersAreSoonerError(Exception):
    """Leaves a task in its midst."""


def _seconds_left(looks: Sequence[tuple[float, int]]) -> float | None:
    """Return how long the rest would take here, None when unknown yet.

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


# --- Dask's home

_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")
LOOKS = 10.0
"""Seconds without a result after which it is asked whether there is a worker."""
WAITS = 60.0
"""Seconds for which one is waited for then."""


class Same(NamedTuple):
    """What a worker must have as it is here. data: by the same name; files: in the form of `written`."""

    code: str
    data: str
    last: date
    files: Mapping[str, Sequence[int]]


def same_as_here(data: str, last: date) -> Same:
    """Return what a worker must have for the sessions up to a day. Raises: as `written`."""
    return Same(code_digest(), data, last, written(data, last))


@contextmanager
def on_cluster(address: str, same: Same, goes_on: str) -> Iterator[Runs]:
    """Yield how to run tasks on a distributed engine; a task of a worker that dies is repeated.

    Sessions are reported when their task has ended. goes_on: how to continue when the engine fails.

    Raises: MisuseError for an invalid address; StoreError without the package, without an answer or workers, and when
    one differs from here.
    """
    if not _ADDRESS.fullmatch(address):
        raise MisuseError(f"a scheduler's address is tcp://HOST:PORT, is '{address}'")
    try:
        from distributed import Client
    except ImportError as error:
        raise StoreError("--scheduler needs a package that is not installed", 'pip install "rulebot[sweep]"') from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # its errors are reported here
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"no scheduler answers at {address}: {in_words(error)}") from error
    with client:

        def runs(found: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
            ended: SimpleQueue[Future] = SimpleQueue()
            works = [dumps(partial(_simulated, task, terms, same, client.id)) for task in found]
            sent = [client.submit(carrier(), work, pure=False) for work in works]
            for each in sent:
                each.add_done_callback(ended.put)
            for _ in sent:
                parts = result_of(_next(ended, client, address, goes_on), address, goes_on)
                passed(sum(len(part.profits) for part in parts))
                yield parts

        yield runs


def _next(ended: "SimpleQueue[Future]", client: "Client", address: str, goes_on: str) -> "Future":
    """Return a finished task. Raises: StoreError when there is no worker to run one."""
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
        f"each worker of the scheduler at {address} accepts no more work: {min(idle)}{more}",
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
    return StoreError(f"the scheduler at {address} no longer answers", goes_on)


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


def _simulated(task: Task, terms: VariantTerms, same: Same, sweep: str) -> list[PeriodResult]:
    """Return the result of a task. Raises: as `evaluate`, and StoreError where something differs, with the worker.

    sweep: checked again for each one.
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
            "install the same on it, and restart it: it keeps what it loaded",
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
