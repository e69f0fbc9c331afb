"""Orders out, by the engine's own order ids.

The client library's Trade objects are not used: they would call a working order cancelled after most warnings, and then
refuse to change it. So orders leave through `ib.client`, which writes the message and keeps no state.
"""

import logging
from decimal import Decimal
from functools import partial

import ib_async

from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.ib import convert
from rulebot.adapters.ib.contracts import SMART, ContractBook
from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.quotes import FAULTS
from rulebot.adapters.ib.requests import MessagePriority
from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.transport import REQUEST_IDS, Wire
from rulebot.model.errors import BrokerError, InvariantError, RulebotError, internal_error_text
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.values import dataclass

log = logging.getLogger("rulebot.ib")

ONE_CANCELS_REST = 1
"""ocaType: a fill cancels the rest of the group, and only one of them is at an exchange at a time."""

_TYPES = {OrderType.LIMIT: "LMT", OrderType.MARKET: "MKT", OrderType.STOP: "STP"}
_TIMES = {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC"}
_ACTIONS = {Side.BUY: "BUY", Side.SELL: "SELL"}
_PRIORITIES = {"patient": "Patient", "normal": "Normal", "urgent": "Urgent"}


def _plain(price: Decimal) -> Decimal:
    """Return the same number in a form that prints without an exponent."""
    return Decimal(f"{price:f}")


def order_to_broker(order: Order, account: str) -> ib_async.Order:
    """Return the order as the broker writes it. Raises: InvariantError when it lacks what its type needs."""
    found = ib_async.Order(
        orderId=order.order_id,
        action=_ACTIONS[Side.BUY if order.is_combo else order.side],
        totalQuantity=order.quantity * (1 if order.is_combo else order.legs[0].ratio),
        orderType=_TYPES[order.kind],
        tif=_TIMES[order.time_in_force],
        orderRef=order.ref,
        account=account,
        outsideRth=False,
        transmit=True,
    )
    _set_prices(found, order)
    if order.oca_group:
        found.ocaGroup = order.oca_group
        found.ocaType = ONE_CANCELS_REST
    if order.adaptive:
        found.algoStrategy = "Adaptive"
        found.algoParams = [ib_async.TagValue("adaptivePriority", _PRIORITIES[order.adaptive.lower()])]
    if order.is_combo and len({leg.option.symbol for leg in order.legs}) > 1:
        # the exchange guarantees a combo only on one underlying; the broker takes others as legs it works itself
        found.smartComboRoutingParams = [ib_async.TagValue("NonGuaranteed", "1")]
    return found


def _set_prices(found: ib_async.Order, order: Order) -> None:
    if order.kind is OrderType.LIMIT:
        if order.limit_price is None:
            raise InvariantError(f"limit order {order.ref} has no limit price")
        found.lmtPrice = _plain(order.limit_price)
    elif order.kind is OrderType.STOP:
        if order.stop_price is None:
            raise InvariantError(f"stop order {order.ref} has no stop price")
        found.auxPrice = _plain(order.stop_price)


def combo_to_broker(legs: tuple[OrderLeg, ...], book: ContractBook) -> ib_async.Contract:
    """Return a combo of these legs, as it is when bought. Raises: BrokerError when a leg's contract id is unknown."""
    symbol = convert.symbol_there(legs[0].option.symbol)
    found = ib_async.Contract(secType="BAG", symbol=symbol, exchange=SMART, currency=convert.CURRENCY)
    for leg in legs:
        con_id = book.con_id(leg.option)
        if not con_id:
            raise BrokerError(f"the broker's contract id of {leg.option} is not known; ask for its strikes first")
        found.comboLegs.append(
            ib_async.ComboLeg(conId=con_id, ratio=leg.ratio, action=_ACTIONS[leg.side], exchange=SMART)
        )
    return found


_UNSENDABLE = (RulebotError, *FAULTS, AttributeError, ArithmeticError)
"""The error raised for an order that cannot be encoded."""


class IbBroker:
    """The Broker port. A send on a lost connection is dropped: the Disconnected event that follows reports it.

    An order that cannot be encoded fails alone: the link reports it as OrderUnsent with the next batch.
    """

    def __init__(self, link: IbLink, book: ContractBook) -> None:
        self._link = link
        self._book = book

    def submit(self, order: Order) -> None:
        self._place(order, is_new=True)

    def ask_margin(self, order: Order) -> None:
        self._place(order, is_question=True)

    def replace(self, order: Order) -> None:
        self._place(order, is_change=True)

    def _place(self, order: Order, *, is_question: bool = False, is_new: bool = False, is_change: bool = False) -> None:
        self._check_may_send(order)
        if (wire := self._wire()) is None:
            log.warning("order %s was not sent: the connection is gone", order.ref)
            return
        try:
            contract, found = self._written(order, is_change=is_change)
        except _UNSENDABLE as problem:
            self._fail(order, problem, is_change=is_change)
            return
        found.whatIf = is_question
        rank = MessagePriority.OPENING if is_question or order.purpose is Purpose.ENTRY else MessagePriority.REDUCING
        send = partial(self._send, wire, order, contract, found, is_change=is_change)
        wire.pace.order(order.order_id, rank, send, is_new=is_new or is_question)

    def _written(self, order: Order, *, is_change: bool) -> tuple[ib_async.Contract, ib_async.Order]:
        """Return contract and order as the broker writes them. Raises: BrokerError, InvariantError."""
        if not 0 < order.order_id < REQUEST_IDS:
            raise InvariantError(f"order {order.ref} has order id {order.order_id}")
        if not order.is_combo:
            contract = self._book.to_broker(order.legs[0].option)
        else:
            contract = combo_to_broker(order.legs, self._book)
            if is_change:
                contract = self._link.combos.to_change(order.order_id, contract)
        return contract, order_to_broker(order, self._link.account)

    def _send(
        self, wire: Wire, order: Order, contract: ib_async.Contract, found: ib_async.Order, *, is_change: bool
    ) -> None:
        """Hand a written order to the connection; one that ib_async cannot encode fails alone."""
        log.debug(
            "order %d %s: %s %s %s at %s%s",
            order.order_id,
            order.ref or "margin question",
            found.action,
            found.totalQuantity,
            found.orderType,
            order.limit_price or order.stop_price or "market",
            " (changed)" if is_change else "",
        )
        try:
            wire.client.placeOrder(order.order_id, contract, found)
        except _UNSENDABLE as problem:
            self._fail(order, problem, is_change=is_change)

    def _fail(self, order: Order, problem: Exception, *, is_change: bool) -> None:
        """Report that an order, or a change of one, was not sent."""
        text = problem.message if isinstance(problem, RulebotError) else internal_error_text(problem)
        log.error("order %s could not be sent: %s", order.ref or "of a margin question", text, exc_info=problem)
        self._link.report_unsent(order.order_id, text, is_change=is_change)

    def cancel(self, order: Order) -> None:
        """Ask to cancel by order id."""
        self._check_may_send(order)
        if (wire := self._wire()) is None:
            log.warning("cancel of %s was not sent: the connection is gone", order.ref)
            return
        log.debug("cancel of order %d %s", order.order_id, order.ref)
        wire.pace.order(order.order_id, MessagePriority.REDUCING, lambda: wire.client.cancelOrder(order.order_id, ""))

    def _check_may_send(self, order: Order) -> None:
        """Raise InvariantError on a connection that only looks."""
        if not self._link.sends_orders:
            raise InvariantError(f"order {order.ref} was to be sent over a connection that sends none")

    def _wire(self) -> Wire | None:
        """Return the connection while it takes messages; after an attempt to connect again has failed there is none."""
        return self._link.wire if self._link.is_up and self._link.wire.is_up else None

    def inquire(self) -> None:
        """Request positions, then today's executions, then the open orders of all clients.

        Positions are pushed as they change; a lost message would put a position on hold.
        """
        if (wire := self._wire()) is not None:
            wire.pace.in_turn(wire.client.reqPositions)
            wire.pace.in_turn(self._link.inquire)


# --- Link, feed and broker around one connection


@dataclass(frozen=True, slots=True)
class IbConnection:
    """The three ports to Interactive Brokers."""

    link: IbLink
    feed: IbFeed
    broker: IbBroker


def ib_world(settings: IbSettings, clock: Clock | None = None) -> IbConnection:
    """Put the ports together; nothing is connected until `link.connect`. `clock` stamps events outside lockstep."""
    book = ContractBook()
    feed = IbFeed(settings, book, Board())
    link = IbLink(settings, WallClock() if clock is None else clock, feed, book)
    return IbConnection(link, feed, IbBroker(link, book))
