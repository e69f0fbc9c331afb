"""Short options that nothing closes on some path: without data, or when the market goes against them."""

from collections.abc import Iterator

from rulebot.compile.lint.clauses import Clause, can_hold, satisfiable
from rulebot.compile.lint.confirming import is_too_long
from rulebot.compile.lint.literals import TIME, LinearTerms
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.reach import Places
from rulebot.compile.lint.wording import dates, said
from rulebot.compile.plan import ExitPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of
from rulebot.compile.structure import symbol_of
from rulebot.spec.nouns.exits import ExitKind, OnUnknown, is_all
from rulebot.spec.nouns.legs import Side

_CLOCKS = ("time", "dte", "sessions_in_trade")
_MARKET = ("spot", "legs", "index", "strikes")


def shorts_without_exit(look: LintContext) -> Iterator[Problem]:
    """Yield RB335 where a short option would stay open once the data is gone, RB336 where no exit bounds its loss."""
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
    """Say whether an exit asks for times of day alone; that none is reached is told of all together."""
    return {call.measure for call in calls_of(rule.test)} == {"time"}


def ends(look: LintContext, terms: LinearTerms, places: Places) -> bool:
    """Say whether some exit comes true by the clock and the calendar alone, or nothing is sold that needs one."""
    if not _sells(look):
        return True
    return any(_ends(look, planned, terms, places) for planned in look.plan.exits)


def _ends(look: LintContext, planned: ExitPlan, terms: LinearTerms, places: Places) -> bool:
    """Say whether an exit leaves nothing of a position, and is armed and comes true by the clock and the calendar."""
    if planned.rule is None:
        return True
    count = look.plan.quantity if look.plan.overwrite is None else None
    if planned.roll is not None or not is_all(planned.part, count):
        return False
    if planned.legs and len(planned.legs) < len(look.plan.legs):
        return False
    if is_too_long(planned.rule, terms, places):
        return False
    found = (satisfiable([(rule.test, True)], places.open, terms) for rule in (planned.rule, *planned.armed_by))
    return all(ways is None or any(map(_is_by_clock, ways)) for ways in found)


def _is_by_clock(way: Clause) -> bool:
    return all(subject == TIME or subject.measure in _CLOCKS for subject in way)


def _without_bound(look: LintContext) -> Iterator[Problem]:
    if look.plan.overwrite is not None:
        return
    protect = look.plan.risk.protect
    for symbol in dict.fromkeys(leg.symbol for leg in look.plan.legs):
        legs = [leg for leg in look.spec.legs.legs if symbol_of(leg, look.spec) == symbol]
        calls = [leg for leg in legs if leg.right == "call" or leg.is_shares]
        sold = [leg for leg in calls if leg.side is Side.SELL and not (protect and protect.covers(leg.name))]
        if sum(leg.ratio for leg in sold) <= sum(leg.ratio for leg in calls if leg.side is Side.BUY):
            continue
        if not any(_watches(look)):
            message = f"the call sold by '{sold[-1].name}' can lose without bound, and no exit acts when it does"
            help_text = (
                "add a stop, a breach or 'protect: {cost: 4x credit}'; "
                "against shares that the account holds 'quantity: {overwrite: {between: [50%, 100%]}}'"
            )
            yield Problem("RB336", sold[-1].path, message, help_text, None, True)


def _watches(look: LintContext) -> Iterator[bool]:
    """Say of each exit but targets, and but those that may hold, whether it looks at the market at all."""
    for planned, rule in look.exit_rules():
        is_bound = planned.roll is None or planned.roll.otherwise is OnUnknown.CLOSE
        yield (
            is_bound
            and planned.kind is not ExitKind.TARGET
            and any(name.partition(":")[0] in _MARKET for name in rule.reads)
        )
