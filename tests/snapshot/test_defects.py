"""Every file of `defects/` is the valid spec beside them with one thing wrong; here is what an author reads of it."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from engine.compile.build import check
from engine.spec.diagnostic import Diagnostic, in_file_order, render
from engine.spec.load import load
from engine.spec.walk import read_source

DEFECTS = Path(__file__).parent / "defects"
NAMES = sorted(file.name.removesuffix(".bad.yaml") for file in DEFECTS.glob("*.bad.yaml"))


def problems(file: Path) -> tuple[Diagnostic, ...]:
    loaded = load(read_source(file.read_bytes(), "condor.yaml"))
    return in_file_order((*loaded.diagnostics, *check(loaded)))


def test_the_spec_without_a_defect_is_fine() -> None:
    assert problems(DEFECTS / "valid.yaml") == ()


@pytest.mark.parametrize("name", NAMES)
def test_defect_is_said_with_its_place(name: str, snapshot: SnapshotAssertion) -> None:
    found = problems(DEFECTS / f"{name}.bad.yaml")
    assert found
    assert "\n".join(render(problem) for problem in found) == snapshot
