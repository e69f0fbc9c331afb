"""Dask's home: the tasks of a sweep on workers of a distributed engine, which must have what there is here.

Before the first session a worker looks whether code and data are the same there, for otherwise other numbers would come
of it, and nobody would know.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from engine.adapters.history.open import files_apart, written
from engine.model.errors import MisuseError, RulebotError, StoreError, in_words
from engine.run.release import code_digest
from engine.run.sweep.compiling import Terms
from engine.run.sweep.evaluate import Passed, live_through
from engine.run.sweep.places import Runs
from engine.run.sweep.tasks import Task
from engine.run.sweep.variant import Part

if TYPE_CHECKING:
    pass

_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")


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
def on_cluster(address: str, same: Same) -> Iterator[Runs]:
    """Yield how to run tasks on a distributed engine; a worker that dies loses only its task, which is done again.

    Sessions are told when their task has ended. Raises: MisuseError for what is no address; StoreError without the
    package, when nothing answers, and when a worker differs from here.
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
            sent = [client.submit(_lived, task, terms, same, client.id, pure=False) for task in found]
            for done in ended(sent, loop=client.loop):
                parts = done.result()
                passed(sum(len(part.profits) for part in parts))
                yield parts

        yield runs


# ---------------------------------------------------------------- on a worker


def _lived(task: Task, terms: Terms, same: Same, sweep: str) -> list[Part]:
    """Return what came of a task. Raises: as `live_through`, and StoreError where something differs, with the worker.

    sweep: of each one it is looked at anew.
    """
    from distributed import get_worker

    try:
        if sweep not in _KNOWN:
            _check(same)
            _KNOWN.add(sweep)
        return live_through(task.asked, terms, task.span)
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
    if apart := files_apart(same.files, written(same.data, same.last)):
        raise StoreError(
            f"its data is another one than here: {apart}", "a copy has to keep the times of writing, as of rsync -t"
        )
