"""What must hold of every simulated day, and what fired in it: pure functions over a `Day`."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from engine.compile.plan import ExitPlan
from engine.model.contract import product
from engine.model.money import Rounding
from engine.model.order import Order, OrderStatus, OrderType, Purpose
from engine.model.position import Position
from engine.record.codec import decode
from engine.record.record import Json, Kind, Record
from engine.run.audit.audit import audit
from engine.run.desk import Desk
from engine.spec.spec import Condition, ExitKind, ExpressionTest, Group, GroupKind, MeasureTest, Test
from tests.e2e.worlds import Day, compare_books

EXIT_KINDS = (
    "time",
    "target",
    "stop",
    "breach",
    "leg_delta",
    "expression",
    "confirmed by quotes",
    "confirmed by seconds",
    "market as last resort",
    "resting target",
    "resting stop",
    "settled in cash",
    "expired worthless",
    "assigned",
    "unwind",
)
"""What shipped specs and examples together must make happen on some market."""


def problems_of(day: Day) -> list[str]:
    """Return everything that is wrong with a day, in words; a sound day has nothing."""
    return [
        *compare_books(day),
        *(f"a number that is none in {record.kind.value} of {record.bot}" for record in _not_numbers(day.records)),
        *off_tick(day),
        *unfinished(day),
        *without_partner(day),
        *silent_bots(day),
        *refused(day),
    ]


def offences(day: Day) -> dict[int, str]:
    """Return what the audit finds in a day's journal: the first offence by the invariant's number."""
    found = audit(enumerate(day.records, 1))
    return {each.number: str(each.first[0]) for each in found if not each.holds}


# ---------------------------------------------------------------- what must hold


def _not_numbers(records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if _has_not_a_number(dict(record.data)))


def _has_not_a_number(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_has_not_a_number(each) for each in value.values())
    if isinstance(value, list):
        return any(_has_not_a_number(each) for each in value)
    if isinstance(value, str):
        return value.lower() in ("nan", "inf", "-inf", "infinity")
    return isinstance(value, float) and not math.isfinite(value)


def off_tick(day: Day) -> list[str]:
    """Return the orders that ever stood at a price off their grid, or at none that the broker takes."""
    found = []
    for order in _order_values(day):
        price = order.limit_price if order.limit_price is not None else order.stop_price
        if price is None:
            continue
        facts = product(order.legs[0].option.symbol)
        ticks = facts.combo_ticks if order.is_combo else facts.option_ticks
        if ticks.round(price, Rounding.NEAREST) != price or (not order.is_combo and price <= 0):
            found.append(f"{order.ref} of {order.bot} stands at {price}")
    return found


def _order_values(day: Day) -> Iterator[Order]:
    return (decode(Order, dict(record.data)) for record in day.records if record.kind is Kind.ORDER)


def unfinished(day: Day) -> list[str]:
    """Return positions that end their last day between two states."""
    return [f"{p.id} ends {p.state}" for p in day.positions.values() if p.state in ("entering", "exiting")]


def without_partner(day: Day) -> list[str]:
    """Return positions that end with a short leg beyond what whole structures hold."""
    return [
        f"{position.id} holds {leg.name} without its partner"
        for position in day.positions.values()
        for leg in position.legs
        if leg.held > position.structures * leg.ratio
    ]


def silent_bots(day: Day) -> list[str]:
    """Return bot days that neither opened a position, nor tried, nor say what stood in the way."""
    return [
        f"{found.bot} did not trade on {found.date} and does not say why"
        for found in day.bot_days
        if not (found.opened or found.entries or found.decided or found.halted or "nearest" in found.skipped)
    ]


def refused(day: Day) -> list[str]:
    """Return orders that the broker refused."""
    return [f"{o.ref} of {o.bot}: {o.message}" for o in day.orders.values() if o.status is OrderStatus.REFUSED]


def unprotected(day: Day, bot: str) -> list[str]:
    """Return instants at which an open position of `bot` had neither both orders at the broker nor the engine's watch.

    Looked at whenever the clock moves: what one instant records belongs together.
    """
    found = []
    positions: dict[str, Position] = {}
    orders: dict[str, Order] = {}
    for record, following in zip(day.records, (*day.records[1:], None), strict=True):
        if record.bot == bot and record.kind is Kind.POSITION:
            positions[record.position] = decode(Position, dict(record.data))
        elif record.bot == bot and record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            orders[order.ref] = order
        if following is not None and following.at == record.at:
            continue
        found += [f"{record.at} {name}" for name in _bare(positions.values(), orders.values())]
    return found


def _bare(positions: Iterable[Position], orders: Iterable[Order]) -> Iterator[str]:
    live = Counter(o.position for o in orders if o.status.is_live and o.purpose in (Purpose.TARGET, Purpose.STOP))
    for position in positions:
        if position.state == "open" and not position.suspended and live[position.id] != 2:
            yield position.id


# ---------------------------------------------------------------- what fired


def fired(day: Day, desk: Desk) -> Counter[str]:
    """Return how often each kind of exit acted, in the words of `EXIT_KINDS`, with a few more."""
    found: Counter[str] = Counter()
    plans = {(name, plan.name): plan for name, bot in desk.bots.items() for plan in bot.plan.exits}
    tests = {(name, rule.name): rule.condition for name, bot in desk.bots.items() for rule in bot.plan.spec.exits}
    for record in day.records:
        if record.kind is Kind.DECISION and record.data["what"] == "exit":
            key = (record.bot, str(record.data["reason"]))
            found.update(_kinds(plans[key], tests[key]))
    found.update(filter(None, (_order_kind(order) for order in day.orders.values())))
    found.update(_settlement(record) for record in day.records if record.kind is Kind.SETTLEMENT)
    return found


def _kinds(plan: ExitPlan, condition: Condition | None) -> Iterator[str]:
    if condition is None:
        return
    yield plan.kind.value if plan.kind is not ExitKind.CONDITION else _condition_kind(condition.test)
    if condition.confirm is not None:
        yield "confirmed by quotes" if condition.confirm.quotes is not None else "confirmed by seconds"
    if plan.legs:
        yield "part of the legs"


def _condition_kind(test: Test) -> str:
    if isinstance(test, ExpressionTest):
        return "expression"
    if isinstance(test, MeasureTest):
        return test.measure
    assert isinstance(test, Group)
    return {GroupKind.ALL: "all of a group", GroupKind.ANY: "any of a group", GroupKind.NOT: "not"}[test.kind]


def _order_kind(order: Order) -> str:
    if order.status is not OrderStatus.FILLED:
        return ""
    if order.purpose is Purpose.EXIT and order.kind is OrderType.MARKET and order.attempt > 1:
        return "market as last resort"
    return {Purpose.TARGET: "resting target", Purpose.STOP: "resting stop", Purpose.UNWIND: "unwind"}.get(
        order.purpose, ""
    )


def _settlement(record: Record) -> str:
    return {"cash": "settled in cash", "worthless": "expired worthless"}.get(
        str(record.data["how"]), str(record.data["how"])
    )


def net_of(day: Day) -> Decimal:
    """Return what closed positions made, commissions paid."""
    return sum((p.net for p in day.positions.values() if p.state == "closed"), Decimal(0))


def exits_of(day: Day) -> int:
    """Return how many positions that were opened are closed."""
    return sum(len(reasons) for reasons in day.exits.values())
