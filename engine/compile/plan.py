"""The nouns of a compiled bot: names resolved, units checked, nothing left to look up.

A Plan is data: it can be compared, hashed by its digest and shown. `engine.evaluate.rules` makes closures of its
tests. Conditions and `expr:` become the same tree.

Units inside the tree, whatever the spec wrote: points and prices per share as float; dollars as float; percent as
fractions (50% is 0.5) except measures whose unit is "%" of volatility (iv, rv: 12.5 means 12.5%); durations in
seconds; times of day as `DayTime`.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from enum import Enum

from engine.model.contract import Right
from engine.model.session import DayTime
from engine.model.values import dataclass
from engine.spec.spec import (
    Again,
    Comparison,
    Confirm,
    ExitKind,
    Expiry,
    IfHeld,
    IfUnknown,
    Op,
    Order,
    Overwrite,
    Path,
    Strike,
    StrikeBy,
    Window,
)

__all__ = [
    "Again",
    "Comparison",
    "Confirm",
    "ExitKind",
    "Expiry",
    "IfHeld",
    "IfUnknown",
    "Op",
    "Order",
    "Overwrite",
    "Path",
    "Strike",
]


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


Argument = float | int | str | DayTime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A measure of the vocabulary with its arguments, sorted by name, defaults filled in.

    `of` is always resolved: a symbol for spot-like measures, a tuple of leg names for those judged leg by leg.
    """

    measure: str
    arguments: tuple[tuple[str, Argument], ...]
    quantity: Quantity

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
    """A measure that is true or false by itself: no_event, event, breach, time, session."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named condition, compiled. `text` is the comparison as the spec says it, for people.

    `reads` are the names of what it looks at: "spot:SPX", "index:VIX", "legs" (quotes or greeks of the structure),
    "strikes:SPX" (at-the-money options), "time", "facts", "position". A rule is judged again only when one of them
    changed.
    """

    name: str
    test: Truth
    text: str
    quantity: Quantity
    confirm: Confirm | None = None
    max_age: float | None = None
    reads: frozenset[str]
    path: Path


# ---------------------------------------------------------------- the bot


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """One leg, in order of resolution. `sign` is +1 bought, -1 sold; `ratio` counts contracts, of shares each one."""

    name: str
    symbol: str
    trading_class: str
    right: Right
    sign: int
    ratio: int
    strike: Strike
    path: Path

    @property
    def is_shares(self) -> bool:
        """True when shares are dealt, and no option."""
        return self.strike.by is StrikeBy.SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """When to enter: in each of `windows` once; `every` seconds between judgements or None.

    Windows already end at the first `time` exit (language.md section 2). `days`: week days, Monday is 0, () is all of
    them. Caps have their defaults filled in.
    """

    windows: tuple[Window, ...]
    days: tuple[int, ...]
    every: float | None
    once: bool
    per_day: int
    per_week: int | None
    max_open: int
    again: Again | None
    when: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """One exit; `rule` is None for AT_EXPIRY.

    A resting target or stop also has `basis` (profit, loss, cost or value), `level` and `level_quantity`, from which
    its price at the broker follows. `legs`: those it closes, () is all. `part`: of the structures open, None is all of
    them; once a position, or with `repeat` each time its rule is true anew. `armed_by`: it is judged only from the
    moment on at which all of these were true.
    """

    name: str
    kind: ExitKind
    rule: Rule | None
    resting: bool
    order: Order
    if_unknown: IfUnknown
    grace: float
    basis: str | None = None
    level: float | None = None
    level_quantity: Quantity | None = None
    level_of: str | None = None
    legs: tuple[str, ...] = ()
    part: Decimal | None = None
    repeat: bool = False
    armed_by: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtectPlan:
    """Stops at the broker behind the watched exits: at so many times the credit, of the structure or of each leg."""

    times: Decimal
    each_short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPlan:
    """Limits in dollars, the conditions that halt the bot, and its protection. max_unprotected in seconds."""

    max_loss_per_trade: Decimal | None
    daily_loss: Decimal | None
    halt_when: tuple[Rule, ...]
    undefined_risk: bool
    protect: ProtectPlan | None = None
    max_unprotected: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the lifecycle: in `state`, `trigger` leads to `next`."""

    state: str
    trigger: str
    next: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The states of a position and every move between them; checked by `compile/lifecycle.py`."""

    states: tuple[str, ...]
    initial: str
    final: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """What data a bot needs before it can judge anything.

    symbols: underlyings whose price is read (the legs' own first). indices: VIX and family. chains: (symbol, trading
    class, Expiry) of its legs. daily: sessions of daily closes by symbol. opening_move: symbols whose expected move of
    the open is read. events: names of event calendars.
    """

    symbols: tuple[str, ...]
    indices: tuple[str, ...]
    chains: tuple[tuple[str, str, Expiry], ...]
    daily: Mapping[str, int] = field(default_factory=dict)
    opening_move: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One bot, ready to run. `digest` names the text that governs it; `opens_for` is "credit" or "debit".

    `parameters` are the names of those that the text has. quantity: structures; where `overwrite` says by the shares
    held how many there are, 1 stands for them.
    """

    name: str
    digest: str
    parameters: tuple[str, ...]
    underlyings: tuple[str, ...]
    quantity: int
    opens_for: str
    entry: EntryPlan
    expiry: Expiry
    legs: tuple[LegPlan, ...]
    require: tuple[Rule, ...]
    if_held: IfHeld
    order: Order
    exits: tuple[ExitPlan, ...]
    risk: RiskPlan
    lifecycle: Lifecycle
    needs: Needs
    known_until: date | None = None
    overwrite: Overwrite | None = None
