"""Web hooks: `POST /hooks/NAME` with a secret leaves a hook in the request box of the store, once.

TradingView cannot set headers, so the secret may be in the message. It is never part of an address, an answer or a log,
and allows nothing but one hook a second.
"""

import hashlib
import hmac
import json
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.operator_requests.requests import NoEngineError, post_hook
from rulebot.store.place import Place
from rulebot.web.access import HOOKS
from rulebot.web.rest_models import NotFoundError

MOST_BYTES = 4096
OLDEST = 120.0
"""Age in seconds at which a message with a time is refused; its clock may be ahead of ours by ..."""
AHEAD = 30.0
SAME_WITHIN = 10.0
"""Seconds within which an equal message without id and time is a repetition."""
AT_ONCE, A_SECOND = 60.0, 1.0
"""Messages that may come at once, of one sender and of all whose secret is right, and how many more each second."""
KEPT = 5000
SENDERS = 1000
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MILLISECONDS = 1e11
"""A time above it is no count of seconds."""
TOO_MANY = "too many web hooks: send fewer"


@dataclass(frozen=True, slots=True)
class Message:
    """What was sent, apart from its secret. id: names it; sent: when, epoch seconds; None where it does not say."""

    says: str
    id: str | None = None
    sent: float | None = None


class Refused(HTTPException):
    """A refused hook; its sender gets the reason, in words that repeat nothing of the message."""


class WebhookRateLimit:
    """A rate limit: this many at once, and this many more each second; per sender, for the latest senders."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, sender: str) -> bool:
        """Say whether one more may come, and count it; one that is refused takes nothing from those to come."""
        now = self._elapsed()
        left, at = self._left.pop(sender, (AT_ONCE, now))
        left = min(left + (now - at) * A_SECOND, AT_ONCE)
        is_allowed = left >= 1.0
        self._left[sender] = (left - 1.0 if is_allowed else left, now)
        if len(self._left) > SENDERS:
            self._left.popitem(last=False)
        return is_allowed


class WebhookGate:
    """Lets hooks in that bring the secret: each once, not too old, not too many.

    elapsed: monotonic seconds; now: the time of the world, epoch seconds.
    """

    def __init__(
        self,
        store: Place,
        secret: str,
        elapsed: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = lambda: time.time_ns() / 1e9,
    ) -> None:
        self._store, self._secret, self._elapsed, self._now = store, _hashed(secret), elapsed, now
        self._of_senders, self._of_all = WebhookRateLimit(elapsed), WebhookRateLimit(elapsed)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, float] = OrderedDict()

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Door({self._store})"

    def greet(self, sender: str) -> None:
        """Count a message before anything of it is read. Raises: Refused."""
        if not self._of_senders.allows(sender):
            raise Refused(429, TOO_MANY)

    def take(self, name: str, header: str, body: bytes) -> bool:
        """Leave a hook for the engine; return whether it is new. Raises: Refused, NotFoundError, StoreError."""
        fields = _fields(body)
        given = header or str(fields.pop("secret", ""))
        if not hmac.compare_digest(_hashed(given), self._secret):
            raise Refused(401, "the secret of web hooks is needed: as 'secret' in the message, or X-Rulebot-Secret")
        if not _WORD.fullmatch(name):
            raise Refused(404, "the name of a web hook is lower-case letters, digits and _, at most 40")
        if not self._of_all.allows(""):
            raise Refused(429, TOO_MANY)
        message = _message(fields)
        self._check_age(message)
        with self._lock:
            return self._left(name, message)

    def _check_age(self, message: Message) -> None:
        if message.sent is None:
            return
        age = self._now() - message.sent
        if age > OLDEST:
            raise Refused(422, f"it was sent {age:.0f} s ago, and may be {OLDEST:.0f} s old")
        if age < -AHEAD:
            raise Refused(422, f"it says that it is sent in {-age:.0f} s: the clocks differ")

    def _left(self, name: str, message: Message) -> bool:
        """Leave a message unless it is known.

        With a time it is unique for good, with an id for the day, else for a while.
        """
        marks: tuple[str | float | None, ...] = (name, message.says, message.sent)
        if message.id is not None:
            marks = (name, message.id, self._day(message))
        is_marked = message.id is not None or message.sent is not None
        key, now = _hashed(json.dumps(marks)), self._elapsed()
        if (seen := self._known.get(key)) is not None and (is_marked or now - seen < SAME_WITHIN):
            return False
        try:
            post_hook(self._store, name, message.says, f"hook-{key[:32]}" if is_marked else "")
        except NoEngineError as error:
            raise NotFoundError(error.message) from error
        self._known[key] = now
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return True

    def _day(self, message: Message) -> str:
        """Return the day of an id: that on which its message was sent, where it says so, in New York."""
        at = self._now() if message.sent is None else message.sent
        return datetime.fromtimestamp(at, EXCHANGE_ZONE).date().isoformat()


def router(door: WebhookGate) -> APIRouter:
    """Return the one path of web hooks."""
    found = APIRouter()

    @found.post(f"{HOOKS}{{name}}", status_code=202, include_in_schema=False)
    async def hook(name: str, request: Request) -> dict[str, bool]:
        door.greet(request.client.host if request.client else "")
        body = await _read(request)
        is_new = await run_in_threadpool(door.take, name, request.headers.get("x-rulebot-secret", ""), body)
        return {"taken": is_new}

    return found


async def _read(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Refused(413, f"a web hook has at most {MOST_BYTES} bytes")
    return body


# ---------------------------------------------------------------- what was sent


def _fields(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object; any other text is the word that it says. Raises: Refused."""
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Refused(422, "a web hook is JSON or plain text in UTF-8") from None
    if not text.startswith("{"):
        return {"says": text}
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    raise Refused(422, "this begins like JSON and is none")


def _message(fields: dict[str, Any]) -> Message:
    says, name, sent = fields.get("says"), fields.get("id"), fields.get("time")
    word = "" if says is None else str(says).strip().lower()
    if word and not _WORD.fullmatch(word):
        raise Refused(422, "'says' is one word: letters, digits and _, at most 40, the first a letter")
    if name is not None and (not isinstance(name, str | int) or not 0 < len(str(name)) <= 200):
        raise Refused(422, "'id' is a text of 1 to 200 characters")
    return Message(word, None if name is None else str(name), None if sent is None else _instant(sent))


def _instant(sent: object) -> float:
    """Return a time in epoch seconds, given so, or in milliseconds, or as `2026-11-18T15:35:00Z`. Raises: Refused."""
    found = math.nan
    with suppress(ValueError, OverflowError, TypeError):
        text = str(sent).strip()
        if re.fullmatch(r"\d{1,17}(\.\d{1,9})?", text):
            found = float(text)
            found = found / 1000.0 if found > _MILLISECONDS else found
        else:
            at = datetime.fromisoformat(text)
            found = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(found):
        raise Refused(422, "'time' is as in 2026-11-18T15:35:00Z, or seconds since 1970")
    return found


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
