"""How a run is ended from outside: Ctrl+C, what a service manager sends, and a stop that is asked of one that waits."""

import asyncio
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from rulebot.store.place import Place

if TYPE_CHECKING:
    from rulebot.cli.terminal.screen import Screen
    from rulebot.live.start import Run

HEED_EVERY = 1.0
"""Real seconds between two looks for a stop while no gateway lets us in."""

NOT_SUSPENDED = "Ctrl+Z does nothing: no exit would be watched meanwhile; Ctrl+C stops"


class StopSignals:
    """Ctrl+C: once, and the engine ends when its entries are cancelled; again, or without a connection, at once."""

    def __init__(self, screen: "Screen") -> None:
        self._screen = screen
        self._task: asyncio.Task[object] | None = None
        self._heeding: asyncio.Task[None] | None = None
        self.run: Run | None = None
        self.was_asked = False

    def listen(self) -> None:
        """Take the signals from now on.

        On a system without them (Windows) Ctrl+C ends at once; only the main thread of a process gets any.
        """
        self._task = asyncio.current_task()
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, self.ask)
        gone = getattr(signal, "SIGHUP", None)
        if gone is not None and signal.getsignal(gone) is signal.SIG_DFL:  # else it is to outlive its terminal (nohup)
            loop.add_signal_handler(gone, self._terminal_gone)
        suspend = getattr(signal, "SIGTSTP", None)
        if suspend is not None and signal.getsignal(suspend) is signal.SIG_DFL:
            loop.add_signal_handler(suspend, self._goes_on)

    def heed(self, store: Place) -> None:
        """Heed 'rulebot stop' from now on, until the engine is connected and looks into its box itself."""
        self._heeding = asyncio.ensure_future(self._heed(store))

    async def _heed(self, store: Place) -> None:
        from rulebot.model.errors import StoreError
        from rulebot.model.event import Request
        from rulebot.store.requests import is_left

        while self.run is None and not self.was_asked:
            await asyncio.sleep(HEED_EVERY)
            with suppress(StoreError):
                if self.run is None and is_left(store, Request.STOP):
                    self.ask()

    def watch(self, run: "Run") -> None:
        """Know the engine that is to be ended."""
        self.run = run

    def _terminal_gone(self) -> None:
        """Ask once: a shell passes on what the system has said already."""
        if not self.was_asked:
            self.ask()

    def _goes_on(self) -> None:
        self._screen.say(f" {NOT_SUSPENDED}")

    def ask(self) -> None:
        """Ask the engine to end; a second time, or before it is connected, end it."""
        from rulebot.live.loop import STOPPED
        from rulebot.model.event import Request

        assert self._task is not None
        at_once = self.was_asked or self.run is None or self.run.is_over or not self.run.loop.state.connection.is_linked
        self.was_asked = True
        if at_once or self.run is None:
            if self.run is not None and not self.run.is_over:
                self.run.loop.reason = STOPPED
            self._task.cancel()
            return
        self.run.inbox.ask(Request.STOP)
        self._screen.stopping()
