"""Commands from a chat: from listed ids only, each once, and no token in any word."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from store_day import DAY, at, entity, small_day

from rulebot.alerts import send as chat_file
from rulebot.alerts.notifier import Notifier, _listen
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.people import ChatSettings, People, Person, people_of
from rulebot.alerts.send import LONGEST, ChatError, TelegramChat, in_parts, status_words
from rulebot.decide.entry_window import BotDay
from rulebot.model.errors import SpecError, StoreError
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of, folder_of

NOW = datetime(2026, 11, 18, 17, tzinfo=UTC)
TOKEN = "123:secret-token"
LISTED, STRANGER = 7, 8


class Telegram:
    """Stands in for the Bot API: gives updates after an offset, keeps what is sent."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.sent: list[tuple[int, str]] = []
        self.answered = threading.Event()
        self.status = 200
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                token, _, method = self.path.removeprefix("/bot").partition("/")
                status = service.status if token == TOKEN else 401
                result: Any = []
                if method == "getUpdates":
                    result = [each for each in service.updates if each["update_id"] >= body.get("offset", 0)]
                elif status == 200:
                    service.sent.append((body["chat_id"], body["text"]))
                    service.answered.set()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps({"ok": status == 200, "result": result}).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def write(self, text: str, sender: int = LISTED, age: float = 1) -> None:
        date = int((NOW - timedelta(seconds=age)).timestamp())
        number = len(self.updates) + 1
        self.updates.append({"update_id": number, "message": {"chat": {"id": sender}, "date": date, "text": text}})

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Desk:
    """A store, its outbox, and the chat."""

    def __init__(self, folder: Path, telegram: Telegram, token: str = TOKEN) -> None:
        self.place = folder / "a.db"
        if not self.place.exists():
            journal = SqlJournal(open_store(self.place))
            journal.append(small_day(), durable=True)
            journal.close()
        self.outbox = Outbox(folder / "out.db")
        self.telegram = telegram
        self.chat = TelegramChat(
            ChatSettings(token=token, ids=(LISTED,), api=telegram.address), self.place, lambda: NOW
        )

    def step(self) -> list[str]:
        before = len(self.telegram.sent)
        self.chat.step(self.outbox, 0)
        return [text for _, text in self.telegram.sent[before:]]

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        found = [json.loads(body) for _, body in box_of(self.place).found()]
        return [(each["id"], each["request"], each["bot"]) for each in found]


@pytest.fixture
def telegram() -> Iterator[Telegram]:
    found = Telegram()
    yield found
    found.stop()


def test_a_listed_chat_is_shown_how_all_is(tmp_path: Path, telegram: Telegram) -> None:
    desk = Desk(tmp_path, telegram)
    telegram.write("/status")
    (said,) = desk.step()
    assert said.startswith("engine stopped, trading stopped; today realised $")
    assert "spy_put_seller: stopped, 1 open" in said
    assert desk.asked == []


@pytest.mark.parametrize(
    ("text", "request_", "bot", "said"),
    [
        ("/pause", "pause", "", "every bot enters nothing more"),
        ("pause dte0_condor", "pause", "dte0_condor", "dte0_condor enters nothing more"),
        ("/Kill@my_rulebot", "kill", "", "every bot has its entries cancelled"),
        ("/resume", "resume", "", "every bot may enter again"),
    ],
)
def test_a_command_is_a_request_to_the_engine_once(
    tmp_path: Path, telegram: Telegram, text: str, request_: str, bot: str, said: str
) -> None:
    desk = Desk(tmp_path, telegram)
    telegram.write(text)
    (answer,) = desk.step()
    assert answer.startswith(said)
    assert "No engine runs" in answer
    assert desk.asked == [("telegram-1", request_, bot)]
    assert desk.step() == []
    desk.outbox.close()
    assert Desk(tmp_path, telegram).step() == []  # nor after a new start
    assert len(desk.asked) == 1


def test_a_store_that_no_engine_takes_up_any_more_takes_no_command(tmp_path: Path, telegram: Telegram) -> None:
    """Of a simulated day that was over it was promised that the next engine would do it."""
    desk = Desk(tmp_path, telegram)
    with closing(SqlJournal(open_store(desk.place))) as journal:
        journal.append([Record(NOW, Kind.RUN_STARTED, data={"settings": {"sim": True}})], durable=True)
    telegram.write("/kill")
    (said,) = desk.step()
    assert said.startswith("nothing was done: no engine runs on ")
    assert "and none will" in said
    assert desk.asked == []


def test_a_command_that_fails_is_answered_so(tmp_path: Path, telegram: Telegram) -> None:
    """It is not done a second time, so that silence would be taken for yes."""
    desk = Desk(tmp_path, telegram)
    folder_of(desk.place).write_text("in the way", encoding="utf-8")
    telegram.write("/kill")
    (said,) = desk.step()
    assert said.startswith("nothing was done: the request cannot be left in ")
    assert said.endswith(". Send it again if it is still meant.")
    assert desk.step() == []


def test_what_a_chat_is_reported_of_today_is_what_closing_made_today(tmp_path: Path, telegram: Telegram) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    day = BotDay(bot="dte0_condor", date=DAY, realized=Decimal("-12.5"))
    journal.append([*small_day(), entity(Kind.BOT_DAY, at("15:59"), day)], durable=True)
    journal.close()
    desk = Desk(tmp_path, telegram)
    telegram.write("/status")
    assert desk.step()[0].startswith("engine stopped, trading stopped; today realised -$12.50, 1 open")
    said = status_words(desk.place, DAY + timedelta(days=5))
    assert said.startswith(f"engine stopped, trading stopped; {DAY} realised -$12.50, 1 open")


class Late(Notifier):
    """A teller whose outbox cannot be opened the first time, as while another opening makes it."""

    tries = 0

    def opened(self) -> Outbox:
        self.tries += 1
        if self.tries == 1:
            raise StoreError("database is locked")
        return super().opened()


def test_a_chat_whose_outbox_cannot_be_opened_at_once_listens_later(tmp_path: Path, telegram: Telegram) -> None:
    """It was deaf for as long as its process ran, and nobody was told."""
    desk = Desk(tmp_path, telegram)
    chat = ChatSettings(token=TOKEN, ids=(LISTED,), api=telegram.address)
    person = Person(name="phone", url="json://localhost")
    alert_sender, stop = Late(desk.place, People((person,), chat=chat), lambda *_: None, lambda: NOW), threading.Event()
    telegram.write("/status")
    listening = threading.Thread(target=_listen, args=(alert_sender.chat(), alert_sender, stop))
    listening.start()
    assert telegram.answered.wait(10)
    stop.set()
    listening.join(10)
    alert_sender.close()


@pytest.mark.parametrize(
    ("text", "asked"), [("kill", "kill"), ("kill dte0_condor", "kill"), ("pause", "pause"), ("resume dte0_condor", "")]
)
def test_a_kill_is_left_for_an_engine_whose_store_cannot_be_read(
    tmp_path: Path, telegram: Telegram, text: str, asked: str
) -> None:
    """`rulebot kill` was left there, and a kill from the chat was not."""
    desk = Desk(tmp_path, telegram)
    with closing(SqlJournal(open_store(desk.place), logs=None)):  # an engine holds the store
        kept = desk.place.read_bytes()
        desk.place.write_bytes(b"no database" * 1000)
        telegram.write(text)
        (answer,) = desk.step()
        desk.place.write_bytes(kept)
    assert [each for _, each, _ in desk.asked] == ([asked] if asked else [])
    assert answer.startswith("nothing was done") is not bool(asked)


def test_what_this_program_fails_at_makes_no_chat_deaf(
    tmp_path: Path, telegram: Telegram, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that listens ended by one message, and no later kill was heard."""
    answers: list[object] = [KeyError("what"), "engine running"]

    def words(*_: object) -> str:
        if isinstance(found := answers.pop(0), Exception):
            raise found
        return str(found)

    monkeypatch.setattr(chat_file, "status_words", words)
    monkeypatch.setattr(chat_file, "FIRST_WAIT", 0.01)
    desk, stop = Desk(tmp_path, telegram), threading.Event()
    telegram.write("/status")
    telegram.write("/status")
    desk.outbox.close()
    listening = threading.Thread(target=lambda: desk.chat.listen(stop, Outbox(tmp_path / "out.db")))
    listening.start()
    assert telegram.answered.wait(10)
    stop.set()
    listening.join(10)
    assert telegram.sent == [(LISTED, "engine running")]
    assert "the chat: this program failed" in caplog.text


def test_who_is_not_listed_is_not_answered(
    tmp_path: Path, telegram: Telegram, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path, telegram)
    telegram.write("/kill", sender=STRANGER)
    assert desk.step() == []
    assert desk.asked == []
    assert "a message from 8, who is not listed, is ignored" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [("/flatten", "status, pause [BOT]"), ("", "status, pause [BOT]"), ("/pause nobody", "no bot 'nobody'; there are")],
)
def test_what_cannot_be_meant_does_nothing(tmp_path: Path, telegram: Telegram, text: str, said: str) -> None:
    desk = Desk(tmp_path, telegram)
    telegram.write(text)
    assert desk.step()[0].startswith(said)
    assert desk.asked == []


def test_long_messages_of_strangers_keep_no_command_from_being_heard(tmp_path: Path, telegram: Telegram) -> None:
    desk = Desk(tmp_path, telegram)
    for _ in range(50):
        telegram.write("\N{GRINNING FACE}" * 2048, STRANGER)
    telegram.write("status")
    desk.step()
    assert [sender for sender, _ in telegram.sent] == [LISTED]


def test_a_long_answer_comes_in_parts_of_whole_lines() -> None:
    """Telegram takes no message over 4,096 letters: of a hundred bots nobody was told anything."""
    lines = [f"bot_{number:03}: " + "x" * 60 for number in range(150)]
    parts = in_parts("\n".join(lines))
    assert "\n".join(parts).split("\n") == lines
    assert (len(parts), max(map(len, parts)) <= LONGEST) == (3, True)
    assert in_parts("short\n\nlines") == ["short\n\nlines"]
    assert [len(each) for each in in_parts("y" * 9000)] == [4096, 4096, 808]


def test_what_was_sent_long_ago_is_not_meant_for_now(tmp_path: Path, telegram: Telegram) -> None:
    desk = Desk(tmp_path, telegram)
    telegram.write("/kill", age=3600)
    assert "sent too long ago" in desk.step()[0]
    assert desk.asked == []


def test_failures_are_said_without_the_token(tmp_path: Path, telegram: Telegram) -> None:
    with pytest.raises(ChatError, match="the token is not the right one") as caught:
        Desk(tmp_path, telegram, "1:wrong-secret").step()
    assert "wrong-secret" not in str(caught.value)
    telegram.status = 502
    with pytest.raises(ChatError, match="Telegram answers 502"):
        Desk(tmp_path, telegram).step()
    telegram.stop()
    with pytest.raises(ChatError, match="cannot be reached") as caught:
        Desk(tmp_path, telegram).step()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"%%%\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\nnull",
        b"",
    ],
)
def test_an_answer_that_breaks_off_or_is_none_ends_no_listening(tmp_path: Path, answer: bytes) -> None:
    def broken() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=broken, daemon=True).start()
        chat = ChatSettings(token=TOKEN, ids=(LISTED,), api=f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(ChatError, match="cannot be reached"):
            TelegramChat(chat, tmp_path / "a.db").step(Outbox(tmp_path / "out.db"), 0)


PERSON = "[[to]]\nname = 'a'\nurl = 'json://x'\n"


def test_the_file_names_the_token_and_who_may_ask() -> None:
    text = PERSON + "[chat]\ntelegram_env = 'T'\nfrom = [7, -100]\n"
    chat = people_of(text, "alerts.toml", Path(), {"T": TOKEN}).chat
    assert chat is not None
    assert (chat.token, chat.ids, chat.api) == (TOKEN, (7, -100), "https://api.telegram.org")
    assert TOKEN not in repr(chat)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("from = [7]", "one of telegram, telegram_file and telegram_env is required"),
        ("telegram = 'x'", "from: a list of the chat numbers"),
        ("telegram = 'x'\nfrom = ['me']", "from: a list of the chat numbers"),
        ("telegram = 'x'\nfrom = [7]\napi = 'http://example.org'", "api: an address with https"),
        ("telegram = 'x'\nfrom = [7]\nform = 3", "unknown key 'form'"),
    ],
)
def test_faults_of_the_chat_are_said(table: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        people_of(f"{PERSON}[chat]\n{table}\n", "alerts.toml", Path(), {})
    assert said in caught.value.message
