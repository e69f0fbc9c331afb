"""The connection's clock and the order of events.

In lockstep a gateway's virtual time waits for requests: `reqCurrentTime` ends our work at this instant, and its answer,
the fence, is the last message of the next instant. Without lockstep a batch is what arrived in one cycle of the event
loop, stamped with the given clock.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from functools import partial

from ib_async import ExecutionFilter

from rulebot.adapters.clock import BrokerClock, Clock
from rulebot.adapters.ib import connection_errors, convert
from rulebot.adapters.ib.contracts import ContractBook, in_america, is_index, underlying_contract
from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.handshake import check_seams, positions_settled, request_initial_lists
from rulebot.adapters.ib.order_reports import AccountValues, Combos, Reader, combo_legs, dividends, learn_legs, readers
from rulebot.adapters.ib.quotes import FAULTS
from rulebot.adapters.ib.requests import NO_CONTRACT, RefusedError
from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.time_zones import UNCERTAIN_DAY, Timekeeper
from rulebot.adapters.ib.transport import REQUEST_IDS, Wire
from rulebot.model.contract import Contract, Option
from rulebot.model.errors import BrokerError
from rulebot.model.event import (
    AccountReport,
    AccountWarning,
    BrokerStatus,
    ClockSkew,
    CommissionReport,
    Connected,
    Disconnected,
    Event,
    ExecutionReport,
    MarketDataUpdated,
    OrderReport,
    OrdersListed,
    OrderUnsent,
    PositionReport,
)
from rulebot.model.facts import KnownContract, SymbolFacts
from rulebot.model.order import above
from rulebot.model.session import at_exchange_time, exchange_date, session_from
from rulebot.model.values import replace
from rulebot.ports import Batch

log = logging.getLogger("rulebot.ib")

BROKEN = frozenset((1100, 2110))
"""The gateway has lost the broker; the socket stays."""
LINES_LOST = 1101
RESTORED = frozenset((LINES_LOST, 1102))
ACCOUNT_WARNING = "2148"
"""That equity is near what margin needs, or below: positions may be liquidated. No list of the broker has it; Lean 1033
has met it."""
ORDER_STATUS, OPEN_ORDER, OPEN_ORDERS_END, EXECUTION, COMMISSION = "3", "5", "53", "11", "59"
REPORTED_AGAIN = {EXECUTION: slice(14, 15), COMMISSION: slice(2, 4)}
"""Messages that repeat whenever executions are requested, and the field that makes one new.

It is the execution's id, for a commission also the amount.
"""
ENDED = (BrokerStatus.FILLED, BrokerStatus.CANCELLED)
"""Statuses of orders that take no change any more; one that is inactive may be held, and work again."""
PACED_SECONDS = 0.05
"""How long to wait at most while messages of ours are queued."""


class IbLink:
    """The Link port over one connection at a time; `connect` may be called again after `close` or a Disconnected."""

    def __init__(self, settings: IbSettings, clock: Clock, feed: IbFeed, book: ContractBook) -> None:
        self._settings = settings
        self._clock = BrokerClock(clock)
        self._feed = feed
        self._book = book
        self._wire: Wire | None = None
        self._time = Timekeeper(self._clock)
        self._account = settings.account
        self._is_simulated: bool | None = None
        self._now = self._seen_until = clock.now()
        self._readers: dict[str, Reader] = {}
        self._values = AccountValues("")
        self._seen: set[tuple[str, ...]] = set()
        self._rolls_at = self._now
        self._orders: set[tuple[int, str]] = set()
        self._next_order_id = 0
        self._positions: dict[Contract, PositionReport] = {}
        self._reported_down = self._lost_lines = self._is_away = self._is_clock_suspect = False
        self._listed: set[str] | None = None
        self._unsent: list[tuple[int, str, bool]] = []
        self.combos = Combos()
        """The working combos, as the broker reports them."""
        self.is_at_end = False
        """Whether a gateway in lockstep has reached the end of its sessions: its time stops."""

    @property
    def account(self) -> str:
        return self._account

    @property
    def is_lockstep(self) -> bool:
        return self._settings.lockstep

    @property
    def sends_orders(self) -> bool:
        """False on a connection that only looks."""
        return self._settings.sends_orders

    @property
    def is_simulated(self) -> bool:
        """True when the gateway said at the handshake that it is a simulated one."""
        return bool(self._is_simulated)

    @property
    def is_up(self) -> bool:
        return self._wire is not None and self._wire.lost is None

    @property
    def computer_ahead(self) -> float:
        """The seconds that this computer's clock is ahead of the broker's (negative: behind), 0.0 where they agree."""
        return self._time.apart

    @property
    def _goes_by_broker(self) -> bool:
        """Say whether time is the broker's; a simulated broker defines it, in lockstep with each batch."""
        return not (self.is_lockstep or self.is_simulated)

    @property
    def wire(self) -> Wire:
        """The connection. Raises: BrokerError when there is none."""
        if self._wire is None:
            raise BrokerError("there is no connection to the broker")
        return self._wire

    @property
    def now(self) -> datetime:
        """The instant of the last batch."""
        return self._now

    async def connect(self) -> Batch:
        await self.close()
        await check_seams()
        wire = Wire(self._settings, self._feed.board)
        account = await wire.open()
        if self._account not in ("", account):
            await wire.close()
            raise connection_errors.other_account(self._settings, account, self._account)
        self._account = account
        if self._is_simulated not in (None, wire.offers_lockstep):
            await wire.close()
            raise connection_errors.wrong_mode(self._settings, is_simulated=wire.offers_lockstep)
        self._is_simulated = wire.offers_lockstep
        self._wire = wire
        self._begin(wire)
        try:
            events = await self._settled(wire)
            if abs(self._time.apart) > UNCERTAIN_DAY:
                raise connection_errors.other_day(self._settings, self._time.apart)
            events += self._events_if_known(events)
        except ConnectionError as problem:
            await self.close()
            lost = wire.lost or str(problem)
            raise connection_errors.connection_refused(
                self._settings, wire.inbox.notices, lost, was_connected=True
            ) from problem
        except BaseException:
            await self.close()
            raise
        self._feed.attach(wire, self)
        return Batch(self._now, (*events, self._up(wire, wire.inbox.counted_id)))

    def _begin(self, wire: Wire) -> None:
        self._now = self._seen_until = wire.greeted_at if self.is_lockstep else self._clock.now()
        self._time = Timekeeper(self._clock, self._time.apart)
        wire.pace.release(self._now.timestamp())
        self._readers = dict(readers(wire.version, self._account, wire.zone))
        self._values = AccountValues(self._account)
        self._begin_day(self._now)
        self._reported_down = self._lost_lines = self._is_away = False
        self._listed = None
        wire.inbox.queue.clear()  # every list is asked for again, complete

    async def _settled(self, wire: Wire) -> list[Event]:
        """Read every list until they agree, stamped at their end, so that a grace period starts whole."""
        events = await positions_settled(
            self._settings, lambda: self._lists(wire), lambda: (set(self._orders), dict(self._positions))
        )
        await learn_legs(wire, self._book, self.combos.leg_ids)
        self._now = self._now if self.is_lockstep else max(self._clock.now(), self._now)
        return [replace(each, at=self._now) for each in events]

    async def _lists(self, wire: Wire) -> list[Event]:
        """Ask for every list, see each one's end, and return what they said in the order it came."""
        self._orders.clear()
        self.combos.clear()
        self._positions.clear()
        wire.inbox.counted_id = 0
        try:
            wire.client.reqIds(1)  # answered before the lists that are asked for after it, and so is the time
            if self._goes_by_broker:
                self._time.asks()
                wire.client.reqCurrentTime()
        except ConnectionError as problem:  # it was closed since the lists were read last
            raise connection_errors.connection_refused(
                self._settings, wire.inbox.notices, wire.lost or "", was_connected=True
            ) from problem
        await request_initial_lists(wire, self._account)
        was_known = self._time.is_known
        reported = self._clocks(wire) if self._goes_by_broker else []
        if self._time.is_known and not was_known:
            self._begin_time(wire)
        if self._time.is_known and wire.settle_zone(self._clock.now()):
            self._readers = dict(readers(wire.version, self._account, wire.zone))
        return [*reported, *self._greeted(wire), *self._drain(wire)]

    def _up(self, wire: Wire, counted_id: int = 0) -> Connected:
        """Return the events of the lists. `counted_id`: of a new connection only; on others orders may be queued."""
        held = [each for each in self._positions.values() if each.quantity]
        return Connected(
            at=self._now,
            account=self._account,
            client_id=self._settings.client_id,
            next_order_id=max(wire.inbox.next_valid_id, self._next_order_id),
            order_refs=tuple(sorted({ref for _, ref in self._orders if ref})),
            positions=tuple((each.contract, each.quantity) for each in held),
            costs=tuple((each.contract, each.average_cost) for each in held),
            lockstep=self.is_lockstep,
            next_valid_id=counted_id,
        )

    async def next(self, until: datetime | None) -> Batch:
        """Return the next instant. Raises: BrokerError when a message could not be read, or nothing is connected."""
        wire = self.wire
        if self._reported_down:
            raise BrokerError("there is no connection to the broker")
        broken = ""
        try:
            if self.is_lockstep:
                reported = await wire.fence.next(wire.client, None if wire.pace.is_waiting else until)
                self._now, self.is_at_end = reported, reported == self._now
            else:
                await self._wait(wire, until)
                broken = self._time.look() or wire.stood_still() or self._time.leap_words
                self._now = self._now if broken else max(self._clock.now(), self._now)
        except ConnectionError:
            return self._down(wire)
        if self.is_lockstep:
            return await self._batch(wire)
        if broken:
            wire.give_up(broken)  # quotes that waited decide nothing: their age is unknown
            return self._down(wire, since=self._seen_until)
        try:
            return await self._batch(wire)
        except BrokerError as problem:  # what was read is read again, by the next connection
            wire.give_up(problem.message)
            return self._down(wire, [])
        except ConnectionError as problem:
            wire.give_up(wire.lost or connection_errors.why_lost(str(problem)))
            return self._down(wire, [])

    def report_unsent(self, order_id: int, text: str, *, is_change: bool) -> None:
        """Report with the next batch that an order, or a change of one, could not be sent."""
        self._unsent.append((order_id, text, is_change))
        if self._wire is not None:
            self._wire.arrived.set()

    def inquire(self) -> None:
        """Ask what the broker has; OrdersListed follows once the list of open orders is complete."""
        wire = self.wire
        self._listed = self._listed or set()  # what an unfinished answer has reported so far counts
        wire.client.reqExecutions(wire.client.getReqId(), ExecutionFilter(acctCode=self._account))
        wire.client.reqAllOpenOrders()

    async def _batch(self, wire: Wire) -> Batch:
        at = self._now
        self._seen_until = at
        if at >= self._rolls_at:
            self._begin_day(at)
        wire.pace.release(at.timestamp())
        events = self._drain(wire)
        _log_events(events)
        self._feed.ask_again(at, is_away=self._is_away)
        rows = wire.quotes.settle(at.timestamp())
        if wire.quotes.failures:
            raise BrokerError(wire.quotes.failures[0])
        if (back := self._feed.returned(rows, at)) is not None:
            events.append(back)
        events += dividends(wire.quotes, at)
        events.append(MarketDataUpdated(at, rows))
        reported = [each for each in wire.inbox.notices if each[0] in BROKEN | RESTORED]
        wire.inbox.notices.clear()
        self._lost_lines |= any(code == LINES_LOST for code, _ in reported)
        if not self._is_away and (broken := _first_broken(reported)) is not None:  # repeats each minute
            self._is_away = True
            events.append(Disconnected(at, broken))
        if reported and reported[-1][0] in RESTORED:
            self._is_away = False
            events += await self._restored(wire)
        if not self.is_lockstep:
            events += self._check_clock(wire)
        if wire.lost is not None:
            return self._down(wire, events)
        return Batch(self._now, tuple(events))

    def _begin_day(self, at: datetime) -> None:
        """Forget what only an earlier day needed.

        Repeated executions are recognised by the engine; orders are requested again before they are needed.
        """
        today = exchange_date(at)
        self._rolls_at = at_exchange_time(today + timedelta(days=1), time())
        self._seen.clear()
        self._orders.clear()
        self._positions = {held: reported for held, reported in self._positions.items() if reported.quantity}
        self._book.begin_session(session_from(today).date)
        for held in self._positions:
            self._book.learn(held)

    def _check_clock(self, wire: Wire) -> list[Event]:
        """Return changes in the difference between the broker's clock and ours."""
        if self.is_simulated or not wire.is_up:
            wire.fence.take()
            return []
        was_known = self._time.is_known
        found = self._clocks(wire)
        if self._time.is_known and not was_known:
            wire.give_up("the broker reports its time now: everything is read again by it")
        if self._time.is_due():
            wire.client.reqCurrentTime()
        return found

    def _clocks(self, wire: Wire) -> list[Event]:
        """Return the clock difference by the broker's time, if that was reported and is new."""
        reported = wire.fence.take()
        ahead = None if reported is None else self._time.received(reported, wire.fence.age)
        return [] if ahead is None else [ClockSkew(self._now, ahead)]

    def _greeted(self, wire: Wire) -> list[Event]:
        """Use the time of the greeting where the broker has not reported its own; return the clock difference."""
        ahead = self._time.greeted(wire.broker_greeted_at, wire.greeting_age) if self._goes_by_broker else None
        if ahead is None:
            return []
        self._begin_time(wire)
        return [ClockSkew(self._now, ahead, is_known=False)]

    def _events_if_known(self, events: Sequence[Event]) -> list[Event]:
        """Return an event that the broker's time is missing on this connection, or reported again.

        events: those of the connection so far. Their clock differences are not repeated.
        """
        if not self._goes_by_broker or self._time.is_known is not self._is_clock_suspect:
            return []
        self._is_clock_suspect = not self._time.is_known
        if any(isinstance(event, ClockSkew) for event in events):
            return []
        return [ClockSkew(self._now, self._time.apart, is_known=self._time.is_known)]

    def _begin_time(self, wire: Wire) -> None:
        """Start this connection at the broker's time, just reported."""
        self._now = self._seen_until = self._clock.now()
        wire.pace.release(self._now.timestamp())
        self._begin_day(self._now)

    async def _restored(self, wire: Wire) -> list[Event]:
        """Read every list again after the gateway reconnected to the broker; fills may have happened meanwhile.

        If it loses the broker again while they are read, the next batch reports that.
        """
        events = await self._settled(wire)
        if _first_broken(wire.inbox.notices) is not None:
            return events
        if self._lost_lines:
            self._feed.attach(wire, self)
            self._lost_lines = False
        return [*events, self._up(wire)]

    def _down(self, wire: Wire, events: list[Event] | None = None, since: datetime | None = None) -> Batch:
        found = self._drain(wire) if events is None else events
        self._reported_down = True
        return Batch(self._now, (*found, Disconnected(self._now, wire.lost or "the connection is gone", since)))

    async def _wait(self, wire: Wire, until: datetime | None) -> None:
        """Wait for news or `until`; messages that wait for their second are sent meanwhile."""
        while not (wire.inbox.queue or wire.quotes.is_waiting or self._unsent or wire.lost is not None):
            now = self._clock.now()
            wire.pace.release(now.timestamp())
            self._feed.ask_again(now, is_away=self._is_away)
            left = None if until is None else (until - now).total_seconds()
            if left is not None and left <= 0:
                await asyncio.sleep(0)  # who always has something due must still let the socket be read
                return
            if (beat := wire.beat()) is None:
                return
            left = beat if left is None else min(left, beat)
            if wire.pace.is_waiting:
                left = min(left, PACED_SECONDS)
            wire.arrived.clear()
            try:
                await asyncio.wait_for(wire.arrived.wait(), left)
            except TimeoutError:
                continue

    def _drain(self, wire: Wire) -> list[Event]:
        """Turn what is queued into events, in order of arrival."""
        unsent, self._unsent = self._unsent, []
        events: list[Event] = [OrderUnsent(self._now, *each) for each in unsent]
        queue = wire.inbox.queue
        while queue:
            fields = queue.popleft()
            try:
                event = self._read(fields)
            except FAULTS as problem:
                raise BrokerError(f"a message of the broker could not be read: {fields}: {problem!r}") from problem
            if event is not None:
                events.append(event)
        events += self._feed.stopped(self._now)
        if self._values.is_due and wire.is_up:
            self._values.is_due = False
            wire.pace.in_turn(partial(wire.client.reqAccountUpdates, True, self._account))
        if self._values.changed:
            events.append(AccountReport(self._now, self._values.take()))
        return events

    def _read(self, fields: list[str]) -> Event | None:
        kind = fields[0]
        if kind == OPEN_ORDERS_END:
            listed, self._listed = self._listed, None
            return None if listed is None else OrdersListed(self._now, frozenset(listed))
        if kind in ("6", "63"):
            self._values.read(fields)
            return None
        if kind == "4" and not 0 < convert.whole(fields[2]) < REQUEST_IDS:
            if fields[3] == ACCOUNT_WARNING:
                return AccountWarning(self._now, convert.plain_text(fields[4]))
            return self._feed.refused(fields, self._now)
        key = (kind, *fields[REPORTED_AGAIN.get(kind, slice(0))])
        if key in self._seen:
            return None
        event = self._readers[kind](fields, self._now)
        if kind in (OPEN_ORDER, ORDER_STATUS):  # of other accounts, too
            self._next_order_id = above(self._next_order_id, convert.whole(fields[1]))
        if isinstance(event, OrderReport):
            self._note_combo(fields, event)
        return None if event is None else self._noted(event, key)

    def _note_combo(self, fields: list[str], event: OrderReport) -> None:
        """Keep how the broker names a combo, until its order is over."""
        is_ours = event.client_id == self._settings.client_id
        if is_ours and event.status in ENDED:
            self.combos.forget(event.order_id)
        elif fields[0] == OPEN_ORDER:
            self.combos.note(fields, combo_legs(fields, self.wire.version), event.order_id if is_ours else 0)

    def _noted(self, event: Event, key: tuple[str, ...]) -> Event:
        """Keep what Connected and the feed need of an event, and which executions were seen.

        A commission before its execution does not count yet: it is taken when it is repeated. key: the kind of the
        message, and what makes it new.
        """
        if isinstance(event, ExecutionReport):
            self._seen.add(key)
            if isinstance(event.option, Option):
                self._book.learn(event.option)
        elif isinstance(event, CommissionReport):
            if (EXECUTION, key[1]) in self._seen:
                self._seen.add(key)
        elif isinstance(event, PositionReport):
            self._book.learn(event.contract)
            self._positions[event.contract] = event
        elif isinstance(event, OrderReport) and key == (OPEN_ORDER,):
            self._orders.add((event.perm_id, event.ref))  # several may have no permanent id yet
            if self._listed is not None:
                self._listed.add(event.ref)
        return event

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._feed.detach()
            await wire.close()


def _log_events(events: Sequence[Event]) -> None:
    """Log the broker's messages at `debug`, except quotes."""
    if log.isEnabledFor(logging.DEBUG):
        for each in events:
            log.debug("the broker sent %s", each)


def _first_broken(notices: Iterable[tuple[int, str]]) -> str | None:
    """Return in words that the gateway has lost the broker, None where no notice says so."""
    return next((f"{text} (error {code})" for code, text in notices if code in BROKEN), None)


# --- What the broker has under a symbol


async def symbol_facts(link: IbLink, symbol: str, seconds: float) -> SymbolFacts:
    """Return what the broker has under a symbol; nothing is watched or kept of it.

    Units: seconds that the broker may take for an answer. Raises: BrokerError when it refuses or does not answer.
    """
    contracts = await _contracts(link, symbol, seconds)
    if len(contracts) != 1:
        return SymbolFacts(symbol, contracts)
    wire, name, con_id = link.wire, convert.symbol_there(symbol), contracts[0].con_id
    kind = "IND" if is_index(symbol) else "STK"
    rows = await wire.requests.ask(
        f"the option expiries of {symbol}",
        lambda req_id: wire.client.reqSecDefOptParams(req_id, name, "", kind, con_id),
        seconds,
    )
    expiries: dict[str, set[str]] = {}
    for row in rows:
        expiries.setdefault(row[4], set()).update(row[7 : 7 + convert.whole(row[6])])
    listed = {name: tuple(sorted(map(convert.day, days))) for name, days in sorted(expiries.items())}
    return SymbolFacts(symbol, contracts, listed)


async def _contracts(link: IbLink, symbol: str, seconds: float) -> tuple[KnownContract, ...]:
    wire, asked = link.wire, underlying_contract(symbol)
    try:
        rows = await wire.requests.ask(
            f"the contract of {symbol}", lambda req_id: wire.client.reqContractDetails(req_id, asked), seconds
        )
    except RefusedError as refusal:
        if refusal.code != NO_CONTRACT:
            raise
        return ()
    return tuple(known_contract(row, wire.version) for row in in_america(rows, wire.version) or rows)


def known_contract(row: list[str], version: int) -> KnownContract:
    """Return what a contractData row (10) describes. version: of the protocol, whose 164 moved its fields."""
    fields, more = (row, 0) if version >= 164 else (row[1:], 1)
    return KnownContract(
        con_id=convert.whole(fields[12]),
        is_index=fields[3] == "IND",
        exchange=fields[20 + more] or fields[7],
        name=convert.plain_text(fields[19 + more]),
    )
