"""An engine that stands still."""

import asyncio
import subprocess
import sys

from rulebot.process.service import ENDED_AFTER, EVERY, REPORTED_AFTER, Pulse, watched

BLOCKED = """
import asyncio, time
from rulebot.process import service as watchdog
watchdog.EVERY, watchdog.TOLD_AFTER, watchdog.ENDED_AFTER = 0.02, 5.0, 0.2

async def main():
    async with watchdog.watched(print, is_on=True):
        await asyncio.sleep(0.1)
        while True:
            time.sleep(0.01)

asyncio.run(main())
"""


def test_15_a_loop_that_turns_is_left_alone() -> None:
    pulse = Pulse(100.0)
    for number in range(1, 50):
        now = 100.0 + number * EVERY
        assert not pulse.beat(now)
        assert not pulse.is_dead(now)


def test_15_a_loop_that_stood_still_is_reported_when_it_turns_again() -> None:
    pulse = Pulse(100.0)
    assert pulse.beat(100.0 + EVERY + REPORTED_AFTER) == 0.0
    now = 100.0 + 2 * EVERY + REPORTED_AFTER
    assert pulse.beat(now + 7.0) == 7.0


def test_15_a_loop_that_never_turns_again_is_dead() -> None:
    pulse = Pulse(100.0)
    looks = [100.0 + number * EVERY for number in range(1, 40)]
    dead = [at for at in looks if pulse.is_dead(at)]
    assert dead[0] == 100.0 + ENDED_AFTER + EVERY


def test_15_a_process_that_was_stopped_as_a_whole_is_not_dead() -> None:
    pulse = Pulse(100.0)
    assert not pulse.is_dead(101.0)
    assert not pulse.is_dead(9000.0)
    assert not pulse.is_dead(9001.0)


def test_15_the_process_ends_with_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("error: the engine has not responded")
    assert "Traceback" not in done.stderr


def test_15_a_loop_of_ours_that_ends_no_batch_ends_the_process_though_the_event_loop_turns() -> None:
    stuck = BLOCKED.replace("is_on=True", "is_on=True, silence=lambda: 60.0").replace(
        "time.sleep", "await asyncio.sleep"
    )
    stuck = stuck.replace("as watchdog\n", "as watchdog\nwatchdog.STUCK_AFTER = {}\n")
    done = subprocess.run(
        [sys.executable, "-c", stuck.format("0.2")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("error: the engine has done nothing for")


def test_15_where_time_is_not_the_computers_nothing_is_watched() -> None:
    async def main() -> int:
        async with watched(print, is_on=False):
            return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
