"""How a case is asked: orders so far from the market that none fills, each taken back, all through the one broker."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import ceil, isnan

from rulebot.adapters.ib.broker import IbBroker
from rulebot.adapters.ib.trouble import is_paper
from rulebot.doctor.probe.answers import Answer, answer_to, is_told_at
from rulebot.doctor.probe.tape import Tape
from rulebot.evaluate.listings import neighbours
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.errors import BrokerError, InvariantError
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.values import replace
from rulebot.order.draft import Ticket, draft
from rulebot.preview.read_only_session import ReadOnlySession

PATIENCE = 10
"""Seconds that the broker may take for an answer."""
SETTLES = 2
"""Seconds in which a second thought of the broker (an error after its first status) may come."""
DAYS_AHEAD = timedelta(days=30)
FAR = Decimal("0.05")
"""What is bid for options at the money: on every grid, and far below what they cost."""
NEXT_VALID_ID = "9"
DEAR = 3
"""How many times the ask is asked for."""


class Probe:
    """One round of cases at one gateway. `sent` are the orders so far; what is not over at the end is taken back."""

    def __init__(self, visit: ReadOnlySession, broker: IbBroker, tape: Tape, symbol: str) -> None:
        account = visit.link.account
        if not is_paper(account):
            raise InvariantError(f"account {account} is not a paper account: nothing is tried with real money")
        self.visit, self.tape, self.symbol = visit, tape, symbol
        self._broker = broker
        self._next_id = visit.up.next_order_id
        self.sent: list[Order] = []
        self.puts: tuple[Option, ...] = ()

    async def find_options(self) -> None:
        """Choose three puts around spot about a month ahead, and wait for their quotes. Raises: BrokerError."""
        visit, level = self.visit, Underlying(self.symbol)
        visit.watch([level])
        trading_class = product(self.symbol).same_day_class
        listing = await visit.feed.listing(self.symbol, trading_class)
        expiry = _nearest(listing.expiries, visit.session.date + DAYS_AHEAD)
        strikes = (await visit.feed.strikes(listing, expiry)).strikes[expiry]
        for _ in range(PATIENCE):
            await visit.pass_time()
            if (spot := visit.view().level(self.symbol)) is not None:
                break
        else:
            raise BrokerError(f"{self.symbol} has no price", "see its market data above")
        chosen = sorted(neighbours(strikes, spot, 2), reverse=True)[:3]
        self.puts = tuple(Option(self.symbol, trading_class, expiry, strike, Right.PUT) for strike in chosen)
        visit.watch([level, *self.puts])
        for _ in range(PATIENCE):
            await visit.pass_time()
            if not any(isnan(self.ask_of(put)) for put in self.puts):
                return
        raise BrokerError(f"the options on {self.symbol} have no quotes", "see their market data above")

    def ask_of(self, option: Option) -> float:
        """Return the ask of an option that is streamed, nan without one."""
        board = self.visit.feed.board
        return board.ask[board.rows[option]]

    def dear(self, option: Option) -> Decimal:
        """Return a price so high that nobody pays it, on every grid."""
        return Decimal(ceil(self.ask_of(option) * DEAR))

    def single(self, put: Option, side: Side, net: Decimal, *, adaptive: str = "") -> Order:
        """Return an order of one put; `net` is what it brings a share."""
        return self._drafted((OrderLeg("put", put, side),), OrderType.LIMIT, net=net, adaptive=adaptive)

    def spread(
        self,
        first: int = 0,
        *,
        net: Decimal | None = -FAR,
        stop: Decimal | None = None,
        oca: str = "",
        adaptive: str = "",
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        """Return an order that buys a put and sells the next one below; with `stop` a stop order."""
        legs = (OrderLeg("long", self.puts[first], Side.BUY), OrderLeg("short", self.puts[first + 1], Side.SELL))
        kind = OrderType.LIMIT if stop is None else OrderType.STOP
        order = self._drafted(legs, kind, net=net if stop is None else None, stop=stop, oca=oca, adaptive=adaptive)
        return replace(order, time_in_force=time_in_force)

    @property
    def width(self) -> Decimal:
        """The most that the spread of the first two puts can be worth."""
        return self.puts[0].strike - self.puts[1].strike

    def _drafted(
        self,
        legs: tuple[OrderLeg, ...],
        kind: OrderType,
        *,
        net: Decimal | None = None,
        stop: Decimal | None = None,
        oca: str = "",
        adaptive: str = "",
    ) -> Order:
        number, self._next_id = self._next_id, self._next_id + 1
        case = self.tape.case
        ticket = Ticket(f"probe:{number}", number, number, "probe", case, Purpose.ENTRY, case, "", self.visit.at)
        return draft(ticket, legs, 1, kind, net=net, stop=stop, oca_group=oca, adaptive=adaptive)

    # ------------------------------------------------------------ sending

    async def place(self, order: Order) -> Answer:
        """Send an order and return what is said of it within a few seconds."""
        self.tape.note(words_of(order))
        self.sent.append(order)
        self._broker.submit(order)
        return await self._told(order)

    async def place_and_count(self, order: Order) -> tuple[Answer, int]:
        """Send an order and, in the same breath, ask for the next order id; 0 when none was told."""
        before = len(self.tape.frames)
        self.tape.note(words_of(order))
        self.sent.append(order)
        self._broker.submit(order)
        self.visit.link.wire.client.reqIds(1)
        answer = await self._told(order)
        told = [frame.fields[2] for frame in self.tape.frames[before:] if frame.fields[0] == NEXT_VALID_ID]
        return answer, int(told[0]) if told else 0

    async def change(self, order: Order, by: Decimal) -> str:
        """Ask for another limit of an order that works, by so much, and return in words what becomes of it."""
        limit = (order.limit_price or Decimal(0)) + by
        changed, before = order.with_terms(order.quantity, limit), self.answer(order)
        self.tape.note(f"change {words_of(changed)}")
        self._broker.replace(changed)
        for _ in range(PATIENCE):
            await self.visit.pass_time()
            if is_told_at(order.order_id, limit, self.tape.frames) or self.answer(order) != before:
                break
        await self._pass(SETTLES)
        if is_told_at(order.order_id, limit, self.tape.frames):
            return "changed"
        now = self.answer(order)
        codes = [*now.warnings, *(code for code, _ in now.refusals)]
        return f"not changed, {', '.join(map(str, codes)) or 'no answer'}"

    async def ask_margin(self, order: Order) -> Answer:
        """Ask what an order would need, by a what-if."""
        self.tape.note(f"what if {words_of(order)}")
        self._broker.ask_margin(order)
        for _ in range(PATIENCE):
            await self.visit.pass_time()
            answer = self.answer(order)
            if answer.is_opened or answer.is_refused:
                break
        return answer

    async def take_back(self, order: Order) -> Answer:
        """Cancel an order and return how it ended."""
        self.tape.note(f"cancel {order.ref}")
        self._broker.cancel(order)
        for _ in range(PATIENCE):
            await self.visit.pass_time()
            if self.answer(order).is_over:
                break
        await self._pass(SETTLES)
        return self.answer(order)

    def answer(self, order: Order) -> Answer:
        """Return all that has been said of an order so far."""
        return answer_to(order.order_id, self.tape.frames)

    async def list_executions(self) -> None:
        """Let the broker tell today's executions and open orders."""
        self.tape.note("today's executions and open orders")
        self._broker.inquire()
        await self._pass(SETTLES)

    async def take_all_back(self) -> None:
        """Cancel what may still work. Raises: BrokerError."""
        for order in self.sent:
            if not self.answer(order).is_over:
                await self.take_back(order)

    def left(self) -> list[str]:
        """Return what is left at the broker, in words: orders that have not ended, and those that filled."""
        working = [order for order in self.sent if not self.answer(order).is_over]
        filled = [order for order in self.sent if self.answer(order).filled]
        return [
            *(f"{order.ref} may still work ({order.reason})" for order in working),
            *(f"{order.ref} has filled ({order.reason})" for order in filled),
        ]

    async def _told(self, order: Order) -> Answer:
        for _ in range(PATIENCE):
            await self.visit.pass_time()
            if self.answer(order).is_told:
                break
        await self._pass(SETTLES)
        return self.answer(order)

    async def _pass(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.visit.pass_time()


def words_of(order: Order) -> str:
    """Return an order in words: `probe:7 BUY 1 SPY ... at 0.05`."""
    legs = ", ".join(f"{leg.side.name} {leg.option}" for leg in order.legs)
    price = order.limit_price if order.stop_price is None else f"stop {order.stop_price}"
    more = "".join(
        (f" in group {order.oca_group}" * bool(order.oca_group), f" {order.adaptive}" * bool(order.adaptive))
    )
    return f"{order.ref} {order.side.name} {order.quantity} {legs} at {price}{more}"


def _nearest(expiries: Sequence[date], wanted: date) -> date:
    if not expiries:
        raise BrokerError("the broker lists no expiry")
    return min(expiries, key=lambda each: (abs(each - wanted), each))
