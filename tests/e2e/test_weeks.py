"""Nights, weekends and holidays as they pass at a broker: restarts, resets, a login that comes late; in virtual time.

The simulated gateway jumps over nights; here they are lived, by an engine that stands the whole time.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from rulebot.chaos.virtual_loop import run_virtually
from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.journal.audit import audit_store
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.session import EXCHANGE_ZONE, session_from
from rulebot.record.record import Kind, Record
from tests.e2e.test_real_time import free_running
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway
from twsim import launch as embed
from twsim.gateway.hub import Timeline
from twsim.gateway.wire import Session

STEP = 15
"""Seconds between two instants, by day and by night."""
BOTS = ("dte0_condor", "spy_put_seller")
LOST = (1100, "Connectivity between IB and TWS has been lost.")
KEPT = (1102, "Connectivity between IB and TWS has been restored - data maintained.")


class EveryHour(Timeline):
    """Lives the nights, in which the market does not move."""

    def after(self, at: int) -> int:
        return min(at + STEP, self.last)

    def is_data(self, at: int) -> bool:
        return at <= self._ends[self._day(at)] and super().is_data(at)


class Broker:
    """What the broker does by his calendar: each act has its instant. While he is down nobody gets a greeting."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._admit = gateway.gateway.admit
        self.is_down = False
        gateway.gateway.admit = self._let_in  # type: ignore[method-assign]

    def _let_in(self, session: Session, client_id: int) -> bool:
        if self.is_down:
            session.close()
            return False
        return self._admit(session, client_id)

    def down(self) -> None:
        self.is_down = True
        for connection in list(self._gateway.gateway.connections):
            connection.abort()

    def up(self) -> None:
        self.is_down = False

    def lose(self) -> None:
        self._gateway.notify(*LOST)

    def find(self) -> None:
        self._gateway.notify(*KEPT)

    async def live(self, acts: "list[tuple[datetime, Act]]") -> None:
        """Do each act when its time has come."""
        for at, act in sorted(acts, key=lambda each: each[0]):
            while self._gateway.now < at.timestamp():
                await asyncio.sleep(STEP)
            act(self)


Act = Callable[[Broker], None]


def new_york(day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=EXCHANGE_ZONE).astimezone(UTC)


def nights(first: date, last: date) -> list[tuple[datetime, Act]]:
    """Return what happens each night: Gateway restarts at 23:45, and the broker resets from 00:15, with two gaps."""
    acts: list[tuple[datetime, Act]] = []
    day = first
    while day < last:
        after = day + timedelta(days=1)
        acts += [(new_york(day, "23:45"), Broker.down), (new_york(after, "00:02"), Broker.up)]
        acts += [(new_york(after, "00:15"), Broker.lose), (new_york(after, "00:31"), Broker.find)]
        acts += [(new_york(after, "00:40"), Broker.lose), (new_york(after, "00:45"), Broker.find)]
        day = after
    return acts


class Lived(NamedTuple):
    """What a stretch of days has left."""

    day: CheckedDay
    store: Path

    def alarms(self) -> list[str]:
        reported = (record for record in self.day.records if record.kind is Kind.ALARM)
        return [f"{each.at.astimezone(EXCHANGE_ZONE):%m-%d %H:%M} {each.data['text']}" for each in reported]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.day.records if record.kind is kind]


def live(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: date,
    days: int,
    acts: list[tuple[datetime, Act]],
) -> Lived:
    """Let an engine stand over so many sessions and all that is between."""
    monkeypatch.setattr(embed, "Timeline", EveryHour)
    store = folder / "s.db"

    async def body() -> Lived:
        settings = GatewaySettings(
            first_day=first, days=days, seed=7, speed=1.0, lockstep=False, fence_seconds=STEP, data_seconds=15
        )
        gateway = await start_gateway(settings)
        weather = asyncio.ensure_future(Broker(gateway).live(acts))
        until = gateway.gateway.hub.timeline.sessions[-1].close + timedelta(minutes=5)

        def watcher(run: Run, at: datetime) -> None:
            if at >= until:
                run.inbox.ask(Request.STOP)

        try:
            desk = load_all_bots(spec_files(BOTS), {}, None)
            options = RunOptions(store=store, logs=None, sessions=None, inbox_every=timedelta(seconds=STEP))
            await execute(desk, options, free_running(gateway), lambda _: None, watcher)
            assert gateway.ledger is not None
            return Lived(read_day(store, gateway.ledger.totals(), {}), store)
        finally:
            weather.cancel()
            await gateway.stop()

    return run_virtually(lambda _: body())


FRIDAY, SUNDAY, MONDAY = date(2026, 10, 30), date(2026, 11, 1), date(2026, 11, 2)
"""The weekend on which summer time ends."""
BEFORE, HALF = date(2026, 11, 25), date(2026, 11, 27)
"""The days around Thanksgiving, of which the second ends at 13:00."""
TOO_LATE = [
    r"11-02 09:4[01] no connection to the broker for 1[01] minutes: no exit watches 1 open position",
    r"11-02 10:3[23] connected again: an open position was not watched for 6[23] min of the session",
]
"""It is looked for with each attempt to connect, which comes within a minute and a quarter."""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("sessions", "acts", "alarms"),
    [
        (
            (FRIDAY, MONDAY),
            [*nights(FRIDAY, SUNDAY), (new_york(SUNDAY, "01:00"), Broker.down), (new_york(MONDAY, "10:32"), Broker.up)],
            TOO_LATE,
        ),
        ((BEFORE, HALF, date(2026, 11, 30)), nights(BEFORE, date(2026, 11, 30)), []),
        (
            (date(2027, 1, 15), date(2027, 1, 19)),
            [
                *nights(date(2027, 1, 15), date(2027, 1, 17)),
                (new_york(date(2027, 1, 17), "01:00"), Broker.down),
                (new_york(date(2027, 1, 18), "18:00"), Broker.up),
                *nights(date(2027, 1, 18), date(2027, 1, 19)),
            ],
            [],
        ),
    ],
    ids=["ci the login comes late after a weekend", "a holiday and a half day", "the login comes on a Monday off"],
)
def test_what_must_be_reported_is_reported_once_and_nothing_at_night(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sessions: tuple[date, ...],
    acts: list[tuple[datetime, Act]],
    alarms: list[str],
) -> None:
    found = live(tmp_path, monkeypatch, sessions[0], len(sessions), acts)
    reported = found.alarms()
    assert len(reported) == len(alarms), reported
    assert all(re.fullmatch(words, each) for words, each in zip(alarms, reported, strict=True)), reported
    assert [each.data["date"] for each in found.of(Kind.SESSION)] == [f"{day}" for day in sessions]
    assert compare_books(found.day) == []
    assert [evaluation.first for evaluation in audit_store(found.store) if not evaluation.holds] == []
    assert any(not position.is_flat for position in found.day.positions.values())
    sent = {record.at for record in found.of(Kind.ORDER)}
    hours = [session_from(day) for day in sessions]
    assert [at for at in sorted(sent) if not any(each.open <= at <= each.close for each in hours)] == []
    assert len([each for each in found.of(Kind.LINK) if each.data["up"]]) > len(sessions)
