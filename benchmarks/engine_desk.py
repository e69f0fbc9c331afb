"""The engine behind the prototype's call: a quote is written to the board and `turn` is asked, without loop or socket.

Orders fill at once at the natural prices of the board, and the account is told to hold what filled. Records are kept as
the turn makes them (the trace is on).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import nan

from benchmarks.prototype import Trade
from benchmarks.task import Task, document
from benchmarks.workload import OPTION, Day
from rulebot.compile.build import build_plan
from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.program import AccountLimits, CompiledBot, Program, compile_bot
from rulebot.core.state.state import MarketData, Schedule, State
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    ListingReport,
    MarketDataUpdated,
    OrderReport,
    PositionReport,
)
from rulebot.model.facts import Listing
from rulebot.model.market import Board
from rulebot.model.order import ExecutionId, Order, Side, Submit
from rulebot.model.position import Position
from rulebot.model.values import ValuePool
from rulebot.record.record import Record
from rulebot.spec.load import load_text


def compiled(tasks: Iterable[Task]) -> Program:
    """Return the program of these bots. Raises: ValueError with the first problem of a document."""
    bots: dict[str, CompiledBot] = {}
    pool = ValuePool()
    for task in tasks:
        loaded = load_text(document(task), f"{task.name}.yaml")
        if loaded.spec is None:
            raise ValueError(loaded.diagnostics[0])
        plan, problems = build_plan(loaded.spec, loaded.source)
        if plan is None:
            raise ValueError(problems[0])
        bots[plan.name] = compile_bot(plan, pool)
    return Program(bots=bots, pinned={}, limits=AccountLimits(), install="bench", line_limit=1000)


def contracts(day: Day) -> list[Option | Underlying]:
    """Return what each row holds."""
    expiry = day.session.date
    options: list[Option | Underlying] = [
        Option("SPX", "SPXW", expiry, strike, right) for right in (Right.CALL, Right.PUT) for strike in day.strikes
    ]
    return [*options, Underlying("SPX"), Underlying("VIX")]


@dataclass
class EngineDesk:
    """One day of the engine. `records` is its trace."""

    program: Program
    day: Day
    records: list[Record] = field(default_factory=list)
    executions: int = 0
    holdings: dict[Option, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the rows, open the session and connect."""
        board = Board()
        for contract in contracts(self.day):
            board.add(contract)
        self.board = board
        at = self.day.session.open - timedelta(minutes=1)
        result = start_run(self.program, State(Schedule(self.day.session), MarketData(board)), at)
        self.state = result.state
        self.records += result.records
        strikes = {self.day.session.date: self.day.strikes}
        self.take(ListingReport(at, Listing("SPX", "SPXW", (self.day.session.date,), strikes)))
        self.take(
            Connected(at=at, account="DU1", client_id=1, next_order_id=1, order_refs=(), positions=(), lockstep=True)
        )

    def event(self, kind: int, row: int, bid: float, ask: float, delta: float, at: datetime, seconds: float) -> None:
        """Take one quote as far as a decision, and what follows from it."""
        board = self.board
        if kind == OPTION:
            board.bid[row] = bid or nan
            board.ask[row] = ask
            board.bid_size[row] = 10.0 if bid else 0.0
            board.delta[row] = delta
            board.quote_at[row] = board.model_at[row] = seconds
        else:
            board.last[row] = bid
            board.last_at[row] = seconds
        board.alive_at = seconds
        self.take(MarketDataUpdated(at, (row,)))

    def take(self, event: Event) -> None:
        """Make one turn; fill what it sends."""
        result = handle_event(self.program, self.state, event)
        self.state = result.state
        if result.records:
            self.records += result.records
        for command in result.commands:
            if isinstance(command, Submit):
                self._fill(command.order, event.at)

    def _fill(self, order: Order, at: datetime) -> None:
        """Report every leg of an order as filled at natural, then the order as done."""
        for leg in order.legs:
            self.executions += 1
            is_buy = (leg.side if order.is_combo else order.side) is Side.BUY
            row = self.board.rows[leg.option]
            price = self.board.ask[row] if is_buy else self.board.bid[row]
            exec_id = ExecutionId(f"0001.{self.executions:06d}")
            self.take(
                ExecutionReport(
                    at=at,
                    exec_id=exec_id,
                    option=leg.option,
                    is_combo=False,
                    is_buy=is_buy,
                    quantity=Decimal(order.quantity * leg.ratio),
                    price=Decimal(f"{0.0 if price != price else price:.2f}"),
                    executed_at=at,
                    ref=order.ref,
                    order_id=order.order_id,
                    perm_id=order.order_id,
                    client_id=1,
                )
            )
            self.take(CommissionReport(at, exec_id, Decimal("1.00")))
            held = self.holdings.get(leg.option, Decimal(0)) + order.quantity * leg.ratio * (1 if is_buy else -1)
            self.holdings[leg.option] = held
            self.take(PositionReport(at, leg.option, held, Decimal(0)))
        filled = Decimal(order.quantity)
        self.take(
            OrderReport(
                at=at,
                ref=order.ref,
                order_id=order.order_id,
                perm_id=order.order_id,
                client_id=1,
                status=BrokerStatus.FILLED,
                filled=filled,
                remaining=Decimal(0),
            )
        )

    def trades(self) -> list[Trade]:
        """Return the finished trades as the prototype tells them, in order of entry."""
        return sorted(
            self._trade(position) for position in self.state.positions.by_id.values() if position.state == "closed"
        )

    def _trade(self, position: Position) -> Trade:
        assert position.opened_at is not None
        assert position.closed_at is not None
        assert position.entry_price is not None
        assert position.exit_price is not None
        opened = int((position.opened_at - self.day.session.open) / timedelta(minutes=1))
        left = int((position.closed_at - self.day.session.open) / timedelta(minutes=1))
        credit, cost = float(position.entry_price), -float(position.exit_price)
        return (position.bot, opened, left, position.exit_reason, round(credit, 2), round(cost, 2))
