"""What people hear when nothing can be kept for them: that alone, once, with nothing behind it."""

import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from store_day import small_day

from rulebot.alerts import notifier as teller_file
from rulebot.alerts.find import Grade
from rulebot.alerts.notifier import Notifier, work
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.people import People, Person
from rulebot.alerts.send import NotSentError
from rulebot.model.errors import StoreError
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

NOW = datetime(2026, 11, 18, 17, tzinfo=UTC)
PHONE = Person(name="phone", url="json://localhost")
DESK = Person(name="desk", url="https://localhost/x", is_program=True, tell=tuple(Grade))
MAIL = replace(PHONE, name="mail", tell=(Grade.DIGEST,))
FULL = "the outbox of alerts cannot be used: database or disk is full"
WORDS = f"12:00 alerts cannot be sent: {FULL}; check the engine"


class World:
    """A store, and a service that keeps or refuses what it is sent."""

    def __init__(self, folder: Path) -> None:
        place = folder / "a.db"
        with closing(SqlJournal(open_store(place))) as journal:
            journal.append(small_day()[:1], durable=True)
        self.now, self.is_refused = NOW, False
        self.sent: list[tuple[str, str]] = []
        self.alert_sender = Full(place, People((PHONE, DESK, MAIL)), self.send, lambda: self.now)

    def send(self, person: str, _: str, body: str, grade: Grade) -> None:
        assert grade is Grade.GRAVE
        if self.is_refused:
            raise NotSentError("refused")
        self.sent.append((person, body))

    def after(self, seconds: float, act: Callable[[], object]) -> list[tuple[str, str]]:
        self.now += timedelta(seconds=seconds)
        before = len(self.sent)
        act()
        for future, _ in self.alert_sender._unreported.values():
            future.exception(5)
        return sorted(self.sent[before:])

    def fails(self) -> None:
        self.alert_sender.fails(FULL)


class Full(Notifier):
    """A teller on a disk that is full."""

    def opened(self) -> Outbox:
        raise StoreError(FULL)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_who_hears_grave_ones_is_reported_once_it_lasts(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert world.after(0, world.fails) == world.after(59, world.fails) == []
    (desk, body), phone = world.after(1, world.fails)
    assert phone == ("phone", WORDS)
    (event,) = json.loads(body)["events"]
    assert (desk, event["event"], event["grade"]) == ("desk", "untold", "grave")
    assert world.after(3600, world.fails) == []
    assert caplog.text.count(FULL) == 1


def test_it_is_tried_again_when_it_is_refused_and_reported_again_of_another_time(world: World) -> None:
    world.fails()
    world.is_refused = True
    assert world.after(60, world.fails) == []
    world.is_refused = False
    assert world.after(1, world.fails) == []
    assert len(world.after(10, world.fails)) == 2
    world.alert_sender.goes_on()
    assert world.alert_sender.trouble == ""
    assert world.after(0, world.fails) == []
    assert len(world.after(60, world.fails)) == 2


def test_at_its_end_it_does_not_wait(world: World) -> None:
    """An engine that a full disk ended took its page and its teller with it, and nobody heard of either."""
    stop = threading.Event()
    stop.set()
    assert [person for person, _ in world.after(0, lambda: work(world.alert_sender, stop, 5))] == ["desk", "phone"]
    world.alert_sender.close()


class Torn(Notifier):
    """A teller that meets what this program has no words for, for a while."""

    steps = 0

    def step(self, outbox: Outbox) -> None:
        self.steps += 1
        if self.steps <= 2:
            raise KeyError("what")
        super().step(outbox)


def test_what_this_program_fails_at_ends_no_teller(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that tells ended, `rulebot alerts --send` with it, and nobody was told of anything any more."""
    monkeypatch.setattr(teller_file, "LOOK_EVERY", 0.01)
    world.alert_sender.close()
    alert_sender = Torn(world.alert_sender._store, world.alert_sender._people, world.send, lambda: world.now)
    stop, said = threading.Event(), list[str]()
    monkeypatch.setattr(
        alert_sender, "goes_on", lambda: (said.append(alert_sender.trouble), Notifier.goes_on(alert_sender), stop.set())
    )
    work(alert_sender, stop, 0.1)
    alert_sender.close()
    assert said == ["this program failed (KeyError), and its log has the details"]
    assert alert_sender.trouble == ""
    assert caplog.text.count("alerts: this program failed\n") == 1


def test_before_the_first_run_of_a_store_no_alert_is_sent(world: World) -> None:
    (world.alert_sender._store).unlink()  # type: ignore[union-attr]
    assert world.after(0, world.fails) == world.after(90, world.fails) == []
    world.alert_sender.goes_on()
    assert world.after(0, world.fails) == []
    assert len(world.after(90, world.fails)) == 2
