"""What a condition says: tests of measures and expressions, groups of them, and the values they compare."""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import Enum

from rulebot.model.session import DayTime
from rulebot.model.values import dataclass

Path = tuple[str | int, ...]


class Unit(Enum):
    """The unit written beside a number."""

    NUMBER = ""
    POINTS = "pts"
    DOLLARS = "$"
    PERCENT = "%"
    MULTIPLE = "x"
    SECONDS = "s"
    SESSIONS = "d"
    R = "R"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its unit. Units: PERCENT 50 is 50%; `of` names the measure that a MULTIPLE multiplies."""

    value: Decimal
    unit: Unit
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A measure, let or leg named on the other side of a comparison."""

    name: str


Operand = Amount | Word | DayTime | str
"""The other side of a comparison; plain text only after `is`."""


class Op(Enum):
    """How a measure is compared. BETWEEN includes its ends; OUTSIDE is its not; BEYOND is |value| above."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    BETWEEN = "between"
    OUTSIDE = "outside"
    BEYOND = "beyond"
    IS = "is"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison with one operand, or two for BETWEEN and OUTSIDE."""

    op: Op
    operands: tuple[Operand, ...]


Argument = Amount | Word | DayTime | str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureTest:
    """A measure of the vocabulary with its arguments, compared or (time, no_event, breach) true by itself.

    let: the name it was said by, whose measure and arguments these are; "" for one that names its measure.
    """

    measure: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    comparison: Comparison | None = None
    let: str = ""
    path: Path

    @property
    def said(self) -> str:
        """What the text calls it."""
        return self.let or self.measure


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionTest:
    """One `expr:`."""

    text: str
    path: Path


class GroupKind(Enum):
    """How a group's members combine, in three values."""

    ALL = "all"
    ANY = "any"
    NOT = "not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`all`, `any` or `not` over conditions."""

    kind: GroupKind
    members: tuple["Condition", ...]
    path: Path


Test = MeasureTest | ExpressionTest | Group


@dataclass(frozen=True, slots=True)
class Confirm:
    """How long, or how often in a row, a condition must have been true. One of the two is set."""

    quotes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A named test. `name` is given, or derived from the measure (language.md: every rule has a name)."""

    name: str
    test: Test
    confirm: Confirm | None = None
    max_age: float | None = None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """`let: {day_move: {expected_move: {asof: open}}}`: a measure with its arguments under a name, or a parameter."""

    name: str
    measure: str | None
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    amount: Amount | None = None
    path: Path
