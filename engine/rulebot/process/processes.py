"""Processes that share the work of this one, and end with it: by its end, by a fault, by Ctrl+C and by a kill."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from rulebot.model.collector import leave_at_end
from rulebot.model.errors import StoreError
from rulebot.store.registry import source_digest

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")
TRIED = 3
"""Sessions run here before their duration is known; the first of them imports its modules."""
SAVED = 2.0
"""Seconds that processes must save: they take about one to begin."""
ENDS = 5.0
"""Seconds for which one that is still beginning is waited for: what it needs from this process is gone with it."""


def is_sooner(seconds: float, workers: int) -> bool:
    """Say whether several processes save time over one that takes this many seconds."""
    return seconds * (1.0 - 1.0 / workers) > SAVED


@contextmanager
def several(
    workers: int, begins: Callable[[], None] | None = None, help: str | None = "--workers 1 takes less memory"
) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that leave Ctrl+C to this one.

    They end in the middle of their work when the block is left by an exception, or when this process dies: they see
    that a pipe is closed whose other end it alone has. So their work must need no cleanup. begins: what each does
    first. Raises: StoreError, with this help, when one of them is killed.
    """
    context, others = get_context("spawn"), active_children()
    stands, holds = context.Pipe(duplex=False)
    with stands, holds:
        pool = _Pool(workers, mp_context=context, initializer=_begin_process, initargs=(stands, begins))
        try:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # first, since what still waits would fail with them
                holds.close()
                for process in active_children():
                    if process not in others:
                        process.join(ENDS)
                raise
            pool.shutdown()
        except BrokenProcessPool as error:
            raise StoreError("a process that shares the work has died", help) from error


class _Pool(ProcessPoolExecutor):
    """Processes that are started with Ctrl+C blocked: one starts when work is queued and none is idle."""

    def submit(self, run: Callable[P, T], /, *args: P.args, **given: P.kwargs) -> Future[T]:
        """Hand work over."""
        with _deaf():
            return super().submit(run, *args, **given)


@contextmanager
def _deaf() -> Iterator[None]:
    """Block Ctrl+C meanwhile: processes that are started now never receive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin_process(stands: "Connection", begins: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_at_end()
    threading.Thread(target=_end_with, args=(stands,), daemon=True).start()
    if begins is not None:
        begins()


def _end_with(stands: "Connection") -> None:
    """End this process when the other end of a pipe is closed."""
    stands.poll(None)
    os._exit(1)


# --- Which rulebot this is

ENGINE = Path(__file__).parents[1]
"""The program's folder."""


def release() -> str:
    """Return the version of this program."""
    try:
        return version("rulebot")
    except PackageNotFoundError:
        return "from a checkout"


@cache
def code_digest(folder: Path = ENGINE) -> str:
    """Return a digest of this program's sources and the event dates in it: checkouts of one version may differ.

    It stays that of when it was first asked for, as what a process has loaded does.
    """
    return source_digest(folder, (*folder.rglob("*.py"), *folder.glob("calendars/*.json")))
