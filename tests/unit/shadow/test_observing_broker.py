"""The broker of an observing engine: what expires, what it knows again after a start, and shares that moved."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from rulebot.backtest.fill_model import NATURAL
from rulebot.core.state.state import MarketData, Positions, Schedule, State
from rulebot.fill.ledger import BookedExecution
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.event import (
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    MarketDataUpdated,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.market import Board
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId, Order, OrderLeg, OrderStatus, OrderType, Purpose, Side, TimeInForce
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import session_on
from rulebot.ports import Batch
from rulebot.record.record import Kind, Record
from rulebot.shadow.broker import ObservingBroker, ObservingLink, RestoredState, delivered_shares

DAY = date(2026, 10, 21)
SESSION = session_on(DAY)
NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
SPY = Underlying("SPY")


def option(strike: int, right: Right = Right.PUT, expiry: date = DAY, trading_class: str = "SPXW") -> Option:
    symbol = "SPY" if trading_class == "SPY" else "SPX"
    return Option(symbol, trading_class, expiry, Decimal(strike), right)


PUT = option(5900)


def broker(*holds: tuple[Contract, int], at: datetime = NOON) -> ObservingBroker:
    assert SESSION is not None
    found = ObservingBroker(Board(), "OBSERVED", NATURAL, SESSION, now=at)
    found.holdings = dict(holds)
    return found


def order(**changes: object) -> Order:
    given = Order(
        ref="rb:obs:000001",
        number=1,
        bot="one",
        position="p",
        purpose=Purpose.EXIT,
        reason="target",
        legs=(OrderLeg("short_put", PUT, Side.SELL),),
        side=Side.BUY,
        quantity=2,
        kind=OrderType.LIMIT,
        limit_price=Decimal("0.40"),
        status=OrderStatus.WORKING,
        order_id=7,
        prepared_at=NOON,
        sent_at=NOON,
        changed_at=NOON,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def remembered(*orders: Order, held: int = -2, booked: Sequence[BookedExecution] = ()) -> ObservingBroker:
    """Return a broker that was told of these orders, and of a position in the put, by a store."""
    assert SESSION is not None
    leg = PositionLeg(name="short_put", option=PUT, sign=-1, ratio=1, opened=-held)
    position = Position(id="p", bot="one", digest="d", session=DAY, quantity=2, legs=(leg,), state="open")
    state = State(Schedule(SESSION), MarketData(Board()))
    state = state._replace(
        positions=replace(
            state.positions, by_id={"p": position}, executions={each.exec_id.execution: each for each in booked}
        ),
        orders=replace(
            state.orders, by_ref={each.ref: each for each in orders}, live=tuple(each.ref for each in orders)
        ),
    )
    found = broker()
    found.remember(RestoredState(state, {"SPY": 100}, {}, (("observed.1.1.0.01", Decimal("1.30")),)), SESSION, NOON)
    return found


# ---------------------------------------------------------------- the clock


@pytest.mark.parametrize(
    ("held", "clock", "is_gone"),
    [
        (option(5900), "20:04:59", False),
        (option(5900), "20:05:00", True),
        (option(5900, expiry=date(2026, 10, 22)), "20:05:00", False),
        (option(5900, trading_class="SPX", expiry=date(2026, 10, 20)), "13:59:59", False),
        (option(5900, trading_class="SPX", expiry=date(2026, 10, 20)), "14:00:00", True),
        (option(5900, trading_class="SPX"), "20:05:00", False),
        (option(5900, expiry=date(2026, 10, 20)), "13:31:00", True),
    ],
)
def test_what_has_expired_leaves_when_an_account_loses_it(held: Option, clock: str, is_gone: bool) -> None:
    assert SESSION is not None
    at = datetime.fromisoformat(f"2026-10-21T{clock}+00:00")
    reported = list(broker((held, -1), at=at).step(SESSION, at))
    assert reported == ([PositionReport(at, held, ZERO, ZERO)] if is_gone else [])


def test_orders_of_the_day_end_with_it_and_others_stay() -> None:
    assert SESSION is not None
    found = remembered(order(), order(ref="rb:obs:000002", number=2, time_in_force=TimeInForce.GTC))
    list(found.step(SESSION, SESSION.close))
    assert list(found.working) == ["rb:obs:000002"]


def test_something_is_due_when_the_day_turns_and_when_an_order_may_fill() -> None:
    assert SESSION is not None
    found = broker()
    assert found.due_at(NOON) == SESSION.close
    assert found.due_at(SESSION.close) == SESSION.close + timedelta(minutes=5)
    assert found.due_at(SESSION.close + timedelta(minutes=5)) is None
    found.submit(order())
    assert found.due_at(NOON) == NOON + timedelta(seconds=1)


# ---------------------------------------------------------------- what would be entered


@pytest.mark.parametrize(
    ("side", "limit", "reported"),
    [
        (Side.BUY, "0.40", "buy 2 x 5900p at 0.40 (mid 0.45, natural 0.50)"),
        (Side.SELL, "0.50", "sell 2 x 5900p at 0.50 (mid 0.45, natural 0.40)"),
    ],
)
def test_an_entry_reports_the_market_in_the_terms_of_its_own_price(side: Side, limit: str, reported: str) -> None:
    found, received = broker(), list[Record]()
    found.reports = received.append
    row = found.board.add(PUT)
    found.board.bid[row], found.board.ask[row], found.board.quote_at[row] = 0.4, 0.5, NOON.timestamp()
    legs = (OrderLeg("put", PUT, side),)
    found.submit(order(purpose=Purpose.ENTRY, reason="entry", legs=legs, side=side, limit_price=Decimal(limit)))
    assert [each.data["reason"] for each in received] == [reported]


# ---------------------------------------------------------------- memory


def test_what_is_held_and_at_work_is_known_again() -> None:
    found = remembered(order())
    assert found.holdings == {PUT: -2, SPY: 100}
    reported = list(found.stands(NOON))
    assert isinstance(reported[0], CommissionReport)
    assert isinstance(reported[1], OrderReport)
    assert (reported[1].ref, reported[1].status and reported[1].status.value) == ("rb:obs:000001", "working")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": OrderStatus.CANCELLING}, "cancelled"),
        ({"leg_filled": (2,)}, "filled"),
        ({"status": OrderStatus.SENDING}, "working"),
        ({"status": OrderStatus.UNKNOWN}, "working"),
        ({"sent_at": NOON - timedelta(days=1)}, "cancelled"),
        ({"sent_at": NOON - timedelta(days=1), "time_in_force": TimeInForce.GTC}, "working"),
    ],
)
def test_how_an_order_stands_after_a_start(changes: dict[str, object], status: str) -> None:
    (reported,) = [each for each in remembered(order(**changes)).stands(NOON) if isinstance(each, OrderReport)]
    assert reported.status is not None
    assert reported.status.value == status


def test_what_an_order_has_cost_so_far_counts_after_a_start() -> None:
    """It paid the least of an order again. One contract: 0.65, of a dollar at least; 0.54 of fees on each."""
    part = BookedExecution(
        exec_id=ExecutionId("observed.000001.1.0"), position="p", leg="short_put", is_entry=False, quantity=1,
        cash=Decimal(-40), ref="rb:obs:000001",
    )  # fmt: skip
    found = remembered(order(leg_filled=(1,)), booked=[part])
    (rest,) = found.charge(found.working["rb:obs:000001"].order, [(PUT, 1, Decimal("0.40"))])
    assert rest == Decimal("1.19") - Decimal("0.35")


def test_an_order_that_was_never_sent_is_not_at_work() -> None:
    assert remembered(order(status=OrderStatus.PREPARED)).working == {}


def test_what_expired_while_nobody_looked_is_not_held() -> None:
    assert SESSION is not None
    found = remembered()
    late = SESSION.close + timedelta(minutes=6)
    state = State(Schedule(SESSION), MarketData(Board()))
    leg = PositionLeg(name="short_put", option=PUT, sign=-1, ratio=1, opened=2)
    position = Position(id="p", bot="one", digest="d", session=DAY, quantity=2, legs=(leg,), state="open")
    found.remember(
        RestoredState(state._replace(positions=replace(state.positions, by_id={"p": position})), {}, {}, ()),
        SESSION,
        late,
    )
    assert found.holdings == {}


@pytest.mark.parametrize(
    ("right", "sign", "how", "shares"),
    [
        (Right.PUT, -1, "assigned", 200),
        (Right.CALL, -1, "assigned", -200),
        (Right.PUT, 1, "exercised", -200),
        (Right.CALL, 1, "exercised", 200),
    ],
)
def test_shares_that_options_moved_are_counted(right: Right, sign: int, how: str, shares: int) -> None:
    leg = PositionLeg(name="leg", option=option(550, right, trading_class="SPY"), sign=sign, ratio=1, opened=2)
    position = Position(id="p", bot="one", digest="d", session=DAY, quantity=2, legs=(leg,), state="open")
    settled = [Record(NOON, Kind.SETTLEMENT, "one", "p", {"leg": "leg", "quantity": 2, "how": how})]
    assert delivered_shares(settled, {"p": position}) == {"SPY": shares}


def assigned(found: ObservingBroker, how: str = "assigned") -> list[Event]:
    """Return what the broker answers once the engine has settled two short puts on SPY, of the day before."""
    put = option(550, trading_class="SPY", expiry=date(2026, 10, 20))
    leg = PositionLeg(name="short_put", option=put, sign=-1, ratio=1, opened=2)
    position = Position(id="p", bot="one", digest="d", session=DAY, quantity=2, legs=(leg,), state="open")
    if not found.holdings:
        state = State(Schedule(SESSION), MarketData(Board()), positions=Positions(by_id={"p": position}))  # type: ignore[arg-type]
        found.remember(RestoredState(state, {}, {put: Decimal(480)}, ()), SESSION, NOON)  # type: ignore[arg-type]
    settled = Record(NOON, Kind.SETTLEMENT, "one", "p", {"leg": "short_put", "quantity": 2, "how": how})
    found.receives([settled], {"p": position})
    return found.answers


@pytest.mark.parametrize(("how", "shares"), [("assigned", [200]), ("worthless", [])])
def test_what_was_assigned_while_nobody_looked_brings_its_shares(how: str, shares: list[int]) -> None:
    """The books said assigned, and the account had no shares before the next start."""
    reported = assigned(broker(), how)
    assert [(each.contract, int(each.quantity)) for each in reported if isinstance(each, PositionReport)] == [
        (SPY, count) for count in shares
    ]


def test_what_expired_on_an_earlier_day_is_judged_by_the_close_of_that_day() -> None:
    """A connection that was lost over the close: shares came by the level of the morning after."""
    assert SESSION is not None
    put = option(550, trading_class="SPY", expiry=date(2026, 10, 20))
    found = broker((put, -2))
    row = found.board.add(SPY)
    found.board.last[row] = 560.0
    assert [each.contract for each in found.step(SESSION, NOON) if isinstance(each, PositionReport)] == [put]
    assert [each.contract for each in assigned(found) if isinstance(each, PositionReport)] == [SPY]
    assert found.holdings == {put: 0, SPY: 200}


# ---------------------------------------------------------------- the link


class Reported:
    """A link that tells what it was given."""

    account, is_lockstep, is_up = "U1", False, True

    def __init__(self, *events: Event) -> None:
        self._events = events

    async def connect(self) -> Batch:
        return Batch(NOON, self._events)

    async def next(self, until: datetime | None) -> Batch:
        return Batch(NOON, self._events)

    async def close(self) -> None:
        return


def up(**changes: object) -> Connected:
    given = Connected(
        at=NOON, account="U1", client_id=9, next_order_id=50, order_refs=("theirs",), positions=((PUT, Decimal(-5)),)
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def received(*events: Event, holds: tuple[tuple[Contract, int], ...] = ()) -> list[Event]:
    link = ObservingLink(Reported(*events), broker(*holds))
    return list(asyncio.run(link.connect()).events)


def execution() -> ExecutionReport:
    return ExecutionReport(
        at=NOON, exec_id=ExecutionId("1"), ref="", order_id=1, perm_id=1, client_id=9, option=PUT, is_combo=False,
        is_buy=True, quantity=Decimal(1), price=Decimal(1), executed_at=NOON,
    )  # fmt: skip


@pytest.mark.parametrize(
    "theirs",
    [
        execution,
        lambda: CommissionReport(NOON, ExecutionId("1"), Decimal(1)),
        lambda: PositionReport(NOON, PUT, Decimal(-5), ZERO),
        lambda: OrdersListed(NOON, frozenset(("theirs",))),
    ],
)
def test_what_others_do_in_the_account_is_not_heard(theirs: Callable[[], Event]) -> None:
    assert received(theirs(), MarketDataUpdated(NOON)) == [MarketDataUpdated(NOON)]


def test_at_a_connection_the_books_are_its_own() -> None:
    (reported,) = received(up(), holds=((option(5800), -1),))
    assert isinstance(reported, Connected)
    assert (reported.order_refs, reported.positions, reported.next_order_id) == ((), ((option(5800), Decimal(-1)),), 50)


@pytest.mark.parametrize(
    ("own", "theirs", "cost"),
    [
        pytest.param(100, 300, Decimal(500), id="of both the average"),
        pytest.param(100, 0, Decimal(560), id="its own, where the account has sold all"),
        pytest.param(-100, 300, Decimal(480), id="of opposite ones that of the more"),
    ],
)
def test_shares_of_the_account_count_with_its_own(own: int, theirs: int, cost: Decimal) -> None:
    """What the account had sold told a cost of nothing, and `min_strike: cost_basis` kept nothing back."""
    report = PositionReport(NOON, SPY, Decimal(theirs), Decimal(480) if theirs else ZERO)
    observing = broker((SPY, own))
    observing.costs[SPY] = Decimal(560)
    reported = asyncio.run(ObservingLink(Reported(report, up()), observing).connect()).events
    (changed,) = [each for each in reported if isinstance(each, PositionReport)]
    assert (changed.quantity, changed.average_cost) == (own + theirs, cost)
    assert [(each.positions, each.costs) for each in reported if isinstance(each, Connected)] == [
        (((SPY, Decimal(own + theirs)),), ((SPY, cost),))
    ]
