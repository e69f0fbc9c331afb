"""The engine's look at its own ground while nothing is written: the store is in its place, and still ours."""

import time
from collections.abc import Callable

EVERY = 1.0


class Guard:
    """Asks once a second of real time, whatever the clock of the world does; raises what `check` raises."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look, if a second has passed. Raises: StoreError; the engine must end then."""
        now = time.monotonic()
        if now - self._looked >= EVERY:
            self._looked = now
            self._check()
