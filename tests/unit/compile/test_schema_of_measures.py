"""The schema of a bot follows from the definitions of the measures, and from nothing else."""

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


def test_the_schema_is_what_the_measures_are() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == document(text), f"make it anew: {MADE_BY}"


@pytest.mark.parametrize("measure", VOCABULARY.values(), ids=lambda measure: measure.name)
def test_every_measure_and_argument_says_what_it_is(measure: Measure) -> None:
    assert measure.title
    assert measure.about
    assert all(each.about and each.example is not None for each in measure.parameters if "$ref" not in measure.node)


def test_every_measure_but_the_strike_can_be_a_condition() -> None:
    definitions = json.loads(FILE.read_text(encoding="utf-8"))["$defs"]
    assert [name for name in VOCABULARY if f"m_{name}" not in definitions] == ["strike"]


def test_the_way_to_make_it_is_reported_to_who_adds_a_measure() -> None:
    assert MADE_BY in (FILE.parents[1] / "docs" / "contributing.md").read_text(encoding="utf-8")


CONDITIONS = [measure for measure in VOCABULARY.values() if measure.name != "strike"]


def fits(measure: str, body: object) -> bool:
    """Say whether the schema takes a condition on a measure."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    return bool(Draft202012Validator({"$ref": f"#/$defs/m_{measure}", "$defs": schema["$defs"]}).is_valid(body))


@pytest.mark.parametrize("measure", CONDITIONS, ids=lambda measure: measure.name)
def test_its_examples_fit_and_nonsense_does_not(measure: Measure) -> None:
    assert all(fits(measure.name, example) for example in measure.examples)
    assert not fits(measure.name, {"elephants": 2})
    example = next((each for each in measure.examples if isinstance(each, dict)), {})
    for op in example.keys() - {each.name for each in measure.parameters}:
        assert not fits(measure.name, example | {op: "two elephants"})
    if "$ref" not in measure.node:
        for parameter in measure.parameters:
            assert parameter.name in measure.node.get("x-exactly-one", ()) or fits(
                measure.name, example | {parameter.name: parameter.example}
            )
            assert not fits(measure.name, example | {parameter.name: {"two": "elephants"}}), parameter.name
