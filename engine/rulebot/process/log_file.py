"""The program's own log: JSON Lines in a file that is kept small, and on the console if asked, without secrets.

The journal says what was traded and why; this says how the connection, the page and the disk fared.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from rulebot.model.errors import StoreError, in_words
from rulebot.model.printable import printable
from rulebot.model.values import dataclass
from rulebot.process.redaction import keep_environment_secret, redacted
from rulebot.store.folders import give_to_owner, make_folder, private

ENGINE, PAGE = "rulebot.jsonl", "web.jsonl"
"""Names of the files: of an engine with its page, and of a page alone."""
MEGABYTE = 1_000_000
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How large a log may grow, and what goes into it: megabytes of a file, files (the one that is written included),
    and the least of LEVELS that is kept. in_file: False writes no file. on_console: the lines go to the standard error
    output.
    """

    size: int = 10
    files: int = 5
    level: str = "info"
    on_console: bool = False
    in_file: bool = True


class JsonFormatter(logging.Formatter):
    """One line a message: `at` (UTC, real time), `level`, `logger`, `text`, and `error` with what led to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": redacted(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, sort_keys=True)


class LogFile(RotatingFileHandler):
    """Writes to `name` in a folder; a full file becomes `name.1`, and so on."""

    def __init__(self, folder: Path, name: str, limits: LogLimits) -> None:
        """Begin, or go on with what is there. Raises: StoreError."""
        path = folder / name
        try:
            make_folder(folder)
            super().__init__(path, maxBytes=limits.size * MEGABYTE, backupCount=limits.files - 1, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"the log {path} cannot be written: {error.strerror}", "see to its folder") from error
        self.setFormatter(JsonFormatter())
        self.setLevel(limits.level.upper())
        self._has_failed = False
        keep_environment_secret()

    def _open(self) -> TextIOWrapper:
        """Begin the file, or the next one; a pipe that nobody reads is refused, and not waited for."""
        handle = private(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        stream = TextIOWrapper(os.fdopen(handle, "ab"), encoding=self.encoding)
        give_to_owner(Path(self.baseFilename))
        return stream

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once that nothing can be written: no engine stops for its log."""
        if not self._has_failed:
            self._has_failed = True
            problem = sys.exc_info()[1]
            reason = in_words(problem) if isinstance(problem, Exception) else problem
            sys.stderr.write(f"warning: the log {self.baseFilename} cannot be written: {reason}\n")


class LogConsole(logging.StreamHandler[TextIO]):
    """Writes the same lines to the standard error output, for what collects those of containers and services."""

    def __init__(self, limits: LogLimits) -> None:
        """Begin with the standard error output of this moment."""
        super().__init__(sys.stderr)
        self.setFormatter(JsonFormatter())
        self.setLevel(limits.level.upper())
        keep_environment_secret()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; for a terminal without signs that would steer it."""
        text = super().format(record)
        return printable(text) if self.stream.isatty() else text

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on without a word: who has read it is gone, and no engine stops for its log."""


def takes_terminal(limits: LogLimits) -> bool:
    """Say whether lines of the log come to a terminal, where a table that is drawn over and over would be torn."""
    return limits.on_console and sys.stderr.isatty()


def _is_ours_to_tell(record: logging.LogRecord) -> bool:
    """Say whether a warning of asyncio is worth a line: not that a browser left while it was sent something."""
    return not record.getMessage().startswith("socket.send() raised exception")


def write_logs(*handlers: logging.Handler) -> None:
    """Send warnings of the whole program, and what is ours from `info` on, to these handlers and to no other.

    What is ours below `info` is sent where a log asks for it.
    """
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    asked = [each.level for each in handlers if isinstance(each, (LogFile, LogConsole))]
    logging.getLogger("rulebot").setLevel(min([logging.INFO, *asked]))
    logging.getLogger("asyncio").addFilter(_is_ours_to_tell)
    for name in ("ib_async", "ib_async.wrapper", "ib_async.client", "ib_async.ib"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it logs is said by our records
