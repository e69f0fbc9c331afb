"""Conditions of entry under which no entry is ever made, and sessions without a window."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial
from math import inf

from rulebot.compile.data_needs import calls_of, opening_moves
from rulebot.compile.lint.comparisons import (
    KIND,
    TIME,
    Reach,
    Subject,
    can_hold,
    contradictory,
    measure_of,
    satisfiable,
)
from rulebot.compile.lint.exits import asked_of
from rulebot.compile.lint.lint_context import LintContext, dates, duration, said, window_words
from rulebot.compile.lint.reach import MULTIPLIER, spans_in_seconds, window_seconds
from rulebot.compile.plan import ExitPlan, Quantity, Reentry, RollPlan, Rule, Truth
from rulebot.compile.problem import Problem
from rulebot.compile.structure import symbol_of
from rulebot.compile.timing import end_of_day, full_session, outlives_its_day, windows_of
from rulebot.measure.ranges import ALL, TRUE, Range, meet, stretch
from rulebot.measure.series import TODAY
from rulebot.measures.registry import series_of
from rulebot.model.contract import INDICES
from rulebot.model.money import MOST_STRUCTURES, RAISED_BY, dollars
from rulebot.model.text import counted
from rulebot.spec.nouns import Path, Strike, StrikeBy

NO_ENTRY = "no entry would ever be made"
MOST_CUT = 1800.0
"""Seconds that a window may continue after a time exit has closed everything."""


def excluded(look: LintContext) -> Iterator[Problem]:
    """Yield RB311 where conditions of entry never hold together, and RB312 where they only hold when the bot halts."""
    rules = look.entry_rules()
    found = list(_never(look, rules))
    yield from found or _halting(look, rules)


def _never(look: LintContext, rules: tuple[Rule, ...]) -> Iterator[Problem]:
    if satisfiable([(rule.test, True) for rule in rules], look.places.entry, look.terms):
        return
    fine: list[Rule] = []
    for rule in rules:
        if not _may_enter(look, rule):
            message = f"{said(rule)} is never true here: {NO_ENTRY}"
            yield Problem("RB311", look.marked(rule), message, _why_never(look, rule.test))
        elif (other := next((each for each in fine if not _may_enter(look, each, rule)), None)) is not None:
            message = f"{said(other)} and {said(rule)} never hold together: {NO_ENTRY}"
            yield Problem("RB311", look.marked(rule), message, "take one of them away, or put both under 'any'")
        else:
            fine.append(rule)
    if len(fine) == len(rules) and not _may_enter(look, *rules):
        yield Problem("RB311", look.marked(rules[-1]), f"this and the conditions above never hold together: {NO_ENTRY}")


def _may_enter(look: LintContext, *rules: Rule) -> bool:
    return can_hold([(rule.test, True) for rule in rules], look.places.entry, look.terms)


def _why_never(look: LintContext, test: Truth) -> str:
    ways = satisfiable([(test, True)], lambda _: ALL, look.terms) or []
    against = {subject for way in ways for subject in contradictory(way, look.places.entry)}
    if TIME in against:
        return f"the window is {window_words(look.spec)}"
    most = look.worth.most_cost if look.plan.opens_for == "credit" else look.worth.most_value
    measures = (measure_of(subject) for subject in against)
    if most is not None and any(measure is not None and measure.is_entry_price for measure in measures):
        return f"with these strikes the structure is never worth more than {_priced(look, against, most)}"
    return ""


def _priced(look: LintContext, subjects: set[Subject], most: float) -> str:
    in_dollars = any(subject.quantity is Quantity.DOLLARS for subject in subjects)
    return f"${most * 100 * look.plan.quantity:g}" if in_dollars else f"{most:.2f}"


def unaffordable(look: LintContext) -> Iterator[Problem]:
    """Yield RB316 where the structure could always lose more than `max_loss_per_trade`."""
    limit = look.plan.risk.max_loss_per_trade
    count = 1 if look.plan.size is not None else look.plan.quantity
    least = look.least_loss * MULTIPLIER * count
    if limit is None or least <= limit:
        return
    could = dollars(Decimal(f"{least:.2f}"))
    message = f"'max_loss_per_trade' is {dollars(limit)}, and these legs could lose {could} at least: {NO_ENTRY}"
    help_text = f"a structure could lose {look.least_loss:.2f} a share at expiry, at the best price there can be"
    yield Problem("RB316", (*look.spec.risk.path, "max_loss_per_trade"), message, help_text)


def _halting(look: LintContext, rules: tuple[Rule, ...]) -> Iterator[Problem]:
    for halt in look.plan.risk.halt_when:
        if not _only_halted(look, rules, halt):
            continue
        alone = next((rule for rule in rules if _only_halted(look, (rule,), halt)), None)
        what = said(alone) if alone is not None else "what `when` asks for"
        message = f"{said(halt)} halts the bot whenever {what} holds: {NO_ENTRY}"
        yield Problem("RB312", look.marked(halt), message, "an entry needs some room between its filter and the halt")


def _only_halted(look: LintContext, rules: tuple[Rule, ...], halt: Rule) -> bool:
    wanted = [*((rule.test, True) for rule in rules), (halt.test, False)]
    return not can_hold(wanted, look.places.entry, look.terms)


# ---------------------------------------------------------------- sessions without a window


def sessions_without_window(look: LintContext) -> Iterator[Problem]:
    """Yield RB320 with the half days of the coming year on which the window is cut to nothing.

    A filter that lets no half day through says that this is meant.
    """
    if look.outside is None or not _wants_half_days(look):
        return
    days = look.plan.entry.days or range(5)
    half_days = (day for day in look.outside.half_days if day.date.weekday() in days)
    found = [day for day in half_days if _is_empty(*window_seconds(look.spec, day))]
    if not found:
        return
    message = f"no entry on {dates(found)}: a half day ends before {window_words(look.spec)}"
    help_text = "move it, or say that it is meant: 'session: {is: full}' in 'when'"
    yield Problem("RB320", _window_path(look), message, help_text)


def past_the_exit(look: LintContext) -> Iterator[Problem]:
    """Yield RB324 for a window that is mostly after the time exit that closes everything."""
    session = look.terms.session
    last = end_of_day(look.spec, session)
    if last is None:
        return
    for window in windows_of(look.spec.entry):
        ends = window.ends(session)
        cut = (ends - last.before_close(session)).total_seconds()
        if window.starts(session) < last.before_close(session) and ends < session.close and cut > MOST_CUT:
            message = f"the window continues for {duration(cut)} after {last}, when a time exit has closed everything"
            yield Problem("RB324", _window_path(look), message, f"let it end at {last}, or close later")


def _is_empty(start: float, end: float) -> bool:
    return start >= end


def _wants_half_days(look: LintContext) -> bool:
    tests = [(rule.test, True) for rule in look.entry_rules()]
    return can_hold(tests, lambda subject: TRUE if subject == KIND else ALL, look.terms)


def _window_path(look: LintContext) -> Path:
    entry = look.spec.entry
    return (*entry.path, "window") if entry.end is not None else (*entry.path, "at")


# --- Caps and second entries that the window leaves no room for


def out_of_reach(look: LintContext) -> Iterator[Problem]:
    """Yield RB322 for an `again` without time or room, RB323 for a cap that no day can reach."""
    again, entry = look.spec.entry.again, look.spec.entry
    if again is not None and _room(look, again) < again.wait:
        left = duration(_room(look, again))
        message = f"'again' waits {duration(again.wait)}, and the window leaves {left}: there is no second entry"
        yield Problem("RB322", (*again.path, "wait"), message, f"the window is {window_words(look.spec)}")
        return
    if again is not None and (cap := _cap_in_the_way(look, again)):
        yield Problem("RB322", (*again.path, "after"), f"{cap}: 'again' never acts", f"{_room_for(cap)} lets it")
        return
    most, why = _most_a_day(look)
    per_day = look.plan.entry.per_day
    if per_day > most:
        message = f"'per_day' is {per_day}, and never more than {counted(int(most), 'position')} a day can be opened"
        yield Problem("RB323", (*entry.path, "per_day"), message, why)
    most = min(per_day, most)
    yield from _of_a_week(look, most)
    if entry.max_open is not None and entry.max_open > most and not outlives_its_day(look.spec):
        message = f"'max_open' is {entry.max_open}, and no day opens more than {counted(int(most), 'position')}"
        yield Problem("RB323", (*entry.path, "max_open"), message, "a position is over on the day of its entry")


def past_built_in_cap(look: LintContext) -> Iterator[Problem]:
    """Yield RB377 for an order of more structures than the built-in cap allows; an account document lifts it."""
    plan = look.plan
    if plan.quantity <= MOST_STRUCTURES or plan.overwrite is not None:
        return
    key = "quantity" if plan.size is None and plan.growth is None else "at_most"
    most = f"without an account document an order is at most {MOST_STRUCTURES} structures"
    message = f"'{key}' is {plan.quantity:,}; {most}"
    help_text = f"write at most {MOST_STRUCTURES}; {RAISED_BY}"
    place = ("quantity",) if key == "quantity" else ("quantity", "at_most")  # where RB361 says the same of a usual size
    yield Problem("RB377", place, message, help_text)


def _cap_in_the_way(look: LintContext, again: Reentry) -> str:
    """Return which cap keeps every further entry out, "" when none does: each would open another position."""
    entry = look.plan.entry
    if {"unfilled", "any"} & set(again.after):
        return ""
    if entry.per_day == 1:
        said = "'per_day' is 1" if look.spec.entry.per_day is not None else "without 'per_day' it opens 1 a day"
        return f"{said}, and 'after' names only what follows a position"
    if set(again.after) == {"filled"} and entry.max_open == 1:
        return "'max_open' is 1, and after 'filled' the first is still open"
    return ""


def _room_for(cap: str) -> str:
    return "'max_open: 2'" if cap.startswith("'max_open'") else "'per_day: 2'"


def _of_a_week(look: LintContext, a_day: float) -> Iterator[Problem]:
    entry = look.spec.entry
    most = a_day * (len(entry.days) or 5)
    if entry.per_week is not None and entry.per_week > most:
        can = counted(int(most), "position")
        message = f"'per_week' is {entry.per_week}, and never more than {can} a week can be opened"
        yield Problem("RB323", (*entry.path, "per_week"), message)


def _room(look: LintContext, again: Reentry) -> float:
    """Return the seconds in which a second entry could still be made, in the longest window."""
    spans = spans_in_seconds(look.spec, look.terms.session)
    latest = inf
    if again.until is not None:
        latest = (again.until.on(look.terms.session) - look.terms.session.open).total_seconds()
    return max(min(end, latest) - start for start, end in spans)


def _most_a_day(look: LintContext) -> tuple[float, str]:
    """Return how many positions a day can open, and what allows no more."""
    universe = look.spec.universe
    windows = len(look.plan.entry.windows) * (1 if universe is None else len(universe.symbols))
    again = look.spec.entry.again
    if again is None:
        why = "one window sends one entry; 'again' would make it more, as in 'again: {after: [filled]}'"
        return windows, why
    if set(again.after) == {"unfilled"}:
        why = "'again' follows an entry that filled nothing; 'filled', 'any' or an exit would open another position"
        return windows, why
    by_time = windows * (1 + _room(look, again) // again.wait) if again.wait else inf
    by_count = inf if again.at_most is None else windows * (1 + again.at_most)
    if by_count <= by_time:
        return by_count, f"'again' says 'at_most: {again.at_most}'"
    return by_time, f"'again' waits {duration(again.wait)} each time, in a window of {window_words(look.spec)}"


# --- Strikes that count from the level of an index while its members have not opened

LAGS = 60.0
"""Seconds after the open in which most members of an index have traded."""
_FIRST = stretch(0.0, LAGS, high_open=True)
_LATE_INDEX = "in its first seconds an index is reported near its last close, since not all members have opened"
_FROM_SPOT = (StrikeBy.OTM, StrikeBy.EXPECTED_MOVE, StrikeBy.AT_SPOT)


def before_members_open(look: LintContext) -> Iterator[Problem]:
    """Yield RB349 for each strike relative to an index that can be chosen in a session's first minute.

    By an entry, or an exit that rolls. It cannot where that waits for a time of day, for a bar of the day, or for its
    expected move of the open, which waits for the members, or where a condition must hold for as long.
    """
    yield from _entered(look)
    reported: set[Path] = set()
    for planned, rule in look.exit_rules():
        if planned.roll is not None and rule.path not in reported and _rolls_at_first(look, planned, rule):
            reported.add(rule.path)
            yield from _rolled(rule, planned.roll)


def _entered(look: LintContext) -> Iterator[Problem]:
    start, end = window_seconds(look.spec, full_session())
    rules = look.entry_rules()
    if not start < min(LAGS, end) or start + _asked(rules) >= LAGS or _waits(look, rules, look.places.entry):
        return
    for leg in look.spec.legs.legs:
        symbol, key = symbol_of(leg, look.spec), _key_from_spot(leg.strike)
        if key is not None and symbol in INDICES:
            message = f"'{leg.name}' counts from {symbol}, and the window is {window_words(look.spec)}: {_LATE_INDEX}"
            yield Problem("RB349", (*leg.strike.path, key), message, "begin at 'open + 1m' or later")


def _rolls_at_first(look: LintContext, planned: ExitPlan, rule: Rule) -> bool:
    """Return whether an exit may choose what it rolls into in the first minute of a session."""
    assert planned.roll is not None
    rules = (rule, *planned.activate_when, *planned.roll.require)
    is_held = bool(meet(look.places.open(TIME), _FIRST))
    return is_held and _asked(rules) < LAGS and not _waits(look, (rule, *planned.activate_when), look.places.open)


def _rolled(rule: Rule, roll: RollPlan) -> Iterator[Problem]:
    for leg in roll.legs:
        key = _key_from_spot(leg.strike)
        if key is not None and leg.symbol in INDICES:
            message = f"{said(rule)} may roll '{leg.name}' to a strike that counts from {leg.symbol} at the open: "
            help_text = "add 'time: open + 1m' to it, under 'all'"
            yield Problem("RB349", (*leg.strike.path, key), message + _LATE_INDEX, help_text)


def _asked(rules: Iterable[Rule]) -> float:
    return max((asked_of(rule) for rule in rules), default=0.0)


def _waits(look: LintContext, rules: Iterable[Rule], places: Reach) -> bool:
    """Return whether conditions cannot hold in the first minute of a session."""
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
    return "min_otm_distance" if strike.min_otm_distance else None
