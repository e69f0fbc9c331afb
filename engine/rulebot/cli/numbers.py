"""Numbers as options take them, within their bounds; what is none is told in words for people."""

from typing import Any

import click

_SHOWN = 40
"""Letters of a value that are repeated: who typed it knows the rest."""


class WholeNumber(click.IntRange):
    """A whole number."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _refused("a whole number", self, value, param, ctx) from None


SEED = WholeNumber(0, 2**63 - 1)
"""What chance goes by: the simulated market mixes it with others in 64 bits."""


class Number(click.FloatRange):
    """A number, with decimals or without."""

    name = "x"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            found = super().convert(value, param, ctx)
        except click.BadParameter:
            found = float("nan")
        if not abs(found) < float("inf"):
            raise _refused("a number", self, value, param, ctx)
        return found


def _refused(
    what: str,
    bounds: click.IntRange | click.FloatRange,
    value: object,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> click.BadParameter:
    """Return what says which numbers are meant, and what was found."""
    low, high = bounds.min, bounds.max
    between = f" of at least {low:g}" if high is None else f" of {low} to {high}"
    shown = str(value)[:_SHOWN]
    return click.BadParameter(f"it is {what}{between}, is '{shown}'", ctx, param)
