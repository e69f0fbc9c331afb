"""Lint: what is legal and unlikely. `accept: {RB310: reason}` switches a warning off for one spec."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice

from rulebot.compile.lint import (
    conditions,
    entries,
    exits,
    exits_at_entry,
    orders,
    outcomes,
    structure,
    usual_bounds,
    usual_numbers,
)
from rulebot.compile.lint.lint_context import Check, LintContext, LintEnvironment, lint_context
from rulebot.compile.lint.reach import window_seconds
from rulebot.compile.plan import Plan
from rulebot.compile.problem import CODES, Problem, did_you_mean
from rulebot.compile.structure import place_of, symbol_of
from rulebot.compile.timing import full_session, outlives_its_day
from rulebot.compile.variants import read_for, variants
from rulebot.model.contract import product
from rulebot.model.economic_calendar import calendars_of, expiry_warnings
from rulebot.model.facts import EventCalendar
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import CODES as READERS
from rulebot.spec.nouns import (
    Argument,
    Condition,
    DteRule,
    Expiry,
    ExpressionTest,
    Group,
    GroupKind,
    IfHeld,
    Leg,
    MeasureTest,
    Path,
    Side,
    Strike,
    StrikeBy,
    Word,
    single_tests,
)
from rulebot.spec.spec import Spec

# --- Events that no calendar knows, calendars that run out, and blackouts that end long before the position does

LONG = 7
"""Days to expiry from which an event of today is the least of those that may come."""
_EVENTS = ("event", "no_event")
_CALLED = re.compile(r"\b(?:no_)?event\s*\(([^)]*)\)")

Named = tuple[str, Path]
"""The name of an event and its path."""


def unknown_events(look: LintContext) -> Iterator[Problem]:
    """Yield RB314 for events without a calendar, RB315 for calendars whose published dates end within 30 days."""
    named = [each for test in single_tests(look.conditions.values()) for each in _named(test)]
    if look.outside is None or not named:
        return
    calendar, reported = look.outside.calendars(), set[str]()
    for name, path in named:
        for found in calendars_of((name,), look.spec.underlyings):
            if found not in calendar.published_until:
                yield _without_calendar(found, path, calendar)
            elif found not in reported:
                reported.add(found)
                for words in expiry_warnings(calendar, look.outside.today, (found,)):
                    message, _, help_text = words.partition(". ")
                    yield Problem("RB315", path, message, help_text)


def _without_calendar(name: str, path: Path, calendar: EventCalendar) -> Problem:
    message = f"no calendar has the event '{name}': it is unknown, and unknown never enters"
    likely = did_you_mean(name, tuple(calendar.published_until))
    return Problem("RB314", path, message, f"{likely}; or bring one: rulebot events import FILE (docs/events.md)")


def _named(test: MeasureTest | ExpressionTest) -> Iterator[Named]:
    match test:
        case MeasureTest(measure=measure, arguments=arguments, path=path) if measure in _EVENTS:
            yield from _in_arguments(arguments, path)
        case ExpressionTest(text=text, path=path):
            for names in _CALLED.findall(text):
                yield from ((name.strip(), path) for name in names.split(",") if name.strip())
        case _:
            return


def _in_arguments(arguments: Mapping[str, Argument], path: Path) -> Iterator[Named]:
    """A list alone comes directly after the measure, else under `of`."""
    of = arguments.get("of")
    names, below = (of, path if len(arguments) == 1 else (*path, "of")) if isinstance(of, tuple) else ((str(of),), path)
    yield from ((name, (*below, at)) for at, name in enumerate(names))


# ---------------------------------------------------------------- a blackout of today


def too_short_blackouts(look: LintContext) -> Iterator[Problem]:
    """Yield RB313 where only today's events keep a position of weeks out."""
    expiry = look.spec.legs.nearest
    if expiry.rule is DteRule.AT_MOST or expiry.days[0] < LONG or not outlives_its_day(look.spec):
        return
    for condition in look.spec.entry.when:
        for test in _blackouts(condition, wanted=True):
            names = _listed(test)
            if not calendars_of(names.split(", "), look.spec.underlyings):
                continue
            message = f"this looks for {names} today only, and the position may live for {_lasting(expiry)}"
            help_text = f"'{{of: [{names}], until: expiry}}' looks as far as the position lives"
            yield Problem("RB313", test.path, message, help_text)


def _lasting(expiry: Expiry) -> str:
    days = " to ".join(str(day) for day in expiry.days)
    return {DteRule.NEAREST: f"about {days} days", DteRule.AT_LEAST: f"{days} days or more"}.get(
        expiry.rule, f"{days} days"
    )


def _blackouts(condition: Condition, *, wanted: bool) -> Iterator[MeasureTest]:
    """Yield the tests that keep entries out on the day of an event, and only then."""
    test = condition.test
    if isinstance(test, Group):
        for member in test.members:
            yield from _blackouts(member, wanted=wanted is not (test.kind is GroupKind.NOT))
    elif isinstance(test, MeasureTest) and test.measure == ("no_event" if wanted else "event"):
        yield from () if test.arguments.keys() & {"before", "after", "until"} else (test,)


def _listed(test: MeasureTest) -> str:
    of = test.arguments.get("of")
    return ", ".join(of) if isinstance(of, tuple) else str(of)


# --- What lint says of learned models

UNDERLYING = "underlying"
"""The key in `trained` of a model file that says on what it was trained; older files do not have it."""


def trained_elsewhere(look: LintContext) -> Iterator[Problem]:
    """Yield RB347 for each model that was trained on another underlying than the one it reads.

    With a universe it reads several, and was trained on one of them at most: that is meant.
    """
    spec = look.spec
    for condition in look.conditions.values() if spec.universe is None else ():
        test = condition.test
        if not isinstance(test, MeasureTest) or test.measure != "model":
            continue
        file, of = str(test.arguments.get("file")), str(test.arguments.get("of", spec.underlyings[0]))
        model = spec.models.get(file)
        trained_on = of if model is None else model.trained.get(UNDERLYING, of)
        if trained_on != of:
            message = f"'{file}' was trained on {trained_on}, and here it reads {of}"
            help_text = f"train one on {of} ('rulebot train'), or accept it if that is meant"
            yield Problem("RB347", (*test.path, "file"), message, help_text)


# --- Names that are used nowhere

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_NO_USE = frozenset({"name", "about", "path", "accept", "lets", "parameters", "digest"})
"""Fields whose words use nothing: the name of a thing, and its path."""


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
    """Yield every word of every text in a noun of the spec, from all fields."""
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


# --- All checks in order

WARNINGS = tuple(sorted(code for code in {*CODES, *READERS} if code.startswith("RB3")))

OF_THE_DAY = frozenset({"RB314", "RB315", "RB320", "RB321", "RB335", "RB350", "RB351"})
"""Warnings that come and go with the day, the calendars and the other specs of a call: an `accept` of one may wait."""

CHECKS: tuple[Check, ...] = (
    structure.ambiguous_symbols,
    unused_lets,
    usual_bounds.ineffective_max_age,
    entries.excluded,
    entries.unaffordable,
    entries.sessions_without_window,
    entries.past_the_exit,
    entries.before_members_open,
    entries.out_of_reach,
    unknown_events,
    too_short_blackouts,
    orders.off_tick_prices,
    orders.of_a_share,
    orders.of_a_tick,
    usual_bounds.read_otherwise,
    orders.naked_between,
    orders.unreduced,
    exits.never_true_exits,
    exits_at_entry.immediate_exits,
    exits_at_entry.market_only_exits,
    exits.never_true_halts,
    exits_at_entry.rolled_again,
    exits_at_entry.rolled_at_any_price,
    exits_at_entry.against_the_whole,
    exits_at_entry.of_next_to_nothing,
    exits_at_entry.near_zero_basis,
    exits.unspecified_close,
    exits.parts_that_close_all,
    exits.uncovering,
    exits.shorts_without_exit,
    orders.on_one_reading,
    orders.waiting_for_quotes,
    orders.stuck_at_mid,
    orders.late,
    orders.hardly_protected,
    trained_elsewhere,
)


UNUSUAL: tuple[Check, ...] = (
    structure.unbalanced_pairs,
    structure.crossed,
    structure.sold_inside,
    structure.twice,
    structure.misnamed,
    structure.out_on_the_first_day,
    conditions.always,
    usual_bounds.unusual,
    usual_numbers.out_of_range,
    structure.without_bid,
    structure.far_apart,
    outcomes.unmet_requirements,
    entries.past_built_in_cap,
    conditions.immediate_exits_in_example,
    outcomes.never_in_the_example,
    outcomes.inside_the_spread,
    outcomes.of_few_dollars,
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


# --- Bots that conflict with each other

Terms = tuple[object, ...]
"""How a contract is chosen: underlying, class, right, days to expiry, and by what its strike."""


@dataclass(frozen=True, slots=True)
class TradedOption:
    """One leg of one of the bots, and in which part of the session it is dealt (seconds since the open)."""

    bot: int
    spec: Spec
    leg: Leg
    window: tuple[float, float]


def conflicting_bots(specs: Sequence[Spec]) -> Iterator[tuple[int, Problem]]:
    """Yield RB350 and RB351, each with the number of the spec that it is about."""
    stakes: dict[Terms, list[TradedOption]] = defaultdict(list)
    for number, spec in enumerate(specs):
        window = window_seconds(spec, full_session())
        symbols = (spec,) if spec.universe is None else (read_for(spec, symbol) for symbol in spec.universe.symbols)
        for plain in (variant.spec for each in symbols for variant in variants(each)):
            for leg in plain.legs.legs:
                stakes[_terms(leg, plain)].append(TradedOption(number, plain, leg, window))
    problems = (each for found in stakes.values() if len(found) > 1 for each in _of_one_option(found))
    yield from {(bot, problem.code, problem.path): (bot, problem) for bot, problem in problems}.values()


def _of_one_option(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    yield from _held_the_other_way(stakes)
    yield from _resting_in_the_way(stakes)


def _terms(leg: Leg, spec: Spec) -> Terms:
    symbol = symbol_of(leg, spec)
    alike = [each for each in spec.legs.legs if each.right == leg.right and symbol_of(each, spec) == symbol]
    root, shift = place_of(leg, alike)
    expiry = spec.legs.expiry_of(leg)
    trading_class = expiry.trading_class or product(symbol).same_day_class
    return symbol, trading_class, leg.right, _days(expiry), _chosen(root.strike, spec), shift


def _days(expiry: Expiry) -> tuple[object, ...]:
    """Where an expiry is listed for every day, an `at_most` number of days is that day."""
    if expiry.is_latest or expiry.is_monthly:
        return expiry.rule, expiry.days, expiry.is_latest, expiry.is_monthly
    return (DteRule.EXACT, (0,)) if expiry.rule is DteRule.AT_MOST else (expiry.rule, expiry.days)


def _chosen(strike: Strike, spec: Spec) -> tuple[object, ...]:
    """A strike at the same strike as a leg of the other right is described by that leg's choice."""
    if strike.by in (StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE):
        legs = {leg.name: leg for leg in spec.legs.legs}
        way = (strike.by, strike.target, strike.widths)
        other = legs.get(strike.reference or "")
        return (*way, *_asked(other.strike)) if other is not None else way
    return _asked(strike)


def _asked(strike: Strike) -> tuple[object, ...]:
    return strike.by, strike.target, strike.bound, strike.is_percent, strike.round


def _meet(one: TradedOption, other: TradedOption) -> bool:
    """Return whether two different bots choose at the same time of the day."""
    begins, ends = max(one.window[0], other.window[0]), min(one.window[1], other.window[1])
    return one.spec.name != other.spec.name and begins < ends


def _bots_named(stakes: list[TradedOption]) -> str:
    """Return the first of some legs with its bot; that there are others is said, and not which."""
    first = f"'{stakes[0].leg.name}' of {stakes[0].spec.name}"
    return first if len(stakes) == 1 else f"{first}, among others,"


# ---------------------------------------------------------------- held the other way round


def _held_the_other_way(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    """Yield RB350 for those that come second, or first if the second nets, once a leg."""
    for stake in stakes:
        if stake.spec.legs.on_conflict is not IfHeld.SKIP:
            continue
        others = (other for other in stakes if other.leg.side is not stake.leg.side and _gives_way(stake, other))
        found = list(islice((other for other in others if _meet(stake, other)), 2))
        if found:
            message = (
                f"'{stake.leg.name}' {_dealt(stake.leg)} the option that {_bots_named(found)} {_dealt(found[0].leg)} "
                "at the same time: what one holds the other skips"
            )
            help_text = (
                "choose another strike, expiry or time; 'on_conflict: shift' takes the next strike out, 'allow' lets "
                "the broker net the two"
            )
            yield stake.bot, Problem("RB350", stake.leg.path, message, help_text, None, True)


def _gives_way(stake: TradedOption, other: TradedOption) -> bool:
    """Return whether the conflict is reported for this bot of the two."""
    return other.bot < stake.bot or other.spec.legs.on_conflict is not IfHeld.SKIP


def _dealt(leg: Leg) -> str:
    return "sells" if leg.side is Side.SELL else "buys"


# ---------------------------------------------------------------- resting in the way


def _resting_in_the_way(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    """Yield RB351 for what gives way: a combo that rests to any entry, an order of one leg to an entry of one leg."""
    alone = [stake for stake in stakes if _is_one_by_one(stake)]
    for resting in stakes:
        path = _resting_path(resting)
        if path is None:
            continue
        entering = stakes if path[-1] == "resting" and not _is_one_by_one(resting) else alone
        others = (other for other in entering if other.leg.side is resting.leg.side and _meet(resting, other))
        if found := list(islice(others, 2)):
            message = (
                f"{_bots_named(found)} {_dealt(resting.leg)} the same option at the same time: while that order works, "
                "rulebot cancels these resting orders and watches their prices itself"
            )
            yield resting.bot, Problem("RB351", path, message, "choose another strike, expiry or time", None, True)


def _is_one_by_one(stake: TradedOption) -> bool:
    return len(stake.spec.legs.legs) == 1 or bool(stake.spec.order.leg_by_leg)


def _resting_path(stake: TradedOption) -> Path | None:
    """Return where it is said that an order of the other side rests at the broker for this leg."""
    risk = stake.spec.risk
    if risk.protect is not None and stake.leg.side is Side.SELL and risk.protect.covers(stake.leg.name):
        return (*risk.path, "protect")
    found = next((rule for rule in stake.spec.exits if rule.resting and rule.enabled), None)
    return None if found is None else (*found.path, "resting")
