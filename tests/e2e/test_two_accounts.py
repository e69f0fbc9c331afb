"""A whole day beside another account of the same login, which trades the same options: it goes as it does alone."""

import asyncio
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import ib_async
import pytest

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE, attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.contract import Option
from rulebot.record.codec import line
from rulebot.record.record import Kind
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway

OURS, OTHER = "DU1111111", "DU2222222"
BOTS = ("dte0_condor", "put_lite")


class Neighbour:
    """Sells three of each option that the engine holds, in the other account, and lets a bid rest beside it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ib: ib_async.IB | None = None
        self._dealt: set[Option] = set()

    async def connect(self) -> None:
        """Connect as another client of the login, which does not hold the clock."""
        self._ib = ib_async.IB()
        await self._ib.connectAsync("127.0.0.1", self._port, 2, account=OTHER)

    def look(self, run: Run, _: datetime) -> None:
        """Deal in what is new in the engine's books."""
        assert self._ib is not None
        state = run.loop.state
        held = {each.option for name in state.positions.active for each in state.positions.by_id[name].legs}
        for option in sorted(held - self._dealt, key=str):
            self._dealt.add(option)
            right, expiry = option.right.value, f"{option.expiry:%Y%m%d}"
            found = ib_async.Option(option.symbol, expiry, float(option.strike), right, "SMART")
            found.tradingClass = option.trading_class
            self._ib.placeOrder(found, ib_async.MarketOrder("SELL", 3, account=OTHER))
            self._ib.placeOrder(found, ib_async.LimitOrder("BUY", 1, 0.05, tif="DAY", account=OTHER))


async def day(folder: Path, client_id: int, *, is_shared: bool) -> tuple[CheckedDay, RunningGateway]:
    folder.mkdir()
    others = (OTHER,) if is_shared else ()
    settings = GatewaySettings(
        first_day=DEFAULT_DATE, seed=7, data_seconds=15, holders=1, account=OURS, more_accounts=others
    )
    gateway = await start_gateway(settings)
    neighbour = Neighbour(gateway.port)
    try:
        if is_shared:
            await neighbour.connect()
        options = RunOptions(store=folder / "s.db", logs=None, sessions=1, install="s7")
        world = attached("127.0.0.1", gateway.port, client_id, OURS, lockstep=True)
        watcher = neighbour.look if is_shared else lambda _run, _at: None
        await execute(load_all_bots(spec_files(BOTS), {}, None), options, world, lambda _: None, watcher)
        assert gateway.ledger is not None
        return read_day(folder / "s.db", gateway.ledger.totals(), {}), gateway
    finally:
        await gateway.stop()


def lines(found: CheckedDay) -> list[str]:
    """Return what is recorded, without order ids: they lie above those that are told of others, as TWS demands."""
    reported = (line(record) for record in found.records if record.kind is not Kind.RUN_STARTED)
    return [re.sub(r'"order_id":\d+', '"order_id":0', each) for each in reported]


@pytest.mark.long
@pytest.mark.parametrize("client_id", [1, 0], ids=["hears its own orders", "hears of all orders"])
def test_ci_nothing_that_another_account_does_changes_a_day(tmp_path: Path, client_id: int) -> None:
    async def body() -> None:
        alone, _ = await day(tmp_path / "alone", client_id, is_shared=False)
        beside, gateway = await day(tmp_path / "beside", client_id, is_shared=True)
        assert compare_books(beside) == []
        assert beside.entered == set(BOTS)
        assert lines(beside) == lines(alone)
        other = gateway.gateway.hub.others[OTHER]
        assert Decimal(other.account_values()["TotalCashValue"]) > gateway.gateway.hub.settings.cash  # it did sell

    asyncio.run(asyncio.wait_for(body(), 200))
