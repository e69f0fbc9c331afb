"""Strikes that count from the level of an index while its members have not opened.

Source: CME Group, "Understanding the Special Opening Quotation (SOQ)" (2017): until a member has traded, an index takes
its close of the day before, so that the first levels of a day lie nearer to that close than its options do.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from rulebot.compile.lint.clauses import Reach, can_hold
from rulebot.compile.lint.confirming import asked_of
from rulebot.compile.lint.literals import TIME, Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.ranges import Range, meet, stretch
from rulebot.compile.lint.reach import window_seconds
from rulebot.compile.lint.wording import said, window_words
from rulebot.compile.plan import ExitPlan, RollPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of, opening_moves
from rulebot.compile.series import TODAY, series_of
from rulebot.compile.structure import symbol_of
from rulebot.compile.timing import full_session
from rulebot.model.contract import INDICES
from rulebot.spec.nouns.condition import Path
from rulebot.spec.nouns.legs import Strike, StrikeBy

LAGS = 60.0
"""Seconds after the open in which most members of an index have traded."""
_FIRST = stretch(0.0, LAGS, high_open=True)
_TOLD_LATE = "in its first seconds an index is told near its last close, since not all members have opened"
_FROM_SPOT = (StrikeBy.OTM, StrikeBy.EXPECTED_MOVE, StrikeBy.AT_SPOT)


def before_members_open(look: LintContext) -> Iterator[Problem]:
    """Yield RB349 for each strike that counts from an index, if it can be chosen in the first minute of a session.

    By an entry, or an exit that rolls. It cannot where that waits for a time of day, for a bar of the day, or for its
    expected move of the open, which waits for the members, nor where a condition has to hold for as long.
    """
    yield from _entered(look)
    told: set[Path] = set()
    for planned, rule in look.exit_rules():
        if planned.roll is not None and rule.path not in told and _rolls_at_first(look, planned, rule):
            told.add(rule.path)
            yield from _rolled(rule, planned.roll)


def _entered(look: LintContext) -> Iterator[Problem]:
    start, end = window_seconds(look.spec, full_session())
    rules = look.entry_rules()
    if not start < min(LAGS, end) or start + _asked(rules) >= LAGS or _waits(look, rules, look.places.entry):
        return
    for leg in look.spec.legs.legs:
        symbol, key = symbol_of(leg, look.spec), _key_from_spot(leg.strike)
        if key is not None and symbol in INDICES:
            message = f"'{leg.name}' counts from {symbol}, and the window is {window_words(look.spec)}: {_TOLD_LATE}"
            yield Problem("RB349", (*leg.strike.path, key), message, "begin at 'open + 1m' or later")


def _rolls_at_first(look: LintContext, planned: ExitPlan, rule: Rule) -> bool:
    """Say whether an exit may choose what it rolls into in the first minute of a session."""
    assert planned.roll is not None
    rules = (rule, *planned.armed_by, *planned.roll.require)
    is_held = bool(meet(look.places.open(TIME), _FIRST))
    return is_held and _asked(rules) < LAGS and not _waits(look, (rule, *planned.armed_by), look.places.open)


def _rolled(rule: Rule, roll: RollPlan) -> Iterator[Problem]:
    for leg in roll.legs:
        key = _key_from_spot(leg.strike)
        if key is not None and leg.symbol in INDICES:
            message = f"{said(rule)} may roll '{leg.name}' to a strike that counts from {leg.symbol} at the open: "
            help_text = "add 'time: open + 1m' beside it, under 'all'"
            yield Problem("RB349", (*leg.strike.path, key), message + _TOLD_LATE, help_text)


def _asked(rules: Iterable[Rule]) -> float:
    return max((asked_of(rule) for rule in rules), default=0.0)


def _waits(look: LintContext, rules: Iterable[Rule], places: Reach) -> bool:
    """Say whether conditions cannot hold in the first minute of a session."""
    rules = tuple(rules)
    read = [call for rule in rules for call in calls_of(rule.test)]
    if any(TODAY in series_of(call).values() for call in read) or opening_moves(read):
        return True
    return not can_hold([(rule.test, True) for rule in rules], partial(_at_first, places), look.terms)


def _at_first(reach: Reach, subject: Subject) -> Range:
    """Return where a subject can be in the first minute."""
    found = reach(subject)
    return meet(found, _FIRST) if subject == TIME else found


def _key_from_spot(strike: Strike) -> str | None:
    """Return the key of a strike that counts from spot, None where none does."""
    if strike.by in _FROM_SPOT:
        return "at" if strike.by is StrikeBy.AT_SPOT else strike.by.value
    return "at_least_from_spot" if strike.at_least_from_spot else None
