"""docs/features.md has every row that was asked for, and all that it names exists."""

import re
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from rulebot.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ASKED = {"K": 5, "A": 16, "B": 12, "C": 8, "D": 8, "E": 13}
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("\n")
    if re.match(r"\| [A-Z]\d+ \|", line)
]


def test_every_row_has_one_line_that_says_whether_it_works() -> None:
    assert [row[0] for row in ROWS] == [
        f"{plan}{number}" for plan, last in ASKED.items() for number in range(1, last + 1)
    ]
    assert {row[2] for row in ROWS} <= {"yes", "in part", "no"}
    assert [
        row[0] for row in ROWS if row[2] == "in part" and not re.search(r"missing:|never tried|is named by", row[3])
    ] == []
    assert [row[0] for row in ROWS if (row[2] == "no") is bool(row[3])] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:specs|examples)/[^`*]+)`", PAGE))))
def test_what_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`rulebot ([a-z]+(?: [a-z]+)?)", PAGE))))
def test_its_commands_exist(command: str) -> None:
    first, _, second = command.partition(" ")
    context = click.Context(main)
    found = main.get_command(context, first)
    assert found is not None
    if isinstance(found, click.Group) and second:
        assert found.get_command(context, second) is not None


def test_the_tests_that_it_quotes_are_there() -> None:
    named = set()
    for file in [*ROOT.glob("specs/tests/*.yaml"), *ROOT.glob("examples/tests/*.yaml")]:
        named |= {test["name"] for test in YAML(typ="safe").load(file)["tests"]}
    quoted = re.findall(r'"([^"]+)"', PAGE.partition("## K")[2])
    assert len(quoted) >= 30
    assert [name for name in quoted if not any(one.startswith(name) for one in named)] == []
