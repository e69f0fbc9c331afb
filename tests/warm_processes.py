"""Processes of the program that begin with its modules imported: tests start dozens, and an import takes seconds each.

They are forked from one process that has imported them and does nothing else. Where there is no fork they are spawned.
"""

import os
from multiprocessing import context

IMPORTED = ["rulebot.backtest.run", "rulebot.cli.terminal.top", "rulebot.sweep.executors", "rulebot.web.recorded_days"]

if os.name != "nt":

    class _WarmProcess(context.ForkServerProcess):
        """A process with the environment of the one that starts it, as a spawned one has it."""

        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[arg-type]
            self._environment = dict(os.environ)

        def run(self) -> None:
            """Do its work."""
            os.environ.clear()
            os.environ.update(self._environment)
            super().run()

    class _WarmContext(context.ForkServerContext):
        Process = _WarmProcess  # type: ignore[assignment]


def warm_processes() -> None:
    """Let whoever asks for spawned processes in this process have warm ones."""
    if os.name != "nt":
        found = _WarmContext()
        found.set_forkserver_preload(IMPORTED)
        context._concrete_contexts["spawn"] = found  # type: ignore[attr-defined]
