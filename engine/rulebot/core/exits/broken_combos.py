"""Broken combos: after the end of a combo order only some legs have reported fills; the others are closed.

The broker reports the legs of a combo one by one. So a fill after the end leaves the position uneven for a moment, and
a restart may see an order's end before its fills. The engine waits for the missing legs and requests executions; then
it closes the legs without partners (docs/faults.md rows 19, 28 and 49). If a combo overfilled and a leg was closed
before its partners were reported, the partners are closed (row 50). So are the partners of a leg that a closing order
overfilled.
"""

from rulebot.core.exits.closing_orders import close_position
from rulebot.core.facts import OpeningDue
from rulebot.core.queries.account import UNCERTAIN, has_unreported_fills
from rulebot.core.queries.close_plan import UNWIND, _lacks_legs, broken_combo_orders
from rulebot.core.queries.orders import has_expired
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.turn import alarm
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.record.record import FILLS_PENDING


def close_broken_combos(work: StateBuilder, position: Position) -> None:
    """Close legs that have been without partners for a while. Those with missing fills are reported to a person."""
    incomplete = broken_combo_orders(work, position)
    if not incomplete or has_expired(work, position):
        return
    order = max(incomplete, key=lambda found: found.changed_at)
    left = (UNCERTAIN - (work.at - order.changed_at)).total_seconds()
    is_reported = not any(_lacks_legs(found, position) or has_unreported_fills(work, found) for found in incomplete)
    if left > 0 and not is_reported:
        wake(work, position.bot, left)
    elif any(has_unreported_fills(work, found) for found in incomplete):
        text = f"the broker says that {order.ref} has filled, without reporting the fills of all its legs"
        alarm(work, position.bot, f"{text}: a person must look", position.id, key=f"{FILLS_PENDING} {order.ref}")
    elif position.state == "entering":
        work.follow_up(OpeningDue(position.id))  # the pause between two tries may be long: there is none any more
    else:
        if order.purpose is Purpose.UNWIND:
            text = f"{order.ref} has closed more than had no partner"
        else:
            text = f"{order.ref} had ended and has filled late, without its partners"
        close_position(work, position, UNWIND, text)
