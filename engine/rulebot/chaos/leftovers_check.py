"""The emergency journal of a store as an engine left it when it died, whatever its code still does afterwards."""

import os
from pathlib import Path

from rulebot.store.emergency import places
from rulebot.store.folders import PRIVATE_FILE
from rulebot.store.place import Place


class Leftovers:
    """Keeps the emergency journals of a store as they were at a death, and puts them back."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._kept: dict[Path, bytes] | None = None

    def keep(self) -> None:
        """Keep what is on the disk now: the engine has just died."""
        self._kept = {path: path.read_bytes() for path in places(self._store) if path.exists()}

    def put_back(self) -> None:
        """Put back what there was at the last death, if there was one."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        for path in places(self._store):
            if path not in kept:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != kept[path]:
                path.unlink(missing_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
                    file.write(kept[path])
