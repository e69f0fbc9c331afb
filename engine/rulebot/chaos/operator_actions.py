"""What people do to an engine, and what its disk does: requests of an operator, and a store that fails.

The store fails by itself: another connection holds it, its file may not grow, or may not be written. The errors are
SQLite's own.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rulebot.live.loop import Loop
from rulebot.model.errors import StoreError
from rulebot.model.event import OperatorRequest, Request
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.store.place import Place
from rulebot.store.sqlite import BUSY_MS

REQUESTS = {
    "kill": Request.KILL,
    "flatten": Request.FLATTEN,
    "pause": Request.PAUSE,
    "resume": Request.RESUME,
    "stop": Request.STOP,
    "close_one": Request.CLOSE,
    "enter_by_hand": Request.ENTER,
}
OF_STORE = ("store_busy", "disk_full", "store_read_only", "commit_unknown")
ACTS = (*REQUESTS, "request_twice", *OF_STORE)
MOST_ENDS = 5
"""Ends of an engine after which a person mends a store that fails: one that it refuses to start writes once a start."""
CLOCK = "computer_clock"
"""The computer's clock is set; it is no act of `ACTS`, since it is drawn apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """One act. request: of `request_twice`, which comes a second time under the same id. times: writes that fail.

    seconds: by which the computer's clock is ahead of the broker's from then on.
    """

    kind: str
    at: datetime
    request: str = "kill"
    times: int = 1
    seconds: int = 0

    def __str__(self) -> str:
        """Return the act in words."""
        what = f" {self.request}" if self.kind == "request_twice" else ""
        more = f", {self.times} writes" if self.times > 1 else f", {self.seconds:+d} s" if self.seconds else ""
        return f"{self.kind}{what}: at {self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}{more}"


class OperatorActions:
    """Does what is due to the engines of one trial. `done` has the kinds of what had an effect.

    done_open: those of `done` that came while an engine had a position open. refused: writes that the store refused; a
    start waits for its store, and a clock for the start.
    """

    def __init__(self, acts: Sequence[OperatorAction]) -> None:
        asked = (each for each in acts if each.kind not in (*OF_STORE, CLOCK))
        self._requests = sorted(asked, key=lambda each: each.at)
        self._clocks = sorted((each for each in acts if each.kind == CLOCK), key=lambda each: each.at)
        self._ahead = 0
        self._loop: Loop | None = None
        self._failures = sorted((each for each in acts if each.kind in OF_STORE), key=lambda each: each.at)
        self._left = self._ends = 0
        self._excused = False
        self.refused = 0
        self._again: list[OperatorRequest] = []
        self._count = 0
        self.done: list[str] = []
        self.done_open: list[str] = []
        self.was_stopped = False

    def calm(self) -> None:
        """Let nobody do anything any more."""
        self._requests.clear()
        self._failures.clear()
        self._clocks.clear()

    def _note(self, kind: str) -> None:
        self.done.append(kind)
        state = None if self._loop is None else self._loop.state
        if state is not None and any(not state.positions[name].is_flat for name in state.active):
            self.done_open.append(kind)

    def ahead(self, at: datetime) -> int:
        """Return by how many seconds the computer's clock is ahead of the broker's at an instant."""
        while self._clocks and self._clocks[0].at <= at:
            self._ahead = self._clocks.pop(0).seconds
            self._note(CLOCK)
        return self._ahead

    # ------------------------------------------------------------ an operator

    def attend(self, loop: Loop) -> None:
        """Let an engine that starts find the requests of the trial among its own."""
        self._loop = loop
        own = loop.inbox
        loop.inbox = lambda at: [*own(at), *self._due(at, loop)]

    def _due(self, at: datetime, loop: Loop) -> list[OperatorRequest]:
        if not (self._requests or self._again):
            return []
        found, self._again = [replace(each, at=at) for each in self._again], []
        while self._requests and self._requests[0].at <= at:
            act = self._requests.pop(0)
            self._count += 1
            request = REQUESTS[act.request if act.kind == "request_twice" else act.kind]
            made = OperatorRequest(at, f"chaos-{self._count}", request, *_whose(request, loop))
            found.append(made)
            if act.kind == "request_twice":
                self._again.append(made)
            self._note(act.kind)
            self.was_stopped |= request is Request.STOP
        return found

    def stopped(self) -> bool:
        """Say, once, whether an engine has ended because it was asked to."""
        was, self.was_stopped = self.was_stopped, False
        return was

    # ------------------------------------------------------------ the store

    def excuses(self, error: BaseException) -> bool:
        """Say whether an engine ended because its store was made to fail."""
        excused, self._excused = self._excused and isinstance(error, StoreError), False
        self._ends += excused
        if self._ends >= MOST_ENDS and self._failures:
            self._failures.pop(0)
            self._left = self._ends = 0
        return excused

    def write(self, path: Place, connection: Any, at: datetime, write: Callable[[], None]) -> None:
        """Do a durable write, or let it fail. Raises: StoreError; ValueError when the store is not a file."""
        act = self._failures[0] if self._failures and self._failures[0].at <= at else None
        if act is None:
            write()
            return
        if not isinstance(path, Path):
            raise ValueError(f"{act}: only a store in a file can be made to fail")
        try:
            with _failing(act.kind, path, connection):
                write()
            if act.kind == "commit_unknown":
                raise StoreError(f"whether {path} took what was written is not known")
        except StoreError:
            self._failed(act)
            raise

    def _failed(self, act: OperatorAction) -> None:
        self._excused = True
        self.refused += 1
        self._left = self._left or act.times
        if self._left == act.times:
            self._note(act.kind)
        self._left -= 1
        if not self._left:
            self._failures.pop(0)


def _whose(request: Request, loop: Loop) -> tuple[str, str]:
    """Return the bot and the position that a request is about: the oldest that is open, the first that runs."""
    if request is Request.CLOSE:
        return "", next(iter(loop.state.active), "")
    return (next(iter(loop.program.bots), ""), "") if request is Request.ENTER else ("", "")


@contextmanager
def _failing(kind: str, path: Path, connection: Any) -> Iterator[None]:
    """Let SQLite refuse to write to a store."""
    if kind == "store_busy":
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA busy_timeout=0").close()
            try:
                yield
            finally:
                other.execute("ROLLBACK")
                connection.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()
    elif kind == "disk_full":
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}").close()
        try:
            yield
        finally:
            connection.execute("PRAGMA max_page_count=1073741823").close()
    elif kind == "store_read_only":
        connection.execute("PRAGMA query_only=on").close()
        try:
            yield
        finally:
            connection.execute("PRAGMA query_only=off").close()
    else:
        yield
