"""What an operator and a disk do in a trial: requests come once or twice, a store fails with SQLite's own errors."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from rulebot.chaos.crash_points import CrashingJournal, CrashPlan
from rulebot.chaos.invariants import Leftovers
from rulebot.chaos.scenario import ACTS, CLOCK, OF_STORE, ChaosScenario, OperatorAction, OperatorActions, yaml_of
from rulebot.live.start import RunOptions
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.record.record import Kind, Record

NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)


def note(text: str, second: int = 0) -> Record:
    return Record(NOON + timedelta(seconds=second), Kind.ALARM, data={"text": text})


def journal(folder: Path, acts: OperatorActions) -> CrashingJournal:
    fate = CrashPlan(())
    fate.begin_life()
    return CrashingJournal(RunOptions(store=folder / "s.db", logs=None, sessions=1), fate, acts)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("store_busy", "locked by another program"),
        ("disk_full", "the disk is full"),
        ("store_read_only", "cannot be written"),
        ("commit_unknown", "is not known"),
    ],
)
def test_a_store_fails_as_often_as_it_is_to_and_then_continues(kind: str, words: str, tmp_path: Path) -> None:
    """Nothing of a write that failed is kept, but of the one of which it is not known."""
    acts = OperatorActions((OperatorAction(kind=kind, at=NOON, times=2),))
    written = journal(tmp_path, acts)
    written.append([note("before", -5)], durable=True)
    said: list[StoreError] = []
    for number in range(200):  # a full disk has room left in the pages that it has
        try:
            written.append([note(f"{number} " + 2000 * "x")], durable=True)
        except StoreError as error:
            said.append(error)
    assert len(said) == 2
    assert all(words in str(error) for error in said)
    assert acts.excuses(said[-1])
    assert acts.done == [kind]
    kept = [str(record.data["text"]) for record in written.read()]
    assert len(kept) == 201 - (0 if kind == "commit_unknown" else 2)
    assert written.verify() is None
    written.close()


def test_a_failure_that_was_not_made_is_not_excused() -> None:
    assert not OperatorActions(()).excuses(StoreError("by itself"))


class _Idle:
    """A loop that holds these positions."""

    inbox = staticmethod(lambda at: [])

    def __init__(self, *positions: object) -> None:
        held = {str(number): each for number, each in enumerate(positions)}
        self.state = SimpleNamespace(positions=SimpleNamespace(active=tuple(held), by_id=held))


def requests(*acts: OperatorAction) -> tuple[OperatorActions, list[tuple[str, Request]]]:
    made, loop = OperatorActions(acts), _Idle()
    made.attend(loop)  # type: ignore[arg-type]
    found = [each for second in range(10) for each in loop.inbox(NOON + timedelta(seconds=second))]
    return made, [(each.id, each.request) for each in found]


def test_requests_come_at_their_time_and_a_double_click_has_one_id() -> None:
    made, found = requests(
        OperatorAction(kind="request_twice", at=NOON + timedelta(seconds=3), request="pause"),
        OperatorAction(kind="kill", at=NOON),
    )
    assert [request for _, request in found] == [Request.KILL, Request.PAUSE, Request.PAUSE]
    assert found[1] == found[2]
    assert made.done == ["kill", "request_twice"]
    assert not made.stopped()


def test_a_stop_is_reported_once() -> None:
    made, _ = requests(OperatorAction(kind="stop", at=NOON))
    assert (made.stopped(), made.stopped()) == (True, False)


def test_acts_stand_in_the_plan_as_comments_and_can_be_left_out() -> None:
    acts = (OperatorAction(kind="kill", at=NOON), OperatorAction(kind="disk_full", at=NOON, times=2))
    storm = ChaosScenario(seed=1, day=NOON.date(), market=None, begins=NOON, calm_at=NOON, acts=acts)
    assert yaml_of(storm) == "# kill: at 12:00:00\n# disk_full: at 12:00:00, 2 writes\nfaults: []\n"
    assert storm.pieces == 2
    assert storm.keeping([1]).acts == acts[1:]


def test_every_act_has_a_name_of_its_own() -> None:
    assert len(set(ACTS)) == len(ACTS)
    assert set(OF_STORE) < set(ACTS)


def test_the_clock_is_set_once_and_stays_so_and_counts_as_done_with_a_position_open() -> None:
    made = OperatorActions(
        [
            OperatorAction(kind=CLOCK, at=NOON, seconds=-60),
            OperatorAction(kind=CLOCK, at=NOON + timedelta(minutes=1), seconds=3600),
        ]
    )
    assert made.ahead(NOON - timedelta(seconds=1)) == 0
    assert [made.ahead(NOON), made.ahead(NOON + timedelta(seconds=30))] == [-60, -60]
    made.attend(_Idle(SimpleNamespace(is_flat=False)))  # type: ignore[arg-type]
    assert made.ahead(NOON + timedelta(minutes=2)) == 3600
    assert (made.done, made.done_open) == ([CLOCK, CLOCK], [CLOCK])
    assert str(OperatorAction(kind=CLOCK, at=NOON, seconds=-60)).endswith(", -60 s")


def test_what_a_dead_engine_does_to_its_emergency_journal_is_undone(tmp_path: Path) -> None:
    """Its code runs on for a while, and drops the file when it takes its records for written."""
    store = tmp_path / "s.db"
    kept = tmp_path / "s.db.emergency"
    remains = Leftovers(store)
    kept.write_bytes(b"one\n")
    remains.keep()
    kept.unlink()
    remains.put_back()
    assert kept.read_bytes() == b"one\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.unlink()
    remains.keep()
    kept.write_bytes(b"two\n")
    remains.put_back()
    assert not kept.exists()
    kept.write_bytes(b"three\n")
    remains.put_back()
    assert kept.read_bytes() == b"three\n", "nobody has died since"
