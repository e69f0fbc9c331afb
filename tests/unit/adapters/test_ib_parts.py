"""The small parts: pace, account values, history, the self-check, settings, orders as the broker writes them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import pi, sqrt
from types import SimpleNamespace
from typing import cast

import ib_async
import pytest

from rulebot.adapters.clock import WallClock
from rulebot.adapters.ib import handshake, history
from rulebot.adapters.ib.broker import IbBroker, combo_to_broker, order_to_broker
from rulebot.adapters.ib.contracts import ContractBook, both_rights, subscription
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.order_reports import AccountValues
from rulebot.adapters.ib.quotes import ENDS, NEXT_VALID_ID, ORDERS, Inbox
from rulebot.adapters.ib.requests import ORDER_ROOM, MessagePriority, RateLimiter, RefusedError, Requests
from rulebot.adapters.ib.settings import IbSettings
from rulebot.model.contract import Option, Right, Underlying, share
from rulebot.model.errors import BrokerError, InvariantError, UnansweredError
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.session import session_on

DAY = date(2025, 11, 24)
NOW = datetime(2025, 11, 24, 15, 0, tzinfo=UTC)


def raw(text: str) -> list[str]:
    return text.split("|")


def test_pace_holds_back_market_data_and_never_orders() -> None:
    sent: list[int] = []
    pace = RateLimiter(3)
    pace.release(100.0)
    for number in range(5):
        pace.in_turn(lambda number=number: sent.append(number))
    pace.order(1, MessagePriority.OPENING, lambda: sent.append(99))
    assert sent == [0, 1, 2, 99]
    pace.release(100.9)
    assert pace.is_waiting
    pace.release(101.0)
    assert sent == [0, 1, 2, 99, 3, 4]
    assert not pace.is_waiting


def test_52_orders_have_room_of_their_own_and_exits_go_first() -> None:
    sent: list[str] = []
    pace = RateLimiter(2)
    pace.release(100.0)
    for name in "ab":
        pace.in_turn(lambda name=name: sent.append(name))
    for number in range(ORDER_ROOM):
        pace.order(number, MessagePriority.OPENING, lambda number=number: sent.append(f"order {number}"))
    pace.in_turn(lambda: sent.append("data"))
    pace.order(10, MessagePriority.OPENING, lambda: sent.append("entry"))
    pace.order(10, MessagePriority.REDUCING, lambda: sent.append("its cancel"))
    pace.order(11, MessagePriority.REDUCING, lambda: sent.append("exit"))
    assert sent == ["a", "b", "order 0", "order 1", "order 2"]
    assert pace.is_waiting
    pace.release(101.0)
    assert sent[5:] == ["exit", "entry", "its cancel"]
    pace.release(102.0)
    assert sent[8:] == ["data"]


def test_new_orders_leave_in_the_order_of_their_ids() -> None:
    """An exit went before an entry with a lower id, which the gateway then refused (103)."""
    sent: list[str] = []
    pace = RateLimiter(1)
    pace.release(100.0)
    for number in range(1 + ORDER_ROOM):
        pace.order(number, MessagePriority.OPENING, lambda: None, is_new=True)
    pace.order(10, MessagePriority.OPENING, lambda: sent.append("entry"), is_new=True)
    pace.order(11, MessagePriority.REDUCING, lambda: sent.append("exit"), is_new=True)
    pace.order(12, MessagePriority.REDUCING, lambda: sent.append("second exit"), is_new=True)
    pace.order(11, MessagePriority.REDUCING, lambda: sent.append("its change"))
    pace.order(2, MessagePriority.REDUCING, lambda: sent.append("cancel"))
    pace.order(13, MessagePriority.OPENING, lambda: sent.append("second entry"), is_new=True)
    for second in (101.0, 102.0):
        pace.release(second)
    assert sent == ["cancel", "entry", "exit", "second exit", "its change", "second entry"]


def test_what_waits_is_forgotten_with_its_connection() -> None:
    sent: list[int] = []
    pace = RateLimiter(1)
    for number in range(9):
        pace.order(number, MessagePriority.REDUCING, lambda number=number: sent.append(number))
    pace.clear()
    pace.release(5.0)
    assert len(sent) == 1 + ORDER_ROOM
    assert not pace.is_waiting


class _Client:
    def __init__(self) -> None:
        self.sent: list[tuple[str, int, bool | None]] = []

    def placeOrder(self, order_id: int, _contract: object, found: ib_async.Order) -> None:
        self.sent.append(("order", order_id, found.whatIf))

    def cancelOrder(self, order_id: int, _time: str) -> None:
        self.sent.append(("cancel", order_id, None))


def test_52_orders_that_wait_leave_by_what_they_are_for() -> None:
    """A second is used up: cancels and changes of exits go first, then what is new, in the order of its ids."""
    client, pace = _Client(), RateLimiter(1)
    wire = SimpleNamespace(client=client, pace=pace, is_up=True)
    link = SimpleNamespace(account="DU1", sends_orders=True, is_up=True, wire=wire)
    broker = IbBroker(cast(IbLink, link), ContractBook())
    pace.release(100.0)
    for number in range(1 + ORDER_ROOM):
        pace.order(900 + number, MessagePriority.REDUCING, lambda: None)
    entry, exit_ = order(SPREAD[0], order_id=8), order(SPREAD[0], order_id=3, purpose=Purpose.EXIT)
    broker.replace(order(SPREAD[0], order_id=2))
    broker.ask_margin(order(SPREAD[0], order_id=7))
    broker.submit(entry)
    broker.submit(replace(exit_, order_id=9))
    broker.replace(exit_)
    broker.cancel(order(SPREAD[0], order_id=4))
    pace.release(101.0)
    pace.release(102.0)
    assert client.sent == [
        ("order", 3, False),
        ("cancel", 4, None),
        ("order", 2, False),
        ("order", 7, True),
        ("order", 8, False),
        ("order", 9, False),
    ]


def test_what_only_informs_does_not_end_a_question_and_the_first_refusal_does() -> None:
    """Code 2174 comes with bars that are on their way; what comes after the end of an answer changes nothing."""

    async def scenario() -> None:
        requests = Requests(lambda: 7)
        handlers = requests.handlers(dict.fromkeys((10, 17, 52, 75, 76, 93), lambda _fields: None), lambda: 178)

        def refuse(code: int) -> bool:
            return requests.refuse(["4", "2", "7", str(code), "words"])

        def answered(_req_id: int) -> None:
            for code in (165, 366, 399, 2100, 2174, 2199, 10167):
                assert refuse(code)
            handlers[17](["17", "7", "a", "b", "0"])
            assert refuse(162)
            requests.lose()

        assert len(await requests.ask("bars", answered, 1.0)) == 1
        for code in (162, 2099, 2200):

            def refused(_req_id: int, code: int = code) -> None:
                assert refuse(code)
                assert refuse(200)
                handlers[17](["17", "7", "a", "b", "0"])

            with pytest.raises(RefusedError) as caught:
                await requests.ask("bars", refused, 1.0)
            assert caught.value.code == code
        assert not refuse(162), "nothing is asked any more"

    asyncio.run(scenario())


def test_requests_above_the_limit_wait_for_an_answer() -> None:
    async def scenario() -> None:
        sent: list[int] = []
        ids = iter(range(1, 9))
        requests = Requests(lambda: next(ids), 2)
        handlers = requests.handlers(dict.fromkeys((10, 17, 52, 75, 76, 93), lambda _fields: None), lambda: 178)

        async def passed() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        asked = [asyncio.create_task(requests.ask(f"bars {number}", sent.append, 5.0)) for number in range(4)]
        await passed()
        assert (sent, requests.in_flight.open, requests.in_flight.waiting) == ([1, 2], 2, 2)
        handlers[17](["17", "2", "a", "b", "0"])
        await passed()
        assert (sent, requests.in_flight.open, requests.in_flight.waiting) == ([1, 2, 3], 2, 1)
        requests.lose()
        problems = await asyncio.gather(*asked, return_exceptions=True)
        assert sent == [1, 2, 3], "none is sent on a connection that is gone"
        lost = "the connection was lost while asking for"
        assert [str(each).split(": ")[0] for each in problems if isinstance(each, UnansweredError)] == [
            f"{lost} bars {number}" for number in (0, 2, 3)
        ]
        assert (requests.in_flight.open, requests.in_flight.waiting) == (0, 0)

    asyncio.run(scenario())


def test_account_values_are_those_of_our_account_in_its_currency() -> None:
    values = AccountValues("DU1")
    values.read(["6", "2", "NetLiquidation", "100000.50", "USD", "DU1"])
    values.read(["6", "2", "NetLiquidation", "9", "BASE", "DU1"])
    values.read(["6", "2", "NetLiquidation", "9", "USD", "DU2"])
    values.read(["63", "1", "7", "DU1", "MaintMarginReq", "250.00", "USD"])
    assert values.changed
    found = values.take()
    assert (found.net_liquidation, found.maintenance_margin) == (Decimal("100000.50"), Decimal("250.00"))
    assert (found.buying_power, found.currency) == (None, "USD")
    values.read(["6", "2", "NetLiquidation", "100000.50", "USD", "DU1"])
    values.read(["6", "2", "AccountType", "INDIVIDUAL", "", "DU1"])
    assert not values.changed


def test_what_is_reported_while_the_account_is_not_ready_counts_for_nothing() -> None:
    """While the broker's server is being reset: a floor of `net_liquidation` was passed by an account of nothing."""
    values = AccountValues("DU1")
    values.read(["6", "2", "AccountReady", "true", "", "DU1"])
    values.read(["6", "2", "NetLiquidation", "100000.50", "USD", "DU1"])
    assert values.take().net_liquidation == Decimal("100000.50")
    values.read(["6", "2", "AccountReady", "false", "", "DU2"])
    values.read(["6", "2", "NetLiquidation", "100000.75", "USD", "DU1"])
    assert values.take().net_liquidation == Decimal("100000.75")
    values.read(["6", "2", "AccountReady", "false", "", "DU1"])
    values.read(["6", "2", "NetLiquidation", "0.00", "USD", "DU1"])
    assert (values.changed, values.is_due) == (False, False)
    values.read(["6", "2", "AccountReady", "true", "", "DU1"])
    assert (values.changed, values.is_due) == (False, True)


def test_day_trades_left() -> None:
    values = AccountValues("DU1")
    values.read(["6", "2", "NetLiquidation", "9000", "USD", "DU1"])
    for reported, left in (("2", 2), ("0", 0), ("-1", None), ("1", 1), ("Unlimited", None)):
        values.read(["6", "2", "DayTradesRemaining", reported, "", "DU1"])
        assert values.take().day_trades_left == left


def test_an_account_in_another_currency_is_refused() -> None:
    values = AccountValues("DU1")
    values.read(["6", "2", "NetLiquidation", "100000.50", "EUR", "DU1"])
    with pytest.raises(BrokerError, match="account DU1 is kept in EUR; every limit, price and report here is in US"):
        values.take()


def test_bars_are_read_and_the_unfinished_one_is_left_out() -> None:
    session = session_on(DAY)
    assert session is not None
    opening = int(session.open.timestamp())
    row = raw(f"17|7|a|b|2|{opening}|1|2|0.5|1.5|0|0|0|{opening + 60}|1|2|0.5|-1|0|0|0")
    bars = history.read_bars(row)
    assert [(bar.at, bar.day, bar.close) for bar in bars] == [(session.open, DAY, 1.5)]
    daily = history.read_bars(raw("17|7|a|b|1|20251121|1|2|0.5|1.5|0|0|0"))
    assert daily[0].day == date(2025, 11, 21)
    minute = timedelta(minutes=1)
    assert history.finished([session.open], session, session.open + minute / 2) == []
    assert history.finished([session.open - minute, session.open], session, session.open + minute) == [session.open]


def test_closes_are_of_sessions_in_a_row() -> None:
    """A bar of a holiday is of no session; what lies before a session without a bar is not reported."""
    days = [date(2025, 11, day) for day in (19, 20, 24, 25, 26, 27, 28)]  # none of the 21st; the 27th is Thanksgiving
    row = [cell for day in days for cell in (f"{day:%Y%m%d}", "1", "9", "1", str(day.day / 4), "0", "1", "1")]
    bars = history.read_bars(["17", "7", "a", "b", str(len(days)), *row])
    assert history.closes_before(date(2025, 11, 28), bars) == (6.0, 6.25, 6.5)
    assert history.closes_before(date(2025, 11, 22), bars) == ()


def test_durations_and_errors_of_history() -> None:
    spx = ib_async.Index("SPX", "CBOE")
    assert history.daily_closes(spx, 20).duration == "21 D"
    assert history.daily_closes(spx, 300).duration == "3 Y"
    assert history.straddle_move(6001.0, 6000.0, 3.0, 2.0) == 5 * sqrt(pi / 2)
    assert history.straddle_move(6001.0, 6000.0, 2.0, None) is None
    assert history.straddle_move(6004.0, 6000.0, 3.0, 2.0) is None, "the index has not followed its options"
    assert history.is_empty(162, "HMDS query returned no data: X")
    assert not history.is_empty(162, "pacing violation")
    assert history.is_forbidden(162, "No market data permissions for CBOE IND")


@pytest.mark.parametrize(
    ("minutes", "seconds", "count", "asked"),
    [
        (-60, 300, 3, ("3 D", "5 mins")),
        (10, 300, 3, ("3 D", "5 mins")),
        (15, 300, 3, ("1 D", "5 mins")),
        (20, 300, 3, ("1800 S", "5 mins")),
        (240, 60, 59, ("3600 S", "1 min")),
        (240, 60, 60, ("14400 S", "1 min")),
        (390, 1800, 13, ("1 D", "30 mins")),
        (390, 1800, 14, ("3 D", "30 mins")),
        (900, 1800, 27, ("4 D", "30 mins")),
    ],
)
def test_bars_are_asked_for_as_far_back_as_they_may_lie(
    minutes: int, seconds: int, count: int, asked: tuple[str, str]
) -> None:
    """One that is not over comes with them, and one of the sessions before may be a half day."""
    session = session_on(DAY)
    assert session is not None
    now = session.open + timedelta(minutes=minutes)
    found = history.session_bars(ib_async.Index("SPX", "CBOE"), seconds, count, session, now)
    assert (found.duration, found.size) == asked


def test_the_self_check_passes_with_this_ib_async() -> None:
    asyncio.run(handshake.check_seams())


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 9, 10, 11, 17, 21, 45, 53, 58, 59, 61, 76, 101])
def test_the_self_check_names_what_no_longer_arrives(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., None] = handshake.install

    def deaf(client: object, *parts: object) -> None:
        real(client, *parts)
        client.decoder.handlers[kind] = lambda _fields: None  # type: ignore[attr-defined]

    monkeypatch.setattr(handshake, "install", deaf)
    monkeypatch.setattr(handshake, "SECONDS", 0.01)
    with pytest.raises(BrokerError, match=r"ib_async \d+\.\d+\.\d+ does not pass on messages of kind") as caught:
        asyncio.run(handshake.check_seams())
    assert str({76: 75}.get(kind, kind)) in caught.value.message


@pytest.mark.parametrize("kind", [3, 5, 6, 11, 59, 61, 63, 101])
def test_ib_async_is_reported_of_no_order_and_no_execution(kind: int) -> None:
    """It would keep each of them, with its log, for as long as the connection lasts."""
    shown: list[list[str]] = []
    inbox = Inbox(lambda fields: False)
    receive = inbox.handlers(dict.fromkeys((*ORDERS, *ENDS, NEXT_VALID_ID), shown.append))[kind]
    first, again = [str(kind), "-1", "e.1", "2"], [str(kind), "7", "e.1", "2"]
    for fields in (first, again):
        receive(fields)
    assert list(inbox.queue) == [first, again], "what is new is for the link to say"
    assert shown == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 0},
        {"client_id": -1},
        {"max_lines": 0},
        {"messages_per_second": 50},
        {"max_requests": 51},
        {"request_seconds": 0.0},
    ],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|, is "):
        IbSettings(**wrong)  # type: ignore[arg-type]


def test_subscriptions_are_named() -> None:
    assert "OPRA" in subscription(option(5800, Right.PUT))
    assert "Cboe" in subscription(Underlying("VIX"))
    assert "NASDAQ" in subscription(Underlying("SPY"))


def test_the_wall_clock_is_aware() -> None:
    assert WallClock().now().tzinfo is UTC


def option(strike: int, right: Right, con_id: int = 0, symbol: str = "SPX") -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, DAY, Decimal(strike), right, con_id=con_id)


def order(*legs: OrderLeg, **changes: object) -> Order:
    values: dict[str, object] = {
        "ref": "rb.1",
        "number": 1,
        "bot": "b",
        "position": "p",
        "purpose": Purpose.ENTRY,
        "reason": "entry",
        "legs": legs,
        "side": Side.SELL,
        "quantity": 2,
        "kind": OrderType.LIMIT,
        "limit_price": Decimal("-1.20"),
        "order_id": 7,
        "prepared_at": NOW,
        "changed_at": NOW,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


SPREAD = (
    OrderLeg("short", option(5800, Right.PUT, 11), Side.SELL, 1),
    OrderLeg("long", option(5790, Right.PUT, 12), Side.BUY, 2),
)


def test_a_combo_is_bought_as_written() -> None:
    found = order_to_broker(order(*SPREAD), "DU1")
    assert (found.action, found.totalQuantity, found.orderType) == ("BUY", 2, "LMT")
    assert (found.lmtPrice, found.tif, found.orderRef, found.account) == (Decimal("-1.20"), "DAY", "rb.1", "DU1")
    assert not found.smartComboRoutingParams
    contract = combo_to_broker(SPREAD, ContractBook())
    assert (contract.secType, contract.symbol, contract.exchange) == ("BAG", "SPX", "SMART")
    legs = [(leg.conId, leg.ratio, leg.action, leg.exchange) for leg in contract.comboLegs]
    assert legs == [(11, 1, "SELL", "SMART"), (12, 2, "BUY", "SMART")]


def test_a_single_leg_takes_its_side_from_the_order() -> None:
    found = order_to_broker(order(SPREAD[0], side=Side.BUY, kind=OrderType.MARKET, limit_price=None), "DU1")
    assert (found.action, found.orderType, found.lmtPrice) == ("BUY", "MKT", ib_async.util.UNSET_DOUBLE)


def test_stops_groups_and_adaptive_orders() -> None:
    stop = order(
        SPREAD[0],
        kind=OrderType.STOP,
        stop_price=Decimal("3.10"),
        time_in_force=TimeInForce.GTC,
        oca_group="g",
        adaptive="patient",
    )
    found = order_to_broker(stop, "DU1")
    assert (found.orderType, found.auxPrice, found.tif) == ("STP", Decimal("3.10"), "GTC")
    assert (found.ocaGroup, found.ocaType) == ("g", 1)
    assert found.algoStrategy == "Adaptive"
    assert [(each.tag, each.value) for each in found.algoParams] == [("adaptivePriority", "Patient")]


def test_legs_on_two_underlyings_are_not_guaranteed() -> None:
    spy = OrderLeg("spy", option(580, Right.CALL, 13, "SPY"), Side.SELL, 10)
    found = order_to_broker(order(SPREAD[1], spy), "DU1")
    assert [(each.tag, each.value) for each in found.smartComboRoutingParams] == [("NonGuaranteed", "1")]


def test_orders_that_lack_a_price_or_an_id() -> None:
    with pytest.raises(InvariantError, match="no limit price"):
        order_to_broker(order(*SPREAD, limit_price=None), "DU1")
    with pytest.raises(InvariantError, match="no stop price"):
        order_to_broker(order(SPREAD[0], kind=OrderType.STOP), "DU1")
    unknown = (OrderLeg("short", option(5800, Right.PUT), Side.SELL), SPREAD[1])
    with pytest.raises(BrokerError, match="contract id of SPXW 2025-11-24 5800P is not known"):
        combo_to_broker(unknown, ContractBook())
    book = ContractBook()
    book.learn(SPREAD[0].option)
    assert combo_to_broker(unknown, book).comboLegs[0].conId == 11


def test_ids_of_options_are_kept_for_the_next_session_unless_they_have_expired() -> None:
    """All of them were kept: some thousands more each session."""
    book, days = ContractBook(), [DAY + timedelta(days=days) for days in (0, 1, 2)]
    expired, later = (Option("SPX", "SPXW", days[left], Decimal(6000), Right.PUT) for left in (0, 2))
    known = expired, later, share("SPY")
    book.begin_session(days[0])
    for number, contract in enumerate((expired, later, Underlying("SPY")), 1):
        book.learn(replace(contract, con_id=number))
    found = []
    for day in (days[0], days[0], days[1], days[1], days[2]):
        book.begin_session(day)
        found.append([book.con_id(each) for each in known])
    assert found == [[1, 2, 3], [1, 2, 3], [0, 2, 3], [0, 2, 3], [0, 0, 3]]


def test_details_rows_of_old_and_new_servers() -> None:
    new = raw("10|7|SPX|OPT|20251124 15:00 US/Central|5800|P|SMART|USD|X|SPXW|SPXW|99|0.05|100|rest")
    old = raw("10|8|7|SPX|OPT|20251124|5800.0|P|SMART|USD|X|SPXW|SPXW|99|0.05|1|100|rest")
    for row, version in ((new, 178), (old, 157)):
        book = ContractBook()
        found = book.learn_details([row], version)
        assert found == [option(5800, Right.PUT)]
        assert (found[0].multiplier, book.con_id(option(5800, Right.PUT))) == (100, 99)


def test_a_strike_is_listed_where_a_call_and_a_put_are() -> None:
    listed = [option(5810, Right.CALL), option(5800, Right.PUT), option(5790, Right.PUT), option(5800, Right.CALL)]
    assert both_rights([*listed, option(5780, Right.PUT), option(5780, Right.CALL)]) == (5780, 5800)


def test_details_of_a_future_are_not_those_of_its_index() -> None:
    """It may be a leg of somebody's combo at work: VIX was read off the future then, by every bot."""
    book = ContractBook()
    assert book.learn_details([raw("10|7|VIX|FUT|20251217|0||CFE|USD|VXZ5|VX|VX|774422|0.05|1000|rest")], 178) == []
    assert book.con_id(Underlying("VIX")) == 0
    book.learn_details([raw("10|7|VIX|IND||0||CBOE|USD|VIX|VIX|VIX|13455763|0.01||rest")], 178)
    assert book.con_id(Underlying("VIX")) == 13455763


def test_shares_are_stock_on_the_wire_and_a_hundred_to_a_call() -> None:
    book = ContractBook()
    book.learn(Underlying("SPY", 756733))
    sold = Option("SPY", "SPY", DAY, Decimal(600), Right.CALL, con_id=42)
    legs = (OrderLeg("stock", share("SPY"), Side.BUY, 100), OrderLeg("call", sold, Side.SELL))
    contract = combo_to_broker(legs, book)
    assert (contract.secType, contract.symbol) == ("BAG", "SPY")
    assert [(leg.conId, leg.ratio, leg.action) for leg in contract.comboLegs] == [(756733, 100, "BUY"), (42, 1, "SELL")]
    stock = book.to_broker(share("SPY"))
    assert (stock.secType, stock.symbol, stock.conId, stock.strike) == ("STK", "SPY", 756733, 0.0)
    dealt = order_to_broker(order(*legs), "DU1")
    assert (dealt.action, dealt.totalQuantity) == ("BUY", 2), "so many of the combo, of 100 shares each"
    assert subscription(share("SPY")) == subscription(Underlying("SPY"))
    found = order_to_broker(order(OrderLeg("stock", share("SPY"), Side.SELL), side=Side.SELL, quantity=100), "DU1")
    assert (found.action, found.totalQuantity, found.smartComboRoutingParams) == ("SELL", 100, [])
