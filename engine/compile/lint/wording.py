"""How warnings name what they are about."""

from collections.abc import Sequence
from decimal import Decimal

from engine.compile.plan import EntryPlan, Rule
from engine.compile.units import written
from engine.model.session import Session
from engine.spec.nouns.condition import Amount, Unit

_SHOWN_DAYS = 6


def said(rule: Rule) -> str:
    """Return a rule in words: `'vix' (below 12)`."""
    return f"'{rule.name}' ({rule.text})" if rule.text else f"'{rule.name}'"


def duration(seconds: float) -> str:
    """Return a duration as a spec writes it."""
    return written(Amount(Decimal(round(seconds)), Unit.SECONDS))


def window_words(entry: EntryPlan) -> str:
    """Return the entry's windows: `10:30 to 13:30`, or `10:00 and 11:00, for 5m`."""
    first = entry.windows[0]
    if first.end is not None:
        return " and ".join(f"{each.start} to {each.end}" for each in entry.windows)
    return f"{' and '.join(str(each.start) for each in entry.windows)}, for {duration(first.lasts or 0.0)}"


def dates(sessions: Sequence[Session]) -> str:
    """Return dates in a row: `2026-11-27 and 2026-12-24`."""
    days = [str(session.date) for session in sessions]
    if len(days) > _SHOWN_DAYS:
        days = [*days[:_SHOWN_DAYS], f"{len(days) - _SHOWN_DAYS} more"]
    return " and ".join(filter(None, (", ".join(days[:-1]), days[-1])))
