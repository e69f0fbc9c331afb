"""The processor time of tests, by file: of the tests and of the processes that they start.

With RULEBOT_TEST_TIMES=FILE a run of pytest adds what each file of tests took to that file;
`python tests/processor_time.py FILE` prints the sum and the files that take most.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

TIMES_VARIABLE = "RULEBOT_TEST_TIMES"
SHOWN = 20
"""Files that are printed."""


class ProcessorTime:
    """Counts the seconds of user and system that each file of tests takes, ended processes of its own included."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._seconds: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count what a test takes, with its setup and teardown."""
        before = _processor()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid.partition("::")[0]] += _processor() - before

    def pytest_sessionfinish(self) -> None:
        """Add what was counted as a line of its own: several runs write at once."""
        with self._place.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(self._seconds)}\n")


def _processor() -> float:
    return sum(os.times()[:4])


def reported(lines: list[str]) -> str:
    """Return a table of what is counted in these lines, in seconds."""
    every: Counter[str] = sum((Counter(json.loads(line)) for line in lines), Counter())
    shown = (f"{seconds:7.1f}  {file}" for file, seconds in every.most_common(SHOWN))
    return "\n".join((f"processor time of tests: {every.total():.0f} s, most of it in", *shown))


if __name__ == "__main__":
    print(reported(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
