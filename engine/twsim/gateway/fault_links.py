"""Faults of the connection to a client: it breaks, falls silent, carries garbage, or is slow to answer."""

from collections import deque
from dataclasses import dataclass

from twsim.gateway.fault_agenda import FaultScheduler
from twsim.gateway.fault_kinds import NEVER_ENDS
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_session import FaultySession
from twsim.gateway.hub import ServerState
from twsim.gateway.requests import answer
from twsim.gateway.session import Session

GARBAGE_LENGTH = b"\xff\xff\xff\xff"


@dataclass(slots=True)
class _Slow:
    """Requests are kept so long, until virtual time `ends` (None: for ever)."""

    fault: Fault
    client: int | None
    ends: int | None


class LinkFaults:
    """Acts on one client's connection, or on all (`client_id` None)."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler) -> None:
        self._hub = hub
        self._agenda = agenda
        self._slow: list[_Slow] = []
        self._waiting: dict[Session, deque[bytes]] = {}
        self._last_slow: dict[Session, Fault] = {}

    def clients(self, client_id: int | None) -> list[FaultySession]:
        """Return the clients that a fault of this client, or of all, gets at."""
        sessions = self._hub.sessions.values()
        wanted = [each for each in sessions if client_id in (None, each.client_id)]
        return [each for each in wanted if isinstance(each, FaultySession)]

    def cut(self, fault: Fault, client_id: int | None) -> None:
        """Break connections."""
        for session in self.clients(client_id):
            session.cut(fault.text("how"), in_frame=fault.flag("mid_frame"))

    def silence(self, fault: Fault, client_id: int | None) -> None:
        """Let connections fall silent."""
        for session in self.clients(client_id):
            session.flush()
            session.fall_silent()
            if (seconds := fault.seconds("real_seconds")) != NEVER_ENDS:
                self._agenda.really_later(seconds, session.wake)

    def garbage(self, fault: Fault, client_id: int | None) -> None:
        """Send what no client can read."""
        what = fault.text("what")
        for session in self.clients(client_id):
            if what == "unknown":
                session.send(9999, 1, "garbage")
            elif what == "short":
                session.send(3, 1)
            else:
                session.out.append(GARBAGE_LENGTH)

    def slow_down(self, fault: Fault, client_id: int | None) -> None:
        """Answer late from now on."""
        lasts = fault.seconds("lasts")
        ends = None if lasts == NEVER_ENDS else self._hub.now + int(lasts)
        self._slow.append(_Slow(fault, client_id, ends))

    def calm(self) -> None:
        """Answer new requests at once; those that wait keep their order."""
        self._slow.clear()

    def holds(self, session: Session, payload: bytes) -> bool:
        """Keep a request if the client is to wait for its answer. Requests stay in their order."""
        fault = self._slow_fault(session)
        waiting = self._waiting.get(session)
        if fault is None:
            if not waiting:
                return False
            fault = self._last_slow[session]
        self._last_slow[session] = fault
        self._waiting.setdefault(session, deque()).append(payload)
        if seconds := fault.seconds("real_seconds"):
            self._agenda.really_later(seconds, lambda: self._answer(session))
        else:
            self._agenda.later(fault.seconds(), lambda: self._answer(session))
        return True

    def _slow_fault(self, session: Session) -> Fault | None:
        now = self._hub.now
        self._slow = [each for each in self._slow if each.ends is None or each.ends > now]
        return next((each.fault for each in self._slow if each.client in (None, session.client_id)), None)

    def _answer(self, session: Session) -> None:
        payload = self._waiting[session].popleft()
        if session.transport.is_closing():
            return
        answer(self._hub, session, payload)
        session.flush()
