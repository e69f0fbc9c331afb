"""What a person asks for on the page: requests in the box of the store, which the engine alone acts on, each once."""

import hashlib
import threading
from collections import OrderedDict

from fastapi import HTTPException

from engine.model.event import Request
from engine.run.inbox import post
from engine.store.place import Place
from engine.store.queries import StoreReader
from engine.web.answers import Asked

KEPT = 1000
_PAUSED = "to enter nothing more; positions stay, and their exits go on"
_FREED = "to enter again when the spec says so"
_ACTIONS = {
    "start": (Request.RESUME, _FREED),
    "resume": (Request.RESUME, _FREED),
    "stop": (Request.PAUSE, _PAUSED),
    "pause": (Request.PAUSE, _PAUSED),
    "close_all": (Request.FLATTEN, "to close what is held, and to open nothing until the next start"),
}
ACTIONS = tuple(_ACTIONS)


class Actions:
    """Leaves requests. A key that was used is remembered here, and its request's id in the journal, for good."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, tuple[tuple[str, str], Asked]] = OrderedDict()

    def leave(self, name: str, bot: str, key: str) -> Asked:
        """Leave a request; a key that was used gives the answer that it gave then.

        Raises: HTTPException 404 for another name or bot, 409 for a key that asked for something else; StoreError.
        """
        if name not in _ACTIONS:
            raise HTTPException(404, f"'{name[:40]}' is no action; they are {', '.join(ACTIONS)}")
        with self._lock:
            if (found := self._asked.get(key)) is not None:
                if found[0] != (name, bot):
                    raise HTTPException(409, "this key has asked for something else: take a new one")
                return found[1]
            self._check(bot)
            request, words = _ACTIONS[name]
            identity = f"web-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
            is_running = post(self._store, request, bot, identity)
            whose = f"{bot} is asked" if bot else "all bots are asked"
            later = "" if is_running else "; no engine runs: the next one does so before anything else"
            asked = Asked(id=identity, message=f"{whose} {words}{later}", engine_runs=is_running)
            self._asked[key] = ((name, bot), asked)
            if len(self._asked) > KEPT:
                self._asked.popitem(last=False)
            return asked

    def _check(self, bot: str) -> None:
        if not bot:
            return
        with StoreReader(self._store) as reader:
            known = reader.bots()
        if bot not in known:
            raise HTTPException(404, f"this store knows no bot '{bot[:60]}'")
