"""Garbage collection settings for programs that create many objects and keep most of them."""

import atexit
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rulebot.model.values import SharedFlag

SELDOM = (50_000, 20, 20)


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave garbage where it is meanwhile: for imports, short pieces of work, and trials that must be repeatable."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def with_rare_collection() -> Iterator[None]:
    """Exclude existing objects from garbage collection and collect new ones seldom, during a large run.

    No effect where collection is disabled. With several at once (threads), the last to end restores the settings.
    """
    if not gc.isenabled():
        yield
        return
    with _seldom.asked():
        yield


def _look_seldom() -> Callable[[], None]:
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*SELDOM)

    def put_back() -> None:
        gc.set_threshold(*before)
        gc.unfreeze()

    return put_back


_seldom = SharedFlag(_look_seldom)


@contextmanager
def tune_gc_for_program() -> Iterator[None]:
    """Collect new objects seldom: most of what a program imports and makes lives until it ends."""
    with _programs.asked():
        yield


def _look_less() -> Callable[[], None]:
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    return lambda: gc.set_threshold(*before)


_programs = SharedFlag(_look_less)


def leave_at_end() -> None:
    """Leave what this process holds to the system when it ends: looking through all of it first finds nothing."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
