"""XSP, NDX and RUT over the wire: their descriptions, what is listed and streams, and prices of their combos."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest
from ib_async import Index
from ib_async import Option as IbOption
from ib_session import DAY, connected, gateway, leg, order, play, play_until, run
from plain_client import plain_client

from rulebot.adapters.ib.contracts import underlying_contract
from rulebot.adapters.ib.feed import IbFeed
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.event import BrokerStatus, Event, OrderMessage, OrderReport
from rulebot.model.order import Side
from rulebot.model.session import session_on

THIRD_FRIDAY, BEFORE = date(2025, 12, 19), date(2025, 12, 18)


async def legs_near(feed: IbFeed, symbol: str, spot: float) -> tuple[Option, Option]:
    """Return two neighbouring same-day puts below spot, the upper one first."""
    trading_class = product(symbol).same_day_class
    listing = await feed.strikes(await feed.listing(symbol, trading_class), DAY)
    lower, upper = [each for each in listing.strikes[DAY] if float(each) < spot][-2:]
    return (
        Option(symbol, trading_class, DAY, upper, Right.PUT),
        Option(symbol, trading_class, DAY, lower, Right.PUT),
    )


@pytest.mark.parametrize(
    ("symbol", "exchange", "con_id", "step"),
    [("XSP", "CBOE", 137851301, 1), ("NDX", "NASDAQ", 416843, 10), ("RUT", "RUSSELL", 416888, 5)],
)
def test_levels_listings_strikes_and_quotes(symbol: str, exchange: str, con_id: int, step: int) -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            index = Underlying(symbol)
            asked = underlying_contract(symbol)
            assert (asked.secType, asked.exchange) == ("IND", exchange)
            world.feed.watch([index])
            await play(world, 75)
            spot = float(world.feed.board.last[world.feed.board.rows[index]])
            upper, lower = await legs_near(world.feed, symbol, spot)
            assert upper.strike - lower.strike == step
            world.feed.watch([index, upper, lower])
            await play(world, 6)
            board = world.feed.board
            assert 0 < board.bid[board.rows[lower]] < board.bid[board.rows[upper]] < board.ask[board.rows[upper]]
            assert -0.6 < board.delta[board.rows[upper]] < 0
            assert len(await world.feed.closes(symbol, 60)) == 60
            session = session_on(DAY)
            assert session is not None
            assert (await world.feed.bars(symbol, 60, 5, session)).bars
            assert all(0.05 < each < 1.0 for each in await world.feed.implied(symbol, 20))
            assert gw.gateway.hub.market.catalogue.underlying(symbol).con_id == con_id  # type: ignore[union-attr]

    run(scenario())


def test_monthly_classes_end_the_day_before_they_settle() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            for symbol in ("NDX", "RUT"):
                monthly = await world.feed.listing(symbol, symbol)
                assert BEFORE in monthly.expiries
                assert THIRD_FRIDAY not in monthly.expiries
                assert DAY not in monthly.expiries
                daily = await world.feed.listing(symbol, product(symbol).same_day_class)
                assert {DAY, THIRD_FRIDAY} <= set(daily.expiries)
            assert {DAY, THIRD_FRIDAY} <= set((await world.feed.listing("XSP", "XSP")).expiries)

    run(scenario())


@pytest.mark.parametrize(
    ("symbol", "price", "is_on_grid"),
    [("XSP", "0.01", True), ("NDX", "0.01", False), ("NDX", "0.05", True), ("RUT", "0.05", True)],
)
def test_a_combo_at_a_price_of_its_grid_works(symbol: str, price: str, is_on_grid: bool) -> None:
    """A spread that is bought at next to nothing works, or is refused for its price (110)."""

    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            world.feed.watch([Underlying(symbol)])
            await play(world, 75)
            spot = float(world.feed.board.last[world.feed.board.rows[Underlying(symbol)]])
            upper, lower = await legs_near(world.feed, symbol, spot)
            combo = (leg(upper, Side.BUY), leg(lower, Side.SELL))
            world.broker.submit(order(1, *combo, limit_price=Decimal(price)))

            def answered(event: Event) -> bool:
                works = isinstance(event, OrderReport) and event.status is BrokerStatus.WORKING
                return works or isinstance(event, OrderMessage)

            answers = [each for each in await play_until(world, answered, 30) if answered(each)]
            codes = [each.message.code for each in answers if isinstance(each, OrderMessage)]
            assert codes == ([] if is_on_grid else [110])

    run(scenario())


def test_an_unmodified_client_finds_them() -> None:
    async def scenario() -> None:
        async with gateway() as gw:
            ib = await plain_client(gw.port, 9)
            found = {}
            for symbol, exchange in (("XSP", "CBOE"), ("NDX", "NASDAQ"), ("RUT", "RUSSELL")):
                (details,) = await ib.reqContractDetailsAsync(Index(symbol, exchange))
                assert details.contract is not None
                assert details.contract.exchange == exchange
                chains = await ib.reqSecDefOptParamsAsync(symbol, "", "IND", details.contract.conId)
                for each in chains:
                    asked = IbOption(symbol, f"{THIRD_FRIDAY:%Y%m%d}", exchange="SMART", tradingClass=each.tradingClass)
                    if each.tradingClass in ("NDX", "RUT"):
                        asked.lastTradeDateOrContractMonth = f"{BEFORE:%Y%m%d}"
                    asked.strike = sorted(each.strikes)[len(each.strikes) // 2]
                    asked.right = "P"
                    (option,) = await ib.reqContractDetailsAsync(asked)
                    assert option.contract is not None
                    found[each.tradingClass] = (
                        option.minTick,
                        option.contract.multiplier,
                        option.realExpirationDate,
                        option.validExchanges,
                    )
            ib.disconnect()
            cboe, nasdaq, day = "SMART,CBOE", "SMART,PHLX,ISE,GEMINI", f"{THIRD_FRIDAY:%Y%m%d}"
            assert found == {
                "XSP": (0.01, "100", day, cboe),
                "NDX": (0.05, "100", day, nasdaq),
                "NDXP": (0.05, "100", day, nasdaq),
                "RUT": (0.05, "100", day, cboe),
                "RUTW": (0.05, "100", day, cboe),
            }

    asyncio.run(asyncio.wait_for(scenario(), 60))
