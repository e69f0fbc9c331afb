"""The faults of a run: a policy that follows a fault plan. docs/faults.md describes each kind.

Events are counted in the order the broker handles them, times are those of the virtual clock, and random numbers are
keyed by names; so a lockstep run with the same plan and seed has the same faults. Only `real_seconds` are the
computer's.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from twsim.exchange.exchange import SimExchange
from twsim.faults.account import AccountFaults, ExternalActionFaults, FaultScheduler, reported_to_all
from twsim.faults.connection import FaultySession, LinkFaults, Row, ShownZone, StaleAnswers, StartFaults, shown_zone
from twsim.faults.kinds import CANCEL, CONNECT, FILL, KINDS, ORDER, Phase
from twsim.faults.market import QuoteFaults, ViewFaults
from twsim.faults.orders import CancelFaults, ChangeFaults, IntakeFaults
from twsim.faults.plan import (
    CancelEvent,
    ConnectEvent,
    Event,
    Fault,
    FaultError,
    FaultPlan,
    FillEvent,
    Key,
    OrderEvent,
)
from twsim.faults.reports import ExecutionFaults, ReportFaults
from twsim.gateway.hub import ServerState
from twsim.gateway.orders import deliver_unchanged
from twsim.gateway.wire import MarketDataLine, Session, Traffic
from twsim.seams import (
    Commissioned,
    Executed,
    Execution,
    OrderError,
    OrderView,
    Report,
    Ticket,
    reported_id,
)
from twsim.sessions import EXCHANGE_ZONE

log = logging.getLogger("twsim")

CONNECTIVITY = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained. "
    "All data farms are connected.",
}
READ_ONLY = 321, "Error validating request.-'bA' : cause - The API interface is currently in Read-Only mode."


@dataclass(slots=True)
class _Lost:
    """A lost link: what waits until it is back."""

    fault: Fault
    kept: list[Report] = field(default_factory=list)


Hook = Callable[[Fault, Any], list[Report] | None]


class Faults:
    """Follows one plan in one gateway. Raises: FaultError for a plan this gateway cannot follow."""

    def __init__(self, plan: FaultPlan, hub: ServerState) -> None:
        self._hub = hub
        self._plan = plan.faults
        self._seen: Counter[int] = Counter()
        self._fired: Counter[int] = Counter()
        self._fired_open: Counter[int] = Counter()
        self._timed = sorted((self._epoch(each), each.place, each) for each in plan.faults if each.at is not None)
        self._agenda = FaultScheduler(hub)
        self._quotes = QuoteFaults(hub, self._agenda, self._note)
        self._views = ViewFaults(hub, self._agenda, self._quotes, self._note)
        self._links = LinkFaults(hub, self._agenda, self._note)
        self._account = AccountFaults(hub, self._agenda)
        self._starts = StartFaults(hub, self._agenda, self._note)
        self._people = ExternalActionFaults(hub, self._agenda, self._broker_sends)
        self._intake = IntakeFaults(hub.exchange, self._note)
        self._cancels = CancelFaults(hub.exchange, self._agenda.later, self._broker_says, self._note)
        self._orders = ReportFaults(self._filled, self._agenda.later, self._send)
        self._changes = ChangeFaults(hub.exchange, self._note, self._orders.hide)
        self._executions = ExecutionFaults(self._agenda.later, self._send, self._note)
        self._read_only = 0
        self._unresponsive_until = 0
        self._zone: ShownZone | None = None
        self._clock: Fault | None = None
        self._late: dict[Key, Ticket] = {}
        self._tickets: dict[Key, Ticket] = {}
        self._greeted: dict[Session, list[Fault]] = {}
        self._hangs_up: dict[Session, Fault] = {}
        self._lost: _Lost | None = None
        self._hooks = self._all_hooks()
        self._check()
        for each in plan.faults:
            if each.at is None and not each.on:
                self._run(Phase.BEGIN, [each], Event(each.client))

    def _all_hooks(self) -> dict[tuple[str, Phase], Hook]:
        """Return what acts for each kind, by the phase in which it does."""
        actors = (
            *(self._quotes, self._views, self._links, self._account, self._starts, self._people),
            *(self._intake, self._cancels, self._orders, self._changes, self._executions, self),
        )
        by_name = {type(each).__name__: each for each in actors}
        found: dict[tuple[str, Phase], Hook] = {}
        for name, kind in KINDS.items():
            for phase, acts in kind.hooks.items():
                actor, _, method = acts.partition(".")
                found[name, phase] = getattr(by_name[actor], method)
        return found

    def _check(self) -> None:
        for each in self._plan:
            if KINDS[each.kind].needs_broker and not isinstance(self._hub.exchange, SimExchange):
                raise FaultError(f"faults[{each.place}]: {each.kind} needs the simulated broker, not another exchange")

    def _epoch(self, fault: Fault) -> int:
        sessions = self._hub.timeline.sessions
        if fault.session > len(sessions) or fault.at is None:
            raise FaultError(f"faults[{fault.place}].session: is {fault.session}; this run has {len(sessions)}")
        at = datetime.combine(sessions[fault.session - 1].date, fault.at, EXCHANGE_ZONE)
        return int(at.timestamp())

    # ------------------------------------------------------------ time

    def calm(self) -> None:
        """Start no new faults; running ones end when due, and those without an end are over."""
        self._plan = ()
        self._timed.clear()
        self._views.calm()
        self._quotes.calm()
        self._starts.calm()
        self._account.calm()
        self._read_only = 0
        self._clock = None
        self._links.calm()
        self._cancels.calm()

    def attach(self, fail: Callable[[BaseException], None]) -> None:
        self._agenda.attach(fail)

    def before_move(self) -> None:
        """Let the faults begin whose time has come."""
        while self._timed and self._timed[0][0] <= self._hub.now:
            fault = self._timed.pop(0)[2]
            self._run(Phase.BEGIN, [fault], Event(fault.client))

    def after_move(self) -> None:
        """Do what is due: late reports, late answers, and the ends of faults."""
        self._agenda.run_due()

    # ------------------------------------------------------------ events

    def _hits(self, event: str, client_id: int, ticket: Ticket | None = None) -> list[Fault]:
        """Count an event and return the faults that it triggers, in the order of the plan."""
        found = []
        for fault in self._plan:
            if fault.on == event and fault.concerns(client_id, ticket):
                self._seen[fault.place] += 1
                if fault.hits(self._seen[fault.place], self._hub.settings.seed):
                    found.append(fault)
        return found

    def _run(self, phase: Phase, hits: Iterable[Fault], event: Event) -> list[Report]:
        """Let faults of this phase act, in the order of the plan; return their messages to the client."""
        return [report for answer in self._answers(phase, hits, event) for report in answer or ()]

    def _kept(self, phase: Phase, hits: Iterable[Fault], event: Event) -> list[Report] | None:
        """Return the answer of the first fault that stops an event, None when it continues."""
        return next((each for each in self._answers(phase, hits, event) if each is not None), None)

    def _answers(self, phase: Phase, hits: Iterable[Fault], event: Event) -> Iterator[list[Report] | None]:
        for fault in hits:
            if (hook := self._hooks.get((fault.kind, phase))) is not None:
                if KINDS[fault.kind].noted_first:
                    self._note(fault)
                yield hook(fault, event)

    @property
    def fired(self) -> Mapping[int, int]:
        return self._fired

    @property
    def fired_open(self) -> Mapping[int, int]:
        return self._fired_open

    def _note(self, fault: Fault) -> None:
        self._fired[fault.place] += 1
        self._fired_open[fault.place] += KINDS[fault.kind].of_position or self._people.holds_options
        log.info("faults[%d], %s, fires at %s", fault.place, fault.kind, self._hub.at.isoformat())

    # ------------------------------------------------------------ connections

    def session(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> Session:
        found = FaultySession(transport, traffic, queue_bytes)
        found.zone = self._zone
        return found

    def refuses(self, session: Session) -> bool:
        """Count a connection, and say whether it gets that its id is in use."""
        hits, event = self._hits(CONNECT, session.client_id), ConnectEvent(session.client_id, session)
        if self._kept(Phase.KEEP, hits, event) is not None:
            return True
        self._run(Phase.GREET, hits, event)
        self._greeted[session] = hits
        return False

    def say_id_in_use(self, fault: Fault, event: ConnectEvent) -> list[Report]:
        """Refuse a connection."""
        return []

    @property
    def is_down(self) -> bool:
        return self._starts.is_down

    @property
    def unresponsive_until(self) -> int:
        return self._unresponsive_until

    def hangs_up(self, session: Session) -> bool:
        if (fault := self._hangs_up.pop(session, None)) is None:
            return False
        self._note(fault)
        del self._greeted[session]
        return True

    def mark_hang_up(self, fault: Fault, event: ConnectEvent) -> None:
        """Let a client be turned away once it has connected; the first such fault is the one that is noted."""
        self._hangs_up.setdefault(event.session, fault)

    def accounts(self, session: Session, own: str) -> str:
        return self._starts.accounts(session, own)

    def account_values(self, values: Mapping[str, str]) -> dict[str, str]:
        return self._account.reported(values)

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        return self._starts.rows(session, what, rows, again)

    def ends(self, session: Session, what: str) -> bool:
        return self._starts.ends(session, what)

    def go_read_only(self, fault: Fault, event: Event) -> None:
        """Refuse orders and cancels, for a time."""
        self._read_only = self._hub.now + int(fault.seconds())

    def report_zone(self, fault: Fault, event: Event) -> None:
        """Send times in another zone."""
        self._zone = shown_zone(fault)
        for session in self._links.clients(None):
            session.zone = self._zone

    def set_clock(self, fault: Fault, event: Event) -> None:
        """Send another time, or none."""
        self._clock = fault

    def reported_time(self, now: int) -> int | None:
        if self._clock is None:
            return now
        return now + self._clock.whole("seconds") if self._clock.flag("answers") else None

    def stop_answering(self, fault: Fault, event: Event) -> None:
        """Let time pass without the clients."""
        self._unresponsive_until = self._hub.now + int(fault.seconds())

    def roll_back_ids(self, fault: Fault, event: ConnectEvent) -> None:
        """Forget the order ids of a client but those of working orders, and begin again at a lower one."""
        hub, client_id, first = self._hub, event.session.client_id, fault.whole("to")
        hub.highest_id[client_id] = first - 1
        hub.passed_id.pop(client_id, None)
        working = {(view.ticket.client_id, reported_id(view.ticket.order_id)) for view in hub.exchange.open_orders()}
        forgotten = {key for key in hub.used_ids if key[0] == client_id and key not in working}
        hub.used_ids -= forgotten
        for key in forgotten:
            self._tickets.pop(key, None)
            hub.owners.pop(key, None)
        for each in (self._intake, self._changes, self._orders, self._executions):
            each.forget(forgotten)
        if isinstance(hub.exchange, SimExchange):
            hub.exchange.forget_order_ids()

    def connected(self, session: Session) -> None:
        if self._lost is not None:
            session.error(-1, 1100, CONNECTIVITY[1100])
        hits = self._greeted.pop(session, [])
        self._run(Phase.BEGIN, hits, ConnectEvent(session.client_id, session))

    def holds(self, session: Session, payload: bytes) -> bool:
        return self._links.holds(session, payload)

    # ------------------------------------------------------------ market data

    @property
    def quotes_stopped(self) -> bool:
        return self._quotes.stopped

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        return self._quotes.opens(session, line, snapshot=snapshot)

    # ------------------------------------------------------------ the broker's link

    @property
    def link_lost(self) -> bool:
        return self._lost is not None

    def lose_link(self, fault: Fault, event: Event) -> None:
        """Lose the broker, for a time."""
        if self._lost is not None:
            return
        self._lost = _Lost(fault)
        self._hub.remembered = StaleAnswers(self._hub.exchange)
        self._quotes.stop("link")
        self._hub.announce(1100, CONNECTIVITY[1100])
        self._agenda.later(fault.seconds(), self._restore_link)

    def _restore_link(self) -> None:
        lost, self._lost = self._lost, None
        self._hub.remembered = None
        assert lost is not None
        code = int(lost.fault.text("restored"))
        if code == 1101:
            for session in self._hub.sessions.values():
                session.wants.lines.clear()
        self._hub.announce(code, CONNECTIVITY[code])
        self._quotes.resume("link")
        asked_only = lost.fault.text("executions") == "asked"
        dropped = (Executed, Commissioned) if asked_only else ()
        deliver_unchanged(self._hub, [each for each in lost.kept if not isinstance(each, dropped)])

    def shows_execution(self, exec_id: str) -> bool:
        return exec_id not in self._executions.late

    def shows_commission(self, exec_id: str) -> bool:
        return exec_id not in self._orders.hidden and exec_id not in self._executions.unpaid

    # ------------------------------------------------------------ orders

    def place(self, ticket: Ticket) -> list[Report]:
        """Give an order to the broker, unless a fault swallows, refuses or changes it."""
        key = ticket.client_id, ticket.order_id
        if self._intake.is_swallowed(key):
            return []
        if self._hub.now < self._read_only:
            return [OrderError(*key, *READ_ONLY)]
        if key in self._late:
            self._late[key] = ticket
            return []
        known = key in self._tickets
        self._tickets[key] = ticket
        if known:
            again = OrderError(*key, 103, "Duplicate order id")
            return [again] if self._intake.is_refused(key) else self._changes.takes(ticket)
        hits, event = self._hits(ORDER, ticket.client_id, ticket), OrderEvent(ticket.client_id, key, ticket)
        for phase in (Phase.KEEP, Phase.DELAY):
            if (answer := self._kept(phase, hits, event)) is not None:
                return answer
        self._run(Phase.BEGIN, hits, event)
        self._run(Phase.CHANGE, hits, event)
        warnings = self._run(Phase.ANSWER, hits, event)
        self._run(Phase.TAKE, hits, event)
        reports = self._hub.exchange.place(event.ticket)
        self._run(Phase.HINDER, hits, event)
        return [*reports, *warnings]

    def warn(self, fault: Fault, event: OrderEvent) -> list[Report]:
        """Send a warning after an order, if the fault is of orders."""
        if fault.text("of") != "order":
            return []
        self._note(fault)
        return [OrderError(*event.key, fault.whole("code"), fault.text("text"))]

    def delay_order(self, fault: Fault, event: OrderEvent) -> list[Report]:
        """Let an order reach the broker later, in its form then."""
        self._late[event.key] = event.ticket
        self._agenda.later(fault.seconds(), partial(self._arrive, event.key))
        return []

    def _arrive(self, key: Key) -> None:
        """Let an order reach the broker after all."""
        exchange, ticket = self._hub.exchange, self._late.pop(key)
        self._broker_says(exchange.arrive(ticket) if isinstance(exchange, SimExchange) else exchange.place(ticket))

    def expire(self, fault: Fault, event: OrderEvent | FillEvent) -> None:
        """Let an order end, some seconds from now."""
        self._agenda.later(fault.seconds(), partial(self._expire, fault, event.key))

    def _expire(self, fault: Fault, key: Key) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        self._broker_sends(fault, self._hub.exchange.end(*key, "Order has expired"))

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Give a cancel to the broker, unless a fault keeps it."""
        key = client_id, order_id
        ticket = self._tickets.get(key)
        if self._hub.now < self._read_only:
            return [OrderError(*key, *READ_ONLY)]
        if (waits := self._cancels.waits(key)) is not None:
            return waits
        hits, event = self._hits(CANCEL, client_id, ticket) if ticket is not None else [], CancelEvent(client_id, key)
        if (answer := self._kept(Phase.KEEP, hits, event)) is not None:
            return answer
        self._run(Phase.BEGIN, hits, event)
        return self._hub.exchange.cancel(*self._changes.cancelled_by(key))

    def fill_late(self, fault: Fault, event: CancelEvent) -> None:
        """Let a cancelled order fill, some seconds from now."""
        self._agenda.later(fault.seconds(), partial(self._late_fill, fault, *event.key))

    def _late_fill(self, fault: Fault, client_id: int, order_id: int) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        self._broker_sends(fault, self._hub.exchange.fill_cancelled(client_id, order_id))

    def _filled(self, done: Execution) -> None:
        """Count a fill and let its faults begin."""
        ticket = self._tickets.get((done.client_id, reported_id(done.order_id)))
        event = FillEvent(done.client_id, (done.client_id, done.order_id), done)
        self._run(Phase.BEGIN, self._hits(FILL, done.client_id, ticket), event)

    def correct(self, fault: Fault, event: FillEvent) -> None:
        """Correct a fill, some seconds from now."""
        self._agenda.later(fault.seconds(), partial(self._correct, fault, _traded(event.done)))

    def overfill(self, fault: Fault, event: FillEvent) -> None:
        """Fill more than was ordered, some seconds from now."""
        self._agenda.later(fault.seconds(), partial(self._overfill, fault, event.done.exec_id))

    def _overfill(self, fault: Fault, exec_id: str) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        self._broker_sends(fault, self._hub.exchange.fill_beyond(exec_id))

    def _correct(self, fault: Fault, exec_id: str) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        price_by = Decimal(str(fault.seconds("price_by")))
        reports = self._hub.exchange.correct(exec_id, price_by, Decimal(fault.whole("quantity_by")))
        is_liquidation = any(isinstance(each, Executed) and each.execution.liquidation for each in reports)
        self._broker_sends(fault, reported_to_all(self._hub, reports) if is_liquidation else reports)

    def _broker_sends(self, fault: Fault, reports: list[Report]) -> None:
        if reports:
            self._note(fault)
        self._broker_says(reports)

    def _broker_says(self, reports: list[Report]) -> None:
        deliver_unchanged(self._hub, self.reports(reports))

    def shown(self, view: OrderView) -> OrderView:
        return self._orders.shown(view)

    # ------------------------------------------------------------ reports

    def reports(self, reports: list[Report]) -> list[Report]:
        return self._unless_lost(self._executions.through(self._orders.through(reports)))

    def _unless_lost(self, reports: list[Report]) -> list[Report]:
        """Keep reports while the link is lost."""
        if self._lost is None:
            return reports
        self._lost.kept += reports
        return []

    def _send(self, reports: list[Report]) -> None:
        """Send reports that were held back."""
        deliver_unchanged(self._hub, self._unless_lost(reports))


def _traded(done: Execution) -> str:
    """Return the id of the execution that moved a position: of a combo its first leg's."""
    if done.sec_type != "BAG":
        return done.exec_id
    stem, _, revision = done.exec_id.rsplit(".", 2)
    return f"{stem}.02.{revision}"
