"""An engine in virtual time beside a gateway whose time runs by itself; its connection fails at a chosen request.

Time limits, heartbeats and waits are the true ones: half an hour takes a second or two.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos.virtual_loop import run_virtually
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader
from twsim import GatewaySettings, RunningGateway, read_faults, start_gateway
from twsim.faults.connection import FaultySession
from twsim.faults.policy import Faults
from twsim.gateway.wire import Session

DAY = date(2026, 10, 21)
PHASES = {
    "handshake": "",
    "next order id": "8",
    "open orders": "16",
    "completed orders": "99",
    "positions": "61",
    "account": "6",
    "executions": "7",
    "option parameters": "78",
    "contract details": "9",
    "price steps": "91",
    "bars": "20",
    "market data": "1",
    "what-if": "3",
}
"""Phases of a start, by the number of the request at which the connection fails. Source: TWS API, outgoing messages."""


HARMLESS = 'faults: [{kind: cut, at: "16:05"}]'
"""A plan after the end of each trial, so that the gateway's connections can be broken."""


@dataclass(slots=True)
class Breakage:
    """How connections fail: `how` at each `number`-th request of a phase, so many `times` in all."""

    phase: str
    how: str
    seconds: float = 50.0
    number: int = 1
    times: int = 1
    seen: int = 0
    done: int = 0

    def meets(self, session: Session, payload: bytes) -> bool:
        """Break the connection at its request; say whether the gateway is to pass over what was asked."""
        if self.done >= self.times or payload.split(b"\0", 1)[0].decode() != PHASES[self.phase]:
            return False
        self.seen += 1
        if self.seen < self.number:
            return False
        self.seen, self.done = 0, self.done + 1
        self.act(session)
        return self.how == "unanswered"

    def act(self, session: Session) -> None:
        """Break the connection of this client now."""
        assert isinstance(session, FaultySession)
        if self.how == "stall":
            session.flush()
            session.fall_silent()
            asyncio.get_running_loop().call_later(self.seconds, session.wake)
        elif self.how == "half open":
            session.flush()
            session.fall_silent()
        elif self.how in ("reset", "fin"):
            session.cut(self.how, in_frame=False)
        elif self.how == "mid frame":
            session.cut("reset", in_frame=True)


@dataclass(slots=True)
class Outcome:
    """What a trial came to. problem: what a run ended with, where it did not end by itself."""

    records: list[Record] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)

    def of(self, kind: Kind) -> list[Record]:
        """Return the records of a kind."""
        return [record for record in self.records if record.kind is kind]

    def alarms(self) -> list[str]:
        """Return the texts of the alarms."""
        return [str(record.data["text"]) for record in self.of(Kind.ALARM)]


class LoopClock:
    """The gateway's time between its instants too."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._time = asyncio.get_running_loop().time
        self._ahead = gateway.now - self._time()

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.fromtimestamp(self._ahead + self._time(), UTC)

    def elapsed(self) -> float:
        """Return the loop's seconds."""
        return self._time()


def live_through(
    folder: Path,
    specs: list[Path],
    breakage: Breakage | None,
    *,
    lives: tuple[tuple[str, str], ...],
    broken: int = -1,
    account: Path | None = None,
    seed: int = 7,
    accounts: Path | None = None,
    attend: Callable[[Run], None] = lambda run: None,
    beside: Callable[[RunningGateway], None] = lambda gateway: None,
    plan: str = HARMLESS,
) -> Outcome:
    """Run one engine after the other on one store, and return what they left.

    lives: New York times from and to of each. broken: the one whose connection fails, the last unless told otherwise.
    accounts: the folder of locks of a run with a real account, which holds a reserve file. beside: is given the gateway
    before the first engine. plan: of faults.
    """

    async def main() -> Outcome:
        settings = GatewaySettings(first_day=DAY, seed=seed, speed=1.0, lockstep=False)
        gateway = await start_gateway(settings, faults=read_faults(plan))
        found = Outcome()
        beside(gateway)
        try:
            for number, (begins, ends) in enumerate(lives):
                while datetime.fromtimestamp(gateway.now, UTC) < at(begins):
                    await asyncio.sleep(0.25)
                with _broken(gateway, breakage if number == broken % len(lives) else None):
                    try:
                        await _life(folder, specs, gateway, at(ends), account, accounts, attend)
                    except Exception as problem:
                        found.problems.append(problem)
            found.held = {each.con_id: int(each.quantity) for each in gateway.exchange.positions()}
        finally:
            await gateway.stop()
        with StoreReader(folder / "s.db") as reader:
            found.records = list(reader.records(tuple(Kind)))
        return found

    return run_virtually(lambda loop: main())


def at(clock: str) -> datetime:
    """Return a New York time of the day as UTC."""
    hour, minute, second = map(int, f"{clock}:00".split(":")[:3])
    return datetime(DAY.year, DAY.month, DAY.day, hour, minute, second, tzinfo=EXCHANGE_ZONE).astimezone(UTC)


@contextmanager
def _broken(gateway: RunningGateway, breakage: Breakage | None) -> Iterator[None]:
    """Let requests meet their breakage meanwhile."""
    faults = gateway.gateway.hub.faults
    if breakage is None:
        yield
        return
    assert isinstance(faults, Faults)
    connected = faults.connected

    def greeted(session: Session) -> None:
        connected(session)
        if breakage.phase == "handshake" and breakage.done < breakage.times:
            breakage.done += 1
            breakage.act(session)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "connected", greeted)
        patch.setattr(faults, "holds", breakage.meets)
        yield


async def _life(
    folder: Path,
    specs: Sequence[Path],
    gateway: RunningGateway,
    until: datetime,
    account: Path | None,
    accounts: Path | None,
    attend: Callable[[Run], None],
) -> None:
    """Run one engine until a time."""
    desk = load_all_bots([str(each) for each in specs], {}, account)
    asked: list[datetime] = []

    def watcher(run: Run, now: datetime) -> None:
        if now >= until and not asked:
            asked.append(now)
            run.inbox.ask(Request.STOP)

    options = RunOptions(store=folder / "s.db", logs=None, sessions=None, accounts=accounts)
    await execute(desk, options, _world(gateway), attend, watcher)


@asynccontextmanager
async def _world(gateway: RunningGateway) -> AsyncIterator[World]:
    ib = ib_world(IbSettings(port=gateway.port, client_id=1), LoopClock(gateway))
    try:
        yield World(ib, None)
    finally:
        await ib.link.close()
