"""What was measured for a rule, beside what it asks: `28.4 pts   below 27.7: 0.7 too much`."""

from math import isclose

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
    Rule,
    Text,
    Truth,
)
from rulebot.measure.verdict import Verdict
from rulebot.wording.condition import OP_WORDS
from rulebot.wording.number import measured, phrase

_MORE = range(4)
"""How many digits more may be shown."""


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
            return measured(value, left)
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
    parts = [f"{measured(verdict.value, test.left, more=more)}   {words}{_miss(test, verdict, more)}"]
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
        said = measured(value, test.left, more=more)
        if all(measured(end, test.left, more=more) != said for end in near):
            return more
    return 0


def _bound_words(test: Compare, verdict: Verdict, text: str, more: int) -> str:
    bound = test.right[0]
    last = verdict.low if len(test.right) == 1 else verdict.high
    if verdict.low is None or last is None or not any(isinstance(each, Call | Arithmetic) for each in test.right):
        return text
    op = OP_WORDS[test.op]
    if len(test.right) > 1:
        ends = [measured(end, test.left, bare=True, more=more) for end in (verdict.low, last)]
        return f"{op} {' to '.join(ends)}"
    match bound:
        case Arithmetic("*", (Constant(factor), Call() as call)) if factor:
            times = f"{factor:g} x {measured(verdict.low / factor, call, bare=True)}"
            return f"{op} {times} = {measured(verdict.low, call, bare=True, more=more)} ({phrase(call)})"
        case Call():
            return f"{op} {measured(verdict.low, bound, bare=True, more=more)} ({phrase(bound)})"
        case _:
            return f"{op} {measured(verdict.low, test.left, bare=True, more=more)}"


def _miss(test: Compare, verdict: Verdict, more: int) -> str:
    if verdict.truth is not False or verdict.value is None or verdict.low is None:
        return ""
    value = abs(verdict.value) if test.op is Op.BEYOND else verdict.value
    if test.op is Op.OUTSIDE:
        return ""
    too_much = test.op in (Op.BELOW, Op.AT_MOST) or (verdict.high is not None and value > verdict.high)
    bound = verdict.high if too_much and verdict.high is not None else verdict.low
    gap = abs(value - bound)
    return f": {measured(gap, test.left, bare=True, more=more)} too {'much' if too_much else 'little'}" if gap else ""


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
