"""What must hold for whole sequences of reports: money, order of arrival, restarts, purity."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from hand_desk import Desk, put, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.compile.plan import ExitLevel, ExitPlan, Quantity
from rulebot.core.handle_event import handle_event
from rulebot.core.queries.resting_order import level_price
from rulebot.model.contract import product
from rulebot.model.event import BrokerStatus, CommissionReport, Event, ExecutionReport, MarketDataUpdated
from rulebot.model.facts import EventCalendar
from rulebot.model.market import COLUMNS, Board
from rulebot.model.money import ZERO, Rounding
from rulebot.model.order import Order
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import limit_net
from rulebot.recovery.resume import resume
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.spec import IfUnknown
from rulebot.spec.spec import Order as Ladder

PRICES = st.decimals("0.05", "9", places=2)
FEES = st.decimals("0", "5", places=2)
QUICK = settings(max_examples=tries(25))


def split(total: int, cuts: Iterable[int]) -> list[int]:
    """Return parts that add up to `total`."""
    parts, left = [], total
    for cut in cuts:
        part = min(cut, left)
        if part:
            parts.append(part)
        left -= part
    return [*parts, left] if left else parts


def fills(desk: Desk, order: Order, draw: st.DrawFn) -> list[ExecutionReport]:
    """Return executions that fill an order whole, leg by leg in parts, some of them corrected."""
    found = []
    for leg in order.legs:
        for count in split(order.quantity * leg.ratio, draw(st.lists(st.integers(1, 3), max_size=3))):
            report = desk.execution(order, leg, count, draw(PRICES))
            found.append(report)
            if draw(st.integers(0, 3)) == 0:
                found.append(replace(report, exec_id=report.exec_id.next, price=draw(PRICES)))
    return found


def last_of_each(reports: Iterable[ExecutionReport]) -> list[ExecutionReport]:
    """Return the executions that count: of each the newest revision."""
    newest: dict[str, ExecutionReport] = {}
    for report in sorted(reports, key=lambda each: each.exec_id):
        newest[report.exec_id.execution] = report
    return list(newest.values())


def cash_of(reports: Iterable[ExecutionReport]) -> Decimal:
    return sum(((-1 if each.is_buy else 1) * each.price * each.quantity * 100 for each in reports), ZERO)


def working(quantity: int = 3) -> tuple[Desk, Order]:
    desk = Desk((text_of(quantity=str(quantity), risk="{max_loss_per_trade: $9000}"),))
    order = desk.enter()
    desk.ack(order)
    return desk, order


def books(desk: Desk) -> object:
    """Return what must not depend on the order in which reports came."""
    positions = [
        (p.id, p.state, p.exit_reason, [replace(leg, option=replace(leg.option, con_id=0)) for leg in p.legs])
        for p in desk.state.positions.by_id.values()
    ]
    orders = [(o.ref, o.status, o.filled, o.leg_filled) for o in desk.state.orders.by_ref.values()]
    return (
        positions,
        orders,
        desk.state.bots.by_name["spread"].day.realized,
        desk.state.bots.by_name["spread"].day.opened,
    )


# ---------------------------------------------------------------- money


@QUICK
@given(st.data())
def test_cash_and_profit_agree(data: st.DataObject) -> None:
    """Whatever is filled, corrected, commissioned and settled: net is cash less commissions, and the day's profit."""
    desk, order = working()
    opening = data.draw(st.composite(lambda draw: fills(desk, order, draw))())
    for report in opening:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 3)
    assert desk.position.state == "open"
    assert desk.position.cash == cash_of(last_of_each(opening))
    closing: list[ExecutionReport] = []
    if data.draw(st.booleans(), label="closed by an order"):
        desk.until("15:45")
        last = desk.last
        desk.ack(last)
        closing = data.draw(st.composite(lambda draw: fills(desk, last, draw))())
        for report in closing:
            desk.send(report)
        desk.report(last, BrokerStatus.FILLED, 3)
        expected = cash_of(last_of_each([*opening, *closing]))
    else:
        level = data.draw(st.sampled_from([6000, 5945, 5940, 5900]))
        desk.level("SPX", float(level))
        desk.state = desk.state._replace(connection=replace(desk.state.connection, is_linked=False))
        desk.until("16:06")
        for option in (put(5945), put(5935)):
            desk.holds(option, 0)
        worth = Decimal(max(5935 - level, 0) - max(5945 - level, 0)) * 300
        expected = cash_of(last_of_each(opening)) + worth
    paid = ZERO
    for report in last_of_each([*opening, *closing]):
        fee = data.draw(FEES)
        paid += fee
        desk.send(CommissionReport(desk.now, report.exec_id, fee + 1))
        desk.send(CommissionReport(desk.now, report.exec_id, fee))
        desk.send(CommissionReport(desk.now, report.exec_id, fee))
    position = desk.position
    assert position.state == "closed"
    assert (position.cash, position.commissions) == (expected, paid)
    assert position.net == expected - paid
    assert desk.state.bots.by_name["spread"].day.realized == position.net


# ---------------------------------------------------------------- order of arrival


@QUICK
@given(st.data())
def test_reports_in_any_order_and_twice_end_in_the_same_books(data: st.DataObject) -> None:
    desk, order = working()
    reports: list[Event] = [*desk.executions_of(order, 1), *desk.executions_of(order, 2)]
    done = order, BrokerStatus.FILLED, 3
    plain, _ = working()
    for event in reports:
        plain.send(event)
    plain.report(*done)
    shuffled = data.draw(st.permutations([*reports, *reports, "done", "ack"]))
    for event in shuffled:
        if event == "done":
            desk.report(*done)
        elif event == "ack":
            desk.ack(order)
        else:
            desk.send(event)  # type: ignore[arg-type]
    assert books(desk) == books(plain)


@QUICK
@given(st.data())
def test_a_cancel_that_races_fills_ends_in_the_same_books(data: st.DataObject) -> None:
    filled = data.draw(st.integers(0, 2))
    desk, order = working()
    reports: list[object] = [*desk.executions_of(order, filled)] if filled else []
    plain, _ = working()
    for event in reports:
        plain.send(event)  # type: ignore[arg-type]
    plain.cancelled(order, filled)
    for event in data.draw(st.permutations([*reports, *reports, "done", "ack"])):
        if event == "done":
            desk.cancelled(order, filled)
        elif event == "ack":
            desk.ack(order)
        else:
            desk.send(event)  # type: ignore[arg-type]
    assert books(desk) == books(plain)


# ---------------------------------------------------------------- restarts


@QUICK
@given(st.data())
def test_the_records_up_to_any_turn_give_that_state(data: st.DataObject) -> None:
    """A run that died after any of its turns goes on from there (faults 7, 8; invariants 21, 22)."""
    desk, order = working()
    states = [(len(desk.records), desk.state)]

    def note() -> None:
        states.append((len(desk.records), desk.state))

    for report in data.draw(st.composite(lambda draw: fills(desk, order, draw))()):
        desk.send(report)
        note()
        desk.commission(report, str(data.draw(FEES)))
        note()
    desk.report(order, BrokerStatus.FILLED, 3)
    note()
    desk.until("15:45", step=3600)
    note()
    desk.fill(desk.last, data.draw(st.integers(1, 3)))
    note()
    for kept, state in data.draw(st.lists(st.sampled_from(states), min_size=1, max_size=4)):
        again = resume(desk.records[:kept], desk.now, desk.board, EventCalendar()).state
        assert dict(again.positions.by_id) == dict(state.positions.by_id)
        assert dict(again.orders.by_ref) == dict(state.orders.by_ref)
        assert dict(again.positions.executions) == dict(state.positions.executions)
        assert {n: b.day for n, b in again.bots.by_name.items()} == {n: b.day for n, b in state.bots.by_name.items()}
        assert again.orders.next_number == state.orders.next_number
        assert resume(desk.records[:kept], desk.now, desk.board, EventCalendar()).state == again


# ---------------------------------------------------------------- purity


def frozen_board(board: Board) -> object:
    return [getattr(board, name).tobytes() for name in COLUMNS], dict(board.rows)


@QUICK
@given(st.lists(st.sampled_from(["tick", "fill", "partial", "ack", "cancel", "vix", "late", "link"]), max_size=12))
def test_a_turn_is_pure(moves: list[str]) -> None:
    """The same inputs give equal outputs, and what went in is left as it was."""
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}"),))
    desk.until("10:00")

    def part_of(order: Order) -> None:
        desk.fill(order, 1)

    for move in moves:
        if move == "tick":
            desk.tick(10)
        elif move == "vix":
            desk.level("VIX", 30.0)
        elif move == "late":
            desk.until("15:45")
        elif move == "link":
            desk.unlink()
            desk.link()
        elif desk.live:
            answers = {"fill": desk.fill, "ack": desk.ack, "cancel": desk.cancelled, "partial": part_of}
            answers[move](desk.live[-1])
        for event in (MarketDataUpdated(desk.now, tuple(range(20))), desk.events[-1]):
            before, board = desk.state, frozen_board(desk.board)
            reported = repr(before)
            first = handle_event(desk.program, before, event)
            second = handle_event(desk.program, before, event)
            assert repr(before) == reported
            assert frozen_board(desk.board) == board
            assert first.records == second.records
            assert first.commands == second.commands
            assert first.state == second.state


# ---------------------------------------------------------------- prices


TICKS = st.sampled_from(["SPX", "SPY"])


@given(
    wanted=st.floats(-30, 30),
    spread=st.floats(0, 5),
    floor=st.none() | st.decimals("-30", "30", places=4),
    symbol=TICKS,
    combo=st.booleans(),
)
def test_a_limit_lies_on_its_tick_not_past_natural_nor_under_its_floor(
    wanted: float, spread: float, floor: Decimal | None, symbol: str, combo: bool
) -> None:

    facts = product(symbol)
    ticks = facts.combo_ticks if combo else facts.option_ticks
    natural = float(ticks.round(wanted - spread, Rounding.DOWN))
    price = limit_net(wanted, natural=natural, floor=floor, ticks=ticks)
    assert ticks.round(price, Rounding.NEAREST) == price
    assert price >= Decimal(f"{natural:.10f}")
    assert floor is None or price >= floor


@given(entry=st.decimals("0.10", "20", places=2), credit=st.booleans(), part=st.floats(0.05, 3), stop=st.booleans())
def test_a_resting_price_never_acts_on_the_wrong_side_of_the_entry(
    entry: Decimal, credit: bool, part: float, stop: bool
) -> None:

    option = put(590, "SPY")
    sign = -1 if credit else 1
    leg = PositionLeg(name="put", option=option, sign=sign, ratio=1, opened=1, entry_cash=-sign * entry * 100)
    position = Position(id="p", bot="b", digest="", state="open", session=option.expiry, quantity=1, legs=(leg,))
    planned = ExitPlan(
        name="exit",
        kind=ExitKind.STOP if stop else ExitKind.TARGET,
        rule=None,
        resting=True,
        order=Ladder(path=()),
        if_unknown=IfUnknown.HOLD,
        grace=30.0,
        basis="loss" if stop else "profit",
        compares=ExitLevel(measure="loss" if stop else "profit", value=float(part), quantity=Quantity.FRACTION),
    )
    price = level_price(position, leg, planned)
    if price is None:
        assert part > 1, "only what can never be reached does not rest"
        return
    ticks = product("SPY").option_ticks
    assert ticks.round(price, Rounding.NEAREST) == price
    above = credit is stop
    assert price >= entry - Decimal("0.01") if above else price <= entry + Decimal("0.01")
