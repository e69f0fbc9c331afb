"""Conditions of the account document on one entry more: groups, the time, and limits by a name of their own.

They mean what they mean in a bot: true, false or unknown, and only true lets an entry through.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rulebot.decide.entry_window import BotDay
from rulebot.decide.limits import NET, net_held
from rulebot.measure.evaluation import group_truth, negated
from rulebot.measure.view import Exposure
from rulebot.model.cause import Halt, Shut
from rulebot.model.money import ZERO, dollars
from rulebot.model.session import DayTime, Session
from rulebot.model.values import replace
from rulebot.spec.nouns import (
    Amount,
    Between,
    Comparison,
    Condition,
    ExpressionTest,
    Group,
    GroupKind,
    MeasureTest,
    Op,
    Test,
    Unit,
    measure_tests,
)
from rulebot.spec.spec import Growth

MARGIN = "margin"


class AccountInputs(NamedTuple):
    """Dollars, or why they are not known."""

    amount: Decimal | None
    missing: str = ""


class AccountFacts(NamedTuple):
    """What conditions on the account look at, one entry included. margin: None until the broker has answered."""

    at: datetime
    session: Session
    exposure: Exposure
    margin: AccountInputs | None
    net_liquidation: Decimal | None


class AccountAnswer(NamedTuple):
    """A truth in three values, and what was found in words."""

    truth: bool | None
    words: str


def rules_problem(rules: tuple[Condition, ...], facts: AccountFacts) -> str:
    """Return which condition keeps an entry out, with what was found, "" when none does.

    One that only the broker's answer on margin can decide keeps nothing out yet: it is asked for next.
    """
    for rule in rules:
        truth, words = _judged(rule.test, facts)
        is_asked_next = truth is None and facts.margin is None and reads_margin((rule,))
        if truth is not True and not is_asked_next:
            said = "does not hold" if truth is False else "is unknown"
            return f"{rule.name} of the account document {said}: {words}"
    return ""


def reads_margin(rules: tuple[Condition, ...]) -> bool:
    """Say whether any of these conditions needs the broker's answer on margin."""
    return any(test.measure == MARGIN for test in measure_tests(rules))


# ---------------------------------------------------------------- three values


def _judged(test: Test, facts: AccountFacts) -> AccountAnswer:
    match test:
        case Group(kind=GroupKind.NOT, members=(member,)):
            truth, words = _judged(member.test, facts)
            return AccountAnswer(negated(truth), f"not: {words}")
        case Group(kind=kind, members=members):
            return _together(members, facts, decisive=kind is GroupKind.ANY)
        case MeasureTest(measure="time"):
            return _time(test, facts)
        case MeasureTest():
            return _compared(test, facts)
        case ExpressionTest():
            raise AssertionError("the schema of an account document has no expr")


def _together(members: tuple[Condition, ...], facts: AccountFacts, *, decisive: bool) -> AccountAnswer:
    """Judge all members, so that each can be reported; a `decisive` one decides, else an unknown one."""
    found = [_judged(member.test, facts) for member in members]
    said = {True: "true", False: "FALSE", None: "unknown"}
    words = (
        f"{member.name} {said[truth]} ({reported})" for member, (truth, reported) in zip(members, found, strict=True)
    )
    return AccountAnswer(group_truth([each.truth for each in found], decisive), "; ".join(words))


def _time(test: MeasureTest, facts: AccountFacts) -> AccountAnswer:
    at = test.arguments["at"]
    assert isinstance(at, DayTime)
    return AccountAnswer(facts.at >= at.before_close(facts.session), f"from {at} on")


# ---------------------------------------------------------------- comparisons


def _compared(test: MeasureTest, facts: AccountFacts) -> AccountAnswer:
    assert test.comparison is not None
    if test.measure in NET:
        if facts.exposure.missing:
            return AccountAnswer(None, facts.exposure.missing)
        return AccountAnswer(*net_held(test.measure, ends_of(test.comparison), facts.exposure))
    known = _known(test.measure, facts)
    if known.amount is None:
        return AccountAnswer(None, known.missing)
    (bound,) = (operand for operand in test.comparison.operands if isinstance(operand, Amount))
    limit, missing = bound_in_dollars(bound, facts.net_liquidation, test.measure)
    if limit is None:
        return AccountAnswer(None, missing)
    return AccountAnswer(known.amount <= limit, f"{dollars(known.amount)}, at most {dollars(limit)}")


def _known(measure: str, facts: AccountFacts) -> AccountInputs:
    if measure == MARGIN:
        return facts.margin or AccountInputs(None, "the broker has not answered yet")
    return AccountInputs(facts.exposure.worst, facts.exposure.worst_missing)


def ends_of(comparison: Comparison) -> Between:
    """Return the two ends of a comparison, None for one that is not there."""
    ends = [operand.value for operand in comparison.operands if isinstance(operand, Amount)]
    return Between(None if comparison.op is Op.AT_MOST else ends[0], None if comparison.op is Op.AT_LEAST else ends[-1])


def bound_in_dollars(bound: Amount, net_liquidation: Decimal | None, name: str) -> tuple[Decimal | None, str]:
    """Return the dollars that a bound of the account document allows; None, and why, while they are not known."""
    if bound.unit is Unit.DOLLARS:
        return bound.value, ""
    if net_liquidation is None:
        return None, f"net_liquidation of the account is unknown, and {name} is held against it"
    return bound.value * max(net_liquidation, ZERO), ""


# --- Compliant sessions in a row, by which a quantity grows (row E10)

_BY_PLAN = frozenset((None, Halt.CONDITION, Halt.DAY_PROFIT))
"""Halts that are no breach: none, and those that a spec asks for."""
_LEFT_OUT = frozenset((None, Shut.NO_WINDOW, Shut.REMOVED, Shut.BLOCKED))
"""How a day without a position or a halt ends that says nothing of the bot."""


def has_breach(day: BotDay) -> bool:
    """Say whether something is held against this session so far."""
    return day.breach or day.halt not in _BY_PLAN


def grown(growth: Growth, day: BotDay, most: int, digest: str) -> int:
    """Return how many structures the text of a digest enters now: those of its row, the first count after a breach."""
    return growth.after(row_of(day, digest), most)


def row_of(day: BotDay, digest: str) -> int:
    """Return the compliant sessions in a row that count for a text now, 0 after a breach or an edit."""
    return 0 if has_breach(day) or day.row_of != digest else day.compliant


def with_row(day: BotDay, before: BotDay | None, digest: str) -> BotDay:
    """Return a new day, with the number of compliant sessions before it under this spec."""
    row = 0
    if before is not None and before.row_of == digest and not has_breach(before):
        row = before.compliant + _counts(before)
    return replace(day, compliant=row, row_of=digest)


def _counts(day: BotDay) -> bool:
    return bool(day.opened) or day.halt is not None or day.skip not in _LEFT_OUT
