"""The next price of an order that works."""

from datetime import timedelta
from decimal import Decimal

from rulebot.core.state.builder import StateBuilder
from rulebot.model.order import Order, Replace
from rulebot.model.values import replace
from rulebot.order.price import priority, wire_price
from rulebot.spec.spec import Order as Ladder


def is_new_order(ladder: Ladder, order: Order) -> bool:
    """Say whether the next try cannot be a change of this order: a pause comes first, or another priority."""
    return ladder.pause > 0 or priority(ladder, order.attempt + 1) != order.adaptive


def offer(work: StateBuilder, order: Order, ladder: Ladder, net: Decimal) -> None:
    """Change the limit of an order to what this net per structure asks; the change counts as a try."""
    price = wire_price(net, order.side)
    changed = count_try(work, order.with_terms(order.quantity, price), ladder)
    if price != order.limit_price:
        work.commands.append(Replace(changed))


def count_try(work: StateBuilder, order: Order, ladder: Ladder) -> Order:
    """Begin the next try of an order that works on; one at market has no price that could change."""
    attempt = order.attempt + 1
    changed = replace(order, attempt=attempt, attempt_until=work.at + timedelta(seconds=ladder.wait))
    work.put_order(changed)
    work.put_position(replace(work.positions.by_id[order.position], attempts=attempt))
    return changed
