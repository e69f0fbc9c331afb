"""The nouns of a spec: what the YAML says, typed, each with the path where it stands; its parts are in `nouns/`.

A Spec holds no YAML and no resolved meaning: names are still names, `$parameters` are already replaced, units are
those written. `path` leads from the document's root to the value (keys and list positions); `Source.span` turns it
into line and column.
"""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import Enum

from rulebot.model.learned import LearnedModel
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Amount, Condition, Let, Path
from rulebot.spec.nouns.entry import Entry
from rulebot.spec.nouns.exits import Exit
from rulebot.spec.nouns.legs import Legs
from rulebot.spec.nouns.order import Order


@dataclass(frozen=True, slots=True)
class Protect:
    """`protect:`: so many times the credit, of the whole structure or, with `of: each_short`, of each short leg.

    leg: the one leg that has a stop, on what that leg brought; None where each short leg has.
    """

    times: Decimal
    each_short: bool
    leg: str | None = None

    def covers(self, leg: str) -> bool:
        """Say whether this short leg has a stop."""
        return self.leg is None or self.leg == leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Limits of this bot, in dollars, and its protection. max_unprotected in seconds.

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
    max_unprotected: float | None = None
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
        """Return how many structures there are after so many compliant sessions in a row, never more than `most`."""
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
    """Which symbols are taken: so many of those with the highest, or lowest, value of a measure or let."""

    by: str
    highest: bool
    count: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Where symbols were taken from: categories of a universe document beside the bot's, without some symbols."""

    file: str
    categories: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """Many symbols that one text trades. `rank` None takes every symbol whose conditions hold, in the order written.

    taken: where the symbols stand, None when that is here. What a bot means are the symbols alone.
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
