"""What happens in the account that no client asked for: trades at the broker's window, liquidation, assignment.

All of it moves the books and the ledger as any trade does, under no order reference of a client.
"""

from dataclasses import replace
from decimal import Decimal

from rulebot.model.money import CENT
from twsim.exchange.book import WorkingOrder
from twsim.exchange.combo import order_touch, weighted
from twsim.exchange.desk import BrokerState
from twsim.exchange.execution import execute, parts_of
from twsim.exchange.matching import REMOVED, MatchedFill
from twsim.exchange.settle import deliver
from twsim.exchange.tick_rules import tick_rule
from twsim.instrument import Settle
from twsim.seams import Commissioned, Executed, PositionChanged, Report, Ticket

WINDOW = 0
"""The client id of who has none: the broker's own window, and the broker."""
EARLY = "assigned early"
"""The outcome of an assignment before expiry, in the ledger."""


def external_trade(desk: BrokerState, con_id: int, quantity: int, *, liquidation: bool = False) -> list[Report]:
    """Trade so many contracts (signed) at the far side of the market; nothing when nobody quotes."""
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
