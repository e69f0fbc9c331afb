"""Faults of a connection's beginning: refused, of the wrong account, with lists that never end or lack rows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from twsim.gateway.fault_agenda import FaultScheduler
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_session import FaultySession
from twsim.gateway.hub import ServerState
from twsim.gateway.session import Session

Row = TypeVar("Row")
ACCOUNTS = {"live": "U1234567", "several": "{own},DU7654321", "none": ""}
OF_STARTS = frozenset({"wrong_account", "incomplete", "short_list"})


class StartFaults:
    """Knows what is wrong with each connection. `fired` hears of what had an effect."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, fired: Callable[[Fault], None]) -> None:
        self._hub = hub
        self._agenda = agenda
        self._fired = fired
        self._marks: dict[Session, list[Fault]] = {}
        self._until = 0

    def mark(self, session: Session, faults: Sequence[Fault]) -> None:
        """Let faults act on a connection."""
        self._marks[session] = [each for each in faults if each.kind in OF_STARTS]

    # ------------------------------------------------------------ the gateway restarts

    @property
    def is_down(self) -> bool:
        """True while nobody can connect."""
        return self._hub.now < self._until

    def restart(self, fault: Fault, client_id: int | None) -> None:
        """Cut every connection, and accept none for a while."""
        self._until = self._hub.now + int(fault.seconds())
        for session in list(self._hub.sessions.values()):
            if isinstance(session, FaultySession):
                session.cut("reset", in_frame=False)

    def calm(self) -> None:
        """Accept connections, and answer all of them in full."""
        self._until = 0
        self._marks.clear()

    # ------------------------------------------------------------ one connection

    def accounts(self, session: Session, own: str) -> str:
        """Return the accounts that a client is told of."""
        fault = self._mark(session, "wrong_account")
        if fault is None:
            return own
        self._fired(fault)
        return ACCOUNTS[fault.text("accounts")].format(own=own)

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets; those that are left out come `again` later, if at all."""
        fault = self._mark(session, "short_list")
        if fault is None or fault.text("what") != what or not rows:
            return rows
        self._marks[session].remove(fault)
        self._fired(fault)
        kept = len(rows) // 2
        self._agenda.later(fault.seconds(), lambda: again(rows[kept:]))
        return rows[:kept]

    def ends(self, session: Session, what: str) -> bool:
        """Say whether the end of a list is told; if not the connection may break there."""
        fault = self._mark(session, "incomplete")
        if fault is None or fault.text("what") != what:
            return True
        self._fired(fault)
        self._marks[session].remove(fault)
        if fault.text("then") == "cut" and isinstance(session, FaultySession):
            session.cut("fin", in_frame=False)
        return False

    def _mark(self, session: Session, kind: str) -> Fault | None:
        return next((each for each in self._marks.get(session, ()) if each.kind == kind), None)
