"""What a backtest was alarmed by: numbers that stand beside an alarm may be wrong, so whoever shows them tells it."""

from collections.abc import Iterable

from engine.record.record import Kind, Record


def alarms_of(records: Iterable[Record]) -> dict[str, int]:
    """Return how often each alarm was raised, the most frequent first; names of positions are left out."""
    found: dict[str, int] = {}
    for record in records:
        if record.kind is Kind.ALARM:
            text = str(record.data["text"])
            said = text.replace(record.position, "a position") if record.position else text
            found[said] = found.get(said, 0) + 1
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))
