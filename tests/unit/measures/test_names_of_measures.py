"""A measure's name stands in its own file: what others ask of it is a field of its definition."""

import ast
from collections import Counter
from pathlib import Path

from rulebot.measures.registry import MEASURES
from rulebot.spec.files import shipped

ENGINE = shipped("schemas").parent / "engine" / "rulebot"
MEANT = ("compile", "evaluate", "measure", "wording")
"""Folders in which every name is that of a measure; elsewhere `cost` or `bot` is a word like others."""
WORDS = frozenset(
    {
        *("bot", "cost", "credit", "debit", "event", "iv", "loss", "margin", "model", "open_interest", "profit", "rv"),
        *("session", "spot", "strike", "time", "value", "volume"),
    }
)
LEFT = Counter(
    {
        "adapters": 1,
        "backtest": 4,
        "capture": 2,
        "chaos": 2,
        "cli": 8,
        "compile": 161,
        "core": 8,
        "decide": 4,
        "evaluate": 2,
        "fill": 1,
        "measure": 3,
        "narrate": 4,
        "record": 4,
        "review": 20,
        "scan": 11,
        "spec": 20,
        "store": 10,
        "sweep": 21,
        "web": 2,
        "wording": 32,
    }
)
"""How many names stand in the files of a folder: choices of a command, fields of records, relations between measures.
It may only fall."""


def names_in(file: Path) -> set[str]:
    """Return the names of measures that stand in a file as strings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    strings = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    is_meant = file.relative_to(ENGINE).parts[0] in MEANT
    return {each for each in strings & MEASURES.keys() if is_meant or each not in WORDS}


def test_no_more_names_of_measures_stand_outside_their_files() -> None:
    found: Counter[str] = Counter()
    for file in sorted(ENGINE.rglob("*.py")):
        folder = file.relative_to(ENGINE).parts[0]
        if folder != "measures":
            found[folder] += len(names_in(file))
    assert not found - LEFT
