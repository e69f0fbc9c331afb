"""Faulty fills (late, too many, at a worse price, of one leg) and corrected trades.

All move the books and the ledger as an ordinary trade does, so that the ledger stays the truth.
"""

from dataclasses import replace
from decimal import Decimal

from twsim.exchange.broker_state import Account, BrokerState, WorkingOrder
from twsim.exchange.execution import execute, parts_of, record
from twsim.exchange.intake import release_children
from twsim.exchange.matching import ADDED, REMOVED, MatchedFill
from twsim.exchange.nbbo import Nbbo, order_touch, tick_rule, weighted
from twsim.exchange.settlement import deliver, end_cancelled, on_oca_fill
from twsim.nouns import CENT, ZERO, Settle
from twsim.seams import Commissioned, Executed, Execution, OrderChanged, PositionChanged, Report, Status, Ticket


def fill_cancelled(desk: BrokerState, key: tuple[int, int]) -> list[Report]:
    """Fill what remained of a cancelled order, at its limit or at the market; nothing when that cannot be."""
    order = desk.book.orders.get(key)
    if order is None or order.status is not Status.CANCELLED or not order.transmitted or order.legs_in:
        return []
    if order.is_stop and not order.triggered:
        return []
    quotes = desk.quotes(leg.instrument.con_id for leg in order.legs)
    far = order_touch(order.legs, quotes).far(order.side)
    limit = order.ticket.limit_price
    price = far if limit is None else limit
    if far is None or price is None or not order.remaining:
        return []
    fill = MatchedFill(price, int(order.remaining), ADDED)
    reports = execute(desk, order, parts_of(order, fill, quotes), fill, quotes)
    return [*reports, *on_oca_fill(desk, order, fill.quantity)]


def apply_fill_faults(
    desk: BrokerState, order: WorkingOrder, fill: MatchedFill, quotes: dict[int, Nbbo]
) -> list[Report]:
    """Let the first trade of an order that is hindered go wrong, once."""
    met, order.met = order.met, None
    assert met is not None
    if order.lone_leg:
        if not 0 < order.lone_leg <= len(order.legs) or not order.is_combo:
            return []
        met()
        part = parts_of(order, fill, quotes)[order.lone_leg - 1]
        reports = execute(desk, order, [part], MatchedFill(fill.price, 0, fill.liquidity), quotes)
        return [*reports, *end_cancelled(desk, order, "The other legs did not trade")]
    limit = order.ticket.limit_price
    price = None if limit is None else limit + order.side * order.slip
    if price is None or (price <= 0 and not order.is_combo):
        return []
    met()
    worse = fill._replace(price=price)
    reports = execute(desk, order, parts_of(order, worse, quotes), worse, quotes)
    return [*reports, *release_children(desk, order), *on_oca_fill(desk, order, worse.quantity)]


def fill_beyond(desk: BrokerState, exec_id: str) -> list[Report]:
    """Fill one more of an order that is filled, at its last price; the order says what it was to be."""
    old = next((one for one in desk.executions if one.exec_id == exec_id), None)
    order = None if old is None else desk.book.orders.get((old.client_id, old.order_id))
    if order is None or order.status is not Status.FILLED or order.legs_in:
        return []
    quotes = desk.quotes(leg.instrument.con_id for leg in order.legs)
    asked = order.ticket.quantity
    order.resize(order.filled + 1)
    fill = MatchedFill(order.last_price, 1, ADDED)
    reports = execute(desk, order, parts_of(order, fill, quotes), fill, quotes)
    order.resize(asked)
    return [_with_quantity(report, asked) for report in reports]


def _with_quantity(report: Report, quantity: Decimal) -> Report:
    if not isinstance(report, OrderChanged):
        return report
    view = report.order
    return replace(report, order=replace(view, ticket=replace(view.ticket, quantity=quantity)))


def correct(desk: BrokerState, exec_id: str, price_by: Decimal, quantity_by: Decimal) -> list[Report]:
    """Correct today's execution of a contract: its id with a higher revision, another price or quantity.

    An earlier correction is corrected in its present form.
    """
    base = exec_id.rpartition(".")[0]
    old = next((one for one in reversed(desk.executions) if one.exec_id.rpartition(".")[0] == base), None)
    paid = None if old is None else desk.commissions.get(old.exec_id)
    if old is None or paid is None:
        return []
    price, quantity = max(old.price + price_by, ZERO), max(old.quantity + quantity_by, ZERO)
    new = _corrected(desk, old, price, quantity)
    desk.executions.append(new)
    record(desk, new, desk.now)
    realized = _rebook(desk, old, new, closed=paid.realized is not None)
    moved = Commissioned(new.exec_id, paid.client_id, paid.commission, _sum(paid.realized, realized))
    desk.commissions[new.exec_id] = moved
    if realized is not None:
        fields = {"exec_id": new.exec_id, "con_id": new.con_id, "commission": ZERO, "realized": realized}
        desk.ledger.write("commission", desk.now, **fields)
    desk.position(new.con_id)
    return [Executed(new), moved, PositionChanged(new.con_id)]


def _sum(before: Decimal | None, change: Decimal | None) -> Decimal | None:
    return before if change is None else (before or ZERO) + change


def _corrected(desk: BrokerState, old: Execution, price: Decimal, quantity: Decimal) -> Execution:
    """Return the corrected execution; its order's totals are brought up to date."""
    stem, _, revision = old.exec_id.rpartition(".")
    more, value = quantity - old.quantity, price * quantity - old.price * old.quantity
    cumulative = old.cumulative + more
    average = (Decimal(str(old.average_price)) * old.cumulative + value) / cumulative if cumulative else ZERO
    order = desk.book.orders.get((old.client_id, old.order_id))
    if order is not None and not order.is_combo:
        _adjust(order, more, value)
    return replace(
        old,
        exec_id=f"{stem}.{int(revision) + 1:02d}",
        price=price,
        quantity=quantity,
        cumulative=cumulative,
        average_price=float(average),
    )


def _adjust(order: WorkingOrder, quantity: Decimal, value: Decimal) -> None:
    order.filled += quantity
    order.value += value


def _rebook(desk: BrokerState, old: Execution, new: Execution, *, closed: bool) -> Decimal | None:
    """Move cash and position by the difference; return what that realised, None when nothing."""
    side = 1 if old.side == "BOT" else -1
    multiplier = desk.instrument(old.con_id).multiplier
    value = side * (new.price * new.quantity - old.price * old.quantity) * multiplier
    desk.cash(old.con_id, -value, "trade")
    more = side * (new.quantity - old.quantity)
    if more:
        return desk.account.trade(old.con_id, more, value, ZERO)
    return _reprice(desk.account, old.con_id, value, closed=closed)


def _reprice(account: Account, con_id: int, value: Decimal, *, closed: bool) -> Decimal | None:
    """Book another price: into the cost of what is held, or as realised when the trade closed or nothing is held."""
    held = account.holdings[con_id]
    account.cash -= value
    if held.quantity and not closed:
        held.cost += value
        return None
    held.realized -= value
    account.realized_today -= value
    return -value


# --- What happens in the account that no client asked for

WINDOW = 0
"""The client id of who has none: the broker's own window, and the broker."""
EARLY = "assigned early"
"""The outcome of an assignment before expiry, in the ledger."""


def external_trade(desk: BrokerState, con_id: int, quantity: int, *, liquidation: bool = False) -> list[Report]:
    """Trade this many contracts (signed) at the far side of the market; nothing without a quote."""
    instrument = desk.instrument(con_id)
    quotes = desk.quotes([con_id])
    side = 1 if quantity > 0 else -1
    order = WorkingOrder(
        _ticket(con_id, instrument.symbol, instrument.sec_type.value, side, abs(quantity)),
        desk.book.next_perm(),
        weighted([(instrument, 1, 1)]),
        tick_rule(instrument),
        since=desk.now,
        expires=None,
    )
    touch = order_touch(order.legs, quotes)
    price = touch.far(side) or touch.near(side)
    if price is None:
        return []
    fill = MatchedFill(price, abs(quantity), REMOVED)
    reports = execute(desk, order, parts_of(order, fill, quotes), fill, quotes)
    kept = [each for each in reports if isinstance(each, Executed | Commissioned | PositionChanged)]
    return [_liquidating(desk, each) if liquidation and isinstance(each, Executed) else each for each in kept]


def _liquidating(desk: BrokerState, report: Executed) -> Executed:
    """Return an execution of the broker's own, which it stays when it is corrected."""
    marked = replace(report.execution, liquidation=True)
    desk.executions[desk.executions.index(report.execution)] = marked
    return Executed(marked)


def _ticket(con_id: int, symbol: str, sec_type: str, side: int, quantity: int) -> Ticket:
    return Ticket(
        client_id=WINDOW,
        order_id=0,
        con_id=con_id,
        symbol=symbol,
        sec_type=sec_type,
        action="BUY" if side > 0 else "SELL",
        quantity=Decimal(quantity),
        order_type="MKT",
        limit_price=None,
        aux_price=None,
        tif="DAY",
        oca_group="",
        oca_type=0,
        account="",
        order_ref="",
    )


def external_assignment(desk: BrokerState, con_id: int) -> list[Report]:
    """Assign a short option on shares before it expires: it is gone, and the shares come or go at the strike."""
    instrument = desk.instrument(con_id)
    if instrument.settle is not Settle.SHARES or desk.account.quantity(con_id) >= 0:
        return []
    return deliver(desk, instrument, CENT, EARLY)
