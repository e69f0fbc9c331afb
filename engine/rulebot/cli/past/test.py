"""The words of `rulebot test`, and the same as JSON and JUnit."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import click

from rulebot.cli.output import echo, print_text
from rulebot.cli.past_options import XML, check_output
from rulebot.model.collector import without_collection
from rulebot.model.errors import as_store_error
from rulebot.model.text import clock, counted
from rulebot.narrate.why import condition_document, place_lines
from rulebot.record.explain import ENTRY_PLACES, RuleSnapshot, explain_day, selection_at, state_at
from rulebot.record.record import Record

if TYPE_CHECKING:
    from rulebot.spec_tests.coverage import TestCoverage
    from rulebot.spec_tests.outcome import Miss, Result, SpecTestFile

_INDENT = " " * 10
_REASONS_SHOWN = 4


def result_lines(result: "Result") -> list[str]:
    """Return one line for a test; of a failing one also what was expected and seen, with the conditions then."""
    word = "ok    " if result.is_passed else "FAILED"
    lines = [f"  {word}  {result.planned.trial.name}   {result.seconds:.2f} s"]
    if result.error:
        lines.append(f"{_INDENT}it cannot be run: {result.error}")
    for miss in result.misses:
        lines += _miss_lines(result, miss)
    return lines


def _miss_lines(result: "Result", miss: "Miss") -> list[str]:
    found = [f"expected  {miss.expected}", f"seen      {miss.seen}", *_legs(result, miss)]
    moment, reasons = moment_of(result, miss), _reasons(result, miss)
    found += place_lines(moment)
    found += [f"  {clock(at)}   {words}" for at, words in reasons[:_REASONS_SHOWN]]
    return [f"{_INDENT}{each}" for each in found]


def _legs(result: "Result", miss: "Miss") -> list[str]:
    """Return how the strikes of the legs in question were chosen, a line each."""
    chosen = selection_at(_records(result), miss.at) if miss.legs else None
    legs: Any = chosen.data.get("legs") if chosen is not None else None
    return [f"  {each['name']}: {each['asked']}" for each in legs or () if each["name"] in miss.legs]


def _records(result: "Result") -> Sequence[Record]:
    return result.outcome.simulated.records if result.outcome is not None else ()


def moment_of(result: "Result", miss: "Miss") -> RuleSnapshot:
    """Return what the rules in question had said by that instant; of an entry also halts that were unknown."""
    if not miss.places:
        return RuleSnapshot(miss.at, ())
    found = state_at(_records(result), miss.at, miss.places)
    if not _is_of_entry(miss):
        return found
    halts = state_at(_records(result), miss.at, ("halts",)).conditions
    return RuleSnapshot(miss.at, (*found.conditions, *(each for each in halts if each.truth is None)))


def _is_of_entry(miss: "Miss") -> bool:
    return bool(set(miss.places) & set(ENTRY_PLACES))


def _reasons(result: "Result", miss: "Miss") -> list[tuple[datetime, str]]:
    """Return what no condition says: why no legs were chosen, an entry was refused, or nothing was rolled."""
    records = [record for record in _records(result) if record.at <= miss.at]
    if not miss.places or not records:
        return []
    reported = explain_day(records)
    if (
        _is_of_entry(miss)
        and not reported.watched
        and not reported.entered
        and not reported.halted
        and not reported.without_data
    ):
        return [(miss.at, "it had not watched")]
    said = (*reported.refused, *reported.unfilled) if _is_of_entry(miss) else reported.rolled
    judged = tuple(f"{each.rule}: " for each in moment_of(result, miss).conditions)
    return [(at, words) for at, words in said if not words.startswith(judged) and words not in miss.seen]


def summary(results: Mapping[str, Sequence["Result"]], seconds: float) -> str:
    """Return `24 tests: 23 passed, 1 failed, in 3.1 s`."""
    every = [result for of_file in results.values() for result in of_file]
    failed = sum(not result.is_passed for result in every)
    parts = [f"{len(every) - failed} passed"] if failed < len(every) else []
    parts += [f"{failed} failed"] if failed else []
    count = counted(len(every), "test")
    return f"{count}: {', '.join(parts)}, in {seconds:.1f} s"


def coverage_lines(found: Iterable["TestCoverage"]) -> list[str]:
    """Return how much of each spec is tried, and what is not."""
    lines = []
    for each in found:
        tried = each.count - len(each.lacking)
        lines.append(f"{each.bot}: {tried} of {each.count} tried, {each.percent}%")
        lines += [f"  {lacking}" for lacking in each.lacking]
    return lines


# ---------------------------------------------------------------- for machines


def document_of(results: Mapping[str, Sequence["Result"]], found: Iterable["TestCoverage"]) -> str:
    """Return the results, and the coverage if it was asked for, as JSON."""
    tests = [_result_document(file, result) for file, of_file in results.items() for result in of_file]
    document: dict[str, Any] = {"tests": tests}
    coverage = [{"bot": each.bot, "count": each.count, "lacking": list(each.lacking)} for each in found]
    return json.dumps(document | ({"coverage": coverage} if coverage else {}), indent=2)


def _result_document(file: str, result: "Result") -> dict[str, Any]:
    return {
        "file": file,
        "bot": result.planned.plan.name,
        "name": result.planned.trial.name,
        "passed": result.is_passed,
        "seconds": round(result.seconds, 3),
        "error": result.error,
        "misses": [
            {
                "expected": miss.expected,
                "seen": miss.seen,
                "at": miss.at.isoformat(),
                "conditions": [condition_document(each) for each in moment_of(result, miss).conditions],
                "reasons": [{"at": at.isoformat(), "reason": words} for at, words in _reasons(result, miss)],
            }
            for miss in result.misses
        ],
    }


def junit_text(results: Mapping[str, Sequence["Result"]]) -> str:
    """Return the results as a JUnit file: a suite for each document."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<testsuites>"]
    for file, of_file in results.items():
        failed = sum(not result.is_passed for result in of_file)
        seconds = sum(result.seconds for result in of_file)
        counts = f'tests="{len(of_file)}" failures="{failed}" time="{seconds:.3f}"'
        lines.append(f"  <testsuite name={quoteattr(file)} {counts}>")
        for result in of_file:
            lines += _case(file, result)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _case(file: str, result: "Result") -> list[str]:
    head = f"    <testcase classname={quoteattr(file)} name={quoteattr(result.planned.trial.name)}"
    head += f' time="{result.seconds:.3f}"'
    if result.is_passed:
        return [f"{head}/>"]
    reported = result.error or "; ".join(f"expected {miss.expected}, seen {miss.seen}" for miss in result.misses)
    return [f"{head}>", f"      <failure message={quoteattr(reported)}/>", "    </testcase>"]


# --- `rulebot test`: run the tests of specs, say what was expected and what was seen, and what no test tries

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
        _write(junit, junit_text(results))
    is_low = floor is not None and any(each.percent < floor for each in found)
    if is_low or not all(result.is_passed for result in every):
        raise click.exceptions.Exit(FAILED)


def _run(files: "Sequence[SpecTestFile]", part: str, form: str) -> "tuple[dict[str, list[Result]], float]":
    """Return the results of the tests whose name holds `part`, by file, and the seconds of all; show each at once."""
    from time import perf_counter

    from rulebot.spec_tests.outcome import run_spec_test

    began = perf_counter()
    results: dict[str, list[Result]] = {}
    for each in files:
        chosen = [planned for planned in each.planned if part in planned.trial.name or part in planned.plan.name]
        if chosen and form == "text":
            print_text(each.file)
        for planned in chosen:
            with without_collection():
                result = run_spec_test(planned, perf_counter)
            results.setdefault(each.file, []).append(result)
            for line in result_lines(result) if form == "text" else ():
                echo(line)
    return results, perf_counter() - began


def _show(
    results: "Mapping[str, Sequence[Result]]", found: "Sequence[TestCoverage]", seconds: float, form: str
) -> None:
    """Print the lines below the tests: coverage and the count, or all of it as JSON."""

    if form == "json":
        print_text(document_of(results, found))
        return
    for line in coverage_lines(found):
        print_text(line)
    print_text(summary(results, seconds))


def _files(paths: tuple[str, ...], form: str) -> "tuple[SpecTestFile, ...]":
    """Return the documents; with errors in one of them none is run. Raises: click's Exit."""
    from rulebot.cli.validate import show_problems
    from rulebot.spec_tests.outcome import spec_test_files

    with without_collection():
        files = spec_test_files(paths)
    if any(problem.is_error for each in files for problem in each.problems):
        show_problems({each.file: each.problems for each in files}, form, err=form == "text")
        raise click.exceptions.Exit(FAILED)
    return files


def _write(file: Path, text: str) -> None:
    from rulebot.spec.files import write_whole

    with as_store_error(f"cannot write '{file}'"):
        write_whole(file, text.encode())
