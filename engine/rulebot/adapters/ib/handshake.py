"""Before trading: does this version of ib_async still pass raw messages to our handlers?

One known frame of each kind goes through the framing and the table of a spare client that is not connected; each must
arrive, or nothing may be traded with this version.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from math import isnan
from typing import Any

from ib_async import IB, ExecutionFilter

from rulebot.adapters.ib import connection_errors
from rulebot.adapters.ib.quotes import CURRENT_TIME, ENDS, NEXT_VALID_ID, ORDERS, Inbox, LockstepBarrier, QuoteColumns
from rulebot.adapters.ib.requests import Requests
from rulebot.adapters.ib.settings import MAX_CLIENT_ID, IbSettings
from rulebot.adapters.ib.transport import Wire, install
from rulebot.model.contract import Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.event import Event
from rulebot.model.market import Board
from rulebot.model.values import dataclass

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
    """Replace ib_async's own handler, whose interpretation of a message is not needed."""


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
    return spare.fence.reported is not None


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


# --- The lists without which nothing may be traded

log = logging.getLogger("rulebot.ib")

MOST_ROUNDS = 6
OPEN, COMPLETED, POSITIONS, VALUES, EXECUTIONS = (ENDS[kind] for kind in (53, 102, 62, 54, 55))


async def positions_settled(
    settings: IbSettings, read: Callable[[], Awaitable[list[Event]]], reported: Callable[[], Any]
) -> list[Event]:
    """Read every list until two rounds agree, and return all answers; `reported` is what must agree.

    Raises: BrokerError when a list is missing, or they never agree.
    """
    events = await read()
    if settings.lockstep:
        return events
    for _ in range(MOST_ROUNDS - 1):
        before = reported()
        await asyncio.sleep(settings.round_interval)
        events += await read()
        if reported() == before:
            return events
    raise connection_errors.positions_not_final(settings)


async def request_initial_lists(wire: Wire, account: str) -> None:
    """Ask for every list and see each one's end; what they say is in the inbox. Raises: BrokerError.

    One that never ends is waited for once: nothing is asked after it, but after that of completed orders.
    """
    ib = wire.ib
    ours = ExecutionFilter(acctCode=account)
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        OPEN: ib.reqAllOpenOrdersAsync,
        COMPLETED: lambda: ib.reqCompletedOrdersAsync(False),
        POSITIONS: ib.reqPositionsAsync,
        VALUES: lambda: ib.reqAccountUpdatesAsync(account),
        EXECUTIONS: lambda: ib.reqExecutionsAsync(ours),
    }
    if not wire.sends_completed:
        del questions[COMPLETED]
    refused: list[str] = []

    def noticed(words: str) -> None:
        if connection_errors.is_read_only(words):
            refused.append(words)
            wire.give_up("its API is read-only")  # no end of a list will come

    wire.inbox.ends.clear()
    wire.inbox.noticed = noticed
    missing = ""
    for name, question in questions.items():
        with suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(question(), wire.settings.request_seconds)
        if name in wire.inbox.ends:
            continue
        if name != COMPLETED or not wire.is_up:
            missing = name
            break
        wire.sends_completed = False
        log.warning("%s does not report completed orders: continuing without them", wire.settings.where)
    wire.inbox.noticed = None
    if refused:
        raise connection_errors.read_only(wire.settings)
    if missing:
        raise connection_errors.incomplete(wire.settings, [missing])


# --- What a gateway says before anything is asked of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What the gateway offers. told_at: the time of a simulated gateway's market, None at a real one."""

    accounts: tuple[str, ...]
    is_simulated: bool
    reported_at: datetime | None


# --- Receive what a gateway sends before any request

FIRST_ID = 1_000_000
"""Client ids from here on are drawn for a greeting, so that the run's own id is free when the run comes."""


async def read_greeting(host: str, port: int, client_id: int | None = None) -> Greeting:
    """Connect, listen and disconnect, without any request. Raises: BrokerError, IdInUseError for an id in use.

    client_id: whose messages to receive; a random one by default.
    """
    if client_id is None:
        client_id = FIRST_ID + secrets.randbelow(MAX_CLIENT_ID - FIRST_ID)
    wire = Wire(IbSettings(host=host, port=port, client_id=client_id), Board())
    accounts = await wire.greet()
    try:
        is_simulated = wire.offers_lockstep
        reported_at = wire.greeted_at if is_simulated else None
    finally:
        await wire.close()
    return Greeting(accounts=accounts, is_simulated=is_simulated, reported_at=reported_at)
