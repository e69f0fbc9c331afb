"""Two accounts behind one login: each client trades the one it named, and takes nothing of the other's."""

import asyncio
import contextlib
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import pytest
from ib_async import IB, LimitOrder, Option
from ib_session import DAY, connected, gateway, leg, near, order, play, put, run

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.model.errors import BrokerError
from rulebot.model.event import (
    AccountReport,
    BrokerStatus,
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.order import Side

OURS, OTHER = "DU1111111", "DU2222222"
LOGIN = {"account": OURS, "more_accounts": (OTHER,)}
T = TypeVar("T", bound=Event)


def of(kind: type[T], events: Iterable[Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({}, "has several accounts: DU1111111, DU2222222, and nothing says which one is meant"),
        ({"among": "DU3333333"}, "has several accounts: DU1111111, DU2222222, and DU3333333 is none of them"),
        ({"account": "DU3333333"}, "account DU3333333 is not behind 127.0.0.1"),
    ],
    ids=["none", "among", "another"],
)
def test_34_who_does_not_say_which_account_is_refused(named: dict[str, str], words: str) -> None:
    async def scenario() -> None:
        async with gateway(**LOGIN) as gw:
            world = ib_world(IbSettings(port=gw.port, lockstep=True, **named))
            with pytest.raises(BrokerError) as caught:
                await world.link.connect()
            assert words in caught.value.message
            assert not world.link.is_up

    run(scenario())


@pytest.mark.parametrize("named", [{"account": OTHER}, {"among": OTHER}], ids=["the one", "among several"])
def test_an_account_that_is_named_is_taken(named: dict[str, str]) -> None:
    async def scenario() -> None:
        async with gateway(**LOGIN) as gw, connected(gw.port, **named) as (world, events):
            assert world.link.account == OTHER
            assert {report.account.id for report in of(AccountReport, events)} == {OTHER}

    run(scenario())


def test_where_there_is_one_account_the_one_among_several_counts_for_nothing() -> None:
    async def scenario() -> None:
        async with gateway(account=OURS) as gw, connected(gw.port, among=OTHER) as (world, _):
            assert world.link.account == OURS

    run(scenario())


def wire_put(strike: Decimal) -> Option:
    return Option("SPX", f"{DAY:%Y%m%d}", float(strike), "P", "SMART", tradingClass="SPXW")


def bid(quantity: int, price: object, account: str = OTHER) -> LimitOrder:
    return LimitOrder("BUY", quantity, float(str(price)), tif="DAY", account=account)


def test_nothing_of_the_other_account_is_ours() -> None:
    """Both trade the same put, the other one more of it, and one of its orders goes on working."""

    async def scenario() -> None:
        async with gateway(**LOGIN) as gw, connected(gw.port, account=OURS) as (ours, _):
            strike = await near(ours, below=20)
            ours.feed.watch([put(strike)])
            await play(ours, 10)
            ask = Decimal(str(ours.feed.board.ask[ours.feed.board.rows[put(strike)]]))
            other = IB()
            await other.connectAsync("127.0.0.1", gw.port, 2, account=OTHER)
            assert other.managedAccounts() == [OURS, OTHER]
            filled, works = (other.placeOrder(wire_put(strike), bid(*each)) for each in ((3, ask + 1), (1, "0.05")))
            ours.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask + 1))
            received = await play(ours, 200)
            assert (filled.orderStatus.status, works.orderStatus.status) == ("Filled", "Submitted")
            assert [each.quantity for each in of(ExecutionReport, received)] == [1]
            assert [each.quantity for each in of(PositionReport, received)] == [1]
            assert {each.client_id for each in of(OrderReport, received)} == {1}
            fills = {each.exec_id for each in of(ExecutionReport, received)}
            assert {each.exec_id for each in of(CommissionReport, received)} == fills
            assert not fills & {each.execution.execId for each in other.fills()}
            assert [(each.account, each.position) for each in await other.reqPositionsAsync()] == [
                (OURS, 1),
                (OTHER, 3),
            ]
            assert {each.account for each in other.portfolio()} == {OTHER}
            assert {each.account for each in await other.accountSummaryAsync()} == {OURS, OTHER}

            await ours.link.close()  # a new connection, which reads every list, knows as little of the other's
            events = (await ours.link.connect()).events
            up = events[-1]
            assert isinstance(up, Connected)
            assert [quantity for _, quantity in up.positions] == [1]
            assert [each.quantity for each in of(ExecutionReport, events)] == [1]
            assert up.order_refs == ()
            done = [each.ref for each in of(OrderReport, events) if each.status is BrokerStatus.FILLED]
            assert done == ["rb.t.1"]
            assert {each.account.id for each in of(AccountReport, events)} == {OURS}
            ours.broker.inquire()
            asked = await play(ours, 3)
            assert of(OrdersListed, asked)[0].order_refs == frozenset()
            assert (
                gw.gateway.hub.others[OTHER].account_values()["TotalCashValue"]
                != (gw.exchange.account_values()["TotalCashValue"])
            )
            other.disconnect()

    run(scenario())


def test_435_an_order_without_an_account_is_refused_where_there_are_several() -> None:
    async def scenario() -> None:
        async with gateway(**LOGIN, speed=60.0) as gw:
            ib = IB()
            await ib.connectAsync("127.0.0.1", gw.port, 2, account=OTHER)
            reported: list[tuple[int, int, str]] = []
            ib.errorEvent += lambda number, code, words, _: reported.append((number, code, words))
            strike = next(
                each.strikes[len(each.strikes) // 2]
                for each in await ib.reqSecDefOptParamsAsync("SPX", "", "IND", 416904)
                if each.tradingClass == "SPXW"
            )
            nobodys = ib.placeOrder(wire_put(Decimal(str(strike))), bid(1, "0.05", ""))
            strangers = ib.placeOrder(wire_put(Decimal(str(strike))), bid(1, "0.05", "DU3333333"))
            asked = ib.whatIfOrderAsync(wire_put(Decimal(str(strike))), bid(1, "0.05", ""))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked, 2)
            numbers = (nobodys.order.orderId, strangers.order.orderId)
            errors = [(number, code, words) for number, code, words in reported if code not in (2104, 2106, 2158)]
            assert (numbers[0], 435, "You must specify an account.") in errors
            assert [code for number, code, _ in errors if number == numbers[1]] == [321]
            assert [code for number, code, _ in errors if number not in numbers] == [435]
            assert gw.gateway.hub.others[OTHER].open_orders() == gw.exchange.open_orders() == []
            ib.disconnect()

    run(scenario())


def test_an_order_stays_in_its_account_and_a_cancel_finds_it_there() -> None:
    async def scenario() -> None:
        async with gateway(**LOGIN) as gw, connected(gw.port, account=OURS) as (ours, _):
            strike = await near(ours, below=20)
            other = IB()
            await other.connectAsync("127.0.0.1", gw.port, 2, account=OTHER)
            reported: list[int] = []
            other.errorEvent += lambda _number, code, _words, _: reported.append(code)
            works = other.placeOrder(wire_put(strike), bid(1, "0.05"))
            await play(ours, 5)
            works.order.account = OURS
            other.placeOrder(wire_put(strike), works.order)
            await play(ours, 2)
            assert 105 in reported
            assert gw.exchange.open_orders() == []
            assert len(gw.gateway.hub.others[OTHER].open_orders()) == 1
            other.cancelOrder(works.order)
            await play(ours, 2)
            assert gw.gateway.hub.others[OTHER].open_orders() == []
            second = other.placeOrder(wire_put(strike), bid(1, "0.05"))
            await play(ours, 2)
            other.reqGlobalCancel()
            await play(ours, 2)
            assert second.orderStatus.status == "Cancelled"
            other.disconnect()

    run(scenario())
