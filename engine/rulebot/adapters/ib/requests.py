"""Questions with one answer: contract details, option parameters, history, market rules.

The rows of an answer are kept raw until its end. An error on the request id ends the request at once, also those codes
that ib_async takes for warnings and would wait on for ever; what never ends is given up after a time limit.

While the gateway has lost the farm of contracts it says of any that there is none (200), as users of ib_insync have
seen (330): that is no answer then.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.quotes import FAULTS, Handler
from rulebot.adapters.ib.settings import REQUESTS
from rulebot.model.errors import BrokerError, UnansweredError

# --- The broker's limit on messages, counted in our own time

ORDER_ROOM = 3
"""Messages in a second that only orders may use, beyond the limit of all others; TWS closes the socket at 50."""


class MessagePriority(IntEnum):
    """Who goes first when orders wait: cancels and changes of what closes, then what opens.

    A new order that closes goes first, too, unless a new one that opens waits already.
    """

    REDUCING = 0
    OPENING = 1


class _Waiting(NamedTuple):
    """A message of an order that waits. is_new: it brings the order to the gateway."""

    order_id: int
    is_new: bool
    send: Callable[[], None]


class RateLimiter:
    """Sends at most `limit` messages in any second, and ORDER_ROOM orders more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now = 0.0
        self._sent: deque[float] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._orders: dict[MessagePriority, deque[_Waiting]] = {rank: deque() for rank in MessagePriority}

    @property
    def is_waiting(self) -> bool:
        """True while messages wait for the next second."""
        return bool(self._waiting or any(self._orders.values()))

    @property
    def waiting(self) -> int:
        """How many messages wait for the next second."""
        return len(self._waiting) + sum(len(orders) for orders in self._orders.values())

    def clear(self) -> None:
        """Forget what waits: its connection is gone."""
        self._waiting.clear()
        self._sent.clear()
        for waiting in self._orders.values():
            waiting.clear()

    def order(self, order_id: int, rank: MessagePriority, send: Callable[[], None], *, is_new: bool = False) -> None:
        """Send an order message, now if this second has room.

        Messages of one order keep their order, and so do new orders.
        """
        behind = [
            each
            for each, waiting in self._orders.items()
            if any(one.order_id == order_id or (is_new and one.is_new) for one in waiting)
        ]
        self._orders[max([rank, *behind])].append(_Waiting(order_id, is_new, send))
        self._drain()

    def in_turn(self, send: Callable[[], None]) -> None:
        """Send now if this second has room, else later, in order."""
        self._waiting.append(send)
        self._drain()

    def release(self, now: float) -> None:
        """Advance time to `now` (epoch seconds) and send what may be sent."""
        self._now = now
        while self._sent and not 0 <= now - self._sent[0] < 1:  # the clock may have been set back
            self._sent.popleft()
        self._drain()

    def _drain(self) -> None:
        for waiting in self._orders.values():
            while waiting and len(self._sent) < self._limit + ORDER_ROOM:
                self._sent.append(self._now)
                waiting.popleft().send()
        while self._waiting and len(self._sent) < self._limit:
            self._sent.append(self._now)
            self._waiting.popleft()()


# --- A bound on the questions that the broker has not answered yet


class RequestBound:
    """Lets at most `limit` questions be open; further ones wait and are sent in their order."""

    def __init__(self, limit: int) -> None:
        self.open = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(limit)
        self._losses = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free place and hold it. Raises: ConnectionError when the connection is lost meanwhile."""
        losses = self._losses
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.open += 1
        try:
            if self._losses != losses:
                raise ConnectionError("the connection is gone")
            yield
        finally:
            self.open -= 1
            self._free.release()

    def lose(self) -> None:
        """Drop the queued requests: their connection is lost, and the open ones end at once."""
        self._losses += 1


# --- Questions with one answer

log = logging.getLogger("rulebot.ib")

INFORMATION = frozenset((165, 366, 399, 10167))
"""Error codes that do not end a request; so are 2100 to 2199."""
NO_CONTRACT = 200
CONTRACTS_LOST, CONTRACTS_BACK = "2157", frozenset(("2158", "2159"))
"""Of a farm of contracts, which the text names behind a colon: broken; connected, or inactive until it is needed."""


class RefusedError(BrokerError):
    """The broker's answer to a request was an error. `code` is its number."""

    def __init__(self, what: str, code: int, text: str) -> None:
        super().__init__(f"the broker refused {what}: {text} (error {code})")
        self.code = code
        self.text = text


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Read an answer; one that cannot be read is as good as none. Raises: BrokerError, which says so."""
    try:
        yield
    except FAULTS as problem:
        raise BrokerError(f"what the broker answered about {what} could not be read: {problem!r}") from problem


def _rule(number: str) -> str:
    return f"rule {number}"


@dataclass(slots=True)
class _Pending:
    what: str
    done: "asyncio.Future[None]"
    rows: list[list[str]] = field(default_factory=list)


class Requests:
    """The open requests, by request id as text, at most `limit` at once; further ones are queued."""

    def __init__(self, next_id: Callable[[], int], limit: int = REQUESTS) -> None:
        self._next_id = next_id
        self.in_flight = RequestBound(limit)
        self._pending: dict[str, _Pending] = {}
        self._lost_farms: set[str] = set()

    async def ask(self, what: str, send: Callable[[int], None], seconds: float) -> list[list[str]]:
        """Send a request and return the raw rows of its answer, within `seconds` of the sending.

        Raises: RefusedError when the broker answers with an error; UnansweredError when no answer comes.
        """
        req_id = self._next_id()
        return await self._answer(str(req_id), what, lambda: send(req_id), seconds)

    async def ask_rule(self, number: str, send: Callable[[], None], seconds: float) -> list[list[str]]:
        """Ask for a market rule, whose answer bears its own number and no request's. Raises: BrokerError."""
        return await self._answer(_rule(number), f"market rule {number}", send, seconds)

    async def _answer(self, key: str, what: str, send: Callable[[], None], seconds: float) -> list[list[str]]:
        try:
            async with self.in_flight.turn():
                return await self._sent(key, what, send, seconds)
        except TimeoutError:
            raise UnansweredError(f"the broker did not answer {what} within {seconds:g} s") from None
        except ConnectionError as problem:
            raise UnansweredError(f"the connection was lost while asking for {what}") from problem

    async def _sent(self, key: str, what: str, send: Callable[[], None], seconds: float) -> list[list[str]]:
        pending = _Pending(what, asyncio.get_running_loop().create_future())
        self._pending[key] = pending
        log.debug("asked for %s (request %s)", what, key)
        try:
            send()
            await asyncio.wait_for(pending.done, seconds)
        finally:
            del self._pending[key]
        log.debug("answered: %s, %d rows (request %s)", what, len(pending.rows), key)
        return pending.rows

    def handlers(self, old: dict[int, Handler], version: Callable[[], int]) -> dict[int, Handler]:
        """Return handlers that keep rows of our requests and hand all others to those of `old`."""

        def keep(
            place: Callable[[], int], previous: Handler, *, is_row: bool, is_end: bool, key: Callable[[str], str] = str
        ) -> Handler:
            def handler(fields: list[str]) -> None:
                pending = self._pending.get(key(fields[place()]))
                if pending is None:
                    previous(fields)
                    return
                if is_row:
                    pending.rows.append(list(fields))
                if is_end and not pending.done.done():
                    pending.done.set_result(None)

            return handler

        return {
            10: keep(lambda: 1 if version() >= 164 else 2, old[10], is_row=True, is_end=False),
            17: keep(lambda: 1, old[17], is_row=True, is_end=True),
            52: keep(lambda: 2, old[52], is_row=False, is_end=True),
            75: keep(lambda: 1, old[75], is_row=True, is_end=False),
            76: keep(lambda: 1, old[76], is_row=False, is_end=True),
            93: keep(lambda: 1, old[93], is_row=True, is_end=True, key=_rule),
        }

    def refuse(self, fields: list[str]) -> bool:
        """Handle an error message; True when it belongs to an open request."""
        pending = self._pending.get(fields[2])
        if pending is None:
            self._note_farm(fields)
            return False
        code = convert.whole(fields[3])
        if code == NO_CONTRACT and self._lost_farms and not pending.done.done():
            words = f"the gateway has lost {', '.join(sorted(self._lost_farms))}, and cannot look up {pending.what}"
            pending.done.set_exception(
                UnansweredError(words, "wait until it is connected again; the request is repeated")
            )
        elif not (code in INFORMATION or 2100 <= code < 2200 or pending.done.done()):
            pending.done.set_exception(RefusedError(pending.what, code, convert.plain_text(fields[4])))
        return True

    def _note_farm(self, fields: list[str]) -> None:
        if fields[3] == CONTRACTS_LOST:
            self._lost_farms.add(fields[4].rpartition(":")[2])
        elif fields[3] in CONTRACTS_BACK:
            self._lost_farms.clear()  # an inactive one is named in other words

    def lose(self) -> None:
        """End every request, also those that wait for a place: the connection is gone."""
        self.in_flight.lose()
        for pending in self._pending.values():
            if not pending.done.done():
                pending.done.set_exception(ConnectionError("the connection is gone"))
