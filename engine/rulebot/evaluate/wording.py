"""A verdict in words, for `why`, and how far a rule is from passing, for the nearest miss."""

from collections.abc import Callable
from math import isclose, isfinite

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
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
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.evaluate.phrases import phrase
from rulebot.measure.verdict import Verdict
from rulebot.spec.nouns import Unit

OP_WORDS = {op: op.value.replace("_", " ") for op in Op} | {Op.BETWEEN: "in"}
"""How a comparison is said, before its bound."""
_LEVELS = ("spot", "strike", "sma", "ema", "vwap")
_MORE = range(4)
"""How many digits more may be shown."""
_LEAST_MISS = 1e-9
"""What a rule lacks whose value lies on a bound that it must pass."""


def describe(rule: Rule, verdict: Verdict) -> str:
    """Return what was measured and what it was held against.

    As in `28.4 pts   below 0.6 x 46.1 = 27.7 (the open's expected move): 0.7 too much`.
    """
    return _described(rule.test, verdict, rule.text)


def _described(test: Truth, verdict: Verdict, text: str) -> str:
    match test:
        case Compare():
            return _compared(test, verdict, text)
        case Holds(call):
            return _held(call, verdict, text)
        case Not(member):
            inner = verdict.members[0][1] if verdict.members else verdict
            return f"not: {_described(member, inner, _words_of(member))}"
        case AllOf(members, names) | AnyOf(members, names):
            return _grouped(members, names, verdict)


def _words_of(test: Truth) -> str:
    """Return the sentence of a test inside a group, which has no text of its own."""
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
    """Return what a comparison is with, whatever it comes to: `12.0%`, `0.95 x VIX`."""
    match end:
        case Constant(value):
            return shown(value, left)
        case Call():
            return phrase(end)
        case Arithmetic("*", (Constant(factor), Call() as call)):
            return f"{factor:g} x {phrase(call)}"
        case _:
            return f"what is made of {' and '.join(dict.fromkeys(map(phrase, calls_of(end))))}"


def _compared(test: Compare, verdict: Verdict, text: str) -> str:
    more = _more_digits(test, verdict)
    words = _bound_words(test, verdict, text, more)
    if verdict.value is None or verdict.truth is None:
        is_word = test.op is Op.IS and verdict.truth is not None
        return f"{verdict.detail}   {words}" if is_word else _unknown(verdict, words)
    parts = [f"{shown(verdict.value, test.left, more=more)}   {words}{_miss(test, verdict, more)}"]
    if verdict.detail:
        parts.append(f"({verdict.detail})")
    return "   ".join(parts)


def _unknown(verdict: Verdict, words: str) -> str:
    return f"unknown   {words}: {verdict.missing}" if verdict.missing else f"unknown   {words}"


def _more_digits(test: Compare, verdict: Verdict) -> int:
    """Return how many digits more than usual tell the value from a bound that it is not: 8.04 is above 8.0."""
    if verdict.value is None or test.op is Op.IS:
        return 0
    value = abs(verdict.value) if test.op is Op.BEYOND else verdict.value
    near = [end for end in (verdict.low, verdict.high) if end is not None and not isclose(value, end, abs_tol=1e-9)]
    for more in _MORE if near else ():
        said = shown(value, test.left, more=more)
        if all(shown(end, test.left, more=more) != said for end in near):
            return more
    return 0


def _bound_words(test: Compare, verdict: Verdict, text: str, more: int) -> str:
    bound = test.right[0]
    last = verdict.low if len(test.right) == 1 else verdict.high
    if verdict.low is None or last is None or not any(isinstance(each, Call | Arithmetic) for each in test.right):
        return text
    op = OP_WORDS[test.op]
    if len(test.right) > 1:
        ends = [shown(end, test.left, bare=True, more=more) for end in (verdict.low, last)]
        return f"{op} {' to '.join(ends)}"
    match bound:
        case Arithmetic("*", (Constant(factor), Call() as call)) if factor:
            times = f"{factor:g} x {shown(verdict.low / factor, call, bare=True)}"
            return f"{op} {times} = {shown(verdict.low, call, bare=True, more=more)} ({phrase(call)})"
        case Call():
            return f"{op} {shown(verdict.low, bound, bare=True, more=more)} ({phrase(bound)})"
        case _:
            return f"{op} {shown(verdict.low, test.left, bare=True, more=more)}"


def _miss(test: Compare, verdict: Verdict, more: int) -> str:
    if verdict.truth is not False or verdict.value is None or verdict.low is None:
        return ""
    value = abs(verdict.value) if test.op is Op.BEYOND else verdict.value
    if test.op is Op.OUTSIDE:
        return ""
    too_much = test.op in (Op.BELOW, Op.AT_MOST) or (verdict.high is not None and value > verdict.high)
    bound = verdict.high if too_much and verdict.high is not None else verdict.low
    gap = abs(value - bound)
    return f": {shown(gap, test.left, bare=True, more=more)} too {'much' if too_much else 'little'}" if gap else ""


def _held(call: Call, verdict: Verdict, text: str) -> str:
    if verdict.truth is None:
        return _unknown(verdict, text)
    if call.measure == "breach" and verdict.value is not None:
        name = "spot_within" if "spot_within" in dict(call.arguments) else "spot_beyond"
        side = f"from {verdict.detail}" if name == "spot_within" else f"past {verdict.detail}"
        if verdict.value < 0:
            side = f"past {verdict.detail}" if name == "spot_within" else f"short of {verdict.detail}"
        return f"{abs(verdict.value):.2f} pts {side}   {text}"
    if call.measure == "time":
        at = call.argument("at")
        return f"from {verdict.detail} on, {at} on whole days" if verdict.detail else f"from {at} on"
    return verdict.detail or text


def _grouped(members: tuple[Truth, ...], names: tuple[str, ...], verdict: Verdict) -> str:
    words = []
    for test, name, (_, inner) in zip(members, names, verdict.members, strict=True):
        said = {True: "true", False: "FALSE", None: "unknown"}[inner.truth]
        words.append(f"{name} {said} ({_described(test, inner, _words_of(test))})")
    return "; ".join(words)


# ---------------------------------------------------------------- numbers


def shown(value: float, number: Number, bare: bool = False, more: int = 0) -> str:
    """Return a number as its measure is written: `28.4 pts`, `16.82`, `$131`, `12.5%`.

    bare: leave the unit out. more: digits beside the usual ones, of what has a usual number of them.
    """
    quantity = number_quantity(number)
    if isinstance(number, Call) and number.measure in _LEVELS:
        return f"{value:z.{2 + more}f}"
    if quantity is Quantity.LEVEL:
        is_change = isinstance(number, Call) and VOCABULARY[number.measure].units[0][0] is Unit.POINTS
        return f"{value:z.{2 + more}f} pts" if is_change and not bare else f"{value:z.{2 + more}f}"
    if quantity in _DIGITS:
        digits, times, unit = _DIGITS[quantity]
        return f"{value * times:z.{digits + more}f}{'' if bare and unit == ' pts' else unit}"
    return _FORMATS[quantity](value, bare)


def _dollars(value: float) -> str:
    digits = f"{abs(value):,.2f}".removesuffix(".00")
    return f"-${digits}" if value < 0 and digits != "0" else f"${digits}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m {rest:02d}s"


def _plain(value: float) -> str:
    return f"{value:z.3f}".rstrip("0").rstrip(".")


_DIGITS: dict[Quantity, tuple[int, float, str]] = {
    Quantity.POINTS: (1, 1.0, " pts"),
    Quantity.PRICE: (2, 1.0, ""),
    Quantity.FRACTION: (1, 100.0, "%"),
    Quantity.PERCENT: (1, 1.0, "%"),
    Quantity.DELTA: (2, 1.0, ""),
}
"""How many digits follow the point, what the number is multiplied by, and the unit behind it."""
_FORMATS: dict[Quantity, Callable[[float, bool], str]] = {
    Quantity.PLAIN: lambda value, bare: _plain(value),
    Quantity.DOLLARS: lambda value, bare: _dollars(value),
    Quantity.SECONDS: lambda value, bare: _duration(value),
    Quantity.DAYS: lambda value, bare: f"{value:.0f}",
    Quantity.TRUTH: lambda value, bare: str(bool(value)).lower(),
    Quantity.TEXT: lambda value, bare: str(value),
}


# ---------------------------------------------------------------- the nearest miss


def shortfall(rule: Rule, verdict: Verdict) -> float | None:
    """Return how far a rule is from passing: 0.0 when true, None when unknown, else a part of its bound.

    Of a group the sum of what its members lack, of `any` the least; what is simply true or false lacks 1.0.
    """
    return _shortfall(rule.test, verdict)


def _shortfall(test: Truth, verdict: Verdict) -> float | None:
    if verdict.truth is None:
        return None
    if verdict.truth:
        return 0.0
    match test:
        case Compare(op):
            return _distance(op, verdict) or _LEAST_MISS
        case Holds(call) if call.measure == "breach":
            return _relative(verdict.value, verdict.low) or _LEAST_MISS
        case AllOf(members):
            return sum(_members(members, verdict))
        case AnyOf(members):
            return min(_members(members, verdict), default=1.0)
        case _:
            return 1.0


def _members(members: tuple[Truth, ...], verdict: Verdict) -> list[float]:
    lacks = [_shortfall(test, inner) for test, (_, inner) in zip(members, verdict.members, strict=True)]
    return [lack for lack in lacks if lack is not None]


def _distance(op: Op, verdict: Verdict) -> float:
    if op is Op.IS or op is Op.OUTSIDE:
        return 1.0
    value, bound = verdict.value, verdict.low
    if value is not None and op is Op.BEYOND:
        value = abs(value)
    if value is not None and verdict.high is not None and value > verdict.high:
        bound = verdict.high
    return _relative(value, bound)


def _relative(value: float | None, bound: float | None) -> float:
    if value is None or bound is None:
        return 1.0
    scale = abs(bound) or abs(value) or 1.0
    found = abs(value - bound) / scale
    return found if isfinite(found) else 1.0
