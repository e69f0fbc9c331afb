"""Exits that may be true as soon as the position is open: it closes within seconds and pays only costs."""

from collections.abc import Iterable, Iterator
from math import inf

from rulebot.compile.data_needs import calls_of
from rulebot.compile.lint.comparisons import TIME, Reach, Subject, can_hold, legs_of, linear, satisfiable
from rulebot.compile.lint.lint_context import LintContext, said
from rulebot.compile.lint.reach import delta_chosen, is_sure, same_everywhere
from rulebot.compile.plan import SINCE_ENTRY, Call, Compare, ExitPlan, LegPlan, Quantity, RollPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.structure import NOTHING
from rulebot.compile.timing import WEEK_DAYS, outlives_its_day
from rulebot.measure.definition import Place
from rulebot.measure.ranges import Range, meet, stretch
from rulebot.measures.registry import MEASURES, VOCABULARY
from rulebot.model.contract import INDICES, OPENING_CLASSES
from rulebot.spec.nouns import Bound, DteRule, Expiry, Side, StrikeBy

# --- What exits are measured against

_WHOLE = ("credit", "debit")
_CLEAR = 0.2
"""The part of what its bought legs cost in the example above which a diagonal surely costs something."""
_AT_THE_MONEY, _OUT_OF_IT = (StrikeBy.AT_SPOT, StrikeBy.AT_LEG), (StrikeBy.OTM, StrikeBy.EXPECTED_MOVE)


def against_the_whole(look: LintContext) -> Iterator[Problem]:
    """Yield RB337 for an exit that measures legs by name against the credit or debit of all."""
    count = len(look.plan.legs)
    for planned, rule in _rules(look):
        legs, whole = _measured(rule, count), [call.measure for call in calls_of(rule.test) if call.measure in _WHOLE]
        if legs and whole and not planned.each:
            their = f"{' and '.join(legs)} alone"
            message = f"{said(rule)} measures {their}, against the {whole[0]} of the whole structure and not their own"
            where = look.marked(rule) if rule is planned.rule else rule.path
            yield Problem("RB337", where, message, _instead(planned, rule, legs))


def of_next_to_nothing(look: LintContext) -> Iterator[Problem]:
    """Yield RB353 for an exit at a percentage of an entry price that may be near zero."""
    if is_sure(look.spec, look.bounds) or same_everywhere(look.spec) or _are_calendars(look) or _are_flies(look):
        return
    if len(look.spec.legs.expiries) > 1 and abs(look.sample.net) > _CLEAR * look.sample.premium:
        return
    for _, rule in look.exit_rules():
        if any(_is_part(call) for call in calls_of(rule.test)):
            message = f"{said(rule)} is a part of the entry price, which may be next to nothing: at 0.00 it never acts"
            help_text = f"'require' a '{look.plan.opens_for}' of so much at least, or say it in dollars"
            yield Problem("RB353", look.marked(rule), message, help_text)


def near_zero_basis(look: LintContext) -> Iterator[Problem]:
    """Yield RB356 for a structure with the same value at expiry in any market: it sells for less than that."""
    costs = -(same_everywhere(look.spec) or NOTHING)
    if costs > 0:
        message = f"it costs {costs:f} at expiry wherever the market goes, and is sold for less: that surely loses"
        where = next(leg.path for leg in look.spec.legs.legs if leg.side is Side.SELL)
        yield Problem("RB356", where, message, "turn it round, or accept it as a loan: 'accept: {RB356: \"reason\"}'")


def _is_part(call: Call) -> bool:
    is_gain = call.measure in ("profit", "loss", "give_back") and call.quantity is Quantity.FRACTION
    return call.measure in _WHOLE or (is_gain and "of" not in dict(call.arguments))


def _are_calendars(look: LintContext) -> bool:
    """Return whether each option is sold against one of the same strike on another day: the later one is dearer."""
    at = [leg for leg in look.plan.legs if leg.strike.by is StrikeBy.AT_LEG]
    return len(look.spec.legs.expiries) > 1 and 2 * len(at) == len(look.plan.legs)


def _are_flies(look: LintContext) -> bool:
    """Return whether an at-the-money leg is traded against as much out of the money."""
    near = sum(leg.sign * leg.ratio for leg in look.plan.legs if leg.strike.by in _AT_THE_MONEY)
    far = sum(leg.sign * leg.ratio for leg in look.plan.legs if leg.strike.by in _OUT_OF_IT)
    return near == -far and all(leg.strike.by in (*_AT_THE_MONEY, *_OUT_OF_IT) for leg in look.plan.legs)


def _rules(look: LintContext) -> Iterator[tuple[ExitPlan, Rule]]:
    for planned in look.plan.exits:
        yield from ((planned, rule) for rule in (planned.rule, *planned.activate_when) if rule is not None)


def _measured(rule: Rule, count: int) -> tuple[str, ...]:
    """Return the legs that a rule names to be priced, () where they are all that there are."""
    named = [dict(call.arguments).get("of") for call in calls_of(rule.test) if call.measure in ("cost", "value")]
    return next((each for each in named if isinstance(each, tuple) and len(each) < count), ())


def _instead(planned: ExitPlan, rule: Rule, legs: tuple[str, ...]) -> str:
    """Return what would be said of the legs' own price, of a target or stop in numbers."""
    test = rule.test
    found = linear(test.right[0]) if isinstance(test, Compare) and rule is planned.rule else None
    if planned.basis is None or found is None:
        return "'profit' and 'loss' in % are parts of their own price"
    of = f"of: {legs[0]}" if len(legs) == 1 else f"of: [{', '.join(legs)}]"
    gain = (found[0] - 1) * (1 if planned.basis == "value" else -1)
    word = "profit" if gain > 0 else "loss"
    return f"of their own price that is '{{{word}: {abs(gain):.4%}, {of}}}'".replace(".0000%", "%")


# --- Exits that roll at any price, or whose conditions the roll changes nothing of

_BY_THE_MARKET = frozenset(
    (
        StrikeBy.DELTA,
        StrikeBy.EXPECTED_MOVE,
        StrikeBy.AT_SPOT,
        StrikeBy.OTM,
        StrikeBy.PREMIUM,
        StrikeBy.SIDE_CREDIT,
    )
)
"""What a strike is chosen by that another one may be nearest to a minute later."""
MARKET = frozenset(name for name, each in VOCABULARY.items() if Place.FILTER in each.places and not each.is_of_desk)
"""What the clock and the market alone make of it."""


def rolled_again(look: LintContext) -> Iterator[Problem]:
    """Yield RB338 for each exit that rolls what it has just opened, when another strike is nearer by then."""
    reported = set()
    for planned, rule in look.exit_rules():
        roll = planned.roll
        if roll is None or rule.path in reported or not _moves(roll) or not _stays_true(look, planned):
            continue
        reported.add(rule.path)
        message = (
            f"{said(rule)} is as true of what it opens: that is rolled at once where another strike is nearer then"
        )
        yield Problem("RB338", look.marked(rule), message, _each_restart_condition(look, roll))


def rolled_at_any_price(look: LintContext) -> Iterator[Problem]:
    """Yield RB354 for each exit that rolls at any net price of its order."""
    reported = set()
    for planned, rule in look.exit_rules():
        roll = planned.roll
        if roll is None or rule.path in reported or any(_is_priced(each) for each in roll.require):
            continue
        reported.add(rule.path)
        message = f"{said(rule)} rolls at any price: no condition limits the price of both sides together"
        yield Problem("RB354", look.marked(rule), message, "as in 'require: [{credit: {at_least: 0.10}}]' of the roll")


def _is_priced(rule: Rule) -> bool:
    return any(MEASURES[call.measure].is_entry_price for call in calls_of(rule.test))


def _moves(roll: RollPlan) -> bool:
    return any(leg.strike.by in _BY_THE_MARKET for leg in roll.legs)


def _stays_true(look: LintContext, planned: ExitPlan) -> bool:
    """Return whether it can stay true for any position, by the clock, the market, and a `dte` that is not rolled."""
    tests = [(rule.test, True) for rule in (planned.rule, *planned.activate_when) if rule is not None]
    ways = satisfiable(tests, look.places.open, look.terms)
    kept = MARKET if planned.roll is None or planned.roll.is_moved else MARKET | {"dte"}
    return ways is not None and any(all(kept.issuperset(measures_of(subject)) for subject in way) for way in ways)


def measures_of(subject: Subject) -> tuple[str, ...]:
    """Return what a subject measures, and what that is a multiple of."""
    return (subject.measure,) if subject.of is None else (subject.measure, subject.of.measure)


def _each_restart_condition(look: LintContext, roll: RollPlan) -> str:
    """Return a condition that delays the next roll: each entry, and each roll, restarts its count."""
    first = "time_in_trade: {at_least: 1h}"
    if outlives_its_day(look.spec):
        first = "sessions_in_trade: {at_least: 1}"
    more = ", or a 'dte' that the new expiry is beyond" if roll.is_moved else ""
    return f"add '{first}' to it, under 'all', which restarts its count at each roll{more}"


# --- Exits that may be true as soon as the position is open

_DAILY = frozenset((*INDICES, "SPY", "QQQ", "IWM"))
"""Underlyings with options that expire on each day of the week; all others have at least Fridays."""
_FRIDAY, _WEEK, _MONTH = 4, 7, 28
"""A Friday among the days of a week, and after how many days something expires again, at least."""


def immediate_exits(look: LintContext) -> Iterator[Problem]:
    """Yield RB334 where an exit is true of the strikes asked for, or of an expiry that an entry may get."""
    for planned, rule in look.exit_rules():
        is_reported = not can_hold([(rule.test, False)], look.places.opened, look.terms)
        if planned.activate_when or is_reported or not can_hold([(rule.test, True)], look.places.open, look.terms):
            continue
        if _is_true(look, rule, None):
            yield _problem(look, rule, "the position is open, with strikes as asked for")
        elif (found := _on_some_days(look, rule)) is not None:
            days, place = found
            left = "the same day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
            yield _problem(
                look, rule, f"a position is open whose options expire {left}, and on a {_NAMES[place]} one may be"
            )


_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def _problem(look: LintContext, rule: Rule, when: str) -> Problem:
    message = f"{said(rule)} is true as soon as {when}: it would be closed at once"
    return Problem("RB334", look.marked(rule), message, "leave some room between what is entered and the exit")


def _is_true(look: LintContext, rule: Rule, days: int | None) -> bool:
    """Return whether a rule is true right after the fill, with strikes as asked for and this many days to expiry."""
    return not can_hold([(rule.test, False)], _as_asked(look, days), look.terms)


def _as_asked(look: LintContext, days: int | None) -> Reach:
    legs = look.plan.legs
    deltas = {leg.name: delta_chosen(leg.strike, 1.0) for leg in legs}
    distances = {leg.name: _distance(leg, legs) for leg in legs}

    def reach(subject: Subject) -> Range:
        found = look.places.opened(subject)
        if subject.of is not None:
            return found
        match subject.measure:
            case "leg_delta":
                return meet(found, stretch(max((deltas[name][0][0][0] for name in legs_of(subject)), default=0.0), 1.0))
            case "breach":
                return meet(found, stretch(-inf, min((distances[name] for name in legs_of(subject)), default=inf)))
            case "dte" if days is not None:
                return stretch(days, days)
            case _:
                return found

    return reach


def _distance(leg: LegPlan, legs: Iterable[LegPlan]) -> float:
    """Return how many points out of the money a strike is asked for, infinite where the market decides."""
    strike = leg.strike
    if strike.min_otm_distance is not None or leg.min_strike is not None or leg.max_strike is not None:
        return inf
    if strike.by is StrikeBy.AT_LEG:
        return next((_distance(other, ()) for other in legs if other.name == strike.reference), inf)
    if strike.by is StrikeBy.AT_SPOT:
        return 0.0
    is_plain = strike.by is StrikeBy.OTM and not strike.is_percent and strike.bound is not Bound.AT_LEAST
    return float(strike.target) if is_plain and strike.target is not None else inf


def market_only_exits(look: LintContext) -> Iterator[Problem]:
    """Yield RB352 where an exit reads the market alone, and an entry is possible while it is true."""
    halted = [(rule.test, False) for rule in look.plan.risk.halt_when if rule.confirm is None]
    entering = [*((rule.test, True) for rule in look.entry_rules()), *halted]
    for planned, rule in look.exit_rules():
        halts = rule.path in [halt.path for halt in look.plan.risk.halt_when]
        if halts or planned.activate_when or planned.roll is not None or not _is_of_the_market(look, rule):
            continue
        if can_hold([*entering, (rule.test, True)], look.places.entry, look.terms):
            message = f"{said(rule)} may be true when the bot enters: what is opened then would be closed at once"
            yield Problem("RB352", look.marked(rule), message, "say the opposite under 'when', too")


def _is_of_the_market(look: LintContext, rule: Rule) -> bool:
    """Return whether the market alone, or with the clock, can make an exit true for any position."""
    ways = satisfiable([(rule.test, True)], look.places.open, look.terms) or []
    return any(all(map(_is_no_part, way)) and set(way) != {TIME} for way in ways)


def _is_no_part(subject: Subject) -> bool:
    """Return whether a subject does not depend on the position: a move since the entry does."""
    arguments = subject.arguments if isinstance(subject.arguments, tuple) else ()
    return MARKET.issuperset(measures_of(subject)) and ("since", SINCE_ENTRY) not in arguments


# ---------------------------------------------------------------- days to expiry


def _on_some_days(look: LintContext, rule: Rule) -> tuple[int, int] | None:
    """Return the days to expiry, and the week day, of an entry for which a rule of days is true at once."""
    expiries = look.spec.legs.expiries
    if len(expiries) != 1:
        return None
    entering = [(each.test, True) for each in look.entry_rules()]
    for days, place in sorted(_chosen(look, expiries[0])):
        if _is_true(look, rule, days) and can_hold(entering, _with_days(look.places.entry, days), look.terms):
            return days, place
    return None


def _with_days(entry: Reach, days: int) -> Reach:
    return lambda subject: stretch(days, days) if subject.measure == "dte" else entry(subject)


def _chosen(look: LintContext, expiry: Expiry) -> set[tuple[int, int]]:
    """Return the days to expiry that an entry may get, each with the place of a week day on which it does."""
    enters = look.spec.entry.days or WEEK_DAYS
    places = [place for place, day in enumerate(WEEK_DAYS) if day in enters]
    lists = ((place, listed) for place in places for listed in _listed(look, expiry, place))
    return {(days, place) for place, listed in lists if (days := _taken(expiry, listed)) is not None}


def _listed(look: LintContext, expiry: Expiry, place: int) -> Iterator[list[int]]:
    """Yield the days to the expiries as they may be listed on a day of the week."""
    last = max(expiry.days) + 2 * _MONTH
    friday = (_FRIDAY - place) % _WEEK
    if expiry.is_monthly or expiry.trading_class in OPENING_CLASSES:
        yield from (list(range(first, last, _MONTH)) for first in range(friday, _MONTH, _WEEK))
        return
    symbols = set(look.spec.underlyings if look.spec.universe is None else look.spec.universe.symbols)
    if symbols & _DAILY:
        yield [ahead for ahead in range(last) if (place + ahead) % _WEEK <= _FRIDAY]
    if symbols - _DAILY:
        yield list(range(friday, last, _WEEK))


def _taken(expiry: Expiry, listed: list[int]) -> int | None:
    """Return which of the days listed the rule takes."""
    first, last = expiry.days[0], expiry.days[-1]
    if expiry.rule is DteRule.NEAREST:
        return min(listed, key=lambda days: (abs(days - first), days))
    least = 0 if expiry.rule is DteRule.AT_MOST else first
    most = inf if expiry.rule is DteRule.AT_LEAST else last
    fitting = [days for days in listed if least <= days <= most]
    return (max if expiry.is_latest else min)(fitting, default=None)
