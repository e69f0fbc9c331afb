"""`quantity: {overwrite: ..}`: whether there are shares at all, and calls to sell against them."""

from collections.abc import Iterator

from rulebot.compile.problem import Problem
from rulebot.model.contract import product
from rulebot.spec.nouns.legs import Side
from rulebot.spec.spec import Spec

_BAND = ("quantity", "overwrite", "between")


def overwrite_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that goes by the shares held."""
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
        yield Problem("RB251", where, "shares of which underlying? this bot has two", "give it one", on_key=True)
    elif not product(spec.underlyings[0]).is_tradable:
        message = f"nobody holds shares of {spec.underlyings[0]}: it is an index"
        yield Problem("RB251", where, message, "overwrite an ETF or a stock, such as SPY", on_key=True)
    elif any(leg.is_shares for leg in spec.legs.legs):
        message = "its own shares stand among the legs: those that are held cannot be meant as well"
        yield Problem("RB251", where, message, "give a count, or take the shares away", on_key=True)
    elif _calls_left(spec) <= 0:
        message = "no call is sold that shares could cover"
        yield Problem("RB251", where, message, "sell more calls than the structure buys, or give a count", on_key=True)


def _calls_left(spec: Spec) -> int:
    calls = [leg for leg in spec.legs.legs if leg.right == "call"]
    return sum(leg.ratio if leg.side is Side.SELL else -leg.ratio for leg in calls)
