"""Frames and fields of the TWS wire.

A frame is a big-endian uint32 length and a payload; a payload is fields of ASCII text, each ended by NUL. There are
no types and no escaping; what is not 7-bit travels as `\\uXXXX`. Unset numbers have several spellings.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twsim.nouns import Instrument, SecType
from twsim.seams import Bar, TicketLeg
from twsim.sessions import EXCHANGE_ZONE

MIN_VERSION = 157
MAX_VERSION = 178
MAX_FRAME = 0xFFFFFF

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INT = "2147483647"
UNSET_LONG = "9223372036854775807"
_HUGE = Decimal("1e307")
_SHARE_CLASS = str.maketrans(". ", " .")
_MOST = Decimal("1e15")
"""No price, size or count of an order is as large: sums of such numbers would not be exact."""

Value = str | int | float | Decimal | bool | None


class WireError(Exception):
    """The byte stream is not TWS: close the connection."""


class MalformedError(ValueError):
    """A message that cannot be read: answer 320 and continue."""


def field_names(words: str) -> tuple[str, ...]:
    """Return the names of a run of fields, written one after another."""
    return tuple(words.split())


def text(value: Value) -> str:
    """Print one field: booleans as 1 and 0, None as empty, Decimals without exponent or trailing zeros."""
    if isinstance(value, str):
        return value
    if value.__class__ is int or value.__class__ is float:
        return repr(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return plain(value)
    return repr(value)


def plain(value: Decimal) -> str:
    """Print a Decimal in plain digits; whole numbers carry no point (clients below 163 read sizes as int)."""
    printed = f"{value:f}"
    if "." in printed:
        printed = printed.rstrip("0").rstrip(".")
    return "0" if printed in ("-0", "") else printed


def frame(*values: Value) -> bytes:
    """Encode one message, length included."""
    return pack(joined(*values))


def joined(*values: Value) -> str:
    """Print fields and join them by NUL, without a last one."""
    return "\0".join(map(text, values))


def pack(fields: str) -> bytes:
    """Encode fields that are already joined by NUL (without the last NUL)."""
    if not fields.isascii():
        fields = escape(fields)
    payload = fields.encode("ascii") + b"\0"
    return len(payload).to_bytes(4, "big") + payload


def symbol_out(symbol: str) -> str:
    """Return a symbol as the wire has it: `BRK B` of BRK.B."""
    return symbol.translate(_SHARE_CLASS)


def symbol_in(words: str) -> str:
    """Return the symbol that a client means; one that writes BRK.B means nothing that is listed."""
    return words.strip().upper().translate(_SHARE_CLASS)


def escape(words: str) -> str:
    """Spell what is not 7-bit as `\\uXXXX`, as the gateway does from version 153."""
    return "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in words)


def prose(words: str) -> str:
    """Make text safe inside a field: no NUL and no raw backslash, which clients would unescape."""
    return words.replace("\0", " ").replace("\\", "/")


def raw_frame(payload: bytes) -> bytes:
    """Put the length before a payload."""
    return len(payload).to_bytes(4, "big") + payload


def take_frames(buffer: bytearray) -> Iterator[bytes]:
    """Yield the complete payloads at the head of the buffer and consume them. Raises: WireError on a garbage length."""
    start = 0
    try:
        while len(buffer) - start >= 4:
            length = int.from_bytes(buffer[start : start + 4], "big")
            if length > MAX_FRAME:
                raise WireError(f"a frame of {length} bytes was announced")
            if len(buffer) - start - 4 < length:
                break
            payload = bytes(buffer[start + 4 : start + 4 + length])
            start += 4 + length
            yield payload
    finally:
        del buffer[:start]


def is_unset(field: str) -> bool:
    """Say whether a number field is unset: empty, the largest int or long, or anything from 1e307 on."""
    if field in ("", UNSET_INT, UNSET_LONG, UNSET_DOUBLE, "None"):
        return True
    if len(field) < 3 or not (field[0].isdigit() or field[0] in "+-."):
        return False
    try:
        return Decimal(field) >= _HUGE
    except InvalidOperation:
        return False


class Fields:
    """A cursor over the fields of one message. Raises: MalformedError on short messages and unreadable numbers."""

    __slots__ = ("_at", "items")

    def __init__(self, payload: bytes) -> None:
        decoded = payload.decode("utf-8", errors="replace")
        self.items = decoded.removesuffix("\0").split("\0") if decoded else []
        self._at = 0

    @property
    def left(self) -> int:
        """How many fields have not been read."""
        return len(self.items) - self._at

    def text(self) -> str:
        """Read the next field unchanged."""
        if self._at >= len(self.items):
            raise MalformedError(f"the message ends after {len(self.items)} fields")
        self._at += 1
        return self.items[self._at - 1]

    def texts(self, count: int) -> list[str]:
        """Read `count` fields unchanged."""
        if count < 0 or self.left < count:
            raise MalformedError(f"{count} fields are due and {self.left} are left")
        self._at += count
        return self.items[self._at - count : self._at]

    def integer(self, unset: int = 0) -> int:
        """Read an int; `1.0` is 1."""
        field = self.text()
        if is_unset(field):
            return unset
        try:
            return int(field) if "." not in field else int(float(field))
        except (ValueError, OverflowError):
            raise MalformedError(f"a whole number is due, is {field!r}") from None

    def count(self) -> int:
        """Read a count of what follows."""
        number = self.integer()
        if not 0 <= number <= self.left:
            raise MalformedError(f"a count is {number} with {self.left} fields left")
        return number

    def number(self) -> float | None:
        """Read a double, None when unset."""
        found = self.decimal()
        return None if found is None else float(found)

    def decimal(self) -> Decimal | None:
        """Read a decimal, None when unset."""
        return decimal(self.text())

    def flag(self) -> bool:
        """Read a bool; empty is false."""
        return self.text() not in ("", "0", "false")

    def skip(self, count: int = 1) -> None:
        """Pass over fields, as far as there are any."""
        self._at = min(self._at + count, len(self.items))


def decimal(field: str) -> Decimal | None:
    """Read a decimal field, None when unset. Raises: MalformedError."""
    if is_unset(field):
        return None
    try:
        found = Decimal(field)
    except InvalidOperation:
        raise MalformedError(f"a number is due, is {field!r}") from None
    if not found.is_finite() or abs(found) >= _MOST:
        raise MalformedError(f"a number is due, is {field!r}")
    return found


def digits(words: str) -> int | None:
    """Return the number that is written in one to nine digits and nothing else; None for other words."""
    return int(words) if words.isascii() and words.isdigit() and len(words) < 10 else None


def exchange_time(at: datetime) -> str:
    """Print an instant as executions and bars have it: `YYYYMMDD HH:MM:SS US/Eastern`, one space."""
    return f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S} US/Eastern"


def from_epoch(seconds: int) -> datetime:
    """Return the UTC instant of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def request_time(words: str) -> datetime:
    """Read a time as requests have it: `YYYYMMDD HH:MM:SS zone`, without zone New York's, or UTC with a hyphen.

    Raises: MalformedError.
    """
    numbers = "".join(letter for letter in words[:18] if letter.isdigit())[:14].ljust(14, "0")
    parts = words.split()
    try:
        zone = UTC if words[8:9] == "-" else ZoneInfo(parts[2]) if len(parts) > 2 else EXCHANGE_ZONE
        year, month, day = int(numbers[:4]), int(numbers[4:6]), int(numbers[6:8])
        clock = (int(numbers[8:10]), int(numbers[10:12]), int(numbers[12:14]))
        return datetime(year, month, day, *clock, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):  # OSError: the zone names a folder
        raise MalformedError(f"a time is due, is {words!r}") from None


# --- What a client is subscribed to


@dataclass(slots=True)
class MarketDataLine:
    """A subscription. A combo has `legs` and no instrument; `sent` is the last quote of a combo, as printed.

    `is_begun` is False until its first set was sent: it was opened while no quotes went out.
    `weights` is what a point of each leg moves the combo's price by, `min_tick` the price step of a combo.
    """

    req_id: int
    instrument: Instrument | None
    legs: tuple[TicketLeg, ...] = ()
    weights: tuple[float, ...] = ()
    min_tick: str = "0.01"
    generics: frozenset[int] = frozenset()
    sent: tuple[object, ...] = ()
    is_started: bool = False
    rid: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.rid = b"%d" % self.req_id

    @property
    def con_ids(self) -> tuple[int, ...]:
        """The contracts whose quotes this line needs."""
        if self.instrument is not None:
            return (self.instrument.con_id,)
        return tuple(leg.con_id for leg in self.legs)


@dataclass(frozen=True, slots=True)
class BarRequest:
    """One request for bars. Units: seconds."""

    found: Instrument
    what: str
    bar_seconds: int
    first: datetime
    last: datetime
    epochs: bool


@dataclass(slots=True)
class KeptBars:
    """Bars that are kept up to date, and the one that was sent last."""

    request: BarRequest
    reported: Bar | None


# --- One connected client

WRITE_BYTES = 32 * 1024


@dataclass(slots=True)
class Traffic:
    """What the gateway did, for its operator. Units: real seconds, on ticks and on moving the market."""

    messages: int = 0
    fences: int = 0
    encode_seconds: float = 0.0
    market_seconds: float = 0.0
    dropped_clients: int = 0


@dataclass(slots=True)
class Subscriptions:
    """The subscriptions of a client.

    dead: ids of lines without data although no end was sent; they count among the lines. account: the one whose updates
    are sent, "" for none. multi, position_multi: account ("" is each) and model. pnl: account. pnl_single: account and
    contract id.
    """

    lines: dict[int, MarketDataLine] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    account: str = ""
    positions: bool = False
    summaries: dict[int, str] = field(default_factory=dict)
    multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    position_multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    pnl: dict[int, str] = field(default_factory=dict)
    pnl_single: dict[int, tuple[str, int]] = field(default_factory=dict)
    data_type: int = 1


class Session:
    """A client after the handshake. Messages collect in `out` until `flush` writes them in one go."""

    def __init__(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> None:
        self.transport = transport
        self.version = 0
        self.options = ""
        self.client_id = -1
        self.started = False
        self.wants = Subscriptions()
        self.out: list[bytes] = []
        self.kept_bars: dict[int, KeptBars] = {}
        self.live_bars: dict[int, BarRequest] = {}
        self._traffic = traffic
        self._queue_bytes = queue_bytes
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._closing = False

    def local_time(self, at: datetime) -> str:
        """Return what a greeting says of an instant: the time and the zone of the login."""
        return f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S} US/Eastern"

    @property
    def asks_lockstep(self) -> bool:
        """True when the connect options contain +LOCKSTEP."""
        return "+LOCKSTEP" in self.options.split()

    def wants_lots(self, found: Instrument | None) -> bool:
        """Say whether sizes of this contract are in lots of 100: stocks, for clients below 159."""
        return self.version < 159 and found is not None and found.sec_type is SecType.STOCK

    def con_ids(self) -> set[int]:
        """Return the contracts whose quotes this client's lines need."""
        return {con_id for line in self.wants.lines.values() for con_id in line.con_ids}

    def send(self, *values: Value) -> None:
        """Queue one message."""
        self.out.append(frame(*values))
        self._traffic.messages += 1

    def send_raw(self, burst: bytes, count: int) -> None:
        """Queue `count` messages that are already encoded."""
        self.out.append(burst)
        self._traffic.messages += count

    def error(self, req_id: int, code: int, words: str) -> None:
        """Queue an errMsg."""
        extra = ("",) if self.version >= 166 else ()
        self.send(4, 2, req_id, code, prose(words), *extra)

    def flush(self) -> None:
        """Write what was queued, in chunks well under 64 KiB; a client that does not read is dropped."""
        if not self.out:
            return
        burst = b"".join(self.out)
        self.out.clear()
        if self.transport.is_closing():
            return
        if len(burst) <= WRITE_BYTES and not self._pending:
            self.transport.write(burst)
        else:
            self._postpone(burst)
        if self._pending_bytes + self.transport.get_write_buffer_size() > self._queue_bytes:
            self._traffic.dropped_clients += 1
            self.transport.abort()

    def _postpone(self, burst: bytes) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._pump)
        self._pending.extend(burst[at : at + WRITE_BYTES] for at in range(0, len(burst), WRITE_BYTES))
        self._pending_bytes += len(burst)

    def _pump(self) -> None:
        """Write one chunk in each turn of the loop, so that a client in the same loop reads in small pieces."""
        if not self._pending or self.transport.is_closing():
            self._pending.clear()
            self._pending_bytes = 0
            return
        chunk = self._pending.popleft()
        self._pending_bytes -= len(chunk)
        self.transport.write(chunk)
        if self._pending:
            asyncio.get_running_loop().call_soon(self._pump)
        elif self._closing:
            self.transport.close()

    def close(self) -> None:
        """Write what is queued and end the connection with FIN."""
        self.flush()
        self._closing = True
        if not self._pending:
            self.transport.close()
