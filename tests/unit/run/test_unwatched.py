"""A service that waits for its gateway while positions are open."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from store_day import at

from engine.record.record import Kind, Record
from engine.run import unwatched
from engine.run.unwatched import told_when_unwatched
from engine.store.queries import StoreReader


class Clock:
    """The morning after the hand-made day."""

    def now(self) -> datetime:
        return at("16:30").astimezone(UTC) + timedelta(hours=16)

    def elapsed(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwatched, "UNWATCHED", timedelta(seconds=0.01))


@pytest.fixture
def store(day_store: Path) -> Path:
    """Return the store of the hand-made day, which left a put open."""
    return day_store


def wait(store: Path, told: list[Record] | None, seconds: float = 0.3) -> None:
    async def waiting() -> None:
        async with told_when_unwatched(store, None if told is None else told.append, Clock()):
            await asyncio.sleep(seconds)

    asyncio.run(waiting())


def test_who_waits_long_with_a_position_open_is_told_once(store: Path) -> None:
    told: list[Record] = []
    wait(store, told)
    assert [(record.kind, record.at) for record in told] == [(Kind.ALARM, Clock().now())]
    assert "nobody watches 1 open position" in str(told[0].data["text"])


def test_where_no_engine_has_the_store_open_it_is_opened_for_the_alarm(store: Path) -> None:
    wait(store, None)
    with StoreReader(store) as reader:
        assert "nobody watches 1 open position" in str(reader.records((Kind.ALARM,))[-1].data["text"])


def test_who_is_let_in_before_is_not_told(store: Path) -> None:
    told: list[Record] = []
    wait(store, told, 0.0)
    assert told == []


def test_a_store_that_is_not_there_yet_has_nothing_open(tmp_path: Path) -> None:
    told: list[Record] = []
    wait(tmp_path / "new.db", told, 0.05)
    assert told == []
    assert not (tmp_path / "new.db").exists()
