"""Measures of the account: the shares that it holds, and what they have cost."""

from collections.abc import Callable

from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call
from rulebot.measure.view import View

NOT_TOLD = "the account's positions are not known yet"


def shares_held(call: Call, context: Context) -> Read:
    """Bind `shares_held`: those that no short call needs, of whichever bot or sold by hand."""
    symbol = str(call.argument("of"))

    def read(view: View) -> Reading:
        found = view.shares(symbol)
        return UnknownValue(NOT_TOLD) if found is None else float(found.free)

    return read


def cost_basis(call: Call, context: Context) -> Read:
    """Bind `cost_basis`: dollars a share, as the broker averages them."""
    symbol = str(call.argument("of"))

    def read(view: View) -> Reading:
        found = view.shares(symbol)
        if found is None:
            return UnknownValue(NOT_TOLD)
        return UnknownValue(f"the account holds no {symbol} shares") if found.cost is None else float(found.cost)

    return read


ACCOUNT: dict[str, Callable[[Call, Context], Read]] = {"shares_held": shares_held, "cost_basis": cost_basis}
