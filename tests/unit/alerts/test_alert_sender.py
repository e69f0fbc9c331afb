"""What is found in a store, kept in the outbox, and told: once, together, again, and after a crash."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from store_day import CONDOR, DAY, SELLER, at, condor_records, entity, small_day

from rulebot.alerts.find import Alert, Grade, _day_of, digest, find_alerts
from rulebot.alerts.notifier import Notifier, outbox_path
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.people import DeliveryPolicy, People, Person
from rulebot.alerts.send import NotSentError
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Halt, Shut
from rulebot.model.errors import MisuseError, StoreError
from rulebot.record.codec import utc_text, utc_time
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import RESTORED, back_up, restore
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

NOW = datetime(2026, 11, 18, 17, tzinfo=UTC)
PHONE = Person(name="phone", url="json://localhost")


class World:
    """A store that an engine writes, people, and a service that keeps or refuses what it is sent."""

    def __init__(self, folder: Path, *people: Person, **manner: Any) -> None:
        self.place = folder / "a.db"
        self.journal = SqlJournal(open_store(self.place))
        self.journal.append(small_day()[:1], durable=True)
        self.people = People(people or (PHONE,), DeliveryPolicy(**{"every": 10.0, **manner}))
        self.now = NOW
        self.sent: list[tuple[str, str, str]] = []
        self.grades: list[Grade] = []
        self.refuses: set[str] = set()
        self.waits: Callable[[], object] = lambda: None
        self.start()

    def start(self) -> None:
        self.alert_sender = Notifier(self.place, self.people, self.send, lambda: self.now)
        self.outbox = self.alert_sender.open()

    def send(self, person: str, title: str, body: str, grade: Grade) -> None:
        self.waits()
        if person in self.refuses:
            raise NotSentError("refused")
        self.sent.append((person, title, body))
        self.grades.append(grade)

    def record(self, kind: Kind, bot: str = "", **data: Json) -> None:
        self.journal.append([Record(self.now, kind, bot, data=data)], durable=True)

    def alarm(self, text: str = "the sky falls") -> None:
        self.record(Kind.ALARM, text=text)

    def after(self, seconds: float) -> list[tuple[str, str, str]]:
        """Let time pass, work until all that was sent has arrived, and return what was."""
        self.now += timedelta(seconds=seconds)
        before = len(self.sent)
        self.alert_sender.step(self.outbox)
        for future, _ in list(self.alert_sender._on_way.values()):
            future.exception(5)
        self.alert_sender._harvest(self.outbox)
        return self.sent[before:]

    def close(self) -> None:
        self.outbox.close()
        self.alert_sender.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()
    found.journal.close()


def test_a_service_that_fails_is_named_once_and_so_is_its_return(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.alarm()
    world.refuses.add("phone")
    world.after(1)
    world.after(30)
    world.refuses.clear()
    assert len(world.after(60)) == 1
    assert [each.getMessage() for each in caplog.records if each.name == "rulebot.alerts"] == [
        "alerts: 'phone' was not sent: refused. The message is kept and sent again",
        "alerts: 'phone' is sent again",
    ]


def test_an_alarm_is_reported_once_with_when_and_what(world: World) -> None:
    world.alarm()
    ((person, title, body),) = world.after(1)
    assert (person, title) == ("phone", "rulebot: alarm")
    assert body.startswith("12:00 the sky falls\n")
    assert world.after(20) == []


def test_an_alarm_about_a_position_names_it(world: World) -> None:
    """A bot holds several, and `a stop was refused` was said of any of them."""
    world.after(0)
    world.journal.append(condor_records(), durable=True)
    (name,) = {record.position for record in condor_records() if record.position}
    world.journal.append([Record(NOW, Kind.ALARM, CONDOR, name, {"text": "a stop was refused"})], durable=True)
    body = "".join(body for _, _, body in world.after(11))
    assert f"12:00 {CONDOR}: 5920/5930p 6065/6075c: a stop was refused\n" in body


def test_alarms_about_two_positions_of_the_same_legs_are_two(world: World) -> None:
    """They were counted as one that came twice, and a program heard of the first position alone."""
    world.after(0)
    for position in ("p-1", "p-2", "p-2"):
        world.journal.append([Record(NOW, Kind.ALARM, CONDOR, position, {"text": "a stop was refused"})], durable=True)
    ((_, title, body),) = world.after(11)
    assert title == "rulebot: 2 messages, 2 grave"
    assert body.count("a stop was refused") == 2
    assert body.count("(2 times)") == 1


def test_what_is_reported_on_another_day_has_its_date(tmp_path: Path) -> None:
    """A warning of the evening, told in the morning, seemed to be of that morning."""
    sleeper = replace(PHONE, quiet=(time(11), time(13)))
    world = World(tmp_path, sleeper)
    world.after(0)
    world.record(Kind.DECISION, "a_bot", what="halt", reason="daily loss $151, at most $150", values=[])
    assert world.after(1) == []
    ((_, _, body),) = world.after(24 * 3600 + 3600)
    assert body == "Nov 18 12:00 a_bot: halted for the day: daily loss $151, at most $150"
    world.close()
    world.journal.close()


def test_who_reads_it_elsewhere_is_reported_the_own_clock_too(tmp_path: Path) -> None:
    """In Berlin an alarm of 12:00 in New York, which came at 18:00, seemed to be six hours old."""
    boss = Person(name="boss", url="json://x", zone=ZoneInfo("America/Detroit"))
    world = World(tmp_path, replace(PHONE, zone=ZoneInfo("Europe/Berlin")), boss)
    world.after(0)
    world.alarm()
    reported = {person: body for person, _, body in world.after(11)}
    assert reported["phone"].startswith("18:00 (12:00 New York) the sky falls\n")
    assert reported["boss"].startswith("12:00 the sky falls\n")
    world.close()
    world.journal.close()


def test_a_message_is_as_urgent_as_the_gravest_of_it(world: World) -> None:
    """Services that wake people take what is told as any other thing for no incident."""
    world.after(0)
    world.record(Kind.DECISION, "a_bot", what="halt", reason="a reason", values=[])
    world.after(1)
    world.record(Kind.OPERATOR, "a_bot", id="1", request="pause", accepted=True)
    world.alarm()
    world.after(20)
    assert world.grades == [Grade.WARNING, Grade.GRAVE]


def test_what_an_operator_changes_is_reported(world: World) -> None:
    """A pause was told, and that somebody doubled a bot's risk was not."""
    change: dict[str, Json] = {"bot": "a_bot", "change": "changed", "was": "1" * 64, "now": "2" * 64}
    reported: dict[str, Json] = {"changes": [change], "limit_changes": []}
    world.after(0)
    data: dict[str, Json] = {"what": "asked", "id": "1", "bot": "a_bot", "values": {"delta": "0.20"}, **reported}
    world.journal.append([Record(world.now, Kind.RELOAD, data=data)], durable=True)
    ((_, title, body),) = world.after(20)
    assert (title, body.partition(" ")[2]) == ("rulebot: notice", "a_bot: asked by the operator: set delta 0.20")
    world.record(Kind.RELOAD, what="asked", id="2", **reported)
    world.record(Kind.RELOAD, what="applied", **reported)
    ((_, _, body),) = world.after(20)
    assert body.partition(" ")[2] == "asked by the operator: reload: a_bot changed, 11111111 to 22222222"


def test_what_was_there_before_this_run_is_not_reported(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "old.db"))
    journal.append([*small_day(), Record(NOW, Kind.RUN_ENDED, data={"reason": "x", "is_clean": True})], durable=True)
    journal.close()
    sent: list[str] = []
    alert_sender = Notifier(tmp_path / "old.db", People((PHONE,)), lambda *words: sent.append(words[2]))
    outbox = alert_sender.open()
    alert_sender.finish(outbox, 2)
    assert sent == []
    assert {kept.alert.grade for kept, _ in outbox.newest(50)} >= {Grade.TRADE, Grade.DIGEST}
    outbox.close()
    alert_sender.close()


def test_what_comes_within_a_while_is_reported_together_and_the_grave_first(world: World) -> None:
    world.after(0)
    world.record(Kind.DECISION, "a_bot", what="halt", reason="daily loss $151, at most $150", values=[])
    assert len(world.after(1)) == 1
    world.record(Kind.OPERATOR, "a_bot", id="1", request="pause", accepted=True)
    assert world.after(1) == []
    world.alarm()
    assert world.after(1) == []
    ((_, title, body),) = world.after(9)
    assert title == "rulebot: 2 messages, 1 grave"
    assert body.split("\n")[0].endswith("the sky falls")
    assert "a_bot: asked by the operator: pause" in body


def test_the_same_alarm_over_and_over_is_counted_not_reported_again(world: World) -> None:
    for _ in range(1000):
        world.alarm()
    ((_, _, body),) = world.after(1)
    assert "the sky falls (1000 times)" in body
    world.alarm()
    assert world.after(30) == []


def test_a_grave_one_is_shown_until_it_is_acknowledged_and_counts_as_one(desk: World) -> None:
    for _ in range(3):
        desk.alarm()
    desk.record(Kind.DECISION, "condor", what="enter", reason="", values=[])
    desk.after(1)
    for number in range(30):
        desk.record(Kind.DECISION, "condor", what="halt", reason=f"no {number}", values=[])
        desk.after(1)
    shown = [kept.alert.grade for kept, _ in desk.outbox.newest(20)]
    assert shown == [Grade.WARNING] * 20 + [Grade.GRAVE]
    assert desk.outbox.acknowledge(None, desk.now) == 31
    assert desk.outbox.acknowledge(None, desk.now) == 0
    assert len(desk.outbox.newest(20)) == 20


def test_two_trades_in_the_same_words_are_two(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    same = [Alert(key=key, at=NOW, grade=Grade.TRADE, text="opened 5900p", bot="b") for key in ("1", "2")]
    outbox.add(same, 1, [("phone", Grade.TRADE)], NOW)
    assert [each.kept.alert.key for each in outbox.due("phone", NOW)] == ["1", "2"]
    outbox.close()


def test_a_grave_one_is_reported_again_until_it_is_acknowledged(tmp_path: Path) -> None:
    boss = Person(name="boss", url="json://x", from_round=2, tell=(Grade.GRAVE,))
    world = World(tmp_path, PHONE, boss, again_after=600, times=3)
    world.alarm()
    assert [person for person, _, _ in world.after(1)] == ["phone"]
    assert world.after(500) == []
    again = world.after(200)
    assert sorted(person for person, _, _ in again) == ["boss", "phone"]
    assert "(not acknowledged yet) 12:00 the sky falls" in again[0][2]
    (kept, _), *_ = world.outbox.newest(5)
    assert world.outbox.acknowledge(kept.id, world.now) == 1
    assert world.after(700) == []
    world.alarm("another")
    world.after(1)
    assert {"sent again until" in body for _, _, body in world.after(601)} == {True}
    assert [body.partition(";")[0].endswith("\nnot sent again") for _, _, body in world.after(601)] == [True, True]
    assert world.after(6000) == []  # three times in all
    world.close()
    world.journal.close()


def test_what_is_acknowledged_is_that_one_or_those_up_to_it(world: World) -> None:
    for text in ("one", "two", "three", "four"):
        world.alarm(text)
    world.after(1)
    number = {kept.alert.text: kept.id for kept, _ in world.outbox.newest(9)}
    assert world.outbox.acknowledge(number["three"], world.now) == 1
    assert world.outbox.acknowledge(None, world.now, until=number["one"]) == 1
    seen = {kept.alert.text: kept.is_acknowledged for kept, _ in world.outbox.newest(9)}
    assert seen == {"one": True, "two": False, "three": True, "four": False}


def test_what_is_acknowledged_while_nobody_could_be_reported_again_is_reported_no_more(tmp_path: Path) -> None:
    world = World(tmp_path, again_after=600, times=3)
    world.alarm()
    world.after(1)
    world.refuses = {"phone"}
    world.after(601)
    ((kept, fates),) = world.outbox.newest(5)
    assert fates == ("phone notified", "phone waits: refused")
    world.outbox.acknowledge(kept.id, world.now)
    world.refuses = set()
    assert world.after(60) == world.after(3600) == []
    world.close()
    world.journal.close()


def test_of_a_run_that_was_over_before_the_first_look_no_alert_is_sent(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.alarm()
    world.record(Kind.RUN_ENDED, is_clean=True, reason="asked")
    world.journal.close()
    assert world.after(1) == []
    assert "the sky falls" in [kept.alert.text for kept, _ in world.outbox.newest(5)]
    world.close()


def test_who_hears_grave_ones_of_a_later_round_hears_the_rest_at_once(tmp_path: Path) -> None:
    partner = Person(name="partner", url="json://x", from_round=2, tell=(Grade.GRAVE, Grade.TRADE))
    world = World(tmp_path, partner)
    world.journal.append(small_day()[1:], durable=True)
    world.alarm()
    ((person, _, body),) = world.after(1)
    assert person == "partner"
    assert "opened" in body
    assert "the sky falls" not in body
    world.close()
    world.journal.close()


def test_a_service_that_fails_keeps_a_grave_one_from_nobody_else(tmp_path: Path) -> None:
    boss = Person(name="boss", url="json://x", from_round=2)
    owner = Person(name="owner", url="json://x", from_round=3)
    world = World(tmp_path, PHONE, DESK, boss, owner, again_after=600, times=4)
    world.refuses = {"phone", "desk"}
    world.alarm()
    received = {minute: names for minute in range(60) if (names := sorted(each[0] for each in world.after(60)))}
    assert received == {10: ["boss"], 20: ["boss", "owner"], 30: ["boss", "owner"]}
    world.refuses = set()
    reported = {person: body for _ in range(20) for person, _, body in world.after(60)}
    assert len(world.sent) == 7, "once each, since they never were before"
    assert sorted(reported) == ["desk", "phone"]
    assert "not sent again" in reported["phone"], "all rounds are over"
    world.close()
    world.journal.close()


def test_whom_nothing_reaches_is_reported_again_as_often_as_ever_once_it_does(tmp_path: Path) -> None:
    world = World(tmp_path, PHONE, DESK, again_after=600, times=3)
    world.refuses = {"phone"}
    world.alarm()
    assert [each[0] for _ in range(24) for each in world.after(300)] == ["desk"]
    world.refuses = set()
    assert [each[0] for _ in range(24) for each in world.after(300)] == ["phone"] * 3
    world.close()
    world.journal.close()


def test_an_alarm_in_the_words_of_one_that_no_alert_was_sent_of_is_reported(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    earlier = NOW - timedelta(minutes=5)
    words: dict[str, Json] = {"text": "the sky falls"}
    journal.append(
        [
            *small_day()[:1],
            Record(earlier, Kind.ALARM, data=words),
            Record(earlier, Kind.RUN_ENDED, data={"reason": "x", "is_clean": True}),
            Record(NOW, Kind.RUN_STARTED, data={"specs": {}, "account": "DU1"}),
            Record(NOW, Kind.ALARM, data=words),
        ],
        durable=True,
    )
    sent: list[str] = []
    alert_sender = Notifier(tmp_path / "a.db", People((PHONE,)), lambda *words: sent.append(words[2]), lambda: NOW)
    outbox = alert_sender.open()
    alert_sender.finish(outbox, 5)
    assert len(sent) == 1
    assert "the sky falls" in sent[0]
    outbox.close()
    alert_sender.close()
    journal.close()


def test_quiet_hours_hide_what_is_not_grave_and_report_it_afterwards(tmp_path: Path) -> None:
    sleeper = Person(name="phone", url="json://x", quiet=(time(11), time(13)))
    world = World(tmp_path, sleeper)
    world.record(Kind.LINK, up=False, reason="reset", account="")
    assert world.after(1) == []
    world.alarm()
    ((_, _, body),) = world.after(1)
    assert "the sky falls" in body
    assert "reset" not in body
    reported = world.after(3600)
    assert "the connection to the broker was lost: reset" in reported[0][2]
    world.close()
    world.journal.close()


def test_a_service_that_refuses_is_tried_again_later_and_later_and_others_are_reported(tmp_path: Path) -> None:
    other = Person(name="mail", url="json://x")
    world = World(tmp_path, PHONE, other)
    world.refuses = {"phone"}
    world.alarm()
    assert [person for person, _, _ in world.after(1)] == ["mail"]
    assert world.outbox.newest(1)[0][1] == ("mail notified", "phone waits: refused")
    assert world.after(8) == []
    world.after(5)
    world.refuses = set()
    assert world.after(10) == []
    ((person, _, body),) = world.after(15)
    assert person == "phone"
    assert "perhaps" not in body
    world.close()
    world.journal.close()


def test_a_clock_that_is_set_back_keeps_nothing_from_anybody(tmp_path: Path) -> None:
    other = replace(PHONE, name="mail")
    world = World(tmp_path, PHONE, other)
    world.refuses = {"mail"}
    world.alarm()
    assert [person for person, _, _ in world.after(0)] == ["phone"]
    world.refuses = set()
    world.after(-3600)
    world.alarm("and falls on")
    reported = {person: body for person, _, body in world.after(10)}
    assert "and falls on" in reported["phone"]
    assert "the sky falls" in reported["mail"] or any("the sky falls" in body for _, _, body in world.sent[1:])
    world.close()


def test_a_clock_that_is_set_back_keeps_a_grave_one_from_no_later_round(tmp_path: Path) -> None:
    boss = Person(name="boss", url="json://x", from_round=2, tell=(Grade.GRAVE,))
    world = World(tmp_path, PHONE, boss, again_after=600)
    world.alarm()
    assert [person for person, _, _ in world.after(1)] == ["phone"]
    assert {person for person, _, _ in world.after(-7200)} == {"phone", "boss"}
    assert world.after(599) == []
    world.close()


def test_what_could_not_be_marked_as_refused_is_marked_and_tried_again(world: World) -> None:
    """A full disk left it as one that is being told, and its person without it."""
    world.refuses = {"phone"}
    world.alarm()
    world.alert_sender.step(world.outbox)
    for future, _ in world.alert_sender._on_way.values():
        future.exception(5)
    marked, world.outbox.failed = world.outbox.failed, full  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        world.alert_sender.step(world.outbox)
    world.outbox.failed, world.refuses = marked, set()  # type: ignore[method-assign]
    assert world.after(1) == []
    assert len(world.after(10)) == 1


def full(*_: object) -> None:
    raise StoreError("the disk is full")


def test_what_is_not_grave_is_tried_for_four_hours(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.refuses = {"phone"}
    world.record(Kind.OPERATOR, "a_bot", id="1", request="pause", accepted=True)
    began = world.now
    world.after(1)
    while world.outbox.newest(1)[0][1] == ("phone waits: refused",):
        ((due,),) = world.outbox._connection.execute("SELECT due_at FROM deliveries").fetchall()
        world.after((utc_time(due) - world.now).total_seconds())
    assert world.outbox.newest(1)[0][1] == ("phone not notified: refused",)
    assert timedelta(hours=4) <= world.now - began < timedelta(hours=4, minutes=10)
    world.close()
    world.journal.close()


def test_of_many_each_is_reported_the_grave_first(world: World) -> None:
    world.record(Kind.OPERATOR, "a_bot", id="1", request="pause", accepted=True)
    for number in range(45):
        world.alarm(f"alarm {number:02d}.")
    messages = [body for _ in range(4) for _, _, body in world.after(60)]
    assert [body.count("alarm ") for body in messages] == [20, 20, 5]
    assert all(any(f"alarm {number:02d}." in body for body in messages) for number in range(45))
    assert "asked by the operator" in messages[2]


def test_a_service_that_hangs_does_not_keep_the_others(tmp_path: Path) -> None:
    other = Person(name="mail", url="json://x")
    world = World(tmp_path, PHONE, other)
    gate = threading.Event()
    world.waits = lambda: gate.wait(5) if threading.current_thread().name.endswith("_0") else None
    world.alarm()
    world.now += timedelta(seconds=1)
    world.alert_sender.step(world.outbox)
    world.alert_sender._on_way["mail"][0].result(5)
    assert [person for person, _, _ in world.sent] == ["mail"]
    gate.set()
    world.close()
    world.journal.close()


def test_what_was_being_reported_when_its_teller_died_is_reported_again_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.alarm()
    world.now += timedelta(seconds=1)
    world.alert_sender.step(world.outbox)  # marked as on its way; the mark that it arrived is never made
    world.close()
    world.start()
    ((_, _, body),) = world.after(1)
    assert body.startswith("(perhaps sent before) 12:00 the sky falls")
    assert world.after(30) == []
    world.close()
    world.journal.close()


def test_a_second_teller_is_refused(world: World) -> None:
    with pytest.raises(MisuseError, match="another process already sends alerts of this store"):
        Notifier(world.place, world.people, world.send)


def test_an_engine_that_died_is_reported_of(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.after(0)
    world.journal.close()
    ((_, _, body),) = world.after(11)
    assert "the engine is gone without a word" in body
    assert "without a word (nothing is open): exits" in body
    world.close()


LONG = "the disk is full, " * 20


@pytest.mark.parametrize(
    ("how", "words", "after"),
    [("dies", "is gone without a word", "exits that rest"), ("fails", "the engine ended", LONG[:200])],
)
def test_who_is_woken_is_shown_what_is_open(tmp_path: Path, how: str, words: str, after: str) -> None:
    """With nothing open one may sleep on, and the words were the same; behind a long reason they were cut off."""
    world = World(tmp_path)
    world.after(0)
    world.journal.append(small_day()[1:], durable=True)
    if how == "fails":
        world.record(Kind.RUN_ENDED, reason=LONG, is_clean=False)
    world.journal.close()
    body = "".join(body for _, _, body in world.after(11))
    assert f"{words} (open: {SELLER} 547p 2027-02-19): {after}" in body
    world.close()


def test_how_many_are_open_is_reported_also_where_their_names_are_too_long(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.after(0)
    seller = [each for each in small_day() if each.bot == SELLER and each.kind is Kind.POSITION]
    for number in range(6):
        bot, position = f"{'x' * 38}{number}", f"p-{number}"
        named = {"id": position, "bot": bot}
        of_it = [replace(each, bot=bot, position=position, data={**each.data, **named}) for each in seller]
        world.journal.append(of_it, durable=True)
    world.journal.close()
    body = "".join(body for _, _, body in world.after(11))
    assert f"without a word (open: 6, the first {'x' * 38}0 547p 2027-02-19, " in body
    world.close()


@pytest.mark.parametrize(
    ("last", "began", "days", "is_reported"),
    [
        ("12:00", "13:30", 0, True),
        ("12:00", "12:00:50", 0, False),
        ("16:01", "20:00", 0, False),
        ("15:30", "19:00", 0, True),
        ("16:30", "08:00", 2, True),
    ],
)
@pytest.mark.parametrize("way", ["power cut", "stopped", "told before"])
def test_that_an_engine_was_gone_is_reported_after_the_next_has_begun(
    last: str, began: str, days: int, way: str, tmp_path: Path, *, is_reported: bool
) -> None:
    """After a power cut, once engine and teller ran again, nobody heard of it; nor where sessions lay between."""
    world = World(tmp_path)
    world.now = at(last)
    world.record(Kind.DECISION, "condor", what="enter", reason="", values=[])
    if way == "stopped":
        world.record(Kind.RUN_ENDED, reason="stopped", is_clean=True)
    world.after(0)
    if way == "told before":
        world.journal.close()
        assert any("the engine is gone without a word" in body for _, _, body in world.after(11))
        world.journal = SqlJournal(open_store(world.place))
    world.now = at(began, DAY + timedelta(days=days))
    started = small_day()[0]
    world.journal.append([replace(started, at=world.now)], durable=True)
    clock = datetime.strptime(last, "%H:%M").time()
    words = f"was gone without a word from Nov 18 {clock:%H:%M} until it began again (nothing is open): exits"
    reported = "".join(body for _, _, body in world.after(60))
    assert (words in reported) is (is_reported and way == "power cut")
    assert words not in "".join(body for _, _, body in world.after(60))
    world.close()
    world.journal.close()


def test_an_engine_that_waits_for_its_gateway_in_a_session_is_reported_of(tmp_path: Path) -> None:
    """It was started anew while nobody could log in: nobody was told, with positions open that it did not watch."""
    world = World(tmp_path)
    world.journal.append(small_day()[1:], durable=True)
    world.after(1)
    world.alert_sender.waits_for = lambda: "the engine waits for its gateway: nothing listens on ib-gateway:4004"
    assert world.after(1) == []
    assert world.after(298) == []
    ((_, title, body),) = world.after(2)
    assert title == "rulebot: alarm"
    assert "nothing listens on ib-gateway:4004 (open: spy_put_seller 547p 2027-02-19): only exits that rest" in body
    world.outbox.acknowledge(None, world.now)
    assert world.after(1000) == [], "once a session"
    world.close()
    world.journal.close()


@pytest.mark.parametrize(("clock", "is_reported"), [("08:59", False), ("09:00", True), ("16:00", False)])
def test_who_waits_before_a_session_is_shown_in_time_to_mend_it(clock: str, is_reported: bool, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.now = at(clock) + timedelta(days=1, minutes=-5)
    world.alert_sender.waits_for = lambda: "the engine waits for its gateway"
    world.after(0)
    assert len([body for _, _, body in world.after(300) if "waits for its gateway" in body]) is int(is_reported)
    world.close()
    world.journal.close()


def test_an_engine_that_died_is_reported_of_with_its_last_sign_of_life(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.now += timedelta(hours=2)
    world.record(Kind.DECISION, "condor", what="enter", reason="", values=[])
    world.after(0)
    world.journal.close()
    ((_, _, body),) = world.after(600)
    assert body.startswith("14:00 the engine is gone without a word")
    world.close()


def test_a_connection_that_stays_lost_is_grave_while_an_engine_runs(world: World) -> None:
    world.record(Kind.LINK, up=False, reason="reset", account="")
    assert "the connection to the broker was lost: reset" in world.after(1)[0][2]
    assert "has been lost for 5 minutes" in world.after(300)[0][2]
    world.record(Kind.LINK, up=True, reason="connected again", account="")
    assert any("connected to the broker again" in body for _, _, body in world.after(60))


def test_a_connection_that_was_lost_when_the_engine_ended_is_not_grave_afterwards(world: World) -> None:
    world.record(Kind.LINK, up=False, reason="reset", account="")
    world.record(Kind.RUN_ENDED, reason="x", is_clean=True)
    assert len(world.after(1)) == 1
    assert world.after(3600) == []


def test_a_days_digest_says_of_each_bot_what_it_did_or_why_not(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append(
        [*small_day(), Record(at("16:06"), Kind.RUN_ENDED, data={"reason": "x", "is_clean": True})], durable=True
    )
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        found = {alert.key: alert for alert in find_alerts(reader, 0, NOW).alerts}
        assert find_alerts(reader, 0, NOW).alerts == find_alerts(reader, 0, NOW).alerts
    text = found[f"digest {DAY}"].text
    lines = dict(line.split(": ", 1) for line in text.split("\n"))
    assert lines[str(DAY)].startswith("realised +$")
    assert "closed by target, +$" in lines["dte0_condor"]
    assert lines["calm_tape_condor"].startswith("no trade: ")
    assert "1 open" in lines["spy_put_seller"]


@pytest.mark.parametrize(
    ("skipped", "said"),
    [
        ("", "halted: day_range 51.5"),
        (
            "its window is over; nearest vix: 30",
            "no trade: its window is over; nearest vix: 30; halted: day_range 51.5",
        ),
    ],
)
def test_a_days_digest_names_no_halt_after_the_window_as_what_kept_a_bot_out(
    skipped: str, said: str, tmp_path: Path
) -> None:
    """It told of the halt of an afternoon alone."""
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    halted = BotDay(bot="calm_tape_condor", date=DAY).halted_for(Halt.CONDITION, "day_range 51.5")
    day = replace(halted, skip=Shut.WINDOW_OVER if skipped else None, skipped=skipped)
    journal.append([*small_day(), entity(Kind.BOT_DAY, at("15:30"), day)], durable=True)
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        lines = dict(line.split(": ", 1) for line in digest(reader, str(DAY), ["calm_tape_condor"]).split("\n"))
    assert lines["calm_tape_condor"] == said


def test_a_days_digest_reports_of_bots_that_run_no_more_what_they_closed_and_hold(tmp_path: Path) -> None:
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as journal:
        journal.append(small_day(), durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        lines = digest(reader, str(DAY), ["calm_tape_condor"]).split("\n")
        later = digest(reader, str(DAY + timedelta(days=1)), ["calm_tape_condor"]).split("\n")
    assert [line.partition(":")[0] for line in lines[1:]] == ["calm_tape_condor", "dte0_condor", "spy_put_seller"]
    assert "closed by target, +$" in lines[2]
    assert later[2:] == ["spy_put_seller: no trade: it is not running; 1 open"]


def test_a_days_digest_is_made_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made anew every second of a night or a weekend, of all trades that there ever were."""
    made: list[str] = []
    monkeypatch.setattr("rulebot.alerts.find.digest", lambda _, date, __: made.append(date) or "a day")
    world.journal.append(small_day()[1:], durable=True)
    world.now = at("16:06")
    assert any("a day" in body for _, _, body in world.after(0))
    world.after(20)
    assert made == [str(DAY)]


def test_the_digest_of_a_day_that_was_over_while_was_never_reported_is_reported_late(world: World) -> None:
    """Of a teller that was away from the close until past midnight that day was never told."""
    days = [DAY + timedelta(days=count) for count in range(3)]
    sessions = [
        Record(
            at("0:01", day),
            Kind.SESSION,
            data={
                "date": str(day),
                "open": at("9:30", day).isoformat(),
                "close": at("16:00", day).isoformat(),
                "half": False,
            },
        )
        for day in days
    ]
    reported, later = small_day()[1:], [BotDay(bot=CONDOR, date=day, skipped="its window is over") for day in days[1:]]
    world.journal.append([*sessions[:1], *(each for each in reported if each.at < at("15:00"))], durable=True)
    world.now = at("15:00")
    world.after(0)
    world.alert_sender.close()
    world.outbox.close()
    world.journal.append([each for each in reported if each.at >= at("15:00")], durable=True)
    for session, day in zip(sessions[1:], later, strict=True):
        world.journal.append([session, session, entity(Kind.BOT_DAY, session.at, day)], durable=True)
    world.now = at("8:00", days[2])
    world.start()
    ((_, _, body),) = [each for each in world.after(60) if "sent late" in each[2]]
    first, second = (part.split("\n") for part in f"\n{body}".split("\n(sent late) ")[1:])
    assert first[0].startswith(f"{days[0]}: realised ")
    assert any(line.startswith(f"{CONDOR}: opened ") for line in first)
    assert f"{SELLER}: opened 547p 2027-02-19; 1 open" in first
    assert second[0] == f"{days[1]}: realised +$0.00, 0 closed, 1 open"
    assert f"{CONDOR}: no trade: its window is over" in second
    assert not [each for each in world.after(60) if "sent late" in each[2]]
    world.now = at("16:06", days[2])
    ((_, _, body),) = world.after(0)
    assert f"\n{days[2]}: realised" in body


def test_the_profit_of_a_days_digest_is_what_closing_made_on_that_day(tmp_path: Path) -> None:
    """Of a trade of several days it told all that it had ever made, and of what is still open no part."""
    days = (
        BotDay(bot="dte0_condor", date=DAY, realized=Decimal("-12.5")),
        BotDay(bot="spy_put_seller", date=DAY, realized=Decimal("2.25")),
    )
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as journal:
        journal.append([*small_day(), *(entity(Kind.BOT_DAY, at("15:59"), each) for each in days)], durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        text = digest(reader, str(DAY), ["dte0_condor"])
    assert text.startswith(f"{DAY}: realised -$10.25, 1 closed, 1 open\n")
    assert "closed by target, +$36.80" in text


def test_a_digest_reports_of_the_parts_that_were_closed_that_day() -> None:
    part: dict[str, object] = {"exit": "half", "quantity": 1, "price": -0.40}
    trade = {
        "strategy_id": "seller",
        "status": "OPEN",
        "state": "open",
        "entry_time": f"{DAY - timedelta(days=2)} 10:00:00",
        "exit_time": None,
        "entry_price": 0.85,
        "quantity": 3,
        "parts": [{**part, "time": f"{DAY - timedelta(days=ago)} 11:00:00"} for ago in (1, 0)],
    }
    assert _day_of("seller", str(DAY), [trade], None).count(" by half") == 1
    assert _day_of("seller", str(DAY + timedelta(days=1)), [trade], None).startswith("no trade: ")


def test_a_trade_that_lacks_a_commission_is_reported_as_provisional(desk: World) -> None:
    unreported = [each for each in small_day()[1:] if each.kind is not Kind.COMMISSION or each.at < at("13:00")]
    desk.journal.append([owing(each) for each in unreported], durable=True)
    reported = "\n".join(body for _, _, body in desk.after(0))
    words = ", provisional: the commission of 4 fills is not reported yet"
    assert f"closed 5920/5930p 6065/6075c: target, +$36.80{words}" in reported


def owing(record: Record) -> Record:
    if record.kind is not Kind.POSITION or record.data["state"] != "closed":
        return record
    legs: Any = record.data["legs"]
    return replace(record, data=record.data | {"legs": [leg | {"commissions_pending": 1} for leg in legs]})


def test_a_digest_closes_up_the_columns_of_a_verdict(tmp_path: Path) -> None:
    day = BotDay(bot="calm_tape_condor", date=DAY, halt=Halt.CONDITION, halted="day_range 8.7 pts   above 8 pts")
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as journal:
        journal.append([entity(Kind.BOT_DAY, at("11:00"), day)], durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        text = digest(reader, str(DAY), ["calm_tape_condor"])
    assert text.endswith("calm_tape_condor: halted: day_range 8.7 pts, above 8 pts")


def test_the_outbox_lies_beside_its_store(tmp_path: Path) -> None:
    assert outbox_path(tmp_path / "a.db") == tmp_path / "a-alerts.db"


# ---------------------------------------------------------------- programs

DESK = Person(name="desk", url="https://example.org/in", tell=tuple(Grade), is_program=True)


def events(sent: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [event for person, _, body in sent if person == "desk" for event in json.loads(body)["events"]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, PHONE, DESK)
    yield found
    found.close()
    found.journal.close()


def test_a_program_is_notified_of_each_decision_and_people_are_not(desk: World) -> None:
    for what, reason in (
        ("enter", ""),
        ("skip", "daily_loss is reached"),
        ("exit", "stop"),
        ("unfilled", "8 tries"),
        ("state", "x"),
    ):
        desk.record(Kind.DECISION, "condor", what=what, reason=reason, values=[])
    sent = desk.after(1)
    assert [(each["event"], each["grade"], each["text"]) for each in events(sent)] == [
        ("entering", "decision", "enters"),
        ("refused", "decision", "does not enter: daily_loss is reached"),
        ("leaving", "decision", "leaves: stop"),
        ("unfilled", "decision", "its entry was not filled: 8 tries"),
    ]
    assert [person for person, *_ in sent] == ["desk"]
    assert desk.outbox.newest(20) == []  # people do not read them either


def test_decisions_that_do_not_reach_a_program_are_counted_with_why(desk: World) -> None:
    desk.refuses = {"desk"}
    for number in range(3):
        desk.record(Kind.DECISION, "condor", what="skip", reason=f"no {number}", values=[])
    desk.after(1)
    assert desk.outbox.unreported_decisions() == ["desk: 3 decisions to be sent: refused"]
    desk.refuses = set()
    desk.after(60)
    assert desk.outbox.unreported_decisions() == []


@pytest.mark.parametrize(
    ("how", "price", "count"), [("assigned", "0", 1), ("assigned", "3.2", 0), ("worthless", "0", 0)]
)
def test_shares_that_came_by_an_assignment_are_reported(tmp_path: Path, how: str, price: str, count: int) -> None:
    """That they went by another leg, at a price, leaves none in the account."""
    place, expires = tmp_path / "a.db", datetime(2027, 2, 19, 21, 5, tzinfo=UTC)
    data: dict[str, Json] = {"leg": "short_put", "quantity": 1, "price": price, "how": how, "shares_profit": "0"}
    settled = Record(expires, Kind.SETTLEMENT, "spy_put_seller", "P2", data)
    SqlJournal(open_store(place)).append([*small_day(), settled], durable=True)
    with StoreReader(place) as reader:
        found = [each for each in find_alerts(reader, 0, expires).alerts if each.key.startswith("settlement")]
    assert [each.text for each in found] == ["short_put: 1 assigned, 100 SPY shares came at 547.00"] * count


def test_trades_come_with_their_numbers(desk: World) -> None:
    desk.journal.append(small_day()[1:], durable=True)
    found = events(desk.after(1))
    opened = next(each for each in found if each["event"] == "opened")
    closed = next(each for each in found if each["event"] == "closed")
    with StoreReader(desk.place) as reader:
        (row,) = reader.view("trades", position=closed["position"])
    assert (closed["symbol"], closed["quantity"], closed["exit"]) == (row["symbol"], row["quantity"], row["exit_name"])
    assert (closed["price"], closed["profit"]) == (row["exit_price"], row["final_pnl"])
    assert opened["id"] == f"opened {opened['position']}"
    assert utc_time(opened["at"]) < utc_time(closed["at"])


def test_what_nobody_acknowledges_is_reported_to_people_again_and_to_a_program_once(desk: World) -> None:
    desk.alarm()
    (event,) = events(desk.after(1))
    assert (event["event"], event["grade"], event["count"], event["perhaps_sent_before"]) == (
        "alarm",
        "grave",
        1,
        False,
    )
    later = desk.after(601)
    assert [person for person, *_ in later] == ["phone"]


def test_a_program_is_notified_at_once_and_of_so_many_events_in_one_message(desk: World) -> None:
    for number in range(150):
        desk.record(Kind.DECISION, "condor", what="skip", reason=f"no {number}", values=[])
    assert len(events(desk.after(1))) == 100
    assert len(events(desk.after(1))) == 50
    assert events(desk.after(1)) == []


def test_without_a_program_decisions_are_not_kept(world: World) -> None:
    world.record(Kind.DECISION, "condor", what="enter", reason="", values=[])
    world.after(1)
    assert world.outbox._connection.execute("SELECT count(*) FROM alerts").fetchone() == (0,)


def test_a_killed_sender_says_that_a_program_may_know_it(desk: World) -> None:
    desk.alarm()
    desk.refuses = {"desk"}
    desk.after(1)
    desk.refuses = set()
    desk.outbox._connection.execute("UPDATE deliveries SET state = 'sending' WHERE person = 'desk'")
    desk.close()
    desk.start()
    (event,) = events(desk.after(1000))
    assert event["perhaps_sent_before"] is True


def test_an_outbox_of_an_earlier_version_continues(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old-alerts.db")) as old:
        old.execute(
            "CREATE TABLE alerts (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at TEXT NOT NULL,"
            " grade TEXT NOT NULL, bot TEXT NOT NULL, text TEXT NOT NULL, found_at TEXT NOT NULL,"
            " rounds INTEGER NOT NULL DEFAULT 1, same_as INTEGER, acknowledged_at TEXT)"
        )
        said = ("alarm 1", utc_text(NOW), "grave", "", "the sky falls", utc_text(NOW))
        old.execute("INSERT INTO alerts(key, at, grade, bot, text, found_at) VALUES (?, ?, ?, ?, ?, ?)", said)
        old.commit()
    for _ in range(2):
        outbox = Outbox(tmp_path / "old-alerts.db")
        ((kept, _fates),) = outbox.newest(5)
        assert (kept.alert.text, kept.alert.data) == ("the sky falls", {})
        outbox.close()


@pytest.mark.parametrize("is_looking", [True, False])
def test_what_happens_in_a_store_that_was_put_back_is_reported(tmp_path: Path, is_looking: bool) -> None:
    """Its records have numbers that were told of before: the orders that nobody knew of were kept from everybody."""
    world = World(tmp_path)
    back_up(world.place, tmp_path / "copy.db")
    for number in range(6):
        world.alarm(f"before {number}")
    assert len(world.after(20)) == 1
    world.journal.close()
    restore(tmp_path / "copy.db", world.place, world.now)
    if is_looking:
        world.after(1)
    world.journal = SqlJournal(open_store(world.place))
    world.journal.append([replace(small_day()[0], at=world.now)], durable=True)
    reported = ["orphan", "also", "more", "and more"]
    for text in reported:
        world.alarm(text)
        if is_looking:
            world.after(20)
    world.after(20)
    bodies = "".join(body for _, _, body in world.sent)
    assert [text for text in reported if f"{text}\n" in bodies] == reported
    assert bodies.count("before 3") == 1
    assert f"{RESTORED}: kill" in bodies
    world.close()
    world.journal.close()


def test_what_a_store_that_was_put_back_holds_unreported_is_reported(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.after(0)
    for number in range(3):
        world.alarm(f"untold {number}")
    back_up(world.place, tmp_path / "copy.db")
    world.journal.close()
    restore(tmp_path / "copy.db", world.place, world.now)
    world.journal = SqlJournal(open_store(world.place))
    world.journal.append([replace(small_day()[0], at=world.now)], durable=True)
    bodies = "".join(body for _, _, body in world.after(20))
    assert [bodies.count(f"untold {number}\n") for number in range(3)] == [1, 1, 1]
    world.close()
    world.journal.close()
