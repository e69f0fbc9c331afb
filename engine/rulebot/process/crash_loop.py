"""A run that dies again and again must not trade: the third start in ten minutes without a clean end only reduces.

Source: faults.md row 17. A start after `rulebot resume` counts from there.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rulebot.model.event import Request
from rulebot.record.record import Kind, Record

WITHIN = timedelta(minutes=10)
STARTS = 3
"""So many starts, this one included, of which none but this one may still be going on."""
TELLING = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.OPERATOR)
REASON = f"{STARTS} starts in {WITHIN.total_seconds() / 60:.0f} minutes, and none of them ended cleanly"
WORDS = f"{REASON}: entries are off, exits go on, until 'rulebot resume'"


def is_crash_loop(records: Iterable[Record], at: datetime) -> bool:
    """Say whether a run that starts at `at` is one too many. `records`: of engines' lives, in order, since `WITHIN`."""
    died: list[datetime] = []
    for record in records:
        if record.kind is Kind.RUN_STARTED:
            died.append(record.at)
        elif record.kind is Kind.RUN_ENDED and died and record.data.get("is_clean"):
            died.pop()
        elif record.kind is Kind.OPERATOR and record.data.get("request") == Request.RESUME.value:
            died.clear()
    return sum(at - started < WITHIN for started in died) >= STARTS - 1
