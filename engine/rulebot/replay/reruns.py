"""A recorded day run by its specs, from the engine's state: with the recorded answers, and at natural.

Earlier requests of people (a pause, a kill) are ignored: a walk does what the specs say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, zip_longest
from typing import NamedTuple

from rulebot.adapters.recorded.recording import EventReceived, Recording, Step, play_reported
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import NATURAL, RECORDED
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.recorded_broker import FollowedOrder, RecordedBroker, RecordedExecution
from rulebot.backtest.recorded_replies import ReplyScript
from rulebot.backtest.recorded_simulation import RecordedSimulation
from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder, paid_so_far
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.core.program import Program
from rulebot.core.session.reloading import BotChange
from rulebot.core.state.state import NOTHING, OperatorState, State
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.event import AccountReport, Connected, Event, WebhookReceived
from rulebot.model.market import Board
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.model.session import Session, exchange_date
from rulebot.model.text import clock
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import event_line
from rulebot.record.record import Kind, Record
from rulebot.replay.replay import Replayed

# --- What was recorded of a day that can be the cause of a difference

AROUND = timedelta(seconds=30)
"""How long before and after a difference its cause is looked for."""
STILL = timedelta(seconds=90)
"""An engine without events for longer within a session, not even the clock's beat, was suspended."""
MOST = 4
"""Causes of one difference that are listed."""
_NO_CAUSE = ("watching: ", "its window")
_UNLINKED = "no connection to the broker"
_FROM_OUTSIDE = (Kind.ALARM, Kind.LINK, Kind.OPERATOR, Kind.WEBHOOK, Kind.RELOAD)
_REFUSALS = ("halt", "skip", "unfilled", "no_roll", "unwind", "suspend")
"""Decisions that say themselves why something is not done."""


Said = tuple[str, str, str]
"""The bot, what it did or met, and its words: the same in a walk in which the same happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An event, for people; bot "" is the whole run.

    says_why: it is a reason, and no mere event. said: of a reason that a walk may have too, None for an external one.
    """

    at: datetime
    bot: str
    text: str
    says_why: bool = False
    said: Said | None = None
    is_reload: bool = False


def said_of(record: Record) -> Said | None:
    """Return what a record says, None unless it is an alarm or a bot's own reason."""
    if record.kind is Kind.ALARM:
        return record.bot, "alarm", str(record.data["text"])
    if record.kind is Kind.DECISION and record.data.get("what") in _REFUSALS:
        return record.bot, str(record.data["what"]), str(record.data.get("reason"))
    return None


class EntryTries:
    """When bots set out to enter, and to leave: whether an order then fills is another matter."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.entries: dict[str, list[datetime]] = {}
        self.exits: dict[str, list[datetime]] = {}
        for each in records:
            self.take(each)

    def take(self, record: Record) -> None:
        """Note a record if it is a try."""
        if record.kind is Kind.ORDER:
            if record.is_leaving and record.data["purpose"] == Purpose.ENTRY.value:
                self.entries.setdefault(record.bot, []).append(record.at)
        elif record.kind is Kind.DECISION and record.data["what"] == "exit":
            self.exits.setdefault(record.bot, []).append(record.at)


class RecordedCause:
    """What happened in a replay, for people, in order; and what else is known of it.

    given_up: when contracts were no longer streamed.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.tries = EntryTries()
        self.given_up: dict[Contract, list[datetime]] = {}
        self._streamed: set[Contract] = set()
        self._version = -1
        self._kept_out: dict[str, list[tuple[datetime, str, bool]]] = {}
        self._stood_still: list[tuple[datetime, datetime]] = []
        self._last: datetime | None = None
        self._looked: tuple[object, ...] = ()
        self._seen = 0

    def see(self, found: Replayed, _: datetime) -> bool:
        """Take what is new."""
        if self._last is not None and found.at - self._last > STILL and found.state.schedule.session.open <= self._last:
            self._stood_still.append((self._last, found.at))
        self._last = found.at
        for record in found.records[self._seen :]:
            self.tries.take(record)
            if record.kind is Kind.RELOAD and record.bot:
                self.lines.append(_reloaded(record))
            elif (reported := event_line(record, found.state)) is not None:
                self.lines.append(_line(record, reported.bot, reported.text))
            elif record.kind is Kind.DECISION and record.data.get("what") == "skip":
                self.lines.append(_line(record, record.bot, f"no entry: {record.data.get('reason')}"))
        self._seen = len(found.records)
        self._look(found.state, found.at)
        self._look_at_lines(found.state.market.board, found.at)
        return False

    def _look_at_lines(self, board: Board, at: datetime) -> None:
        """Note when what was streamed is given up."""
        if board.version == self._version:
            return
        self._version, streamed = board.version, set(board.rows)
        for each in self._streamed - streamed:
            self.given_up.setdefault(each, []).append(at)
        self._streamed = streamed

    def _look(self, state: State, at: datetime) -> None:
        """Note for each bot what keeps it from entering, when that changes."""
        looked = (
            state.requests.operator,
            state.connection.is_linked,
            state.requests.reloading,
            *(bot.day.halt for bot in state.bots.by_name.values()),
        )
        if looked == self._looked:
            return
        self._looked = looked
        for name in state.bots.by_name:
            known, why = self._kept_out.setdefault(name, []), _kept_out(state, name)
            if why != (known[-1][1] if known else ""):
                known.append((at, why, not state.connection.is_linked))

    def unlinked(self, bot: str, at: datetime) -> str:
        """Return since when there was no connection at an instant, "" when there was one."""
        found = self._last_kept_out(bot, at)
        return f"{clock(found[0])} {found[1]}" if found is not None and found[2] else ""

    def still(self, at: datetime) -> str:
        """Return since when the engine had no events until shortly before an instant, "" when it ran."""
        for since, until in self._stood_still:
            if since <= at <= until + AROUND:
                return f"nothing came to the engine from {clock(since)} to {clock(until)}: the computer slept, or hung"
        return ""

    def kept_out(self, bot: str, at: datetime) -> str:
        """Return what kept a bot from entering at an instant, "" for nothing."""
        found = self._last_kept_out(bot, at)
        return f"{clock(found[0])} {found[1]}" if found is not None and found[1] else ""

    def _last_kept_out(self, bot: str, at: datetime) -> tuple[datetime, str, bool] | None:
        """Return since when, by what and whether for lack of a connection a bot was kept out at an instant."""
        return next((each for each in reversed(self._kept_out.get(bot, ())) if each[0] <= at), None)

    def around(self, bot: str, at: datetime) -> list[Line]:
        """Return what happened to a bot, and to the whole run, around an instant."""
        return [
            each
            for each in self.lines
            if each.bot in ("", bot) and at - AROUND <= each.at <= at + AROUND and not each.text.startswith(_NO_CAUSE)
        ]

    def refusals(self, bot: str, at: datetime) -> Iterator[Line]:
        """Yield what a bot said itself, until shortly after an instant, of why it does not enter: it says so once."""
        yield from (each for each in self.lines if each.says_why and each.bot == bot and each.at <= at + AROUND)

    def reloads(self, bot: str, at: datetime) -> Iterator[Line]:
        """Yield which other texts of a bot took over before an instant."""
        yield from (each for each in self.lines if each.is_reload and each.bot == bot and each.at <= at + AROUND)


def _line(record: Record, bot: str, text: str) -> Line:
    said = said_of(record)
    says_why = record.kind in _FROM_OUTSIDE or said is not None
    return Line(at=record.at, bot=bot, text=text, says_why=says_why, said=said)


def _reloaded(record: Record) -> Line:
    change = BotChange(record.bot, str(record.data["was"]), str(record.data["now"]))
    return Line(at=record.at, bot=record.bot, text=f"reloaded: {change.words}", says_why=True, is_reload=True)


def _kept_out(state: State, bot: str) -> str:
    if not state.connection.is_linked:
        return _UNLINKED
    if not state.requests.operator.may_enter(bot):
        return "entries are switched off by the operator"
    if state.requests.reloading & {"", bot}:
        return "a reload waited to be taken up"
    return f"halted: {state.bots.by_name[bot].day.halted}" if state.bots.by_name[bot].day.halt else ""


# --- A recorded day run by its specs, from the engine's state


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """The engine's state when a day, or its recording, began; records: all from then on."""

    at: datetime
    state: State
    program: Program
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Lack:
    """An alarm of a walk that was none then, in words. position: which it is about, "" for all of the bot."""

    at: datetime
    text: str
    position: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """The result of a walk. state: None when it had no session. said: its alarms, and reasons of its bots.

    By bot: unfilled: the first entry without a fill, and why. missing: alarms that the walk lacks. left: since when the
    recording no longer answers its orders, and why. kept_out: refused entries and halts, and why.
    """

    state: State | None
    tries: EntryTries
    said: frozenset[Said]
    unfilled: Mapping[str, tuple[datetime, str]]
    lacks: Mapping[str, Sequence[Lack]]
    left: Mapping[str, tuple[datetime, str]]
    kept_out: Mapping[str, Sequence[tuple[datetime, str]]]


class _Answered(RecordedSimulation):
    """It gets web hooks too: they are no market, and its bots may wait for them."""

    def _take(self, step: Step, session: Session, market: DayMarket) -> None:
        if isinstance(step, EventReceived) and isinstance(step.event, WebhookReceived):
            self._receive(replace(step.event, at=self.now))
        else:
            super()._take(step, session, market)


def answered(recording: Recording, stood: StateAt) -> Rerun:
    """Walk through the last day with the answers that it has. Raises: StoreError."""
    source = RecordingSource(recording.files[-1])
    return _walked(_Answered(stood.program, source, stood.state.market.facts.events, RECORDED, CASH), recording, stood)


def at_natural(recording: Recording, stood: StateAt) -> Rerun:
    """Walk through the last day with all orders filled at natural. Raises: StoreError."""
    source = RecordingSource(recording.files[-1])
    return _walked(
        BacktestSimulation(stood.program, source, stood.state.market.facts.events, NATURAL, CASH), recording, stood
    )


def _walked(walk: BacktestSimulation, recording: Recording, stood: StateAt) -> Rerun:
    _stand(walk, recording, stood)
    then = {said_of(each) for each in stood.records}
    said: set[Said] = set()
    unfilled: dict[str, tuple[datetime, str]] = {}
    lacks: dict[str, list[Lack]] = {}
    kept_out: dict[str, list[tuple[datetime, str]]] = {}
    tries = EntryTries()
    for record in chain.from_iterable(day.records for day in walk.through(recording.day, recording.day)):
        tries.take(record)
        if (words := said_of(record)) is not None:
            said.add(words)
        if record.kind is Kind.ALARM and words not in then:
            lacks.setdefault(record.bot, []).append(Lack(record.at, str(record.data["text"]), record.position))
        elif record.kind is Kind.DECISION and record.data.get("what") == "unfilled":
            unfilled.setdefault(record.bot, (record.at, str(record.data["reason"])))
        elif record.kind is Kind.DECISION and record.data.get("what") in ("skip", "halt"):
            kept_out.setdefault(record.bot, []).append((record.at, str(record.data["reason"])))
    return Rerun(
        state=walk.state,
        tries=tries,
        said=frozenset(said),
        unfilled=unfilled,
        lacks=lacks,
        left=walk.left if isinstance(walk, RecordedSimulation) else {},
        kept_out=kept_out,
    )


# ---------------------------------------------------------------- the engine's state


def _stand(walk: BacktestSimulation, recording: Recording, stood: StateAt) -> None:
    """Start a walk from the engine's state, with a broker that has its holdings and working orders."""
    then = stood.state
    state = then._replace(
        market=replace(then.market, board=walk.board),
        requests=replace(then.requests, operator=OperatorState(), is_stopping=False),
        connection=replace(
            then.connection,
            is_linked=False,
            clock_skew=0.0,
            is_time_known=True,
            takes_records=True,
            down_at=None,
            is_unwatched_reported=False,
        ),
        inquiries=replace(
            then.inquiries,
            foreign_orders=frozenset(),
            missing_from_open_orders=frozenset(),
            revived_refs=frozenset(),
            duplicate_orders=NOTHING,
        ),
        subscriptions=replace(then.subscriptions, dependents=NOTHING, board_version=-1),
        positions=replace(then.positions, structures=NOTHING),
    )
    broker = walk.broker_of(state.schedule.session, _cash(recording, state))
    linked = _linked(recording)
    broker.holdings = _holdings(linked, state)
    broker.costs = _costs(linked, state)
    walk.marks = {each: float(cost) for each, cost in broker.costs.items() if isinstance(each, Underlying)}
    broker.paid = paid_so_far(state)
    live = state.orders.live
    first: Iterator[Event] = iter(())
    if not stood.state.connection.is_linked:
        if isinstance(broker, RecordedBroker):
            first = _reported_first(broker, recording, stood.at)
        elif linked is not None:
            live = tuple(ref for ref in live if ref in linked.order_refs)
    for ref in live:
        _adopt(broker, walk, state, ref, stood.at)
    walk.begin(state, broker, stood.at, first)


def _adopt(broker: SimulatedBroker, walk: BacktestSimulation, state: State, ref: str, at: datetime) -> None:
    order = state.orders.by_ref[ref]
    if isinstance(walk, RecordedSimulation) and isinstance(broker, RecordedBroker):
        script = walk.reported_there.scripts[ref] = ReplyScript(order)
        counts = {leg.option: order.filled * leg.ratio for leg in order.legs}
        broker.followed[ref] = FollowedOrder(order, script, counts=counts)
        broker.booked |= _booked_of(order, state)
    else:
        broker.working[ref] = WorkingOrder(order, at, order.filled, is_resting=True, average=order.average_price)


def _booked_of(order: Order, state: State) -> dict[str, RecordedExecution]:
    """Return what is booked of an order, for a broker that may repeat it."""
    signs = {leg.name: order.side_of(leg).sign for leg in order.legs}
    return {
        execution: RecordedExecution(each.exec_id.revision, signs[each.leg] * each.quantity, -each.cash)
        for execution, each in state.positions.executions.items()
        if each.ref == order.ref
    }


def _reported_first(broker: RecordedBroker, recording: Recording, at: datetime) -> Iterator[Event]:
    """Yield the recording's order messages until the engine was connected: fills while it did not run.

    The account reported then includes them already.
    """
    held = dict(broker.holdings)
    for event in _received(recording):
        if isinstance(event, Connected):
            broker.keeps(event.order_refs)
            break
        yield from broker.answers(event, at)
    broker.holdings = held


def _cash(recording: Recording, state: State) -> Decimal:
    """Return the account's dollars: as they were known, else as first recorded."""
    if state.market.facts.account.cash is not None:
        return state.market.facts.account.cash
    reported = (event.account.cash for event in _received(recording) if isinstance(event, AccountReport))
    return next((cash for cash in reported if cash is not None), CASH)


def _costs(linked: Connected | None, state: State) -> dict[Contract, Decimal]:
    """Return the costs of the account's holdings, as far as the broker reported them."""
    reported = {} if linked is None else dict(linked.costs)
    return (
        reported | {Underlying(symbol): cost for symbol, cost in state.account.costs.items()}
        if state.connection.is_ready
        else reported
    )


def _linked(recording: Recording) -> Connected | None:
    """Return the broker's first report of the account, None where the day's recording has none."""
    return next((event for event in _received(recording) if isinstance(event, Connected)), None)


def _received(recording: Recording) -> Iterator[Event]:
    """Yield what the engine received on the day itself, without the market."""
    return (step.event for step in play_reported(recording.files[-1:]) if isinstance(step, EventReceived))


def _holdings(linked: Connected | None, state: State) -> dict[Contract, int]:
    """Return the account's holdings: as the broker reported them, or by our books."""
    reported = state.account.holdings or None if state.connection.is_ready or linked is None else dict(linked.positions)
    if reported is not None:
        return {each: int(n) for each, n in reported.items() if n and not (isinstance(each, Option) and each.is_share)}
    found: dict[Contract, int] = {}
    for leg in chain.from_iterable(position.legs for position in state.positions.by_id.values()):
        held: Contract = Underlying(leg.option.symbol) if leg.option.is_share else leg.option
        found[held] = found.get(held, 0) + leg.signed_held
    return {each: count for each, count in found.items() if count}


# --- The trades of a day as they were done and by two walks, side by side


class TradeMatch(NamedTuple):
    """A trade as it was done, as the text would have made it, and as it could have been at natural prices."""

    bot: str
    done: Position | None
    would: Position | None
    could: Position | None


def together(day: date, *states: State | None) -> Iterator[TradeMatch]:
    """Yield the trades of each bot: positions of earlier days that ended on this one, by name, then new ones.

    New ones are paired in order; one without a partner is alone.
    """
    held = [_held(state) for state in states]
    ended = {name: each.bot for side in held for name, each in side.items() if _ended_on(each, day)}
    opened = [_opened_on(side.values(), day) for side in held]
    for bot in sorted({*ended.values(), *chain.from_iterable(opened)}):
        for name in sorted(name for name, its in ended.items() if its == bot):
            yield TradeMatch(bot, *(side.get(name) for side in held))
        for trade in zip_longest(*(side.get(bot, ()) for side in opened)):
            yield TradeMatch(bot, *trade)


def traded(day: date, state: State) -> Iterator[Position]:
    """Yield the positions of a state by which a day is compared."""
    yield from (each for each in _held(state).values() if each.session == day or _ended_on(each, day))


def _held(state: State | None) -> dict[str, Position]:
    """Return the positions of a state that ever held something."""
    every = {} if state is None else state.positions.by_id
    return {name: each for name, each in every.items() if each.opened_at is not None}


def _ended_on(position: Position, day: date) -> bool:
    """Say whether a position of an earlier day ended on this one."""
    return position.session < day and position.closed_at is not None and exchange_date(position.closed_at) == day


def _opened_on(positions: Iterable[Position], day: date) -> dict[str, list[Position]]:
    found: dict[str, list[Position]] = {}
    for position in positions:
        if position.session == day:
            found.setdefault(position.bot, []).append(position)
    return found
