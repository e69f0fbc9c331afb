"""What was measured, and when: measured.json beside this module, from which docs/benchmarks.md is written.

A goal is known by its number and by what is measured. Where either gets another wording, mend the file too: the page
shows whatever stands in it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Goal

FILE = Path(__file__).with_name("measured.json")
_ALWAYS = ("number", "what", "how")


@dataclass(frozen=True)
class Measured:
    """A goal as it was measured last, on which day (2026-11-28), and its figures before, oldest first, with theirs."""

    goal: Goal
    on: str
    before: tuple[tuple[str, float], ...] = ()


def load(file: Path = FILE) -> list[Measured]:
    """Return what the file holds, in its order."""
    return [_read(each) for each in json.loads(file.read_text(encoding="utf-8"))]


def keep(goals: Iterable[Goal], on: str, file: Path = FILE) -> list[Measured]:
    """Put into the file what was measured on a day; return all that it holds then. What was skipped is not kept."""
    found = {_key(each.goal): each for each in load(file)}
    for goal in goals:
        if goal.figure is None:
            continue
        last = found.get(_key(goal))
        before = () if last is None or last.goal.figure is None else (*last.before, (last.on, last.goal.figure))
        found[_key(goal)] = Measured(goal, on, before)
    rows = [json.dumps(_written(each), ensure_ascii=False) for each in found.values()]
    file.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    return list(found.values())


def _key(goal: Goal) -> tuple[str, str]:
    return goal.number, goal.what


def _read(row: dict[str, Any]) -> Measured:
    on, before = row.pop("on"), row.pop("before", [])
    return Measured(Goal(**row), on, tuple((day, figure) for day, figure in before))


def _written(measured: Measured) -> dict[str, Any]:
    """Return a row: what every goal has, and what this one has that is not as usual."""
    usual = {each.name: each.default for each in fields(Goal)}
    row = asdict(replace(measured.goal, figure=_rounded(measured.goal.figure)))
    kept = {name: value for name, value in row.items() if name in _ALWAYS or value != usual[name]}
    return {**kept, "on": measured.on, "before": [[day, _rounded(figure)] for day, figure in measured.before]}


def _rounded(figure: float | None) -> float | None:
    """Return four digits of a figure: more of them say nothing."""
    return None if figure is None else float(f"{figure:.4g}")
