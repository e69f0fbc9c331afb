"""The open of the session, where a line does not tell it.

Of SPX TWS streams the last, high, low and close, and no open (tick 14), as users of ib_insync have seen (457 and 572);
of VIX it does. What is read since the open would be unknown all day. So it is asked for: the open of today's daily bar.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from math import isnan, nan

from rulebot.adapters.ib.history import Bar
from rulebot.adapters.ib.quotes import FAULTS
from rulebot.adapters.ib.wire import Wire
from rulebot.model.contract import Contract, Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board
from rulebot.model.session import exchange_date, session_on

log = logging.getLogger("rulebot.ib")

LOOKS = timedelta(seconds=5)
AFTER = timedelta(seconds=15)
"""How long after the open a line has to tell it."""
AGAIN, AT_LAST = timedelta(minutes=1), timedelta(minutes=16)
"""How long after an open was asked for in vain it is asked for again; then twice as long, up to the second."""
AT_ONCE = 5
"""Opens that are asked for at one look: of a universe many may not have traded yet."""


class SessionOpenPrices:
    """Asks for the opens that are missing on the board, beside the loop. `bars` are the last daily ones of one."""

    def __init__(self, board: Board, bars: Callable[[Underlying], Awaitable[list[Bar]]]) -> None:
        self._board = board
        self._bars = bars
        self._day: date | None = None
        self._looked: datetime | None = None
        self._due_at: dict[Underlying, datetime] = {}
        self._waits: dict[Underlying, timedelta] = {}
        self._told: set[Underlying] = set()
        self._vain: set[Underlying] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, wire: Wire, lines: Iterable[Contract], now: datetime) -> None:
        """Ask for what is missing, and forget what was told of an earlier day."""
        if self._looked is not None and now - self._looked < LOOKS:
            return
        self._looked = now
        if self._day != (today := exchange_date(now)):
            for contract in self._told & self._board.rows.keys():
                self._write(wire, contract, nan)
            self._day = today
            for noted in (self._told, self._vain, self._due_at, self._waits):
                noted.clear()
        for contract in self._due(lines, now):
            wait = self._waits.get(contract, AGAIN)
            self._due_at[contract], self._waits[contract] = now + wait, min(2 * wait, AT_LAST)
            task = asyncio.ensure_future(self._ask(wire, contract, today))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _due(self, lines: Iterable[Contract], now: datetime) -> list[Underlying]:
        session = session_on(exchange_date(now))
        if session is None or now < session.open + AFTER:
            return []
        of_levels = (each for each in lines if isinstance(each, Underlying))
        found = [each for each in of_levels if self._is_missing(each) and now >= self._due_at.get(each, now)]
        return found[:AT_ONCE]

    def _is_missing(self, contract: Underlying) -> bool:
        """Say whether a line that streams has not told its open."""
        row = self._board.rows[contract]
        return row not in self._board.frozen and isnan(self._board.open[row])

    async def _ask(self, wire: Wire, contract: Underlying, today: date) -> None:
        try:
            bars = await self._bars(contract)
        except (BrokerError, *FAULTS) as problem:
            if contract not in self._vain:
                log.warning("the open of %s is not told, and was asked for in vain: %s", contract, problem)
            self._vain.add(contract)
            return
        price = next((bar.open for bar in bars if bar.day == today and bar.open > 0), nan)
        row = self._board.rows.get(contract)
        if wire.is_up and today == self._day and row is not None and isnan(self._board.open[row]) and not isnan(price):
            self._told.add(contract)
            self._write(wire, contract, price)

    def _write(self, wire: Wire, contract: Underlying, price: float) -> None:
        row = self._board.rows[contract]
        self._board.open[row] = price
        wire.quotes.touch(row)
        wire.arrived.set()
