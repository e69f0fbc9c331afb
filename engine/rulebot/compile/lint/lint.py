"""Lint: what is legal and unlikely. `accept: {RB310: reason}` switches a warning off for one spec."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from rulebot.compile.lint.conditions import always, at_once_in_the_example
from rulebot.compile.lint.entries import (
    before_members_open,
    excluded,
    out_of_reach,
    past_built_in_cap,
    past_the_exit,
    sessions_without_window,
    unaffordable,
)
from rulebot.compile.lint.exits import (
    closing_unsaid,
    never_true_exits,
    never_true_halts,
    parts_of_one,
    shorts_without_exit,
    uncovering,
)
from rulebot.compile.lint.exits_at_entry import (
    against_the_whole,
    immediate_exits,
    left_by_the_market,
    near_zero_basis,
    of_next_to_nothing,
    rolled_again,
    rolled_at_any_price,
)
from rulebot.compile.lint.lint_context import Check, LintContext, LintEnvironment, lint_context
from rulebot.compile.lint.news import too_short_blackouts, trained_elsewhere, unknown_events
from rulebot.compile.lint.orders import (
    hardly_protected,
    late,
    naked_between,
    of_a_share,
    of_a_tick,
    off_tick_prices,
    on_one_reading,
    stuck_at_mid,
    unreduced,
    waiting_for_quotes,
)
from rulebot.compile.lint.outcomes import inside_the_spread, never_in_the_example, of_few_dollars, unmet
from rulebot.compile.lint.structure import (
    ambiguous_symbols,
    crossed,
    far_apart,
    misnamed,
    out_on_the_first_day,
    sold_inside,
    twice,
    unbalanced_pairs,
    without_bid,
)
from rulebot.compile.lint.usual_bounds import ineffective_max_age, read_otherwise, unusual
from rulebot.compile.lint.usual_numbers import out_of_range
from rulebot.compile.plan import Plan
from rulebot.compile.problem import CODES, Problem, did_you_mean
from rulebot.spec.diagnostic import CODES as READERS
from rulebot.spec.nouns import Path, Word
from rulebot.spec.spec import Spec

# --- Names that stand nowhere

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_NO_USE = frozenset({"name", "about", "path", "accept", "lets", "parameters", "digest"})
"""Fields whose words use nothing: what a thing is called, and where it stands."""


def unused_lets(look: LintContext) -> Iterator[Problem]:
    """Yield RB302 for each let that no part of the spec names. Any word of any text may be a use of it."""
    if not look.spec.lets:
        return
    used = set(_words(look.spec))
    for let in look.spec.lets:
        if let.name not in used:
            help_text = f"write '{let.name}' where it belongs, or remove it"
            yield Problem("RB302", let.path, f"the let '{let.name}' is not used", help_text, None, True)


def _words(value: object) -> Iterator[str]:
    """Yield every word of every text in a noun of the spec, whatever fields the nouns have."""
    if isinstance(value, Word):
        yield value.name
    elif isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, tuple):
        for item in value:
            yield from _words(item)
    elif isinstance(value, Mapping):
        yield from _words(tuple(value.values()))
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in _NO_USE:
                yield from _words(getattr(value, field.name))


# --- Lint

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
