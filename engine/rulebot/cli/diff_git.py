"""`rulebot diff` for git: the driver that `git diff` calls, and its setting up."""

import difflib
import os
import sys
from pathlib import Path

import click

from rulebot.cli.say import print_text

_NOTHING = (os.devnull, "/dev/null")
_OF_A_FILE = (7, 9)
"""How many words git tells its driver: path, and file, hash and mode of both sides; two more of a renamed file."""


def drive(words: tuple[str, ...]) -> None:
    """Show one file for `git diff`: what it means, and line by line where a side cannot be read as a document.

    Git takes any other exit code than 0 as the end of all of it.
    """
    if len(words) == 1:
        print_text(f"* Unmerged path {words[0]}")
        return
    if len(words) not in _OF_A_FILE:
        raise click.UsageError(f"git tells its driver {_OF_A_FILE[0]} words, there are {len(words)}")
    path = words[0]
    now = words[7] if len(words) == _OF_A_FILE[1] else path
    sides = [(f"a/{path}", _content(words[1])), (f"b/{now}", _content(words[4]))]
    print_text(f"rulebot diff {' '.join(label for label, _ in sides)}")
    meaning, why_none = _meaning(sides, (Path(path), Path(now)))
    print_text(meaning or _lines(sides, why_none))


def _content(file: str) -> bytes | None:
    """Return a side, None where the file is not there."""
    from rulebot.model.errors import StoreError
    from rulebot.spec.text import read_bytes

    if file in _NOTHING:
        return None
    try:
        return read_bytes(Path(file))
    except OSError as error:
        raise StoreError(f"cannot read '{file}': {error.strerror or error}") from error


def _meaning(sides: list[tuple[str, bytes | None]], files: tuple[Path, Path]) -> tuple[str, str]:
    """Return what the edit means, or "" and why nothing is said of that: `rulebot validate` is for errors.

    files: where the sides stand in the working tree, in which git calls its driver. What they extend, and the universes
    they name, are those of the working tree for both: git shows an edit of such a file by itself.
    """
    from rulebot.compile.build import check
    from rulebot.review.change.documents import compare, read_document
    from rulebot.review.change.text import text_of
    from rulebot.spec.kind import Kind, kind_of_document
    from rulebot.spec.lineage import relative_to

    read = [
        [] if content is None else [read_document(content, label, relative_to(file))]
        for (label, content), file in zip(sides, files, strict=True)
    ]
    for loaded in (each for side in read for each in side):
        if kind_of_document(loaded.source)[0] is Kind.TEST:
            return "", "tests of a bot are not compared by what they mean"
        if not loaded.is_fine or any(problem.is_error for problem in check(loaded)):
            return "", "one side has errors (rulebot validate says which)"
    return "\n\n".join(text_of(each) for each in compare(*read)), ""


def _lines(sides: list[tuple[str, bytes | None]], why: str) -> str:
    (old, was), (new, now) = sides
    before, after = ((each or b"").decode("utf-8", "replace").splitlines() for each in (was, now))
    return "\n".join([f"{why}: line by line", *difflib.unified_diff(before, after, old, new, lineterm="")])


# ---------------------------------------------------------------- setting up


def configure(what: tuple[str, ...], *, is_install: bool, is_uninstall: bool, is_sure: bool) -> None:
    """Say what is to be written, ask, and write it."""
    from rulebot.compare.git_setup import ATTRIBUTES, driver_command, install, setup_of, uninstall

    if what or (is_install and is_uninstall):
        raise click.UsageError("--install-git and --uninstall-git stand alone")
    found = setup_of(Path())
    done = found.has_line and found.command == driver_command() if is_install else not (found.has_line or found.command)
    if done:
        print_text(
            f"'git diff' in {found.folder} {'shows' if is_install else 'does not show'} specs by rulebot already"
        )
        return
    verb = "gets" if is_install else "loses"
    print_text(f"the configuration of this clone {verb}  diff.rulebot.command = {found.command or driver_command()}")
    print_text(f"{found.attributes} {verb}  {ATTRIBUTES}")
    _ask(is_sure)
    (install if is_install else uninstall)(found)
    print_text("written: 'git diff' says what an edit means" if is_install else "written: 'git diff' shows lines again")


def _ask(is_sure: bool) -> None:
    """Ask before writing. Raises: Exit when the answer is no."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: add --yes")
    if not click.confirm("write this?"):
        print_text("nothing was written")
        raise click.exceptions.Exit(0)
