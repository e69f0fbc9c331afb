"""What the commands that read a store share: which one, how it is named, and bots that are not in it."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.spec.suggest import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])


def reads_store(command: F) -> F:
    """Give a command `--store` and `--format`."""
    store = click.option(
        "--store", type=click.Path(dir_okay=False, path_type=Path), help="The store to read (default: the last run's)."
    )
    form = click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines."
    )
    return store(form(command))


def shown_path(path: Path) -> str:
    """Return a path as a person in this folder would write it."""
    with suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def check_bot(bot: str, known: Iterable[str], path: Path) -> None:
    """Raise click.UsageError for a bot that the store does not know."""
    names = list(known)
    if bot in names:
        return
    hint = did_you_mean(bot, names) or ("known are " + ", ".join(names) if names else "no bot has run there")
    raise click.UsageError(f"no bot '{bot}' in {shown_path(path)}; {hint}")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document for machines: sorted keys, so that equal stores give equal bytes."""
    click.echo(json.dumps(document, indent=2, sort_keys=True, allow_nan=False, default=str))
