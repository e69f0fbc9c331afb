"""When a stop becomes a market or limit order.

Source: Interactive Brokers "Modify the Stop Trigger Method" (TWS users' guide): US options trigger by double
bid/ask by default, that is two consecutive bids at or above the stop for a buy, two consecutive asks at or
below it for a sell; stocks by the last price. Combos have no last price and use double bid/ask. Consecutive
means here two market instants one after the other. The order's `triggerMethod` is followed: 1 double bid/ask, 2
last, 3 double last, 4 bid/ask, 7 last or bid/ask, 8 midpoint.
"""

from decimal import Decimal

from twsim.exchange.book import WorkingOrder
from twsim.exchange.touch import Nbbo

DOUBLE_QUOTE, LAST, DOUBLE_LAST, QUOTE, LAST_OR_QUOTE, MIDPOINT = 1, 2, 3, 4, 7, 8
_TWICE = (DOUBLE_QUOTE, DOUBLE_LAST)
_METHODS = {str(each): each for each in (DOUBLE_QUOTE, LAST, DOUBLE_LAST, QUOTE, LAST_OR_QUOTE, MIDPOINT)}


def trigger_method(order: WorkingOrder) -> int:
    """Return the method of an order: its own, or the default of its contract."""
    if (asked := _METHODS.get(order.ticket.echo.get("triggerMethod", ""))) is not None:
        return asked
    return LAST if order.ticket.sec_type == "STK" else DOUBLE_QUOTE


def stop_reached(order: WorkingOrder, touch: Nbbo) -> bool:
    """Look at one instant's quotes and say whether the stop triggers; counts consecutive hits on the order."""
    stop = order.ticket.aux_price
    method = trigger_method(order)
    if stop is None or not any(
        price is not None and order.side * (price - stop) >= 0 for price in _watched(method, order.side, touch)
    ):
        order.stop_hits = 0
        return False
    order.stop_hits += 1
    return order.stop_hits >= (2 if method in _TWICE else 1)


def _watched(method: int, side: int, touch: Nbbo) -> tuple[Decimal | None, ...]:
    quote = touch.bid if side > 0 else touch.ask
    if method in (LAST, DOUBLE_LAST):
        return (touch.last,)
    if method == LAST_OR_QUOTE:
        return (touch.last, quote)
    return (touch.mid,) if method == MIDPOINT else (quote,)
