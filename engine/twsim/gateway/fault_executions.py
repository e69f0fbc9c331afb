"""Faults in what a client hears of its fills: an execution that is not told, one leg late, a combo without its own."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_reports import Key, Later, fill_of
from twsim.seams import Commissioned, Executed, Execution, OrderChanged, Report

UNSET = Decimal(repr(1.7976931348623157e308))
OF_EXECUTIONS = frozenset({"lost_execution", "late_leg", "no_summary", "late_summary", "unset_commission"})
FIRST_LEG = "02"


class ExecutionFaults:
    """Changes what is told of the fills that are marked. `fired` hears of each fill once that it was changed.

    late: executions that nobody hears of yet, also who asks; each with what waits with it.
    unpaid: executions whose true commission is not told yet.
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

    def mark(self, fault: Fault, done: Execution) -> None:
        """Let a fault act on the executions of a fill."""
        self._marks.setdefault(fill_of(done.exec_id), []).append(fault)
        if fault.kind == "lost_execution" and fault.text("status") == "lost":
            self._silent_orders.add((done.client_id, done.order_id))

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
