"""`rulebot validate`: every problem of every document, with its place. Touches neither broker nor database."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.exit_codes import PROBLEMS_FOUND
from rulebot.cli.options import DAY, SPECS
from rulebot.cli.output import broken, print_text
from rulebot.model.collector import without_collection
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import EXCHANGE_ZONE, half_days
from rulebot.model.text import counted
from rulebot.spec.diagnostic import Diagnostic, as_error, as_github, as_json, in_file_order, not_accepted, render
from rulebot.spec.files import NoSuchFiles, account_files_near, find_files
from rulebot.spec.load import Loaded, load_document
from rulebot.spec.parameters import meant_for
from rulebot.spec.source import Kind

if TYPE_CHECKING:
    from rulebot.compile.lint.lint_context import LintEnvironment
    from rulebot.model.facts import EventCalendar

BUILT_IN_CAP = "RB377"
COMING_YEAR = timedelta(days=365)


@click.command("validate", short_help="Check specs; say every problem with its place.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=SPECS)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the specs.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--date",
    "day",
    type=DAY,
    metavar="DAY",
    help="The day to judge half days and calendars from (default: today in New York).",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", help="For whom.")
def validate(paths: tuple[str, ...], settings: tuple[str, ...], strict: bool, day: date | None, form: str) -> None:
    """Check the documents in PATH: files, folders with all below them, or patterns.

    Exit code: 0 without errors (there may be warnings, unless --strict), 1 with errors, 2 when PATH names nothing, 3
    when a file cannot be read.
    """
    overrides = parse_settings(settings)
    with without_collection():
        found = problems_in(find_files(paths, tests=True), overrides, day or today())
    if strict:
        found = {file: tuple(map(as_error, problems)) for file, problems in found.items()}
    show_problems(found, form)
    if any(problem.is_error for problems in found.values() for problem in problems):
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def today() -> date:
    """Return the date in New York."""
    return datetime.now(EXCHANGE_ZONE).date()


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping. Raises: click.UsageError."""
    overrides: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, is '{setting}'")
        if name in overrides:
            raise click.UsageError(f"--set gives '{name}' two values: '{overrides[name]}' and '{value}'")
        overrides[name] = value
    return overrides


def problems_in(files: Sequence[Path], overrides: Mapping[str, str], day: date) -> dict[str, tuple[Diagnostic, ...]]:
    """Return the problems of some documents by file: each one's own, and conflicts between their bots.

    Raises: StoreError; SpecError when an event calendar of this machine is broken.
    """
    loaded = load_all(files, overrides)
    bots = sum(each.spec is not None for each in loaded)
    is_capped = bots > 0 and not _has_account(loaded)
    outside = _outside(day) if bots else None
    found = [_without_cap(_problems(each, outside), is_capped=is_capped) for each in loaded]
    if bots > 1:
        from rulebot.compile.build import check_together

        found = [in_file_order((*own, *more)) for own, more in zip(found, check_together(loaded), strict=True)]
    return dict(zip(map(str, files), found, strict=True))


def _has_account(loaded: Sequence[Loaded]) -> bool:
    """Say whether an account document is among these documents, or in or beside their folders."""
    if any(each.account is not None for each in loaded):
        return True
    files = [each.source.file for each in loaded if each.spec is not None]
    try:
        return account_files_near(files, "account.yaml", or_among=True).is_file()
    except NoSuchFiles:
        return True


def _without_cap(problems: tuple[Diagnostic, ...], *, is_capped: bool) -> tuple[Diagnostic, ...]:
    """Return the problems without that of the built-in cap where an account document lifts it."""
    return problems if is_capped else tuple(each for each in problems if each.code != BUILT_IN_CAP)


def problems_of(file: Path) -> tuple[Diagnostic, ...]:
    """Return the problems of one document that hold on any day. Raises: StoreError."""
    return problems_of_loaded(_load(file, {}, digested=False))


def problems_of_loaded(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Return the problems of one document that hold on any day."""
    return _problems(loaded, None)


def load_all(files: Sequence[Path], overrides: Mapping[str, str], *, digested: bool = False) -> list[Loaded]:
    """Return some documents, each bot with its overrides, as for a run of them all.

    Raises: StoreError; MisuseError for overrides where none of the documents is a bot.
    """
    found = [_load(file, {}, digested=digested and not overrides) for file in files]
    if not overrides:
        return found
    read = {at: each.source.tree for at, each in enumerate(found) if isinstance(each.source.tree, dict)}
    trees = {at: tree for at, tree in read.items() if Kind.STRATEGY.value in tree}
    if not trees and len(read) == len(found):
        raise MisuseError(f"--set names '{next(iter(overrides))}', and none of these documents is a bot")
    for at, meant in zip(trees, meant_for(tuple(trees.values()), overrides), strict=True):
        found[at] = _load(files[at], meant, digested=digested)
    return found


def _load(file: Path, overrides: Mapping[str, str], *, digested: bool) -> Loaded:
    try:
        return load_document(file, overrides, digested=digested)
    except OSError as error:
        raise StoreError(f"cannot read '{error.filename or file}': {error.strerror or error}") from error


def _problems(loaded: Loaded, outside: "LintEnvironment | None") -> tuple[Diagnostic, ...]:
    """Return the problems of a document's text, and of its meaning once it can be read."""
    if loaded.tests is not None:
        from rulebot.compile.spec_tests import plan_tests
        from rulebot.spec.load import tested_spec

        return plan_tests(loaded, partial(tested_spec, loaded, loaded.tests))[1]
    if loaded.spec is None:
        return loaded.diagnostics
    from rulebot.compile.build import check

    return in_file_order(not_accepted((*loaded.diagnostics, *check(loaded, outside)), loaded.spec.accept))


def _outside(day: date) -> "LintEnvironment":
    """Return what lint knows of a day; calendars are read once a spec names an event."""
    from rulebot.compile.lint.lint_context import LintEnvironment

    coming = min(COMING_YEAR, date.max - day)
    return LintEnvironment(day, half_days(day, day + coming), cache(_calendars))


def _calendars() -> "EventCalendar":
    from rulebot.calendars.calendars import load_ends

    return load_ends()


def show_problems(found: Mapping[str, Sequence[Diagnostic]], form: str, *, err: bool = False) -> None:
    """Print the problems of some files, by name of the file, and a count; `err` is for standard error.

    What several files inherit is printed once.
    """
    problems = _each_once(found.values())
    if form == "json":
        print_text(as_json(problems))
        return
    for problem in problems:
        print_text(as_github(problem) if form == "github" else _coloured(problem, err=err), err=err)
    print_text(summary(list(found.values())), err=err)


def _coloured(problem: Diagnostic, *, err: bool) -> str:
    """Return a problem as the terminal has it: its sentences broken between words, the line of the file as it is."""
    head, line, caret, *help = render(problem).split("\n")
    text = "\n".join((broken(head, err=err), line, caret, *(broken(each, err=err) for each in help)))
    if os.environ.get("NO_COLOR"):
        return text
    word = f"{problem.severity}[{problem.code}]"
    return text.replace(word, click.style(word, fg="red" if problem.is_error else "yellow", bold=True), 1)


def summary(found: Sequence[Sequence[Diagnostic]]) -> str:
    """Return `8 files: 7 fine, 1 with 2 errors`, and the number of warnings when there are any.

    A problem that several files inherit counts once.
    """
    problems = _each_once(found)
    errors = sum(problem.is_error for problem in problems)
    faulty = sum(any(problem.is_error for problem in of_file) for of_file in found)
    parts = [f"{len(found) - faulty} fine"] if faulty < len(found) else []
    if errors:
        parts.append(f"{faulty} with {counted(errors, 'error')}")
    if len(problems) > errors:
        parts.append(counted(len(problems) - errors, "warning"))
    return f"{counted(len(found), 'file')}: {', '.join(parts)}"


def _each_once(found: Iterable[Sequence[Diagnostic]]) -> list[Diagnostic]:
    """Return the problems of several files; one that others inherit is the same in all of them."""
    once: dict[tuple[str, int, int, str, str], Diagnostic] = {}
    for problem in (problem for of_file in found for problem in of_file):
        once.setdefault((problem.file, problem.line, problem.col, problem.code, problem.message), problem)
    return list(once.values())
