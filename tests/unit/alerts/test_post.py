"""JSON to the web hook of another program: taken, refused, led elsewhere, and silent; its address is never said."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from rulebot.alerts import send as posting
from rulebot.alerts.find import Grade
from rulebot.alerts.notifier import hello
from rulebot.alerts.people import Person
from rulebot.alerts.send import DeliveryService, NotSentError, post

SECRET = "a-secret-path"


class Receiver:
    """A program that keeps what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.status = 204
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append((self.path, self.headers["Content-Type"], body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/{SECRET}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


def test_a_program_is_sent_json(receiver: Receiver) -> None:
    DeliveryService([Person(name="desk", url=receiver.address, is_program=True)])(
        "desk", "a title", hello(), Grade.GRAVE
    )
    ((path, kind, body),) = receiver.taken
    assert (path, kind) == (f"/{SECRET}", "application/json")
    assert json.loads(body)["events"][0]["event"] == "test"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_another_answer_is_said_and_no_address_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(NotSentError, match=f"^it answered {status}$"):
        post(receiver.address, "{}")
    assert len(receiver.taken) == 1


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://no-such-host.invalid", "http://127.0.0.1:99999", "http://[x"]
)
def test_who_is_not_there_is_said_without_the_address(address: str) -> None:
    with pytest.raises(NotSentError, match="cannot be reached") as raised:
        post(f"{address}/{SECRET}", "{}")
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)


def test_who_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotSentError, match="cannot be reached"):
        post(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}", "{}")


# ---------------------------------------------------------------- people, through apprise


def person_at(receiver: Receiver) -> DeliveryService:
    return DeliveryService([Person(name="phone", url=receiver.address.replace("http", "json"))])


def test_what_is_too_long_for_a_service_comes_as_several_messages(receiver: Receiver) -> None:
    lines = [f"a line, the one with number {number:05d}" for number in range(2000)]
    person_at(receiver)("phone", "a title", "\n".join(lines), Grade.TRADE)
    bodies = [json.loads(body)["message"] for _, _, body in receiver.taken]
    assert len(bodies) == 3
    assert max(map(len, bodies)) <= 32768
    assert "".join("".join(bodies).split()) == "".join("".join(lines).split())


@pytest.mark.parametrize(("service", "escaped"), [("mmost", True), ("json", False)])
def test_no_service_takes_a_reason_for_marks(receiver: Receiver, service: str, escaped: bool) -> None:
    """Discord and Mattermost showed `2*vix*day_move` with `vix` slanted, and no stars, and called who was named."""
    words = r"12:00 a_bot: halted: 2*vix*day_move, `x` ~~y~~ _z_ __z__ \\ @everyone <@1> [x](https://y)"
    receiver.status = 200
    address = receiver.address.removeprefix("http://").replace(SECRET, "aaaaaaaaaaaaaaaaaaaaaaaaaa")
    DeliveryService([Person(name="phone", url=f"{service}://{address}")])("phone", "a title", words, Grade.TRADE)
    shown = (
        r"12:00 a_bot: halted: 2\*vix\*day_move, \`x\` \~\~y\~\~ \_z\_ \_\_z\_\_ \\\\ @everyone \<@1> \[x](https://y)"
    )
    shown = shown.replace("@", "@\u200b")
    said = json.loads(receiver.taken[0][2])
    assert said.get("text", said.get("message")).endswith(shown if escaped else words)


def test_why_a_service_did_not_take_it_is_said_without_the_address(receiver: Receiver) -> None:
    receiver.status = 500
    with pytest.raises(NotSentError, match=r"^the service did not take it: .*error=500$") as raised:
        person_at(receiver)("phone", "a title", "words", Grade.TRADE)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("grade", "urgency"),
    [(Grade.GRAVE, "failure"), (Grade.WARNING, "warning"), (Grade.TRADE, "info"), (Grade.DIGEST, "info")],
)
def test_a_service_is_shown_how_urgent_it_is(receiver: Receiver, grade: Grade, urgency: str) -> None:
    """Opsgenie makes a note of what is none of these, PagerDuty and Splunk On-Call let people sleep."""
    person_at(receiver)("phone", "a title", "words", grade)
    assert json.loads(receiver.taken[0][2])["type"] == urgency
