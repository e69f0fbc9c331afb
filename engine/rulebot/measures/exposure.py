"""Measures of all open positions of a bot, the entry in question included; they stand in `risk.require`."""

from collections.abc import Callable
from functools import partial

from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call
from rulebot.measure.view import Exposure, View

_NO_ENTRY = UnknownValue("no entry is judged")


def _of_symbol(field: str, call: Call, context: Context) -> Read:
    """Bind a greek of the positions on one underlying; without any there it is 0."""
    symbol = str(call.argument("of"))

    def read(view: View) -> Reading:
        found = _greeks(view)
        if isinstance(found, UnknownValue):
            return found
        of_symbol = found.greeks.get(symbol)
        return 0.0 if of_symbol is None else float(getattr(of_symbol, field))

    return read


def _of_all(field: str, call: Call, context: Context) -> Read:
    """Bind a greek in dollars, which adds up over underlyings."""

    def read(view: View) -> Reading:
        found = _greeks(view)
        if isinstance(found, UnknownValue):
            return found
        return float(sum(getattr(each, field) for each in found.greeks.values()))

    return read


def _greeks(view: View) -> Exposure | UnknownValue:
    found = view.exposure
    if found is None:
        return _NO_ENTRY
    return UnknownValue(found.missing) if found.missing else found


def worst_case(call: Call, context: Context) -> Read:
    """Bind `worst_case`, dollars."""

    def read(view: View) -> Reading:
        found = view.exposure
        if found is None:
            return _NO_ENTRY
        return UnknownValue(found.worst_missing) if found.worst is None else float(found.worst)

    return read


EXPOSURE: dict[str, Callable[[Call, Context], Read]] = {
    "net_delta": partial(_of_symbol, "delta"),
    "net_gamma": partial(_of_symbol, "gamma"),
    "net_theta": partial(_of_all, "theta"),
    "net_vega": partial(_of_all, "vega"),
    "worst_case": worst_case,
}
