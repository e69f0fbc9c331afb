"""Requests from other processes to a running engine: left in the box of its store (`store/requests.py`).

The engine's one task looks into the box between two instants, so nothing else ever writes its state. A request that is
read is recorded with its id before it is removed: it acts once, also when the engine dies in between.
"""

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rulebot.core.state import Named
from rulebot.model.errors import RulebotError, StoreError
from rulebot.model.event import HookCame, OperatorRequest, Request
from rulebot.operator.scan_row_entry import document_of, named_from
from rulebot.store.open import is_in_use, is_there, read_store
from rulebot.store.place import Place, Server
from rulebot.store.queries import StoreReader
from rulebot.store.requests import STUCK_HELP, box_of, clear_requests, remove_requests

log = logging.getLogger("rulebot.run")

Asked = OperatorRequest | HookCame
POLL_SECONDS = 0.2
NANOSECONDS = 10**9
MOST_WAITING = 200
"""Requests in a box at which no web hook is left any more: nobody reads them."""
MEANT_FOR_THIS_ONE = (Request.STOP, Request.RELOAD, Request.ENTER, Request.SET)


class NoEngineError(RulebotError):
    """There is nobody who could do it now, and later it would not be what was meant."""


def post(
    store: Place,
    request: Request,
    bot: str = "",
    identity: str = "",
    position: str = "",
    values: Mapping[str, str] | None = None,
    named: Named | None = None,
    edits: Mapping[str, str] | None = None,
    by: str = "",
) -> bool:
    """Leave a request for the engine of `store`; return whether one runs: else the next one acts on it first.

    identity: names the request where it may be left twice; it acts once. named: the structure that is to be entered.
    edits: what was changed in the bot's file before, and by whom.
    Raises: NoEngineError where none runs and none ever will; StoreError when it cannot be left, when an engine is to
    stop, reload, enter or be set and none runs, or when what is named is no store, or a broken one.
    """
    is_running = is_in_use(store)
    if not is_running and (request in MEANT_FOR_THIS_ONE or not _is_known(store)):
        raise StoreError(f"no engine is running on {store}", "'rulebot list' shows the bots of a store")
    if not is_running and is_there(store):
        read_store(store).close()  # beside what is no store nobody would ever read it
        _check_next(store)
    stamp = time.time_ns()
    name = f"{stamp:020d}-{os.getpid()}"
    said: dict[str, Any] = {"id": identity or name, "request": request.value, "bot": bot, "position": position}
    said |= {} if values is None else {"values": dict(values)}
    said |= {} if named is None else document_of(named)
    said |= {} if edits is None else {"edits": dict(edits), "by": by}
    box_of(store).put(name, json.dumps(said))
    return is_running


def post_hook(store: Place, name: str, says: str = "", identity: str = "") -> None:
    """Leave a web hook for the engine of `store`, or for the next one: it counts from now on.

    identity: names the message where it may be left twice; it counts once.
    Raises: NoEngineError where no engine runs and none ever will; StoreError when it cannot be left, or so much lies
    there that nobody seems to read it.
    """
    if not _is_known(store):
        raise StoreError(f"there is no store {store}", "'rulebot list' shows the bots of a store")
    if not is_in_use(store) and is_there(store):
        _check_next(store)
    stamp = time.time_ns()
    key = f"{stamp:020d}-{os.getpid()}-{secrets.token_hex(4)}"
    box = box_of(store)
    try:
        if len(box.found()) >= MOST_WAITING:
            raise StoreError("no engine reads what comes", "start one, or see why it hangs")
        box.put(key, json.dumps({"id": identity or key, "hook": name, "says": says, "received": stamp}))
    finally:
        box.close()


def _check_next(store: Place) -> None:
    """Refuse to leave anything where no engine will ever look: it would be believed to be done. Raises: NoEngineError.

    A store that cannot be read is no reason to leave nothing for its engine.
    """
    try:
        with StoreReader(store) as reader:
            run = reader.run()
    except StoreError:
        return
    if run.ended_with:
        raise NoEngineError(
            f"no engine runs on {store}, and none will: it is of {run.ended_with} that is over",
            "name the store of the engine that is meant with --store",
        )


def _is_known(store: Place) -> bool:
    return is_there(store) if isinstance(store, Server) else store.is_file()


def clear_box(store: Place) -> None:
    """Remove what was left for an engine that is gone, once the store is ours. Raises: StoreError.

    A stop or a reload is not meant for the next engine, which reads the files anyway; what else was asked for while
    none ran is. All that comes from now on is meant for us, also while we wait for the gateway.
    """
    clear_requests(store, MEANT_FOR_THIS_ONE)


class RequestInbox:
    """The engine's side, once it is connected: looks into the box a few times a second of `clock`.

    An entry by hand that was left before is removed: it was meant for that moment. is_simulated: the time of the run is
    made up. ahead: returns by how many seconds this computer's clock is ahead of the engine's.
    """

    def __init__(
        self,
        store: Place,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        *,
        is_simulated: bool = False,
        ahead: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock, self._wall, self._is_simulated, self._ahead = clock, wall, is_simulated, ahead
        self._box = box_of(store)
        remove_requests(self._box, (Request.ENTER,))
        self._looked = -POLL_SECONDS
        self._taken: list[str] = []
        self._stuck: set[str] = set()
        self._own: list[tuple[Request, str]] = []
        self._count = 0

    def ask(self, request: Request, reason: str = "") -> None:
        """Add a request of this process (Ctrl+C), with its reason where no person asks."""
        self._own.append((request, reason))

    def read(self, at: datetime) -> Sequence[Asked]:
        """Return what has come, oldest first; those taken last time are removed now, since their records are kept."""
        found: list[Asked] = []
        for request, reason in self._own:
            self._count += 1
            found.append(OperatorRequest(at, f"own-{at.isoformat()}-{self._count}", request, reason=reason))
        self._own.clear()
        if (now := self._clock()) - self._looked >= POLL_SECONDS:
            self._looked = now
            found += self._left(at)
        return found

    def close(self) -> None:
        """Let go of the box."""
        self._box.close()

    def _left(self, at: datetime) -> list[Asked]:
        for name in self._taken:
            self._take_away(name, self._box.remove)
        self._taken.clear()
        found: list[Asked] = []
        for name, body in self._box.found():
            if name in self._stuck:
                continue
            request = _read(body, at, self._read_hook)
            if request is None:
                self._take_away(name, self._box.set_aside)
            else:
                self._taken.append(name)
                found.append(request)
        return found

    def _take_away(self, name: str, way: Callable[[str], bool]) -> None:
        """Take a request out of the box; one that stays there is not looked at again, and no reason to end."""
        if not way(name):
            self._stuck.add(name)
            log.warning("the request %s cannot be removed from the box of the store: %s", name, STUCK_HELP)

    def _read_hook(self, data: Mapping[str, Any], at: datetime) -> HookCame:
        """Return a web hook with the time at which it came; where time is made up, that is so long before now."""
        now = self._wall()
        seconds = max((now - int(data["received"])) // NANOSECONDS, 0)
        known = at if self._is_simulated else datetime.fromtimestamp(now // NANOSECONDS, UTC)
        came = known - timedelta(seconds=seconds + self._ahead())
        return HookCame(at=at, id=str(data["id"]), name=str(data["hook"]), says=str(data["says"]), came=came)


def _read(body: str, at: datetime, read_hook: Callable[[Mapping[str, Any], datetime], HookCame]) -> Asked | None:
    try:
        data = json.loads(body)
        if "hook" in data:
            return read_hook(data, at)
        bot, position = (str(data.get(name, "")) for name in ("bot", "position"))
        values = tuple((str(name), str(text)) for name, text in dict(data.get("values") or {}).items())
        named = named_from(data) or Named(())
        request = Request(data["request"])
        edits = tuple((str(path), str(change)) for path, change in dict(data.get("edits") or {}).items())
        return OperatorRequest(
            at,
            str(data["id"]),
            request,
            bot,
            position,
            values,
            legs=named.legs,
            alternative=named.alternative,
            edits=edits,
            by=str(data.get("by", "")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None  # whatever else lies there: no engine ends by it
