"""Where the page listens, and the secret that lets in."""

import asyncio
import http.client
import socket
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.model.errors import MisuseError, StoreError
from rulebot.spec.files import shipped
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.access import VARIABLE, Access, ProxyGate, Receive, Scope, Send, read_token, trusted_networks
from rulebot.web.server import MOST, Bind, Server, ServerError, application


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_needs_nothing_more(host: str) -> None:
    Bind(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "desk.example"])
def test_others_are_not_served_in_the_clear(host: str) -> None:
    with pytest.raises(MisuseError, match="other machines"):
        Bind(host=host).check()
    Bind(host=host, proxy="10.0.0.1").check()
    Bind(host=host, certificate="a.pem", key="a.key").check()


def test_a_containers_own_address_is_served_in_a_container_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind = Bind(host="0.0.0.0", in_container=True)
    monkeypatch.delenv("container", raising=False)
    monkeypatch.setattr("rulebot.web.server.CONTAINER_MARKS", (str(tmp_path / "gone"),))
    with pytest.raises(MisuseError, match="this is none"):
        bind.check()
    (tmp_path / "mark").touch()
    monkeypatch.setattr("rulebot.web.server.CONTAINER_MARKS", (str(tmp_path / "gone"), str(tmp_path / "mark")))
    bind.check()
    (tmp_path / "mark").unlink()
    monkeypatch.setenv("container", "podman")  # its mark is not there where the root cannot be written to
    bind.check()


def test_a_certificate_and_its_key_belong_together() -> None:
    with pytest.raises(MisuseError, match="belong together"):
        Bind(certificate="a.pem").check()


@pytest.mark.parametrize(
    ("sender", "reported"),
    [
        ("10.0.0.1", "198.51.100.7"), ("::ffff:10.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1"),
        ("10.0.0.9", "10.0.0.9"), ("::ffff:10.0.0.9", "10.0.0.9"),
        ("10.0.0.2", None), ("::ffff:10.0.0.2", None), ("fd00::1", None), ("", None),
    ],
)  # fmt: skip
def test_a_page_behind_a_proxy_is_reached_by_nobody_who_goes_past_it(sender: str, reported: str | None) -> None:
    """It answered every machine in the clear, with all that the token lets see, though no proxy took part."""
    seen: list[str] = []
    sent: list[MutableMapping[str, Any]] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"https")]
    scope = {"type": "http", "scheme": "http", "client": (sender, 4711), "headers": headers}
    asyncio.run(ProxyGate(page, "10.0.0.1")({**scope, "server": ("10.0.0.9", 8080)}, receive, send))
    assert seen == ([] if reported is None else [reported])
    assert [each["status"] for each in sent if "status" in each] == ([403] if reported is None else [])
    if not sender:  # where nobody knows who asks, nor whom, they are not one
        asyncio.run(ProxyGate(page, "10.0.0.1")(scope, receive, send))
        assert seen == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", ("10.0.0.1/32",)),
        ("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1/128")),
        ("172.18.0.0/16", ("172.18.0.0/16",)),
        ("fc00::/7", ("fc00::/7",)),
        ("::ffff:10.0.0.1", ("10.0.0.1/32",)),
    ],
)
def test_a_trusted_proxy_is_addresses_and_networks(text: str, found: tuple[str, ...]) -> None:
    assert trusted_networks(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.0.0.0/0", "'0.0.0.0/0' is the whole internet"),
        ("10.0.0.1,::/0", "'::/0' is the whole internet"),
        ("0.0.0.0/1", "is the whole internet, or a large part of it"),
        ("128.0.0.0/1", "is the whole internet, or a large part of it"),
        ("2000::/3", "is the whole internet, or a large part of it"),
        ("::ffff:0.0.0.0/96", "is the whole internet"),
        ("0.0.0.0", "is no address of a proxy"),
        ("*", "'*' is no address and no network"),
        ("proxy.example", "is no address and no network"),
        ("10.0.0.1/8", "is no address and no network"),
        ("10.0.0.1,", "'' is no address"),
    ],
)
def test_a_trusted_proxy_is_never_the_whole_internet(text: str, words: str) -> None:
    """Whoever sent X-Forwarded-For was taken for any client that they named."""
    with pytest.raises(MisuseError) as caught:
        Bind(host="0.0.0.0", proxy=text).check()
    assert words in caught.value.message


def test_only_a_proxy_that_alone_encrypts_must_be_gone_through() -> None:
    assert Bind(host="0.0.0.0", proxy="10.0.0.1").is_by_proxy_alone
    assert not Bind(host="0.0.0.0", proxy="10.0.0.1", certificate="a.pem", key="a.key").is_by_proxy_alone
    assert not Bind(host="0.0.0.0", proxy="10.0.0.1", in_container=True).is_by_proxy_alone


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = Bind(port=taken.getsockname()[1])
        server = Server(lambda _: application(tmp_path / "a.db", Access(token="x" * 20)), bind)
        with pytest.raises(ServerError, match="cannot be listened on"):
            server.start()


def test_a_claim_keeps_another_start_from_the_port() -> None:
    """Two that started at once both had it, until one of them found that it did not, with its run begun."""
    with Bind(port=0).claim() as ours, pytest.raises(ServerError, match="cannot be listened on"):
        Bind(port=ours.getsockname()[1]).claim()


@pytest.mark.parametrize("command", [("web", "--store", "a.db"), ("serve", "--paper", "--sim", "put_lite")])
def test_where_no_page_can_be_nothing_is_made(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` made a store, which was the last run's from then on, began a run in it, and ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    open_store(Path("a.db")).close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (tmp_path / "no.pem").write_text("none")
        for words, code, said in (
            (("--port", port), 3, "take another --port"),
            (("--host", "no.host.invalid", "--trusted-proxy", "10.0.0.1"), 3, "--host is an address of this machine"),
            (("--host", "0.0.0.0"), 2, "nothing would be encrypted"),
            (("--tls-cert", "no.pem", "--tls-key", "no.pem"), 2, "they are no such pair, in PEM"),
        ):
            found = CliRunner().invoke(main, [*command, *words])
            assert (found.exit_code, said in found.stderr) == (code, True), found.stderr
            assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} <= {
                "a.db",
                "a.db.lock",
                "no.pem",
                "data",
            }
            assert [each for each in tmp_path.rglob("data/*") if each.name != "logs"] == []


def test_a_store_that_is_gone_is_said_and_not_a_traceback(tmp_path: Path) -> None:
    server = Server(lambda _: application(tmp_path / "gone.db", Access(token="x" * 20)), Bind(port=0))
    port = int(server.start().rstrip("/").rpartition(":")[2])
    try:
        for path, status in (("/health", 503), ("/api/pnl", 503), ("/", 503)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path, headers={"Authorization": f"Bearer {'x' * 20}"})
            answer = connection.getresponse()
            assert (answer.status, b"Traceback" in answer.read()) == (status, False)
            connection.close()
    finally:
        server.stop()


def health(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


def answers_in_time(port: int) -> bool:
    """Say whether the page answers: a server that is kept busy ends new connections until the old ones are gone."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        with suppress(ConnectionError):
            return health(port) == 503
        time.sleep(0.05)
    return False


def is_ended(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.skipif(sys.platform == "win32", reason="Windows takes connections by other means, and has no such limit")
def test_connections_that_ask_for_nothing_leave_room_for_others(tmp_path: Path) -> None:
    """A thousand took all descriptors of the process: its engine could not reach its broker any more."""
    server = Server(lambda _: application(tmp_path / "gone.db", Access(token="x" * 20)), Bind(port=0))
    port = int(server.start().rstrip("/").rpartition(":")[2])
    held: list[socket.socket] = []
    try:
        held.extend(socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3 * MOST))
        assert answers_in_time(port)
        until = time.monotonic() + 20.0
        while sum(not is_ended(each) for each in held) > MOST and time.monotonic() < until:
            time.sleep(0.05)
        assert sum(not is_ended(each) for each in held) <= MOST
        assert health(port) == 503
    finally:
        for each in held:
            each.close()
        server.stop()


def test_a_token_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "new" / "token"
    made = read_token(file, {})
    assert read_token(file, {}) == made
    assert file.stat().st_mode & 0o077 == 0
    assert made.text not in repr(made)
    assert str(file) in made.where


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    read_token(file, {})
    file.chmod(0o644)
    with pytest.raises(MisuseError, match="can be read by others"):
        read_token(file, {})


def test_a_file_that_the_environment_names_is_taken_as_a_container_gives_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-token-from-a-secret\n", encoding="ascii")
    secret.chmod(0o444)
    found = read_token(tmp_path / "token", {f"{VARIABLE}_FILE": str(secret)})
    assert (found.text, found.where) == ("a-token-from-a-secret", str(secret))
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("text", ["short", "with a line\nbreak and more", "x" * 15])
def test_a_token_that_is_no_secret_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MisuseError, match="no secret"):
        read_token(tmp_path / "token", {VARIABLE: text})


def test_a_page_that_cannot_be_served_begins_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine had connected, its run was on record, and it was told as gone without a word."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "short")
    store, spec = tmp_path / "a.db", shipped("specs") / "put_lite.yaml"
    asked = ["serve", "--paper", "--sim", "--plain", "--port", "0", "--store", str(store), str(spec)]
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, "is no secret" in done.output) == (2, True)
    with StoreReader(store) as reader:
        assert reader.run().started is None
    open_store(store).close()  # nobody holds it


def test_the_environment_comes_first(tmp_path: Path) -> None:
    found = read_token(tmp_path / "token", {VARIABLE: "a-token-from-outside"})
    assert found.text == "a-token-from-outside"
    assert not (tmp_path / "token").exists()


def test_a_token_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_token(tmp_path, {})
