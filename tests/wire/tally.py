"""Counts what a client asks of a simulated gateway: messages in each of its seconds, and market data lines at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from twsim import RunningGateway

ASKS_LINE, GIVES_UP_LINE, PLACES_ORDER, ASKS_TIME, BEGINS = "1", "2", "3", "49", "71"


class Tally:
    """What was sent so far. `by_second` leaves out the questions for the time, which move the clock in lockstep."""

    def __init__(self, gw: RunningGateway) -> None:
        self._gateway = gw
        self._received = bytearray()
        self._is_greeted = False
        self.by_second: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.client_ids: list[str] = []
        self.lines: set[str] = set()
        self.most_lines = 0

    @property
    def busiest(self) -> int:
        """Messages of the second in which most were sent."""
        return max(self.by_second.values())

    def take(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._received += data
        if not self._is_greeted:
            if len(self._received) < 8:
                return
            del self._received[:4]  # API, and a zero
            self._is_greeted = True
            self._frame()  # the versions that it speaks
        while (fields := self._frame()) is not None:
            self._count(fields)

    def _frame(self) -> list[str] | None:
        length = int.from_bytes(self._received[:4], "big") if len(self._received) >= 4 else 0
        if not length or len(self._received) < 4 + length:
            return None
        fields = self._received[4 : 4 + length].decode().split("\0")
        del self._received[: 4 + length]
        return fields

    def _count(self, fields: list[str]) -> None:
        kind = fields[0]
        self.kinds[kind] += 1
        if kind != ASKS_TIME:
            self.by_second[self._gateway.now] += 1
        if kind == ASKS_LINE:
            self.lines.add(fields[2])
            self.most_lines = max(self.most_lines, len(self.lines))
        elif kind == GIVES_UP_LINE:
            self.lines.discard(fields[2])
        elif kind == BEGINS:
            self.client_ids.append(fields[2])


@asynccontextmanager
async def tallied(gw: RunningGateway) -> AsyncIterator[tuple[int, Tally]]:
    """Yield a port that leads to the gateway, and what is counted on the way."""
    tally = Tally(gw)
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: Tally | None) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if received is not None:
                    received.take(data)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", gw.port)
        tasks.add(asyncio.ensure_future(pump(reader, far_writer, tally)))
        tasks.add(asyncio.ensure_future(pump(far_reader, writer, None)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], tally
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
