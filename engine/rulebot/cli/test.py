"""`rulebot test`: run the tests of specs, say what was expected and what was seen, and what no test tries."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.outputs import XML, check_output
from rulebot.cli.say import print_text
from rulebot.cli.width import echo
from rulebot.model.collector import no_collection
from rulebot.model.errors import StoreError

if TYPE_CHECKING:
    from rulebot.spec_tests.coverage import TestCoverage
    from rulebot.spec_tests.files import TrialFile
    from rulebot.spec_tests.run import Result

FAILED = 1


def _floor(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,2}|100)%", value)
    if found is None:
        raise click.BadParameter(f"a floor is a percentage, as in 90%, is '{value}'")
    return int(found[1])


@click.command("test", short_help="Run the tests of specs.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-k", "part", metavar="TEXT", default="", help="Only tests whose name, or whose bot's, contains TEXT.")
@click.option("--coverage", is_flag=True, help="List the rules and moves of each spec that no test tries.")
@click.option("--floor", callback=_floor, metavar="PERCENT", help="Fail below this coverage; with --coverage.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results to a JUnit file.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For whom.")
def test(paths: tuple[str, ...], part: str, coverage: bool, floor: int | None, junit: Path | None, form: str) -> None:
    """Run the tests in PATH: test documents, folders with all below them, patterns; or specs with tests beside them.

    Exit code: 0 when all pass, 1 when one fails, a document has errors or coverage is below the floor, 2 when PATH
    names no test, 3 when a file cannot be read or written.
    """
    from rulebot.spec_tests.coverage import covered

    if floor is not None and not coverage:
        raise click.UsageError("--floor goes with --coverage")
    check_output("--junit", junit, XML)
    results, seconds = _run(_files(paths, form), part, form)
    every = [result for of_file in results.values() for result in of_file]
    if not every:
        raise click.UsageError(f"no test is called '{part}'")
    found = covered(every) if coverage else ()
    _show(results, found, seconds, form)
    if junit is not None:
        from rulebot.cli.test_text import junit_text

        _write(junit, junit_text(results))
    is_low = floor is not None and any(each.percent < floor for each in found)
    if is_low or not all(result.is_passed for result in every):
        raise click.exceptions.Exit(FAILED)


def _run(files: "Sequence[TrialFile]", part: str, form: str) -> "tuple[dict[str, list[Result]], float]":
    """Return the results of the tests whose name holds `part`, by file, and the seconds of all; show each at once."""
    from time import perf_counter

    from rulebot.cli.test_text import result_lines
    from rulebot.spec_tests.run import run_trial

    began = perf_counter()
    results: dict[str, list[Result]] = {}
    for each in files:
        chosen = [planned for planned in each.planned if part in planned.trial.name or part in planned.plan.name]
        if chosen and form == "text":
            print_text(each.file)
        for planned in chosen:
            with no_collection():
                result = run_trial(planned, perf_counter)
            results.setdefault(each.file, []).append(result)
            for line in result_lines(result) if form == "text" else ():
                echo(line)
    return results, perf_counter() - began


def _show(
    results: "Mapping[str, Sequence[Result]]", found: "Sequence[TestCoverage]", seconds: float, form: str
) -> None:
    """Print what stands under the tests: coverage and the count, or all of it as JSON."""
    from rulebot.cli.test_text import coverage_lines, document_of, summary

    if form == "json":
        print_text(document_of(results, found))
        return
    for line in coverage_lines(found):
        print_text(line)
    print_text(summary(results, seconds))


def _files(paths: tuple[str, ...], form: str) -> "tuple[TrialFile, ...]":
    """Return the documents; with errors in one of them none is run. Raises: click's Exit."""
    from rulebot.cli.validate import show_problems
    from rulebot.spec_tests.files import trial_files

    with no_collection():
        files = trial_files(paths)
    if any(problem.is_error for each in files for problem in each.problems):
        show_problems({each.file: each.problems for each in files}, form, err=form == "text")
        raise click.exceptions.Exit(FAILED)
    return files


def _write(file: Path, text: str) -> None:
    from rulebot.spec.whole_file import write_whole

    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
