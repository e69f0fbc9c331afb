"""Who may look, and who may ask: hosts, origins, a token, sessions, and a limit on wrong tokens.

Every request passes `Gate` before anything else sees it. A change needs the token or a session, a header that no form
of another site can send, and JSON; a GET changes nothing (faults.md rows 97 to 102).
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass as mutable
from dataclasses import field
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rulebot.model.errors import MisuseError
from rulebot.model.values import dataclass
from rulebot.pages import written_page
from rulebot.store.place import checked_secret, kept_secret, make_secret, read_secret
from rulebot.web.session_file import SessionFile, name_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Refuse = Callable[[Scope, int, str, str], tuple[bytes, bytes]]
"""Gives the content type and the body that refuse a request: of its scope, status, code and words."""

COOKIE = "rulebot_session"
"""Prefix of a session cookie's name; the page's port follows: browsers keep one cookie jar for all ports."""
CUSTOM = b"x-rulebot"
CHANGES = frozenset({"POST"})
"""The methods that change something; no route has another one, which a test holds."""
WRONG_BEFORE_LOCK = 5
LOCKED_SECONDS = 60.0
SENDERS = 1000
"""Senders of wrong tokens who are known, the latest."""
MOST_BODY = 16 * 1024
"""Bytes of a request's body at most: what is asked for fits into a line."""
TOO_LARGE = "the request is too large"
MOST_PATH = 1000
"""Letters of a login's target page at most: no page here has more."""
_OWN_PATH = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")
"""A path of our own: printable ASCII, and not `//` or `/\\`, which lead to another host."""
OPEN_PATHS = frozenset(
    {"/health", "/login", "/static/page.css", "/static/look.css", "/static/icon.svg", "/favicon.ico"}
)
"""Paths that need no token: they show nothing of the account."""
HOOKS = "/hooks/"
"""Below it web hooks of other programs come in: they bring a secret of their own, which `hooks.py` asks for."""
STAYS = "rulebot.stays"
"""In a scope, what says whether who asked may still look: an answer may take as long as a page is open."""
METRICS = "/metrics"
"""Paths with their own secret that opens nothing else: a metrics collector need not be able to trade."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        b"object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

NOT_KEPT = (b"cache-control", b"no-store")
LOOKED_AT_AGAIN = (b"cache-control", b"no-cache")
"""Cache headers: a browser keeps it and asks for changes each time; by default it would use an old one for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may. token: the secret; hosts: names besides loopback under which the page is reached; is_secure: by TLS.

    metrics: a secret that opens the metrics alone, "" without one. takes_hooks: a web hook needs no token.
    """

    token: str
    metrics: str = ""
    hosts: tuple[str, ...] = ()
    is_secure: bool = False
    takes_hooks: bool = False

    def secrets_of(self, path: str) -> Iterator[str]:
        """Yield what opens a path."""
        yield self.token
        if path == METRICS and self.metrics:
            yield self.metrics

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Access(hosts={self.hosts})"


@mutable(slots=True)
class Sessions:
    """Sessions, and what is counted of wrong tokens. elapsed: monotonic seconds; kept: where sessions are kept.

    cookie: the name of their cookies.
    """

    access: Access
    elapsed: Callable[[], float]
    kept: SessionFile
    cookie: str = COOKIE
    _wrong: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    """By sender, the number of wrong tokens in a row, and until when further wrong ones must wait."""

    def open(self, token: str, sender: str) -> str | None:
        """Return a new session's cookie for the right token, None for a wrong one."""
        if not self.knows(token, sender):
            return None
        cookie = secrets.token_urlsafe(32)
        self.kept.add(name_of(cookie, self.access.token))
        return cookie

    def close(self, cookie: str) -> None:
        """End a session."""
        self.kept.end(name_of(cookie, self.access.token))

    def has(self, cookie: str) -> bool:
        """Say whether a session is open."""
        return bool(cookie) and self.kept.has(name_of(cookie, self.access.token))

    def knows(self, token: str, sender: str, path: str = "") -> bool:
        """Say whether a token is the right one for a path. Repeated wrong ones get 429 for a minute.

        The right one always passes, whatever else its sender has sent: others may share the address.
        """
        given = _hashed(token)
        is_right = any(hmac.compare_digest(given, _hashed(each)) for each in self.access.secrets_of(path))
        if not self.is_locked(sender):
            self._count(sender, is_right=is_right)
        return is_right

    def _count(self, sender: str, *, is_right: bool) -> None:
        count = self._wrong.pop(sender, (0, 0.0))[0] + 1
        if is_right:
            return
        is_last = count >= WRONG_BEFORE_LOCK
        self._wrong[sender] = (0, self.elapsed() + LOCKED_SECONDS) if is_last else (count, float("-inf"))
        if len(self._wrong) > SENDERS:
            self._wrong.popitem(last=False)

    def is_locked(self, sender: str) -> bool:
        """Say whether this sender has sent so many wrong tokens that further ones must wait."""
        return self.elapsed() < self._wrong.get(sender, (0, float("-inf")))[1]


def sender_of(scope: Scope) -> str:
    """Return the address that a request comes from, "" where it is not known."""
    return str((scope.get("client") or ("",))[0])


def _headers_of(scope: Scope) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def _token_in(headers: Mapping[bytes, str]) -> str | None:
    """Return the token that a request brings itself, None where it has a session or nothing."""
    kind, _, token = headers.get(b"authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Gate:
    """ASGI: refuses what may not come in, and puts the headers on every answer that a page needs to be safe."""

    def __init__(self, app: App, sessions: Sessions, refuse: Refuse) -> None:
        self._app, self._sessions, self._refuse = app, sessions, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}  # the server knows of it, and sends no body
        answer = _with_headers(send, scope["path"])
        refused = self._refused(scope)
        if refused is not None:
            await self._say(answer, scope, *refused)
            return
        scope[STAYS] = partial(self._stays, scope, is_head=is_head)
        with suppress(ClientDisconnect):  # a client that disconnected needs no answer
            await self._app(scope, _limited(receive), answer)

    def _refused(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = _headers_of(scope)
        access, path, method = self._sessions.access, scope["path"], scope["method"]
        if not is_host_allowed(headers.get(b"host", ""), access.hosts):
            return 403, "host", "this page is not served under that name"
        if not _is_origin_allowed(headers):
            return 403, "origin", "a page of another site may not ask this one"
        if int(headers.get(b"content-length", "0") or "0") > MOST_BODY:
            return 413, "size", TOO_LARGE
        if path in OPEN_PATHS or (access.takes_hooks and method == "POST" and path.startswith(HOOKS)):
            return None
        sender = sender_of(scope)
        if not self._is_known(headers, sender, path):
            is_locked = self._sessions.is_locked(sender)
            words = "too many wrong tokens: wait a minute" if is_locked else "a token is needed"
            return 429 if is_locked else 401, "token", words
        if method in CHANGES:
            if headers.get(CUSTOM) != "1":
                return 403, "header", "a change needs the header X-Rulebot: 1"
            if headers.get(b"content-type", "").partition(";")[0].strip() != "application/json":
                return 415, "type", "a change is sent as application/json"
        return None

    def _is_known(self, headers: Mapping[bytes, str], sender: str, path: str) -> bool:
        token = _token_in(headers)
        return self._has_session(headers) if token is None else self._sessions.knows(token, sender, path)

    def _has_session(self, headers: Mapping[bytes, str]) -> bool:
        return self._sessions.has(cookie_of(headers.get(b"cookie", ""), self._sessions.cookie))

    def _stays(self, scope: Scope, *, is_head: bool) -> bool:
        """Say whether the session of a request is still valid; a token is valid as long as this server runs.

        Responses without a body are not streamed.
        """
        if is_head:
            return False
        headers = _headers_of(scope)
        return _token_in(headers) is not None or self._has_session(headers)

    async def _say(self, send: Send, scope: Scope, status: int, code: str, words: str) -> None:
        accepts = dict(scope["headers"]).get(b"accept", b"")
        is_page = status == 401 and scope["method"] == "GET" and b"text/html" in accepts
        kind, body = self._refuse(scope, status, code, words)
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if is_page and _headers_of(scope).get(b"sec-fetch-site") == "cross-site":
            status, body = 200, written_page("go_on", path=_asked_of(scope)).encode()
            headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        elif is_page:
            status, body, headers = 303, b"", [(b"location", _login_for(scope)), (b"content-length", b"0")]
        elif status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _login_for(scope: Scope) -> bytes:
    asked = _asked_of(scope)
    return b"/login" if asked == "/" else b"/login?to=" + quote(asked, safe="/").encode()


def _asked_of(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return own_path(quote(scope["path"]) + (f"?{query}" if query else ""))


def own_path(asked: str) -> str:
    """Return a path of this page as it was asked for, "/" for what a browser may take for another site."""
    return asked if len(asked) <= MOST_PATH and _OWN_PATH.fullmatch(asked) else "/"


def cookie_of(header: str, name: str) -> str:
    """Return the session of a Cookie header by the name of its cookie, "" without one.

    The header also has cookies of other services at this address, some malformed.
    """
    pairs = (each.partition("=") for each in header.split(";"))
    return next((value.strip() for found, _, value in pairs if found.strip() == name), "")


def is_host_allowed(host: str, more: tuple[str, ...]) -> bool:
    """Say whether a Host header names this machine as it may be named (row 97: a page that rebinds DNS is refused)."""
    name, port = _split(host.strip().lower())
    if not name or not (port == "" or port.isdigit()):
        return False
    return name in LOOPBACK or any(each.lower() in (name, f"{name}:{port}") for each in more)


def _split(host: str) -> tuple[str, str]:
    if host.startswith("["):
        name, _, rest = host.partition("]")
        return f"{name}]", rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def _is_origin_allowed(headers: Mapping[bytes, str]) -> bool:
    """Say whether a request comes from this page, or from no page at all (row 98, 99)."""
    site = headers.get(b"sec-fetch-site", "")
    origin = headers.get(b"origin")
    if origin is not None:
        try:
            parts = urlsplit(origin)
        except ValueError:  # of brackets without an end
            return False
        is_same = parts.netloc.lower() == headers.get(b"host", "").strip().lower()
        return is_same and parts.scheme in ("http", "https")
    is_visit = headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document"
    return site in ("", "same-origin", "none") or is_visit


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message["headers"]}
            added = [pair for pair in HEADERS if pair[0] not in known]
            added.append(LOOKED_AT_AGAIN if path.startswith("/static/") else NOT_KEPT)
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return sending


def _limited(receive: Receive) -> Receive:
    """Refuse a body without a declared length once it is too long."""
    taken = 0

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receiving


# --- What a page behind a proxy lets in

WORDS = {
    "code": "proxy",
    "message": "this page is reached by its proxy alone",
    "help": "--trusted-proxy has the address that requests come from",
}
WIDEST = {4: 8, 6: 32}
"""Leading bits that a network of proxies has at least, by version of IP: 10.0.0.0/8 is the widest of a private one."""
_LOCAL = IPv6Network("fc00::/7")
_MAPPED = IPv6Network("::ffff:0:0/96")
HELP = "name the proxy's address, such as 10.0.0.5, or its network, such as 172.18.0.0/16; several with commas between"


def trusted_networks(text: str) -> tuple[str, ...]:
    """Return the addresses and networks of proxies. Raises: MisuseError for names, and for as much as the internet."""
    return tuple(str(_network(each.strip())) for each in text.split(","))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        found = ip_network(text)
    except ValueError:
        raise MisuseError(f"--trusted-proxy '{text}' is no address and no network", HELP) from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        found = IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    is_local = isinstance(found, IPv6Network) and found.subnet_of(_LOCAL)
    if found.network_address.is_unspecified or (found.prefixlen < WIDEST[found.version] and not is_local):
        what = (
            "is no address of a proxy" if found.num_addresses == 1 else "is the whole internet, or a large part of it"
        )
        raise MisuseError(f"--trusted-proxy '{text}' {what}: everybody could say who they are", HELP)
    return found


class ProxyGate:
    """ASGI: refuses clients other than the proxy and this machine; trusts the proxy about the client's address."""

    def __init__(self, app: App, proxy: str) -> None:
        """Put the app behind proxies. Raises: MisuseError, as `trusted_networks`."""
        trusted = list(trusted_networks(proxy))
        made: Any = ProxyHeadersMiddleware  # uvicorn's types of ASGI are its own
        self._known: Any = made(app, trusted_hosts=trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it."""
        if scope["type"] == "http":
            sender, port = scope.get("client") or ("", 0)
            sender = _plain(sender)
            scope["client"] = (sender, port)
            ours = _plain((scope.get("server") or ("none", 0))[0])
            is_here = _is_loopback(sender) or sender == ours  # a client with this machine's address is on it
            if sender not in self._known.trusted_hosts and not is_here:
                body = json.dumps(WORDS).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 403, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._known(scope, receive, send)


def _plain(sender: str) -> str:
    """Return an address of IPv4 as such, also where it comes in through a socket of IPv6."""
    try:
        found = ip_address(sender)
    except ValueError:
        return sender
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


def _is_loopback(sender: str) -> bool:
    try:
        return ip_address(sender).is_loopback
    except ValueError:
        return False


# --- The token that lets a person in, and the one that opens the metrics alone

VARIABLE = "RULEBOT_WEB_TOKEN"
OF_METRICS = "RULEBOT_METRICS_TOKEN"


@dataclass(frozen=True, slots=True)
class Token:
    """The secret, and in words where it is kept."""

    text: str
    where: str

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Token(where={self.where!r})"


def read_token(file: Path, environ: Mapping[str, str] = os.environ, variable: str = VARIABLE) -> Token:
    """Return the token that the environment gives, else that of `file`, which is made with one when it is not there.

    Raises: MisuseError for one that is too short to be a secret, StoreError when the file cannot be read or made.
    """
    given, where = read_secret(variable, environ)
    if given:
        return Token(checked_secret(given, where), where)
    make_secret(file)
    return Token(kept_secret(file), str(file))
