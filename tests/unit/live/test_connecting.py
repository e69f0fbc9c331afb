"""How long a start waits for its client id, and an engine for its broker."""

import asyncio
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from rulebot.live.start import Run
from rulebot.model.errors import BrokerError, IdInUseError, UnansweredError
from rulebot.ports import Batch
from rulebot.process import connection_state as connecting
from rulebot.process.connection_state import FIRST_WAIT, LONGEST_WAIT, first_batch, first_of_run, waits

BATCH = Batch(datetime(2026, 11, 18, 15, tzinfo=UTC), ())


class Door:
    """A link whose first attempts fail."""

    def __init__(self, *failures: BrokerError, is_lockstep: bool = False) -> None:
        self.failures = list(failures)
        self.is_lockstep = is_lockstep
        self.attempts = 0

    async def connect(self) -> Batch:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return BATCH


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted and not waited for."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(connecting.asyncio, "sleep", sleep)
    return found


def first(door: Any) -> Batch:
    return asyncio.run(first_batch(door, "abc123"))


def test_waits_are_doubled_to_the_longest_and_differ_from_engine_to_engine() -> None:
    ours, theirs = (list(islice(waits(name), 12)) for name in ("abc123", "def456"))
    assert ours == list(islice(waits("abc123"), 12))
    assert ours != theirs
    for number, wait in enumerate(ours):
        plain = min(FIRST_WAIT * 2**number, LONGEST_WAIT)
        assert 0.75 * plain <= wait <= 1.25 * plain


def test_33_an_id_in_use_is_waited_for_and_never_changed(slept: list[float]) -> None:
    door = Door(IdInUseError("client id 1 is in use"), IdInUseError("client id 1 is in use"))
    assert first(door) is BATCH
    assert (door.attempts, len(slept)) == (3, 2)


def test_33_after_a_minute_a_person_is_notified(slept: list[float]) -> None:
    door = Door(*[IdInUseError("client id 1 is in use")] * 50)
    with pytest.raises(IdInUseError):
        first(door)
    assert 60 <= sum(slept) < 140


@pytest.mark.parametrize("door", [Door(BrokerError("nothing listens")), Door(IdInUseError("x"), is_lockstep=True)])
def test_other_failures_and_a_simulated_gateway_are_reported_at_once(door: Door, slept: list[float]) -> None:
    with pytest.raises(BrokerError):
        first(door)
    assert (door.attempts, slept) == (1, [])


def test_a_service_waits_for_its_gateway_and_says_for_what(slept: list[float]) -> None:
    reported: list[str] = []
    door = Door(*[BrokerError("nothing listens")] * 30, IdInUseError("client id 1 is in use"))
    assert asyncio.run(first_batch(door, "abc123", reported.append)) is BATCH
    assert reported == ["nothing listens"] * 30 + ["client id 1 is in use"]
    assert slept == list(islice(waits("abc123"), 31))


STALLED, SILENT = UnansweredError("no answer"), UnansweredError("no greeting", was_connected=False)
OFF = BrokerError("nothing listens")


@pytest.mark.parametrize(
    ("failures", "is_held"), [((STALLED, OFF, SILENT), False), ((SILENT, OFF), True)], ids=["let in before", "held"]
)
def test_20_a_start_is_tried_again_once_a_gateway_let_it_in_or_a_position_is_open(
    failures: tuple[BrokerError, ...], is_held: bool, slept: list[float]
) -> None:
    reported: list[str] = []
    door: Any = Door(*failures)
    assert asyncio.run(first_of_run(door, "abc123", is_held=is_held, waiting=reported.append)) is BATCH
    assert reported == [each.message for each in failures]


@pytest.mark.parametrize("failure", [SILENT, OFF])
def test_a_start_that_no_gateway_lets_in_ends_with_the_reason(failure: BrokerError, slept: list[float]) -> None:
    door: Any = Door(failure)
    with pytest.raises(BrokerError):
        asyncio.run(first_of_run(door, "abc123", is_held=False, waiting=lambda words: None))
    assert door.attempts == 1


def test_a_run_is_not_shown_by_all_that_it_holds() -> None:
    """When `asyncio.run` ends it prints what its coroutine returned, which would take as long as minutes of the day."""
    assert Run.__repr__ is object.__repr__
