"""A measure's reading at one instant: a number, unknown with its reason, or what the known legs decide.

A measure that is calculated from inputs is also read at all instants of a session at once, as columns, by the same
calculation. This module does not load numpy; callers with columns do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rulebot.measure.evaluation import Evaluation
from rulebot.measure.tree import Arithmetic, Call, Constant, Number
from rulebot.measure.view import Held, View
from rulebot.model.contract import Option
from rulebot.model.session import Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Expiry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Value = float | NDArray[np.float64]
else:
    Value = Any


class UnknownValue(NamedTuple):
    """No number, and why: `VIX: stale for 42 s`."""

    reason: str


class AtLeast(NamedTuple):
    """The worst of the legs that are known; one that is not known could only be worse."""

    value: float
    reason: str


class AtMost(NamedTuple):
    """The same of what is worse the less there is."""

    value: float
    reason: str


Reading = float | UnknownValue | AtLeast | AtMost
Read = Callable[[View], Reading]
Judge = Callable[[View], Evaluation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the measures of one rule share: its bot's symbols, classes and expiry, and the age it allows.

    `max_age` in seconds only tightens. `classes` are trading classes by symbol.
    """

    symbols: tuple[str, ...]
    classes: Mapping[str, str]
    expiry: Expiry
    max_age: float | None = None

    def limit(self, usual: float) -> float:
        """Return the age in seconds after which a value of the usual maximum age is stale."""
        return usual if self.max_age is None else min(usual, self.max_age)


def number_of(reading: Reading) -> float | None:
    """Return the number, None when it is not wholly known."""
    return reading if isinstance(reading, float) else None


def exact(number: float) -> float:
    """Return a price without the noise of binary floats: 1.30 - 1.00 is 0.30, 3 x 0.10 too, and 0 has no sign."""
    return round(number, 9) + 0.0


def kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return `make` with a cache of one: for the very same arguments it returns its last result."""
    last: list[Any] = [(), None]

    def made(*given: Any) -> Any:
        if len(last[0]) != len(given) or any(was is not now for was, now in zip(last[0], given, strict=True)):
            last[:] = given, make(*given)
        return last[1]

    return made


# --- One calculation for a number and for columns of numbers

HAIR = 1e-6
"""How far a column may be off: it is not rounded as numbers are, and is added up in another order."""
HAIR_OF_DOLLARS = 1e-3
"""The same of dollars of a whole position."""


class Column(NamedTuple):
    """Values at all instants (or one for all), and their uncertainty; nan where unknown."""

    values: Value
    uncertainty: float = HAIR


class LegColumns:
    """One leg of a structure at all instants; a value is None where it has no column.

    weight: factor of its price per share in that of the structure, negative for a sold one. option: None where it
    changes over the instants. ratio: as in `LegView`.
    """

    name: str
    weight: int
    ratio: int = 1
    option: Option | None = None

    def quote(self, *, closing: bool) -> tuple[Value, Value] | None:
        """Return bid and ask as an opening or closing order counts them: no bid is 0."""
        return None

    def greek(self, name: str) -> Value | None:
        """Return a greek of one bought option per share."""
        return None


class ColumnView:
    """What measures may read, at all instants of a session at once: the counterpart of `View`.

    A value is None where it has no column; nan marks an instant at which it is unknown. held: the open position; of N
    positions at once its numbers have shape (N, 1), and columns (N, T). legs: of the selected or held structure. now:
    epoch seconds.
    """

    session: Session | None = None
    held: Held | None = None
    legs: Sequence[LegColumns] = ()

    @property
    def now(self) -> Value:
        """The instants, epoch seconds."""
        raise NotImplementedError

    def named(self, names: tuple[str, ...] | None) -> list[LegColumns]:
        """Return its legs of these names, all without."""
        return [leg for leg in self.legs if names is None or leg.name in names]

    def kept(self, key: object, make: Callable[[], Value | None]) -> Value | None:
        """Return what `make` makes, once for all that ask by a key."""
        return make()

    @property
    def quantity(self) -> int | None:
        """The number of structures."""
        return None if self.held is None else self.held.quantity

    @property
    def commissions(self) -> Value | None:
        """Dollars of commissions paid so far, or those of opening."""
        return None if self.held is None else self.held.commissions

    def entry_price(self, at: str) -> Column | Value | None:
        """Return what the structure brings (+) or costs (-) per share: as filled, or by its order."""
        return None if self.held is None else self.held.entry_price

    def worth(self, at: str, names: tuple[str, ...] | None) -> Value | None:
        """Return what closing the structure, or these legs of it, brings per share."""
        return None

    def most_lost(self) -> Value | None:
        """Return the most that can be lost per share."""
        return None if self.held is None else self.held.max_risk

    def most_won(self) -> Value | None:
        """Return the most that can be gained per share at expiry."""
        return None

    def greeks(self, name: str) -> "list[tuple[float, Value]] | None":
        """Return a greek of each leg of the structure, with the weight of the leg."""
        found = [(leg.weight, leg.greek(name)) for leg in self.legs]
        known: list[tuple[float, Value]] = [(weight, value) for weight, value in found if value is not None]
        return known if known and len(known) == len(found) else None

    def outlook(self, option: Option) -> Any:
        """Return what the options at the money of an option's expiry say (`measures.volatility.outlook`)."""
        return None

    def expected_move(self, symbol: str) -> Value | None:
        """Return the expected move now, by the straddle."""
        return None

    def exposure(self, name: str, symbol: str | None) -> Value | None:
        """Return a greek of all positions of the bot, the entry included; of one underlying where one is named."""
        return None

    def worst_case(self) -> Value | None:
        """Return the dollars that all positions of the bot could lose at expiry, the entry included."""
        return None

    def level(self, symbol: str) -> Value | None:
        """Return the level of an underlying or index."""
        return None

    def of_board(self, symbol: str, name: str) -> Value | None:
        """Return what the board has of an underlying, above 0: its `open`, `high`, `low` or `previous_close`."""
        return None

    def opening_move(self, symbol: str) -> Value | None:
        """Return the expected move of the open."""
        return None


class Input(NamedTuple):
    """One input of a calculation. read: from a snapshot, unknown with its reason. column: None without one."""

    read: Callable[[Context], Callable[[View], Any]]
    column: Callable[[ColumnView], Any] = lambda columns: None


def by_rule(context: Context) -> Callable[[View], Any]:
    """Refuse an input that only a rule of its own may read. Raises: TypeError."""
    raise TypeError("it is judged, not read")


NOW = Input(lambda context: lambda view: view.now, lambda columns: columns.now)
"""The instant, epoch seconds."""
TODAY = Input(
    lambda context: lambda view: view.session.date,
    lambda columns: None if columns.session is None else columns.session.date,
)
"""The day of the session."""


def itself(value: Any) -> Any:
    """Return the only input of a calculation as it is."""
    return value


class Calculation(NamedTuple):
    """How one call of a measure is calculated from its inputs: by arithmetic that floats and arrays share.

    The first input that is unknown is the answer; so is what `calculate` returns as unknown.
    """

    inputs: tuple[Input, ...]
    calculate: Callable[..., Any] = itself

    @property
    def as_input(self) -> Input:
        """Return what another calculation reads it by."""
        return Input(self.reader, self.column)

    def reader(self, context: Context) -> Read:
        """Return the function that reads it from a snapshot."""
        reads = tuple(each.read(context) for each in self.inputs)
        calculate = self.calculate
        if calculate is itself:
            return reads[0]
        if len(reads) == 1:
            return _of_one(calculate, reads[0])
        return _of_two(calculate, *reads) if len(reads) == 2 else _of_many(calculate, reads)

    def column(self, columns: ColumnView, least_uncertainty: float = HAIR) -> Column | None:
        """Return it at all instants, None where an input has no column."""
        found = []
        for each in self.inputs:
            values = each.column(columns)
            if values is None:
                return None
            found.append(values)
        suspicions = [values.uncertainty for values in found if isinstance(values, Column)]
        result = self.calculate(*(values.values if isinstance(values, Column) else values for values in found))
        return None if isinstance(result, UnknownValue) else Column(result, max((least_uncertainty, *suspicions)))


def _of_one(calculate: Callable[[Any], Any], read: Callable[[View], Any]) -> Read:
    def of_one(view: View) -> Reading:
        value = read(view)
        return value if value.__class__ is UnknownValue else calculate(value)

    return of_one


def _of_two(calculate: Callable[[Any, Any], Any], one: Callable[[View], Any], other: Callable[[View], Any]) -> Read:
    def of_two(view: View) -> Reading:
        left = one(view)
        if left.__class__ is UnknownValue:
            return left
        right = other(view)
        return right if right.__class__ is UnknownValue else calculate(left, right)

    return of_two


def _of_many(calculate: Callable[..., Any], reads: tuple[Callable[[View], Any], ...]) -> Read:
    def of_many(view: View) -> Reading:
        values = []
        for read in reads:
            value = read(view)
            if value.__class__ is UnknownValue:
                return value
            values.append(value)
        found: Reading = calculate(*values)
        return found

    return of_many


def exactly(value: Value) -> Value:
    """Return a number as `exact` does; a column as it is, which may be off by more."""
    return exact(value) if isinstance(value, float) else value


# --- Arithmetic on numbers of the tree, and what numbers and columns have in common

OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
    "neg": lambda one: -one,
    "abs": abs,
    "round": lambda one: float(round(one)),
    "min": min,
    "max": max,
}
"""As Python has them: `round` goes to the even neighbour at a half."""


def column_of(number: Number, measure: Callable[[Call], Column | None]) -> Column | None:
    """Return a number of the tree at all instants, None where it has no column."""
    match number:
        case Constant(value):
            return Column(value)
        case Call():
            return measure(number)
        case Arithmetic("+" | "-" | "*" | "/" as operator, (one, other)):
            left, right = column_of(one, measure), column_of(other, measure)
            uncertainty = None if left is None or right is None else _uncertainty(operator, left, right)
            if left is None or right is None or uncertainty is None:
                return None
            return Column(OPERATIONS[operator](left.values, right.values), uncertainty)
        case Arithmetic("neg" | "abs" as operator, (one,)):
            found = column_of(one, measure)
            return None if found is None else Column(OPERATIONS[operator](found.values), found.uncertainty)
        case _:
            return None


def _uncertainty(operator: str, left: Column, right: Column) -> float | None:
    """Return the uncertainty of a result; None for a quotient whose divisor may be 0."""
    if operator not in ("*", "/"):
        return left.uncertainty + right.uncertainty
    most, other = _sizes(left.values)[1], _sizes(right.values)
    if operator == "*":
        return left.uncertainty * other[1] + right.uncertainty * most + left.uncertainty * right.uncertainty
    least = other[0] - right.uncertainty
    return (left.uncertainty + most / least * right.uncertainty) / least if least > 0.0 else None


def _sizes(values: Value) -> tuple[float, float]:
    """Return the least and the largest size of what is known of a column."""
    if isinstance(values, float):
        return abs(values), abs(values)
    import numpy as np

    sizes = np.abs(values)
    return float(np.nanmin(sizes, initial=np.inf)), float(np.nanmax(sizes, initial=0.0))


def larger(one: Value, other: Value) -> Value:
    """Return the larger of two numbers, or of two columns instant by instant; nan where one is."""
    if isinstance(one, float) and isinstance(other, float):
        return max(one, other)
    import numpy as np

    return np.maximum(one, other)


def smaller(one: Value, other: Value) -> Value:
    """Return the smaller of two numbers, or of two columns instant by instant; nan where one is."""
    if isinstance(one, float) and isinstance(other, float):
        return min(one, other)
    import numpy as np

    return np.minimum(one, other)


def size_of(value: Value) -> Value:
    """Return a number without its sign, or a column."""
    return cast("Value", abs(value))


def while_known(value: Value, other: Value) -> Value:
    """Return a value; of a column nan where another is, which is not part of it but as fresh as it has to be."""
    if isinstance(value, float) and isinstance(other, float):
        return value
    import numpy as np

    return np.where(np.isnan(other), np.nan, value)


def ratio(one: Value, other: Value, why: str) -> Value | UnknownValue:
    """Return a quotient; unknown, and why, where what it is divided by is not above 0: of columns all of it."""
    is_sound = other > 0.0 if isinstance(other, float) else not (other <= 0.0).any()
    return one / other if is_sound else UnknownValue(why)
