"""Combos of which only some legs are told, after the order was over: what has no partner is closed.

The broker tells the legs of a combo one after the other, so a fill that comes after the end leaves the position uneven
for a moment, and a start may hear of an order's end before its fills. The other legs are waited for and asked for; what
then stands alone is closed (faults.md rows 19, 28 and 49). Where a combo has filled beyond its size, and a leg of that
was closed before its partners were told, they are what stands alone (row 50). So are the partners of what such a
closing order has closed beyond its size.
"""

from collections.abc import Iterable

from rulebot.core.entry.entry_ended import next_opening
from rulebot.core.exits.bracket_orders import has_expired
from rulebot.core.exits.closing_orders import close_position
from rulebot.core.exits.reversed_longs import is_buy_back
from rulebot.core.queries.close_plan import UNWIND, is_reopened, is_unwound, partners
from rulebot.core.queries.unreported_fills import has_unreported_fills
from rulebot.core.reconciliation.account_shortfall import DOUBT
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.record.record import FILLS_OWED


def broken_combo_orders(work: StateBuilder, position: Position) -> list[Order]:
    """Return the orders that are over and have left the position legs without their partners.

    A combo that opened and has been unwound since its last fill is none of them: an exit may close single legs of what
    was kept. One that was unwound before is, if its last fills were of the partners of what was closed then, and one
    that has filled beyond its size, and so opened again what an exit had closed apart. So is what unwound, where it has
    filled more than had no partner. While a further try works its end decides.
    """
    if position.state not in ("open", "entering") or position.is_frozen or is_unwound(position):
        return []
    if work.has_live_entry(position.id):
        return []
    orders = work.orders_of(position.id)
    unwound = max((order.prepared_at for order in orders if order.purpose is Purpose.UNWIND), default=None)
    over = [order for order in orders if order.opens(position.id) and order.is_combo and not order.status.is_live]
    if unwound is not None and _is_uneven(position, orders):
        beyond = [order for order in orders if order.purpose is Purpose.UNWIND and min(order.unfilled) < 0]
        return [order for order in beyond or over if order.changed_at >= unwound]
    later = [order for order in over if unwound is None or order.changed_at > unwound]
    return [each for each in later if _lacks_legs(each, position) or (min(each.unfilled) < 0 and is_reopened(position))]


def _lacks_legs(order: Order, position: Position) -> bool:
    counted = zip(order.counts, order.legs, strict=True)
    return len({count / leg.ratio for count, leg in counted if order.position_of(leg) == position.id}) > 1


def _is_uneven(position: Position, orders: Iterable[Order]) -> bool:
    """Say whether what was opened, without what was closed for want of partners, is not of whole structures."""
    left = {leg.name: 0 for leg in partners(position)}
    for order in orders:
        sign = (
            1 if order.opens(position.id) else -1 if order.purpose is Purpose.UNWIND and not is_buy_back(order) else 0
        )
        for count, leg in zip(order.counts, order.legs, strict=True):
            if sign and order.position_of(leg) == position.id and leg.name in left:
                left[leg.name] += sign * count
    return len({left[leg.name] / leg.ratio for leg in partners(position)}) > 1


def close_broken_combos(work: StateBuilder, position: Position) -> None:
    """Close what has stood without its partner for a while; what the broker owes fills of is left to a person."""
    torn = broken_combo_orders(work, position)
    if not torn or has_expired(work, position):
        return
    order = max(torn, key=lambda found: found.changed_at)
    left = (DOUBT - (work.at - order.changed_at)).total_seconds()
    is_told = not any(_lacks_legs(found, position) or has_unreported_fills(work, found) for found in torn)
    if left > 0 and not is_told:
        wake(work, position.bot, left)
    elif any(has_unreported_fills(work, found) for found in torn):
        text = f"the broker says that {order.ref} has filled, and does not tell the fills of all its legs"
        work.alarm(position.bot, f"{text}: a person must look", position.id, key=f"{FILLS_OWED} {order.ref}")
    elif position.state == "entering":
        next_opening(work, position)  # the pause between two tries may be long: there is none any more
    else:
        if order.purpose is Purpose.UNWIND:
            text = f"{order.ref} has closed more than had no partner"
        else:
            text = f"{order.ref} was over and has filled after all, without its partners"
        close_position(work, position, UNWIND, text)
