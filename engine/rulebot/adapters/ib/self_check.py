"""Before trading: does this version of ib_async still pass raw messages to our handlers?

One known frame of each kind goes through the framing and the table of a spare client that is not connected; each must
arrive, or nothing may be traded with this version.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from math import isnan
from typing import Any

from ib_async import IB

from rulebot.adapters.ib.fence import CURRENT_TIME, LockstepBarrier
from rulebot.adapters.ib.inbox import ENDS, NEXT_VALID_ID, ORDERS, Inbox
from rulebot.adapters.ib.quotes import QuoteColumns
from rulebot.adapters.ib.requests import Requests
from rulebot.adapters.ib.wire import install
from rulebot.model.contract import Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board

LINE, QUESTION, NEXT_ID = 7, 8, 5
HANDSHAKE = ("178", "20250102 09:30:00 US/Eastern")
REQUEST_KINDS = ((10, 52), (75, 76), (17, 17))
"""Rows and ends of the questions we ask."""
SECONDS = 5.0

QUOTES: Mapping[int, str] = {
    1: f"6|{LINE}|1|2.5|3|0",
    2: f"6|{LINE}|0|4",
    21: f"{LINE}|13|0|0.2|-0.25|2.5|0|0.01|0.5|-0.3|6000",
    45: f"6|{LINE}|49|0",
    46: f"6|{LINE}|45|1735828200",
    58: f"1|{LINE}|3",
}
Frame = Callable[[int, str], None]


def _pass_over(_fields: list[str]) -> None:
    """Stand for ib_async's own handler: what it makes of a message is not the question here."""


class _Spare:
    """A client with our handlers and no socket."""

    def __init__(self) -> None:
        self.client: Any = IB().client
        self.board = Board()
        self.quotes = QuoteColumns(self.board)
        self.requests = Requests(lambda: QUESTION)
        self.inbox = Inbox(self.requests.refuse)
        self.fence = LockstepBarrier()
        table = self.client.decoder.handlers
        table.update(dict.fromkeys((*ORDERS, *ENDS, NEXT_VALID_ID, CURRENT_TIME, *sum(REQUEST_KINDS, ())), _pass_over))
        install(self.client, self.quotes, self.inbox, self.requests, self.fence)
        self.quotes.rows[str(LINE)] = self.board.add(Underlying("SPY"))

    def frame(self, *fields: object) -> None:
        """Let these fields arrive as bytes of the socket."""
        payload = "".join(f"{field}\0" for field in fields).encode()
        self.client.conn.data_received(len(payload).to_bytes(4, "big") + payload)


def _quote_arrived(spare: _Spare, kind: int) -> bool:
    board = spare.board
    board.alive_at = float("nan")
    spare.frame(kind, *QUOTES[kind].split("|"))
    spare.quotes.settle(1.0)
    values = {1: board.bid[0] == 2.5, 2: board.bid_size[0] == 4, 21: board.delta[0] == -0.25, 58: 0 in board.frozen}
    return values.get(kind, True) and not (kind in (1, 2, 21, 45, 46) and isnan(board.alive_at))


def _order_arrived(spare: _Spare, kind: int) -> bool:
    sent = [str(kind), "1", "3", "4"]
    spare.frame(*sent)
    return bool(spare.inbox.queue) and spare.inbox.queue[-1] == sent


def _end_arrived(spare: _Spare, kind: int) -> bool:
    spare.frame(kind, "1", "1")
    return ENDS[kind] in spare.inbox.ends


def _id_arrived(spare: _Spare) -> bool:
    spare.frame(NEXT_VALID_ID, "1", NEXT_ID)
    return spare.inbox.next_valid_id == NEXT_ID


def _fence_arrived(spare: _Spare) -> bool:
    spare.frame(CURRENT_TIME, "1", "1735828200")
    return spare.fence.told is not None


async def _answer_arrived(spare: _Spare, row: int, end: int) -> bool:
    def send(req_id: int) -> None:
        spare.frame(row, req_id, "row")
        if end != row:
            spare.frame(end, *(("1", req_id) if end == 52 else (req_id,)))

    try:
        return len(await spare.requests.ask("the self-check", send, SECONDS)) == 1
    except BrokerError:
        return False


async def check_seams() -> None:
    """Send one frame of each kind. Raises: BrokerError that names the version of ib_async and what did not arrive."""
    spare = _Spare()
    spare.frame(*HANDSHAKE)
    try:
        lost = [kind for kind in QUOTES if not _quote_arrived(spare, kind)]
        lost += [kind for kind in ORDERS if not _order_arrived(spare, kind)]
        lost += [kind for kind in ENDS if not _end_arrived(spare, kind)]
        lost += [] if _id_arrived(spare) else [NEXT_VALID_ID]
        lost += [] if _fence_arrived(spare) else [CURRENT_TIME]
        lost += [row for row, end in REQUEST_KINDS if not await _answer_arrived(spare, row, end)]
    finally:
        spare.client.disconnect()
    if lost:
        kinds = ", ".join(map(str, lost))
        raise BrokerError(
            f"ib_async {version('ib_async')} does not pass on messages of kind {kinds}",
            "install a version of ib_async that this release was tested with (2.1.0)",
        )
