"""Reports that a feed moves at the last moment: the date that a bot may have entered on stays beside the new one.

Two dates of one report make `event` unknown, so a bot that has entered on the eve of the old date does not enter again
on the eve of the new one.
"""

import json
from datetime import date, timedelta
from typing import Any

from rulebot.model.events import SAME_REPORT

_SINCE, _UNTIL = timedelta(days=10), timedelta(days=1)
"""A date counts as moved at the last moment from so long before the day on which the feed was verified to so long
after it."""


def with_moved(content: bytes, before: bytes) -> bytes:
    """Return a feed of earnings with the dates of the one before that it has moved at the last moment.

    Both are sound calendars of earnings by symbol. A feed that has moved none is returned as it is.
    """
    feed, old = json.loads(content.decode("utf-8-sig")), json.loads(before.decode("utf-8-sig"))
    verified = date.fromisoformat(feed["verified"])
    moved = False
    for symbol, entries in feed.get("by_symbol", {}).items():
        kept = [each for each in old.get("by_symbol", {}).get(symbol, ()) if _is_moved(_day(each), entries, verified)]
        moved = moved or bool(kept)
        entries.extend(_marked(each) for each in kept)
        entries.sort(key=_day)
    return json.dumps(feed, indent=1).encode() if moved else content


def _is_moved(day: date, entries: list[Any], verified: date) -> bool:
    days = [_day(each) for each in entries]
    is_near = verified - _SINCE <= day <= verified + _UNTIL
    return is_near and day not in days and any(abs((day - other).days) <= SAME_REPORT for other in days)


def _day(entry: Any) -> date:
    return date.fromisoformat(entry if isinstance(entry, str) else entry["day"])


def _marked(entry: Any) -> dict[str, Any]:
    """Return a date with a note that the feed has it no more."""
    found = {"day": entry} if isinstance(entry, str) else dict(entry)
    return found | {"note": "moved by the feed"}
