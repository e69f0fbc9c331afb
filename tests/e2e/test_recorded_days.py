"""The pages of recorded days: what they show is what a replay knows, for whoever may look, and they never hang."""

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from html import unescape
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.model.errors import StoreError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.periods import summed
from rulebot.record.record import Kind, Record
from rulebot.replay.replay import replayed_until
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.web import recorded_days as days_page
from rulebot.web import recorded_days as timeline
from rulebot.web.access import Access
from rulebot.web.recorded_days import Days, Timeline, TimelineInProgress, replay_for_page, replay_snapshot
from rulebot.web.server import Bind, Server, application

TOKEN = "a-token-of-a-test-0123"
DAY, NEXT = date(2026, 10, 21), date(2026, 10, 22)


@pytest.fixture(scope="module")
def store(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of two sessions of one bot, recorded."""
    found = Path(shutil.copytree(two_days, tmp_path_factory.mktemp("days") / "of")) / "s.db"
    with closing(SqlJournal(open_store(found), logs=None)) as journal:
        trade = {"bot": "put_lite", "position": "p", "differs": False, "is_explained": True, "natural": None}
        reported = {"trades": [trade], "since": None, "until": None, "decides_otherwise": False}
        data = summed(DAY, [reported], {})
        journal.append([Record(at(DAY, "16:06:00"), Kind.FACTS, data=data)], durable=True)
    return found


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    server = Server(lambda stopping: application(store, Access(token=TOKEN), stopping=stopping), Bind(port=0))
    yield server.start()
    server.stop()


def get(address: str, token: str = TOKEN) -> tuple[int, str]:
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, unescape(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def page(address: str) -> str:
    """Return a day's page once it is there."""
    for _ in range(120):
        status, text = get(address)
        assert status == 200, text
        if 'id="moment"' in text:
            return text
        assert "Replaying the day" in text
        time.sleep(0.5)
    raise AssertionError("the day never came")


def at(day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=EXCHANGE_ZONE)


def test_a_day_that_was_compared_with_its_specs_says_what_came_of_it(address: str) -> None:
    said = "2026-10-21 compared with the specs: 1 of 1 trades as the specs say, but for prices"
    assert said in page(f"{address}days/{DAY}")
    assert "compared with the specs" not in page(f"{address}days/{NEXT}")


def come(days: Days, day: date) -> Timeline:
    found = days.timeline(day, 60.0)
    assert isinstance(found, Timeline)
    return found


def test_recorded_days_are_listed(address: str) -> None:
    status, text = get(f"{address}days")
    assert status == 200
    assert text.index('href="/days/2026-10-22"') < text.index('href="/days/2026-10-21"')
    assert "09:29 to 23:59" in text or "09:29 to 16:0" in text


@pytest.mark.parametrize("path", ["days", "days/2026-10-21?at=10:30"])
def test_nobody_looks_without_the_token(address: str, path: str) -> None:
    for token in ("", "another"):
        status, text = get(f"{address}{path}", token=token)
        assert status == 401
        assert "put_lite" not in text


def test_an_instant_is_what_replay_shows_of_it(address: str, store: Path) -> None:
    text = page(f"{address}days/2026-10-21?at=10:29")
    words = ("replay", "2026-10-21", "--at", "10:29", "--format", "json", "--store", str(store))
    reported = json.loads(CliRunner().invoke(main, words).stdout)
    for name, quote in reported["quotes"].items():
        shown = [re.escape("–" if each is None else f"{each:,.2f}") for each in (quote["bid"], quote["ask"])]
        assert re.search(rf'{re.escape(name)}</th><td class="n">{shown[0]}</td><td class="n">{shown[1]}</td>', text)
    for rule in reported["bots"]["put_lite"]:
        assert f'<th scope="row">{rule["rule"]}</th>' in text
    assert "At 10:29:00" in text
    assert text.count('<span class="truth true">yes</span>') == 4
    assert "entry sent" not in text[text.index("What had happened") :]
    assert "Next: 10:30:00" in text
    assert "is recorded before" not in text
    assert "nothing is recorded before 09:29:00: this was the state then" in page(f"{address}days/2026-10-21?at=08:00")


def test_exits_stand_in_a_row_below_their_position(address: str) -> None:
    """In a column at the right they were cut off, and had to be scrolled to."""
    text = page(f"{address}days/2026-10-21?at=10:31")
    found = re.search(r'</tr>\s*<tr class="under"><td class="words" colspan="12">(.*?)</td></tr>', text)
    assert found is not None
    assert "target 0.25 (now 0.60); stop 0.97; time 15:30" in found[1]


def test_the_next_decision_is_one_step_away(address: str) -> None:
    text = page(f"{address}days/2026-10-21?at=10:29")
    for said in ("watching: its window is open", "filled: sold 5970/5980p at 0.50", "target: closing"):
        (path,) = re.findall(r'href="/(days/2026-10-21\?at=[\d:]+)">Next', text)
        text = page(f"{address}{path}")
        assert said in text[text.index("What had happened") :]
    assert '<span class="doing exiting">' in text
    assert "/bots/put_lite?day=2026-10-21#why" in text
    before = re.findall(r'href="/(days/2026-10-21\?at=[\d:]+)">Before', text)
    assert "10:30:11" in before[0]


def test_the_slider_needs_no_script(address: str) -> None:
    one, other = page(f"{address}days/2026-10-21?at=11:00"), page(f"{address}days/2026-10-21?minute=660")
    assert one == other
    (slider,) = re.findall(r'<input type="range"[^>]*>', one)
    assert {'min="569"', 'value="660"', 'aria-valuetext="11:00"'} <= set(slider.rstrip(">").split())
    assert "<script" not in one.replace('<script type="module" src="/static/page.js">', "")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("days/2026-10-21?at=25:00", 400, "a time is written 11:20"),
        ("days/2026-10-21?minute=5000", 422, "minute"),
        ("days/yesterday", 400, "a day is written 2026-10-21"),
        ("days/..%2F..%2Fs", 404, ""),
        ("days/2026-10-20", 404, "nothing is recorded of 2026-10-20"),
    ],
)
def test_what_is_not_there_is_reported(address: str, path: str, status: int, said: str) -> None:
    found = get(f"{address}{path}")
    assert found[0] == status, found
    assert said in found[1]


def test_each_moment_is_the_state_of_its_instant_bit_for_bit(store: Path) -> None:
    files = sorted(store.with_name("s-tapes").glob(f"*/{DAY}.tape"))
    found = replay_for_page(files)
    assert found.instants == tuple(sorted(found.instants))
    assert not found.problem
    for clock in ("09:31", "10:30", "10:30:11", "12:00", "15:59"):
        assert found.at(at(DAY, clock)) == replay_snapshot(replayed_until(files, at(DAY, clock)), at(DAY, clock)), clock


def test_a_later_day_of_a_run_has_its_own_moments_alone(store: Path) -> None:
    found = replay_for_page(sorted(store.with_name("s-tapes").glob(f"*/{NEXT}.tape")))
    assert {each.astimezone(EXCHANGE_ZONE).date() for each in found.instants} == {NEXT}
    assert all(each.at >= found.instants[0] for each in found.happened)


@pytest.fixture
def may_come(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Return what lets days come, which then nobody lives through: the pages above have them from processes."""
    may = Event()

    def answer(_: object) -> Timeline | None:
        return Timeline((), (), (), ()) if may.wait(60.0) else None

    monkeypatch.setattr(timeline._Building, "_answer", answer)
    return may


def test_a_day_under_way_says_so_and_only_some_are_kept(
    store: Path, may_come: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "KEPT_DAYS", 1)
    days = Days(store.with_name("s-tapes"))
    assert isinstance(days.timeline(DAY, 0.0), TimelineInProgress)
    may_come.set()
    first = come(days, DAY)
    assert days.timeline(DAY, 0.0) is first
    come(days, NEXT)
    may_come.clear()
    assert isinstance(days.timeline(DAY, 0.0), TimelineInProgress)
    may_come.set()
    assert come(days, DAY) is not first


def test_a_damaged_recording_is_reported_and_tried_again(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tapes" / "run"
    folder.mkdir(parents=True)
    (good,) = store.with_name("s-tapes").glob(f"*/{DAY}.tape")
    raw = bytearray(good.read_bytes())
    raw[len(raw) // 2 :] = bytes(len(raw) - len(raw) // 2)
    (folder / good.name).write_bytes(raw)
    days = Days(folder.parent)
    for _ in range(2):
        with pytest.raises(StoreError, match="2026-10-21"):
            days.timeline(DAY, 60.0)


def test_a_recording_that_cannot_be_read_takes_no_other_of_its_day_away(store: Path, tmp_path: Path) -> None:
    """A file without a letter, as a start that was killed leaves it, kept the whole day from its page."""
    copied = Path(shutil.copytree(store.parent, tmp_path / "of")) / store.name
    (good,) = copied.with_name("s-tapes").glob(f"*/{DAY}.tape")
    empty = good.parent.with_name("0-killed") / good.name
    empty.parent.mkdir()
    empty.touch()
    server = Server(lambda stopping: application(copied, Access(token=TOKEN), stopping=stopping), Bind(port=0))
    try:
        text = page(f"{server.start()}days/{DAY}?at=10:31")
    finally:
        server.stop()
    assert "At 10:31:00" in text
    assert f"Left out: {empty} is no recording: no such table: frames" in text


def test_not_too_many_days_are_lived_through_at_once(
    store: Path, may_come: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MOST_WAITING", 1)
    days = Days(store.with_name("s-tapes"))
    days.timeline(DAY, 0.0)
    with pytest.raises(StoreError, match="other days are being lived through"):
        days.timeline(NEXT, 0.0)
    may_come.set()
    come(days, DAY)


def test_a_recording_that_decides_otherwise_ends_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows what stood up to then, and says why no more."""
    files = sorted(store.with_name("s-tapes").glob(f"*/{DAY}.tape"))
    real = timeline.open_recording

    def other(file: Path) -> object:
        found = real(file)
        found.head["install"] = "another"
        return found

    monkeypatch.setattr(timeline, "open_recording", other)
    found = replay_for_page(files)
    assert "decides otherwise" in found.problem
    assert found.instants[-1] < at(DAY, "10:31")
    assert days_page._shown(found, DAY, found.instants[-1].astimezone(EXCHANGE_ZONE).time())["problem"]
