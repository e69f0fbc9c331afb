"""Where a store is: a file of this machine, or a database of a PostgreSQL server; and a store that is open there.

What a person reads of a server, and what rulebot keeps of it, never has its password.
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import platformdirs

from rulebot.model.errors import MisuseError, StoreError, as_store_error, in_words
from rulebot.model.values import dataclass

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SCHEMES = ("postgresql", "postgres")
PARAMETERS = (
    "host", "hostaddr", "port", "dbname", "user", "service", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl",
    "sslnegotiation", "gssencmode", "channel_binding", "target_session_attrs", "connect_timeout",
)  # fmt: skip
"""What a URL may say behind its `?`: parameters of libpq that hold no secret and keep a connection a store's."""

_A_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_MAY_HOLD_SECRETS = re.compile(r"(?i)(postgres[a-z0-9+.-]*://|[a-z][a-z0-9+.-]*://(?=[^\n]*@)).*")
_SHAPE = "it is postgresql://user@host:port/database"
_ELSEWHERE = "a password is safest in ~/.pgpass or PGPASSWORD"


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server; as text it is its URL without the password.

    what: libpq's connection text, without the password.
    """

    what: Mapping[str, str]
    password: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        """Return the URL that names it, without the password."""
        said = dict(self.what)
        user, host, port = said.pop("user", ""), said.pop("host", ""), said.pop("port", "")
        where = f"[{host}]" if ":" in host else host
        if "/" in host or "," in host + port:  # sockets, and lists of hosts
            said |= {"host": host} | ({"port": port} if port else {})
            where, port = "", ""
        base = f"{quote(user, safe='')}@" if user else ""
        base += where + (f":{port}" if port else "") + f"/{quote(said.pop('dbname', ''), safe='')}"
        rest = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in sorted(said.items()))
        return f"postgresql://{base}{'?' + rest if rest else ''}"

    def __repr__(self) -> str:
        """Return the same."""
        return f"Server({self})"

    def __hash__(self) -> int:
        """Return a hash that goes with equality."""
        return hash(str(self))

    @property
    def digest(self) -> str:
        """The name of its folder, which has its files on this machine."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:16]


Place = Path | Server


def is_url(text: str) -> bool:
    """Say whether a text is meant as a URL rather than as a path."""
    return _A_URL.match(text) is not None


def place_of(text: str | Path) -> Place:
    """Return the place a text names. Raises: MisuseError, which never repeats the text of a URL."""
    if isinstance(text, Path) or not is_url(text):
        return Path(text)
    if text.partition("://")[0].lower() not in SCHEMES:
        raise MisuseError("a store is a file or a PostgreSQL database, this is another URL", _SHAPE)
    try:
        parts = urlsplit(text)
        found = {"user": parts.username, "host": parts.hostname, "port": parts.port and str(parts.port)}
        found["dbname"] = parts.path.removeprefix("/")
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise MisuseError(
            "the URL of the store cannot be read", f"{_SHAPE}; signs such as @ and / as %40, %2F"
        ) from None
    if parts.fragment:
        raise MisuseError("the URL of the store has a '#'", "write it as %23")
    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        help = _ELSEWHERE if "pass" in unknown[0] else f"it may have {', '.join(PARAMETERS)}"
        raise MisuseError(f"the URL of the store has a parameter '{unknown[0]}'", help)
    what = {name: unquote(value) for name, value in found.items() if value} | asked
    if not what.get("dbname") and not what.get("service"):
        raise MisuseError("the URL of the store names no database", _SHAPE)
    return Server(what, unquote(parts.password or ""))


def without_link(place: Place) -> Place:
    """Return the file itself where a path is a link: lock, requests and recordings are next to the file."""
    return Path(os.path.realpath(place)) if isinstance(place, Path) and place.is_symlink() else place


def full_name(place: Place) -> str:
    """Return how a place is named from any folder, without a password."""
    return str(place.absolute()) if isinstance(place, Path) else str(place)


def beside(place: Place, data: Path, ending: str) -> Path:
    """Return the path of a file next to a store: its name with `ending`, or in a server's folder of the data folder."""
    if isinstance(place, Server):
        return data / "servers" / place.digest / ending.strip("-.")
    return place.with_name(f"{place.stem}{ending}")


def without_urls(text: str) -> str:
    """Return a text as it may be shown: of a URL that has a login, or is PostgreSQL's, only the scheme."""
    return _MAY_HOLD_SECRETS.sub(r"\1...", text)


def shown_path(path: Place) -> str:
    """Return a path as a person in this folder would write it, or a URL without its password."""
    if not isinstance(path, Path):
        return str(path)
    here, whole = Path.cwd(), path.absolute()
    if here == here.parent:  # from the root it is the whole path less its stroke
        return str(whole)
    with suppress(ValueError):
        return str(whole.relative_to(here))
    return str(path)


# --- Where rulebot keeps things for this person

DATA_VARIABLE = "RULEBOT_DATA"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
"""What rulebot makes is its owner's alone: it says what is traded, and who reads a store can lock it."""


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what rulebot keeps for this person: RULEBOT_DATA, else the system's own place for it."""
    named = environ.get(DATA_VARIABLE, "")
    return Path(named) if named else platformdirs.user_data_path("rulebot", appauthor=False)


def make_folder(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Make a folder, and those above it that are not there: for this person alone, and so is the data folder.

    Who can read a store can lock it, too, and keep its engine from entering. Source: XDG Base Directory Specification,
    0700. Raises: OSError.
    """
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    if folder.absolute().is_relative_to(data := data_folder(environ).absolute()):
        data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    for made in reversed(lacking):
        made.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        give_to_owner(made)
    folder.mkdir(exist_ok=True)


def private(path: str, flags: int) -> int:
    """Open a plain file, made for its owner alone; an `opener` of `open`. It never waits for the other end of a pipe.

    Raises: OSError, also for what is no plain file.
    """
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return handle


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, unless there is one. Raises: OSError."""
    os.close(private(str(path), os.O_WRONLY | os.O_CREAT))


def give_to_owner(made: Path, like: Path | None = None) -> None:
    """Give what root has made to the owner of what it is `like`, if that exists, else of its folder.

    SQLite does so with its own files. Otherwise the user of the engine could not read or write it. A link is not
    followed, and of a file with another name nothing is given away: the owner of the folder may have made either, of a
    file of root's.
    """
    if os.name != "posix" or os.geteuid() != 0:
        return
    with suppress(OSError):  # of a disk where root may not either
        owner = (like if like is not None and like.exists() else made.parent).stat()
        found = made.lstat()
        if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode):
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


def runs_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of real stores and of the pointer: RULEBOT_DATA, else the system's own place, `runs` in it."""
    return data_folder(environ) / "runs"


def accounts_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the locks of accounts: RULEBOT_DATA, else the system's own place, `accounts` in it."""
    return data_folder(environ) / "accounts"


def new_sim_store(name: str, folder: Path | None = None) -> Path:
    """Return a path for a simulated run's store that is not taken yet: `runs/2026-11-18-7.db`, then `...-7-2.db`."""
    folder = Path("runs") if folder is None else folder
    path, count = folder / f"{name}.db", 1
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}.db"
    return path


# --- Secrets

DATABASE_PASSWORD = "RULEBOT_DB_PASSWORD"
HOOK_SECRET = "RULEBOT_HOOK_SECRET"
LEAST = 16
"""Characters that a secret has at least."""
_FILE = "_FILE"


def read_secret(name: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the secret of a variable, else of the file that the variable NAME_FILE names; and in words where it was.

    Both are "" when neither is set. Who names a file answers for who can read it. Raises: MisuseError, StoreError.
    """
    given, file = environ.get(name, ""), environ.get(name + _FILE, "")
    if given and file:
        raise MisuseError(f"{name} and {name}{_FILE} are both set", "keep one of them")
    if given or not file:
        return given, f"the environment's {name}" if given else ""
    with as_store_error(f"{file}, which {name}{_FILE} names, cannot be read"):
        text = Path(file).read_text(encoding="utf-8").strip()
    if not text:
        raise MisuseError(f"{file}, which {name}{_FILE} names, is empty")
    return text, file


def database_password(environ: Mapping[str, str] = os.environ) -> str:
    """Return the password for a server whose URL has none, "" when none is given here. Raises: as `read_secret`."""
    return read_secret(DATABASE_PASSWORD, environ)[0]


def hook_secret(folder: Path, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the secret of web hooks, and in words where it is kept; both are "" while none is set, or none received.

    folder: rulebot's folder for this person. Raises: MisuseError, StoreError.
    """
    given, where = read_secret(HOOK_SECRET, environ)
    if given:
        return checked_secret(given, where), where
    file = hook_secret_file(folder)
    return (kept_secret(file), str(file)) if file.exists() else ("", "")


def hook_secret_file(folder: Path) -> Path:
    """Return the file that keeps the secret of web hooks."""
    return folder / "hook-secret"


# ---------------------------------------------------------------- files of our own


def make_secret(file: Path) -> None:
    """Make a file with a new secret that its owner alone can read, unless it is there. Raises: StoreError."""
    if file.exists():
        return
    try:
        make_folder(file.parent)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as made:
                made.write(secrets.token_urlsafe(24))
        except OSError:
            file.unlink()  # an empty one would be taken for a secret that is none, at every start
            raise
        give_to_owner(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be made: {in_words(error)}") from error


def is_open_to_others(path: Path) -> bool:
    """Say whether others than its owner may use a file or folder, where the system reports it. Raises: OSError."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def kept_secret(file: Path) -> str:
    """Return the content of a file that rulebot wrote.

    Raises: MisuseError when others can read it or it is no file, StoreError.
    """
    with as_store_error(f"{file} cannot be read"):
        if is_open_to_others(file):
            raise MisuseError(f"{file} can be read by others, and holds a secret", f"chmod 600 {file}")
        return checked_secret(file.read_text(encoding="ascii").strip(), str(file))


def checked_secret(text: str, where: str) -> str:
    """Return a secret that is one. Raises: MisuseError."""
    if len(text) < LEAST or not text.isascii() or not text.isprintable():
        raise MisuseError(f"what is kept in {where} is no secret", f"it has at least {LEAST} plain characters")
    return text


# --- An open store, as what writes and reads it knows it

Head = tuple[int, str]


class Store:
    """An open store: where it is, and its engine. `sqlite.py` and `postgres.py` have those that can be written.

    is_put_back: a server's own tools have put it where it is, and nothing in it says so yet.
    """

    is_put_back = False

    def __init__(self, path: Place, engine: "Engine") -> None:
        self.path = path
        self.engine = engine

    def check_in_place(self, head: Head) -> None:
        """Raise UnwrittenError when the file was deleted, replaced or overwritten while it was open.

        head: number and hash of our last record.
        """

    def note_written(self) -> None:
        """Know what our own writing has made of the file."""

    def reconnected(self, lost: "Connection") -> "Connection | None":
        """Return another connection for one that was lost, None when it was not. Raises: StoreError, UnwrittenError."""
        return None

    def be_quick(self, connection: "Connection", *, is_quick: bool) -> None:
        """Let a connection wait for no other program, or for a moment as before."""

    def make_room(self, connection: "Connection") -> None:
        """Give back room on the disk, as far as that can be done."""

    def note_place(self) -> None:
        """Keep where a server's own tools have put it: that is known from now on. Raises: StoreError."""

    def close(self) -> None:
        """Close the store and let the next writer in."""
        self.engine.dispose()
