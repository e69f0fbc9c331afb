"""Web hooks by raw requests: who gets in, what is taken, once, and that nothing else opens to their secret."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from store_day import small_day
from web_client import TOKEN, Answer, Client, Elapsed

from rulebot.cli.web import WHERE_NAMES, serve_store
from rulebot.model.event import WebhookReceived
from rulebot.operator_requests.requests import MOST_WAITING, RequestInbox, post_hook
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import folder_of
from rulebot.web.access import MOST_BODY, Access
from rulebot.web.hooks import AHEAD, AT_ONCE, MOST_BYTES, OLDEST, SAME_WITHIN, WebhookGate
from rulebot.web.rest_models import NotFoundError
from rulebot.web.server import Bind, Server, application

SECRET = "a-secret-of-hooks-0123"
NOW = datetime(2026, 11, 18, 15, 35, tzinfo=UTC).timestamp()


@dataclass
class Sender:
    """Another program, and what its hooks come to."""

    client: Client
    now: list[float] = field(default_factory=lambda: [NOW])

    def send(self, body: object, name: str = "trend", **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.send("POST", f"/hooks/{name}", headers, sent)

    def reported(self, name: str = "trend", **fields: Any) -> Answer:
        return self.send({"secret": SECRET, **fields}, name)

    def left(self) -> list[tuple[str, str]]:
        found = RequestInbox(self.client.place).read(datetime.fromtimestamp(NOW, UTC))
        return [(each.name, each.says) for each in found if isinstance(each, WebhookReceived)]


def day(folder: Path) -> Path:
    journal = SqlJournal(open_store(folder / "a.db"))
    journal.append(small_day(), durable=True)
    journal.close()
    return folder / "a.db"


class Doors(WebhookGate):
    """One server's door, which each test finds as new."""

    def renew(self) -> None:
        self.__init__(self._store, SECRET, self._elapsed, self._now)  # type: ignore[misc]


@pytest.fixture(scope="module")
def one_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sender, Doors]]:
    store, elapsed, now = day(tmp_path_factory.mktemp("one")), Elapsed(), [NOW]
    door = Doors(store, SECRET, elapsed, lambda: now[0])
    access = Access(token=TOKEN, hosts=("desk.example",))
    server = Server(
        lambda stopping: application(store, access, stopping=stopping, elapsed=elapsed, door=door), Bind(port=0)
    )
    port = int(server.start().rstrip("/").rpartition(":")[2])
    try:
        yield Sender(Client(port, elapsed, store), now), door
    finally:
        server.stop()


@pytest.fixture
def sender(one_page: tuple[Sender, Doors]) -> Sender:
    found, door = one_page
    door.renew()
    found.now[0] = NOW
    found.client.elapsed.now += 1000
    for file in folder_of(found.client.place).glob("*"):
        file.unlink()
    assert found.client.get("/api/status").status == 200
    return found


# ---------------------------------------------------------------- who gets in


def test_a_message_with_the_secret_is_left_for_the_engine(sender: Sender) -> None:
    answer = sender.reported(says="up")
    assert (answer.status, answer.json) == (202, {"taken": True})
    assert sender.left() == [("trend", "up")]


def test_the_secret_may_come_in_a_header_and_the_word_as_plain_text(sender: Sender) -> None:
    for body, word in ((b" Up \n", "up"), (b"", ""), (b'{"says": "down"}', "down")):
        sender.client.elapsed.now += 60
        assert sender.send(body, **{"X-Rulebot-Secret": SECRET, "Content-Type": "text/plain"}).status == 202
        assert sender.left()[-1] == ("trend", word)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"secret": ""}, {"secret": None}, {"secret": True}, {"secret": [SECRET]}, {"secret": {"a": SECRET}},
        {"secret": SECRET.upper()}, {"secret": SECRET[:-1]}, {"secret": SECRET + " "}, {"secret": TOKEN},
        {"Secret": SECRET}, {"secret": "\ud800"}, b"", b"up", SECRET.encode(), f"secret={SECRET}".encode(),
    ],
)  # fmt: skip
def test_without_it_nothing_comes_in(sender: Sender, body: object) -> None:
    answer = sender.send(body)
    assert (answer.status, answer.json["code"]) == (401, "secret")
    assert SECRET not in answer.body.decode()
    assert sender.left() == []


def test_neither_a_header_nor_an_address_of_another_kind_brings_it(sender: Sender) -> None:
    assert sender.send({}, Authorization=f"Bearer {SECRET}").status == 401
    assert sender.send({}, Cookie=f"secret={SECRET}").status == 401
    assert sender.client.send("POST", f"/hooks/trend?secret={SECRET}", {}, b"{}").status == 401
    assert sender.send({"secret": SECRET}, **{"X-Rulebot-Secret": "wrong-secret-of-it"}).status == 401


def test_the_token_of_the_page_is_no_secret_of_hooks(sender: Sender) -> None:
    assert sender.client.post("/hooks/trend", {}).status == 401


def test_the_secret_of_hooks_opens_nothing_else(sender: Sender) -> None:
    known = {"Authorization": f"Bearer {SECRET}", "X-Rulebot-Secret": SECRET, "X-Rulebot": "1"}
    reported = {**known, "Content-Type": "application/json", "Idempotency-Key": "12345678"}
    body = json.dumps({"secret": SECRET}).encode()
    for path in (
        "/api/action/stop",
        "/hooks/../api/action/stop",
        "/hooks/%2e%2e/api/action/stop",
        "/hooks//api/action/stop",
    ):
        sender.client.elapsed.now += 1000
        assert sender.client.send("POST", path, reported, body).status in (401, 404)
    for path in ("/", "/api/status", "/hooks", "/hooks/", "/hooks/trend"):
        sender.client.elapsed.now += 1000
        assert sender.client.send("GET", path, known).status in (401, 429)
    assert RequestInbox(sender.client.place).read(datetime.fromtimestamp(NOW, UTC)) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_only_post_is_a_hook(sender: Sender, method: str) -> None:
    assert sender.client.send(method, "/hooks/trend", {"X-Rulebot-Secret": SECRET}).status == 401
    known = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot-Secret": SECRET}
    assert sender.client.send(method, "/hooks/trend", known).status == 405
    assert sender.left() == []


def test_the_other_protections_of_the_page_hold(sender: Sender) -> None:
    assert sender.send({"secret": SECRET}, Host="evil.example").status == 403
    assert sender.send({"secret": SECRET}, Origin="https://evil.example").status == 403
    assert sender.send({"secret": SECRET}, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert sender.left() == []
    answer = sender.send({"secret": SECRET}, Host="desk.example")
    assert answer.status == 202
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_wrong_secrets_do_not_lock_the_page(sender: Sender) -> None:
    for _ in range(20):
        assert sender.send({"secret": "wrong"}).status == 401
    assert sender.client.get("/api/status").status == 200


def test_without_a_secret_there_is_no_such_path(client: Client) -> None:
    assert client.send("POST", "/hooks/trend", {"X-Rulebot-Secret": ""}, b'{"secret": ""}').status == 401
    assert client.post("/hooks/trend", {"secret": ""}).status == 404


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize("name", ["Trend", "9", "tr-end", "a" * 41, "%74rend%00", "tr%20end", "..", "%F0%9F%98%80"])
def test_a_name_is_a_word(sender: Sender, name: str) -> None:
    assert sender.reported(name).status == 404
    assert sender.left() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"says": "two words"}, {"says": "9"}, {"says": 9}, {"says": ["up"]}, {"says": "<b>"}, {"says": "u" * 41},
        {"id": ""}, {"id": []}, {"id": 1.5}, {"id": "x" * 201},
        {"time": "soon"}, {"time": ""}, {"time": []}, {"time": {}}, {"time": True}, {"time": -1}, {"time": "1e999"},
        {"time": 10**16}, {"time": 0}, {"time": "0001-01-01T00:00:00"}, {"time": "9999-12-31T23:59:59-23:59"},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(sender: Sender, fields: dict[str, Any]) -> None:
    assert sender.reported(**fields).status == 422
    assert sender.left() == []


@pytest.mark.parametrize("body", [b"{", b'{"secret": ', b"\xff\xfe", b'{"a":' * 700, b"{}{}", b'{"n": 1' + b"0" * 4000])
def test_what_is_no_text_or_no_json_is_refused(sender: Sender, body: bytes) -> None:
    assert sender.send(body, **{"X-Rulebot-Secret": SECRET}).status in (413, 422)
    assert sender.left() == []


def test_other_fields_are_left_alone(sender: Sender) -> None:
    assert sender.reported(says="BUY", ticker="SPX", close=6000.25, interval="5").status == 202
    assert sender.left() == [("trend", "buy")]


def test_what_is_too_large_is_refused(sender: Sender) -> None:
    assert sender.reported(more="x" * MOST_BYTES).status == 413
    assert sender.reported(more="x" * MOST_BODY).status == 413
    chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(64)) + b"0\r\n\r\n"
    reported = {"Transfer-Encoding": "chunked", "X-Rulebot-Secret": SECRET}
    assert _raw(sender.client, "/hooks/trend", reported, chunks).startswith(b"HTTP/1.1 413")
    assert sender.left() == []


def _raw(client: Client, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Send a request whose body says nothing of its length."""
    import socket

    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{client.port}", *(f"{k}: {v}" for k, v in headers.items())]
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as found:
        found.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        found.sendall(body)
        return found.recv(4096)


# ---------------------------------------------------------------- once


def test_the_same_message_within_seconds_is_one(sender: Sender) -> None:
    assert [sender.reported(says="up").json["taken"] for _ in range(3)] == [True, False, False]
    assert sender.reported(says="down").json["taken"]
    assert sender.reported("tide", says="up").json["taken"]
    sender.client.elapsed.now += SAME_WITHIN
    assert sender.reported(says="up").json["taken"]
    assert len(sender.left()) == 4


def test_an_id_counts_once_however_much_later(sender: Sender) -> None:
    assert sender.reported(says="up", id=7).json["taken"]
    sender.client.elapsed.now += 3600
    assert not sender.reported(says="down", id="7").json["taken"]
    assert sender.reported("tide", id="7").json["taken"]
    assert sender.left() == [("trend", "up"), ("tide", "")]


def test_an_id_of_yesterday_counts_again_today(sender: Sender) -> None:
    assert sender.reported(says="up", id="daily").json["taken"]
    for seconds, is_new in ((13 * 3600, False), (86400, True), (86460, False)):  # 23:35 and 10:35 in New York
        sender.now[0] = NOW + seconds
        sender.client.elapsed.now += 60
        assert sender.reported(says="up", id="daily").json["taken"] == is_new
    found = RequestInbox(sender.client.place).read(datetime.fromtimestamp(NOW, UTC))
    assert len({each.id for each in found}) == len(found) == 2


def test_a_message_with_id_and_time_is_not_sent_again_over_midnight(sender: Sender) -> None:
    sender.now[0] = midnight = NOW + 13 * 3600 + 25 * 60
    sender.now[0] -= 10
    assert sender.reported(id="7", time=midnight - 10).json["taken"]
    sender.now[0] += 20
    assert not sender.reported(id="7", time=midnight - 10).json["taken"]


def test_an_id_has_one_name_in_the_journal_whichever_page_took_it(sender: Sender) -> None:
    """A page that was started anew has forgotten it; the engine has not."""
    sender.reported(id="7")
    WebhookGate(sender.client.place, SECRET, now=lambda: NOW).take("trend", SECRET, b'{"id": 7}')
    found = RequestInbox(sender.client.place).read(datetime.fromtimestamp(NOW, UTC))
    assert len(found) == 2
    assert len({each.id for each in found}) == 1


@pytest.mark.parametrize(
    "sent", ["2026-11-18T15:35:00Z", "2026-11-18T10:35:00-05:00", NOW, int(NOW * 1000), str(int(NOW))]
)
def test_a_message_that_says_its_time_cannot_be_sent_again(sender: Sender, sent: object) -> None:
    assert sender.reported(says="up", time=sent).json["taken"]
    sender.client.elapsed.now += 60
    sender.now[0] += 60
    assert not sender.reported(says="up", time=sent).json["taken"]
    sender.client.elapsed.now += OLDEST
    sender.now[0] += OLDEST
    refused = sender.reported(says="up", time=sent)
    assert (refused.status, refused.json["message"]) == (422, "it was sent 180 s ago, and may be 120 s old")
    assert len(sender.left()) == 1


def test_one_from_a_clock_ahead_is_taken_within_reason(sender: Sender) -> None:
    assert sender.reported(time=NOW + AHEAD - 1).status == 202
    assert sender.reported(time=NOW + AHEAD + 1).status == 422


# ---------------------------------------------------------------- not too many


def test_a_flood_is_refused_and_passes(sender: Sender) -> None:
    answers = [sender.reported(id=number).status for number in range(int(AT_ONCE) + 20)]
    assert answers == [202] * int(AT_ONCE) + [429] * 20
    assert sender.client.get("/api/status").status == 200
    sender.client.elapsed.now += 3
    assert [sender.reported(id=1000 + number).status for number in range(4)] == [202, 202, 202, 429]


def test_who_sends_twice_a_second_is_heard_once_a_second(sender: Sender) -> None:
    """It was never heard again: what was refused took half a second from the next one."""
    for number in range(int(AT_ONCE)):
        sender.reported(id=number)
    answers = []
    for number in range(6):
        sender.client.elapsed.now += 0.5
        answers.append(sender.reported(id=1000 + number).status)
    assert answers == [429, 202] * 3


def test_a_flood_without_the_secret_is_refused_as_well(sender: Sender) -> None:
    answers = [sender.send({"secret": "wrong"}).status for _ in range(int(AT_ONCE) + 5)]
    assert answers == [401] * int(AT_ONCE) + [429] * 5
    assert sender.left() == []


def test_a_box_that_nobody_reads_is_said(sender: Sender) -> None:
    for _ in range(MOST_WAITING):
        post_hook(sender.client.place, "trend")
    answer = sender.reported(id="late")
    assert (answer.status, answer.json["message"]) == (503, "no engine reads what comes")
    for file in folder_of(sender.client.place).glob("*.json"):
        file.unlink()
    assert sender.reported(id="late").json["taken"]  # it was not taken before, so it is new


def test_none_is_taken_where_no_engine_will_ever_hear_it(tmp_path: Path) -> None:
    """On the page of a simulated day that was over it was answered that the hook was taken."""
    store = day(tmp_path)
    with closing(SqlJournal(open_store(store))) as journal:
        over = Record(small_day()[-1].at, Kind.RUN_STARTED, data={"settings": {"sim": True}})
        journal.append([over], durable=True)
    door = WebhookGate(store, SECRET, lambda: 0.0, lambda: NOW)
    with pytest.raises(NotFoundError) as refused:
        door.take("trend", SECRET, b"up")
    assert (refused.value.status_code, "and none will" in str(refused.value.detail)) == (409, True)
    assert RequestInbox(store).read(datetime.fromtimestamp(NOW, UTC)) == []


def test_any_bytes_are_answered_and_none_fails(sender: Sender) -> None:
    chance = random.Random(7)
    pieces = [
        b'{"secret": "',
        SECRET.encode(),
        b'"',
        b"}",
        b', "says": ',
        b'"up"',
        b', "time": ',
        b"1e5",
        b"\x00",
        b"[",
        b"\xc3",
    ]
    for _ in range(300):
        sender.client.elapsed.now += 60
        body = b"".join(chance.choices(pieces, k=chance.randrange(1, 12)))
        headers = {"X-Rulebot-Secret": SECRET} if chance.random() < 0.5 else {}
        assert sender.send(body, **headers).status in (202, 401, 422)


def test_what_keeps_the_secret_does_not_show_it(tmp_path: Path) -> None:
    assert SECRET not in repr(WebhookGate(tmp_path / "a.db", SECRET))


def test_the_page_takes_hooks_once_a_secret_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path))
    monkeypatch.delenv("RULEBOT_HOOK_SECRET", raising=False)
    store = day(tmp_path)
    where: dict[str, Any] = dict.fromkeys(WHERE_NAMES) | {"host": "127.0.0.1", "port": 0, "hosts": ()}
    for secret, status in (("", 401), (SECRET, 202)):
        if secret:
            monkeypatch.setenv("RULEBOT_HOOK_SECRET", secret)
        server = serve_store(store, where)
        try:
            found = Client(int(server.address.rstrip("/").rpartition(":")[2]), Elapsed(), store)
            assert found.send("POST", "/hooks/trend", {"X-Rulebot-Secret": SECRET}).status == status
        finally:
            server.stop()
    said = capsys.readouterr().out
    assert said.count("/hooks/NAME   their secret is in the environment's RULEBOT_HOOK_SECRET") == 1
    assert SECRET not in said
