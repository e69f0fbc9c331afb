"""Browser sessions that survive the server, in a small file beside the store.

It keeps an HMAC of each cookie under the token, with its begin and end. The file alone opens nothing, a logout ends a
session for good, and a new token ends all.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

from rulebot.store.place import give_to_owner, make_folder

log = logging.getLogger(__name__)

MOST_SESSIONS = 64
SESSION_SECONDS = 30 * 24 * 3600.0
BEFORE = 300.0
"""Seconds by which a clock may be set back before sessions that begin later are over."""
MOST_BYTES = 64 * 1024
_NAME = re.compile(r"[0-9a-f]{64}")

Span = tuple[float, float]
"""When a session began and when it ends, by the clock."""


def name_of(cookie: str, token: str) -> str:
    """Return what a session is kept as."""
    return hmac.new(token.encode(), cookie.encode(), hashlib.sha256).hexdigest()


class SessionFile:
    """The sessions of a store's page; without a path they are kept in memory alone.

    Several servers may share the file: each reads it again when it has changed. A file that cannot be read or written
    costs a new login.
    """

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self._path, self._now = path, now
        self._spans: dict[str, Span] = {}
        self._seen: tuple[int, int, int] | None = None

    def has(self, name: str) -> bool:
        """Say whether a session is open."""
        self._look()
        span = self._spans.get(name)
        return span is not None and _is_open(span, self._now())

    def add(self, name: str) -> None:
        """Open a session; the one that ends first goes when there are too many."""
        self._look()
        now = self._now()
        spans = {each: span for each, span in self._spans.items() if _is_open(span, now)}
        while len(spans) >= MOST_SESSIONS:
            spans.pop(min(spans, key=lambda each: spans[each][1]))
        self._spans = spans | {name: (now, now + SESSION_SECONDS)}
        self._write()

    def end(self, name: str) -> None:
        """End a session for good."""
        self._look()
        if name in self._spans:
            self._spans = {each: span for each, span in self._spans.items() if each != name}
            self._write()

    def _look(self) -> None:
        if self._path is None:
            return
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            if self._seen is not None:  # deleting the file ended all sessions
                self._seen, self._spans = None, {}
            return
        except OSError:
            return
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            is_ours = os.name != "posix" or not found.st_mode & 0o022  # only the owner could have written it
            self._seen, self._spans = seen, _read(self._path) if is_ours else {}

    def _write(self) -> None:
        if self._path is None:
            return
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}.new")
        text = json.dumps({"version": 1, "sessions": self._spans}, sort_keys=True)
        try:
            make_folder(self._path.parent)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
            give_to_owner(fresh)
            fresh.replace(self._path)
            found = os.stat(self._path)
            self._seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            log.warning("sessions of the page cannot be kept in %s: %s", self._path, error.strerror)
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            with suppress(OSError):
                self._path.unlink(missing_ok=True)  # rather another login than one that was ended
                self._seen = None  # it was us who took it away: this server still knows them


def _is_open(span: Span, now: float) -> bool:
    began, ends = span
    return began - BEFORE <= now < ends


def _read(path: Path) -> dict[str, Span]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    reported = found.get("sessions") if isinstance(found, Mapping) and found.get("version") == 1 else None
    if not isinstance(reported, Mapping):
        return {}
    spans = {
        str(name): _span(each) for name, each in list(reported.items())[:MOST_SESSIONS] if _NAME.fullmatch(str(name))
    }
    return {name: span for name, span in spans.items() if span is not None}


def _span(found: Any) -> Span | None:
    """Return when a session began and ends, None for what is none, or is longer than any may be."""
    if not isinstance(found, list) or len(found) != 2:
        return None
    if any(isinstance(each, bool) or not isinstance(each, int | float) or not isfinite(each) for each in found):
        return None
    began, ends = float(found[0]), float(found[1])
    return (began, ends) if 0 <= ends - began <= SESSION_SECONDS else None
