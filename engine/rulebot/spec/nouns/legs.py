"""Which options a bot trades: sides, expiries, and how strikes are chosen."""

from decimal import Decimal
from enum import Enum
from math import inf

from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Amount, Condition, Path, Word


class Side(Enum):
    """What is done with a leg at entry."""

    BUY = "buy"
    SELL = "sell"


class StrikeBy(Enum):
    """What a strike is chosen by; shares have none. OFFSET_* stand `by` points from the leg named in `reference`.

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

    __hash__ = object.__hash__  # each is one object; an Enum's own hash is made anew whenever it is asked for


class Bound(Enum):
    """How a strike keeps to its target: the nearest listed one, or the nearest that respects it."""

    NEAREST = "nearest"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class StrikeRounding(Enum):
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

    @property
    def terms(self) -> tuple[DteRule, tuple[int, ...], bool, str | None, bool]:
        """What it says, wherever it stands: two with the same terms mean the same day."""
        return self.rule, self.days, self.is_latest, self.trading_class, self.is_monthly

    @property
    def days_away(self) -> float:
        """After how many calendar days it lies where every day has one; infinite for the last of all."""
        if self.is_latest:
            return inf if self.rule is DteRule.AT_LEAST else self.days[-1]
        return 0 if self.rule is DteRule.AT_MOST else self.days[0]


SHARES = "shares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg: `right` is call, put or shares, whose ratio is in lots. `underlying` None means the bot's only one.

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
    if_held: IfHeld = IfHeld.SKIP
    path: Path

    @property
    def expiries(self) -> tuple[Expiry, ...]:
        """The different expiries of the options, the nearest first; of a choice the one that stands for all."""
        found = [leg.expiry or self.expiry for leg in self.legs if not leg.is_shares] or [self.expiry]
        known = {each.terms: each for each in reversed(found) if each is not None}
        return tuple(sorted(known.values(), key=lambda each: each.days_away))

    @property
    def nearest(self) -> Expiry:
        """The expiry of the options that end first."""
        return self.expiries[0]

    def expiry_of(self, leg: Leg) -> Expiry:
        """Return the expiry of a leg, one for all that say the same; shares have that of the options that end first."""
        wanted = self.nearest if leg.is_shares else leg.expiry or self.expiry or self.nearest
        return next(each for each in self.expiries if each.terms == wanted.terms)
