"""Measures of an open position: what closing it costs, profit and loss, deltas, time."""

from collections.abc import Callable
from math import isnan

from engine.compile.plan import Call, Quantity
from engine.evaluate.evaluation import NOT_OPEN
from engine.evaluate.measure_structure import names_of, net_price, worst
from engine.evaluate.reading import Context, Read, Reading, Unknown, exact
from engine.evaluate.snapshot import LegView, View
from engine.model.contract import LOT
from engine.model.quotes import OPTION_AGE, age_problem

_NOTHING = Unknown(NOT_OPEN)


def _worth(at: str, context: Context) -> Read:
    """Return the reader of what closing brings per share, kept for the other rules that ask at this instant."""
    limit = context.limit(OPTION_AGE)
    key = ("worth", at, limit)

    def read(view: View) -> Reading:
        kept = view.memo.get(key)
        if kept is not None and kept[0] is view.legs:
            return kept[1]  # type: ignore[no-any-return]
        found = net_price(view, at, True, limit)
        view.memo[key] = (view.legs, found)
        return found

    return read


def value(call: Call, context: Context) -> Read:
    """Bind `value`."""
    return _worth(str(call.argument("at")), context)


def cost(call: Call, context: Context) -> Read:
    """Bind `cost`: minus value."""
    worth = _worth(str(call.argument("at")), context)

    def read(view: View) -> Reading:
        found = worth(view)
        return 0.0 - found if isinstance(found, float) else found

    return read


def _gain(call: Call, context: Context, sign: float) -> Read:
    worth, quantity = _worth(str(call.argument("at")), context), call.quantity

    def read(view: View) -> Reading:
        held = view.held
        if held is None:
            return _NOTHING
        found = worth(view)
        if not isinstance(found, float):
            return found
        gain = held.entry_price + found
        if quantity is Quantity.PRICE:
            return exact(sign * gain)
        if quantity is Quantity.DOLLARS:
            return exact(sign * (held.realized + gain * LOT * held.quantity - held.commissions))
        base = abs(held.entry_price)
        return exact(sign * gain / base) if base > 0.0 else Unknown("the entry price is 0")

    return read


def profit(call: Call, context: Context) -> Read:
    """Bind `profit`, as a part of the entry price, in dollars, or per share."""
    return _gain(call, context, 1.0)


def loss(call: Call, context: Context) -> Read:
    """Bind `loss`: minus profit."""
    return _gain(call, context, -1.0)


def _delta(view: View, leg: LegView, limit: float) -> Reading:
    board, row = view.board, leg.row
    if leg.option.is_share:
        return 1.0
    if row < 0:
        return Unknown(f"{leg.name}: not streamed")
    if problem := age_problem(board, row, board.model_at[row], view.now, limit):
        return Unknown(f"{leg.name}: delta: {problem}")
    found = board.delta[row]
    return Unknown(f"{leg.name}: no delta") if isnan(found) else found


def leg_delta(call: Call, context: Context) -> Read:
    """Bind `leg_delta`: the largest absolute delta of the legs."""
    names, limit = names_of(call), context.limit(OPTION_AGE)

    def absolute(view: View, leg: LegView) -> Reading:
        found = _delta(view, leg, limit)
        return abs(found) if isinstance(found, float) else found

    return lambda view: worst([absolute(view, leg) for leg in view.legs if leg.name in names])


def position_delta(call: Call, context: Context) -> Read:
    """Bind `position_delta`: the signed sum of one structure."""
    limit = context.limit(OPTION_AGE)

    def read(view: View) -> Reading:
        if not view.legs:
            return _NOTHING
        total = 0.0
        for leg in view.legs:
            found = _delta(view, leg, limit)
            if not isinstance(found, float):
                return found
            total += leg.sign * leg.weight * found
        return total

    return read


def time_in_trade(call: Call, context: Context) -> Read:
    """Bind `time_in_trade`: seconds since the first fill."""
    return lambda view: _NOTHING if view.held is None else max(view.now - view.held.opened_at, 0.0)


POSITION: dict[str, Callable[[Call, Context], Read]] = {
    "value": value,
    "cost": cost,
    "profit": profit,
    "loss": loss,
    "leg_delta": leg_delta,
    "position_delta": position_delta,
    "time_in_trade": time_in_trade,
}
