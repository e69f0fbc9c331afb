"""Evaluation results: true, false or unknown, with the numbers behind them.

Three values (language.md, Conditions): unknown is None; `all` is false if any is false, else unknown if any is; `any`
is true if any is true, else unknown if any is; `not unknown` is unknown.
"""

from collections.abc import Sequence
from typing import NamedTuple


class NotOpen(str):
    """Why a rule about a position is unknown while its subject is not held (yet, or any longer).

    The code decides, whatever its words for people.
    """

    __slots__ = ()

    def of(self, name: str) -> "NotOpen":
        """Return the same, said of a leg or a feature."""
        return NotOpen(f"{name}: {self}")


def of_part(name: str, reason: str) -> str:
    """Return why a part is unknown, with its name."""
    return reason.of(name) if isinstance(reason, NotOpen) else f"{name}: {reason}"


NOT_OPEN = NotOpen("no such leg is open")


def group_truth(truths: Sequence[bool | None], decisive: bool) -> bool | None:
    """Return what a group says in three values: one member that is `decisive` decides, else one that is unknown."""
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def negated(truth: bool | None) -> bool | None:
    """Return the opposite; of what is unknown nothing is known."""
    return None if truth is None else not truth


class Evaluation(NamedTuple):
    """The result of a rule at one instant.

    `value` is the measured value and `low` / `high` the bounds (one bound: `low`), in the rule's own quantity.
    `missing` says what was unknown ("VIX: no price for 42 s"); `detail` adds what explains the value ("iv 12.5%, rv
    12.0% over 20 sessions"). `members` are the results of a group, by name.
    """

    truth: bool | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    missing: str = ""
    detail: str = ""
    members: "tuple[tuple[str, Evaluation], ...]" = ()
