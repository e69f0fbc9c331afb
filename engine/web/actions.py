"""What a person asks for on the page: requests in the box of the store, which the engine alone acts on, each once."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping

from fastapi import HTTPException

from engine.model.event import Request
from engine.run.inbox import post
from engine.store.open import is_in_use
from engine.store.place import Place
from engine.store.queries import StoreReader
from engine.web.answers import Asked
from engine.web.parameters import preview

KEPT = 1000
_PAUSED = "to enter nothing more; positions stay, and their exits go on"
_FREED = "to enter again when the spec says so"
_ACTIONS = {
    "start": (Request.RESUME, _FREED),
    "resume": (Request.RESUME, _FREED),
    "stop": (Request.PAUSE, _PAUSED),
    "pause": (Request.PAUSE, _PAUSED),
    "close": (Request.CLOSE, "is closed as soon as it can be; its bot may enter again when its spec says so"),
    "close_all": (Request.FLATTEN, "to close what is held, and to open nothing until the next start"),
}
ACTIONS = tuple(_ACTIONS)
ENTER = "enter"
_ALL = {**_ACTIONS, ENTER: (Request.ENTER, "to enter at once; its limits and what its legs must offer hold")}


class Actions:
    """Leaves requests. A key that was used is remembered here, and its request's id in the journal, for good."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, tuple[tuple[str, str, str], Asked]] = OrderedDict()

    def leave(self, name: str, bot: str, key: str, position: str = "") -> Asked:
        """Leave a request; a key that was used gives the answer that it gave then.

        Raises: HTTPException 404 for another name, bot or position, 409 for a key that asked for something else, 422
        for a position that is owed or makes no sense; StoreError.
        """
        if name not in _ALL:
            raise HTTPException(404, f"'{name[:40]}' is no action; they are {', '.join(ACTIONS)}")
        asked_of = bot
        with self._lock:
            if (found := self._asked.get(key)) is not None:
                if found[0] != (name, bot, position):
                    raise HTTPException(409, "this key has asked for something else: take a new one")
                return found[1]
            request, words = _ALL[name]
            bot = self._of_position(request, bot, position)
            self._check(bot)
            identity = f"web-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
            is_running = post(self._store, request, bot, identity, position)
            whose = position or (f"{bot} is asked" if bot else "all bots are asked")
            later = "" if is_running else "; no engine runs: the next one does so before anything else"
            asked = Asked(id=identity, message=f"{whose} {words}{later}", engine_runs=is_running)
            self._asked[key] = ((name, asked_of, position), asked)
            if len(self._asked) > KEPT:
                self._asked.popitem(last=False)
            return asked

    def enter(self, bot: str, key: str) -> Asked:
        """Ask a bot to enter at once; "" is the one bot of the store. Raises: as `leave`; 409 without an engine."""
        if not bot:
            with StoreReader(self._store) as reader:
                known = sorted(reader.run().specs)
            if len(known) != 1:
                raise HTTPException(422, f"name the bot: {', '.join(known)}" if known else "no bot runs on this store")
            bot = known[0]
        with StoreReader(self._store) as reader:
            if reader.run().state() == "stopped":
                raise HTTPException(409, "no engine runs: there is nobody to enter")
        return self.leave(ENTER, bot, key)

    def set_values(self, bot: str, values: Mapping[str, str], key: str) -> Asked:
        """Ask for other parameters of a bot. Raises: as `preview`; HTTPException 409 without an engine, or a key."""
        preview(self._store, bot, values)
        said = json.dumps(dict(values), sort_keys=True)
        with self._lock:
            if (found := self._asked.get(key)) is not None:
                if found[0] != ("set", bot, said):
                    raise HTTPException(409, "this key has asked for something else: take a new one")
                return found[1]
            if not is_in_use(self._store):
                raise HTTPException(409, "no engine runs: there is nobody to take it up")
            identity = f"web-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
            post(self._store, Request.SET, bot, identity, values=values)
            message = f"{bot} is asked to take it up as soon as it has nothing in flight"
            asked = self._asked[key] = ("set", bot, said), Asked(id=identity, message=message, engine_runs=True)
            return asked[1]

    def _of_position(self, request: Request, bot: str, position: str) -> str:
        """Return the bot of a position that is to be closed. Raises: HTTPException 404, 422."""
        if (request is Request.CLOSE) is not bool(position):
            raise HTTPException(422, "close says which position, by its `position`; nothing else does")
        if not position:
            return bot
        with StoreReader(self._store) as reader:
            rows = reader.view("trades", position=position)
        if not rows or rows[0]["status"] == "CLOSED":
            raise HTTPException(404, f"nothing open is called '{position[:60]}'")
        return str(rows[0]["strategy_id"])

    def _check(self, bot: str) -> None:
        if not bot:
            return
        with StoreReader(self._store) as reader:
            known = reader.bots()
        if bot not in known:
            raise HTTPException(404, f"this store knows no bot '{bot[:60]}'")
