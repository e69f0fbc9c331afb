"""Compile a Spec to a Plan, with all problems of its meaning, in the order of the file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import NamedTuple

from rulebot.compile.condition import rules_of
from rulebot.compile.data_needs import combined_needs, needs_of
from rulebot.compile.exits import (
    basis_problems,
    closing_problems,
    ending_problems,
    exit_direction,
    exit_plans,
    late_problems,
)
from rulebot.compile.expression import number_of_name
from rulebot.compile.lint.lint import conflicting_bots, lint, unaccepted
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.compile.orders import bare_calls, growth_problems, order_problems, size_problems
from rulebot.compile.per_leg_exits import each_exit_problems
from rulebot.compile.plan import (
    LIFECYCLE,
    AllOf,
    AnyOf,
    Call,
    Choice,
    Compare,
    Constant,
    DayBounds,
    ExitPlan,
    Holds,
    LegPlan,
    Needs,
    Op,
    Plan,
    ProtectPlan,
    RiskPlan,
    RollPlan,
    Rule,
    Truth,
    sound,
)
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.rolling import roll_problems
from rulebot.compile.scope import scope_of, scope_of_let
from rulebot.compile.strikes import edges_read
from rulebot.compile.structure import certain_direction, leg_plans, leg_problems
from rulebot.compile.timing import entry_plan, entry_problems
from rulebot.compile.variants import (
    Variant,
    alternatives_text,
    before_the_choice,
    choice_problems,
    halt_problems,
    member,
    read_for,
    universe_problems,
    variants,
    with_members,
)
from rulebot.measure.definition import Place
from rulebot.model.contract import LOT, Right, product
from rulebot.spec.diagnostic import Diagnostic, Span, in_file_order
from rulebot.spec.load import Loaded
from rulebot.spec.nouns import Amount, Path, Side, Unit
from rulebot.spec.scalar import amount
from rulebot.spec.source import Source
from rulebot.spec.spec import HALT, Fits, Protect, Risk, Spec

# --- Which legs of a bot only ever close together


def in_groups(legs: tuple[LegPlan, ...], exits: Sequence[ExitPlan]) -> tuple[LegPlan, ...]:
    """Return the legs, each with its group: the name of its first leg, or "" where all legs close together.

    Two legs are in one group when every exit closes both or neither.
    """
    apart = [set(planned.legs) for planned in exits if planned.legs]
    ending = _Ending.of(legs)
    by_expiry = not any(_is_whole(each) and _goes_by_the_day(each, ending) for each in exits)
    first: dict[tuple[object, ...], str] = {}
    for leg in legs:
        first.setdefault(_closed_by(leg, apart, by_expiry=by_expiry), leg.name)
    if len(first) == 1:
        return legs
    return tuple(replace(leg, group=first[_closed_by(leg, apart, by_expiry=by_expiry)]) for leg in legs)


class _Ending(NamedTuple):
    """The legs that expire first, and after how many calendar days at least."""

    names: frozenset[str]
    days: float

    @staticmethod
    def of(legs: Sequence[LegPlan]) -> "_Ending":
        days = min(leg.expiry.days_away for leg in legs)
        return _Ending(frozenset(leg.name for leg in legs if leg.expiry.days_away == days), days)


def exits_in_groups(exits: Iterable[ExitPlan], legs: Iterable[LegPlan]) -> tuple[ExitPlan, ...]:
    """Return the exits; what one rolls into has the groups of the legs that it replaces."""
    groups = {leg.name: leg.group for leg in legs}
    return tuple(_rolled_in_groups(each, groups) for each in exits)


def _rolled_in_groups(planned: ExitPlan, groups: dict[str, str]) -> ExitPlan:
    if planned.roll is None:
        return planned
    legs = tuple(replace(leg, group=groups[leg.name]) for leg in planned.roll.legs)
    return replace(planned, roll=replace(planned.roll, legs=legs))


def _closed_by(leg: LegPlan, apart: Sequence[set[str]], *, by_expiry: bool) -> tuple[object, ...]:
    """Return which exits close a leg, and when it expires where that closes it alone."""
    expiry = leg.expiry.terms if by_expiry else None
    return (expiry, *(leg.name in names for names in apart))


def _is_whole(planned: ExitPlan) -> bool:
    return not planned.legs and planned.part is None and planned.roll is None and not planned.activate_when


def _goes_by_the_day(planned: ExitPlan, ending: _Ending) -> bool:
    """Return whether the clock alone makes an exit act before the legs expire that end first."""
    is_halt = planned.name.startswith(HALT)
    return planned.rule is not None and not is_halt and _is_daily(planned.rule.test, ending)


def _is_daily(test: Truth, ending: _Ending) -> bool:
    match test:
        case Holds(Call(measure="time")):
            return True
        case Compare(left=Call(measure="dte", arguments=arguments)):
            of = dict(arguments).get("of")
            return not isinstance(of, tuple) or ending.names.issuperset(of)
        case Compare(Op.AT_LEAST | Op.ABOVE as op, Call(measure="sessions_in_trade"), (Constant(count),)):
            return _calendar_days(count + (op is Op.ABOVE)) <= ending.days
        case AllOf(members=members):
            return all(_is_daily(each, ending) for each in members)
        case AnyOf(members=members):
            return any(_is_daily(each, ending) for each in members)
        case _:
            return False


def _calendar_days(sessions: float) -> float:
    """Return the maximum calendar days until the session that many sessions later, with weekends and one holiday."""
    return sessions if sessions <= 1 else sessions + 2 * ceil(sessions / 5) + 1


# ---------------------------------------------------------------- no bound


def separated_cover_problems(spec: Spec, legs: Sequence[LegPlan], exits: Sequence[ExitPlan]) -> Iterator[Problem]:
    """Yield RB209 for a call, or shares, sold whose cover does not close together with it."""
    if spec.risk.undefined_risk or spec.overwrite is not None:
        return
    for short in legs:
        covers = [leg for leg in legs if _may_cover(leg, short) and leg.group != short.group]
        if short.sign < 0 and short.right is Right.CALL and covers and _lots(legs, short) < 0:
            names = (short.name, covers[0].name)
            path, how = _what_parts(spec, exits, names)
            message = f"{how}: what '{short.name}' can lose has no bound"
            help_text = f"close '{names[0]}' and '{names[1]}' together, or write 'undefined_risk: allow' under 'risk'"
            yield Problem("RB209", path, message, help_text, on_key=True)


def unbounded_loss_problems(spec: Spec, legs: Sequence[LegPlan]) -> Iterator[Problem]:
    """Yield RB250 for `max_loss_per_trade`, or a quantity that depends on it, with an unlimited loss.

    Without `undefined_risk: allow` such a structure is refused anyway.
    """
    if spec.overwrite is not None or not spec.risk.undefined_risk:
        return
    if not (bare := bare_calls(spec) or _without_bound(legs)):
        return
    help_text = "close it together with a call that covers it, or remove the limit: a stop is no bound"
    if spec.risk.max_loss_per_trade is not None:
        message = f"'max_loss_per_trade' cannot be kept: what '{bare}' can lose has no bound"
        yield Problem("RB250", (*spec.risk.path, "max_loss_per_trade"), message, help_text, on_key=True)
    if spec.size is not None and spec.size.fits is Fits.MAX_LOSS:
        message = f"'max_loss' counts by the most a trade can lose, and that of '{bare}' has no bound"
        yield Problem("RB250", (*spec.size.path, "max_loss"), message, "cover it, or count by 'credit'", on_key=True)


def _without_bound(legs: Sequence[LegPlan]) -> str:
    """Return a sold leg whose group is net short calls or shares; "" where there is none."""
    sold = (leg for leg in legs if leg.sign < 0 and leg.right is Right.CALL)
    return next((leg.name for leg in sold if _lots(legs, leg) < 0), "")


def _may_cover(leg: LegPlan, short: LegPlan) -> bool:
    return leg.sign > 0 and leg.right is Right.CALL and leg.symbol == short.symbol


def _lots(legs: Sequence[LegPlan], short: LegPlan) -> int:
    """Return the calls, in shares, that the group of a short call is long of; negative when short."""
    alike = [leg for leg in legs if (leg.group, leg.symbol, leg.right) == (short.group, short.symbol, Right.CALL)]
    return sum(leg.sign * leg.ratio * (1 if leg.is_shares else LOT) for leg in alike)


def _what_parts(spec: Spec, exits: Sequence[ExitPlan], names: tuple[str, str]) -> tuple[Path, str]:
    """Return the place of the exit that closes one of two legs alone, and what it does in words."""
    for planned in exits:
        if len(set(names) & set(planned.legs)) == 1:
            closed, left = names if names[0] in planned.legs else names[::-1]
            path = next(rule.path for rule in spec.exits if rule.name == planned.written)
            return path, f"'{planned.written}' closes '{closed}' without '{left}'"
    return ("exits",), f"no 'time' or 'dte' exit closes '{names[1]}' with '{names[0]}'"


# --- `protect` and `max_time_without_stop`: stops at the broker in addition to the exits that the engine watches


def protection_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the protection of short legs."""
    risk = spec.risk
    sold = [leg.name for leg in spec.legs.legs if leg.side is Side.SELL]
    if risk.protect is not None:
        yield from _protect_problems(spec, sold, risk.protect)
    if risk.max_time_without_stop is None:
        return
    where = (*risk.path, "max_time_without_stop")
    if risk.max_time_without_stop <= 0:
        yield Problem("RB250", where, "'max_time_without_stop' is longer than 0 s")
    elif not sold:
        yield Problem("RB226", where, "nothing is sold: there is no short leg to protect")
    elif risk.protect is None and not any(_is_resting_stop(spec)):
        message = "nothing protects the short legs: every position would be closed at once"
        yield Problem("RB226", where, message, "add 'protect: {cost: 4x credit}', or a stop with 'resting: true'")
    elif risk.protect is not None and (bare := [name for name in sold if not risk.protect.covers(name)]):
        message = f"'{bare[0]}' has no stop: every position would be closed at once"
        help_text = "'of: each_short' under 'protect' gives every short leg one"
        yield Problem("RB226", where, message, help_text)


def _protect_problems(spec: Spec, sold: list[str], protect: Protect) -> Iterator[Problem]:
    where, times = (*spec.risk.path, "protect"), protect.times
    if not sold:
        yield Problem("RB226", where, "nothing is sold: there is nothing to protect", on_key=True)
    elif protect.leg is not None:
        yield from _leg_problems(spec, protect.leg, sold, (*where, "of"))
    elif certain_direction(spec) == "debit":
        yield Problem("RB205", (*where, "cost"), "this structure is bought: it has no credit to multiply")
    resting = [rule.name for rule in spec.exits if rule.resting and rule.enabled]
    if resting:
        message = f"'{resting[0]}' rests at the broker already: both would close the same leg"
        yield Problem("RB226", where, message, "take away 'protect', or have the engine watch that exit", None, True)
    if times <= 1:
        message = f"a stop at {times:f}x the credit would be hit at once: it is wider than 1x"
        yield Problem("RB226", (*where, "cost"), message)


def _leg_problems(spec: Spec, name: str, sold: list[str], where: Path) -> Iterator[Problem]:
    leg = next((each for each in spec.legs.legs if each.name == name), None)
    if leg is None:
        yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, (*sold, "each_short")))
    elif leg.is_shares:
        yield Problem("RB226", where, f"'{name}' is shares: a protective stop is on an option that is sold")
    elif leg.side is Side.BUY:
        message = f"a protective stop is on a leg that is sold, and '{name}' is bought"
        yield Problem("RB226", where, message, f"sold here: {', '.join(sold)}")


def _is_resting_stop(spec: Spec) -> Iterator[bool]:
    return (rule.resting and rule.enabled and rule.kind.limits_loss for rule in spec.exits)


def protect_plan(spec: Spec) -> ProtectPlan | None:
    """Return the protection of a plan."""
    found = spec.risk.protect
    return None if found is None else ProtectPlan(found.times, found.each_short, found.leg)


# --- `quantity

_BAND = ("quantity", "overwrite", "between")


def overwrite_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that depends on the shares held."""
    found = spec.overwrite
    if found is None:
        return
    if not 0 < found.most <= 1:
        yield Problem("RB251", (*_BAND, 1), f"at most all shares held are overwritten, is {found.most * 100:f}%")
    elif found.least > found.most:
        message = f"the least comes first, is {found.least * 100:f}% and {found.most * 100:f}%"
        yield Problem("RB251", _BAND, message)
    yield from _nothing_to_overwrite(spec)


def _nothing_to_overwrite(spec: Spec) -> Iterator[Problem]:
    where = ("quantity", "overwrite")
    if len(spec.underlyings) > 1:
        message = "this bot has two underlyings, and it is open whose shares are meant"
        yield Problem("RB251", where, message, "give it one", on_key=True)
    elif not product(spec.underlyings[0]).is_tradable:
        message = f"{spec.underlyings[0]} is an index: it has no shares to hold"
        yield Problem("RB251", where, message, "overwrite an ETF or a stock, such as SPY", on_key=True)
    elif any(leg.is_shares for leg in spec.legs.legs):
        message = "its own shares are among the legs: those that are held cannot be meant as well"
        yield Problem("RB251", where, message, "give a count, or take the shares away", on_key=True)
    elif _calls_left(spec) <= 0:
        message = "no call is sold that shares could cover"
        yield Problem("RB251", where, message, "sell more calls than the structure buys, or give a count", on_key=True)


def _calls_left(spec: Spec) -> int:
    calls = [leg for leg in spec.legs.legs if leg.right == "call"]
    return -sum(leg.signed_ratio for leg in calls)


# --- The front door

Check = Callable[[Spec], Iterator[Problem]]


def build_plan(
    spec: Spec, source: Source | None = None, *, with_warnings: bool = True
) -> tuple[Plan | None, list[Diagnostic]]:
    """Return the plan of a spec, or None when it has errors; and all its problems, warnings included.

    `source` locates the problems; without it they are at the top of an empty text.
    """
    plan, problems = compiled(spec) if with_warnings else _whole(spec)
    place = source or Source(file=f"{spec.name}.yaml", text="")
    return plan, _diagnostics(problems, place)


def check(loaded: Loaded, outside: LintEnvironment | None = None) -> list[Diagnostic]:
    """Return the problems of meaning of a document, for `validate`: nothing for one that could not be read.

    outside: the day and what is known on it; None leaves out the warnings that depend on it.
    """
    if loaded.spec is None:
        return []
    seen = frozenset(found.code for found in loaded.diagnostics)
    problems = compiled(loaded.spec, seen, outside)[1]
    return _diagnostics(problems, loaded.source)


def check_together(loaded: Sequence[Loaded]) -> list[list[Diagnostic]]:
    """Return for each document where its bot conflicts with another bot."""
    found: list[list[Diagnostic]] = [[] for _ in loaded]
    bots = [(number, each.spec) for number, each in enumerate(loaded) if each.spec is not None]
    for at, problem in conflicting_bots([spec for _, spec in bots]):
        number, spec = bots[at]
        if problem.code not in spec.accept:
            found[number].append(diagnosed(problem, loaded[number].source))
    return found


def compiled(
    spec: Spec, elsewhere: frozenset[str] = frozenset(), outside: LintEnvironment | None = None
) -> tuple[Plan | None, list[Problem]]:
    """Return the plan, or None, and every problem. `elsewhere` are codes of warnings the reader already gave.

    A spec with errors gets no warnings: they would be about a bot that there is not.
    """
    plan, errors = _whole(spec)
    if plan is None:
        return None, errors
    structures = (replace(each, members=plan.members) for each in plan.structures())
    plain = zip(variants(spec), structures, strict=True)
    found = alternatives_text([(variant, list(lint(variant.spec, each, outside))) for variant, each in plain])
    if any(not problem.is_warning for problem in found):
        return None, [problem for problem in found if not problem.is_warning]
    return plan, unaccepted(spec, found, elsewhere)


def _whole(spec: Spec) -> tuple[Plan | None, list[Problem]]:
    """Return the plan of a bot, or None and its errors; an error of several symbols is reported for the first."""
    if spec.universe is None:
        return _choosing(spec)
    values = values_of(spec)
    members, errors = [], list(universe_problems(spec))
    for plain in (read_for(spec, symbol) for symbol in spec.universe.symbols):
        plan, found = _choosing(plain)
        one, more = (None, []) if plan is None else member(plain, plan, values)
        errors += [*found, *more, *(() if plan is None else halt_problems(plain, plan))]
        if one is not None:
            members.append(one)
    if errors:
        places = {(problem.code, problem.path, problem.columns): problem for problem in reversed(errors)}
        return None, list(reversed(places.values()))
    return with_members(spec, tuple(members), values), []


def _choosing(spec: Spec) -> tuple[Plan | None, list[Problem]]:
    """Return the plan of a bot on one underlying, or None and its errors; `choose` includes all alternatives."""
    found = [(variant, *_compiled(variant.spec)) for variant in variants(spec)]
    head, errors = _compiled(before_the_choice(spec)) if spec.legs.choose else (found[0][1], [])
    problems = list(choice_problems(spec))
    problems += alternatives_text(
        [*((variant, errors) for variant, _, errors in found), *([(Variant(spec), errors)] if errors else [])]
    )
    if problems or head is None or not spec.legs.choose:
        return (None if problems else head), problems
    asked = len(spec.entry.when)
    choices = tuple(
        Choice(name=variant.alternative.name, when=plan.entry.when[asked:], plan=plan)
        for variant, plan, _ in found
        if variant.alternative is not None and plan is not None
    )
    needs = combined_needs((head.needs, *(each.plan.needs for each in choices)))
    return replace(head, choices=choices, needs=needs), []


def _compiled(spec: Spec) -> tuple[Plan | None, list[Problem]]:
    """Return the plan of a plain spec, or None and its errors."""
    problems = [problem for found in CHECKS for problem in found(spec)]
    values = values_of(spec)
    lists = (
        rules_of(spec.entry.when, scope_of(spec, Place.FILTER, values)),
        rules_of(spec.legs.require, scope_of(spec, Place.REQUIRE, values)),
        rules_of(spec.risk.halt_when, scope_of(spec, Place.HALT, values)),
        rules_of(spec.risk.require, scope_of(spec, Place.RISK, values)),
    )
    exits, found = exit_plans(spec, scope_of(spec, Place.EXIT, values))
    problems += [problem for _, of_list in lists for problem in of_list] + found
    if problems:
        return None, problems
    when, require, halt_when, limits = (rules for rules, _ in lists)
    plan = _plan(spec, when, require, halt_when, limits, exits)
    problems = [*separated_cover_problems(spec, plan.legs, plan.exits), *unbounded_loss_problems(spec, plan.legs)]
    return (None if problems else plan), problems


def values_of(spec: Spec) -> Mapping[str, Amount]:
    """Return the parameters that are numbers, by name, for `expr:`."""
    read = {parameter.name: _number(parameter.text) for parameter in spec.parameters}
    return {name: value for name, value in read.items() if value is not None and value.of is None}


def _number(text: str) -> Amount | None:
    bare = text.strip().strip("\"'")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return amount(bare)
    return Amount(number, Unit.NUMBER) if number.is_finite() else None


def _let_problems(spec: Spec) -> Iterator[Problem]:
    """A let that no rule uses is still checked, as if used where its measure is allowed."""
    for let in spec.lets:
        try:
            number_of_name(let.name, scope_of_let(spec, let, values_of(spec)), let.path)
        except Fault as fault:
            where = (*let.path, let.measure) if fault.problem.path == let.path and let.measure else fault.problem.path
            yield fault.problem._replace(path=where, columns=None)


def _risk_problems(spec: Spec) -> Iterator[Problem]:
    if spec.quantity < 1:
        yield Problem("RB250", ("quantity",), f"a quantity is at least 1, is {spec.quantity}")
    risk = spec.risk
    days = (("daily_loss", risk.daily_loss), ("daily_profit", risk.daily_profit))
    for name, given in (("r", risk.r), ("max_loss_per_trade", risk.max_loss_per_trade), *days):
        value = given.value if isinstance(given, Amount) else given
        if value is not None and value <= 0:
            yield Problem("RB250", (*risk.path, name), f"'{name}' is written positive, is {value:f}")
    yield from _daily_limit_problems(risk, days)


def _daily_limit_problems(risk: Risk, days: Iterable[tuple[str, Decimal | Amount | None]]) -> Iterator[Problem]:
    for name, given in days:
        if isinstance(given, Amount) and _unit_of(given, risk) is None:
            unit = "r" if given.unit is Unit.R else "max_loss_per_trade"
            message = f"'{name}' is a multiple of '{unit}', which is not given"
            yield Problem("RB250", (*risk.path, name), message, "give it, or write dollars")
    if risk.at_daily_loss and risk.daily_loss is None:
        message = "'at_daily_loss' says what a loss of the day does, and 'daily_loss' is not given"
        yield Problem("RB250", (*risk.path, "at_daily_loss"), message, "give 'daily_loss', or remove it", on_key=True)
    if risk.r is not None and not any(isinstance(given, Amount) and given.unit is Unit.R for _, given in days):
        help_text = "as in 'daily_loss: 3R', or remove it"
        yield Problem("RB250", (*risk.path, "r"), "'r' is given, and no limit is in R", help_text, on_key=True)


def _of_a_day(given: Decimal | Amount | None, risk: Risk) -> Decimal | None:
    """Return in dollars what halts the bot for the day."""
    if not isinstance(given, Amount):
        return given
    unit = _unit_of(given, risk)
    return None if unit is None else given.value * unit


def _unit_of(given: Amount, risk: Risk) -> Decimal | None:
    """Return the dollars that a limit of the day is a multiple of, None while they are not given."""
    return risk.r if given.unit is Unit.R else risk.max_loss_per_trade


CHECKS: tuple[Check, ...] = (
    _let_problems,
    leg_problems,
    entry_problems,
    order_problems,
    ending_problems,
    closing_problems,
    late_problems,
    each_exit_problems,
    basis_problems,
    _risk_problems,
    overwrite_problems,
    size_problems,
    growth_problems,
    protection_problems,
    roll_problems,
)
"""Every check of the whole spec; conditions are checked while they are compiled."""


def _plan(
    spec: Spec,
    when: tuple[Rule, ...],
    require: tuple[Rule, ...],
    halt_when: tuple[Rule, ...],
    limits: tuple[Rule, ...],
    exits: tuple[ExitPlan, ...],
) -> Plan:
    legs = in_groups(leg_plans(spec), exits)
    exits = exits_in_groups(exits, legs)
    leaving = (rule for each in exits for rule in (each.rule, *each.activate_when) if rule is not None)
    rules = (*when, *require, *halt_when, *limits, *leaving)
    rolls = [each.roll for each in exits if each.roll is not None]
    needs = needs_of(rules, legs, spec.legs.nearest, edges_read(legs))
    return Plan(
        name=spec.name,
        digest=spec.digest,
        parameters=tuple(parameter.name for parameter in spec.parameters),
        underlyings=spec.underlyings,
        quantity=spec.quantity,
        size=spec.size,
        opens_for=exit_direction(spec),
        entry=entry_plan(spec, when),
        expiry=spec.legs.nearest,
        legs=legs,
        require=require,
        on_conflict=spec.legs.on_conflict,
        order=spec.order,
        exits=exits,
        risk=RiskPlan(
            max_loss_per_trade=spec.risk.max_loss_per_trade,
            day=DayBounds(
                loss=_of_a_day(spec.risk.daily_loss, spec.risk),
                profit=_of_a_day(spec.risk.daily_profit, spec.risk),
                closes=spec.risk.at_daily_loss,
            ),
            require=limits,
            halt_when=halt_when,
            undefined_risk=spec.risk.undefined_risk,
            delayed_data=spec.risk.delayed_data,
            protect=protect_plan(spec),
            max_time_without_stop=spec.risk.max_time_without_stop,
        ),
        lifecycle=sound(LIFECYCLE),
        needs=combined_needs((needs, *map(_needs_of_roll, rolls))) if rolls else needs,
        overwrite=spec.overwrite,
        growth=spec.growth,
    )


def _needs_of_roll(roll: RollPlan) -> Needs:
    """Return the additional data that a roll needs; the held expiry has a listing already."""
    found = needs_of(roll.require, roll.legs, roll.legs[0].expiry, edges_read(roll.legs))
    return found if roll.is_moved else replace(found, chains=())


# ---------------------------------------------------------------- places


_OF_NO_USE = ("RB300", "RB302")


def _diagnostics(problems: Iterable[Problem], source: Source) -> list[Diagnostic]:
    """Return the problems with their places; what is inherited need not be of use here: an `accept`, a let."""
    own = (one for one in problems if one.code not in _OF_NO_USE or not source.span(one.path, key=True).above)
    return list(in_file_order(diagnosed(problem, source) for problem in own))


def diagnosed(problem: Problem, source: Source) -> Diagnostic:
    """Return a problem with its place in the text."""
    severity = "warning" if problem.is_warning else "error"
    span = source.span(problem.path, key=problem.on_key)
    if problem.columns is not None:
        span = _inside(span, problem.columns, source.written(problem.path))
    return source.diagnostic_at(problem.code, span, problem.message, problem.help or None, severity)


def _inside(span: Span, columns: tuple[int, int], written: str) -> Span:
    """Return the columns of a scalar's text as columns of the line: a quoted text begins one later.

    A text in a block or over several lines, or with escapes, keeps the place of the whole scalar.
    """
    quoted = written[:1] in ("'", '"')
    inner = written[1:-1] if quoted else written
    if written[:1] in ("|", ">") or columns[1] > len(inner) or "\\" in inner or "''" in inner:
        return span
    start = span.col + columns[0] + quoted
    return Span(span.line, start, start + columns[1] - columns[0], span.above)
