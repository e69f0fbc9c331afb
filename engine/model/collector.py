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
