"""Rounds that alternate, and what is kept of them. Medians only: one round on a shared machine says nothing."""

import gc
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True)
class Goal:
    """One goal: its number in the design, what is measured, how, the figure, and the floor and stretch it is held to.

    `figure` None was not measured, for the reason in `note`. `at_most` False means that more is better; `least` bounds
    a figure from below that must lie in a range. Floors and stretches are in the figure's unit.
    """

    number: str
    what: str
    how: str
    figure: float | None
    unit: str = "x"
    floor: float | None = None
    stretch: float | None = None
    at_most: bool = True
    least: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the floor holds; None without a floor or a figure."""
        if self.figure is None or self.floor is None:
            return None
        if self.least is not None and self.figure < self.least:
            return False
        return self.figure <= self.floor if self.at_most else self.figure >= self.floor


@dataclass
class Rounds:
    """Seconds (or another figure) of several contenders, round by round."""

    kept: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Keep the figure of one round."""
        self.kept.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.kept[name])

    def ratio(self, own: str, other: str) -> float:
        """Return the median of the ratios of each round."""
        return statistics.median(a / b for a, b in zip(self.kept[own], self.kept[other], strict=True))


def alternate(contenders: Mapping[str, Callable[[], float]], rounds: int = ROUNDS, warm_up: bool = True) -> Rounds:
    """Run every contender once a round, in turn, and keep what each returns."""
    found = Rounds()
    if warm_up:
        for run in contenders.values():
            run()
    for _ in range(rounds):
        for name, run in contenders.items():
            found.add(name, run())
    return found


def peak_memory() -> float:
    """Return the most memory that this program has had, megabytes.

    Where the system tells it: what getrusage says includes what the process was before it became this program, which
    may be the fork of a larger one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (each for each in status.read_text(encoding="utf-8").splitlines() if each.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def process_seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Return the seconds that a command takes from its start to its end. Raises: CalledProcessError."""
    started = time.perf_counter()
    subprocess.run(list(command), check=True, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - started


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep the garbage collector out of what is timed."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
