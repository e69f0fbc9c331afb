"""Processes that share the work end with the one that asked for it."""

import subprocess
import sys
import time

import pytest

from engine.run.processes import several

KILLED = """
import os, signal, time
from engine.run.processes import several
with several(1) as pool:
    pool.submit(os.getpid).result()
    pool.submit(time.sleep, 90)
    os.kill(os.getpid(), signal.SIGTERM)
"""


def interrupted() -> None:
    with several(1) as pool:
        pool.submit(int).result()
        pool.submit(time.sleep, 90)
        raise KeyboardInterrupt


def test_an_interrupt_waits_for_no_work() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 60


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends no process by a signal")
def test_a_kill_leaves_nobody_at_work() -> None:
    """Whoever is left would hold the pipe, and this would wait for it."""
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, timeout=60, check=False)
    assert done.returncode == -15
