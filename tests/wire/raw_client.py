"""A TWS client made of nothing but frames, so that tests see exact bytes; every wait has a time-out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from twsim import GatewaySettings, RunningGateway, start_gateway
from twsim.seams import ContractSearch

DAY = date(2025, 11, 24)
SECONDS = 60.0
Message = list[str]


def run(main: Callable[[], Any]) -> Any:
    """Run a test's coroutine in a loop of its own."""
    return asyncio.run(asyncio.wait_for(main(), 60))


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[RunningGateway]:
    """Yield a gateway on a free port; an error of its own fails the test."""
    running = await start_gateway(GatewaySettings(**{"first_day": DAY, **settings}))
    try:
        yield running
        failed = running.gateway.failure
        if failed.done() and failed.exception() is not None:
            raise failed.exception()
    finally:
        await running.stop()


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting: Message = []
        self.start: list[Message] = []

    @classmethod
    async def dial(cls, port: int) -> "RawClient":
        """Open the connection and say nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def connect(cls, port: int, client_id: int = 1, offer: str = "v100..178") -> "RawClient":
        """Do the whole handshake; `start` has what the server said, the last farm message included."""
        client = await cls.dial(port)
        client.write_raw(b"API\0" + hello(offer))
        client.greeting = await client.read()
        client.send(71, 2, client_id, "")
        client.start = await client.until(lambda m: m[0] == "4" and m[3] == "2158")
        return client

    def write_raw(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, *fields: object) -> None:
        """Send one message."""
        self.write_raw(framed(*fields))

    async def read(self) -> Message:
        """Read one message, every field ended by NUL."""
        async with asyncio.timeout(SECONDS):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            payload = await self.reader.readexactly(size)
        assert payload.endswith(b"\0")
        return payload.decode("ascii").split("\0")[:-1]

    async def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Read up to the first message that is wanted, and return all."""
        found = []
        while True:
            found.append(await self.read())
            if wanted(found[-1]):
                return found

    async def until_kind(self, kind: int) -> list[Message]:
        """Read up to the first message of this id."""
        return await self.until(lambda message: message[0] == str(kind))

    async def fence(self, count: int = 1) -> list[Message]:
        """Ask for the time `count` times and return everything that came before the last answer."""
        found: list[Message] = []
        for _ in range(count):
            self.send(49, 1)
            found += await self.until_kind(49)
        return found

    async def closed(self) -> bytes:
        """Wait until the server closes, and return what it still said. A reset fails the test."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


def framed(*fields: object) -> bytes:
    """Encode one message."""
    payload = "".join(f"{each}\0" for each in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def hello(offer: str) -> bytes:
    """Encode the version offer, which ends without NUL."""
    return len(offer).to_bytes(4, "big") + offer.encode()


def con_id(running: RunningGateway, strike: float, right: str = "P", last_trade: str = "20251124") -> int:
    """Return the id of an SPXW option of the day."""
    found = running.market.catalogue.search(
        ContractSearch(symbol="SPX", trading_class="SPXW", last_trade=last_trade, strike=strike, right=right)
    )
    assert len(found) == 1, found
    return found[0].con_id


def contract(
    con: int = 0, symbol: str = "SPX", sec_type: str = "OPT", exchange: str = "SMART", local: str = ""
) -> list[object]:
    """Return the twelve contract fields."""
    return [con, symbol, sec_type, "", 0, "", "", exchange, "", "USD", local, ""]


def order(
    order_id: int,
    con: int = 0,
    *,
    version: int = 178,
    action: str = "BUY",
    quantity: object = 1,
    kind: str = "LMT",
    limit: object = "1.0",
    tif: str = "DAY",
    legs: list[tuple[int, int, str]] | None = None,
    what_if: int = 0,
    algo: list[object] | None = None,
    conditions: list[object] | None = None,
    **changed: object,
) -> list[object]:
    """Return placeOrder as ib_async sends it for this version; `changed` sets single fields by name."""
    named = {"ocaGroup": "", "account": "", "orderRef": "", "transmit": 1, "parentId": 0, "unset": "", **changed}
    unset = named["unset"]
    out: list[object] = [3, order_id]
    out += contract(con) if legs is None else contract(0, "SPX", "BAG")
    aux = named.get("auxPrice", unset)
    out += ["", "", action, quantity, kind, limit, aux, tif, named["ocaGroup"], named["account"], "", 0]
    out += [named["orderRef"], named["transmit"], named["parentId"], 0, 0, 0, named.get("triggerMethod", 0), 0, 0]
    if legs is not None:
        out.append(len(legs))
        for leg_con, ratio, leg_action in legs:
            out += [leg_con, ratio, leg_action, "SMART", 0, 0, "", -1]
        out += [0, 0]
    out += [
        "",
        0,
        named.get("goodAfterTime", ""),
        named.get("goodTillDate", ""),
        "",
        "",
        "",
        *([""] if version < 177 else []),
        "",
        0,
        "",
        -1,
        0,
        "",
        "",
        0,
        unset,
        unset,
    ]
    out += [0, 0, unset, 0, unset, unset, unset, unset, unset, 0, unset, "", "", unset]
    out += [0, "", unset, unset, unset, unset, unset, "", "", "", "", 0, "", "", 0, 0]
    out += algo if algo is not None else [""]
    out += ["", what_if, "", 0, 0, 0]
    out += conditions if conditions is not None else [0]
    out += ["", unset, unset, unset, unset, unset, 0, "", "", "", unset, "", "", "", "", 0, 0, 0, unset]
    for since in (158, 160):
        out += [unset] if version >= since else []
    out += [0] if version >= 162 else []
    out += [""] if version >= 166 else []
    out += [""] if version >= 169 else []
    return out
