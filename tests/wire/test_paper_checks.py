"""What is tried at a real paper gateway, tried at the simulated one: so the checks themselves are sound."""

import asyncio
from collections.abc import Coroutine
from datetime import date

import pytest

from rulebot.model.errors import BrokerError
from tests.paper.paper_checks import FAR, OVER, WORKS, account_of, connection, sent_and_cancelled
from twsim import GatewaySettings, start_gateway

DAY = date(2025, 11, 24)


def in_time(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


@pytest.mark.parametrize("speed", [5.0, 120.0])
def test_an_order_is_sent_and_cancelled_before_the_open_and_in_it(speed: float) -> None:
    async def sends() -> None:
        running = await start_gateway(GatewaySettings(first_day=DAY, speed=speed))
        if speed > 100:
            await asyncio.sleep(60 / speed + 0.2)  # past the open, in real time as a real gateway is
        async with connection("127.0.0.1", running.port) as there:
            assert (await account_of(there)).net_liquidation == 1_000_000
            seen = await sent_and_cancelled(there)
        await running.stop()
        assert {*seen.statuses} & WORKS
        assert seen.statuses[-1] in OVER
        assert (seen.filled, seen.order.limit_price) == (0, FAR)

    in_time(sends())


def test_an_account_with_real_money_is_refused() -> None:
    async def connects() -> None:
        running = await start_gateway(GatewaySettings(first_day=DAY, speed=1.0, account="U1234567"))
        with pytest.raises(BrokerError, match="U1234567"):
            async with connection("127.0.0.1", running.port):
                pass
        await running.stop()

    in_time(connects())
