"""What a backtest was alarmed by: numbers that stand beside an alarm may be wrong, so whoever shows them tells it."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rulebot.record.record import Kind, Record

SHOWN = 5
"""Kinds of alarms that are told, the most frequent ones."""


def alarms_of(records: Iterable[Record]) -> dict[str, int]:
    """Return how often each alarm was raised, the most frequent first; names of positions are left out."""
    found: Counter[str] = Counter()
    for record in records:
        if record.kind is Kind.ALARM:
            text = str(record.data["text"])
            found[text.replace(record.position, "a position") if record.position else text] += 1
    return dict(most_often(found))


def most_often(alarms: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return alarms with their counts, the most frequent first."""
    return sorted(alarms.items(), key=lambda each: (-each[1], each[0]))
