"""`rulebot diff`: what an edit of specs means, not which lines it touched."""

import difflib
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.options import WholeNumber
from rulebot.cli.output import print_text
from rulebot.model.errors import as_store_error
from rulebot.model.text import counted

if TYPE_CHECKING:
    from rulebot.compare.git_revisions import Text
    from rulebot.review.change.behaviour import Days
    from rulebot.review.change.field import Difference
    from rulebot.spec.load import Loaded

    Tries = Callable[[str, Sequence[Text]], tuple[Sequence[Days], Sequence[str]]]
    """Tries texts of one bot on days; says what was wrong with these, too."""

DIFFERENT, TOO_MUCH_RISK = 1, 4


class Part(click.ParamType[float]):
    """A part, written `10%`."""

    name = "part"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return 0.1 for `10%`."""
        from rulebot.spec.nouns import Unit
        from rulebot.spec.scalar import amount

        if isinstance(value, float):
            return value
        found = amount(str(value))
        if found is None or found.unit is not Unit.PERCENT or found.value < 0:
            self.fail(f"a growth is a percentage, as in 10%, is '{value}'", param, ctx)
        return float(found.value) / 100


@click.command("diff", short_help="Say what an edit of specs means, and mark what risks more.")
@click.argument("what", nargs=-1, metavar="[OLD] NEW")
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", help="For whom.")
@click.option(
    "--max-risk-growth", "most", type=Part(), metavar="PART", help="Exit with 4 when the worst case grew more."
)
@click.option("--seeds", type=WholeNumber(1, 1000), metavar="N", help="Run old and new on N simulated days too.")
@click.option(
    "--days",
    metavar="N|DATA",
    help="Walk old and new through the last N recorded days too, or through the past sessions that DATA names.",
)
@click.option("--all", "is_all", is_flag=True, help="Show every day, not only the first that differ.")
@click.option("--install-git", is_flag=True, help="Let 'git diff' show specs like this, in this clone.")
@click.option("--uninstall-git", is_flag=True, help="Take that away again.")
@click.option("--yes", is_flag=True, help="Do not ask before git's files are written.")
@click.option("--git-driver", is_flag=True, hidden=True)
def diff(
    what: tuple[str, ...],
    form: str,
    most: float | None,
    seeds: int | None,
    days: str | None,
    is_all: bool,
    install_git: bool,
    uninstall_git: bool,
    yes: bool,
    git_driver: bool,
) -> None:
    """Compare what specs and account documents mean: OLD and NEW are files, folders, names of shipped specs, or what
    git keeps: main:specs/put_lite.yaml, main:specs, or a revision alone, such as HEAD~3, for the paths of the other.
    A file or folder alone is compared with what git keeps of it, as by 'git diff HEAD'.

    Formatting, comments and the order of keys change nothing. What makes a loss larger, likelier or longer, or lets a
    fault through, is marked (!). With --seeds or --days it also tells what a new bot would have done, and what one that
    is gone will do no longer.

    Exit code: 0 when nothing changes, 1 for a difference, 2 for what cannot be compared, 3 when a file or git cannot be
    read, 4 when the worst case grew by more than --max-risk-growth allows.
    """
    if git_driver:
        drive(what)
        return
    if install_git or uninstall_git:
        configure(what, is_install=install_git, is_uninstall=uninstall_git, is_sure=yes)
        return
    if len(what) == 1 and Path(what[0]).exists():
        from rulebot.compare.git_revisions import kept_of

        what = (kept_of(what[0]), *what)
    if len(what) != 2:
        raise click.UsageError(
            f"two things are compared, OLD and NEW; there {'is' if len(what) == 1 else 'are'} {len(what)}, "
            "and a file or folder alone is compared with HEAD"
        )
    if seeds is not None and days is not None:
        raise click.UsageError("--seeds tries simulated days, --days past ones: one of them at a time")
    if is_all and seeds is None and days is None:
        raise click.UsageError("--all shows the days of --seeds or --days: say how many")
    found = _compared(*what, seeds=seeds, days=days, is_all=is_all)
    print_text(_shown(found, form))
    _exit(found, most)


def _compared(old: str, new: str, *, seeds: int | None, days: str | None, is_all: bool) -> "tuple[Difference, ...]":
    from rulebot.compare.git_revisions import texts_of
    from rulebot.review.change.compare import compare

    texts = texts_of(old, new)
    sides = [[_read(text) for text in side] for side in texts]
    refuse_problems([loaded for side in sides for loaded in side])
    for side in sides:
        _refuse_tests(side)
    found = compare(*sides)
    if seeds is None and days is None:
        return found
    named = [_by_name(*pair) for pair in zip(texts, sides, strict=True)]
    tries = _simulated(seeds) if days is None else _past(days)
    return tuple(_with_days(each, *named, tries=tries, is_all=is_all) for each in found)


def _refuse_tests(side: "Sequence[Loaded]") -> None:
    """Refuse a side with only tests; of a folder in a revision they are ignored, as of an existing one.

    Raises: MisuseError.
    """
    from rulebot.model.errors import MisuseError

    if side and all(each.tests is not None for each in side):
        file = side[0].source.file.rstrip()
        raise MisuseError(
            f"'{file}' holds tests of a bot, and these are not compared", "'git diff' or 'diff' shows their lines"
        )


def _by_name(texts: "Sequence[Text]", side: "Sequence[Loaded]") -> "dict[str, Text]":
    return {loaded.spec.name: text for text, loaded in zip(texts, side, strict=True) if loaded.spec is not None}


def _simulated(seeds: int | None) -> "Tries":
    from rulebot.compare.spec_comparison import simulate

    assert seeds is not None

    def tries(name: str, texts: "Sequence[Text]") -> "tuple[Sequence[Days], Sequence[str]]":
        print_text(f"{name}: running {counted(len(texts) * seeds, 'simulated day')} ...", err=True)
        return simulate(texts, seeds), ()

    return tries


def _past(days: str) -> "Tries":
    """Return what walks texts through past sessions. Raises: MisuseError, StoreError."""
    from datetime import date

    from rulebot.adapters.sources import open_source
    from rulebot.compare.spec_comparison import relive
    from rulebot.model.errors import MisuseError, StoreError
    from rulebot.replay.recordings import tapes_of
    from rulebot.store.registry import run_store

    if days.isdigit() and not int(days):
        raise MisuseError("--days is a number of recorded days, 1 at least, or the past sessions, is '0'")
    folder = tapes_of(run_store(None)) if days.isdigit() else None
    if folder is not None and not folder.is_dir():
        raise StoreError(f"nothing is recorded in {folder}", "'rulebot run' records by default")
    data = days if folder is None else f"tapes:{folder}"
    known = open_source(data).dates(date.min, date.max)
    found = known[-int(days) :] if days.isdigit() else known
    if not found:
        raise StoreError(f"there is no session in {data}", "'rulebot run' records each of its days")

    def tries(name: str, texts: "Sequence[Text]") -> "tuple[Sequence[Days], Sequence[str]]":
        times = "twice " if len(texts) > 1 else ""
        print_text(f"{name}: walking {times}through {counted(len(found), 'past session')} ...", err=True)
        return relive(texts, data, found)

    return tries


def _with_days(
    found: "Difference", was: "Mapping[str, Text]", now: "Mapping[str, Text]", *, tries: "Tries", is_all: bool
) -> "Difference":
    """Return a difference with what the two texts, or the one there is, did on days; a bot that stays has none."""
    from rulebot.review.change.behaviour import behaviour_lines, flaw_lines, without_it
    from rulebot.review.change.field import Status

    if found.kind != "bot" or found.status is Status.SAME:
        return found
    if found.status is Status.CHANGED:
        (old, new), flaws = tries(found.name, (was[found.was_name], now[found.name]))
    elif found.status is Status.ADDED:
        (new,), flaws = tries(found.name, (now[found.name],))
        old = without_it(new)
    else:
        (old,), flaws = tries(found.name, (was[found.name],))
        new = without_it(old)
    reported = (*behaviour_lines(old, new, is_all=is_all), *flaw_lines(flaws))
    return replace(found, behaviour=reported, days=(old, new), flaws=tuple(flaws))


def _read(text: "Text") -> "Loaded":
    from rulebot.review.change.compare import read_document

    return read_document(text.content, text.label, text.beside)


def refuse_problems(loaded: "Sequence[Loaded]") -> None:
    """Show the problems of all documents, when any has errors. Raises: Exit."""
    from rulebot.cli.validate import show_problems
    from rulebot.compile.build import check
    from rulebot.model.values import replace
    from rulebot.spec.diagnostic import in_file_order

    found = {}
    for each in loaded:
        problems = in_file_order((*each.diagnostics, *check(each)))  # a copy's name has a space behind it
        found[each.source.file.rstrip()] = [replace(problem, file=problem.file.rstrip()) for problem in problems]
    faulty = {file: problems for file, problems in found.items() if any(problem.is_error for problem in problems)}
    if faulty:
        show_problems(faulty, "text", err=True)
        raise click.exceptions.Exit(2)


def _shown(found: "Sequence[Difference]", form: str) -> str:
    if form == "json":
        from rulebot.review.change.text import document_of

        return json.dumps({"compared": [document_of(each) for each in found]}, indent=2, allow_nan=False)
    if form == "markdown":
        from rulebot.review.change.text import markdown_of

        return "\n\n".join(markdown_of(each) for each in found)
    from rulebot.cli.output import prose_width
    from rulebot.review.change.text import WIDTH, text_of

    width = prose_width(WIDTH)
    return "\n\n".join(text_of(each, width) for each in found)


def _exit(found: "Sequence[Difference]", most: float | None) -> None:
    from rulebot.model.text import percent
    from rulebot.review.change.field import Status

    if most is not None and (grown := [each for each in found if each.growth > most]):
        for each in grown:
            print_text(f"{each.name}: the worst case grew {_grown(each)}, and {percent(most)} is allowed", err=True)
        raise click.exceptions.Exit(TOO_MUCH_RISK)
    if any(each.status is not Status.SAME for each in found):
        raise click.exceptions.Exit(DIFFERENT)


def _grown(found: "Difference") -> str:
    """Return by how much the worst case grew, to a tenth of a percent and never less than it did."""
    from rulebot.model.text import percent
    from rulebot.review.change.field import Status

    if math.isinf(found.growth):
        return "from nothing: the bot is new" if found.status is Status.ADDED else "without a bound"
    return f"by {percent(math.ceil(round(found.growth * 1000, 6)) / 1000)}"


# --- `rulebot diff` for git

_NOTHING = (os.devnull, "/dev/null")
_OF_A_FILE = (7, 9)
"""Number of words git passes to its driver:

path, and file, hash and mode of both sides; two more for a renamed file.
"""


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
    from rulebot.spec.source import read_bytes

    if file in _NOTHING:
        return None
    with as_store_error(f"cannot read '{file}'"):
        return read_bytes(Path(file))


def _meaning(sides: list[tuple[str, bytes | None]], files: tuple[Path, Path]) -> tuple[str, str]:
    """Return the meaning of the edit, or "" and why there is none: `rulebot validate` reports errors.

    files: the places of both sides in the working tree, in which git calls its driver. Extended specs and universes are
    those of the working tree for both: git shows an edit of such a file separately.
    """
    from rulebot.compile.build import check
    from rulebot.review.change.compare import compare, read_document
    from rulebot.review.change.text import text_of
    from rulebot.spec.extends import relative_to
    from rulebot.spec.source import Kind, kind_of_document

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
    from rulebot.compare.git_revisions import ATTRIBUTES, driver_command, install, setup_of, uninstall

    if what or (is_install and is_uninstall):
        raise click.UsageError("--install-git and --uninstall-git take no other arguments")
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
        raise click.UsageError("no terminal to confirm at: add --yes")
    if not click.confirm("write this?"):
        print_text("nothing was written")
        raise click.exceptions.Exit(0)
