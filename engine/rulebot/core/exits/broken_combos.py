"""Combos of which only some legs are told, after the order was over: what has no partner is closed.

The broker tells the legs of a combo one after the other, so a fill that comes after the end leaves the position uneven
for a moment, and a start may hear of an order's end before its fills. The other legs are waited for and asked for; what
then stands alone is closed (faults.md rows 19, 28 and 49). Where a combo has filled beyond its size, and a leg of that
was closed before its partners were told, they are what stands alone (row 50). So are the partners of what such a
closing order has closed beyond its size.
"""

from rulebot.core.exits.closing_orders import close_position
from rulebot.core.facts import OpeningDue
from rulebot.core.queries.account import DOUBT, has_unreported_fills
from rulebot.core.queries.close_plan import UNWIND, _lacks_legs, broken_combo_orders
from rulebot.core.queries.orders import has_expired
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.turn import alarm
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.record.record import FILLS_OWED


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
        alarm(work, position.bot, f"{text}: a person must look", position.id, key=f"{FILLS_OWED} {order.ref}")
    elif position.state == "entering":
        work.follow_up(OpeningDue(position.id))  # the pause between two tries may be long: there is none any more
    else:
        if order.purpose is Purpose.UNWIND:
            text = f"{order.ref} has closed more than had no partner"
        else:
            text = f"{order.ref} was over and has filled after all, without its partners"
        close_position(work, position, UNWIND, text)
