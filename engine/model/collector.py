"""The garbage collector, kept out of where it would only cost time, or end forgotten things at moments of its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave garbage where it is meanwhile: for imports, short pieces of work, and trials that must be repeatable."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let what is there already be, and look at new things seldom: for a run that makes much and forgets most of it.

    Where nothing is collected at all, nothing changes.
    """
    if not gc.isenabled():
        yield
        return
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
