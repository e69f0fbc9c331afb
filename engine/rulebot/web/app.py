"""The application: the REST interface and the pages behind one gate; errors, to people as pages, else as JSON."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from rulebot.model.errors import RulebotError
from rulebot.store.place import Place, full_name
from rulebot.web import chart_pages, days_page, hooks, pages, preview_page, rest, scan_page
from rulebot.web.access import (
    COOKIE,
    HEADERS,
    LOOPBACK,
    NOT_KEPT,
    Access,
    Gate,
    Scope,
    Sessions,
    cookie_of,
    own_path,
    sender_of,
)
from rulebot.web.answers import ChangedError, FieldsError, HelpfulError, NotFoundError
from rulebot.web.hooks import WebhookGate
from rulebot.web.live import Live
from rulebot.web.metrics import exposition as metrics
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
"""What FastAPI says of a body that is not in UTF-8, or nested so deeply that nobody reads it."""


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
    """Return the application over a store. `live` shows an engine of this process; without one the store is shown.

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
        app.router.routes.extend(router.routes)  # as they are: `include_router` makes each anew, with all its models
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
    """Return the fields of a form; of more than our login has, none."""
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
    """Return what is wrong with a parameter; pydantic says of our own checks whose they are."""
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"


async def _broken(request: Request, error: Exception) -> Response:
    """Answer what failed; this answer alone does not go through the gate."""
    log.error("the page failed: %s", type(error).__name__, exc_info=error)
    headers = {name.decode(): value.decode() for name, value in (*HEADERS, NOT_KEPT)}
    return _answer(request, 500, _body("fault", "this program failed, and its log has the details"), headers)
