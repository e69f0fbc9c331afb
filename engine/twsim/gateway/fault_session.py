"""A client whose connection can break in mid-frame, fall silent, or carry delayed data."""

import asyncio
import socket
import struct
from datetime import datetime

from twsim.gateway.fault_zones import ShownZone
from twsim.gateway.session import Session, Traffic
from twsim.gateway.wire import Value, raw_frame, take_frames

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
    """A client that faults can get at.

    delayed: the requests that are shown delayed data. zone: how it is told times, None as they are.
    """

    def __init__(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> None:
        super().__init__(transport, traffic, queue_bytes)
        self.delayed: set[int] = set()
        self.zone: ShownZone | None = None
        self._silent = False
        self._break = ""

    def local_time(self, at: datetime) -> str:
        """Return what a greeting says of an instant."""
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
        """Queue messages that are already encoded."""
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
        """Neither read nor write any more; the connection stays."""
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
