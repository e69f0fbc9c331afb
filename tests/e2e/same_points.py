"""Which points where an engine could be killed are the same: nothing that outlives it has changed between them.

A killed engine leaves its store, the connection as the other end has it, everything that is not the engine, and the
time. Steps of the loop that are surely its own (a task of its own, or reading its end of the connection) change
nothing else, so what is between two points is told by: the virtual time, how many other steps have run, the files of
the store, how many durable writes were made (a power cut leaves these alone), and both ends of the connections.
Points of which all of that is alike are one group.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from rulebot.chaos.scenario import ScenarioMoment
from rulebot.chaos.virtual_loop import VirtualLoop
from rulebot.chaos.virtual_wire import ConnectionEnd

Place = tuple[ScenarioMoment, int]


class Outliving:
    """Looks on while an engine lives on the store in `folder`; `groups` are the points passed, those alike together."""

    def __init__(self, folder: Path) -> None:
        self.groups: dict[str, list[Place]] = {}
        self._folder = folder
        self._loop: VirtualLoop | None = None
        self._trial: asyncio.Task[object] | None = None
        self._running: asyncio.Handle | None = None
        self._others = 0
        self._durable = 0

    def attend(self, loop: VirtualLoop) -> Callable[[ScenarioMoment, int], None]:
        """Begin to look on, in the trial's own task."""
        self._loop, self._trial = loop, asyncio.current_task()
        return self._pass

    def _pass(self, moment: ScenarioMoment, number: int) -> None:
        assert self._loop is not None
        if not self._is_engines(self._running):
            self._others += 1  # within a step that is not surely the engine's, each point is one of its own
        self._running = self._loop.running
        if moment is ScenarioMoment.AFTER_WRITE:
            self._durable = number
        self.groups.setdefault(self._outside(self._loop), []).append((moment, number))

    def _is_engines(self, handle: asyncio.Handle | None) -> bool:
        owner = getattr(getattr(handle, "_callback", None), "__self__", None)
        if isinstance(owner, asyncio.Task):
            return owner is not self._trial
        return isinstance(owner, ConnectionEnd) and owner.is_client

    def _outside(self, loop: VirtualLoop) -> str:
        reported = hashlib.sha256(repr((loop.time(), self._others, self._durable, loop.network.outside)).encode())
        for path in sorted(self._folder.iterdir()):
            if path.is_file() and not path.name.endswith("-shm"):  # SQLite makes that one anew
                reported.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return reported.hexdigest()
