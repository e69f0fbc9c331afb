"""A client whose connection can break in mid-frame, fall silent, or carry delayed data."""

import asyncio
import re
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass as mutable_dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twsim.faults.account import FaultScheduler
from twsim.faults.kinds import NEVER_ENDS
from twsim.faults.plan import ConnectEvent, Event, Fault, FaultError
from twsim.gateway.hub import ServerState
from twsim.gateway.requests import answer
from twsim.gateway.wire import Session, Traffic, Value, raw_frame, take_frames
from twsim.nouns import ZERO, dataclass
from twsim.seams import Commissioned, Exchange, Execution, OrderView, PositionView, Report, Ticket
from twsim.sessions import EXCHANGE_ZONE

# --- A gateway whose login has another time zone

PLACES = {
    "British Summer Time": "Europe/London",
    "GMT Standard Time": "Europe/London",
    "Central European Standard Time": "Europe/Warsaw",
    "CET": "Europe/Berlin",
    "MEZ": "Europe/Berlin",
    "Eastern Standard Time": "America/New_York",
    "EST": "America/New_York",
    "JST": "Asia/Tokyo",
    "Tokyo Standard Time": "Asia/Tokyo",
    "CST": "Asia/Shanghai",
    "IST": "Asia/Calcutta",
}
EXECUTIONS, LAST_DAYS, HOURS = "executions", "last_days", "hours"
_TIMES = frozenset((b"11", b"101"))
_CONTRACTS = frozenset((b"5", b"7", b"10", b"11", b"61", b"101"))
_DETAILS = b"10"
_TIME = re.compile(rb"(\d{8} \d\d:\d\d:\d\d) US/Eastern")
_DAY = re.compile(rb"\d{8}")
_SPAN = re.compile(r"\d{8}:\d{4}")


@dataclass(frozen=True, slots=True)
class ShownZone:
    """How a gateway sends times. of: executions, last_days, hours or all."""

    name: str
    zone: tzinfo
    of: str

    def greeting(self, at: datetime) -> str:
        """Return the local time and the zone of a greeting, "" where it stays as it is."""
        return f"{at.astimezone(self.zone):%Y%m%d %H:%M:%S} {self.name}" if self.of == "all" else ""

    def shown(self, burst: bytes) -> bytes:
        """Return encoded messages with their times as this zone has them."""
        return b"".join(raw_frame(self._message(payload)) for payload in take_frames(bytearray(burst)))

    def _message(self, payload: bytes) -> bytes:
        fields = payload.split(b"\0")
        if fields[0] in _TIMES and self._is_of(EXECUTIONS):
            fields = [self._time(each) for each in fields]
        if fields[0] in _CONTRACTS and self._is_of(LAST_DAYS):
            pairs = list(pairwise(fields))
            fields[1:] = [self._last_day(each) if before == b"OPT" else each for before, each in pairs]
        if fields[0] == _DETAILS and self._is_of(HOURS):
            self._report_hours(fields)
        return b"\0".join(fields)

    def _is_of(self, what: str) -> bool:
        return self.of in ("all", what)

    def _time(self, field: bytes) -> bytes:
        reported = _TIME.fullmatch(field)
        return field if reported is None else self._printed(reported[1].decode(), "%Y%m%d %H:%M:%S", EXCHANGE_ZONE)

    def _last_day(self, field: bytes) -> bytes:
        if _DAY.fullmatch(field) is None:
            return field
        return self._printed(f"{field.decode()} 16:00", "%Y%m%d %H:%M", EXCHANGE_ZONE)

    def _printed(self, reported: str, pattern: str, reported_in: tzinfo) -> bytes:
        at = datetime.strptime(f"{reported} +0000", f"{pattern} %z").replace(tzinfo=reported_in).astimezone(self.zone)
        return f"{at:%Y%m%d %H:%M:%S} {self.name}".encode()

    def _report_hours(self, fields: list[bytes]) -> None:
        at = next(at for at, each in enumerate(fields) if each in (b"US/Eastern", b"US/Central"))
        reported_in = ZoneInfo(fields[at].decode())

        def moved(span: re.Match[str]) -> str:
            plain = datetime.strptime(f"{span[0]} +0000", "%Y%m%d:%H%M %z")
            return f"{plain.replace(tzinfo=reported_in).astimezone(self.zone):%Y%m%d:%H%M}"

        fields[at] = self.name.encode()
        for hours in (at + 1, at + 2):
            fields[hours] = _SPAN.sub(moved, fields[hours].decode()).encode()


def shown_zone(fault: Fault) -> ShownZone:
    """Return what a fault plan asks for. Raises: FaultError."""
    name = fault.text("name")
    place = fault.text("place") or PLACES.get(name, name)
    try:
        return ShownZone(name, ZoneInfo(place), fault.text("of"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        where = f"faults[{fault.place}].place"
        raise FaultError(f"{where}: is {place!r}; write a zone of the tz database, such as Asia/Tokyo") from None


# --- A client whose connection can break in mid-frame, fall silent, or carry delayed data

RESET, FIN = "reset", "fin"
_REQUEST_AT = {b"1": 2, b"2": 2, b"21": 1, b"45": 2, b"58": 2}
"""Where the request id of a tick message is; the tick type follows it."""
_DELAYED_TYPES = {b"1": b"66", b"2": b"67", b"4": b"68", b"0": b"69", b"3": b"70", b"5": b"71", b"6": b"72"}
_DELAYED_TYPES |= {b"7": b"73", b"8": b"74", b"9": b"75", b"14": b"76"}
_DELAYED_TYPES |= {b"10": b"80", b"11": b"81", b"12": b"82", b"13": b"83", b"49": b"90"}
_MARKET_DATA_TYPE = b"58"
_DELAYED = b"3"


def as_delayed(burst: bytes, req_ids: set[int]) -> bytes:
    """Return encoded messages with the ticks of these requests as delayed types."""
    wanted = {b"%d" % each for each in req_ids}
    return b"".join(raw_frame(_delayed(payload, wanted)) for payload in take_frames(bytearray(burst)))


def _delayed(payload: bytes, wanted: set[bytes]) -> bytes:
    fields = payload.split(b"\0")
    at = _REQUEST_AT.get(fields[0])
    if at is None or fields[at] not in wanted:
        return payload
    if fields[0] == _MARKET_DATA_TYPE:
        fields[at + 1] = _DELAYED
    else:
        fields[at + 1] = _DELAYED_TYPES.get(fields[at + 1], fields[at + 1])
    return b"\0".join(fields)


class FaultySession(Session):
    """A client under faults.

    delayed: the requests that get delayed data. zone: of its times, None as they are.
    """

    def __init__(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> None:
        super().__init__(transport, traffic, queue_bytes)
        self.delayed: set[int] = set()
        self.zone: ShownZone | None = None
        self._silent = False
        self._break = ""

    def local_time(self, at: datetime) -> str:
        return super().local_time(at) if self.zone is None else self.zone.greeting(at) or super().local_time(at)

    def send(self, *values: Value) -> None:
        """Queue one message; break off in it if that is due."""
        super().send(*values)
        if self._break:
            self._break_off()
            return
        if self.delayed:
            self.out[-1] = as_delayed(self.out[-1], self.delayed)
        if self.zone is not None:
            self.out[-1] = self.zone.shown(self.out[-1])

    def send_raw(self, burst: bytes, count: int) -> None:
        super().send_raw(as_delayed(burst, self.delayed) if self.delayed else burst, count)

    def flush(self) -> None:
        """Write what was queued, unless the connection is silent."""
        if not self._silent:
            super().flush()
            return
        self.out = [b"".join(self.out)]
        if len(self.out[0]) > self._queue_bytes:
            self._traffic.dropped_clients += 1
            self.transport.abort()

    def fall_silent(self) -> None:
        """Stop reading and writing; the connection stays."""
        self._silent = True
        self.transport.pause_reading()

    def wake(self) -> None:
        """End a silence: what waited in both directions goes through."""
        self._silent = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.flush()

    def cut(self, how: str, *, in_frame: bool) -> None:
        """Break the connection: now, or half way through the next message."""
        if in_frame:
            self._break = how
        else:
            self.flush()
            self._end(how)

    def _break_off(self) -> None:
        how, self._break = self._break, ""
        whole = self.out.pop()
        kept = [*self._pending, *self.out, whole[: max(5, len(whole) // 2)]]
        self._pending.clear()
        self._pending_bytes = 0
        self.out.clear()
        self.transport.write(b"".join(kept))
        self._end(how)

    def _end(self, how: str) -> None:
        if how == FIN:
            self.transport.close()
            return
        if (end := self.transport.get_extra_info("socket")) is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


# --- Faults of the connection to a client

GARBAGE_LENGTH = b"\xff\xff\xff\xff"


@mutable_dataclass(slots=True)
class _Slow:
    """Requests are kept so long, until virtual time `ends` (None: for ever)."""

    fault: Fault
    client: int | None
    ends: int | None


class LinkFaults:
    """Acts on one client's connection, or on all. `fired` gets a fault that has met a client."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, fired: Callable[[Fault], None]) -> None:
        self._hub = hub
        self._agenda = agenda
        self._fired = fired
        self._slow: list[_Slow] = []
        self._waiting: dict[Session, deque[bytes]] = {}
        self._last_slow: dict[Session, Fault] = {}

    def clients(self, client_id: int | None) -> list[FaultySession]:
        """Return the clients that a fault of this client, or of all, gets at."""
        sessions = self._hub.sessions.values()
        wanted = [each for each in sessions if client_id in (None, each.client_id)]
        return [each for each in wanted if isinstance(each, FaultySession)]

    def _met(self, fault: Fault, event: Event) -> list[FaultySession]:
        if found := self.clients(event.client_id):
            self._fired(fault)
        return found

    def cut(self, fault: Fault, event: Event) -> None:
        """Break connections."""
        for session in self._met(fault, event):
            session.cut(fault.text("how"), in_frame=fault.flag("mid_frame"))

    def silence(self, fault: Fault, event: Event) -> None:
        """Let connections fall silent."""
        for session in self._met(fault, event):
            session.flush()
            session.fall_silent()
            if (seconds := fault.seconds("real_seconds")) != NEVER_ENDS:
                self._agenda.really_later(seconds, session.wake)

    def garbage(self, fault: Fault, event: Event) -> None:
        """Send what no client can read."""
        what = fault.text("what")
        for session in self._met(fault, event):
            if what == "unknown":
                session.send(9999, 1, "garbage")
            elif what == "short":
                session.send(3, 1)
            else:
                session.out.append(GARBAGE_LENGTH)

    def slow_down(self, fault: Fault, event: Event) -> None:
        """Answer late from now on."""
        lasts = fault.seconds("lasts")
        ends = None if lasts == NEVER_ENDS else self._hub.now + int(lasts)
        self._slow.append(_Slow(fault, event.client_id, ends))

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


# --- Faults of a connection's beginning

Row = TypeVar("Row")
ACCOUNTS = {"live": "U1234567", "several": "{own},DU7654321", "none": ""}


class StartFaults:
    """Knows the faults of each connection. `fired` gets those that had an effect."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, fired: Callable[[Fault], None]) -> None:
        self._hub = hub
        self._agenda = agenda
        self._fired = fired
        self._marks: dict[Session, list[Fault]] = {}
        self._until = 0

    def mark(self, fault: Fault, event: ConnectEvent) -> None:
        """Let a fault act on a connection."""
        self._marks.setdefault(event.session, []).append(fault)

    # ------------------------------------------------------------ the gateway restarts

    @property
    def is_down(self) -> bool:
        """True while no client can connect."""
        return self._hub.now < self._until

    def restart(self, fault: Fault, event: Event) -> None:
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
        """Return the accounts that a client gets."""
        fault = self._mark(session, "wrong_account")
        if fault is None:
            return own
        self._fired(fault)
        return ACCOUNTS[fault.text("accounts")].format(own=own)

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets; omitted ones come `again` later, if at all."""
        fault = self._mark(session, "short_list")
        if fault is None or fault.text("what") != what or not rows:
            return rows
        self._marks[session].remove(fault)
        self._fired(fault)
        kept = len(rows) // 2
        self._agenda.later(fault.seconds(), lambda: again(rows[kept:]))
        return rows[:kept]

    def ends(self, session: Session, what: str) -> bool:
        """Say whether the end of a list is sent; if not the connection may break there."""
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


# --- A gateway that has lost the broker answers questions from memory


class StaleAnswers:
    """A snapshot of an account. Requests go to the broker, which decides for itself."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._open = exchange.open_orders()
        self._completed = exchange.completed_orders()
        self._executions = exchange.executions()
        self._positions = {each.con_id: each for each in exchange.positions()}
        self._profit = exchange.daily_profit()
        self._values = exchange.account_values()

    @property
    def account(self) -> str:
        return self._exchange.account

    def what_if(self, ticket: Ticket) -> list[Report]:
        return self._exchange.what_if(ticket)

    def place(self, ticket: Ticket) -> list[Report]:
        return self._exchange.place(ticket)

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        return self._exchange.cancel(client_id, order_id)

    def cancel_all(self) -> list[Report]:
        return self._exchange.cancel_all()

    def advance(self, at: datetime) -> list[Report]:
        return self._exchange.advance(at)

    def commission_of(self, exec_id: str) -> Commissioned | None:
        return self._exchange.commission_of(exec_id)

    def open_orders(self) -> list[OrderView]:
        return self._open

    def completed_orders(self) -> list[OrderView]:
        return self._completed

    def executions(self) -> list[Execution]:
        return self._executions

    def positions(self) -> list[PositionView]:
        return list(self._positions.values())

    def position(self, con_id: int) -> PositionView:
        """Return a position, flat where nothing was held."""
        flat = PositionView(con_id, ZERO, ZERO, None, None, None, ZERO)
        return self._positions.get(con_id, flat)

    def daily_profit(self) -> Decimal:
        return self._profit

    def account_values(self) -> dict[str, str]:
        return self._values
