"""Who gets in: hosts, origins, tokens, sessions, headers (faults.md rows 97 to 102), by raw requests."""

import html
import json
import re
import socket
import sys
from urllib.parse import urlencode

import pytest
from web_client import OF_METRICS, TOKEN, Client

from rulebot.web.access import LOCKED_SECONDS, MOST_BODY, WRONG_BEFORE_LOCK, Access, is_host_allowed

KNOWN = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1"}
READS = [
    "/", "/live", "/bots/dte0_condor", "/trades",
    "/api/status", "/api/positions", "/api/positions/greeks", "/api/positions/risk",
    "/api/trades", "/api/pnl", "/api/pnl/history", "/api/account", "/api/market", "/api/performance",
    "/api/openapi.json", "/api/alerts", "/static/page.js",
]  # fmt: skip
CHANGES = [
    "/api/action/start", "/api/action/stop", "/api/action/close_all", "/api/action/pause", "/api/trade/trigger",
    "/api/alerts/acknowledge",
]  # fmt: skip


@pytest.fixture
def client(shared: Client) -> Client:
    """Return the one page that all tests here look at."""
    return shared


@pytest.mark.parametrize("path", READS)
def test_nothing_is_read_without_a_token(client: Client, path: str) -> None:
    assert client.send("GET", path).status == 401
    assert client.send("GET", path, {"Authorization": "Bearer wrong"}).status == 401
    assert client.send("GET", f"{path}?token={TOKEN}").status == 401  # never in a URL


def test_the_token_of_the_metrics_opens_nothing_else(client: Client) -> None:
    """Who collects figures had the token by which all can be closed."""
    by_metrics = {"Authorization": f"Bearer {OF_METRICS}"}
    for token in (TOKEN, OF_METRICS):
        answer = client.send("GET", "/metrics", {"Authorization": f"Bearer {token}"})
        assert (answer.status, b"rulebot_" in answer.body) == (200, True)
    assert client.send("GET", "/metrics", {"Authorization": "Bearer wrong"}).status == 401
    for path in (*READS, "/metrics/", "/metrics/more"):
        assert client.send("GET", path, by_metrics).status in (401, 429), path
        client.elapsed.now += LOCKED_SECONDS + 1
    for path in CHANGES:
        reported = {"X-Rulebot": "1", "Content-Type": "application/json", "Idempotency-Key": "12345678"}
        assert client.send("POST", path, {**by_metrics, **reported}, b"{}").status in (401, 429), path
        client.elapsed.now += LOCKED_SECONDS + 1
    assert client.send("POST", "/login", {}, f"token={OF_METRICS}".encode()).status in (401, 429)
    client.elapsed.now += LOCKED_SECONDS + 1
    assert client.get("/api/status").status == 200


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_is_changed_without_a_token(client: Client, path: str) -> None:
    reported = {"X-Rulebot": "1", "Content-Type": "application/json", "Idempotency-Key": "12345678"}
    assert client.send("POST", path, reported, b"{}").status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "[::2]", "a@127.0.0.1"]
)
def test_another_host_is_refused_even_with_the_token(client: Client, host: str) -> None:
    """A page that makes its own name lead here (DNS rebinding) still says its own name."""
    for path in ("/health", "/login", "/api/status"):
        assert client.get(path, Host=host).status == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8080", "desk.example", "desk.example:443"]
)
def test_this_machine_and_what_was_allowed_are_served(client: Client, host: str) -> None:
    assert client.get("/health", Host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[::1"])
def test_a_page_of_another_site_asks_for_nothing(client: Client, origin: str) -> None:
    assert client.get("/api/status", Origin=origin).status == 403
    assert client.get("/live", Origin=origin).status == 403
    assert client.post("/api/action/stop", key="12345678", Origin=origin).status == 403
    assert client.send("POST", "/login", {"Origin": origin}, f"token={TOKEN}".encode()).status == 403


def test_a_picture_or_script_of_another_site_is_refused(client: Client) -> None:
    reported = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get("/api/status", **reported).status == 403
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/login", **visit).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Rulebot": ""}, 403),
        ({"X-Rulebot": "0"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data"}, 415),
    ],
)
def test_a_form_of_another_site_cannot_be_a_change(client: Client, headers: dict[str, str], status: int) -> None:
    assert client.post("/api/action/stop", key="12345678", **headers).status == status


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_another_method_changes_nothing(client: Client, path: str, method: str) -> None:
    reported = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Content-Type": "application/json"}
    assert client.send(method, path, reported).status == 405


@pytest.mark.parametrize("path", READS[3:-2])
def test_what_is_read_is_not_written_to(client: Client, path: str) -> None:
    assert client.post(path, key="12345678").status == 405


def test_every_answer_is_safe_to_show(client: Client) -> None:
    for answer in (
        client.get("/"),
        client.get("/api/status"),
        client.send("GET", "/api/status"),
        client.get("/nothing"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/static/page.js", "/static/page.css"])
def test_after_an_upgrade_a_browser_takes_the_new_script(client: Client, path: str) -> None:
    """It went on with the old one for days, under the new pages: nothing said how long that may be kept."""
    answer = client.get(path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")
    assert client.get(path, **{"If-None-Match": answer.headers["etag"]}).status == 304


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has one loopback address")
def test_wrong_tokens_are_limited_for_their_sender_alone(client: Client) -> None:
    stranger, wrong = "127.0.0.2", {"Authorization": "Bearer wrong"}
    found = [client.send("GET", "/api/pnl", wrong, sender=stranger).status for _ in range(WRONG_BEFORE_LOCK + 1)]
    assert found[0] == 401
    assert found[-1] == 429
    assert client.send("GET", "/api/pnl", wrong).status == 401
    client.elapsed.now += LOCKED_SECONDS + 1
    assert client.send("GET", "/api/pnl", wrong, sender=stranger).status == 401


def test_the_right_token_is_never_locked_out_by_wrong_ones(client: Client) -> None:
    """Whoever sent five a minute from the same address kept the owner from logging in to close all."""
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(20 * WRONG_BEFORE_LOCK):
        last = client.send("GET", "/api/pnl", wrong)
    assert last.status == 429
    assert client.send("POST", "/login", {}, b"token=wrong").status == 429
    assert client.get("/api/pnl").status == 200
    assert client.send("POST", "/login", {}, f"token={TOKEN}".encode()).status == 303
    assert client.send("GET", "/api/pnl", wrong).status == 429  # the right one does not end the wait of wrong ones


def test_a_session_is_opened_by_the_token_and_ended_by_logout(client: Client) -> None:
    wrong = client.send("POST", "/login", {}, b"token=wrong")
    assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
    opened = client.send("POST", "/login", {}, f"user=rulebot&token={TOKEN}".encode())
    assert (opened.status, opened.headers["location"]) == (303, "/")
    cookie, *flags = opened.headers["set-cookie"].split("; ")
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= set(flags)
    assert client.send("GET", "/api/pnl", {"Cookie": cookie}).status == 200
    change = {"Cookie": cookie, "Content-Type": "application/json"}
    assert client.send("POST", "/api/logout", change, b"{}").status == 403
    assert client.send("POST", "/api/logout", {**change, "X-Rulebot": "1"}, b"{}").status == 204
    assert client.send("GET", "/api/pnl", {"Cookie": cookie}).status == 401


@pytest.mark.parametrize(
    "other", ['seen={"a": 1}', "nameless", "secure=1", "a b=1", "na\u00efve=1", 'half="a', "=", ""]
)
def test_cookies_of_other_programs_of_this_machine_end_no_session(client: Client, other: str) -> None:
    """A browser sends those of all ports, and beside one with a brace or without a name no session was found."""
    opened = client.send("POST", "/login", {}, f"token={TOKEN}".encode())
    cookie = opened.headers["set-cookie"].partition(";")[0]
    for both in (f"{other}; {cookie}", f"{cookie}; {other}"):
        assert client.send("GET", "/api/status", {"Cookie": both}).status == 200
    leave = {"X-Rulebot": "1", "Content-Type": "application/json", "Cookie": f"{other}; {cookie}"}
    assert client.send("POST", "/api/logout", leave).status == 204
    assert client.send("GET", "/api/status", {"Cookie": cookie}).status == 401


def test_a_browser_without_a_session_is_led_to_the_login(client: Client) -> None:
    answer = client.send("GET", "/", {"Accept": "text/html"})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert b"password" in client.send("GET", "/login").body


@pytest.mark.parametrize("asked", ["/trades/7", "/bots/dte0_condor?day=2026-10-21&a=b%20c", "/days/2026-10-21?at=11:2"])
def test_a_login_leads_to_the_page_that_was_asked_for(client: Client, asked: str) -> None:
    """It led to the first page, and the day, the bot or the trade of a bookmark had to be looked for again."""
    led = client.send("GET", asked, {"Accept": "text/html"}).headers["location"]
    page = client.send("GET", led).body.decode()
    kept = html.unescape(re.findall(r'name="to" value="(.*?)"', page)[0])
    for token, status, where in (("wrong", 401, None), (TOKEN, 303, asked)):
        answer = client.send("POST", "/login", {}, urlencode({"token": token, "to": kept}).encode())
        assert (answer.status, answer.headers.get("location")) == (status, where)
        assert where or html.escape(asked) in answer.body.decode()


def test_who_follows_a_link_of_another_site_is_still_signed_in(client: Client) -> None:
    """A browser sends no strict cookie along with it, and the login was asked for once more."""
    opened = client.send("POST", "/login", {}, f"token={TOKEN}".encode())
    cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    visit = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    followed = client.send("GET", "/bots/a?day=1&x=%22", {**visit, "Sec-Fetch-Site": "cross-site"})
    # one that names no page keeps the `#` of the link, and a browser stays there
    leads = b'http-equiv="refresh" content="0; url=/bots/a?day=1&amp;x=%22"'
    assert (followed.status, leads in followed.body) == (200, True)
    assert b"dte0_condor" not in followed.body
    assert client.send("GET", "/trades/1", {**visit, **cookie, "Sec-Fetch-Site": "same-origin"}).status == 200
    again = client.send("GET", "/trades/1", {**visit, "Sec-Fetch-Site": "same-origin"})
    assert (again.status, again.headers["location"]) == (303, "/login?to=/trades/1")


@pytest.mark.parametrize(
    "asked",
    [
        "//evil.example", "/\\evil.example", "https://evil.example", "evil.example", "\\\\evil.example", "",
        "/\t/evil.example", "\n//evil.example", "/a\r\nSet-Cookie: a=b", "javascript:alert(1)", "/a\\..\\b",
        "/" + "a" * 1000, '"><script>alert(1)</script>',
    ],
)  # fmt: skip
def test_a_login_leads_to_no_other_site(client: Client, asked: str) -> None:
    reported = urlencode({"token": TOKEN, "to": asked})
    assert client.send("POST", "/login", {}, reported.encode()).headers["location"] == "/"
    assert 'name="to" value="/"' in client.send("GET", f"/login?{reported}").body.decode()


def test_a_body_that_is_too_large_is_not_read(client: Client) -> None:
    assert client.post("/api/action/stop", {"bot": "x" * MOST_BODY}, key="12345678").status == 413


@pytest.mark.parametrize("path", ["/login", "/api/action/stop", "/api/alerts/acknowledge"])
def test_a_body_that_does_not_say_how_large_it_is_is_cut_off(
    client: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reached the login, without any token, had a fault and two tracebacks written to the log each time."""
    reported = {**KNOWN, "Content-Type": "application/json", "Idempotency-Key": "12345678"}
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{client.port}", *(f"{k}: {v}" for k, v in reported.items())]
    head = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as sender:
        sender.sendall(head + (b"400\r\n" + b"x" * 1024 + b"\r\n") * (MOST_BODY // 1024 + 4))
        assert sender.recv(4096).startswith(b"HTTP/1.1 413")
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as sender:
        sender.sendall(head)  # and who goes away in the middle
    assert client.get("/api/status").status == 200
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "head", ["GET / HTTP/9.9", "\x00", "GET /live HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket"]
)
def test_who_knows_no_token_writes_nothing_into_the_log(
    client: Client, head: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of another site could open one socket after another, and the log kept nothing but that."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as sender:
        sender.sendall(f"{head}\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\n\r\n".encode())
        assert sender.recv(4096)[9:12] in (b"400", b"403")
    for fields in (b"a=1&" * 9, b"token=%ff", b"\xff" * 99):
        assert client.send("POST", "/login", {}, fields).status in (401, 429)
    client.elapsed.now += LOCKED_SECONDS + 1
    assert client.send("POST", "/login", {}, f"token={TOKEN}".encode()).status == 303
    assert caplog.records == []


def test_a_length_that_is_no_number_is_no_fault_of_ours(client: Client) -> None:
    answer = client.send("GET", "/api/pnl", {"Authorization": f"Bearer {TOKEN}", "Content-Length": "many"})
    assert answer.status == 400


def test_errors_say_what_to_do_and_nothing_of_the_inside(client: Client) -> None:
    for answer in (client.send("GET", "/api/pnl"), client.get("/api/trades?limit=0"), client.get("/api/nothing")):
        assert set(answer.json) == {"code", "message", "help"}
        assert b"Traceback" not in answer.body
    assert "file" in client.send("GET", "/api/pnl").json["help"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/bots/nobody", KNOWN, 404, "this store knows no bot &#39;nobody&#39;"),
        ("/bots/dte0_condor?day=<b>", KNOWN, 400, "a day is written 2026-10-21, is &#39;&lt;b&gt;&#39;"),
        ("/trades/abc", KNOWN, 422, "number: Input should be a valid integer"),
        ("/nowhere", KNOWN, 404, "nothing answers GET /nowhere"),
        ("/", {**KNOWN, "Host": "evil.example"}, 403, "this page is not served under that name"),
    ],
)
def test_a_person_is_refused_by_a_page_and_a_program_by_the_same_words_as_json(
    client: Client, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    seen = client.send("GET", path, {**headers, "Accept": "text/html,*/*;q=0.8"})
    assert (seen.status, seen.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in seen.body.decode()
    fetched = client.send("GET", path, {**headers, "Accept": "*/*"})
    assert (fetched.status, set(fetched.json)) == (status, {"code", "message", "help"})
    assert fetched.json["message"] in html.unescape(seen.body.decode())


def test_the_interface_answers_a_browser_by_json_too(client: Client) -> None:
    assert client.get("/api/nothing", Accept="text/html").json["code"] == "not_found"


def test_the_secret_is_not_shown() -> None:
    assert TOKEN not in repr(Access(token=TOKEN, metrics=TOKEN))
    assert TOKEN not in json.dumps(str(Access(token=TOKEN)))


def test_a_host_is_a_name_and_a_port() -> None:
    assert is_host_allowed("127.0.0.1:8080", ())
    assert is_host_allowed("page.example:8443", ("page.example:8443",))
    assert not is_host_allowed("page.example:80", ("page.example:8443",))
    assert not is_host_allowed("127.0.0.1:80:90", ())


def test_nothing_is_changed_but_by_post(client: Client) -> None:
    """The gate looks at the methods that change something: no route may have another one."""
    paths = client.get("/api/openapi.json").json["paths"]
    assert {method for found in paths.values() for method in found} == {"get", "post"}
    for path in READS:
        if path.startswith("/api/") and path != "/api/openapi.json":
            for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
                answer = client.send(method, path, {**KNOWN, "Content-Type": "application/json"})
                assert answer.status == 405, (method, path)


def test_what_fails_is_answered_with_the_same_headers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("rulebot.web.chart_pages.chart_of_trade", fails)
    answer = client.get("/trades/1")
    assert answer.status == 500
    assert "a fault of ours" not in answer.body.decode()
    assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-store")
