"""What a person asks for on the page: requests in the box of the store, which the engine alone acts on, each once."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import HTTPException

from rulebot.core.state.state import Named
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.event import Request
from rulebot.operator_requests.requests import (
    LEFT_UNSEEN,
    NoEngineError,
    NotKeptError,
    UnknownTargetError,
    check_world,
    document_of,
    entries_by_now,
    kept_scan,
    leave,
    named_of,
    post,
    rows_of_bot,
)
from rulebot.record.record import Kind
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_in_use
from rulebot.store.requests import waiting_requests
from rulebot.store.scans import Row, scans_file
from rulebot.web.parameters import preview, save
from rulebot.web.rest_models import ChangedError, HelpfulError, NotFoundError, RequestAccepted

# --- Rows of kept scans, as a preview and an entry by hand name them


def stored_scan_row(bot: str, scan: int, number: int | None) -> tuple[Row | None, Row | None]:
    """Return a scan (0 is the last one) and the row of it that is meant; without a number the bot's best one.

    Raises: HTTPException 404 for a scan or row that is not kept, or is another bot's; StoreError.
    """
    path = scans_file()
    try:
        head = kept_scan(path, scan)
    except NotKeptError as error:
        help = "omit `scan` for the last one, or scan again: 'rulebot scan'"
        raise HelpfulError(404, error.message, help) from error
    rows = rows_of_bot(path, head, bot)
    if number is None and (rows or not scan):
        return (head, rows[0]) if rows else (None, None)
    found = next((each for each in rows if each["number"] == number), None)
    if found is None:
        which = f"scan {scan}" if scan else "the last scan"
        row = "row" if number is None else f"row {number}"
        raise HTTPException(404, f"{which} keeps no {row} of {bot[:60]}")
    return head, found


# --- What a person asks for on the page

KEPT = 1000
OTHER_USE = "this key has asked for something else: take a new one"
_ACTIONS = {
    "start": Request.RESUME,
    "resume": Request.RESUME,
    "stop": Request.PAUSE,
    "pause": Request.PAUSE,
    "close": Request.CLOSE,
    "keep": Request.KEEP,
    "close_all": Request.FLATTEN,
}


class PageActions:
    """Leaves requests. A used key is remembered here, and its request's id in the journal for good."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, tuple[tuple[str, str, str], RequestAccepted]] = OrderedDict()

    def leave(self, name: str, bot: str, key: str, position: str = "") -> RequestAccepted:
        """Leave a request; a used key repeats its earlier answer.

        Raises: HTTPException 404 for another name, bot or position, 409 for a key that asked for something else, 422
        for a position that is missing, makes no sense or is another bot's; StoreError.
        """
        if name not in _ACTIONS:
            raise HTTPException(404, f"'{name[:40]}' is no action; they are {', '.join(_ACTIONS)}")
        ask = partial(self._left, _ACTIONS[name], bot, position)
        return self._once(key, (name, bot, position), ask)

    def enter(
        self, bot: str, key: str, after: int | None = None, scan: int | None = None, row: int | None = None
    ) -> RequestAccepted:
        """Ask a bot to enter at once; "" is the one bot of the store. after: how many `entries` it had for who asks.

        row: of a scan, the last one unless it is named: what is to be entered.
        Raises: as `leave`, also for a row that is not kept; 409 without an engine, and where it has others by now; 422
        for a bot that chooses among symbols without a row, and for a row that cannot be entered here.
        """
        if not bot:
            with StoreReader(self._store) as reader:
                known = sorted(reader.run().specs)
            if len(known) != 1:
                raise HTTPException(422, f"name the bot: {', '.join(known)}" if known else "no bot runs on this store")
            bot = known[0]
        if scan is not None and row is None:
            raise HTTPException(422, "a scan has many rows: name the `row`")
        named = None if row is None else self._named(bot, scan, row)
        what = "" if named is None else json.dumps(document_of(named), sort_keys=True)
        return self._once(key, ("enter", bot, what), partial(self._left_entry, bot, after, named))

    def _named(self, bot: str, scan: int | None, row: int) -> Named:
        """Return the structure of a row of a scan. Raises: HTTPException 404, 422; StoreError."""
        head, found = stored_scan_row(bot, scan or 0, row)
        assert head is not None
        assert found is not None
        try:
            with StoreReader(self._store) as reader:
                check_world(head, reader.run())
            return named_of(found)
        except MisuseError as error:
            raise HTTPException(422, error.message) from error

    def set_values(self, bot: str, values: Mapping[str, str], key: str, of: str = "") -> RequestAccepted:
        """Ask for other parameters of a bot. of: what a preview of them was held against, "" of none.

        Raises: as `preview`; HTTPException 409 without an engine, for a key, and where others are set by now.
        """
        ask = partial(self._left_values, bot, values, of)
        return self._once(key, ("set", bot, _sorted(values)), ask)

    def edit(self, bot: str, of: str, edits: Mapping[str, str], by: str, key: str) -> RequestAccepted:
        """Write other numbers into a bot's file, and have them taken up. Raises: as `save`; 409 for a key."""
        return self._once(key, ("edit", bot, _sorted([of, edits])), partial(save, self._store, bot, of, edits, by))

    def _once(self, key: str, what: tuple[str, str, str], ask: Callable[[str], RequestAccepted]) -> RequestAccepted:
        """Ask under the identity of a key, unless that was done. Raises: HTTPException 409 for a key with two uses."""
        with self._lock:
            if (found := self._asked.get(key)) is not None:
                if found[0] != what:
                    raise HTTPException(409, OTHER_USE)
                return found[1]
            asked = ask(f"web-{hashlib.sha256(key.encode()).hexdigest()[:32]}")
            self._asked[key] = (what, asked)
            if len(self._asked) > KEPT:
                self._asked.popitem(last=False)
            return asked

    def _left_values(self, bot: str, values: Mapping[str, str], of: str, identity: str) -> RequestAccepted:
        message = f"{bot} is asked to take it up as soon as it has nothing in flight"
        asked = RequestAccepted(id=identity, message=message, engine_runs=is_in_use(self._store))
        if self._was_asked(Request.SET, bot, _sorted(values), identity):
            return asked
        looked = preview(self._store, bot, values)
        if not asked.engine_runs:
            raise NotFoundError("no engine runs to apply it")
        if of and of != looked.of:
            now = f"{bot} has other parameters than those that this was held against, now {looked.now}"
            raise ChangedError(f"{now}: load its page again, and look at what it changes")
        post(self._store, Request.SET, bot, identity, values=values)
        return asked

    def _left_entry(self, bot: str, after: int | None, named: Named | None, identity: str) -> RequestAccepted:
        what = "" if named is None else _sorted(document_of(named))
        is_new = after is not None and not self._was_asked(Request.ENTER, bot, what, identity)
        if is_new and entries_by_now(self._store, bot) != after:
            now = f"{bot} has entered, or was asked to, since this page was made"
            raise ChangedError(f"{now}: load it again, look at what it has, and ask again if it is still meant")
        return self._left(Request.ENTER, bot, "", identity, named)

    def _left(
        self, request: Request, bot: str, position: str, identity: str, named: Named | None = None
    ) -> RequestAccepted:
        what = "" if named is None else _sorted(document_of(named))
        with suppress(*(StoreError,) if request in LEFT_UNSEEN else ()):
            self._was_asked(request, position or bot, what, identity)
        try:
            left = leave(self._store, request, bot, position, identity, named)
        except UnknownTargetError as error:
            raise HTTPException(404, error.message) from error
        except NoEngineError as error:
            raise NotFoundError(error.message) from error
        except MisuseError as error:
            raise HTTPException(422, error.message) from error
        return RequestAccepted(id=identity, message=left.message, engine_runs=left.engine_runs)

    def _was_asked(self, request: Request, whose: str, values: str, identity: str) -> bool:
        """Say whether a key has asked for this before this page was started; the engine lets be what it knows.

        Raises: HTTPException 409 for a key that has asked for something else; StoreError.
        """
        with StoreReader(self._store) as reader:
            run = reader.run()
            kinds = (Kind.RELOAD,) if request is Request.SET else ()  # only reloads take long
            reloads = [{"request": Request.SET.value, **each.data} for each in reader.records(kinds)]
        reported = [each.data for each in (*run.earlier, *run.requests)] + reloads + waiting_requests(self._store)
        uses = {_use(each) for each in reported if each.get("id") == identity}
        if uses and uses != {(request.value, whose, values)}:
            raise HTTPException(409, OTHER_USE)
        return bool(uses)


def _use(reported: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """Return what a request of the box, or on record, has asked for: what, of whom, and which values or legs."""
    values = reported.get("values")
    if reported.get("legs"):
        values = {name: reported.get(name) for name in ("legs", "alternative")}
    return (
        reported.get("request"),
        reported.get("position") or reported.get("bot", ""),
        _sorted(values) if values else "",
    )


def _sorted(values: Any) -> str:
    return json.dumps(values, sort_keys=True)
