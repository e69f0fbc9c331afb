"""The order by which a target or stop rests at the broker: its legs, its size and its price.

A stop rests for one leg. A target rests for all that is held, as one combo where that is several legs.
"""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from rulebot.compile.plan import ExitPlan
from rulebot.fill.exit_level import level_net
from rulebot.model.facts import Grids
from rulebot.model.money import ZERO, Rounding
from rulebot.model.order import Order, OrderLeg, Side
from rulebot.model.payoff import best_case
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import (
    NONE_REPORTED,
    Part,
    closing_legs,
    net_price,
    option_ticks,
    order_parts,
    ticks_of,
    wire_price,
)


class Rest(NamedTuple):
    """The contents of a resting order.

    Units: `quantity` in structures, for a single leg in contracts; `price` per share as on the wire.
    """

    legs: tuple[OrderLeg, ...]
    quantity: int
    price: Decimal

    @property
    def side(self) -> Side:
        """The side of its order: a combo is always bought."""
        return self.legs[0].side if len(self.legs) == 1 else Side.BUY

    @property
    def net(self) -> Decimal:
        """The price as a net amount, + received."""
        return net_price(self.price, self.side)


def rest_of(position: Position, planned: ExitPlan, reported: Grids = NONE_REPORTED) -> Rest | None:
    """Return the order by which an exit rests; None without a valid price, or where it takes several orders.

    Its quantity is held by both the books and the account. reported: the price grids that the broker reported.
    """
    held = whole_legs(position)
    if len(held) == 1:
        price = level_price(position, held[0], planned, reported)
        (closing,) = closing_legs(held)
        return None if price is None else Rest((replace(closing, ratio=1),), held[0].held, price)
    resting = planned.kind.traits.resting
    if not held or resting is None or not resting.takes_combo:
        return None
    legs, net = closing_legs(held), combo_net(position, held, planned, reported)
    count = min(leg.held // leg.ratio for leg in held)
    return None if net is None else Rest(legs, count, wire_price(net, Side.BUY))


def whole_legs(position: Position) -> tuple[PositionLeg, ...]:
    """Return the legs that one order closes, as the account and the books hold them: () where the books hold more than
    whole structures, or the account holds none.

    Legs that an exit has closed apart are missed by none. Shares, and legs on two underlyings, need several orders.
    """
    held = tuple(leg for leg in position.common.legs if leg.held > 0)
    if len(position.legs) == 1 or not held:
        return held
    partners = [leg for leg in position.legs if leg.name not in position.separately_closed_legs]
    count = min((leg.held // leg.ratio for leg in partners), default=0)
    is_whole = count > 0 and all(leg.held == count * leg.ratio for leg in partners)
    is_there = {leg.name for leg in held if leg.held >= leg.ratio} == {leg.name for leg in partners}
    is_one_combo = len({leg.option.symbol for leg in held}) == 1 and not any(leg.option.is_share for leg in held)
    return held if is_whole and is_there and is_one_combo else ()


def level_price(
    position: Position, leg: PositionLeg, planned: ExitPlan, reported: Grids = NONE_REPORTED
) -> Decimal | None:
    """Return the price per share of one piece at which an exit of this leg rests, on the tick; None where none can.

    A level on the other side of zero (a loss of more than was paid, a profit of more than was received) is never
    reached; taken without its sign it would act at once.
    """
    net = level_net(position, planned)
    if net is None or net * leg.sign < 0:
        return None
    ticks = option_ticks(leg.option, reported)
    return max(ticks.round(abs(net) / leg.price_multiplier, _rounding(leg, planned)), ticks.tick(Decimal(0)))


def _rounding(leg: PositionLeg, planned: ExitPlan) -> Rounding:
    """Return which neighbour a level between two ticks takes: a target brings no less than is asked."""
    resting = planned.kind.traits.resting
    assert resting is not None  # others do not rest: the compiler refuses it
    return resting.buys if leg.sign < 0 else resting.sells


def combo_net(
    position: Position, held: tuple[PositionLeg, ...], planned: ExitPlan, reported: Grids = NONE_REPORTED
) -> Decimal | None:
    """Return the net price per share at which a target closes these legs as one, on the tick that brings no less.

    None where these legs never bring so much.
    """
    net = level_net(position, planned)
    if net is None:
        return None
    parts = order_parts(closing_legs(held), Side.BUY)
    net, most = ticks_of(parts, reported).round(net, Rounding.UP), _most(parts)
    is_too_much = most is not None and (net > most or (net >= 0 and most <= 0))
    return None if is_too_much else net


@lru_cache(maxsize=4096)
def _most(parts: tuple[Part, ...]) -> Decimal | None:
    """Return the most that dealing these legs together can bring when they end, per share; None without a bound."""
    return best_case([(option, flow * weight) for option, flow, weight in parts], ZERO)


def resting_net(position: Position, planned: ExitPlan, reported: Grids = NONE_REPORTED) -> Decimal | None:
    """Return the net price per share of one structure at which an exit rests, + received; None where it cannot."""
    rest = rest_of(position, planned, reported)
    if rest is None or len(rest.legs) > 1:
        return None if rest is None else rest.net
    leg = next(leg for leg in position.legs if leg.name == rest.legs[0].name)
    return leg.sign * leg.price_multiplier * rest.price


def net_of(position: Position, order: Order) -> Decimal | None:
    """Return the net price per share of one structure at which a resting order closes what is held, + received."""
    price = order.terms.price
    if price is None or order.is_combo:
        return None if price is None else net_price(price, Side.BUY)
    leg = next(leg for leg in position.legs if leg.name == order.legs[0].name)
    return leg.sign * leg.price_multiplier * price
