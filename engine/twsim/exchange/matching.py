"""When and at what price one order trades against one instant's quotes.

Limits at or through the far side fill there, up to its displayed size. A limit inside the market waits for a
counterparty; arrivals are Poisson with an intensity that falls exponentially with the distance from the far side
(Avellaneda and Stoikov 2008, "High-frequency trading in a limit order book", section 2.5): rate(a) = r exp(s a) a
second, where a is 0 at one's own side and 1 at the far side. With the default settings an order at the mid waits about
50 seconds, one three quarters through about 10, one that joins its own side 20 minutes. Behind its own side nothing
fills.
"""

from datetime import datetime
from decimal import Decimal
from math import exp
from typing import NamedTuple

from twsim.exchange.broker_state import ExchangeSettings, WorkingOrder
from twsim.exchange.nbbo import Nbbo, between, seeded_fraction
from twsim.nouns import ZERO, Rounding, dataclass
from twsim.sessions import exchange_date, session_from

# --- The broker's Adaptive algorithm

PRIORITY = "adaptivePriority"
WALK_SECONDS = {"Urgent": (1.0, 5.0), "Normal": (5.0, 45.0), "Patient": (30.0, 180.0)}


def algo_problem(algo: str, params: tuple[tuple[str, str], ...]) -> tuple[int, str] | None:
    """Return the error that refuses an algorithm or its parameters, None when they are known."""
    if algo != "Adaptive":
        return 201, f"Order rejected - reason:Unknown algorithm strategy '{algo}'"
    for tag, value in params:
        if tag != PRIORITY:
            return 442, f"Algo parameter '{tag}' is not supported by strategy 'Adaptive'"
        if value not in WALK_SECONDS:
            return 442, f"Algo parameter '{PRIORITY}' has the wrong value '{value}'"
    return None


def adaptive_limit(order: WorkingOrder, touch: Nbbo, seed: int, at: datetime) -> Decimal | None:
    """Return the price it shows now: from the mid to the far side, never beyond the limit."""
    far, mid, own = touch.far(order.side), touch.mid, order.ticket.limit_price
    if order.ticket.order_type == "MKT":
        own = far
    if far is None or own is None or mid is None:
        return own
    goal = min(far, own) if order.side > 0 else max(far, own)
    if order.side * (goal - mid) <= 0:
        return goal
    low, high = WALK_SECONDS[dict(order.ticket.algo_params).get(PRIORITY, "Normal")]
    lasts = between(low, high, seed, order.perm_id, "walk")
    elapsed = (at - (order.live_since or order.since)).total_seconds()
    if elapsed >= lasts:
        return goal
    toward = Rounding.DOWN if order.side > 0 else Rounding.UP
    shown = order.ticks.round(mid + (goal - mid) * Decimal(str(round(elapsed / lasts, 6))), toward)
    return shown if order.side * (goal - shown) >= 0 else goal


# --- When and at what price one order trades against one instant's quotes

LONGEST_STEP_SECONDS = 60.0
ADDED, REMOVED = 1, 2


class MatchedFill(NamedTuple):
    """One trade of an order, in units of the order (combos for a BAG)."""

    price: Decimal
    quantity: int
    liquidity: int


@dataclass(frozen=True, slots=True)
class QuoteInstant:
    """The instant that orders meet and the names chance is drawn from."""

    seed: int
    at: datetime
    settings: ExchangeSettings


def match(order: WorkingOrder, touch: Nbbo, moment: QuoteInstant) -> list[MatchedFill]:
    """Return the fills of a working order at this instant; none when nothing trades."""
    wanted = order.workable
    far = touch.far(order.side)
    if wanted <= 0 or far is None:
        return []
    limit = _limit(order, touch, moment)
    if limit is None:
        return _market(order, touch, far, wanted, moment.settings.walk_levels)
    if order.side * (limit - far) >= 0:
        size = min(wanted, touch.far_size(order.side))
        return [MatchedFill(far, size, REMOVED)] if size > 0 else []
    return _resting(order, touch, limit, wanted, moment)


def _limit(order: WorkingOrder, touch: Nbbo, moment: QuoteInstant) -> Decimal | None:
    """Return the limit the order has at this instant, None at the market."""
    if order.ticket.algo:
        return adaptive_limit(order, touch, moment.seed, moment.at)
    return None if order.ticket.order_type in ("MKT", "STP") else order.ticket.limit_price


def _market(order: WorkingOrder, touch: Nbbo, far: Decimal, wanted: int, levels: int) -> list[MatchedFill]:
    """Fill at the touch, then tick by tick through levels of the size displayed; combos at their natural alone."""
    size = touch.far_size(order.side)
    fills: list[MatchedFill] = []
    price = far
    while wanted > 0 and size > 0 and len(fills) < (1 if order.is_combo else levels):
        quantity = min(wanted, size)
        fills.append(MatchedFill(price, quantity, REMOVED))
        wanted -= quantity
        price += order.side * order.ticks.tick(price)
        if not order.is_combo and price <= 0:
            break
    return fills


def _resting(order: WorkingOrder, touch: Nbbo, limit: Decimal, wanted: int, moment: QuoteInstant) -> list[MatchedFill]:
    """Fill at the limit when a counterparty arrives."""
    way = _way_through(order, limit, touch)
    seconds = _seconds_tested(order, moment.at)
    if way is None or seconds <= 0:
        return []
    settings = moment.settings
    rate = settings.resting_rate * exp(settings.resting_slope * way)
    names = (moment.seed, order.perm_id, moment.at.isoformat())
    if seeded_fraction(*names, "hit") >= 1.0 - exp(-rate * seconds):
        return []
    arriving = 1 + int(seeded_fraction(*names, "size") * max(touch.near_size(order.side), 1))
    return [MatchedFill(limit, min(wanted, arriving), ADDED)]


def _way_through(order: WorkingOrder, limit: Decimal, touch: Nbbo) -> float | None:
    """Return the limit's place from one's own side (0) to the far side (1); None behind it or with no market.

    No bid counts as zero; of a combo without a bid one leg lacks a quote, so its value is unknown.
    """
    side = order.side
    near, far = touch.near(side), touch.far(side)
    if near is None and side > 0 and not order.is_combo:
        near = ZERO
    if near is None or far is None or side * (far - near) <= 0:
        return None
    way = float((limit - near) / (far - near))
    return way if way >= 0 else None


def _seconds_tested(order: WorkingOrder, at: datetime) -> float:
    since = max(order.tested_at or order.since, session_from(exchange_date(at)).open)
    return min((at - since).total_seconds(), LONGEST_STEP_SECONDS)


# --- When a stop becomes a market or limit order

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
