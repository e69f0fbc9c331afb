"""The garbage collector, kept out of where it would only cost time, or end forgotten things at moments of its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


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
    _seldom.begin()
    try:
        yield
    finally:
        _seldom.end()


class _Seldom:
    """How many ask for seldom collections, and what was before the first of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._before = gc.get_threshold()

    def begin(self) -> None:
        with self._lock:
            if not self._asking:
                self._before = gc.get_threshold()
                gc.freeze()
                gc.set_threshold(50_000, 20, 20)
            self._asking += 1

    def end(self) -> None:
        with self._lock:
            self._asking -= 1
            if not self._asking:
                gc.set_threshold(*self._before)
                gc.unfreeze()


_seldom = _Seldom()
