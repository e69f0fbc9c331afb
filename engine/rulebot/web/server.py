"""The application: the REST interface and the pages behind one gate; errors, to people as pages, else as JSON."""

import errno
import json
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from rulebot.model.errors import MisuseError, RulebotError, in_words
from rulebot.model.values import dataclass
from rulebot.store.place import Place, full_name
from rulebot.web import chart_pages, hooks, pages, preview_page, rest
from rulebot.web import pages as scan_page
from rulebot.web import recorded_days as days_page
from rulebot.web.access import (
    COOKIE,
    HEADERS,
    LOOPBACK,
    NOT_KEPT,
    Access,
    Gate,
    ProxyGate,
    Scope,
    Sessions,
    cookie_of,
    own_path,
    sender_of,
    trusted_networks,
)
from rulebot.web.hooks import WebhookGate
from rulebot.web.live import Live
from rulebot.web.metrics import exposition as metrics
from rulebot.web.rest_models import ChangedError, FieldsError, HelpfulError, NotFoundError
from rulebot.web.session_file import SESSION_SECONDS, SessionFile, name_of

log = logging.getLogger(__name__)
_CODES = {
    400: "request",
    401: "secret",
    404: "not_found",
    405: "method",
    409: "key",
    413: "size",
    422: "parameter",
    429: "rate",
    501: "not_installed",
}
_OF_ERRORS: dict[type[Exception], str] = {NotFoundError: "no_engine", ChangedError: "changed"}
UNREAD = "There was an error parsing the body"
"""FastAPI's message about a body that is not UTF-8, or nested too deeply."""


def application(
    store: Place,
    access: Access,
    live: Live | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    elapsed: Callable[[], float] = time.monotonic,
    door: WebhookGate | None = None,
    kept: SessionFile | None = None,
) -> FastAPI:
    """Return the application over a store. live: shows an engine of this process, None shows the store.

    door: lets web hooks in; without one there is no such path. kept: where sessions are kept over restarts; without it
    they end with this server.
    """
    live = live or Live(store)
    access = replace(access, takes_hooks=door is not None)
    cookie = f"{COOKIE}_{name_of(full_name(store), access.token)[:8]}"
    sessions = Sessions(access, elapsed, kept or SessionFile(None, elapsed), cookie)
    app = FastAPI(
        title="rulebot",
        description="What bots do, and requests left for their engine.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    routers = [
        rest.router(store, live),
        scan_page.router(store),
        preview_page.router(store, live),
        chart_pages.router(store),
        days_page.router(store),
        metrics.router(store, live),
        *([hooks.router(door)] if door is not None else []),
        *pages.routers(store, live, stopping),
    ]
    for router in routers:
        app.router.routes.extend(router.routes)  # unchanged: `include_router` makes each anew, with all its models
    _add_login(app, sessions)
    app.add_exception_handler(RulebotError, _failed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(Gate, sessions=sessions, refuse=_refusal)
    return app


# ---------------------------------------------------------------- login


def _add_login(app: FastAPI, sessions: Sessions) -> None:
    @app.get("/login", include_in_schema=False)
    def login_page(request: Request, to: str = "/") -> HTMLResponse:
        return _login_page("", own_path(to), 200, is_kept=_keeps_sessions(request, sessions.access))

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        words = _form(await request.body())
        sender, to = sender_of(request.scope), own_path(words.get("to", ["/"])[0])
        cookie = sessions.open(words.get("token", [""])[0].strip(), sender)
        if cookie is None:
            if sessions.is_locked(sender):
                return _login_page("Too many wrong tokens: wait a minute.", to, 429)
            return _login_page("That is not the token.", to, 401)
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            sessions.cookie,
            cookie,
            int(SESSION_SECONDS),
            httponly=True,
            samesite="strict",
            secure=sessions.access.is_secure,
        )
        return answer

    @app.post("/api/logout", status_code=204, include_in_schema=False)
    def logout(request: Request) -> Response:
        sessions.close(cookie_of(request.headers.get("cookie", ""), sessions.cookie))
        answer = Response(status_code=204)
        answer.delete_cookie(sessions.cookie)
        return answer


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        return {}


def _login_page(said: str, to: str, status: int, *, is_kept: bool = True) -> HTMLResponse:
    text = pages.TEMPLATES.get_template("login.html").render(said=said, to=to, is_kept=is_kept)
    return HTMLResponse(text, status)


def _keeps_sessions(request: Request, access: Access) -> bool:
    """Say whether any browser keeps a session at this address: Safari keeps none that is for https alone without it."""
    is_bare = request.url.scheme == "http" and request.url.hostname in (*LOOPBACK, "::1")
    return not (access.is_secure and is_bare)


# ---------------------------------------------------------------- errors


def _body(code: str, message: str, help: str = "") -> dict[str, str]:
    return {"code": code, "message": message, "help": help}


def _is_visit(scope: Scope) -> bool:
    """Say whether a person's browser opens an address: a page is answered by a page, the API and fetches by JSON."""
    accepts = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in accepts and not scope["path"].startswith("/api/")


def _page(body: Mapping[str, str]) -> str:
    return pages.TEMPLATES.get_template("refused.html").render(said=body["message"], help=body["help"])


def _answer(
    request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    if _is_visit(request.scope):
        return HTMLResponse(_page(body), status, headers=headers)
    return JSONResponse(body, status, headers=headers)


def _refusal(scope: Scope, status: int, code: str, words: str) -> tuple[bytes, bytes]:
    help = "the token is in the file that 'rulebot web' names when it starts" if status == 401 else ""
    body = _body(code, words, help)
    if _is_visit(scope):
        return b"text/html; charset=utf-8", _page(body).encode()
    return b"application/json", json.dumps(body).encode()


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RulebotError)
    return _answer(request, 503, _body("store", error.message, error.help or ""))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _OF_ERRORS.get(type(error)) or _CODES.get(error.status_code, "refused")
    words = str(error.detail)
    if words == HTTPStatus(error.status_code).phrase:  # of an address that no route has, or of another method
        words = f"nothing answers {request.method} {request.url.path[:100]}"
    if words == UNREAD:
        words = "body: it cannot be read: it is JSON in UTF-8, without one list or object in another a hundred times"
    help = error.help if isinstance(error, HelpfulError) else ""
    body: dict[str, Any] = dict(_body(code, words, help))
    if isinstance(error, FieldsError):
        body["fields"] = error.fields
    return _answer(request, error.status_code, body, error.headers)


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        f"body: it is no JSON: {one['ctx']['error']} at letter {one['loc'][-1] + 1}"
        if one["type"] == "json_invalid"
        else _misread(one["loc"][1:] or one["loc"], one["msg"])
        for one in error.errors()
    ]
    return _answer(request, 422, _body("parameter", "; ".join(found)[:500]))


def _misread(place: Sequence[object], message: str) -> str:
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"


async def _broken(request: Request, error: Exception) -> Response:
    """Answer what failed; this answer alone does not go through the gate."""
    log.error("the page failed: %s", type(error).__name__, exc_info=error)
    headers = {name.decode(): value.decode() for name, value in (*HEADERS, NOT_KEPT)}
    return _answer(request, 500, _body("fault", "this program failed, and its log has the details"), headers)


# --- A listening socket with a limit on connections

MOST = 64
"""Connections at once: a browser has six, and the page takes up its own again when one ends."""


class Listener(socket.socket):
    """Ends the oldest connection for one too many; while those that were ended are still there, the new one."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._taken: list[socket.socket] = []
        self._ended: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and whose it is. Raises: OSError, as when one has gone before it was taken."""
        connection, address = super().accept()
        self._taken = [each for each in self._taken if each.fileno() != -1]
        self._ended = [each for each in self._ended if each.fileno() != -1]
        if len(self._ended) >= MOST:
            connection.close()
            raise ConnectionAbortedError
        self._taken.append(connection)
        if len(self._taken) > MOST:
            oldest = self._taken.pop(0)
            self._ended.append(oldest)
            with suppress(OSError):  # it may be gone already
                oldest.shutdown(socket.SHUT_RDWR)
        return connection, address


# --- A web server in its own thread, so that an engine's loop in the same process never waits for it

START_SECONDS = 20.0
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
"""Files that Docker and Podman put into a container; Podman into none whose root cannot be written to."""
CONTAINER_VARIABLE = "container"
"""What Podman sets in every container, and our own image. Source: systemd.io/CONTAINER_INTERFACE."""


class ServerError(RulebotError):
    """The page could not be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to listen. port 0 takes a free one. proxy: addresses and networks of trusted proxies.

    in_container: the address is a container's own, and its port is published on this machine's loopback alone.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: str = ""
    key: str = ""
    proxy: str = ""
    in_container: bool = False

    @property
    def is_loopback(self) -> bool:
        """Say whether this machine alone can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    @property
    def is_secure(self) -> bool:
        """Say whether what a browser sends is encrypted: by us, or by the proxy in front."""
        return bool(self.certificate or self.proxy)

    @property
    def is_by_proxy_alone(self) -> bool:
        """Say whether only the proxy in front encrypts, so that direct clients would be unencrypted."""
        return bool(self.proxy) and not self.certificate and not self.in_container

    def check(self) -> None:
        """Refuse to be reached from other machines in the clear (faults.md row 102). Raises: MisuseError."""
        if bool(self.certificate) is not bool(self.key):
            raise MisuseError("a certificate and its key belong together", "give --tls-cert and --tls-key")
        if self.proxy:
            trusted_networks(self.proxy)
        if self.in_container and not is_container():
            raise MisuseError("--in-container is for a container, and this is none", "leave it out")
        if not self.is_loopback and not self.is_secure and not self.in_container:
            raise MisuseError(
                f"{self.host} can be reached from other machines, and nothing would be encrypted",
                "use an ssh tunnel to 127.0.0.1, or give --tls-cert and --tls-key, or --trusted-proxy ADDRESS",
            )

    def claim(self) -> Listener:
        """Return a socket that listens on the port; who comes early waits. Raises: MisuseError; ServerError.

        One that had the port and did not listen would keep no other start from it.
        """
        self.check()
        if self.certificate:
            _check_pair(self.certificate, self.key)
        claimed = Listener(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claimed.bind((self.host, self.port))
            claimed.listen()
        except (OSError, UnicodeError) as error:  # a name that can be none, too
            claimed.close()
            is_port = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
            raise ServerError(
                f"{self.host}:{self.port} cannot be listened on: {in_words(error)}",
                "take another --port" if is_port else "--host is an address of this machine",
            ) from error
        return claimed


def _check_pair(certificate: str, key: str) -> None:
    """Raise MisuseError for files that are no certificate and its key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # what is in them too
        why = error.strerror if not isinstance(error, ssl.SSLError) else "they are no such pair, in PEM"
        raise MisuseError(
            f"'{certificate}' and '{key}' cannot be used as a certificate and its key: {why}",
            "--tls-cert names the whole chain, --tls-key the key without a password",
        ) from error


def is_container() -> bool:
    """Say whether this process runs in a container."""
    return bool(os.environ.get(CONTAINER_VARIABLE)) or any(Path(mark).exists() for mark in CONTAINER_MARKS)


class Server:
    """Serves one application until it is stopped. Signals are left to the process.

    claimed: the socket of `bind`, where it was claimed before.
    """

    def __init__(
        self, make: Callable[[Callable[[], bool]], FastAPI], bind: Bind, claimed: Listener | None = None
    ) -> None:
        bind.check()
        self._bind = bind
        logging.getLogger("uvicorn.access").disabled = True
        app = make(self._is_stopping)
        config = uvicorn.Config(
            ProxyGate(app, bind.proxy) if bind.is_by_proxy_alone else app,
            loop="asyncio",  # another one would take connections past the listener
            log_config=None,
            log_level="error",  # clients get their errors; in the log they could hide the rest
            ws="none",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=bind.certificate or None,
            ssl_keyfile=bind.key or None,
            proxy_headers=bool(bind.proxy) and not bind.is_by_proxy_alone,
            forwarded_allow_ips=list(trusted_networks(bind.proxy)) if bind.proxy else None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="rulebot-web", daemon=True)
        self._socket = claimed

    def _is_stopping(self) -> bool:
        return self._server.should_exit

    @property
    def address(self) -> str:
        """The address of the page; only once it is started."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self._bind.certificate else 'http'}://{shown}:{port}/"

    def start(self) -> str:
        """Listen, and return the address. Raises: ServerError when the port is taken or the server does not start."""
        self._socket = self._socket or self._bind.claim()
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise ServerError("the page did not start", "look at the log")
            time.sleep(0.01)
        return self.address

    def stop(self) -> None:
        """End it; pages that watch are let go."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        if self._socket is not None:
            self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket] if self._socket is not None else None)
