"""Which options a bot trades: sides, expiries, and how strikes are chosen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from enum import Enum
from math import inf

from rulebot.model.session import DayTime
from rulebot.model.values import dataclass

# --- What a condition says

Path = tuple[str | int, ...]


class Unit(Enum):
    """The unit of a number."""

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
    """A measure of the vocabulary with its arguments, compared or (time, no_event, breach) true or false.

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


def single_tests(conditions: Iterable[Condition]) -> Iterator[MeasureTest | ExpressionTest]:
    """Yield the tests of conditions, those of groups in their place."""
    for condition in conditions:
        if isinstance(condition.test, Group):
            yield from single_tests(condition.test.members)
        else:
            yield condition.test


def measure_tests(conditions: Iterable[Condition]) -> Iterator[MeasureTest]:
    """Yield the tests of conditions that are no expressions, those of groups in their place."""
    return (test for test in single_tests(conditions) if isinstance(test, MeasureTest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """`let: {day_move: {expected_move: {asof: open}}}`: a measure with its arguments under a name, or a parameter."""

    name: str
    measure: str | None
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    amount: Amount | None = None
    path: Path


# --- Which options a bot trades


class Side(Enum):
    """What is done with a leg at entry."""

    BUY = "buy"
    SELL = "sell"


class StrikeBy(Enum):
    """How a strike is chosen; shares have none. OFFSET_* are `by` points from the leg named in `reference`.

    HELD is the strike that a position has: that of a leg which a roll does not move.
    """

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
    HELD = "held"

    __hash__ = object.__hash__  # each is one object; Enum computes its own hash at each call


class Bound(Enum):
    """How a strike keeps to its target: the nearest listed one, or the nearest that respects it."""

    NEAREST = "nearest"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class StrikeRounding(Enum):
    """Which listed strike is taken: the nearest, or the next away from the money."""

    NEAREST = "nearest"
    AWAY = "away"
    TOWARD = "toward"


@dataclass(frozen=True, slots=True)
class StrikeOf:
    """`strike(LEG)`: the strike of another leg."""

    leg: str


Edge = Amount | Word | StrikeOf
"""The limit of a strike: a strike, a measure of the underlying's level, or the strike of another leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One strike selector and its modifiers, in the order in which they apply.

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
    round: StrikeRounding = StrikeRounding.NEAREST
    round_to: Decimal | None = None
    prefer_round_to: Decimal | None = None
    min_otm_distance: Decimal | None = None
    min_strike: Edge | None = None
    max_strike: Edge | None = None
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

    @property
    def terms(self) -> tuple[DteRule, tuple[int, ...], bool, str | None, bool]:
        """Its meaning: two with the same terms mean the same day."""
        return self.rule, self.days, self.is_latest, self.trading_class, self.is_monthly

    @property
    def days_away(self) -> float:
        """The calendar days until it where every day has one; infinite for the last of all."""
        if self.is_latest:
            return inf if self.rule is DteRule.AT_LEAST else self.days[-1]
        return 0 if self.rule is DteRule.AT_MOST else self.days[0]


SHARES = "shares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg: `right` is call, put or shares, whose ratio is in lots. `underlying` None is the bot's only one.

    `expiry` None is that of the structure.
    """

    name: str
    side: Side
    right: str
    underlying: str | None = None
    ratio: int = 1
    expiry: Expiry | None = None
    strike: Strike
    path: Path

    @property
    def is_shares(self) -> bool:
        """True when shares are dealt, and no option."""
        return self.right == SHARES

    @property
    def signed_ratio(self) -> int:
        """Contracts, or lots of shares, of one structure: + bought, - sold."""
        return self.ratio if self.side is Side.BUY else -self.ratio


class IfHeld(Enum):
    """What to do when any bot holds the contract the other way round."""

    SKIP = "skip"
    SHIFT = "shift"
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
    """The structure. `legs` are in the order written; () with `choose`, of which one alternative is taken.

    `expiry` is that of the legs without one of their own; None where each has one, and never with `choose`.
    """

    expiry: Expiry | None
    legs: tuple[Leg, ...]
    choose: tuple[Alternative, ...] = ()
    require: tuple[Condition, ...] = ()
    on_conflict: IfHeld = IfHeld.SKIP
    path: Path

    @property
    def expiries(self) -> tuple[Expiry, ...]:
        """The different expiries of the options, the nearest first; for a choice those of its representative."""
        found = [leg.expiry or self.expiry for leg in self.legs if not leg.is_shares] or [self.expiry]
        known = {each.terms: each for each in reversed(found) if each is not None}
        return tuple(sorted(known.values(), key=lambda each: each.days_away))

    @property
    def nearest(self) -> Expiry:
        """The expiry of the options that end first."""
        return self.expiries[0]

    def expiry_of(self, leg: Leg) -> Expiry:
        """Return the expiry of a leg, one object for equal ones; shares have that of the nearest options."""
        wanted = self.nearest if leg.is_shares else leg.expiry or self.expiry or self.nearest
        return next(each for each in self.expiries if each.terms == wanted.terms)


# --- What all bots together may do in one account, and what admits one to real money


class PromotionEvidence(Enum):
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
    ALARMS = "alarms"


@dataclass(frozen=True, slots=True)
class Demand:
    """One condition on a bot's record: `op` is ABOVE or AT_LEAST, of alarms AT_MOST.

    Units: counts, dollars, a percentage, a ratio.
    """

    shown: Shown
    op: Op
    bound: Decimal

    def missed_by(self, value: Decimal) -> Decimal | None:
        """Return by how much a value misses the demand, None where it meets it. Win rate: two in three meet 66.67 %."""
        found = round(value, 2) if self.shown is Shown.WIN_RATE else value
        if self.op is Op.AT_MOST:
            return found - self.bound if found > self.bound else None
        is_met = found > self.bound or (found == self.bound and self.op is Op.AT_LEAST)
        return None if is_met else self.bound - found


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

    at_daily_loss: whether that loss closes what is open.
    account: the broker's id; "" for the account that a paper run is connected to.

    worst_case, margin (from `require`), max_notional_per_order: dollars, or a multiple of net liquidation. net_delta,
    net_gamma: shares and shares a point, of each underlying; net_theta, net_vega: dollars, of all. price_band: a
    percentage or a price per share; None is the usual one. pattern_day_trading: why the rule is passed over, "" while
    it applies. require: other conditions, all of which must hold for an entry: groups, the time, named
    ones.
    live: None when no bot of this document may trade real money.
    """

    version: int
    about: str
    account: str
    daily_loss: Decimal | None = None
    at_daily_loss: bool = False
    daily_profit: Decimal | None = None
    max_open: int | None = None
    orders_per_minute: int | None = None
    entries_per_day: int | None = None
    worst_case: Amount | None = None
    margin: Amount | None = None
    net_delta: Between | None = None
    net_gamma: Between | None = None
    net_theta: Between | None = None
    net_vega: Between | None = None
    require: tuple[Condition, ...] = ()
    cash_secured_puts: PromotionEvidence | None = None
    max_contracts_per_order: int | None = None
    max_notional_per_order: Amount | None = None
    price_band: Amount | None = None
    pattern_day_trading: str = ""
    live: LiveRules | None = None
