"""Conditions of entry under which no entry is ever made, and sessions without a window."""

from collections.abc import Iterator
from decimal import Decimal

from rulebot.compile.lint.clauses import can_hold, contradictory, satisfiable
from rulebot.compile.lint.literals import KIND, TIME, Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.ranges import ALL, TRUE
from rulebot.compile.lint.reach import window_seconds
from rulebot.compile.lint.wording import dates, duration, said, window_words
from rulebot.compile.lint.worth import MULTIPLIER
from rulebot.compile.plan import Quantity, Rule, Truth
from rulebot.compile.problem import Problem
from rulebot.compile.timing import end_of_day, windows_of
from rulebot.model.money import dollars
from rulebot.spec.nouns.condition import Path

NO_ENTRY = "no entry would ever be made"
MOST_CUT = 1800.0
"""Seconds that a window may go on after a time exit has closed everything."""


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
        yield Problem("RB311", look.marked(rules[-1]), f"this and what stands above never hold together: {NO_ENTRY}")


def _may_enter(look: LintContext, *rules: Rule) -> bool:
    return can_hold([(rule.test, True) for rule in rules], look.places.entry, look.terms)


def _why_never(look: LintContext, test: Truth) -> str:
    ways = satisfiable([(test, True)], lambda _: ALL, look.terms) or []
    against = {subject for way in ways for subject in contradictory(way, look.places.entry)}
    if TIME in against:
        return f"the window is {window_words(look.spec)}"
    most = look.worth.most_cost if look.plan.opens_for == "credit" else look.worth.most_value
    if most is not None and any(subject.measure in ("credit", "debit") for subject in against):
        return f"with these strikes the structure is never worth more than {_priced(look, against, most)}"
    return ""


def _priced(look: LintContext, subjects: set[Subject], most: float) -> str:
    in_dollars = any(subject.quantity is Quantity.DOLLARS for subject in subjects)
    return f"${most * 100 * look.plan.quantity:g}" if in_dollars else f"{most:.2f}"


def unaffordable(look: LintContext) -> Iterator[Problem]:
    """Yield RB316 where the structure could lose more than `max_loss_per_trade` lets it, whatever it brings."""
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
    message = f"no entry on {dates(found)}: on a half day nothing is left of {window_words(look.spec)}"
    help_text = "move it, or say that it is meant: 'session: {is: full}' in 'when'"
    yield Problem("RB320", _window_path(look), message, help_text)


def past_the_exit(look: LintContext) -> Iterator[Problem]:
    """Yield RB324 for a window of which much lies behind the time exit that closes everything."""
    session = look.terms.session
    last = end_of_day(look.spec, session)
    if last is None:
        return
    for window in windows_of(look.spec.entry):
        ends = window.ends(session)
        cut = (ends - last.before_close(session)).total_seconds()
        if window.starts(session) < last.before_close(session) and ends < session.close and cut > MOST_CUT:
            message = f"the window goes on for {duration(cut)} after {last}, when a time exit has closed everything"
            yield Problem("RB324", _window_path(look), message, f"let it end at {last}, or close later")


def _is_empty(start: float, end: float) -> bool:
    return start >= end


def _wants_half_days(look: LintContext) -> bool:
    tests = [(rule.test, True) for rule in look.entry_rules()]
    return can_hold(tests, lambda subject: TRUE if subject == KIND else ALL, look.terms)


def _window_path(look: LintContext) -> Path:
    entry = look.spec.entry
    return (*entry.path, "window") if entry.end is not None else (*entry.path, "at")
