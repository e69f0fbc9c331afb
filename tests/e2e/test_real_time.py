"""The pump without lockstep, as against a real gateway: a turn at each update or due timer, stamped by a clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.checks.against_ledger.books import compare_books, read_day
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from tests.e2e.worlds import check_replays, spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway


class GatewayClock:
    """Tells the simulated gateway's time, as a wall clock would tell ours."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway

    def now(self) -> datetime:
        """Return the gateway's present second."""
        return datetime.fromtimestamp(self._gateway.now, UTC)

    def elapsed(self) -> float:
        """Return the same as seconds: it never jumps."""
        return self._gateway.now


@asynccontextmanager
async def free_running(gateway: RunningGateway) -> AsyncIterator[World]:
    """Yield a world whose clock nobody holds."""
    settings = IbSettings(port=gateway.port, client_id=1, lockstep=False, round_interval=0.05)
    ib = ib_world(settings, GatewayClock(gateway))
    try:
        yield World(ib, None)
    finally:
        await ib.link.close()


@pytest.mark.long
def test_ci_a_free_running_gateway_is_traded_too(tmp_path: Path) -> None:
    async def body() -> None:
        settings = GatewaySettings(first_day=date(2026, 10, 21), seed=7, speed=150.0, lockstep=False)
        gateway = await start_gateway(settings)
        try:
            await trade(gateway)
        finally:
            await gateway.stop()

    async def trade(gateway: RunningGateway) -> None:
        desk = load_all_bots(spec_files(["spy_put_seller", "dte0_condor"]), {}, None)
        asked: list[datetime] = []

        def watcher(run: Run, at: datetime) -> None:
            if at >= datetime(2026, 10, 21, 14, 5, tzinfo=UTC) and not asked:
                asked.append(at)
                run.inbox.ask(Request.STOP)

        options = RunOptions(store=tmp_path / "s.db", logs=None, sessions=None, tapes=tmp_path / "tapes")
        run = await execute(desk, options, free_running(gateway), lambda run: None, watcher)
        assert gateway.ledger is not None
        day = read_day(tmp_path / "s.db", gateway.ledger.totals(), {})
        assert compare_books(day) == []
        assert day.entered == {"spy_put_seller", "dte0_condor"}
        assert check_replays(tmp_path / "tapes")
        assert not run.world.ib.link.is_lockstep

    asyncio.run(asyncio.wait_for(body(), 90))
