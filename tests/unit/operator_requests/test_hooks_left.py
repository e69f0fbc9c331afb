"""Web hooks in the box of a store: what the engine reads of them, and of when they came."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rulebot.model.errors import StoreError
from rulebot.model.event import Request, WebhookReceived
from rulebot.operator_requests.requests import MOST_WAITING, NANOSECONDS, RequestInbox, post, post_hook
from rulebot.store.place import Place
from rulebot.store.requests import folder_of

AT = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    path.write_bytes(b"")
    return path


def received(store: Path) -> int:
    (file,) = folder_of(store).glob("*.json")
    return int(json.loads(file.read_text())["received"])


@pytest.mark.parametrize(("later", "came"), [(0.0, 0), (0.9, 0), (1.2, 1), (600.0, 600), (-5.0, 0)])
def test_in_a_simulated_run_it_came_so_long_before_now(store: Path, later: float, came: int) -> None:
    post_hook(store, "trend", "up", "m1")
    then = received(store) + int(later * NANOSECONDS)
    (found,) = RequestInbox(store, wall=lambda: then, is_simulated=True).read(AT)
    assert found == WebhookReceived(at=AT, id="m1", name="trend", says="up", came=AT - timedelta(seconds=came))


def test_in_a_real_run_it_came_when_it_was_received_however_old_the_last_batch_is(store: Path) -> None:
    """While the connection is away time does not go on for the engine, and for the world it does."""
    post_hook(store, "trend")
    stamp = received(store)
    (found,) = RequestInbox(store, wall=lambda: stamp + 600 * NANOSECONDS).read(AT)
    assert isinstance(found, WebhookReceived)
    assert abs(found.came.timestamp() - stamp / NANOSECONDS) <= 1.0
    assert found.at == AT
    (found,) = RequestInbox(store, wall=lambda: stamp + 600 * NANOSECONDS, ahead=lambda: 21600.0).read(AT)
    assert isinstance(found, WebhookReceived)
    assert abs(found.came.timestamp() + 21600 - stamp / NANOSECONDS) <= 1.0


def test_it_is_removed_once_its_record_is_kept_and_not_before(store: Path) -> None:
    clock = [0.0]
    post_hook(store, "trend")
    inbox = RequestInbox(store, lambda: clock[0])
    assert len(inbox.read(AT)) == 1
    assert len(list(folder_of(store).glob("*.json"))) == 1  # what a killed engine leaves for the next one
    clock[0] = 1.0
    assert inbox.read(AT) == []
    assert not list(folder_of(store).glob("*.json"))


def test_it_waits_for_the_next_engine_beside_what_people_ask(store: Path) -> None:
    post_hook(store, "trend")
    post(store, Request.PAUSE, "condor")
    found = RequestInbox(store).read(AT)
    assert [type(each).__name__ for each in found] == ["WebhookReceived", "OperatorRequest"]


def test_hooks_of_one_instant_are_two(store: Path) -> None:
    post_hook(store, "trend", "up")
    post_hook(store, "trend", "up")
    assert len({each.id for each in RequestInbox(store).read(AT)}) == 2


def test_a_box_that_nobody_reads_takes_only_so_many(store: Path) -> None:
    for _ in range(MOST_WAITING):
        post_hook(store, "trend")
    with pytest.raises(StoreError, match="no engine reads"):
        post_hook(store, "trend")
    post(store, Request.KILL)  # a person is heard all the same


def test_a_store_that_is_not_there_takes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        post_hook(tmp_path / "gone.db", "trend")
    assert not folder_of(tmp_path / "gone.db").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"hook": "trend"},
        {"id": "1", "hook": "trend", "says": ""},
        {"id": "1", "hook": "trend", "says": "", "received": "soon"},
        {"id": "1", "hook": "trend", "says": "", "received": 10**40},
        {"id": "1", "hook": "trend", "says": "", "received": -(10**30)},
    ],
)
def test_one_that_cannot_be_meant_is_set_aside(store: Path, body: dict[str, object]) -> None:
    folder_of(store).mkdir()
    (folder_of(store) / "1.json").write_text(json.dumps(body))
    inbox = RequestInbox(store)
    found = inbox.read(AT)
    assert found == [] or isinstance(found[0], WebhookReceived)
    assert len(list(folder_of(store).iterdir())) == 1


def test_on_a_server_they_are_rows(day_place: Place) -> None:
    post_hook(day_place, "trend", "up", "m1")
    inbox = RequestInbox(day_place)
    (found,) = inbox.read(AT)
    inbox.close()
    assert isinstance(found, WebhookReceived)
    assert (found.id, found.name, found.says) == ("m1", "trend", "up")
