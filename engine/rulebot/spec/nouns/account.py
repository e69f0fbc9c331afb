"""What all bots together may do in one account, and what admits one to real money."""

from decimal import Decimal
from enum import Enum

from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Amount, Condition, Op


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
        """Return by how much a value misses it, None where it meets it. Of win rates two in three meet 66.67 %."""
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
    account: the broker's id; "" for whatever account a paper run is connected to.

    worst_case, margin (from `require`), max_notional_per_order: dollars, or a multiple of net liquidation. net_delta,
    net_gamma: shares and shares a point, of each underlying; net_theta, net_vega: dollars, of all. price_band: a
    percentage or a price per share; None is the usual one. pattern_day_trading: why the rule is passed over, "" while
    it is heeded. require: conditions besides those limits, all of which must hold for an entry: groups, the time, named
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
