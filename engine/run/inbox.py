"""Requests from other processes to a running engine: one atomic file for each, in a folder beside its store.

The engine's one task reads the folder between two instants, so nothing else ever writes its state. A request that is
read is recorded with its id before its file is removed: it acts once, also when the engine dies in between.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from engine.model.errors import StoreError
from engine.model.event import OperatorRequest, Request
from engine.store.open import is_in_use

POLL_SECONDS = 0.2
MEANT_FOR_THIS_ONE = (Request.STOP, Request.RELOAD)


def inbox_of(store: Path) -> Path:
    """Return the folder of requests to the engine that writes `store`."""
    return store.with_name(f"{store.name}.inbox")


def post(store: Path, request: Request, bot: str = "") -> bool:
    """Leave a request for the engine of `store`; return whether one runs: else the next one acts on it first.

    Raises: StoreError when the folder cannot be written, or an engine is to be stopped or to reload and none runs.
    """
    is_running = is_in_use(store)
    if not is_running and (request in MEANT_FOR_THIS_ONE or not store.is_file()):
        raise StoreError(f"no engine is running on {store}", "'rulebot list' shows the bots of a store")
    folder = inbox_of(store)
    stamp = time.time_ns()
    name = f"{stamp:020d}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{name}.partial"
        partial.write_text(json.dumps({"id": name, "request": request.value, "bot": bot}), encoding="utf-8")
        partial.replace(folder / f"{name}.json")
    except OSError as error:
        raise StoreError(f"the request cannot be left in {folder}: {error.strerror}") from error
    return is_running


class Inbox:
    """The engine's side: looks into the folder a few times a second of `clock`.

    A stop or a reload that was left for an engine that is gone is removed at the start: it is not meant for the next
    one, which reads the files anyway. What else was asked for while none ran is.
    """

    def __init__(self, store: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._folder = inbox_of(store)
        for left in self._folder.glob("*.json") if self._folder.is_dir() else ():
            if _is_for_another(left):
                left.unlink(missing_ok=True)
        self._looked = -POLL_SECONDS
        self._taken: list[Path] = []
        self._own: list[Request] = []
        self._count = 0

    def ask(self, request: Request) -> None:
        """Add a request of this process (Ctrl+C)."""
        self._own.append(request)

    def read(self, at: datetime) -> Sequence[OperatorRequest]:
        """Return what has come, oldest first; files taken last time are removed now, since their records are kept."""
        found = []
        for request in self._own:
            self._count += 1
            found.append(OperatorRequest(at, f"own-{at.isoformat()}-{self._count}", request))
        self._own.clear()
        if (now := self._clock()) - self._looked >= POLL_SECONDS:
            self._looked = now
            found += self._files(at)
        return found

    def _files(self, at: datetime) -> list[OperatorRequest]:
        for path in self._taken:
            path.unlink(missing_ok=True)
        self._taken = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        return [request for path in self._taken if (request := _read(path, at)) is not None]


def _is_for_another(path: Path) -> bool:
    try:
        return Request(json.loads(path.read_text(encoding="utf-8"))["request"]) in MEANT_FOR_THIS_ONE
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read(path: Path, at: datetime) -> OperatorRequest | None:
    """Return the request in a file; one that cannot be read is set aside under another name."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return OperatorRequest(at, str(data["id"]), Request(data["request"]), str(data.get("bot", "")))
    except (OSError, ValueError, KeyError, TypeError):
        path.replace(path.with_suffix(".unreadable"))
        return None
