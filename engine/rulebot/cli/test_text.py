"""The words of `rulebot test`, and the same as JSON and JUnit."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from rulebot.model.counted import counted
from rulebot.narrate.explain_text import condition_document, place_lines
from rulebot.narrate.text_table import clock
from rulebot.record.explain import ENTRY_PLACES, RuleSnapshot, explain_day, selection_at, state_at
from rulebot.record.record import Record

if TYPE_CHECKING:
    from rulebot.spec_tests.coverage import TestCoverage
    from rulebot.spec_tests.expect import Miss
    from rulebot.spec_tests.run import Result

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
    return result.outcome.lived.records if result.outcome is not None else ()


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
    told = explain_day(records)
    if _is_of_entry(miss) and not told.watched and not told.entered and not told.halted and not told.blind:
        return [(miss.at, "it had not watched")]
    said = (*told.refused, *told.unfilled) if _is_of_entry(miss) else told.rolled
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
    told = result.error or "; ".join(f"expected {miss.expected}, seen {miss.seen}" for miss in result.misses)
    return [f"{head}>", f"      <failure message={quoteattr(told)}/>", "    </testcase>"]
