"""Every file of `defects/` is the valid spec beside them with one thing wrong; here is what an author reads of it."""

import re
from datetime import date
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from rulebot.compile.build import check
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.measures.registry import VOCABULARY
from rulebot.model.facts import EventCalendar
from rulebot.model.session import half_days
from rulebot.spec.diagnostic import Diagnostic, in_file_order, render
from rulebot.spec.extends import relative_to
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.load import load
from rulebot.spec.yaml import read_source

TODAY = date(2026, 11, 2)
ENDS = {"CPI": date(2027, 6, 30), "NFP": date(2026, 11, 20)}
CALENDAR = EventCalendar(published_until=ENDS, known_until=dict.fromkeys(ENDS, date(2027, 12, 31)))
OUTSIDE = LintEnvironment(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: CALENDAR)
DEFECTS = Path(__file__).parent / "defects"
NAMES = sorted(file.name.removesuffix(".bad.yaml") for file in DEFECTS.glob("*.bad.yaml"))


def keys_of(schema: object) -> set[str]:
    """Return every key that a schema names."""
    if isinstance(schema, list):
        return {key for item in schema for key in keys_of(item)}
    if not isinstance(schema, dict):
        return set()
    return {*schema.get("properties", {}), *(key for item in schema.values() for key in keys_of(item))}


def test_every_key_of_the_language_has_something_wrong_in_one_file() -> None:
    sound = set((DEFECTS / "valid.yaml").read_text().splitlines())
    changed = [line for file in DEFECTS.glob("*.bad.yaml") for line in file.read_text(errors="replace").splitlines()]
    written = set(re.findall(r"\b([a-z_0-9]+):", "\n".join(line for line in changed if line not in sound)))
    described = {name for name, measure in VOCABULARY.items() if measure.subject}  # test_schema_of_measures.py
    described |= {each.name for name in described for each in VOCABULARY[name].parameters}
    assert (keys_of(read_schema("strategy")) | keys_of(read_schema("universe"))) - described - written == set()


def problems(file: Path) -> tuple[Diagnostic, ...]:
    loaded = load(read_source(file.read_bytes(), "condor.yaml"), read=relative_to(DEFECTS / "condor.yaml"))
    return in_file_order((*loaded.diagnostics, *check(loaded, OUTSIDE)))


def test_the_spec_without_a_defect_is_fine() -> None:
    assert problems(DEFECTS / "valid.yaml") == ()


@pytest.mark.parametrize("name", NAMES)
def test_defect_is_said_with_its_place(name: str, snapshot: SnapshotAssertion) -> None:
    found = problems(DEFECTS / f"{name}.bad.yaml")
    assert found
    assert "\n".join(render(problem) for problem in found) == snapshot
