"""What goes wrong in a run: a policy that follows a fault plan. docs/faults.md says what each kind does.

Theory. Events are counted in the order the broker handles them, times are those of the virtual clock, and chance is
drawn from names; so a lockstep run with the same plan and seed goes wrong in the same way. Only `real_seconds` are
the computer's.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from twsim.exchange.exchange import SimExchange
from twsim.faults.account import (
    OF_PEOPLE,
    OF_POSITIONS,
    AccountFaults,
    ExternalActionFaults,
    FaultScheduler,
    told_to_all,
)
from twsim.faults.connection import FaultySession, LinkFaults, Row, ShownZone, StaleAnswers, StartFaults, shown_zone
from twsim.faults.market import OF_LINES, OF_VIEWS, QuoteFaults, ViewFaults
from twsim.faults.orders import OF_CANCELS, CancelFaults, ChangeFaults, IntakeFaults
from twsim.faults.plan import CANCEL, CONNECT, FILL, ORDER, Fault, FaultError, FaultPlan
from twsim.faults.reports import OF_EXECUTIONS, OF_FILLS, OF_ORDERS, ExecutionFaults, Key, ReportFaults
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
    told_id,
)
from twsim.sessions import EXCHANGE_ZONE

log = logging.getLogger("twsim")

CONNECTIVITY = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained. "
    "All data farms are connected.",
}
OF_A_CLIENT = frozenset({"cut", "silence", "garbage"})
"""Kinds that do nothing while nobody is connected."""
AFTER_FILLS = frozenset({"correction", "overfill", "expires"})
NEEDS_BROKER = frozenset({"late_fill", "worse_fill", "one_leg", "change_doubled"}) | AFTER_FILLS | OF_PEOPLE
NOTED_LATER = OF_LINES | OF_VIEWS | OF_PEOPLE | {"dead_line"}
"""Kinds that are noted when they change something, not when they begin."""
READ_ONLY = 321, "Error validating request.-'bA' : cause - The API interface is currently in Read-Only mode."


@dataclass(slots=True)
class _Lost:
    """A lost link: what waits until it is back."""

    fault: Fault
    kept: list[Report] = field(default_factory=list)


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
        self._links = LinkFaults(hub, self._agenda)
        self._account = AccountFaults(hub, self._agenda)
        self._starts = StartFaults(hub, self._agenda, self._note)
        self._people = ExternalActionFaults(hub, self._agenda, self._broker_sends)
        self._read_only = 0
        self._asleep_until = 0
        self._zone: ShownZone | None = None
        self._clock: Fault | None = None
        self._late: dict[Key, Ticket] = {}
        self._tickets: dict[Key, Ticket] = {}
        self._greeted: dict[Session, list[Fault]] = {}
        self._intake = IntakeFaults(self._note)
        self._cancels = CancelFaults(hub.exchange, self._agenda.later, self._broker_says)
        self._orders = ReportFaults(self._filled, self._agenda.later, self._send)
        self._changes = ChangeFaults(hub.exchange, self._note, self._orders.hide)
        self._executions = ExecutionFaults(self._agenda.later, self._send, self._note)
        self._lost: _Lost | None = None
        self._acts: dict[str, Callable[[Fault, int | None], None]] = {
            "cut": self._links.cut,
            "silence": self._links.silence,
            "lost_connectivity": self._lose_link,
            "farm_down": self._quotes.farm_down,
            "dead_line": self._quotes.die,
            "competing_session": self._quotes.compete,
            "not_subscribed": self._quotes.stand,
            "delayed_data": self._quotes.stand,
            "garbage": self._links.garbage,
            "slow": self._links.slow_down,
            "time_zone": self._tell_zone,
            "broker_clock": self._set_clock,
            "restart": self._starts.restart,
            "account_not_ready": self._account.begin,
            "read_only": self._go_read_only,
            "time_passes": self._fall_asleep,
            **dict.fromkeys(OF_VIEWS, self._views.begin),
            **dict.fromkeys(OF_PEOPLE, self._people.begin),
        }
        self._check()
        for each in plan.faults:
            if each.at is None and not each.on:
                self._act(each, each.client)

    def _check(self) -> None:
        for each in self._plan:
            if each.kind in NEEDS_BROKER and not isinstance(self._hub.exchange, SimExchange):
                raise FaultError(f"faults[{each.place}]: {each.kind} needs the simulated broker, not another exchange")

    def _epoch(self, fault: Fault) -> int:
        sessions = self._hub.timeline.sessions
        if fault.session > len(sessions) or fault.at is None:
            raise FaultError(f"faults[{fault.place}].session: is {fault.session}; this run has {len(sessions)}")
        at = datetime.combine(sessions[fault.session - 1].date, fault.at, EXCHANGE_ZONE)
        return int(at.timestamp())

    # ------------------------------------------------------------ time

    def calm(self) -> None:
        """Let nothing new go wrong; what has begun ends when it is due, and what stood without an end is over."""
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
        """Learn how an error of our own ends the run."""
        self._agenda.attach(fail)

    def before_move(self) -> None:
        """Let the faults begin whose time has come."""
        while self._timed and self._timed[0][0] <= self._hub.now:
            fault = self._timed.pop(0)[2]
            self._act(fault, fault.client)

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

    def _act(self, fault: Fault, client_id: int | None) -> None:
        """Let a fault of the link or of the data begin, if it is one."""
        if (act := self._acts.get(fault.kind)) is None:
            return
        is_idle = fault.kind in OF_A_CLIENT and not self._links.clients(client_id)
        if not is_idle and fault.kind not in NOTED_LATER:
            self._note(fault)
        act(fault, client_id)

    @property
    def fired(self) -> Mapping[int, int]:
        """How often each fault has done something, by its place in the plan."""
        return self._fired

    @property
    def fired_open(self) -> Mapping[int, int]:
        """The same for what came while the account held options."""
        return self._fired_open

    def _note(self, fault: Fault) -> None:
        self._fired[fault.place] += 1
        self._fired_open[fault.place] += fault.kind in OF_POSITIONS or self._people.holds_options
        log.info("faults[%d], %s, fires at %s", fault.place, fault.kind, self._hub.at.isoformat())

    # ------------------------------------------------------------ connections

    def session(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> Session:
        """Return a client whose connection can misbehave."""
        found = FaultySession(transport, traffic, queue_bytes)
        found.zone = self._zone
        return found

    def refuses(self, session: Session) -> bool:
        """Count a connection, and say whether it is told that its id is in use."""
        hits = self._hits(CONNECT, session.client_id)
        if busy := [each for each in hits if each.kind == "id_in_use"]:
            self._note(busy[0])
            return True
        for fault in hits:
            if fault.kind == "roll_back_ids":
                self._note(fault)
                self._roll_back(session.client_id, fault.whole("to"))
        self._greeted[session] = hits
        self._starts.mark(session, hits)
        return False

    @property
    def is_down(self) -> bool:
        """True while nobody can connect."""
        return self._starts.is_down

    @property
    def asleep_until(self) -> int:
        """The virtual time until which the machine of the clients sleeps."""
        return self._asleep_until

    def hangs_up(self, session: Session) -> bool:
        """Say whether this client is turned away without a word."""
        found = next((each for each in self._greeted[session] if each.kind == "hang_up"), None)
        if found is None:
            return False
        self._note(found)
        del self._greeted[session]
        return True

    def accounts(self, session: Session, own: str) -> str:
        """Return the accounts that a client is told of."""
        return self._starts.accounts(session, own)

    def account_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the account as clients are told them."""
        return self._account.told(values)

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets."""
        return self._starts.rows(session, what, rows, again)

    def ends(self, session: Session, what: str) -> bool:
        """Say whether the end of a list is told."""
        return self._starts.ends(session, what)

    def _go_read_only(self, fault: Fault, client_id: int | None) -> None:
        self._read_only = self._hub.now + int(fault.seconds())

    def _tell_zone(self, fault: Fault, client_id: int | None) -> None:
        self._zone = shown_zone(fault)
        for session in self._links.clients(None):
            session.zone = self._zone

    def _set_clock(self, fault: Fault, client_id: int | None) -> None:
        self._clock = fault

    def told_time(self, now: int) -> int | None:
        """Return the time that a client is told who does not hold the clock, None when it is told none."""
        if self._clock is None:
            return now
        return now + self._clock.whole("seconds") if self._clock.flag("answers") else None

    def _fall_asleep(self, fault: Fault, client_id: int | None) -> None:
        self._asleep_until = self._hub.now + int(fault.seconds())

    def _roll_back(self, client_id: int, first: int) -> None:
        hub = self._hub
        hub.highest_id[client_id] = first - 1
        hub.passed_id.pop(client_id, None)
        working = {(view.ticket.client_id, told_id(view.ticket.order_id)) for view in hub.exchange.open_orders()}
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
        """Act on a client that has just had its greeting."""
        if self._lost is not None:
            session.error(-1, 1100, CONNECTIVITY[1100])
        for fault in self._greeted.pop(session, []):
            self._act(fault, session.client_id)

    def holds(self, session: Session, payload: bytes) -> bool:
        """Say whether this request is kept, to be answered later."""
        return self._links.holds(session, payload)

    # ------------------------------------------------------------ market data

    @property
    def quotes_stopped(self) -> bool:
        """True while no quotes go out."""
        return self._quotes.stopped

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        """Say whether a market data line opens as it should; when not, this has dealt with it."""
        return self._quotes.opens(session, line, snapshot=snapshot)

    # ------------------------------------------------------------ the broker's link

    @property
    def link_lost(self) -> bool:
        """True while the gateway has lost the broker."""
        return self._lost is not None

    def _lose_link(self, fault: Fault, client_id: int | None) -> None:
        if self._lost is not None:
            return
        self._lost = _Lost(fault)
        self._hub.remembered = StaleAnswers(self._hub.exchange)
        self._quotes.stop("link")
        self._hub.tell(1100, CONNECTIVITY[1100])
        self._agenda.later(fault.seconds(), self._restore_link)

    def _restore_link(self) -> None:
        lost, self._lost = self._lost, None
        self._hub.remembered = None
        assert lost is not None
        code = int(lost.fault.text("restored"))
        if code == 1101:
            for session in self._hub.sessions.values():
                session.wants.lines.clear()
        self._hub.tell(code, CONNECTIVITY[code])
        self._quotes.resume("link")
        asked_only = lost.fault.text("executions") == "asked"
        dropped = (Executed, Commissioned) if asked_only else ()
        deliver_unchanged(self._hub, [each for each in lost.kept if not isinstance(each, dropped)])

    def shows_execution(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has this execution."""
        return exec_id not in self._executions.late

    def shows_commission(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has the commission of this execution."""
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
        hits = self._hits(ORDER, ticket.client_id, ticket)
        for fault in hits:
            if (answer := self._intake.keeps(fault, ticket)) is not None:
                return answer
        if late := [each for each in hits if each.kind == "late_order"]:
            self._note(late[0])
            self._late[key] = ticket
            self._agenda.later(late[0].seconds(), lambda: self._arrive(key))
            return []
        for fault in hits:
            self._begin(fault, key)
        self._changes.mark(hits, ticket)
        warned = [each for each in hits if each.kind == "warning" and each.text("of") == "order"]
        warnings = [self._warning(each, key) for each in warned]
        reports = self._hub.exchange.place(self._intake.taken_as(hits, ticket))
        if isinstance(self._hub.exchange, SimExchange):
            self._intake.hinder(hits, ticket, self._hub.exchange)
        return [*reports, *warnings]

    def _warning(self, fault: Fault, key: Key) -> Report:
        self._note(fault)
        return OrderError(*key, fault.whole("code"), fault.text("text"))

    def _arrive(self, key: Key) -> None:
        """Let an order reach the broker after all."""
        exchange, ticket = self._hub.exchange, self._late.pop(key)
        self._broker_says(exchange.arrive(ticket) if isinstance(exchange, SimExchange) else exchange.place(ticket))

    def _begin(self, fault: Fault, key: Key) -> None:
        if fault.kind in OF_ORDERS:
            self._note(fault)
            self._orders.mark_order(fault, key)
        elif fault.kind == "expires":
            self._agenda.later(fault.seconds(), partial(self._expire, fault, key))
        else:
            self._act(fault, key[0])

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
        hits = self._hits(CANCEL, client_id, ticket) if ticket is not None else []
        for fault in hits:
            if fault.kind in OF_CANCELS and (answer := self._cancels.takes(fault, key)) is not None:
                self._note(fault)
                return answer
        for fault in hits:
            if fault.kind == "late_fill":
                self._agenda.later(fault.seconds(), partial(self._late_fill, fault, client_id, order_id))
            else:
                self._act(fault, client_id)
        return self._hub.exchange.cancel(*self._changes.cancelled_by(key))

    def _late_fill(self, fault: Fault, client_id: int, order_id: int) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        self._broker_sends(fault, self._hub.exchange.fill_cancelled(client_id, order_id))

    def _filled(self, done: Execution) -> None:
        """Count a fill and let its faults begin."""
        ticket = self._tickets.get((done.client_id, told_id(done.order_id)))
        for fault in self._hits(FILL, done.client_id, ticket):
            if fault.kind in OF_FILLS:
                self._note(fault)
                self._orders.mark_fill(fault, done)
            elif fault.kind in OF_EXECUTIONS:
                self._executions.mark(fault, done)
            elif fault.kind in AFTER_FILLS:
                self._after_fill(fault, done)
            else:
                self._act(fault, done.client_id)

    def _after_fill(self, fault: Fault, done: Execution) -> None:
        if fault.kind == "correction":
            exec_id = _traded(done)
            self._agenda.later(fault.seconds(), lambda: self._correct(fault, exec_id))
        elif fault.kind == "overfill":
            self._agenda.later(fault.seconds(), lambda: self._overfill(fault, done.exec_id))
        else:
            self._agenda.later(fault.seconds(), partial(self._expire, fault, (done.client_id, done.order_id)))

    def _overfill(self, fault: Fault, exec_id: str) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        self._broker_sends(fault, self._hub.exchange.fill_beyond(exec_id))

    def _correct(self, fault: Fault, exec_id: str) -> None:
        assert isinstance(self._hub.exchange, SimExchange)
        price_by = Decimal(str(fault.seconds("price_by")))
        reports = self._hub.exchange.correct(exec_id, price_by, Decimal(fault.whole("quantity_by")))
        is_liquidation = any(isinstance(each, Executed) and each.execution.liquidation for each in reports)
        self._broker_sends(fault, told_to_all(self._hub, reports) if is_liquidation else reports)

    def _broker_sends(self, fault: Fault, reports: list[Report]) -> None:
        if reports:
            self._note(fault)
        self._broker_says(reports)

    def _broker_says(self, reports: list[Report]) -> None:
        deliver_unchanged(self._hub, self.reports(reports))

    def shown(self, view: OrderView) -> OrderView:
        """Return an order as lists show it."""
        return self._orders.shown(view)

    # ------------------------------------------------------------ reports

    def reports(self, reports: list[Report]) -> list[Report]:
        """Return what the clients hear of these reports now."""
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
