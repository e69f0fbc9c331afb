"""Non-guaranteed combos: each leg fills as far as its own size goes, and one may stand alone for a while.

Rules of this broker. Legs start together, when the natural market is at or within the limit (or somebody hits
the order inside it). From then on a leg that is behind is bought or sold at its own far side, whatever the
limit says, as its size allows; no further combo starts before all legs are level. The order counts as filled
what all legs have. Source: TWS API "Spreads", non-guaranteed combos (each leg is routed on its own and partial
execution of legs is the customer's risk).
"""

from decimal import Decimal

from rulebot.model.money import ZERO
from twsim.exchange.book import WorkingOrder
from twsim.exchange.combo import Leg, widest_touch
from twsim.exchange.commission import BASIS
from twsim.exchange.execution import LegFill, parts_of
from twsim.exchange.matching import REMOVED, MatchedFill, QuoteInstant, match
from twsim.exchange.touch import Nbbo


def fill_leg_by_leg(
    order: WorkingOrder, quotes: dict[int, Nbbo], moment: QuoteInstant
) -> tuple[MatchedFill, list[LegFill]] | None:
    """Return what the legs trade at this instant and what that completes; None when nothing trades."""
    started = max((_filled(order, leg) + leg.ratio - 1) // leg.ratio for leg in order.legs)
    if started > order.filled:
        parts, liquidity = _catch_up(order, started, quotes), REMOVED
    else:
        fills = match(order, widest_touch(order.legs, quotes), moment)
        parts = [_within_size(order, part, quotes) for part in parts_of(order, fills[0], quotes)] if fills else []
        liquidity = fills[0].liquidity if fills else REMOVED
    parts = [part for part in parts if part.quantity]
    return (_completed(order, parts, liquidity), parts) if parts else None


def _filled(order: WorkingOrder, leg: Leg) -> Decimal:
    return order.leg_filled.get(leg.instrument.con_id, ZERO)


def _within_size(order: WorkingOrder, part: LegFill, quotes: dict[int, Nbbo]) -> LegFill:
    size = quotes[part.leg.instrument.con_id].far_size(order.side * part.leg.sign)
    return part._replace(quantity=min(part.quantity, Decimal(size)))


def _catch_up(order: WorkingOrder, started: Decimal, quotes: dict[int, Nbbo]) -> list[LegFill]:
    """Return what the legs that are behind can trade at their own far side."""
    parts = []
    for leg in order.legs:
        price = quotes[leg.instrument.con_id].far(order.side * leg.sign)
        missing = started * leg.ratio - _filled(order, leg)
        if price is not None and missing > 0:
            parts.append(_within_size(order, LegFill(leg, missing, price), quotes))
    return parts


def _completed(order: WorkingOrder, parts: list[LegFill], liquidity: int) -> MatchedFill:
    """Return how many combos the parts complete, at the average price of their legs.

    The order's value follows that of its legs, so its average price is theirs once all legs are level.
    """
    counts, values = dict(order.leg_filled), dict(order.leg_values)
    for part in parts:
        con_id = part.leg.instrument.con_id
        counts[con_id] = counts.get(con_id, ZERO) + part.quantity
        values[con_id] = values.get(con_id, ZERO) + part.quantity * part.price
    whole = min(counts.get(leg.instrument.con_id, ZERO) // leg.ratio for leg in order.legs)
    done = int(whole - order.filled)
    if done <= 0:
        return MatchedFill(order.last_price, 0, liquidity)
    averages = {con_id: values[con_id] / counts[con_id] for con_id in counts}
    net = sum((leg.sign * leg.weight * averages[leg.instrument.con_id] for leg in order.legs), ZERO)
    return MatchedFill(((net * whole - order.value) / done).quantize(BASIS), done, liquidity)
