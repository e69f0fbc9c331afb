"""Bounds outside of the usual range of their measure: most likely a wrong unit or a factor of 100."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from math import inf, sqrt
from typing import NamedTuple

from rulebot.compile.condition import operand_words
from rulebot.compile.data_needs import calls_of
from rulebot.compile.lint.comparisons import linear, linear_sides
from rulebot.compile.lint.conditions import ConditionRule, RulePlace, SingleTest, pairs_of, singles
from rulebot.compile.lint.example import expected, spots
from rulebot.compile.lint.lint_context import LintContext
from rulebot.compile.plan import Call, Compare, Plan, Quantity, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.units import scaled, written
from rulebot.measure.definition import WITH_AN_ENTRY
from rulebot.measure.ranges import Range, compared, meet, rest, stretch
from rulebot.measure.usual import MULTIPLE, Scale, Usual
from rulebot.measures.registry import MEASURES, VOCABULARY
from rulebot.model.contract import LOT, product
from rulebot.spec.nouns import Amount, ExpressionTest, Op, Unit, single_tests

# --- Usual ranges in numbers

LEAST_PRICE = 0.0099
"""Prices per share are counted in cents: a smaller bound than one cent says nothing."""

_GAINS = ("profit", "loss", "give_back")
_OF_SHARES, _MOST_OF_SHARES, _LOST_OF_SHARES = 0.1, 2.0, 0.5
"""How much smaller gains are that count from the price of shares, and the largest gain and loss."""
_MOST_OF_CREDIT, _MOST_OF_DEBIT = 0.985, 0.95
"""The largest fraction of a credit for a target, or of a debit for a stop: the rest is a tick."""
_BELOW = 0.999
"""Just below a tick, which is the least distance between a bid and an ask."""
_DAYS = 252
_YEARS_MOVE, _STOCKS_MOVE = (0.16, 0.16), (0.16, 0.33)
"""A year's volatility of the underlyings in the example, and the range for stocks."""


class UsualRange(NamedTuple):
    """The range in which bounds usually are, in the unit of the measure; inf where it is unknown."""

    low: float
    high: float
    usual: Usual


def span_of(call: Call, look: LintContext) -> UsualRange | None:
    """Return the usual range of a measure for one bot, None where it is compared with no number."""
    usual = MEASURES[call.measure].usual.get(call.quantity) if call.measure in MEASURES else None
    if usual is None:
        return None
    usual = _of_this_bot(usual, call, look)
    symbol = _symbol(call, look)
    span = sized(usual, look, symbol, is_price=call.quantity is Quantity.PRICE)
    if call.measure == "quote_width" and call.quantity is Quantity.PRICE:
        return span._replace(low=float(product(symbol).option_ticks.steps[0][1]) * _BELOW)
    return span


def _of_this_bot(usual: Usual, call: Call, look: LintContext) -> Usual:
    """Return the range of a gain for the traded instruments: shares move less, a credit is the maximum."""
    if call.measure not in _GAINS or call.quantity is not Quantity.FRACTION:
        return usual
    if any(leg.is_shares for leg in look.plan.legs):
        most = _LOST_OF_SHARES if call.measure == "loss" else _MOST_OF_SHARES
        return replace(usual, low=usual.low * _OF_SHARES, high=most)
    if "of" in dict(call.arguments) or (stake := look.stake) is None:
        return usual
    is_all_won = call.measure == "profit" and stake.is_sold and stake.most <= 0
    is_all_lost = call.measure == "loss" and not stake.is_sold and stake.least >= 0
    if is_all_won or is_all_lost:
        return replace(usual, high=_MOST_OF_CREDIT if is_all_won else _MOST_OF_DEBIT)
    return usual


def sized(usual: Usual, look: LintContext, symbol: str, *, is_price: bool = False) -> UsualRange:
    """Return a range in numbers for an underlying."""
    least, most = _sizes(usual.scale, look, symbol)
    low = max(usual.low * least, LEAST_PRICE) if is_price else usual.low * least
    return UsualRange(low, usual.high * most, usual)


def _symbol(call: Call, look: LintContext) -> str:
    of: object = dict(call.arguments).get("of")
    if isinstance(of, tuple):
        of = next((leg.symbol for leg in look.plan.legs if leg.name in of), None)
    named = next((leg.symbol for leg in look.plan.legs if leg.name == of), of)
    return named if isinstance(named, str) else look.plan.underlyings[0]


def _sizes(scale: Scale, look: LintContext, symbol: str) -> tuple[float, float]:
    """Return the least and the most value of a scale."""
    sample = look.sample
    low, high = spots(symbol)
    is_known = low == high
    match scale:
        case Scale.ONE:
            return 1.0, 1.0
        case Scale.SPOT:
            return low, high
        case Scale.NOTIONAL:
            return low * LOT, high * sample.lot
        case Scale.DAY | Scale.DAY_IN_POINTS:
            days = _YEARS_MOVE if is_known else _STOCKS_MOVE
            points = (low, high) if scale is Scale.DAY_IN_POINTS else (1.0, 1.0)
            return points[0] * days[0] / sqrt(_DAYS), points[1] * days[1] / sqrt(_DAYS)
        case Scale.MOVE if is_known:
            move = min((leg.move for leg in sample.legs.values() if leg.plan.symbol == symbol), default=None)
            found = expected(symbol, 0, 1.0) if move is None else move
            return found, found
        case Scale.PREMIUM | Scale.POSITION if (
            is_known and len(sample.legs) == _options(look) and sample.premium > LEAST_PRICE
        ):
            lots = _lots(scale, look)
            return sample.premium * lots[0], sample.premium * lots[1]
        case Scale.WIDTH | Scale.WIDTH_IN_DOLLARS if (width := _width(look)) is not None:
            lots = _lots(scale, look)
            return width * lots[0], width * lots[1]
        case _:
            return 0.0, inf


_IN_DOLLARS: Mapping[Scale, bool] = {Scale.POSITION: True, Scale.WIDTH_IN_DOLLARS: True}


def _lots(scale: Scale, look: LintContext) -> tuple[float, float]:
    """Return what a price per share is multiplied by, for one structure and for the whole position."""
    if scale not in _IN_DOLLARS:
        return 1.0, 1.0
    most = inf if look.plan.overwrite is not None else float(look.sample.lot)
    return (float(LOT) if look.plan.size is not None else most if most < inf else float(LOT)), most


def _options(look: LintContext) -> int:
    return sum(1 for leg in look.plan.legs if not leg.is_shares)


def _width(look: LintContext) -> float | None:
    """Return the points that the structure can be worth at most, either way; None without a bound."""
    found = [each for each in (look.worth.most_cost, look.worth.most_value) if each]
    return max(found, default=None)


# --- Unitless numbers of an expression, compared with measures that are read in an unexpected unit

MOST_OF_A_PART = 5.0
"""A part beyond this is hardly meant: five times a credit, or 500 %."""
LEAST_SECONDS = 60.0
"""A time of less is hardly meant: of minutes it would be."""
_CALL = r"(?P<name>[a-z][a-z0-9_]*)(?:\([^()]*\))?"
_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]+)?)"
_SIGN = r"\s*(?P<sign><=|>=|<|>)\s*"
_FORMS = (
    re.compile(rf"(?<![\w.]){_CALL}{_SIGN}{_NUMBER}(?![\w.])(?!\s*[*/+-])"),
    re.compile(rf"(?<![\w.]){_NUMBER}{_SIGN}{_CALL}(?![\w(])(?!\s*[*/+-])"),
)
_SAID = {"<": Op.BELOW, "<=": Op.AT_MOST, ">": Op.ABOVE, ">=": Op.AT_LEAST}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def read_otherwise(look: LintContext) -> Iterator[Problem]:
    """Yield RB345 for each number of an expression in an improbable unit."""
    for test in single_tests(look.conditions.values()):
        if isinstance(test, ExpressionTest):
            for place, form in enumerate(_FORMS):
                for found in form.finditer(test.text):
                    yield from _judged_without_unit(test, found, is_turned=bool(place))


def _judged_without_unit(test: ExpressionTest, found: re.Match[str], *, is_turned: bool) -> Iterator[Problem]:
    name, number, sign = found["name"], float(found["number"]), found["sign"]
    measure, before = VOCABULARY.get(name), test.text[: found.start()].rstrip()
    if measure is None or before.endswith(("*", "/", "+", "-")):
        return
    op = _SAID[_TURNED[sign] if is_turned else sign].value
    if measure.quantity is Quantity.FRACTION and number > MOST_OF_A_PART:
        read, is_a, meant, less = f"{number * 100:,g}%", "a part", f"{number:g}%", f"{number / 100:g} is {number:g}%"
    elif measure.quantity is Quantity.SECONDS and 0 < number < LEAST_SECONDS:
        read, is_a, meant, less = (
            f"{number:g} s",
            "in seconds",
            f"{number:g}m",
            f"{number * 60:g} is {number:g} minutes",
        )
    else:
        return
    message = f"'{found['number']}' is read as {read}: numbers of an expression have no unit, and '{name}' is {is_a}"
    help_text = f"{less}; with its unit write it in a condition, as in '{name}: {{{op}: {meant}}}'"
    yield Problem("RB345", test.path, message, help_text, found.span("number"))


# --- Bounds outside of the usual range of their measure

_ALWAYS = {
    RulePlace.ENTRY: "it blocks no entry",
    RulePlace.EXIT: "the position is closed at once",
    RulePlace.HALT: "the bot is halted all day",
}
_NEVER = {
    RulePlace.ENTRY: "the bot never enters",
    RulePlace.EXIT: "this exit never acts",
    RulePlace.HALT: "it never halts the bot",
}


def unusual(look: LintContext) -> Iterator[Problem]:
    """Yield RB360 for each bound outside of the usual range of its measure."""
    for pair in pairs_of(look):
        for single in singles(pair.condition, pair.rule.test):
            if isinstance(single.test, Compare):
                yield from _at_one_number(pair, single, single.test)
                yield from _judged(look, pair, single, single.test)
            else:
                yield from _held(look, single, single.test.call)


def _judged(look: LintContext, pair: ConditionRule, single: SingleTest, test: Compare) -> Iterator[Problem]:
    if (sides := linear_sides(test)) is None:
        return
    (factor, call), right = sides
    of = right[0][1]
    if call is None or not factor or any(each[1] != of for each in right):
        return
    bounds = [number / factor for number, _ in right]
    span = span_of(call, look) if of is None else _of_another(call, of)
    if span is None or _is_said_already(single, call, bounds[0]):
        return
    for at in [at for at, number in enumerate(bounds) if not _is_usual(number, span, test.op, at)][:1]:
        yield _problem(look, pair, single, test, call, span, bounds, at, of)


def multiple(measure: str, of: str) -> Usual:
    """Return the usual range of one measure as a multiple of another."""
    likeness = MEASURES[measure].likeness
    if likeness is None or likeness is not MEASURES[of].likeness:
        return MULTIPLE
    return Usual(*likeness.value, signed=True)


def _of_another(call: Call, of: Call) -> UsualRange:
    usual = multiple(call.measure, of.measure)
    return UsualRange(usual.low, usual.high, usual)


_A_LITTLE = 2.0
"""A factor above the largest usual number that is a one-digit slip rather than a wrong unit."""
_LEAST_DOLLARS = 10
"""The fewest dollars that are offered instead of a percentage."""
_COUNTED = (Quantity.DAYS, Quantity.PLAIN, Quantity.SECONDS)
"""What is counted in whole numbers, so that a bound of one number means something."""


def _at_one_number(pair: ConditionRule, single: SingleTest, test: Compare) -> Iterator[Problem]:
    """Yield RB360 for a test that only one number passes, or fails: `between: [15, 15]`, `beyond: 0%`."""
    numbers = [found[0] for found in map(linear, test.right) if found is not None and found[1] is None]
    call = test.left
    if not isinstance(call, Call) or len(numbers) < len(test.right) or single.amount() is None:
        return
    is_band = test.op in (Op.BETWEEN, Op.OUTSIDE) and numbers[0] == numbers[1] and call.quantity not in _COUNTED
    is_beyond = test.op is Op.BEYOND and numbers[0] == 0
    if not is_band and not is_beyond:
        return
    often = (test.op is Op.BETWEEN) is not single.wanted
    words = (_ALWAYS if often else _NEVER)[pair.standing]
    passing = "passes" if test.op is Op.BETWEEN else "fails"
    what = f"only {shown(numbers[0], call.quantity)} itself {passing}"
    message = f"'{call.measure}' is compared with one number, and {what}: {words}"
    help_text = "write a range, as in 'between: [12, 22]'" if is_band else "write how far, as in 'beyond: 1%'"
    yield Problem("RB360", single.path(), message, help_text)


_OF_ARGUMENTS = {
    "spot_within": "it is true all day, or only in the last moment",
    "spot_beyond": "it is true at once, or never",
    "within": "a hook counts on its own day only",
}


def _held(look: LintContext, single: SingleTest, call: Call) -> Iterator[Problem]:
    """Yield RB360 for a number among the arguments of a true-or-false measure."""
    for name, given in call.arguments:
        if name not in _OF_ARGUMENTS or not isinstance(given, int | float):
            continue
        quantity = next(iter(MEASURES[call.measure].usual))
        span = span_of(replace(call, quantity=quantity), look)
        if span is not None and not _is_usual(float(given), span, Op.BETWEEN, 1):
            usual, bound = _range(span, replace(call, quantity=quantity), None), shown(float(given), quantity)
            message = f"'{name}' of '{call.measure}' is {bound}, and usual is {usual}: {_OF_ARGUMENTS[name]}"
            yield Problem("RB360", (*single.said.path, name), message, f"write {usual}")


def _is_said_already(single: SingleTest, call: Call, number: float) -> bool:
    """Return whether RB345 already reports a number of an expression."""
    if not isinstance(single.said, ExpressionTest):
        return False
    of_part = call.quantity is Quantity.FRACTION and number > MOST_OF_A_PART
    return of_part or (call.quantity is Quantity.SECONDS and 0 < number < LEAST_SECONDS)


def _is_usual(number: float, span: UsualRange, op: Op, at: int) -> bool:
    """Return whether a bound is in the range. The lower of two may be 0: it says that there is none."""
    usual = span.usual
    if number == 0 and (usual.zero or (op in (Op.BETWEEN, Op.OUTSIDE) and at == 0)):
        return True
    size = abs(number) if usual.signed else number
    if op in (Op.BETWEEN, Op.OUTSIDE):
        return span.low <= size <= span.high
    return span.low < size < span.high


# ---------------------------------------------------------------- in words


def _problem(
    look: LintContext,
    pair: ConditionRule,
    single: SingleTest,
    test: Compare,
    call: Call,
    span: UsualRange,
    numbers: list[float],
    at: int,
    of: Call | None,
) -> Problem:
    bound = _bound(single, at, numbers[at], call.quantity, of)
    name = single.said.said if not isinstance(single.said, ExpressionTest) else call.measure
    place = "at the edge of" if numbers[at] in (span.low, span.high) else "outside"
    message = (
        f"{bound} is {place} the usual range of '{name}', {_range(span, call, of)}: "
        f"{_effect(pair, single, test, span, numbers)}"
    )
    return Problem("RB360", single.path(at), message, _help(look, single, at, numbers[at], call, span, of, bound))


def _effect(pair: ConditionRule, single: SingleTest, test: Compare, span: UsualRange, numbers: list[float]) -> str:
    """Return what the bound does to the bot: the test holds always, never, or hangs on next to nothing."""
    passing = compared(test.op, numbers)
    usual: Range = stretch(span.low, span.high, low_open=True, high_open=True)
    if span.usual.signed:
        usual = stretch(-span.high, span.high, low_open=True, high_open=True)
    is_passing = None
    if not meet(usual, passing):
        is_passing = not single.wanted
    elif not meet(usual, rest(passing)):
        is_passing = single.wanted
    if is_passing is None:
        return "as a bound it is as good as 0"
    often = "nearly always" if is_passing else "hardly ever"
    if not single.is_alone and single.wanted:
        return f"this part is {often} true"
    words = _ALWAYS if is_passing else _NEVER
    return f"the condition is {often} true, so {words[pair.standing]}"


def _bound(single: SingleTest, at: int, number: float, quantity: Quantity, of: Call | None) -> str:
    amount = single.amount(at)
    if amount is not None:
        return operand_words(amount)
    return shown(number, quantity) if of is None else f"{number:g}x {of.measure}"


def _range(span: UsualRange, call: Call, of: Call | None) -> str:
    digits = 2 if span.usual.scale is not Scale.ONE else 4
    ends = [f"{each:g}x" if of is not None else shown(each, call.quantity, digits) for each in (span.low, span.high)]
    both = " either side of 0" if span.usual.signed and span.low < span.high < inf else ""
    if span.high == inf:
        return f"{ends[0]} or more"
    return f"{ends[0]} to {ends[1]}{both}"


def shown(number: float, quantity: Quantity, digits: int = 4) -> str:
    """Return a number as a spec writes it in this quantity: `70%`, `$400`, `30 pts`."""
    plain = _plain(number, digits)
    match quantity:
        case Quantity.FRACTION:
            return f"{_plain(number * 100, digits)}%"
        case Quantity.PERCENT:
            return f"{plain}%"
        case Quantity.DOLLARS:
            return f"-${plain[1:]}" if number < 0 else f"${plain}"
        case Quantity.POINTS:
            return f"{plain} pts"
        case Quantity.SECONDS:
            return f"{plain} s"
        case _:
            return plain


def _plain(number: float, digits: int = 4) -> str:
    """Return a number with this many significant digits."""
    rounded = f"{Decimal(f'{number:.{digits}g}'):f}"
    return f"{int(rounded):,}" if rounded.lstrip("-").isdigit() else rounded


def _help(
    look: LintContext,
    single: SingleTest,
    at: int,
    number: float,
    call: Call,
    span: UsualRange,
    of: Call | None,
    bound: str,
) -> str:
    found = readings(look, single.amount(at), number, call, span, of)
    if not found:
        return f"write a bound from {_range(span, call, of)}, or remove the condition"
    return f"did you mean {' or '.join(found)}? '{bound}' is {_meaning(number, call, of)}"


def _meaning(number: float, call: Call, of: Call | None) -> str:
    """Return how a bound is read, in other words than its own."""
    if of is not None:
        return f"{number:g} times '{of.measure}'"
    match call.quantity:
        case Quantity.FRACTION:
            return f"{_plain(number)} times the whole" if abs(number) > 1 else f"{_plain(number)} of the whole"
        case Quantity.PERCENT:
            return f"{_plain(number)} percent a year"
        case Quantity.LEVEL:
            return f"{_plain(number)} points of the index"
        case Quantity.DOLLARS:
            return f"{_plain(number)} dollars of the whole position"
        case Quantity.PRICE:
            return f"{_plain(number)} per share"
        case Quantity.PLAIN if MEASURES[call.measure].is_percentile:
            return "below one percentile" if number < 1 else f"{_plain(number)} percentiles"
        case _:
            return f"{_plain(number)} as written"


def readings(
    look: LintContext, amount: Amount | None, number: float, call: Call, span: UsualRange, of: Call | None
) -> list[str]:
    """Return what was probably meant: the same number in another unit, or a hundred times more or less."""
    if of is not None:
        likely = [each for each in (number / 100, number * 100) if span.low < each < span.high]
        return [f"'{each:g}x {of.measure}'" for each in likely]
    if amount is None:
        return [f"'{_as_written(each, call.quantity, None)}'" for each in _by_a_hundred(number, span)]
    other = [replace(amount, unit=unit) for unit, _ in _other_units(look, call, amount)]
    hundred = [f"'{_as_written(each, call.quantity, amount)}'" for each in _by_a_hundred(number, span)]
    return [*(f"'{written(each)}'" for each in other), *hundred]


def _other_units(look: LintContext, call: Call, amount: Amount) -> Iterator[tuple[Unit, Quantity]]:
    """Yield the units in which the number as written is usual."""
    for unit, quantity in VOCABULARY[call.measure].units:
        span = span_of(replace(call, quantity=quantity), look)
        is_other = unit is not amount.unit and quantity is not call.quantity and span is not None
        is_other = is_other and not (unit is Unit.DOLLARS and abs(amount.value) < _LEAST_DOLLARS)
        if is_other and span is not None and _is_usual(scaled(replace(amount, unit=unit), quantity), span, Op.ABOVE, 0):
            yield unit, quantity


def _by_a_hundred(number: float, span: UsualRange) -> list[float]:
    """Return the number a hundred times larger and smaller; a tenth of what is a little too large."""
    if not span.usual.shifts:
        return []
    if span.usual.signed and span.high < abs(number) < _A_LITTLE * span.high:
        return [number / 10]
    return [each for each in (number * 100, number / 100) if _is_usual(each, span, Op.ABOVE, 0)]


def _as_written(number: float, quantity: Quantity, amount: Amount | None) -> str:
    if quantity in (Quantity.POINTS, Quantity.LEVEL) and amount is not None and amount.unit is Unit.POINTS:
        return f"{_plain(number)} pts"
    if quantity is Quantity.POINTS and amount is not None and amount.unit is Unit.NUMBER:
        return _plain(number)
    return shown(number, quantity).replace(",", "")


# --- A `max_age` that makes nothing older


def ineffective_max_age(look: LintContext) -> Iterator[Problem]:
    """Yield RB305 for each `max_age` of a condition whose measures read no quotes that it could limit."""
    for rule in _rules(look.plan):
        measures = sorted({call.measure for call in calls_of(rule.test)})
        if rule.max_age is None or any(_has_an_age(measure) for measure in measures):
            continue
        named = " and ".join(f"'{measure}'" for measure in measures)
        message = f"'max_age' does nothing here: {named} {_why(measures)}"
        yield Problem("RB305", (*rule.path, "max_age"), message, "remove it", None, True)


def _rules(plan: Plan) -> Iterator[Rule]:
    yield from (*plan.entry.when, *plan.require, *plan.risk.halt_when, *plan.risk.require)
    for planned in plan.exits:
        yield from (*planned.activate_when, *(() if planned.rule is None else (planned.rule,)))


def _has_an_age(measure: str) -> bool:
    """Measures of all positions are added up once, for all conditions."""
    found = MEASURES[measure]
    return found.max_age is not None and not found.places <= WITH_AN_ENTRY


def _why(measures: list[str]) -> str:
    if any(MEASURES[measure].max_age is not None for measure in measures):
        return "covers all positions together, and always uses the standard quote age"
    return "is read from no quote that could be too old"
