"""An engine driven by hand: a Program from spec text, a Board filled with round numbers, and events one by one.

`Desk` plays the loop, the market and the broker. Nothing is decided here: each test says what the broker answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from math import exp, nan
from pathlib import Path

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.compile.build import build_plan
from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.program import AccountLimits, CompiledBot, Program, compile_bot
from rulebot.core.state.state import MarketData, Schedule, State
from rulebot.core.state.turn import Turn
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Connected,
    Disconnected,
    Event,
    ExecutionReport,
    ListingReport,
    MarketDataUpdated,
    OperatorRequest,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
    Request,
)
from rulebot.model.facts import Facts, Listing
from rulebot.model.market import Board
from rulebot.model.order import (
    Cancel,
    Command,
    ExecutionId,
    Order,
    OrderLeg,
    OrderStatus,
    OrderType,
    Purpose,
    Replace,
    RequestOpenOrders,
    Side,
    Submit,
)
from rulebot.model.position import Position
from rulebot.model.session import at_exchange_time, session_after, session_from
from rulebot.record.record import Kind, Record, scrambled
from rulebot.recovery.resume import resume
from rulebot.spec.load import load_text
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

DAY = date(2026, 11, 18)
NO_LIMITS = AccountLimits()
HALF_DAY = date(2026, 11, 27)

SECTIONS = {
    "entry": """
  window: {from: "10:00", to: "11:00"}
  when:
    - vix: {between: [12, 22]}
""",
    "legs": """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
""",
    "order": "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}",
    "exits": """
  - time: "15:45"
    order: market
  - stop: {cost: 3x credit}
  - target: {profit: 50%}
""",
    "risk": "{max_loss_per_trade: $2000}",
}

CONDOR = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""
"""Legs of a condor of same-day options on SPX: those of `SECTIONS`, and the same of calls."""

SELLER = {
    "underlying": "SPY",
    "entry": "{at: open + 31m, max_open: 5}",
    "legs": """
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, strike: {delta: 0.15}}
""",
    "order": "{adaptive: normal, start: mid, wait: 300s, tries: 1, then: cancel}",
    "exits": """
  - target: {profit: 60%}
    resting: true
  - stop: {loss: 200%}
    resting: true
  - at_expiry: settle
""",
    "risk": "{undefined_risk: allow}",
}
"""Sections of a put seller whose target and stop rest at the broker (requirement A)."""


def text_of(name: str = "spread", /, **sections: str) -> str:
    """Return the text of a bot: the put spread, with sections replaced, added, or (when "") left out."""
    lines = ["rulebot: 1", f"name: {name}", "about: A bot of a test."]
    if "underlyings" not in sections:
        lines.append(f"underlying: {sections.pop('underlying', 'SPX')}")
    for key, text in {**SECTIONS, **sections}.items():
        if text:
            lines.append(f"{key}: {text}")
    return "\n".join(lines)


@lru_cache(maxsize=512)
def bot_of(text: str) -> CompiledBot:
    """Return the compiled bot of a text."""
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return compile_bot(plan)


def clock(text: str, day: date = DAY) -> datetime:
    """Return exchange time `10:00` or `10:00:05` of a day, UTC."""
    return at_exchange_time(day, time.fromisoformat(text))


def put(strike: int, symbol: str = "SPX", expiry: date = DAY) -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, expiry, Decimal(strike), Right.PUT)


def call(strike: int, symbol: str = "SPX", expiry: date = DAY) -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, expiry, Decimal(strike), Right.CALL)


def order_report(order: Order, at: datetime, status: BrokerStatus, filled: int | None = 0) -> OrderReport:
    """Return a status, with the reference and permanent id that openOrder carries."""
    return OrderReport(
        at=at,
        ref=order.ref,
        order_id=order.order_id,
        perm_id=5000 + order.number,
        client_id=7,
        status=status,
        filled=None if filled is None else Decimal(filled),
        average_price=None,
    )


@dataclass
class Desk:
    """One engine and its world, at `now`; `records` and `commands` are all that ever left it.

    is_shown: after each fill the account tells what it holds, as a broker does. scrambles: a start reads every text for
    people scrambled.
    """

    texts: tuple[str, ...] = (text_of(),)
    limits: AccountLimits = NO_LIMITS
    at: str = "09:59"
    day: date = DAY
    linked: bool = True
    is_shown: bool = True
    scrambles: bool = True
    now: datetime = field(init=False)
    program: Program = field(init=False)
    state: State = field(init=False)
    board: Board = field(init=False)
    records: list[Record] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    executions: int = 0
    requests: int = 0
    perm: int = 9000

    def __post_init__(self) -> None:
        self.now = clock(self.at, self.day)
        bots = {bot.plan.name: bot for bot in map(bot_of, self.texts)}
        self.program = Program(bots=bots, pinned={}, limits=self.limits, install="abc123")
        self.board = Board()
        self.state = State(Schedule(session_from(self.day)), MarketData(self.board, facts=Facts()))
        self.market()
        self.take(start_run(self.program, self.state, self.now))
        for listing in self.listings():
            self.send(ListingReport(self.now, listing))
        if self.linked:
            self.link()

    # ------------------------------------------------------------ the engine

    def start_again(self) -> Turn:
        """Let another engine go on from what is on record, without a connection; the market is as it was.

        Every text for people is scrambled before: no order may depend on one.
        """
        facts = self.state.market.facts
        known = [scrambled(record) for record in self.records] if self.scrambles else self.records
        self.state = resume(known, self.now, self.board, facts.events).state._replace(
            market=replace(resume(known, self.now, self.board, facts.events).state.market, facts=facts)
        )
        return self.take(start_run(self.program, self.state, self.now))

    def take(self, result: Turn) -> Turn:
        self.state = result.state
        self.records += result.records
        self.commands += result.commands
        return result

    def send(self, event: Event) -> Turn:
        """Hand one event to the engine, as the loop does."""
        self.events.append(event)
        before = self.books()
        result = self.take(handle_event(self.program, self.state, event))
        if isinstance(event, ExecutionReport) and self.is_shown:
            self.show(before)
        return result

    def show(self, before: Mapping[Contract, int]) -> None:
        """Tell what the account holds where a fill has changed our books: it agrees with them."""
        for contract, count in self.books().items():
            if count != before.get(contract, 0):
                self.holds(contract, count)

    def tick(self, seconds: float = 0.0, *, quiet: bool = False) -> Turn:
        """Let time pass; unless `quiet`, every quote is fresh and moved."""
        self.now += timedelta(seconds=seconds)
        if not quiet:
            self.freshen()
        return self.send(MarketDataUpdated(self.now, () if quiet else tuple(range(len(self.board.contracts)))))

    def until(self, text: str, step: float = 0.0) -> None:
        """Go to a time of day, at once or in steps."""
        goal = clock(text, self.day)
        while step and self.now + timedelta(seconds=step) < goal:
            self.tick(step)
        self.tick((goal - self.now).total_seconds())

    def settle(self, seconds: float = 5.0, limit: int = 50) -> None:
        """Wake the engine as often as it asks within so many seconds. Fails when it never comes to rest."""
        end = self.now + timedelta(seconds=seconds)
        for _ in range(limit):
            wake = self.state.schedule.wake_at
            if wake > end:
                self.now = end
                return
            self.now = max(wake, self.now)
            self.tick(quiet=True)
        raise AssertionError(f"the engine asks to be woken again and again, now at {self.state.schedule.wake_at}")

    # ------------------------------------------------------------ the market

    def market(self) -> None:
        """Write SPX 6000, SPY 600, VIX 16 and round quotes around them."""
        self.level("SPX", 6000.0)
        self.level("VIX", 16.0)
        self.quote(Underlying("SPY"), 599.99, 600.01)
        self.board.last[self.board.rows[Underlying("SPY")]] = 600.0
        for away in range(0, 105, 5):
            self.option(put(6000 - away), away)
            self.option(call(6000 + away), away)
        for away in range(0, 11):
            self.option(put(600 - away, "SPY"), away * 10, 0.1)
            self.option(call(600 + away, "SPY"), away * 10, 0.1)
        for away in range(5, 26):
            self.option(put(600 - away, "SPY", self.expiry_90), away * 3, 0.5, width=0.02)
        self.freshen()

    @property
    def expiry_90(self) -> date:
        return date(2027, 2, 19)

    def listings(self) -> Iterable[Listing]:
        days = (self.day, self.expiry_90)
        spx = tuple(Decimal(strike) for strike in range(5800, 6205, 5))
        spy = tuple(Decimal(strike) for strike in range(550, 651))
        yield Listing("SPX", "SPXW", days, dict.fromkeys(days, spx))
        yield Listing("SPY", "SPY", days, dict.fromkeys(days, spy))

    def option(self, option: Option, away: float, scale: float = 1.0, width: float = 0.10) -> None:
        option = replace(option, expiry=self.day) if option.expiry == DAY else option
        mid = round(20 * exp(-away / 25) * scale / 0.1) * 0.1 + 0.1
        delta = 0.5 * exp(-away / 35)
        self.quote(option, mid - width / 2, mid + width / 2, delta if option.right is Right.CALL else -delta)

    def level(self, symbol: str, last: float) -> None:
        row = self.board.add(Underlying(symbol))
        self.board.last[row] = last

    def quote(self, contract: Contract, bid: float, ask: float, delta: float = nan) -> None:
        row = self.board.add(contract)
        self.board.bid[row], self.board.ask[row] = round(bid, 4), round(ask, 4)
        self.board.bid_size[row] = self.board.ask_size[row] = 10.0
        if delta == delta:
            self.board.delta[row] = delta

    def without_data(self, *contracts: Contract) -> None:
        """Take the quotes of these away."""
        for contract in contracts:
            self.quote(contract, nan, nan)

    def freshen(self) -> None:
        now = self.now.timestamp()
        board = self.board
        board.alive_at = now
        for row in range(len(board.contracts)):
            board.quote_at[row] = board.last_at[row] = board.model_at[row] = now

    # ------------------------------------------------------------ the broker

    def link(
        self,
        refs: Iterable[str] | None = None,
        positions: Iterable[tuple[Contract, int]] | None = None,
        costs: Iterable[tuple[Contract, str]] = (),
        counted: int = 0,
        client_id: int = 7,
        next_order_id: int = 1,
    ) -> Turn:
        """Connect; without arguments the broker agrees with our books. `counted`: the next order id, by its count."""
        if refs is None:
            refs = [order.ref for order in self.state.orders.by_ref.values() if order.status.is_live]
        held = self.books() if positions is None else dict(positions)
        return self.send(
            Connected(
                at=self.now,
                account="DU1",
                client_id=client_id,
                next_order_id=next_order_id,
                order_refs=tuple(refs),
                positions=tuple((contract, Decimal(count)) for contract, count in held.items() if count),
                costs=tuple((contract, Decimal(cost)) for contract, cost in costs),
                next_valid_id=counted,
            )
        )

    def listed(self, *refs: str) -> None:
        """Answer what the engine asked: these orders are open at the broker."""
        self.send(OrdersListed(self.now, frozenset(refs)))
        self.tick(0)

    def confirm_gone(self, *refs: str, seconds: float = 3) -> None:
        """Answer as a broker that has these orders alone: further lists lack the others, and cancels find nothing."""
        for _ in range(3):
            self.tick(seconds)
            for order in self.live:
                if order.status is OrderStatus.CANCELLING and order.ref not in refs:
                    self.message(order, 10148, "cannot be cancelled, state: Cancelled")
            self.listed(*refs)

    def unlink(self) -> Turn:
        return self.send(Disconnected(self.now, "gone"))

    def books(self) -> dict[Contract, int]:
        """Return what our positions hold, by contract."""
        found: dict[Contract, int] = {}
        for position in self.state.positions.by_id.values():
            for leg in position.legs:
                found[leg.option] = found.get(leg.option, 0) + leg.signed_held
        return found

    def report(
        self, order: Order, status: BrokerStatus, filled: int | None = None, average: Decimal | None = None
    ) -> Turn:
        """Tell a status, with the reference and permanent id that openOrder carries."""
        return self.send(replace(order_report(order, self.now, status, filled), average_price=average))

    def ack(self, order: Order) -> Turn:
        return self.report(order, BrokerStatus.WORKING, 0)

    def cancelled(self, order: Order, filled: int = 0) -> Turn:
        return self.report(order, BrokerStatus.CANCELLED, filled)

    def refuse(self, order: Order, code: int = 201, text: str = "Order rejected - reason: no") -> Turn:
        return self.message(order, code, text)

    def message(self, order: Order, code: int, text: str = "") -> Turn:
        return self.send(OrderMessage(self.now, order.order_id, broker_message(code, text)))

    def refuse_combos(self, words: str = "201 Order rejected - reason:Invalid Order") -> None:
        """Have the broker refuse the exit's combo twice on end."""
        code, _, text = words.partition(" ")
        for _ in range(2):
            assert self.last.is_combo
            self.message(self.last, int(code), text)
            self.until_sent_anew()

    def until_sent_anew(self) -> None:
        """Let time pass until a further order is sent."""
        sent = len(self.submitted)
        while len(self.submitted) == sent:
            self.tick(5)

    def turn_away(self, order: Order, *, is_inactive: bool) -> None:
        """Answer an order with a code that no list has, beside Inactive or alone; once it is taken back it is over."""
        self.message(order, 436, "You must specify an allocation.")
        if is_inactive:
            self.report(order, BrokerStatus.INACTIVE, 0)
        while self.order(order.ref).status is not OrderStatus.CANCELLING:
            self.tick(1)
        if is_inactive:
            self.cancelled(order)
        else:
            self.message(order, 10147, "is not found.")

    def execution(
        self, order: Order, leg: OrderLeg, count: int, price: str | Decimal, exec_id: ExecutionId | None = None
    ) -> ExecutionReport:
        """Return the fill of one leg; `count` contracts at `price`."""
        self.executions += 1
        side = order.side if len(order.legs) == 1 else leg.side
        return ExecutionReport(
            at=self.now,
            exec_id=exec_id or ExecutionId(f"0001.{self.executions:04d}"),
            ref=order.ref,
            order_id=order.order_id,
            perm_id=5000 + order.number,
            client_id=7,
            option=replace(leg.option, con_id=int(leg.option.strike)),
            is_combo=False,
            is_buy=side is Side.BUY,
            quantity=Decimal(count),
            price=Decimal(price),
            executed_at=self.now,
        )

    def executions_of(self, order: Order, count: int) -> list[ExecutionReport]:
        """Return the fills of so many structures, each leg at the mid of its quote."""
        return [self.execution(order, leg, count * leg.ratio, self.mid(leg.option)) for leg in order.legs]

    def mid(self, option: Option) -> Decimal:
        row = self.board.rows[option]
        bid, ask = self.board.bid[row], self.board.ask[row]
        return Decimal(f"{((bid if bid == bid else 0.0) + ask) / 2:.2f}")

    def fill(self, order: Order, count: int | None = None, price: str = "") -> list[ExecutionReport]:
        """Fill (the rest of) an order: acknowledged, each leg executed, and the status that follows.

        Returns the executions.
        """
        order = self.order(order.ref)
        count = order.remaining if count is None else count
        if order.status is OrderStatus.SENDING:
            self.ack(order)
        done = order.filled + count
        reported = self.executions_of(order, count)
        if price:
            reported = [replace(report, price=Decimal(price)) for report in reported]
        for report in reported:
            self.send(report)
        self.report(order, BrokerStatus.FILLED if done >= order.quantity else BrokerStatus.WORKING, done)
        return reported

    def commission(self, execution: ExecutionReport, amount: str) -> Turn:
        return self.send(CommissionReport(self.now, execution.exec_id, Decimal(amount)))

    def holds(self, contract: Contract, count: int) -> Turn:
        return self.send(PositionReport(self.now, contract, Decimal(count), Decimal(0)))

    def ask(self, request: Request, bot: str = "", identity: str = "", position: str = "") -> Turn:
        self.requests += 1
        return self.send(OperatorRequest(self.now, identity or f"r{self.requests}", request, bot, position))

    def enter_named(self, bot: str, alternative: str = "", **legs: Option) -> Turn:
        """Ask for an entry of these contracts."""
        self.requests += 1
        named = tuple(legs.items())
        return self.send(
            OperatorRequest(self.now, f"r{self.requests}", Request.ENTER, bot, legs=named, alternative=alternative)
        )

    def ask_kill(self) -> Turn:
        return self.ask(Request.KILL)

    # ------------------------------------------------------------ what came of it

    def order(self, ref: str) -> Order:
        return self.state.orders.by_ref[ref]

    @property
    def submitted(self) -> list[Order]:
        """Every order that was ever sent, as it was then."""
        return [command.order for command in self.commands if isinstance(command, Submit)]

    @property
    def replaced(self) -> list[Order]:
        return [command.order for command in self.commands if isinstance(command, Replace)]

    @property
    def cancels(self) -> list[Order]:
        return [command.order for command in self.commands if isinstance(command, Cancel)]

    @property
    def live(self) -> list[Order]:
        return [order for order in self.state.orders.by_ref.values() if order.status.is_live]

    @property
    def last(self) -> Order:
        """The order sent last, as it is now."""
        return self.order(self.submitted[-1].ref)

    @property
    def position(self) -> Position:
        """The position that was opened last."""
        return list(self.state.positions.by_id.values())[-1]

    def day_of(self, bot: str = "spread") -> object:
        return self.state.bots.by_name[bot].day

    def said(self, kind: Kind, what: str = "") -> list[Record]:
        """Return records of a kind; of decisions those of one sort."""
        found = [record for record in self.records if record.kind is kind]
        return [record for record in found if record.data.get("what") == what] if what else found

    def reasons(self, what: str) -> list[str]:
        """Return the reasons of the decisions of one kind, such as `exit`."""
        return [str(record.data["reason"]) for record in self.said(Kind.DECISION, what)]

    def sent_for(self, purpose: Purpose) -> list[Order]:
        """Return the orders that were sent for this."""
        return [order for order in self.submitted if order.purpose is purpose]

    def asked_for_orders(self) -> int:
        """Return how often the broker was asked what it has."""
        return sum(isinstance(command, RequestOpenOrders) for command in self.commands)

    def next_morning(self) -> None:
        """Let the next session begin; the connection stands."""
        self.day = session_after(self.day).date
        self.now = session_after(self.now.date()).open - timedelta(minutes=30)
        self.freshen()
        self.send(MarketDataUpdated(self.now, ()))

    @property
    def alarms(self) -> list[str]:
        return [str(record.data["text"]) for record in self.said(Kind.ALARM)]

    # ------------------------------------------------------------ short ways

    def enter(self, at: str = "10:00") -> Order:
        """Go to the window and return the entry that was sent."""
        before = len(self.submitted)
        self.until(at)
        assert len(self.submitted) == before + 1, self.state.bots.by_name
        return self.last

    def opened(self, at: str = "10:00") -> Position:
        """Enter and fill."""
        self.fill(self.enter(at))
        return self.position

    def is_market(self, order: Order) -> bool:
        return order.kind is OrderType.MARKET


def resting_seller() -> Desk:
    """Return a desk with a position whose target and stop rest at the broker."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    return desk


def kept(desk: Desk, folder: Path) -> Path:
    """Return the store of what a desk has recorded."""
    path = folder / "day.db"
    journal = SqlJournal(open_store(path))
    journal.append(tuple(desk.records), durable=True)
    journal.close()
    return path
