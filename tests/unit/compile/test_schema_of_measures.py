"""The schema of a bot follows from the definitions of the measures, as far as they say what it needs."""

import json

import pytest
from jsonschema import Draft202012Validator

from rulebot.compile.schema import document
from rulebot.measure.definition import Measure
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.files import shipped

FILE = shipped("schemas") / "strategy.schema.json"
MADE_BY = (
    "python -c 'from pathlib import Path; from rulebot.compile.schema import document; "
    'file = Path("schemas/strategy.schema.json"); file.write_text(document(file.read_text()))\''
)
BY_HAND = 47
"""Measures whose definitions in the schema are written by hand. It may only fall."""


def test_the_schema_is_what_the_measures_are() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == document(text), f"make it anew: {MADE_BY}"


def test_a_measure_that_is_new_describes_itself() -> None:
    assert len([name for name, measure in VOCABULARY.items() if not measure.subject]) <= BY_HAND


def test_every_measure_but_the_strike_can_be_a_condition() -> None:
    definitions = json.loads(FILE.read_text(encoding="utf-8"))["$defs"]
    assert [name for name in VOCABULARY if f"m_{name}" not in definitions] == ["strike"]


def test_the_way_to_make_it_is_told_to_who_adds_a_measure() -> None:
    assert MADE_BY in (FILE.parents[1] / "docs" / "contributing.md").read_text(encoding="utf-8")


DESCRIBED = [measure for measure in VOCABULARY.values() if measure.subject]


def fits(measure: str, body: object) -> bool:
    """Say whether the schema takes a condition on a measure."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    return bool(Draft202012Validator({"$ref": f"#/$defs/m_{measure}", "$defs": schema["$defs"]}).is_valid(body))


@pytest.mark.parametrize("measure", DESCRIBED, ids=lambda measure: measure.name)
def test_its_examples_fit_and_a_wrong_bound_or_argument_does_not(measure: Measure) -> None:
    example = dict(measure.examples[0])  # type: ignore[call-overload]
    given = {each.name: each.example for each in measure.parameters if each.required} | example
    assert fits(measure.name, given)
    op = next(each for each in measure.ops if each in given)
    assert not fits(measure.name, given | {op: "two elephants"})
    for parameter in measure.parameters:
        assert fits(measure.name, given | {parameter.name: parameter.example}), parameter.name
        assert not fits(measure.name, given | {parameter.name: ["two", "elephants"]}), parameter.name
    assert not fits(measure.name, given | {"elephants": 2})
