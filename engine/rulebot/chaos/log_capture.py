"""Hears what an engine would have printed with a traceback."""

import logging
import traceback
from pathlib import Path

SILENCED = ("ib_async", "eventkit")
"""What these log is shown to nobody; the engine reads the messages itself."""


class LogCapture(logging.Handler):
    """Hears what would have been printed with a traceback, and keeps everything else quiet meanwhile."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._before: list[logging.Handler] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that has an exception."""
        if record.name.partition(".")[0] not in SILENCED and record.exc_info and record.exc_info[1] is not None:
            self.found.append(f"logged by {record.name}: {record.getMessage()}: {in_short(record.exc_info[1])}")

    def __enter__(self) -> "LogCapture":
        root = logging.getLogger()
        self._before, root.handlers = root.handlers, [self]
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers = self._before


def in_short(error: BaseException) -> str:
    """Return an exception with the place it comes from, on one line and without a path of this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(frames[-3:]))
    return f"{type(error).__name__}: {str(error)[:300]} ({places})"
