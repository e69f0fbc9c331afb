"""The commands that the examples' comments name: which market shows each of them trade."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples"
PROMISE = "See it trade: "
NOT_BOTS = ("account_limits", "liquid")
"""Examples of the other kinds of documents."""
REPORTED = ("after_earnings", "after_fomc", "earnings_fly", "webhook")
"""Examples that trade when something comes that a simulated day lacks: a report, the Fed's decision, or a hook, as in
`test_web_hooks.py` does."""


@dataclass(frozen=True)
class Shown:
    """One command of a comment: the example, the market it trades in, and the shares that it begins with."""

    example: str
    seed: int = 7
    market: str | None = None
    days: int = 1
    shares: str = ""

    @property
    def file(self) -> str:
        """Return the example's path."""
        return str(FOLDER / f"{self.example}.yaml")

    @property
    def world(self) -> tuple[str, int, int, str]:
        """Return what examples that can share a run have in common."""
        return self.market or "", self.seed, self.days, self.shares


def names() -> list[str]:
    """Return the examples that are bots."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml") if file.stem not in NOT_BOTS)


def promises() -> list[Shown]:
    """Return every command that an example's comment says it trades by."""
    return [shown for name in names() for shown in _of(name)]


def _of(name: str) -> Iterator[Shown]:
    follows = False
    for line in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        text = line.lstrip("# ")
        follows = line.startswith("#") and (text.startswith(PROMISE) or (follows and text.startswith("rulebot run")))
        if follows:
            yield _shown(name, shlex.split(text.removeprefix(PROMISE).partition(" (")[0]))


def _shown(name: str, words: list[str]) -> Shown:
    given = dict(pairwise(words))
    seed, days = int(given.get("--seed", 7)), int(given.get("--days", 1))
    return Shown(name, seed, given.get("--market"), days, given.get("--shares", ""))
