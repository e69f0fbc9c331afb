"""The schema of a bot follows from the definitions of the measures, as far as they say what it needs."""

import json

from rulebot.compile.schema import document
from rulebot.compile.vocabulary import VOCABULARY
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
