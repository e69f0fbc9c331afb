"""The nouns of a spec: what the YAML says, typed, each with the path where it stands.

A Spec holds no YAML and no resolved meaning: names are still names, `$parameters` are already replaced, units are
those written. `path` leads from the document's root to the value (keys and list positions); `Source.span` turns it
into line and column.
"""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import Enum

from engine.model.learned import LearnedModel
from engine.model.session import DayTime
from engine.model.values import dataclass

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


# ---------------------------------------------------------------- entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
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
    again: Again | None = None
    when: tuple[Condition, ...] = ()
    path: Path


# ---------------------------------------------------------------- legs


class Side(Enum):
    """What is done with a leg at entry."""

    BUY = "buy"
    SELL = "sell"


class StrikeBy(Enum):
    """What a strike is chosen by; shares have none. OFFSET_* stand `by` points from the leg named in `reference`."""

    DELTA = "delta"
    EXPECTED_MOVE = "expected_move"
    AT_SPOT = "at_spot"
    AT_LEG = "at_leg"
    BELOW = "below"
    ABOVE = "above"
    PREMIUM = "premium"
    SIDE_CREDIT = "side_credit"
    OTM = "otm"
    SHARES = "shares"


class Bound(Enum):
    """How a strike keeps to its target: the nearest listed one, or the nearest that respects it."""

    NEAREST = "nearest"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class Round(Enum):
    """Which listed strike is taken of those around what was asked: the nearest, or the next away from the money."""

    NEAREST = "nearest"
    AWAY = "away"
    TOWARD = "toward"


@dataclass(frozen=True, slots=True)
class StrikeOf:
    """`strike(LEG)`: the strike of another leg."""

    leg: str


Edge = Amount | Word | StrikeOf
"""Where a strike may not pass: a strike, a measure of the underlying's level, or the strike of another leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One strike selector and its modifiers, in the order language.md section 5 applies them.

    Units: `target` is |delta|, a price per share, a multiple of the expected move, or points, as `by` says (OTM:
    percent of spot when `is_percent`); `within` has the unit of `target`. `widths`: those after `target`, in order of
    preference.
    """

    by: StrikeBy
    target: Decimal | None = None
    reference: str | None = None
    bound: Bound = Bound.NEAREST
    is_percent: bool = False
    widths: tuple[Decimal, ...] = ()
    round: Round = Round.NEAREST
    multiple_of: Decimal | None = None
    prefer_multiple_of: Decimal | None = None
    at_least_from_spot: Decimal | None = None
    not_below: Edge | None = None
    not_above: Edge | None = None
    within: Decimal | None = None
    path: Path


class DteRule(Enum):
    """How days to expiry are matched."""

    EXACT = "exact"
    NEAREST = "nearest"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Which expiry: calendar days from the session's date; `trading_class` None takes the product's usual class.

    Of those that qualify the earliest is taken, the latest when `is_latest`; `is_monthly`: only monthly ones qualify.
    """

    rule: DteRule
    days: tuple[int, ...]
    is_latest: bool = False
    trading_class: str | None = None
    is_monthly: bool = False
    path: Path


SHARES = "shares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg: `right` is call, put or shares, whose ratio is in lots. `underlying` None means the bot's only one."""

    name: str
    side: Side
    right: str
    underlying: str | None = None
    ratio: int = 1
    strike: Strike
    path: Path

    @property
    def is_shares(self) -> bool:
        """True when shares are dealt, and no option."""
        return self.right == SHARES


class IfHeld(Enum):
    """What to do when any bot holds the contract the other way round."""

    SKIP = "skip"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One structure of `choose`. `expiry` and `require` None are those of `legs`; its rules begin with its name."""

    name: str
    when: tuple[Condition, ...] = ()
    expiry: Expiry | None = None
    legs: tuple[Leg, ...]
    require: tuple[Condition, ...] | None = None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The structure. `legs` are in the order written; () with `choose`, of which one alternative is taken."""

    expiry: Expiry
    legs: tuple[Leg, ...]
    choose: tuple[Alternative, ...] = ()
    require: tuple[Condition, ...] = ()
    if_held: IfHeld = IfHeld.SKIP
    path: Path


# ---------------------------------------------------------------- order


class Start(Enum):
    """Where a ladder starts, besides a price of its own."""

    MID = "mid"
    NATURAL = "natural"
    MARKET = "market"


class Then(Enum):
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

    start: Start = Start.MID
    price: Decimal | None = None
    step: Decimal | None = None
    wait: float = 10.0
    tries: int = 1
    pause: float = 0.0
    then: Then = Then.CANCEL
    adaptive: tuple[Priority, ...] = ()
    leg_by_leg: tuple[str, ...] = ()
    path: Path


# ---------------------------------------------------------------- exits


class ExitKind(Enum):
    """What kind of exit a rule is; it names the exit in reports and decides what may rest at the broker."""

    CONDITION = "condition"
    TARGET = "target"
    STOP = "stop"
    AT_EXPIRY = "at_expiry"


class IfUnknown(Enum):
    """What an exit does while it cannot be judged for longer than its grace."""

    HOLD = "hold"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit, in order of priority. `condition` is None for AT_EXPIRY (whatever is left settles).

    A target or stop is a MeasureTest on profit, loss, cost or value with the comparison of its kind. Units: grace in
    seconds. What it closes: `close_all` the whole position, `close_part` that part of what is open (0.5 is half),
    `close_legs` legs by name, `put_side` or `call_side`; with none of them the legs that its `of` judged, else all.
    `repeat`: a part is closed again each time the condition becomes true anew. `armed_by`: it exists from the first
    moment at which all of these were true; () is from the first fill on.
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
    armed_by: tuple[Condition, ...] = ()
    path: Path


# ---------------------------------------------------------------- risk and the whole


@dataclass(frozen=True, slots=True)
class Protect:
    """`protect:`: so many times the credit, of the whole structure or, with `of: each_short`, of each short leg."""

    times: Decimal
    each_short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Limits of this bot, in dollars, and its protection. max_unprotected in seconds.

    r: the dollars that the bot calls one unit of risk. daily_loss: dollars, or a multiple of r or max_loss_per_trade.
    """

    r: Decimal | None = None
    max_loss_per_trade: Decimal | None = None
    daily_loss: Decimal | Amount | None = None
    require: tuple[Condition, ...] = ()
    halt_when: tuple[Condition, ...] = ()
    undefined_risk: bool = False
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


class Fits(Enum):
    """What a quantity counts by: the worst case at expiry, or what opening costs or brings."""

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
    the quantity is the most there may be. models: what the files say that conditions name, by file.
    """

    version: int
    name: str
    about: str
    underlyings: tuple[str, ...]
    universe: Universe | None = None
    quantity: int = 1
    size: Size | None = None
    overwrite: Overwrite | None = None
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


class Backing(Enum):
    """What must be there for the shares that short puts may bring."""

    CASH = "cash"
    NET_LIQUIDATION = "net_liquidation"


class Shown(Enum):
    """What a bot's record on paper shows, and `live.require` may ask of it."""

    COMPLIANT_SESSIONS = "compliant_sessions"
    TRADES = "trades"
    EXPECTANCY = "expectancy"
    WIN_RATE = "win_rate"
    SHARPE = "sharpe"


@dataclass(frozen=True, slots=True)
class Demand:
    """One condition on a bot's record: `op` is ABOVE or AT_LEAST. Units: counts, dollars, a percentage, a ratio."""

    shown: Shown
    op: Op
    bound: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRules:
    """The account with real money, what admits a bot to it, and for how many sessions that is good."""

    account: str
    require: tuple[Demand, ...]
    good_for: int


@dataclass(frozen=True, slots=True)
class Between:
    """Two ends, included; None is no end."""

    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDocument:
    """What all bots together may do in one account (`rulebot_account: 1`). Dollars and counts; None is no limit.

    worst_case_at_expiry, margin: dollars, or a multiple of net liquidation (from `require`). net_delta, net_gamma:
    shares and shares a point, of each underlying; net_theta, net_vega: dollars, of all. price_band: a percentage
    or a price per share; None is the usual one. pattern_day_trading: why the rule is passed over, "" while it is
    heeded. require: conditions besides those limits, all of which must hold for an entry: groups, the time, named ones.
    live: None when no bot of this document may trade real money.
    """

    version: int
    about: str
    account: str
    daily_loss: Decimal | None = None
    max_open: int | None = None
    orders_per_minute: int | None = None
    entries_per_day: int | None = None
    worst_case_at_expiry: Amount | None = None
    margin: Amount | None = None
    net_delta: Between | None = None
    net_gamma: Between | None = None
    net_theta: Between | None = None
    net_vega: Between | None = None
    require: tuple[Condition, ...] = ()
    cash_secured_puts: Backing | None = None
    max_contracts_per_order: int | None = None
    max_notional_per_order: Decimal | None = None
    price_band: Amount | None = None
    pattern_day_trading: str = ""
    live: LiveRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UniverseDocument:
    """Symbols by category, for bots to take (`rulebot_universe: 1`), in the order written."""

    version: int
    about: str
    categories: Mapping[str, tuple[str, ...]]
