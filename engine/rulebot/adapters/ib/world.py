"""Link, feed and broker around one connection."""

from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.ib.broker import IbBroker
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.settings import IbSettings
from rulebot.model.market import Board
from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True)
class IbConnection:
    """The three ports to Interactive Brokers."""

    link: IbLink
    feed: IbFeed
    broker: IbBroker


def ib_world(settings: IbSettings, clock: Clock | None = None, board: Board | None = None) -> IbConnection:
    """Put the ports together; nothing is connected until `link.connect`. `clock` stamps events outside lockstep."""
    book = ContractBook()
    feed = IbFeed(settings, book, Board() if board is None else board)
    link = IbLink(settings, WallClock() if clock is None else clock, feed, book)
    return IbConnection(link, feed, IbBroker(link, book))
