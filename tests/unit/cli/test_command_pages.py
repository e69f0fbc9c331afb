"""docs/commands.md has every command and option, as `--help` has them."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rulebot.cli.main import COMMANDS, document, main

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
MADE_BY = "python -c 'from rulebot.cli.main import document; print(document(), end=\"\")' > docs/commands.md"


def test_the_page_is_what_the_commands_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), f"make it anew: {MADE_BY}"


def test_every_command_and_each_of_its_options_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    context = click.Context(main, info_name="rulebot")
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        body = text.partition(f"### rulebot {name}\n")[2]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[0] in body
    assert set(re.findall(r"^### rulebot (\w+)$", text, re.MULTILINE)) == set(COMMANDS)


def test_a_command_is_listed_with_a_whole_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hooks --help` had them cut off: Make the secret that web hooks must bring, and say in which..."""
    monkeypatch.setenv("COLUMNS", "80")
    groups = [name for name in COMMANDS if isinstance(main.get_command(click.Context(main), name), click.Group)]
    assert groups
    for name in groups:
        listed = CliRunner().invoke(main, [name, "--help"]).output.partition("Commands:\n")[2].splitlines()
        assert listed
        assert [line for line in listed if not re.fullmatch(r"  \w+ +[A-Z].*[^.]\.", line)] == []


def test_the_way_to_make_it_is_reported_to_who_adds_a_command() -> None:
    assert MADE_BY in (PAGE.parent / "contributing.md").read_text(encoding="utf-8")
