"""An exit's order worked while the market stands: the engine's ladder, and fills as the broker of past sessions does.

All legs have quotes that are whole, and each counts once. An entry's order is worked by `entry_order`.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import NamedTuple

from rulebot.backtest.broker import commissions_of
from rulebot.backtest.fills import FillModel
from rulebot.backtest.simulated_broker import PACE, order_mid, priced_by_leg
from rulebot.evaluate.select import StructureSelection
from rulebot.model.contract import Option
from rulebot.model.money import CENT
from rulebot.model.quotes import middle
from rulebot.model.values import replace
from rulebot.order.ladder import Bound, ladder_price
from rulebot.order.price import NetQuote, Part, at_market
from rulebot.spec.nouns.order import OnUnfilled, PriceFrom
from rulebot.spec.nouns.order import Order as Ladder
from rulebot.sweep.vectorized.session_arrays import ArrayDay

SLACK = 5.0
"""Seconds before the next instant by which an order must have filled: the engine may have begun a little later."""
ACKNOWLEDGED = PACE.total_seconds()
"""Seconds from sending an order, or changing it, until it may fill."""


class Quoted(NamedTuple):
    """Legs at an instant: what is dealt, the net quote of it, and bid and ask of each leg."""

    parts: tuple[Part, ...]
    net: NetQuote
    sides: tuple[tuple[float, float], ...]


class Fill(NamedTuple):
    """What came of an order, leg by leg. after: seconds from the decision to the fill; tries: how many it took.

    Units: prices per share, commissions in dollars of all contracts.
    """

    prices: Sequence[Decimal]
    commissions: Sequence[Decimal]
    after: float
    tries: int


class Unfilled(NamedTuple):
    """The order's tries were used up, or what it was sent for held no longer. at: seconds after the open."""

    at: float


class UndecidedByArrays(NamedTuple):
    """What comes of it is not clear from arrays, for this reason."""

    why: str


NOT_QUOTED = UndecidedByArrays("a quote of a leg is missing, crossed or too small when its order is sent")
NO_PRICE = UndecidedByArrays("its order has no price")
FOR_NOTHING = UndecidedByArrays("its target is less than a tick")
OUTLASTS = UndecidedByArrays("its order works on while the market moves")
Outcome = Fill | Unfilled | UndecidedByArrays


def work_exit(
    quoted: Quoted, quantity: int, ladder: Ladder, fills: FillModel, room: float, target: Decimal | None = None
) -> Fill | UndecidedByArrays:
    """Return what came of a closing order of so many structures. room: seconds for which the quotes stand.

    target: the net price per share that it never goes past, None without one.
    """
    parts, quote = quoted.parts, quoted.net
    assert quote.natural is not None
    after = ACKNOWLEDGED
    for attempt in count(1):
        if after > room - SLACK:
            return OUTLASTS
        is_at_market = ladder.start is PriceFrom.MARKET or (ladder.then is OnUnfilled.MARKET and attempt > ladder.tries)
        if is_at_market and target is None:
            price: Decimal | None = at_market(quote.natural, parts)
        else:
            tried = replace(ladder, start=PriceFrom.NATURAL, step=None) if is_at_market else ladder
            net = ladder_price(tried, quote, parts, attempt, Bound(target))
            if net is None:
                return NO_PRICE
            price = fills.of_limit(net, parts, quote, is_resting=False)
        if price is not None:
            return filled(quoted, quantity, price, after, attempt)
        after += ladder.wait + (ACKNOWLEDGED if attempt == ladder.tries else 0.0)
    raise AssertionError("a ladder ends")


def filled(quoted: Quoted, quantity: int, net: Decimal, after: float, tries: int) -> Fill:
    """Return the fill of so many structures at a net price, leg by leg."""
    mids = [order_mid(*side) for side in quoted.sides]
    prices = priced_by_leg(mids, [part.flow for part in quoted.parts], net)
    dealt: list[tuple[Option, int, Decimal]] = [
        (part.option, quantity, price) for part, price in zip(quoted.parts, prices, strict=True)
    ]
    return Fill(prices, [each.quantize(CENT) for each in commissions_of(dealt)], after, tries)


def quoted_at(day: ArrayDay, selection: StructureSelection, place: int, *, opens: bool) -> Quoted | None:
    """Return the legs' quotes at an instant, None where one is not whole: the sums are those of `net_quote`."""
    parts, sides, mid, natural = [], [], 0.0, 0.0
    for leg in selection.legs:
        column = day.columns.get(leg.option, -1)
        if column < 0:
            return None
        bid, ask = float(day.bid[column, place]), float(day.ask[column, place])
        flow = -leg.sign if opens else leg.sign
        if day.is_odd[column, place] and not (opens and flow < 0 and day.is_unwanted[column, place]):
            return None
        mid += flow * middle(bid, ask)
        natural += flow * (bid if flow > 0 else ask)
        parts.append(Part(leg.option, flow, 1))
        sides.append((bid, ask))
    return Quoted(tuple(parts), NetQuote(mid, natural), tuple(sides))


def lacks_size(day: ArrayDay, quoted: Quoted, place: int, quantity: int) -> bool:
    """Say whether less is quoted of a leg than an order would take: it would fill in parts."""
    if day.day.bid_size is None and day.day.ask_size is None:
        return False
    board = day.board_at(place)
    for part in quoted.parts:
        row = board.rows[part.option]
        if (board.bid_size if part.flow > 0 else board.ask_size)[row] < quantity:
            return True
    return False
