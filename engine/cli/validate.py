"""`rulebot validate`: every problem of every document, with its place. Touches neither broker nor database."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from engine.model.collector import no_collection
from engine.model.errors import StoreError
from engine.spec.diagnostic import Diagnostic, as_github, as_json, in_file_order, not_accepted, render
from engine.spec.files import find_files
from engine.spec.load import load_document

PROBLEMS_FOUND = 1


@click.command("validate", short_help="Check specs; say every problem with its place.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Override a parameter of the specs.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", help="For whom.")
def validate(paths: tuple[str, ...], settings: tuple[str, ...], form: str) -> None:
    """Check the documents in PATH: files, folders with all below them, or patterns.

    Exit code: 0 without errors (there may be warnings), 1 with errors, 2 when PATH names nothing, 3 when a file cannot
    be read.
    """
    overrides = parse_settings(settings)
    with no_collection():
        found = {str(file): problems_of(file, overrides) for file in find_files(paths, tests=True)}
    show_problems(found, form)
    if any(problem.is_error for problems in found.values() for problem in problems):
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping. Raises: click.UsageError."""
    overrides = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, is '{setting}'")
        overrides[name] = value
    return overrides


def problems_of(file: Path, overrides: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Return all problems of one document: of its text, and of its meaning once it can be read. Raises: StoreError."""
    try:
        loaded = load_document(file, overrides, digested=False)
    except OSError as error:
        raise StoreError(f"cannot read '{file}': {error.strerror or error}") from error
    if loaded.tests is not None:
        from engine.compile.trial_plans import planned_trials
        from engine.spec.tested import tested_spec

        return planned_trials(loaded, partial(tested_spec, loaded, loaded.tests))[1]
    if loaded.spec is None:
        return loaded.diagnostics
    from engine.compile.build import check

    return in_file_order(not_accepted((*loaded.diagnostics, *check(loaded)), loaded.spec.accept))


def show_problems(found: Mapping[str, Sequence[Diagnostic]], form: str, *, err: bool = False) -> None:
    """Print the problems of some files, by name of the file, and a count; `err` is for standard error."""
    problems = [problem for of_file in found.values() for problem in of_file]
    if form == "json":
        click.echo(as_json(problems))
        return
    for problem in problems:
        click.echo(as_github(problem) if form == "github" else _coloured(problem), err=err)
    click.echo(summary(list(found.values())), err=err)


def _coloured(problem: Diagnostic) -> str:
    text = render(problem)
    if os.environ.get("NO_COLOR"):
        return text
    word = f"{problem.severity}[{problem.code}]"
    return text.replace(word, click.style(word, fg="red" if problem.is_error else "yellow", bold=True), 1)


def summary(found: Sequence[Sequence[Diagnostic]]) -> str:
    """Return `8 files: 7 fine, 1 with 2 errors`, and the number of warnings when there are any."""
    errors = [count for problems in found if (count := sum(problem.is_error for problem in problems))]
    warnings = sum(not problem.is_error for problems in found for problem in problems)
    parts = [f"{len(found) - len(errors)} fine"] if len(errors) < len(found) else []
    if errors:
        parts.append(f"{len(errors)} with {_count(sum(errors), 'error')}")
    if warnings:
        parts.append(_count(warnings, "warning"))
    return f"{_count(len(found), 'file')}: {', '.join(parts)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
