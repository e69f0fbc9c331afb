"""Faults of market data: quotes that stop, data that is not subscribed, and data that is delayed."""

from collections import Counter
from collections.abc import Callable

from twsim.gateway.fault_agenda import FaultScheduler
from twsim.gateway.fault_kinds import NEVER_ENDS
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_session import FaultySession
from twsim.gateway.hub import ServerState
from twsim.gateway.lines import MarketDataLine
from twsim.gateway.market_data import begin_line, first_set
from twsim.gateway.session import Session

NOT_SUBSCRIBED = {
    354: "Requested market data is not subscribed.Delayed market data is available.",
    10089: "Requested market data requires additional subscription for API. See link in 'Market Data Connections' "
    "dialog for more details.Delayed market data is available.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10197: "No market data during competing live session",
}

SNAPSHOT_SECONDS = 11
"""How long the gateway waits for what a snapshot lacks, before it ends it."""

OF_LINES = frozenset({"not_subscribed", "delayed_data"})
"""Kinds that act on each line that is asked for, not when they begin."""


class QuoteFaults:
    """Knows why quotes are stopped, and which symbols are not subscribed or delayed. `fired` hears of lines so met."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, fired: Callable[[Fault], None]) -> None:
        self._hub = hub
        self._agenda = agenda
        self._fired = fired
        self._quiet: Counter[str] = Counter()
        self._competing = False
        self._standing: list[Fault] = []
        self._limits: list[Fault] = []
        self.data_type = 1
        """The market data type that lines are told while no quotes go out."""

    @property
    def stopped(self) -> bool:
        """True while no quotes go out."""
        return bool(self._quiet)

    def stop(self, why: str) -> None:
        """Let no quotes go out."""
        self._quiet[why] += 1

    def resume(self, why: str) -> None:
        """Let quotes flow again; every line is sent its present set."""
        self._quiet[why] -= 1
        self._quiet = +self._quiet
        if self._quiet:
            return
        for session in self._hub.sessions.values():
            for line in session.wants.lines.values():
                (first_set if line.is_begun else begin_line)(self._hub, session, line)
        self._hub.feed.said_anew()

    def farm_down(self, fault: Fault, client_id: int | None) -> None:
        """Break a market data farm, for a time."""
        farm = fault.text("farm")
        self.stop("farm")
        self._hub.tell(2103, f"Market data farm connection is broken:{farm}")
        self._agenda.later(fault.seconds(), lambda: self._farm_up(fault))

    def _farm_up(self, fault: Fault) -> None:
        self._hub.tell(2104, f"Market data farm connection is OK:{fault.text('farm')}")
        if fault.text("lines") == "die":
            for session in self._hub.sessions.values():
                self._forget(session, list(session.wants.lines))
        self.resume("farm")

    def die(self, fault: Fault, client_id: int | None) -> None:
        """Let lines end of which nobody is told: only who asks for them anew has quotes again."""
        for session in self._hub.sessions.values():
            lines = [line for line in session.wants.lines.values() if self._is_of(fault, session, line)]
            dying = [line.req_id for line in lines if self._is_kind(fault, line)]
            if dying:
                self._fired(fault)
                self._forget(session, dying)

    def _forget(self, session: Session, req_ids: list[int]) -> None:
        for req_id in req_ids:
            del session.wants.lines[req_id]
            session.wants.dead.add(req_id)
        self._hub.feed.lines_changed()

    def _is_kind(self, fault: Fault, line: MarketDataLine) -> bool:
        """Say whether a line is of an underlying, or of options, as a fault says."""
        is_option = line.instrument is None or line.instrument.is_option
        return fault.text("of") in ("all", "options" if is_option else "underlying")

    def compete(self, fault: Fault, client_id: int | None) -> None:
        """Let another session of the user have the data."""
        self.stop("session")
        self._competing = True
        for session in self._hub.sessions.values():
            for req_id in session.wants.lines:
                session.error(req_id, 10197, NOT_SUBSCRIBED[10197])
        if (seconds := fault.seconds()) != NEVER_ENDS:
            self._agenda.later(seconds, self._end_competition)

    def _end_competition(self) -> None:
        self._competing = self._quiet["session"] > 1
        self.resume("session")

    def stand(self, fault: Fault, client_id: int | None) -> None:
        """Let a symbol be not subscribed, or delayed, from now on."""
        self._standing.append(fault)

    def limit_lines(self, fault: Fault) -> Callable[[], None]:
        """Let no further line be opened; return what ends that."""
        self._limits.append(fault)
        return lambda: self._limits.remove(fault)

    def calm(self) -> None:
        """Let every line that is asked for from now on open as it should."""
        self._standing.clear()

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        """Say whether a line opens as it should: refused, delayed, or silent while quotes are stopped."""
        if isinstance(session, FaultySession):
            session.delayed.discard(line.req_id)
        for fault in self._limits:
            self._fired(fault)
            session.error(line.req_id, 101, "Max number of tickers has been reached")
            return False
        for fault in self._standing:
            if self._is_of(fault, session, line) and not self._opens_so(fault, session, line):
                return False
        if self._competing:
            session.error(line.req_id, 10197, NOT_SUBSCRIBED[10197])
            return False
        if self.stopped:
            self._open_silently(session, line, snapshot)
            return False
        return True

    def _open_silently(self, session: Session, line: MarketDataLine, snapshot: bool) -> None:
        """Open a line that is told what it asks for when quotes flow again; a snapshot ends without anything."""
        if self.data_type != 1:
            session.send(58, 1, line.req_id, self.data_type)
        if snapshot:
            self._agenda.later(SNAPSHOT_SECONDS, lambda: session.send(57, 1, line.req_id))
            return
        session.wants.lines[line.req_id] = line
        self._hub.feed.lines_changed()

    def _is_of(self, fault: Fault, session: Session, line: MarketDataLine) -> bool:
        if fault.client not in (None, session.client_id):
            return False
        if fault.text("symbol") == "all":
            return True
        found = [self._hub.market.catalogue.by_id(con_id) for con_id in line.con_ids]
        return any(each is not None and each.symbol == fault.text("symbol") for each in found)

    def _opens_so(self, fault: Fault, session: Session, line: MarketDataLine) -> bool:
        self._fired(fault)
        if fault.kind == "not_subscribed":
            code = int(fault.text("code"))
            session.error(line.req_id, code, NOT_SUBSCRIBED[code])
            return False
        if session.wants.data_type not in (3, 4):
            session.error(line.req_id, 354, NOT_SUBSCRIBED[354])
            return False
        session.error(line.req_id, 10167, NOT_SUBSCRIBED[10167])
        if isinstance(session, FaultySession):
            session.delayed.add(line.req_id)
        return True
