"""What unmodified clients expect of a gateway: ISINs, chains by exchange, conditions, advisers, fills on arrival."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from ib_async import LimitOrder, MarginCondition, MarketOrder, Order, PriceCondition, Stock, TimeCondition
from plain_client import plain_client
from raw_client import RawClient, gateway, run

ISIN_OF_SPY = "US78462F1035"


@asynccontextmanager
async def client(**settings):
    """Yield a gateway, and ib_async that holds its clock, at the open."""
    async with gateway(**settings) as running:
        ib = await plain_client(running.port, 1, "+LOCKSTEP", raiseSyncErrors=True)
        try:
            await passed(ib, 70)
            yield running, ib
        finally:
            ib.disconnect()


async def passed(ib, seconds):
    for _ in range(seconds):
        now = await ib.reqCurrentTimeAsync()
    return now


def test_a_share_reports_its_isin_and_is_found_by_it():
    async def main():
        async with client() as (_, ib):
            (spy,) = await ib.reqContractDetailsAsync(Stock("SPY", "SMART", "USD"))
            assert [(each.tag, each.value) for each in spy.secIdList] == [("ISIN", ISIN_OF_SPY)]
            by_isin = Stock(exchange="SMART", currency="USD", secIdType="ISIN", secId=ISIN_OF_SPY)
            (found,) = await ib.reqContractDetailsAsync(by_isin)
            assert found.contract.conId == spy.contract.conId
            assert await ib.reqContractDetailsAsync(Stock(secIdType="ISIN", secId="US0000000000")) == []

    run(main)


def test_a_chain_is_reported_once_for_each_exchange():
    async def main():
        async with client() as (_, ib):
            (spy,) = await ib.reqContractDetailsAsync(Stock("SPY", "SMART", "USD"))
            chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.contract.conId)
            exchanges = [each.exchange for each in chains]
            assert len(exchanges) == len(set(exchanges)) == 12
            assert {"SMART", "CBOE", "AMEX", "BOX"} <= set(exchanges)
            assert len({(tuple(each.expirations), tuple(each.strikes)) for each in chains}) == 1
            of_spx = await ib.reqSecDefOptParamsAsync("SPX", "", "IND", 416904)
            assert {(each.tradingClass, each.exchange) for each in of_spx} == {
                (name, place) for name in ("SPX", "SPXW") for place in ("SMART", "CBOE")
            }

    run(main)


def test_whoever_is_no_adviser_is_reported_so():
    async def main():
        async with client() as (_, ib):
            errors = []
            ib.errorEvent += lambda req_id, code, words, _contract: errors.append((req_id, code, words))
            ib.client.replaceFA(77, 1, "<groups/>")
            ib.client.requestFA(1)
            await asyncio.wait_for(passed(ib, 3), 60)
            words = "Error validating request.-'bF' : cause - FA data operations ignored for non FA customers."
            assert errors == [(77, 321, words), (-1, 321, words)]

    run(main)


@pytest.mark.parametrize("kind", ["time", "price", "either"])
def test_an_order_waits_for_its_conditions(kind):
    async def main():
        async with client() as (_, ib):
            (spy,) = await ib.qualifyContractsAsync(Stock("SPY", "SMART", "USD"))
            early = TimeCondition(isMore=True, time="20251124 09:31:00 US/Eastern", conjunction="o")
            late = TimeCondition(isMore=True, time="20251124 09:32:00 US/Eastern")
            expensive = PriceCondition(isMore=True, price=1e6, conId=spy.conId, exch="SMART", conjunction="o")
            cheap = PriceCondition(isMore=True, price=1.0, conId=spy.conId, exch="SMART")
            order = MarketOrder("BUY", 1)
            order.conditions = {"time": [late], "price": [expensive, late], "either": [early, expensive]}[kind]
            trade = ib.placeOrder(spy, order)
            at_once = MarketOrder("BUY", 1)
            at_once.conditions = [cheap]
            other = ib.placeOrder(spy, at_once)
            await passed(ib, 10)
            assert (trade.orderStatus.status, other.orderStatus.status) == ("PreSubmitted", "Filled")
            while not trade.isDone():
                now = await ib.reqCurrentTimeAsync()
            minutes = 31 if kind == "either" else 32
            assert (now.hour, now.minute, now.second < 10) == (14, minutes, True)

    run(main)


def test_an_order_is_cancelled_by_its_conditions_and_those_on_margin_are_refused():
    async def main():
        async with client() as (_, ib):
            (spy,) = await ib.qualifyContractsAsync(Stock("SPY", "SMART", "USD"))
            resting = LimitOrder("BUY", 1, 1.0)
            resting.conditions = [TimeCondition(isMore=True, time="20251124 09:31:00 US/Eastern")]
            resting.conditionsCancelOrder = True
            trade = ib.placeOrder(spy, resting)
            await passed(ib, 10)
            assert trade.orderStatus.status == "Submitted"
            await passed(ib, 60)
            assert trade.orderStatus.status == "Cancelled"
            errors = []
            ib.errorEvent += lambda req_id, code, words, _contract: errors.append((code, words))
            refused = Order(action="BUY", totalQuantity=1, orderType="MKT")
            refused.conditions = [MarginCondition(isMore=True, percent=50)]
            ib.placeOrder(spy, refused)
            await passed(ib, 3)
            cause = "Condition type 4 is not supported by the simulated broker"
            assert errors == [(321, f"Error validating request.-'bN' : cause - {cause}")]

    run(main)


def test_a_marketable_order_fills_on_arrival_while_time_runs_by_itself():
    async def main():
        async with gateway(speed=30.0, data_seconds=60, lockstep=False) as running:
            ib = await plain_client(running.port, 1, "", raiseSyncErrors=True)
            (spy,) = await ib.qualifyContractsAsync(Stock("SPY", "SMART", "USD"))
            while running.now % 86400 < 14 * 3600 + 30 * 60 + 5:
                await asyncio.sleep(0.02)
            sent = running.now
            trade = ib.placeOrder(spy, MarketOrder("BUY", 1))
            while not trade.isDone():
                await asyncio.sleep(0.01)
            assert trade.orderStatus.status == "Filled"
            assert running.now - sent < 60 - sent % 60  # before the next move of the market
            ib.disconnect()

    run(main)


@pytest.mark.parametrize("holder", ["itself", "another"])
def test_a_marketable_order_fills_within_a_fence_while_a_client_holds_the_clock(holder):
    """The market moves each minute; the order does not wait for that."""

    async def main():
        async with client(data_seconds=60) as (running, ib):
            trader = ib if holder == "itself" else await plain_client(running.port, 2, "", raiseSyncErrors=True)
            (spy,) = await trader.qualifyContractsAsync(Stock("SPY", "SMART", "USD"))
            while running.now % 60 != 20:
                await passed(ib, 1)
            sent = running.now
            trade = trader.placeOrder(spy, MarketOrder("BUY", 1))
            while not trade.isDone():
                await passed(ib, 1)
                await asyncio.sleep(0.01)
            assert trade.orderStatus.status == "Filled"
            at = trade.fills[0].execution.time.timestamp()
            assert sent < at < sent + 30
            if holder == "itself":
                assert at == sent + 1
            else:
                trader.disconnect()

    run(main)


def test_each_price_is_followed_by_its_size():
    """Clients that listen to tickSize alone had no size of a bid whose price had changed."""

    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            await client.fence(65)
            client.send(1, 11, 7, 756733, "", "", "", 0, "", "", "SMART", "", "", "", "", 0, "", 0, 0, "")
            reported = await client.fence(20)
        ticks = [each for each in reported if each[0] in ("1", "2") and each[2] == "7"]
        sizes = {"1": "0", "2": "3", "4": "5"}
        priced = [place for place, each in enumerate(ticks) if each[0] == "1" and each[3] in sizes]
        assert len(priced) > 10
        for place in priced:
            price, size = ticks[place], ticks[place + 1]
            assert (size[0], size[3], size[4]) == ("2", sizes[price[3]], price[5])

    run(main)
