"""What an exit rolls into, in words."""

from collections.abc import Mapping

from rulebot.compile.plan import ExitPlan, RollPlan
from rulebot.evaluate.phrases import NamingContext, listed
from rulebot.review.sentences import rule_words
from rulebot.review.structure import expiry_words, strike_words
from rulebot.spec.nouns.exits import OnUnknown
from rulebot.spec.nouns.legs import StrikeBy

OTHERWISE: Mapping[OnUnknown, str] = {
    OnUnknown.HOLD: "it holds until the next session",
    OnUnknown.CLOSE: "it only closes",
}
"""What an exit does that finds nothing to roll into; a test asks for each."""


def rolling_words(planned: ExitPlan, cast: NamingContext) -> str:
    """Return what an exit opens with what it closes, and what it does when it finds none; it has a roll."""
    assert planned.roll is not None
    tries = "1 try" if planned.order.tries == 1 else f"{planned.order.tries} tries"
    words = roll_words(planned.roll, cast)
    if planned.each and planned.legs:
        return f"one order, {tries}, closes that one alone and opens its own legs of these: {words}"
    what = f"{listed(planned.legs, 'and')} alone" if planned.legs else "it"
    return f"one order, {tries}, closes {what} and opens {words}"


def roll_words(roll: RollPlan, cast: NamingContext) -> str:
    """Return the new legs, what they require, and what follows where there are none."""
    moved = [f"{leg.name} {strike_words(leg)}" for leg in roll.legs if leg.strike.by is not StrikeBy.HELD]
    kept = [leg.name for leg in roll.legs if leg.strike.by is StrikeBy.HELD]
    legs = moved + ([f"{listed(tuple(kept), 'and')} at the strike{'s' if len(kept) > 1 else ''} held"] if kept else [])
    first = roll.legs[0]
    expiry = expiry_words(first.expiry, first.trading_class).replace("from now", "from then")
    of = expiry if roll.is_moved else "the expiry held"
    rules = " and ".join(rule_words(rule, cast) for rule in roll.require)
    asked = f", if for both together {rules}" if rules else ""
    return f"anew {', '.join(legs)}, of {of}{asked}; else {OTHERWISE[roll.otherwise]}"
