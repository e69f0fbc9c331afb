"""The garbage collector, kept out of where it would only cost time, or end forgotten things at moments of its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_asking: set[object] = set()
"""Runs that ask for seldom collections."""
_before: list[tuple[int, int, int]] = []
"""How often was collected before the first of them."""


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

    Where nothing is collected at all, nothing changes. Of several at once (threads), the last to end puts all back.
    """
    if not gc.isenabled():
        yield
        return
    asks = object()
    if not _asking:
        _before.append(gc.get_threshold())
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
    _asking.add(asks)
    try:
        yield
    finally:
        _asking.discard(asks)
        if not _asking:
            gc.set_threshold(*_before.pop())
            gc.unfreeze()
