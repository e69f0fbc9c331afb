"""Tests against a REAL paper gateway, skipped where none listens, and saying so: docs/contributing.md has the rules."""

import asyncio
import os
from collections.abc import Coroutine
from functools import cache

import pytest

from rulebot.adapters.ib.connection_errors import is_paper
from rulebot.live.environments import PAPER_PORTS, listening_port
from rulebot.model.errors import BrokerError
from tests.paper.paper_checks import OVER, WORKS, account_of, connection, sent_and_cancelled

pytestmark = pytest.mark.paper
NAMED = "RULEBOT_PAPER_GATEWAY"


@cache
def found() -> tuple[str, int] | str:
    """Return where a paper gateway listens, or why nothing is tried."""
    if os.environ.get("CI"):
        return "no real gateway is tried in CI"
    if named := os.environ.get(NAMED):
        host, _, port = named.rpartition(":")
        return (host, int(port)) if host and port.isdigit() else f"{NAMED} is HOST:PORT, is '{named}'"
    try:
        return "127.0.0.1", asyncio.run(listening_port("127.0.0.1"))
    except BrokerError:
        ports = " or ".join(map(str, PAPER_PORTS))
        return f"no paper gateway listens at 127.0.0.1:{ports}; {NAMED}=HOST:PORT names another"


@pytest.fixture
def where() -> tuple[str, int]:
    place = found()
    if isinstance(place, str):
        pytest.skip(place)
    return place


@pytest.fixture
def is_asked_for(request: pytest.FixtureRequest) -> None:
    """Let nobody send an order by running all tests: an engine that trades this account would stop at it."""
    if request.config.getoption("markexpr") != "paper":
        pytest.skip("it sends an order to the paper account: ask for it by 'pytest -m paper'")


def in_time(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 100))


def test_the_gateway_lets_us_in_and_the_account_is_paper(where: tuple[str, int]) -> None:
    async def connects() -> None:
        async with connection(*where) as there:
            assert is_paper(there.world.ib.link.account)
            assert there.up.next_order_id > 0
            account = await account_of(there)
            assert account.currency == "USD"
            assert account.net_liquidation is not None

    in_time(connects())


def test_an_order_far_from_the_market_is_sent_and_cancelled(where: tuple[str, int], is_asked_for: None) -> None:
    async def sends() -> None:
        async with connection(*where) as there:
            seen = await sent_and_cancelled(there)
            assert {*seen.statuses} & WORKS, seen
            assert seen.statuses[-1] in OVER
            assert seen.filled == 0

    in_time(sends())
