"""The test documents that paths of a command line name, read and planned before any of them runs."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from rulebot.compile.trial_plans import PlannedTest, planned_trials
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.files import find_files, is_test
from rulebot.spec.load import Loaded, load_document
from rulebot.spec.tested import tested_spec

FOLDER = "tests"
"""Where the tests of a spec stand: in this folder beside it, under its name."""


@dataclass(frozen=True, slots=True)
class TrialFile:
    """One test document: its tests with their plans, or its problems."""

    file: str
    planned: tuple[PlannedTest, ...]
    problems: tuple[Diagnostic, ...]


def trial_files(paths: Iterable[str]) -> tuple[TrialFile, ...]:
    """Return the test documents under `paths`; of a spec that is named those beside it.

    Raises: NoSuchFiles, MisuseError when a path leads to no test, StoreError when a file cannot be read.
    """
    files = dict.fromkeys(file for path in paths for file in _tests_of(path))
    return tuple(read_trials(file) for file in files)


def _tests_of(path: str) -> Iterator[Path]:
    found = find_files([path], tests=True)
    tests = [file for file in found if is_test(file)]
    if not tests and len(found) == 1:
        tests = [_beside(found[0])]
    if not tests:
        raise MisuseError(f"there is no test under '{path}'", "tests are documents '*.test.yaml'; see docs/tests.md")
    yield from tests


def _beside(file: Path) -> Path:
    """Return the tests of a spec, or the file itself when it is a test document under another name."""
    beside = file.parent / FOLDER / f"{file.stem}.test.yaml"
    if beside.is_file():
        return beside
    if _read(file).tests is not None:
        return file
    raise MisuseError(f"{file} has no tests", f"they would stand in {beside}")


def _read(file: Path) -> Loaded:
    try:
        return load_document(file)
    except OSError as error:
        raise StoreError(f"cannot read '{file}': {error.strerror or error}") from error


def read_trials(file: Path) -> TrialFile:
    """Return the tests of one document. Raises: StoreError when it cannot be read."""
    loaded = _read(file)
    if loaded.tests is None:
        problems = loaded.diagnostics
        if not problems:
            raise MisuseError(f"{file} is no test document", "it begins with 'rulebot_test: 1'")
        return TrialFile(str(file), (), problems)
    planned, problems = planned_trials(loaded, partial(tested_spec, loaded, loaded.tests))
    return TrialFile(str(file), planned, problems)
