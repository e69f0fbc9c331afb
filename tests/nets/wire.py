"""The broker's side of the wire: a proxy that notes each order command with its virtual time.

The proxy stands between an engine and the simulated gateway. Both speak the TWS protocol: frames of a four-byte length
and fields that end with a NUL. The time of a command is that of the last fence of the lockstep clock (docs/gateway.md).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

PLACE, CANCEL, EXERCISE, CANCEL_ALL = "3", "4", "21", "58"
TIME, START = b"49\0", b"71\0"
GREETING = b"API\0"
LEG_FIELDS = 8
UNSET = frozenset(("", "0", "0.0", "-1", "2147483647", "9223372036854775807", "1.7976931348623157E308"))
INSTALL = re.compile(r"rb:[^:]*:")
"""A store's own part of an order reference, which is drawn anew for each store."""
NAMES = (
    *(
        "order",
        "con_id",
        "symbol",
        "type",
        "expiry",
        "strike",
        "right",
        "multiplier",
        "exchange",
        "primary",
        "currency",
    ),
    *("local", "class", "id_type", "id", "side", "quantity", "kind", "limit", "stop", "tif", "oca", "account", "opens"),
    *("origin", "ref", "transmit", "parent", "block", "sweep", "display", "trigger", "outside", "hidden"),
)
"""Fields of placeOrder behind its message id, up to the legs of a combo."""


def frame(payload: bytes) -> bytes:
    """Return a payload with its length in front."""
    return len(payload).to_bytes(4, "big") + payload


def message(*fields: object) -> bytes:
    """Return a frame of these fields."""
    return frame("".join(f"{each}\0" for each in fields).encode())


def without_install(text: str) -> str:
    """Return a text without the part of order references that each store draws for itself."""
    return INSTALL.sub("rb:", text)


def order_text(fields: Sequence[str]) -> str:
    """Return a placeOrder message in one line: named fields, legs, and whatever else is set."""
    named = dict(zip(NAMES, fields[1:], strict=False))
    rest = list(fields[1 + len(NAMES) :])
    legs = list(_legs(rest)) if named["type"] == "BAG" else []
    words = [f"{name}={without_install(value)}" for name, value in named.items() if value not in UNSET]
    others = [f"{place}={without_install(value)}" for place, value in enumerate(rest) if value not in UNSET]
    return " ".join((*words, *(f"leg={each}" for each in legs), *others))


def _legs(rest: list[str]) -> Iterator[str]:
    """Take the legs of a combo from the front of the fields that are left, and yield each as text."""
    for _ in range(int(rest.pop(0) or 0)):
        yield "/".join(rest[:4])
        del rest[:LEG_FIELDS]


def command_text(fields: Sequence[str], known: set[str]) -> str | None:
    """Return an order command in one line, or None of any other message. known: ids of orders placed before."""
    kind, number = fields[0], fields[1] if len(fields) > 1 else ""
    if kind == PLACE:
        verb = "change" if number in known else "place"
        known.add(number)
        return f"{verb} {order_text(fields)}"
    if kind == CANCEL:
        return f"cancel order={fields[2]}"
    words = {EXERCISE: "exercise", CANCEL_ALL: "cancel all"}
    return f"{words[kind]} {' '.join(fields[1:])}".strip() if kind in words else None


def reported_time(second: int) -> str:
    """Return a virtual time as text, UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of the next frame. Raises: IncompleteReadError at the end."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


@dataclass(slots=True)
class Proxy:
    """Listens for engines, passes on all they say and hear, and notes order commands.

    at: what to do at a virtual time (epoch seconds), once, before the engine hears of that time.
    """

    gateway: int
    commands: list[str] = field(default_factory=list)
    at: list[tuple[int, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    now: int = 0
    last_order: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> int:
        """Begin to listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    def note(self, text: str) -> None:
        """Note something with its virtual time."""
        self.commands.append(f"{reported_time(self.now)} {text}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.gateway)
            ways = (self._to_gateway(reader, up_writer), self._to_engine(up_reader, writer))
            tasks = [asyncio.ensure_future(each) for each in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                each.cancel()
            for end in (writer, up_writer):
                end.close()

    async def _to_gateway(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(await reader.readexactly(len(GREETING)))
            while True:
                payload = await read_frame(reader)
                self._receive(payload)
                writer.write(frame(payload))

    def _receive(self, payload: bytes) -> None:
        fields = payload.decode(errors="replace").split("\0")
        text = command_text(fields, self._known)
        if text is not None:
            self.note(text)
        if fields[0] == PLACE:
            self.last_order = fields

    async def _to_engine(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                payload = await read_frame(reader)
                if payload.startswith(TIME):
                    await self._pass_time(int(payload.split(b"\0")[2]))
                writer.write(frame(payload))

    async def _pass_time(self, second: int) -> None:
        self.now = max(self.now, second)
        while self.at and self.at[0][0] <= second:
            await self.at.pop(0)[1]()


class OtherClient:
    """Another client of the gateway, which trades by hand or holds the clock while no engine is there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connected(cls, port: int, number: int, options: str = "") -> "OtherClient":
        """Return one that is connected under this client id."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GREETING + frame(f"v157..178{options and f' {options}'}".encode()))
        await read_frame(reader)
        writer.write(message(71, 2, number, ""))
        found = cls(reader, writer)
        await found._answer(b"9\0")
        return found

    async def ask_time(self, times: int = 1) -> int:
        """Ask for the time so often, one after the other; return the last answer. A holder lets time go on so."""
        second = 0
        for _ in range(times):
            self._writer.write(message(49, 1))
            second = int((await self._answer(TIME)).split(b"\0")[2])
        return second

    async def trade(self, order: Sequence[str]) -> None:
        """Send the opposite of somebody's placeOrder message as a market order."""
        fields = list(order)
        names = {name: place for place, name in enumerate(NAMES, 1)}
        fields[names["order"]], fields[names["ref"]], fields[names["oca"]] = "1", "", ""
        fields[names["parent"]], fields[names["tif"]], fields[names["transmit"]] = "0", "DAY", "1"
        fields[names["side"]] = {"BUY": "SELL", "SELL": "BUY"}[fields[names["side"]]]
        fields[names["kind"]], fields[names["limit"]], fields[names["stop"]] = "MKT", "", ""
        self._writer.write(frame("\0".join(fields).encode()))
        await self.ask_time()

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()

    async def _answer(self, kind: bytes) -> bytes:
        while not (payload := await read_frame(self._reader)).startswith(kind):
            pass
        return payload
