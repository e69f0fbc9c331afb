"""Measure the goals, all or a few: `python -m benchmarks [--print] [NAME...]`.

What was measured is kept, and docs/benchmarks.md written of it; with --print it is only printed.
"""

import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    commands,
    day,
    gateway,
    modelled,
    past,
    peers,
    push,
    recordings,
    restart,
    safety,
    sweeps,
    turns,
    weeks,
)
from benchmarks.anchors import pins, python_version
from benchmarks.measure import Goal
from benchmarks.measured import FILE, Measured, keep
from benchmarks.page import page, table

SUITES: dict[str, Callable[[], list[Goal]]] = {
    "commands": commands.measure,
    "turns": turns.measure,
    "growth": turns.measure_growth,
    "gateway": gateway.measure,
    "day": day.measure,
    "past": past.measure,
    "modelled": modelled.measure,
    "peers": peers.measure,
    "push": push.measure,
    "recordings": recordings.measure,
    "restart": restart.measure,
    "safety": safety.measure,
    "sweeps": sweeps.measure,
    "weeks": weeks.measure,
}
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PRINT = "--print"


def main(arguments: list[str]) -> int:
    """Measure what was named, or everything; return the exit code."""
    names = [each for each in arguments if each != PRINT]
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    for name in names or list(SUITES):
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        goals, today = SUITES[name](), str(datetime.now(UTC).date())
        print(table(Measured(goal, today) for goal in goals), flush=True)
        if PRINT not in arguments:
            PAGE.write_text(page(keep(goals, today), facts()), encoding="utf-8")
    if PRINT not in arguments:
        print(f"written: {_named(FILE)}, {_named(PAGE)}", file=sys.stderr)
    return 0


def _named(file: Path) -> str:
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def facts() -> list[str]:
    """Return what the machine is and which versions were measured."""
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("ib_async", "numpy", "ruamel.yaml", "jsonschema", "click")
    )
    return [f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            f"Python {platform.python_version()}", libraries,
            f"beside them {', '.join(pins()).replace('==', ' ')} under {python_version()}",
            f"load average over 15 minutes when it ended: {os.getloadavg()[2]:.1f}"]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
