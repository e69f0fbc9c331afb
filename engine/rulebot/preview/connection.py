"""A read-only connection: the gateway's messages become a state, and only requests are sent.

It is the link of a run, and its feed. Events go through `turn` under a program without bots, so that facts, account
and holdings are known as an engine knows them; commands that a turn may ask for are dropped. The broker's port is in
used only by a probe (`doctor/probe.py`), which is run by name.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass as mutable_dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import isnan

from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.stale_lines import DELAYED, ELSEWHERE, LINES_USED_UP, NOT_SUBSCRIBED, PARTLY
from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.program import AccountLimits, Program
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.core.state.state import MarketData, Schedule, State
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.bars import BarWatch
from rulebot.live.environments import World
from rulebot.measure.view import View
from rulebot.model.contract import Contract
from rulebot.model.errors import BrokerError, StoreError
from rulebot.model.event import Connected, Disconnected, Event, MarketDataUpdated
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.session import Session, exchange_date, session_after, session_from
from rulebot.model.values import dataclass, replace
from rulebot.ports import Batch
from rulebot.store.place import Place
from rulebot.store.registry import is_in_use, is_there

# --- What streams, contract by contract

CODE = re.compile(r"\(error (\d+)")
"""Where the words of a trouble name the broker's code."""


class Stream(Enum):
    """What comes on a market data line, the worst first."""

    NOT_SUBSCRIBED = "not subscribed"
    DELAYED = "delayed, never traded on"
    ELSEWHERE = "taken by another session of this user"
    NO_LINE = "no market data line left"
    REFUSED = "refused"
    SILENT = "nothing came"
    PARTLY = "live in part"
    LIVE = "live"


_BY_CODE: Mapping[int, Stream] = {
    **dict.fromkeys(NOT_SUBSCRIBED, Stream.NOT_SUBSCRIBED),
    DELAYED: Stream.DELAYED,
    **dict.fromkeys(PARTLY, Stream.PARTLY),
    ELSEWHERE: Stream.ELSEWHERE,
    LINES_USED_UP: Stream.NO_LINE,
}


@dataclass(frozen=True, slots=True)
class PreviewData:
    """What a line has brought so far; `trouble` in the broker's words."""

    stream: Stream
    trouble: str = ""


def seen_on(feed: IbFeed, contract: Contract) -> PreviewData:
    """Return what the line of a contract that is streamed has brought."""
    trouble = feed.troubles.get(contract, "")
    if trouble:
        code = CODE.search(trouble)
        return PreviewData(_BY_CODE.get(int(code[1]) if code else 0, Stream.REFUSED), trouble)
    row = feed.board.rows.get(contract, -1)
    if row in feed.board.frozen:
        return PreviewData(Stream.DELAYED)
    if row < 0 or (isnan(feed.board.quote_at[row]) and isnan(feed.board.last_at[row])):
        return PreviewData(Stream.SILENT)
    return PreviewData(Stream.LIVE)


# --- A connection that only looks

INSTALL = "look"
FEW_LINES = 10
"""The most market data lines to use while an engine runs, which may use the others."""
STEP = timedelta(seconds=1)
INTO_THE_DAY = timedelta(hours=1)
MOST_QUESTIONS = 30
"""Messages before a pause of a second: the broker accepts 45 a second, a symbol needs a few."""
OR_DELAYED = 3
"""The market data type that asks for delayed data where live data is not subscribed. Source: TWS API."""
CLOCK_STOPPED_SECONDS = 60.0
"""Real seconds without any message, not even time, before we give up."""


@mutable_dataclass(slots=True)
class SessionUsage:
    """Market data lines so far: the peak, how many were taken, and how many given up for others."""

    most: int = 0
    taken: int = 0
    given_up: int = 0


class ReadOnlySession:
    """The state from the messages received so far; `pass_time` receives more.

    takes_delayed: what is not subscribed is asked for as delayed data, and rules see that as if it were live.
    """

    def __init__(
        self,
        world: World,
        desk: LoadedBots,
        calendar: EventCalendar,
        first: Batch,
        line_limit: int,
        *,
        takes_delayed: bool = False,
    ) -> None:
        self.link, self.feed = world.ib.link, world.ib.feed
        self.program = desk.program(INSTALL, {}, line_limit)
        self.line_limit = line_limit
        self.at = first.at
        self._bars = BarWatch(self.feed)
        self._quiet = Program(bots={}, pinned={}, limits=AccountLimits(), install=INSTALL, line_limit=line_limit)
        state = State(Schedule(coming_session(first.at)), MarketData(self.feed.board, Facts(events=calendar)))
        self.state = start_run(self.program, state, first.at).state
        self.up = next(event for event in first.events if isinstance(event, Connected))
        self.usage = SessionUsage()
        self._is_counted = 0
        self._takes_delayed = takes_delayed
        if takes_delayed:
            wire = self.link.wire
            wire.pace.in_turn(lambda: wire.client.reqMarketDataType(OR_DELAYED))
        self._take(first)

    @property
    def session(self) -> Session:
        """The session that is on, or comes next."""
        return self.state.schedule.session

    @property
    def is_in_hours(self) -> bool:
        """True while the exchange trades."""
        return self.session.is_on(self.at)

    async def pass_time(self, until: datetime | None = None) -> None:
        """Process events until then, by default for one second; less where a clock has ended.

        Raises: BrokerError when the connection, or the broker behind it, is gone.
        """
        until = self.at + STEP if until is None else until
        while self.at < until:
            before = self.at
            try:
                batch = await asyncio.wait_for(self.link.next(until), CLOCK_STOPPED_SECONDS)
            except TimeoutError:
                raise BrokerError(
                    f"the gateway's clock has stopped for {CLOCK_STOPPED_SECONDS:g} s",
                    "another client holds it: end that one",
                ) from None
            self._take(batch)
            self.learn(await self._bars_due())
            if self.link.is_lockstep and self.at == before:
                return

    def close(self) -> None:
        """Give up what is still asked for."""
        self._bars.close()

    def learn(self, events: Iterable[Event]) -> None:
        """Take answers to questions."""
        for event in events:
            self.state = handle_event(self._quiet, self.state, event).state

    async def keep_pace(self) -> None:
        """Wait for the next second when questions have nearly used this one up."""
        sent = self.link.wire.client.connectionStats().numMsgSent
        if sent - self._is_counted > MOST_QUESTIONS:
            self._is_counted = sent
            await self.pass_time()

    def watch(self, contracts: Iterable[Contract]) -> None:
        """Stream exactly these, as far as the line limit allows."""
        wanted = tuple(contracts)[: self.line_limit]
        if wanted != self.state.subscriptions.streamed:
            before, after, usage = set(self.state.subscriptions.streamed), set(wanted), self.usage
            usage.most = max(usage.most, len(after))
            usage.taken += len(after - before)
            usage.given_up += len(before - after) if after else 0
            self.feed.watch(wanted, self.program.extras())
            subscriptions = replace(self.state.subscriptions, streamed=wanted)
            self.state = self.state._replace(subscriptions=subscriptions)

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        state = self.state
        if self._takes_delayed and (rows := self._delayed_rows()):
            board = copy(state.market.board)  # the same columns
            board.frozen = board.frozen - rows
            state = state._replace(market=replace(state.market, board=board))
        return StateBuilder(self.program, state, self.at)

    def _delayed_rows(self) -> set[int]:
        feed = self.feed
        return {feed.board.rows[each] for each in feed.troubles if seen_on(feed, each).stream is Stream.DELAYED}

    def view(self) -> View:
        """Return what rules see now."""
        return view_of(self.work())

    async def _bars_due(self) -> Sequence[Event]:
        """Return bars within the session that have come, and ask for those that are due, as a run does."""
        state, waits = self.state, self.link.is_lockstep
        return await self._bars.step(self.program, state.market.facts, state.schedule.session, self.at, waits=waits)

    def _take(self, batch: Batch) -> None:
        self.at = batch.at
        self.learn(event for event in batch.events if not isinstance(event, MarketDataUpdated))
        if lost := next((event for event in batch.events if isinstance(event, Disconnected)), None):
            raise BrokerError(f"the connection was lost: {lost.reason}", "try again once the gateway is connected")


async def into_the_day(visit: ReadOnlySession) -> None:
    """Advance a simulated day that has just begun to an hour after its open."""
    until = visit.session.open + INTO_THE_DAY
    while visit.at < until:
        await visit.pass_time(until)


def coming_session(at: datetime) -> Session:
    """Return the session that is on at this instant, or the next one when it is over."""
    session = session_from(exchange_date(at))
    return session if at < session.close else session_after(session.date)


# --- Whether an engine runs at the same time


def is_held(store: Place) -> bool:
    """Return whether an engine has the store now; an unreadable one counts as free, as its check reports it."""
    try:
        return is_there(store) and is_in_use(store)
    except StoreError:
        return False
