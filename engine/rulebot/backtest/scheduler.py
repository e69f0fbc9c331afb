"""When an engine in the past is woken:

by the data, the clock, and its own requests, unless it could do nothing then.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from rulebot.adapters.history.session import Columns
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.load_session_data import read_today
from rulebot.backtest.sampling import Sampler
from rulebot.backtest.simulated_broker import SimulatedBroker
from rulebot.core.expiry.settlement import OPENED_AFTER
from rulebot.core.handle_event import handle_event
from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.orders import RESTING
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import positions_of
from rulebot.core.state.state import HALTS, NEVER, BotState, State, position_of
from rulebot.core.state.turn import Turn
from rulebot.core.subscribe.subscriptions import may_enter
from rulebot.model.errors import InvariantError
from rulebot.model.event import Event
from rulebot.model.order import RequestOpenOrders, Subscribe
from rulebot.model.position import count_trades
from rulebot.model.session import Session
from rulebot.record.record import Record

SETTLES = timedelta(minutes=5)
"""After the close, when the account no longer has what has expired."""
ENDS = SETTLES + timedelta(minutes=1)
AM_SETTLES = OPENED_AFTER
"""After the open, when options that settle at opening prints leave the account."""
BARS_LAG = timedelta(seconds=5)
"""How long after its end a bar is reported, as live."""
LOOKS_AGAIN = timedelta(seconds=10)
"""A wake that is nearer than this has a separate reason."""

_EPOCH = datetime.fromtimestamp(0, UTC)

Instant = tuple[datetime, int]
"""The time of an event, and its place in the data, -1 for the clock alone."""
Agenda = deque[Instant]


def wake_times(
    program: Program,
    session: Session,
    times: Columns,
    now: datetime,
    *,
    settles: bool = True,
    reported: Iterable[float] = (),
) -> Agenda:
    """Return the event times: instants of the data with their places, clock times with -1.

    settles: a held option may settle at the opening prints; without it they need no instant beside one of the data.
    reported: when a broker reported bars, epoch seconds.
    """
    begins, ends = now.timestamp(), (session.close + ENDS).timestamp()
    places = np.flatnonzero((times >= begins) & (times <= ends))
    since = np.rint(times[places] * 1e6).astype("m8[us]").tolist()  # in a third of the time of a `timedelta` of each
    data = [(_EPOCH + each, place) for each, place in zip(since, places.tolist(), strict=True)]
    clock = {session.open, session.close, session.close + SETTLES, session.close + ENDS}
    if settles or not any(at == session.open + AM_SETTLES for at, _ in data):
        clock.add(session.open + AM_SETTLES)
    for bot in program.texts:
        clock.update(bot.instants(session))
    for _, seconds in read_today(program.texts):
        ended = np.arange(session.open.timestamp() + seconds, session.close.timestamp() + 1, seconds)
        clock.update(datetime.fromtimestamp(at, UTC) + BARS_LAG for at in ended.tolist())
    clock.update(datetime.fromtimestamp(at, UTC) for at in reported if at <= ends)
    return deque(sorted([*data, *((at, -1) for at in clock if at > now)]))


def only_looks_again(program: Program, state: State, now: datetime, step_at: datetime) -> bool:
    """Say whether the engine, due at `step_at`, is woken only to look at the same market again, every 15 seconds."""
    if (
        step_at < now + LOOKS_AGAIN
        or state.subscriptions.board_version != state.market.board.version
        or not only_rests(state)
    ):
        return False
    positions = [state.positions.by_id[name] for name in state.positions.active]
    if any(each.state != "open" or each.retry_at is not None or each.unprotected_since for each in positions):
        return False
    return not any(_has_a_time(program, state, now, name) for name in program.bots)


def _has_a_time(program: Program, state: State, now: datetime, name: str) -> bool:
    """Say whether a bot may have an event between instants: an exit, an entry or a confirmation."""
    bot, of_bot = program.bots[name], state.bots.by_name[name]
    entry = bot.plan.entry
    if any(position in state.positions.active for position, _ in of_bot.unknown_since):
        return True
    if (entry.every is not None or entry.again) and _has_a_clock(StateBuilder(program, state, now), bot, of_bot):
        return True
    return any(each.count and _is_judged(state, of_bot, place) for (place, _), each in of_bot.confirming.items())


def _has_a_clock(work: StateBuilder, bot: CompiledBot, of_bot: BotState) -> bool:
    """Say whether an entry may come between instants, by `every` or `again`: not while all allowed are open."""
    name = bot.plan.name
    if not may_enter(work, name):
        return False
    if bot.members or of_bot.is_watching or of_bot.manual_entry_until:
        return True
    return count_trades(positions_of(work, name)) < bot.plan.entry.max_open


def only_rests(state: State) -> bool:
    """Say whether all orders that may still fill rest at the broker, who has them as they should be."""
    if state.inquiries.missing_from_open_orders or state.inquiries.revived_refs or state.inquiries.duplicate_orders:
        return False
    orders = (state.orders.by_ref[ref] for ref in state.orders.live)
    return all(each.purpose in RESTING and each.is_working and each.attempt_until is None for each in orders)


def idle_spans(program: Program, state: State, now: datetime) -> list[datetime]:
    """Return when exits may next change by how long a position has been held, of each that they look at so."""
    held = (state.positions.by_id[name] for name in state.positions.active)
    found = (program.governing(each).next_spell(each.opened_at, now) for each in held if each.opened_at is not None)
    return [due for due in found if due is not None]


def _is_judged(state: State, bot: BotState, place: str) -> bool:
    """Say whether rules in this place are judged now: of an entry that is watched for, of a halt, of what is held."""
    position = position_of(place)
    if place == HALTS:
        return not bot.day.halt
    return position in state.positions.active if position else bot.is_watching


def next_wake(state: State, session: Session, now: datetime) -> datetime | None:
    """Return until when a turn could do nothing but ask the broker of what is over; None while one could do more.

    So it is while nothing is held and no order works, for bots whose day is done or whose window is far. What is
    streamed, and who is looked at by the clock, the state itself says; while the open's move may come, what it is read
    from is chosen every few seconds.
    """
    if (
        state.positions.active
        or state.orders.live
        or state.account.shortfalls
        or state.account.uncovered
        or state.subscriptions.board_version != state.market.board.version
    ):
        return None
    if state.schedule.watch_at is None:
        return None
    if any(row in state.subscriptions.dependents for row in state.market.board.rows.values()):
        return None
    choosing = state.schedule.watch_at - LOOKS_AGAIN  # before that what is streamed has been chosen
    until = min(choosing, session.close, min(state.bots.next_wakes.values(), default=NEVER))
    return until if until > now else None


# --- Delivery of events to an engine in the past

SOON = timedelta(seconds=1)
"""When an engine that is due at once is asked again, and when new subscriptions deliver."""


class EventPump:
    """The state of an engine, the world around it, and what was recorded; `fresh_at`: when new lines have quotes."""

    program: Program
    state: State | None
    broker: SimulatedBroker | None
    feed: HistoryFeed
    queue: deque[Event]
    records: list[Record]
    now: datetime
    fresh_at: datetime | None
    sampler: Sampler | None

    def _receive(self, event: Event) -> None:
        self.queue.append(event)
        self._settle_queue()

    def _settle_queue(self) -> None:
        """Hand all events to the engine, and the world's answers, until nothing remains."""
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
            elif not isinstance(command, RequestOpenOrders) or self._awaits_answer():
                self.queue.extend(self.broker.take(command, self.now))

    def _awaits_answer(self) -> bool:
        """Say whether a list of open orders could bring news: here no message is ever lost."""
        assert self.state is not None
        return bool(self.state.account.shortfalls) or not only_rests(self.state)


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
