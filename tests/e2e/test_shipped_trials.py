"""The shipped tests pass, try every rule, and notice when a shipped spec is not what was meant."""

from pathlib import Path
from time import perf_counter

import pytest
from trial_mutations import MUTATIONS, Mutation

from rulebot.spec.files import shipped, shipped_names
from rulebot.spec_tests.coverage import covered
from rulebot.spec_tests.outcome import SpecTestFile, read_spec_tests, run_spec_test, spec_test_files

FILES = sorted((shipped("specs") / "tests").glob("*.test.yaml"))
SAMPLE = MUTATIONS[::5]
MOST_UNNOTICED = len(MUTATIONS) // 10


def test_every_shipped_spec_has_tests() -> None:
    specs = set(shipped_names())
    assert {file.name.removesuffix(".test.yaml") for file in FILES} == specs


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition(".")[0])
@pytest.mark.long
def test_ci_shipped_tests_pass_and_try_everything(file: Path) -> None:
    (document,) = spec_test_files([str(file)])
    assert document.problems == ()
    results = [run_spec_test(planned, perf_counter) for planned in document.planned]
    assert [
        (result.planned.trial.name, result.misses, result.error) for result in results if not result.is_passed
    ] == []
    (found,) = covered(results)
    assert found.lacking == ()


def is_noticed(mutation: Mutation, folder: Path) -> bool:
    """Say whether some test of the spec fails when it is written so."""
    text = (shipped("specs") / f"{mutation.spec}.yaml").read_text(encoding="utf-8")
    assert text.count(mutation.old) >= 1, mutation
    (folder / "tests").mkdir()
    (folder / f"{mutation.spec}.yaml").write_text(text.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    tests = folder / "tests" / f"{mutation.spec}.test.yaml"
    tests.write_text((shipped("specs") / "tests" / tests.name).read_text(encoding="utf-8"), encoding="utf-8")
    document: SpecTestFile = read_spec_tests(tests)
    assert document.problems == (), mutation
    return any(not run_spec_test(planned, perf_counter).is_passed for planned in document.planned)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ci_mistakes_of_a_sample_are_noticed(tmp_path: Path) -> None:
    assert len(SAMPLE) >= 8
    assert unnoticed(SAMPLE, tmp_path) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_nine_mistakes_of_ten_are_noticed(tmp_path: Path) -> None:
    assert len(MUTATIONS) >= 40
    found = unnoticed(MUTATIONS, tmp_path)
    assert len(found) <= MOST_UNNOTICED, found


def unnoticed(mutations: list[Mutation], folder: Path) -> list[Mutation]:
    """Return the mistakes that no test notices, each tried in a folder of its own."""
    found = []
    for number, mutation in enumerate(mutations):
        place = folder / str(number)
        place.mkdir()
        if not is_noticed(mutation, place):
            found.append(mutation)
    return found
