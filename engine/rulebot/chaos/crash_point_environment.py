"""A crash point of a real process: named in the environment, it ends the engine there and then, as a kill would.

`RULEBOT_CRASH="after write 12" rulebot run --paper --sim --gateway HOST:PORT ...` ends with exit code 137 after the
twelfth durable write. Runs on simulated markets alone take it: docs/reliability.md.
"""

import os
from typing import Any, NoReturn

from rulebot.chaos.crash_points import CrashingBroker, CrashingJournal, CrashPlan
from rulebot.chaos.scenario import Crash, ScenarioMoment
from rulebot.live.start import Run, RunOptions
from rulebot.model.errors import MisuseError
from rulebot.store.journal import SqlJournal

VARIABLE = "RULEBOT_CRASH"
KILLED = 137
"""The exit code of a process that SIGKILL has ended, as shells have it."""
POINTS = (
    ScenarioMoment.BEFORE_WRITE,
    ScenarioMoment.AFTER_WRITE,
    ScenarioMoment.AFTER_COMMAND,
    ScenarioMoment.BEFORE_SEND,
    ScenarioMoment.AFTER_SEND,
)
"""Where a process can be struck: at a durable write, after an order, change or cancel, at a write to the connection."""


class CrashPoint:
    """What ends a process at one point. Raises: MisuseError for words that name none."""

    def __init__(self, words: str) -> None:
        self._fate = CrashPlan((_crash(words),))
        self._fate.falls = _end
        self._fate.begin_life()

    def journal(self, options: RunOptions) -> SqlJournal:
        """Return the run's journal, at whose writes it may end."""
        return CrashingJournal(options, self._fate)

    def attend(self, run: Run) -> None:
        """Let the run end at its commands and at what it sends."""
        run.loop.broker = CrashingBroker(run.loop.broker, self._fate)
        connection = run.world.ib.link.wire.client.conn
        send = connection.sendMsg

        def counted(message: Any) -> None:
            self._fate.before_send()
            send(message)
            self._fate.after_send()

        connection.sendMsg = counted


def _crash(words: str) -> Crash:
    named = {point.value: point for point in POINTS}
    point, _, number = words.strip().rpartition(" ")
    if point not in named or not number.isdigit() or int(number) < 1:
        raise MisuseError(
            f"{VARIABLE} names a point and which time it is reached, is '{words}'",
            f"for example '{POINTS[1].value} 12'; the points are {', '.join(named)}",
        )
    return Crash(moment=named[point], number=int(number))


def _end(crash: Crash) -> NoReturn:
    os._exit(KILLED)
