"""Invariant 27: no short leg stands without protection longer than its spec allows.

By the journal: which orders worked for a position, what the account lacked of it, and what the engine did. It counts
whatever a person has done to the position, and while it is on hold. It does not count time without a connection or a
running engine, outside the session, of a closing order and the pause after one that failed, or while it is not known
whether the broker has a stop (docs/reliability.md).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rulebot.chaos.result import ChaosResult
from rulebot.core.close_plan import CLOSING, legs_to_close
from rulebot.core.lost_cover import CLOSED_AFTER, without_cover
from rulebot.core.protective_stops import GUARDING, guarded
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_from, trades_no_more
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record

SLACK = timedelta(seconds=10)
"""How much later than its limit the engine may begin to close, since it is woken by quotes and timers."""
RUNNING = timedelta(seconds=2)
"""How long the engine must have run beyond the limit: one that stood still acts at its next instant."""


class _Watch:
    """What is known at one instant of the journal, and since when each position has stood without protection."""

    def __init__(self, aftermath: ChaosResult, desk: LoadedBots) -> None:
        self._aftermath, self._desk = aftermath, desk
        self._positions: dict[str, Position] = {}
        self._orders: dict[str, Order] = {}
        self._since: dict[str, datetime] = {}
        self._seen: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._is_linked = False

    def unlink(self) -> None:
        """Know that no engine is connected, and none was since the last record."""
        self._is_linked = False
        self._since.clear()
        self._seen.clear()

    def note(self, record: Record) -> Iterator[str]:
        """Take one record, and yield what stands too long before it changes anything."""
        yield from self._too_long(record.at)
        if record.kind is Kind.LINK:
            self._is_linked = bool(record.data["up"])
        elif record.kind is Kind.POSITION:
            self._positions[record.position] = decode(Position, dict(record.data))
        elif record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            self._orders[order.ref] = order
        self._look(record.at)

    def _too_long(self, at: datetime) -> Iterator[str]:
        for name, since in list(self._since.items()):
            position = self._positions[name]
            over = since + self._limit(position) + SLACK
            if at > over + RUNNING and self._seen.get(name, since) > over:
                yield f"{name} of {position.bot} had a short leg without protection from {since:%H:%M:%S} UTC on"
                self._told.add(name)
                del self._since[name]
            self._seen[name] = at

    def _limit(self, position: Position) -> timedelta:
        bot = self._aftermath.governing(position, self._desk)
        limit = None if bot is None else bot.of(position).plan.risk.max_unprotected
        return CLOSED_AFTER if limit is None else timedelta(seconds=limit)

    def _look(self, at: datetime) -> None:
        session = session_from(exchange_date(at))
        for name, position in self._positions.items():
            is_watched = self._is_linked and session.is_on(at) and _is_watched(position, at)
            if is_watched and name not in self._told and self._is_bare(position, at):
                self._since.setdefault(name, at)
            else:
                self._since.pop(name, None)
                self._seen.pop(name, None)

    def _is_bare(self, position: Position, at: datetime) -> bool:
        bot = self._aftermath.governing(position, self._desk)
        is_each = bot is not None and bot.of(position).plan.risk.max_unprotected is not None
        lost = without_cover(position)
        if not (is_each or lost):
            return False
        session = session_from(exchange_date(at))
        orders = [order for order in self._orders.values() if order.is_of(position.id) and order.status.is_live]
        if any(order.purpose in GUARDING and not order.is_working for order in orders):
            return False
        closing = self._closing(position, orders)
        return any(
            guarded(orders, position, leg) < (leg.held if is_each else lost.get(leg.name, 0))
            for leg in position.common.legs
            if leg.sign < 0 and leg.held > 0 and leg.name not in closing
            if not trades_no_more(leg.option.expiry, session, at)
        )

    def _closing(self, position: Position, orders: Sequence[Order]) -> set[str]:
        """Return the legs that the exit at work closes one after the other, while an order of it works."""
        bot = self._aftermath.governing(position, self._desk)
        is_at_work = any(order.purpose in CLOSING and order.is_working for order in orders)
        if bot is None or position.state != "exiting" or not is_at_work:
            return set()
        return {leg.name for leg, _ in legs_to_close(position, bot.of(position))}


def _is_watched(position: Position, at: datetime) -> bool:
    """Say whether the engine is to protect the short legs of a position now.

    Not where it is on hold since nobody knows what a contract is, or more was closed than was held, nor while it waits
    with the next order after one that the broker refused or others cancelled.
    """
    is_on_hold = position.is_frozen and not position.may_buy_back
    waits = position.retry_at is not None and at <= position.retry_at
    return position.state in ("open", "exiting") and not is_on_hold and not waits


def unprotected_too_long(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return short legs that stood without protection for longer than the spec of their position allows."""
    watch, records = _Watch(aftermath, desk), aftermath.day.records
    starting = _starting(records)
    for place, record in enumerate(records):
        if place in starting:
            watch.unlink()
        yield from watch.note(record)


def _starting(records: Sequence[Record]) -> set[int]:
    """Return the places of records of a start up to `run_started`: it tells of the runs before it first."""
    found: set[int] = set()
    for place, record in enumerate(records):
        if record.kind is Kind.RUN_STARTED:
            at = record.at
            while place >= 0 and records[place].at == at:
                found.add(place)
                place -= 1
    return found
