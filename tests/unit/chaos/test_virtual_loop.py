"""The event loop in virtual time: order, timers, what is stuck, and what nobody caught."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from rulebot.chaos.virtual_loop import LATE, StuckError, VirtualLoop, run_virtually, virtual_loop


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return run_virtually(lambda loop: main())


def test_what_is_ready_runs_in_order_and_timers_by_time_then_in_the_order_they_were_set() -> None:
    ran: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for name, seconds in (("c", 2.0), ("a", 1.0), ("b", 1.0), ("d", 3600.0)):
            loop.call_later(seconds, ran.append, name)
        loop.call_soon(ran.append, "now")
        loop.call_soon(ran.append, "then")
        await asyncio.sleep(3600)

    run(main)
    assert ran == ["now", "then", "a", "b", "c", "d"]


def test_time_is_virtual_and_stands_still_while_something_is_ready() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for _ in range(100):
            await asyncio.sleep(0)
        seen.append(loop.time())
        await asyncio.sleep(86_400)
        return [*seen, loop.time()]

    began = time.monotonic()
    assert run(main) == [0.0, 0.0, 86_400.0 + LATE]
    assert time.monotonic() - began < 60


def test_a_cancelled_timer_does_not_run_and_does_not_move_time() -> None:
    async def main() -> tuple[list[str], float]:
        loop = asyncio.get_running_loop()
        ran: list[str] = []
        loop.call_later(5, ran.append, "cancelled").cancel()
        loop.call_soon(ran.append, "too").cancel()
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(50), 2)
        return ran, loop.time()

    assert run(main) == ([], pytest.approx(3.0))


def test_a_timer_of_the_past_runs_now() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        done = loop.create_future()
        loop.call_at(3, done.set_result, None)
        await done
        return loop.time()

    assert run(main) == 10.0 + LATE


def test_the_same_work_takes_the_same_steps() -> None:
    def steps() -> int:
        async def main(loop: VirtualLoop) -> int:
            await asyncio.gather(*(asyncio.sleep(each % 3) for each in range(20)))
            return loop.steps

        return run_virtually(main)

    assert steps() == steps() > 20


def test_before_each_step_a_person_can_look() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        seen: list[int] = []
        before = loop.steps
        loop.before_step = lambda: seen.append(loop.steps)
        await asyncio.sleep(1)
        loop.before_step = None
        return len(seen), loop.steps - before

    seen, steps = run_virtually(main)
    assert seen == steps > 0


def test_the_step_that_runs_is_reported() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, bool]:
        ran: list[asyncio.Handle | None] = []
        handle = loop.call_soon(lambda: ran.append(loop.running))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return ran == [handle], loop.running is not handle

    assert run_virtually(main) == (True, True)


def test_who_waits_for_nothing_is_stuck_and_a_person_may_help() -> None:
    async def main(loop: VirtualLoop) -> str:
        waits: asyncio.Future[str] = loop.create_future()
        loop.stuck = lambda: waits.set_result("helped")
        return await waits

    async def alone(loop: VirtualLoop) -> None:
        await loop.create_future()

    assert run_virtually(main) == "helped"
    with pytest.raises(StuckError):
        run_virtually(alone)


def test_an_exception_is_raised_where_it_is_waited_for_and_reported_where_it_is_not() -> None:
    reported: list[str] = []

    async def fails() -> None:
        raise ValueError("waited for")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(repr(context["exception"])))
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await fails()

    with pytest.raises(ValueError, match="waited for"):
        run(main)
    assert reported == ["ZeroDivisionError('division by zero')"]


def test_tasks_left_behind_are_cancelled_and_generators_closed() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    async def waits() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("task")

    kept: list[Any] = []

    async def main() -> None:
        kept.append(asyncio.create_task(waits()))
        kept.append(numbers())
        async for _ in kept[1]:
            break
        await asyncio.sleep(1)

    run(main)
    assert ended == ["task", "generator"]


def test_there_are_no_threads() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="no threads"):
        run(main)


def test_a_closed_loop_takes_nothing_more() -> None:
    loop = virtual_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
