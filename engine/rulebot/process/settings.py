"""Settings: one TOML file, the environment over it, flags over that.

`load_settings` reads nothing but where links lead; `read_settings` finds the file and reads it. Codes RB611 to RB613.
"""

import json
import logging
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from rulebot.adapters.ib.settings import LINES, MESSAGE_LIMIT, MOST_LINES, MOST_REQUESTS, REQUESTS, Share
from rulebot.model.errors import MisuseError, SpecError, StoreError, as_store_error, in_words
from rulebot.model.text import printable
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic, Severity, did_you_mean, in_file_order, render
from rulebot.spec.files import account_files_near
from rulebot.spec.source import read_bytes
from rulebot.store.patient_journal import Patience
from rulebot.store.place import (
    Place,
    Server,
    beside,
    give_to_owner,
    make_folder,
    place_of,
    private,
    without_link,
    without_urls,
)

# --- What may be written of a text into a log

LEAST = 6
"""Characters that a value of the environment has at least to be taken for a secret: less would blot out words."""
LONG = 16
"""The same of a part of an address's path."""
HIDDEN = "..."
_NAMES = r"password|passwd|passphrase|secret|token|api[_-]?key|rulebot_session|credentials?"
_NAMED = re.compile(rf"(?i)((?:{_NAMES})[\w-]{{0,60}}[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s\"',;&]+)")
_SECRET_NAME = re.compile(rf"(?i){_NAMES}")
_PATTERNS = (
    (re.compile(r"(://)[^\s/@\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z]+\s+)?[^\s\"',;]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_.~-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"), HIDDEN),
    (re.compile(r"(?i)(https?://[^\s\"']{0,300}/(?:api/)?(?:web)?hooks?/)[^\s\"']+"), rf"\1{HIDDEN}"),
    (_NAMED, rf"\1{HIDDEN}"),
)
"""Secrets in logs: logins in URLs, Authorization headers, Telegram tokens, secret addresses, passwords and tokens.

Each is found in time linear in the text: a log is written by the engine's own thread, and the text may be of others.
"""
_known: set[str] = set()


def keep_secret(value: str) -> None:
    """Leave this value out of everything that is written from now on."""
    if len(value) >= LEAST:
        _known.add(value)


def keep_address_secret(address: str) -> None:
    """Mask an address that is a secret itself, as `tgram://TOKEN/CHAT`: the whole and its secret parts.

    Those are a password, what replaces a host, and any long part of its path.
    """
    keep_secret(address)
    where, *path = address.partition("://")[2].partition("?")[0].split("/")
    login, _, host = where.rpartition("@")
    for part in (login.partition(":")[2], "" if "." in host or host == "localhost" else host):
        keep_secret(part)
    for part in path:
        if len(part) >= LONG:
            keep_secret(part)


def keep_environment_secret(environ: Mapping[str, str] = os.environ) -> None:
    """Do so with every value of the environment whose name says that it is one; a path to a file of one is none."""
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and not name.upper().endswith(("_FILE", "_PATH")):
            keep_secret(value)


def redacted(text: str) -> str:
    """Return a text without secrets."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


# --- The program's own log

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
        """Begin, or continue the existing file. Raises: StoreError."""
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
        """Begin the file, or the next one; a pipe without a reader is refused at once."""
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
        """Continue silently: its reader is gone, and no engine stops for its log."""


def takes_terminal(limits: LogLimits) -> bool:
    """Say whether log lines go to a terminal, where they would damage a table that is redrawn."""
    return limits.on_console and sys.stderr.isatty()


def _may_report(record: logging.LogRecord) -> bool:
    """Say whether a warning of asyncio is worth a line: not that a browser left while it was sent something."""
    return not record.getMessage().startswith("socket.send() raised exception")


def write_logs(*handlers: logging.Handler) -> None:
    """Send warnings of the whole program, and ours from `info` on, to these handlers and to no other.

    Ours below `info` go where a log asks for them.
    """
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    asked = [each.level for each in handlers if isinstance(each, (LogFile, LogConsole))]
    logging.getLogger("rulebot").setLevel(min([logging.INFO, *asked]))
    logging.getLogger("asyncio").addFilter(_may_report)
    for name in ("ib_async", "ib_async.wrapper", "ib_async.client", "ib_async.ib"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it logs is said by our records


# --- Settings

FILE_NAME = "rulebot.toml"
PREFIX = "RULEBOT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the broker is, and where things are kept.

    port, live_port: None takes the first of the usual ports at which something listens: 4002 (IB Gateway) and 7497
    (TWS) on paper, 4001 and 7496 live. Live runs have a separate store, and observing runs another one. account: refuse
    any other one; "" takes the only account of the login. Times are New York time. db_host ... db_user: a database of a
    PostgreSQL server as the store, in parts; its password is a secret, and no setting (`store/place.py`). lines,
    messages, requests: of the broker's limits per user: streamed contracts, messages a second, and open requests.
    answer_wait, store_wait: seconds to wait for an answer of the broker and a write of the store. memory_wait: minutes
    that records may be in memory only. log_size, log_files, log_level: megabytes of a file of the program's own log,
    number of files kept, and the lowest level. log_to_file: False writes no file. log_console: the lines go to the
    standard error output.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    live_port: int | None = None
    client_id: int = 1
    account: str = ""
    store: Place = Path("rulebot.db")
    live_store: Place = Path("live.db")
    observe_store: Place = Path("observe.db")
    logs: Path = Path("logs")
    db_host: str = "127.0.0.1"
    db_port: int = 5432
    db_name: str = "rulebot"
    db_live_name: str = "rulebot_live"
    db_user: str = "rulebot"
    lines: int = LINES
    messages: int = MESSAGE_LIMIT
    requests: int = REQUESTS
    answer_wait: int = 30
    store_wait: int = 2
    memory_wait: int = 10
    log_size: int = 10
    log_files: int = 5
    log_level: str = "info"
    log_console: bool = False
    log_to_file: bool = True

    @property
    def log_limits(self) -> LogLimits:
        """How large the program's own log may grow, and what goes into it."""
        return LogLimits(self.log_size, self.log_files, self.log_level, self.log_console, self.log_to_file)

    @property
    def patience(self) -> Patience:
        """How long a run continues while its store accepts no records."""
        return Patience(self.store_wait, timedelta(minutes=self.memory_wait))

    @property
    def share(self) -> Share:
        """What a connection takes of what the broker allows."""
        return Share(self.lines, self.messages, self.requests, self.answer_wait)


def load_settings(
    text: str = "",
    file: str = FILE_NAME,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    data: Path = Path(),
) -> Settings:
    """Return the settings of a TOML text, an environment and flags (None is a flag not given).

    data: the default folder of store and logs. A path in the file is relative to the file's folder. A store on a server
    has its own log folder there. A database in parts is the store as if it were named. Raises: SpecError with every
    problem of the text; MisuseError for environment and flags.
    """
    runs = data / "runs"
    chosen: dict[str, Any] = {"store": runs / "rulebot.db", "live_store": runs / "live.db", "logs": data / "logs"}
    chosen["observe_store"] = runs / "observe.db"
    named: set[str] = set()
    in_parts = False
    layers = (
        (file, _from_text(text, file)),
        ("the environment", _from_environ(environ or {})),
        ("", _from_flags(flags or {})),
    )
    for said, layer in layers:
        if parts := sorted(set(layer) & set(_PARTS)):
            _check_once(said, layer, parts[0])
            named, in_parts = set(), True
        named |= set(layer) & {"store", "live_store"}
        chosen.update(layer)
    if in_parts:
        chosen |= {name: server for name, server in _servers(chosen).items() if name not in named}
    chosen |= {name: without_link(chosen[name]) for name in ("store", "live_store", "observe_store")}
    if isinstance(chosen["store"], Server) and chosen["logs"] == data / "logs":
        chosen["logs"] = beside(chosen["store"], data, "-logs")
    return Settings(**chosen)


def folder_of(file: Path | None, specs: Sequence[str | Path]) -> Path:
    """Return the folder whose rulebot.toml counts where no `file` is named: that of these specs, or the one it is in.

    Raises: NoSuchFiles when there are two.
    """
    return Path() if file is not None or not specs else account_files_near(specs, FILE_NAME, or_among=True).parent


def read_settings(
    file: Path | None,
    folder: Path,
    data: Path,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of `file`, else of the rulebot.toml in `folder` if there is one.

    Raises: StoreError when the file cannot be read, SpecError, MisuseError.
    """
    found = folder / FILE_NAME if file is None else file
    if file is None and not found.is_file():
        return load_settings(environ=environ, flags=flags, data=data)
    with as_store_error(f"{found} cannot be read"):
        text = read_bytes(found).decode("utf-8-sig")
    return load_settings(text, str(found), environ, flags, data)


def read_toml(text: str) -> dict[str, Any]:
    """Return a TOML document. Raises: ValueError, also for one that is nested too deep to be read or shown."""
    try:
        found = tomllib.loads(text)
        repr(found)  # a key of many dots is read, and ends what would repeat it
    except RecursionError:
        raise ValueError("it is nested too deep (at line 1, column 1)") from None
    return found


def _check_once(said: str, layer: Mapping[str, object], part: str) -> None:
    """Refuse a store that is named and said in parts at once. Raises: MisuseError."""
    if "store" in layer:
        raise MisuseError(f"{said} says twice what the store is: by 'store' and by '{part}'", "keep one of them")


def _servers(chosen: Mapping[str, Any]) -> dict[str, Server]:
    """Return the two stores of a database that is said in parts."""
    said: dict[str, Any] = {field.name: field.default for field in fields(Settings)}
    said.update(chosen)
    base = {"host": said["db_host"], "port": str(said["db_port"]), "user": said["db_user"]}
    return {
        "store": Server({**base, "dbname": said["db_name"]}),
        "live_store": Server({**base, "dbname": said["db_live_name"]}),
    }


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a text is required")


def _host(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return re.sub(r"^\[(.*:.*)\]$", r"\1", value.strip())  # an IPv6 address, as before a port
    raise ValueError("the name or address of a machine is required")


def _name(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("a name is required")


def _number(low: int, high: int) -> Callable[[object], int]:
    def number(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high} is required")

    return number


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def word(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ValueError(f"one of {', '.join(words)} is required")

    return word


def _yes_or_no(value: object) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in words:
        return words[value]
    raise ValueError("true or false is required")


def _path(value: object) -> Path:
    if isinstance(value, (str, Path)) and str(value):
        return Path(value).expanduser()
    raise ValueError("a path is required")


def _place(value: object) -> Place:
    if isinstance(value, Server):
        return value
    path = _path(value)
    if not isinstance(value, str):
        return path
    try:
        found = place_of(value)
    except MisuseError as error:
        raise ValueError(f"{error.message} ({error.help})") from None
    return found if isinstance(found, Server) else path


_CHECKS: Mapping[str, Callable[[object], object]] = {
    "host": _host,
    "port": _number(1, 65535),
    "live_port": _number(1, 65535),
    "client_id": _number(0, 2**31 - 1),
    "account": _text,
    "store": _place,
    "live_store": _place,
    "observe_store": _place,
    "logs": _path,
    "db_host": _host,
    "db_port": _number(1, 65535),
    "db_name": _name,
    "db_live_name": _name,
    "db_user": _name,
    "lines": _number(1, MOST_LINES),
    "messages": _number(1, MESSAGE_LIMIT),
    "requests": _number(1, MOST_REQUESTS),
    "answer_wait": _number(5, 300),
    "store_wait": _number(1, 30),
    "memory_wait": _number(1, 60),
    "log_size": _number(1, 1000),
    "log_files": _number(2, 100),
    "log_level": _one_of(LEVELS),
    "log_console": _yes_or_no,
    "log_to_file": _yes_or_no,
}
_PARTS = ("db_host", "db_port", "db_name", "db_live_name", "db_user")
assert set(_CHECKS) == {field.name for field in fields(Settings)}


def _from_text(text: str, file: str) -> dict[str, object]:
    try:
        tree = read_toml(text)
    except ValueError as error:
        raise SpecError(render(_not_toml(error, text, file))) from error
    problems: list[Diagnostic] = []
    found: dict[str, object] = {}
    for key, value in tree.items():
        if key not in _CHECKS:
            problems.append(_at_key(key, text, file, "RB612", f"unknown setting '{key}'", did_you_mean(key, _CHECKS)))
            continue
        try:
            found[key] = _CHECKS[key](value)
        except ValueError as error:
            problems.append(_at_key(key, text, file, "RB613", f"{error}, is {without_urls(repr(value))}"))
    if problems:
        raise SpecError("\n".join(render(problem) for problem in in_file_order(problems)))
    return {key: Path(file).parent / value if isinstance(value, Path) else value for key, value in found.items()}


def _from_environ(environ: Mapping[str, str]) -> dict[str, object]:
    found = {key: environ[PREFIX + key.upper()] for key in _CHECKS if environ.get(PREFIX + key.upper())}
    return {key: _checked(key, value, PREFIX + key.upper()) for key, value in found.items()}


def _from_flags(flags: Mapping[str, object]) -> dict[str, object]:
    unknown = sorted(set(flags) - set(_CHECKS))
    if unknown:
        raise MisuseError(f"unknown setting '{unknown[0]}'", did_you_mean(unknown[0], _CHECKS))
    given = {key: value for key, value in flags.items() if value is not None}
    return {key: _checked(key, value, "--" + key.replace("_", "-")) for key, value in given.items()}


def _checked(key: str, value: object, said: str) -> object:
    try:
        return _CHECKS[key](value)
    except ValueError as error:
        raise MisuseError(f"{said}: {error}, is {without_urls(repr(str(value)))}") from error


def _not_toml(error: ValueError, text: str, file: str) -> Diagnostic:
    place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    lines = text.split("\n")
    line, col = (int(place[1]), int(place[2])) if place else (len(lines), len(lines[-1]) + 1)
    reason = str(error).split(" (at ")[0].rstrip(".")
    return _diagnostic(file, text, (line, col, col + 1), "RB611", f"this is not TOML: {reason}")


def _at_key(key: str, text: str, file: str, code: str, message: str, help: str | None = None) -> Diagnostic:
    """Return a diagnostic at a key of the top level: where it is assigned, or heads a table."""
    word = rf"""["']?{re.escape(key)}["']?"""
    assigned = re.compile(rf"^\s*(?:\[+\s*)?({word})\s*[=.\]]")
    for number, line in enumerate(text.split("\n"), 1):
        if (found := assigned.match(line)) is not None:
            return _diagnostic(file, text, (number, found.start(1) + 1, found.end(1) + 1), code, message, help)
    return _diagnostic(file, text, (1, 1, 2), code, message, help)


def _diagnostic(
    file: str, text: str, place: tuple[int, int, int], code: str, message: str, help: str | None = None
) -> Diagnostic:
    line, col, end_col = place
    lines = text.split("\n")
    return Diagnostic(
        file=file,
        line=line,
        col=col,
        end_col=end_col,
        code=code,
        severity=Severity.ERROR,
        message=message,
        help=help,
        text=without_urls(lines[line - 1]) if line <= len(lines) else "",
    )
