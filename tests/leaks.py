"""Markets of past sessions that know what comes next: what must be caught where nothing may look ahead."""

from rulebot.adapters.history.session import Columns, HistoryDay, Source
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.historical_market import DayMarket
from rulebot.model.market import Board
from rulebot.model.session import Session


class FutureQuotes(DayMarket):
    """A leak: quotes and greeks of the next instant."""

    def _gather(self, place: int) -> Columns:
        found = super()._gather(place)
        found[1:-1, :-1] = found[1:-1, 1:]
        return found


class NextLevels(DayMarket):
    """A leak: levels of the next instant."""

    def _level(self, symbol: str, place: int) -> float:
        ranges = self._ranges.get(symbol)
        return float("nan") if ranges is None else ranges[0][min(place + 1, len(ranges[0]) - 1)]


class LeakyFeed(HistoryFeed):
    """A feed whose market, of such a kind, looks ahead."""

    def __init__(self, source: Source, board: Board, kind: type[DayMarket]) -> None:
        super().__init__(source, board)
        self._kind = kind

    def begin(self, day: HistoryDay, session: Session) -> DayMarket:
        found = super().begin(day, session)
        self.market = self._kind(day, session, self.board, found.previous)
        return self.market
