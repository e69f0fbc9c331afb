"""What a measure is: its unit, arguments, source, age, place and formula; and the units and arguments many share."""

from enum import Enum

from rulebot.measure.tree import Quantity
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Unit


class Place(Enum):
    """Where a condition stands."""

    FILTER = "entry.when"
    REQUIRE = "legs.require"
    EXIT = "exits"
    HALT = "risk.halt_when"
    UNIVERSE = "universe.require"
    RISK = "risk.require"


class Takes(Enum):
    """What kind of argument a measure takes."""

    SYMBOL = "the symbol of an underlying"
    LEGS = "a leg, a list of legs, short_legs or long_legs"
    LEG = "a leg"
    CHOICE = "one of a few words"
    CLOCK = "a time of day"
    NAMES = "names of events"
    POINTS = "points"
    SECONDS = "a duration"
    SPAN = "a duration, or sessions as in 1d"
    COUNT = "a whole number"
    SYMBOLS = "symbols of stocks, ETFs or indices"
    BOT = "the name of a bot"
    HOOK = "the name of a web hook"
    WORD = "a word"
    BARS = "the size of a bar: 1m, 2m, 3m, 5m, 10m, 15m or 30m"
    OPENING = "whole minutes from the open, 1m to 3h"
    FILE = "the name of a file beside the spec"
    DIGEST = "a SHA-256 in hexadecimal digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument of a measure. `default` None with `required` False leaves it out; "legs" and "symbol" defaults are
    resolved against the bot: its only underlying, its short legs, all its legs.

    in_exits: those of its choices that are of an open position, and mean nothing but under `exits`.
    """

    name: str
    takes: Takes
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    in_exits: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One word of the vocabulary.

    `units`: the units that may be written beside it and the quantity each chooses; the first is its quantity in
    `expr:`. `multiples`: measures it may be compared with a multiple of (empty: any of the same quantity). `reads` are
    prefixes completed with the symbol (`spot`, `strikes`) or whole names. `max_age` in seconds. `words`: what may stand
    after `is`.
    """

    name: str
    units: tuple[tuple[Unit, Quantity], ...]
    parameters: tuple[Parameter, ...] = ()
    source: str
    max_age: float | None
    places: frozenset[Place]
    reads: tuple[str, ...]
    formula: str
    multiples: tuple[str, ...] = ()
    hidden: tuple[Quantity, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Everything it can be measured in; `hidden` ones are reached only through a multiple or in `expr:`."""
        return (*dict.fromkeys(quantity for _, quantity in self.units), *self.hidden)

    @property
    def quantity(self) -> Quantity:
        """Its first quantity, the one `expr:` gives it."""
        return self.quantities[0]

    @property
    def is_truth(self) -> bool:
        """True for what holds by itself, with no comparison."""
        return self.quantity is Quantity.TRUTH


def may_stand(measure: Measure, place: Place) -> bool:
    """Say whether a measure has a meaning in a place; under a universe what is asked of legs is asked at the money."""
    if place is Place.UNIVERSE:
        return Place.FILTER in measure.places or measure.name in AT_THE_MONEY
    return place in measure.places


EVERYWHERE = frozenset(Place)

STRUCTURE = frozenset({Place.REQUIRE, Place.EXIT})
BEFORE_IT_IS_SENT = frozenset({Place.REQUIRE})

AT_THE_MONEY = frozenset({"quote_width", "volume", "open_interest"})
"""Measures of legs that a universe asks of the options at the money, where no legs are chosen yet."""
OPEN_POSITION = frozenset({Place.EXIT})
WITH_AN_ENTRY = frozenset({Place.RISK})

NUMBER_LEVEL = ((Unit.NUMBER, Quantity.LEVEL),)
LEVEL_CHANGE = ((Unit.POINTS, Quantity.LEVEL), (Unit.PERCENT, Quantity.FRACTION))
SPOT_LEVEL = ((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS))
POINTS = ((Unit.POINTS, Quantity.POINTS),)
POINT_CHANGE = ((Unit.POINTS, Quantity.POINTS), (Unit.PERCENT, Quantity.FRACTION))
VOLATILITY = ((Unit.PERCENT, Quantity.PERCENT),)
PLAIN = ((Unit.NUMBER, Quantity.PLAIN),)
TRUTH = ((Unit.NUMBER, Quantity.TRUTH),)

PRICE_OR_DOLLARS = ((Unit.NUMBER, Quantity.PRICE), (Unit.DOLLARS, Quantity.DOLLARS))

PART_OR_DOLLARS = ((Unit.PERCENT, Quantity.FRACTION), (Unit.DOLLARS, Quantity.DOLLARS))
DOLLARS = ((Unit.DOLLARS, Quantity.DOLLARS),)
PART = ((Unit.PERCENT, Quantity.FRACTION),)
DELTA = ((Unit.NUMBER, Quantity.DELTA),)

SYMBOL = Parameter(name="of", takes=Takes.SYMBOL)
SHORT_LEGS = Parameter(name="of", takes=Takes.LEGS, default="short_legs")
ALL_LEGS = Parameter(name="of", takes=Takes.LEGS, default="all")
START = Parameter(name="at", takes=Takes.CHOICE, default="start", choices=("start", "mid", "natural"))
MARK = Parameter(name="at", takes=Takes.CHOICE, default="mid", choices=("mid", "natural"))
SOME_LEGS = Parameter(name="of", takes=Takes.LEGS)
"""Left out it is the whole position."""
