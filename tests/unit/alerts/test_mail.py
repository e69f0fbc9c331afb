"""E-mail to a server of this machine: login, STARTTLS, refusals, and a server that is down for a while."""

import logging
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from store_day import small_day

from rulebot.alerts.find import Grade
from rulebot.alerts.notifier import Notifier
from rulebot.alerts.people import DeliveryPolicy, People, Person
from rulebot.alerts.send import DeliveryService, NotSentError
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

USER, PASSWORD = "desk", "hunter2hunter2"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class MailServer:
    """Keeps the mails that it is sent, and whether each came after a login and over TLS."""

    def __init__(self, port: int = 0, **options: Any) -> None:
        self.taken: list[tuple[str, bool, bool]] = []
        self.logins = 0
        self.port = port or free_port()
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self._check,
            auth_require_tls="tls_context" in options,
            **options,
        )
        self._controller.start()

    def _check(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.logins += 1
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        subject = message_from_bytes(envelope.content, policy=policy.default)["Subject"]
        self.taken.append((str(subject), bool(session.authenticated), session.ssl is not None))
        return "250 taken"

    def stop(self) -> None:
        """Take nothing more."""
        self._controller.stop()


Start = Callable[..., MailServer]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[MailServer] = []

    def found(port: int = 0, **options: Any) -> MailServer:
        started.append(MailServer(port, **options))
        return started[-1]

    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    yield found
    for each in started:
        each.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate that nobody has signed, and what serves with it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def address(port: int, mode: str, password: str = PASSWORD) -> str:
    return f"mailto://{USER}:{password}@127.0.0.1:{port}?from=desk@example.org&to=me@example.org&mode={mode}"


def send(url: str) -> None:
    DeliveryService([Person(name="mail", url=url)])("mail", "an alarm", "no quote for 60 s", Grade.GRAVE)


def test_a_mail_is_sent_after_a_login(start: Start) -> None:
    server = start(auth_required=True)
    send(address(server.port, "insecure"))
    assert server.taken == [("an alarm", True, False)]


def test_a_wrong_password_is_said_and_not_repeated(start: Start) -> None:
    server = start(auth_required=True)
    with pytest.raises(NotSentError, match=r"535.*Authentication credentials invalid") as caught:
        send(address(server.port, "insecure", "wrong-password"))
    assert server.taken == []
    assert "wrong-password" not in str(caught.value)
    assert "me@example.org" not in str(caught.value)


def test_starttls_is_used_where_it_is_asked_for(
    start: Start, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = certificate
    server = start(auth_required=True, tls_context=context, require_starttls=True)
    with pytest.raises(NotSentError, match="certificate verify failed"):
        send(address(server.port, "starttls"))
    assert (server.taken, server.logins) == ([], 0), "no password goes to a server that cannot prove who it is"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    send(address(server.port, "starttls"))
    assert server.taken == [("an alarm", True, True)]


def test_no_password_is_sent_in_the_clear_to_a_server_without_starttls(start: Start) -> None:
    server = start()
    with pytest.raises(NotSentError, match="STARTTLS extension not supported"):
        send(address(server.port, "starttls"))
    assert (server.taken, server.logins) == ([], 0)


def test_an_alarm_waits_for_a_mail_server_that_is_down(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The outbox keeps it, also over a restart; one warning says so; it is told when the server is up."""
    port, now = free_port(), [datetime(2026, 11, 18, 17, tzinfo=UTC)]
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append(small_day()[:1], durable=True)
    journal.append([Record(now[0], Kind.ALARM, data={"text": "the stop is lost"})], durable=True)
    person = Person(name="mail", url=address(port, "insecure"))

    def rounds(count: int) -> None:
        alert_sender = Notifier(
            tmp_path / "a.db",
            People(people=(person,), manner=DeliveryPolicy()),
            DeliveryService([person]),
            now=lambda: now[0],
        )
        outbox = alert_sender.open()
        for _ in range(count):
            alert_sender.step(outbox)
            deadline = time.monotonic() + 20
            while alert_sender._on_way and time.monotonic() < deadline:
                time.sleep(0.02)
                alert_sender._harvest(outbox)
            now[0] += timedelta(minutes=11)
        outbox.close()
        alert_sender.close()

    with caplog.at_level(logging.WARNING, "rulebot.alerts"):
        rounds(3)
        (warning,) = [each.getMessage() for each in caplog.records if each.name == "rulebot.alerts"]
        assert "'mail' was not sent" in warning
        assert "Connection refused" in warning
        server = start(port)
        rounds(1)
    assert len(server.taken) == 1
    journal.close()
