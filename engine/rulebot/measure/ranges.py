"""Sets of numbers, as stretches from one edge to another."""

from collections.abc import Iterable
from math import inf

from rulebot.spec.nouns import Op

Edge = tuple[float, int]
Stretch = tuple[Edge, Edge]
Range = tuple[Stretch, ...]

ALL: Range = (((-inf, 0), (inf, 0)),)
NONE: Range = ()
POSITIVE: Range = (((0.0, 1), (inf, 0)),)
NOT_NEGATIVE: Range = (((0.0, 0), (inf, 0)),)
TRUE: Range = (((1.0, 0), (1.0, 0)),)
FALSE: Range = (((0.0, 0), (0.0, 0)),)
TRUE_OR_FALSE: Range = (*FALSE, *TRUE)

DIGITS = 9


def stretch(low: float, high: float, *, low_open: bool = False, high_open: bool = False) -> Range:
    """Return the range from `low` to `high`; empty when they are not in that order."""
    edges = ((low, int(low_open)), (high, -int(high_open)))
    return (edges,) if edges[0] <= edges[1] else NONE


def meet(one: Range, other: Range) -> Range:
    """Return the intersection."""
    if one is ALL or other is ALL:
        return other if one is ALL else one
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((low, high) for low, high in pairs if low <= high)


def rest(found: Range) -> Range:
    """Return what does not lie in it."""
    left: Range = ALL
    for (low, low_shade), (high, high_shade) in found:
        outside = (((-inf, 0), (low, low_shade - 1)), ((high, high_shade + 1), (inf, 0)))
        left = meet(left, tuple(part for part in outside if part[0] <= part[1]))
    return left


def shifted(found: Range, by: float, *, mirrored: bool = False) -> Range:
    """Return `by` + x, or `by` - x, for every x in it."""
    if mirrored:
        found = tuple(((-high, -b), (-low, -a)) for (low, a), (high, b) in reversed(found))
    return tuple(((cleaned(low + by), a), (cleaned(high + by), b)) for (low, a), (high, b) in found)


def divided(found: Range, by: float) -> Range:
    """Return x / `by` for every x in it; `by` is not 0."""
    if by < 0:
        found, by = shifted(found, 0.0, mirrored=True), -by
    return tuple(((cleaned(low / by), a), (cleaned(high / by), b)) for (low, a), (high, b) in found)


def compared(op: Op, bounds: Iterable[float]) -> Range:
    """Return what passes a comparison."""
    low, *more = bounds
    high = more[0] if more else low
    match op:
        case Op.ABOVE:
            return stretch(low, inf, low_open=True)
        case Op.AT_LEAST:
            return stretch(low, inf)
        case Op.BELOW:
            return stretch(-inf, low, high_open=True)
        case Op.AT_MOST:
            return stretch(-inf, low)
        case Op.BEYOND:
            return rest(stretch(-low, low)) if low >= 0 else ALL
        case _:
            inside = stretch(low, high)
            return rest(inside) if op is Op.OUTSIDE else inside


def cleaned(number: float) -> float:
    """Forget what only the arithmetic of floats made: 1 - 0.9 is 0.1."""
    return round(number, DIGITS)
