"""Which conditions of `require` hold or not by the price of the order, and which of them a number says it all of."""

from collections.abc import Iterator

from rulebot.compile.plan import AllOf, Call, Compare, Constant, Op, Rule, Truth
from rulebot.compile.reads import calls_of
from rulebot.model.values import replace

BY_PRICE = frozenset(("credit", "debit", "max_risk", "return_on_risk", "probability_of_profit"))
"""Measures of a structure that is not entered yet which are counted at the price of its order."""
_ONE_WAY = (Op.AT_LEAST, Op.ABOVE, Op.AT_MOST, Op.BELOW, Op.BETWEEN)


def price_free_parts(test: Truth) -> Iterator[Truth]:
    """Yield the tests that all hold when this one does: its members, as deep as `all` goes."""
    if not isinstance(test, AllOf):
        yield test
        return
    for member in test.members:
        yield from price_free_parts(member)


def judged_by_price(rule: Rule) -> tuple[Rule, ...]:
    """Return the parts of a condition that are to be judged at the price of each try.

    Those that compare a credit or a debit with numbers are not among them: `turn.bounds` reads how far they let it go.
    """
    tests = (test for test in price_free_parts(rule.test) if not _is_number(test))
    return tuple(replace(rule, test=test) for test in tests if any(call.measure in BY_PRICE for call in calls_of(test)))


def _is_number(test: Truth) -> bool:
    """Say whether a test bounds a credit or a debit by numbers, so that it breaks on one side only."""
    if not isinstance(test, Compare) or not isinstance(test.left, Call) or test.op not in _ONE_WAY:
        return False
    return test.left.measure in ("credit", "debit") and all(isinstance(each, Constant) for each in test.right)
