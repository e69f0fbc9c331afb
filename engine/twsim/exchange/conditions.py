"""Conditions of an order: it waits until they are met, or is cancelled by them.

Source: TWS API, Order Conditioning. Each condition says how it is joined with the next: "and" binds closer than "or".
Once met they are not looked at again. This broker watches prices, volumes, changes since the last close, and times;
orders with other conditions are refused.
"""

from collections.abc import Iterator
from decimal import Decimal

from twsim.exchange.book import WorkingOrder
from twsim.exchange.desk import BrokerState
from twsim.exchange.touch import Nbbo
from twsim.seams import OrderCondition, Ticket

PRICE, TIME, VOLUME, CHANGE = 1, 3, 6, 7
_OF_CONTRACTS = (PRICE, VOLUME, CHANGE)


def unwatched_condition(desk: BrokerState, ticket: Ticket) -> str:
    """Return why a condition of an order cannot be watched, "" when all can."""
    for each in ticket.conditions:
        if each.kind not in (TIME, *_OF_CONTRACTS):
            return f"Condition type {each.kind} is not supported by the simulated broker"
        is_known = each.value is not None and desk.market.catalogue.by_id(each.con_id) is not None
        if each.kind in _OF_CONTRACTS and not is_known:
            return f"Invalid condition on contract {each.con_id}"
        if each.kind == TIME and each.at is None:
            return "Invalid time condition"
    return ""


def conditions_met(desk: BrokerState, order: WorkingOrder) -> bool:
    """Say whether the conditions of an order are met, or were."""
    told = order.ticket.conditions
    if not told:
        return not order.ticket.cancelled_by_conditions
    if not order.conditions_met:
        quotes = desk.quotes([each.con_id for each in told if each.kind == PRICE])
        order.conditions_met = any(all(_is_met(desk, each, quotes) for each in group) for group in _groups(told))
    return order.conditions_met


def _groups(told: tuple[OrderCondition, ...]) -> Iterator[list[OrderCondition]]:
    """Yield the conditions that hold together, one group for each "or"."""
    group: list[OrderCondition] = []
    for each in told:
        group.append(each)
        if each.is_or:
            yield group
            group = []
    if group:
        yield group


def _is_met(desk: BrokerState, condition: OrderCondition, quotes: dict[int, Nbbo]) -> bool:
    if condition.kind == TIME:
        assert condition.at is not None
        return desk.now >= condition.at if condition.is_more else desk.now <= condition.at
    found = _watched(desk, condition, quotes)
    if found is None or condition.value is None:
        return False
    return found >= condition.value if condition.is_more else found <= condition.value


def _watched(desk: BrokerState, condition: OrderCondition, quotes: dict[int, Nbbo]) -> Decimal | None:
    """Return what a condition watches: a price, contracts or shares traded today, or percent since the last close."""
    if condition.kind == PRICE:
        touch = quotes[condition.con_id]
        return touch.mid if touch.last is None else touch.last
    told = desk.market.stats(condition.con_id)
    if condition.kind == VOLUME:
        return Decimal(told.volume)
    if told.last is None or not told.previous_close:
        return None
    return Decimal(str(round((told.last / told.previous_close - 1.0) * 100.0, 6)))
