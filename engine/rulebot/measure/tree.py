"""Conditions and `expr:` as one tree: comparisons of numbers, each a constant or a measure with its arguments.

Units inside the tree, whatever the spec wrote: points and prices per share as float; dollars as float; percent as
fractions (50% is 0.5) except measures whose unit is "%" of volatility (iv, rv: 12.5 means 12.5%); durations in
seconds, or as `Sessions`; times of day as `DayTime`.
"""

from dataclasses import field
from enum import Enum

from rulebot.model.learned_model import LearnedModel
from rulebot.model.session import DayTime, Sessions
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Op


class Quantity(Enum):
    """What a number of the vocabulary is; decides what it compares and adds with."""

    PLAIN = "plain"
    LEVEL = "index level"
    POINTS = "points"
    PRICE = "price per share"
    DOLLARS = "dollars"
    FRACTION = "fraction"
    PERCENT = "percent a year"
    DELTA = "delta"
    SECONDS = "seconds"
    DAYS = "days"
    TRUTH = "truth"
    TEXT = "text"

    __hash__ = object.__hash__  # each is one object, as those of `Right`


# ---------------------------------------------------------------- tests


@dataclass(frozen=True, slots=True)
class Constant:
    """A number of the spec."""

    value: float
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Text:
    """A word after `is`."""

    value: str


Argument = float | int | str | DayTime | Sessions | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Score:
    """A learned model, and the numbers that its features are, in their order."""

    model: LearnedModel
    inputs: tuple["Number", ...]


OPEN_LEGS = "open_legs"
"""Value of `of` for the open legs, for a measure that otherwise counts the whole trade."""
SINCE_ENTRY = "entry"
"""A change is counted from the position's entry; a roll is a new entry."""


@dataclass(frozen=True, slots=True)
class Call:
    """A measure of the vocabulary with its arguments, sorted by name, defaults filled in.

    `of` is always resolved: a symbol for spot-like measures, a tuple of leg names for those judged leg by leg.
    score: of a `model`; its file and hash are among the arguments, and say which it is.
    """

    measure: str
    arguments: tuple[tuple[str, Argument], ...]
    quantity: Quantity
    score: Score | None = field(default=None, compare=False, metadata={"follows": True})

    def argument(self, name: str) -> Argument:
        """Return one argument. Raises: KeyError."""
        return dict(self.arguments)[name]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * /` (left, right), `abs`, `min`, `max`, `round`, `neg` over numbers."""

    operator: str
    operands: tuple["Number", ...]
    quantity: Quantity


Number = Constant | Text | Call | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison; BETWEEN and OUTSIDE have two operands on the right, the lower first."""

    op: Op
    left: Number
    right: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """A measure that is true or false without comparison: no_event, event, breach, time, webhook."""

    call: Call


@dataclass(frozen=True, slots=True)
class AllOf:
    """False if any is false, else unknown if any is unknown."""

    members: tuple["Truth", ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if any is true, else unknown if any is unknown."""

    members: tuple["Truth", ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Unknown stays unknown."""

    member: "Truth"


Truth = Compare | Holds | AllOf | AnyOf | Not
