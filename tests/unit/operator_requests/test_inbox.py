"""Requests from other processes: files beside the store, which outlive an engine that is not there."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.operator_requests.requests import RequestInbox, clear_box, post
from rulebot.store.requests import folder_of, remove_requests
from rulebot.store.sqlite import hold_store

AT = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    path.write_bytes(b"")
    return path


def asked(inbox: RequestInbox) -> list[tuple[Request, str]]:
    inbox._looked = 0.0
    return [(found.request, found.bot) for found in inbox.read(AT)]


class Stuck:
    """A box out of which nothing can be taken."""

    def __init__(self) -> None:
        self.held: list[tuple[str, str]] = []

    def put(self, name: str, body: str) -> None:
        self.held.append((name, body))

    def found(self) -> list[tuple[str, str]]:
        return self.held

    def remove(self, _: str) -> bool:
        return False

    def set_aside(self, _: str) -> bool:
        return False

    def close(self) -> None:
        """Let go of nothing."""


def test_a_running_engine_reads_each_request_and_removes_its_file(store: Path) -> None:
    with hold_store(store):
        inbox = RequestInbox(store)
        assert post(store, Request.PAUSE, "condor")
        assert asked(inbox) == [(Request.PAUSE, "condor")]
        asked(inbox)
        assert not list(folder_of(store).glob("*.json"))


@pytest.mark.parametrize("request_", [Request.KILL, Request.FLATTEN, Request.PAUSE, Request.RESUME])
def test_with_no_engine_a_request_waits_for_the_next_one(request_: Request, store: Path) -> None:
    assert not post(store, request_)
    assert asked(RequestInbox(store)) == [(request_, "")]


def test_a_stop_is_for_an_engine_that_runs(store: Path) -> None:
    with pytest.raises(StoreError, match="no engine is running"):
        post(store, Request.STOP)
    with hold_store(store):
        post(store, Request.STOP)
    clear_box(store)
    assert asked(RequestInbox(store)) == []


def test_what_comes_while_an_engine_waits_for_its_gateway_is_meant_for_it_but_for_an_entry(store: Path) -> None:
    with hold_store(store):
        clear_box(store)
        for request in (Request.SET, Request.ENTER, Request.RELOAD, Request.STOP):
            post(store, request, "condor")
        assert [request for request, _ in asked(RequestInbox(store))] == [Request.SET, Request.RELOAD, Request.STOP]


def test_a_store_that_is_not_there_takes_no_requests(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no engine is running"):
        post(tmp_path / "other.db", Request.KILL)


def test_what_cannot_be_read_is_set_aside(store: Path) -> None:
    folder = folder_of(store)
    folder.mkdir()
    (folder / "1.json").write_text("no json", encoding="utf-8")
    assert asked(RequestInbox(store)) == []
    assert [found.suffix for found in folder.iterdir()] == [".unreadable"]


@pytest.mark.parametrize(
    "body",
    [
        "[1]", '"x"', "1", "null", "{}", "[" * 100_000,
        '{"id": 1, "request": []}', '{"id": 1, "request": "kill", "values": [1]}',
        '{"hook": "a", "id": 1, "says": "", "received": 1e999}', '{"hook": "a", "id": 1, "says": "", "received": null}',
    ],
)  # fmt: skip
def test_nothing_that_lies_in_the_box_ends_an_engine(store: Path, body: str) -> None:
    """A list, a word or what is nested beyond reason ended it, and each start after it."""
    folder_of(store).mkdir()
    (folder_of(store) / "1.json").write_text(body, encoding="utf-8")
    clear_box(store)
    assert asked(RequestInbox(store)) == []
    post(store, Request.PAUSE)
    assert asked(RequestInbox(store)) == [(Request.PAUSE, "")]


def test_a_request_that_cannot_be_removed_ends_no_engine_and_is_read_once(store: Path) -> None:
    """It may lie in a folder of another user's; a folder in its place stands for that."""
    inbox = RequestInbox(store)
    post(store, Request.PAUSE, "condor")
    assert asked(inbox) == [(Request.PAUSE, "condor")]
    (found,) = folder_of(store).glob("*.json")
    found.unlink()
    (found / "held").mkdir(parents=True)
    (found.with_suffix(".unreadable") / "held").mkdir(parents=True)
    assert asked(inbox) == asked(inbox) == []
    post(store, Request.RESUME, "condor")
    assert asked(inbox) == [(Request.RESUME, "condor")]


def test_a_stop_of_before_that_cannot_be_removed_refuses_the_start(store: Path) -> None:
    with hold_store(store):
        post(store, Request.STOP)
    (found,) = folder_of(store).glob("*.json")
    box = Stuck()
    box.held = [(found.stem, found.read_text(encoding="utf-8"))]
    with pytest.raises(StoreError, match="cannot be removed"):
        remove_requests(box, (Request.STOP,))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root leaves what another user is to own")
def test_what_root_leaves_is_its_engines_own(store: Path) -> None:
    os.chown(store, 4321, 4322)
    post(store, Request.KILL)
    folder = folder_of(store)
    for path in (folder, *folder.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)
