"""Requests as the page and the terminal leave them: what is there is asked, and what is said is what will happen."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from store_day import entity

from rulebot.model.errors import MisuseError
from rulebot.model.event import Request
from rulebot.model.position import FLATTENED, Position
from rulebot.operator_requests.requests import NoEngineError, UnknownTargetError, leave
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of


@pytest.fixture
def store(day_store: Path) -> Path:
    """Return the store of the hand-made day, which no engine has."""
    return day_store


def test_what_closes_all_says_what_ends_it(store: Path) -> None:
    """A restart does not."""
    assert "until Start or 'rulebot resume', also after a restart" in leave(store, Request.FLATTEN).message


def recorded(store: Path, changed: Callable[[Position], Position]) -> Position:
    """Put on record what has become of the put seller's position, and return it."""
    journal = SqlJournal(open_store(store))
    with StoreReader(store) as reader:
        found = reader.last_record(Kind.POSITION, "P2")
    assert found is not None
    held = changed(decode(Position, dict(found[1].data)))
    journal.append([entity(Kind.POSITION, found[1].at, held)], durable=True)
    journal.close()
    return held


def asked(store: Path) -> list[dict[str, str]]:
    return [json.loads(body) for _, body in box_of(store).found()]


def test_a_position_names_its_bot(store: Path) -> None:
    left = leave(store, Request.CLOSE, position="P2", identity="t-1")
    assert not left.engine_runs
    assert left.message.startswith("P2 is closed as soon as it can be")
    assert left.message.endswith("no engine runs: the next one does so before anything else")
    assert asked(store) == [{"id": "t-1", "request": "close", "bot": "spy_put_seller", "position": "P2"}]


def test_of_a_position_that_is_closed_it_is_said_how(store: Path) -> None:
    """Who pressed Close second was told that nothing is called so."""
    with pytest.raises(UnknownTargetError, match=r"P1 is closed already: \w+, 2026-11-18 \d\d:\d\d:\d\d New York"):
        leave(store, Request.CLOSE, position="P1")


def test_what_was_asked_to_be_closed_is_kept_also_while_that_waits_for_an_engine(store: Path) -> None:
    with pytest.raises(MisuseError, match=r"P2 was not asked to close: its exits continue"):
        leave(store, Request.KEEP, position="P2")
    for request, position in ((Request.CLOSE, "P2"), (Request.FLATTEN, "")):
        leave(store, request, position=position)
        leave(store, Request.RESUME)
        reported = leave(store, Request.KEEP, position="P2").message
        assert reported.startswith("P2 is no longer being closed, as requested: its exits continue")
        with pytest.raises(MisuseError, match="P2 was not asked to close"):
            leave(store, Request.KEEP, position="P2")
    assert [each["request"] for each in asked(store)] == ["close", "resume", "keep", "flatten", "resume", "keep"]
    for _ in range(2):
        leave(store, Request.FLATTEN)
        leave(store, Request.KEEP, position="P2")


def test_what_is_being_closed_cannot_be_kept_any_more(store: Path) -> None:
    recorded(store, lambda held: replace(held, state="exiting", exit_reason=FLATTENED))
    with pytest.raises(MisuseError, match=r"P2 is already being closed, as requested"):
        leave(store, Request.KEEP, position="P2")


def test_of_a_position_that_nothing_is_sent_for_it_is_said_that_it_is_not_closed(store: Path) -> None:
    """It was called closed as soon as it can be, and nothing ever came."""
    too_far = recorded(
        store, lambda held: replace(held, legs=tuple(replace(leg, closed=leg.opened + 1) for leg in held.legs))
    )
    left = f"nothing is sent for the rest, +1 {too_far.legs[0].option}"
    why = f"but P2 is on hold: more was closed than was held; {left}"
    for request, position in ((Request.CLOSE, "P2"), (Request.FLATTEN, "")):
        assert leave(store, request, position=position).message.endswith(why)
    assert "on hold" not in leave(store, Request.FLATTEN, "dte0_condor").message
    assert "on hold" not in leave(store, Request.PAUSE).message


@pytest.mark.parametrize(
    ("request_", "bot", "position", "error"),
    [
        (Request.PAUSE, "nobody", "", UnknownTargetError),
        (Request.CLOSE, "", "P9", UnknownTargetError),
        (Request.CLOSE, "", "P1", UnknownTargetError),  # it is closed
        (Request.CLOSE, "spy_put_seller", "", MisuseError),
        (Request.KEEP, "spy_put_seller", "", MisuseError),
        (Request.KEEP, "", "P9", UnknownTargetError),
        (Request.PAUSE, "", "P2", MisuseError),
        (Request.ENTER, "dte0_condor", "", NoEngineError),
    ],
)
def test_what_nobody_can_do_is_not_left(
    store: Path, request_: Request, bot: str, position: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        leave(store, request_, bot, position)
    assert asked(store) == []


def test_nothing_is_left_where_no_engine_will_ever_run(store: Path) -> None:
    """On the page of a simulated day that was over it was promised that the next engine would do it."""
    with closing(SqlJournal(open_store(store))) as journal:
        at = max(record.at for record in journal.read())
        journal.append([Record(at, Kind.RUN_STARTED, data={"settings": {"sim": True}})], durable=True)
        leave(store, Request.PAUSE)
    with pytest.raises(NoEngineError, match="and none will: it belongs to a simulated market that is over"):
        leave(store, Request.FLATTEN)
    assert [each["request"] for each in asked(store)] == ["pause"]


def test_an_entry_is_left_while_an_engine_has_the_store(store: Path) -> None:
    journal = SqlJournal(open_store(store))
    try:
        left = leave(store, Request.ENTER, "dte0_condor")
        assert (left.engine_runs, left.message.split(";")[0]) == (True, "dte0_condor is asked to enter at once")
    finally:
        journal.close()
    (found,) = asked(store)
    assert (found["request"], found["bot"], found["position"]) == ("enter", "dte0_condor", "")
