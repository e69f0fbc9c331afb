"""BRK.B over the wire, which IBKR writes `BRK B` and whose options are of class BRKB."""

from decimal import Decimal

from ib_async import Option, Stock
from ib_session import DAY, connected, gateway, leg, order, play_until, run
from plain_client import plain_client

from rulebot.model.contract import Option as OurOption
from rulebot.model.contract import Right, Underlying
from rulebot.model.event import Event, ExecutionReport, PositionReport
from rulebot.model.order import Side

SYMBOL = "BRK.B"


def test_an_unmodified_client_finds_it_under_its_own_name_there_alone() -> None:
    async def scenario() -> None:
        async with gateway() as gw:
            ib = await plain_client(gw.port, 9)
            for name in ("BRK.B", "BRKB", "BRK-B"):
                assert not await ib.reqContractDetailsAsync(Stock(name, "SMART", "USD")), name
            (details,) = await ib.reqContractDetailsAsync(Stock("BRK B", "SMART", "USD"))
            found = details.contract
            assert found is not None
            assert (found.symbol, found.localSymbol, found.tradingClass) == ("BRK B", "BRK B", "BRK B")
            assert found.conId == 72063691
            described = await ib.reqMatchingSymbolsAsync("BRK B")
            assert [each.contract.symbol for each in described if each.contract is not None] == ["BRK B"]
            chains = await ib.reqSecDefOptParamsAsync("BRK B", "", "STK", found.conId)
            assert {each.tradingClass for each in chains} == {"BRKB"}
            expiry, strike = chains[0].expirations[0], 480.0
            (option,) = await ib.reqContractDetailsAsync(Option("BRK B", expiry, strike, "P", "SMART"))
            assert option.contract is not None
            assert (option.contract.symbol, option.contract.tradingClass) == ("BRK B", "BRKB")
            assert option.contract.localSymbol == f"BRKB  {expiry[2:]}P00480000"
            assert option.underSymbol == "BRK B"
            ib.disconnect()

    run(scenario())


def test_a_combo_on_it_is_sent_filled_and_held_under_our_name() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            listing = await world.feed.listing(SYMBOL, "BRKB")
            expiry = next(each for each in listing.expiries if (each - DAY).days > 5)
            strikes = (await world.feed.strikes(listing, expiry)).strikes[expiry]
            (spot, *_) = (await world.feed.closes(SYMBOL, 21))[-1:]
            lower, upper = [each for each in strikes if float(each) < spot][-2:]
            bought, sold = (OurOption(SYMBOL, "BRKB", expiry, each, Right.PUT) for each in (upper, lower))
            sent = order(1, leg(bought, Side.BUY), leg(sold, Side.SELL), limit_price=Decimal("2.00"))
            world.broker.submit(sent)
            held: dict[object, Decimal] = {}
            received: list[Event] = []
            while len(held) < 2:
                received += await play_until(world, lambda event: isinstance(event, PositionReport))
                held = {each.contract: each.quantity for each in received if isinstance(each, PositionReport)}
            assert held == {bought: 1, sold: -1}
            reported = {each.symbol for each in received if isinstance(each, ExecutionReport)}
            assert reported == {SYMBOL}
            options = {each.option for each in received if isinstance(each, ExecutionReport) and not each.is_combo}
            assert options == {bought, sold}
            ib = await plain_client(gw.port, 9)
            names = {each.contract.symbol for each in await ib.reqExecutionsAsync()}
            names |= {each.contract.symbol for each in await ib.reqPositionsAsync()}
            assert names == {"BRK B"}
            ib.disconnect()

    run(scenario())


def test_shares_of_it_are_reported_under_our_name() -> None:
    async def scenario() -> None:
        async with gateway(shares=((SYMBOL, 100),)) as gw, connected(gw.port) as (_, events):
            held = {each.contract: each.quantity for each in events if isinstance(each, PositionReport)}
            assert held == {Underlying(SYMBOL): 100}

    run(scenario())
