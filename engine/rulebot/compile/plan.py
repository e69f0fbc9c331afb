"""The nouns of a compiled bot: names resolved, units checked, nothing left to look up.

A Plan is data: it can be compared, hashed by its digest and shown. `rulebot.evaluate.rules` makes closures of its
tests. Conditions and `expr:` become the same tree.

Units inside the tree, independent of the spec's: points and prices per share as float; dollars as float; percent as
fractions (50% is 0.5) except measures whose unit is "%" of volatility (iv, rv: 12.5 means 12.5%); durations in
seconds, or as `Sessions`; times of day as `DayTime`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from functools import lru_cache

from rulebot.measure.tree import (
    OPEN_LEGS,
    SINCE_ENTRY,
    AllOf,
    AnyOf,
    Argument,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Number,
    Quantity,
    Score,
    Text,
    Truth,
)
from rulebot.model.contract import Right
from rulebot.model.errors import InvariantError
from rulebot.model.market import Extras
from rulebot.model.values import KnowsItsHash, dataclass
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.nouns import Comparison, Confirm, Expiry, IfHeld, Op, Path, Strike, StrikeBy
from rulebot.spec.spec import Growth, IfUnknown, OnUnknown, Order, Overwrite, Reentry, Size, Window

__all__ = [
    "OPEN_LEGS",
    "SINCE_ENTRY",
    "AllOf",
    "AnyOf",
    "Argument",
    "Arithmetic",
    "Call",
    "Compare",
    "Comparison",
    "Confirm",
    "Constant",
    "ExitKind",
    "Expiry",
    "Holds",
    "IfHeld",
    "IfUnknown",
    "Not",
    "Number",
    "OnUnknown",
    "Op",
    "Order",
    "Overwrite",
    "Path",
    "Quantity",
    "Reentry",
    "Score",
    "Size",
    "Strike",
    "Text",
    "Truth",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named condition, compiled. `text` is the comparison as the spec says it, for people.

    `reads` are the names of what it looks at: "spot:SPX", "index:VIX", "legs" (quotes or greeks of the structure),
    "strikes:SPX" (at-the-money options), "time", "facts", "hooks", "position". A rule is judged again only when one of
    them changed.
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
    """One leg, in order of resolution. `sign` is +1 bought, -1 sold; `ratio` counts contracts, of shares each one.

    expiry: its own, else that of the structure, as for shares. min_strike, max_strike: the edges of its strike.
    group: the first leg of those that close together with it, "" where all do (`compile/apart.py`).
    """

    name: str
    symbol: str
    trading_class: str
    right: Right
    sign: int
    ratio: int
    expiry: Expiry
    strike: Strike
    min_strike: Number | None = None
    max_strike: Number | None = None
    group: str = ""
    path: Path

    @property
    def is_shares(self) -> bool:
        """True when shares are dealt, and no option."""
        return self.strike.by is StrikeBy.SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """When to enter: in each of `windows` once; `every` seconds between judgements or None.

    Windows are as in the spec; the time exit that limits them depends on the session. `days`: week days, Monday is
    0, () is all of them. Caps have their defaults filled in.
    """

    windows: tuple[Window, ...]
    days: tuple[int, ...]
    every: float | None
    once: bool
    per_day: int
    per_week: int | None
    max_open: int
    again: Reentry | None
    when: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class RollPlan:
    """The legs that a roll opens, in order of resolution; legs that do not move keep the strike held.

    is_moved: to the expiry that the legs name; else theirs is the one held.
    """

    legs: tuple[LegPlan, ...]
    is_moved: bool
    require: tuple[Rule, ...]
    otherwise: OnUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitLevel:
    """The level that a target or stop on profit, loss, cost or value is compared with, and its legs.

    value: a fraction of the entry price, dollars, a price per share by `quantity`, or a multiple of `of` (credit, debit
    or max_risk). legs: None is the whole trade, closed legs included. is_of_open: of the legs that are still open.
    at: how legs that stay open are priced, mid or natural.
    """

    measure: str
    value: float
    quantity: Quantity
    of: str | None = None
    legs: tuple[str, ...] | None = None
    is_of_open: bool = False
    at: str = "mid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """One exit; `rule` is None for AT_EXPIRY.

    `written`: its name in the spec. An exit with `each` ("each_side", "each_short") is
    expanded to one exit per part, each of which closes other legs and has a name of its own.

    A target or stop has `basis` (profit, loss, give_back, cost or value) and the level to compare with in `compares`,
    from which its price follows; None where that is no price. `legs`: those it closes, () is all. `part`: how many
    of the open structures, None is all; once a position, or with `repeat` each time its rule becomes true again.
    `activate_when`: it is judged only after all of these were true once. `roll`: the legs it opens in the
    order that closes. `any_price`: a target that closes at any price once it was true.
    """

    name: str
    written: str = ""
    each: str = ""
    kind: ExitKind
    rule: Rule | None
    resting: bool
    order: Order
    if_unknown: IfUnknown
    grace: float
    basis: str | None = None
    compares: ExitLevel | None = None
    legs: tuple[str, ...] = ()
    part: Decimal | None = None
    repeat: bool = False
    activate_when: tuple[Rule, ...] = ()
    roll: RollPlan | None = None
    any_price: bool = False

    @property
    def is_target_price(self) -> bool:
        """Return whether it is a target whose orders never go past the price that keeps what it promises."""
        return self.promises and not self.any_price

    @property
    def promises(self) -> bool:
        """Return whether it is a target that promises to keep a profit or to close at a price."""
        return self.kind.takes_profit and self.compares is not None and self.roll is None


@dataclass(frozen=True, slots=True)
class ProtectPlan:
    """Stops at the broker behind the watched exits: at a multiple of the credit, of the structure or of each leg.

    leg: the one short leg that has a stop, at a multiple of its own premium; None where each short leg has one.
    """

    times: Decimal
    each_short: bool
    leg: str | None = None

    @property
    def of_whole(self) -> bool:
        """Whether it counts by the credit of the structure: a spread can bring less than its short leg costs."""
        return self.leg is None and not self.each_short

    def covers(self, leg: str) -> bool:
        """Return whether this short leg has a stop."""
        return self.leg is None or self.leg == leg


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBounds:
    """The loss and profit of a session at which entries stop; dollars above 0.

    closes: the loss closes what is open as well.
    """

    loss: Decimal | None = None
    profit: Decimal | None = None
    closes: bool = False

    @property
    def are_set(self) -> bool:
        """True where either is."""
        return self.loss is not None or self.profit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPlan:
    """Limits in dollars, what must hold with an entry included, the conditions that halt the bot, and its protection.

    max_time_without_stop in seconds. delayed_data: it may trade on quotes that the broker sends late.
    """

    max_loss_per_trade: Decimal | None
    day: DayBounds
    halt_when: tuple[Rule, ...]
    undefined_risk: bool
    delayed_data: bool = False
    require: tuple[Rule, ...] = ()
    protect: ProtectPlan | None = None
    max_time_without_stop: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the lifecycle: in `state`, `trigger` leads to `next`."""

    state: str
    trigger: str
    next: str


@dataclass(frozen=True, slots=True)
class Lifecycle(KnowsItsHash):
    """The states of a position and every move between them; checked by `faults_of`."""

    states: tuple[str, ...]
    initial: str
    final: tuple[str, ...]
    rows: tuple[Row, ...]

    def __hash__(self) -> int:
        try:
            known: int = self._hash
        except AttributeError:
            known = hash((self.states, self.initial, self.final, self.rows))
            object.__setattr__(self, "_hash", known)
        return known


@dataclass(frozen=True, slots=True)
class Needs:
    """What data a bot needs before it can judge anything.

    symbols: underlyings whose price is read (the legs' own first). indices: VIX and family. chains: (symbol, trading
    class, Expiry) of its legs. daily: sessions of daily closes by symbol. opening_move: symbols whose expected move of
    the open is read. events: names of event calendars. bars: how many, by symbol and seconds of one bar. today: those
    read with bars of the current session. realised: volatilities by symbol, estimator and
    window.
    implied: symbols whose history of 30-day volatility is read. extras: data that lines need in addition to quotes.
    beside: options that are read but are no legs, chosen as legs are. bots: whose state is read.
    hooks: names of web hooks, each with the seconds for which one counts.
    """

    symbols: tuple[str, ...]
    indices: tuple[str, ...]
    chains: tuple[tuple[str, str, Expiry], ...]
    daily: Mapping[str, int] = field(default_factory=dict)
    opening_move: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    bars: Mapping[tuple[str, int], int] = field(default_factory=dict)
    today: frozenset[tuple[str, int]] = frozenset()
    realised: frozenset[tuple[str, str, int]] = frozenset()
    implied: tuple[str, ...] = ()
    extras: Extras = frozenset()
    beside: tuple[LegPlan, ...] = ()
    bots: frozenset[str] = frozenset()
    hooks: frozenset[tuple[str, float]] = frozenset()

    @property
    def hook_names(self) -> frozenset[str]:
        """The names of the web hooks that are asked for."""
        return frozenset(name for name, _ in self.hooks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One alternative of `choose`: when it is taken, and the bot as if it had no other structure."""

    name: str
    when: tuple[Rule, ...]
    plan: "Plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One symbol of a universe: its requirements, its rank, and the bot with it as the only symbol."""

    symbol: str
    require: tuple[Rule, ...]
    rank: Number | None
    plan: "Plan"


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which members are taken: `count` of those with the highest, or lowest, value of the measure `by`.

    of_structure: it is a measure of the legs that a member would take, so that they are chosen first.
    """

    by: str
    highest: bool
    count: int
    of_structure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One bot, ready to run. `digest` names the text that governs it; `opens_for` is "credit" or "debit".

    quantity: structures; where `overwrite` sets the number by the shares held, it is 1. `size`: as
    many structures as fit it, at most `quantity`; None is always `quantity`. `growth`: as many as compliant sessions
    have made them, at most `quantity`. `expiry`: that of the legs that end first.
    `parameters` are the names of those that the text has. With `choices` the bot enters by the plan of one of them, and
    that one governs the position; legs, require and exits here are then those of the first, and `needs` those of all.
    `members`, the symbols of a universe, work the same way; each of them may have choices.
    """

    name: str
    digest: str
    parameters: tuple[str, ...]
    underlyings: tuple[str, ...]
    quantity: int
    size: Size | None = None
    opens_for: str
    entry: EntryPlan
    expiry: Expiry
    legs: tuple[LegPlan, ...]
    require: tuple[Rule, ...]
    on_conflict: IfHeld
    order: Order
    exits: tuple[ExitPlan, ...]
    risk: RiskPlan
    lifecycle: Lifecycle
    needs: Needs
    known_until: date | None = None
    overwrite: Overwrite | None = None
    growth: Growth | None = None
    choices: tuple[Choice, ...] = ()
    members: tuple[Member, ...] = ()
    ranking: Ranking | None = None

    def nearest_expiry_leg(self, symbol: str) -> LegPlan | None:
        """Return the option on an underlying that ends first, None without one: of it volatility is read."""
        options = (leg for leg in self.legs if leg.symbol == symbol and not leg.is_shares)
        return min(options, key=lambda leg: leg.expiry.days_away, default=None)

    def on(self, symbol: str) -> "Plan":
        """Return the plan of a symbol of its universe, "" where there is none. Raises: KeyError."""
        return {"": self, **{member.symbol: member.plan for member in self.members}}[symbol]

    def written_name(self, reason: str) -> str:
        """Return the name that the spec gives the exit of this name; other reasons as they are."""
        return next((each.written for each in self.exits if each.name == reason and each.written), reason)

    def taking(self, alternative: str) -> "Plan":
        """Return the plan of an alternative, "" where there is no choice. Raises: KeyError."""
        return {"": self, **{choice.name: choice.plan for choice in self.choices}}[alternative]

    def structures(self) -> tuple["Plan", ...]:
        """Return the plan of every structure that the bot may enter, in its first symbol."""
        return tuple(choice.plan for choice in self.choices) or (self,)

    def structures_of_all(self) -> tuple["Plan", ...]:
        """Return the plan of every structure in every symbol."""
        plans = tuple(member.plan for member in self.members) or (self,)
        return tuple(found for plan in plans for found in plan.structures())


# --- The life of a position as a table, and what makes a table wrong

STATES = ("flat", "entering", "open", "exiting", "closed")

ROWS = (
    Row("flat", "enter", "entering"),
    Row("entering", "partly_filled", "entering"),
    Row("entering", "filled", "open"),
    Row("entering", "ended_empty", "closed"),
    Row("entering", "ended_partly", "open"),
    Row("entering", "rejected", "closed"),
    Row("entering", "exit", "exiting"),
    Row("entering", "unwind", "exiting"),
    Row("entering", "settled", "closed"),
    Row("open", "exit", "exiting"),
    Row("open", "late_fill", "open"),
    Row("open", "rest_partly_filled", "open"),
    Row("open", "closed_out", "closed"),
    Row("open", "settled", "closed"),
    Row("open", "vanished", "closed"),
    Row("exiting", "partly_filled", "exiting"),
    Row("exiting", "late_fill", "exiting"),
    Row("exiting", "filled", "closed"),
    Row("exiting", "ended", "open"),
    Row("exiting", "rejected", "open"),
    Row("exiting", "settled", "closed"),
    Row("exiting", "vanished", "closed"),
    Row("exiting", "closed_out", "closed"),
    Row("closed", "late_fill", "open"),
)
"""What each trigger means: `ended_*` an order that is over, `unwind` legs without their partners, `vanished` a position
the broker no longer has, `closed_out` one that a resting order or the operator closed, `late_fill` a fill that arrives
after the order was thought to be over (also in `closed`: the position is open again)."""

LIFECYCLE = Lifecycle(states=STATES, initial="flat", final=("closed",), rows=ROWS)


@lru_cache(maxsize=4)
def sound(lifecycle: Lifecycle) -> Lifecycle:
    """Return the table if it is valid. Raises: InvariantError with every fault."""
    if faults := faults_of(lifecycle):
        raise InvariantError(f"the table of a position's states is wrong: {'; '.join(faults)}")
    return lifecycle


def faults_of(lifecycle: Lifecycle) -> list[str]:
    """Return what is wrong with a table, in words; empty when it is valid."""
    return [
        *_misspelt(lifecycle),
        *_repeated(lifecycle.rows),
        *_unreachable(lifecycle),
        *_stuck(lifecycle),
        *_without_exit(lifecycle),
    ]


def _misspelt(lifecycle: Lifecycle) -> Iterable[str]:
    for name in (lifecycle.initial, *lifecycle.final):
        if name not in lifecycle.states:
            yield f"'{name}' is not a state"
    for row in lifecycle.rows:
        for name in (row.state, row.next):
            if name not in lifecycle.states:
                yield f"'{name}' in the row of '{row.trigger}' is not a state"


def _repeated(rows: tuple[Row, ...]) -> Iterable[str]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.state, row.trigger) in seen:
            yield f"'{row.trigger}' is listed twice in state '{row.state}'"
        seen.add((row.state, row.trigger))


def _reached(rows: tuple[Row, ...], start: str) -> set[str]:
    reached, pending = {start}, [start]
    while pending:
        state = pending.pop()
        new = {row.next for row in rows if row.state == state} - reached
        reached |= new
        pending += new
    return reached


def _unreachable(lifecycle: Lifecycle) -> Iterable[str]:
    reached = _reached(lifecycle.rows, lifecycle.initial)
    return (f"state '{state}' is never reached" for state in lifecycle.states if state not in reached)


def _stuck(lifecycle: Lifecycle) -> Iterable[str]:
    for state in lifecycle.states:
        if state not in lifecycle.final and not _reached(lifecycle.rows, state) & set(lifecycle.final):
            yield f"no way leads from state '{state}' to an end"


def _without_exit(lifecycle: Lifecycle) -> Iterable[str]:
    for state in lifecycle.states:
        if state in lifecycle.final or state == lifecycle.initial:
            continue
        triggers = {row.trigger for row in lifecycle.rows if row.state == state}
        if not triggers & {"exit", "filled"}:
            yield f"state '{state}' has no exit and no fill that ends it"
