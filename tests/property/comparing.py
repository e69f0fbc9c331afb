"""What each comparison of a spec means, by hand: of a number, and the lower and the higher bound."""

from collections.abc import Callable

from rulebot.compile.plan import Op

HOLDS: dict[Op, Callable[[float, float, float], bool]] = {
    Op.ABOVE: lambda x, low, _: x > low,
    Op.AT_LEAST: lambda x, low, _: x >= low,
    Op.BELOW: lambda x, low, _: x < low,
    Op.AT_MOST: lambda x, low, _: x <= low,
    Op.BETWEEN: lambda x, low, high: low <= x <= high,
    Op.OUTSIDE: lambda x, low, high: not low <= x <= high,
    Op.BEYOND: lambda x, low, _: abs(x) > low,
}
