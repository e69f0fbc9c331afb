"""Lint: what is legal and unlikely. `accept: {RB310: reason}` switches a warning off for one spec."""

from collections.abc import Iterator

from rulebot.compile.lint.ages import ineffective_max_age
from rulebot.compile.lint.bases import against_the_whole, near_zero_basis, of_next_to_nothing
from rulebot.compile.lint.caps import out_of_reach, past_built_in_cap
from rulebot.compile.lint.closing import closing_unsaid, parts_of_one, uncovering
from rulebot.compile.lint.endings import shorts_without_exit
from rulebot.compile.lint.entering import excluded, past_the_exit, sessions_without_window, unaffordable
from rulebot.compile.lint.exits import never_true_exits, never_true_halts
from rulebot.compile.lint.hedged import unbalanced_pairs
from rulebot.compile.lint.keys import out_of_range
from rulebot.compile.lint.look import Check, LintEnvironment, lint_context
from rulebot.compile.lint.models import trained_elsewhere
from rulebot.compile.lint.names import unused_lets
from rulebot.compile.lint.news import too_short_blackouts, unknown_events
from rulebot.compile.lint.opened import immediate_exits, left_by_the_market
from rulebot.compile.lint.opening import before_members_open
from rulebot.compile.lint.orders import (
    hardly_protected,
    late,
    naked_between,
    on_one_reading,
    stuck_at_mid,
    unreduced,
    waiting_for_quotes,
)
from rulebot.compile.lint.outcomes import inside_the_spread, never_in_the_example, of_few_dollars
from rulebot.compile.lint.prices import of_a_share, of_a_tick, off_tick_prices
from rulebot.compile.lint.rolls import rolled_again, rolled_at_any_price
from rulebot.compile.lint.scenarios import unmet
from rulebot.compile.lint.settled import always, at_once_in_the_example
from rulebot.compile.lint.shapes import (
    crossed,
    far_apart,
    misnamed,
    out_on_the_first_day,
    sold_inside,
    twice,
    without_bid,
)
from rulebot.compile.lint.symbols import ambiguous_symbols
from rulebot.compile.lint.unitless import read_otherwise
from rulebot.compile.lint.unusual import unusual
from rulebot.compile.plan import Plan
from rulebot.compile.problem import CODES, Problem, did_you_mean
from rulebot.spec.codes import CODES as READERS
from rulebot.spec.nouns.condition import Path
from rulebot.spec.spec import Spec

WARNINGS = tuple(sorted(code for code in {*CODES, *READERS} if code.startswith("RB3")))

OF_THE_DAY = frozenset({"RB314", "RB315", "RB320", "RB321", "RB335", "RB350", "RB351"})
"""Warnings that come and go with the day, the calendars and the other specs of a call: an `accept` of one may wait."""

CHECKS: tuple[Check, ...] = (
    ambiguous_symbols,
    unused_lets,
    ineffective_max_age,
    excluded,
    unaffordable,
    sessions_without_window,
    past_the_exit,
    before_members_open,
    out_of_reach,
    unknown_events,
    too_short_blackouts,
    off_tick_prices,
    of_a_share,
    of_a_tick,
    read_otherwise,
    naked_between,
    unreduced,
    never_true_exits,
    immediate_exits,
    left_by_the_market,
    never_true_halts,
    rolled_again,
    rolled_at_any_price,
    against_the_whole,
    of_next_to_nothing,
    near_zero_basis,
    closing_unsaid,
    parts_of_one,
    uncovering,
    shorts_without_exit,
    on_one_reading,
    waiting_for_quotes,
    stuck_at_mid,
    late,
    hardly_protected,
    trained_elsewhere,
)


UNUSUAL: tuple[Check, ...] = (
    unbalanced_pairs,
    crossed,
    sold_inside,
    twice,
    misnamed,
    out_on_the_first_day,
    always,
    unusual,
    out_of_range,
    without_bid,
    far_apart,
    unmet,
    past_built_in_cap,
    at_once_in_the_example,
    never_in_the_example,
    inside_the_spread,
    of_few_dollars,
)
"""Checks of numbers that are most likely a slip; of what another check has marked they say nothing."""


def lint(spec: Spec, plan: Plan, outside: LintEnvironment | None) -> Iterator[Problem]:
    """Yield the warnings of a sound spec, whether accepted or not."""
    look = lint_context(spec, plan, outside)
    marked: set[Path] = set()
    for check in CHECKS:
        found = list(check(look))
        marked |= {problem.path for problem in found}
        yield from found
    for check in UNUSUAL:
        found = [problem for problem in check(look) if problem.path not in marked]
        marked |= {problem.path for problem in found}
        yield from found


def unaccepted(spec: Spec, warnings: list[Problem], others: frozenset[str]) -> list[Problem]:
    """Return the warnings that no `accept` switches off, and RB300 for every `accept` that switches off none.

    `others` are codes of warnings found elsewhere (by the reader of the document).
    """
    found = {warning.code for warning in warnings} | others | OF_THE_DAY
    left = [warning for warning in warnings if warning.code not in spec.accept]
    for code in spec.accept:
        if code not in found:
            message = f"'{code}' is accepted, and nothing in this spec warns of it"
            known = did_you_mean(code, WARNINGS) if code not in WARNINGS else "take it away"
            left.append(Problem("RB300", ("accept", code), message, known, None, True))
    return left
