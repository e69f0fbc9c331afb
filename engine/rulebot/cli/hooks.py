"""`rulebot hooks`: lets web hooks of other programs in, and sends one by hand."""

from pathlib import Path

import click

from rulebot.cli.stores import STORE
from rulebot.cli.width import echo
from rulebot.model.errors import MisuseError
from rulebot.store.place import Place, shown_path

_WORD = r"[a-z][a-z0-9_]{0,39}"


@click.group(short_help="Let web hooks of other programs in, and try one.")
def hooks() -> None:
    """Web hooks of TradingView and the like, which a spec asks for by 'webhook: {name: .., within: ..}'."""


@hooks.command("secret", short_help="Make, or remove, the secret that web hooks must bring.")
@click.option("--new", is_flag=True, help="Take another secret; what still brings the old one is refused.")
@click.option("--off", is_flag=True, help="Remove it: no web hook is received any more.")
def hooks_secret(new: bool, off: bool) -> None:
    """Make the secret that web hooks must bring, and say in which file it is; it is not printed.

    Without one no web hook is received. A page and an engine read it when they start.

    Exit code: 0 when it is as asked, 2 for misuse, 3 when the file cannot be read or written.
    """
    from rulebot.store.folders import data_folder
    from rulebot.store.secret import HOOK_SECRET, hook_secret, hook_secret_file, make_secret

    if new and off:
        raise MisuseError("--new and --off exclude each other")
    folder = data_folder()
    file = hook_secret_file(folder)
    if new or off:
        _remove(file)
    if off:
        echo(f" web hooks are off once the page and the engine are started anew{_unless_given(folder)}")
        return
    if not new and (kept := hook_secret(folder)[1]) and kept != str(file):
        echo(f" web hooks must bring the secret in {kept}")
        return
    make_secret(file)
    _, kept = hook_secret(folder)
    echo(f" web hooks must bring the secret in {kept}; the page and the engine take it when they start")
    if kept != str(file):
        echo(f" {shown_path(file)} is not asked: {HOOK_SECRET} goes before it")
    echo(' a message: {"secret": "..", "says": "up", "time": "{{timenow}}"}')


def _remove(file: Path) -> None:
    from rulebot.model.errors import StoreError

    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{file} cannot be removed: {error.strerror}") from error


def _unless_given(folder: Path) -> str:
    from rulebot.store.secret import hook_secret

    _, kept = hook_secret(folder)
    return f"; but {kept} still sets one" if kept else ""


@hooks.command("send", short_help="Send one to an engine by hand, past the page.")
@click.argument("name")
@click.option("--says", default="", metavar="WORD", help="The word that it brings.")
@click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store of the engine that is meant (default: of the one that runs).",
)
def hooks_send(name: str, says: str, store: Place | None) -> None:
    """Send the engine of a store a web hook NAME by hand, past the page and its secret.

    Exit code: 0 when it was left, 2 for misuse, 3 when it cannot be.
    """
    import re

    from rulebot.operator.request_inbox import post_hook
    from rulebot.store.latest import engine_store
    from rulebot.store.open import is_in_use

    says = says.strip().lower()  # as the page reads it
    if re.fullmatch(_WORD, name) is None:
        raise MisuseError(f"a name is lower-case letters, digits and _, at most 40, is '{name[:60]}'")
    if says and re.fullmatch(_WORD, says) is None:
        raise MisuseError(
            f"--says is one word: letters, digits and _, at most 40, the first a letter, is '{says[:60]}'"
        )
    found = engine_store(store)
    post_hook(found, name, says)
    later = "" if is_in_use(found) else "; no engine runs: the next one reads it"
    echo(f" sent {name} to the engine of {found}{later}")
    asked = _asked_for(found)
    if asked is not None and name not in asked:
        others = f": asked for is {', '.join(sorted(asked))}" if asked else ""
        echo(f" no bot of it asks for {name}{others}")


def _asked_for(store: Place) -> set[str] | None:
    """Return the names of hooks that bots of a store ask for, as they ran last; None where that is not known."""
    from rulebot.documents.load_bots import compile_text
    from rulebot.model.errors import StoreError
    from rulebot.recovery.resume import spec_texts
    from rulebot.store.queries import StoreReader

    try:
        with StoreReader(store) as reader:
            texts = spec_texts(dict(reader.run().specs))
        return {name for text in texts for name in compile_text(text).plan.needs.hook_names} if texts else None
    except StoreError:  # nothing has run there yet, or another version did
        return None
