"""What `rulebot top` reads of a store and leaves for its engine; no terminal takes part."""

from contextlib import closing
from pathlib import Path

import pytest
from store_day import WATCHER, at

from rulebot.alerts.find import Alert, Grade
from rulebot.alerts.notifier import outbox_path
from rulebot.alerts.outbox import Outbox
from rulebot.cli.terminal.top import ScreenState
from rulebot.cli.terminal.top_keys import ConfirmQuestion, Focus, after_key
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.narrate.notices import ACKNOWLEDGE_ALL
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of


def seen(place: Path) -> ScreenState:
    desk = ScreenState(place)
    desk.look()
    return desk


def test_a_store_is_read_again_only_when_something_was_written(day_store: Path) -> None:
    desk = seen(day_store)
    first = desk.seen.picture
    desk.look()
    assert desk.seen.picture is first
    journal = SqlJournal(open_store(day_store))
    journal.append([Record(at("15:59"), Kind.ALARM, "", "", {"text": "a new one"})], durable=True)
    desk.look()
    assert (desk.seen.picture.engine, desk.seen.alarms[0].text) == ("running", "a new one")
    journal.close()
    desk.look()
    assert desk.seen.picture.engine == "stopped"


def test_what_is_answered_with_yes_is_left_and_said(day_store: Path) -> None:
    desk = seen(day_store)
    pause = ConfirmQuestion("Pause it", "", Request.PAUSE, WATCHER)
    assert desk.do(pause).startswith(f"{WATCHER} is asked to enter nothing more")
    assert len(box_of(day_store).found()) == 1


def test_what_the_store_does_not_know_is_refused_in_a_sentence(day_store: Path) -> None:
    desk = seen(day_store)
    gone = ConfirmQuestion("Close 1p of nobody", "", Request.CLOSE, "nobody", "P9")
    assert desk.do(gone) == "Close 1p of nobody was refused: nothing open is called 'P9'"
    enter = ConfirmQuestion("Enter it", "", Request.ENTER, WATCHER)
    assert desk.do(enter) == "Enter it was refused: no engine runs: it cannot enter"
    assert box_of(day_store).found() == []


def test_the_second_of_two_who_have_a_bot_enter_is_reported(day_store: Path) -> None:
    """Both had said yes to the same question, and a bot with `again` entered twice."""
    first, second = seen(day_store), seen(day_store)
    enter = ConfirmQuestion("Enter it", "", Request.ENTER, WATCHER)
    journal = SqlJournal(open_store(day_store))
    for desk in (first, second):
        desk.asks(enter)
    assert first.do(enter).startswith(f"{WATCHER} is asked to enter at once")
    assert second.do(enter).startswith(
        f"Enter it was refused: {WATCHER} has entered, or was asked to, since this was asked; look at what it has"
    )
    assert len(box_of(day_store).found()) == 1
    second.asks(enter)
    assert second.do(enter).startswith(f"{WATCHER} is asked to enter at once")
    journal.close()


def test_grave_alerts_are_counted_and_acknowledged(day_store: Path) -> None:
    desk = seen(day_store)
    assert (desk.seen.waiting, outbox_path(day_store).exists()) == (0, False)
    outbox = Outbox(outbox_path(day_store))
    grades = (Grade.GRAVE, Grade.TRADE, Grade.GRAVE)
    alerts = [
        Alert(key=str(n), at=at(f"10:0{n}"), grade=each, text=f"words {n}", bot=WATCHER)
        for n, each in enumerate(grades)
    ]
    outbox.add(alerts, 1, [("phone", Grade.GRAVE)], at("10:05"))
    outbox.close()
    desk.look()
    assert desk.seen.waiting == 2
    focus, _ = after_key(Focus(), "a", desk.seen.picture, desk.seen.waiting, desk.seen.newest)
    with closing(Outbox(outbox_path(day_store))) as outbox:
        later = Alert(key="later", at=at("10:06"), grade=Grade.GRAVE, text="came behind the question")
        outbox.add([later], 2, [("phone", Grade.GRAVE)], at("10:06"))
    desk.look()
    _, question = after_key(focus, "y", desk.seen.picture, desk.seen.waiting, desk.seen.newest)
    assert question is not None
    assert question.words == ACKNOWLEDGE_ALL
    assert desk.do(question).endswith("acknowledged")
    desk.look()
    assert desk.seen.waiting == 1


def test_a_store_that_cannot_be_read_is_said_at_the_start_and_later_waited_for(day_store: Path) -> None:
    desk = seen(day_store)
    away = day_store.rename(day_store.with_name("away.db"))
    with pytest.raises(StoreError):
        ScreenState(day_store).look()
    desk.look_again()
    assert "there is no store" in desk.seen.fault
    assert desk.seen.picture.bots
    away.rename(day_store)
    desk.look_again()
    assert desk.seen.fault == ""
