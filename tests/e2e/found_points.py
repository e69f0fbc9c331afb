"""What came of the points where an engine was killed, kept in a file, so that a run that was cut goes on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rulebot.chaos.scenario import ScenarioMoment

DIED_TOO_OFTEN = "not entered, since starts died too often"
UNANSWERED = "not entered, since an order was never answered"
TOO_LATE = "not entered, since its window was over"
CLOSED = {"unwind": "closed, since a leg was missing", "unprotected": "closed, since it was unprotected"}
"""Ends by the reason of an exit: what a spec itself asks for, when an engine comes back too late for the rest."""
ENDS = ("same", DIED_TOO_OFTEN, UNANSWERED, TOO_LATE, *CLOSED.values())
"""How a struck scenario may end: as without a kill, or for one of these reasons, which the store must tell."""


@dataclass(frozen=True)
class Point:
    """A place where the engine is killed: which one of its kind."""

    scenario: int
    moment: ScenarioMoment
    number: int


@dataclass(frozen=True)
class Found:
    """What came of a point: how often the engine died, how the end compares, and what did not hold."""

    point: Point
    deaths: int
    end: str
    violations: Mapping[int, tuple[str, ...]]

    @property
    def is_wrong(self) -> bool:
        """True for an end that must not be, and when something does not hold."""
        return bool(self.violations) or self.end not in ENDS

    @property
    def line(self) -> dict[str, Any]:
        """Itself as JSON has it."""
        return {**asdict(self), "point": [self.point.scenario, self.point.moment.value, self.point.number]}


def found_from(line: dict[str, Any]) -> Found:
    """Return what a line of JSON tells."""
    scenario, moment, number = line["point"]
    said = {int(each): tuple(texts) for each, texts in line["violations"].items()}
    return Found(Point(scenario, ScenarioMoment(moment), number), line["deaths"], line["end"], said)


class FoundFile:
    """A file with a line for each point that was struck; without a path there is none, and nothing is kept.

    digest: says what the points are about; those of a file of another digest are not taken up. A last line that was
    cut off is dropped. Raises: SystemExit for a file of another digest.
    """

    def __init__(self, path: Path | None, digest: str) -> None:
        self.found: list[Found] = []
        self._path = path
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
            if not whole or json.loads(whole[0]) != {"digest": digest}:
                raise SystemExit(f"{path} was kept of another engine; name a new file")
            self.found = [found_from(json.loads(line)) for line in whole[1:]]
            path.write_text("".join(whole), encoding="utf-8")
        else:
            self._add({"digest": digest})

    def add(self, found: Found) -> None:
        """Keep what came of a point: it is in the file when this returns."""
        self._add(found.line)

    def _add(self, line: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
