"""Exits that never act, act at once, or are shadowed by another."""

from collections.abc import Iterator
from math import inf

from rulebot.compile.data_needs import calls_of
from rulebot.compile.lint.comparisons import (
    TIME,
    Clause,
    LinearTerms,
    Subject,
    can_hold,
    contradictory,
    measure_of,
    satisfiable,
)
from rulebot.compile.lint.lint_context import LintContext, dates, duration, said
from rulebot.compile.lint.reach import Places
from rulebot.compile.per_leg_exits import WHOLE, Legs, legs_in_condition
from rulebot.compile.plan import ExitPlan, Quantity, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.structure import symbol_of, uncovered_after_close
from rulebot.measure.ranges import ALL, Range
from rulebot.model.text import counted
from rulebot.spec.nouns import Confirm, Leg, Side
from rulebot.spec.spec import Exit, IfUnknown, OnUnknown, is_all

# --- Exits that close something else than they seem to, a part that is all, or what covers the rest


def unspecified_close(look: LintContext) -> Iterator[Problem]:
    """Yield RB339 for an exit that judges different legs in its parts, without `close`."""
    written = {each.name: each for each in look.spec.exits}
    for planned, rule in look.exit_rules():
        condition = written[planned.written].condition
        if condition is None or planned.each or _says_what(written[planned.written]):
            continue
        found = legs_in_condition(condition.test, rule.test)
        if len(found) > 1:
            parts = " and in another ".join(map(_words, found))
            message = f"'{planned.written}' judges in one part {parts}, so it closes the whole position"
            yield Problem("RB339", look.marked(rule), message, f"write 'close: all', or {_close_instead(found)}")


def parts_that_close_all(look: LintContext) -> Iterator[Problem]:
    """Yield RB348 for each exit of a part that, rounded up, is all of the structures there can be."""
    if look.plan.overwrite is not None:
        return
    count = look.plan.quantity
    for rule in look.spec.exits:
        part = rule.close_part
        if rule.enabled and part is not None and part < 1 and is_all(part, count):
            said = f"{(part * 100).normalize():f}% of {counted(count, 'structure')}"
            message = f"'{rule.name}' closes {said}, rounded up, and so the whole position"
            yield Problem("RB348", (*rule.path, "close"), message, "leave 'close' out, or enter more ('quantity')")


def uncovering(look: LintContext) -> Iterator[Problem]:
    """Yield RB355 for each exit that closes what covers an option, or shares, that it leaves."""
    reported = set()
    for planned, rule in look.exit_rules():
        bare = uncovered_after_close(look.spec, planned.legs) if planned.legs and planned.roll is None else ()
        if bare and planned.written not in reported:
            reported.add(planned.written)
            message = f"'{planned.written}' closes {_words(planned.legs)} alone, and leaves {_words(bare)} uncovered"
            help_text = "close both, as 'close: all' does, or write 'undefined_risk: allow' under 'risk'"
            yield Problem("RB355", look.marked(rule), message, help_text)


def _says_what(written: Exit) -> bool:
    return written.close_all or written.close_part is not None or bool(written.close_legs)


def _words(legs: Legs) -> str:
    return "the whole position" if legs == WHOLE else " and ".join(legs)


def _close_instead(found: tuple[Legs, ...]) -> str:
    legs = next(legs for legs in found if legs != WHOLE)
    return f"'close: [{', '.join(legs)}]' for these alone"


# --- Whether an exit can be true for as long, or as often, as its `confirm` asks

BETWEEN_READINGS = 1.0
"""Seconds from one reading that counts to the next: each is on newer quotes of all that is read."""
_LASTING = Subject("time_in_trade", Quantity.SECONDS)


def is_too_long(rule: Rule, terms: LinearTerms, places: Places) -> bool:
    """Return whether an exit that may be true is never so for long enough."""
    return asked_of(rule) > most_seconds(rule, terms, places)


def asked_of(rule: Rule) -> float:
    """Return the seconds for which a rule has to be true, at the least."""
    confirm = rule.confirm
    if confirm is None:
        return 0.0
    return (confirm.seconds or 0.0) if confirm.quotes is None else (confirm.quotes - 1) * BETWEEN_READINGS


def most_seconds(rule: Rule, terms: LinearTerms, places: Places) -> float:
    """Return how long an exit can be true without a break: the life of a position, or a time of day to the close."""
    ways = satisfiable([(rule.test, True)], places.open, terms)
    lasting = places.open(_LASTING)[-1][1][0]
    return lasting if ways is None else max((min(lasting, _left(way, terms)) for way in ways), default=0.0)


def _left(way: Clause, terms: LinearTerms) -> float:
    """Return the seconds of a session in which a clause can be true; infinite without a time of day."""
    if not way.get(TIME):
        return inf
    day = (terms.session.close - terms.session.open).total_seconds()
    return day - way[TIME][0][0][0]


# --- Short options that nothing closes on some path

_MARKET = ("spot", "legs", "index", "strikes")


def shorts_without_exit(look: LintContext) -> Iterator[Problem]:
    """Yield RB335 for a short option that stays open without data, RB336 where no exit bounds its loss."""
    if not _sells(look):
        return
    yield from _without_data(look)
    yield from _without_bound(look)


def _sells(look: LintContext) -> bool:
    return any(leg.sign < 0 for leg in look.plan.legs)


def _without_data(look: LintContext) -> Iterator[Problem]:
    where = ("exits",)
    help_text = "add 'time: close - 15m', or 'at_expiry: settle' if it may be held to the end"
    if not ends(look, look.terms, look.places):
        message = "no exit that needs no market data is ever reached: blind, the short options would stay open"
        yield Problem("RB335", where, f"{message}{_at_no_hour(look)}", help_text, None, True)
        return
    found = [terms.session for terms, places in look.halves if not ends(look, terms, places)]
    if found:
        message = f"on {dates(found)} no exit that needs no market data is reached: the short options would stay open"
        yield Problem("RB335", where, message, help_text, None, True)


def _at_no_hour(look: LintContext) -> str:
    """Return which exits by the clock alone wait for an hour at which nothing trades, "" where none does."""
    clocks = [rule for _, rule in look.exit_rules() if is_of_an_hour(rule)]
    never = [said(rule) for rule in clocks if not can_hold([(rule.test, True)], look.places.open, look.terms)]
    return f"; never true from 09:30 to 16:00 New York: {', '.join(never)}" if never else ""


def is_of_an_hour(rule: Rule) -> bool:
    """Return whether an exit asks only for times of day; unreachable ones are reported together."""
    return {call.measure for call in calls_of(rule.test)} == {"time"}


def ends(look: LintContext, terms: LinearTerms, places: Places) -> bool:
    """Return whether some exit triggers by clock and calendar alone, or nothing is sold that needs one."""
    if not _sells(look):
        return True
    return any(_ends(look, planned, terms, places) for planned in look.plan.exits)


def _ends(look: LintContext, planned: ExitPlan, terms: LinearTerms, places: Places) -> bool:
    """Return whether an exit closes all of a position, and is armed and triggered by clock and calendar."""
    if planned.rule is None:
        return True
    count = look.plan.quantity if look.plan.overwrite is None else None
    if planned.roll is not None or not is_all(planned.part, count):
        return False
    if planned.legs and len(planned.legs) < len(look.plan.legs):
        return False
    if is_too_long(planned.rule, terms, places):
        return False
    found = (satisfiable([(rule.test, True)], places.open, terms) for rule in (planned.rule, *planned.activate_when))
    return all(ways is None or any(map(_is_by_clock, ways)) for ways in found)


def _is_by_clock(way: Clause) -> bool:
    measures = [measure_of(subject) for subject in way if subject != TIME]
    return all(measure is not None and measure.is_by_clock for measure in measures)


def _without_bound(look: LintContext) -> Iterator[Problem]:
    if look.plan.overwrite is not None or any(_watches(look)):
        return
    for symbol in dict.fromkeys(leg.symbol for leg in look.plan.legs):
        for leg in _uncovered_calls(look, symbol)[-1:]:
            message = f"the call sold by '{leg.name}' can lose without bound, and no exit acts when it does"
            help_text = (
                "add a stop, a breach or 'protect: {cost: 4x credit}'; "
                "against shares that the account holds 'quantity: {overwrite: {between: [50%, 100%]}}'"
            )
            yield Problem("RB336", leg.path, message, help_text, None, True)


def _uncovered_calls(look: LintContext, symbol: str) -> list[Leg]:
    """Return the calls sold without `protect`, where more are sold than are bought, shares among them."""
    protect, legs = look.plan.risk.protect, look.spec.legs.legs
    calls = [leg for leg in legs if (leg.right == "call" or leg.is_shares) and symbol_of(leg, look.spec) == symbol]
    sold = [leg for leg in calls if leg.side is Side.SELL and not (protect and protect.covers(leg.name))]
    bought = sum(leg.ratio for leg in calls if leg.side is Side.BUY)
    return sold if sum(leg.ratio for leg in sold) > bought else []


def _watches(look: LintContext) -> Iterator[bool]:
    """Report each exit that never looks at the market, except targets and those that may hold."""
    for planned, rule in look.exit_rules():
        is_bound = planned.roll is None or planned.roll.otherwise is OnUnknown.CLOSE
        yield (
            is_bound and not planned.kind.takes_profit and any(name.partition(":")[0] in _MARKET for name in rule.reads)
        )


# --- Exits that never act, act at once, or are shadowed by another

_GAINS = ("gain", "gain in dollars", "gain in risk", "cost")


def never_true_exits(look: LintContext) -> Iterator[Problem]:
    """Yield a warning for each exit that cannot do what it is there for; the first reason found counts."""
    above: list[tuple[ExitPlan, Rule]] = []
    for planned, rule in look.exit_rules():
        if not _may_act(look, rule):
            is_reported = is_of_an_hour(rule) and not ends(look, look.terms, look.places)
            if not is_reported and planned.if_unknown is not IfUnknown.EXIT:
                yield _never(look, rule)
            continue
        if planned.if_unknown is not IfUnknown.EXIT and is_too_long(rule, look.terms, look.places):
            yield _unconfirmed(look, rule)
            continue
        if planned.activate_when and (target := _closed_by(look, planned)) is not None:
            message = f"{said(rule)} never acts: when it would be armed, {said(target)} closes the position"
            yield Problem("RB332", look.marked(rule), message, "arm it at a smaller profit than the target's")
        elif planned.activate_when:
            yield from _on_half_days(look, rule)
        elif not can_hold([(rule.test, False)], look.places.opened, look.terms):
            message = f"{said(rule)} is true as soon as the position is open: it closes at once and only costs remain"
            yield Problem("RB229", look.marked(rule), message, "leave room between what is entered and the exit")
        elif (other := _shadowing(look, above, planned, rule)) is not None:
            message = f"{said(rule)} never acts: whenever it is true, {said(other)} above it is true and acts first"
            yield Problem("RB332", look.marked(rule), message, _instead(rule))
        else:
            yield from _on_half_days(look, rule)
        if planned.roll is None:  # one that finds nothing to roll into lets those below act
            above.append((planned, rule))


def _is_clock(rule: Rule) -> bool:
    """Return whether an exit needs no market data."""
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
        message = f"{said(rule)} is beyond what this position can lose: the stop never acts"
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
    """Return whether the wanted value is a loss beyond the possible: a lower gain, or a higher cost."""
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
            return "a bought structure can lose at most its cost, and then nothing remains to sell"


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
    """Return the rule of the first exit above that is always true with this one and closes all of its legs."""
    for other, wider in above:
        if not _leaves_nothing(other, wider, planned, rule):
            continue
        if not can_hold([(rule.test, True), (wider.test, False)], look.places.open, look.terms):
            return wider
    return None


def _closed_by(look: LintContext, armed: ExitPlan) -> Rule | None:
    """Return the rule of a target of the whole position that is true whenever this exit may be armed."""
    arming = [(each.test, True) for each in armed.activate_when]
    for other, rule in look.exit_rules():
        is_part = bool(other.legs) or other.part is not None or other.roll is not None
        if not other.kind.takes_profit or is_part or other.activate_when or rule.confirm is not None:
            continue
        if not can_hold([*arming, (rule.test, False)], look.places.open, look.terms):
            return rule
    return None


def _leaves_nothing(other: ExitPlan, wider: Rule, planned: ExitPlan, rule: Rule) -> bool:
    """Return whether the exit above, once both are true, acts first and closes all that this one would.

    Any other exit takes over from a working target. Resting orders fill at the broker in any order.
    """
    if other.resting or planned.resting or planned.if_unknown is IfUnknown.EXIT or other.part is not None:
        return False
    if other.activate_when:
        return False
    if other.kind.takes_profit and not planned.kind.takes_profit:
        return False
    if other.legs and not (planned.legs and set(planned.legs) <= set(other.legs)):
        return False
    return _is_no_later(wider.confirm, rule.confirm) and _is_no_stricter(wider.max_age, rule.max_age)


def _is_no_later(one: Confirm | None, other: Confirm | None) -> bool:
    """Return whether what `one` asks has always been given when what `other` asks has."""
    if one is None:
        return True
    if other is None or (one.quotes is None) is not (other.quotes is None):
        return False
    return (one.quotes or 0) <= (other.quotes or 0) and (one.seconds or 0.0) <= (other.seconds or 0.0)


def _is_no_stricter(one: float | None, other: float | None) -> bool:
    return one is None or (other is not None and one >= other)


def _instead(rule: Rule) -> str:
    if _is_clock(rule):
        return "an exit that has acted continues until it is done; 'then: market' in its order ends its ladder"
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
