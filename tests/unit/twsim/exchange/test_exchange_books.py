"""Money: commissions, positions, margin, settlement, the ledger, start positions."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fake_market import (
    AAPL,
    C5100,
    C5110,
    CLOSE,
    CONDOR,
    DAY,
    LATER,
    NAN,
    P4990,
    P5000,
    QUIET,
    QUOTES,
    SPX,
    SPX_AM,
    SPY,
    SPY_C,
    SPY_P,
    SPY_P2,
    TEN,
    Desktop,
    FakeMarket,
    option,
)

from twsim.exchange.broker_state import Account
from twsim.exchange.exchange import PositionsError, StartPosition, load_positions
from twsim.exchange.execution import charge
from twsim.exchange.ledger import LedgerError, ledger_summary, open_ledger, read_ledger, totals
from twsim.exchange.margin import Line, margin_needs
from twsim.nouns import Instrument
from twsim.seams import Commissioned, DayStats, PositionChanged

D = Decimal


def known(con_id: int) -> Instrument:
    found = FakeMarket().catalogue.by_id(con_id)
    assert found is not None
    return found


# ------------------------------------------------------------- commissions


@pytest.mark.parametrize(
    ("con_id", "quantity", "price", "sold", "expected"),
    [
        (SPY_P, 1, "2.00", False, "1.0468"),  # minimum 1.00 + ORF 0.02685 + clearing 0.02
        (SPY_P, 2, "5.00", False, "1.3937"),  # 2 x 0.65 + 2 x 0.04685
        (SPY_P, 3, "0.07", False, "1.6406"),  # 3 x 0.50
        (SPY_P, 5, "0.03", False, "1.4842"),  # 5 x 0.25
        (SPY_P, 2, "5.00", True, "1.4073"),  # + SEC 0.008 + TAF 0.00558
        (P5000, 10, "2.20", False, "12.7685"),  # 10 x (0.65 + 0.58 + 0.04685)
        (P5000, 10, "0.55", False, "11.8685"),  # weekly below 1.00: 0.49
        (SPX_AM, 10, "2.20", False, "13.5685"),  # monthly: 0.66
        (SPY, 100, "505.00", False, "1.0000"),
        (SPY, 1000, "505.00", False, "5.0000"),
        (SPY, 1000, "505.00", True, "9.2060"),  # + SEC 4.04 + TAF 0.166
        (SPY, 1000, "0.20", False, "2.0000"),  # at most 1 %
    ],
)
def test_commission_of_one_order(con_id: int, quantity: int, price: str, sold: bool, expected: str) -> None:
    paid, _ = charge(known(con_id), D(quantity), D(price), sold=sold, paid=D(0), single=True)
    assert paid == D(expected)


@pytest.mark.parametrize(
    ("symbol", "trading_class", "single", "expected"),
    [
        ("XSP", "XSP", True, "1.3937"),  # 2 x (0.65 + 0.04685)
        ("XSP", "XSP", False, "1.3937"),
        ("RUT", "RUTW", True, "1.7537"),  # + 2 x 0.18
        ("RUT", "RUT", False, "1.7537"),
        ("NDX", "NDXP", True, "1.8937"),  # + 2 x 0.25
        ("NDX", "NDX", False, "2.3937"),  # + 2 x 0.25 of a complex order
    ],
)
def test_commission_of_two_options_on_other_indices(
    symbol: str, trading_class: str, single: bool, expected: str
) -> None:
    instrument = replace(known(P5000), symbol=symbol, trading_class=trading_class)
    paid, _ = charge(instrument, D(2), D("2.00"), sold=False, paid=D(0), single=single)
    assert paid == D(expected)


def test_the_minimum_is_taken_once_per_order() -> None:
    first, paid = charge(known(SPY_P), D(1), D("2.00"), sold=False, paid=D(0), single=True)
    second, paid = charge(known(SPY_P), D(1), D("2.00"), sold=False, paid=paid, single=True)
    whole, _ = charge(known(SPY_P), D(2), D("2.00"), sold=False, paid=D(0), single=True)
    assert abs(first + second - whole) <= D("0.0001")
    assert (first, second) == (D("1.0468"), D("0.3468"))


def test_legs_of_a_combo_have_no_minimum() -> None:
    paid, _ = charge(known(SPY_P), D(1), D("2.00"), sold=False, paid=D(0), single=False)
    assert paid == D("0.6968")


# ------------------------------------------------------------- account


def test_average_cost_includes_commission_and_realised_is_the_cash() -> None:
    account = Account(D(1000))
    assert account.trade(1, D(1), D(250), D("1.05")) is None
    assert account.holdings[1].average_cost == D("251.05")
    assert account.trade(1, D(-1), D(-300), D("1.05")) == D("47.90")
    assert account.cash == D("1047.90")


def test_a_short_is_negative_with_a_positive_average() -> None:
    account = Account(D(1000))
    account.trade(1, D(-2), D(-500), D(2))
    assert (account.quantity(1), account.holdings[1].average_cost) == (-2, D(249))
    assert account.trade(1, D(1), D(100), D(1)) == D(148)
    assert (account.quantity(1), account.holdings[1].cost) == (-1, D(-249))


def test_a_trade_through_zero_closes_and_opens() -> None:
    account = Account(D(1000))
    account.trade(1, D(2), D(200), D(0))
    assert account.trade(1, D(-3), D(-360), D(3)) == D(38)
    assert (account.quantity(1), account.holdings[1].cost) == (-1, D(-119))
    assert account.cash == 1000 - 200 + 360 - 3


def test_realised_is_reported_with_the_closing_commission() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.2)
    opening = [report for report in desk.step() if isinstance(report, Commissioned)]
    desk.place(P5000, "SELL", limit=2.0)
    closing = [report for report in desk.step() if isinstance(report, Commissioned)]
    assert opening[0].realized is None
    assert closing[0].realized == D(-20) - opening[0].commission - closing[0].commission
    assert desk.broker.positions() == []


def test_profits_of_the_day_begin_again_and_those_of_a_closed_position_stand() -> None:
    desk = Desktop()
    desk.place(SPY, "BUY", 100)
    desk.step()
    bought = desk.broker.positions()[0]
    assert bought.daily == bought.unrealized
    desk.to(datetime(2024, 5, 7, 13, 30, tzinfo=UTC))
    assert desk.broker.position(SPY).daily == 0
    desk.market.quotes[SPY] = (520.0, 520.02, 1000, 1000)
    desk.place(SPY, "SELL", 100)
    desk.step()
    closed = desk.broker.position(SPY)
    assert (closed.quantity, closed.unrealized) == (0, 0)
    assert closed.realized != 0
    assert closed.daily == (closed.realized - (bought.unrealized or 0)).quantize(Decimal("0.01"))
    assert desk.broker.daily_profit() == closed.daily
    desk.to(datetime(2024, 5, 8, 13, 30, tzinfo=UTC))
    assert (desk.broker.position(SPY).realized, desk.broker.daily_profit()) == (0, 0)


def test_account_values_add_up() -> None:
    desk = Desktop()
    desk.place(SPY_P, "SELL", 1, limit=4.0)
    desk.step()
    values = {
        key: D(text) for key, text in desk.broker.account_values().items() if key[0] in "NTEBAGIM" and "." in text
    }
    (view,) = desk.broker.positions()
    assert view.market_value == D(-405)
    assert values["TotalCashValue"] == D("1000398.95")
    assert values["NetLiquidation"] == values["TotalCashValue"] - 405
    assert values["InitMarginReq"] == 405 + 100 * (D("0.2") * 505 - 5)
    assert values["AvailableFunds"] == values["TotalCashValue"] - values["InitMarginReq"]
    assert values["ExcessLiquidity"] == values["TotalCashValue"] - values["MaintMarginReq"]
    assert abs(values["BuyingPower"] - 4 * values["AvailableFunds"]) < D("0.05")
    assert view.unrealized == D("-6.05")


def test_day_trades_of_a_small_account_are_forgotten_after_five_sessions() -> None:
    desk = Desktop(cash=D(20_000))

    def left() -> str:
        return desk.broker.account_values()["DayTradesRemaining"]

    for action, limit in (("BUY", 4.1), ("SELL", 4.0)):
        assert left() == "3"
        desk.place(SPY_P, action, limit=limit)
        desk.step()
    found = [left()]
    for day in (7, 8, 9, 10, 13):
        desk.to(datetime(2024, 5, day, 13, 30, tzinfo=UTC))
        found.append(left())
    assert found == ["2", "2", "2", "2", "2", "3"]


def test_days_without_a_session_forget_no_day_trade() -> None:
    """One of a Thursday was forgotten on Tuesday, as if the exchange had traded over the weekend."""
    desk = Desktop(at=datetime(2024, 5, 9, 14, 0, tzinfo=UTC), cash=D(20_000))
    for action, limit in (("BUY", 4.1), ("SELL", 4.0)):
        desk.place(SPY_P, action, limit=limit)
        desk.step()
    found = []
    for day in (10, 11, 13, 14, 15, 16):
        desk.to(datetime(2024, 5, day, 13, 30, tzinfo=UTC))
        found.append(desk.broker.account_values()["DayTradesRemaining"])
    assert found == ["2", "2", "2", "2", "2", "3"]


def test_a_last_trade_outside_the_quote_values_nothing() -> None:
    """A put that ends worthless has an offer and no bid, and its last trade is hours old."""
    desk = Desktop(positions=[hold(SPY_P, -1, "400")])
    desk.market.lasts[SPY_P] = 4.0
    for quote, price in (((NAN, 0.05), 0.05), ((NAN, 4.5), 4.0), ((5.0, NAN), 5.0), ((3.5, NAN), 4.0)):
        desk.market.quotes[SPY_P] = (*quote, 10, 10)
        desk.step()
        assert desk.broker.positions()[0].market_price == price, quote


def test_after_the_close_what_is_held_is_worth_what_it_was() -> None:
    """Nobody quotes then; a short option that counted nothing would be a profit of all its premium, until morning."""
    desk = Desktop()
    desk.place(SPY_P, "SELL", 1, limit=4.0)
    desk.step()
    before = desk.broker.account_values()
    desk.market.quotes[SPY_P] = (NAN, NAN, 0, 0)
    desk.market.lasts[SPY_P] = 9.0  # its last trade was hours ago
    desk.step(30)
    after = desk.broker.account_values()
    assert after["NetLiquidation"] == before["NetLiquidation"] != after["TotalCashValue"]
    (view,) = desk.broker.positions()
    assert view.market_value == D(-405)


@pytest.mark.parametrize("seconds", [1, 90])
def test_what_is_held_is_worth_after_the_close_what_it_was_though_nobody_asked_before(seconds: int) -> None:
    desk = Desktop(at=CLOSE - timedelta(minutes=2))
    desk.place(SPY_P, "SELL", 1, limit=4.0)
    desk.step()
    desk.market.quotes[SPY_P] = (4.50, 4.60, 50, 50)
    desk.step(seconds)
    worth = "4.55" if seconds == 90 else "4.05"
    desk.market.quotes[SPY_P] = (NAN, NAN, 0, 0)
    desk.to(CLOSE + timedelta(minutes=5))
    assert desk.broker.positions()[0].market_price == float(worth)
    (balance,) = [row for row in desk.broker.ledger.rows if row["kind"] == "balance"]
    assert D(str(balance["net_liquidation"])) == D(str(balance["cash"])) - 100 * D(worth)


def test_what_is_held_from_the_start_is_worth_its_last_close_until_it_is_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeMarket, "stats", lambda self, con_id: DayStats(None, None, None, None, 4.2, 0))
    monkeypatch.setitem(QUOTES, SPY_P, (NAN, NAN, 0, 0))
    desk = Desktop(at=datetime(2024, 5, 6, 13, 29, tzinfo=UTC), positions=[hold(SPY_P, -1, "400")])
    (view,) = desk.broker.positions()
    assert (view.market_price, view.unrealized, view.daily) == (4.2, -20, 0)
    assert desk.broker.account_values()["NetLiquidation"] == "999580.00"


def test_margin_after_the_close_goes_by_the_last_level_of_the_underlying(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short call alone needed a few hundred dollars then, as if SPY stood where the option does."""
    desk = Desktop(positions=[hold(SPY_C, -1, "50")])
    needed = desk.broker.account_values()["InitMarginReq"]
    assert D(needed) > 9000
    stats = {SPY: DayStats(None, None, None, 505.0, 480.0, 0)}
    monkeypatch.setattr(FakeMarket, "stats", lambda self, con_id: stats[con_id])
    desk.market.quotes[SPY_C] = (NAN, NAN, 0, 0)
    desk.market.spots["SPY"] = NAN
    desk.step(30)
    assert desk.broker.account_values()["InitMarginReq"] == needed
    stats[SPY] = DayStats(None, None, None, None, 505.0, 0)
    assert desk.broker.account_values()["InitMarginReq"] == needed, "before the open"


# ------------------------------------------------------------- margin


def line(con_id: int, quantity: int, price: str, spot: str = "5050") -> Line:
    return Line(known(con_id), D(quantity), D(price), D(spot))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line(P5000, -1, "2")], 200 + 100 * (D("0.15") * 5050 - 50)),
        ([line(P5000, -1, "2", "9000")], 200 + 100 * D(500)),
        ([line(SPY_P, -1, "4", "505")], 400 + 100 * (D("0.20") * 505 - 5)),
        ([line(SPY_C, -1, "0.5", "505")], 50 + 100 * (D("0.20") * 505 - 5)),
        ([line(P5000, 1, "2")], D(0)),
        ([line(P5000, -1, "2"), line(P4990, 1, "1.5")], D(1000)),
        ([line(P5000, 1, "2"), line(P4990, -1, "1.5")], D(0)),
        ([line(C5100, -2, "2"), line(C5110, 2, "1.4"), line(P5000, -2, "2"), line(P4990, 2, "1")], D(2000)),
        ([line(C5100, -1, "2"), line(P5000, -1, "2")], 200 + 100 * (D("0.15") * 5050 - 50) + 200),
        ([line(SPY_C, -1, "0.5", "505"), line(SPY, 100, "505", "505")], 100 * 505 * D("0.5")),
        ([line(SPY, -100, "505", "505")], 100 * 505 * D("0.5")),
        ([line(SPY, -100, "505", "505"), line(SPY_P, -1, "4", "505")], 100 * 505 * D("0.5")),
        ([line(SPY, 300, "505", "505"), line(SPY_C, -1, "0.5", "505")], 300 * 505 * D("0.5")),
        (
            [line(SPY, 150, "505", "505"), line(SPY_C, -2, "0.5", "505")],
            150 * 505 * D("0.5") + 50 + 100 * (D("0.20") * 505 - 5),
        ),
        (
            [
                line(SPY, 100, "505", "505"),
                line(SPY_C, -1, "0.5", "505"),
                Line(option(92, "SPY", 530, "C", expiry=LATER), D(1), D(1), D(505)),
            ],
            100 * 505 * D("0.5"),
        ),
    ],
)
def test_initial_margin_by_strategy(lines: list[Line], expected: Decimal) -> None:
    assert margin_needs(lines).initial == expected


def put(strike: int, quantity: int) -> Line:
    return Line(option(strike, "SPX", strike, "P"), D(quantity), D(2), D(5050))


def call(strike: int, quantity: int) -> Line:
    return Line(option(10_000 + strike, "SPX", strike, "C"), D(quantity), D(2), D(5050))


def test_two_spreads_whose_strikes_overlap_can_both_be_lost() -> None:
    """As once a side is rolled past the other: at 5000 each loses its ten points."""
    lines = [put(5010, -1), put(5000, 1), call(4990, -1), call(5000, 1)]
    assert margin_needs(lines).initial == 2000
    assert margin_needs([put(5000, -1), put(4990, 1), call(5000, -1), call(5010, 1)]).initial == 1000


def test_two_spreads_of_which_one_always_gains_need_nothing() -> None:
    """A long box was asked less than nothing, which stood against what other options need."""
    box = [call(4990, 1), call(5000, -1), put(5000, 1), put(4990, -1)]
    assert margin_needs(box).initial == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([put(5010, 1), put(5000, -2), put(4990, 1)], 0),
        ([put(5010, -1), put(5000, 2), put(4990, -1)], 1000),
        ([put(5010, 1), put(5000, -2), put(4970, 1)], 2000),
        ([put(5020, 1), put(5010, -1), put(5000, -1), put(4990, 1)], 0),
        ([put(5010, -2), put(5000, 2), put(4990, -1), put(4980, 1)], 3000),
    ],
)
def test_a_butterfly_needs_what_it_can_lose_and_not_the_width_of_each_half(lines: list[Line], expected: int) -> None:
    assert margin_needs(lines).initial == expected


def test_a_long_covers_a_short_of_its_own_expiry_before_one_that_ends_earlier() -> None:
    spread = [
        Line(option(90, "SPX", 4800, "P", expiry=LATER), D(-1), D(30), D(5050)),
        Line(option(91, "SPX", 4850, "P", expiry=LATER), D(1), D(36), D(5050)),
    ]
    assert margin_needs([line(P5000, -1, "2"), *spread]) == margin_needs([line(P5000, -1, "2")])


def test_maintenance_of_stock_and_cash_secured_puts() -> None:
    assert margin_needs([line(SPY, 100, "505", "505")]).maintenance == 100 * 505 * D("0.25")
    assert margin_needs([line(SPY, -100, "505", "505")]).maintenance == 100 * 505 * D("0.30")
    assert margin_needs([line(SPY_P, -2, "4", "505")], cash_secured_puts=True).initial == 100_000


def test_a_long_so_far_away_that_the_spread_loses_more_than_the_short_alone_asks_for_no_more() -> None:
    assert margin_needs([put(5000, -1), put(3000, 1)]) == margin_needs([put(5000, -1)])


def test_a_long_that_ends_before_the_short_covers_nothing() -> None:
    short = Line(option(90, "SPX", 5000, "P", expiry=LATER), D(-1), D(30), D(5050))
    alone = margin_needs([short]).initial
    assert margin_needs([short, line(P4990, 1, "1.5")]).initial == alone


# ------------------------------------------------------------- settlement


def hold(con_id: int, quantity: int, cost: str = "100") -> StartPosition:
    return StartPosition(con_id, D(quantity), D(cost))


def test_pm_options_settle_in_cash_at_the_close() -> None:
    desk = Desktop(positions=[hold(P5000, -1, "200"), hold(C5100, 2, "150")])
    desk.market.levels[(SPX, DAY)] = 4990.5
    reports = desk.to(CLOSE)
    assert reports == [PositionChanged(P5000), PositionChanged(C5100)]
    assert desk.broker.positions() == []
    assert desk.broker.ledger.totals().cash == D(1_000_000) - 950
    assert desk.broker.ledger.totals().realized == {P5000: D(-750), C5100: D(-300)}
    assert desk.broker.position(P5000).realized == D(-750)
    assert desk.broker.account_values()["RealizedPnL"] == "-1050.00"


def test_a_level_not_known_yet_is_waited_for() -> None:
    desk = Desktop(positions=[hold(P5000, -1)])
    assert desk.to(CLOSE) == []
    desk.market.levels[(SPX, DAY)] = 5050.0
    assert desk.to(CLOSE + timedelta(seconds=7)) == [PositionChanged(P5000)]


def test_am_options_settle_at_the_open_of_their_settlement_day() -> None:
    desk = Desktop(positions=[hold(SPX_AM, -1)])
    desk.market.levels[(SPX, date(2024, 5, 7))] = 4900.0
    assert desk.to(CLOSE + timedelta(hours=2)) == []
    assert desk.to(datetime(2024, 5, 7, 13, 29, tzinfo=UTC)) == []
    assert desk.to(datetime(2024, 5, 7, 13, 30, tzinfo=UTC)) == [PositionChanged(SPX_AM)]
    assert desk.broker.ledger.totals().cash == D(1_000_000) - 10_000


def test_an_assigned_put_brings_shares_at_the_strike_after_the_close() -> None:
    desk = Desktop(positions=[hold(SPY_P2, -2, "150"), hold(SPY_C, -1, "50")])
    desk.market.levels[(SPY, DAY)] = 503.0
    assert desk.to(CLOSE) == []
    reports = desk.to(CLOSE + timedelta(minutes=5))
    assert reports == [PositionChanged(SPY_C), PositionChanged(SPY_P2), PositionChanged(SPY)]
    (stock,) = desk.broker.positions()
    assert (stock.con_id, stock.quantity, stock.average_cost) == (SPY, 200, D("503.5"))
    assert desk.broker.ledger.totals().cash == D(1_000_000) - 200 * 505
    assert desk.broker.ledger.totals().realized == {SPY_P2: 0, SPY_C: D(50)}


def test_a_short_call_is_assigned_against_shares_held() -> None:
    desk = Desktop(positions=[hold(SPY, 100, "500"), hold(SPY_C, -1, "50")])
    desk.market.levels[(SPY, DAY)] = 510.01
    desk.to(CLOSE + timedelta(minutes=5))
    assert desk.broker.positions() == []
    assert desk.broker.ledger.totals().realized == {SPY: D(1050), SPY_C: 0}


def test_an_early_assignment_reports_what_shares_have_made_with_the_premium() -> None:
    desk = Desktop(positions=[hold(SPY, 100, "500"), hold(SPY_C, -1, "50")])
    assert desk.broker.assign(SPY_C) == [PositionChanged(SPY_C), PositionChanged(SPY)]
    assert desk.broker.positions() == []
    assert desk.broker.ledger.totals().realized == {SPY: D(1050), SPY_C: 0}


def test_in_the_money_by_less_than_a_cent_is_worthless() -> None:
    desk = Desktop(positions=[hold(SPY_C, 1, "50")])
    desk.market.levels[(SPY, DAY)] = 510.0
    desk.to(CLOSE + timedelta(minutes=5))
    assert desk.broker.positions() == []


def test_a_clock_that_jumps_over_the_night_still_settles_first() -> None:
    desk = Desktop(positions=[hold(P5000, -1), hold(SPY_P2, -1)])
    desk.market.levels |= {(SPX, DAY): 4990.0, (SPY, DAY): 500.0}
    desk.to(datetime(2024, 5, 7, 13, 31, tzinfo=UTC))
    assert [view.con_id for view in desk.broker.positions()] == [SPY]
    days = {row["day"] for row in desk.broker.ledger.rows if row["kind"] == "cash"}
    assert days == {"2024-05-06"}


def test_a_half_day_settles_at_one() -> None:
    half = date(2024, 7, 3)
    desk = Desktop(at=datetime(2024, 7, 3, 14, 0, tzinfo=UTC))
    desk.market._catalogue.known[60] = option(60, "SPX", 5000, "P", expiry=half)
    desk.market.quotes[60] = (1.0, 1.1, 5, 5)
    desk.place(60, "BUY", limit=1.1)
    desk.step()
    desk.market.levels[(SPX, half)] = 4999.0
    assert desk.to(datetime(2024, 7, 3, 17, 0, tzinfo=UTC)) == [PositionChanged(60)]


# ------------------------------------------------------------- ledger


def traded(path: Path | None) -> Desktop:
    desk = Desktop(ledger=open_ledger(path))
    desk.broker.place(desk.combo(CONDOR, quantity=2, limit=-0.8, order_ref="bot/1"))
    desk.step()
    desk.market.levels[(SPX, DAY)] = 4995.0
    desk.to(CLOSE + timedelta(minutes=5))
    return desk


def test_the_file_holds_what_memory_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    desk = traded(path)
    rows = read_ledger(path)
    assert rows == desk.broker.ledger.rows
    assert totals(rows) == desk.broker.ledger.totals()
    assert {str(row["kind"]) for row in rows} == {
        "start",
        "order",
        "execution",
        "cash",
        "commission",
        "position",
        "settlement",
        "balance",
    }
    desk.broker.ledger.close()


def test_totals_agree_with_the_account() -> None:
    desk = traded(None)
    found = desk.broker.ledger.totals()
    assert f"{found.cash:.2f}" == desk.broker.account_values()["TotalCashValue"]
    assert found.positions == {}
    assert sum(found.realized.values()) == found.cash - found.start_cash
    assert found.cash_flow[P5000] == 2 * 200 - 2 * 500


def test_summary_prints_tables() -> None:
    text = ledger_summary(traded(None).broker.ledger.rows)
    assert "SPXW  240506P05000000  SLD   2         2.0" in text
    assert "SPX combo" in text
    assert "2024-05-06" in text
    assert ledger_summary([]).count("(none)") == 4


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"kind": "start", "cash": "1"}\nhello\n')
    with pytest.raises(LedgerError, match=r"x\.jsonl:2: not a ledger row"):
        read_ledger(path)
    path.write_text("[1]\n")
    with pytest.raises(LedgerError, match="no 'kind'"):
        read_ledger(path)


# ------------------------------------------------------------- start


ROW: dict[str, Any] = {
    "symbol": "SPY",
    "expiry": "2024-08-02",
    "strike": 500,
    "right": "P",
    "quantity": -1,
    "average_cost": 412.5,
}


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "positions.json"
    path.write_text(json.dumps(document))
    return path


def test_positions_and_resting_exits_from_a_file(tmp_path: Path) -> None:
    order = ROW | {"action": "BUY", "quantity": 1, "tif": "GTC", "oca_group": "x", "oca_type": 1}
    orders = [
        order | {"order_id": 1, "limit_price": 1.65},
        order | {"order_id": 2, "order_type": "STP", "aux_price": 12.4},
    ]
    stock = {"symbol": "AAPL", "quantity": 100, "average_cost": 170}
    path = written(tmp_path, {"positions": [ROW, stock], "orders": orders})
    start = load_positions(path, FakeMarket().catalogue)
    desk = Desktop(positions=start.positions, orders=start.orders)
    assert [(v.con_id, v.quantity, v.average_cost) for v in desk.broker.positions()] == [
        (SPY_P, -1, D("412.5")),
        (AAPL, 100, 170),
    ]
    assert [view.ticket.order_id for view in desk.broker.open_orders()] == [1, 2]
    assert desk.broker.ledger.totals().positions == {SPY_P: D(-1), AAPL: D(100)}
    assert load_positions(written(tmp_path, [ROW]), FakeMarket().catalogue).orders == ()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": ""}, "position 1: 'symbol' is missing"),
        ({"strike": 501}, "SPY 2024-08-02 501 P is not listed"),
        ({"quantity": 0}, "'quantity' must be a whole number"),
        ({"quantity": "two"}, "'quantity' must be a number, is 'two'"),
        ({"average_cost": None}, "'average_cost' is missing"),
        ({"average_cost": -3}, "must not be negative"),
        ({"average_cost": NAN}, "'average_cost' must be a number from -1,000,000,000 to 1,000,000,000, is nan"),
        ({"quantity": float("inf")}, "'quantity' must be a number from .*, is inf"),
        ({"quantity": 10**30}, "'quantity' must be a number from"),
    ],
)
def test_errors_of_a_start_file_say_where(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(PositionsError, match=text):
        load_positions(written(tmp_path, [ROW | change]), FakeMarket().catalogue)


def test_a_start_file_must_be_readable(tmp_path: Path) -> None:
    with pytest.raises(PositionsError, match=r"none\.json: cannot be read: No such file or directory$"):
        load_positions(tmp_path / "none.json", FakeMarket().catalogue)
    with pytest.raises(PositionsError, match="must be a list"):
        load_positions(written(tmp_path, 3), FakeMarket().catalogue)
    bad = ROW | {"order_id": 1, "action": "HOLD"}
    with pytest.raises(PositionsError, match="'action' must be BUY or SELL"):
        load_positions(written(tmp_path, {"orders": [bad]}), FakeMarket().catalogue)


def test_a_number_of_a_start_file_is_one_that_an_account_can_have(tmp_path: Path) -> None:
    """JSON knows NaN and Infinity: they ended the gateway with a traceback."""
    for name in ("client_id", "order_id", "quantity", "limit_price", "oca_type"):
        odd = ROW | {"action": "BUY", "order_id": 1, name: float("inf")}
        with pytest.raises(PositionsError, match=f"order 1: '{name}' must be a number from"):
            load_positions(written(tmp_path, {"orders": [odd]}), FakeMarket().catalogue)
    half = ROW | {"action": "BUY", "order_id": 1.5}
    with pytest.raises(PositionsError, match=r"order 1: 'order_id' must be a whole number, is 1\.5"):
        load_positions(written(tmp_path, {"orders": [half]}), FakeMarket().catalogue)


def test_positions_of_one_contract_add_up_at_the_start() -> None:
    """Of shares in the file and by --shares the account had the latter alone."""
    desk = Desktop(positions=[hold(SPY, 100, "500"), hold(SPY, 300, "504"), hold(AAPL, 100, "180"), hold(AAPL, -100)])
    assert [(v.con_id, v.quantity, v.average_cost) for v in desk.broker.positions()] == [(SPY, 400, D(503))]
    assert desk.broker.ledger.totals().positions == {SPY: D(400)}
    assert desk.broker.account_values()["UnrealizedPnL"] == "802.00"


def test_a_start_order_that_is_refused_is_an_error(tmp_path: Path) -> None:
    order = ROW | {"order_id": 1, "action": "BUY", "quantity": 1, "limit_price": 1.655}
    start = load_positions(written(tmp_path, {"orders": [order]}), FakeMarket().catalogue)
    with pytest.raises(PositionsError, match="start order 1 is refused: 110"):
        Desktop(orders=start.orders)


def test_positions_without_quotes_are_valued_at_nothing() -> None:
    desk = Desktop(positions=[hold(P5000, 1)], settings=QUIET)
    desk.market.quotes[P5000] = (NAN, NAN, 0, 0)
    assert desk.broker.positions()[0].market_value == 0
    assert desk.market.now == TEN


def test_totals_are_those_of_the_last_run_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first, second = traded(path).broker.ledger, traded(path).broker.ledger
    assert len(read_ledger(path)) == len(first.rows) + len(second.rows)
    assert totals(read_ledger(path)) == second.totals()


def test_options_beyond_the_calendar_can_be_held_and_traded() -> None:
    desk = Desktop()
    desk.market._catalogue.known[70] = option(70, "SPX", 5000, "P", expiry=date(2029, 12, 21))
    desk.market.quotes[70] = (300.0, 301.0, 5, 5)
    desk.place(70, "BUY", limit=301.0, tif="GTC")
    desk.step()
    desk.to(CLOSE + timedelta(minutes=5))
    assert desk.broker.positions()[0].quantity == 1


def test_a_ledger_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be written: No such file"):
        open_ledger(tmp_path / "nowhere" / "ledger.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that takes nothing is one of Linux")
def test_a_ledger_that_takes_no_more_is_said_by_its_name() -> None:
    """It was 'what is printed cannot be written', and 'cannot listen on port 0'."""
    with pytest.raises(LedgerError, match="the ledger /dev/full cannot be written: No space left"):
        Desktop(ledger=open_ledger(Path("/dev/full")))
