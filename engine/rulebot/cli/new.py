"""`rulebot new`: a spec to begin with, sound as it is."""

import os
import re
import shlex
from pathlib import Path

import click

from rulebot.cli.exit_codes import PROBLEMS_FOUND
from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.model.errors import InvariantError, MisuseError, StoreError
from rulebot.spec.whole_file import write_whole

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@click.command("new", short_help="Begin a spec that is sound from its first line on.")
@click.argument("name")
@click.option("--like", type=SPECS, metavar="SPEC", help="Begin with a copy of this one: a file, or a shipped name.")
def new(name: str, like: str | None) -> None:
    """Write a spec called NAME into specs/, or here when there is no such folder; NAME may be a path, too.

    It is a small put spread with a comment on every part, or a copy of SPEC under the new name. Nothing that is there
    is overwritten. Exit code: 0 when it was written, 1 when SPEC has errors, 2 for a name that is taken or none, 3 when
    the file cannot be written.
    """
    file = _file(name)
    text = _text(file, like)
    _prove(file, text)
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
    print_text(f"wrote {file}{f', a copy of {like}' if like else ''}\n")
    print_text(f" say what it is for   the line 'about' in {file}")
    typed = shlex.quote(str(file))
    print_text(f" check it             rulebot validate {typed}")
    print_text(f" see it trade         rulebot run --paper --sim {typed}")
    if not text.startswith("# yaml-language-server:"):
        print_text(" let an editor help   rulebot schema --help")


def _file(name: str) -> Path:
    """Return where a new spec goes. Raises: MisuseError."""
    from rulebot.spec.files import SUFFIXES

    path = Path(name)
    if name.endswith(("/", os.sep)):
        raise MisuseError(f"'{name}' is a folder", f"name the spec, too, as in '{path / 'my_condor'}'")
    if path.suffix in SUFFIXES:
        path = path.with_suffix("")
    if not _NAME.fullmatch(path.name):
        likely = re.sub(r"[^a-z0-9_]+", "_", path.name.lower()).strip("_")[:40]
        help = f"write '{likely}'" if _NAME.fullmatch(likely) else "as in 'my_condor'"
        raise MisuseError(f"a name is at most 40 lower-case letters, digits and _, is '{path.name}'", help)
    folder = path.parent
    if name == path.name and Path("specs").is_dir():
        folder = Path("specs")
    if not folder.is_dir():
        raise MisuseError(f"there is no folder '{folder}'", "make it first")
    for suffix in SUFFIXES:
        if (folder / f"{path.name}{suffix}").exists():
            raise MisuseError(f"'{folder / path.name}{suffix}' is there already", "take another name")
    return folder / f"{path.name}.yaml"


def _text(file: Path, like: str | None) -> str:
    from rulebot.spec.beginning import copied_spec_text, template_text
    from rulebot.spec.files import find_files
    from rulebot.spec.load import load_document

    if like is None:
        return template_text(file)
    found = find_files([like])
    if len(found) > 1:
        raise MisuseError(f"'{like}' names {len(found)} specs", "name one")
    _refuse_errors(found[0])
    loaded = load_document(found[0], digested=False)
    if loaded.spec is None:
        raise MisuseError(f"'{like}' is no bot: it is another kind of document", "copy it by hand")
    return copied_spec_text(loaded.source, file)


def _refuse_errors(like: Path) -> None:
    from rulebot.cli.validate import problems_of, show_problems

    problems = [problem for problem in problems_of(like) if problem.is_error]
    if problems:
        show_problems({str(like): problems}, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _prove(file: Path, text: str) -> None:
    """Prove that a new spec has no error. Raises: InvariantError."""
    from rulebot.compile.build import check
    from rulebot.spec.diagnostic import headline
    from rulebot.spec.lineage import relative_to
    from rulebot.spec.load import load_text

    loaded = load_text(text, str(file), read=relative_to(file))
    for found in (*loaded.diagnostics, *check(loaded)):
        if found.is_error:
            raise InvariantError(f"the new spec would not be sound: {headline(found)}", "nothing was written")
