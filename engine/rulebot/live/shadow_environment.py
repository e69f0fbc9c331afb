"""The world of an observing engine: a real one's market, and a broker that sends nothing."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime

from rulebot.backtest.fills import FillModel
from rulebot.live.environments import Observer, World
from rulebot.model.session import exchange_date, session_from
from rulebot.ports import Feed, Link
from rulebot.shadow.broker import ObservingBroker
from rulebot.shadow.link import ObservingLink

ACCOUNT = "OBSERVED"


def observer(link: Link, feed: Feed, fills: FillModel, at: datetime) -> Observer:
    """Return the ports of an observing engine around a link, at the board of a feed."""
    broker = ObservingBroker(feed.board, ACCOUNT, fills, session_from(exchange_date(at)), now=at)
    return Observer(ObservingLink(link, broker), feed, broker)


@asynccontextmanager
async def observing(world: AbstractAsyncContextManager[World], fills: FillModel) -> AsyncIterator[World]:
    """Yield a world in which nothing is sent; the connection itself refuses to."""
    async with world as found:
        yield replace(found, observer=observer(found.ib.link, found.ib.feed, fills, found.ib.link.now))
