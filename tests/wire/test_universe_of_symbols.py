"""Every symbol that a universe may name is served by the simulated gateway: contract, chain, history and quotes."""

import pytest
from ib_session import DAY, connected, gateway, play, run

from rulebot.adapters.ib.broker import IbConnection
from rulebot.model.contract import Contract, Option, Underlying, listed, product

SYMBOLS = (
    *("SPX", "SPY", "QQQ", "AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "META", "GOOGL", "XLF"),
    *("XLE", "XLV", "SMH", "AMD", "NFLX", "SHOP", "BA", "CRM", "ORCL", "COST", "WMT", "BRK.B"),
)
"""Requirements row E6, and a class of shares."""


async def at_the_money(world: IbConnection, symbol: str) -> list[Option]:
    """Return the call and the put at the money of the expiry next to thirty days away, by the last close."""
    listing = await world.feed.listing(symbol, product(symbol).same_day_class)
    expiry = min(listing.expiries, key=lambda day: abs((day - DAY).days - 30))
    found = await world.feed.strikes(listing, expiry)
    closes = await world.feed.closes(symbol, 21)
    assert len(closes) == 21
    strike = min(found.strikes[expiry], key=lambda each: abs(float(each) - closes[-1]))
    assert abs(float(strike) - closes[-1]) <= 0.02 * closes[-1]
    return [listed(symbol, listing.trading_class, expiry, strike, is_call) for is_call in (True, False)]


@pytest.mark.parametrize("symbols", [SYMBOLS[:8], SYMBOLS[8:15], SYMBOLS[15:]], ids=["first", "second", "third"])
def test_each_symbol_has_a_chain_a_history_and_sound_quotes(symbols: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            options = [option for symbol in symbols for option in await at_the_money(world, symbol)]
            watched: list[Contract] = [*(Underlying(symbol) for symbol in symbols), *options]
            world.feed.watch(watched)
            await play(world, 80)
            board = world.feed.board
            for option in options:
                row = board.rows[option]
                assert 0 < board.bid[row] < board.ask[row], option
                assert 0.05 < board.iv[row] < 1.5, option
                assert 0.2 < abs(board.delta[row]) < 0.8, option
            for symbol in symbols:
                row = board.rows[Underlying(symbol)]
                assert board.last[row] > 0
                assert symbol == "SPX" or 0 < board.bid[row] < board.ask[row]

    run(scenario())
