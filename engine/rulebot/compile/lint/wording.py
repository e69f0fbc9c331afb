"""How warnings name what they are about."""

from collections.abc import Sequence
from decimal import Decimal

from rulebot.compile.plan import Rule
from rulebot.compile.timing import end_of_day, full_session, windows_of
from rulebot.compile.units import written
from rulebot.model.session import Session
from rulebot.spec.nouns.condition import Amount, Unit
from rulebot.spec.spec import Spec

_SHOWN_DAYS = 6


def said(rule: Rule) -> str:
    """Return a rule in words: `'vix' (below 12)`."""
    return f"'{rule.name}' ({rule.text})" if rule.text else f"'{rule.name}'"


def duration(seconds: float) -> str:
    """Return a duration as a spec writes it."""
    return written(Amount(Decimal(round(seconds)), Unit.SECONDS))


def window_words(spec: Spec) -> str:
    """Return the entry's windows, which end with the `time` exits: `10:30 to 13:30`, or `10:00 and 11:00, for 5m`."""
    windows, last, session = windows_of(spec.entry), end_of_day(spec, full_session()), full_session()
    ends = [each.end for each in windows if each.end is not None]
    if not ends:
        return f"{' and '.join(str(each.start) for each in windows)}, for {duration(windows[0].lasts or 0.0)}"
    cut = [end if last is None or end.on(session) <= last.before_close(session) else last for end in ends]
    return " and ".join(f"{each.start} to {end}" for each, end in zip(windows, cut, strict=True))


def dates(sessions: Sequence[Session]) -> str:
    """Return dates in a row: `2026-11-27 and 2026-12-24`."""
    days = [str(session.date) for session in sessions]
    if len(days) > _SHOWN_DAYS:
        days = [*days[:_SHOWN_DAYS], f"{len(days) - _SHOWN_DAYS} more"]
    return " and ".join(filter(None, (", ".join(days[:-1]), days[-1])))
