"""The price at which a target or stop closes a position, and what a target has kept.

Without `of` an exit counts the whole trade: closed legs with what they brought or cost, open legs at their price now.
Amounts are dollars of all structures, + received; prices are net per share of one structure, + received.
"""

from collections.abc import Iterable
from decimal import Decimal

from rulebot.compile.plan import ExitLevel, ExitPlan, Plan, Quantity
from rulebot.fill.pnl import opened
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT
from rulebot.model.kept import TARGET_MISSED, is_target_missed
from rulebot.model.money import ZERO
from rulebot.model.position import ExitTerms, Position, PositionLeg
from rulebot.model.values import dataclass, replace
from rulebot.spec.nouns.exits import ExitKind

_DEAREST_PREMIUM = 1.0
"""Premium per share from which on a contract costs the highest commission."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """The legs that an exit counts. entry: dollars of the whole structures; cash: received less paid so far."""

    legs: tuple[PositionLeg, ...]
    entry: Decimal
    cash: Decimal
    commissions: Decimal
    structures: int


def level_net(position: Position, planned: ExitPlan) -> Decimal | None:
    """Return the net price per share at which a target or stop closes what it counts of a position, - is paid.

    None where the exit has no such price or the position no entry price. Dollars of a target include the commission of
    closing, estimated at the dearest rate.
    """
    level = planned.compares
    if level is None or level.legs is not None:
        return None
    needed = needed_dollars(position, planned)
    return None if needed is None else needed / (LOT * max(position.open_structures, 1))


def net_of_whole(level: ExitLevel, entry: float) -> float | None:
    """Return the same for a structure of which nothing is closed, by its entry price; None where more is needed.

    More is needed for dollars, which include commissions, for a part of max_risk, and for some legs.
    """
    if level.legs is not None or level.of == "max_risk" or (level.of is None and level.quantity is Quantity.DOLLARS):
        return None
    is_of_entry = level.of is not None or level.quantity is Quantity.FRACTION
    price = level.value * abs(entry) if is_of_entry else level.value
    if level.measure in ("cost", "value"):
        return price if level.measure == "value" else -price
    return (price if level.measure == "profit" else -price) - entry


def needed_dollars(position: Position, planned: ExitPlan) -> Decimal | None:
    """Return the dollars that closing the open legs must bring for the exit's comparison to hold, - is paid."""
    level = planned.compares
    if level is None or position.entry_price is None:
        return None
    counted = _counted(position, level)
    gain = _gain(position, planned, counted)
    return None if gain is None else gain - counted.cash


def _counted(position: Position, level: ExitLevel) -> _Counted:
    names = None if level.legs is None else set(level.legs)
    legs = tuple(leg for leg in position.legs if names is None or leg.name in names)
    structures = opened(position)
    if level.is_of_open and not position.is_flat:
        legs, structures = tuple(leg for leg in legs if leg.held), max(position.open_structures, 1)
    entry = LOT * structures * sum((_entry_price(leg) for leg in legs), ZERO)
    cash = entry if level.is_of_open else sum((leg.entry_cash + leg.proceeds for leg in legs), ZERO)
    return _Counted(legs, entry, cash, sum((leg.commissions for leg in legs), ZERO), structures)


def _entry_price(leg: PositionLeg) -> Decimal:
    """Return what a leg adds to the entry price per share of one structure."""
    return leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier) if leg.opened else ZERO


def _gain(position: Position, planned: ExitPlan, counted: _Counted) -> Decimal | None:
    """Return the dollars, before commissions, that the legs counted must have made for the comparison to hold."""
    level = planned.compares
    assert level is not None
    assert position.entry_price is not None
    shares = LOT * counted.structures
    value = Decimal(f"{level.value:.6f}")
    price = value * abs(position.entry_price) if level.of in ("credit", "debit") else value
    if level.measure in ("cost", "value"):
        return counted.entry + (price if level.measure == "value" else -price) * shares
    sign = 1 if level.measure == "profit" else -1
    if level.of == "max_risk":
        return None if position.max_risk is None else sign * value * position.max_risk * counted.structures
    if level.of is not None or level.quantity is Quantity.PRICE:
        return sign * price * shares
    if level.quantity is Quantity.DOLLARS:
        closing = closing_commission(counted.legs) if planned.kind is ExitKind.TARGET else ZERO
        return sign * value + counted.commissions + closing
    return sign * value * abs(counted.entry)


def closing_commission(legs: Iterable[PositionLeg]) -> Decimal:
    """Return the commission of closing what is held of these legs in one order, at the dearest rate, in dollars."""
    parts = [(leg.option, -leg.signed_held, _premium(leg)) for leg in legs if leg.held > 0]
    return estimate(parts) if parts else ZERO


def _premium(leg: PositionLeg) -> float:
    paid = abs(leg.entry_cash) / (leg.opened * leg.option.multiplier) if leg.opened else ZERO
    return max(float(paid), _DEAREST_PREMIUM)


# ---------------------------------------------------------------- what is promised


def terms_of(position: Position, planned: ExitPlan) -> ExitTerms:
    """Return what an exit stands for as it begins to close a position.

    A target on a part of the entry price, or on a multiple of it, promises a share; others promise dollars.
    """
    net, structures = level_net(position, planned), position.open_structures
    closed = sum((leg.proceeds for leg in position.legs), ZERO)
    terms = ExitTerms(planned.name, net, structures, closed)
    level = planned.compares
    if not planned.promises or level is None or position.entry_price is None:
        return terms
    counted = _counted(position, level)
    gain = _gain(position, planned, counted)
    if gain is None:
        return terms
    names = tuple(leg.name for leg in counted.legs) if level.is_of_open else level.legs or ()
    if level.of is None and level.quantity is Quantity.DOLLARS:
        dollars = Decimal(f"{level.value:.6f}")
        return replace(terms, legs=names, dollars=dollars, is_after_commissions=True)
    is_share = level.quantity is Quantity.FRACTION or level.of in ("credit", "debit")
    share = gain / abs(counted.entry) if is_share and counted.entry else None
    return replace(terms, legs=names, share=share, dollars=gain)


def ended_by(plan: Plan, position: Position) -> str:
    """Return the name that `again` and `last_exit` know the end of a closed position by."""
    return TARGET_MISSED if is_target_missed(position) else plan.written_name(position.exit_reason)
