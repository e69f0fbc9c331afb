"""What holds for every sequence of orders and quotes."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from fake_market import C5100, C5110, CLOSE, CONDOR, DAY, P4990, P5000, SPX, SPY, SPY_C, SPY_P2, Desktop
from hypothesis import given, settings
from hypothesis import strategies as st

from twsim.exchange.broker_state import ExchangeSettings
from twsim.seams import Commissioned, Executed, OrderChanged, Report, Status

NICKELS = st.integers(1, 120).map(lambda n: n / 20 if n < 60 else round(3 + (n - 60) / 10, 2))
CONTRACTS = (P5000, P4990, C5100, C5110)
LOOSE = ExchangeSettings(check_margin=False, refuse_other_side=False, price_band=None)
ORDERS = st.tuples(
    st.sampled_from((*CONTRACTS, SPY_C, SPY_P2, 0, -1)),
    st.sampled_from(("BUY", "SELL")),
    st.integers(1, 40),
    st.one_of(st.none(), NICKELS),
)
MOVES = st.tuples(st.sampled_from(CONTRACTS), st.integers(1, 40), st.integers(1, 6), st.integers(0, 30))


def apply(desk: Desktop, order: tuple[int, str, int, float | None]) -> list[Report]:
    con_id, action, quantity, limit = order
    if con_id > 0:
        return desk.broker.place(desk.ticket(con_id, action, quantity, limit=limit))
    price = None if limit is None else round(limit - 3, 2)
    return desk.broker.place(desk.combo(CONDOR, action, quantity, limit=price, non_guaranteed=con_id < 0))


def move(desk: Desktop, change: tuple[int, int, int, int]) -> None:
    con_id, bid, width, size = change
    desk.market.quotes[con_id] = (bid / 20, (bid + width) / 20, size, size)


@settings(max_examples=60)
@given(
    st.lists(ORDERS, min_size=1, max_size=8),
    st.lists(MOVES, max_size=8),
    st.integers(0, 99),
    st.integers(4900, 5200),
)
def test_the_books_agree(
    orders: list[tuple[int, str, int, float | None]], moves: list[tuple[int, int, int, int]], seed: int, level: int
) -> None:
    desk = Desktop(seed=seed, settings=LOOSE)
    desk.market.levels |= {(SPX, DAY): float(level), (SPY, DAY): level / 10}
    reports: list[Report] = []
    for n in range(max(len(orders), len(moves))):
        if n < len(orders):
            reports += apply(desk, orders[n])
        if n < len(moves):
            move(desk, moves[n])
        reports += desk.step()
    cash, positions = Decimal(1_000_000), defaultdict[int, Decimal](Decimal)
    for report in reports:
        if isinstance(report, Executed) and report.execution.sec_type != "BAG":
            one = report.execution
            signed = one.quantity if one.side == "BOT" else -one.quantity
            positions[one.con_id] += signed
            cash -= signed * one.price * 100
        if isinstance(report, Commissioned):
            cash -= report.commission
    found = desk.broker.ledger.totals()
    assert found.cash == cash
    assert found.positions == {con_id: quantity for con_id, quantity in positions.items() if quantity}
    assert {view.con_id: view.quantity for view in desk.broker.positions()} == found.positions
    check_settlement(desk, positions, cash, level)
    check_views(reports)


def check_settlement(desk: Desktop, positions: dict[int, Decimal], cash: Decimal, level: int) -> None:
    desk.to(CLOSE + timedelta(minutes=5))
    shares = Decimal(0)
    for con_id, quantity in positions.items():
        instrument = desk.market.catalogue.by_id(con_id)
        assert instrument is not None
        at = Decimal(level) if instrument.symbol == "SPX" else Decimal(level) / 10
        sign = 1 if instrument.right == "C" else -1
        intrinsic = max(Decimal(0), sign * (at - Decimal(str(instrument.strike))))
        if instrument.symbol == "SPX":
            cash += quantity * 100 * intrinsic
        elif intrinsic:
            shares += sign * quantity * 100
            cash -= sign * quantity * 100 * Decimal(str(instrument.strike))
    after = desk.broker.ledger.totals()
    assert after.cash == cash
    assert after.positions == ({SPY: shares} if shares else {})
    total = sum(after.realized.values(), Decimal(0))
    costs = sum((view.average_cost * view.quantity for view in desk.broker.positions()), Decimal(0))
    assert abs(total - (after.cash - after.start_cash) - costs) < Decimal("0.01")


def check_views(reports: list[Report]) -> None:
    for report in reports:
        if isinstance(report, OrderChanged):
            view = report.order
            assert view.filled + view.remaining == view.ticket.quantity
            assert view.remaining >= 0
            assert (view.status is Status.FILLED) == (view.remaining == 0)
        if isinstance(report, Executed):
            assert report.execution.quantity > 0


@settings(max_examples=60)
@given(
    st.integers(1, 30),
    st.sampled_from((1, 2)),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 12)), min_size=3, max_size=12),
    st.integers(0, 99),
)
def test_a_group_with_block_never_overfills(quantity: int, kind: int, quotes: list[tuple[int, int]], seed: int) -> None:
    desk = Desktop(seed=seed, settings=LOOSE)
    for fields in ({"limit": 1.5}, {"order_type": "STP", "stop": 2.5}, {"limit": 1.0}):
        desk.place(P5000, "BUY", quantity, oca_group="exit", oca_type=kind, **fields)
    for bid, size in quotes:
        desk.market.quotes[P5000] = (bid / 20, (bid + 2) / 20, size, size)
        desk.step()
    assert sum(one.quantity for one in desk.broker.executions()) <= quantity
    left = [view.remaining for view in desk.broker.open_orders()]
    done = sum(one.quantity for one in desk.broker.executions())
    assert all(done + one <= quantity for one in left)
