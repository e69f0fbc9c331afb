"""One strike: widths in order of preference, the credit of a side, and modifiers that mean something."""

from collections.abc import Iterator
from decimal import Decimal

from rulebot.compile.problem import Problem
from rulebot.spec.nouns.condition import Path
from rulebot.spec.nouns.legs import Bound, Leg, Side, Strike, StrikeBy, StrikeRounding
from rulebot.spec.spec import Spec


def width_problems(strike: Strike, where: Path) -> Iterator[Problem]:
    """Yield widths that are none, or stand twice."""
    widths = (strike.target or Decimal(0), *strike.widths)
    for at, width in enumerate(widths):
        here = (*where, at) if strike.widths else where
        if width <= 0:
            yield Problem("RB230", here, f"a width is positive, is {width}", "'below' and 'above' give the side")
        elif width in widths[:at]:
            yield Problem("RB230", here, f"{width:f} points stand twice in this list of preference", "remove one")
    if strike.widths and strike.round is not StrikeRounding.NEAREST:
        message = "'round' means nothing beside a list of widths, each of which must be listed"
        yield Problem("RB230", (*strike.path, "round"), message, "'within' lets a strike near a width do")


def side_problems(leg: Leg, spec: Spec) -> Iterator[Problem]:
    """Yield what keeps the credit of a side from being that of this short with the one long that counts from it."""
    path = (*leg.strike.path, "side_credit")
    if leg.side is not Side.SELL:
        yield Problem("RB230", path, f"'side_credit' is of a leg that is sold, and '{leg.name}' is bought", on_key=True)
        return
    longs = [
        each
        for each in spec.legs.legs
        if each.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE) and each.strike.reference == leg.name
    ]
    if len(longs) != 1 or longs[0].side is not Side.BUY or longs[0].right != leg.right:
        message = f"'side_credit' needs exactly one bought {leg.right} that counts from '{leg.name}'"
        help_text = f"as in 'long: {{buy: {leg.right}, strike: {{below: {leg.name}, by: 10 pts}}}}'"
        yield Problem("RB230", path, message, help_text, on_key=True)


def modifier_problems(strike: Strike) -> Iterator[Problem]:
    """Yield modifiers that are not positive, and a `round` that the selector leaves nothing to."""
    for name in ("multiple_of", "prefer_multiple_of", "at_least_from_spot", "within"):
        value: Decimal | None = getattr(strike, name)
        if value is not None and (value < 0 or (value == 0 and name.endswith("multiple_of"))):
            yield Problem("RB230", (*strike.path, name), f"'{name}' is positive, is {value:f}")
    if strike.round is not StrikeRounding.NEAREST and (
        strike.bound is not Bound.NEAREST or strike.by is StrikeBy.AT_LEG
    ):
        why = "the bound says on which side" if strike.bound is not Bound.NEAREST else "it is that strike or none"
        yield Problem("RB230", (*strike.path, "round"), f"'round' means nothing here: {why}", "remove it", on_key=True)
