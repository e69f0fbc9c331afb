"""What a bot did at an instant, beside what its rules said: did it watch, was an entry at work, was it halted.

Read from the decisions on record; a rule that stays true says nothing of them.
"""

from collections.abc import Sequence
from datetime import datetime

from rulebot.model.values import dataclass
from rulebot.record.explain import refusals
from rulebot.record.record import Kind, Record

Told = tuple[datetime, str]
"""Since when, and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAt:
    """What a bot did at an instant.

    watching: since when, None while it does not. ended: when its last watch ended and why. halted: when and why.
    entering, held: its positions that were being entered, and those that held something, each with since when; those of
    earlier days are not among them. passed: exits that acted and left their position open, as one of a part does.
    unfilled: its last entry that came to nothing. refused: what kept it out since it entered last, each text with the
    instant at which it was first told.
    """

    watching: datetime | None = None
    ended: Told | None = None
    halted: Told | None = None
    entering: tuple[Told, ...] = ()
    held: tuple[Told, ...] = ()
    passed: tuple[Told, ...] = ()
    unfilled: Told | None = None
    refused: tuple[Told, ...] = ()


def activity_at(records: Sequence[Record], at: datetime) -> ActivityAt:
    """Return what a bot did at an instant, by its records of that day."""
    until = [record for record in records if record.at <= at]
    decided = [record for record in until if record.kind is Kind.DECISION]
    watching: datetime | None = None
    ended: Told | None = None
    states: dict[str, Told] = {}
    acted: dict[str, Told] = {}
    parts: list[Told] = []
    entered: datetime | None = None
    for record in decided:
        what, reason = record.data.get("what"), _words(record)
        if what == "watch":
            watching = record.at
        elif what in ("stop watching", "enter"):
            watching, ended = None, (record.at, reason if what == "stop watching" else "it entered")
        if what == "enter":
            entered = record.at
        elif what == "exit":
            acted[record.position] = (record.at, reason)
        elif what == "state" and (moved := _moved(record)):
            keeps = record.position in states and set(moved) == _HOLDING
            states[record.position] = (states[record.position][0] if keeps else record.at, moved[1])
            if moved == ("exiting", "open") and record.position in acted:
                since, exit_name = acted.pop(record.position)
                parts.append((since, f"{exit_name} of {record.position}"))
    return ActivityAt(
        watching=watching,
        ended=None if watching is not None else ended,
        halted=_last(decided, "halt"),
        entering=tuple((since, name) for name, (since, state) in states.items() if state == "entering"),
        held=tuple((since, name) for name, (since, state) in states.items() if state in _HOLDING),
        passed=tuple(parts),
        unfilled=_last(decided, "unfilled"),
        refused=tuple(each for each in refusals(until) if entered is None or each[0] > entered),
    )


_HOLDING = {"open", "exiting"}


def _moved(record: Record) -> tuple[str, str] | None:
    """Return from which state to which a position has moved."""
    values = record.data.get("values")
    return (str(values[0]), str(values[-1])) if isinstance(values, list) and values else None


def _last(decided: Sequence[Record], what: str) -> Told | None:
    found = [record for record in decided if record.data.get("what") == what]
    return (found[-1].at, _words(found[-1])) if found else None


def _words(record: Record) -> str:
    return " ".join(str(record.data.get("reason") or "").split())
