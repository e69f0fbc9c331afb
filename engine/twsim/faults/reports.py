"""Faults in a client's order reports: lost, doubled, late or out of order."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from twsim.faults.plan import Fault, FillEvent, Key, OrderEvent
from twsim.seams import (
    Commissioned,
    Executed,
    Execution,
    OrderChanged,
    OrderError,
    OrderView,
    Report,
    Status,
)

Later = Callable[[float, Callable[[], None]], None]
FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.INACTIVE})


class _Name(NamedTuple):
    """The subject of a report: the order, and the fill when it is of one."""

    order: Key
    fill: str = ""


def fill_of(exec_id: str) -> str:
    """Return the part of an execution id that all executions of one fill share."""
    return exec_id.rsplit(".", 2)[0]


class ReportFaults:
    """Changes the stream of reports. `filled` gets each fill's first execution, before it is passed on."""

    def __init__(self, filled: Callable[[Execution], None], later: Later, send: Callable[[list[Report]], None]) -> None:
        self._filled = filled
        self._later = later
        self._send = send
        self._marks: dict[tuple[str, _Name], Fault] = {}
        self._fills: set[str] = set()
        self._of_execution: dict[str, Key] = {}
        self._kept: dict[Key, list[Report]] = {}
        self._latest: dict[Key, Report] = {}
        self._executed: set[Key] = set()
        self.hidden: set[str] = set()
        """Executions whose commission is not known yet, or never."""

    def mark(self, fault: Fault, event: OrderEvent | FillEvent) -> None:
        """Let a fault act on all reports of an order, or on those of one fill."""
        fill = fill_of(event.done.exec_id) if isinstance(event, FillEvent) else ""
        self._marks[fault.kind, _Name(event.key, fill)] = fault

    def hold_back(self, fault: Fault, event: OrderEvent) -> None:
        """Acknowledge an order after its execution, or when it has not filled in time."""
        self.mark(fault, event)
        self._later(fault.seconds(), partial(self._give_up, event.key))

    def show_inactive(self, fault: Fault, event: OrderEvent) -> None:
        """Show an order that works as inactive, for a time."""
        self.mark(fault, event)
        self._later(fault.seconds(), partial(self._activate, event.key))

    def hide(self, fault: Fault, order: Key) -> None:
        """Let an order be told in lists alone until it fills or ends."""
        self._marks["lose_ack", _Name(order)] = fault

    def forget(self, orders: set[Key]) -> None:
        """Let ids mean other orders from now on."""
        for kind, name in [each for each in self._marks if each[1].order in orders and not each[1].fill]:
            del self._marks[kind, name]
        for key in orders:
            self._kept.pop(key, None)
            self._latest.pop(key, None)
        self._executed -= orders

    def shown(self, view: OrderView) -> OrderView:
        """Return an order as clients see it, in a report or a list: inactive, though it works."""
        name = _Name((view.ticket.client_id, view.ticket.order_id))
        if view.status in FINAL or self._mark("inactive", name) is None:
            return view
        return replace(view, status=Status.INACTIVE)

    def through(self, reports: Iterable[Report]) -> list[Report]:
        """Return what goes out now."""
        found: list[Report] = []
        for report in reports:
            name = self._name(report)
            if name is None:
                found.append(report)
                continue
            if isinstance(report, Executed):
                self._meet(report.execution)
            passed = self._passed(report, name)
            found += [each for one in passed for each in [one] * self._times(one, name)]
        return found

    def _name(self, report: Report) -> _Name | None:
        if isinstance(report, OrderChanged):
            ticket = report.order.ticket
            return _Name((ticket.client_id, ticket.order_id))
        if isinstance(report, OrderError):
            return _Name((report.client_id, report.order_id))
        if isinstance(report, Executed):
            done = report.execution
            return _Name((done.client_id, done.order_id), fill_of(done.exec_id))
        if isinstance(report, Commissioned) and (order := self._of_execution.get(report.exec_id)) is not None:
            return _Name(order, fill_of(report.exec_id))
        return None

    def _meet(self, done: Execution) -> None:
        self._of_execution[done.exec_id] = (done.client_id, done.order_id)
        if (fill := fill_of(done.exec_id)) not in self._fills:
            self._fills.add(fill)
            self._filled(done)

    def _mark(self, kind: str, name: _Name) -> Fault | None:
        return self._marks.get((kind, _Name(name.order))) or self._marks.get((kind, name))

    def _times(self, report: Report, name: _Name) -> int:
        """Return how often a report goes out."""
        fault = self._mark("duplicate", name)
        what = {OrderChanged: "status", Executed: "execution", Commissioned: "commission"}.get(type(report), "all")
        return 2 if fault is not None and fault.text("what") in ("all", what) else 1

    def _passed(self, report: Report, name: _Name) -> list[Report]:
        if isinstance(report, OrderChanged):
            return self._order_changed(report, name)
        if isinstance(report, Executed):
            self._executed.add(name.order)
        elif isinstance(report, Commissioned):
            return self._commissioned(report, name)
        return [report]

    def _order_changed(self, report: OrderChanged, name: _Name) -> list[Report]:
        """Drop the acknowledgement, or keep it until an execution has gone before it."""
        view = report.order
        if self._mark("lose_ack", name) and not view.filled and view.status not in FINAL:
            return []
        if (shown := self.shown(view)) is not view:
            self._latest[name.order] = report
            return [replace(report, order=shown)]
        self._latest.pop(name.order, None)  # it is over, and nothing before that is told after it
        if not self._mark("execution_first", name):
            return [report]
        kept = self._kept.setdefault(name.order, [])
        kept.append(report)
        if name.order in self._executed or (view.status in FINAL and not view.filled):
            return self._release(name.order)
        return []

    def _release(self, order: Key) -> list[Report]:
        self._marks.pop(("execution_first", _Name(order)), None)
        return self._kept.pop(order, [])

    def _activate(self, order: Key) -> None:
        """Say how an order stands that was shown as inactive."""
        self._marks.pop(("inactive", _Name(order)), None)
        if (latest := self._latest.pop(order, None)) is not None:
            self._send([latest])

    def _give_up(self, order: Key) -> None:
        """Acknowledge an order that did not fill in time."""
        if order not in self._executed and (kept := self._release(order)):
            self._send(kept)

    def _commissioned(self, report: Commissioned, name: _Name) -> list[Report]:
        late = self._mark("late_commission", name)
        if late is None and self._mark("no_commission", name) is None:
            return [report]
        self.hidden.add(report.exec_id)
        if late is not None:
            self._later(late.seconds(), lambda: self._reveal(report))
        return []

    def _reveal(self, report: Commissioned) -> None:
        self.hidden.discard(report.exec_id)
        self._send([report])


# --- Faults in what a client hears of its fills

UNSET = Decimal(repr(1.7976931348623157e308))
FIRST_LEG = "02"


class ExecutionFaults:
    """Changes what is told of the fills that are marked. `fired` hears of each fill once that it was changed.

    late: executions that nobody hears of yet, also who asks; each with what waits with it.
    unpaid: executions whose true commission is not reported yet.
    """

    def __init__(self, later: Later, send: Callable[[list[Report]], None], fired: Callable[[Fault], None]) -> None:
        self._later = later
        self._send = send
        self._fired = fired
        self._marks: dict[str, list[Fault]] = {}
        self._noted: set[tuple[str, int]] = set()
        self._lost: set[str] = set()
        self._silent_orders: set[Key] = set()
        self.late: dict[str, list[Report]] = {}
        self.unpaid: set[str] = set()

    def mark(self, fault: Fault, event: FillEvent) -> None:
        """Let a fault act on the executions of a fill."""
        self._marks.setdefault(fill_of(event.done.exec_id), []).append(fault)

    def lose(self, fault: Fault, event: FillEvent) -> None:
        """Lose the executions of a fill, and if the fault says so the order's status as well."""
        self.mark(fault, event)
        if fault.text("status") == "lost":
            self._silent_orders.add(event.key)

    def forget(self, orders: set[Key]) -> None:
        """Let ids mean other orders from now on."""
        self._silent_orders -= orders

    def through(self, reports: list[Report]) -> list[Report]:
        """Return what goes out now."""
        return [each for report in reports for each in self._passed(report)]

    def _passed(self, report: Report) -> list[Report]:
        if isinstance(report, Executed):
            return self._executed(report)
        if isinstance(report, Commissioned):
            return self._commissioned(report)
        if isinstance(report, OrderChanged) and report.order.filled:
            ticket = report.order.ticket
            return [] if (ticket.client_id, ticket.order_id) in self._silent_orders else [report]
        return [report]

    def _executed(self, report: Executed) -> list[Report]:
        done = report.execution
        for fault in self._marks.get(fill_of(done.exec_id), ()):
            is_summary = done.sec_type == "BAG"
            if fault.kind == "lost_execution":
                self._note(fault, done.exec_id)
                self._lost.add(done.exec_id)
                return []
            if fault.kind == "no_summary" and is_summary:
                self._note(fault, done.exec_id)
                return []
            is_late = is_summary if fault.kind == "late_summary" else _is_further_leg(done)
            if fault.kind in ("late_summary", "late_leg") and is_late:
                self._note(fault, done.exec_id)
                return self._put_off(report, fault)
        return [report]

    def _put_off(self, report: Executed, fault: Fault) -> list[Report]:
        exec_id = report.execution.exec_id
        if exec_id not in self.late:
            self.late[exec_id] = [report]
            self._later(fault.seconds(), lambda: self._send(self.late.pop(exec_id)))
        return []

    def _commissioned(self, report: Commissioned) -> list[Report]:
        if report.exec_id in self._lost:
            return []
        if report.exec_id in self.late:
            self.late[report.exec_id].append(report)
            return []
        for fault in self._marks.get(fill_of(report.exec_id), ()):
            if fault.kind == "unset_commission" and report.exec_id not in self.unpaid:
                self._note(fault, report.exec_id)
                self.unpaid.add(report.exec_id)
                self._later(fault.seconds(), lambda: self._pay(report))
                return [replace(report, commission=UNSET)]
        return [report]

    def _pay(self, report: Commissioned) -> None:
        self.unpaid.discard(report.exec_id)
        self._send([report])

    def _note(self, fault: Fault, exec_id: str) -> None:
        key = fill_of(exec_id), fault.place
        if key not in self._noted:
            self._noted.add(key)
            self._fired(fault)


def _is_further_leg(done: Execution) -> bool:
    """Say whether this is a leg of a combo's fill, and not its first one."""
    place = done.exec_id.rsplit(".", 2)[1]
    return done.sec_type != "BAG" and place > FIRST_LEG
