"""Memory that is freed, kept for what comes next: asked of the C library, where it is one that can be asked."""

import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rulebot.model.while_asked import SharedFlag

TRIM, MMAP = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)."""
SETTINGS = {TRIM: ("MALLOC_TRIM_THRESHOLD_", 1 << 30), MMAP: ("MALLOC_MMAP_THRESHOLD_", 32 << 20)}
"""Where the environment has them, and how many bytes are kept here. From 32 MiB on the library maps on its own."""
DEFAULT = 128 << 10
"""Bytes of both where nobody says anything. Source: mallopt(3)."""


@contextmanager
def memory_kept() -> Iterator[None]:
    """Do not give freed memory back to the system meanwhile: for arrays that are made and freed over and over.

    Given back at once, as workers of dask ask for, each array costs the system's work of making its pages anew.
    Of several at once (threads), the last to end puts all back, and gives back what is free.
    """
    with _kept.asked():
        yield


def _keep() -> Callable[[], None]:
    if platform.libc_ver()[0] != "glibc":
        return lambda: None
    library = ctypes.CDLL(None)
    for setting, (_, kept) in SETTINGS.items():
        library.mallopt(setting, kept)

    def put_back() -> None:
        for setting, (name, _) in SETTINGS.items():
            library.mallopt(setting, _of_environment(name))
        library.malloc_trim(0)

    return put_back


_kept = SharedFlag(_keep)


def _of_environment(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else DEFAULT
