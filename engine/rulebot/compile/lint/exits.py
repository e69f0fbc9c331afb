"""Exits that never act, act at once, or stand in the shadow of another."""

from collections.abc import Iterator

from rulebot.compile.lint.clauses import can_hold, contradictory, satisfiable
from rulebot.compile.lint.confirming import asked_of, is_too_long, most_seconds
from rulebot.compile.lint.endings import ends, is_of_an_hour
from rulebot.compile.lint.literals import TIME, Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.ranges import ALL, Range
from rulebot.compile.lint.wording import dates, duration, said
from rulebot.compile.plan import ExitPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.spec.nouns.condition import Confirm
from rulebot.spec.nouns.exits import ExitKind, IfUnknown

_GAINS = ("gain", "gain in dollars", "gain in risk", "cost")


def never_true_exits(look: LintContext) -> Iterator[Problem]:
    """Yield a warning for each exit that cannot do what it is there for; the first reason found counts."""
    above: list[tuple[ExitPlan, Rule]] = []
    for planned, rule in look.exit_rules():
        if not _may_act(look, rule):
            is_told = is_of_an_hour(rule) and not ends(look, look.terms, look.places)
            if not is_told and planned.if_unknown is not IfUnknown.EXIT:
                yield _never(look, rule)
            continue
        if planned.if_unknown is not IfUnknown.EXIT and is_too_long(rule, look.terms, look.places):
            yield _unconfirmed(look, rule)
            continue
        if planned.armed_by and (target := _closed_by(look, planned)) is not None:
            message = f"{said(rule)} never acts: when it would be armed, {said(target)} closes the position"
            yield Problem("RB332", look.marked(rule), message, "arm it at a smaller profit than the target's")
        elif planned.armed_by:
            yield from _on_half_days(look, rule)
        elif not can_hold([(rule.test, False)], look.places.opened, look.terms):
            message = (
                f"{said(rule)} is true as soon as the position is open: it closes at once, and only costs are left"
            )
            yield Problem("RB229", look.marked(rule), message, "leave room between what is entered and the exit")
        elif (other := _shadowing(look, above, planned, rule)) is not None:
            message = f"{said(rule)} never acts: whenever it is true, {said(other)} above it is true and acts first"
            yield Problem("RB332", look.marked(rule), message, _instead(rule))
        else:
            yield from _on_half_days(look, rule)
        if planned.roll is None:  # one that finds nothing to roll into lets those below act
            above.append((planned, rule))


def _is_clock(rule: Rule) -> bool:
    """Say whether an exit needs no market data."""
    return rule.reads == frozenset({"time"})


def never_true_halts(look: LintContext) -> Iterator[Problem]:
    """Yield RB333 for a halt that can never be."""
    for rule in look.plan.risk.halt_when:
        if not can_hold([(rule.test, True)], look.places.halt, look.terms):
            yield Problem("RB333", look.marked(rule), f"{said(rule)} can never be true: nothing is halted by it")


def _may_act(look: LintContext, rule: Rule) -> bool:
    return can_hold([(rule.test, True)], look.places.open, look.terms)


# ---------------------------------------------------------------- never


def _never(look: LintContext, rule: Rule) -> Problem:
    against = _against(look, rule)
    where = look.marked(rule)
    if TIME in against:
        return Problem("RB333", where, f"{said(rule)} never acts: trading ends at 16:00", "as in 'close - 15m'")
    gain = next((subject for subject in against if subject.measure in _GAINS), None)
    if gain is None:
        return Problem("RB333", where, f"{said(rule)} can never be true: this exit never acts")
    if _is_loss(gain, against[gain], look.places.open(gain)):
        message = f"{said(rule)} lies beyond what this position can lose: the stop never acts"
        return Problem("RB331", where, message, _most_lost(look, gain))
    message = f"{said(rule)} asks for more than this position can win: the target is never reached"
    return Problem("RB330", where, message, _most_won(look, gain))


def _unconfirmed(look: LintContext, rule: Rule) -> Problem:
    often = rule.confirm.quotes if rule.confirm is not None else None
    asked = f"for {duration(asked_of(rule))}" if often is None else f"{often:,} times in a row"
    most = duration(most_seconds(rule, look.terms, look.places))
    message = f"{said(rule)} would have to be true {asked}, and is for {most} at most: this exit never acts"
    return Problem("RB333", (*rule.path, "confirm"), message, "as in 'confirm: 2 quotes' or 'confirm: 5s'")


def _against(look: LintContext, rule: Rule) -> dict[Subject, Range]:
    """Return the subjects that would have to be where they cannot be, and where that is."""
    ways = satisfiable([(rule.test, True)], lambda _: ALL, look.terms) or []
    return {subject: way[subject] for way in ways for subject in contradictory(way, look.places.open)}


def _is_loss(gain: Subject, wanted: Range, possible: Range) -> bool:
    """Say whether what is wanted lies on the side of the loss: a lower gain, or a higher cost, than there can be."""
    is_below = bool(wanted and possible) and wanted[-1][1] < possible[0][0]
    return is_below is not (gain.measure == "cost")


def _most_lost(look: LintContext, gain: Subject) -> str:
    reach = look.places.open(gain)
    low, high = reach[0][0][0], reach[-1][1][0]
    match gain.measure:
        case "gain in risk":
            return "1x max_risk is the worst case at expiry"
        case "gain in dollars":
            return f"it loses ${-low:,.0f} at most, commissions included"
        case "cost" if high > 0:
            return f"with these strikes it never costs more than {high:.2f} to close"
        case "gain" if look.plan.opens_for == "credit":
            most, least = look.worth.most_cost or 0.0, look.bounds.least
            return f"it costs {most:.2f} at most to close; sold at {least:.2f} or more, that is a loss of {-low:.0%}"
        case _:
            return "what was bought can lose no more than it cost, and at that nothing is left to sell"


def _most_won(look: LintContext, gain: Subject) -> str:
    reach = look.places.open(gain)
    low, high = reach[0][0][0], reach[-1][1][0]
    match gain.measure, look.plan.opens_for:
        case "gain in dollars", _:
            return f"it wins less than ${high:,.0f}"
        case "cost", "debit":
            return f"with these strikes it never brings more than {-low:.2f}"
        case "gain", "debit":
            return f"it wins {high:.0%} at most"
        case _:
            return "the whole credit is 100%, and closing always costs something; 'at_expiry: settle' keeps all of it"


# ---------------------------------------------------------------- in the shadow


def _shadowing(look: LintContext, above: list[tuple[ExitPlan, Rule]], planned: ExitPlan, rule: Rule) -> Rule | None:
    """Return the rule of the first exit above that is true whenever this one is, and leaves it nothing to do."""
    for other, wider in above:
        if not _leaves_nothing(other, wider, planned, rule):
            continue
        if not can_hold([(rule.test, True), (wider.test, False)], look.places.open, look.terms):
            return wider
    return None


def _closed_by(look: LintContext, armed: ExitPlan) -> Rule | None:
    """Return the rule of a target of the whole position that is true whenever this exit may be armed."""
    arming = [(each.test, True) for each in armed.armed_by]
    for other, rule in look.exit_rules():
        is_part = bool(other.legs) or other.part is not None or other.roll is not None
        if other.kind is not ExitKind.TARGET or is_part or other.armed_by or rule.confirm is not None:
            continue
        if not can_hold([*arming, (rule.test, False)], look.places.open, look.terms):
            return rule
    return None


def _leaves_nothing(other: ExitPlan, wider: Rule, planned: ExitPlan, rule: Rule) -> bool:
    """Say whether the exit above, once both are true, acts first and closes all that this one would.

    A target at work is taken over by what is none. What rests at the broker is filled there, in whatever order.
    """
    if other.resting or planned.resting or planned.if_unknown is IfUnknown.EXIT or other.part is not None:
        return False
    if other.armed_by:
        return False
    if other.kind is ExitKind.TARGET and planned.kind is not ExitKind.TARGET:
        return False
    if other.legs and not (planned.legs and set(planned.legs) <= set(other.legs)):
        return False
    return _is_no_later(wider.confirm, rule.confirm) and _is_no_stricter(wider.max_age, rule.max_age)


def _is_no_later(one: Confirm | None, other: Confirm | None) -> bool:
    """Say whether what `one` asks has always been given when what `other` asks has."""
    if one is None:
        return True
    if other is None or (one.quotes is None) is not (other.quotes is None):
        return False
    return (one.quotes or 0) <= (other.quotes or 0) and (one.seconds or 0.0) <= (other.seconds or 0.0)


def _is_no_stricter(one: float | None, other: float | None) -> bool:
    return one is None or (other is not None and one >= other)


def _instead(rule: Rule) -> str:
    if _is_clock(rule):
        return "an exit that has acted goes on until it is done; 'then: market' in its order ends its ladder"
    return "put the tighter one above the wider one, or take it away"


# ---------------------------------------------------------------- half days


def _on_half_days(look: LintContext, rule: Rule) -> Iterator[Problem]:
    """Yield RB321 with the half days of the coming year that end before this exit can act."""
    if "time" not in rule.reads:
        return
    wanted = [(rule.test, True)]
    found = [
        terms.session
        for terms, places in look.halves
        if not can_hold(wanted, places.open, terms) and (ends(look, terms, places) or not _is_clock(rule))
    ]
    if found:
        message = f"{said(rule)} does not act on {dates(found)}: a half day ends at 13:00"
        yield Problem("RB321", look.marked(rule), message, "count it from the close, as in 'close - 15m'")
