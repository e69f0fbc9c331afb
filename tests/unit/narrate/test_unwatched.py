"""A service that waits for its gateway while positions are open."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from store_day import at

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate import notices as unwatched
from rulebot.narrate.notices import alarmed_when_unwatched
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader


class Clock:
    """From so many hours after the end of the hand-made day on, some minutes later each time it is asked."""

    def __init__(self, hours: float = 17.0, minutes: int = 1) -> None:
        self.at = at("16:30").astimezone(UTC) + timedelta(hours=hours)
        self.step = timedelta(minutes=minutes)

    def now(self) -> datetime:
        self.at += self.step
        return self.at

    def elapsed(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwatched, "LOOK_EVERY", 0.001)


@pytest.fixture
def store(day_store: Path) -> Path:
    """Return the store of the hand-made day, which left a put open."""
    return day_store


def wait(store: Path, reported: list[Record] | None, seconds: float = 0.3, clock: Clock | None = None) -> None:
    async def waiting() -> None:
        async with alarmed_when_unwatched(store, None if reported is None else reported.append, clock or Clock()):
            await asyncio.sleep(seconds)

    asyncio.run(waiting())


def test_who_waits_long_with_a_position_open_is_reported_once(store: Path) -> None:
    reported: list[Record] = []
    wait(store, reported)
    ((kind, instant),) = [(record.kind, record.at) for record in reported]
    assert kind is Kind.ALARM
    assert timedelta(minutes=10) <= instant - Clock().at <= timedelta(minutes=13)
    assert "no exit watches 1 open position" in str(reported[0].data["text"])


def test_where_no_engine_has_the_store_open_it_is_opened_for_the_alarm(store: Path) -> None:
    wait(store, None)
    with StoreReader(store) as reader:
        assert "no exit watches 1 open position" in str(reader.records((Kind.ALARM,))[-1].data["text"])


@pytest.mark.parametrize("hours", [1.0, 16.5], ids=["from the evening on", "from half an hour before the open"])
def test_at_night_no_alert_is_sent_and_ten_minutes_into_the_session_he_is(store: Path, hours: float) -> None:
    """A gateway that restarts, or waits for a login, rang at 23:55 and on Sunday morning, and on Monday no more."""
    reported: list[Record] = []
    wait(store, reported, 3.0, Clock(hours))
    record = reported[0]
    assert "09:40" <= f"{record.at.astimezone(EXCHANGE_ZONE):%H:%M}" <= "09:42"
    assert "no connection to the broker for 1" in str(record.data["text"])


def test_who_waits_on_is_reported_again_in_each_session(store: Path) -> None:
    """As by an engine that has lost its gateway: who had heard of it on Friday was not told on Monday."""
    reported: list[Record] = []
    wait(store, reported, 0.6, Clock(minutes=20))
    days = [record.at.astimezone(EXCHANGE_ZONE).date() for record in reported]
    assert len(days) > 1
    assert len({*days}) == len(days)


def test_who_is_let_in_before_is_not_reported(store: Path) -> None:
    reported: list[Record] = []
    wait(store, reported, 0.0)
    assert reported == []


def test_a_store_that_is_not_there_yet_has_nothing_open(tmp_path: Path) -> None:
    reported: list[Record] = []
    wait(tmp_path / "new.db", reported, 0.05)
    assert reported == []
    assert not (tmp_path / "new.db").exists()
