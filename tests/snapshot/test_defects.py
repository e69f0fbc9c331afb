"""Every file of `defects/` is the valid spec beside them with one thing wrong; here is what an author reads of it."""

from datetime import date
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from engine.compile.build import check
from engine.compile.lint.look import Outside
from engine.model.facts import EventCalendar
from engine.model.session import half_days
from engine.spec.diagnostic import Diagnostic, in_file_order, render
from engine.spec.load import load
from engine.spec.walk import read_source

TODAY = date(2026, 11, 2)
ENDS = {"CPI": date(2027, 6, 30), "NFP": date(2026, 11, 20)}
CALENDAR = EventCalendar(published_until=ENDS, known_until=dict.fromkeys(ENDS, date(2027, 12, 31)))
OUTSIDE = Outside(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: CALENDAR)
DEFECTS = Path(__file__).parent / "defects"
NAMES = sorted(file.name.removesuffix(".bad.yaml") for file in DEFECTS.glob("*.bad.yaml"))


def problems(file: Path) -> tuple[Diagnostic, ...]:
    loaded = load(read_source(file.read_bytes(), "condor.yaml"))
    return in_file_order((*loaded.diagnostics, *check(loaded, OUTSIDE)))


def test_the_spec_without_a_defect_is_fine() -> None:
    assert problems(DEFECTS / "valid.yaml") == ()


@pytest.mark.parametrize("name", NAMES)
def test_defect_is_said_with_its_place(name: str, snapshot: SnapshotAssertion) -> None:
    found = problems(DEFECTS / f"{name}.bad.yaml")
    assert found
    assert "\n".join(render(problem) for problem in found) == snapshot
