"""Other engines, each in a process of the anchors' interpreter that reads a line of JSON and answers with another.

What is loaded once stays loaded and is not timed; each answer tells the processor time of reading the files, converting
them into the engine's own values, and running, with the collector off, as for our own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.anchors import anchor, environment
from benchmarks.measure import quiet_collector

Trade = tuple[str, int, int, str, float, float]
"""Session, minute of entry and of exit, reason, credit, cost."""
Runs = Callable[[str, list[Path]], list[Trade]]


class Answer(NamedTuple):
    """Seconds of one run, and the trades that came of it."""

    seconds: float
    trades: list[Trade]


class Peer:
    """The process of one engine, which is a module of this package. Its package must be installed."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._process = subprocess.Popen(
            [str(anchor("python")), "-m", module], cwd=Path(__file__).parent.parent, env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, how: str, files: Sequence[Path]) -> Answer:
        """Run the task over files. Raises: RuntimeError when the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([how, [str(file) for file in files]]), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{self.module} has ended")
        seconds, trades = json.loads(line)
        return Answer(seconds, [tuple(trade) for trade in trades])


def serve(runs: Runs) -> None:
    """Answer in an engine's process until nobody asks any more; what the engine prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        how, files = json.loads(line)
        with quiet_collector():
            began = time.process_time()
            trades = runs(how, [Path(file) for file in files])
            spent = time.process_time() - began
        print(json.dumps([spent, trades]), file=answers, flush=True)
