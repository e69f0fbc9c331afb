"""What happened in a replay, in a line each, as a run tells it: an exit with the commissions that came after it."""

from datetime import datetime, timedelta

from rulebot.narrate.event_text import EventLine, event_lines
from rulebot.record.record import Kind, Record
from rulebot.replay.replay import Replayed

PATIENCE = timedelta(seconds=5)
"""How long the line of an exit waits for the commissions of its fills, which a broker tells after them."""


class ReplayText:
    """Tells the records of a replay, each once. Lines that waited for commissions have the time at which they began."""

    def __init__(self) -> None:
        self.seen = 0
        self.waiting: list[Record] = []

    def fresh(self, found: Replayed, at: datetime) -> list[EventLine]:
        """Return the lines of what is new at an instant, and of what has waited for long enough."""
        records = [*self.waiting, *found.records[self.seen :]]
        self.seen = len(found.records)
        self.waiting = [each for each in records if at - each.at < PATIENCE and _is_owed(each, found)]
        return _told([each for each in records if each not in self.waiting], found)

    def rest(self, found: Replayed) -> list[EventLine]:
        """Return what still waits at the end."""
        records, self.waiting = self.waiting, []
        return _told(records, found)


def _told(records: list[Record], found: Replayed) -> list[EventLine]:
    return [told for each in records if (told := event_lines(each, found.state)) is not None]


def _is_owed(record: Record, found: Replayed) -> bool:
    """Say whether a record tells of the end of a position of which the broker has not told all commissions."""
    position = found.state.positions.get(record.position)
    return record.kind is Kind.DECISION and position is not None and position.state == "closed" and position.owed > 0
