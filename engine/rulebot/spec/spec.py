"""The nouns of a spec: what the YAML says, typed, each with its path; its parts are in `nouns/`.

A Spec holds no YAML and no resolved meaning: names are still names, `$parameters` are already replaced, units are
those written. `path` leads from the document's root to the value (keys and list positions); `Source.span` turns it
into line and column.
"""

import math
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from rulebot.model.learned_model import LearnedModel
from rulebot.model.session import DayTime, Session
from rulebot.model.values import dataclass
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.nouns import Amount, Condition, Expiry, Legs, Let, Path, Strike

# --- How an order is worked


class PriceFrom(Enum):
    """Where a ladder starts, other than at a fixed price."""

    MID = "mid"
    NATURAL = "natural"
    MARKET = "market"


class OnUnfilled(Enum):
    """What follows the last try."""

    CANCEL = "cancel"
    UNWIND = "unwind"
    MARKET = "market"
    AGAIN = "again"


class Priority(Enum):
    """Priority of the broker's adaptive algorithm."""

    PATIENT = "patient"
    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A limit ladder, an adaptive order, or a market order. Units: step per share; wait and pause in seconds.

    `price` is set instead of `start` when the ladder begins at a given price. `adaptive` has one priority a try (the
    last one is kept for further tries).
    """

    start: PriceFrom = PriceFrom.MID
    price: Decimal | None = None
    step: Decimal | None = None
    wait: float = 10.0
    tries: int = 1
    pause: float = 0.0
    then: OnUnfilled = OnUnfilled.CANCEL
    adaptive: tuple[Priority, ...] = ()
    leg_by_leg: tuple[str, ...] = ()
    path: Path

    @property
    def seconds(self) -> float:
        """Return how long its tries take; 0 for a market order."""
        return 0.0 if self.start is PriceFrom.MARKET else self.tries * self.wait + (self.tries - 1) * self.pause

    @property
    def ends_at_market(self) -> bool:
        """Return whether the order ends as a market order, which needs no quotes."""
        return self.start is PriceFrom.MARKET or self.then is OnUnfilled.MARKET


# --- How a bot leaves


class IfUnknown(Enum):
    """What an exit does while it cannot be judged for longer than its grace."""

    HOLD = "hold"
    EXIT = "exit"


HALT = "halt."
"""The prefix of an exit that a halt with `close: all` adds; the name of that halt follows."""


class OnUnknown(Enum):
    """What an exit that rolls does when it finds nothing to roll into."""

    HOLD = "hold"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """What a position is rolled into: the same legs, closed and opened by one order.

    expiry: None keeps that of the position. strikes: by leg; a leg without one keeps its strike. require: asked of the
    new legs, its `credit` and `debit` of both together.
    """

    expiry: Expiry | None = None
    strikes: tuple[tuple[str, Strike], ...] = ()
    require: tuple[Condition, ...] = ()
    otherwise: OnUnknown = OnUnknown.HOLD
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit, in order of priority. `condition` is None for AT_EXPIRY (what remains open settles).

    A target or stop is a MeasureTest on profit, loss, cost or value with the comparison of its kind. Units: grace in
    seconds. What it closes: `close_all` the whole position, `close_part` that part of what is open (0.5 is half),
    `close_legs` legs by name, `put_side` or `call_side`; with none of them the legs that its `of` judged, else all.
    `repeat`: a part is closed again each time the condition becomes true again. `activate_when`: it exists from the
    first moment at which all of these were true; () is from the first fill on. `roll`: it opens the same legs again in
    the closing order. `any_price`: a target closes at any price once it was true, instead of at its price or better.
    """

    name: str
    kind: ExitKind
    condition: Condition | None
    enabled: bool = True
    resting: bool = False
    order: Order | None = None
    if_unknown: IfUnknown = IfUnknown.HOLD
    grace: float = 30.0
    close_all: bool = False
    close_part: Decimal | None = None
    close_legs: tuple[str, ...] = ()
    repeat: bool = False
    activate_when: tuple[Condition, ...] = ()
    roll: Roll | None = None
    any_price: bool = False
    path: Path


def is_all(part: Decimal | None, quantity: int | None) -> bool:
    """Return whether an exit closes all of a number of structures: a part of them is rounded up.

    quantity: None where the number is not known, as where calls are written on shares.
    """
    if part is None or part == 1:
        return True
    return quantity is not None and math.ceil(part * quantity) >= quantity


# --- When a bot may enter


@dataclass(frozen=True, slots=True, kw_only=True)
class Reentry:
    """`again:`: more than one entry per opportunity. `after` holds `filled`, `unfilled` and names of exits."""

    after: tuple[str, ...]
    wait: float = 60.0
    until: DayTime | None = None
    at_most: int | None = None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the session in which to enter: to `end`, or open for `lasts` seconds."""

    start: DayTime
    end: DayTime | None = None
    lasts: float | None = None

    def starts(self, session: Session) -> datetime:
        """Return when it begins: with the session at the earliest, as where it is counted from an early close."""
        return max(self.start.on(session), session.open)

    def ends(self, session: Session) -> datetime:
        """Return when it ends by its own words, be it after the close."""
        if self.end is not None:
            return self.end.on(session)
        return self.start.on(session) + timedelta(seconds=self.lasts or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """When to enter. A window has `start` and `end`; a time (`at`) has `start` and `lasts` seconds.

    `others`: the windows or times after the first, in order. `days`: week days on which it enters, () is all of them.
    Units: `every` and `lasts` in seconds. `per_day` None means the default, one a window; `max_open` None means
    per_day.
    """

    start: DayTime
    end: DayTime | None = None
    lasts: float | None = None
    every: float | None = None
    once: bool = False
    others: tuple[Window, ...] = ()
    days: tuple[str, ...] = ()
    per_day: int | None = None
    per_week: int | None = None
    max_open: int | None = None
    again: Reentry | None = None
    when: tuple[Condition, ...] = ()
    path: Path


# --- The nouns of a spec


@dataclass(frozen=True, slots=True)
class Protect:
    """`protect:`: a multiple of the credit, of the whole structure or, with `of: each_short`, of each short leg.

    leg: the one leg that has a stop, on what that leg brought; None where each short leg has.
    """

    times: Decimal
    each_short: bool
    leg: str | None = None

    def covers(self, leg: str) -> bool:
        """Return whether this short leg has a stop."""
        return self.leg is None or self.leg == leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Limits of this bot, in dollars, and its protection. max_time_without_stop in seconds.

    r: the dollars that the bot calls one unit of risk. daily_loss, daily_profit: dollars, or a multiple of r or
    max_loss_per_trade. at_daily_loss: whether that loss closes what is open.
    """

    r: Decimal | None = None
    max_loss_per_trade: Decimal | None = None
    daily_loss: Decimal | Amount | None = None
    at_daily_loss: bool = False
    daily_profit: Decimal | Amount | None = None
    require: tuple[Condition, ...] = ()
    halt_when: tuple[Condition, ...] = ()
    undefined_risk: bool = False
    delayed_data: bool = False
    protect: Protect | None = None
    max_time_without_stop: float | None = None
    path: Path = ("risk",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A `$name` of the spec: its text as written, or as `--set` gave it."""

    name: str
    text: str
    overridden: bool
    path: Path


@dataclass(frozen=True, slots=True)
class Overwrite:
    """`quantity: {overwrite: ..}`: calls against at least and at most this part of the shares held (0.25 is 25%)."""

    least: Decimal
    most: Decimal


@dataclass(frozen=True, slots=True)
class Growth:
    """`quantity: {grow: ..}`: `start` structures, `step` more after each `sessions` compliant ones in a row.

    `Spec.quantity` is the most there may be.
    """

    start: int
    step: int
    sessions: int

    def after(self, compliant: int, most: int) -> int:
        """Return how many structures are allowed after this many compliant sessions in a row, at most `most`."""
        return min(self.start + self.step * (compliant // self.sessions), most)


class Fits(Enum):
    """What a quantity counts by: the most it can lose, or what opening costs or brings."""

    MAX_LOSS = "max_loss"
    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`quantity: {max_loss: $500, at_most: 10}`: a budget in dollars or as a multiple of net liquidation."""

    fits: Fits
    amount: Amount
    path: Path = ("quantity",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Which symbols are taken: this many of those with the highest, or lowest, value of a measure or let."""

    by: str
    highest: bool
    count: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Where symbols were taken from: categories of a universe document in the bot's folder, less excluded symbols."""

    file: str
    categories: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """Many symbols that one text trades. `rank` None takes every symbol whose conditions hold, in the order written.

    taken: where the symbols come from, None when they are listed here. The meaning of a bot is in the symbols alone.
    """

    symbols: tuple[str, ...]
    require: tuple[Condition, ...] = ()
    rank: Rank | None = None
    taken: Taken | None = None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One bot, as its document says. `digest` is SHA-256 over the meaning (formatting and comments do not count).

    With a `universe` the underlying is one of its symbols: the first, until the text is read for another. With a `size`
    or a `growth` the quantity is the most there may be. models: what the files say that conditions name, by file.
    """

    version: int
    name: str
    about: str
    underlyings: tuple[str, ...]
    universe: Universe | None = None
    quantity: int = 1
    size: Size | None = None
    overwrite: Overwrite | None = None
    growth: Growth | None = None
    parameters: tuple[Parameter, ...] = ()
    lets: tuple[Let, ...] = ()
    entry: Entry
    legs: Legs
    order: Order
    exits: tuple[Exit, ...]
    exit_order: Order | None = None
    risk: Risk
    accept: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, LearnedModel] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniverseDocument:
    """Symbols by category, for bots to take (`rulebot_universe: 1`), in the order written."""

    version: int
    about: str
    categories: Mapping[str, tuple[str, ...]]
