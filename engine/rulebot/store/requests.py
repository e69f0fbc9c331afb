"""Request box: requests to a running engine, as files in a folder next to a store, or rows on a server.

Rows on a server reach the engine from any machine, however the server is named.
"""

import json
import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.store.failures import error_text
from rulebot.store.place import Place, Server, give_to_owner, make_folder, private

if TYPE_CHECKING:
    import psycopg


STUCK_HELP = "give the folder NAME.inbox next to the store, and its files, to the user who runs the engine"


class Box(Protocol):
    """A place for requests; each has a name, which says their order, and a text."""

    def put(self, name: str, body: str) -> None:
        """Write a request atomically. Raises: StoreError."""

    def found(self) -> list[tuple[str, str]]:
        """Return names and texts, oldest first; the text of one that cannot be read is empty. Raises: StoreError."""

    def remove(self, name: str) -> bool:
        """Remove one, if it is there; say whether it is gone."""

    def set_aside(self, name: str) -> bool:
        """Set aside an invalid request; say whether that succeeded."""

    def close(self) -> None:
        """Let go of what it holds."""


def box_of(place: Place) -> Box:
    """Return the box of a store."""
    return ServerBox(place) if isinstance(place, Server) else FileBox(place)


def clear_requests(place: Place, requests: Collection[Request]) -> None:
    """Remove from the box of a store what asks for one of these. Raises: StoreError."""
    box = box_of(place)
    try:
        remove_requests(box, requests)
    finally:
        box.close()


def remove_requests(box: Box, requests: Collection[Request]) -> None:
    """Remove what asks for one of these. Raises: StoreError, also for one that cannot be removed."""
    for name, body in box.found():
        if _asks_for(body, requests) and not box.remove(name):
            raise StoreError(f"the request {name} cannot be removed from the box of the store", STUCK_HELP)


def is_left(place: Place, request: Request) -> bool:
    """Say whether the box of a store has such a request. Raises: StoreError."""
    box = box_of(place)
    try:
        return any(_asks_for(body, (request,)) for _, body in box.found())
    finally:
        box.close()


def waiting_requests(place: Place) -> list[dict[str, Any]]:
    """Return the readable requests in the box of a store, oldest first. Raises: StoreError."""
    box = box_of(place)
    try:
        bodies = [body for _, body in box.found()]
    finally:
        box.close()
    found = []
    for body in bodies:
        with suppress(ValueError, RecursionError):
            found.append(json.loads(body))
    return [each for each in found if isinstance(each, dict)]


def _asks_for(body: str, requests: Collection[Request]) -> bool:
    try:
        return Request(json.loads(body)["request"]) in requests
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def folder_of(store: Path) -> Path:
    """Return the folder of requests to the engine that writes a file."""
    return store.with_name(f"{store.name}.inbox")


class FileBox:
    """One atomic file for each request."""

    def __init__(self, store: Path) -> None:
        self._store, self._folder = store, folder_of(store)

    def put(self, name: str, body: str) -> None:
        try:
            make_folder(self._folder)
            partial = self._folder / f"{name}.partial"
            with open(partial, "w", encoding="utf-8", opener=private) as file:
                file.write(body)
            for made in (self._folder, partial):  # the engine reads and removes what root leaves for it
                give_to_owner(made, self._store)
            partial.replace(self._path(name))
        except OSError as error:
            raise StoreError(f"the request cannot be left in {self._folder}: {error.strerror}") from error

    def found(self) -> list[tuple[str, str]]:
        try:
            names = os.listdir(self._folder)
        except OSError:  # no requests yet
            return []
        paths = sorted(self._folder / name for name in names if name.endswith(".json"))
        return [(path.stem, _text(path)) for path in paths]

    def remove(self, name: str) -> bool:
        """Remove one, if it is there; say whether it is gone: in a folder of another user's it stays."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def set_aside(self, name: str) -> bool:
        """Rename an invalid request; say whether it is set aside, or gone."""
        path = self._path(name)
        try:
            path.replace(path.with_suffix(".unreadable"))
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of nothing: there is nothing held."""

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


class ServerBox:
    """One row for each request, read in its own session.

    A lost session is reopened at the next look, while the journal waits for its server too. If it stays lost, that is a
    failure: an engine must stay reachable.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session: psycopg.Connection[Any] | None = None
        self._silent_since: float | None = None

    def put(self, name: str, body: str) -> None:
        from rulebot.store.postgres import ask_server

        ask_server(self._server, "INSERT INTO requests (name, body) VALUES (%s, %s)", (name, body))

    def found(self) -> list[tuple[str, str]]:
        """Return names and texts, oldest first; none while the server is away. Raises: StoreError."""
        return self._ask("SELECT name, body FROM requests ORDER BY name")

    def remove(self, name: str) -> bool:
        """Remove one, if it is there; while the server is away the next look does it."""
        self._ask("DELETE FROM requests WHERE name = %s", name)
        return True

    def set_aside(self, name: str) -> bool:
        """Remove an invalid one: writers of the table can also see what it was."""
        return self.remove(name)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, question: str, *values: str) -> list[tuple[str, str]]:
        import psycopg

        from rulebot.store.postgres import connect_to

        try:
            if self._session is None:
                self._session = connect_to(self._server)
            cursor = self._session.execute(question.encode(), values or None)
            self._silent_since = None
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            with suppress(psycopg.Error):
                self.close()
            self._session = None
            self._bear(error)
            return []

    def _bear(self, error: Exception) -> None:
        """Raise StoreError when the server has been silent for too long."""
        from rulebot.store.postgres import RETURN_SECONDS

        now = time.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since > RETURN_SECONDS:
            raise error_text(error, self._server) from None
