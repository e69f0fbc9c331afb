"""A fill becomes executions, commissions, positions, cash and reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.money import ZERO
from twsim.exchange.book import WorkingOrder
from twsim.exchange.chance import seeded_fraction
from twsim.exchange.combo import Leg, leg_prices
from twsim.exchange.commission import charge
from twsim.exchange.desk import BrokerState, contract_name
from twsim.exchange.matching import MatchedFill
from twsim.exchange.touch import Nbbo
from twsim.seams import (
    Commissioned,
    Executed,
    Execution,
    OrderChanged,
    PositionChanged,
    Report,
    Status,
)

SIDE_NAMES = {1: "BOT", -1: "SLD"}


class LegFill(NamedTuple):
    """What one leg trades: contracts and price."""

    leg: Leg
    quantity: Decimal
    price: Decimal


def execute(
    desk: BrokerState, order: WorkingOrder, parts: Sequence[LegFill], fill: MatchedFill, quotes: dict[int, Nbbo]
) -> list[Report]:
    """Book what each leg trades and return the reports in the broker's order.

    `fill` is what that completes of the order: nothing (quantity 0) when a leg goes ahead of the others.
    """
    _take_sizes(order, parts, quotes)
    _progress(order, fill)
    executed = _executions(desk, order, fill, parts)
    paid = [_book(desk, order, part, done) for part, done in zip(parts, executed[-len(parts) :], strict=True)]
    charged = (order.commission or ZERO) + sum((report.commission for report in paid), ZERO)
    moved = [PositionChanged(part.leg.instrument.con_id) for part in parts]
    return [*_ordered(desk, order, [Executed(one) for one in executed], charged), *paid, *moved]


def parts_of(order: WorkingOrder, fill: MatchedFill, quotes: dict[int, Nbbo]) -> list[LegFill]:
    """Return what each leg of a whole fill trades."""
    prices = leg_prices(order.legs, quotes, fill.price)
    return [
        LegFill(leg, Decimal(fill.quantity * leg.ratio), price) for leg, price in zip(order.legs, prices, strict=True)
    ]


def _take_sizes(order: WorkingOrder, parts: Sequence[LegFill], quotes: dict[int, Nbbo]) -> None:
    for part in parts:
        touch = quotes[part.leg.instrument.con_id]
        touch.take(order.side * part.leg.sign, int(part.quantity))


def _progress(order: WorkingOrder, fill: MatchedFill) -> None:
    order.filled += fill.quantity
    order.value += fill.price * fill.quantity
    order.last_price = fill.price if fill.quantity else order.last_price


def _executions(desk: BrokerState, order: WorkingOrder, fill: MatchedFill, parts: Sequence[LegFill]) -> list[Execution]:
    """Return the executions: the combo's own first, then one for each leg, numbered in their ids."""
    desk.execution_count += 1
    stem = f"{0xE0D5 + desk.seed % 0xFFFF:08x}.{desk.execution_count:08x}"
    first = _execution(desk, order, f"{stem}.01.01", fill)
    if not order.is_combo:
        found = [first]
    else:
        legs = [_leg_execution(order, first, part, f"{stem}.{n:02d}.01") for n, part in enumerate(parts, 2)]
        found = [first, *legs] if fill.quantity else legs
    for one in found:
        desk.executions.append(one)
        record(desk, one, one.at)
    return found


def _execution(desk: BrokerState, order: WorkingOrder, exec_id: str, fill: MatchedFill) -> Execution:
    ticket = order.ticket
    return Execution(
        exec_id=exec_id,
        client_id=ticket.client_id,
        order_id=ticket.order_id,
        perm_id=order.perm_id,
        con_id=0 if order.is_combo else order.legs[0].instrument.con_id,
        symbol=ticket.symbol or order.legs[0].instrument.symbol,
        sec_type=ticket.sec_type,
        at=desk.now,
        account=desk.account_id,
        side=SIDE_NAMES[order.side],
        quantity=Decimal(fill.quantity),
        price=fill.price,
        cumulative=order.filled,
        average_price=float(order.value / order.filled) if order.filled else 0.0,
        order_ref=ticket.order_ref,
        liquidity=fill.liquidity,
    )


def _leg_execution(order: WorkingOrder, combo: Execution, part: LegFill, exec_id: str) -> Execution:
    instrument = part.leg.instrument
    value = order.leg_values.get(instrument.con_id, ZERO) + part.price * part.quantity
    order.leg_values[instrument.con_id] = value
    cumulative = order.leg_filled.get(instrument.con_id, ZERO) + part.quantity
    order.leg_filled[instrument.con_id] = cumulative
    return replace(
        combo,
        exec_id=exec_id,
        con_id=instrument.con_id,
        symbol=instrument.symbol,
        sec_type=instrument.sec_type.value,
        side=SIDE_NAMES[order.side * part.leg.sign],
        quantity=part.quantity,
        price=part.price,
        cumulative=cumulative,
        average_price=float(value / cumulative),
    )


def record(desk: BrokerState, one: Execution, at: datetime) -> None:
    """Write an execution to the ledger, told at `at`."""
    instrument = desk.market.catalogue.by_id(one.con_id) if one.con_id else None
    desk.ledger.write(
        "execution",
        at,
        exec_id=one.exec_id,
        perm_id=one.perm_id,
        client_id=one.client_id,
        order_id=one.order_id,
        order_ref=one.order_ref,
        con_id=one.con_id,
        name=contract_name(instrument) if instrument else f"{one.symbol} combo",
        sec_type=one.sec_type,
        side=one.side,
        quantity=one.quantity,
        price=one.price,
    )


def _book(desk: BrokerState, order: WorkingOrder, part: LegFill, execution: Execution) -> Commissioned:
    """Move cash and position of one leg and return its commission report."""
    instrument = part.leg.instrument
    side = order.side * part.leg.sign
    commission, order.broker_fee = charge(
        instrument, part.quantity, part.price, sold=side < 0, paid=order.broker_fee, single=not order.is_combo
    )
    value = side * part.quantity * part.price * instrument.multiplier
    held = desk.account.quantity(instrument.con_id)
    desk.day_trades.note(order.perm_id, instrument.con_id, held, side * part.quantity)
    realized = desk.account.trade(instrument.con_id, side * part.quantity, value, commission)
    report = Commissioned(execution.exec_id, execution.client_id, commission, realized)
    desk.commissions[execution.exec_id] = report
    desk.cash(instrument.con_id, -value, "trade")
    desk.cash(instrument.con_id, -commission, "commission")
    desk.ledger.write(
        "commission",
        desk.now,
        exec_id=execution.exec_id,
        con_id=instrument.con_id,
        commission=commission,
        realized=realized,
    )
    desk.position(instrument.con_id)
    return report


def _ordered(desk: BrokerState, order: WorkingOrder, executed: list[Executed], charged: Decimal) -> list[Report]:
    """Return executions and statuses: executions first mostly, Filled twice, the second with the commission."""
    if order.remaining:
        order.status, order.commission = Status.SUBMITTED, charged
        return [*executed, *desk.status(order)]
    desk.book.finish(order, Status.FILLED, f"Filled Size: {order.filled}", desk.now)
    status = desk.status(order)
    order.commission = charged
    again = OrderChanged(order.view())
    if seeded_fraction(desk.seed, order.perm_id, "status first") < desk.settings.status_before_execution:
        return [*status, *executed, again]
    return [*executed, *status, again]
