"""The margin that a backtest's broker estimates: of what is held, and of an order before it is sent."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from past_days import PastDays
from test_backtest_walk import CONDOR, desk_of, run

from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.simulated_broker import SimulatedBroker
from rulebot.cli.past.backtest import result_lines
from rulebot.model.contract import Contract, Option, Right, Underlying, share
from rulebot.model.event import MarginReport, PositionReport
from rulebot.model.market import Board
from rulebot.model.order import AskMargin, Order, OrderLeg, OrderType, Purpose, Side
from rulebot.model.session import session_on

DAY = date(2026, 9, 1)
SPY = Underlying("SPY")


NEXT, LAST = date(2026, 9, 2), date(2026, 9, 3)


def of(strike: int, right: Right = Right.CALL, expiry: date = DAY) -> Option:
    return Option("SPY", "SPY", expiry, Decimal(strike), right)


def put(strike: int, expiry: date = DAY) -> Option:
    return of(strike, Right.PUT, expiry)


def broker(held: dict[Contract, int]) -> SimulatedBroker:
    session = session_on(DAY)
    assert session is not None
    return SimulatedBroker(Board(), "A", NATURAL, session, holdings=held, cash=Decimal(100_000))


def added(held: dict[Contract, int], limit: str, *legs: OrderLeg, quantity: int = 1, side: Side = Side.BUY) -> Decimal:
    """Return what an order for these legs adds, a combo bought as on the wire."""
    session = session_on(DAY)
    assert session is not None
    order = Order(
        ref="rb:t:000001", number=1, bot="t", position="t-1", purpose=Purpose.ENTRY, reason="entry", legs=legs,
        side=side, quantity=quantity, kind=OrderType.LIMIT, limit_price=Decimal(limit), prepared_at=session.open,
        changed_at=session.open,
    )  # fmt: skip
    (found,) = broker(held).take(AskMargin(order), session.open)
    assert isinstance(found, MarginReport)
    return found.change


@pytest.mark.parametrize(
    ("held", "margin"),
    [
        ({of(600): -1}, 12_000),
        ({of(600): -1, SPY: 100}, 0),
        ({of(600): -3, SPY: 250}, 12_000),
        ({of(600): -1, SPY: -100}, 12_000),
        ({of(590, Right.PUT): -1, of(580, Right.PUT): 1}, 1_000),
        ({of(590, Right.PUT): -1, of(580, Right.PUT): 1, of(610): -1, SPY: 100}, 1_000),
        ({of(590, Right.PUT): -1}, 59_000),
        ({SPY: 100}, 0),
        ({of(610): -1, of(590, Right.PUT): -1}, 12_200),
        ({of(610): -1, of(590, Right.PUT): -2}, 23_600),
    ],
)
def test_calls_that_shares_cover_need_none(held: dict[Contract, int], margin: int) -> None:
    assert broker(held).margin() == margin


@pytest.mark.parametrize(
    ("held", "margin"),
    [
        pytest.param({put(590): -1, put(580): 1, put(585, NEXT): -1, put(570, NEXT): 1}, 2_500, id="two spreads"),
        pytest.param(
            {put(590): -1, put(580): 1, of(610, expiry=NEXT): -1, of(615, expiry=NEXT): 1}, 1_500, id="two sides"
        ),
        pytest.param({put(590): -2, put(590, NEXT): 1, put(580, LAST): 1}, 1_000, id="by what ends later"),
        pytest.param({put(590): -1, put(590, LAST): 1}, 0, id="a calendar"),
        pytest.param({put(590): -1, put(580, LAST): 1}, 1_000, id="a diagonal"),
        pytest.param({put(590): 1, put(590, NEXT): -1}, 59_000, id="what ends before covers nothing"),
        pytest.param(
            {put(590): -1, put(585, NEXT): 1, put(580, NEXT): -1, put(580, LAST): 1},
            500,
            id="a calendar and a diagonal",
        ),
        pytest.param({of(610): -1, put(590, NEXT): -1, put(580, NEXT): 1}, 13_200, id="a bare call beside a spread"),
    ],
)
def test_what_ends_on_different_days_is_lost_apart(held: dict[Contract, int], margin: int) -> None:
    """A spread of an earlier day counted as its bare short option once anything was sold that ended later."""
    assert broker(held).margin() == margin


def test_an_order_for_calls_against_shares_adds_none() -> None:
    call = OrderLeg("short_call", of(610), Side.BUY)
    assert added({SPY: 200}, "1.10", call, quantity=2, side=Side.SELL) == 0
    assert added({SPY: 200, of(620): -1}, "1.10", call, quantity=2, side=Side.SELL) == 610 * 20  # a hundred are free
    assert added({}, "1.10", call, side=Side.SELL) == 610 * 20


def test_a_spread_adds_what_it_can_lose_whatever_shares_are_held() -> None:
    spread = (OrderLeg("short", of(590, Right.PUT), Side.SELL), OrderLeg("long", of(580, Right.PUT), Side.BUY))
    assert added({SPY: 300}, "-2.00", *spread, quantity=3) == 8 * 100 * 3
    shares = (OrderLeg("stock", share("SPY"), Side.BUY, 100), OrderLeg("short_call", of(610), Side.SELL))
    assert added({}, "599.00", *shares) == 59_900


def test_a_strangle_adds_what_it_needs_once_it_is_held() -> None:
    """One side of it alone can be in the money; the other one counted as well once it was held, and in no order."""
    call, put = OrderLeg("call", of(610), Side.SELL), OrderLeg("put", of(590, Right.PUT), Side.SELL)
    assert added({}, "-3.00", call, put, quantity=2) == 24_400 == broker({of(610): -2, of(590, Right.PUT): -2}).margin()
    two = OrderLeg("put", of(590, Right.PUT), Side.SELL, 2)
    assert added({}, "-4.00", call, two) == 23_600


def test_buying_power_goes_down_with_each_entry_of_a_day(tmp_path: Path) -> None:
    """It was that of the morning all day long: condors of $4,000 were sold with $1,000 left."""
    text = CONDOR.replace("vix: {between: [10, 30]}", "buying_power: {above: $1500}").replace(
        "per_day: 1", "per_day: 4"
    )
    text = text.replace("  per_day", "  again: {after: [filled], wait: 1m}\n  max_open: 4\n  per_day")
    text = text.partition("exits:")[0] + "exits:\n  - at_expiry: settle\nrisk: {max_loss_per_trade: $1000}\n"
    found = run(desk_of(tmp_path, text), tmp_path / "one.db", PastDays(), last=DAY, cash=Decimal(3_000))
    assert len(found.trades) == 2
    assert [day.equity for day in found.days] == [3_000 + found.all.net]


def test_sessions_in_which_the_margin_takes_all_are_reported(tmp_path: Path) -> None:
    """A backtest refuses nothing for margin: of $900 condors of $1,000 each were sold, and nothing said so."""
    text = CONDOR.partition("exits:")[0] + "exits:\n  - at_expiry: settle\nrisk: {max_loss_per_trade: $1000}\n"
    poor = run(desk_of(tmp_path, text), tmp_path / "poor.db", PastDays(), last=NEXT, cash=Decimal(500))
    rich = run(desk_of(tmp_path, text), tmp_path / "rich.db", PastDays(), last=NEXT, cash=Decimal(3_000))
    assert [day.is_strained for day in poor.days] == [True, True]
    assert [day.is_strained for day in rich.days] == [False, False]
    words = "took all that the account had in 2 sessions, first on 2026-09-01: a broker may refuse such entries"
    assert words in "\n".join(result_lines(poor))
    assert "took all that the account had" not in "\n".join(result_lines(rich))


def test_options_that_were_bought_buy_nothing_more() -> None:
    """What the broker says is free is cash and shares, less margin: the worth of options is in neither."""
    found = broker({of(590): 2, SPY: 10, put(590): -1, put(580): 1}).reported(
        {of(590): 12.5, SPY: 600.0, put(590): 3.0}
    )
    assert found.net_liquidation == 100_000 + 2_500 + 6_000 - 300
    assert found.available_funds == found.buying_power == 100_000 + 6_000 - 1_000


def test_shares_come_by_the_level_at_which_an_option_is_settled() -> None:
    """One of the session before, whose close was told late, went by what its underlying was at that evening."""
    found = broker({of(600, Right.PUT): -1})
    row = found.board.add(SPY)
    found.board.last[row] = 610.0
    session = session_on(NEXT)
    assert session is not None
    reported = list(found.settle(of(600, Right.PUT), Decimal(590), session.close))
    assert [each.contract for each in reported if isinstance(each, PositionReport)] == [SPY, of(600, Right.PUT)]
    assert (found.holdings[SPY], found.cash) == (100, Decimal(40_000))
