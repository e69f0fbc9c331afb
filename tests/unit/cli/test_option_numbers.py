"""Numbers as options: what is none, or out of bounds, is told in words for people, with its place."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from rulebot.cli.main import COMMANDS, main
from rulebot.cli.options import Number, WholeNumber


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "a.yaml", "--lines", "x"), "'--lines': it is a whole number of at least 1, is 'x'"),
        *(
            ((*words, "--seed", str(2**64)), f"'--seed': it is a whole number of 0 to {2**63 - 1}, is '{2**64}'")
            for words in (("chaos", "a.yaml"), ("run", "a.yaml"), ("gateway",), ("sweep", "a.yaml"))
        ),
        (("chaos", "a.yaml", "--seeds", ""), "'--seeds': it is a whole number of at least 1, is ''"),
        (
            ("web", "--port", "-1"),
            "'--port' (env var: 'RULEBOT_WEB_PORT'): it is a whole number of 0 to 65535, is '-1'",
        ),
        (("gateway", "--days", "1.5"), "'--days': it is a whole number of 1 to 500, is '1.5'"),
        (("gateway", "--days", "9" * 5000), f"'--days': it is a whole number of 1 to 500, is '{'9' * 40}'"),
        (("gateway", "--cash", "nan"), "'--cash': it is a number of at least 0, is 'nan'"),
        (("gateway", "--cash", "1e400"), "'--cash': it is a number of at least 0, is '1e400'"),
        (("capture", "SPX", "--within", "wide"), "'--within': it is a number of 0.1 to 100, is 'wide'"),
    ],
)
def test_what_is_no_such_number_is_reported(words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It said "'x' is not a valid integer range"."""
    monkeypatch.setenv("COLUMNS", "200")
    found = CliRunner().invoke(main, list(words))
    assert (found.exit_code, found.stderr.splitlines()[-1]) == (2, f"Error: Invalid value for {said}")


def test_a_variable_that_holds_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_WEB_PORT", "http")
    found = CliRunner().invoke(main, ["web"])
    assert (found.exit_code, "env var: 'RULEBOT_WEB_PORT'" in found.stderr) == (2, True)


def options(command: click.Command) -> Iterator[click.Parameter]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from options(found)
    yield from command.params


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_numbers_in_another_way(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    numbers = click.IntRange, click.FloatRange, type(click.INT), type(click.FLOAT)
    assert [each.name for each in options(command) if isinstance(each.type, numbers)] == [
        each.name for each in options(command) if isinstance(each.type, WholeNumber | Number)
    ]
