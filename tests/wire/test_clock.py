"""The virtual clock: barrier, observers, pace, free running, the days, the end, the watchdog."""

import asyncio
import logging
from datetime import date

import pytest
from raw_client import RawClient, con_id, gateway, order, run

from rulebot.model.session import session_on
from twsim import GatewaySettings
from twsim.gateway.hub import Timeline

HOLD = "v100..178 +LOCKSTEP"


def test_a_day_goes_from_before_the_open_to_after_the_close():
    full = Timeline(date(2025, 11, 24), 1, 1, 5)
    session = session_on(date(2025, 11, 24))
    assert full.first == session.open.timestamp() - 60
    assert full.last == session.close.timestamp() + 360
    half = Timeline(date(2025, 11, 28), 1, 1, 5)
    assert half.last - half.first == 60 + 210 * 60 + 360
    assert half.after(half.last) == half.last


def test_nights_and_holidays_are_jumped():
    two = Timeline(date(2025, 11, 26), 2, 1, 5)
    end = int(session_on(date(2025, 11, 26)).close.timestamp()) + 360
    friday = int(session_on(date(2025, 11, 28)).open.timestamp()) - 60
    assert two.after(end) == friday
    assert two.is_data(friday)
    assert two.starts_day(friday)
    assert [two.is_data(friday + n) for n in range(6)] == [True, False, False, False, False, True]


def test_data_must_fall_on_fences():
    with pytest.raises(ValueError, match="does not fall on fences"):
        GatewaySettings(first_day=date(2025, 11, 24), data_seconds=5, fence_seconds=2)


def test_each_fence_is_a_second_later():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, HOLD)
            times = [int(m[2]) for m in await client.fence(10)]
            assert times == [running.gateway.hub.timeline.first + n for n in range(1, 11)]

    run(main)


def test_asks_that_are_sent_ahead_are_answered_one_by_one():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, HOLD)
            for _ in range(5):
                client.send(49, 1)
            times = [int((await client.until_kind(49))[-1][2]) for _ in range(5)]
            assert times == [times[0] + n for n in range(5)]

    run(main)


def test_an_order_that_waits_runs_when_the_last_holder_leaves():
    async def main():
        async with gateway() as running:
            holder, other = await RawClient.connect(running.port, 1, HOLD), await RawClient.connect(running.port, 2)
            other.send(*order(1, con_id(running, 5890), limit="1.00"))
            other.send(8, 1, 1)
            assert (await other.read())[0] == "9"
            holder.close()
            await other.until_kind(3)

    run(main)


def test_system_messages_and_cuts():
    async def main():
        async with gateway() as running:
            one, two = await RawClient.connect(running.port, 1), await RawClient.connect(running.port, 2)
            running.notify(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
            assert (await one.until_kind(4))[-1][2:4] == ["-1", "1100"]
            running.cut(1)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await one.read()
            assert (await two.until_kind(4))[-1][3] == "1100"

    run(main)


def test_observers_get_the_time_at_once_and_never_move_it():
    async def main():
        async with gateway() as running:
            holder, watcher = await RawClient.connect(running.port, 1, HOLD), await RawClient.connect(running.port, 2)
            first = running.now
            assert [int(m[2]) for m in await watcher.fence(3)] == [first] * 3
            await holder.fence(2)
            assert int((await watcher.fence())[-1][2]) == first + 2

    run(main)


def test_time_waits_for_every_holder_and_continues_when_one_leaves():
    async def main():
        async with gateway() as running:
            first = running.now
            a, b = await RawClient.connect(running.port, 1, HOLD), await RawClient.connect(running.port, 2, HOLD)
            a.send(49, 1)
            b.send(8, 1, 1)
            await b.until_kind(9)
            assert running.now == first
            b.send(49, 1)
            assert (await a.until_kind(49))[-1] == (await b.until_kind(49))[-1] == ["49", "1", str(first + 1)]
            a.send(49, 1)
            b.close()
            assert int((await a.until_kind(49))[-1][2]) == first + 2

    run(main)


def test_a_holder_that_rests_has_its_fence_when_it_is_due_or_something_is_said():
    async def main():
        async with gateway() as running:
            first = running.now
            a = await RawClient.connect(running.port, 1, HOLD)
            a.send(49, 1, first + 7)
            assert await a.until_kind(49) == [["49", "1", str(first + 7)]]
            b = await RawClient.connect(running.port, 2, HOLD)
            a.send(49, 1, first + 60)
            b.send(49, 1, first + 11)
            assert await a.until_kind(49) == await b.until_kind(49) == [["49", "1", str(first + 11)]]
            b.send(92, 5, "", "")
            await b.until_kind(94)
            a.send(49, 1, first + 60)
            b.send(49, 1, first + 60)
            assert await a.until_kind(49) == [["49", "1", str(first + 15)]]  # the market moves, and b hears its profit
            a.close()
            b.close()

    run(main)


def test_time_begins_when_enough_holders_have_asked():
    async def main():
        async with gateway(holders=2) as running:
            first = running.now
            a = await RawClient.connect(running.port, 1, HOLD)
            a.send(49, 1)
            b = await RawClient.connect(running.port, 2, HOLD)
            assert running.now == first
            b.send(49, 1)
            await b.until_kind(49)
            assert int((await a.until_kind(49))[-1][2]) == first + 1

    run(main)


def test_the_last_fence_is_repeated():
    async def main():
        async with gateway(first_day=date(2025, 11, 28), data_seconds=60, fence_seconds=60) as running:
            client = await RawClient.connect(running.port, 1, HOLD)
            while not running.finished:
                last = (await client.fence())[-1]
            assert int(last[2]) == running.gateway.hub.timeline.last
            assert [m[2] for m in await client.fence(3)] == [last[2]] * 3

    run(main)


def test_time_runs_by_itself_at_a_speed_and_stands_when_held():
    async def main():
        async with gateway(speed=5000.0) as running:
            watcher = await RawClient.connect(running.port, 2)
            start = running.now
            while running.now < start + 60:
                await watcher.fence()
            holder = await RawClient.connect(running.port, 1, HOLD)
            held = running.now
            await watcher.fence(20)
            assert running.now == held
            assert [int(m[2]) - held for m in await holder.fence(3)] == [1, 2, 3]

    run(main)


def test_a_pace_delays_the_answers():
    async def main():
        loop = asyncio.get_running_loop()
        async with gateway(speed=100.0) as running:
            client = await RawClient.connect(running.port, 1, HOLD)
            await client.fence()
            began = loop.time()
            await client.fence(20)
            assert loop.time() - began >= 0.15

    run(main)


def test_free_orders_run_at_once():
    async def main():
        async with gateway(lockstep=False, speed=600.0) as running:
            client = await RawClient.connect(running.port, 1, HOLD)
            while not running.market.is_open:
                await client.fence()
            client.send(*order(1, con_id(running, 5890), kind="MKT", limit=""))
            found = await client.until(lambda m: m[0] == "3" and m[2] == "Filled")
            assert found[0][0] == "5"

    run(main)


def test_the_watchdog_names_who_holds_the_clock(caplog):
    async def main():
        async with gateway(watchdog_seconds=0.02) as running:
            client = await RawClient.connect(running.port, 17, HOLD)
            async with asyncio.timeout(60):
                while not any("client 17 (API version 178)" in each.message for each in caplog.records):
                    await asyncio.sleep(0)
            client.close()

    with caplog.at_level(logging.WARNING):
        run(main)


def test_an_error_inside_ends_the_run_loudly(caplog):
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, HOLD)

            def broken(at):
                raise ZeroDivisionError("the market broke")

            running.market.advance = broken
            client.send(49, 1)
            for _ in range(5):
                client.send(49, 1)
            with pytest.raises(ZeroDivisionError):
                await running.failure()

    with caplog.at_level(logging.CRITICAL), pytest.raises(ZeroDivisionError):
        run(main)
    assert "the simulated gateway failed" in caplog.text
