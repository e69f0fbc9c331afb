"""A few lines of TWS for what the simulated gateway never does: live accounts, silence, refusals, lost links."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rulebot.model.session import EXCHANGE_ZONE

Fields = list[str]


def frame(*fields: object) -> bytes:
    payload = "".join(f"{each}\0" for each in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


WORKING = (
    "5|{order_id}|265598|AAPL|STK||0|?||SMART|USD|AAPL|NMS|BUY|100|MKT|0.0|0.0|DAY||{account}||0|{ref}|1|{perm_id}|0|0|0||"
    "{perm_id}.0/{account}/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0||||||0|0|0"
    "|2147483647|2147483647|||0||IB|0|0||0|0|PendingSubmit|M|M|M|M|M|M|M|M|M||||||0|0|0|None|M|M|M|M|M|M|0||||0|1|0|0|"
    "0|||0||100|0.02||"
)
"""An open order of server version 173, as it was recorded."""


def open_order(account: str, order_id: int, ref: str, perm_id: int) -> list[object]:
    """Return openOrder (5) of version 173."""
    text = WORKING.format(account=account, order_id=order_id, ref=ref, perm_id=perm_id)
    return ["1.7976931348623157E308" if field == "M" else field for field in text.split("|")]


def _answers(account: str) -> dict[str, Callable[[Fields], list[tuple[object, ...]]]]:
    return {
        "61": lambda _: [(62, 1)],
        "16": lambda _: [(53, 1)],
        "99": lambda _: [(102,)],
        "6": lambda _: [(6, 2, "NetLiquidation", "100000.00", "USD", account), (54, 1, account)],
        "7": lambda fields: [(55, 1, fields[2])],
        "49": lambda _: [(49, 1, int(time.time()))],
    }


def greeting_at(at: datetime) -> str:
    """Return what TWS says of an instant when it is connected to."""
    return f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S} US/Eastern"


@dataclass
class FakeTws:
    """`answers` maps a request id to its answers; `asked` keeps every request; `greets`: whether it names accounts.

    greeting: returns the time and the zone that it is connected at.
    """

    account: str = "DU1"
    version: int = 178
    answers: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = field(default_factory=dict)
    asked: list[Fields] = field(default_factory=list)
    greets: bool = True
    greeting: Callable[[], str] = lambda: greeting_at(datetime.fromtimestamp(time.time(), UTC))
    port: int = 0
    writer: asyncio.StreamWriter | None = None

    def __post_init__(self) -> None:
        self.answers = _answers(self.account) | self.answers

    def push(self, *fields: object) -> None:
        """Send one message unasked."""
        assert self.writer is not None
        self.writer.write(frame(*fields))

    def cut(self) -> None:
        """Close the connection."""
        assert self.writer is not None
        self.writer.close()

    async def until_asked(self, kind: str, count: int = 1) -> list[Fields]:
        """Wait for so many requests of a kind."""
        while len(found := [fields for fields in self.asked if fields[0] == kind]) < count:
            await asyncio.sleep(0.001)
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            await reader.readexactly(4)
            await self._read(reader)
            writer.write(frame(self.version, self.greeting()))
            while True:
                fields = (await self._read(reader)).decode().split("\0")[:-1]
                self.asked.append(fields)
                if fields[0] == "71" and self.greets:
                    writer.write(frame(15, 1, self.account) + frame(9, 1, 41))
                for message in self.answers.get(fields[0], lambda _: [])(fields):
                    writer.write(frame(*message))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


@asynccontextmanager
async def fake_tws(**changes: object) -> AsyncIterator[FakeTws]:
    """A fake TWS on a free port."""
    fake = FakeTws(**changes)  # type: ignore[arg-type]
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        if fake.writer is not None:
            fake.writer.close()
        await server.wait_closed()
