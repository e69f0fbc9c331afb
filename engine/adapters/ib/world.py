"""Link, feed and broker around one connection."""

from engine.adapters.clock import Clock, WallClock
from engine.adapters.ib.broker import IbBroker
from engine.adapters.ib.contracts import ContractBook
from engine.adapters.ib.feed import IbFeed
from engine.adapters.ib.link import IbLink
from engine.adapters.ib.settings import IbSettings
from engine.model.market import Board
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class IbWorld:
    """The three ports to Interactive Brokers."""

    link: IbLink
    feed: IbFeed
    broker: IbBroker


def ib_world(settings: IbSettings, clock: Clock | None = None, board: Board | None = None) -> IbWorld:
    """Put the ports together; nothing is connected until `link.connect`. `clock` stamps events outside lockstep."""
    book = ContractBook()
    feed = IbFeed(settings, book, Board() if board is None else board)
    link = IbLink(settings, WallClock() if clock is None else clock, feed, book)
    return IbWorld(link, feed, IbBroker(link, book))
