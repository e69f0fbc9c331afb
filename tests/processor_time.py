"""What part 5 of the work takes of CI: the processor time of its tests, and of the processes that they start.

`docs/contributing.md` gives it two minutes of two cores. With RULEBOT_TEST_TIMES=FILE a run of pytest adds what each
file of tests took to that file; `python tests/processor_time.py FILE` prints the sum.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

TIMES_VARIABLE = "RULEBOT_TEST_TIMES"
CORES = 2
PART_5 = re.compile(
    r"""tests/(
        unit/adapters/test_(history_|recorded)\w*
        | unit/run/test_(as_test|backtest_|drift_|export|learning|observe_|observing_|quiet)\w*
        | unit/run/test_(recorded_|replay|scan_|sweep|tapes)\w*
        | unit/cli/test_(replay|train)_text
        | e2e/test_(backtest_|diff_past|drift|four_worlds|model_replay|observe|other_python)\w*
        | e2e/test_(past_markets|realised_worlds|recorded_|replay|shadow|sweep_command|train_command)\w*
    )\.py""",
    re.VERBOSE,
)
"""Files of tests of its words: record, replay, backtest, sweep, observe, learn, and scan a past day."""


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


def told(lines: list[str]) -> str:
    """Return what the part took of all that is counted in these lines."""
    every: Counter[str] = sum((Counter(json.loads(line)) for line in lines), Counter())
    mine = sum(seconds for file, seconds in every.items() if PART_5.fullmatch(file))
    minutes, seconds = divmod(round(mine / CORES), 60)
    return f"part 5: {minutes}:{seconds:02d} of {CORES} cores, {mine / max(1, every.total()):.0%} of all tests"


if __name__ == "__main__":
    print(told(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
