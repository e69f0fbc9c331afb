"""An engine in the past hears: each event is a turn, whose commands go to market and broker until all is quiet."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta

from rulebot.backtest.broker import BacktestBroker
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.sampling import Sampler
from rulebot.backtest.scheduler import only_rests
from rulebot.core.handle_event import handle_event
from rulebot.core.program import Program
from rulebot.core.state import State
from rulebot.core.state_builder import Turn
from rulebot.model.command import RequestOpenOrders, Subscribe
from rulebot.model.errors import InvariantError
from rulebot.model.event import Event
from rulebot.record.record import Record

SOON = timedelta(seconds=1)
"""When an engine is asked again that is due at once, and when it hears of what it has just begun to stream."""


class EventPump:
    """The state of an engine, the world around it, and what was recorded; `fresh_at`: when new lines have quotes."""

    program: Program
    state: State | None
    broker: BacktestBroker | None
    feed: HistoryFeed
    queue: deque[Event]
    records: list[Record]
    now: datetime
    fresh_at: datetime | None
    sampler: Sampler | None

    def _hear(self, event: Event) -> None:
        self.queue.append(event)
        self._settle_queue()

    def _settle_queue(self) -> None:
        """Hand everything that was told to the engine, and what the world answers, until nothing is left."""
        while self.queue:
            assert self.state is not None
            self._took(handle_event(self.program, self.state, self.queue.popleft()))

    def _took(self, result: Turn) -> None:
        assert self.broker is not None
        self.state = result.state
        self.records += result.records
        if self.sampler is not None:
            self.records += self.sampler.noted(result.state, result.commands, self.now)
        for command in result.commands:
            if isinstance(command, Subscribe):
                self.feed.watch(command.contracts)
                self.fresh_at = self.now + SOON
            elif not isinstance(command, RequestOpenOrders) or self._is_owed_an_answer():
                self.queue.extend(self.broker.take(command, self.now))

    def _is_owed_an_answer(self) -> bool:
        """Say whether a list of open orders could tell the engine anything: here no message is ever lost."""
        assert self.state is not None
        return bool(self.state.doubts) or not only_rests(self.state)


def drain_events(events: AsyncIterator[Event]) -> Iterator[Event]:
    """Yield what an asynchronous generator yields whose feed answers at once: nothing is ever waited for."""
    while True:
        step = anext(events)
        try:
            step.__await__().__next__()
        except StopIteration as answer:
            yield answer.value
        except StopAsyncIteration:
            return
        else:
            raise InvariantError("the feed of a backtest answers at once")
