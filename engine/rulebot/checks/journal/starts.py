"""Invariant 22: a start, which reads what stands, goes on from the state that the whole journal leads to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rulebot.core.state import State
from rulebot.model.errors import StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.record.record import Record
from rulebot.recovery.resume import RESUMED, resume, resume_from
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

LATER = (timedelta(0), timedelta(days=1), timedelta(days=4))
"""How long after the last record that it reads a start is tried: at once, on the next day, after a long weekend."""


def differing_starts(path: Place) -> list[str]:
    """Return what a start would know otherwise, or why none is possible, in words. Raises: StoreError."""
    with StoreReader(path) as reader:
        try:
            records = reader.records(RESUMED)
            instants = [records[-1].at + later for later in LATER] if records else []
            return [f"a start at {at:%Y-%m-%d %H:%M:%S} UTC would know other {name}"
                    for at in instants for name in _differing(reader, records, at)]  # fmt: skip
        except (ArithmeticError, KeyError, StoreError, TypeError, ValueError) as error:
            return [f"a start cannot read it: {error!r}"]


def _differing(reader: StoreReader, records: Sequence[Record], at: datetime) -> list[str]:
    board, events = Board(), EventCalendar()
    whole = resume(records, at, board, events)
    lean = resume_from(reader.recall(at), at, board, events)
    names = [name for name in State._fields if getattr(whole.state, name) != getattr(lean.state, name)]
    return names + (["texts"] if (whole.texts, whole.install) != (lean.texts, lean.install) else [])
