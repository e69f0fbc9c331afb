"""A recorded day walked through by its texts, from where the engine stood: as it was answered then, and at natural.

What people had asked for before (a pause, a kill) is forgotten: a walk does what the texts say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import chain

from rulebot.adapters.recorded.recording import EventHeard, Recording, Step, play_told
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.broker import BacktestBroker, paid_so_far
from rulebot.backtest.fills import NATURAL, RECORDED
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.recorded.broker import RecordedBroker, RecordedExecution
from rulebot.backtest.recorded.followed_order import FollowedOrder
from rulebot.backtest.recorded.recorded_replies import ReplyScript
from rulebot.backtest.recorded.simulation import RecordedSimulation
from rulebot.backtest.simulated_broker import WorkingOrder
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.core.program import Program
from rulebot.core.state import OperatorState, State
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.event import AccountReport, Event, HookCame, LinkUp
from rulebot.model.order import Order
from rulebot.model.session import Session
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.replay.recorded_causes import EntryTries, Said, said_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """Where an engine stood when a day began, or its recording did; records: all that was recorded from then on."""

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
    """What a walk came to. state: None when it had no session. said: its alarms, and reasons of its bots' own.

    By bot: unfilled: the first entry that came to nothing, and why. lacks: alarms that were none then. left:
    since when the recording answers its orders no more, and why. kept_out: entries refused and halts, and why.
    """

    state: State | None
    tries: EntryTries
    said: frozenset[Said]
    unfilled: Mapping[str, tuple[datetime, str]]
    lacks: Mapping[str, Sequence[Lack]]
    left: Mapping[str, tuple[datetime, str]]
    kept_out: Mapping[str, Sequence[tuple[datetime, str]]]


class _Answered(RecordedSimulation):
    """It hears web hooks too: they are no market, and its bots may wait for them."""

    def _take(self, step: Step, session: Session, market: DayMarket) -> None:
        if isinstance(step, EventHeard) and isinstance(step.event, HookCame):
            self._hear(replace(step.event, at=self.now))
        else:
            super()._take(step, session, market)


def answered(recording: Recording, stood: StateAt) -> Rerun:
    """Walk through the last day with the answers that it has. Raises: StoreError."""
    source = RecordingSource(recording.files[-1])
    return _walked(_Answered(stood.program, source, stood.state.facts.events, RECORDED, CASH), recording, stood)


def at_natural(recording: Recording, stood: StateAt) -> Rerun:
    """Walk through the last day with all orders filled at natural. Raises: StoreError."""
    source = RecordingSource(recording.files[-1])
    return _walked(BacktestSimulation(stood.program, source, stood.state.facts.events, NATURAL, CASH), recording, stood)


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


# ---------------------------------------------------------------- where it stood


def _stand(walk: BacktestSimulation, recording: Recording, stood: StateAt) -> None:
    """Let a walk go on from where the engine stood, with a broker that has what it held and what worked."""
    state = stood.state._replace(
        board=walk.board,
        standing=OperatorState(),
        is_linked=False,
        is_stopping=False,
        rivals=frozenset(),
        clocks_apart=0.0,
        is_time_known=True,
        takes_records=True,
        down_at=None,
        is_unwatched_told=False,
        absent=frozenset(),
        risen=frozenset(),
        twins={},
        dependents={},
        structures={},
        indexed=-1,
    )
    broker = walk.broker_of(state.session, _cash(recording, state))
    linked = _linked(recording)
    broker.holdings = _holdings(linked, state)
    broker.costs = _costs(linked, state)
    walk.marks = {each: float(cost) for each, cost in broker.costs.items() if isinstance(each, Underlying)}
    broker.paid = paid_so_far(state)
    live = state.live
    first: Iterator[Event] = iter(())
    if not stood.state.is_linked:
        if isinstance(broker, RecordedBroker):
            first = _told_first(broker, recording, stood.at)
        elif linked is not None:
            live = tuple(ref for ref in live if ref in linked.order_refs)
    for ref in live:
        _adopt(broker, walk, state, ref, stood.at)
    walk.begin(state, broker, stood.at, first)


def _adopt(broker: BacktestBroker, walk: BacktestSimulation, state: State, ref: str, at: datetime) -> None:
    order = state.orders[ref]
    if isinstance(walk, RecordedSimulation) and isinstance(broker, RecordedBroker):
        script = walk.told_there.scripts[ref] = ReplyScript(order)
        counts = {leg.option: order.filled * leg.ratio for leg in order.legs}
        broker.followed[ref] = FollowedOrder(order, script, counts=counts)
        broker.booked |= _booked_of(order, state)
    else:
        broker.working[ref] = WorkingOrder(order, at, order.filled, is_resting=True, average=order.average_price)


def _booked_of(order: Order, state: State) -> dict[str, RecordedExecution]:
    """Return what is booked of an order, for a broker that may tell it again."""
    signs = {leg.name: order.side_of(leg).sign for leg in order.legs}
    return {
        execution: RecordedExecution(each.exec_id.rpartition(".")[2], signs[each.leg] * each.quantity, -each.cash)
        for execution, each in state.booked.items()
        if each.ref == order.ref
    }


def _told_first(broker: RecordedBroker, recording: Recording, at: datetime) -> Iterator[Event]:
    """Yield what the recording has of orders until the engine was connected: fills that came while it did not run.

    The account that it was told then has them already.
    """
    held = dict(broker.holdings)
    for event in _heard(recording):
        if isinstance(event, LinkUp):
            broker.keeps(event.order_refs)
            break
        yield from broker.answers(event, at)
    broker.holdings = held


def _cash(recording: Recording, state: State) -> Decimal:
    """Return the account's dollars: as they were known, else as the recording tells them first."""
    if state.facts.account.cash is not None:
        return state.facts.account.cash
    told = (event.account.cash for event in _heard(recording) if isinstance(event, AccountReport))
    return next((cash for cash in told if cash is not None), CASH)


def _costs(linked: LinkUp | None, state: State) -> dict[Contract, Decimal]:
    """Return what one of what the account held had cost, as far as the broker told it."""
    told = {} if linked is None else dict(linked.costs)
    return told | {Underlying(symbol): cost for symbol, cost in state.costs.items()} if state.is_ready else told


def _linked(recording: Recording) -> LinkUp | None:
    """Return what the broker told first of the account, None where the day's recording has nothing of it."""
    return next((event for event in _heard(recording) if isinstance(event, LinkUp)), None)


def _heard(recording: Recording) -> Iterator[Event]:
    """Yield what the engine heard on the day itself, but for the market."""
    return (step.event for step in play_told(recording.files[-1:]) if isinstance(step, EventHeard))


def _holdings(linked: LinkUp | None, state: State) -> dict[Contract, int]:
    """Return what the account held: as the broker told it then, or by our books where it told nothing."""
    told = state.holdings or None if state.is_ready or linked is None else dict(linked.positions)
    if told is not None:
        return {each: int(n) for each, n in told.items() if n and not (isinstance(each, Option) and each.is_share)}
    found: dict[Contract, int] = {}
    for leg in chain.from_iterable(position.legs for position in state.positions.values()):
        held: Contract = Underlying(leg.option.symbol) if leg.option.is_share else leg.option
        found[held] = found.get(held, 0) + leg.signed_held
    return {each: count for each, count in found.items() if count}
