"""The broker's Adaptive algorithm: a limit that walks from the mid to the far side.

Source: Interactive Brokers "Adaptive Algo" (order types and algos): it works between the bid and ask for a
price better than the far side, patiently or urgently by `adaptivePriority`, and never beyond the order's limit.
How fast is not published: here the walk lasts a time drawn once per order from the range of its priority.
"""

from datetime import datetime
from decimal import Decimal

from rulebot.model.money import Rounding
from twsim.exchange.book import WorkingOrder
from twsim.exchange.chance import between
from twsim.exchange.touch import Nbbo

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
