"""Processes that share the work end with the one that asked for it."""

import subprocess
import sys
import time

import pytest

from rulebot.process.processes import several

KILLED = """
import os, signal, time
from rulebot.process.processes import several
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


MAPPED = """
import time
from rulebot.process.processes import several
with several(2) as pool:
    pool.submit(int).result()
    done = pool.map(time.sleep, [0.0, *[90] * 30])
    next(done)
    done.close()
    raise KeyboardInterrupt
"""


def test_an_interrupt_shows_nothing_of_the_thread_that_shared_the_work_out() -> None:
    """What a map had not begun was cancelled, then failed with the processes: a thread died of it, with a traceback."""
    done = subprocess.run([sys.executable, "-c", MAPPED], capture_output=True, text=True, timeout=60, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert "InvalidStateError" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends no process by a signal")
def test_a_kill_leaves_nobody_at_work() -> None:
    """Whoever is left would hold the pipe, and this would wait for it."""
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, timeout=60, check=False)
    assert done.returncode == -15


BEGINNING = """
import time
from functools import partial
from multiprocessing import get_context
from rulebot.process.processes import several
def shared():
    with several(2, partial(repr, get_context("spawn").Value("q", 0))) as pool:
        pool.map(time.sleep, [90] * 2)
        raise KeyboardInterrupt
try:
    shared()
except KeyboardInterrupt:
    pass
"""


def test_an_interrupt_shows_nothing_of_processes_that_are_only_beginning() -> None:
    """They found nothing of what they were begun with, since this process had ended: each told a traceback."""
    done = subprocess.run([sys.executable, "-c", BEGINNING], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
