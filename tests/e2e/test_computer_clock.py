"""A half day of an engine whose computer has a wrong clock: entries and exits come by the broker's time (row 62)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hand_desk import text_of

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos.virtual_loop import run_virtually
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World
from rulebot.live.start import Run, RunOptions, execute, open_journal
from rulebot.model.order import Order, Purpose
from rulebot.model.session import at_exchange_time
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from tests.e2e.worlds import check_replays
from twsim import GatewaySettings, RunningGateway, start_gateway

HALF_DAY = date(2026, 12, 24)
"""The session before Christmas closes at 13:00: half the time of a whole day."""
BOT = text_of(
    entry='{window: {from: "10:00", to: "11:30"}, per_day: 1}',
    order="{start: mid, step: 0.05, wait: 10s, tries: 5, then: cancel}",
    exits="""
  - time: close - 15m
    order: market
""",
)
"""Sells a same-day put spread, whatever the market does."""


def clock(hour: int, minute: int) -> datetime:
    """Return a time of the half day."""
    return at_exchange_time(HALF_DAY, time(hour, minute))


class WrongClock:
    """A computer's clock that is so many seconds ahead of the gateway's time, whichever time it is there."""

    def __init__(self, gateway: RunningGateway, ahead: Callable[[datetime], float]) -> None:
        self._time = asyncio.get_running_loop().time
        self._first = datetime.fromtimestamp(gateway.now, UTC) - timedelta(seconds=self._time())
        self._ahead = ahead

    def now(self) -> datetime:
        """Return what the computer shows."""
        right = self._first + timedelta(seconds=self._time())
        return right + timedelta(seconds=self._ahead(right))

    def elapsed(self) -> float:
        """Return the loop's seconds."""
        return self._time()


def lived_through(ahead: Callable[[datetime], float], folder: Path) -> tuple[list[str], list[Order]]:
    """Return the alarms of a day, and the orders that were sent."""
    (folder / "spread.yaml").write_text(BOT)
    desk = load_all_bots([str(folder / "spread.yaml")], {}, None)
    options = RunOptions(store=folder / "s.db", logs=None, sessions=1, install="", tapes=folder / "tapes")
    settings = GatewaySettings(first_day=HALF_DAY, seed=4, data_seconds=15, lockstep=False, speed=1.0, fence_seconds=1)

    @asynccontextmanager
    async def world(gateway: RunningGateway) -> AsyncIterator[World]:
        ib = ib_world(IbSettings(port=gateway.port, client_id=1), WrongClock(gateway, ahead))
        try:
            yield World(ib, None)
        finally:
            await ib.link.close()

    async def body() -> None:
        gateway = await start_gateway(settings)
        try:
            await execute(desk, options, world(gateway), lambda run: None, nothing)
        finally:
            await gateway.stop()

    def nothing(run: Run, at: datetime) -> None:
        """Watch nothing."""

    run_virtually(lambda _: body())
    assert check_replays(folder / "tapes")
    records = open_journal(options).read()
    alarms = [str(each.data["text"]) for each in records if each.kind is Kind.ALARM]
    orders = {each.ref: each for each in (decode(Order, dict(e.data)) for e in records if e.kind is Kind.ORDER)}
    return alarms, [*orders.values()]


def _steps(at: datetime) -> float:
    """Return a clock that is right, then set forward, then back, then right again."""
    return 7200.0 if clock(10, 45) <= at < clock(11, 45) else -3600.0 if at >= clock(11, 45) else 0.0


@pytest.mark.parametrize(
    ("ahead", "reported"),
    [
        pytest.param(lambda _: 6 * 3600.0, "21,599 s ahead of", id="6 h ahead"),
        pytest.param(_steps, "3,600 s behind", id="ci set during the day", marks=pytest.mark.long),
    ],
)
def test_62_a_day_by_a_wrong_clock(ahead: Callable[[datetime], float], reported: str, tmp_path: Path) -> None:
    """Exits that were due before the close were sent in the morning."""
    alarms, (entry, leave) = lived_through(ahead, tmp_path)
    assert any(f"this computer's clock is {reported} the broker's" in text for text in alarms), alarms
    assert (entry.purpose, leave.purpose) == (Purpose.ENTRY, Purpose.EXIT)
    assert entry.prepared_at is not None
    assert leave.prepared_at is not None
    assert abs(entry.prepared_at - clock(10, 0)) < timedelta(seconds=3)
    assert abs(leave.prepared_at - clock(12, 45)) < timedelta(seconds=3)
