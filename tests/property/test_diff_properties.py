"""A comparison of meaning: blind to how a text is written, and the same places whichever side is the old one."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.compile.build import check
from rulebot.review.change.compare import compare, read_document
from rulebot.review.change.field import Difference, Status
from rulebot.spec.extends import relative_to
from rulebot.spec.files import shipped
from rulebot.spec.load import Loaded
from rulebot.spec.source import Plain
from rulebot.spec.yaml import read_source
from tests.unit.compile.document import CONDOR
from tests.unit.review.test_change_marks import ROWS

FILES = [*sorted(shipped("specs").glob("*.yaml")), *sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))]
_ALL = list(HealthCheck)
QUICK = settings(max_examples=tries(2), suppress_health_check=_ALL, phases=[Phase.generate])


def compared(old: bytes, new: bytes) -> Difference:
    sides = [[read_document(content, "bot.yaml")] for content in (old, new)]
    read = [loaded for side in sides for loaded in side]
    assume(all(loaded.is_fine and not any(found.is_error for found in check(loaded)) for loaded in read))
    (found,) = compare(*sides)
    return found


def rewritten(value: Any, draw: st.DrawFn, indent: str = "") -> str:
    """Return a value as other text of the same meaning: keys in another order, other quotes, blocks or braces."""
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        if indent and draw(st.booleans()):
            return "{" + ", ".join(f"{key}: {flowing(value[key])}" for key in keys) + "}"
        below = indent + "  "
        lines = [f"{below}{key}: {rewritten(value[key], draw, below)}{comment(draw)}" for key in keys]
        return "\n" + "\n".join(lines)
    if isinstance(value, list):
        return "[" + ", ".join(flowing(each) for each in value) + "]"
    return flowing(value)


def comment(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "  # as before"]))


def flowing(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flowing(each)}" for key, each in reversed(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flowing(each) for each in value) + "]"
    if isinstance(value, Decimal):
        return f"{value}0"
    return json.dumps(value, ensure_ascii=False)


@cache
def as_shipped(file: Path) -> tuple[Plain, Loaded]:
    """Return a file as a tree and as a document; read once for all that is made of it."""
    content = file.read_bytes()
    return read_source(content, str(file)).tree, read_document(content, str(file), relative_to(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@QUICK
@given(data=st.data())
def test_a_text_written_otherwise_says_the_same(file: Path, data: st.DataObject) -> None:
    tree, old = as_shipped(file)
    text = data.draw(st.composite(lambda draw: rewritten(tree, draw).replace("\n  ", "\n"))())
    loaded = read_document(text.encode(), str(file), relative_to(file))
    assert loaded.is_fine, (text, [found.message for found in loaded.diagnostics])
    (found,) = compare([old], [loaded])
    assert (found.status, found.changes) == (Status.SAME, ())


@settings(max_examples=tries(8), suppress_health_check=_ALL, phases=[Phase.generate])
@given(st.sets(st.sampled_from(range(len(ROWS))), min_size=1, max_size=5))
def test_both_ways_name_the_same_places(edits: set[int]) -> None:
    text = CONDOR
    for at in sorted(edits):
        old, new, *_ = ROWS[at]
        assume(old in text)
        text = text.replace(old, new, 1)
    there, back = compared(CONDOR.encode(), text.encode()), compared(text.encode(), CONDOR.encode())
    assert there.status is Status.CHANGED
    assert places(there) == places(back)


def places(found: Difference) -> set[str]:
    return {place for change in found.changes for place in change.places}
