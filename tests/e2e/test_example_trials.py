"""The tests that stand beside the examples pass, and see every exit of theirs act."""

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from rulebot.spec_tests.coverage import covered
from rulebot.spec_tests.outcome import run_spec_test, spec_test_files

FILES = sorted((Path(__file__).parents[2] / "examples" / "tests").glob("*.test.yaml"))
SLOW = ("averages", "universe", "universe_by_rank")
"""Examples of many days or many symbols: their tests run in CI, not in the quick run."""
BY_THE_CLOCK = ("time", "at_expiry", "dte")


def _shown(file: Path) -> Any:
    name = file.name.partition(".")[0]
    return pytest.param(file, marks=pytest.mark.long, id=f"ci {name}") if name in SLOW else pytest.param(file, id=name)


@pytest.mark.parametrize("file", [_shown(file) for file in FILES])
def test_the_tests_of_an_example_pass_and_try_its_exits(file: Path) -> None:
    (document,) = spec_test_files([str(file)])
    assert document.problems == ()
    results = [run_spec_test(planned, perf_counter) for planned in document.planned]
    missed = [(each.planned.trial.name, each.misses, each.error) for each in results if not each.is_passed]
    assert missed == []
    (found,) = covered(results)
    asleep = [each for each in found.lacking if each.startswith("exit ") and each.endswith("never acts")]
    assert [each for each in asleep if each.split()[1].rstrip(":") not in BY_THE_CLOCK] == []
