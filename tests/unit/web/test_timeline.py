"""A recorded day on the page: where its recordings leave a gap, and where they do not."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from rulebot.model.errors import internal_error_text
from rulebot.web import recorded_days as days_page
from rulebot.web import recorded_days as timeline
from rulebot.web.recorded_days import Gap, Timeline, replay_for_page

START = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def test_an_instant_between_two_runs_is_reported_as_one_that_is_not_recorded() -> None:
    gap = Gap(after(15), after(1385))
    instants = (START, after(1390), after(1440), after(9000))
    seen = Timeline(instants, (), (), gaps=(gap,))
    assert [seen.gap(after(each)) for each in (-60, 0, 14, 15, 600, 1389, 1390, 1440, 5000, 9999)] == [
        None, None, None, gap, gap, gap, None, None, None, None,
    ]  # fmt: skip


def test_what_an_earlier_run_decided_otherwise_is_reported_up_to_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page showed what stood an hour before, as if it were of that minute."""
    runs = {"a": (START, after(7200)), "b": (after(7200), after(7500))}

    def replay(recording: SimpleNamespace, marks: deque[datetime], glimpse: Callable[..., None], **_: object) -> object:
        is_other = recording.file == "a"
        found = SimpleNamespace(difference="another order" if is_other else None)
        while marks and not (is_other and marks[0] > after(600)):
            glimpse(found, marks.popleft())
        return found

    resending = SimpleNamespace(rest=lambda _: ())
    for name, stand_in in {
        "span": lambda file: runs[file.name],
        "instant": lambda at: at,
        "open_recording": lambda file: SimpleNamespace(day=START.date(), file=file.name),
        "replay": replay,
        "replay_snapshot": lambda _, at: at,
        "ReplayText": lambda: resending,
    }.items():
        monkeypatch.setattr(timeline, name, stand_in)
    seen = replay_for_page([Path("a"), Path("b")])
    assert (seen.problem, seen.gaps) == ("", (Gap(after(600), after(7200), timeline.OTHERWISE),))
    words = days_page._gap_words(seen, after(3600))
    assert words.startswith("nothing is shown from 10:40:00 to 12:30:00: this was the state before; this version")
    assert not days_page._gap_words(seen, after(7260))


def test_an_instant_outside_of_what_is_recorded_is_not_shown_as_if_it_were_within() -> None:
    """Asked for 12:00 of a day recorded to 11:00 the page showed 11:00 and said nothing of it."""
    seen = Timeline((after(20), after(600), after(1800)), (), ())
    said = {each: days_page._not_recorded(seen, after(each), after(min(each, 1800))) for each in (-60, 0, 1800, 1801)}
    assert said == {
        -60: "nothing is recorded before 10:30:20: this was the state then",
        0: "",
        1800: "",
        1801: "nothing is recorded after 11:00:00: this was the state then",
    }


def test_a_day_that_this_program_fails_at_says_so_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had a sentence of its own for it."""

    def fails(*_: object) -> Timeline:
        raise KeyError

    for name in ("replay_for_page", "leave_at_end"):
        monkeypatch.setattr(timeline, name, fails if name == "replay_for_page" else lambda: None)
    monkeypatch.setattr(timeline.signal, "signal", lambda *_: None)
    monkeypatch.setattr(timeline.os, "nice", lambda _: None)
    said: list[object] = []
    with pytest.raises(KeyError):
        timeline.work([], SimpleNamespace(send=said.append))
    assert said == [internal_error_text(KeyError())]
