"""A fill becomes executions, commissions, positions, cash and reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from twsim.exchange.broker_state import BrokerState, WorkingOrder, contract_name
from twsim.exchange.matching import REMOVED, MatchedFill, QuoteInstant, match
from twsim.exchange.nbbo import Leg, Nbbo, leg_prices, seeded_fraction, widest_touch
from twsim.nouns import ZERO, Instrument
from twsim.seams import (
    Commissioned,
    Executed,
    Execution,
    OrderChanged,
    PositionChanged,
    Report,
    Status,
)

# --- Commissions and fees, as the broker charges US customers

BASIS = Decimal("0.0001")
ORDER_MINIMUM = Decimal("1.00")
ORF = Decimal("0.02685")
CLEARING = Decimal("0.02")
SEC_RATE = Decimal("0.000008")
TAF_OPTION = Decimal("0.00279")
TAF_SHARE = Decimal("0.000166")
SHARE = Decimal("0.005")
SHARE_CAP = Decimal("0.01")

Steps = tuple[tuple[Decimal, Decimal], ...]
_OPTION_RATE: Steps = (
    (ZERO, Decimal("0.25")),
    (Decimal("0.05"), Decimal("0.50")),
    (Decimal("0.10"), Decimal("0.65")),
)
_CLASS_FEE: dict[str, Steps] = {
    "SPX": ((ZERO, Decimal("0.57")), (Decimal(1), Decimal("0.66"))),
    "SPXW": ((ZERO, Decimal("0.49")), (Decimal(1), Decimal("0.58"))),
    "VIX": (
        (ZERO, Decimal("0.10")),
        (Decimal("0.11"), Decimal("0.25")),
        (Decimal(1), Decimal("0.45")),
        (Decimal(2), Decimal("0.50")),
    ),
}
_CLASS_FEE["VIXW"] = _CLASS_FEE["VIX"]
_CLASS_FEE["RUT"] = _CLASS_FEE["RUTW"] = ((ZERO, Decimal("0.18")),)
_CLASS_FEE["NDX"] = _CLASS_FEE["NDXP"] = ((ZERO, Decimal("0.25")),)
_COMPLEX_FEE = {"NDX": Decimal("0.25"), "NDXP": Decimal("0.25")}


def _step(steps: Steps, price: Decimal) -> Decimal:
    found = steps[0][1]
    for edge, rate in steps:
        if price >= edge:
            found = rate
    return found


def broker_fee(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """Return the broker's own part in dollars, before the minimum of the order."""
    if instrument.is_option:
        return quantity * _step(_OPTION_RATE, price)
    return min(quantity * SHARE, max(ORDER_MINIMUM, quantity * price * SHARE_CAP))


def third_party_fee(
    instrument: Instrument, quantity: Decimal, price: Decimal, *, sold: bool, single: bool = True
) -> Decimal:
    """Return exchange, clearing and regulatory fees in dollars; single: it is no leg of a combo."""
    fee = ZERO
    if instrument.is_option:
        fee += quantity * (ORF + CLEARING)
        if (steps := _CLASS_FEE.get(instrument.trading_class)) is not None:
            fee += quantity * _step(steps, price)
        if not single:
            fee += quantity * _COMPLEX_FEE.get(instrument.trading_class, ZERO)
    if sold:
        fee += quantity * price * instrument.multiplier * SEC_RATE
        fee += quantity * (TAF_OPTION if instrument.is_option else TAF_SHARE)
    return fee


def charge(
    instrument: Instrument, quantity: Decimal, price: Decimal, *, sold: bool, paid: Decimal, single: bool
) -> tuple[Decimal, Decimal]:
    """Return the commission of one fill and the broker's part of the order so far, `paid` being that before it.

    The first fill of a single order bears the minimum; later fills pay only what exceeds it.
    Units: dollars, to a hundredth of a cent.
    """
    fee = third_party_fee(instrument, quantity, price, sold=sold, single=single)
    total = paid + broker_fee(instrument, quantity, price)
    floor = ORDER_MINIMUM if single else ZERO
    before = max(floor, paid) if paid else ZERO
    return (max(floor, total) - before + fee).quantize(BASIS), total


# --- A fill becomes executions, commissions, positions, cash and reports

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
    """Write an execution to the ledger, reported at `at`."""
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


# --- Non-guaranteed combos


def fill_leg_by_leg(
    order: WorkingOrder, quotes: dict[int, Nbbo], moment: QuoteInstant
) -> tuple[MatchedFill, list[LegFill]] | None:
    """Return what the legs trade at this instant and what that completes; None when nothing trades."""
    started = max((_filled(order, leg) + leg.ratio - 1) // leg.ratio for leg in order.legs)
    if started > order.filled:
        parts, liquidity = _catch_up(order, started, quotes), REMOVED
    else:
        fills = match(order, widest_touch(order.legs, quotes), moment)
        parts = [_within_size(order, part, quotes) for part in parts_of(order, fills[0], quotes)] if fills else []
        liquidity = fills[0].liquidity if fills else REMOVED
    parts = [part for part in parts if part.quantity]
    return (_completed(order, parts, liquidity), parts) if parts else None


def _filled(order: WorkingOrder, leg: Leg) -> Decimal:
    return order.leg_filled.get(leg.instrument.con_id, ZERO)


def _within_size(order: WorkingOrder, part: LegFill, quotes: dict[int, Nbbo]) -> LegFill:
    size = quotes[part.leg.instrument.con_id].far_size(order.side * part.leg.sign)
    return part._replace(quantity=min(part.quantity, Decimal(size)))


def _catch_up(order: WorkingOrder, started: Decimal, quotes: dict[int, Nbbo]) -> list[LegFill]:
    """Return what the legs that are behind can trade at their own far side."""
    parts = []
    for leg in order.legs:
        price = quotes[leg.instrument.con_id].far(order.side * leg.sign)
        missing = started * leg.ratio - _filled(order, leg)
        if price is not None and missing > 0:
            parts.append(_within_size(order, LegFill(leg, missing, price), quotes))
    return parts


def _completed(order: WorkingOrder, parts: list[LegFill], liquidity: int) -> MatchedFill:
    """Return how many combos the parts complete, at the average price of their legs.

    The order's value follows that of its legs, so its average price is theirs once all legs are level.
    """
    counts, values = dict(order.leg_filled), dict(order.leg_values)
    for part in parts:
        con_id = part.leg.instrument.con_id
        counts[con_id] = counts.get(con_id, ZERO) + part.quantity
        values[con_id] = values.get(con_id, ZERO) + part.quantity * part.price
    whole = min(counts.get(leg.instrument.con_id, ZERO) // leg.ratio for leg in order.legs)
    done = int(whole - order.filled)
    if done <= 0:
        return MatchedFill(order.last_price, 0, liquidity)
    averages = {con_id: values[con_id] / counts[con_id] for con_id in counts}
    net = sum((leg.sign * leg.weight * averages[leg.instrument.con_id] for leg in order.legs), ZERO)
    return MatchedFill(((net * whole - order.value) / done).quantize(BASIS), done, liquidity)
