"""Strikes that count from the level of an index while its members have not opened.

Source: CME Group, "Understanding the Special Opening Quotation (SOQ)" (2017): until a member has traded, an index takes
its close of the day before, so that the first levels of a day lie nearer to that close than its options do.
"""

from collections.abc import Iterator
from functools import partial

from engine.compile.lint.clauses import Reach, can_hold
from engine.compile.lint.confirming import asked_of
from engine.compile.lint.literals import TIME, Subject
from engine.compile.lint.look import Look
from engine.compile.lint.ranges import Range, meet, stretch
from engine.compile.lint.reach import window_seconds
from engine.compile.lint.wording import window_words
from engine.compile.problem import Problem
from engine.compile.reads import calls_of, opening_moves
from engine.compile.series import TODAY, series_of
from engine.compile.structure import symbol_of
from engine.compile.timing import full_session
from engine.model.contract import INDICES
from engine.spec.nouns.legs import Leg, StrikeBy

LAGS = 60.0
"""Seconds after the open in which most members of an index have traded."""
_FROM_SPOT = (StrikeBy.OTM, StrikeBy.EXPECTED_MOVE, StrikeBy.AT_SPOT)


def before_members_open(look: Look) -> Iterator[Problem]:
    """Yield RB349 for each strike that counts from an index, if an entry can be made in the first minute of a session.

    None can where it waits for a time of day, for a bar of the day, or for its expected move of the open, which waits
    for the members, nor where a condition has to hold for as long.
    """
    start, end = window_seconds(look.spec, full_session())
    if not start < min(LAGS, end) or _waits(look, start):
        return
    for leg in look.spec.legs.legs:
        symbol = symbol_of(leg, look.spec)
        key = _key_from_spot(leg)
        if key is None or symbol not in INDICES:
            continue
        message = (
            f"'{leg.name}' counts from {symbol}, and the window is {window_words(look.spec)}: in its first seconds an "
            "index is told near its last close, since not all members have opened"
        )
        yield Problem("RB349", (*leg.strike.path, key), message, "begin at 'open + 1m' or later")


def _waits(look: Look, start: float) -> bool:
    rules = look.entry_rules()
    read = [call for rule in rules for call in calls_of(rule.test)]
    if any(TODAY in series_of(call).values() for call in read) or opening_moves(read):
        return True
    if start + max((asked_of(rule) for rule in rules), default=0.0) >= LAGS:
        return True
    return not can_hold([(rule.test, True) for rule in rules], partial(_at_first, look.places.entry), look.terms)


def _at_first(reach: Reach, subject: Subject) -> Range:
    """Return where a subject can be in the first minute."""
    found = reach(subject)
    return meet(found, stretch(0.0, LAGS, high_open=True)) if subject == TIME else found


def _key_from_spot(leg: Leg) -> str | None:
    """Return the key of a strike that counts from spot, None where none does."""
    if leg.strike.by in _FROM_SPOT:
        return "at" if leg.strike.by is StrikeBy.AT_SPOT else leg.strike.by.value
    return "at_least_from_spot" if leg.strike.at_least_from_spot else None
