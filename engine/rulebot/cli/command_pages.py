"""docs/commands.md: every command with its arguments and options, as its `--help` has them."""

from collections.abc import Iterator

import click

from rulebot.cli.main import SECTIONS, main

_HEAD = """\
# Commands

What `rulebot COMMAND --help` says, of all commands. This page is made of the commands themselves.

Where nobody reads on (`rulebot why BOT | head`) a command ends with 141, as programs do that SIGPIPE ends.
"""


def document() -> str:
    """Return the page: the commands by what a person is about, each with what it takes."""
    context = click.Context(main, info_name="rulebot")
    parts = [_HEAD.rstrip()]
    for title, section in SECTIONS.items():
        parts.append(f"## {title}")
        for name in section:
            command = main.get_command(context, name)
            assert command is not None, f"{name} is listed and is no command"
            parts += _command(command, click.Context(command, context, name))
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"### {context.command_path}"
    yield f"```console\n$ {context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield "\n\n".join(" ".join(each.split()) for each in (command.help or "").replace("\b\n", "").split("\n\n"))
    if options := [each for each in command.params if isinstance(each, click.Option) and not each.hidden]:
        rows = [record for each in options if (record := each.get_help_record(context)) is not None]
        yield "\n".join(("| option | |", "|---|---|", *(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows)))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{name} is listed and is no command"
            yield from _command(inner, click.Context(inner, context, name))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
