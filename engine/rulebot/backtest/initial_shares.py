"""Shares that an account of the past begins with: what they cost it, and whether it can have them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal

from rulebot.adapters.history.day import Source
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.market import Board
from rulebot.model.session import session_from


def check_brought(source: Source, shares: Mapping[str, int], cash: Decimal, day: date) -> None:
    """See that an account can begin a day with its shares, before there is a store. Raises: StoreError, MisuseError."""
    if not shares:
        return
    feed = HistoryFeed(source, Board())
    with suppress(StoreError):  # a session that is refused is passed by
        feed.begin(source.day(day), session_from(day))
    for symbol, count in shares.items():
        cash -= count * share_cost(source, feed, symbol, count, day, cash)


def share_cost(source: Source, feed: HistoryFeed, symbol: str, count: int, day: date, cash: Decimal) -> Decimal:
    """Return the close before a day, at which an account buys shares. Raises: StoreError, MisuseError."""
    bars = source.daily(symbol, day, 1)
    if not bars:
        text = f"{source.name} has no close of {symbol} before {day}, at which its shares were bought"
        raise StoreError(text, f"daily bars of {symbol} tell it; docs/history-data.md says where they are read from")
    if not feed.is_of_its_bars(symbol):
        if source.was_split(symbol, bars[-1].date, day):
            text = f"{symbol} was split on {day}, by its daily bars: its close before, {bars[-1].close:g}, is of others"
            raise StoreError(text, "begin a session later")
        text = f"the daily bars of {symbol} in {source.name} are of another scale than its levels on {day}"
        text += f": {bars[-1].close:g} is not what its shares cost before it"
        raise StoreError(text, f"give it daily bars of {symbol} that are not adjusted for later splits or dividends")
    price = Decimal(f"{bars[-1].close:.4f}")
    if price * count > cash:
        text = f"{count:,} shares of {symbol} cost ${price * count:,.2f}, and the account has ${cash:,.2f}"
        raise MisuseError(text, "give it more --cash")
    return price
