"""What a measure is: its unit, arguments, source, age, place and formula; and the units and arguments many share."""

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum
from typing import Any, NamedTuple

from rulebot.measure.ranges import ALL, Range
from rulebot.measure.reading import (
    HAIR,
    HAIR_OF_DOLLARS,
    Calculation,
    Column,
    ColumnView,
    Context,
    Judge,
    Read,
)
from rulebot.measure.series import Series
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import Likeness, UsualRanges
from rulebot.measure.view import View
from rulebot.measure.words import Phrase
from rulebot.model.market import Extra
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Unit


class Place(Enum):
    """The place of a condition."""

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
    NUMBER = "a number above 0"
    SYMBOLS = "symbols of stocks, ETFs or indices"
    BOT = "the name of a bot"
    HOOK = "the name of a web hook"
    WORD = "a word"
    BARS = "the size of a bar: 1m, 2m, 3m, 5m, 10m, 15m or 30m"
    OPENING = "whole minutes from the open, 1m to 3h"
    FILE = "the name of a file next to the spec"
    DIGEST = "a SHA-256 in hexadecimal digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument of a measure. `default` None with `required` False omits it.

    "legs" and "symbol" defaults are resolved against the bot: its only underlying, its short legs, all its legs.
    in_exits: choices that need an open position, allowed only under `exits`. title, about, example: for the JSON
    Schema. ref: the definition there of its values, unless it takes one of `choices`; a default beside these is the
    meaning of omitting it. in_let: its form under `let`. is_of_market: an index or ETF that the bot does not trade is
    allowed. meanings: of its choices, in words. takes_open_legs: `open_legs` is allowed, where it otherwise counts the
    whole trade. is_judged: an exit closes the legs.
    """

    name: str
    takes: Takes
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    in_exits: tuple[str, ...] = ()
    required: bool = False
    title: str = ""
    about: str = ""
    example: object = None
    ref: str = ""
    in_let: "Parameter | None" = None
    is_of_market: bool = False
    takes_open_legs: bool = False
    is_judged: bool = True
    meanings: Mapping[str, str] = field(default_factory=dict)


OF_BARS = "daily bars of finished sessions; with `bars`, finished bars of the regular session"
COMPARISONS = ("above", "at_least", "below", "at_most", "between", "outside", "beyond")
WITHOUT_BEYOND = COMPARISONS[:-1]


class Combine(Enum):
    """How a measure of several legs, or events, combines theirs: with more of them it changes in one direction only."""

    LARGEST = 1
    LEAST = -1


class Beside(Enum):
    """Options that are streamed beside the legs and not traded."""

    WINGS = "the put and the call of 25 delta of the legs' expiry"
    TODAY = "the options at spot that expire today"


class Level(NamedTuple):
    """How an exit is given a measure as a level of profit or loss.

    bound: the definition of its bound in the JSON Schema. sentence: behind "Acts", with more or less in the braces.
    ending: behind "closes", with the bound and more or less.
    """

    bound: str
    sentence: str
    ending: str


class Refusal(NamedTuple):
    """Why a measure refuses its arguments, and for which one. on_key: the fault is in the measure's name."""

    message: str
    help: str = ""
    argument: str = ""
    on_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One word of the vocabulary: everything known about it.

    `units`: the units that may be written with it and the quantity each selects; the first is its quantity in `expr:`.
    `multiples`: measures whose multiples it may be compared with (empty: any of the same quantity). `reads` are
    prefixes completed with the symbol (`spot`, `strikes`) or whole names. `max_age` in seconds. `words`: allowed values
    after `is`, each with its meaning where the language has none yet. in_text: usable in specs, not only in models.

    One of `calculation` (a number), `judge` (a truth) and `judge_word` (compared with a word) reads it; a truth's
    calculation is its margin, for columns. detail: the words behind its value. usual: of the numbers written with it.
    reach: its possible values.

    title, about, subject, bound, examples, bounds, let_example: for the JSON Schema (`compile/schema.py`). subject: of
    the sentence "True while {subject} is greater than this."; for a word, its meaning. bound: the definition there of
    its bound. bounds: an example of a low and a high one. ops: none without comparison. node: further parts of its
    condition there; only a `$ref` where it is no mapping. level: for exits given as a level of profit or loss.

    bars: how many of which bars a call reads. extras: data of its lines beside quotes. beside: streamed contracts
    beside the legs. index: the level that it is. combine: over several legs or events. refuse: faults of its arguments.
    numbers: in lint, the numbers of a word, where they are not its place in `words`. likeness: measures whose multiples
    of each other are usual.

    is_percentile: from 0 to 100, with one that counts sessions beside it. is_realised: of finished sessions, by an
    `estimator` over a `window`. is_below_zero: sometimes below 0, although its usual range is above. is_entry_price:
    the price of one structure. is_by_price: before the entry it uses the price of the order. needs_own_price: of the
    price of new legs alone, which a roll by one order lacks. is_as_filled: constant from the fill on.
    is_of_one_underlying: of one price at expiry. is_by_clock: a comparison with it comes true by time alone.
    is_of_desk: of the account or of other bots, which a trade changes.
    """

    name: str
    units: tuple[tuple[Unit, Quantity], ...]
    parameters: tuple[Parameter, ...] = ()
    source: str
    max_age: float | None
    places: frozenset[Place] = frozenset(Place)
    reads: tuple[str, ...]
    formula: str
    multiples: tuple[str, ...] = ()
    hidden: tuple[Quantity, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    in_text: bool = True
    phrase: Phrase
    calculation: Callable[[Call], Calculation] | None = None
    judge: Callable[[Call, Context], Judge] | None = None
    judge_word: Callable[[Call, Context, str], Judge] | None = None
    detail: Callable[[Call, Context], Callable[[View], str]] | None = None
    usual: UsualRanges = field(default_factory=dict)
    reach: Range = ALL
    title: str = ""
    about: str = ""
    subject: str = ""
    bound: str = ""
    examples: tuple[Any, ...] = ()
    bounds: tuple[object, object] | None = None
    ops: tuple[str, ...] = COMPARISONS
    let_example: Mapping[str, object] | None = None
    level: Level | None = None
    node: Mapping[str, object] = field(default_factory=dict)
    bars: Callable[[Call], Mapping[Series, int]] | None = None
    extras: tuple[Extra, ...] = ()
    index: str = ""
    likeness: Likeness | None = None
    is_percentile: bool = False
    is_realised: bool = False
    combine: Combine | None = None
    beside: Beside | None = None
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    is_below_zero: bool = False
    is_entry_price: bool = False
    is_by_price: bool = False
    needs_own_price: bool = False
    is_as_filled: bool = False
    is_of_one_underlying: bool = False
    is_by_clock: bool = False
    is_of_desk: bool = False
    refuse: Callable[[Mapping[str, Argument]], Refusal | None] | None = None

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
        """True for a truth without comparison."""
        return self.quantity is Quantity.TRUTH

    @property
    def is_name(self) -> bool:
        """True for what is compared with a name instead of one of its `words`."""
        return self.quantity is Quantity.TEXT and not self.words

    @property
    def is_signed(self) -> bool:
        """True for what is below 0 at times: twice as much of it may be less."""
        return self.is_below_zero or any(each.signed for each in self.usual.values())

    @property
    def is_change(self) -> bool:
        """True for the change of a price or level, in points or as a part: no more than the whole can be lost."""
        return self.units in (LEVEL_CHANGE, POINT_CHANGE)

    @property
    def legs(self) -> Parameter | None:
        """Return the argument that names the legs which an exit judges, and closes."""
        return next((each for each in self.parameters if each.takes is Takes.LEGS and each.is_judged), None)

    @property
    def is_of_shorts(self) -> bool:
        """True for a measure of the short legs unless it names others; for a side its short legs are judged."""
        return self.legs is not None and self.legs.default == "short_legs"

    @property
    def takes_open_legs(self) -> bool:
        """True for what counts the whole trade unless `of` says otherwise, as `open_legs` does."""
        return self.legs is not None and self.legs.takes_open_legs

    def numbers_of(self, word: str) -> tuple[float, float]:
        """Return the number range of a word in lint: words that exclude each other have separate ranges."""
        at = float(list(self.words).index(word))
        return self.numbers.get(word, (at, at))

    @property
    def is_number(self) -> bool:
        """True for a number: no word, no truth, no model."""
        return not self.is_truth and self.calculation is not None

    def reader(self, call: Call, context: Context) -> Read:
        """Return the function that reads its number from a snapshot. Raises: TypeError without a number."""
        if self.calculation is None:
            raise TypeError(f"'{self.name}' has no number")
        return self.calculation(call).reader(context)

    def column(self, call: Call, columns: ColumnView) -> Column | None:
        """Return it at all instants at once, None where each instant must be evaluated."""
        uncertainty = HAIR_OF_DOLLARS if call.quantity is Quantity.DOLLARS else HAIR
        return None if self.calculation is None else self.calculation(call).column(columns, uncertainty)


def may_stand(measure: Measure, place: Place) -> bool:
    """Say whether a measure has a meaning in a place; under a universe what is asked of legs is asked at the money."""
    return place in measure.places or (place is Place.UNIVERSE and Place.FILTER in measure.places)


EVERYWHERE = frozenset(Place)

STRUCTURE = frozenset({Place.REQUIRE, Place.EXIT})
BEFORE_IT_IS_SENT = frozenset({Place.REQUIRE})
BEFORE_AN_ENTRY = frozenset({Place.FILTER, Place.REQUIRE})

AT_THE_MONEY_TOO = STRUCTURE | {Place.UNIVERSE}
"""A universe asks them of the options at the money, where no legs are chosen yet."""
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
TEXT = ((Unit.NUMBER, Quantity.TEXT),)

PRICE_OR_DOLLARS = ((Unit.NUMBER, Quantity.PRICE), (Unit.DOLLARS, Quantity.DOLLARS))

PART_OR_DOLLARS = ((Unit.PERCENT, Quantity.FRACTION), (Unit.DOLLARS, Quantity.DOLLARS))
DOLLARS = ((Unit.DOLLARS, Quantity.DOLLARS),)
PART = ((Unit.PERCENT, Quantity.FRACTION),)
DELTA = ((Unit.NUMBER, Quantity.DELTA),)

SYMBOL = Parameter(
    name="of",
    takes=Takes.SYMBOL,
    about="Which underlying, when the bot has two.",
    example="SPY",
    ref="symbol",
)
SYMBOL_OF_MARKET = Parameter(
    name="of",
    takes=Takes.SYMBOL,
    is_of_market=True,
    about="Which underlying, when the bot has two; or an index or ETF that it does not trade, as QQQ.",
    example="SPY",
    ref="symbol",
)
BARS = Parameter(
    name="bars",
    takes=Takes.BARS,
    about="The size of the bars, within the session; by default daily bars. Only finished ones count.",
    example="5m",
    ref="bar_size",
)
ALL_LEGS = Parameter(
    name="of",
    takes=Takes.LEGS,
    default="all",
    about="Which legs: a leg, a list of legs, `short_legs` or `long_legs`.",
    example="short_put",
    ref="legs_named",
)
SHORT_LEGS = Parameter(
    name="of",
    takes=Takes.LEGS,
    default="short_legs",
    about="Which legs: a leg, a list of legs, `short_legs` or `long_legs`; as a whole exit also `each_side` (the "
    "short puts, the short calls) or `each_short`, each judged and closed separately.",
    example="each_side",
    ref="legs_judged",
    in_let=ALL_LEGS,
)
SOME_LEGS = Parameter(
    name="of",
    takes=Takes.LEGS,
    about="Which legs, instead of the whole trade with its closed legs: a leg, a list of legs, `short_legs` or "
    "`long_legs`; `open_legs` are those still open.",
    example="short_put",
    ref="legs_still_open",
    takes_open_legs=True,
    in_let=Parameter(
        name="of",
        takes=Takes.LEGS,
        about="Which legs, instead of the whole position: a leg, a list of legs, `short_legs` or `long_legs`.",
        example="short_put",
        ref="legs_named",
    ),
)
"""Left out it is the whole position."""


def count(name: str, default: int | None, about: str, example: int, ref: str = "bar_count") -> Parameter:
    """Return an argument that is a whole number; without a default it must be given."""
    return Parameter(
        name=name,
        takes=Takes.COUNT,
        default=default,
        required=default is None,
        about=about,
        example=example,
        ref=ref,
    )


def choice(
    name: str, default: str | None, choices: tuple[str, ...] | Mapping[str, str], about: str, example: str
) -> Parameter:
    """Return an argument that is one of a few words, each with its meaning where the language has none yet."""
    return Parameter(
        name=name,
        takes=Takes.CHOICE,
        default=default,
        choices=tuple(choices),
        meanings=choices if isinstance(choices, Mapping) else {},
        about=about,
        example=example,
    )
