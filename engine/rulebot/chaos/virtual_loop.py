"""An event loop of our own whose time is virtual: when nothing is ready, its clock jumps to the next timer.

It has no selector, no thread and no socket, and reads no clock of the computer's; connections are in memory
(`virtual_wire`). What is ready runs in the order it was asked for, timers of one instant in the order they were
set, so the same work takes the same steps.
"""

import asyncio
import logging
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar
from weakref import WeakSet

from rulebot.chaos.virtual_wire import Listener, Network

T = TypeVar("T")
Protocols = Callable[[], asyncio.BaseProtocol]
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

log = logging.getLogger("rulebot.chaos")

LATE = 1e-6
"""Seconds by which a timer is late. None ever runs on time, and who asks whether more than a second has passed (as
ib_async does) would else ask for ever."""


class StuckError(RuntimeError):
    """A task waits, and nothing is ready and no timer is set."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs one callback after the other. Units: seconds of virtual time, from 0.

    steps: callbacks that have run. running: the last started one. before_step: called before each of them. stuck:
    called when nothing remains to do; if it starts nothing, the run ends with a StuckError. network: the connections.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.running: asyncio.Handle | None = None
        self.before_step: Callable[[], None] | None = None
        self.stuck: Callable[[], None] | None = None
        self.network = Network(self)
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._is_running = self._is_stopping = self._is_closed = False
        self._handler: Handler | None = None
        self._generators: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()

    # ------------------------------------------------------------ time and work

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        """Run something as soon as what is ready now has run."""
        self._check_open()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run something soon: for handlers of signals, since there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run something after this many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run something at a virtual time; timers of one time run in the order they were set."""
        self._check_open()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        heappush(self._timers, (when, self._timer_count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Note a cancelled timer; it is skipped when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, T], **options: Any) -> "asyncio.Task[T]":  # type: ignore[override]
        self._check_open()
        return asyncio.Task(coro, loop=self, **options)

    # ------------------------------------------------------------ running

    def run_forever(self) -> None:
        """Run until `stop`. Raises: StuckError."""
        self._check_open()
        if self._is_running:
            raise RuntimeError("this loop is already running")
        self._is_running = True
        with self._in_charge():
            while not self._is_stopping:
                self._cycle()

    @contextmanager
    def _in_charge(self) -> Iterator[None]:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._finalize)
        events._set_running_loop(self)
        try:
            yield
        finally:
            self._is_running = self._is_stopping = False
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def _cycle(self) -> None:
        """Run what is ready now, in order; without anything, advance time to the next timer."""
        if not self._ready:
            self._jump()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if handle.cancelled():
                continue
            self.steps += 1
            self.running = handle
            if self.before_step is not None:
                self.before_step()
            handle._run()

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers:
            self._nothing_left()
            return
        self._now = max(self._now, timers[0][0] + LATE)
        while timers and timers[0][0] <= self._now:
            self._ready.append(heappop(timers)[2])

    def _nothing_left(self) -> None:
        if self.stuck is not None:
            self.stuck()
        if not self._ready and not self._timers:
            raise StuckError("nothing is ready, no timer is set, and a task still waits")

    def run_until_complete(self, future: Any) -> Any:
        """Run until a future is done, and return its result. Raises: StuckError."""
        self._check_open()
        wanted = asyncio.ensure_future(future, loop=self)
        wanted.add_done_callback(self._stop_for)
        try:
            self.run_forever()
        finally:
            wanted.remove_done_callback(self._stop_for)
        if not wanted.done():
            raise RuntimeError("the loop was stopped before what it ran for was done")
        return wanted.result()

    def _stop_for(self, _: "asyncio.Future[Any]") -> None:
        self.stop()

    def stop(self) -> None:
        """End `run_forever` after this cycle."""
        self._is_stopping = True

    def is_running(self) -> bool:
        """Say whether it runs."""
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        """Drop what has not run. Raises: RuntimeError while it runs."""
        if self._is_running:
            raise RuntimeError("a running loop cannot be closed")
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("Event loop is closed")

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.discard(generator)
        if not self._is_closed:
            self.create_task(_closing(generator))

    async def shutdown_asyncgens(self) -> None:
        """Close the asynchronous generators that were left in the middle."""
        for generator in list(self._generators):
            await generator.aclose()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there are no threads."""

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> NoReturn:  # type: ignore[override]
        """Refuse. Raises: RuntimeError."""
        raise RuntimeError("there are no threads in virtual time")

    # ------------------------------------------------------------ connections

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Protocols, host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to what listens in this loop. Raises: ConnectionRefusedError, ValueError for options."""
        _refuse_options(options)
        return await self.network.connect(protocol_factory, port or 0)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Protocols, host: str | None = None, port: int | None = None, **options: Any
    ) -> Listener:
        """Listen in this loop. Raises: OSError for a port in use, ValueError for options."""
        _refuse_options(options)
        return self.network.listen(protocol_factory, port or 0)

    # ------------------------------------------------------------ uncaught exceptions

    def set_exception_handler(self, handler: Handler | None) -> None:
        """Set the handler of uncaught exceptions."""
        self._handler = handler

    def get_exception_handler(self) -> Handler | None:
        """Return the handler of uncaught exceptions."""
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log one."""
        log.error("%s", context.get("message", "an exception that was not caught"), exc_info=context.get("exception"))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an uncaught exception."""
        if self._handler is None:
            self.default_exception_handler(context)
        else:
            self._handler(self, context)

    def get_debug(self) -> bool:
        """Say no: asyncio's debug mode reads clocks."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Do nothing."""


def virtual_loop() -> VirtualLoop:
    """Return a new loop. What it does not have raises NotImplementedError: readers, signals, datagrams, processes."""
    return VirtualLoop()  # type: ignore[abstract]


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a separate virtual loop, and return its result. Raises: StuckError."""
    loop = virtual_loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        asyncio.set_event_loop(loop)
        try:
            return runner.run(main(loop))
        finally:
            asyncio.set_event_loop(None)


async def _closing(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def _refuse_options(options: dict[str, Any]) -> None:
    if given := [name for name, value in options.items() if value]:
        raise ValueError(f"a connection in memory has no {', '.join(given)}")
