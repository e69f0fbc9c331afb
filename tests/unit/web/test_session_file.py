"""Sessions over restarts: kept under the token, ended for good, and never opened by what stands in the file."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from web_client import TOKEN, Client, Elapsed

import rulebot.web.session_file as session_module
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.web.access import Access
from rulebot.web.server import Bind, Server, application
from rulebot.web.session_file import BEFORE, MOST_SESSIONS, SESSION_SECONDS, SessionFile, name_of

OTHER = "another-token-of-a-test-456"


class Clock:
    """A wall clock of a test."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a-web-sessions"


def opened(path: Path, clock: Clock, cookie: str = "c" * 43, token: str = TOKEN) -> str:
    name = name_of(cookie, token)
    SessionFile(path, clock).add(name)
    return name


# ---------------------------------------------------------------- the file


def test_a_session_outlives_the_server_and_no_longer_than_its_time(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    assert SessionFile(path, clock).has(name)
    clock.now += SESSION_SECONDS - 1
    assert SessionFile(path, clock).has(name)
    clock.now += 2
    assert not SessionFile(path, clock).has(name)


def test_a_clock_that_is_set_back_opens_nothing_that_begins_later(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    clock.now -= BEFORE - 1
    assert SessionFile(path, clock).has(name)
    clock.now -= 2
    assert not SessionFile(path, clock).has(name)


def test_the_file_holds_neither_cookie_nor_token_and_is_its_owners(path: Path) -> None:
    opened(path, Clock(), cookie="the-cookie-itself")
    text = path.read_text()
    assert "the-cookie-itself" not in text
    assert TOKEN not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_stands_in_the_file_is_no_cookie(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    assert not SessionFile(path, clock).has(name_of(name, TOKEN))
    assert name_of("c" * 43, OTHER) != name  # under another token it is unknown


def test_a_logout_holds_in_every_server_and_after_a_restart(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    one, other = SessionFile(path, clock), SessionFile(path, clock)
    assert one.has(name)
    assert other.has(name)
    one.end(name)
    assert not other.has(name)
    assert not SessionFile(path, clock).has(name)


def test_two_servers_keep_each_others_sessions(path: Path) -> None:
    clock = Clock()
    one, other = SessionFile(path, clock), SessionFile(path, clock)
    one.add("a" * 64)
    other.add("b" * 64)
    assert one.has("b" * 64)
    assert SessionFile(path, clock).has("a" * 64)


def test_a_file_that_is_taken_away_ends_all(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    kept = SessionFile(path, clock)
    assert kept.has(name)
    path.unlink()
    assert not kept.has(name)


def test_there_are_never_too_many(path: Path) -> None:
    clock = Clock()
    kept = SessionFile(path, clock)
    for number in range(MOST_SESSIONS + 3):
        clock.now += 1
        kept.add(f"{number:064x}")
    assert len(json.loads(path.read_text())["sessions"]) == MOST_SESSIONS
    assert not kept.has(f"{2:064x}")
    assert kept.has(f"{3:064x}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 9000,
        '{"version": 2, "sessions": {"NAME": [SPAN]}}',
        '{"version": 1, "sessions": ["NAME"]}',
        '{"version": 1, "sessions": {"short": [SPAN]}}',
        '{"version": 1, "sessions": {"NAME": "SPAN"}}',
        '{"version": 1, "sessions": {"NAME": [true, 1e18]}}',
        '{"version": 1, "sessions": {"NAME": [0, Infinity]}}',
        '{"version": 1, "sessions": {"NAME": [1800000000, 9900000000]}}',
        '{"version": 1, "sessions": {"NAME": [1800000000]}}',
    ],
)
def test_a_file_that_is_not_sound_opens_nothing_and_is_written_again(path: Path, text: str) -> None:
    clock = Clock()
    name = "a" * 64
    path.write_text(text.replace("NAME", name).replace("SPAN", "1800000000, 1800000100"))
    path.chmod(0o600)
    kept = SessionFile(path, clock)
    assert not kept.has(name)
    kept.add("b" * 64)
    assert SessionFile(path, clock).has("b" * 64)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_that_others_can_write_opens_nothing(path: Path) -> None:
    clock = Clock()
    name = opened(path, clock)
    path.chmod(0o620)
    assert not SessionFile(path, clock).has(name)


def test_what_cannot_be_kept_is_a_session_of_this_server_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    clock = Clock()
    opened(path, clock, cookie="before")
    monkeypatch.setattr(session_module.os, "open", full)
    kept = SessionFile(path, clock)
    kept.end(name_of("before", TOKEN))
    assert "No space left" in caplog.text
    assert not path.exists()  # rather another login than one that was ended
    monkeypatch.undo()
    assert not SessionFile(path, clock).has(name_of("before", TOKEN))


def test_who_signs_in_on_a_full_disk_is_signed_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first login led back to the login, and whoever was signed in before was so no more."""

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    kept, before, now = SessionFile(path, Clock()), name_of("before", TOKEN), name_of("now", TOKEN)
    kept.add(before)
    monkeypatch.setattr(session_module.os, "open", full)
    kept.add(now)
    assert (kept.has(before), kept.has(now)) == (True, True)
    kept.end(before)
    assert (kept.has(before), kept.has(now)) == (False, True)
    monkeypatch.undo()
    kept.add(name_of("later", TOKEN))  # once there is room again all that is open is kept
    assert [SessionFile(path, Clock()).has(each) for each in (before, now)] == [False, True]


# ---------------------------------------------------------------- the server


@contextmanager
def served(folder: Path, token: str = TOKEN, clock: Clock | None = None) -> Iterator[Client]:
    """Serve a store, as after a start."""
    elapsed = Elapsed()
    kept = SessionFile(folder / "a-web-sessions", clock or Clock())
    made = Server(
        lambda stopping: application(
            folder / "a.db", Access(token=token), stopping=stopping, elapsed=elapsed, kept=kept
        ),
        Bind(port=0),
    )
    address = made.start()
    try:
        yield Client(int(address.rstrip("/").rpartition(":")[2]), elapsed, folder / "a.db")
    finally:
        made.stop()


def signed_in(client: Client, token: str = TOKEN) -> dict[str, str]:
    answer = client.send("POST", "/login", {}, f"token={token}".encode())
    assert answer.status == 303
    return {"Cookie": answer.headers["set-cookie"].split("; ")[0]}


def test_who_is_signed_in_stays_so_over_a_restart_with_the_same_token(tmp_path: Path) -> None:
    SqlJournal(open_store(tmp_path / "a.db")).close()
    clock = Clock()
    with served(tmp_path, clock=clock) as client:
        cookie = signed_in(client)
        ended = signed_in(client)
        reported = {**ended, "X-Rulebot": "1", "Content-Type": "application/json"}
        assert client.send("POST", "/api/logout", reported, b"{}").status == 204
    with served(tmp_path, clock=clock) as client:
        assert client.send("GET", "/api/pnl", cookie).status == 200
        assert client.send("GET", "/api/pnl", ended).status == 401
        change = {**cookie, "Content-Type": "application/json", "Idempotency-Key": "12345678"}
        assert client.send("POST", "/api/action/stop", change, b"{}").status == 403  # the header is owed as ever
        assert client.send("GET", "/api/pnl", {**cookie, "Origin": "https://evil.example"}).status == 403
        assert client.send("GET", "/api/pnl", {**cookie, "Host": "evil.example"}).status == 403
    with served(tmp_path, OTHER, clock) as client:
        assert client.send("GET", "/api/pnl", cookie).status == 401
    clock.now += SESSION_SECONDS + 1
    with served(tmp_path, clock=clock) as client:
        assert client.send("GET", "/api/pnl", cookie).status == 401


@pytest.mark.parametrize("cookie", ["", "x", "a" * 64, "a" * 5000, "\x00", "%00"])
def test_no_made_up_cookie_gets_in(tmp_path: Path, cookie: str) -> None:
    SqlJournal(open_store(tmp_path / "a.db")).close()
    with served(tmp_path) as client:
        cookie_name = signed_in(client)["Cookie"].partition("=")[0]
        (name,) = json.loads((tmp_path / "a-web-sessions").read_text())["sessions"]
        for value in (cookie, name, TOKEN):
            answer = client.send("GET", "/api/pnl", {"Cookie": f"{cookie_name}={value}".replace("\x00", "")})
            assert answer.status == 401


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_a_page_ends_no_session_of_another_one_on_this_machine(tmp_path: Path, token: str) -> None:
    """A browser keeps one jar for all ports: a login to the page of paper ended that of real money."""
    paper, live = tmp_path / "paper", tmp_path / "live"
    for folder in (paper, live):
        SqlJournal(open_store(folder / "a.db")).close()
    with served(paper) as one, served(live, token) as other:
        jar = dict(each["Cookie"].split("=", 1) for each in (signed_in(one), signed_in(other, token)))
        both = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        assert (one.send("GET", "/api/pnl", both).status, other.send("GET", "/api/pnl", both).status) == (200, 200)


@pytest.mark.parametrize(
    ("proxy", "host", "is_reported"),
    [("10.0.0.1", "127.0.0.1", True), ("", "127.0.0.1", False), ("10.0.0.1", "desk.example", False)],
)
def test_the_login_says_where_safari_keeps_no_session(tmp_path: Path, proxy: str, host: str, is_reported: bool) -> None:
    """Behind a proxy a session is for https alone: at http://127.0.0.1 Safari was asked for the token again."""
    store = tmp_path / "a.db"
    open_store(store).close()
    access = Access(token=TOKEN, hosts=("desk.example",), is_secure=bool(proxy))
    server = Server(lambda stopping: application(store, access, stopping=stopping), Bind(port=0, proxy=proxy))
    port = int(server.start().rstrip("/").rpartition(":")[2])
    try:
        page = Client(port, Elapsed(), store).send("GET", "/login", {"Host": f"{host}:{port}"})
    finally:
        server.stop()
    assert (page.status, b"Safari keeps no session" in page.body) == (200, is_reported)
