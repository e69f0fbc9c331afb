"""What comes in a burst is handed to ib_async in pieces, and is all read."""

import asyncio
from datetime import UTC, datetime

from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.transport import PIECE, Wire
from rulebot.model.contract import Underlying
from rulebot.model.market import Board

AT = 1_800_000_000


def framed(*fields: object) -> bytes:
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def test_a_burst_comes_in_pieces_and_every_message_is_read() -> None:
    board, pieces = Board(), list[bytes]()
    quotes = b"".join(framed(1, 6, at, 1, at / 100, 10, 1) for at in range(1, 20_001))

    async def burst() -> Wire:
        wire = Wire(IbSettings(), board)
        for at in range(1, 20_001):
            wire.quotes.rows[str(at)] = board.add(Underlying(f"S{at}"))
        wire.client.conn.hasData += pieces.append
        wire.client.conn.data_received(quotes + framed(49, 1, AT))
        return wire

    wire = asyncio.run(burst())
    assert max(map(len, pieces)) == PIECE
    assert b"".join(pieces) == quotes + framed(49, 1, AT)
    assert list(board.bid) == [at / 100 for at in range(1, 20_001)]
    assert wire.fence.reported == datetime.fromtimestamp(AT, UTC)


def test_what_is_short_comes_as_it_is() -> None:
    pieces = list[bytes]()

    async def short() -> None:
        wire = Wire(IbSettings(), Board())
        wire.client.conn.hasData += pieces.append
        wire.client.conn.data_received(b"")
        wire.client.conn.data_received(framed(49, 1, AT))

    asyncio.run(short())
    assert pieces == [framed(49, 1, AT)]
