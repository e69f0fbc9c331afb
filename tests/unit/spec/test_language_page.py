"""docs/language.md is whole: every key, measure and word of the schema stands in it, and its examples are true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from rulebot.spec.files import shipped
from rulebot.spec.load import load_text
from tests.unit.test_cookbook import problems

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")


def words(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from words(item)
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (word for word in schema.get("enum", ()) if isinstance(word, str))
        for key, item in schema.items():
            if key != "examples":
                yield from words(item)


def test_every_word_of_the_schemas_is_explained() -> None:
    known = set(re.findall(r"\w+", PAGE))
    for kind in ("strategy", "account", "universe"):
        schema = json.loads((shipped("schemas") / f"{kind}.schema.json").read_text())
        missing = sorted(set(words(schema)) - known)
        assert missing == []


def test_the_account_example_is_true() -> None:
    (example,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "rulebot_account" in block)
    assert load_text(example, "account.yaml").account is not None


def test_the_examples_of_a_universe_in_a_file_are_true() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (document,) = (block for block in blocks if "rulebot_universe" in block)
    (example,) = (block for block in blocks if "categories: [indexes" in block)
    assert load_text(document, "liquid.yaml").universe is not None
    spec = (shipped("specs") / "micro_buywrite.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^universe:\n(?:  .*\n)*", example, spec, flags=re.MULTILINE)
    loaded = load_text(text, "micro_buywrite.yaml", read=lambda name: {"liquid.yaml": document.encode()}[name])
    assert loaded.diagnostics == ()
    assert loaded.source.symbols == ("SPX", "SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "META", "GOOGL")


def test_the_example_that_extends_is_true() -> None:
    (example,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "extends:" in block)
    loaded = load_text(example, "put_wide.yaml", read=lambda name: (shipped("specs") / name).read_bytes())
    assert loaded.diagnostics == ()


def pieces() -> list[str]:
    """Return the examples that are parts of a bot, with what the page leaves out of them."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = [block.replace("  when: [...]\n", "") for block in blocks if not re.search("^(#|rulebot|universe)", block)]
    found = [f"entry:\n{indent(each, '  ')}" if each.startswith("when:") else each for each in found]
    return [
        each if "from:" in each else re.sub("^entry:\n", f"entry:\n{WINDOW}", each, flags=re.MULTILINE)
        for each in found
    ]


WINDOW = '  window: {from: "10:00", to: "14:00"}\n'
DAY_MOVE = "let: {day_move: {expected_move: {asof: open}}}\n"


@pytest.mark.parametrize("piece", pieces(), ids=lambda each: each.partition(":")[0])
def test_a_piece_is_a_part_of_a_sound_bot(piece: str) -> None:
    found = problems((DAY_MOVE if "day_move" in piece else "") + piece)
    assert [each for each in found if not each.startswith("RB3")] == []
