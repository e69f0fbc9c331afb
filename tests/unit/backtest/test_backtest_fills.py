"""What simulated orders fill at, and the columns of Black's model."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder
from rulebot.cli.past_options import asked_fills
from rulebot.model.black import delta, implied_volatility, sensitivities
from rulebot.model.black_columns import black, greeks, normal, volatilities
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.event import ExecutionReport
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, Submit
from rulebot.model.session import session_on
from rulebot.order.price import NetQuote, order_parts

DAY = date(2026, 9, 1)


def option(strike: int, right: Right = Right.PUT) -> Option:
    return Option("SPX", "SPXW", DAY, Decimal(strike), right)


def order(limit: str | None, kind: OrderType = OrderType.LIMIT, stop: str | None = None) -> Order:
    """A put spread sold for a credit: the wire buys the combo at a negative price."""
    session = session_on(DAY)
    assert session is not None
    legs = (OrderLeg("short", option(5900), Side.SELL), OrderLeg("long", option(5890), Side.BUY))
    return Order(
        ref="rb:t:000001",
        number=1,
        bot="t",
        position="t-1",
        purpose=Purpose.ENTRY,
        reason="entry",
        legs=legs,
        side=Side.BUY,
        quantity=1,
        kind=kind,
        limit_price=None if limit is None else -Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
        prepared_at=session.open,
        changed_at=session.open,
    )


def filled(model: str, limit: str | None, *, is_resting: bool = False) -> Decimal | None:
    """Sell at these quotes: the middle 1.00, the natural price 0.80 (a width of 0.40)."""
    found = order(limit, OrderType.MARKET if limit is None else OrderType.LIMIT)
    return fill_model(model).price(
        found, order_parts(found.legs, found.side), NetQuote(1.0, 0.80), is_resting=is_resting
    )


@pytest.mark.parametrize(
    ("model", "limit", "price"),
    [
        ("natural", "1.00", None),
        ("natural", "0.85", None),
        ("natural", "0.80", "0.80"),
        ("natural", "0.70", "0.80"),
        ("mid", "1.05", None),
        ("mid", "1.00", "1.00"),
        ("mid", "0.80", "1.00"),
        ("mid+0.3", "0.95", None),
        ("mid+0.3", "0.90", "0.90"),
        ("mid+0.3", "0.85", "0.85"),
        ("mid+0.3", "0.80", "0.85"),
        ("mid+0.5", "0.85", None),
        ("mid+0.5", "0.80", "0.80"),
    ],
)
def test_a_limit_fills_when_it_reaches_the_price_of_the_model(model: str, limit: str, price: str | None) -> None:
    assert filled(model, limit) == (None if price is None else Decimal(price))


def test_an_order_that_waits_gets_its_own_price_when_the_market_comes_to_it() -> None:
    assert filled("mid", "0.90", is_resting=True) == Decimal("0.90")


def test_an_order_that_fills_in_parts_reports_their_average_signed_as_it_was_sent() -> None:
    """What was filled before a start, at what nobody knows, leaves it unknown."""
    placed = order("0.85")
    whole = WorkingOrder(placed, placed.changed_at)
    for count, net in ((1, "0.90"), (2, "0.85")):
        whole.add(count, Decimal(net))
    assert (whole.filled, whole.average) == (3, Decimal("-0.8667"))
    unknown = WorkingOrder(placed, placed.changed_at, filled=1)
    unknown.add(1, Decimal("0.90"))
    assert (unknown.filled, unknown.average) == (2, None)


def test_what_is_quoted_on_the_side_that_is_dealt_with_fills_once_for_all_orders() -> None:
    """Sold are bids, bought are asks; what one order has taken of a quote is gone for the next, until another comes."""
    session = session_on(DAY)
    assert session is not None
    broker = SimulatedBroker(Board(), "A", fill_model("natural"), session, cash=Decimal(10_000))
    board, at = broker.board, session.open + timedelta(minutes=5)
    sizes = {option(5900): (5.0, 0.0, 1.20, 1.30), option(5890): (0.0, 9.0, 0.20, 0.30)}

    def quote(at: datetime) -> None:
        for each, (bids, asks, bid, ask) in sizes.items():
            row = board.add(each)
            board.bid[row], board.ask[row], board.bid_size[row], board.ask_size[row] = bid, ask, bids, asks
            board.quote_at[row] = at.timestamp()

    def filled(number: int, quantity: int, at: datetime, kind: OrderType = OrderType.LIMIT) -> int:
        sent = replace(order("0.90", kind), ref=f"rb:t:{number:06d}", number=number, quantity=quantity)
        assert len([*broker.take(Submit(sent), at)]) == 1
        reported = [each for each in broker.fill(at + timedelta(seconds=1)) if isinstance(each, ExecutionReport)]
        assert len({each.quantity for each in reported}) <= 1
        return int(reported[0].quantity) if reported else 0

    quote(at)
    assert [filled(number, 2, at) for number in (1, 2, 3, 4)] == [2, 2, 1, 0]
    quote(later := at + timedelta(minutes=1))
    assert broker.working["rb:t:000003"].filled == 1
    assert [int(each.quantity) for each in broker.fill(later) if isinstance(each, ExecutionReport)] == [1, 1, 2, 2]
    assert filled(5, 9, later) == 2


def test_what_was_sold_at_the_bids_leaves_the_asks_as_they_were() -> None:
    """An exit within the minute of its entry filled a part, or nothing, of what was quoted on its side."""
    session = session_on(DAY)
    assert session is not None
    broker = SimulatedBroker(Board(), "A", fill_model("natural"), session, cash=Decimal(10_000))
    board, at = broker.board, session.open + timedelta(minutes=5)
    for each, bid in ((option(5900), 1.20), (option(5890), 0.20)):
        row = board.add(each)
        board.bid[row], board.ask[row], board.bid_size[row], board.ask_size[row] = bid, bid + 0.1, 3.0, 3.0
        board.quote_at[row] = at.timestamp()
    for number, sides in ((1, (Side.SELL, Side.BUY)), (2, (Side.BUY, Side.SELL))):
        sent = replace(order(None, OrderType.MARKET), ref=f"rb:t:{number:06d}", number=number, quantity=3)
        sent = replace(sent, legs=tuple(replace(leg, side=side) for leg, side in zip(sent.legs, sides, strict=True)))
        assert len([*broker.take(Submit(sent), at)]) == 1
        at += timedelta(seconds=1)
        assert [int(each.quantity) for each in broker.fill(at) if isinstance(each, ExecutionReport)] == [3, 3]


def test_a_market_order_pays_the_natural_price_in_every_model() -> None:
    assert [filled(model, None) for model in ("natural", "mid", "mid+0.3")] == [Decimal("0.8000")] * 3


def test_nothing_fills_without_sound_quotes() -> None:
    found = order("0.10")
    assert (
        fill_model("mid").price(found, order_parts(found.legs, found.side), NetQuote(None, None), is_resting=True)
        is None
    )


@pytest.mark.parametrize("text", ["", "best", "mid+", "mid+0.6", "mid-0.1", "mid+1", "natural+0.1"])
def test_a_model_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="--fills is natural"):
        fill_model(text)


# ---------------------------------------------------------------- Black's model in columns


def test_the_normal_distribution_is_that_of_one_number_at_a_time() -> None:
    from rulebot.model.black import norm_cdf as one

    places = np.linspace(-9.0, 9.0, 721)
    assert np.abs(normal(places) - [one(float(x)) for x in places]).max() < 1e-15
    assert np.isnan(normal(np.array([np.nan]))).all()


def test_columns_say_what_the_model_says_of_one_option() -> None:
    chance = np.random.default_rng(3)
    forward, strike = np.full(300, 5900.0), 5900.0 + chance.uniform(-120, 120, 300)
    years, iv = chance.uniform(0.05, 20.0, 300) / 252.0, chance.uniform(0.08, 0.5, 300)
    sign = np.where(chance.uniform(size=300) > 0.5, 1.0, -1.0)
    value, _ = black(forward, strike, iv * np.sqrt(years), 1.0, sign)
    found = volatilities(value, forward, strike, years, sign)
    columns = greeks(forward, strike, years, iv, sign)
    for place in range(300):
        of = (float(forward[place]), float(strike[place]), float(years[place]))
        alone = implied_volatility(float(value[place]), *of, bool(sign[place] > 0))
        assert (alone is None) == bool(np.isnan(found[place]))
        if alone is not None:
            assert found[place] == pytest.approx(alone, rel=1e-7)
        assert columns[0][place] == pytest.approx(delta(*of, float(iv[place]), bool(sign[place] > 0)), abs=1e-12)
        gamma, theta, vega = sensitivities(*of, float(iv[place]))
        assert [column[place] for column in columns[1:]] == pytest.approx([gamma, theta, vega], rel=1e-9)


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (False, "--fills is natural, mid, mid+PART or from:STORE, is 'best'"),
        (True, "--fills is natural, mid, mid+PART, from:STORE or recorded, is 'best'"),
    ],
)
def test_a_wrong_model_is_answered_with_all_that_there_are(recorded: bool, words: str) -> None:
    with pytest.raises(MisuseError) as caught:
        asked_fills("best", recorded=recorded)
    assert caught.value.message == words


def test_a_store_of_fills_that_is_not_there_is_reported_as_that_of_fills(tmp_path: Path) -> None:
    """It said `name one with --store`, which is what a backtest writes."""
    with pytest.raises(StoreError, match=r"nothing\.db, from which --fills is to be taken") as caught:
        asked_fills(f"from:{tmp_path / 'nothing.db'}")
    assert caught.value.help == "write from:STORE of a run"


@pytest.mark.parametrize(("purpose", "dealt"), [(Purpose.TARGET, 2), (Purpose.EXIT, 0)])
def test_a_resting_combo_sells_a_wing_that_nobody_bids_for_at_nothing(purpose: Purpose, dealt: int) -> None:
    """As the simulated exchange does. Other exits leave such a wing to expire."""
    session = session_on(DAY)
    assert session is not None
    broker = SimulatedBroker(Board(), "A", fill_model("natural"), session, cash=Decimal(10_000))
    board, at = broker.board, session.open + timedelta(minutes=5)
    for found, bid, ask in ((option(5900), 0.20, 0.30), (option(5890), nan, 0.05)):
        row = board.add(found)
        board.bid[row], board.ask[row], board.quote_at[row] = bid, ask, at.timestamp()
        board.bid_size[row], board.ask_size[row] = (0.0 if isnan(bid) else 9.0), 9.0
    board.alive_at = at.timestamp()
    legs = (OrderLeg("short", option(5900), Side.BUY), OrderLeg("long", option(5890), Side.SELL))
    closing = replace(order(None), legs=legs, purpose=purpose, limit_price=Decimal("0.30"))
    assert not list(broker.fill(at))
    list(broker.take(Submit(closing), at))
    reported = [event for event in broker.fill(at + timedelta(seconds=1)) if isinstance(event, ExecutionReport)]
    assert len(reported) == dealt
    assert sum(each.price * (1 if each.is_buy else -1) for each in reported) == (Decimal("0.30") if reported else 0)
