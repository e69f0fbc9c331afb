"""A rule in words: what it asks, and what was measured for it.

A new measure needs no entry here: `the measure is above 3` is the usual way. A true-or-false measure does.
"""

from collections.abc import Callable, Mapping
from math import isclose

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Argument,
    Arithmetic,
    Call,
    Compare,
    Confirm,
    Constant,
    Holds,
    Not,
    Number,
    Op,
    Quantity,
    Rule,
    Text,
    Truth,
)
from rulebot.compile.units import number_quantity
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.words import MeasureText, NamingContext
from rulebot.measures.registry import MEASURES
from rulebot.model.economic_calendar import PROJECTIONS
from rulebot.model.session import DayTime, Sessions
from rulebot.model.text import counted, duration, plain
from rulebot.model.values import dataclass
from rulebot.wording.number import bound_words, from_on, measured, number_words, operand_words, phrase, written

OP_WORDS = {op: op.value.replace("_", " ") for op in Op} | {Op.BETWEEN: "in"}
"""How a comparison is said, before its bound."""


def comparison_words(test: Compare, cast: NamingContext) -> str:
    """Return a comparison as most measures have it: `VIX is above 20`."""
    return f"{number_words(test.left, cast)} {_is(test, cast)}"


def _is(test: Compare, cast: NamingContext) -> str:
    bounds = [bound_words(bound, test.left, cast) for bound in test.right]
    if test.op is Op.BEYOND:
        return f"is more than {bounds[0]} on either side of zero"
    if test.op is Op.BETWEEN:
        return f"is {bounds[0]} to {bounds[-1]}"
    return f"is {OP_WORDS[test.op]} {' to '.join(bounds)}" if test.op is not Op.IS else f"is {bounds[0]}"


# ---------------------------------------------------------------- measures with a way of their own


def _changed(
    subject: Callable[[MeasureText], str], tail: Callable[[MeasureText], str]
) -> Callable[[Compare, NamingContext], str]:
    """Return how a signed change is described: up, down or both, for any sign of its bound."""

    def words(test: Compare, cast: NamingContext) -> str:
        assert isinstance(test.left, Call)
        among = MeasureText(test.left, cast)
        said = _moved(test, [_signed(bound, test.left, cast) for bound in test.right], tail(among))
        return f"{subject(among)} {said}"

    return words


def _signed(bound: Number, left: Number, cast: NamingContext) -> tuple[int, str]:
    """Return the sign of a bound and its size in words."""
    match bound:
        case Constant(value, quantity):
            return _sign(value), written(Constant(abs(value), quantity), left)
        case Arithmetic("*", (factor, other)) if (times := _constant(factor)) is not None:
            return _sign(times), f"{plain(abs(times))} times {operand_words(other, cast)}"
        case _:
            return 1, number_words(bound, cast)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _constant(number: Number) -> float | None:
    match number:
        case Constant(value):
            return value
        case Arithmetic("neg", (Constant(value),)):
            return -value
        case _:
            return None


_MOVED = {
    Op.ABOVE: ("is up {}", "is up more than {} {}", "is up, or down less than {} {}"),
    Op.AT_LEAST: ("is up or unchanged {}", "is up {} or more {}", "is up, or down {} at most {}"),
    Op.BELOW: ("is down {}", "is up less than {} {}, or down", "is down more than {} {}"),
    Op.AT_MOST: ("is down or unchanged {}", "is up {} at most {}, or down", "is down {} or more {}"),
}
"""By comparison: against nothing, against a rise, against a fall."""


def _moved(test: Compare, bounds: list[tuple[int, str]], since: str) -> str:
    sign, size = bounds[0]
    if test.op is Op.BEYOND:
        return f"is up or down more than {size} {since}"
    if test.op in _MOVED:
        return _MOVED[test.op][sign].format(*((size, since) if sign else (since,)))
    ends = [f"{'down ' if sign < 0 else 'up ' if sign > 0 else ''}{size}" for sign, size in bounds]
    return f"is {'outside' if test.op is Op.OUTSIDE else 'between'} {' and '.join(ends)} {since}"


_OF_ALL = {Op.AT_MOST: "each leg", Op.BELOW: "each leg", Op.ABOVE: "some leg", Op.AT_LEAST: "some leg"}
"""A bound on the widest quote applies to all legs."""


def _width(test: Compare, cast: NamingContext) -> str:
    assert isinstance(test.left, Call)
    words = MeasureText(test.left, cast)
    legs = words.given("of")
    subject = words.all_legs()
    if isinstance(legs, tuple) and len(legs) > 1:
        whole = set(legs) == set(cast.legs)
        subject = f"{_OF_ALL.get(test.op, 'the widest leg')}{'' if whole else f' of {subject}'}"
    bounds = [bound_words(bound, test.left, cast).removesuffix(" per share") for bound in test.right]
    of = " of its mid" if number_quantity(test.left) is Quantity.FRACTION else ""
    return f"{subject} is quoted {OP_WORDS[test.op]} {' to '.join(bounds)}{of} wide"


_FEWEST = {Op.AT_MOST: "some leg", Op.BELOW: "some leg", Op.ABOVE: "each leg", Op.AT_LEAST: "each leg"}
"""The leg with the fewest represents all."""


def _counted(test: Compare, cast: NamingContext) -> str:
    assert isinstance(test.left, Call)
    words = MeasureText(test.left, cast)
    what, legs = test.left.measure.replace("_", " "), words.given("of")
    whose = words.all_legs()
    if isinstance(legs, tuple) and len(legs) > 1:
        rest = "" if set(legs) == set(cast.legs) else f" of {whose}"
        whose = f"{_FEWEST.get(test.op, 'the leg with the fewest')}{rest}"
    day = "day's " if what == "volume" else ""
    return f"the {day}{what} of {whose} {_is(test, cast)}"


def _priced(test: Compare, cast: NamingContext) -> str:
    """Return a comparison of money and what its unit includes: dollars count commissions, a percentage the entry."""
    return f"{comparison_words(test, cast)}{basis_words(test, cast)}"


def basis_words(test: Compare, cast: NamingContext) -> str:
    """Return what a bound in money or in parts is counted of: ` of the credit`, ` with commissions`."""
    assert isinstance(test.left, Call)
    quantity = number_quantity(test.left)
    if quantity is Quantity.FRACTION:
        return f" of the {cast.entry}" if "of" not in dict(test.left.arguments) else " of their own entry price"
    is_before = test.left.measure in ("credit", "debit")
    if quantity is not Quantity.DOLLARS or test.left.measure == "give_back":
        return ""
    return " after commissions" if is_before else ", commissions so far included"


def _absolute(test: Compare, cast: NamingContext) -> str:
    """An absolute delta is beyond a bound when it is above it."""
    op = Op.ABOVE if test.op is Op.BEYOND else test.op
    return comparison_words(Compare(op, test.left, test.right), cast)


def _days(test: Compare, cast: NamingContext) -> str:
    assert isinstance(test.left, Call)
    words = MeasureText(test.left, cast)
    bounds = [bound_words(bound, test.left, cast) for bound in test.right]
    whose = f" of {words.all_legs()}" if words.given("of") is not None else ""
    return f"{OP_WORDS[test.op]} {' to '.join(bounds)} to the expiry{whose}"


def _sessions(test: Compare, cast: NamingContext) -> str:
    bounds = [bound_words(bound, test.left, cast).removesuffix(" days").removesuffix(" day") for bound in test.right]
    noun = "session" if bounds == ["1"] else "sessions"
    return f"{OP_WORDS[test.op]} {' to '.join(bounds)} {noun} after the day of entry"


def _session_kind(test: Compare, cast: NamingContext) -> str:
    return f"a {number_words(test.right[0], cast)} session"


def _trend(test: Compare, cast: NamingContext) -> str:
    """Return a trend with the strength that makes it one, or that it lacks."""
    assert isinstance(test.left, Call)
    words = MeasureText(test.left, cast)
    least = "below" if number_words(test.right[0], cast) == "neutral" else "at least"
    return f"{comparison_words(test, cast)}: ADX over {words.given('window')} is {least} {words.given('strength')}"


def _opening_range(test: Compare, cast: NamingContext) -> str:
    assert isinstance(test.left, Call)
    said, word = phrase(test.left, cast), number_words(test.right[0], cast)
    return f"{said} is formed" if word == "formed" else f"{MeasureText(test.left, cast).symbol} is {word} {said}"


COMPARED: Mapping[str, Callable[[Compare, NamingContext], str]] = {
    "vix_change": _changed(lambda words: "VIX", lambda words: words.since),
    "move": _changed(lambda words: words.symbol, lambda words: words.since),
    "gap": _changed(lambda words: f"the open of {words.symbol}", lambda words: "from the previous close"),
    "quote_width": _width,
    "volume": _counted,
    "open_interest": _counted,
    "credit": _priced,
    "debit": _priced,
    "profit": _priced,
    "loss": _priced,
    "give_back": _priced,
    "leg_delta": _absolute,
    "dte": _days,
    "sessions_in_trade": _sessions,
    "session": _session_kind,
    "trend": _trend,
    "opening_range": _opening_range,
}
"""Measures that read better in another way than `the measure is above 3`."""


# ---------------------------------------------------------------- true or false without a comparison


def _time(words: MeasureText) -> str:
    at = words.given("at")
    assert isinstance(at, DayTime)
    return f"from {from_on(at)}"


def _before(words: MeasureText) -> str:
    at = words.given("at")
    assert isinstance(at, DayTime)
    return f"before {from_on(at)}"


def _breach(words: MeasureText) -> str:
    within, beyond = words.given("spot_within"), words.given("spot_beyond")
    spot = "its underlying" if len(words.cast.symbols) > 1 else "spot"
    if isinstance(within, float):
        return f"{spot} is within {counted(within, 'point')} of {phrase(words.call, words.cast)}, or past it"
    size = counted(beyond if isinstance(beyond, float) else 0.0, "point")
    return f"{spot} is more than {size} past {phrase(words.call, words.cast)}, in the money"


def _no_event(words: MeasureText) -> str:
    return f"{phrase(words.call, words.cast)} {_around(words, 'nor')}"


def _event(words: MeasureText) -> str:
    return f"{phrase(words.call, words.cast)} {_around(words, 'or')}"


def _around(words: MeasureText, between: str) -> str:
    """Return the time in which an event counts; a span `before` it is in the future."""
    spans = ((words.given("before"), "in the next"), (words.given("after"), "in the last"))
    said = [_span(span, when) for span, when in spans if span]
    lasts = _lasts(words) if said else ""
    if words.given("until") == "expiry":
        said.append("from today until the expiry")
    return f"{f' {between} '.join(said)}{lasts}" or "today"


def _lasts(words: MeasureText) -> str:
    """Return what counts of events without a time; those that are shipped have theirs."""
    of = words.given("of")
    others = set(of if isinstance(of, tuple) else (str(of),)) - PROJECTIONS.keys()
    earnings = "; earnings without a time, bmo or amc are unknown" if "earnings" in others else ""
    return earnings + ("; one without a time lasts its whole day" if others - {"earnings"} else "")


def _span(span: Argument, when: str) -> str:
    """Return `in the next 2 hours`; sessions end at the time of day that it is now."""
    if not isinstance(span, Sessions):
        assert isinstance(span, float)
        return f"{when} {duration(span)}"
    ahead = when == "in the next"
    if span.count == 1:
        return "up to this time of the next session" if ahead else "since this time of the session before"
    return f"up to this time {span.count} sessions ahead" if ahead else f"since this time {span.count} sessions ago"


def _webhook(words: MeasureText) -> str:
    within, says = words.given("within"), words.given("says")
    assert isinstance(within, float)
    span = duration(within)
    if says is None:
        return f"{phrase(words.call, words.cast)} came today, in the last {span}"
    return f"the last web hook {words.given('name')} says {says} and came today, in the last {span}"


HELD: Mapping[str, Callable[[MeasureText], str]] = {
    "time": _time,
    "breach": _breach,
    "no_event": _no_event,
    "event": _event,
    "webhook": _webhook,
}
"""Measures that are true or false by themselves and are said in another way than by their phrase."""

HELD_NOT: Mapping[str, Callable[[MeasureText], str]] = {"time": _before}
"""Measures with a separate sentence for `not`."""


# --- A rule as a sentence


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One line of a rule: `words` under its name, or the head of a group whose members are indented."""

    depth: int
    name: str
    words: str


def rule_words(rule: Rule, cast: NamingContext) -> str:
    """Return a rule in one sentence with its confirmation: `VIX is above 20, 2 readings in a row`."""
    return f"{sentence(rule.test, cast)}{confirmation_words(rule)}"


def confirmation_words(rule: Rule) -> str:
    """Return what must be so besides before a rule counts: its confirmation and the age of its data."""
    words = [confirmed(rule.confirm)] if rule.confirm is not None else []
    if rule.max_age is not None:
        words.append(f"on data at most {duration(rule.max_age)} old")
    return "".join(f", {each}" for each in words)


def confirmed(confirm: Confirm) -> str:
    """Return how long, or how often in a row, a rule must have been true."""
    if confirm.quotes is not None:
        return f"{counted(confirm.quotes, 'reading')} in a row"
    return f"for {duration(confirm.seconds or 0.0)} without a break"


def outline(rule: Rule, cast: NamingContext) -> tuple[RuleLine, ...]:
    """Return a rule as lines: one, or for a group its head and then every member by name."""
    head, *members = _outlined(rule.name, rule.name, rule.test, cast, 0)
    return (RuleLine(0, head.name, f"{head.words}{confirmation_words(rule)}"), *members)


def _outlined(name: str, shown: str, test: Truth, cast: NamingContext, depth: int) -> tuple[RuleLine, ...]:
    """Return a test's lines; members are shown without the name of their group, which is above them."""
    if not isinstance(test, AllOf | AnyOf):
        return (RuleLine(depth, shown, sentence(test, cast)),)
    head = RuleLine(depth, shown, "all of these" if isinstance(test, AllOf) else "any of these")
    members = [
        _outlined(each, each.removeprefix(f"{name}."), member, cast, depth + 1)
        for each, member in zip(test.names, test.members, strict=True)
    ]
    return (head, *(line for member in members for line in member))


def sentence(test: Truth, cast: NamingContext) -> str:
    """Return a test as a sentence, groups in it joined by `and` and `or`."""
    match test:
        case Compare(left=Call() as call):
            return COMPARED.get(call.measure, comparison_words)(test, cast)
        case Compare():
            return comparison_words(test, cast)
        case Holds(call):
            words = MeasureText(call, cast)
            return HELD[call.measure](words) if call.measure in HELD else phrase(call, cast)
        case Not(Holds(call)) if call.measure in HELD_NOT:
            return HELD_NOT[call.measure](MeasureText(call, cast))
        case Not(member):
            return f"not: {_inner(member, cast)}"
        case AllOf(members):
            return " and ".join(_inner(member, cast) for member in members)
        case AnyOf(members):
            return " or ".join(_inner(member, cast) for member in members)


def _inner(test: Truth, cast: NamingContext) -> str:
    words = sentence(test, cast)
    is_group = isinstance(test, AllOf | AnyOf) and len(test.members) > 1
    return f"({words})" if is_group else words


# ---------------------------------------------------------------- targets and stops


def ending(test: Truth, cast: NamingContext) -> str:
    """Return the trigger of a target or stop: `at a loss of $50`, `once closing costs 2 times the credit or more`."""
    if not isinstance(test, Compare) or not isinstance(test.left, Call):
        return sentence(test, cast)
    bound = f"{bound_words(test.right[0], test.left, cast)}{basis_words(test, cast)}"
    or_so = "less" if test.op is Op.AT_MOST else "more"
    words = MeasureText(test.left, cast)
    of = words.some_legs
    level = MEASURES[test.left.measure].level
    assert level is not None
    return f"{'of' + of + ': ' if of else ''}{level.ending.format(bound, or_so)}{words.at_natural}"


# --- What was measured for a rule, next to what it asks

_MORE = range(4)
"""How many digits more may be shown."""


def describe(rule: Rule, result: Evaluation) -> str:
    """Return what was measured and what it was held against.

    As in `28.4 pts   below 0.6 x 46.1 = 27.7 (the open's expected move): 0.7 too much`.
    """
    return _described(rule.test, result, rule.text)


def _described(test: Truth, result: Evaluation, text: str) -> str:
    match test:
        case Compare():
            return _compared(test, result, text)
        case Holds(call):
            return _held(call, result, text)
        case Not(member):
            inner = result.members[0][1] if result.members else result
            return f"not: {_described(member, inner, _words_of(member))}"
        case AllOf(members, names) | AnyOf(members, names):
            return _grouped(members, names, result)


def _words_of(test: Truth) -> str:
    """Return the sentence of a test inside a group, which has no separate text."""
    match test:
        case Compare(op, left, right) if op is not Op.IS:
            return f"{OP_WORDS[op]} {' to '.join(_end_words(end, left) for end in right)}"
        case Compare():
            return " ".join(end.value for end in test.right if isinstance(end, Text))
        case Holds(call):
            return call.measure
        case _:
            return ""


def _end_words(end: Number | Text, left: Number) -> str:
    """Return the other side of a comparison, for any value: `12.0%`, `0.95 x VIX`."""
    match end:
        case Constant(value):
            return measured(value, left)
        case Call():
            return phrase(end)
        case Arithmetic("*", (Constant(factor), Call() as call)):
            return f"{factor:g} x {phrase(call)}"
        case _:
            return f"what is made of {' and '.join(dict.fromkeys(map(phrase, calls_of(end))))}"


def _compared(test: Compare, result: Evaluation, text: str) -> str:
    more = _more_digits(test, result)
    words = _bound_words(test, result, text, more)
    if result.value is None or result.truth is None:
        is_word = test.op is Op.IS and result.truth is not None
        return f"{result.detail}   {words}" if is_word else _unknown(result, words)
    parts = [f"{measured(result.value, test.left, more=more)}   {words}{_miss(test, result, more)}"]
    if result.detail:
        parts.append(f"({result.detail})")
    return "   ".join(parts)


def _unknown(result: Evaluation, words: str) -> str:
    return f"unknown   {words}: {result.missing}" if result.missing else f"unknown   {words}"


def _more_digits(test: Compare, result: Evaluation) -> int:
    """Return how many extra digits show that the value differs from its bound: 8.04 is above 8.0."""
    if result.value is None or test.op is Op.IS:
        return 0
    value = abs(result.value) if test.op is Op.BEYOND else result.value
    near = [end for end in (result.low, result.high) if end is not None and not isclose(value, end, abs_tol=1e-9)]
    for more in _MORE if near else ():
        said = measured(value, test.left, more=more)
        if all(measured(end, test.left, more=more) != said for end in near):
            return more
    return 0


def _bound_words(test: Compare, result: Evaluation, text: str, more: int) -> str:
    bound = test.right[0]
    last = result.low if len(test.right) == 1 else result.high
    if result.low is None or last is None or not any(isinstance(each, Call | Arithmetic) for each in test.right):
        return text
    op = OP_WORDS[test.op]
    if len(test.right) > 1:
        ends = [measured(end, test.left, bare=True, more=more) for end in (result.low, last)]
        return f"{op} {' to '.join(ends)}"
    match bound:
        case Arithmetic("*", (Constant(factor), Call() as call)) if factor:
            times = f"{factor:g} x {measured(result.low / factor, call, bare=True)}"
            return f"{op} {times} = {measured(result.low, call, bare=True, more=more)} ({phrase(call)})"
        case Call():
            return f"{op} {measured(result.low, bound, bare=True, more=more)} ({phrase(bound)})"
        case _:
            return f"{op} {measured(result.low, test.left, bare=True, more=more)}"


def _miss(test: Compare, result: Evaluation, more: int) -> str:
    if result.truth is not False or result.value is None or result.low is None:
        return ""
    value = abs(result.value) if test.op is Op.BEYOND else result.value
    if test.op is Op.OUTSIDE:
        return ""
    too_much = test.op in (Op.BELOW, Op.AT_MOST) or (result.high is not None and value > result.high)
    bound = result.high if too_much and result.high is not None else result.low
    gap = abs(value - bound)
    return f": {measured(gap, test.left, bare=True, more=more)} too {'much' if too_much else 'little'}" if gap else ""


def _held(call: Call, result: Evaluation, text: str) -> str:
    if result.truth is None:
        return _unknown(result, text)
    if call.measure == "breach" and result.value is not None:
        name = "spot_within" if "spot_within" in dict(call.arguments) else "spot_beyond"
        side = f"from {result.detail}" if name == "spot_within" else f"past {result.detail}"
        if result.value < 0:
            side = f"past {result.detail}" if name == "spot_within" else f"short of {result.detail}"
        return f"{abs(result.value):.2f} pts {side}   {text}"
    if call.measure == "time":
        at = call.argument("at")
        return f"from {result.detail} on, {at} on whole days" if result.detail else f"from {at} on"
    return result.detail or text


def _grouped(members: tuple[Truth, ...], names: tuple[str, ...], result: Evaluation) -> str:
    words = []
    for test, name, (_, inner) in zip(members, names, result.members, strict=True):
        said = {True: "true", False: "FALSE", None: "unknown"}[inner.truth]
        words.append(f"{name} {said} ({_described(test, inner, _words_of(test))})")
    return "; ".join(words)
