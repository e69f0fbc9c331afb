"""What must hold of every simulated day, and what fired in it: pure functions over a `Day`."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from rulebot.checks.against_ledger.books import CheckedDay, compare_books
from rulebot.checks.against_ledger.findings import (
    broken_chain,
    not_numbers,
    off_tick,
    taken_over_without_end,
    unfinished,
    without_partner,
)
from rulebot.compile.plan import ExitPlan
from rulebot.decide.entry_window import OVER
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose
from rulebot.record.record import Kind, Record
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.load import load_text
from rulebot.spec.nouns import Condition, ExpressionTest, Group, GroupKind, MeasureTest, Test

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


def problems_of(day: CheckedDay) -> list[str]:
    """Return everything that is wrong with a day, in words; a sound day has nothing."""
    return [
        *compare_books(day),
        *broken_chain(day),
        *not_numbers(day),
        *off_tick(day),
        *unfinished(day),
        *taken_over_without_end(day),
        *without_partner(day),
        *silent_bots(day),
        *refused(day),
    ]


def silent_bots(day: CheckedDay) -> list[str]:
    """Return bot days that neither opened a position, nor tried, nor say what stood in the way."""
    return [
        f"{found.bot} did not trade on {found.date} and does not say why"
        for found in day.bot_days
        if not (found.opened or found.entries or found.decided or found.halted or found.skipped not in ("", OVER))
    ]


def refused(day: CheckedDay) -> list[str]:
    """Return orders that the broker refused."""
    return [f"{o.ref} of {o.bot}: {o.message}" for o in day.orders.values() if o.status is OrderStatus.REJECTED]


# ---------------------------------------------------------------- what fired


def fired(day: CheckedDay, desk: LoadedBots) -> Counter[str]:
    """Return how often each kind of exit acted, in the words of `EXIT_KINDS`, with a few more."""
    found: Counter[str] = Counter()
    plans = {(name, plan.name): plan for name, bot in desk.bots.items() for plan in bot.plan.exits}
    specs = [load_text(text.text, text.file, text.overrides).spec for text in desk.texts]
    tests = {(spec.name, rule.name): rule.condition for spec in specs if spec is not None for rule in spec.exits}
    for record in day.records:
        if record.kind is Kind.DECISION and record.data["what"] == "exit":
            key = (record.bot, str(record.data["reason"]))
            found.update(_kinds(plans[key], tests[record.bot, plans[key].written]))
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


def net_of(day: CheckedDay) -> Decimal:
    """Return what closed positions made, commissions paid."""
    return sum((p.net for p in day.positions.values() if p.state == "closed"), Decimal(0))


def exits_of(day: CheckedDay) -> int:
    """Return how many positions that were opened are closed."""
    return sum(len(reasons) for reasons in day.exits.values())
