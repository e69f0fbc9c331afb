"""What an observing engine says of itself: the same lines as any other, in words of what would have been."""

from collections.abc import Mapping
from dataclasses import replace

from rulebot.core.state import State
from rulebot.narrate.event_text import ENTRY_SENT, EventLine, event_line
from rulebot.record.record import Json, Kind, Record
from rulebot.store.queries import OBSERVE

_WOULD = (
    ("to rest at the broker:", "would rest at the broker:"),
    ("filled", "would be filled"),
    ("closed:", "would be closed:"),
)


def observed(record: Record, state: State) -> EventLine | None:
    """Return the line of a record of an observing engine; a decision tells of an entry before its order does."""
    told = event_line(record, state)
    if told is None or told.text.startswith(ENTRY_SENT):
        return None
    was, now = next(((was, now) for was, now in _WOULD if told.text.startswith(was)), ("", ""))
    return replace(told, text=now + told.text.removeprefix(was)) if was and record.kind is not Kind.ALARM else told


def title(settings: Mapping[str, Json]) -> str:
    """Return what nobody may overlook of an observing engine, "" of any other."""
    if settings.get("mode") != OBSERVE:
        return ""
    shadows = settings.get("shadow_of")
    what = f"SHADOW of {shadows}" if shadows else "OBSERVING"
    return f"{what}: nothing is sent, orders fill by a model ({settings.get('fills')})"
