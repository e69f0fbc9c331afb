"""Memory that sweeps keep: what is freed and made again costs the system nothing meanwhile, and is given back after."""

import json
import os
import platform
import subprocess
import sys

import pytest

from rulebot.sweep.evaluate import memory_kept

PROGRAM = """
import ctypes, json, resource
from rulebot.sweep.evaluate import memory_kept

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
SIZE = 8 << 20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = libc.malloc(SIZE)
        ctypes.memset(block, 1, SIZE)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
with memory_kept():
    with memory_kept():
        found.append(faults())
    found.append(faults())
found.append(faults())
print(json.dumps(found))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_is_freed_is_kept_until_the_last_that_asks_has_ended() -> None:
    reported = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}  # as a worker of dask has it
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=reported, capture_output=True, text=True, check=True)
    before, first, then, after = json.loads(done.stdout)
    assert 4 * first < before  # a page may be of 4 KiB, or of 2 MiB
    assert 4 * then < before
    assert 4 * first < after


def test_another_library_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", asked.append)
    with memory_kept():
        assert not asked
    assert not asked
