"""What the commands that read a store share: which one, how it is named, and bots that are not in it."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rulebot.cli.options import FORMAT
from rulebot.cli.output import print_text
from rulebot.model.errors import MisuseError
from rulebot.spec.diagnostic import did_you_mean
from rulebot.store.place import Place, is_url, place_of, shown_path, without_link

F = TypeVar("F", bound=Callable[..., Any])


class StoreParam(click.Path):
    """A store: a path, or the URL of a PostgreSQL database, which is never repeated as it was typed."""

    name = "store"

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the place."""
        if value == "":
            self.fail("an empty name is no store", param, ctx)
        if not isinstance(value, str) or not is_url(value):
            return without_link(Path(os.fsdecode(super().convert(value, param, ctx))))
        try:
            return place_of(value)
        except MisuseError as error:
            self.fail(error.whole, param, ctx)


STORE = StoreParam()
ENGINE_STORE = click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store of the engine that is meant (default: of the one that runs).",
)


RUNNING = "that of the engine that runs, else the last run's"
"""The store that `shown_store` gives, as help has it."""


def reads_store(command: F) -> F:
    """Give a command `--store`, by default the last run's, and `--format`."""
    return _reads("the last run's", command)


def shows_store(command: F) -> F:
    """Give a command that shows what is as of now (`shown_store`) `--store` and `--format`."""
    return _reads(RUNNING, command)


def _reads(default: str, command: F) -> F:
    help = f"The store to read: a file or a postgresql:// URL (default: {default})."
    return click.option("--store", type=STORE, metavar="STORE", help=help)(FORMAT(command))


def is_written(store: Place) -> bool:
    """Say whether anything is recorded there: a run that could not begin leaves an empty store. Raises: StoreError."""
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import is_there

    if not is_there(store):
        return False
    with StoreReader(store) as reader:
        return reader.last_at() is not None


def other_version_words(store: Place) -> str:
    """Return what to say of a store whose tables another version made, "" of any other. Raises: StoreError."""
    from rulebot.store.maintenance import figures_of_another

    return figures_of_another(store)


def check_bot(bot: str, known: Iterable[str], path: Place) -> None:
    """Raise click.UsageError for a bot that the store does not know."""
    names = list(known)
    if bot in names:
        return
    hint = did_you_mean(bot, names) or ("known are " + ", ".join(names) if names else "no bot has run there")
    raise click.UsageError(f"no bot '{bot}' in {shown_path(path)}; {hint}")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document for machines: sorted keys, so that equal stores give equal bytes."""
    print_text(json.dumps(document, indent=2, sort_keys=True, allow_nan=False, default=str))
