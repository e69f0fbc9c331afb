"""The level of the underlying that a strike's selector asks for, in words too."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from rulebot.compile.plan import LegPlan
from rulebot.measure.view import View
from rulebot.model.contract import Option, Right
from rulebot.spec.nouns import Bound, Strike, StrikeBy

ExpectedMove = Callable[[View, str], float | None]
"""What an underlying is expected to move until the legs' expiry, points; None while it is not known."""

Target = tuple[float | None, str, float]
"""The wanted level, what was asked in words, and the size of one unit of `within`."""


def target_of(
    leg: LegPlan, view: View, chosen: Mapping[str, Option], width: Decimal | None, expected_move: ExpectedMove
) -> Target:
    """Return what a selector by a level asks for; None while it is not known. width: in place of the selector's own."""
    strike, spot = leg.strike, view.level(leg.symbol)
    assert spot is not None
    if strike.by is StrikeBy.AT_SPOT:
        return spot, f"strike at spot {spot:.2f}", 1.0
    if strike.by is StrikeBy.EXPECTED_MOVE:
        return _at_expected_move(leg, spot, expected_move(view, leg.symbol))
    if strike.by is StrikeBy.OTM:
        return _out_of_the_money(leg, spot)
    if strike.by is StrikeBy.HELD:
        held = strike.target or Decimal(0)
        return float(held), f"strike {held:f}, as held", 1.0
    reference = chosen[strike.reference or ""].strike
    offset = (strike.target if width is None else width) or Decimal(0)
    if strike.by is StrikeBy.AT_LEG:
        return float(reference), f"strike of {strike.reference}", 1.0
    is_below = strike.by is StrikeBy.BELOW
    away = f"{offset:f} {_counted(offset, 'point')} {'below' if is_below else 'above'} {strike.reference} {reference:f}"
    return float(reference - offset if is_below else reference + offset), away, 1.0


def _at_expected_move(leg: LegPlan, spot: float, move: float | None) -> Target:
    multiple = float(leg.strike.target or 0)
    sign = -1 if leg.right is Right.PUT else 1
    where = "below" if sign < 0 else "above"
    moves = f"{multiple:g} {_counted(multiple, 'expected move')}"
    asked = f"strike {bounded(leg.strike) or 'at '}{moves} {where} spot"
    if move is None:
        return None, asked, 1.0
    target = spot + sign * multiple * move
    words = f"{asked}: {spot:.2f} {'+' if sign > 0 else '-'} "
    return target, words + f"{multiple:g} x {move:.1f} = {target:.1f}", move


def _out_of_the_money(leg: LegPlan, spot: float) -> Target:
    strike = leg.strike
    wanted = float(strike.target or 0)
    sign = -1 if leg.right is Right.PUT else 1
    unit = spot / 100.0 if strike.is_percent else 1.0
    target = round(spot + sign * wanted * unit, 9)
    size = f"{wanted:g}%" if strike.is_percent else f"{wanted:g} {_counted(wanted, 'point')}"
    side = "below" if sign < 0 else "above"
    return target, f"strike {bounded(strike)}{size} {side} spot {spot:.2f}: {target:.2f}", unit


def bounded(strike: Strike) -> str:
    """Return `at most ` or `at least ` of a bound, "" of a plain number."""
    return {Bound.AT_MOST: "at most ", Bound.AT_LEAST: "at least "}.get(strike.bound, "")


def _counted(number: float | Decimal, word: str) -> str:
    return word if number == 1 else f"{word}s"
